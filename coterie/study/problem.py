"""Everything that is fixed before training: rows and their roles, the split, the schema, the tensors.

The order matters: roles come from the whole table, the split from row count, strata, groups and time
alone, and the schema from development rows, so that no test row decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from coterie.data.cells import Reading
from coterie.data.checks import check
from coterie.data.dataset import Dataset
from coterie.data.encode import encode
from coterie.data.infer import infer_schema
from coterie.data.roles import Roles, assign_roles
from coterie.data.schema import Schema
from coterie.data.splits import Split, split
from coterie.data.table import Table
from coterie.errors import DataError
from coterie.models.catalogue import family_named
from coterie.spec import nearest
from coterie.study.question import Question

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

    @property
    def training_rows(self) -> int:
        """Of the smallest fold, or of all development when there is none."""
        return min([len(training) for training, _ in self.folds] or [len(self.development)])


def pose(question: Question, table: Table, test: Table | None = None) -> Problem:
    """The problem of a question about a table; `DataError` for data that cannot answer it.

    test: a table of its own with the same columns, whose rows then are the test set.
    """
    first = table
    if test is not None:
        table = _joined(table, test)
    roles = assign_roles(
        table,
        target=question.target or None,
        task=question.task,
        positive=question.positive,
        weight=question.weight,
        group=question.group,
        time=question.time,
        ignore=question.ignore,
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
    folds = question.folds if question.folds is not None else _default_folds(len(usable))
    parts = split(
        len(usable),
        strata=roles.y[usable] if roles.target.classes and not roles.target.each_step else None,
        group=None if roles.group is None else roles.group[usable],
        time=None if roles.time is None else roles.time[usable],
        labels=labels,
        test_size=question.test_size,
        folds=folds,
        seed=question.seed,
    )
    schema = infer_schema(table, roles, usable[parts.development], question.kinds, reading_of(question))
    return Problem(
        table=table,
        roles=roles,
        split=parts,
        schema=schema,
        dataset=encode(table, schema, usable),
        development=parts.development,
        test=parts.test,
        folds=parts.folds,
        notes=(*table.notes, *roles.notes),
        warnings=(
            *roles.warnings,
            *check(table, roles, schema, usable[parts.development], usable[parts.test], len(parts.folds)),
        ),
    )


def reading_of(question: Question) -> Reading:
    """How images and texts are read; texts are features when a family is named that reads nothing else."""
    named = [family_named(name) for name in question.models]
    return Reading(
        texts=any(family.reads[0] == "text" for family in named),
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
    frame = (
        pl.concat([a, b], how="vertical_relaxed")
        if numeric
        else pl.concat([a.with_columns(text), b.with_columns(text)])
    )
    return replace(
        table, frame=frame, sha256=f"{table.sha256}+{test.sha256}", notes=(*table.notes, *test.notes)
    )
