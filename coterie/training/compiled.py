"""A turn of a cohort as one compiled program, which serves any number of members and rows of data.

The turn is traced once with numbers of members and rows that are large primes: whatever size in the graph is
a multiple of one of these follows from it, and becomes a symbol. So members that leave cost no new
compilation, and a program in the cache serves every later study of the same structure. PyTorch's
ahead-of-time compiler (`torch.export`, AOTInductor) makes a file of it, which is loaded in milliseconds.

M members, N rows of data. A group of one is traced as such: it is differentiated without lifting.
"""

from __future__ import annotations

import contextlib
import operator
import os
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from coterie.training.given import Given
from coterie.training.layout import Layout
from coterie.training.step import Step
from coterie.training.turn import Turn

if TYPE_CHECKING:
    from torch.export import ExportedProgram

WRITTEN, READ = Given._fields[:2], Given._fields[2:]
MEMBERS, ROWS = 1_000_003, 998_244_353  # primes that no other size is a multiple of


class Unsuited(Exception):
    """A turn that cannot be compiled, or not here; says why."""


class Program:
    """A compiled turn: it does what the `Turn` does to the same `Given`, to rounding."""

    def __init__(self, path: Path, device: torch.device, step: Step) -> None:
        """path: what `build` wrote. Raises `Unsuited` if it cannot be loaded."""
        index = device.index if device.index is not None else -1
        plain = device.type == "cuda"  # without the events of several threads, which no graph may hold
        try:
            self._run = torch._C._aoti.AOTIModelPackageLoader(str(path), "model", plain, 1, index).run
        except (RuntimeError, AttributeError, TypeError) as error:  # or this PyTorch loads them otherwise
            raise Unsuited(f"its program cannot be loaded: {error}") from error
        self.step = step
        self._of: tuple[object, object] = (None, None)
        self._written: list[Tensor] = []  # leaves of these, which are the same at every step

    def __call__(self, given: Given, scratch: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        if self._of[0] is not given.flat or self._of[1] is not given.slots:
            self._of = (given.flat, given.slots)
            self._written = leaves(suited(given, self.step.layout), WRITTEN)
        loss, *running = self._run(self._written + leaves(given, READ))
        return loss, dict(zip(self.step.running, running, strict=True))


def suited(given: Given, layout: Layout) -> Given:
    """As compiled code is given it: on a processor each parameter by itself, on a GPU in few arrays."""
    return given.in_pieces(layout) if given.flat.device.type == "cpu" else given


def leaves(given: Given, parts: Sequence[str] = Given._fields) -> list[Tensor]:
    """Every tensor of these parts, in order; of what is read, rows lie one after the other."""
    return [t if part in WRITTEN else t.contiguous() for part, _, t in given.named(parts)]


def given_of(tensors: Sequence[Tensor], like: Given) -> Given:
    """The inverse of `leaves`; like: a `Given` of the same names."""
    left = iter(tensors)

    def filled(what: Any) -> Any:
        return next(left) if isinstance(what, Tensor) else {name: filled(what[name]) for name in sorted(what)}

    return Given(*map(filled, like))


def traced(turn: Turn, like: Given) -> fx.GraphModule:
    """The turn as a graph over `leaves`: returns the losses, then running buffers by name in order.

    like: what it is given, for names, shapes and types. Every size that M or N decides is computed from the
    inputs' own sizes.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.proxy_tensor import make_fx

    members = 1 if like.members == 1 else MEMBERS
    like = suited(like, turn.step.layout)
    leading = _leading(like, members, ROWS)

    def run(*tensors: Tensor) -> list[Tensor]:
        given = given_of(tensors, like)
        loss, running = turn(given) if isinstance(given.flat, Tensor) else turn.in_pieces(given)
        return [loss, *(running[name] for name in turn.step.running)]

    with FakeTensorMode(allow_non_fake_inputs=True):
        fakes = [
            torch.empty_strided(
                (size, *tensor.shape[1:]), tensor.stride(), dtype=tensor.dtype, device=tensor.device
            )
            for size, tensor in zip(leading, leaves(like), strict=True)
        ]
        graph = make_fx(run, tracing_mode="fake")(*fakes)
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    for prime in {MEMBERS, ROWS} & set(leading):
        _follow(graph.graph, inputs[leading.index(prime)], inputs[-1], prime)
    for node in graph.graph.nodes:
        node.meta = {}  # shapes with those primes
        if node.op == "get_attr":  # a number that the code wrote as a tensor
            constant = getattr(graph, node.target)
            delattr(graph, node.target)
            graph.register_buffer(node.target, constant)
    graph.recompile()
    return graph


def build(turn: Turn, like: Given, path: Path) -> None:
    """Compiles the turn into a file, written whole. Raises `Unsuited` where that does not go."""
    from torch._inductor import aoti_compile_and_package
    from torch.export import Dim, export

    inputs, alone = suited(like, turn.step.layout), like.members == 1
    members = None if alone else Dim("M", min=2)
    free = {ROWS: Dim("N", min=2), MEMBERS: members}
    shapes = [{} if free[size] is None else {0: free[size]} for size in _leading(inputs, MEMBERS, ROWS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_suffix(f".{os.getpid()}.pt2")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = traced(turn, like)
            exported = export(graph, tuple(leaves(inputs)), dynamic_shapes=tuple(shapes), strict=False)
            with contextlib.nullcontext() if alone else any_number_of_groups():
                aoti_compile_and_package(exported, package_path=str(made))
        _check_free(exported, shapes)
        os.replace(made, path)
    except Exception as error:  # a compiler has many ways to say no, and a cohort trains without it
        first = str(error).strip().split("\n")[0]
        raise Unsuited(f"it does not compile: {type(error).__name__}: {first}") from error
    finally:
        made.unlink(missing_ok=True)


@contextlib.contextmanager
def any_number_of_groups() -> Iterator[None]:
    """Has convolutions called as they are, with as many groups as there are members.

    PyTorch's compiler would take the number that it sees for the only one. It would also turn images about to
    have channels last, which suits one network: 20 of a `cnn` on digits take two thirds of the time without.
    """
    from torch._inductor.lowering import fallback_handler, lowerings

    called: dict[Any, Any] = {}
    for packet in (torch.ops.aten.convolution, torch.ops.aten.convolution_backward):
        how = fallback_handler(packet.default, add_to_fallback_set=False)
        called |= {packet: how, packet.default: how}
    before = {op: lowerings[op] for op in called if op in lowerings}
    lowerings.update(called)
    try:
        yield
    finally:  # these alone: a first compilation adds others, once a process
        for op in called:
            del lowerings[op]
        lowerings.update(before)


def _check_free(exported: ExportedProgram, shapes: Sequence[dict[int, Any]]) -> None:
    """The compiler may have fixed a size that is to be any: it says so nowhere else, and would write beyond
    the ends of arrays."""
    given = set(exported.graph_signature.user_inputs)
    inputs = [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in given]
    for node, free in zip(inputs, shapes, strict=True):
        for axis in free:
            size = node.meta["val"].shape[axis]
            if isinstance(size, int) or size.node.maybe_as_int() is not None:
                raise ValueError(f"what it compiles to is for arrays of {size} alone")


def compiler() -> str | None:
    """The C++ compiler that programs are made with (of those for a GPU what calls the kernels), None where
    there is none."""
    named = os.environ.get("CXX")
    names = (
        (named,) if named else ("clang++", "c++", "g++") if sys.platform == "darwin" else ("g++", "clang++")
    )
    return next((found for name in names if (found := shutil.which(name))), None)


def _leading(like: Given, members: int, rows: int) -> list[int]:
    """The leading size of every leaf: members, but rows of the data."""
    return [rows if part == "data" else members for part, _, _ in like.named()]


def _follow(graph: fx.Graph, source: fx.Node, after: fx.Node, prime: int) -> None:
    """Makes every size that is a multiple of the prime one of the source's leading size."""
    with graph.inserting_after(after):
        size = graph.call_function(torch.ops.aten.sym_size.int, (source, 0))
    multiples = {1: size}
    last = size

    def follow(number: Any) -> Any:
        nonlocal last
        if type(number) is not int or number <= 0 or number % prime or number == sys.maxsize:
            return number
        times = number // prime
        if times not in multiples:
            with graph.inserting_after(last):
                last = multiples[times] = graph.call_function(operator.mul, (size, times))
        return multiples[times]

    for node in list(graph.nodes):
        if node.op == "call_function" and node not in multiples.values():
            node.args = fx.node.map_aggregate(node.args, follow)
            node.kwargs = fx.node.map_aggregate(node.kwargs, follow)
