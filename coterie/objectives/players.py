"""Who learns what in an objective: most have one player, an adversarial one has two."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Player:
    """One of those that a step trains, in turn: it owns parameters, and its loss reaches these alone.

    name: it owns the parameters of the body's part of this name; "": all of them. every: it has its turn at
    every so many steps of an epoch, from the first on. One that owns nothing is only run, for the
    `running_` buffers that it moves.
    """

    name: str = ""
    every: int = 1


ALONE = (Player(),)
