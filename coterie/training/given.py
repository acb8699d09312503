"""What a player's turn works on: one record, of all members or, lifted, of one.

M members, P parameters of one, N rows of data, B batch, S sites that draw random numbers. Of one member the
same without the leading M.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


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

    def named(self) -> list[tuple[str, str, Tensor]]:
        """Every tensor with its part and its name there, in an order that names alone decide."""
        found = []
        for part, what in zip(self._fields, self, strict=True):
            each: dict[str, Tensor] = {"": what} if isinstance(what, Tensor) else what  # type: ignore[assignment]
            found += [(part, name, each[name]) for name in sorted(each)]
        return found

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
