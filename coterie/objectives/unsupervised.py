"""Learning without labels: rows in, each player's loss out; what a loss is, the family's body says.

B batch, D numbers of a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from coterie.objectives import losses
from coterie.objectives.penalties import Penalties
from coterie.objectives.players import Player


class Rows(Protocol):
    """What the objective asks of a network."""

    @property
    def players(self) -> tuple[Player, ...]: ...

    def losses(self, inputs: dict[str, Tensor], player: str) -> Tensor:
        """The player's loss of each row (B,)."""

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Unsupervised(nn.Module):
    """Mean loss of a player over the rows of a batch, plus L1 and L2 penalties on all weights.

    batch: inputs by name, "weight" and "present" (B,), which is 0 for rows that only pad the batch.
    """

    network: Rows

    def __init__(self, network: Rows, numbers: dict[str, float]) -> None:
        super().__init__()
        self.network = network
        self.players = network.players
        self.penalties = Penalties(numbers)

    def forward(self, batch: dict[str, Tensor], player: str = "", weighed: bool = False) -> Tensor:
        """The loss (); weighed: and what all rows of the batch weigh together, (2,)."""
        weight = batch["weight"] * batch["present"]
        loss, total = losses.mean(self.network.losses(batch, player), weight)
        loss = self.penalties.added(loss, self.network.parameters())
        return torch.stack([loss, total]) if weighed else loss
