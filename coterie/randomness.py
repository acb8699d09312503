"""Random numbers as a pure function of (seed, step, site, position).

Nothing here has a state. A *key* is a 32-bit integer made from a member's seed by folding in words
(the step, the site in the network); `bits(key, n)` gives that key's n numbers, one a position. A member's
numbers therefore do not depend on who else is in its cohort, on when it was resumed, or on the device.

The hash is a 32-bit multiply-xorshift mixer with the constants found by C. Wellons' search
("Prospecting for hash functions", 2018). It is computed in 64-bit integers with both multipliers below
2³¹, so that no product passes 2⁶³: signed overflow is undefined in the C++ that compilers generate,
and would give other bits compiled than eager. The same lines serve Python integers and tensors.

Shapes: key () or, lifted, (M,); positions n; results (*shape).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Integer = TypeVar("Integer", int, Tensor)

MASK = 0xFFFFFFFF
PIECE = 1 << 20  # numbers that are hashed at once where there are very many
_FIRST, _SECOND, _STEP = 0x21F0AAAD, 0x735A2D97, 0x1E3779B1


def mix(x: Integer) -> Integer:
    """Scrambles integers in [0, 2³²): every output bit depends on every input bit."""
    x = x ^ (x >> 16)
    x = (x * _FIRST) & MASK
    x = x ^ (x >> 15)
    x = (x * _SECOND) & MASK
    return x ^ (x >> 15)


def fold(key: Integer, word: Integer | int) -> Integer:
    """The key for one more word: a step, a site, a fold, a seed. Words below 2³² give distinct keys.

    >>> fold(fold(7, 1), 2) != fold(fold(7, 2), 1)
    True
    """
    return mix((mix(key) + ((word * _STEP) & MASK)) & MASK)


def site(name: str) -> int:
    """A word for a name (a module's path): the same on every machine and in every run."""
    word = len(name)
    for byte in name.encode():
        word = mix(word ^ (byte * 0x01000193 & MASK))
    return word


def bits(key: Tensor, n: int, start: int = 0) -> Tensor:
    """n random 32-bit integers (…, n) int64 of keys (…, 1) or (): position i gets a hash of (key, i).

    start: the first of the positions.
    """
    return _hash(torch.arange(start, start + n, device=key.device), key)


def _hash(position: Tensor, key: Tensor) -> Tensor:
    x = position ^ key
    x = x ^ (x >> 16)
    x = (x * _FIRST) & MASK
    x = x ^ (x >> 15) ^ key  # the key enters twice: else two keys would give the same numbers, reordered
    x = (x * _SECOND) & MASK
    return x ^ (x >> 15)


@dataclass(frozen=True)
class Portion:
    """Rows of a batch that goes through a network in parts: so many from place `start` on, of `whole`.

    What is drawn for them is what the whole batch draws there. (The last ones may lie behind its end: those
    only pad the part.)
    """

    start: int
    rows: int
    whole: int


def keep_mask(key: Tensor, shape: tuple[int, ...], drop: Tensor, portion: Portion | None = None) -> Tensor:
    """A mask of the shape in drop's type: 0 with probability `drop` () to within 2⁻¹⁶, else 1; key ().

    Each hash serves two positions, one with each half of its bits: masks are drawn at every step. Halves
    are compared as floating-point numbers, which hold them exactly: compiled code is slow with masks of
    integers, and a step with dropout took twice as long as one without.
    portion: which rows the first axis has, if these are not all of a batch.
    """
    size, limit = math.prod(shape), (drop * 65536).floor()
    if portion is None:
        drawn = bits(key, -(-size // 2))
        first, second = drawn & 0xFFFF, drawn >> 16
    else:
        row = size // portion.rows
        start, half = row * portion.start, -(-row * portion.whole // 2)
        low = max(0, min(start + size, half) - start)  # how many positions lie in the first half of the whole
        first, second = bits(key, low, start) & 0xFFFF, bits(key, size - low, start + low - half) >> 16
    halves = [(half.to(drop.dtype) >= limit).to(drop.dtype) for half in (first, second)]
    return torch.cat(halves)[:size].reshape(shape)


def permutation(key: Tensor, n: Tensor | int, size: int) -> Tensor:
    """The numbers 0…n−1 in random order, then n…size−1 as they are: (…, size) int64, n <= size.

    Positions sorted by their hash, ties by position: the order of a member with n rows is the same
    whatever the size to which its neighbours pad it. key and n: () or (…, 1).
    """
    position = torch.arange(size, device=key.device)
    order = torch.where(position < n, bits(key, size), MASK + 1)
    return torch.sort(order, stable=True).indices


def large_permutation(key: Tensor, n: Tensor | int, size: int) -> Tensor:
    """As `permutation`, on the CPU, for very many numbers: sorted in place, with no memory but the result's.

    A position stands behind its hash in one number, so that ties go by position.
    """
    lead = torch.broadcast_shapes(key.shape, n.shape if isinstance(n, Tensor) else ())[:-1]
    order = torch.empty(*lead, size, dtype=torch.int64)
    keys = key.expand(*lead, 1).flatten().tolist()
    counts = torch.as_tensor(n).expand(*lead, 1).flatten().tolist()
    for own, count, row in zip(keys, counts, order.view(-1, size), strict=True):
        for begin in range(0, size, PIECE):
            position = torch.arange(begin, min(size, begin + PIECE))
            drawn = torch.where(position < count, _hash(position, torch.tensor(own)), MASK + 1)
            row[begin : begin + PIECE] = (drawn << 30) | position
        row.numpy().sort()
        row &= (1 << 30) - 1
    return order
