"""Recurrent networks: plain, LSTM, GRU. A state is carried from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coterie.models.cells import Ends, Recurrence
from coterie.models.family import SequenceFamily
from coterie.models.layers import Dropout
from coterie.spec import choice, flag, integer, linear, number, options


@dataclass(frozen=True)
class Recurrent(SequenceFamily):
    """What the three have in common: stacked layers, both directions if asked, dropout between layers."""

    cell: ClassVar[str]

    hidden: int = integer(64, low=1, high=65536, search=options(64, 32, 128), help="units of the state")
    depth: int = integer(1, low=1, high=64, search=options(1, 2), help="layers, one on the other")
    bidirectional: bool = flag(False, help="read the steps from the end as well")
    dropout: float = number(
        0.0, low=0, high=0.95, switch=True, search=linear(0.02, 0.4), help="share dropped behind each layer"
    )
    orthogonal: bool = flag(True, help="start the state's own matrices orthogonal")

    def layers(self, width: int, each_step: bool) -> tuple[nn.Module, int]:
        return Stack(self, width), self.hidden * (2 if self.bidirectional else 1)

    def pool(self, kind: str) -> nn.Module:
        return Ends(self.bidirectional)

    def recurrence(self, width: int, backward: bool) -> Recurrence:
        return Recurrence(self.cell, width, self.hidden, backward, orthogonal=self.orthogonal)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"clip": 1.0, "lr": 5e-3, "weight_decay": 0.0}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


class Stack(nn.Module):
    """Layers of one or two directions: (x (B, T, W), mask (B, T)) → (B, T, H) or (B, T, 2H)."""

    def __init__(self, family: Recurrent, width: int) -> None:
        super().__init__()
        ways = (False, True) if family.bidirectional else (False,)
        layers = []
        for _ in range(family.depth):
            layers.append(nn.ModuleList([family.recurrence(width, backward) for backward in ways]))
            width = family.hidden * len(ways)
        self.layers = nn.ModuleList(layers)
        drops = [Dropout(family.dropout) if family.dropout else nn.Identity() for _ in layers]
        self.drops = nn.ModuleList(drops)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for ways, drop in zip(self.layers, self.drops, strict=True):
            assert isinstance(ways, nn.ModuleList)
            made = [way(x, mask) for way in ways]
            x = drop(torch.cat(made, dim=-1) if len(made) > 1 else made[0])
        return x


@dataclass(frozen=True)
class RNN(Recurrent):
    """h ← tanh(W x + U h + b). Its gradient shrinks or grows with every step: memory of tens of steps.

    Elman, "Finding structure in time", 1990; Bengio, Simard & Frasconi, 1994, on why it forgets.
    """

    name = "rnn"
    title = "Plain recurrent network"
    source = "Elman 1990"
    cell = "rnn"

    activation: str = choice("tanh", ("tanh", "relu"), help="what follows each step")

    def recurrence(self, width: int, backward: bool) -> Recurrence:
        return Recurrence("rnn", width, self.hidden, backward, self.activation, orthogonal=self.orthogonal)


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Long short-term memory: a cell that is added to, and gates for what enters, stays and is shown.

    Hochreiter & Schmidhuber, 1997; Gers, Schmidhuber & Cummins, 2000 (the forget gate).
    """

    name = "lstm"
    title = "Long short-term memory"
    source = "Hochreiter & Schmidhuber 1997; Gers et al. 2000"
    cell = "lstm"

    forget_bias: float = number(1.0, low=-10, high=10, help="added to the forget gate's bias at the start")

    def recurrence(self, width: int, backward: bool) -> Recurrence:
        return Recurrence("lstm", width, self.hidden, backward, "tanh", self.forget_bias, self.orthogonal)


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gated recurrent unit: one gate mixes old and new state, another resets what the new one sees.

    Cho et al., "Learning phrase representations using RNN encoder–decoder …", 2014.
    """

    name = "gru"
    title = "Gated recurrent unit"
    source = "Cho et al. 2014"
    cell = "gru"
