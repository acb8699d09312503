"""What one network by itself can have: PyTorch's own fused operations, which do not lift, and its layouts.

Layers are written so that they lift over many members. For one alone that costs an operation for each line,
which in small networks takes longer than the arithmetic, and on a GPU scores of attention that are written to
memory and read again, and maps whose channels lie apart. So what is called often asks here, and computes
the same, to rounding, otherwise. On the CPU: an LSTM's step half as long, an MLP's a third shorter
(`python benchmarks/loops.py alone`). On a GPU: not measured, none was at hand (`python benchmarks/gpu.py`).

B rows, C channels, H × W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode


def at_once() -> bool:
    """Whether operations do now what they are called for: nothing lifts, traces or counts them.

    A compiler makes fused operations of its own of what it is shown.
    """
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or peek_interpreter_stack() is not None
        or _get_current_dispatch_mode() is not None
    )


def alone_on_gpu(x: Tensor) -> bool:
    """Whether a layer that is given x works on one network's batch, on a GPU."""
    return x.is_cuda and peek_interpreter_stack() is None


def arranged(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W), for one network on a GPU with the channels of a pixel side by side.

    Weights lie in a member's row in their usual order; convolutions arrange them anew, at the cost of a copy.
    """
    return maps.contiguous(memory_format=torch.channels_last) if alone_on_gpu(maps) else maps
