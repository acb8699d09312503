"""How the learning rate changes: a factor of it as a function of the member's own step and epoch.

M members; a whole epoch's steps are computed at once: t (S, M) counts a member's steps from 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SCHEDULES = ("constant", "step", "cosine", "plateau")


def factors(
    name: str, t: Tensor, epoch: int, total: Tensor, hyper: dict[str, Tensor], drops: Tensor
) -> Tensor:
    """The factor (S, M) of the learning rate at steps t (S, M), each member having `total` (M,) steps.

    constant: 1. step: decay^⌊epoch / decay_every⌋. cosine: ½(1 + cos πs) over the share s of steps after
    warm-up (Loshchilov & Hutter, "SGDR", 2017). plateau: decay^drops, `drops` (M,) counted by the loop.
    All rise linearly from 0 over the first `warmup` share of the steps (Goyal et al., 2017).
    hyper: "warmup", "decay", "decay_every" (M,).
    """
    rising = (hyper["warmup"] * total).round()
    warm = ((t + 1) / rising.clamp_min(1)).clamp_max(1.0)
    if name == "step":
        return warm * hyper["decay"] ** torch.floor(epoch / hyper["decay_every"])
    if name == "cosine":
        share = ((t - rising) / (total - rising).clamp_min(1)).clamp(0.0, 1.0)
        return warm * 0.5 * (1 + torch.cos(math.pi * share))
    if name == "plateau":
        return warm * hyper["decay"] ** drops
    return warm
