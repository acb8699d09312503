"""The outputs of stacked members for many rows, in chunks that bound memory.

M members, n rows, K outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.training.step import Step

CHUNK = 1 << 22  # numbers of one layer of activations, over all members


def outputs(
    steps: Step, flat: Tensor, buffers: dict[str, Tensor], rows: Tensor, data: dict[str, Tensor]
) -> Tensor:
    """(M, n, K): rows (M, n) of each member's own, or (n,) the same for all, into data (N, …).

    The chunks depend on the shapes alone, so the same members give the same numbers for the same rows.
    """
    widest = max([steps.widest] + [column[0].numel() for column in data.values() if len(column)])
    chunk = max(64, CHUNK // (len(flat) * widest))
    parts = [steps.output(flat, buffers, part, data) for part in rows.split(chunk, dim=-1)]
    return torch.cat(parts, dim=1)
