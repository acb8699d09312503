"""Typed columns as tensors: what models are trained on and predict from.

N rows, F numeric inputs, C category inputs, K labels or values.
"""

from dataclasses import dataclass

import numpy as np
import torch

from coterie.data.schema import Schema


@dataclass(frozen=True)
class Dataset:
    """Rows of a table, encoded as its schema says; the rows' order is kept.

    inputs  "numeric": (N, F) float32 with NaN for missing; "category": (N, C) int64 codes.
            Both keys are always present; F or C may be 0.
    target  int64 (N,) class index (binary, multiclass); float32 (N, K) otherwise; None without target.
    weight  float32 (N,), or None when every row counts the same.
    rows    int64 (N,): each row's number in the table that it came from.
    """

    schema: Schema
    inputs: dict[str, torch.Tensor]
    target: torch.Tensor | None
    weight: torch.Tensor | None
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)
