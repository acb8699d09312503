"""JSON → a frame: one record a line, a list of records, or a dict of columns.

Read by Python's own parser: a reader that guesses a column's type from its first lines loses values
that come later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from coterie.data.series import column_of_objects, joined
from coterie.data.table import tidy_names
from coterie.data.text import Text
from coterie.errors import DataError

BATCH = 10_000  # records turned into columns at once
FIX = 'Write one record a line, such as {"age": 41, "disease": "no"}.'


def read_json(text: Text, source: str) -> tuple[pl.DataFrame, list[str]]:
    """A frame from JSON text, and what was found out. Raises DataError for anything but records."""
    opening = text.beginning(1 << 16).lstrip()[:1]
    if opening == "[":
        frame = frame_of_records(_list(text, source), source)
    else:
        try:
            frame = frame_of_records(_lines(text, source), source)
        except DataError:
            if (whole := _one_object(text)) is None:
                raise
            frame = _frame_of_object(whole, source)
    if not frame.width:
        raise DataError("A file must hold a table.", given=f"{source}, which has no fields", fix=FIX)
    names, notes = tidy_names(frame.columns)
    frame.columns = names
    return frame, [*text.notes, *notes]


def frame_of_records(records: Iterable[Any], source: str) -> pl.DataFrame:
    """A frame from dicts with a value a column; a column that a dict lacks is missing there."""
    parts: dict[str, list[pl.Series]] = {}
    rows = 0

    def add(batch: list[dict[str, Any]]) -> None:
        for name in dict.fromkeys(key for record in batch for key in record):
            if name not in parts:
                parts[name] = [pl.Series(name, [None] * rows, dtype=pl.Null)]
        for name, columns in parts.items():
            columns.append(column_of_objects(name, [record.get(name) for record in batch]))

    batch: list[dict[str, Any]] = []
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise DataError("A record must be a dict.", given=f"{source}, whose record {number:,} is a "
                            f"{type(record).__name__}", fix=FIX)  # fmt: skip
        batch.append(record)
        if len(batch) == BATCH:
            add(batch)
            rows, batch = rows + len(batch), []
    add(batch)
    return pl.DataFrame([joined(columns) for columns in parts.values()])


def _lines(text: Text, source: str) -> Iterator[Any]:
    with text.stream() as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise _unreadable(f"{source}, line {number:,}", error) from None


def _list(text: Text, source: str) -> list[Any]:
    with text.stream() as stream:
        try:
            records = json.load(stream)
        except (ValueError, RecursionError) as error:
            raise _unreadable(source, error) from None
    assert isinstance(records, list)
    return records


def _unreadable(where: str, error: Exception) -> DataError:
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return DataError("Records must be JSON.", given=f"{where} ({reason})", fix=FIX)


def _one_object(text: Text) -> dict[str, Any] | None:
    """The whole text as one object, written over several lines."""
    with text.stream() as stream:
        try:
            whole = json.load(stream)
        except (ValueError, RecursionError):
            return None
    return whole if isinstance(whole, dict) else None


def _frame_of_object(whole: dict[str, Any], source: str) -> pl.DataFrame:
    columns = list(whole.values())
    if columns and all(isinstance(values, list) and len(values) == len(columns[0]) for values in columns):
        return pl.DataFrame([joined([column_of_objects(n, values)]) for n, values in whole.items()])
    if any(isinstance(values, (list, dict)) for values in columns):
        raise DataError(
            "Records must be one a line, a list, or a dict of equally long columns.", given=source, fix=FIX
        )
    return frame_of_records([whole], source)
