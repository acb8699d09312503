"""What families that learn by acting have in common: environments to play in, and episodes to be judged by.

A row is an episode: a number that says how it starts. In training the rows of a batch are the starts of the
episodes that are played then; in use each row is one episode, played greedily.

The player "play" owns nothing and takes its turn before each stretch of learning: it goes on in all
environments at once and leaves what happened in `running_` buffers, so that a study that was stopped anywhere
finds its experience, its environments and its counts as they were.

B batch, E environments, T steps of each in one turn, O numbers of an observation, A actions, S numbers of an
environment's state.
"""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from coterie.data.environments import environment
from coterie.models.family import Family
from coterie.models.layers import Keyed, Masked
from coterie.models.output import Output
from coterie.models.shape import Shape
from coterie.models.unsupervised import Unlabelled
from coterie.objectives.players import Player
from coterie.randomness import bits, fold
from coterie.spec import integer, number, widths

MASK = 0xFFFFFFFF
LEARNED, JUDGED = 0x706C6179, 0x6A756467  # words for the starts of episodes: those in training are others


@dataclass(frozen=True)
class AgentFamily(Family):
    """A family that learns to act in an environment by the rewards that it gets there."""

    reads: ClassVar[tuple[str, ...]] = ("episode",)
    tasks: ClassVar[tuple[str, ...]] = ("unsupervised",)
    measures: ClassVar[tuple[str, ...]] = ("episode_return",)

    steps: int = integer(
        100_000,
        low=1,
        stacked=True,
        help="steps of environments that are learned from, at most; how fast they come say batch_size and "
        "epochs",
    )
    environments: int = integer(8, low=1, high=65536, help="environments that are played in side by side")
    stretch: int = integer(32, low=1, high=65536, help="steps of each environment between turns of learning")
    hidden: tuple[int, ...] = widths((64, 64), high=65536, help="widths of the hidden layers")
    gamma: float = number(0.99, low=0, high=1, help="what a reward is worth one step later")

    @abstractmethod
    def agent(self, name: str) -> Agent:
        """What learns to act in the environment of this name."""

    def network(self, shape: Shape, task: str, outputs: int) -> Unlabelled:
        self._must_suit(shape, task)
        return Unlabelled(Starts(), self.agent(shape.environment), Output(task, outputs), self.measures)

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


class Starts(nn.Module):
    """Raw inputs → {"x": the episodes' numbers (B, 1), "label", "place"}: nothing is fitted."""

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None:
        """There is nothing to fit."""

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": inputs["episode"][:, None], "label": inputs["label"], "place": inputs["place"]}


@dataclass(frozen=True)
class Played:
    """T steps in each of E environments: seen, then (T, E, O), action, reward, terminated, ended (T, E).

    then: what a step led to; terminated: nothing can follow; ended: the episode is over, if only in time.
    """

    seen: Tensor
    action: Tensor
    reward: Tensor
    then: Tensor
    terminated: Tensor
    ended: Tensor


class Agent(Keyed, Masked):
    """The body of a network that acts: what it learns by is said by those derived from it.

    running_state (E, S), running_ended (E,): where the environments stand, bit by bit, and whether the next
    step begins an episode; running_taken (): steps that were played; running_over (): whether those are all
    that the family allows.
    """

    players: tuple[Player, ...]
    running_state: Tensor
    running_ended: Tensor
    running_taken: Tensor
    running_over: Tensor
    gamma: Tensor
    steps: Tensor

    def __init__(self, name: str, family: AgentFamily) -> None:
        super().__init__()
        # one to learn in and one to be judged in: Gymnasium's are objects with a state of their own
        self.playing, self.judging = environment(name), environment(name)
        self.side, self.stretch = family.environments, family.stretch
        nothing = torch.full((self.side,), -1, dtype=torch.int64)
        state = torch.zeros_like(self.playing.reset(nothing))
        # kept as integers, bit by bit: buffers of numbers are rounded to the precision of the weights
        self.kind = state.dtype
        self.moves("state", state.view(torch.int64))
        self.moves("ended", torch.ones(self.side, dtype=torch.bool))
        self.moves("taken", torch.zeros((), dtype=torch.int64))
        self.moves("over", torch.zeros((), dtype=torch.bool))
        self.register_buffer("gamma", torch.tensor(float(family.gamma)))
        self.register_buffer("steps", torch.tensor(family.steps, dtype=torch.int64))

    def moves(self, name: str, start: Tensor) -> None:
        """Declares `running_name`: play and learning move it on, and a finished model has no use for it."""
        self.register_buffer(f"running_{name}", start, persistent=False)

    @abstractmethod
    def preferences(self, seen: Tensor) -> Tensor:
        """(…, A) of observations (…, O): the largest is the action that is held best."""

    @abstractmethod
    def choose(self, seen: Tensor, drawn: Tensor) -> Tensor:
        """Actions (E,) in training, of observations (E, O) and of what `draws` made for this step (E, …)."""

    @abstractmethod
    def draws(self, key: Tensor) -> Tensor:
        """All that is drawn to choose in one turn: (T, E, …)."""

    @abstractmethod
    def keep(self, played: Played) -> dict[str, Tensor]:
        """What is kept of a turn: `running_` buffers by name."""

    @abstractmethod
    def learn(self) -> Tensor:
        """The loss of one step of learning from what was kept: ()."""

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        if player == "play":
            self._play(x[:, 0])
            return torch.zeros_like(x[:, 0], dtype=self.gamma.dtype)
        # when its steps are over it learns no more, whatever the recipe's epochs are
        loss = self.learn()
        return torch.where(self.running_over, 0 * loss, loss).expand(len(x))

    def _play(self, starts: Tensor) -> None:
        """Goes on for T steps in every environment; starts (B,): episodes begin as one of these says."""
        many = self.side * self.stretch
        over = self.running_taken + many > self.steps
        state, ended, played = self._stretch(starts)
        kept = self.keep(played) | {
            "running_state": state.view(torch.int64),
            "running_ended": ended,
            "running_taken": self.running_taken + many,
        }
        for name, value in kept.items():  # assigned, not changed in place: the engine reads them back
            setattr(self, name, torch.where(over, getattr(self, name), value.detach()))
        self.running_over = over

    def _stretch(self, starts: Tensor) -> tuple[Tensor, Tensor, Played]:
        shape = self.stretch, self.side
        many = math.prod(shape)
        # of rows that only pad the batch no episode starts; the others stand first
        there = self.present.expand(len(starts)).sum().long().clamp_min(1)
        which = bits(fold(self.key, 0), many).view(shape) % there
        begin = start_key(LEARNED, starts[which])
        chance = bits(fold(self.key, 1), many).view(shape)
        drawn = self.draws(fold(self.key, 2))
        state, ended = self.running_state.view(self.kind), self.running_ended
        steps = []
        for t in range(self.stretch):
            state = self.playing.begun_anew(state, ended, begin[t])
            seen = self._read(self.playing.observe(state))
            action = self.choose(seen, drawn[t])
            state, then, reward, terminated, truncated = self.playing.step(state, action, chance[t])
            ended = terminated | truncated
            steps.append((seen, action, reward, then, terminated, ended))
        seen, action, reward, then, terminated, over = (torch.stack(one) for one in zip(*steps, strict=True))
        return state, ended, Played(seen, action, self._read(reward), self._read(then), terminated, over)

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        """The return of a greedy episode of each row, which its number begins: the same for all agents."""
        world = self.judging
        key = start_key(JUDGED, x[:, 0])
        state = world.reset(key)
        running = torch.ones_like(key, dtype=torch.bool)
        found = torch.zeros_like(key, dtype=torch.float64 if key.device.type != "mps" else torch.float32)
        # on the meta device nothing is played: one step tells the shapes
        for t in range(1 if x.is_meta else world.longest):
            action = self.preferences(self._read(world.observe(state))).argmax(-1)
            state, _, reward, terminated, truncated = world.step(state, action, fold(key, t + 1))
            found = found + torch.where(running, reward, 0.0)
            running = running & ~(terminated | truncated)
        return {"episode_return": found.to(self.gamma.dtype)}

    def _read(self, numbers: Tensor) -> Tensor:
        """Numbers of the environment in the precision of the weights."""
        return numbers.to(self.gamma.dtype)


def start_key(word: int, episode: Tensor) -> Tensor:
    """The keys (…) of episodes by their numbers (…), where they are LEARNED from or JUDGED by."""
    return fold(torch.full_like(episode, word), episode & MASK)


def layers(sizes: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    """Affine layers with an activation between."""
    made: list[nn.Module] = []
    for width, wider in itertools.pairwise(sizes):
        made += [nn.Linear(width, wider), activation()]
    return nn.Sequential(*made[:-1])
