"""Which candidates to train: defaults, quasi-random draws from declared ranges, or a grid.

Structures are few so that cohorts are large: after n candidates of a family at most ⌊√n⌋ of them differ in
structure. Raising the number keeps the earlier draws, so a longer search only adds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from coterie import spec
from coterie.errors import SpecError
from coterie.models.catalogue import FAMILIES, family_named
from coterie.models.family import Family
from coterie.models.shape import Shape
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

AUTO = "auto"  # of a learning rate that a range test finds
ROUNDS = 4  # in which a sampler is asked
SEEN, FEWEST = 50_000_000, 3  # rows that a member is shown in all, of a very large table; and epochs at least
LONGEST = 1000  # epochs, of a family whose training is counted in steps
# the families that are tried where none is named, by what the data hold
DEFAULT = {
    "image": ("cnn", "resnet"),
    "sequence": ("lstm", "tcn"),
    "text": ("bag", "bert"),
    "table": ("mlp", "linear"),
}


def propose(
    models: Sequence[str],
    *,
    shape: Shape,
    task: str,
    rows: int,
    count: int,
    fix: Mapping[str, Any],
    grid: Mapping[str, Sequence[Any]],
    seed: int,
) -> tuple[Candidate, ...]:
    """The candidates of a study, the families in turn; each family's first is its defaults.

    shape: what the data hold. rows: training rows of a fold, on which the default batch size and epochs
    depend. fix: values that every family which has the name takes, or lr="auto", which is neither drawn nor
    known yet; grid: all combinations instead of draws.
    """
    families = [family_named(name) for name in (models or usual(shape, task))]
    _known_names(families, [*fix, *grid])
    made: list[list[tuple[Family, Recipe]]] = []
    for family in families:
        settings = settings_of(family, task, rows, fix)
        if AUTO in grid.get("lr", ()):
            raise SpecError(
                "A range test finds the learning rate of all candidates of a structure: fixed, not tried.",
                given="lr=auto in a grid",
                fix="Use --fix lr=auto, or numbers in the grid.",
            )
        if grid:
            names = [name for name in grid if name in known_of(family)]
            combinations = itertools.product(*(grid[name] for name in names))
            choices = [{**settings, **dict(zip(names, values, strict=True))} for values in combinations]
        else:
            share = len(range(families.index(family), count, len(families)))
            choices = _draws(family, task, settings, {*fix}, share, seed)
        made.append([make(family, task, choice, {*fix, *grid}) for choice in choices])
    turns = itertools.zip_longest(*made)
    pairs = [pair for turn in turns for pair in turn if pair is not None]
    unique = list(dict.fromkeys(pairs))
    return tuple(Candidate(i, family, recipe) for i, (family, recipe) in enumerate(unique))


def settings_of(family: type[Family], task: str, rows: int, fix: Mapping[str, Any]) -> dict[str, Any]:
    """What a family's candidates have where nothing is drawn: what suits rows and task, and what is fixed."""
    settings = {**advice(rows), **family.advice(task), **_own(family, without_auto(fix))}
    if family.lasts and "epochs" not in fix:
        batch = value_of(family, "batch_size", settings)
        settings["epochs"] = min(LONGEST, -(-family.lasts // -(-rows // batch)))
    return settings


def asks_auto(fix: Mapping[str, Any]) -> bool:
    """Whether the learning rate is to be found by a range test."""
    return fix.get("lr") == AUTO


def without_auto(fix: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are known."""
    return {name: value for name, value in fix.items() if (name, value) != ("lr", AUTO)}


def usual(shape: Shape, task: str) -> tuple[str, ...]:
    """The families that suit the data when none is named."""
    if shape.environment:
        return ("ppo", "dqn")
    if task == "unsupervised":
        return ("bert",) if shape.kinds and shape.kinds[0] == "text" else ("autoencoder", "vae")
    if task == "text":
        return ("seq2seq", "transformer") if replace(shape, answer=None).kinds else ("gpt",)
    return DEFAULT[shape.kinds[0] if shape.kinds else "table"]


def number_of_candidates(shape: Shape, models: Sequence[str] = ()) -> int:
    """How many are tried unless asked for: fewer where a network takes minutes, not seconds."""
    long = any(family_named(name).lengthy for name in models)
    return 16 if set(shape.kinds) <= {"table"} and not long else 4


def batch_sizes(count: int, families: int) -> tuple[int, ...]:
    """In which batches a sampler is asked for so many candidates: quarters, the first with every family."""
    each = -(-count // ROUNDS)
    first = min(count, max(each, families))
    return first, *(min(each, count - before) for before in range(first, count, each))


def advice(rows: int) -> dict[str, Any]:
    """Batch size and epochs that suit a number of training rows: enough steps on small tables, not too many
    on large ones. Beyond 2.5 million rows a member takes as many steps as of so many: its rows differ all the
    more.
    """
    batch = 2 ** round(math.log2(min(max(rows / 20, 32), 64 if rows < 20_000 else 1024)))
    steps = -(-rows // batch)
    usual = 60 if rows < 20_000 else max(FEWEST, min(20, SEEN // rows))
    epochs = min(200, max(usual, -(-1000 // steps)))
    return {"batch_size": batch, "epochs": epochs, "patience": max(10, epochs // 5)}


def searched(family: type[Family], task: str, taken: set[str]) -> list[str]:
    """The names that a search over the family varies, those that change structure first."""
    own = [name for name, hyper in spec.hypers(family).items() if hyper.search]
    names = [name for name in (*own, *family.searched(task)) if name not in taken]
    return sorted(names, key=lambda name: known_of(family)[name].stacked)


def _draws(
    family: type[Family], task: str, settings: dict[str, Any], taken: set[str], count: int, seed: int
) -> list[dict[str, Any]]:
    names = searched(family, task, taken)
    if not names or not count:
        return [settings][:count]
    known = known_of(family)
    shapes = [name for name in names if not known[name].stacked]
    numbers = [name for name in names if known[name].stacked]
    points = torch.quasirandom.SobolEngine(len(names), scramble=True, seed=seed).draw(max(count, 1)).tolist()
    structures: list[dict[str, Any]] = [{name: value_of(family, name, settings) for name in shapes}]
    counts = [0]
    choices = []
    for j in range(count):
        if shapes and math.isqrt(j + 1) > len(structures):
            drawn = {n: _search(known[n]).draw(points[j][i]) for i, n in enumerate(shapes)}
            if drawn not in structures:
                structures.append(drawn)
                counts.append(0)
        s = counts.index(min(counts))  # the structure with the fewest candidates so far
        counts[s] += 1
        drawn = {n: _search(known[n]).draw(points[j][len(shapes) + i]) for i, n in enumerate(numbers)}
        choices.append(settings if j == 0 else {**settings, **structures[s], **drawn})
    return choices


def _search(hyper: spec.Hyper) -> spec.Search:
    assert hyper.search is not None
    return hyper.search


def known_of(family: type[Family]) -> dict[str, spec.Hyper]:
    """What can be set of a family and of how it is trained, by name."""
    return {**spec.hypers(family), **spec.hypers(Recipe)}


def value_of(family: type[Family], name: str, settings: Mapping[str, Any]) -> Any:
    """A hyperparameter as it is set, or by default."""
    cls = family if name in spec.hypers(family) else Recipe
    return spec.read(cls, name, settings.get(name, spec.default(cls, name)))


def _own(family: type[Family], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in known_of(family)}


def make(
    family: type[Family], task: str, settings: Mapping[str, Any], asked: set[str]
) -> tuple[Family, Recipe]:
    """One candidate's family and recipe. asked: names that the family does not settle itself."""
    made = family(**{n: value_of(family, n, settings) for n in spec.hypers(family)})
    settings = {**settings, **{n: value for n, value in made.settles().items() if n not in asked}}
    recipe = Recipe(**{n: value_of(family, n, settings) for n in spec.hypers(Recipe)})
    _fits(recipe, task)
    if recipe.accumulate > 1 and "episode" in family.reads:
        raise SpecError(
            "accumulate must be 1 where a batch is played, not read.",
            given=f"accumulate={recipe.accumulate} for {family.name}",
            fix="Leave it out.",
        )
    return made, recipe


def _fits(recipe: Recipe, task: str) -> None:
    """Refuses a loss, solver or class weights that the task has no use for."""
    wrong = None
    if task == "regression" and recipe.loss in ("cross_entropy", "perceptron", "lms"):
        wrong = ("The loss of regression must be one of mse, mae, huber.", f"loss={recipe.loss}")
    elif task != "regression" and recipe.loss not in ("auto", "cross_entropy", "perceptron", "lms"):
        wrong = ("The loss of classes must be cross_entropy, perceptron or lms.", f"loss={recipe.loss}")
    elif task != "regression" and recipe.optimizer == "exact":
        wrong = (
            "The exact optimizer solves least squares, which is for values.",
            f"optimizer=exact for {task}",
        )
    elif recipe.optimizer == "exact" and recipe.l1:
        wrong = ("The exact optimizer has no L1 penalty.", f"optimizer=exact and l1={recipe.l1:g}")
    elif task not in ("binary", "multiclass") and recipe.class_weight == "balanced":
        wrong = ("class_weight=balanced needs one class a row.", f"task {task}")
    if wrong:
        raise SpecError(wrong[0], given=wrong[1], fix="Leave it out for the default.")


def _known_names(families: Sequence[type[Family]], names: Sequence[str]) -> None:
    known = {name for family in families for name in known_of(family)}
    for name in names:
        if name not in known:
            near = spec.nearest(name, known)
            elsewhere = [n for n, f in FAMILIES.items() if name in known_of(f)]
            fix = f"Did you mean {near}?" if near else "`coterie models NAME` lists them."
            if elsewhere:
                fix = f"It belongs to {', '.join(elsewhere)}: add it with --models."
            among = ", ".join(f.name for f in families)
            raise SpecError(f"A hyperparameter must be one of the recipe or of {among}.", given=name, fix=fix)
