"""A table's multi-layer perceptron at the state of the art: an ensemble in one network, numbers embedded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.layers import Dropout
from coterie.models.shape import Shape
from coterie.spec import integer, linear, number, options, widths

WIDE = 4096  # numbers a row, over its ensemble, up to which members lose nothing as one program


@dataclass(frozen=True)
class TabM(TableFamily):
    """Several perceptrons that share their weight matrices and differ by scales and biases of their own.

    Each is trained on its own loss, and their answers are averaged. Numbers enter as learned piecewise
    linear functions, with bins at the quantiles of the member's training rows.

    Gorishniy, Kotelnikov & Babenko, "TabM: advancing tabular deep learning with parameter-efficient
    ensembling", 2025; Gorishniy, Rubachev & Babenko, "On embeddings for numerical features", 2022.
    """

    name = "tabm"
    title = "Ensemble of perceptrons in one (TabM)"
    source = "Gorishniy, Kotelnikov & Babenko 2025"

    hidden: tuple[int, ...] = widths(
        (96, 96),
        high=65536,
        search=options((96, 96), (96,), (128, 128, 128), (64, 64)),
        help="units of each hidden layer",
    )
    ensemble: int = integer(16, low=1, high=1024, help="perceptrons that share their weights")
    bins: int = integer(16, low=0, high=1024, help="bins of a number; 0: numbers as they are")
    embedding: int = integer(8, low=1, high=1024, help="width of a number's vector")
    dropout: float = number(
        0.1, low=0, high=0.95, switch=True, search=linear(0.02, 0.5), help="share of hidden units dropped"
    )

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        shared = Shared(columns, self)
        return shared, shared.width

    def lifts(self, shape: Shape) -> bool:
        """Each member is an ensemble already: where its first layer is wide it fills a core by itself."""
        width = len(shape.indicator) * (self.embedding if self.bins else 1)
        return self.ensemble * width <= WIDE

    def head(self, width: int, outputs: int) -> nn.Module:
        return Heads(self.ensemble, width, outputs)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 2e-3, "weight_decay": 3e-3}


class Shared(nn.Module):
    """(B, W) → (B, E, D)."""

    def __init__(self, columns: Columns, family: TabM) -> None:
        super().__init__()
        self.numbers = columns.numbers if family.bins else 0
        self.embed = Pieces(self.numbers, family.bins, family.embedding) if self.numbers else None
        width = columns.width - self.numbers + self.numbers * family.embedding
        self.signs = nn.Parameter(torch.randint(2, (family.ensemble, width)) * 2.0 - 1)
        layers = []
        for units in family.hidden:
            layers.append(Layer(family.ensemble, width, units, family.dropout))
            width = units
        self.layers = nn.ModuleList(layers)
        self.width = width

    def fit(self, x: Tensor) -> None:
        if self.embed is not None:
            self.embed.fit(x[:, : self.numbers])

    def forward(self, x: Tensor) -> Tensor:
        if self.embed is not None:
            x = torch.cat([self.embed(x[:, : self.numbers]), x[:, self.numbers :]], dim=-1)
        x = x[:, None] * self.signs
        for layer in self.layers:
            x = layer(x)
        return x


class Layer(nn.Module):
    """(B, E, W) → (B, E, U): affine → ReLU → dropout, one matrix for all, a scale and a bias for each."""

    def __init__(self, ensemble: int, width: int, units: int, dropout: float) -> None:
        super().__init__()
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(units, width).uniform_(-bound, bound))
        self.scale = nn.Parameter(torch.ones(ensemble, units))
        self.bias = nn.Parameter(torch.empty(ensemble, units).uniform_(-bound, bound))
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout((x @ self.weight.mT * self.scale + self.bias).relu())


class Heads(nn.Module):
    """An affine output layer for each of the ensemble: (B, E, D) → (B, E, K)."""

    def __init__(self, ensemble: int, width: int, outputs: int) -> None:
        super().__init__()
        bound = max(1, width) ** -0.5
        self.weight = nn.Parameter(torch.empty(ensemble, width, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(ensemble, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return (x.transpose(0, 1) @ self.weight).transpose(0, 1) + self.bias


class Pieces(nn.Module):
    """Numbers (B, F) → vectors in a row (B, F·D): an affine map of each and a piecewise linear one, which is
    0 at the start; edges (F, T + 1) of its pieces are quantiles of training rows."""

    edges: Tensor

    def __init__(self, numbers: int, bins: int, width: int) -> None:
        super().__init__()
        self.register_buffer("edges", torch.linspace(-2, 2, bins + 1).repeat(numbers, 1))
        bound = width**-0.5
        self.slope = nn.Parameter(torch.empty(numbers, width).uniform_(-bound, bound))
        self.offset = nn.Parameter(torch.empty(numbers, width).uniform_(-bound, bound))
        self.pieces = nn.Parameter(torch.zeros(numbers, bins, width))

    def fit(self, x: Tensor) -> None:
        if len(x):
            bins = self.edges.shape[1] - 1
            ordered = x.sort(0).values
            at = torch.linspace(0, len(x) - 1, bins + 1, dtype=torch.float64).round().long()
            self.edges.copy_(ordered[at].T)

    def forward(self, x: Tensor) -> Tensor:
        low, gap = self.edges[:, :-1], self.edges.diff(dim=1)
        wide = gap > 1e-6  # bins of equal edges, where many rows have one value, are left out
        share = torch.where(wide, (x[..., None] - low) / torch.where(wide, gap, 1.0), 0.0).clamp(0, 1)
        made = torch.einsum("bft,ftd->bfd", share, self.pieces)
        return (made + x[..., None] * self.slope + self.offset).flatten(1)
