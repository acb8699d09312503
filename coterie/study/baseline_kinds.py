"""What the baselines are: always the same answer, a linear model, boosted trees, support vectors.

Each says which inputs it is given, which estimator of scikit-learn it is at a task and size, and what the
report tells of it. n rows, F numeric inputs, C category inputs (codes, after the numbers), K outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

SVM_ROWS = 10_000  # support vectors only below this many development rows …
SVM_WORK = 4e9  # … and rows² · columns
CALIBRATION_FOLDS = 3
CALIBRATION_ROWS = 2_000  # beyond, one part calibrates what the others fitted
PAIRS = 30  # classes beyond which decisions are calibrated one against the rest, not pair by pair
BOOSTING_WORK = 1e9  # histogram updates of one fit: several seconds on two cores
ALPHAS = np.logspace(-3, 4, 15)
CODES = 254  # values of a category that histogram bins have room for


@dataclass(frozen=True)
class Size:
    """What the cost of a fit depends on: training rows n, columns F and C, outputs K."""

    rows: int
    numeric: int
    category: int
    outputs: int


@dataclass(frozen=True)
class Kind:
    """A kind of baseline: its inputs, and the estimator of a task and size."""

    name: str
    label: str
    inputs: Callable[[Size], Any] | None  # None: it looks at no input
    estimator: Callable[[bool, Size, int], Any]
    describe: Callable[[bool, Size], str]


def kinds_for(task: str, size: Size, development: int) -> Iterator[Kind]:
    """The baselines of a task that its size allows, the simplest first; development: rows in all folds."""
    values = task == "regression"
    columns = size.numeric + size.category
    yield Kind("dummy", "always the mean" if values else "always the class shares", None, _dummy, _silent)
    if columns == 0:
        return
    if values:
        yield Kind("ridge", "ridge regression", _standardised, _linear, _about_linear)
    else:
        yield Kind("logistic", "logistic regression", _standardised, _linear, _about_linear)
    yield Kind("hist_gradient_boosting", "gradient boosting", _Codes, _boosting, _about_boosting)
    if development < SVM_ROWS and size.rows**2 * columns <= SVM_WORK:
        yield Kind(
            "support_vectors", "support vector machine", _standardised, _support_vectors, _about_vectors
        )


# Inputs: what an estimator is given, fitted on training rows.


def _standardised(size: Size) -> ColumnTransformer:
    """Numbers imputed by the median, with indicators, and standardised; categories one-hot."""
    split, parts = size.numeric, []
    if size.numeric:
        imputer = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        parts.append(("numbers", make_pipeline(imputer, StandardScaler()), slice(0, split)))
    if size.category:
        codes = OneHotEncoder(handle_unknown="ignore")
        parts.append(("categories", codes, slice(split, split + size.category)))
    return ColumnTransformer(parts)


class _Codes:
    """Numbers as they are; each category's codes by frequency, what is rare or unseen as missing.

    A number that every training row lacks becomes 0: histogram bins need a value.
    """

    def __init__(self, size: Size) -> None:
        self.first = size.numeric
        self.ranks: list[np.ndarray] = []
        self.empty: np.ndarray = np.zeros(0, dtype=bool)

    def fit(self, x: np.ndarray) -> _Codes:
        self.empty = np.isnan(x[:, : self.first]).all(axis=0)
        for column in x[:, self.first :].T:
            counts = np.bincount(column.astype(np.int64))
            frequent = np.argsort(-counts, kind="stable")[:CODES]
            frequent = frequent[counts[frequent] > 0]
            ranks = np.full(len(counts), np.nan)
            ranks[frequent] = np.arange(len(frequent))
            self.ranks.append(ranks)
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x[:, np.flatnonzero(self.empty)] = 0.0
        for column, ranks in zip(x[:, self.first :].T, self.ranks, strict=True):
            codes = column.astype(np.int64)
            column[:] = np.where(codes < len(ranks), ranks[np.minimum(codes, len(ranks) - 1)], np.nan)
        return x


# Estimators, and what the report says of them.


def _dummy(values: bool, size: Size, seed: int) -> Any:
    return DummyRegressor() if values else DummyClassifier(strategy="prior")


def _silent(values: bool, size: Size) -> str:
    return ""


def _linear(values: bool, size: Size, seed: int) -> Any:
    return RidgeCV(alphas=ALPHAS) if values else LogisticRegression(max_iter=300)


def _about_linear(values: bool, size: Size) -> str:
    inputs = "Inputs standardised, missing numbers imputed by the median."
    penalty = "penalty chosen by leave-one-out" if values else "penalty C = 1"
    return f"{inputs[:-1]}; {penalty}."


def _trees(values: bool, size: Size) -> tuple[int, int, float]:
    """Iterations, leaves and learning rate: small trees for few rows, where large ones only overfit; fewer
    and bolder steps where each is dear (a tree for every class, thousands of columns).
    """
    classes = size.outputs if not values and size.outputs > 2 else 1
    leaves = 8 if size.rows < 5_000 else 31
    wanted = 50 if classes > 3 else 60 if size.rows < 1_000 else 100
    columns = size.numeric + size.category
    step = classes * columns * (size.rows + 500 * leaves)
    iterations = int(np.clip(BOOSTING_WORK / step, 10, wanted))
    return iterations, leaves, 0.1 if iterations >= 60 else 0.2 if iterations >= 30 else 0.3


def _boosting(values: bool, size: Size, seed: int) -> Any:
    iterations, leaves, rate = _trees(values, size)
    kind = HistGradientBoostingRegressor if values else HistGradientBoostingClassifier
    return kind(
        learning_rate=rate,
        max_iter=iterations,
        max_leaf_nodes=leaves,
        min_samples_leaf=int(np.clip(size.rows // 20, 3, 20)),
        max_bins=255 if size.category or leaves > 8 else 64,
        categorical_features=np.arange(size.numeric + size.category) >= size.numeric,
        early_stopping=False,
        random_state=seed,
    )


def _about_boosting(values: bool, size: Size) -> str:
    iterations, leaves, rate = _trees(values, size)
    return f"{iterations} rounds of trees with {leaves} leaves, learning rate {rate}."


class _CalibratedVectors:
    """Support vectors with probabilities: logistic regression on the decisions between pairs of classes.

    That is Platt's idea ("Probabilistic outputs for support vector machines", 1999) for several classes at
    once. The decisions that it learns from are those of machines that were not fitted on these rows.
    """

    fewest = CALIBRATION_FOLDS  # rows a class must have

    def __init__(self, size: Size, seed: int) -> None:
        self.machine = SVC(
            decision_function_shape="ovo" if size.outputs <= PAIRS else "ovr", random_state=seed
        )
        self.parts = StratifiedKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
        self.scale = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))

    def fit(self, x: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> _CalibratedVectors:
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        decisions, rows = [], []
        for fitted, held in self.parts.split(x, y):
            self.machine.fit(x[fitted], y[fitted], weight[fitted])
            decisions.append(self._decide(x[held]))
            rows.append(held)
            if len(y) > CALIBRATION_ROWS:
                break
        else:
            self.machine.fit(x, y, weight)
        at = np.concatenate(rows)
        self.scale.fit(np.concatenate(decisions), y[at], logisticregression__sample_weight=weight[at])
        self.classes_ = self.scale.classes_
        return self

    def predict_proba(self, x: Any) -> np.ndarray:
        return np.asarray(self.scale.predict_proba(self._decide(x)))

    def _decide(self, x: Any) -> np.ndarray:
        return np.asarray(self.machine.decision_function(x)).reshape(x.shape[0], -1)


def _support_vectors(values: bool, size: Size, seed: int) -> Any:
    return SVR() if values else _CalibratedVectors(size, seed)


def _about_vectors(values: bool, size: Size) -> str:
    kernel = "Radial kernel, C = 1, inputs standardised"
    if values:
        return f"{kernel}."
    if size.rows > CALIBRATION_ROWS:
        return f"{kernel}; two thirds of the training rows fit it, the others calibrate its probabilities."
    return f"{kernel}; probabilities calibrated within the training rows."
