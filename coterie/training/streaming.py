"""Data that an accelerator has no room for stay in the computer's memory; each step brings what it needs.

Members draw the same rows in different orders, and often the same row in one step, so the rows of all
members are brought together, each once. So are numbers of another precision, of a table that is too large to
be cast as a whole. What is computed from them is the same to the bit.

M members, B batch, N rows of data, U different ones among those asked for.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

SHARE = 1 / 2  # of an accelerator's free memory may be images, or one array of a large table


def resident(column: Tensor, device: torch.device) -> bool:
    """Whether images, or rows of a large table, are to lie on the device as a whole."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return column.numel() * column.element_size() <= SHARE * free


def far_from(device: torch.device, data: dict[str, Tensor]) -> list[str]:
    """The names of what lies elsewhere."""
    return [name for name, column in data.items() if column.device != device]


def brought(
    rows: Tensor,
    data: dict[str, Tensor],
    dtype: torch.dtype | None = None,
    known: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Data that lie where the rows do, floating ones in the precision, and the rows' places in them.

    rows: (M, B) or (B,), on the device that computes, into data (N, …). Where all data lie there, they and
    the rows are returned as they are; else data (U, …) of just these rows. known: the same rows in the
    computer's memory, if they are: then nobody waits for the device.
    """
    far = far_from(rows.device, data)
    other = dtype is not None and any(c.is_floating_point() and c.dtype != dtype for c in data.values())
    if not far and not other:
        return rows, data
    places, found = gathered(rows, data, far, known)
    if dtype is not None:
        found = {name: c.to(dtype) if c.is_floating_point() else c for name, c in found.items()}
    return places, found


def gathered(
    rows: Tensor, data: dict[str, Tensor], far: Collection[str], known: Tensor | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """As `brought`; far: names of what lies in the computer's memory.

    >>> rows, data = gathered(torch.tensor([[7, 2], [2, 2]]), {"x": torch.arange(0, 100, 10)}, ["x"])
    >>> rows.tolist(), data["x"].tolist()
    ([[1, 0], [0, 0]], [20, 70])
    """
    asked, places = torch.unique(rows.cpu() if known is None else known, return_inverse=True)
    there = _sent(asked, rows.device)
    found = {
        name: _sent(column[asked], rows.device) if name in far else column[there]
        for name, column in data.items()
    }
    return _sent(places, rows.device), found


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """On the device; to a GPU by way of memory that it can read while the host goes on."""
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
