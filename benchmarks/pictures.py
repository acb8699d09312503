"""Bars of families on images: handwritten digits, and shapes in noise with and without rotation."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learning import Bar, learned, spread

FEWER = {"epochs": 12, "batch_size": 32}  # of the default 67 and 64: ten trainings in about five minutes


def digits(seeds: int, work: Path) -> Iterator[Bar]:
    """The 8 × 8 digits: one network a seed, stopped by one validation part; no ensemble."""
    for family, bar in (("mlp", 0.97), ("cnn", 0.985), ("resnet", 0.985), ("vit", 0.96), ("lstm", 0.96)):
        made = learned("digits-images", family, seeds)
        found = accuracies(made.models, made.tests, "digit")
        print(f"  {family}: {spread(found)}", flush=True)
        what = f"digits-images: {family} test accuracy (mean of {seeds} seeds)"
        yield what, statistics.mean(found), "≥", bar


def accuracies(models: list[Any], tests: list[Any], target: str) -> list[float]:
    """Each model's on its own frame."""
    pairs = zip(models, tests, strict=True)
    return [float((model.predict(test) == test[target].to_numpy()).mean()) for model, test in pairs]


def shapes(seeds: int, work: Path) -> Iterator[Bar]:
    """Upright shapes to learn from; upright and turned ones to judge by, without and with rotation."""
    import polars as pl

    from coterie.data import synthetic

    columns, _, _ = synthetic.shapes(1000, turned=True, seed=1)
    turned = pl.DataFrame(columns)
    accuracy: dict[str, list[list[float]]] = {}
    for label, fix in (("without", {}), ("with", {"rotate": 180})):
        made = learned("shapes", "cnn", seeds, {**FEWER, **fix})
        for kind, frames in (("upright", made.tests), ("turned", [turned] * seeds)):
            found = accuracies(made.models, frames, "shape")
            print(f"  cnn {label} rotation, {kind}: {spread(found)}", flush=True)
            accuracy.setdefault(kind, []).append(found)
    plain, rotated = (statistics.mean(found) for found in accuracy["turned"])
    upright_mean = statistics.mean(accuracy["upright"][0])
    yield f"shapes in noise: cnn accuracy (mean of {seeds} seeds)", upright_mean, "≥", 0.99
    yield f"turned shapes: accuracy without rotation (mean of {seeds} seeds)", plain, "", 0
    yield "turned shapes: accuracy with rotation minus without", rotated - plain, "≥", 0.05
