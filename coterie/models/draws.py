"""The random numbers of an augmentation: a row's own, whatever the batch, by hash of key, word and place.

Each thing that is drawn has a word, so that turning one augmentation on leaves the numbers of the others
as they are. All have 23 bits at most and are therefore the same in single and in double precision.

B batch, D numbers of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from coterie.randomness import bits, fold


@dataclass(frozen=True)
class Draws:
    """What one layer draws in one step; key: () int64; rows: B; dtype: of what is drawn.

    place: (B,) the rows' own numbers, if what is drawn for a row is to depend on its number and not on where
    in the batch it stands. before: how many rows of the batch stand before the first of these.
    """

    key: Tensor
    rows: int
    dtype: torch.dtype
    place: Tensor | None = None
    before: int = 0

    @classmethod
    def of_rows(cls, key: Tensor, place: Tensor, dtype: torch.dtype) -> Draws:
        """Draws of rows by their numbers (B,): the same for a row in whatever batch it comes."""
        return cls(key, len(place), dtype, place)

    def uniform(self, word: int) -> Tensor:
        """(B,) numbers strictly between 0 and 1."""
        return self.each(word, 1).squeeze(1)

    def within(self, word: int, size: Tensor) -> Tensor:
        """(B,) numbers between −size and size, each as likely; size: ()."""
        return size * (2 * self.uniform(word) - 1)

    def each(self, word: int, numbers: int) -> Tensor:
        """(B, D) numbers strictly between 0 and 1."""
        # 23 bits and a half: single precision holds that exactly, so that 1 is never reached by rounding
        return ((self._bits(word, numbers) >> 9).to(self.dtype) + 0.5) / 2**23

    def normal(self, word: int, numbers: int) -> Tensor:
        """(B, D) standard normal numbers, by Box and Muller (1958).

        One hash makes two: half of its bits are the radius, half the angle. They reach 4.85 deviations.
        """
        pairs = -(-numbers // 2)
        drawn = self._bits(word, pairs)
        first, second = (((half).to(self.dtype) + 0.5) / 65536 for half in (drawn & 0xFFFF, drawn >> 16))
        radius, angle = torch.sqrt(-2 * torch.log(first)), 2 * math.pi * second
        return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], 1)[:, :numbers]

    def symmetric_beta(self, word: int, a: Tensor) -> Tensor:
        """(B,) numbers of Beta(a, a) for any a > 0, exactly and without rejection; a: ().

        With T of Student's distribution with 2a degrees of freedom, ½ + ½·T/√(2a + T²) is Beta(a, a), and T²
        is 2a·(U^(−1/a) − 1)·cos²(2πV) of two uniform numbers (Bailey, "Polar generation of random variates
        with the t-distribution", 1994; Devroye, "Random variate generation in one line of code", 1996).
        """
        u, v = self.each(word, 2).unbind(1)
        cosine = torch.cos(2 * math.pi * v)
        # 0 and infinity are met at the ends, and both go the right way: 1/inf = 0
        ratio = torch.expm1(-torch.log(u) / a) * cosine.square()
        return 0.5 + 0.5 * torch.sign(cosine) * torch.rsqrt(1 + 1 / ratio)

    def _bits(self, word: int, numbers: int) -> Tensor:
        """(B, D) random 32-bit integers."""
        key = fold(self.key, word)
        if self.place is None:
            return bits(key, self.rows * numbers, self.before * numbers).view(self.rows, numbers)
        return bits(fold(key, self.place)[:, None], numbers)
