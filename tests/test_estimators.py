"""Codes as a step of scikit-learn's pipelines."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from coterie import Codes
from coterie.errors import ModelError, SpecError

RNG = np.random.default_rng(3)
WAY = RNG.normal(size=(120, 1))
ROWS = np.hstack([WAY, -WAY, 2 * WAY]) + 0.1 * RNG.normal(size=(120, 3))
SIDE = (WAY[:, 0] > 0).astype(int)
LINEAR = {"codes": 1, "solution": "exact", "epochs": 1}


@pytest.fixture(scope="module")
def codes():
    return Codes("linear_autoencoder", fix=LINEAR).fit(ROWS)


def test_a_pipeline_learns_from_codes():
    pipeline = clone(make_pipeline(Codes("linear_autoencoder", fix=LINEAR), LogisticRegression()))
    assert pipeline.fit(ROWS, SIDE).score(ROWS, SIDE) > 0.95
    assert list(pipeline[0].get_feature_names_out()) == ["code_0"]


def test_codes_come_back_as_rows(codes):
    again = np.asarray(codes.inverse_transform(codes.transform(ROWS)))
    assert np.abs(again - ROWS).mean() < 0.15


def test_what_was_trained_is_used_as_it_is(codes, tmp_path):
    codes.model_.save(tmp_path / "model")
    for given in (codes.model_, tmp_path / "model"):
        other = Codes(given).fit(ROWS[:2])
        assert np.array_equal(other.transform(ROWS), codes.transform(ROWS))


def test_a_study_is_kept_where_it_is_asked_for(tmp_path):
    Codes("linear_autoencoder", fix=LINEAR, out=tmp_path / "kept").fit(ROWS)
    assert (tmp_path / "kept" / "report.html").is_file()


def test_what_has_no_codes_is_refused(codes):
    with pytest.raises(SpecError, match="learns without labels"):
        Codes("mlp").fit(ROWS)
    with pytest.raises(ModelError, match="score_samples needs"):
        codes.score_samples(ROWS)
    with pytest.raises(NotFittedError):
        Codes().transform(ROWS)
