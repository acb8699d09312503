"""An episode that an agent plays as it holds best: its return, and pictures of it from start to end.

It begins as one of the rows that are shown does, so the agent has not learned from it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from coterie.errors import DataError
from coterie.model import Model
from coterie.models.agents import JUDGED, Agent, start_key
from coterie.models.network import Network
from coterie.randomness import fold
from coterie.report.thumbnails import film
from coterie.study.inside import ask
from coterie.study.problem import Problem

FRAMES, ACROSS = 10, 5  # pictures of an episode, and how many stand in a line

Facts = dict[str, Any]


def pace(model: Model, rows: int) -> Facts:
    """How much an agent played: {"steps": an epoch, "most": in all}; rows: that it was trained on."""
    agent = getattr(model.skeleton(), "body", None)
    if not isinstance(agent, Agent):
        return {}
    play = next(player for player in agent.players if player.name == "play")
    turns = math.ceil(math.ceil(rows / model.hyperparameters["batch_size"]) / play.every)
    return {"steps": turns * agent.side * agent.stretch, "most": model.family.values()["steps"]}


def episode(problem: Problem, model: Model, positions: np.ndarray) -> Facts:
    """The episode of the first row: {"episode", "return", "steps", "image", "path"}; {} for no agent.

    image: FRAMES moments, evenly from first to last, as a PNG in base64; path: of a grid, all cells that were
    trodden. Without both where the environment cannot draw itself.
    """
    if not isinstance(getattr(model.skeleton(), "body", None), Agent) or not len(positions):
        return {}
    number = problem.dataset.inputs["episode"][int(positions[0])]

    def play(network: Network) -> Facts:
        agent = network.body
        assert isinstance(agent, Agent)
        world, key = agent.judging, start_key(JUDGED, number)
        state, total = world.reset(key), 0.0
        states = [state]
        for t in range(world.longest):
            action = agent.preferences(world.observe(state).to(agent.gamma.dtype)).argmax(-1)
            state, _, reward, terminated, truncated = world.step(state, action, fold(key, t + 1))
            states.append(state)
            total += float(reward)
            if terminated or truncated:
                break
        found: Facts = {"episode": int(number), "return": total, "steps": len(states) - 1}
        try:
            some = np.unique(np.linspace(0, len(states) - 1, FRAMES).round().astype(int))
            frames = np.stack([world.draw(states[place]) for place in some])
        except DataError:  # a world without pictures is none the less played
            return found
        found |= {"image": film(frames, ACROSS), "shown": some.tolist()}
        if world.name == "gridworld":
            every = np.stack([world.draw(state) for state in states])
            found["path"] = film(every.min(0)[None], 1)  # an agent is darker than the floor
        return found

    return ask(model, play)
