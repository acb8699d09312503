"""A normalizing flow: an invertible network from rows to Gaussian noise, with the density of every row.

B batch, D numbers of a row, L coupling layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.draws import Draws
from coterie.models.layers import Keyed
from coterie.models.unsupervised import Row, UnsupervisedFamily
from coterie.objectives.players import ALONE
from coterie.spec import integer, linear, number, options, widths


@dataclass(frozen=True)
class Flow(UnsupervisedFamily):
    """RealNVP: layers that stretch and shift one half of a row's numbers by what the other half says.

    Such a layer is undone exactly, and the logarithm of its volume is the sum of its stretches; so the
    density of a row is known exactly, as that of its noise times the volume. Which half is which changes from
    layer to layer. Columns of few values, such as categories and pixels, have no density: uniform noise as
    wide as the gap between neighbouring values is added to them, so that the density's mean over a gap, times
    the gap, is the value's probability. What is said of it is then a lower bound: no spike can be too high.

    Dinh, Sohl-Dickstein & Bengio, "Density estimation using Real NVP", 2017; dequantisation: Theis, van den
    Oord & Bethge, "A note on the evaluation of generative models", 2016.
    """

    name = "flow"
    title = "Normalizing flow (RealNVP)"
    source = "Dinh, Sohl-Dickstein & Bengio 2017"
    measures = ("log_likelihood", "mmd")

    layers: int = integer(8, low=1, high=256, search=options(8, 4, 12), help="coupling layers")
    hidden: tuple[int, ...] = widths(
        (64, 64), high=65536, search=options((64, 64), (32, 32), (128, 128)), help="of each layer's network"
    )
    noise: float = number(
        0.1,
        low=0,
        high=10,
        switch=True,
        search=linear(0.02, 0.2),
        help="deviation of Gaussian noise on rows in training: smooths the density, as a kernel's width does",
    )

    def body(self, row: Row) -> nn.Module:
        return RealNVP(row.width, self)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 5e-3, "weight_decay": 1e-2, "clip": 10.0, "epochs": 150, "patience": 40}


class RealNVP(Keyed):
    """x (B, D) ↔ z (B, D), of which every number is standard normal."""

    players = ALONE
    continuous = True
    fits = True
    gap: Tensor
    noise: Tensor

    def __init__(self, width: int, family: Flow) -> None:
        super().__init__()
        layers: list[Coupling] = []
        for mask in masks(width, family.layers):
            layers.append(Coupling(mask, family.hidden))
        self.layers = nn.ModuleList(layers)
        self.register_buffer("gap", torch.zeros(width))
        self.register_buffer("noise", torch.tensor(float(family.noise)))
        self.smooths = family.noise > 0

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Notes the gaps between the values of columns that have few (N rows, D columns)."""
        self.gap.copy_(gaps(x))

    # ---- the map ---------------------------------------------------------------------------------------

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, D) and the logarithm of the volume |dz/dx| (B,)."""
        volume = x.new_zeros(len(x))
        for layer in self._layers:
            x, more = layer(x)
            volume = volume + more
        return x, volume

    def encode(self, x: Tensor) -> Tensor:
        return self(x)[0]

    def decode(self, codes: Tensor) -> Tensor:
        for layer in reversed(self._layers):
            codes = layer.inverse(codes)
        return codes

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) in nats (B,), exactly."""
        z, volume = self(x)
        return volume - 0.5 * z.square().sum(1) - 0.5 * math.log(2 * math.pi) * x.shape[1]

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        return self.decode(draws.normal(0, len(self.gap)))

    @property
    def _layers(self) -> list[Coupling]:
        return [layer for layer in self.layers if isinstance(layer, Coupling)]

    # ---- learning --------------------------------------------------------------------------------------

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        draws = Draws(self.key, len(x), x.dtype, before=self.before)
        x = self._dequantised(x, draws)
        if self.smooths:
            x = x + self.noise * draws.normal(1, x.shape[1])
        return -self.log_density(x)

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        draws = Draws.of_rows(torch.zeros((), dtype=torch.int64, device=x.device), place, x.dtype)
        return {"log_likelihood": self.log_density(self._dequantised(x, draws))}

    def _dequantised(self, x: Tensor, draws: Draws) -> Tensor:
        return x + self.gap * (draws.each(0, x.shape[1]) - 0.5)


class Coupling(nn.Module):
    """What the mask keeps stays; the rest becomes x · exp(s) + t, with s and t networks of what was kept.

    mask: (D,) of 0 and 1. Starts as the identity. s stays within a learned bound, as in the paper.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, hidden: tuple[int, ...]) -> None:
        super().__init__()
        width = len(mask)
        self.register_buffer("mask", mask)
        sizes = (width, *hidden)
        parts: list[nn.Module] = []
        for below, above in pairwise(sizes):
            parts += [nn.Linear(below, above), nn.SiLU()]
        last = nn.Linear(sizes[-1], 2 * width)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(*parts, last)
        self.bound = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stretch, shift = self._by(x)
        return x * stretch.exp() + shift, stretch.sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        stretch, shift = self._by(y)
        return (y - shift) * (-stretch).exp()

    def _by(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stretch, shift = self.network(x * self.mask).chunk(2, dim=1)
        moved = 1 - self.mask
        return self.bound * torch.tanh(stretch) * moved, shift * moved


def masks(width: int, layers: int) -> list[Tensor]:
    """What each layer keeps, (D,) of 0 and 1: every second column, then the others, in orders drawn anew.

    Two layers on end move every column once. A single column has nothing to go by: it is stretched and moved.
    """
    found: list[Tensor] = []
    for layer in range(layers):
        if layer % 2 == 0:
            order = torch.arange(width) if layer == 0 else torch.randperm(width)
            half = (order % 2).float()
        else:
            half = 1 - half
        found.append(half if width > 1 else half * 0)
    return found


def gaps(x: Tensor) -> Tensor:
    """The least gap between values of each column (D,) of x (N, D); 0 where values hardly ever occur twice.

    A column with half as many values as rows, or fewer, counts as one of steps. That of one value has gap 1.
    """
    found = torch.zeros(x.shape[1], dtype=x.dtype)
    for column in range(x.shape[1]):
        values = x[:, column].unique()  # sorted
        if len(values) == 1:
            found[column] = 1.0
        elif 2 * len(values) <= len(x):
            found[column] = values.diff().min()
    return found
