"""Weights of an earlier model to start from, and how its layers learn on: frozen first, slower below.

A network's layers are told apart by the names of its parameters: what lies under the first number of a
name (`body.layers.3`) is a layer, neighbours without a number are one, and one with nothing but vectors
(a normalisation) belongs to the layer before it. The output layer has depth 0 (where a family has none,
the last layer), the one below it 1, …

E earlier members, A living members, P parameters of one, L parameters by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from coterie.training.layout import Layout, is_weight

ANSWERS, ANSWER = ("body.head.", "body.beside."), "answer"  # the output layer, and what joins it beside
SETTINGS = ("freeze", "thaw", "discount")  # of the recipe, about what was taken


@dataclass(frozen=True)
class Start:
    """Tensors (E, …) by their names in a network. What has the same name and shape there is taken."""

    tensors: dict[str, Tensor]

    def taken(self, network: nn.Module) -> tuple[str, ...]:
        """Names of the parameters and buffers of a network that these tensors fit."""
        here = _state(network)
        return tuple(n for n, t in self.tensors.items() if n in here and here[n].shape == t.shape[1:])

    def put(self, network: nn.Module, member: int) -> None:
        """Gives a network the weights of the earlier member `member` modulo E."""
        here = _state(network)
        with torch.no_grad():
            for name in self.taken(network):
                tensor = self.tensors[name]
                here[name].copy_(tensor[member % len(tensor)])


@dataclass(frozen=True)
class Pace:
    """How fast each parameter of a structure learns: depth (L,) below the output layer, taken (L,) or new."""

    depth: Tensor
    taken: Tensor
    sizes: Tensor

    @classmethod
    def of(cls, network: nn.Module, layout: Layout, taken: Sequence[str], device: torch.device) -> Pace:
        known, depth = set(taken), depths(network)
        return cls(
            torch.tensor([depth[name] for name in layout.names], device=device),
            torch.tensor([name in known for name in layout.names], device=device),
            torch.tensor(layout.sizes, device=device),
        )

    def factors(self, epoch: int, hyper: dict[str, Tensor]) -> Tensor | None:
        """What the learning rate of each parameter is multiplied by, (A, P), 0 where it is frozen.

        None where nobody asked for any. hyper: (A,) each. For `freeze` epochs only what is new learns, and
        the output layer; then the layer below it, and every `thaw` epochs one more (0: all at once), which
        is gradual unfreezing. A taken layer of depth d learns at discount^d: Howard & Ruder, 2018.
        """
        freeze, thaw, discount = (hyper[name][:, None] for name in SETTINGS)
        if not bool(((freeze > 0) | (thaw > 0) | (discount != 1)).any()):
            return None
        opens = freeze + thaw * (self.depth - 1)
        slow = torch.where(epoch >= opens, discount**self.depth, 0.0)
        free = ~self.taken | (self.depth == 0)
        return torch.where(free, 1.0, slow).to(discount.dtype).repeat_interleave(self.sizes, dim=1)


def depths(network: nn.Module) -> dict[str, int]:
    """How many layers lie between each parameter and the answer: 0 for those of the output layer.

    >>> layers = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 3))
    >>> body = nn.ModuleDict({"layers": layers, "head": nn.Linear(3, 2)})
    >>> list(depths(nn.ModuleDict({"body": body})).values())
    [2, 2, 2, 2, 1, 1, 0, 0]
    """
    layers: list[list[str]] = []  # each layer's parameters, from the input on
    shapes = {name: p.shape for name, p in network.named_parameters()}
    for key, run in groupby(shapes, key=_layer):
        names = list(run)
        if key != ANSWER and layers and not any(is_weight(shapes[name]) for name in names):
            layers[-1] += names
        else:
            layers.append(names)
    return {name: len(layers) - 1 - at for at, names in enumerate(layers) for name in names}


def _layer(name: str) -> str:
    """`body.layers.3.path.0.weight` → `body.layers.3`; without a number the same for all neighbours."""
    if name.startswith(ANSWERS):
        return ANSWER
    parts = name.split(".")
    at = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    return "" if at is None else ".".join(parts[: at + 1])


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
