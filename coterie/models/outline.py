"""The structure of a network as lines: what is called within what, its output's shape, its parameters.

The network is built and run on PyTorch's meta device, where nothing is computed, and hooks write down which
module calls which. So the order is that of the calculation, and a layer that is used many times is one line.

(B, …) is what layers put out; B, which is 1, is left out of shapes. T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.activations import ACTIVATIONS
from coterie.models.attention import Attention
from coterie.models.cells import Recurrence
from coterie.models.family import Family
from coterie.models.images import Pool
from coterie.models.layers import BatchNorm, Dropout
from coterie.models.shape import Shape
from coterie.models.skeleton import shapes_only

# in a row of layers these stand on the line of the layer before, if they keep its shape
FOLLOWING = (*ACTIVATIONS.values(), BatchNorm, Dropout, nn.LayerNorm)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ARROW = " → "


@dataclass(frozen=True)
class Line:
    """One layer, or a block of those that follow at greater depth.

    depth: 0 for the parts of the network itself; name: what the block around it calls it, "" for one of a
    row; kind: its class and what matters of it, several where they stand in a row; shape: of what it puts
    out for one row, () where it is not known; parameters: of one, with all that is in it; repeat: so many
    equal ones, one after the other; calls: how often it is used, each time the block around it is; again:
    inside it is as the last one of this kind above that was drawn, in all but sizes.
    """

    depth: int
    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    repeat: int = 1
    calls: int = 1
    again: bool = False


def outline(family: Family, shape: Shape, task: str, outputs: int) -> tuple[Line, ...]:
    """The lines of the family's network for data of this shape, in the order of the calculation.

    The parameters of the lines at depth 0, each times its `repeat`, add up to the network's.

    >>> from coterie.models.linear import Linear
    >>> shape = Shape(indicator=(False,) * 4)
    >>> for line in outline(Linear(), shape, "multiclass", 3):
    ...     print(line.name, line.kind, line.shape, line.parameters)
    columns Columns (4,) 0
    head Linear (3,) 15
    """
    with shapes_only(), torch.no_grad():
        network: Any = family.network(shape, task, outputs).eval()
        called = _trace(network, one_row(shape))
    body = next(call for call in called.inner if call.module is network.body)
    parts = [part for call in body.inner for part in _parts(call, in_row=False)]
    own = sum(parameter.numel() for parameter in body.module.parameters(recurse=False))
    if own:
        parts.append(_Part("of its own", type(body.module).__name__, (), own, 1))
    return tuple(_lines(_folded(parts), 0, set()))


def one_row(shape: Shape) -> dict[str, Tensor]:
    """Inputs of one row, of nothing but their shapes."""
    inputs = {
        "numeric": torch.zeros(1, len(shape.indicator)),
        "category": torch.zeros(1, len(shape.cardinality), dtype=torch.int64),
        "label": torch.zeros(1, dtype=torch.int64),
        "place": torch.zeros(1, dtype=torch.int64),
    }
    if shape.environment:
        inputs["episode"] = torch.zeros(1, dtype=torch.int64)
    if shape.image:
        inputs["image"] = torch.zeros(1, *shape.image)
    if shape.sequence:
        inputs["sequence"] = torch.zeros(1, *shape.sequence)
        inputs["length"] = torch.zeros(1, dtype=torch.int64)
    for name, text in (("tokens", shape.tokens), ("answer", shape.answer)):
        if text:
            inputs[name] = torch.zeros(1, text[0], dtype=torch.int64)
    return inputs


# ---- what is called ------------------------------------------------------------------------------------


@dataclass
class _Call:
    """A module as it was called from another: all calls from the same one are one of these."""

    module: nn.Module
    name: str
    shape: tuple[int, ...] = ()
    count: int = 0
    inner: list[_Call] = field(default_factory=list)
    place: int = 0  # of a row: how many of its layers have been called this time

    def within(self, module: nn.Module) -> _Call | None:
        """What is already known of a call of the module from this one; one that a row has twice is two."""
        if isinstance(self.module, nn.Sequential):
            return self.inner[self.place] if self.place < len(self.inner) else None
        return next((call for call in self.inner if call.module is module), None)


def _trace(network: Any, inputs: dict[str, Tensor]) -> _Call:
    """Runs the network and returns what was called, as a tree."""
    names = {module: name for name, module in network.named_modules()}
    stack = [_Call(network, "")]

    def enter(module: nn.Module, given: Any) -> None:
        around = stack[-1]
        call = around.within(module)
        if call is None:
            call = _Call(module, _relative(names[module], names[around.module]))
            around.inner.append(call)
        around.place += 1
        call.count, call.place = call.count + 1, 0
        stack.append(call)

    def leave(module: nn.Module, given: Any, made: Any) -> None:
        stack.pop().shape = _shape(made)

    for module in network.modules():
        if module is not network:
            module.register_forward_pre_hook(enter)
            module.register_forward_hook(leave)
    if getattr(network, "task", "") == "unsupervised":  # a body that is asked, not called
        prepared = network.prepare(inputs)
        enter(network.body, None)
        network.body.judge(prepared["x"], prepared["label"], prepared["place"])
        leave(network.body, None, prepared["x"])
    else:
        network.raw(inputs)
    _add_uncalled(stack[0], names)
    return stack[0]


def _add_uncalled(root: _Call, names: dict[nn.Module, str]) -> None:
    """Adds the modules whose weights others use without calling them, in the order of declaration."""
    calls = {names[call.module]: call for call in _walk(root)}
    order = {module: place for place, module in enumerate(names)}
    for module, name in names.items():
        if name in calls or not any(True for _ in module.parameters(recurse=False)):
            continue
        around = name.rpartition(".")[0]
        while around not in calls:
            around = around.rpartition(".")[0]
        inner = calls[around].inner
        before = [place for place, call in enumerate(inner) if order[call.module] < order[module]]
        call = _Call(module, _relative(name, around), count=calls[around].count)
        inner.insert(before[-1] + 1 if before else 0, call)
        calls[name] = call


def _walk(call: _Call) -> Iterator[_Call]:
    yield call
    for inner in call.inner:
        yield from _walk(inner)


def _relative(name: str, around: str) -> str:
    """A module's name within another, without the places in lists: "blocks.0" of "blocks.0.drop" → "drop"."""
    own = name.removeprefix(around + ".") if around else name
    return ".".join(part for part in own.split(".") if not part.isdigit())


def _shape(made: Any) -> tuple[int, ...]:
    """The shape of one row's first tensor."""
    first = made[0] if isinstance(made, (tuple, list)) and made else made
    return tuple(first.shape[1:]) if isinstance(first, Tensor) else ()


# ---- what is drawn -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    calls: int
    inner: tuple[_Part, ...] = ()
    follows: bool = False
    plain: bool = False  # a row of layers, and nothing beside
    repeat: int = 1

    @property
    def form(self) -> tuple[Any, ...]:
        """What it is but for its name and sizes."""
        return (self.kind, *((part.name, part.repeat, part.form) for part in self.inner))


def _parts(call: _Call, in_row: bool) -> list[_Part]:
    """What is drawn of a call: nothing of a layer that does nothing, its layers for a row within a row."""
    module = call.module
    row, plain = isinstance(module, nn.Sequential), type(module) is nn.Sequential
    inner = [part for own in call.inner for part in _parts(own, row)]
    if isinstance(module, nn.Identity) or (plain and not inner):
        return []
    inner = [replace(part, calls=part.calls // max(1, call.count)) for part in inner]
    inner = _folded(_joined(inner) if row else inner)
    if plain and in_row:
        return inner
    if plain and len(inner) == 1:
        return [replace(inner[0], name=call.name, calls=inner[0].calls * call.count)]
    parameters = sum(p.numel() for p in module.parameters())
    if len(inner) == 1 and inner[0].repeat == 1:
        only = inner[0]
        if only.plain:
            inner = list(only.inner)
        elif (only.shape, only.parameters, only.calls) == (call.shape, parameters, 1):
            return [replace(only, name=call.name, calls=call.count)]
    follows = isinstance(module, FOLLOWING)
    return [_Part(call.name, _kind(module), call.shape, parameters, call.count, tuple(inner), follows, plain)]


def _joined(row: list[_Part]) -> list[_Part]:
    """A row of layers, activations and the like on the line of the layer before."""
    made: list[_Part] = []
    for part in row:
        last = made[-1] if made else None
        if part.follows and last is not None and not last.inner and last.shape == part.shape:
            kind, parameters = last.kind + ARROW + part.kind, last.parameters + part.parameters
            made[-1] = replace(last, kind=kind, parameters=parameters)
        else:
            made.append(part)
    return made


def _folded(parts: list[_Part]) -> list[_Part]:
    """Equal neighbours as one, with how many there are."""
    made: list[_Part] = []
    for part in parts:
        if made and replace(made[-1], repeat=part.repeat) == part:
            made[-1] = replace(made[-1], repeat=made[-1].repeat + part.repeat)
        else:
            made.append(part)
    return made


def _lines(parts: list[_Part], depth: int, drawn: set[Any]) -> Iterator[Line]:
    for part in parts:
        again = len(part.inner) > 1 and not part.plain and part.form in drawn
        yield Line(depth, part.name, part.kind, part.shape, part.parameters, part.repeat, part.calls, again)
        if not again:
            drawn.add(part.form)
            yield from _lines(list(part.inner), depth + 1, drawn)


def _kind(module: nn.Module) -> str:
    """The class, and what of its settings a reader wants to know that shapes do not tell."""
    said = [type(module).__name__]
    if isinstance(module, (*CONVOLUTIONS, nn.MaxPool2d, nn.AvgPool2d)):
        said += _window(module, len(module.kernel_size) if isinstance(module, CONVOLUTIONS) else 2)
    elif isinstance(module, Pool):
        said += [module.kind, *_window(module, 2, "kernel")]
    elif isinstance(module, Recurrence):
        said += [module.kind, *(["backward"] if module.backward else [])]
    elif isinstance(module, Attention):
        said += ["of 1 head" if module.heads == 1 else f"of {module.heads} heads"]
    return " ".join(said)


def _window(module: Any, axes: int, name: str = "kernel_size") -> list[str]:
    """A window's sides, and its stride and dilation unless they are 1."""

    def sides(value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, tuple) else (value,) * axes

    said = " × ".join(map(str, sides(getattr(module, name))))
    for what in ("stride", "dilation"):
        value = sides(getattr(module, what, 1))
        if set(value) != {1}:
            said += f", {what} " + (str(value[0]) if len({*value}) == 1 else " × ".join(map(str, value)))
    return [said]
