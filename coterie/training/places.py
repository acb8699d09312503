"""Where the tensors of a module lie, found once: `torch.func.functional_call` looks for each at every call.

For a small network that looking takes as long as the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn


class Places:
    """The places of all parameters and buffers of a module, by name."""

    def __init__(self, module: nn.Module) -> None:
        self.at: dict[str, tuple[dict[str, Tensor], str]] = {}
        for path, part in module.named_modules():
            for kept in (part._parameters, part._buffers):
                for name, tensor in kept.items():
                    if tensor is not None:
                        self.at[f"{path}.{name}" if path else name] = cast(dict[str, Tensor], kept), name

    def put(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Hands tensors in, under their names; returns what was there before."""
        before = {}
        for full, tensor in tensors.items():
            kept, name = self.at[full]
            before[full] = kept[name]
            kept[name] = tensor
        return before

    def __getitem__(self, full: str) -> Tensor:
        kept, name = self.at[full]
        return kept[name]
