"""What each column is, from development rows alone: the schema of a study.

Nothing but the given rows is looked at, so that changing any other row changes nothing here. Whatever
is left out or read in a way that is not plain has a note that says so. N development rows.
"""

import difflib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from coterie.data.bundled import EPISODE, environment_of
from coterie.data.cells import (
    Reading,
    holds_image_paths,
    image_column,
    sequence_column,
    text_columns,
    text_target,
)
from coterie.data.dates import find_format
from coterie.data.kinds import ID_NAMES, feature_column, left_out, no_such
from coterie.data.roles import Roles, find_column, listed, name_parts
from coterie.data.schema import KINDS, Column, Schema
from coterie.data.table import Table
from coterie.data.values import is_date, is_nested, is_text
from coterie.errors import DataError

CHOSEN = tuple(kind for kind in KINDS if kind not in ("constant", "episode"))  # kinds that can be asked for


def infer_schema(
    table: Table,
    roles: Roles,
    rows: np.ndarray,
    kinds: Mapping[str, str] | None = None,
    reading: Reading | None = None,
) -> Schema:
    """The schema of the table as its development rows show it.

    rows: (N,) row numbers, the only ones that are looked at. kinds: {column: kind} where the user knows
    better. reading: how images and texts are read, where the user says so. Raises DataError when a kind or
    its column does not exist, when no value of a column is of the kind that was asked for, or when no
    feature is left.

    >>> from coterie.data.roles import assign_roles
    >>> frame = pl.DataFrame({"size": ["1.5", "2", "?", "4"], "y": ["a", "b", "a", "b"]})
    >>> table = Table(frame, "t", "a frame", "")
    >>> infer_schema(table, assign_roles(table, target="y"), np.arange(4)).column("size").missing
    ('?',)
    """
    kinds, reading = dict(kinds or {}), reading or Reading()
    for name, kind in kinds.items():
        find_column(table, name, "A column whose kind is given")
        if kind not in CHOSEN:
            near = difflib.get_close_matches(str(kind), CHOSEN, n=1)
            fix = f"Did you mean '{near[0]}'?" if near else f"The kinds are {', '.join(CHOSEN)}."
            raise DataError("A kind must be one that Coterie knows.", given=f"{kind!r} for '{name}'", fix=fix)
    rows = np.asarray(rows, dtype=np.int64)
    whole = len(rows) == table.frame.height and bool((rows == np.arange(len(rows))).all())
    columns = []
    for name, role in roles.columns.items():
        seen = table.frame[name]
        if not whole:
            seen = seen.gather(rows)
        if role == "feature":
            columns.append(
                _special(seen, table, kinds.get(name), reading) or feature_column(seen, rows, kinds.get(name))
            )
        else:
            columns.append(_plain(seen, role, roles))
    columns = _one_image(_texts(columns, table, rows, kinds, reading, roles.target.task))
    if roles.target.task == "text":
        seen = table.frame[roles.target.names[0]].gather(rows)
        alone = not any(column.role == "feature" for column in columns)
        return Schema.of(columns, text_target(roles.target, seen, reading, alone))
    if not any(column.role == "feature" for column in columns):
        columns = [_rescued(column, table, rows) for column in columns]
    if not any(column.role == "feature" for column in columns):
        why = [f"'{c.name}': {c.note.rstrip('.')}" for c in columns if c.role == "left_out"]
        raise DataError(
            "At least one column must be left to predict from.",
            given="; ".join(why[:5]) or f"no column but {listed([c.name for c in columns])}",
            fix="Add columns, or say what one is: --kind NAME=numeric (in Python kinds={'NAME': 'numeric'}).",
        )
    return Schema.of(columns, roles.target)


def _special(seen: pl.Series, table: Table, asked: str | None, reading: Reading) -> Column | None:
    """A column of images, sequences or episodes; None for any other."""
    if seen.name == EPISODE and asked is None and environment_of(table):
        return Column(seen.name, "episode", "feature", coding=environment_of(table))
    numbers_in = isinstance(seen.dtype, pl.Array | pl.List)
    if asked == "image" or (asked is None and _is_image(seen)):
        if not numbers_in and not is_text(seen.dtype):
            raise no_such(seen.name, "image", str(seen.drop_nulls()[0]))
        return image_column(seen, table, reading)
    if numbers_in and asked in (None, "sequence"):
        return sequence_column(seen)
    if asked == "sequence":
        raise no_such(seen.name, asked, str(seen.drop_nulls()[0]))
    return None


def _is_image(seen: pl.Series) -> bool:
    if isinstance(seen.dtype, pl.Array):
        return len(seen.dtype.shape) == 3
    return isinstance(seen.dtype, pl.String) and holds_image_paths(seen)


def _texts(
    columns: list[Column],
    table: Table,
    rows: np.ndarray,
    kinds: Mapping[str, str],
    reading: Reading,
    task: str,
) -> list[Column]:
    """Free text becomes a feature when it is asked for, or when there is nothing else to predict from.

    Where a text is to be written, columns of words that are all different are texts too.
    """

    def free(c: Column) -> bool:
        if c.kind == "text":
            return c.role == "left_out"
        if task != "text" or not is_text(table.frame[c.name].dtype):
            return False
        if c.kind == "identifier":
            return c.role == "left_out"
        count = len(c.vocabulary)
        different = count > 5 and count == table.frame[c.name].gather(rows).drop_nulls().len()
        return c.kind == "category" and c.role == "feature" and different and c.name not in kinds

    found = [c.name for c in columns if free(c)]
    asked = [name for name in found if kinds.get(name) == "text"]
    alone = not any(column.role == "feature" for column in columns)
    chosen = asked or (found if reading.texts or alone or task == "text" else [])
    if not chosen:
        return columns
    made = {c.name: c for c in text_columns([table.frame[name].gather(rows) for name in chosen], reading)}
    return [made.get(column.name, column) for column in columns]


def _one_image(columns: list[Column]) -> list[Column]:
    images = [column.name for column in columns if column.kind == "image"]
    return [
        left_out(c.name, "image", f"Models read one image a row: '{images[0]}'.")
        if c.name in images[1:]
        else c
        for c in columns
    ]


def _plain(seen: pl.Series, role: str, roles: Roles) -> Column:
    """A column that is no feature: its kind is for the reader only."""
    if role == "target":
        kind = {"regression": "numeric", "text": "text"}.get(roles.target.task, "category")
    elif is_date(seen.dtype) or (role == "time" and find_format(seen.drop_nulls())[0]):
        kind = "datetime"
    elif role in ("weight", "time") or seen.dtype.is_numeric():
        kind = "numeric"
    else:
        kind = "category" if role in ("group", "split") else "text"
    return Column(seen.name, kind, role, note="Ignored, as asked." if role == "ignore" else "")


def _rescued(column: Column, table: Table, rows: np.ndarray) -> Column:
    """A column of row numbers is used after all when nothing else is left: a curve over 0, 1, 2, …"""
    named = any(part in ID_NAMES for part in name_parts(column.name))
    if column.kind != "identifier" or named or is_nested(table.frame[column.name].dtype):
        return column
    again = feature_column(table.frame[column.name].gather(rows), rows, "numeric", must=False)
    return replace(again, note="Looks like row numbers, but is the only column to predict from.")
