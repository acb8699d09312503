"""Every optimizer against PyTorch's own, member by member: each has other hyperparameters and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from coterie.training.layout import Layout
from coterie.training.optimizers import OPTIMIZERS, update

STEPS = 30
HYPER = {
    "lr": [0.1, 0.01, 0.5],
    "momentum": [0.9, 0.5, 0.99],
    "beta1": [0.9, 0.5, 0.95],
    "beta2": [0.999, 0.9, 0.95],
    "rho": [0.9, 0.5, 0.99],
    "eps": [1e-8, 1e-3, 1e-6],
    "weight_decay": [0.01, 0.3, 0.1],
    "clip": [0.5, 3.0, 1e6],
}
Group = dict[str, Any]


def adam_options(h: dict[str, float]) -> Group:
    return {"betas": (h["beta1"], h["beta2"]), "eps": h["eps"]}


REFERENCES: dict[str, Callable[[Any, dict[str, float]], torch.optim.Optimizer]] = {
    "sgd": lambda groups, h: torch.optim.SGD(groups, lr=1.0),
    "momentum": lambda groups, h: torch.optim.SGD(groups, lr=1.0, momentum=h["momentum"]),
    "nesterov": lambda groups, h: torch.optim.SGD(groups, lr=1.0, momentum=h["momentum"], nesterov=True),
    "adagrad": lambda groups, h: torch.optim.Adagrad(groups, lr=1.0, eps=h["eps"]),
    "adadelta": lambda groups, h: torch.optim.Adadelta(groups, lr=1.0, rho=h["rho"], eps=h["eps"]),
    "rmsprop": lambda groups, h: torch.optim.RMSprop(groups, lr=1.0, alpha=h["rho"], eps=h["eps"]),
    "adam": lambda groups, h: torch.optim.Adam(groups, lr=1.0, **adam_options(h)),
    "adamw": lambda groups, h: torch.optim.AdamW(groups, lr=1.0, **adam_options(h)),
}


def layout() -> Layout:
    return Layout.of(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Embedding(5, 2)))


def gradients(members: int, parameters: int) -> Tensor:
    """(STEPS, M, P) of very different sizes, some of them 0."""
    g = torch.Generator().manual_seed(4)
    size = 10.0 ** torch.randint(-3, 2, (STEPS, members, 1), generator=g)
    drawn = torch.randn(STEPS, members, parameters, generator=g, dtype=torch.float64) * size
    return torch.where(torch.rand(drawn.shape, generator=g) < 0.1, 0.0, drawn)


def pace(step: int) -> float:
    """The learning rate moves, as under a schedule."""
    return 1.0 / (1 + step % 7)


def reference(name: str, i: int, start: Tensor, grads: Tensor, *, clips: bool, decays: bool) -> Tensor:
    """Member i's parameters after PyTorch's optimizer, weight decay on weights alone."""
    shape, h = layout(), {key: values[i] for key, values in HYPER.items()}
    parameters = {n: nn.Parameter(p.clone()) for n, p in shape.views(start).items()}
    decay = h["weight_decay"] if decays else 0.0
    groups = [
        {"params": [p for p in parameters.values() if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters.values() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = REFERENCES[name](groups, h)
    for step, gradient in enumerate(grads):
        for n, g in shape.views(gradient).items():
            parameters[n].grad = g.clone()
        if clips:
            nn.utils.clip_grad_norm_(parameters.values(), h["clip"])
        for group in optimizer.param_groups:
            group["lr"] = h["lr"] * pace(step)
        optimizer.step()
    return shape.flat({n: p.detach() for n, p in parameters.items()})


@pytest.mark.parametrize("decays", [False, True], ids=["plain", "weight decay"])
@pytest.mark.parametrize("clips", [False, True], ids=["", "clipped"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_equals_pytorchs_member_by_member(name: str, clips: bool, decays: bool) -> None:
    shape = layout()
    start = torch.randn(3, shape.parameters, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    grads = gradients(3, shape.parameters)
    wanted = [reference(name, i, start[i], grads[:, i], clips=clips, decays=decays) for i in range(3)]
    for part in (slice(0, 3), slice(0, 1), slice(1, 2), slice(2, 3)):  # together, and each alone
        p = start[part].clone()
        slots = {slot: torch.zeros_like(p) for slot in OPTIMIZERS[name].slots}
        hyper = {
            key: torch.tensor(values[part], dtype=torch.float64)[:, None] for key, values in HYPER.items()
        }
        for step in range(STEPS):
            t = torch.full((len(p), 1), step + 1.0, dtype=torch.float64)
            now = hyper | {"lr": hyper["lr"] * pace(step)}
            g = grads[step, part].clone()
            update(name, p, g, slots, now, t, shape.weights, clips=clips, decays=decays)
        torch.testing.assert_close(p, torch.stack(wanted[part]), rtol=1e-10, atol=1e-12)


def test_every_optimizer_has_a_reference() -> None:
    assert set(REFERENCES) == set(OPTIMIZERS)


def test_clipping_never_enlarges_and_survives_a_gradient_of_zero() -> None:
    g = torch.stack([torch.zeros(4), torch.full((4,), 0.1), torch.full((4,), 30.0)])
    p, hyper = torch.zeros(3, 4), {"clip": torch.ones(3, 1), "lr": torch.ones(3, 1)}
    update("sgd", p, g.clone(), {}, hyper, torch.ones(3, 1), slice(0), clips=True, decays=False)
    assert torch.equal(p[:2], -g[:2])
    torch.testing.assert_close(p[2].norm(), torch.tensor(1.0))


def test_a_member_that_is_not_finite_stays_alone() -> None:
    """Its neighbours' bits are what they are without it."""
    grads = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    for name, optimizer in OPTIMIZERS.items():
        hyper = {key: torch.tensor(values[:2])[:, None] for key, values in HYPER.items()}
        results = []
        for spoilt in (grads, torch.stack([grads[0], torch.full((6,), torch.nan)])):
            p, slots = torch.ones(2, 6), {slot: torch.zeros(2, 6) for slot in optimizer.slots}
            for t in (1.0, 2.0):
                time = torch.full((2, 1), t)
                update(name, p, spoilt.clone(), slots, hyper, time, slice(6), clips=True, decays=True)
            results.append(p)
        assert torch.equal(results[0][0], results[1][0]), name
        assert results[1][1].isnan().all(), name


def test_the_layout_says_what_decays_and_goes_both_ways() -> None:
    shape = layout()
    marks = torch.zeros(shape.parameters)
    marks[shape.weights] += 1
    assert {n: mark.unique().tolist() for n, mark in shape.views(marks).items()} == {
        "0.weight": [1.0],
        "0.bias": [0.0],
        "1.weight": [0.0],
        "1.bias": [0.0],
        "2.weight": [1.0],
    }
    flat = torch.arange(2.0 * shape.parameters).view(2, -1)
    views = shape.views(flat)
    assert views["0.weight"].shape == (2, 3, 4)
    assert torch.equal(shape.flat(views, lead=1), flat)
    views["0.bias"][1, 0] = -1  # a view, not a copy
    assert -1 in flat[1]
