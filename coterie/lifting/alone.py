"""One network by itself on a GPU: there PyTorch's own fused operations and layouts serve it best.

Layers are written so that they lift over many members. What that costs one alone, a GPU feels most: scores of
attention that are written to memory and read again, and maps whose channels lie apart, which its convolutions
in half precision would have side by side. So layers ask here, and compute the same, to rounding, otherwise.
(Weights lie in a member's row in their usual order; convolutions arrange them anew, which costs their size.)
Not measured: no GPU was at hand (`python benchmarks/gpu.py`).

B rows, C channels, H × W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def alone_on_gpu(x: Tensor) -> bool:
    """Whether a layer that is given x works on one network's batch, on a GPU."""
    return x.is_cuda and torch._C._functorch.peek_interpreter_stack() is None


def arranged(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W), for one network on a GPU with the channels of a pixel side by side."""
    return maps.contiguous(memory_format=torch.channels_last) if alone_on_gpu(maps) else maps
