"""Nasty files through the whole program: an answer or a clear error, and nothing else."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_studies import tiny

from coterie.data.read import read
from coterie.errors import CoterieError, DataError
from coterie.study.problem import pose
from coterie.study.question import Question

sys.path.append(str(Path(__file__).parents[1] / "data"))
from odd_tables import odd_tables

SEED = 5  # tables of 40 rows
ODD = {one.label: one for one in odd_tables(SEED)}
TRAINED = [
    "class of one",
    "mixed types",
    "huge and infinite",
    "huge target",
    "numbers to predict",
    "words",
    "impossible dates",
    "short rows",
]


def posed(one, folder):
    """The problem of an odd table, or None where it is refused."""
    path = one.write(folder)
    try:
        return path, pose(Question(str(path), target=(one.target,) if one.target else ()), read(path))
    except CoterieError:
        return path, None


def check_answers(model, data, rows):
    """What holds of the predictions for any table."""
    found = model.predict_table(data)
    assert found.height == rows
    output = model.output(data).numpy()
    assert np.isfinite(output).all()
    if model.task in ("binary", "multiclass"):
        known = {model.target.label(k) for k in range(model.target.outputs)}
        assert set(found["prediction"].to_list()) <= known
        np.testing.assert_allclose(output.sum(1), 1, rtol=1e-6)
        assert ((output >= 0) & (output <= 1)).all()


@pytest.mark.parametrize("label", ODD)
def test_planned_or_refused(tmp_path, label):
    _, problem = posed(ODD[label], tmp_path)
    if problem is not None:
        at = np.concatenate([problem.development, problem.test])
        assert np.array_equal(np.sort(at), np.arange(len(problem.dataset)))
        assert problem.dataset.target.isfinite().all()


@pytest.mark.parametrize("label", TRAINED)
def test_trained_and_asked_again(tmp_path, label):
    path, problem = posed(ODD[label], tmp_path)
    assert problem is not None
    study = tiny(path, ODD[label].target, out=tmp_path / "s", fix={"epochs": 2, "hidden": "8"})
    model, frame = study.model, problem.table.frame
    check_answers(model, path, len(frame))
    order = np.random.default_rng(0).permutation(len(frame))
    np.testing.assert_allclose(
        model.output(frame[order]), model.output(frame)[order], rtol=1e-5, atol=1e-6 * spread(model, frame)
    )
    features = [column.name for column in model.schema.features]
    strange = frame.with_columns(pl.lit("never seen").alias(name) for name in features)
    check_answers(model, strange, len(frame))
    empty = frame.with_columns(pl.lit(None, pl.String).alias(name) for name in features)
    check_answers(model, empty, len(frame))
    for name in features:
        with pytest.raises(DataError):
            model.predict(frame.drop(name))


def spread(model, frame):
    """The size of outputs, against which rounding is judged: one for probabilities."""
    return max(1.0, float(model.output(frame).abs().max()))


def test_an_absent_target_is_named_with_its_neighbour(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("age,disease\n" + "".join(f"{i},{'yn'[i % 2]}\n" for i in range(30)))
    with pytest.raises(DataError, match="'disease'"):
        pose(Question(str(path), target=("diesase",)), read(path))
