"""What `coterie models NAME` says beyond the declaration: the network drawn and counted for a given input."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from coterie import spec
from coterie.cli.values import once
from coterie.errors import SpecError
from coterie.models.catalogue import FAMILIES, family_named
from coterie.models.family import LEARNS, NEEDS, Family, TableFamily
from coterie.models.outline import outline
from coterie.models.shape import Shape
from coterie.training.cost import cost_of
from coterie.training.recipe import Recipe

WRITTEN = {"image": ("C,H,W", "3,224,224"), "steps": ("T,F", "100,4"), "words": ("T,V", "64,1000")}
READ_BY = {"columns": "table", "image": "image", "steps": "sequence", "words": "text"}
OPTIONS = {kind: option for option, kind in READ_BY.items()}
TYPICAL = {"columns": (8,), "image": (1, 28, 28), "steps": (100, 4), "words": (64, 1000)}
FOR_LARGE_IMAGES = ("alexnet", "vgg", "googlenet")
PLAYED = "CartPole-v1"
CLASSES = 10
MOST, FEW = 10**9, 10**6  # numbers of one row; columns, classes
GROUPS = {
    "table": "Tables (images and sequences as one long row)",
    "image": "Images",
    "sequence": "Steps: of sequences, of texts",
    "writes": "Texts to be written",
    "rows": "Rows without a target",
    "episode": "Episodes: agents that learn by reward",
}


def in_groups() -> dict[str, list[dict[str, Any]]]:
    """Name, title and what is read of every family, simplest first, under headings."""
    found: dict[str, list[dict[str, Any]]] = {heading: [] for heading in GROUPS.values()}
    for name, family in FAMILIES.items():
        kind = "writes" if _writes(family) else "rows" if _without_target(family) else family.reads[0]
        kind = "episode" if _acts(family) else kind
        facts = {"name": name, "title": family.title, "reads": list(family.reads)}
        found[GROUPS["sequence" if kind == "text" else kind]].append(facts)
    return {heading: families for heading, families in found.items() if families}


def structure_of(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The network of a family as plain data: what it is given, its lines, what it costs.

    given: what was asked, "image", "steps", "words" as text, "columns", "classes" as numbers, "fix" as pairs;
    what is missing is typical of the family. `SpecError` where something does not fit it.
    """
    cls = family_named(name)
    fixed = once("--fix", given.get("fix", ()), "One network is drawn at a time.")
    family = _made(cls, fixed)
    sizes = _sizes(cls, given)
    shape = _shape(cls, sizes)
    if _writes(cls):
        if "classes" in given:
            raise SpecError(f"The family {name} writes texts.", given="--classes", fix="Leave it out.")
        assert shape.answer is not None
        task, outputs = "text", shape.answer[1]
    elif _without_target(cls):
        task, outputs = "unsupervised", _few("classes", given.get("classes", 0))
    else:
        outputs = _few("classes", given.get("classes", CLASSES))
        task = "binary" if outputs == 2 else "multiclass"
    _fits(family, shape)
    cost = cost_of(family, shape, task, outputs)
    return {
        "reads": list(cls.reads),
        "learns": list(cls.tasks),
        "input": {READ_BY[option]: list(size) for option, size in sizes.items()} or {"episode": [PLAYED]},
        "answer": _answer(shape, task, outputs),
        "fixed": fixed,
        "lines": [dataclasses.asdict(line) for line in outline(family, shape, task, outputs)],
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
    }


def reads(kinds: list[str]) -> str:
    """What a family reads, in words."""
    return _or([NEEDS[kind] for kind in kinds])


def learns(tasks: list[str]) -> str:
    """What a family learns, in words."""
    return _or([LEARNS[task] for task in tasks])


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def _writes(cls: type[Family]) -> bool:
    return cls.tasks == ("text",)


def _acts(cls: type[Family]) -> bool:
    return cls.reads == ("episode",)


def _without_target(cls: type[Family]) -> bool:
    return cls.tasks == ("unsupervised",)


def _answer(shape: Shape, task: str, outputs: int) -> dict[str, Any]:
    """What the network puts out: a text, so many classes, or what it says of a row without a target."""
    if task == "unsupervised":
        return {"row": outputs}
    return {"text": list(shape.answer)} if shape.answer else {"classes": outputs}


def _made(cls: type[Family], fixed: Mapping[str, str]) -> Family:
    """The family with what was fixed; settings of the recipe are read too, though the drawing is the same."""
    own, recipe = spec.hypers(cls), spec.hypers(Recipe)
    for name in fixed:
        if name not in {**own, **recipe}:
            near = spec.nearest(name, {**own, **recipe})
            fix = f"Did you mean {near}?" if near else f"`coterie models {cls.name}` lists them."
            rule = f"A hyperparameter must be one of the recipe or of {cls.name}."
            raise SpecError(rule, given=name, fix=fix)
    values = {name: spec.read(cls if name in own else Recipe, name, value) for name, value in fixed.items()}
    return cls(**{name: value for name, value in values.items() if name in own})


def _sizes(cls: type[Family], given: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """What a row has, by option; typical of the family where nothing that it reads is given."""
    sizes = {option: _read(option, given[option]) for option in READ_BY if option in given}
    if _acts(cls):
        if sizes:
            rule = f"The family {cls.name} plays: what it is given is the environment's."
            raise SpecError(rule, given=f"--{next(iter(sizes))}", fix="Leave it out.")
        return {}
    writes, known = _writes(cls), [OPTIONS[kind] for kind in cls.reads]
    for option in sizes:
        if option not in known and (writes or option != "columns"):
            use = " or ".join(f"--{name}" for name in known)
            rule = f"The family {cls.name} reads {reads(list(cls.reads))}."
            raise SpecError(rule, given=f"--{option}", fix=f"Use {use}.")
    beside = "words" if writes else "columns"  # what is written, or joined to the features
    read = [f"--{option}" for option in sizes if option != beside]
    if len(read) > 1 and not issubclass(cls, TableFamily):
        rule = f"The family {cls.name} reads one of these."
        raise SpecError(rule, given=" and ".join(read), fix="Leave one out.")
    if not any(READ_BY[option] in cls.reads for option in sizes):
        option = OPTIONS[cls.reads[0]]
        large = option == "image" and cls.name in FOR_LARGE_IMAGES
        sizes[option] = (3, 224, 224) if large else TYPICAL[option]
    return sizes


def _shape(cls: type[Family], sizes: Mapping[str, tuple[int, ...]]) -> Shape:
    """The shape of such data; --words is of what is read, or written, or both where nothing else is given."""
    if _acts(cls):
        return Shape(environment=PLAYED)
    given: dict[str, Any] = dict(sizes)
    written = given.get("words", TYPICAL["words"]) if _writes(cls) else None
    alone = cls.reads == ("text",)  # a text that is written is its own continuation, not made from another
    read = given.get("words") if not _writes(cls) or (len(given) == 1 and not alone) else None
    return Shape(
        indicator=(False,) * sum(given.get("columns", ())),
        image=given.get("image"),
        sequence=given.get("steps"),
        tokens=read,
        answer=written,
    )


def _fits(family: Family, shape: Shape) -> None:
    """Refuses rows of more steps than the family has places for, and texts of nothing to write."""
    sides = ((shape.sequence, 0), (shape.tokens, 0), (shape.answer, 0), (shape.image, 1))
    steps = max([size[axis] for size, axis in sides if size] or [len(shape.indicator)])
    longest: int | None = getattr(family, "longest", None)
    if longest is not None and steps > longest:
        raise SpecError(
            "Every step of a row must have a place.",
            given=f"{steps:,} steps and longest={longest}",
            fix=f"Add --fix longest={steps}.",
        )
    if shape.answer and shape.answer[0] < 2:
        raise SpecError("A text to be written has 2 tokens or more.", given=f"--words {shape.answer[0]},…")


def _read(option: str, value: Any) -> tuple[int, ...]:
    """The sizes of an option: "3,224,224" → (3, 224, 224)."""
    if isinstance(value, int):
        return (_few(option, value),)
    form, example = WRITTEN[option]
    parts = [int(part) if part.strip().isdecimal() else 0 for part in str(value)[:100].split(",")]
    rule = f"--{option} is {form}, whole numbers from 1 upwards"
    fix = f"For example: --{option} {example}."
    if len(parts) != len(form.split(",")) or min(parts) < 1:
        raise SpecError(rule + ".", given=repr(str(value)), fix=fix)
    if math.prod(parts) > MOST:
        raise SpecError(f"{rule}, and at most {MOST:,} in all.", given=repr(str(value)), fix=fix)
    return tuple(parts)


def _few(option: str, value: int) -> int:
    if value > FEW:
        raise SpecError(f"--{option} is at most {FEW:,}.", given=value, fix=f"For example: --{option} 10.")
    return value
