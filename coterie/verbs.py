"""What a person does with Coterie, from Python and, through `cli`, from the command line."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coterie import spec
from coterie.data.read import read
from coterie.errors import SpecError, StudyError
from coterie.model import CONFIG, Model
from coterie.models.catalogue import FAMILIES, family_named
from coterie.models.family import Family
from coterie.study.folder import ASKED, MODEL, Folder
from coterie.study.initial import open_initial
from coterie.study.inspection import Inspection, look
from coterie.study.question import Question
from coterie.study.study import Study
from coterie.training.recipe import Recipe

Names = str | Sequence[str] | None


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
    image_size: int = 0,
    fit_image: str = "resize",
    skip_bad: bool = False,
    tokenizer: str = "auto",
    vocabulary: int = 0,
    longest: int = 0,
    sequence: str | None = None,
    horizon: int = 0,
    window: int = 0,
    init: str | os.PathLike[str] | Study | Model | None = None,
    run: bool = True,
) -> Study:
    """Trains every candidate on every fold and seed together, chooses, assesses, and leaves a study's folder.

    data, test: a path, a bundled name, a frame (pandas, polars, …), a dict of columns, an array X or (X, y).
    target: one column or several. models: families to try (`zoo()` lists them).
    fix, grid: hyperparameters held at a value, or tried in all combinations instead of drawn.
    test_size: share (or number) of rows set aside first. folds: 5 (1 above 100,000 rows: one validation
    part; 0: none). seeds: networks a fold; seed: of everything. candidates: how many to try
    (16; 4 of images, sequences, texts). metric: what selection goes by (log loss, RMSE).
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
    time_limit: seconds. run=False only begins the study: follow its `events()`, or `run()` it later.
    Raises `CoterieError` with what to do about it.

    >>> import coterie as ct
    >>> study = ct.fit("iris", out="runs/flowers", candidates=4)  # doctest: +SKIP
    >>> study.facts["verdict"]  # doctest: +SKIP
    """
    study = prepare(
        data,
        target,
        test=test,
        out=out,
        options={
            "models": _names(models),
            "fix": dict(fix or {}) | _short(epochs=epochs, batch_size=batch_size, patience=patience),
            "grid": {name: tuple(values) for name, values in (grid or {}).items()},
            "test_size": test_size,
            "folds": folds,
            "seeds": seeds,
            "seed": seed,
            "candidates": candidates,
            "metric": metric,
            "weight": weight,
            "group": group,
            "time": time,
            "ignore": _names(ignore),
            "kinds": dict(kinds or {}),
            "task": task,
            "positive": None if positive is None else str(positive),
            "prefer": prefer,
            "refit": refit,
            "by": _names(by),
            "rows": rows,
            "time_limit": time_limit,
            "device": device,
            "image_size": image_size,
            "fit_image": fit_image,
            "skip_bad": skip_bad,
            "tokenizer": tokenizer,
            "vocabulary": vocabulary,
            "longest": longest,
            "sequence": sequence,
            "horizon": horizon,
            "window": window,
        },
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
    init: str | os.PathLike[str] | Study | Model | None = None,
) -> Study:
    """A study that is begun but not trained: follow its `events()`. options: as in `Question`."""
    initial = None
    if init is not None:
        initial = open_initial(init.folder if isinstance(init, Study) else init)
        options = options | ({} if isinstance(init, Model) else {"init": initial.source})
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
    """Begins a new study that asks what another's study.json asked; follow it with `run()` or `events()`."""
    path = Path(config)
    path = path / ASKED if path.is_dir() else path
    try:
        asked = json.loads(path.read_text(encoding="utf-8"))
        question = Question.from_dict(asked["question"])
        name = asked["name"]
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
    return Study.begin(question, table, test, out)


def inspect(
    data: Any,
    target: Names = None,
    *,
    test: Any = None,
    options: Mapping[str, Any] | None = None,
) -> Inspection:
    """What would be trained on, and what looks wrong; trains nothing. options: as in `fit`, by name."""
    table = read(data)
    test_table = None if test is None else read(test)
    question = Question(source=table.source, target=_names(target), **dict(options or {}))
    return look(question, table, test_table)


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


def _names(names: Names) -> tuple[str, ...]:
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def _short(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
