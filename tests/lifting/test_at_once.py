"""Fused kernels are for a group of one that is computed at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from coterie.lifting.alone import at_once


def test_at_once_is_neither_lifted_nor_traced_nor_counted() -> None:
    said: list[bool] = []

    def told(x: Tensor) -> Tensor:
        said.append(at_once())
        return (x * x).sum()

    class Told(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return told(x)

    x = torch.ones(3, requires_grad=True)
    told(x).backward()
    with torch.no_grad():
        told(x)
    assert said == [True, True]
    said.clear()
    vmap(told)(torch.ones(2, 3))
    grad(told)(torch.ones(3))
    make_fx(told)(torch.ones(3))
    make_fx(told, tracing_mode="fake")(torch.ones(3))
    torch.export.export(Told(), (torch.ones(3),), strict=False)
    with FlopCounterMode(display=False):
        told(x)
    assert said
    assert not any(said)
    assert at_once()
