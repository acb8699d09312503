"""Scores of a model's outputs with their intervals: on test rows, over folds, by class, by group.

N rows, K outputs, J members (folds × seeds).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.scanned import Frame
from coterie.data.values import is_date, numbers, says_missing, words
from coterie.metrics.catalogue import scores
from coterie.metrics.classes import per_class
from coterie.metrics.classification import confusion_matrix
from coterie.metrics.conformal import residual_half_width
from coterie.metrics.intervals import RESAMPLES, Interval, bootstrap_all, corrected_standard_error
from coterie.metrics.thresholds import choose_threshold, threshold_table
from coterie.objectives.supervised import flattened

LEVEL = 0.9  # of prediction intervals
BASELINE_RESAMPLES = 1000
WORK = 40_000  # rows · ranked columns up to which the bootstrap makes all its resamples …
FEWEST = 1 / 20  # … and beyond, in proportion fewer, but not below this share of them
MOST_GROUPS = 10  # values of a column that are scored apart
SMALL_GROUP = 30  # rows below which a group's scores say little

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Judged:
    """Rows with what was said of them and what was true.

    output (N, K), target (N,) or (N, K), weight (N,) or None; positions (N,) in the problem's dataset. Where
    every step answers a row is a step, and positions repeat.
    on: "test", or "validation" for outputs of members that were not trained on these rows.
    """

    on: str
    output: Tensor
    target: Tensor
    weight: Tensor | None
    positions: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def rows(self) -> int:
        """How many rows of the dataset they are."""
        return len(np.unique(self.positions))

    @property
    def together(self) -> np.ndarray | None:
        """The row of each step, where a row has several."""
        return self.positions if self.rows < len(self) else None

    def part(self, keep: np.ndarray) -> Judged:
        """The rows at these places, in this order; keep: (N,) bool or places."""
        at = torch.from_numpy(np.flatnonzero(keep) if keep.dtype == bool else keep)
        weight = None if self.weight is None else self.weight[at]
        return Judged(self.on, self.output[at], self.target[at], weight, self.positions[at.numpy()])


def judge(on: str, dataset: Dataset, positions: np.ndarray, output: Tensor) -> Judged:
    """What was said of rows, (n, K) in the order of their positions in the dataset, beside their truth."""
    assert dataset.target is not None
    assert len(output) == len(positions)
    at = torch.from_numpy(np.asarray(positions, dtype=np.int64))
    if output.ndim == 3:
        ones = torch.ones(len(dataset)) if dataset.weight is None else dataset.weight
        output, target, counted = flattened(output, dataset.target[at], ones[at])
        if dataset.task == "text":
            target = torch.zeros_like(target)  # what was said is already of the true token: see `Writer`
        real = (counted > 0).cpu()
        steps = np.repeat(positions, len(real) // max(1, len(positions)))[real.numpy()]
        return Judged(on, output.detach().cpu()[real], target[real], counted[real], steps)
    weight = None if dataset.weight is None else dataset.weight[at]
    return Judged(on, output.detach().cpu(), dataset.target[at], weight, np.asarray(positions))


def pooled(parts: Sequence[Judged]) -> Judged:
    """Parts joined, rows in order; of a row, or a step of a row, that is in several parts the mean output."""
    assert parts
    keys = np.concatenate([np.stack([p.positions, _occurrence(p.positions)], axis=1) for p in parts])
    found, first, place = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    index, at = torch.from_numpy(place.reshape(-1)), torch.from_numpy(first)
    total = torch.zeros(len(found), parts[0].output.shape[1], dtype=torch.float64)
    total.index_add_(0, index, torch.cat([part.output.double() for part in parts]))
    weights = [part.weight for part in parts]
    return Judged(
        parts[0].on,
        total / torch.bincount(index)[:, None],
        torch.cat([part.target for part in parts])[at],
        None if any(w is None for w in weights) else torch.cat([w for w in weights if w is not None])[at],
        found[:, 0],
    )


def _occurrence(positions: np.ndarray) -> np.ndarray:
    """Of each entry, how many equal ones stand right before it: the steps of a row follow one another."""
    starts = np.flatnonzero(np.diff(positions, prepend=-1))
    return np.arange(len(positions)) - np.repeat(starts, np.diff(starts, append=len(positions)))


def interval_scores(judged: Judged, task: str, seed: int, resamples: int = RESAMPLES) -> Scores:
    """All metrics with bootstrap intervals: {metric: {"value", "low", "high"}}; {} without rows."""
    if not len(judged):
        return {}
    found = bootstrap_all(
        task,
        judged.output,
        judged.target,
        weight=judged.weight,
        seed=seed,
        resamples=affordable(resamples, judged, task),
        together=judged.together,
    )
    return {name: interval_facts(interval) for name, interval in found.items()}


def affordable(resamples: int, judged: Judged, task: str) -> int:
    """How many resamples are made when so many are wanted: fewer of very many rows."""
    ranked = judged.output.shape[1] if task in ("multiclass", "multilabel") else 1
    share = max(WORK / max(1, len(judged) * ranked), FEWEST)
    return min(resamples, round(resamples * share))


def interval_facts(interval: Interval) -> dict[str, float]:
    """As plain data."""
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def fold_scores(
    parts: Sequence[Judged], task: str, folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, dict[str, float]]:
    """{metric: {"mean", "se"}} over members, each judged on its own validation rows; {} without any.

    se: the standard error corrected for folds that share training rows (Nadeau & Bengio, 2003).
    """
    if not parts:
        return {}
    single = [scores(part.output, part.target, part.weight, task) for part in parts]
    n_train, n_validation = (
        float(np.mean([len(rows) for rows in side])) for side in zip(*folds, strict=True)
    )
    table = {name: torch.stack([member[name] for member in single]).double() for name in single[0]}
    return {
        name: {
            "mean": float(torch.nanmean(values)),
            "se": float(corrected_standard_error(values, n_train, n_validation)),
        }
        for name, values in table.items()
    }


def class_table(judged: Judged, names: Sequence[str]) -> list[dict[str, Any]]:
    """One row a class or label: class, support, precision, recall, specificity, f1, roc_auc, …"""
    columns = {n: v.tolist() for n, v in per_class(judged.output, judged.target, judged.weight).items()}
    return [
        {"class": name} | {key: values[k] for key, values in columns.items()} for k, name in enumerate(names)
    ]


def confusion(judged: Judged) -> list[list[int]]:
    """How many rows of each true class (rows) were given each class (columns); weights do not count."""
    counts = confusion_matrix(judged.output, judged.target)
    return [[round(count) for count in row] for row in counts.tolist()]


def thresholds(oof: Judged) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """The threshold table of a binary target and the threshold to take, both from out-of-fold outputs."""
    probability = oof.output[:, 1]
    value = choose_threshold(probability, oof.target, oof.weight)
    table = threshold_table(probability, oof.target, oof.weight)
    return table, {"value": value, "chosen_by": "Youden's J on out-of-fold predictions"}


def prediction_intervals(oof: Judged, test: Judged | None) -> dict[str, Any] | None:
    """Half widths from out-of-fold residuals, and their measured coverage on test rows.

    None when there are too few rows for the level.
    """
    half = residual_half_width((oof.output - oof.target).abs(), LEVEL)
    if not torch.isfinite(half).all():
        return None
    covered = None if test is None or not len(test) else coverage(test, half)
    return {"level": LEVEL, "half_width": half.tolist(), "coverage": covered}


def coverage(judged: Judged, half_width: Tensor) -> list[float]:
    """The share of rows whose true value lies within the half width of what was said, for each target."""
    within = ((judged.output - judged.target).abs() <= half_width).double()
    weight = torch.ones(len(judged)) if judged.weight is None else judged.weight
    return (weight.double() @ within / weight.double().sum()).tolist()


def subgroups(
    judged: Judged, frame: Frame, rows: np.ndarray, by: Sequence[str], task: str, seed: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scores of the rows that share a value of a column, and warnings of groups too small to judge.

    frame: the whole table; rows (N,): the number in it of each judged row.
    """
    found, small = [], []
    for column in by:
        for value, members in groups(frame[column].gather(rows)):
            group = judged.part(members)
            if len(group) < SMALL_GROUP:
                small.append(f"{column} = {value} ({len(group)})")
            found.append(
                {
                    "column": column,
                    "value": value,
                    "rows": len(group),
                    "small": len(group) < SMALL_GROUP,
                    "scores": interval_scores(group, task, seed, BASELINE_RESAMPLES),
                }
            )
    warnings = []
    if small:
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        warnings.append(
            f"Groups with fewer than {SMALL_GROUP} rows, whose scores say little: "
            f"{', '.join(small[:5])}{more}."
        )
    return found, warnings


def groups(series: pl.Series) -> Iterator[tuple[str, np.ndarray]]:
    """At most ten groups of rows by value: (its name, (N,) bool).

    Numbers of many different values are cut into quarters; of other values the most frequent are kept and
    the rest is one group. Missing values are a group of their own.
    """
    text = words(series)
    missing = says_missing(text).to_numpy()
    plain = numbers(series)
    distinct = text.filter(~pl.Series(missing)).n_unique()
    if distinct > MOST_GROUPS and (np.isfinite(plain) | missing).all():
        yield from _quarters(np.where(missing, np.nan, plain), series.dtype)
    else:
        counts = text.filter(~pl.Series(missing)).value_counts(sort=True)
        common = counts.sort(["count", text.name], descending=[True, False])[text.name].to_list()
        kept = common if len(common) <= MOST_GROUPS else common[: MOST_GROUPS - 1]
        values = text.to_numpy()
        for value in sorted(kept):
            yield value, (values == value) & ~missing
        if len(common) > len(kept):
            yield (
                f"{len(common) - len(kept)} other values",
                ~text.is_in(kept).fill_null(False).to_numpy() & ~missing,
            )
    if missing.any():
        yield "missing", missing


def _quarters(x: np.ndarray, dtype: pl.DataType) -> Iterator[tuple[str, np.ndarray]]:
    """Four groups of about equal size by value; dtype: of the column, which says how a value is spelled."""

    def spelled(value: float) -> str:
        return str(pl.Series([int(value)]).cast(dtype)[0]) if is_date(dtype) else f"{value:.6g}"

    edges = np.unique(np.nanquantile(x, [0.25, 0.5, 0.75], method="higher"))
    bounds = [-np.inf, *edges, np.inf]
    for low, high in pairwise(bounds):
        inside = (x >= low) & (x < high)
        if not inside.any():
            continue
        if low == -np.inf:
            name = f"below {spelled(high)}"
        else:
            low_name = spelled(low)
            name = f"from {low_name}" if high == np.inf else f"{low_name} to below {spelled(high)}"
        yield name, inside


def best_by(validation: Mapping[str, Scores], metric: str, maximise: bool, key: str) -> str | None:
    """The name whose score[metric][key] is best; of equals the first; None if no one has a score."""
    sign = -1.0 if maximise else 1.0
    known = {n: sign * s[metric][key] for n, s in validation.items() if metric in s}
    known = {n: v for n, v in known.items() if np.isfinite(v)}
    return min(known, key=lambda name: known[name]) if known else None


def plain(value: Any) -> Any:
    """As JSON has it: lists for tuples and arrays, None for NaN and infinities."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | Tensor):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
