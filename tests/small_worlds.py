"""Keys and episodes for tests of environments."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from coterie.data.environments import Environment
from coterie.randomness import fold


def keys(*shape: int, word: int = 0) -> Tensor:
    return fold(fold(torch.arange(math.prod(shape)), 7), word).reshape(shape)


def played(world: Environment, actions: Tensor, key: Tensor) -> list[tuple[Tensor, ...]]:
    """The steps of an episode; actions (T, …), key (…)."""
    state, steps = world.reset(key), []
    for t, action in enumerate(actions):
        steps.append(world.step(state, action, fold(key, t + 1)))
        state = steps[-1][0]
    return steps
