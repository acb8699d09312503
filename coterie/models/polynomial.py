"""Regression on fixed functions of the inputs: powers, bumps, steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.layers import at_zero
from coterie.spec import choice, integer, options

ROOM = (10, 30)  # functions an input that a cohort makes room for: those of less are masked


@dataclass(frozen=True)
class Polynomial(TableFamily):
    """y = Σ w_j φ_j(x), least squares or ridge: linear in the weights, not in x. No terms across inputs.

    powers: 1, x, …, x^degree, held as Chebyshev polynomials over the range of the training rows, since
    powers themselves would cancel; `Model.coefficients()` gives the weights of x^j.
    gaussian, sigmoid: `degree` bumps or smooth steps, spread evenly over the range, as wide as their
    distance. Degrees differ within one cohort: each member's functions above its own are masked.

    Gauss, 1809; Bishop, "Pattern Recognition and Machine Learning", 2006, sections 1.1 and 3.1.
    """

    name = "polynomial"
    title = "Polynomial and basis-function regression"
    source = "Gauss 1809; Bishop 2006"
    precision = "double"

    degree: int = integer(
        3, low=0, high=ROOM[-1], stacked=True, search=options(1, 2, 3, 4, 5, 6, 9), help="functions an input"
    )
    basis: str = choice("powers", ("powers", "gaussian", "sigmoid"), help="the functions")
    categories: str = choice(
        "onehot", ("auto", "onehot", "embedding"), help="categories as one-hot vectors, or as learned ones"
    )

    @property
    def room(self) -> int:
        return next(size for size in ROOM if self.degree <= size)

    def structure(self) -> tuple[tuple[str, Any], ...]:
        return (*super().structure(), ("room", self.room))

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        functions = Functions(self.basis, columns.numbers, self.degree, self.room)
        return functions, columns.numbers * self.room + columns.width - columns.numbers

    def head(self, width: int, outputs: int) -> nn.Module:
        return at_zero(width, outputs)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        if task == "regression":
            return {"optimizer": "exact", "l2": 0.0}
        return {"optimizer": "adam", "lr": 0.03, "l2": 1e-3, "weight_decay": 0.0}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("l2",)


class Functions(nn.Module):
    """(B, W) → (B, F·R + W − F): R functions of each of the first F entries; the others stay as they are.

    center, reach: the middle and half the range of each input over the training rows, by `fit`.
    """

    center: Tensor
    reach: Tensor
    degree: Tensor

    def __init__(self, basis: str, inputs: int, degree: int, room: int) -> None:
        super().__init__()
        self.basis, self.inputs, self.room = basis, inputs, room
        self.register_buffer("center", torch.zeros(inputs))
        self.register_buffer("reach", torch.ones(inputs))
        self.register_buffer("degree", torch.tensor(float(degree)))

    def fit(self, x: Tensor) -> None:
        if not len(x):
            return
        low, high = x[:, : self.inputs].aminmax(dim=0)
        self.center.copy_((low + high) / 2)
        self.reach.copy_(torch.where(high > low, (high - low) / 2, 1.0))

    def forward(self, x: Tensor) -> Tensor:
        numbers, rest = x[:, : self.inputs], x[:, self.inputs :]
        z = (numbers - self.center) / self.reach
        order = torch.arange(1, self.room + 1, device=x.device, dtype=x.dtype)
        if self.basis == "powers":
            made = [z, 2 * z * z - 1]  # Chebyshev: T_{n+1} = 2 z T_n − T_{n−1}
            while len(made) < self.room:
                made.append(2 * z * made[-1] - made[-2])
            phi = torch.stack(made, dim=-1)
        else:
            gap = 2 / (self.degree - 1).clamp_min(1)
            away = (z[..., None] + 1 - gap * (order - 1)) / gap
            phi = torch.exp(-away.square() / 2) if self.basis == "gaussian" else away.sigmoid()
        phi = torch.where(order <= self.degree, phi, 0.0)
        return torch.cat([phi.flatten(1), rest], dim=-1)
