"""A turn of a cohort's members a few at a time: smaller arrays may stay in a cache, and one member needs no
lifting. Which size is fastest is found by the clock (`study/compiling.py`).

M members, P parameters of one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from coterie.training.given import Given

Told = tuple[Tensor, dict[str, Tensor]]  # losses (M,) and running buffers (M, …)


def in_groups(turn: Callable[[Given, Tensor], Told], given: Given, scratch: Tensor, size: int) -> Told:
    """The turn of groups of at most so many members, one after the other; 0: of all at once."""
    places = evenly(given.members, size)
    if len(places) == 1:
        return turn(given, scratch)
    losses, running = zip(*(turn(given.some(place), scratch[place]) for place in places), strict=True)
    return torch.cat(losses), {name: torch.cat([each[name] for each in running]) for name in running[0]}


def evenly(members: int, size: int) -> list[slice]:
    """The places of groups that differ by one at most.

    >>> evenly(5, 2)
    [slice(0, 1, None), slice(1, 3, None), slice(3, 5, None)]
    """
    groups = -(-members // size) if size else 1
    starts = [group * members // groups for group in range(groups + 1)]
    return [slice(*ends) for ends in pairwise(starts)]
