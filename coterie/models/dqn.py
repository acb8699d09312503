"""Deep Q-learning: what each action is worth, learned from whatever was played lately.

R transitions that are remembered, N that are learned from at once, O numbers of an observation, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from coterie.models.agents import Agent, AgentFamily, Played, layers
from coterie.models.draws import Draws
from coterie.objectives.players import Player
from coterie.objectives.rewards import (
    double_value,
    greedy_value,
    huber_error,
    several_steps,
    temporal_difference_target,
)
from coterie.randomness import bits
from coterie.spec import flag, integer, number, options


@dataclass(frozen=True)
class DQN(AgentFamily):
    """The return that each action promises, and the policy that takes the most promising one.

    What is promised must agree with the rewards of the next steps plus what is promised after these. That is
    learned from transitions drawn from a memory, so that one is used many times, and not together with its
    neighbours in time. What is promised after them is asked of a copy that is renewed now and then, so that
    the aim stands still for a while. It explores by taking any action now and then, less and less often.

    Mnih et al., "Human-level control through deep reinforcement learning", 2015; double: van Hasselt, Guez &
    Silver, 2016; several steps: Sutton, 1988, as in Hessel et al., "Rainbow", 2018.
    """

    name = "dqn"
    title = "Deep Q-learning"
    source = "Mnih et al. 2015; van Hasselt, Guez & Silver 2016"

    environments: int = integer(16, low=1, high=65536, help="environments that are played in side by side")
    updates: int = integer(160, low=1, high=65536, help="steps of learning after each turn of play")
    replayed: int = integer(64, low=1, high=65536, help="transitions that a step learns from")
    memory: int = integer(100_000, low=1, high=10_000_000, help="transitions that are remembered, the latest")
    renewal: int = integer(
        80, low=1, high=10**9, search=options(80, 40, 160), help="steps of learning until the copy is renewed"
    )
    ahead: int = integer(
        8, low=1, high=1000, help="steps whose rewards are added up before the copy says what follows"
    )
    double: bool = flag(True, help="whether one network chooses the next action and the copy says its worth")
    first: int = integer(1000, low=0, stacked=True, help="steps that are played before anything is learned")
    exploration: float = number(
        0.2, low=0, high=1, help="share of all steps over which exploring becomes as rare as it will be"
    )
    least: float = number(0.04, low=0, high=1, help="ε: how often any action is taken, in the end")

    def agent(self, name: str) -> Chooser:
        return Chooser(name, self)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {
            "optimizer": "adam",
            "lr": 1e-3,
            "weight_decay": 0.0,
            "clip": 10.0,
            "warmup": 0.0,
            "batch_size": 1,
            "epochs": 49,
            "patience": 20,
        }


class Chooser(Agent):
    """running_memory (R, 2·O + 4): what was seen, what `ahead` steps later, action, reward until then,
    whether it terminated, and what a return from there on is worth; the latest last. running_copy: the
    copy's parameters in a row; running_learned (): steps of learning."""

    running_memory: Tensor
    running_copy: Tensor
    running_learned: Tensor
    first: Tensor
    exploration: Tensor
    least: Tensor

    def __init__(self, name: str, family: DQN) -> None:
        super().__init__(name, family)
        world = self.playing
        self.agent = layers((world.observations, *family.hidden, world.actions), nn.ReLU)
        self.players = (Player("play", family.updates), Player("agent"))
        self.replayed, self.renewal, self.doubled = family.replayed, family.renewal, family.double
        self.ahead = family.ahead
        self.room = max(family.memory, self.side * self.stretch)
        self.moves("memory", torch.zeros(self.room, 2 * world.observations + 4))
        self.moves("copy", torch.zeros(sum(p.numel() for p in self.agent.parameters())))
        self.moves("learned", torch.zeros((), dtype=torch.int64))
        self.register_buffer("first", torch.tensor(family.first, dtype=torch.int64))
        self.register_buffer("exploration", torch.tensor(float(family.exploration)))
        self.register_buffer("least", torch.tensor(float(family.least)))

    def preferences(self, seen: Tensor) -> Tensor:
        return self.agent(self.scaled(seen))

    def draws(self, key: Tensor) -> Tensor:
        """(T, E) actions where it explores, −1 where it does as it holds best."""
        shape = self.stretch, self.side
        drawn = Draws(key, self.stretch * self.side, self.gamma.dtype)
        at = self.running_taken + self.side * torch.arange(self.stretch, device=key.device)
        share = at / (self.exploration * self.steps).clamp_min(1)
        often = 1 - (1 - self.least) * share.clamp_max(1)
        explores = drawn.uniform(0).view(shape) < often[:, None]
        return torch.where(explores, (drawn.uniform(1) * self.playing.actions).long().view(shape), -1)

    def choose(self, seen: Tensor, drawn: Tensor) -> Tensor:
        return torch.where(drawn < 0, self.preferences(seen).argmax(-1), drawn)

    def keep(self, played: Played) -> dict[str, Tensor]:
        gained, then, terminated, discount = several_steps(
            played.reward, played.then, played.terminated, played.ended, self.gamma, self.ahead
        )
        beside = (played.action, gained, terminated, discount)
        numbers = [x.to(played.seen.dtype).unsqueeze(-1) for x in beside]
        made = torch.cat([played.seen, then, *numbers], -1).flatten(0, 1)
        return {"running_memory": torch.cat([self.running_memory[len(made) :], made])}

    def learn(self) -> Tensor:
        self._renew()
        known = self.running_taken.clamp_max(self.room)  # they stand at the end
        places = self.room - 1 - bits(self.key, self.replayed) % known.clamp_min(1)
        part = self.running_memory[places]
        wide = self.playing.observations
        seen, then, action, reward, terminated, discount = part.split((wide, wide, 1, 1, 1, 1), 1)
        seen, then = self.scaled(seen), self.scaled(then)
        online, after = self.agent(torch.cat([seen, then])).chunk(2)
        copied = functional_call(self.agent, self._copied(), (then,))
        follows = double_value(after, copied) if self.doubled else greedy_value(copied)
        aim = temporal_difference_target(reward[:, 0], follows, terminated[:, 0] > 0, discount[:, 0]).detach()
        promised = online.gather(1, action.long()).squeeze(1)
        loss = huber_error(promised - aim).mean()
        return torch.where(self.running_taken < self.first, 0 * loss, loss)

    def _renew(self) -> None:
        """Counts a step of learning; where it is due the copy becomes what the network is now."""
        own = torch.cat([p.detach().flatten() for p in self.agent.parameters()])
        due = self.running_learned % self.renewal == 0
        self.running_copy = torch.where(due, own, self.running_copy)
        self.running_learned = self.running_learned + 1

    def _copied(self) -> dict[str, Tensor]:
        """The copy's parameters by name."""
        named = dict(self.agent.named_parameters())
        parts = self.running_copy.split([p.numel() for p in named.values()])
        return {n: part.view(p.shape) for (n, p), part in zip(named.items(), parts, strict=True)}
