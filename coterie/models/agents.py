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
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from coterie.data.environments import Environment, environment
from coterie.models.family import Family
from coterie.models.layers import Keyed, Masked
from coterie.models.output import Output
from coterie.models.shape import Shape
from coterie.models.unsupervised import Unlabelled
from coterie.objectives.players import Player
from coterie.randomness import bits, fold
from coterie.spec import flag, integer, number, widths

MASK = 0xFFFFFFFF
LEAST = 1e-2  # a deviation is no less: what hardly varies may vary later
STANDARDISE = "whether what is measured is told by mean and deviation of all that was seen so far"
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
    standardise: bool = flag(True, help=STANDARDISE)
    gamma: float = number(0.99, low=0, high=1, help="what a reward is worth one step later")

    @abstractmethod
    def agent(self, name: str) -> Agent:
        """What learns to act in the environment of this name."""

    def network(self, shape: Shape, task: str, outputs: int) -> Acting:
        self._must_suit(shape, task)
        return Acting(Starts(), self.agent(shape.environment), Output(task, outputs), self.measures)

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


class Starts(nn.Module):
    """Raw inputs → {"x": the episodes' numbers (B, 1), "label", "place"}: nothing is fitted."""

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None:
        """There is nothing to fit."""

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": inputs["episode"][:, None], "label": inputs["label"], "place": inputs["place"]}


class Acting(Unlabelled):
    """Starts of episodes in, what became of them out."""

    def episodes(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B, 2): return and steps of a greedy episode from each start."""
        return torch.stack(self._part("episodes")(self.prepare(inputs)["x"]), 1)


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

    running_state (E, S), running_ended (E,): where the environments stand, and whether the next
    step begins an episode; running_taken (): steps that were played; running_over (): whether those are all
    that the family allows. running_center, running_spread (O,): mean and deviation of what was seen, which
    alone belong to a finished model too.
    """

    players: tuple[Player, ...]
    running_state: Tensor
    running_ended: Tensor
    running_taken: Tensor
    running_over: Tensor
    running_center: Tensor
    running_spread: Tensor
    gamma: Tensor
    steps: Tensor

    def __init__(self, name: str, family: AgentFamily) -> None:
        super().__init__()
        # one to learn in and one to be judged in: Gymnasium's are objects with a state of their own
        self.playing, self.judging = environment(name), environment(name)
        self.side, self.stretch = family.environments, family.stretch
        nothing = torch.full((self.side,), -1, dtype=torch.int64)
        state = torch.zeros_like(self.playing.reset(nothing))
        self.moves("state", state)
        self.moves("ended", torch.ones(self.side, dtype=torch.bool))
        self.moves("taken", torch.zeros((), dtype=torch.int64))
        self.moves("over", torch.zeros((), dtype=torch.bool))
        self.standardise = family.standardise and not self.playing.marks
        self.register_buffer("running_center", torch.zeros(self.playing.observations))
        self.register_buffer("running_spread", torch.ones(self.playing.observations))
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
        if self.standardise:
            self._look(played.seen.flatten(0, 1), over)
        kept = self.keep(played) | {
            "running_state": state,
            "running_ended": ended,
            "running_taken": self.running_taken + many,
        }
        for name, value in kept.items():  # assigned, not changed in place: the engine reads them back
            setattr(self, name, torch.where(over, getattr(self, name), value.detach()))
        self.running_over = over

    def _look(self, seen: Tensor, over: Tensor) -> None:
        """Adds observations (N, O) to the mean and the deviation of all (Chan, Golub & LeVeque, 1979)."""
        many = self.running_taken + len(seen)
        share = len(seen) / many
        mean = seen.mean(0)
        apart = mean - self.running_center
        spread = (seen - mean).square().mean(0) * share + self.running_spread.square() * (1 - share)
        spread = (spread + apart.square() * share * (1 - share)).sqrt().clamp_min(LEAST)
        self.running_center = torch.where(over, self.running_center, self.running_center + apart * share)
        self.running_spread = torch.where(over, self.running_spread, spread)

    def scaled(self, seen: Tensor) -> Tensor:
        """Observations (…, O) as a network is given them."""
        if not self.standardise:
            return seen
        return ((seen - self.running_center) / self.running_spread).clamp(-10.0, 10.0)

    def _stretch(self, starts: Tensor) -> tuple[Tensor, Tensor, Played]:
        shape = self.stretch, self.side
        many = math.prod(shape)
        # of rows that only pad the batch no episode starts; the others stand first
        there = self.present.expand(len(starts)).sum().long().clamp_min(1)
        which = bits(fold(self.key, 0), many).view(shape) % there
        begin = start_key(LEARNED, starts[which])
        chance = bits(fold(self.key, 1), many).view(shape)
        drawn = self.draws(fold(self.key, 2))
        state, ended = self.running_state, self.running_ended
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
        return {"episode_return": self.episodes(x)[0]}

    def episodes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return and steps (B,) of a greedy episode of each row x (B, 1)."""

        def best(seen: Tensor, key: Tensor) -> Tensor:
            return self.preferences(self._read(seen)).argmax(-1)

        found, steps = played_out(self.judging, start_key(JUDGED, x[:, 0]), best)
        return self._read(found), self._read(steps)

    def _read(self, numbers: Tensor) -> Tensor:
        """Numbers of the environment in the precision of the weights."""
        return numbers.to(self.gamma.dtype)


def played_out(
    world: Environment, key: Tensor, act: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return and steps (…) of an episode of each key (…).

    act: what is seen (…, O), and the keys of this step (…), to actions (…).
    """
    state, running = world.reset(key), torch.ones_like(key, dtype=torch.bool)
    found = torch.zeros_like(key, dtype=torch.float64 if key.device.type != "mps" else torch.float32)
    steps = torch.zeros_like(key)
    # on the meta device nothing is played: one step tells the shapes
    for t in range(1 if key.is_meta else world.longest):
        now = fold(key, t + 1)
        state, _, reward, terminated, truncated = world.step(state, act(world.observe(state), now), now)
        found, steps = found + torch.where(running, reward, 0.0), steps + running
        running = running & ~(terminated | truncated)
    return found, steps


def start_key(word: int, episode: Tensor) -> Tensor:
    """The keys (…) of episodes by their numbers (…), where they are LEARNED from or JUDGED by."""
    return fold(torch.full_like(episode, word), episode & MASK)


def layers(sizes: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    """Affine layers with an activation between."""
    made: list[nn.Module] = []
    for width, wider in itertools.pairwise(sizes):
        made += [nn.Linear(width, wider), activation()]
    return nn.Sequential(*made[:-1])
