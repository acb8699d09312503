"""A player's turn of all members: gradient and update, in place. This is what is compiled.

M members, P parameters of one, N rows of data, B batch, S sites that draw random numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from coterie.training.optimizers import update
from coterie.training.recipe import Recipe
from coterie.training.step import Step


class Given(NamedTuple):
    """What a turn works on. flat and slots are written; the rest is read."""

    flat: Tensor  # (M, P): all parameters, of whichever player
    slots: dict[str, Tensor]  # (M, P): what the optimizer keeps
    buffers: dict[str, Tensor]  # (M, …)
    rows: Tensor  # (M, B) into data
    present: Tensor  # (M, B) of 0 and 1
    keys: Tensor  # (M, S)
    data: dict[str, Tensor]  # (N, …)
    hyper: dict[str, Tensor]  # (M, 1), but "lr" (M, own) where layers learn at rates of their own
    t: Tensor  # (M, 1): this step's number, from 1

    def named(self) -> list[tuple[str, str, Tensor]]:
        """Every tensor with its part and its name there, in an order that names alone decide."""
        found = []
        for part, what in zip(self._fields, self, strict=True):
            each: dict[str, Tensor] = {"": what} if isinstance(what, Tensor) else what  # type: ignore[assignment]
            found += [(part, name, each[name]) for name in sorted(each)]
        return found


class Turn:
    """The turn of one player by one recipe: it differentiates its own parameters and updates these."""

    def __init__(self, step: Step, recipe: Recipe, player: str) -> None:
        self.step, self.player, self.optimizer = step, player, recipe.optimizer
        self.clips, self.decays = recipe.clip > 0, recipe.weight_decay > 0
        self.own = step.layout.part(player)

    def __call__(self, given: Given, scratch: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses (M,), and running buffers as the forward pass left them; scratch (M, P) is used up."""
        place = self.own.place
        out = None if scratch is None else scratch[:, place]
        gradient, loss, running = self.step.gradient(
            given.flat, given.buffers, given.rows, given.present, given.keys, given.data, self.player, out
        )
        if gradient is not None:
            update(
                self.optimizer,
                given.flat[:, place],
                gradient,
                {name: slot[:, place] for name, slot in given.slots.items()},
                given.hyper,
                given.t,
                self.own.weights,
                clips=self.clips,
                decays=self.decays,
            )
        return loss, running
