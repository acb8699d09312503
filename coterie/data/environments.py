"""Worlds to act in: states, actions, rewards. Two are pure functions of tensors, others are Gymnasium's.

Letters: … leading axes (members, environments), S numbers of a state, O of an observation, H height, W width.

A key (…) int64 says all that is random, so that the same keys and actions give the same episode anywhere:
fold a member's key with the episode, and that with the step (`coterie.randomness.fold`). Nothing is written
in place, and no Python branch asks for a value: both built-in worlds run under `torch.func.vmap`.

A step from an episode's end means nothing: begin anew there (`Environment.begun_anew`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from coterie.data.hosts import Host, begin_episodes, play_steps, take_in
from coterie.errors import DataError
from coterie.randomness import bits

Step = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
Picture = np.ndarray  # (H, W, 3) uint8
INK, PAPER, WOOD, GREEN = np.array([[40, 40, 48], [250] * 3, [202, 152, 101], [84, 158, 84]], np.uint8)


@dataclass(frozen=True)
class Environment:
    """A world. Its functions take any leading axes, and one at a time under `vmap`.

    observations: O; actions: how many there are, 0, 1, …; longest: steps of an episode at most.
    reset(key) → state (…, S): an episode's beginning. observe(state) → (…, O) float32: what is seen of it.
    step(state, action, key) → (state, observation, reward, terminated, truncated): action (…) int64, reward
    (…) float32, both ends (…) bool; terminated: nothing can follow; truncated: `longest` steps are over.
    draw(state (S,)) → picture (H, W, 3) uint8 of a single state.
    marks: whether what is seen are marks of 0 and 1, and no measurements.
    """

    name: str
    observations: int
    actions: int
    longest: int
    reset: Callable[[Tensor], Tensor]
    step: Callable[[Tensor, Tensor, Tensor], Step]
    draw: Callable[[Tensor], Picture]
    observe: Callable[[Tensor], Tensor]
    marks: bool = False

    def begun_anew(self, state: Tensor, ended: Tensor, key: Tensor) -> Tensor:
        """The state (…, S), but the beginning of an episode of `key` (…) where the last one ended (…)."""
        asked = torch.where(ended, key, -1)  # hosts begin no episode of a key below 0: that takes time
        return torch.where(ended.unsqueeze(-1), self.reset(asked), state)


def environment(name: str) -> Environment:
    """A built-in world by its name, or one of Gymnasium's. DataError if there is none.

    >>> environment("CartPole-v1").actions
    2
    """
    return ENVIRONMENTS[name]() if name in ENVIRONMENTS else from_gymnasium(name)


def _uniform(key: Tensor, n: int) -> Tensor:
    """(…, n) float64 numbers strictly between 0 and 1 of keys (…)."""
    dtype = torch.float32 if key.device.type == "mps" else torch.float64
    return ((bits(key.unsqueeze(-1), n) >> 1).to(dtype) + 0.5) / 2**31


# ---- a pole on a cart ----------------------------------------------------------------------------------

GRAVITY, CART, POLE = 9.8, 1.0, 0.1  # m/s², kg, kg
HALF, FORCE, SECONDS = 0.5, 10.0, 0.02  # half the pole's length in m, N, a step
TRACK, TILT, START = 2.4, 12 * np.pi / 180, 0.05


def cartpole() -> Environment:
    """CartPole-v1: a pole on a cart that is pushed to the left (0) or to the right (1); 1 for every step.

    Barto, Sutton & Anderson, "Neuronlike adaptive elements that can solve difficult learning control
    problems", 1983, without friction; numbers, Euler's rule and the order of its updates as in Gymnasium.
    State: place, speed, angle, its speed, and the steps taken, in float64. An episode ends beyond 2.4 m or
    12°, and after 500 steps.
    """
    return Environment("CartPole-v1", 4, 2, 500, _cart_start, _cart_step, _cart_picture, _cart_seen)


def _cart_start(key: Tensor) -> Tensor:
    drawn = START * (2 * _uniform(key, 4) - 1)
    return torch.cat([drawn, torch.zeros_like(drawn[..., :1])], -1)


def _cart_seen(state: Tensor) -> Tensor:
    return state[..., :4].to(torch.float32)


def _cart_step(state: Tensor, action: Tensor, key: Tensor) -> Step:
    place, speed, angle, turning, steps = state.unbind(-1)
    force = FORCE * (2 * action - 1).to(state.dtype)
    sine, cosine, mass = torch.sin(angle), torch.cos(angle), CART + POLE
    push = (force + POLE * HALF * turning.square() * sine) / mass
    fall = (GRAVITY * sine - cosine * push) / (HALF * (4 / 3 - POLE * cosine.square() / mass))
    pull = push - POLE * HALF * fall * cosine / mass
    steps = steps + 1
    place, speed = place + SECONDS * speed, speed + SECONDS * pull
    angle, turning = angle + SECONDS * turning, turning + SECONDS * fall
    state = torch.stack([place, speed, angle, turning, steps], -1)
    terminated = (place.abs() > TRACK) | (angle.abs() > TILT)
    reward = torch.ones_like(place, dtype=torch.float32)
    return state, _cart_seen(state), reward, terminated, steps >= 500


def _cart_picture(state: Tensor) -> Picture:
    place, _, angle, _, _ = state.tolist()
    height, width, fine = 90, 144, 3  # drawn finer than it is, and averaged: edges are smooth
    scale = width / (2 * TRACK)  # pixels a metre
    y, x = (np.mgrid[0 : height * fine, 0 : width * fine] + 0.5) / fine
    cart, floor = width / 2 + place * scale, height - 18.0
    picture = np.broadcast_to(PAPER, (*x.shape, 3)).copy()
    picture[np.abs(y - floor) < 0.8] = INK
    picture[(np.abs(x - cart) < 12) & (np.abs(y - floor) < 6)] = INK
    along = np.sin(angle) * (x - cart) - np.cos(angle) * (y - floor)
    beside = np.cos(angle) * (x - cart) + np.sin(angle) * (y - floor)
    picture[(along > 0) & (along < 1.6 * scale) & (np.abs(beside) < 2.2)] = (
        WOOD  # longer than it is: to be seen
    )
    cells = picture.reshape(height, fine, width, fine, 3).mean((1, 3))
    return cells.round().astype(np.uint8)


# ---- a grid to find a way in ---------------------------------------------------------------------------

MAP = (
    "...#....",
    "...#.##.",
    ".#.#.#..",
    ".#...#.#",
    ".####...",
    "....#.#.",
    ".##.#.#.",
    "...#..#G",
)
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left


@dataclass(frozen=True)
class Grid:
    """A map, rows of equal length: S start (any of several; none: anywhere), G goal, # wall, else free.

    cost: of every step; 1 is gained at a goal, where the episode ends. slip: how often a step goes to one of
    the sides instead. A step into a wall, or off the map, stays where it is. longest: steps of an episode.
    """

    map: tuple[str, ...] = MAP
    cost: float = 0.01
    slip: float = 0.0
    longest: int = 100

    @property
    def cells(self) -> np.ndarray:
        """(cells,) characters, row by row."""
        return np.array(list("".join(self.map)))

    @property
    def starts(self) -> np.ndarray:
        """Cells where an episode may start, each as likely."""
        cells = self.cells
        marked = np.flatnonzero(cells == "S")
        return marked if marked.size else np.flatnonzero((cells != "#") & (cells != "G"))

    @property
    def leads(self) -> np.ndarray:
        """(cells, 4): the cell that each of MOVES leads to."""
        height, width = len(self.map), len(self.map[0])
        rows, columns = np.divmod(np.arange(height * width), width)
        there = []
        for down, right in MOVES:
            row, column = np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)
            cell = row * width + column
            there.append(np.where(self.cells[cell] == "#", np.arange(len(cell)), cell))
        return np.stack(there, 1)


def gridworld(grid: Grid | None = None) -> Environment:
    """A way to a goal among walls, by steps up (0), right (1), down (2) and left (3).

    State: the cell and the steps taken, int64. Seen is the cell, as one 1 among zeros. The best possible mean
    return is known: `optimal_return`.
    """
    grid = grid or Grid()
    if len({len(row) for row in grid.map}) != 1 or "G" not in grid.cells or not len(grid.starts):
        raise DataError("A grid has rows of equal length, a start and a goal.", given="\n".join(grid.map))
    leads, starts = torch.from_numpy(grid.leads), torch.from_numpy(grid.starts)
    goal, cells = torch.from_numpy(grid.cells == "G"), len(grid.cells)

    def observe(state: Tensor) -> Tensor:
        return (state[..., :1] == torch.arange(cells, device=state.device)).to(torch.float32)

    def reset(key: Tensor) -> Tensor:
        cell = starts.to(key.device)[(_uniform(key, 1) * len(starts)).long()]
        return torch.cat([cell, torch.zeros_like(cell)], -1)

    def step(state: Tensor, action: Tensor, key: Tensor) -> Step:
        cell, steps = state.unbind(-1)
        drawn = _uniform(key, 1).squeeze(-1)
        aside = (drawn < grid.slip / 2).long() - (drawn > 1 - grid.slip / 2).long()
        cell = leads.to(state.device)[cell, (action + aside) % 4]
        steps = steps + 1
        state, arrived = torch.stack([cell, steps], -1), goal.to(state.device)[cell]
        reward = arrived.to(torch.float32) - grid.cost
        return state, observe(state), reward, arrived, steps >= grid.longest

    def draw(state: Tensor) -> Picture:
        side = 8
        colours = np.broadcast_to(PAPER, (cells, 3)).copy()
        colours[grid.cells == "#"], colours[grid.cells == "G"] = INK, GREEN
        picture = colours.reshape(len(grid.map), -1, 3).repeat(side, 0).repeat(side, 1)
        row, column = divmod(int(state[0]), len(grid.map[0]))
        picture[row * side + 2 : (row + 1) * side - 2, column * side + 2 : (column + 1) * side - 2] = WOOD
        return picture

    return Environment("gridworld", cells, 4, grid.longest, reset, step, draw, observe, marks=True)


def optimal_return(grid: Grid | None = None) -> float:
    """The best possible mean return of an episode, not discounted.

    By value iteration from the last step to the first (Bellman, "Dynamic programming", 1957).

    >>> round(optimal_return(Grid(("S.", "#G"))), 6)
    0.98
    """
    grid = grid or Grid()
    goal, leads = grid.cells == "G", grid.leads
    value = np.zeros(len(goal))  # of what follows
    for _ in range(grid.longest):
        there = (goal + np.where(goal, 0, value))[leads] - grid.cost  # (cells, 4), if it does not slip
        sides = (np.roll(there, 1, 1) + np.roll(there, -1, 1)) / 2
        value = ((1 - grid.slip) * there + grid.slip * sides).max(1)
    return float(value[grid.starts].mean())


# ---- Gymnasium's ---------------------------------------------------------------------------------------

LONGEST = 1000  # steps of an episode, where an environment sets no limit


def from_gymnasium(name: str) -> Environment:
    """An environment of Gymnasium with a discrete set of actions; observations of any kind are flattened.

    Played on the host, one environment for each of all leading elements, also under `vmap`. State: that
    element's number, its episode's key, the steps taken, and what is seen, in float64. The environment's own
    randomness comes from the episode's key; keys of steps are not used. A state that is not the latest of its
    episode (of a study that was resumed, say) begins that episode again. Make one for training and another
    for judging: each keeps its elements' two latest episodes. DataError without Gymnasium, for a name that it
    does not know, and for actions that are not discrete.
    """
    try:
        import gymnasium
    except ImportError:
        known = ", ".join(ENVIRONMENTS)
        fix = f'Install it: pip install "coterie[reinforcement]". Built in: {known}.'
        raise DataError("Environments are built in or Gymnasium's.", given=f"'{name}'", fix=fix) from None
    try:
        world = gymnasium.make(name)
        limit = world.spec.max_episode_steps or LONGEST
        actions, seen = world.action_space, world.observation_space
        width = gymnasium.spaces.flatdim(seen)
    except (gymnasium.error.Error, ImportError, NotImplementedError, ValueError) as error:
        raise DataError("Gymnasium must know the environment.", given=f"'{name}': {error}") from None
    if not isinstance(actions, gymnasium.spaces.Discrete):
        raise DataError("Actions must be discrete, one of so many.", given=f"'{name}' with {actions}")
    host = Host(
        width,
        lambda mode: gymnasium.make(name, max_episode_steps=limit, render_mode=mode),
        lambda observation: np.asarray(gymnasium.spaces.flatten(seen, observation), np.float64),
        first=int(actions.start),
    )
    number = take_in(host)

    def step(state: Tensor, action: Tensor, key: Tensor) -> Step:
        state, reward, terminated, truncated = play_steps(state, action.expand(state.shape[:-1]), number)
        return state, observe(state), reward, terminated, truncated

    def observe(state: Tensor) -> Tensor:
        return state[..., 3:].to(torch.float32)

    def reset(key: Tensor) -> Tensor:
        return begin_episodes(key, number)

    def draw(state: Tensor) -> Picture:
        try:
            return host.picture(state)
        except (gymnasium.error.Error, ImportError) as error:
            raise DataError(
                "The environment must be able to draw itself.", given=f"'{name}': {error}"
            ) from None

    spaces = gymnasium.spaces
    marks = isinstance(seen, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))
    return Environment(name, width, int(actions.n), limit, reset, step, draw, observe, marks)


ENVIRONMENTS: dict[str, Callable[[], Environment]] = {"CartPole-v1": cartpole, "gridworld": gridworld}
