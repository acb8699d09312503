"""Tensors are put into a module by name, as `functional_call` does."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from coterie.training.places import Places


def test_the_same_as_functional_call() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)))
    before = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    places, x = Places(module), torch.randn(5, 3)
    assert places.at.keys() == before.keys()
    given = {n: torch.rand_like(t) if t.is_floating_point() else t.clone() for n, t in before.items()}
    wanted = functional_call(module.eval(), given, (x,))
    was = places.put(given)
    assert all(was[name] is before[name] for name in before)
    assert torch.equal(module(x), wanted)
    assert places["1.0.running_var"] is given["1.0.running_var"]
    places.put(was)
    assert all(places[name] is before[name] for name in before)


def test_what_a_forward_pass_assigns_is_found() -> None:
    class Counting(nn.Module):
        seen: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = self.seen + len(x)
            return x

    module = Counting()
    places = Places(module)
    places.put({"seen": torch.tensor(2.0)})
    module(torch.ones(3))
    assert places["seen"].item() == 5
