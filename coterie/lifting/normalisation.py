"""Batch normalisation of maps, in sums that suit a cohort.

All members' maps lie side by side in memory, so the pixels of one channel are far apart: a sum over rows and
pixels at once walks through the whole array for every few channels. Here each row's pixels are summed first,
rows then, and what is handed back to rows and pixels is spread in the same two steps, so that gradients are
summed alike. Padding is left out where a row is one number a channel.

Measured with `python benchmarks/lifting.py normalisation --compiled` (20 members, batch 64, 32 channels of
8 × 8, forward and backward with the ReLU behind, one thread): 27 ms against 40 for sums at once, compiled 8.2
against 11.2. Of a whole step of cnn and resnet on digits it takes 10 to 12 % off, compiled 6 %.

B rows, C channels, H × W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def itself(numbers: Tensor) -> Tensor:
    """What a sum over rows comes to where no other process has any."""
    return numbers


def normalised(
    x: Tensor,
    present: Tensor,
    running: tuple[Tensor, Tensor],
    weight: Tensor,
    bias: Tensor,
    eps: float,
    total: Callable[[Tensor], Tensor] = itself,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x (B, C, H, W) normalised by its own channels; their mean and biased variance (C,), of how many pixels.

    present (B,) of 0 and 1: rows of 0 enter nothing, and come out as 0. running: mean and variance (C,) that
    stand in where there is at most one pixel, which has no variance. total: what a sum over rows comes to
    with those of other processes.
    """
    rows = present[:, None]
    count = total(present.sum()) * (x.shape[2] * x.shape[3])
    share, several = 1 / count.clamp_min(1), count > 1
    mean = total((x.sum((2, 3)) * rows).sum(0)) * share
    centred = x - (torch.where(several, mean, running[0]) * rows)[:, :, None, None]
    var = total((centred.square().sum((2, 3)) * rows).sum(0)) * share
    scale = torch.rsqrt(torch.where(several, var, running[1]) + eps) * weight
    out = centred * (scale * rows)[:, :, None, None] + (bias * rows)[:, :, None, None]
    return out, mean, var, count
