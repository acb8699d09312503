"""What a network costs: one row goes through it, and what its layers put out is counted.

Of a large network only shapes are followed, on PyTorch's meta device. PyTorch imports its compiler for that,
which takes longer than to compute one row with a small one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from coterie.models.family import Family
from coterie.models.outline import one_row
from coterie.models.shape import Shape
from coterie.models.skeleton import shapes_only

SMALL = 5_000_000  # parameters


@dataclass(frozen=True)
class Cost:
    """parameters; multiply_adds of one row's answer; activations: numbers that layers put out for one row,
    in all; widest: the most that one layer puts out."""

    parameters: int
    multiply_adds: int
    activations: int
    widest: int


def cost_of(family: Family, shape: Shape, task: str, outputs: int) -> Cost:
    """The cost of the family's network for data of this shape."""
    with shapes_only():
        network: Any = family.network(shape, task, outputs)
    parameters = sum(p.numel() for p in network.parameters())
    how = shapes_only() if parameters > SMALL else torch.random.fork_rng(devices=())
    sizes: list[int] = []

    def note(layer: nn.Module, given: Any, made: Any) -> None:
        if isinstance(made, Tensor) and not list(layer.children()):
            sizes.append(made.numel())

    with how, torch.no_grad():
        if parameters <= SMALL:
            network = family.network(shape, task, outputs)
        row = one_row(shape)
        for layer in network.modules():
            layer.register_forward_hook(note)
        with _Counting() as counter:
            network.eval().raw(row)
    return Cost(parameters, counter.flops // 2, sum(sizes), max(sizes, default=1))


class _Counting(TorchDispatchMode):
    """Counts as PyTorch's `FlopCounterMode` does, without the compiler, which that one imports."""

    flops = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=made)
        return made
