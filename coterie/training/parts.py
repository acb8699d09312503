"""A batch that goes through a network in parts: the same step, in less memory, or shared between processes.

Every part's loss is the mean over its own rows. Weighted by what these rows weigh, the parts' gradients add
up to the gradient of the batch's mean; masks and noise are drawn as the whole batch draws them
(`randomness.Portion`). What differs is what a network makes of several rows together: batch statistics are
those of a part (parts that processes go through at the same time are one).

M members, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.layers import itself
from coterie.randomness import Portion


@dataclass(frozen=True)
class Parts:
    """How a batch is divided: into equal parts that go through one after the other, each shared by processes.

    times: how many one after the other; rank: this process's among the `world` that share; summed: what
    numbers of this process come to with those of the others.
    """

    times: int = 1
    rank: int = 0
    world: int = 1
    summed: Callable[[Tensor], Tensor] = itself

    @property
    def of(self) -> int:
        """How many parts there are in all."""
        return self.times * self.world

    def portions(self, rows: int) -> list[Portion]:
        """The parts that this process takes of a batch of so many rows, one after the other."""
        size = self.size(rows)
        return [Portion((turn * self.world + self.rank) * size, size, rows) for turn in range(self.times)]

    def total(self, numbers: Tensor) -> Tensor:
        """As `summed`, with a gradient: what each process has counts in all of their losses."""
        return numbers if self.world == 1 else Total.apply(numbers, self.summed)

    def size(self, rows: int) -> int:
        """Rows of a part: in all the same, as the last is filled up."""
        return -(-rows // self.of)

    def filled(self, rows: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """(M, B) both, with rows that are not there behind them, so that the parts are equal."""
        more = self.of * self.size(rows.shape[1]) - rows.shape[1]
        return nn.functional.pad(rows, (0, more)), nn.functional.pad(present, (0, more))


WHOLE = Parts()


def passes(times: int, rows: int) -> int:
    """How often to go on until all rows are through, of so many times that were asked for."""
    return -(-rows // -(-rows // times))


class Total(torch.autograd.Function):
    """A sum over processes, and over their gradients on the way back; it lifts as one operation."""

    @staticmethod
    def forward(numbers: Tensor, summed: Callable[[Tensor], Tensor]) -> Tensor:
        return summed(numbers)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.summed = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return Total.apply(gradient, ctx.summed), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, None], numbers: Tensor, summed: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, int]:
        place = in_dims[0]
        assert place is not None
        return Total.apply(numbers.movedim(place, 0), summed), 0
