"""Permutation importance: how much worse the score gets when one feature is shuffled among the rows.

The idea is Breiman's ("Random Forests", 2001); here the finished model is asked again, nothing is fitted.
It says what a feature is worth to this model, not to the world: features that say the same share their
worth, and each alone can look dispensable.

N rows, F numeric inputs, C category inputs, K outputs, G features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.schema import Schema
from coterie.metrics.catalogue import Metric
from coterie.study.fitted import rows_of

ROWS, FEATURES, REPEATS = 2000, 200, 5
FEWEST_ROWS, FEWEST_FEATURES, FEWEST_REPEATS = 200, 20, 3
WORK = 1.5e10  # multiply-adds in all: a second or two
MOVE = 20  # what it costs to copy a number, in multiply-adds
PIECE = 4_000_000  # inputs of shuffled copies that are held at once
ROUNDING = 1e-6  # of the score: the same row in another batch gives an output that differs by so little
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % points of Student's t for R repeats


class Predictor(Protocol):
    """What is asked of a model here: outputs (N, K) of a dataset."""

    def output(self, data: Any) -> Tensor: ...


@dataclass(frozen=True)
class Effort:
    """How many rows and features are tried, and how often each feature is shuffled."""

    rows: int
    features: int
    repeats: int


def effort(rows: int, features: int, inputs: int, parameters: int) -> Effort:
    """As much as the work allows, by the sizes alone and not by a clock; parameters: of all members."""
    n, g, repeats = min(rows, ROWS), min(features, FEATURES), REPEATS
    row = parameters + MOVE * inputs
    if n * g * repeats * row > WORK:
        n = min(n, max(FEWEST_ROWS, int(WORK / (g * repeats * row))))
    if n * g * repeats * row > WORK:
        repeats = FEWEST_REPEATS
        g = min(g, max(FEWEST_FEATURES, int(WORK / (n * repeats * row))))
    return Effort(n, g, repeats)


def permutation_importance(
    model: Predictor,
    dataset: Dataset,
    metric: Metric,
    *,
    parameters: int,
    seed: int,
    at: np.ndarray | None = None,
) -> tuple[list[dict[str, Any]], str]:
    """[{"feature", "mean", "low", "high"}], the most important first; and a sentence on what was left out.

    A feature is a column of the table: all that was made of a date moves together. Positive is worse,
    whether the metric is better high or low. low, high: 95 % interval of the mean over the repeats (of the
    shuffling, not of the rows). [] where the score is not defined. at: positions of the rows that count, if
    not all.
    """
    rich = any(dataset.schema.of_kind(kind) for kind in ("image", "sequence", "text"))
    if rich or dataset.task in ("text", "unsupervised"):
        return [], ""  # a shuffled image says little: see the maps of what a network looks at
    features = feature_inputs(dataset.schema)
    inputs = dataset.inputs["numeric"].shape[1] + dataset.inputs["category"].shape[1]
    at = np.arange(len(dataset)) if at is None else at
    if not len(at) or not features:
        return [], ""
    generator = np.random.Generator(np.random.PCG64(seed))
    plan = effort(len(at), len(features), inputs, parameters)
    notes = []
    if plan.rows < len(at):
        notes.append(f"{plan.rows:,} of {len(at):,} rows, drawn at random")
        at = at[np.sort(generator.choice(len(at), plan.rows, replace=False))]
    dataset = rows_of(dataset, at)
    output = model.output(dataset)
    names = list(features)
    if plan.features < len(names):
        notes.append(
            f"the {plan.features} of {len(names):,} features that go along with the predictions most closely"
        )
        order = np.argsort(-going_along(dataset, features, output), kind="stable")
        names = [names[i] for i in sorted(order[: plan.features])]
    base = _score(metric, output, dataset)
    if not math.isfinite(float(base)):
        return [], ""
    orders = [
        (features[name], torch.from_numpy(generator.permutation(len(dataset))))
        for name in names
        for _ in range(plan.repeats)
    ]
    piece = max(1, PIECE // (len(dataset) * inputs))
    parts = [
        _score(metric, _shuffled_output(model, dataset, orders[begin : begin + piece]), dataset)
        for begin in range(0, len(orders), piece)
    ]
    worse = (torch.cat(parts) - base) * (-1.0 if metric.maximise else 1.0)
    worse = torch.where(worse.abs() > ROUNDING * base.abs(), worse, 0.0)
    by_feature = worse.reshape(len(names), plan.repeats)
    mean = by_feature.mean(1)
    reach = by_feature.std(1) * STUDENT[plan.repeats] / math.sqrt(plan.repeats)
    found = [
        {"feature": name, "mean": m, "low": m - r, "high": m + r}
        for name, m, r in zip(names, mean.tolist(), reach.tolist(), strict=True)
    ]
    note = f"Permutation importance was limited to {' and '.join(notes)}." if notes else ""
    return sorted(found, key=lambda item: -item["mean"]), note


def feature_inputs(schema: Schema) -> dict[str, tuple[list[int], list[int]]]:
    """For each feature the numeric and the category inputs that it becomes, by their places."""
    number = {name: place for place, name in enumerate(schema.numeric)}
    code = {name: place for place, name in enumerate(schema.category)}
    return {
        column.name: (
            [number[name] for name in column.numeric_inputs],
            [code[column.name]] if column.kind == "category" else [],
        )
        for column in schema.features
    }


def going_along(
    dataset: Dataset, features: dict[str, tuple[list[int], list[int]]], output: Tensor
) -> np.ndarray:
    """(G,): how closely each feature goes along with any output, from 0 to 1.

    The largest |correlation| of its numbers, or the root of the share of variance between its categories.
    """
    y = output.double() - output.double().mean(0)
    y = y / y.norm(dim=0).clamp_min(1e-30)
    x = dataset.inputs["numeric"].double()
    x = torch.where(x.isnan(), torch.nanmean(x, 0).nan_to_num(), x)
    x = x - x.mean(0)
    x = x / x.norm(dim=0).clamp_min(1e-30)
    linear = (x.T @ y).abs().amax(1)
    found = []
    for numbers, codes in features.values():
        value = max((float(linear[f]) for f in numbers), default=0.0)
        for c in codes:
            code = dataset.inputs["category"][:, c]
            sums = torch.zeros(int(code.max()) + 1, y.shape[1], dtype=torch.float64).index_add_(0, code, y)
            size = torch.bincount(code).clamp_min(1)[:, None]
            value = max(value, float((sums.square() / size).sum(0).amax().sqrt()))
        found.append(value)
    return np.array(found)


def _shuffled_output(
    model: Predictor, dataset: Dataset, orders: list[tuple[tuple[list[int], list[int]], Tensor]]
) -> Tensor:
    """(copies, N, K): outputs of copies of the rows, in each of which one feature is shuffled."""
    copies, n = len(orders), len(dataset)
    numeric = dataset.inputs["numeric"].repeat(copies, 1, 1)
    category = dataset.inputs["category"].repeat(copies, 1, 1)
    for copy, ((numbers, codes), order) in enumerate(orders):
        for f in numbers:
            numeric[copy, :, f] = numeric[copy, order, f]
        for c in codes:
            category[copy, :, c] = category[copy, order, c]
    stacked = {"numeric": numeric.flatten(0, 1), "category": category.flatten(0, 1)}
    output = model.output(Dataset(dataset.schema, stacked, None, None, np.tile(dataset.rows, copies)))
    return output.reshape(copies, n, -1)


def _score(metric: Metric, output: Tensor, dataset: Dataset) -> Tensor:
    assert dataset.target is not None
    return metric.function(output, dataset.target, dataset.weight)
