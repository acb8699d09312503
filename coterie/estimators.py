"""What learned without labels as a transformer of scikit-learn: a step of its pipelines.

N rows, K numbers of a code.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from coterie.errors import SpecError
from coterie.making import Made, codes_of, require
from coterie.model import Model
from coterie.models.catalogue import FAMILIES, family_named
from coterie.verbs import fit, load


class Codes(TransformerMixin, BaseEstimator):
    """Rows to codes, by a family that learns without labels: an autoencoder, a VAE, SimCLR, k-means, ….

    model: a family's name, which `fit` trains, or what was trained before (a study's folder, a `Model`),
    which `fit` leaves as it is. fix: hyperparameters by name; seed: of all that is random; metric: what the
    best epoch is chosen by; out: the study's folder (default: none is kept). Data: what `fit` takes.

    After `fit`: `model_`, the `Model`; `n_features_out_`, K. Raises SpecError for a family without codes.

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.linear_model import LogisticRegression
    >>> pipeline = make_pipeline(Codes("vae", fix={"codes": 8}), LogisticRegression())
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model = "autoencoder",
        *,
        fix: Mapping[str, Any] | None = None,
        seed: int = 0,
        metric: str | None = None,
        out: str | os.PathLike[str] | None = None,
    ) -> None:
        self.model, self.fix, self.seed, self.metric, self.out = model, fix, seed, metric, out

    def fit(self, X: Any, y: Any = None) -> Codes:
        """Trains on all rows but the fifth that says when to stop; y is not looked at."""
        self.model_ = self._model(X)
        require(self.model_, "encode")
        width = codes_of(self.model_)
        assert width is not None
        self.n_features_out_ = width
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Codes (N, K)."""
        check_is_fitted(self)
        return self.model_.encode(X)

    def inverse_transform(self, X: Any) -> Made:
        """Rows of codes (N, K), as `Model.decode` gives them; `ModelError` where the family cannot."""
        check_is_fitted(self)
        return self.model_.decode(X)

    def score_samples(self, X: Any) -> np.ndarray:
        """(N,) each row's log-density in nats; `ModelError` where the family has none."""
        check_is_fitted(self)
        return self.model_.score_samples(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """What columns of codes are called."""
        check_is_fitted(self)
        return np.array([f"code_{place}" for place in range(self.n_features_out_)], dtype=object)

    def _model(self, data: Any) -> Model:
        if isinstance(self.model, Model):
            return self.model
        if str(self.model) not in FAMILIES and os.path.isdir(self.model):
            return load(self.model)
        if self.out is not None:
            return self._trained(data, self.out)
        with tempfile.TemporaryDirectory() as folder:
            return self._trained(data, os.path.join(folder, "codes"))

    def _trained(self, data: Any, out: str | os.PathLike[str]) -> Model:
        family = family_named(str(self.model))
        if "unsupervised" not in family.tasks:
            raise SpecError(
                "Codes come from a family that learns without labels.",
                given=f"model={self.model!r}",
                fix="`coterie models` lists them.",
            )
        how: dict[str, Any] = {"fix": self.fix, "seed": self.seed, "metric": self.metric, "out": out}
        return fit(data, models=family.name, folds=1, candidates=1, test_size=0, **how).model
