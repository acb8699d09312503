"""L1 and L2 penalties on the weights of a network."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Penalties(nn.Module):
    """l1·Σ|w| + l2·Σw² over weights (parameters of two or more axes); biases and gains are free.

    numbers: "l1" and "l2" by name, which may differ between members; one of 0 is left out.
    """

    l1: Tensor
    l2: Tensor

    def __init__(self, numbers: dict[str, float]) -> None:
        super().__init__()
        self.register_buffer("l1", torch.tensor(numbers["l1"]))
        self.register_buffer("l2", torch.tensor(numbers["l2"]))
        self.used = [name for name in ("l1", "l2") if numbers[name] > 0]

    def added(self, loss: Tensor, parameters: Iterable[nn.Parameter]) -> Tensor:
        """The loss () with the penalties of these parameters."""
        weights = [p for p in parameters if p.ndim > 1] if self.used else []
        if weights and "l1" in self.used:
            loss = loss + self.l1 * torch.stack([w.abs().sum() for w in weights]).sum()
        if weights and "l2" in self.used:
            loss = loss + self.l2 * torch.stack([w.square().sum() for w in weights]).sum()
        return loss
