"""Deep belief networks: restricted Boltzmann machines on top of each other.

B batch, V numbers of a row, H units of the highest layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.draws import Draws
from coterie.models.rbm import Couplings
from coterie.models.unsupervised import Row, UnsupervisedFamily
from coterie.objectives.players import ALONE
from coterie.spec import integer, options, widths

SETTLING = 100  # Gibbs steps of the highest machine to a sample: rows are compared with samples every epoch


@dataclass(frozen=True)
class DBN(UnsupervisedFamily):
    """A stack of restricted Boltzmann machines, each learning what the one below makes of the rows.

    Learned layer by layer: each for `greedy` epochs by contrastive divergence, on the hidden probabilities
    of the layer below, which then stands still; the highest goes on to the end. Together the two highest
    layers are a machine with an energy, and the lower ones turn what it dreams into rows. Its weights are
    those of an `mlp` with the same `hidden` and sigmoid units, which can start from them: before rectifiers
    and good initial weights this was what made deep networks learn.

    Hinton, Osindero & Teh, "A fast learning algorithm for deep belief nets", 2006; Bengio et al., "Greedy
    layer-wise training of deep networks", 2007.
    """

    name = "dbn"
    title = "Deep belief network"
    source = "Hinton, Osindero & Teh 2006"
    measures = ("reconstruction_error", "mmd")

    hidden: tuple[int, ...] = widths(
        (64, 32),
        high=65536,
        search=options((64, 32), (64, 64), (128, 64), (128, 64, 32)),
        help="units of each layer, first to last",
    )
    greedy: int = integer(
        20, low=0, stacked=True, help="epochs for which each layer learns before the next; 0: all at once"
    )
    steps: int = integer(1, low=1, high=1000, help="Gibbs steps of a fantasy at each step")

    def scaled(self) -> str:
        return "unit"

    def body(self, row: Row) -> nn.Module:
        return BeliefNetwork(row.width, self)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        # a later layer must not find the learning rate spent, nor training stopped while a lower one stands
        return {"lr": 5e-3, "weight_decay": 0.0, "schedule": "constant", "patience": 0}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


class BeliefNetwork(nn.Module):
    """Couplings from layer to layer, named as the hidden layers of an `mlp`: hidden.0.linear.weight, …"""

    players = ALONE
    continuous = False
    fits = True
    greedy: Tensor
    rows: Tensor
    running_step: Tensor

    def __init__(self, width: int, family: DBN) -> None:
        super().__init__()
        sizes = (width, *family.hidden)
        pairs = pairwise(sizes)
        self.hidden = nn.ModuleList([Couplings(below, above, family.steps, 0) for below, above in pairs])
        self.register_buffer("greedy", torch.tensor(family.greedy))
        self.register_buffer("rows", torch.ones((), dtype=torch.int64))
        self.register_buffer("running_step", torch.zeros((), dtype=torch.int64))

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Starts the lowest biases at the log-odds of the training rows, and notes how many make an epoch."""
        self.layers[0].start(x)
        self.rows.fill_(len(x))

    @property
    def layers(self) -> list[Couplings]:
        return [layer for layer in self.hidden if isinstance(layer, Couplings)]

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        learning = self._learning(self.layers[0].whole(len(x)))
        self.running_step = self.running_step + 1
        total = x.new_zeros(len(x))
        for layer, turn in zip(self.layers, learning, strict=True):
            total = total + turn.to(x.dtype) * layer.divergence(x)
            x = layer.up(x).detach()  # a layer learns from what is below, not for what is above
        return total

    def _learning(self, batch: int) -> list[Tensor]:
        """Whether each layer has its turn at this step; batch: rows of a full one."""
        epoch, turns = self.running_step // -(-self.rows // batch), []
        for depth, _ in enumerate(self.layers):
            turn = epoch >= depth * self.greedy
            if depth + 1 < len(self.layers):
                turn = turn & ((epoch < (depth + 1) * self.greedy) | (self.greedy == 0))
            turns.append(turn)
        return turns

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {"reconstruction_error": (self.reconstruct(x) - x).square().mean(1)}

    def encode(self, x: Tensor) -> Tensor:
        """Probabilities of the highest layer's units (B, H), by those of the layers between."""
        for layer in self.layers:
            x = layer.up(x)
        return x

    def decode(self, codes: Tensor) -> Tensor:
        for layer in reversed(self.layers):
            codes = layer.down(codes)
        return codes

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        """A Gibbs chain of the highest machine, and down from there: probabilities (B, V)."""
        return self.decode(self.layers[-1].settled(draws, SETTLING))
