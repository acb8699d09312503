"""Blocks whose activations are computed again in the backward pass, instead of being kept until then.

Of a network made of blocks (Transformer or residual ones, recurrent layers, Inception modules) only what
goes into each is kept, and the inside of one block at a time: less memory, for half as much time again and
more (`python benchmarks/large.py memory`). The numbers are the same, masks too, as these are functions of
keys. Chen et al., "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint


def blocks_of(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost of the modules in a list or a chain that are more than one layer."""
    for child in module.children():
        listed = isinstance(module, nn.Sequential | nn.ModuleList) and not isinstance(child, nn.ModuleList)
        matrices = sum(p.ndim > 1 for p in child.parameters(recurse=False))  # a recurrence has two
        if listed and (matrices > 1 or any(child.children())):
            yield child
        else:
            yield from blocks_of(child)


def recompute(network: nn.Module) -> None:
    """From now on the network's blocks keep nothing but what they are given.

    Only where gradients are taken directly; a block that is lifted over members computes as before.
    """
    for block in blocks_of(network):
        block.forward = Recomputed(block)


class Recomputed:
    """A block's forward pass; what is computed again is computed with the tensors that were handed in."""

    def __init__(self, block: nn.Module) -> None:
        self.block, self.plain = block, block.forward
        self.again = False

    def __call__(self, *given: Any, **named: Any) -> Any:
        # a transform's tensors cannot be kept from it: within one, and within itself, it is as it was
        lifted = torch._C._functorch.peek_interpreter_stack() is not None
        if self.again or lifted or not torch.is_grad_enabled():
            return self.plain(*given, **named)
        # when it comes to the backward pass the engine has taken its tensors out of the modules again
        tensors: dict[str, Tensor] = dict(self.block.named_buffers(remove_duplicate=False))
        tensors.update(self.block.named_parameters(remove_duplicate=False))
        calls = 0

        def compute(*given: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                return self.plain(*given, **named)
            self.again = True
            try:
                return functional_call(self.block, dict(tensors), given, named, tie_weights=False)
            finally:
                self.again = False

        return checkpoint(compute, *given, use_reentrant=False, preserve_rng_state=False, **named)
