"""A turn on a GPU, recorded as a CUDA graph and replayed: a step costs one launch there, not hundreds.

The host takes microseconds to launch an operation, as long as the operations of small networks take. A graph
replays the same kernels on the same addresses, so the numbers are those of the turn it was recorded from, and
nothing about it has to be chosen or kept. What changes from step to step (rows, keys, learning rates, …) is
copied to where the graph reads it; parameters, slots and buffers are written where they lie. Arrays of other
sizes or in other places, as after a retirement, are recorded anew.

M members, B batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from coterie.data.hosts import HOSTS
from coterie.training.compiled import Program
from coterie.training.given import Given
from coterie.training.turn import Turn

KEPT = 16  # graphs of one turn, which batches of other widths need; what comes after them runs plainly
AGREE = 0.5  # of an update: what would be missing, or be there twice, changes more
SEEN = 256  # forms that came once and are remembered

Result = tuple[Tensor, dict[str, Tensor]]
Work = Callable[[], Result]
Replay = Callable[[], None]
Where = tuple[object, ...]


class Recorder(Protocol):
    """What can record work on a device: a GPU; in tests a stand-in on the CPU."""

    def warm(self, work: Work) -> Result:
        """Does the work where it would be recorded, so that nothing is set up while it is."""
        ...

    def record(self, work: Work, beside: Replay | None) -> tuple[Result, Replay]:
        """What does the work again, and where its results will be; recording does nothing by itself. beside:
        an earlier one, with which it may share memory. RuntimeError where the work cannot be recorded."""
        ...


@dataclass(frozen=True)
class Capture:
    """A recorded turn: what it reads and writes, and what it tells after a replay."""

    given: Given
    result: Result
    replay: Replay

    def __call__(self, given: Given) -> Result:
        for ours, theirs in zip(_changing(self.given), _changing(given), strict=True):
            ours.copy_(theirs)
        self.replay()
        return self.result


class Captured:
    """A turn or its compiled program, called alike; its losses (M,) are valid until it is called again.

    Running buffers are moved on in place, and the same tensors returned. What is given for the first time is
    done plainly, which warms up; the second time it is recorded. Where that fails, or gives other numbers,
    turns are plain from then on, and `why` says why.
    """

    def __init__(self, turn: Turn | Program, recorder: Recorder) -> None:
        self.turn, self.recorder = turn, recorder
        self.why = ""
        self._standing: Where = ()
        self._kept: dict[Where, Capture] = {}
        self._seen: set[Where] = set()

    def __call__(self, given: Given, scratch: Tensor | None = None) -> Result:
        if self.why:
            return self.turn(given, scratch)
        full = isinstance(self.turn, Turn) and self.turn.step.full
        standing, form = _standing(given, scratch), (full, *_form(given))
        if standing != self._standing:
            self._standing = standing
            self._kept.clear()  # their memory goes before more is taken
            self._seen.clear()
        if form in self._kept:
            return self._kept[form](given)
        if form in self._seen and len(self._kept) < KEPT:
            return self._recorded(given, scratch, form)
        if len(self._seen) >= SEEN:
            self._seen.clear()
        self._seen.add(form)
        return self.recorder.warm(lambda: self._in_place(given, scratch))

    def _in_place(self, given: Given, scratch: Tensor | None) -> Result:
        """The turn, its running buffers written to where they were read."""
        loss, running = self.turn(given, scratch)
        changed = {name: b for name, b in running.items() if b.data_ptr() != given.buffers[name].data_ptr()}
        # one may lie within another that is written first
        old = {b.untyped_storage().data_ptr() for b in given.buffers.values()}
        apart = {n: b.clone() if b.untyped_storage().data_ptr() in old else b for n, b in changed.items()}
        for name, buffer in apart.items():
            given.buffers[name].copy_(buffer)
        return loss, {name: given.buffers[name] for name in running}

    def _recorded(self, given: Given, scratch: Tensor | None, form: Where) -> Result:
        """Records the turn, and takes this one both ways: plainly with copies, and by a replay."""
        try:
            theirs = given.copied()
            loss, running = self.recorder.warm(lambda: self._in_place(theirs, scratch))
        except (torch.OutOfMemoryError, MemoryError) as error:
            self._give_up(error)
            return self.turn(given, scratch)
        groups = self._groups  # memory may just have told
        try:
            self._kept[form] = capture = self._capture(given, scratch)
            if self._groups != groups:
                raise torch.OutOfMemoryError("memory does not suffice for a graph")
            moved = _mean(theirs.flat, given.flat)
            made, found = capture(given)
            if not _agree(theirs, given, moved, loss, made):
                raise RuntimeError("its graph gave other numbers than the step it was made of")
        except (RuntimeError, MemoryError) as error:
            self._groups = groups
            self._give_up(error)
            _put(theirs, given)
            return loss, {name: given.buffers[name] for name in running}
        return made, found

    def _capture(self, given: Given, scratch: Tensor | None) -> Capture:
        static = _with_own(given)
        beside = next((one.replay for one in self._kept.values()), None)
        return Capture(static, *self.recorder.record(lambda: self._in_place(static, scratch), beside))

    def _give_up(self, error: Exception) -> None:
        self.why = str(error).strip().split("\n")[0] or type(error).__name__
        self._kept.clear()

    @property
    def _groups(self) -> int:
        """In how many parts a turn finds its gradients."""
        return self.turn.groups if isinstance(self.turn, Turn) else 1

    @_groups.setter
    def _groups(self, groups: int) -> None:
        if isinstance(self.turn, Turn):
            self.turn.groups = groups


class Graphs:
    """CUDA's own. All is recorded on one stream, so that graphs may share memory."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def warm(self, work: Work) -> Result:
        now = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(now)
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            result = work()
        now.wait_stream(self.stream)
        return result

    def record(self, work: Work, beside: Replay | None) -> tuple[Result, Replay]:
        graph = torch.cuda.CUDAGraph()
        pool = beside.graph.pool() if isinstance(beside, Graph) else None
        now = torch.cuda.current_stream(self.device)
        try:
            with torch.cuda.device(self.device), torch.cuda.graph(graph, pool=pool, stream=self.stream):
                result = work()
        finally:
            torch.cuda.set_stream(now)  # a capture that failed leaves its own
        return result, Graph(graph, self.device)


@dataclass(frozen=True)
class Graph:
    """A recorded graph, launched by calling it."""

    graph: torch.cuda.CUDAGraph
    device: torch.device

    def __call__(self) -> None:
        with torch.cuda.device(self.device):
            self.graph.replay()


def captured(
    turns: Mapping[str, Turn | Program], device: torch.device
) -> dict[str, Turn | Program | Captured]:
    """The turns as they are best called on this device. Left as they are: those that processes share, who
    talk in between, those that play with objects of the host, and all with COTERIE_CAPTURE=off."""
    if device.type != "cuda" or HOSTS or os.environ.get("COTERIE_CAPTURE") == "off":
        return {**turns}
    graphs = Graphs(device)
    return {n: Captured(turn, graphs) if type(turn) in (Turn, Program) else turn for n, turn in turns.items()}


def why_not(turns: Mapping[str, Turn | Program | Captured]) -> str:
    """Why turns that were to be recorded are not, "" where nothing failed."""
    return next((turn.why for turn in turns.values() if isinstance(turn, Captured) and turn.why), "")


def _changing(given: Given) -> list[Tensor]:
    """What is other numbers in every step."""
    return [given.rows, given.present, given.keys, given.hyper["lr"], given.t]


def _with_own(given: Given) -> Given:
    """The same, with a place of its own for what changes."""
    rows, present, keys, lr, t = (tensor.clone() for tensor in _changing(given))
    return given._replace(rows=rows, present=present, keys=keys, hyper=given.hyper | {"lr": lr}, t=t)


def _standing(given: Given, scratch: Tensor | None) -> Where:
    """Where everything lies that stays from step to step, by which a graph reads and writes it."""
    rates = [tensor for name, tensor in given.hyper.items() if name != "lr"]
    tensors = [given.flat, *given.slots.values(), *given.buffers.values(), *rates]
    return tuple(_place(tensor) for tensor in (tensors if scratch is None else [*tensors, scratch]))


def _form(given: Given) -> Where:
    """What tells one batch's graph from another's: its shapes, and where the data lie."""
    shapes = [tuple(tensor.shape) for tensor in _changing(given)]
    return (*shapes, *(_place(column) for column in given.data.values()))


def _place(tensor: Tensor) -> Where:
    return (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())


def _put(theirs: Given, given: Given) -> None:
    """What a turn has written, put in place."""
    given.flat.copy_(theirs.flat)
    for each, into in ((theirs.slots, given.slots), (theirs.buffers, given.buffers)):
        for name, tensor in each.items():
            into[name].copy_(tensor)


def _agree(theirs: Given, ours: Given, moved: float, loss: Tensor, made: Tensor) -> bool:
    """Whether a replay did what the turn does. Some of a GPU's sums depend on chance in their last digits."""
    if not torch.allclose(loss, made, rtol=1e-2, atol=1e-4, equal_nan=True):
        return False
    if not torch.equal(theirs.flat.isfinite(), ours.flat.isfinite()):
        return False
    return _mean(theirs.flat, ours.flat) <= AGREE * moved + torch.finfo(ours.flat.dtype).tiny


def _mean(a: Tensor, b: Tensor) -> float:
    """The mean distance; what diverged does not count."""
    return float((a - b).abs().nan_to_num(0.0, 0.0, 0.0).mean())
