"""Where each parameter lies in a member's one flat row, so that updates touch one array, not dozens.

M members, P parameters of one member.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layout:
    """Names, shapes and sizes of a network's parameters, in order."""

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, network: nn.Module) -> Layout:
        named = dict(network.named_parameters())
        return cls(
            tuple(named), tuple(p.shape for p in named.values()), tuple(p.numel() for p in named.values())
        )

    @property
    def parameters(self) -> int:
        return sum(self.sizes)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The parameters (…, *shape) by name, as views of flat (…, P)."""
        lead = flat.shape[:-1]
        parts = flat.split(self.sizes, dim=-1)
        return {
            n: part.view(*lead, *shape) for n, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def flat(self, tensors: dict[str, Tensor], lead: int = 0, out: Tensor | None = None) -> Tensor:
        """The inverse of `views`: tensors with `lead` leading axes, joined into (…, P)."""
        parts = [
            tensors[name].flatten(lead) if tensors[name].ndim > lead else tensors[name][..., None]
            for name in self.names
        ]
        return torch.cat(parts, dim=-1, out=out)

    @property
    def weights(self) -> tuple[slice, ...]:
        """Where weights lie (parameters of two or more axes), on which weight decay acts; biases are free."""
        found, start = [], 0
        for size, shape in zip(self.sizes, self.shapes, strict=True):
            if len(shape) > 1:
                found.append(slice(start, start + size))
            start += size
        return tuple(found)
