"""Radial-basis networks: units that answer to nearness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.spec import choice, integer, number, options

MOST_ROWS = 10_000  # on which centres are sought


@dataclass(frozen=True)
class RBF(TableFamily):
    """Units exp(−‖x − c‖² / 2s²), each near a centre c of its own, and an affine map of them.

    Centres start where k-means finds clusters of the member's own training rows, widths s at the distance
    to the nearest other centres; then both are learned with the rest, or kept as they are, which leaves
    values to be solved exactly.

    Broomhead & Lowe, 1988; Moody & Darken, "Fast learning in networks of locally-tuned units", 1989.
    """

    name = "rbf"
    title = "Radial-basis network"
    source = "Broomhead & Lowe 1988; Moody & Darken 1989"

    units: int = integer(64, low=1, high=65536, search=options(64, 32, 128), help="units, each with a centre")
    centers: str = choice("learned", ("learned", "kmeans"), help="learned from k-means on, or kept there")
    spread: float = number(1.0, low=0.01, high=100, help="factor of the widths at the start")

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        return Units(columns.width, self.units, self.spread, self.centers == "learned"), self.units

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 5e-3, "weight_decay": 1e-3}


class Units(nn.Module):
    """(B, D) → (B, U)."""

    center: Tensor
    log_width: Tensor
    spread: Tensor

    def __init__(self, width: int, units: int, spread: float, learned: bool) -> None:
        super().__init__()
        self.register_buffer("spread", torch.tensor(float(spread)))
        start = {"center": torch.randn(units, width), "log_width": torch.zeros(units)}
        for name, value in start.items():
            if learned:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value)

    def fit(self, x: Tensor) -> None:
        """Sets centres and widths by training rows (N, D)."""
        units = len(self.center)
        x = x[torch.randperm(len(x))[:MOST_ROWS]]
        distinct = x.unique(dim=0)
        if len(distinct) > units:
            centers = torch.from_numpy(_clusters(x, units)).to(x.dtype)
        else:  # every row a centre, some of them twice
            centers = distinct[torch.arange(units) % max(1, len(distinct))]
        away = torch.cdist(centers, centers)
        away = torch.where(away > 1e-6, away, torch.inf)
        nearest = away.topk(min(2, units), largest=False).values
        nearest = torch.where(nearest.isfinite(), nearest, 1.0).mean(1)
        self.center.copy_(centers)
        self.log_width.copy_((nearest * self.spread).log())

    def forward(self, x: Tensor) -> Tensor:
        square = x.square().sum(-1, keepdim=True) - 2 * x @ self.center.mT + self.center.square().sum(-1)
        return torch.exp(-square.clamp_min(0) / (2 * (2 * self.log_width).exp()))


def _clusters(x: Tensor, units: int) -> Any:
    """The centres (U, D) of k-means (Lloyd, 1957, from k-means++)."""
    from sklearn.cluster import KMeans

    seed = int(torch.randint(1 << 31, ()))
    return KMeans(units, n_init=1, max_iter=50, random_state=seed).fit(x.numpy()).cluster_centers_
