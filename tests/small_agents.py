"""Agents with their first weights, and turns of play outside of any engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.models.agents import Agent, AgentFamily
from coterie.models.dqn import DQN
from coterie.models.ppo import PPO
from coterie.models.shape import Shape
from coterie.models.unsupervised import Unlabelled

TINY: dict[str, AgentFamily] = {
    "ppo": PPO(environments=3, stretch=5, passes=2, minibatches=2, hidden=(6,), entropy=0.01, steps=10**6),
    "dqn": DQN(environments=3, stretch=5, updates=4, replayed=7, memory=40, hidden=(6,), first=10, steps=300),
}


def rows_of(world: str, episodes: Any) -> Dataset:
    target = Target((), "unsupervised")
    schema = Schema.of([Column("episode", "episode", "feature", coding=world)], target)
    numbers = torch.as_tensor(episodes)
    nothing = torch.full_like(numbers, -1)
    inputs = {
        "numeric": torch.zeros(len(numbers), 0, dtype=torch.float64),
        "category": torch.zeros(len(numbers), 0, dtype=torch.int64),
        "episode": numbers,
        "label": nothing,
        "place": torch.arange(len(numbers)),
    }
    return Dataset(schema, inputs, nothing, None, np.arange(len(numbers)))


def network_of(family: AgentFamily, world: str = "CartPole-v1") -> Unlabelled:
    torch.manual_seed(0)
    return family.network(Shape(environment=world), "unsupervised", 0)


def body_of(family: AgentFamily, world: str = "CartPole-v1") -> Any:
    return network_of(family, world).body


def turn(body: Agent, key: int, starts: Any = (4, 9)) -> None:
    """A turn of play outside of any engine."""
    body.key = torch.tensor(key)
    with torch.no_grad():
        body.losses(torch.tensor(starts)[:, None], torch.full((len(starts),), -1), "play")
