"""Worlds: the pole obeys the equations of motion, the grid's best return is known and reached."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from small_worlds import keys, played
from torch import Tensor

from coterie.data.environments import (
    ENVIRONMENTS,
    Grid,
    cartpole,
    environment,
    gridworld,
    optimal_return,
)
from coterie.errors import DataError
from coterie.randomness import fold

# ---- what holds for all --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_a_step_gives(name: str) -> None:
    world = environment(name)
    assert world.name == name
    key = keys(2, 3)
    state = world.reset(key)
    assert world.observe(state).shape == (2, 3, world.observations)
    before = state.clone()
    after, seen, reward, terminated, truncated = world.step(state, torch.ones(2, 3, dtype=torch.int64), key)
    assert torch.equal(state, before), "nothing is written in place"
    assert (after.shape, after.dtype) == (state.shape, state.dtype)
    assert torch.equal(seen, world.observe(after))
    assert (seen.dtype, reward.dtype) == (torch.float32,) * 2
    assert (terminated.dtype, truncated.dtype) == (torch.bool,) * 2
    assert reward.shape == terminated.shape == truncated.shape == (2, 3)
    picture = world.draw(state[0, 0])
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert max(picture.shape) <= 160


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_all_at_once_equals_one_by_one_equals_lifted(name: str) -> None:
    world = environment(name) if name != "gridworld" else gridworld(Grid(slip=0.3))
    key = keys(3, 4)
    actions = torch.randint(0, world.actions, (20, 3, 4), generator=torch.Generator().manual_seed(0))
    whole = played(world, actions, key)

    def episode(key: Tensor, actions: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.stack(part) for part in zip(*played(world, actions, key), strict=True))

    lifted = torch.func.vmap(torch.func.vmap(episode, (0, 1)), (0, 1))(key, actions)
    for t, step in enumerate(whole):
        for part, other in zip(step, lifted, strict=True):
            assert torch.equal(part, other[:, :, t])
    alone = played(world, actions[:, 2, 1], key[2, 1])
    for step, one in zip(whole, alone, strict=True):
        for part, other in zip(step, one, strict=True):
            assert torch.equal(part[2, 1], other)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_episode_is_begun_anew_where_it_ended(name: str) -> None:
    world = environment(name)
    state, key = world.reset(keys(4)), keys(4, word=1)
    ended = torch.tensor([True, False, True, False])
    anew = world.begun_anew(state, ended, key)
    assert torch.equal(anew[ended], world.reset(key)[ended])
    assert torch.equal(anew[~ended], state[~ended])
    assert not torch.equal(world.reset(key), state)


def test_a_name_that_is_none() -> None:
    if "gymnasium" not in sys.modules:
        with pytest.raises(DataError, match=r"coterie\[reinforcement\].*CartPole-v1, gridworld"):
            environment("LunarLander-v3")


# ---- the pole ------------------------------------------------------------------------------------------


def motion(x: np.ndarray, action: int) -> np.ndarray:
    """Barto, Sutton & Anderson's equations as a linear system of both accelerations, solved; Euler's rule.

    (m + M)·ẍ + m·l·(θ̈·cos θ − θ̇²·sin θ) = F and 4/3·l·θ̈ + ẍ·cos θ = g·sin θ.
    """
    g, cart, pole, half, seconds = 9.8, 1.0, 0.1, 0.5, 0.02
    _, speed, angle, turning = x
    force = 10.0 if action else -10.0
    system = [[cart + pole, pole * half * math.cos(angle)], [math.cos(angle), 4 / 3 * half]]
    side = [force + pole * half * turning**2 * math.sin(angle), g * math.sin(angle)]
    pull, fall = np.linalg.solve(system, side)
    return x + seconds * np.array([speed, pull, turning, fall])


def test_the_pole_obeys_the_equations_of_motion() -> None:
    world, rng = cartpole(), np.random.default_rng(0)
    assert (world.observations, world.actions, world.longest) == (4, 2, 500)
    x = rng.normal(0, [1, 2, 0.3, 2], (50, 4))
    action = rng.integers(0, 2, 50)
    state = torch.from_numpy(np.concatenate([x, np.full((50, 1), 7.0)], 1))
    after, seen, reward, _, _ = world.step(state, torch.from_numpy(action), keys(50))
    wanted = np.stack([motion(row, a) for row, a in zip(x, action, strict=True)])
    np.testing.assert_allclose(after[:, :4].numpy(), wanted, rtol=1e-12, atol=1e-13)
    assert (after[:, 4] == 8).all()
    assert torch.equal(seen, after[:, :4].float())
    assert (reward == 1).all()


def test_the_pole_begins_upright() -> None:
    state = cartpole().reset(keys(20000))
    assert state.dtype == torch.float64
    drawn = state[:, :4]
    assert drawn.abs().max() < 0.05
    assert drawn.abs().max() > 0.0499
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.001)
    np.testing.assert_allclose(drawn.std(0), 0.1 / math.sqrt(12), rtol=0.02)
    assert abs(np.corrcoef(drawn.T.numpy()) - np.eye(4)).max() < 0.03
    assert not state[:, 4].any()


@pytest.mark.parametrize(
    ("place", "angle", "over"),
    [
        (2.399, 0.0, False),
        (2.401, 0.0, True),
        (-2.401, 0.0, True),
        (0.0, math.radians(11.99), False),
        (0.0, math.radians(12.01), True),
        (0.0, -math.radians(12.01), True),
    ],
)
def test_the_limits_of_track_and_tilt(place: float, angle: float, over: bool) -> None:
    state = torch.tensor(
        [place, 0, angle, 0, 0], dtype=torch.float64
    )  # at rest: the first step moves nothing
    _, _, reward, terminated, truncated = cartpole().step(state, torch.tensor(1), torch.tensor(0))
    assert bool(terminated) == over
    assert reward == 1
    assert not truncated


def test_pushing_to_one_side_lets_the_pole_fall_and_a_simple_rule_keeps_it_up() -> None:
    world, key = cartpole(), keys(8)
    steps = played(world, torch.ones(12, 8, dtype=torch.int64), key)
    fell = torch.stack([step[3] for step in steps]).int().argmax(0) + 1
    assert ((fell >= 8) & (fell <= 11)).all()  # about ten steps, as everybody knows who tried it
    state = world.reset(key)
    for t in range(500):
        place, speed, angle, turning, _ = state.unbind(-1)
        action = (angle + 0.3 * turning + 0.02 * place + 0.05 * speed > 0).long()
        state, _, _, terminated, truncated = world.step(state, action, key)
        assert not terminated.any(), t
        assert truncated.all() == truncated.any() == (t == 499)


# ---- the grid ------------------------------------------------------------------------------------------

SMALL = ("S.#", "#..", "..G")


def test_steps_walls_and_the_goal() -> None:
    world = gridworld(Grid(SMALL, cost=0.1, longest=9))
    right, down, left, up = (torch.tensor(a) for a in (1, 2, 3, 0))
    key = torch.tensor(5)
    way = [(up, 0), (left, 0), (down, 0), (right, 1), (right, 1), (down, 4), (right, 5), (down, 8)]
    state = world.reset(key)
    for t, (action, cell) in enumerate(way):
        state, seen, reward, terminated, truncated = world.step(state, action, key)
        assert state.tolist() == [cell, t + 1]
        assert seen.nonzero().tolist() == [[cell]]
        assert seen.sum() == 1
        assert bool(terminated) == (cell == 8)
        assert reward.item() == pytest.approx(0.9 if cell == 8 else -0.1)
        assert not truncated
    state = world.step(world.reset(key), up, key)[0]
    for t in range(1, 9):
        state, _, _, _, truncated = world.step(state, up, key)
        assert bool(truncated) == (t == 8)


def test_the_best_return_is_known() -> None:
    assert optimal_return(Grid(SMALL, cost=0.1)) == pytest.approx(1 - 0.4)
    assert optimal_return(Grid(SMALL, cost=0.1, longest=3)) == pytest.approx(-0.3)  # out of reach
    anywhere = Grid(("..", "G."), cost=0.1)  # from one, two and one steps away
    assert optimal_return(anywhere) == pytest.approx(1 - 0.1 * (1 + 2 + 1) / 3)
    # one cell away, and every slip stays: 1 − cost · (expected steps) with a long episode
    line = Grid(("SG",), cost=0.1, slip=0.5, longest=200)
    assert optimal_return(line) == pytest.approx(1 - 0.1 / 0.5)
    assert 0.8 < optimal_return() < 1


def test_nobody_does_better_than_the_best_return_and_the_best_way_reaches_it() -> None:
    """The way by backward induction, played with slips: its mean return is the optimal one."""
    grid = Grid(("...", ".#.", "..G"), cost=0.05, slip=0.4, longest=12)
    world, n = gridworld(grid), 20000
    goal, leads = grid.cells == "G", grid.leads
    value, best = np.zeros(9), []
    for _ in range(grid.longest):
        there = np.where(goal, 1, value)[leads] - grid.cost
        q = 0.6 * there + 0.2 * there[:, [1, 2, 3, 0]] + 0.2 * there[:, [3, 0, 1, 2]]
        best.append(torch.from_numpy(q.argmax(1)))
        value = q.max(1)
    key = keys(n)
    for choose, wanted in ((True, optimal_return(grid)), (False, None)):
        state, total, over = world.reset(key), torch.zeros(n), torch.zeros(n, dtype=torch.bool)
        for t in range(grid.longest):
            action = best[-1 - t][state[:, 0]] if choose else torch.full((n,), t % 4)
            state, _, reward, terminated, _ = world.step(state, action, fold(key, t + 1))
            total = total + torch.where(over, 0.0, reward)
            over = over | terminated
        if wanted is None:
            assert total.mean() < optimal_return(grid) - 0.1
        else:
            assert total.mean().item() == pytest.approx(wanted, abs=4 * total.std().item() / math.sqrt(n))


def test_starts_and_slips_are_as_often_as_they_should_be() -> None:
    world = gridworld(Grid(("....", "..#G"), slip=0.2))
    state = world.reset(keys(6000))
    cells, counts = state[:, 0].unique(return_counts=True)
    assert cells.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_allclose(counts / 6000, 1 / 6, atol=0.02)
    state = torch.tensor([1, 0]).expand(6000, 2)
    after = world.step(state, torch.full((6000,), 2), keys(6000, word=3))[0]
    share = torch.bincount(after[:, 0], minlength=8) / 6000
    np.testing.assert_allclose(share, [0.1, 0, 0.1, 0, 0, 0.8, 0, 0], atol=0.02)


@pytest.mark.parametrize("map", [("..", "G"), ("..", ".."), ("##", "#G")])
def test_a_map_that_is_none(map: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="a start and a goal"):
        gridworld(Grid(map))
