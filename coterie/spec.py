"""Hyperparameters as data: type, bounds, default, search range, stacked or structural.

A family or a recipe is a frozen dataclass whose fields are declared with the functions below. Errors,
`coterie models`, `--fix`, `--grid`, search, the report and the plan all read that one declaration.

*Stacked* fields are numbers in the mathematics (a learning rate, a dropout rate): they become tensors of
shape (M,), different for each member of one program. *Structural* ones change shapes or operations
(widths, an activation, an optimizer): the plan groups members by them. A *switch* is a stacked number
whose 0 means that an operation is left out (no dropout): that it is on or off is structural.

>>> @dataclasses.dataclass(frozen=True)
... class Toy(Spec):
...     rate: float = number(0.1, low=0, high=1, search=linear(0, 0.5), help="share of units dropped")
>>> Toy(rate=2.0)
Traceback (most recent call last):
coterie.errors.SpecError: rate must be a number from 0 to 1. Given: 2.0. For example: rate=0.1.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
from typing import Any, Literal

from coterie.errors import SpecError

Kind = Literal["number", "integer", "choice", "flag", "widths", "numbers"]


@dataclasses.dataclass(frozen=True)
class Search:
    """Where a search draws from: `draw` turns a number of [0, 1) into a value."""

    scale: Literal["log", "linear", "options"]
    low: float = 0.0
    high: float = 1.0
    options: tuple[Any, ...] = ()

    def draw(self, u: float) -> Any:
        if self.scale == "options":
            return self.options[min(int(u * len(self.options)), len(self.options) - 1)]
        if self.scale == "log":
            value = math.exp(math.log(self.low) + u * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + u * (self.high - self.low)
        return float(f"{value:.4g}")  # four digits: what is printed is what was used

    def __str__(self) -> str:
        if self.scale == "options":
            return " | ".join(show(option) for option in self.options)
        return f"{self.low:g} … {self.high:g}" + (" (log)" if self.scale == "log" else "")


def log(low: float, high: float) -> Search:
    """Evenly on a logarithmic scale."""
    return Search("log", low, high)


def linear(low: float, high: float) -> Search:
    """Evenly between two numbers."""
    return Search("linear", low, high)


def options(*values: Any) -> Search:
    """One of these, each as likely."""
    return Search("options", options=values)


@dataclasses.dataclass(frozen=True)
class Hyper:
    """What is known of one hyperparameter besides its name and default."""

    kind: Kind
    help: str
    low: float = -math.inf
    high: float = math.inf
    above: bool = False  # the lower bound itself is not allowed
    choices: tuple[str, ...] = ()
    search: Search | None = None
    stacked: bool = False
    switch: bool = False

    def rule(self) -> str:
        """The values that it may take, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "flag":
            return "true or false"
        if self.kind == "numbers":
            return "numbers separated by commas"
        noun = {"number": "a number", "integer": "an integer", "widths": "integers separated by commas, each"}
        start = "above" if self.above else "from"
        if self.low == -math.inf:
            return noun[self.kind]
        if self.high == math.inf:
            return f"{noun[self.kind]} {start} {self.low:g}" + ("" if self.above else " upwards")
        return f"{noun[self.kind]} {start} {self.low:g} to {self.high:g}"

    def allows(self, value: Any) -> bool:
        if self.kind == "choice":
            return value in self.choices
        if self.kind == "flag":
            return isinstance(value, bool)
        if self.kind == "widths":
            return isinstance(value, tuple) and all(isinstance(v, int) and self._within(v) for v in value)
        if self.kind == "numbers":
            return isinstance(value, tuple) and all(
                isinstance(v, (int, float)) and self._within(v) for v in value
            )
        if isinstance(value, bool) or not isinstance(value, int if self.kind == "integer" else (int, float)):
            return False
        return self._within(value)

    def _within(self, value: float) -> bool:
        if isinstance(value, bool) or not math.isfinite(value):
            return False
        return (value > self.low if self.above else value >= self.low) and value <= self.high


def number(
    default: float,
    *,
    low: float,
    high: float = math.inf,
    above: bool = False,
    search: Search | None = None,
    switch: bool = False,
    help: str,
) -> Any:
    """A real number; stacked. switch: 0 turns it off, and what is off is not computed."""
    hyper = Hyper("number", help, low, high, above, search=search, stacked=True, switch=switch)
    return dataclasses.field(default=default, metadata={"hyper": hyper})


def integer(
    default: int,
    *,
    low: int,
    high: float = math.inf,
    search: Search | None = None,
    stacked: bool = False,
    help: str,
) -> Any:
    """A whole number; structural unless said otherwise."""
    hyper = Hyper("integer", help, low, high, search=search, stacked=stacked)
    return dataclasses.field(default=default, metadata={"hyper": hyper})


def choice(default: str, choices: tuple[str, ...], *, search: Search | None = None, help: str) -> Any:
    """One of some names; structural."""
    hyper = Hyper("choice", help, choices=choices, search=search)
    return dataclasses.field(default=default, metadata={"hyper": hyper})


def flag(default: bool, *, search: Search | None = None, help: str) -> Any:
    """True or false; structural."""
    return dataclasses.field(default=default, metadata={"hyper": Hyper("flag", help, search=search)})


def widths(
    default: tuple[int, ...], *, low: int = 1, high: float = math.inf, search: Search | None = None, help: str
) -> Any:
    """Several whole numbers, such as the widths of layers; structural."""
    hyper = Hyper("widths", help, low, high, search=search)
    return dataclasses.field(default=default, metadata={"hyper": hyper})


def numbers(default: tuple[float, ...], *, help: str) -> Any:
    """Several real numbers, such as given weights; structural."""
    return dataclasses.field(default=default, metadata={"hyper": Hyper("numbers", help)})


class Spec:
    """What families and recipes share: checked on construction, comparable, to and from plain data."""

    def __post_init__(self) -> None:
        for name, hyper in hypers(type(self)).items():
            value = getattr(self, name)
            if not hyper.allows(value):
                example = show(default(type(self), name))
                raise SpecError(
                    f"{name} must be {hyper.rule()}.",
                    given=show(value),
                    fix=f"For example: {name}={example}.",
                )

    def values(self) -> dict[str, Any]:
        """Every hyperparameter by name."""
        return {name: getattr(self, name) for name in hypers(type(self))}

    def numbers(self) -> dict[str, float]:
        """The stacked ones."""
        return {name: float(getattr(self, name)) for name, h in hypers(type(self)).items() if h.stacked}

    def structure(self) -> tuple[tuple[str, Any], ...]:
        """The structural ones, and whether each switch is on: members that agree here can share a cohort."""
        known = hypers(type(self)).items()
        switches = tuple((name, getattr(self, name) > 0) for name, h in known if h.switch)
        return tuple((name, getattr(self, name)) for name, h in known if not h.stacked) + switches


def hypers(cls: type) -> dict[str, Hyper]:
    """The declared hyperparameters of a family or recipe, in order; its own before those that it inherits."""
    own = inspect.get_annotations(cls)
    fields: Any = sorted(dataclasses.fields(cls), key=lambda f: f.name not in own)
    return {f.name: f.metadata["hyper"] for f in fields if "hyper" in f.metadata}


def default(cls: type, name: str) -> Any:
    fields: Any = dataclasses.fields(cls)
    return next(f.default for f in fields if f.name == name)


def read(cls: type, name: str, value: Any) -> Any:
    """A value as a person or a JSON file gives it, made what the field wants: "64,64" → (64, 64).

    Raises `SpecError` with the field's rule when it cannot be.
    """
    hyper = hypers(cls)[name]
    try:
        if hyper.kind in ("widths", "numbers"):
            if isinstance(value, str):
                value = [part for part in value.replace("(", "").replace(")", "").split(",") if part.strip()]
            kind = _whole if hyper.kind == "widths" else float
            made: Any = tuple(kind(v) for v in (value if isinstance(value, (list, tuple)) else [value]))
        elif hyper.kind == "integer":
            made = _whole(value)
        elif hyper.kind == "number":
            made = float(value)
        elif hyper.kind == "flag" and isinstance(value, str):
            made = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                value.lower()
            ]
        else:
            made = value
    except (KeyError, TypeError, ValueError, OverflowError):
        made = None
    if made is None or not hyper.allows(made):
        near = nearest(value, hyper.choices) if hyper.kind == "choice" else None
        fix = f"Did you mean {near}?" if near else f"For example: {name}={show(default(cls, name))}."
        raise SpecError(f"{name} must be {hyper.rule()}.", given=show(value), fix=fix)
    return made


def nearest(name: object, known: Any) -> str | None:
    """The known name most like this one, if any is."""
    found = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return found[0] if found else None


def show(value: Any) -> str:
    """A value as a person would type it: (64, 64) → "64,64"."""
    if isinstance(value, (tuple, list)):
        return ",".join(show(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(float(value))
    return str(value)


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        raise ValueError
    return int(number)
