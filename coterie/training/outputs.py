"""The outputs of stacked members for many rows, in chunks that bound memory.

M members, n rows, K outputs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coterie.training.padding import Padding, cut
from coterie.training.step import Step
from coterie.training.streaming import brought

CHUNK = 1 << 22  # numbers of one layer of activations, over all members


def outputs(
    steps: Step,
    flat: Tensor,
    buffers: dict[str, Tensor],
    rows: Tensor,
    data: dict[str, Tensor],
    what: str = "forward",
) -> Tensor:
    """(M, n, K): rows (M, n) of each member's own, or (n,) the same for all, into data (N, …).

    what: as in `Step.output`. Padding that a chunk does not need is not computed; answers there are 0.
    The chunks depend on the shapes alone, so the same members give the same numbers for the same rows.
    """
    widest = max([steps.widest] + [column[0].numel() for column in data.values() if len(column)])
    chunk = max(64, CHUNK // (len(flat) * widest))
    padding = Padding.of(data)
    parts = []
    for part in rows.split(chunk, dim=-1):
        (widths,) = padding.widths(part[None])
        part, here = brought(part, cut(data, widths), flat.dtype)
        parts.append(steps.output(flat, buffers, part, here, what))
    if steps.each_step:
        most = data["answer"].shape[1] - 1 if "answer" in data else data["sequence"].shape[1]
        parts = [nn.functional.pad(p, (0, 0, 0, most - p.shape[2])) for p in parts]
    return torch.cat(parts, dim=1)
