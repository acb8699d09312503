"""A cohort whose batches and parameters are shared between processes: for members too large, or too few.

Each process holds a slice of every member's row of parameters, and of what the optimizer keeps beside it.
In a step it gathers the whole row, differentiates its part of the batch, and is left with its slice of the
sum of all gradients, which is all that the elementwise update needs: fully sharded data parallelism
(Rajbhandari et al., "ZeRO", 2020), without wrapping a module. It costs what adding up gradients would cost.

The numbers are those of one process to rounding, and so is the state on disk. All processes go through the
same loop step by step, and what they decide is decided by what the first one has.

A living members, P parameters of one, R processes, v validation rows, K outputs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Shard

from coterie.models.layers import Masked
from coterie.models.shape import Shape
from coterie.models.skeleton import skeleton
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.compiled import Unsuited
from coterie.training.cost import cost_of
from coterie.training.given import Given
from coterie.training.optimizers import clip, update
from coterie.training.outputs import outputs
from coterie.training.parts import Parts, passes
from coterie.training.plan import CohortPlan
from coterie.training.ranks import Ranks, gone
from coterie.training.recipe import Recipe
from coterie.training.step import Step
from coterie.training.turn import Turn

SPEED = 1.5e10  # multiply-adds a second of one process, as in the estimate before a start
CALL, EXCHANGE = 8e-4, 3e8  # what sharing takes on one machine's gloo: seconds a call, and bytes a second


def pays(plan: CohortPlan, arena: Arena, ranks: Ranks) -> bool:
    """Whether to share each batch between the processes rather than the members, by a formula.

    Not with a member for each process; not where a network looks at rows together, since a process sees a
    part of them; not where steps are so short that talking takes longer than computing.
    """
    if len(plan.members) >= ranks.world or plan.recipe.optimizer == "exact" or not ranks.near(arena.device):
        return False
    network = skeleton(plan.family, arena.dataset.schema)
    if not divisible(network):
        return False
    counting = sum(isinstance(module, Masked) for module in network.modules())
    target = arena.dataset.schema.target
    assert target is not None
    cost = cost_of(plan.family, Shape.of(arena.dataset.schema), target.task, target.outputs)
    rows = min(plan.recipe.batch_size, max(len(rows) for rows in arena.training))
    alone = len(plan.members) * rows * 3 * cost.multiply_adds / SPEED
    calls = 4 + 5 * counting  # of batch statistics three on the way there, and two back
    talking = calls * CALL + len(plan.members) * cost.parameters * 2 * arena.dtype.itemsize / EXCHANGE
    # with fewer members than processes some would have nothing to do: without sharing the longest row counts
    return alone / ranks.world + talking < alone / len(plan.members)


def divisible(network: nn.Module) -> bool:
    """Whether a network looks at several rows together by sums alone: not if it mixes or contrasts them."""
    return all(module.divisible for module in network.modules() if isinstance(module, Masked))


@dataclass(frozen=True)
class Exchange:
    """What processes tell each other in a step, of tensors of which axis 1 is divided between them."""

    ranks: Ranks
    device: torch.device

    @cached_property
    def mesh(self) -> DeviceMesh:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        return init_device_mesh(self.device.type, (self.ranks.world,))

    def slice(self, size: int) -> slice:
        """Which of so many places belong to this process."""
        each = -(-size // self.ranks.world)
        return slice(min(self.ranks.rank * each, size), min((self.ranks.rank + 1) * each, size))

    def own(self, whole: Tensor) -> Tensor:
        """(A, P) that all have → (A, P/R) of this process."""
        return whole[:, self.slice(whole.shape[1])].clone()

    def whole(self, own: Tensor, size: int) -> Tensor:
        """(A, P/R) of every process → (A, P), size being P."""
        shape = torch.Size((len(own), size, *own.shape[2:]))
        stride = torch.empty(shape, device="meta").stride()
        with _together():
            shared = DTensor.from_local(
                own, self.mesh, [Shard(1)], run_check=False, shape=shape, stride=stride
            )
            return shared.full_tensor()

    def added(self, partial: Tensor) -> Tensor:
        """(A, P) whose sum over the processes is meant → (A, P/R) of that sum."""
        with _together():
            shared = DTensor.from_local(partial, self.mesh, [Partial()], run_check=False)
            return shared.redistribute(placements=[Shard(1)]).to_local()

    def summed(self, partial: Tensor) -> Tensor:
        """The sum over the processes, in each of them."""
        out = partial.clone(memory_format=torch.contiguous_format)
        with _together():
            dist.all_reduce(out)
        return out


class SharedTurn(Turn):
    """A turn of which every process differentiates its part of the batch, and updates its slice."""

    def __init__(self, step: Step, recipe: Recipe, player: str, exchange: Exchange) -> None:
        super().__init__(step, recipe, player)
        self.exchange = exchange

    def __call__(self, given: Given, scratch: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """As a turn's; flat and slots are (A, P/R), scratch (A, P)."""
        assert scratch is not None
        whole = given._replace(flat=self.exchange.whole(given.flat, scratch.shape[1]))
        _, loss, running = self.gradients(whole, scratch[:, self.own.place])
        self.step.forget()  # or the whole row would lie in memory until the next is there
        if self.own.names:
            self.move(given, scratch)
        return loss, running

    def parts(self, rows: int) -> Parts:
        rank, world = self.exchange.ranks.rank, self.exchange.ranks.world
        times = passes(self.recipe.accumulate, -(-rows // world))
        return Parts(times, rank, world, self.exchange.summed)

    def move(self, given: Given, gradient: Tensor) -> None:
        """gradient (A, P): what this process adds to it."""
        here, own = self.exchange.slice(gradient.shape[1]), self.own
        start = max(here.start, own.place.start)
        stop = max(start, min(here.stop, own.place.stop))
        mine = slice(start - here.start, stop - here.start)  # of what this process holds
        part = slice(start - own.place.start, stop - own.place.start)  # of what the player owns
        gradient = self.exchange.added(gradient)[:, mine]
        if self.recipe.clip > 0:
            square = self.exchange.summed(gradient.square().sum(1, keepdim=True))
            clip(gradient, given.hyper["clip"], square.sqrt())
        lr = given.hyper["lr"]
        update(
            self.recipe.optimizer,
            given.flat[:, mine],
            gradient,
            {name: slot[:, mine] for name, slot in given.slots.items()},
            given.hyper | {"lr": lr if lr.shape[1] == 1 else lr[:, part]},
            given.t,
            within(own.weights, part),
            clips=False,
            decays=self.recipe.weight_decay > 0,
        )


class Sharded(Cohort):
    """A cohort of which this process holds a slice: `flat`, `best` and the optimizer's slots are (A, P/R)."""

    def __init__(self, plan: CohortPlan, arena: Arena, ranks: Ranks) -> None:
        self.exchange = Exchange(ranks, arena.device)
        super().__init__(plan, arena)

    def own(self, whole: Tensor) -> Tensor:
        return self.exchange.own(whole)

    def finite(self) -> list[bool]:
        return (self.exchange.summed((~self.flat.isfinite()).sum(1)) == 0).tolist()

    def agreed(self, value: Any) -> Any:
        return self.exchange.ranks.broadcast(value)

    def plain_turns(self) -> dict[str, Turn]:
        kind = (self.steps, self.plan.recipe)
        return {p.name: SharedTurn(*kind, p.name, self.exchange) for p in self.steps.players}

    def programs(self) -> tuple[str, ...]:
        raise Unsuited("its batches are shared between processes")

    def compiled(self) -> None:
        self.programs()

    def outputs(self, rows: Tensor, view: str) -> Tensor:
        """(A, v, K): each process finds those of some of the rows."""
        world, count = self.exchange.ranks.world, rows.shape[1]
        each = -(-count // world)
        start = self.exchange.ranks.rank * each
        mine = nn.functional.pad(rows, (0, each * world - count))[:, start : start + each]
        flat = self.exchange.whole(self.flat, self.layout.parameters)
        values = outputs(self.steps, flat, self.buffers, mine, self.arena.inputs, view)
        return self.exchange.whole(values.contiguous(), each * world)[:, :count]

    def tensors(self) -> dict[str, Tensor]:
        """As those of one process; every process must ask at the same time."""
        size = self.layout.parameters
        return {
            name: self.exchange.whole(tensor, size) if is_sliced(name) else tensor
            for name, tensor in self.held().items()
        }

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        own = {n: self.exchange.own(tensor) if is_sliced(n) else tensor for n, tensor in tensors.items()}
        super().restore(own, facts)


def is_sliced(name: str) -> bool:
    """Whether a tensor of a cohort's state has a place for every parameter."""
    return name in ("flat", "best") or name.startswith("slot.")


def within(place: slice, part: slice) -> slice:
    """What of this place lies in the part, counted from its start.

    >>> within(slice(0, 4), slice(2, 8)), within(slice(0, 2), slice(2, 8))
    (slice(0, 2, None), slice(0, 0, None))
    """
    start, stop = max(place.start, part.start), min(place.stop, part.stop)
    return slice(start - part.start, max(start, stop) - part.start)


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """Says so where another process is gone."""
    try:
        yield
    except RuntimeError as error:
        raise gone() from error
