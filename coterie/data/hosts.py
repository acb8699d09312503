"""Environments that are Python objects, behind operators that take tensors: each element plays its own.

Letters: … leading axes, O numbers of an observation, H height, W width.

An object cannot be stacked: the operators send each of all leading elements, also those that `vmap` adds, to
an environment at its place. A state says which: the place, the episode's key, the steps taken, what is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coterie.errors import DataError

KEPT = 2  # episodes at a place: the one that is played, and the next
LARGEST = 160  # pixels of a picture's longer side


@dataclass
class Episode:
    """What is played at a place."""

    world: Any
    key: int
    actions: list[int]


class Host:
    """Environments of Gymnasium's interface, and the latest episodes of each place."""

    def __init__(
        self, width: int, make: Callable[[str | None], Any], flat: Callable[[Any], np.ndarray], first: int = 0
    ) -> None:
        """width: O; make(render mode) → an environment; flat(observation) → (O,); first: action 0 there."""
        self.width, self.make, self.flat, self.first = width, make, flat, first
        self.kept: dict[int, list[Episode]] = {}  # by place, the latest last

    def begin(self, place: int, key: int) -> np.ndarray:
        """The state at the beginning of an episode."""
        kept = self.kept.setdefault(place, [])
        same = next((episode for episode in kept if episode.key == key), None)
        if same is not None:
            kept.remove(same)
        world = same.world if same else kept.pop(0).world if len(kept) == KEPT else self.make(None)
        observation, _ = world.reset(seed=key)
        kept.append(Episode(world, key, []))
        return np.concatenate([[place, key, 0], self.flat(observation)])

    def play(self, state: np.ndarray, action: int) -> tuple[np.ndarray, float, bool, bool]:
        """State, reward, terminated and truncated after an action."""
        place, key, steps = (int(number) for number in state[:3])
        episode = self._episode(place, key)
        if episode is None or len(episode.actions) != steps:
            self.begin(place, key)
            episode = self.kept[place][-1]
        self.kept[place].sort(key=lambda kept: kept is episode)
        observation, reward, terminated, truncated, _ = episode.world.step(self.first + action)
        episode.actions.append(action)
        state = np.concatenate([[place, key, len(episode.actions)], self.flat(observation)])
        return state, float(reward), bool(terminated), bool(truncated)

    def picture(self, state: Tensor) -> np.ndarray:
        """A state as the environment draws it, (H, W, 3) uint8: the episode is played up to there again."""
        place, key, steps = (int(number) for number in state[:3])
        episode = self._episode(place, key)
        if episode is None or len(episode.actions) < steps:
            fix = "Draw them before the next episodes begin."
            raise DataError("States are drawn of the two latest episodes.", given=f"key {key}", fix=fix)
        world = self.make("rgb_array")
        world.reset(seed=key)
        for action in episode.actions[:steps]:
            world.step(self.first + action)
        drawn = np.asarray(world.render(), np.float64)
        if drawn.ndim != 3:
            raise DataError("The environment must be able to draw itself.", given=str(world))
        part = -(-max(drawn.shape[:2]) // LARGEST)
        height, width = drawn.shape[0] // part, drawn.shape[1] // part
        cut = drawn[: height * part, : width * part, :3].reshape(height, part, width, part, 3)
        return cut.mean((1, 3)).round().astype(np.uint8)

    def _episode(self, place: int, key: int) -> Episode | None:
        return next((episode for episode in self.kept.get(place, []) if episode.key == key), None)


HOSTS: list[Host] = []  # operators take numbers, not objects


def take_in(host: Host) -> int:
    """The number by which operators know a host."""
    HOSTS.append(host)
    return len(HOSTS) - 1


@torch.library.custom_op("coterie::begin_episodes", mutates_args=())
def begin_episodes(key: Tensor, host: int) -> Tensor:
    """(…, 3 + O) states of keys (…); a key below 0 is not asked for."""
    rows = np.zeros((key.numel(), 3 + HOSTS[host].width))
    for place, each in enumerate(key.reshape(-1).tolist()):
        if each >= 0:
            rows[place] = HOSTS[host].begin(place, each)
    return torch.from_numpy(rows).to(key.device).reshape(*key.shape, 3 + HOSTS[host].width)


@torch.library.custom_op("coterie::play_steps", mutates_args=())
def play_steps(state: Tensor, action: Tensor, host: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """States (…, 3 + O), rewards and both ends (…) after actions (…)."""
    rows = state.reshape(-1, state.shape[-1]).cpu().numpy()
    played = [
        HOSTS[host].play(row, each) for row, each in zip(rows, action.reshape(-1).tolist(), strict=True)
    ]
    states = torch.from_numpy(np.array([one[0] for one in played]).reshape(state.shape))
    rewards, terminated, truncated = (
        torch.tensor([one[i] for one in played], dtype=dtype).reshape(action.shape)
        for i, dtype in ((1, torch.float32), (2, torch.bool), (3, torch.bool))
    )
    device = state.device
    return states.to(device), rewards.to(device), terminated.to(device), truncated.to(device)


@begin_episodes.register_fake
def _begin_shapes(key: Tensor, host: int) -> Tensor:
    return key.new_empty((*key.shape, 3 + HOSTS[host].width), dtype=torch.float64)


@play_steps.register_fake
def _play_shapes(state: Tensor, action: Tensor, host: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    reward = action.new_empty(action.shape, dtype=torch.float32)
    terminated, truncated = (action.new_empty(action.shape, dtype=torch.bool) for _ in range(2))
    return torch.empty_like(state), reward, terminated, truncated


@begin_episodes.register_vmap
def _begin_lifted(info: Any, in_dims: Any, key: Tensor, host: int) -> tuple[Tensor, int]:
    return begin_episodes(key.movedim(in_dims[0], 0), host), 0


@play_steps.register_vmap
def _play_lifted(info: Any, in_dims: Any, state: Tensor, action: Tensor, host: int) -> Any:
    state, action = (
        x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip((state, action), in_dims, strict=False)
    )
    return play_steps(state, action, host), (0, 0, 0, 0)
