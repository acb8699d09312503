"""Proximal policy optimization: a policy that learns from a stretch of play, in steps that stay near it.

N = T·E steps of one turn of play, O numbers of an observation, A actions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.agents import STANDARDISE, Agent, AgentFamily, Played, layers
from coterie.models.draws import Draws
from coterie.objectives.players import Player
from coterie.objectives.rewards import advantages, clipped_surrogate, entropy, standardised
from coterie.randomness import fold, permutation
from coterie.spec import flag, integer, linear, log, number


@dataclass(frozen=True)
class PPO(AgentFamily):
    """A policy, and a value beside it that says how well a state promises to go.

    It plays a while and finds out which actions turned out better than expected. These are then made more
    probable, in several passes over what was played; how far a pass may move any action's probability is
    bounded, since what was played tells of policies near by alone. Then it plays again.

    Schulman, Wolski, Dhariwal, Radford & Klimov, "Proximal policy optimization algorithms", 2017; advantages
    after Schulman et al., 2016.
    """

    name = "ppo"
    title = "Proximal policy optimization"
    source = "Schulman et al. 2017"

    # with it the pole was learned sooner, and forgotten more often
    standardise: bool = flag(False, help=STANDARDISE)
    gamma: float = number(0.98, low=0, high=1, help="what a reward is worth one step later")
    passes: int = integer(20, low=1, high=1000, help="passes over what a turn of play left")
    minibatches: int = integer(1, low=1, high=65536, help="parts in which a pass goes over it")
    trace: float = number(
        0.8, low=0, high=1, search=linear(0.7, 0.98), help="λ: how far a surprise is told back"
    )
    reach: float = number(
        0.2, low=0, high=10, above=True, help="ε: how far a probability may move, as a share of it"
    )
    entropy: float = number(0.0, low=0, high=10, search=log(1e-4, 3e-2), help="worth of a nat of entropy")
    value: float = number(0.5, low=0, high=100, help="weight of the value's squared error")

    def agent(self, name: str) -> Actor:
        return Actor(name, self)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {
            "optimizer": "adam",
            "lr": 1e-3,
            "eps": 1e-5,
            "weight_decay": 0.0,
            "clip": 0.5,
            "warmup": 0.0,
            "batch_size": 4,
            "epochs": 49,
            "patience": 15,
        }


class Policy(nn.Module):
    """Observations (…, O) → logits of actions (…, A), and the value (…)."""

    def __init__(self, observations: int, actions: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.logits = orthogonal(layers((observations, *hidden, actions), nn.Tanh), 0.01)
        self.value = orthogonal(layers((observations, *hidden, 1), nn.Tanh), 1.0)


def orthogonal(made: nn.Sequential, last: float) -> nn.Sequential:
    """The layers with orthogonal weights and biases of 0; last: gain of the last one's weights.

    Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning", 2014.
    """
    own = [layer for layer in made if isinstance(layer, nn.Linear)]
    for layer in own:
        nn.init.orthogonal_(layer.weight, last if layer is own[-1] else math.sqrt(2))
        nn.init.zeros_(layer.bias)
    return made


class Actor(Agent):
    """running_rollout (N, O + 4): what was seen and done, its log-probability, advantage and return."""

    running_rollout: Tensor
    running_turn: Tensor
    running_order: Tensor
    trace: Tensor
    reach: Tensor
    entropy: Tensor
    value: Tensor

    def __init__(self, name: str, family: PPO) -> None:
        super().__init__(name, family)
        world = self.playing
        self.agent = Policy(world.observations, world.actions, family.hidden)
        self.players = (Player("play", family.passes * family.minibatches), Player("agent"))
        many = self.side * self.stretch
        self.parts = min(family.minibatches, many)
        self.moves("rollout", torch.zeros(many, world.observations + 4))
        self.moves("turn", torch.zeros((), dtype=torch.int64))
        self.moves("order", torch.zeros((), dtype=torch.int64))
        for own in ("trace", "reach", "entropy", "value"):
            self.register_buffer(own, torch.tensor(float(getattr(family, own))))

    def preferences(self, seen: Tensor) -> Tensor:
        return self.agent.logits(self.scaled(seen))

    def draws(self, key: Tensor) -> Tensor:
        """(T, E, A) numbers of Gumbel's: added to logits, the largest is a draw by their probabilities."""
        many, actions = self.stretch * self.side, self.playing.actions
        drawn = Draws(key, many, self.gamma.dtype).each(0, actions)
        return -torch.log(-torch.log(drawn)).view(self.stretch, self.side, actions)

    def choose(self, seen: Tensor, drawn: Tensor) -> Tensor:
        return (self.preferences(seen) + drawn).argmax(-1)

    def keep(self, played: Played) -> dict[str, Tensor]:
        seen, then = self.scaled(played.seen), self.scaled(played.then)
        log_p = self.agent.logits(seen).log_softmax(-1)
        value, following = (self.agent.value(x).squeeze(-1) for x in (seen, then))
        gained = advantages(
            played.reward, value, following, played.terminated, played.ended, self.gamma, self.trace
        )
        done = played.action.unsqueeze(-1)
        learned = torch.stack([gained, gained + value], -1)
        rows = torch.cat([played.seen, done.to(value.dtype), log_p.gather(-1, done), learned], -1)
        return {
            "running_rollout": rows.flatten(0, 1),
            "running_turn": torch.zeros_like(self.running_turn),
            "running_order": self.key,
        }

    def learn(self) -> Tensor:
        part = self._part()
        seen, done, before, gained, returned = part.split((part.shape[1] - 4, 1, 1, 1, 1), 1)
        seen = self.scaled(seen)
        log_p = self.agent.logits(seen).log_softmax(-1)
        taken = log_p.gather(1, done.long()).squeeze(1)
        policy = clipped_surrogate(taken, before[:, 0], standardised(gained[:, 0]), self.reach).mean()
        value = (self.agent.value(seen) - returned).square().mean() / 2
        return policy + self.value * value - self.entropy * entropy(log_p).mean()

    def _part(self) -> Tensor:
        """The rows of this turn's minibatch: each pass is in an order of its own."""
        if self.parts == 1:
            return self.running_rollout
        many = len(self.running_rollout)
        order = permutation(fold(self.running_order, self.running_turn // self.parts), many, many)
        size = many // self.parts
        places = self.running_turn % self.parts * size + torch.arange(size, device=order.device)
        self.running_turn = self.running_turn + 1
        return self.running_rollout[order[places]]
