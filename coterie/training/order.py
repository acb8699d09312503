"""The order of rows in an epoch, as a function of each member's key and the epoch.

A members, n rows of a fold's training part, B batch, S steps, W the most rows of a fold.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from coterie.randomness import fold, large_permutation, permutation, site

ORDER, MIXED = site("order"), site("batches")
LARGE = 1 << 20  # rows from which memory and time of sorting count
POOL = 32  # batches among which rows are sorted by length


def shuffled(keys: Tensor, epoch: int, counts: Tensor, width: int) -> Tensor:
    """Places (A, W) of each member's own permutation of its n = counts (A,) rows; then its padding.

    keys: (A,).
    """
    drawn, own = fold(fold(keys, ORDER), epoch)[:, None], counts[:, None]
    if LARGE <= width < 1 << 30 and keys.device.type == "cpu":
        return large_permutation(drawn, own, width)
    return permutation(drawn, own, width)


def in_buckets(places: Tensor, lengths: Tensor, epoch: int, counts: Tensor, batch: int) -> Tensor:
    """The order (A, W) with rows of like length in one batch; lengths (A, W): of the rows in that order.

    Rows are sorted within pools of 32 batches, so that who meets whom stays random; then the batches of a
    pool are put into an order that is the same for all members: their batches of a step are of like length.
    What does not fill a batch stays at the end.
    """
    width = places.shape[1]
    at = torch.arange(width, device=places.device)
    full = counts[:, None] // batch * batch
    pool = torch.where(at < full, at // (batch * POOL), width)  # the rest is a pool of its own
    longest = int(lengths.max()) + 1
    by_length = torch.sort(pool * longest + torch.where(at < full, lengths, 0), stable=True).indices
    places = places.gather(1, by_length)
    batches = -(-width // batch)
    key = fold(fold(torch.tensor(MIXED, device=places.device), epoch), batch)
    mixed = permutation(key, batches, batches)
    # batches in random order within their pool, those behind the last full one where they are
    number = torch.arange(batches, device=places.device)
    rank = torch.empty_like(mixed).scatter(0, mixed, number)
    own = torch.where(number < full // batch, number // POOL, batches) * batches
    moved = torch.sort(own + torch.where(number < full // batch, rank, number), stable=True).indices
    at = moved.repeat_interleave(batch, 1)[:, :width] * batch + at % batch
    return places.gather(1, at.clamp_max(width - 1))


def padded(rows: tuple[np.ndarray, ...], device: torch.device) -> Tensor:
    """Folds' rows (folds, longest), the shorter ones filled with row 0."""
    table = np.zeros((len(rows), max(len(r) for r in rows)), dtype=np.int64)
    for f, r in enumerate(rows):
        table[f, : len(r)] = r
    return torch.from_numpy(table).to(device)


def idlers(steps: np.ndarray, device: torch.device) -> list[Tensor | None]:
    """For each step of an epoch the places of members (A,) whose own steps are over; None: nobody's are.

    >>> idlers(np.array([3, 1]), torch.device("cpu"))
    [None, tensor([1]), tensor([1])]
    """
    over = {n: torch.from_numpy(np.flatnonzero(steps <= n)).to(device) for n in set(steps.tolist())}
    return [over.get(max((n for n in over if n <= s), default=-1)) for s in range(int(steps.max()))]
