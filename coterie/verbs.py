"""What a person does with Coterie, from Python and, through `cli`, from the command line."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from coterie import spec
from coterie.data.read import read
from coterie.errors import SpecError, StudyError
from coterie.model import Model
from coterie.models.catalogue import FAMILIES, family_named
from coterie.models.family import Family
from coterie.saved import CONFIG
from coterie.study.batches import kept_batches
from coterie.study.folder import ASKED, CANDIDATES, CHOICES, MODEL, Folder
from coterie.study.initial import Initial, open_initial
from coterie.study.inspection import Inspection, look
from coterie.study.question import Question
from coterie.study.study import Study
from coterie.training.recipe import Recipe

Names = str | Sequence[str] | None
Start = str | os.PathLike[str] | Study | Model
P = ParamSpec("P")
R = TypeVar("R")
ELSEWHERE = ("source", "target", "test", "init")  # of a question's options, what is not taken as it is given


def fit(
    data: Any,
    target: Names = None,
    *,
    test: Any = None,
    models: Names = None,
    fix: Mapping[str, Any] | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    out: str | os.PathLike[str] | None = None,
    test_size: float = 0.2,
    folds: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    candidates: int | None = None,
    search: str = "full",
    storage: str | None = None,
    metric: str | None = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    ignore: Names = (),
    kinds: Mapping[str, str] | None = None,
    task: str | None = None,
    positive: Any = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    prefer: str = "best",
    refit: bool = False,
    by: Names = (),
    rows: bool = True,
    time_limit: float | None = None,
    device: str = "auto",
    compile: str = "auto",
    image_size: int = 0,
    fit_image: str = "resize",
    skip_bad: bool = False,
    tokenizer: str = "auto",
    vocabulary: int = 0,
    longest: int = 0,
    sequence: str | None = None,
    horizon: int = 0,
    window: int = 0,
    init: Start | None = None,
    run: bool = True,
) -> Study:
    """Trains every candidate on every fold and seed together, chooses, assesses, and leaves a study's folder.

    data, test: a path, a bundled name, a frame (pandas, polars, …), a dict of columns, an array X or (X, y).
    target: one column or several. models: families to try (`zoo()` lists them).
    fix, grid: hyperparameters held at a value, or tried in all combinations instead of drawn;
    fix={"lr": "auto"} finds the learning rate by a range test.
    test_size: share (or number) of rows set aside first. folds: 5 (1 above 100,000 rows: one validation
    part; 0: none). seeds: networks a fold; seed: of everything. candidates: how many to try
    (16; 4 of images, sequences, texts, games). search: "halving" lets those that fall behind go early, for a
    quarter of the steps; "tpe" and "gp" have Optuna choose, in four batches, and storage ("sqlite:///FILE",
    another database's URL, a file) is where several processes or machines share what they try.
    metric: what selection goes by (log loss, RMSE).
    weight, group, time, ignore: columns with a role;
    kinds: {column: kind} where you know better. task, positive: what the target is, where in doubt.
    prefer: "best", or "simple" within one standard error. refit: the winner again on all training rows.
    by: columns whose values are scored apart. rows=False keeps single rows out of the report.
    image_size, fit_image: side in pixels that images are brought to, by "resize", "crop" or "pad";
    skip_bad: leave files out that cannot be read. tokenizer ("words", "characters", "bytes", "bpe"),
    vocabulary, longest: how texts are cut. sequence: the column that names the sequence of a row in a long
    table. horizon, window: steps to forecast, and steps that they are forecast from.
    init: an earlier study or model (its folder, or itself), or "hf:NAME", whose weights training starts from;
    with it fix={"freeze": 5, "thaw": 1, "discount": 0.7} says how its layers learn on.
    time_limit: seconds. compile: "auto" compiles steps where that pays, "on" always, "off" never.
    run=False only begins the study: follow its `events()`, or `run()` it later.
    Raises `CoterieError` with what to do about it.

    >>> import coterie as ct
    >>> study = ct.fit("iris", out="runs/flowers", candidates=4)  # doctest: +SKIP
    >>> study.facts["verdict"]  # doctest: +SKIP
    """
    given = locals()
    study = prepare(
        data,
        target,
        test=test,
        out=out,
        options=_options(given),
        init=init,
    )
    return study.run() if run else study


def prepare(
    data: Any,
    target: Names,
    *,
    test: Any,
    out: str | os.PathLike[str] | None,
    options: dict[str, Any],
    init: Start | None = None,
) -> Study:
    """A study that is begun but not trained: follow its `events()`. options: as in `Question`."""
    initial = None
    if init is not None:
        initial, options = _initial(init, options)
    table = read(data)
    test_table = None if test is None else read(test)
    question = Question(
        source=table.source,
        target=_names(target),
        test=None if test_table is None else test_table.source,
        **options,
    )
    return Study.begin(question, table, test_table, out, initial)


def repeat(config: str | os.PathLike[str], *, out: str | os.PathLike[str] | None = None) -> Study:
    """Begins a new study that asks what another's study.json asked; follow it with `run()` or `events()`.

    What lies beside it is followed too: choices.json, so that steps are compiled where they were, and
    candidates.json, what a sampler chose.
    """
    path = Path(config)
    path = path / ASKED if path.is_dir() else path
    kept: tuple[dict[str, Any], ...] = ()
    try:
        asked = json.loads(path.read_text(encoding="utf-8"))
        question = Question.from_dict(asked["question"])
        name = asked["name"]
        if (path.parent / CANDIDATES).is_file():
            kept = tuple(kept_batches(Folder(path.parent))["batches"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, SpecError):
            raise
        raise StudyError(
            "A config is the study.json of a study.",
            given=f"'{config}' ({error})",
            fix="Name runs/NAME-N/study.json.",
        ) from error
    table = dataclasses.replace(read(question.source), name=name)
    test = None if question.test is None else read(question.test)
    study = Study.begin(question, table, test, out, batches=kept)
    chosen = path.with_name(CHOICES)
    if chosen.is_file():
        shutil.copyfile(chosen, study.folder / CHOICES)
    return study


def _asked_as(verb: Callable[P, Study]) -> Callable[[Callable[[Mapping[str, Any]], R]], Callable[P, R]]:
    """Gives a verb the arguments of another, for people, editors and type checkers; it gets them by name."""

    def asked_so(own: Callable[[Mapping[str, Any]], R]) -> Callable[P, R]:
        @functools.wraps(own)
        def asked(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = takes.bind(*args, **kwargs)
            bound.apply_defaults()
            return own(bound.arguments)

        takes = signature(verb)
        answer = signature(own).return_annotation
        asked.__signature__ = takes.replace(return_annotation=answer)  # type: ignore[attr-defined]
        return asked

    return asked_so


@_asked_as(fit)
def inspect(given: Mapping[str, Any]) -> Inspection:
    """What would be trained on, and what looks wrong; trains nothing, and writes nothing.

    It takes what `fit` takes. What only says how training runs (out, run, time_limit, …) changes nothing.

    >>> print(ct.inspect("iris", folds=3))  # doctest: +SKIP
    """
    options, initial = _options(given), None
    if given["init"] is not None:
        initial, options = _initial(given["init"], options)
    table = read(given["data"])
    test = None if given["test"] is None else read(given["test"])
    question = Question(source=table.source, target=_names(given["target"]), **options)
    return look(question, table, test, initial)


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a folder that a study left, or the model of a study's folder; runs no code from it."""
    folder = Path(path)
    if not (folder / CONFIG).is_file() and (folder / MODEL).is_dir():
        folder = folder / MODEL
    elif (folder / ASKED).is_file():
        raise StudyError(
            "Only a finished study has a model.",
            given=f"'{path}'",
            fix=f"Finish it: `coterie resume {path}`.",
        )
    return Model.load(folder)


def open_study(path: str | os.PathLike[str]) -> Study:
    """A study from its folder, finished or not: `run()` takes an unfinished one up again."""
    return Study(Folder.existing(path))


def zoo(name: str | None = None) -> list[dict[str, Any]]:
    """The zoo as plain data: one record a family, with its hyperparameters; of one family if it is named."""
    families = FAMILIES if name is None else {name: family_named(name)}
    return [
        {
            "name": family_name,
            "title": family.title,
            "source": family.source,
            "reads": list(family.reads),
            "learns": list(family.tasks),
            "about": family.__doc__ or "",
            "hyperparameters": _declared(family),
            "recipe": _recipe_of(family),
        }
        for family_name, family in families.items()
    ]


def _declared(cls: type) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "kind": hyper.kind,
            "default": spec.show(spec.default(cls, name)),
            "bounds": hyper.rule(),
            "search": "" if hyper.search is None else str(hyper.search),
            "stacked": hyper.stacked,
            "help": hyper.help,
        }
        for name, hyper in spec.hypers(cls).items()
    ]


def _recipe_of(family: type[Family]) -> list[dict[str, Any]]:
    """The recipe as this family takes it: its own defaults, and what a search over it varies."""
    of_classes, of_values = family.advice("multiclass"), family.advice("regression")
    searched = {*family.searched("multiclass"), *family.searched("regression")}
    declared = _declared(Recipe)
    for record in declared:
        name, usual = record["name"], spec.default(Recipe, record["name"])
        classes, values = (spec.show(advice.get(name, usual)) for advice in (of_classes, of_values))
        record["default"] = classes if classes == values else f"{classes} for classes, {values} for values"
        record["search"] = record["search"] if name in searched else ""
    return declared


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `fit` as a question has them."""
    options = {f.name: given[f.name] for f in dataclasses.fields(Question) if f.name not in ELSEWHERE}
    short = {name: given[name] for name in ("epochs", "batch_size", "patience") if given[name] is not None}
    return options | {
        "models": _names(given["models"]),
        "ignore": _names(given["ignore"]),
        "by": _names(given["by"]),
        "fix": dict(given["fix"] or {}) | short,
        "grid": {name: tuple(values) for name, values in (given["grid"] or {}).items()},
        "kinds": dict(given["kinds"] or {}),
        "positive": None if given["positive"] is None else str(given["positive"]),
    }


def _initial(init: Start, options: dict[str, Any]) -> tuple[Initial, dict[str, Any]]:
    """What training starts from, and the options with its place, if it has one."""
    initial = open_initial(init.folder if isinstance(init, Study) else init)
    return initial, options if isinstance(init, Model) else {**options, "init": initial.source}


def _names(names: Names) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)
