"""Environments that are Python objects, by a module of Gymnasium's interface: each element plays its own."""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small_worlds import keys, played
from torch import Tensor

from coterie.data import environments, hosts
from coterie.data.environments import environment, from_gymnasium
from coterie.errors import DataError


class Discrete:
    def __init__(self, n: int, start: int = 0) -> None:
        self.n, self.start, self.shape = n, start, (n,)


class Box:
    def __init__(self, *shape: int) -> None:
        self.shape = shape


class Walk:
    """A walk on the line whose steps its own random numbers lengthen; it ends beyond 3."""

    made = 0

    def __init__(self, limit: int | None, mode: str | None) -> None:
        type(self).made += 1
        self.limit, self.mode = limit, mode
        self.spec = SimpleNamespace(max_episode_steps=limit)
        self.action_space, self.observation_space = Discrete(2, start=5), Box(1, 2)

    def reset(self, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.rng, self.place, self.steps = np.random.default_rng(seed), 0.0, 0
        self.place = float(self.rng.uniform(-1, 1))
        return self.seen(), {}

    def seen(self) -> np.ndarray:
        return np.array([[self.place, self.steps]], np.float32)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert action in (5, 6)
        self.place += (action - 5.5) * float(self.rng.uniform(0, 2))
        self.steps += 1
        return self.seen(), -abs(self.place), abs(self.place) > 3, self.steps >= (self.limit or 10**9), {}

    def render(self) -> np.ndarray | None:
        if self.mode is None:
            return None
        return np.full((200, 400, 3), self.steps, np.uint8)


@pytest.fixture
def gymnasium(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("gymnasium")

    class Error(Exception):
        pass

    def make(name: str, max_episode_steps: int | None = None, render_mode: str | None = None) -> Walk:
        if name in ("Pull-v0", "Told-v0"):
            world = Walk(50, render_mode)
            if name == "Pull-v0":
                world.action_space = Box(1)  # type: ignore[assignment]
            else:
                world.observation_space = Discrete(3)  # type: ignore[assignment]
            return world
        if name not in ("Walk-v0", "Endless-v0", "Blind-v0"):
            raise Error(f"Environment `{name}` doesn't exist.")
        if name == "Blind-v0" and render_mode:
            raise Error("There is no screen.")
        return Walk(max_episode_steps or (40 if name == "Walk-v0" else None), render_mode)

    module.make = make  # type: ignore[attr-defined]
    module.error = SimpleNamespace(Error=Error)  # type: ignore[attr-defined]
    module.spaces = SimpleNamespace(  # type: ignore[attr-defined]
        Discrete=Discrete,
        MultiDiscrete=type("MultiDiscrete", (), {}),
        MultiBinary=type("MultiBinary", (), {}),
        flatdim=lambda space: math.prod(space.shape),
        flatten=lambda space, seen: np.asarray(seen).reshape(-1),
    )
    monkeypatch.setitem(sys.modules, "gymnasium", module)
    monkeypatch.setattr(hosts, "HOSTS", [])
    Walk.made = 0


def alone(key: int, actions: list[int]) -> list[tuple[float, float, bool, bool]]:
    world, found = Walk(40, None), []
    world.reset(seed=key)
    for action in actions:
        seen, reward, terminated, truncated, _ = world.step(5 + action)
        found.append((float(seen[0, 0]), reward, terminated, truncated))
    return found


@pytest.mark.usefixtures("gymnasium")
def test_what_is_one_of_so_many_is_a_mark_and_no_measurement() -> None:
    assert not environment("Walk-v0").marks
    assert environment("Told-v0").marks


@pytest.mark.usefixtures("gymnasium")
def test_hosts_play_every_element_by_itself() -> None:
    world = environment("Walk-v0")
    assert (world.name, world.observations, world.actions, world.longest) == ("Walk-v0", 2, 2, 40)
    key = keys(2, 3)
    actions = torch.randint(0, 2, (45, 2, 3), generator=torch.Generator().manual_seed(1))
    steps = played(world, actions, key)
    assert Walk.made == 1 + 6
    for i in range(2):
        for j in range(3):
            wanted = alone(int(key[i, j]), actions[:, i, j].tolist())
            for (state, seen, *rest), (place, *others) in zip(steps, wanted, strict=True):
                assert seen[i, j, 0].item() == pytest.approx(place)
                assert [part[i, j].item() for part in rest] == pytest.approx(others)
                assert torch.equal(seen[i, j], world.observe(state[i, j]))
    assert steps[39][4].all()


@pytest.mark.usefixtures("gymnasium")
def test_hosts_play_under_vmap() -> None:
    whole = played(from_gymnasium("Walk-v0"), torch.ones(5, 2, 3, dtype=torch.int64), keys(2, 3))
    world = from_gymnasium("Walk-v0")

    def member(key: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            torch.stack(part) for part in zip(*played(world, torch.ones(5, 3).long(), key), strict=True)
        )

    lifted = torch.func.vmap(member)(keys(2, 3))
    each = torch.func.vmap(torch.func.vmap(lambda key: world.step(world.reset(key), torch.tensor(1), key)))
    states = torch.library.opcheck(
        hosts.begin_episodes, (keys(2), 0), test_utils=("test_schema", "test_faketensor")
    )
    assert set(states.values()) == {"SUCCESS"}
    for part, other, first in zip(lifted, zip(*whole, strict=True), each(keys(2, 3)), strict=True):
        assert torch.equal(part, torch.stack(other, 1))
        assert torch.equal(first, other[0])


@pytest.mark.usefixtures("gymnasium")
def test_episodes_are_begun_anew_one_by_one_and_go_on() -> None:
    """What others begin leaves an episode as it is, and nothing is begun that nobody asked for."""
    world, key = from_gymnasium("Walk-v0"), keys(3)
    state = world.reset(key)
    one = torch.ones(3, dtype=torch.int64)
    for t in range(6):
        state = world.step(state, one * (t % 2), key)[0]
        if t == 2:
            new = keys(3, word=9)
            state = world.begun_anew(state, torch.tensor([False, True, False]), new)
            assert state[:, 2].tolist() == [3, 0, 3]
            assert Walk.made == 1 + 4
    wanted = [
        alone(int(key[0]), [0, 1, 0, 1, 0, 1])[-1][0],
        alone(int(new[1]), [1, 0, 1])[-1][0],
        alone(int(key[2]), [0, 1, 0, 1, 0, 1])[-1][0],
    ]
    assert state[:, 3].tolist() == pytest.approx(wanted)
    Walk.made = 0
    for t in range(6):  # plainly, by where: the other beginnings are spare
        state = torch.where(
            torch.tensor([[t == 3], [False], [False]]), world.reset(keys(3, word=20 + t)), state
        )
        state = world.step(state, one, key)[0]
    assert state[:, 2].tolist() == [3, 9, 12]
    assert Walk.made == 2  # two places had one environment only
    assert state[2, 3].item() == pytest.approx(alone(int(key[2]), [0, 1, 0, 1, 0, 1] + [1] * 6)[-1][0])


@pytest.mark.usefixtures("gymnasium")
def test_a_state_that_the_host_does_not_know_begins_its_episode_again() -> None:
    world, key = from_gymnasium("Walk-v0"), keys(2)
    state = played(world, torch.ones(4, 2, dtype=torch.int64), key)[-1][0]
    after = from_gymnasium("Walk-v0").step(state, torch.ones(2).long(), key)  # as in another process
    assert after[0][:, :3].tolist() == [[0, int(key[0]), 1], [1, int(key[1]), 1]]
    assert after[1][0, 0].item() == pytest.approx(alone(int(key[0]), [1])[0][0])


@pytest.mark.usefixtures("gymnasium")
def test_members_that_leave_do_not_disturb_the_others() -> None:
    world, key = from_gymnasium("Walk-v0"), keys(3)
    state = played(world, torch.ones(2, 3).long(), key)[-1][0]
    state = world.step(state[1:], torch.ones(2).long(), key)[0]
    state = world.begun_anew(state, torch.tensor([True, False]), keys(2, word=4))
    state = world.step(state, torch.ones(2).long(), key)[0]
    assert state[1, 3].item() == pytest.approx(alone(int(key[2]), [1] * 4)[-1][0])


@pytest.mark.usefixtures("gymnasium")
def test_hosts_draw_what_was_played() -> None:
    world, key = from_gymnasium("Walk-v0"), keys(2)
    steps = played(world, torch.ones(7, 2).long(), key)
    picture = world.draw(steps[3][0][1])
    assert picture.shape == (66, 133, 3)
    assert (picture == 4).all()
    for word in (1, 2):
        world.reset(keys(2, word=word))
    with pytest.raises(DataError, match="latest episodes"):
        world.draw(steps[3][0][1])
    blind = from_gymnasium("Blind-v0")
    with pytest.raises(DataError, match=r"draw itself.*no screen"):
        blind.draw(blind.reset(key)[0])


@pytest.mark.usefixtures("gymnasium")
def test_environments_that_cannot_be_used() -> None:
    assert from_gymnasium("Endless-v0").longest == environments.LONGEST
    with pytest.raises(DataError, match=r"Walk-v9.*doesn't exist"):
        environment("Walk-v9")
    with pytest.raises(DataError, match="discrete"):
        from_gymnasium("Pull-v0")
