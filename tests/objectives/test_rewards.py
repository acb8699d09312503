"""Formulas of learning by reward, against loops over single steps and values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from coterie.objectives.rewards import (
    advantages,
    clipped_surrogate,
    discounted_returns,
    double_value,
    entropy,
    greedy_value,
    huber_error,
    several_steps,
    standardised,
    temporal_difference_target,
)

T, E = 12, 3


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.fixture
def played() -> dict[str, Tensor]:
    """Steps of three environments: some episodes terminate, some run out of time, some go on at the end."""
    g = torch.Generator().manual_seed(3)
    draw = [torch.rand(T, E, generator=g, dtype=torch.float64) for _ in range(5)]
    terminated = draw[3] < 0.2
    ended = terminated | (draw[4] < 0.2)
    assert terminated.any()
    assert (ended & ~terminated).any()
    return {
        "reward": draw[0],
        "value": draw[1],
        "following": draw[2],
        "terminated": terminated,
        "ended": ended,
    }


@pytest.mark.parametrize("n", [1, 3, 99])
def test_several_steps_end_with_the_episode_or_what_was_played(played: dict[str, Tensor], n: int):
    then = torch.arange(T * E, dtype=torch.float64).view(T, E, 1)
    gained, led, over, share = several_steps(
        played["reward"], then, played["terminated"], played["ended"], number(0.9), n
    )
    for e in range(E):
        for t in range(T):
            last = t
            while last + 1 < min(T, t + n) and not played["ended"][last, e]:
                last += 1
            total = sum(0.9 ** (k - t) * float(played["reward"][k, e]) for k in range(t, last + 1))
            assert float(gained[t, e]) == pytest.approx(total)
            assert float(led[t, e, 0]) == last * E + e
            assert bool(over[t, e]) == bool(played["terminated"][last, e])
            assert float(share[t, e]) == pytest.approx(0.9 ** (last - t + 1))


def test_returns_end_where_an_episode_does(played: dict[str, Tensor]):
    after = torch.ones(E, dtype=torch.float64)
    found = discounted_returns(played["reward"], played["ended"], after, number(0.9))
    for e in range(E):
        for t in range(T):
            total, k = 0.0, t
            while True:
                total += 0.9 ** (k - t) * float(played["reward"][k, e])
                if played["ended"][k, e]:
                    break
                k += 1
                if k == T:
                    total += 0.9 ** (k - t)
                    break
            assert float(found[t, e]) == pytest.approx(total, rel=1e-12)


def test_advantages_are_discounted_surprises(played: dict[str, Tensor]):
    gamma, trace = 0.9, 0.7
    found = advantages(**played, discount=number(gamma), trace=number(trace))
    for e in range(E):
        later = 0.0
        for t in reversed(range(T)):
            goes_on = 0.0 if played["terminated"][t, e] else float(played["following"][t, e])
            surprise = float(played["reward"][t, e]) + gamma * goes_on - float(played["value"][t, e])
            later = surprise + (0.0 if played["ended"][t, e] else gamma * trace * later)
            assert float(found[t, e]) == pytest.approx(later, rel=1e-12)


def test_advantages_between_one_step_and_all(played: dict[str, Tensor]):
    """λ = 0 is the surprise of one step. λ = 1 is the return less the value, if values follow one another."""
    gamma = number(0.9)
    aim = temporal_difference_target(played["reward"], played["following"], played["terminated"], gamma)
    none = advantages(**played, discount=gamma, trace=number(0.0))
    torch.testing.assert_close(none, aim - played["value"])
    following = torch.where(played["ended"], played["following"], played["value"].roll(-1, 0))
    own = played | {"following": following, "terminated": played["ended"]}
    whole = advantages(**own, discount=gamma, trace=number(1.0))
    returns = discounted_returns(played["reward"], played["ended"], following[-1], gamma)
    torch.testing.assert_close(whole + played["value"], returns)


def test_an_episode_whose_time_is_up_is_not_one_that_failed():
    one = {name: torch.ones(1, 1) for name in ("reward", "value", "following")}
    over, not_over = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.bool)
    timed = advantages(
        **one, terminated=not_over, ended=over, discount=torch.tensor(0.5), trace=torch.ones(())
    )
    failed = advantages(**one, terminated=over, ended=over, discount=torch.tensor(0.5), trace=torch.ones(()))
    assert (float(timed), float(failed)) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("ratio", "advantage", "moves"),
    [(1.0, 1.0, True), (1.3, 1.0, False), (0.7, 1.0, True), (1.3, -1.0, True), (0.7, -1.0, False)],
)
def test_the_surrogate_pulls_only_while_it_is_near(ratio: float, advantage: float, moves: bool):
    log_p = number(math.log(ratio)).reshape(1).requires_grad_()
    loss = clipped_surrogate(log_p, torch.zeros_like(log_p), number(advantage).reshape(1), number(0.2))
    loss.sum().backward()
    held = min(max(ratio, 0.8), 1.2)
    assert float(loss.detach()) == pytest.approx(-min(ratio * advantage, held * advantage))
    assert float(log_p.grad) == pytest.approx(-ratio * advantage if moves else 0.0)


def test_entropy_of_even_and_of_certain_choices():
    even = torch.zeros(2, 5, dtype=torch.float64).log_softmax(-1)
    torch.testing.assert_close(entropy(even), torch.full((2,), math.log(5), dtype=torch.float64))
    sure = torch.tensor([[1000.0, 0.0]]).log_softmax(-1)
    assert float(entropy(sure)) == pytest.approx(0.0, abs=1e-6)


def test_standardised_numbers():
    x = standardised(torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64))
    assert float(x.mean()) == pytest.approx(0, abs=1e-12)
    assert float(x.square().mean()) == pytest.approx(1, rel=1e-6)
    assert torch.equal(standardised(torch.full((4,), 3.0)), torch.zeros(4))


def test_what_is_promised_a_step_later():
    online = torch.tensor([[1.0, 2.0], [5.0, 4.0]])
    copy = torch.tensor([[9.0, 3.0], [7.0, 8.0]])
    assert double_value(online, copy).tolist() == [3.0, 7.0]
    assert greedy_value(copy).tolist() == [9.0, 8.0]
    assert bool((double_value(online, copy) <= greedy_value(copy)).all())
    aim = temporal_difference_target(
        torch.tensor([1.0, 1.0]), torch.tensor([10.0, 10.0]), torch.tensor([False, True]), torch.tensor(0.5)
    )
    assert aim.tolist() == [6.0, 1.0]


def test_no_error_pulls_harder_than_one():
    error = torch.tensor([-5.0, -0.5, 0.0, 0.5, 5.0], requires_grad=True)
    found = huber_error(error)
    assert found.tolist() == pytest.approx([4.5, 0.125, 0.0, 0.125, 4.5])
    found.sum().backward()
    assert error.grad is not None
    assert error.grad.tolist() == pytest.approx([-1.0, -0.5, 0.0, 0.5, 1.0])
