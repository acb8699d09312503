"""Everything that is fixed before training: rows and their roles, the split, the schema, the tensors.

The order matters: roles come from the whole table, the split from row count, strata, groups and time
alone, and the schema from development rows, so that no test row decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from coterie.data.arrange import Arrangement, arrange, settle
from coterie.data.bundled import environment_of
from coterie.data.cells import Reading, with_whole_paths, without_bad_images
from coterie.data.checks import capacity_warning, check
from coterie.data.dataset import Dataset
from coterie.data.infer import infer_schema
from coterie.data.likeness import likeness_warning, near_copies
from coterie.data.parts import encode_rows
from coterie.data.roles import Roles, assign_roles, find_column
from coterie.data.scanned import Scanned, joined_rows, size_of
from coterie.data.schema import Schema
from coterie.data.splits import Split, split
from coterie.data.store import bytes_told
from coterie.data.table import Table
from coterie.data.targets import is_written
from coterie.errors import DataError
from coterie.models.catalogue import family_named
from coterie.models.family import NEEDS, Family
from coterie.models.shape import Shape
from coterie.spec import nearest
from coterie.study.question import Question
from coterie.study.search import usual

Rows = np.ndarray
HOLD_OUT_ABOVE = 100_000  # rows from which one validation part is enough


@dataclass(frozen=True)
class Problem:
    """development, test and folds are positions in `dataset`: all usable rows, in the table's order."""

    table: Table
    roles: Roles
    split: Split
    schema: Schema
    dataset: Dataset
    development: Rows
    test: Rows
    folds: tuple[tuple[Rows, Rows], ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    arrangement: Arrangement | None = None

    @property
    def training_rows(self) -> int:
        """Of the smallest fold, or of all development when there is none."""
        return min([len(training) for training, _ in self.folds] or [len(self.development)])

    def capacity_warning(self, parameters: int) -> str | None:
        """Whether a network has more parameters than a table's rows can carry; of pixels, steps and words,
        which share their weights, a count says little, and little where rows themselves are learned."""
        table = set(Shape.of(self.schema).kinds) <= {"table"} and self.dataset.task not in (
            "text",
            "unsupervised",
        )
        return capacity_warning(parameters, self.training_rows) if table else None


def pose(
    question: Question, table: Table, test: Table | None = None, reading: Reading | None = None
) -> Problem:
    """The problem of a question about a table; `DataError` for data that cannot answer it.

    test: a table of its own with the same columns, whose rows then are the test set. reading: how images and
    texts are read, if not as the question says.
    """
    if question.skip_bad:
        table = without_bad_images(table)
        test = None if test is None else without_bad_images(test)
    if _fills_gaps(question, table):
        question, table = replace(question, target=(), task="unsupervised"), replace(table, target=())
    ignore, task = question.ignore, question.task or _task_of(question, table)
    arrangement = arrangement_of(question, table)
    large = isinstance(table.frame, Scanned)
    if arrangement is not None:
        table = arrange(_without(table, ignore), arrangement)
        test = None if test is None else arrange(_without(test, ignore), arrangement)
        ignore = (question.sequence,) if question.sequence else ()  # of an id nothing is to be learned
        task = task or ("regression" if question.horizon else None)
    first = table
    if test is not None:
        table = _joined(table, test)
    roles = assign_roles(
        table,
        target=(question.target if arrangement is None else arrangement.answers) or None,
        task=task,
        positive=question.positive,
        weight=question.weight,
        group=None if arrangement is not None and arrangement.horizon else question.group,
        time=question.time if arrangement is None else arrangement.moment,
        ignore=ignore,
        kinds=question.kinds,
    )
    for name in question.by:
        if name not in table.frame.columns:
            near = nearest(name, table.frame.columns)
            fix = f"Did you mean {near!r}?" if near else "`coterie inspect` lists the columns."
            raise DataError("by must name columns of the table.", given=repr(name), fix=fix)
    usable = np.flatnonzero(roles.keep)
    labels = None if roles.split is None else roles.split[usable]
    if test is not None:
        labels = np.where(usable < len(first.frame), "train", "test")
    # of an environment there is always more to see: starts to validate by, but no folds; and of the members
    # that go on from texts one alone is kept, as texts cannot be averaged
    alone = task == "text" and len(table.frame.columns) == 1
    usual_folds = 1 if environment_of(first) or alone else _default_folds(len(usable))
    folds = usual_folds if question.folds is None else question.folds
    parts = split(
        len(usable),
        strata=roles.y[usable] if roles.target.classes and not roles.target.each_step else None,
        group=None if roles.group is None else roles.group[usable],
        time=None if roles.time is None else roles.time[usable],
        labels=labels,
        test_size=question.test_size,
        folds=folds,
        seed=question.seed,
        gap=0 if arrangement is None else arrangement.gap,
    )
    schema = infer_schema(
        table, roles, usable[parts.development], question.kinds, reading or reading_of(question)
    )
    dataset = encode_rows(table, schema, usable)
    return Problem(
        table=table,
        roles=roles,
        split=parts,
        schema=schema,
        dataset=dataset,
        development=parts.development,
        test=parts.test,
        folds=parts.folds,
        notes=(
            *table.notes,
            *roles.notes,
            *_families_that_suit(question, schema),
            *_kept_on_disk(table, large, roles),
        ),
        warnings=(
            *roles.warnings,
            *check(table, roles, schema, usable[parts.development], usable[parts.test], len(parts.folds)),
            *_alike(table, schema, dataset, usable, parts),
        ),
        arrangement=arrangement,
    )


def _kept_on_disk(table: Table, large: bool, roles: Roles) -> list[str]:
    """What is said of a table that memory has no room for; large: it was one before it was arranged."""
    if not isinstance(table.frame, Scanned):
        said = "The table stays in its file, but the sequences that are made of it are held in memory."
        return [said] if large else []
    size = bytes_told(size_of(table.frame))
    said = (
        f"The table, {size} in memory, stays in its file: its columns are looked at one by one, and its rows "
        "are encoded once into a temporary file that is mapped into memory. No number depends on that."
    )
    held = "The baselines of rows without a target hold all training rows in memory."
    return [said, held] if roles.target.task == "unsupervised" else [said]


def arrangement_of(question: Question, table: Table) -> Arrangement | None:
    """How a table whose rows are steps becomes one whose rows are examples; None where none was asked for."""
    if not question.sequence and not question.horizon:
        if question.window:
            raise DataError("A window belongs to a horizon.", given=question.window, fix="Add --horizon.")
        return None
    asked = Arrangement(
        sequence=question.sequence,
        time=question.time,
        horizon=question.horizon or None,
        window=question.window or None,
        group=question.group if question.horizon else None,
        target=question.target or table.target,
    )
    return settle(_without(table, question.ignore), asked)


def _without(table: Table, names: tuple[str, ...]) -> Table:
    """The table without these columns, which must exist."""
    for name in names:
        find_column(table, name, "A column to ignore")
    return replace(table, frame=table.frame.drop(names))


def _alike(table: Table, schema: Schema, dataset: Dataset, usable: Rows, parts: Split) -> list[str]:
    """A warning of test images that are near copies of others."""
    if "image" not in dataset.inputs or not len(parts.test):
        return []
    images = dataset.inputs["image"].numpy()
    pairs = near_copies(images, images, rows=parts.test, other_rows=parts.development)
    (column,) = schema.of_kind("image")
    names = None
    if len(pairs) and table.frame.schema[column.name] == pl.String:
        cells = table.frame[column.name]
        mine, other = parts.test[pairs[0, 0]], parts.development[pairs[0, 1]]
        names = (str(cells[int(usable[mine])]), str(cells[int(usable[other])]))
    said = likeness_warning(pairs, len(parts.test), names)
    return [] if said is None else [said]


def _families_that_suit(question: Question, schema: Schema) -> list[str]:
    """Which families are tried where none was named, and why."""
    shape, target = Shape.of(schema), schema.target
    if question.models or target is None:
        return []
    families = usual(shape, target.task)
    held = " and ".join(NEEDS[kind] for kind in shape.kinds if kind != "text" or shape.tokens) or "nothing"
    why = f"a text is to be written from {held}" if target.task == "text" else f"the data hold {held}"
    return [f"Since {why}, {' and '.join(families)} {'are' if len(families) > 1 else 'is'} tried."]


def _task_of(question: Question, table: Table) -> str | None:
    """The task where the families that were named, or texts as the target, leave no choice."""
    learned = {task for family in named(question) for task in family.tasks}
    if environment_of(table) and not learned:
        return "unsupervised"
    if learned and learned <= {"unsupervised"}:
        return "unsupervised"
    if "unsupervised" in learned and not (question.target or table.target):
        return "unsupervised"
    if "text" in learned or (not learned and is_written(table, question.target or table.target)):
        return "text"
    return "classification" if learned and "regression" not in learned else None


def _fills_gaps(question: Question, table: Table) -> bool:
    """Whether texts that could be written are read instead, by families that learn them without a target."""
    families = named(question)
    suited = [family for family in families if "unsupervised" in family.tasks and "text" in family.reads]
    if not families or len(suited) < len(families) or question.task not in (None, "unsupervised"):
        return False
    return is_written(table, question.target or table.target)


def named(question: Question) -> list[type[Family]]:
    """The families that were asked for."""
    return [family_named(name) for name in question.models]


def reading_of(question: Question) -> Reading:
    """How images and texts are read; texts are features when a family is named that reads them."""
    return Reading(
        texts=any("text" in family.reads for family in named(question)),
        image_size=question.image_size,
        fit_image=question.fit_image,
        tokenizer=question.tokenizer,
        vocabulary=question.vocabulary,
        longest=question.longest,
    )


def _default_folds(rows: int) -> int:
    if rows > HOLD_OUT_ABOVE:
        return 1
    return 5 if rows >= 15 else max(2, min(5, rows // 3))


def _joined(table: Table, test: Table) -> Table:
    """The test rows after the others, under the same columns; those that the test lacks are an error."""
    table, test = with_whole_paths(table), with_whole_paths(test)
    lacking = [name for name in table.frame.columns if name not in test.frame.columns]
    if lacking:
        near = nearest(lacking[0], test.frame.columns)
        raise DataError(
            "The test file must have the columns of the data.",
            given=f"'{test.source}' without {', '.join(repr(name) for name in lacking[:5])}",
            fix=f"Is it {near!r} there?" if near else "Add them, or leave them out of both.",
        )
    a, b = table.frame, test.frame.select(table.frame.columns)
    differing = [n for n in a.columns if a.schema[n] != b.schema[n]]
    text = [pl.col(n).cast(pl.String) for n in differing]
    numeric = all(a.schema[n].is_numeric() and b.schema[n].is_numeric() for n in differing)
    if numeric:
        frame = joined_rows(a, b, "vertical_relaxed")
    else:
        frame = joined_rows(a.with_columns(text), b.with_columns(text), "vertical")
    return replace(
        table, frame=frame, sha256=f"{table.sha256}+{test.sha256}", notes=(*table.notes, *test.notes)
    )
