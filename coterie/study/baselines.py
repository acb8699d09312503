"""Simple models beside the network, on the same rows and folds: what it has to beat to be worth its cost.

The baselines are scikit-learn's: always the same answer, logistic or ridge regression, histogram gradient
boosting, support vectors. Each is fitted on every fold's training rows, its imputation, scaling and codes
too; the test prediction is the average over the folds, as the network's is.

N rows, F numeric inputs, C category inputs, K outputs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from coterie.data.dataset import Dataset
from coterie.study.baseline import Baseline
from coterie.study.baseline_kinds import Kind, Size, kinds_for
from coterie.study.step_baselines import fit_step_baselines
from coterie.study.vectors import plain_numbers

MOST_ROWS = 200_000  # a baseline is fitted on a random sample of a fold's training rows beyond this
CHUNK = 50_000  # rows predicted at once

Predict = Callable[[np.ndarray], np.ndarray]


def fit_baselines(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    development: np.ndarray,
    test: np.ndarray,
    *,
    task: str,
    outputs: int,
    seed: int,
) -> Iterator[Baseline]:
    """Yields one finished baseline at a time, the simplest first.

    folds, development, test: positions in `dataset`, which must have its target; outputs: K. Without folds
    each baseline is fitted once, on all development rows. Sample weights are used. A class that a fold's
    training rows lack has probability 0 there. A baseline that cannot be fitted is yielded all the same,
    with the reason as its note: it never stops a study. Nothing is yielded when there is nothing to predict.
    """
    assert dataset.target is not None
    if not len(test) and not any(len(validation) for _, validation in folds):
        return  # nothing could be scored
    if dataset.schema.target is not None and dataset.schema.target.each_step:
        yield from fit_step_baselines(dataset, tuple(folds) or ((development, development[:0]),), test)
        return
    numbers = plain_numbers(dataset)
    table = _Rows(
        numbers,
        dataset.inputs["category"].numpy(),
        dataset.target.numpy(),
        None if dataset.weight is None else dataset.weight.numpy().astype(np.float64),
    )
    parts = tuple(folds) or ((development, development[:0]),)
    numeric, category = numbers.shape[1], dataset.inputs["category"].shape[1]
    rows = max(len(training) for training, _ in parts)
    size = Size(min(rows, MOST_ROWS), numeric, category, outputs)
    for kind in kinds_for(task, size, len(development)):
        with warnings.catch_warnings():  # convergence, rare classes: the score tells
            warnings.simplefilter("ignore")
            try:
                found = [_fit_part(kind, table, part, test, size, task, seed) for part in parts]
            except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
                reason = " ".join(str(error).split())[:200]
                yield Baseline(kind.name, kind.label, (), None, f"It could not be fitted: {reason}", True)
                continue
        note = kind.describe(task == "regression", size)
        drawn = (MOST_ROWS, rows) if rows > MOST_ROWS and kind.inputs is not None else None
        if drawn:
            note += f" Fitted on {MOST_ROWS:,} of {rows:,} training rows, drawn at random."
        averaged = torch.from_numpy(np.mean([on_test for _, on_test in found], axis=0)) if len(test) else None
        validation = tuple(torch.from_numpy(on_fold) for on_fold, _ in found) if folds else ()
        yield Baseline(kind.name, kind.label, validation, averaged, note.strip(), drawn=drawn)


@dataclass(frozen=True)
class _Rows:
    """Numbers (N, F), codes (N, C); target (N,) or (N, K); weight (N,) or None."""

    numbers: np.ndarray
    codes: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None

    def inputs(self, rows: np.ndarray) -> np.ndarray:
        """(n, F + C) float64, numbers first, codes last, of these rows: memory may have no room for all."""
        return np.concatenate([self.numbers[rows], self.codes[rows]], axis=1, dtype=np.float64)


def _fit_part(
    kind: Kind,
    table: _Rows,
    part: tuple[np.ndarray, np.ndarray],
    test: np.ndarray,
    size: Size,
    task: str,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits on one fold's training rows: predictions for its validation rows and for the test rows."""
    training, validation = part
    if table.weight is not None:
        training = training[table.weight[training] > 0]
    if len(training) > MOST_ROWS and kind.inputs is not None:
        drawn = np.random.Generator(np.random.PCG64(seed)).choice(len(training), MOST_ROWS, replace=False)
        training = training[np.sort(drawn)]
    weight = None if table.weight is None else table.weight[training] / table.weight[training].mean()
    nothing = np.zeros((len(training), 0))
    raw = nothing if kind.inputs is None else table.inputs(training)
    inputs = None if kind.inputs is None else kind.inputs(size).fit(raw)
    x = nothing if inputs is None else inputs.transform(raw)

    def make() -> Any:
        return kind.estimator(task == "regression", size, seed)

    if task in ("binary", "multiclass"):
        predict = _fit_classes(make, x, table.target[training], weight, size.outputs)
    else:
        one = _fit_values if task == "regression" else _fit_label
        columns = [one(make, x, column, weight) for column in table.target[training].T]

        def predict(z: np.ndarray) -> np.ndarray:
            return np.stack([column(z) for column in columns], axis=1)

    def output(rows: np.ndarray) -> np.ndarray:
        pieces = [np.zeros((0, size.outputs))]
        for begin in range(0, len(rows), CHUNK):
            some = rows[begin : begin + CHUNK]
            here = np.zeros((len(some), 0)) if inputs is None else inputs.transform(table.inputs(some))
            pieces.append(predict(here))
        joined = np.concatenate(pieces)
        if not np.isfinite(joined).all():
            raise ArithmeticError("its predictions are not finite numbers.")
        return joined

    return output(validation), output(test)


def _fit_classes(
    make: Callable[[], Any], x: Any, y: np.ndarray, weight: np.ndarray | None, outputs: int
) -> Predict:
    """Probabilities (n, K); columns of classes that y lacks are 0."""
    estimator = make()
    fewest = getattr(estimator, "fewest", 1)
    classes = np.flatnonzero(np.bincount(y, minlength=outputs) >= fewest)
    if len(classes) < 2:
        only = np.eye(outputs)[np.bincount(y, weight, minlength=outputs).argmax()]
        return lambda z: np.tile(only, (z.shape[0], 1))
    keep = np.isin(y, classes)
    if not keep.all():
        x, y, weight = x[keep], y[keep], None if weight is None else weight[keep]
    estimator.fit(x, y, sample_weight=weight)

    def predict(z: Any) -> np.ndarray:
        probability = np.zeros((z.shape[0], outputs))
        probability[:, estimator.classes_] = estimator.predict_proba(z)
        return probability

    return predict


def _fit_label(make: Callable[[], Any], x: Any, y: np.ndarray, weight: np.ndarray | None) -> Predict:
    """The probability (n,) of one label."""
    both = _fit_classes(make, x, y.astype(np.int64), weight, 2)
    return lambda z: both(z)[:, 1]


def _fit_values(make: Callable[[], Any], x: Any, y: np.ndarray, weight: np.ndarray | None) -> Predict:
    """Values (n,) of one target, standardised for the fit: penalties and tolerances then suit any unit."""
    y = y.astype(np.float64)
    center = np.average(y, weights=weight)
    scale = np.sqrt(np.average((y - center) ** 2, weights=weight))
    if not scale > 1e-12 * max(abs(center), 1e-30):
        return lambda z: np.full(z.shape[0], center)
    estimator = make().fit(x, (y - center) / scale, sample_weight=weight)
    return lambda z: np.asarray(estimator.predict(z), dtype=np.float64) * scale + center
