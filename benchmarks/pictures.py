"""Bars of families on images: handwritten digits, and shapes in noise with and without rotation."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learning import Bar, learned, side_by_side, spread

FEWER = {"epochs": 12, "batch_size": 32}  # of the default 67 and 64: ten trainings in about three minutes
DIGITS = {"vit": 0.96, "resnet": 0.985, "cnn": 0.985, "lstm": 0.96, "mlp": 0.97}  # the longest first


def digits(seeds: int, work: Path) -> Iterator[Bar]:
    """The 8 × 8 digits: one network a seed, stopped by one validation part; no ensemble."""
    each = side_by_side(digits_of, [(family, seeds) for family in DIGITS])
    for (family, bar), found in zip(DIGITS.items(), each, strict=True):
        print(f"  {family}: {spread(found)}", flush=True)
        what = f"digits-images: {family} test accuracy (mean of {seeds} seeds)"
        yield what, statistics.mean(found), "≥", bar


def digits_of(family: str, seeds: int) -> list[float]:
    """Test accuracy, seed by seed."""
    made = learned("digits-images", family, seeds)
    return accuracies(made.models, made.tests, "digit")


def accuracies(models: list[Any], tests: list[Any], target: str) -> list[float]:
    """Each model's on its own frame."""
    pairs = zip(models, tests, strict=True)
    return [float((model.predict(test) == test[target].to_numpy()).mean()) for model, test in pairs]


def shapes(seeds: int, work: Path) -> Iterator[Bar]:
    """Upright shapes to learn from; upright and turned ones to judge by, without and with rotation."""
    upright, turned = [], []
    each = side_by_side(shapes_of, [({}, seeds), ({"rotate": 180}, seeds)])
    for label, found in zip(("without", "with"), each, strict=True):
        print(f"  cnn {label} rotation, upright: {spread(found[0])}", flush=True)
        print(f"  cnn {label} rotation, turned: {spread(found[1])}", flush=True)
        upright.append(statistics.mean(found[0]))
        turned.append(statistics.mean(found[1]))
    yield f"shapes in noise: cnn accuracy (mean of {seeds} seeds)", upright[0], "≥", 0.99
    yield f"turned shapes: accuracy without rotation (mean of {seeds} seeds)", turned[0], "", 0
    yield "turned shapes: accuracy with rotation minus without", turned[1] - turned[0], "≥", 0.05


def shapes_of(augmentation: dict[str, Any], seeds: int) -> tuple[list[float], list[float]]:
    """Accuracy on upright and on turned shapes, seed by seed."""
    import polars as pl

    from coterie.data import synthetic

    columns, _, _ = synthetic.shapes(1000, turned=True, seed=1)
    made = learned("shapes", "cnn", seeds, {**FEWER, **augmentation})
    turned = accuracies(made.models, [pl.DataFrame(columns)] * seeds, "shape")
    return accuracies(made.models, made.tests, "shape"), turned
