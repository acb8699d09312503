"""Linear models: least squares, ridge and lasso for values; logistic and softmax regression for classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.layers import at_zero
from coterie.spec import choice


@dataclass(frozen=True)
class Linear(TableFamily):
    """One affine map: y = Wx + b, read as a value, through a sigmoid, or through a softmax.

    For values the default is exact: the `exact` optimizer solves ridge regression in closed form (see
    `training/solvers.py` for its λ). For classes, and with `optimizer=adam` for values, it is trained by
    gradient from zero weights. `l1` gives the lasso.

    Legendre, 1805 (least squares); Cox, 1958 (logistic regression); Hoerl & Kennard, 1970 (ridge).
    """

    name = "linear"
    title = "Linear, logistic and softmax regression"
    source = "Legendre 1805; Cox 1958; Hoerl & Kennard 1970"

    categories: str = choice(
        "onehot", ("auto", "onehot", "embedding"), help="categories as one-hot vectors, or as learned ones"
    )

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        return nn.Identity(), columns.width

    def head(self, width: int, outputs: int) -> nn.Linear:
        return at_zero(width, outputs)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        if task == "regression":
            return {"optimizer": "exact", "l2": 1e-3}
        return {"optimizer": "adam", "lr": 0.03, "l2": 1e-3, "weight_decay": 0.0}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("l2",)
