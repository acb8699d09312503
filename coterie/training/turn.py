"""A player's turn of all members: gradient and update, in place. This is what is compiled.

M members, P parameters of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.training.given import Given
from coterie.training.optimizers import clip, update
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
        self.own, self.layout = step.layout.part(player), step.layouts[player]
        self.groups = 1

    def __call__(self, given: Given, scratch: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses (M,), and running buffers as the forward pass left them; scratch (M, P) is used up."""
        gradient, loss, running = self.gradients(given, None if scratch is None else self.mine(scratch))
        if gradient is not None:
            self.move(given, gradient)
        return loss, running

    def in_pieces(self, given: Given) -> tuple[Tensor, dict[str, Tensor]]:
        """The same where `flat` and each of `slots` is given in pieces (M, size), which are moved one by one.

        So it is compiled: gradients are read where they were made, and not put together first.
        """
        flat: dict[str, Tensor] = given.flat  # type: ignore[assignment]
        slots: dict[str, dict[str, Tensor]] = given.slots  # type: ignore[assignment]
        parts, lr = self.parts(given.rows.shape[1]), given.hyper["lr"]
        runs = {run.names[0]: run for run in self.layout.runs}
        sums = self.layout.views({n: torch.zeros_like(flat[n]) for n in runs}) if parts.of > 1 else None
        found, loss, running = self.step.gradients(given, self.player, parts, sums)
        found = {name: grad.reshape(given.members, -1) for name, grad in found.items()}
        grads = {name: torch.cat([found[each] for each in run.names], dim=1) for name, run in runs.items()}
        if self.recipe.clip > 0 and grads:
            norm = torch.stack([grad.square().sum(1) for grad in grads.values()]).sum(0).sqrt()[:, None]
            for grad in grads.values():
                clip(grad, given.hyper["clip"], norm)
        rates = {} if lr.shape[1] == 1 else self.layout.pieces(lr)
        for name, run in runs.items():
            update(
                self.recipe.optimizer,
                flat[name],
                grads[name],
                {slot: each[name] for slot, each in slots.items()},
                given.hyper | {"lr": rates.get(name, lr)},
                given.t,
                run.weights,
                clips=False,
                decays=self.recipe.weight_decay > 0 and run.weights != slice(0, 0),
            )
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
        """The gradients (M, own), of as many members at a time as memory has room for; None if it owns
        nothing. out: where to write them. Beside them what `Step.gradients` has beside its own."""
        members = given.members
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
        parts = self.parts(given.rows.shape[1])
        if parts.of > 1:
            out = given.flat.new_empty(given.members, self.layout.parameters) if out is None else out
            sums = self.layout.views(out.zero_())
            _, loss, running = self.step.gradients(given, self.player, parts, sums)
            return out, loss, running
        grads, loss, running = self.step.gradients(given, self.player)
        if not grads:
            return None, loss, running
        if given.members == 1:
            return self.layout.flat(grads, out=None if out is None else out[0])[None], loss, running
        return self.layout.flat(grads, lead=1, out=out), loss, running


def _is_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)
