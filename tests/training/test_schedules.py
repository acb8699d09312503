"""Schedules against `torch.optim.lr_scheduler` where the two agree, and the shape of the warm-up."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR, StepLR

from coterie.training.schedules import SCHEDULES, factors


def ours(name: str, epochs: int, steps: int, drops: int = 0, **hyper: float) -> Tensor:
    """One member's factors over all epochs, asked epoch by epoch as the engine does: (epochs · steps,)."""
    stacked = {
        n: torch.tensor([float(v)]) for n, v in {"warmup": 0, "decay": 1, "decay_every": 1, **hyper}.items()
    }
    parts = []
    for epoch in range(epochs):
        t = (epoch * steps + torch.arange(float(steps)))[:, None]
        total = torch.tensor([float(epochs * steps)])
        parts.append(factors(name, t, epoch, total, stacked, torch.tensor([float(drops)])))
    return torch.cat(parts)[:, 0]


def theirs(make: type[LRScheduler] | object, steps: int) -> Tensor:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(()))], lr=1.0)
    schedule = make(optimizer)  # type: ignore[operator]
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return torch.tensor(found)


def test_step() -> None:
    wanted = theirs(lambda o: StepLR(o, step_size=3, gamma=0.4), steps=10)
    torch.testing.assert_close(ours("step", 10, 5, decay=0.4, decay_every=3), wanted.repeat_interleave(5))


def test_cosine() -> None:
    wanted = theirs(lambda o: CosineAnnealingLR(o, T_max=40), steps=40)
    torch.testing.assert_close(ours("cosine", 8, 5), wanted)


def test_cosine_after_warmup() -> None:
    def both(o: torch.optim.Optimizer) -> SequentialLR:
        rising = LinearLR(o, start_factor=1 / 10, total_iters=9)
        return SequentialLR(o, [rising, CosineAnnealingLR(o, T_max=30)], milestones=[10])

    torch.testing.assert_close(ours("cosine", 8, 5, warmup=0.25), theirs(both, steps=40))


def test_constant_and_plateau() -> None:
    assert torch.equal(ours("constant", 2, 3), torch.ones(6))
    torch.testing.assert_close(ours("plateau", 2, 3, drops=2, decay=0.3), torch.full((6,), 0.09))


@pytest.mark.parametrize("name", SCHEDULES)
def test_all_rise_linearly_over_the_same_share_of_steps(name: str) -> None:
    warmed = ours(name, 10, 10, warmup=0.2, decay=1.0, decay_every=1)
    torch.testing.assert_close(warmed[:20], torch.arange(1, 21) / 20)
    assert warmed.max() == 1.0
    assert warmed[0] > 0  # no step is wasted
    assert (warmed[20:].diff() <= 1e-7).all()


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.001, 0.9])
def test_one_step_in_all_is_taken(name: str, warmup: float) -> None:
    assert 0 < ours(name, 1, 1, warmup=warmup).item() <= 1


def test_members_have_their_own() -> None:
    """Two members with other totals, warm-ups and paces, together as alone."""
    hyper = {
        n: torch.tensor(v)
        for n, v in {"warmup": [0.1, 0.5], "decay": [0.5, 0.1], "decay_every": [1.0, 2.0]}.items()
    }
    t, total, drops = (
        torch.tensor([[6.0, 8.0], [7.0, 9.0]]),
        torch.tensor([20.0, 30.0]),
        torch.tensor([1.0, 2.0]),
    )
    for name in SCHEDULES:
        both = factors(name, t, 3, total, hyper, drops)
        for i in range(2):
            alone = {n: v[i : i + 1] for n, v in hyper.items()}
            one = factors(name, t[:, i : i + 1], 3, total[i : i + 1], alone, drops[i : i + 1])
            assert torch.equal(both[:, i], one[:, 0])
