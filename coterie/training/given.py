"""What a player's turn works on: one record, of all members or, lifted, of one.

M members, P parameters of one, N rows of data, B batch, S sites that draw random numbers. Of one member the
same without the leading M.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from coterie.training.layout import Layout


class Given(NamedTuple):
    """flat and slots are written; the rest is read."""

    flat: Tensor  # (M, P): all parameters, of whichever player
    slots: dict[str, Tensor]  # (M, P): what the optimizer keeps
    buffers: dict[str, Tensor]  # (M, …) by name in the objective
    rows: Tensor  # (M, B) into data
    present: Tensor  # (M, B) of 0 and 1
    keys: Tensor  # (M, S)
    data: dict[str, Tensor]  # (N, …), shared by all
    hyper: dict[str, Tensor]  # (M, 1), but "lr" (M, own) where layers learn at rates of their own
    t: Tensor  # (M, 1): this step's number, from 1

    @property
    def members(self) -> int:
        """M."""
        return len(self.rows)

    def named(self, parts: Sequence[str] | None = None) -> list[tuple[str, str, Tensor]]:
        """Every tensor (of these parts) with its part and its name there, ordered by names alone."""
        return [
            (part, name, each)
            for part in parts or self._fields
            for name, each in _leaves(getattr(self, part))
        ]

    def in_pieces(self, layout: Layout) -> Given:
        """The same with each parameter's numbers (M, size) by name in place of `flat` and each of `slots`."""
        pieces = {name: layout.pieces(slot) for name, slot in self.slots.items()}
        return self._replace(flat=layout.pieces(self.flat), slots=pieces)  # type: ignore[arg-type]

    def copied(self) -> Given:
        """The same, with copies of what a turn writes."""
        slots, buffers = ({n: x.clone() for n, x in each.items()} for each in (self.slots, self.buffers))
        return self._replace(flat=self.flat.clone(), slots=slots, buffers=buffers)

    def some(self, place: slice) -> Given:
        """The same for some of the members."""
        flat, slots, buffers, rows, present, keys, data, hyper, t = self
        slots, buffers, hyper = ({n: x[place] for n, x in each.items()} for each in (slots, buffers, hyper))
        return Given(
            flat[place], slots, buffers, rows[place], present[place], keys[place], data, hyper, t[place]
        )


def _leaves(what: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(what, Tensor):
        yield name, what
        return
    for key in sorted(what):
        yield from _leaves(what[key], f"{name}/{key}" if name else key)
