"""What a network costs, measured on PyTorch's meta device: nothing is computed, only shapes are followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from coterie.models.family import Family
from coterie.models.outline import one_row
from coterie.models.shape import Shape


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
    with torch.device("meta"):
        network: Any = family.network(shape, task, outputs)
        sizes: list[int] = []

        def note(layer: nn.Module, given: Any, made: Any) -> None:
            if isinstance(made, Tensor) and not list(layer.children()):
                sizes.append(made.numel())

        for layer in network.modules():
            layer.register_forward_hook(note)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network.eval().raw(one_row(shape))
    parameters = sum(p.numel() for p in network.parameters())
    return Cost(parameters, counter.get_total_flops() // 2, sum(sizes), max(sizes, default=1))
