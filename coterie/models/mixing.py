"""Two examples made one: who is mixed with whom, and how.

B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def partners(present: Tensor, chance: Tensor) -> Tensor:
    """For every real row another real row, each as likely: (B,) int64; itself where there is no other.

    present: (B,) of 0 and 1, 0 for rows that only pad the batch; chance: (B,) in [0, 1).
    """
    real = present > 0
    count = real.sum().clamp_min(1)
    rank = real.cumsum(0) - 1  # a real row's place among the real
    ahead = 1 + torch.floor(chance * (count - 1)).to(torch.int64)
    ordered = torch.sort(real.to(torch.int8), descending=True, stable=True).indices
    partner = ordered[(rank + ahead).remainder(count)]
    return torch.where(real, partner, torch.arange(len(present), device=present.device))


def blended(x: Tensor, partner: Tensor, share: Tensor) -> Tensor:
    """share of a row and 1 − share of its partner; x: (B, …), partner, share: (B,)."""
    share = share.view(-1, *[1] * (x.ndim - 1))
    return share * x + (1 - share) * x[partner]


def pasted(image: Tensor, partner: Tensor, mask: Tensor) -> Tensor:
    """Images (B, C, H, W) with their partner's pixels where the mask (B, H, W) is True."""
    return torch.where(mask[:, None], image[partner], image)
