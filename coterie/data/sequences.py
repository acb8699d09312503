"""Cells that hold a list of steps: their sizes, and rows of them as one padded array.

N rows, T steps, F variables.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from coterie.errors import DataError


def variables(cells: pl.Series) -> int:
    """Numbers a step: 1 for lists of numbers, else the length of a step; 0 when steps differ in length."""
    dtype = cells.dtype
    if isinstance(dtype, pl.Array):
        return int(dtype.shape[1]) if len(dtype.shape) == 2 else 1
    assert isinstance(dtype, pl.List)
    if isinstance(dtype.inner, pl.Array):
        return int(dtype.inner.shape[0]) if len(dtype.inner.shape) == 1 else 0
    if isinstance(dtype.inner, pl.List):
        widths = _steps_of(cells).list.len().unique()
        return int(widths[0]) if len(widths) == 1 else 0
    return 1


def tensors(columns: Sequence[pl.Series]) -> tuple[np.ndarray, np.ndarray]:
    """(sequence (N, T, F) float64 with NaN for missing and 0 for padding, length (N,) int64).

    columns: lists of numbers, of equally many numbers a step, or arrays (T,) or (T, F); their variables
    stand side by side, so that in a row all must be equally long. T: the longest, at least 1.
    """
    parts = [_flat(column) for column in columns]
    length = parts[0][1]
    for column, (_, own) in zip(columns, parts, strict=True):
        if (own != length).any():
            row = int(np.flatnonzero(own != length)[0])
            raise DataError(
                "The sequences of a row must be equally long.",
                given=f"{length[row]} of '{columns[0].name}' and {own[row]} of '{column.name}' in row {row}",
                fix="Fill what is missing with empty values, or leave one out with --ignore.",
            )
    steps = np.concatenate([flat for flat, _ in parts], axis=1)
    real = np.arange(max(1, int(length.max(initial=0)))) < length[:, None]
    sequence = np.zeros((*real.shape, steps.shape[1]))
    sequence[real] = steps
    return sequence, length


def _flat(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """All steps of all rows, one after the other (ΣT, F), and each row's number of them (N,)."""
    if isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    length = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    width = variables(column)
    steps = _steps_of(column)
    if isinstance(steps.dtype, pl.List | pl.Array):
        sizes = steps.list.len().to_list() if isinstance(steps.dtype, pl.List) else [width]
        if set(sizes) - {width}:
            raise DataError(
                "Every step of a sequence must have as many numbers as the others.",
                given=f"steps of {min(sizes)} and of {max(sizes)} in '{column.name}'",
            )
        steps = steps.explode() if len(steps) else steps
    values = steps.cast(pl.Float64).to_numpy().astype(np.float64) if len(steps) else np.zeros(0)
    values = np.where(np.isfinite(values), values, np.nan)
    return values.reshape(-1, max(1, width)), length


def _steps_of(column: pl.Series) -> pl.Series:
    """All steps of all rows, one after the other."""
    filled = column.filter(column.list.len().fill_null(0) > 0)
    return filled.explode() if len(filled) else filled.clear().explode()
