"""A player's turn of all members: gradient and update, in place. This is what is compiled.

M members, P parameters of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.training.given import Given
from coterie.training.optimizers import update
from coterie.training.parts import WHOLE, Parts, passes
from coterie.training.recipe import Recipe
from coterie.training.step import Step


class Turn:
    """The turn of one player by one recipe: it differentiates its own parameters and updates these.

    Where memory does not suffice for the gradients of all members at once, they are found in more and more
    groups, one after the other.
    """

    def __init__(self, step: Step, recipe: Recipe, player: str) -> None:
        self.step, self.player, self.recipe = step, player, recipe
        self.own = step.layout.part(player)
        self.groups = 1

    def __call__(self, given: Given, scratch: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses (M,), and running buffers as the forward pass left them; scratch (M, P) is used up."""
        gradient, loss, running = self.gradients(given, None if scratch is None else self.mine(scratch))
        if gradient is not None:
            self.move(given, gradient)
        return loss, running

    def parts(self, rows: int) -> Parts:
        """The parts in which a batch of so many rows is gone through."""
        return Parts(passes(self.recipe.accumulate, rows)) if self.recipe.accumulate > 1 else WHOLE

    def mine(self, whole: Tensor) -> Tensor:
        """(M, own) of (M, P)."""
        return whole if self.own.names == self.step.layout.names else whole[:, self.own.place]

    def move(self, given: Given, gradient: Tensor) -> None:
        """One step of what the player owns; the gradient (M, own) is used up."""
        update(
            self.recipe.optimizer,
            self.mine(given.flat),
            gradient,
            {name: self.mine(slot) for name, slot in given.slots.items()},
            given.hyper,
            given.t,
            self.own.weights,
            clips=self.recipe.clip > 0,
            decays=self.recipe.weight_decay > 0,
        )

    def gradients(self, given: Given, out: Tensor | None) -> tuple[Tensor | None, Tensor, dict[str, Tensor]]:
        """As `Step.gradient`, of as many members at a time as memory has room for."""
        members = len(given.flat)
        while True:
            try:
                if self.groups == 1:
                    return self._gradient(given, out)
                size = -(-members // self.groups)
                places = [slice(start, start + size) for start in range(0, members, size)]
                found = [self._gradient(given.some(p), None if out is None else out[p]) for p in places]
                gradients = [gradient for gradient, _, _ in found if gradient is not None]
                return (
                    (torch.cat(gradients) if out is None else out) if gradients else None,
                    torch.cat([loss for _, loss, _ in found]),
                    {name: torch.cat([running[name] for _, _, running in found]) for name in found[0][2]},
                )
            except (RuntimeError, MemoryError) as error:
                if not _is_memory(error) or self.groups >= members:
                    raise
            self.groups *= 2  # only here is what the failed attempt held free again

    def _gradient(self, given: Given, out: Tensor | None) -> tuple[Tensor | None, Tensor, dict[str, Tensor]]:
        return self.step.gradient(given, self.player, out, self.parts(given.rows.shape[1]))


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
