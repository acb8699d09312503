"""A saved model scored on a later table with known answers: does it still hold? N rows, K outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from coterie.data.checks import outside_warnings
from coterie.data.encode import answered
from coterie.data.later import encode_later
from coterie.data.roles import find_column, listed
from coterie.data.schema import Target
from coterie.data.table import Table
from coterie.data.targets import target_values
from coterie.errors import DataError
from coterie.metrics.catalogue import metric_named
from coterie.model import Model
from coterie.study.judging import drawn, most
from coterie.study.scores import (
    Judged,
    class_table,
    confusion,
    coverage,
    interval_scores,
    judge,
    plain,
    subgroups,
)
from coterie.study.verdict import look_at


def score_table(
    model: Model, data: Any, by: Sequence[str] = (), *, skip_bad: bool = False, seed: int = 0
) -> dict[str, Any]:
    """How good a model is on labelled rows that it has never seen, as plain data.

    data: anything that `read` takes, with the columns that the model was trained on and its
    target. by: columns whose values are scored apart. skip_bad: leave out rows whose image files cannot be
    read. Rows without a target, or of a class that the model does not know, are left out, and of very many
    rows some are drawn at random; either is said.

    Keys: source, task, target, classes, rows (scored), left_out, scores {metric: value, low, high}, look_at,
    per_class, confusion, threshold, intervals (with the coverage measured here), subgroups, warnings.
    Raises DataError when the target or a feature is missing, or no row can be judged.

    >>> score_table(ct.load("runs/heart-1"), "later.csv", by=("sex",))["scores"]["roc_auc"]  # doctest: +SKIP
    {'value': 0.91, 'low': 0.87, 'high': 0.94}
    """
    table = model.table(data, with_target=True)
    target = model.target
    for name in by:
        find_column(table, name, "A column to score by")
    rows, warnings = judgeable_rows(table, target)
    labelled, usable = target.task != "unsupervised", len(rows)
    rows = drawn(rows, most(model.schema), seed)
    if len(rows) < usable:
        warnings.append(
            f"{len(rows):,} of {usable:,} rows are scored, drawn at random: that many say enough."
        )
    dataset = encode_later(table, model.schema, rows, with_target=labelled, skip_bad=skip_bad)
    if not labelled:
        dataset = replace(dataset, target=torch.zeros(len(dataset), dtype=torch.int64))
    judged = judge("later", dataset, np.arange(len(dataset)), model.output(dataset))
    groups, small = subgroups(judged, table.frame, dataset.rows, by, target.task, seed)
    metric = metric_named(str(model.about["metric"]), target.task) if "metric" in model.about else None
    scores = interval_scores(judged, target.task, seed)
    found = {
        "source": table.source,
        "sha256": table.sha256,
        "task": target.task,
        "target": list(target.names),
        "classes": list(target.classes),
        "rows": len(dataset),
        "left_out": table.frame.height - usable + len(rows) - len(dataset),
        "scores": scores,
        "look_at": None
        if metric is None
        else look_at(target.task, judged.target.numpy(), classes=target.classes, metric=metric),
        "per_class": class_table(judged, model.classes) if labelled and target.task != "regression" else [],
        "confusion": confusion(judged) if labelled and target.classes else None,
        "threshold": model.about.get("threshold"),
        "intervals": measured_intervals(model, judged),
        "subgroups": groups,
        "warnings": [*warnings, *dataset.notes, *outside_warnings(model.schema, dataset), *small],
    }
    return dict(plain(found))


def judgeable_rows(table: Table, target: Target) -> tuple[np.ndarray, list[str]]:
    """The numbers of the rows with a target that the model knows, and what was left out, in sentences."""
    if target.task == "unsupervised":  # every row can be judged, with or without a label
        return np.arange(table.frame.height), []
    columns = [table.frame[find_column(table, name, "The target")] for name in target.names]
    y, unknown = target_values(columns, target)
    good = answered(y)
    warnings = []
    if len(unknown):
        warnings.append(
            f"Rows of classes that the model was not trained on are left out: "
            f"{listed(unknown.tolist(), 5)} in '{target.names[0]}'."
        )
    lost = int((~good).sum())
    if lost:
        warnings.append(
            f"{lost:,} of {len(good):,} rows have no target that can be judged by and are left out."
        )
    if not good.any():
        raise DataError(
            "At least one row must have a target to judge by.",
            given=f"no such row of {len(good):,} in '{table.source}'",
            fix=f"The model knows the classes {listed(target.classes)}."
            if target.classes
            else "Fill in the target, or use predict, which needs none.",
        )
    return np.flatnonzero(good), warnings


def measured_intervals(model: Model, judged: Judged) -> dict[str, Any] | None:
    """The model's prediction intervals with the share of these rows that they hold; None without any."""
    known = model.about.get("intervals")
    if model.task != "regression" or not known:
        return None
    half = torch.tensor(known["half_width"], dtype=torch.float64)
    return {"level": known["level"], "half_width": known["half_width"], "coverage": coverage(judged, half)}
