"""Typed columns as tensors: what models are trained on and predict from.

N rows, F numeric inputs, C category inputs (of images: channels), T steps, K labels or values.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from coterie.data.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Rows of a table, encoded as its schema says; the rows' order is kept.

    inputs  "numeric": (N, F) float64 with NaN for missing; "category": (N, C) int64 codes.
            Both keys are always present; F or C may be 0. Where rows have them: "image" (N, C, H, W) uint8
            or float32; "sequence" (N, T, F) float64 with NaN for missing and "length" (N,) int64; "tokens"
            (N, T) int64, 0 for padding. Where these are mapped, numbers are float32 if that loses nothing.
    target  int64 (N,) class index (binary, multiclass); float64 (N, K) otherwise; None without target.
            Where every step answers (N, T) with −1, or (N, T, K) with NaN, where there is no step.
    weight  float32 (N,), or None when every row counts the same.
    rows    int64 (N,): each row's number in the table that it came from.
    notes   sentences on what of a later table is not read: see `later.py`.
    names   (N, …) columns by which a person knows a later table's rows, such as their files; or None.
    mapped  whether inputs, target and weight lie in files mapped into memory, for which memory may have no
            room: what is to be computed of them takes some rows at a time.
    """

    schema: Schema
    inputs: dict[str, torch.Tensor]
    target: torch.Tensor | None
    weight: torch.Tensor | None
    rows: np.ndarray
    notes: tuple[str, ...] = ()
    names: pl.DataFrame | None = None
    mapped: bool = False

    @property
    def task(self) -> str:
        """What is predicted; "" without a target."""
        return "" if self.schema.target is None else self.schema.target.task

    def __len__(self) -> int:
        return len(self.rows)
