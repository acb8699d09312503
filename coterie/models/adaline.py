"""The adaptive linear neuron, and single-layer networks of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.layers import at_zero
from coterie.spec import choice


@dataclass(frozen=True)
class Adaline(TableFamily):
    """One neuron an output, w·x + b, that learns from the error of the sum itself, not of the decision.

    Least mean squares by gradient descent, few rows at a time: of values, or of classes told as +1 and −1.
    With `loss=cross_entropy` a neuron with a sigmoid. `Model.coefficients()` gives w and b in the unit of
    the data.

    Widrow & Hoff, "Adaptive switching circuits", 1960.
    """

    name = "adaline"
    title = "Adaline, the single neuron"
    source = "Widrow & Hoff 1960"

    scaling: str = choice("standard", ("standard", "none"), help="inputs standardised, or as they are")
    categories: str = choice(
        "onehot", ("auto", "onehot", "embedding"), help="categories as one-hot vectors, or as learned ones"
    )

    def scaled(self) -> str:
        return self.scaling

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        return nn.Identity(), columns.width

    def head(self, width: int, outputs: int) -> nn.Module:
        return at_zero(width, outputs)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {
            "loss": "lms" if task != "regression" else "mse",
            "optimizer": "momentum",
            "momentum": 0.8,
            "lr": 0.02,
            "weight_decay": 0.0,
            "schedule": "constant",
            "batch_size": 8,
        }

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)
