"""Beside agents: what is gained by acting at random, in the very episodes that the agent is judged by.

N rows, each an episode; S measures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.environments import environment
from coterie.metrics.unsupervised import MEASURES
from coterie.models.agents import JUDGED, played_out, start_key
from coterie.randomness import bits, fold
from coterie.study.baseline import Baseline

DRAWN = 0x72616E64  # word for the keys of random actions


def fit_agent_baselines(
    dataset: Dataset, folds: Sequence[tuple[np.ndarray, np.ndarray]], test: np.ndarray, *, seed: int
) -> Iterator[Baseline]:
    """Yields the policy that takes any action, each as often; there is nothing to fit."""
    if not len(test) and not any(len(validation) for _, validation in folds):
        return
    validation = tuple(_random(dataset, rows, seed) for _, rows in folds if len(rows))
    yield Baseline(
        "dummy",
        "a random policy",
        validation,
        _random(dataset, test, seed) if len(test) else None,
        "Any action, each as often, in the same episodes.",
    )


def _random(dataset: Dataset, at: np.ndarray, seed: int) -> Tensor:
    """(N, S): the return of an episode of each row."""
    world = environment(dataset.schema.environment)

    def act(seen: Tensor, key: Tensor) -> Tensor:
        drawn = bits(fold(fold(key, DRAWN), seed).unsqueeze(-1), 1)
        return drawn.squeeze(-1) % world.actions

    start = start_key(JUDGED, dataset.inputs["episode"][torch.from_numpy(at)])
    found = torch.full((len(at), len(MEASURES)), math.nan, dtype=torch.float64)
    found[:, MEASURES.index("episode_return")] = played_out(world, start, act)[0].double()
    return found
