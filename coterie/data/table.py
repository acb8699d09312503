"""What was read: a table with its name, where it came from, and what the reader found out about it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from coterie.data.scanned import Frame

SLICE = 100_000  # rows whose text is joined at once for the hash


@dataclass(frozen=True)
class Table:
    """A table as it was read, before anything is decided about its columns.

    frame: from delimited text every column is String (null where a field was empty); Parquet, Excel,
    JSON and frames keep their own types; one that memory has no room for stays in its file (`scanned.py`).
    name: names the study's folder. source: the path as it was given, or "digits", "a frame", "arrays", "a
    dict of columns". sha256: of the file's bytes, or of the columns (names, types, values) of data in memory.
    notes: what the reader found out, a sentence each.
    target: the columns to predict when the data say so themselves. path: the file's absolute path.
    """

    frame: Frame
    name: str
    source: str
    sha256: str
    notes: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    path: str | None = None


def tidy_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Column names that are stripped, not blank and all different; and notes on what was renamed.

    >>> tidy_names(["age", "", "age"])[0]
    ['age', 'column_2', 'age_2']
    """
    stripped = [name.strip() for name in names]
    taken = set(stripped)
    blank: list[str] = []
    repeated: list[str] = []
    seen: set[str] = set()
    counts: dict[str, int] = {}
    tidy = []
    for position, name in enumerate(stripped, start=1):
        if name and name not in seen:
            tidy.append(name)
            seen.add(name)
            continue
        stem = name or "column"
        number = counts.get(stem, 1) + 1 if name else position
        while (new := f"{stem}_{number}") in taken:
            number += 1
        if name:
            counts[stem] = number
        (repeated if name else blank).append(new)
        taken.add(new)
        seen.add(new)
        tidy.append(new)
    notes = []
    if blank:
        notes.append(f"{_columns(len(blank))} without a name, now called {some(blank)}.")
    if repeated:
        notes.append(f"{_columns(len(repeated))} with the name of another, now called {some(repeated)}.")
    return tidy, notes


def _columns(count: int) -> str:
    return "1 column came" if count == 1 else f"{count:,} columns came"


def some(names: Sequence[str], most: int = 5) -> str:
    """The first few names, quoted, for a message: `'a', 'b' and 7 more`."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def columns_sha256(frame: pl.DataFrame) -> str:
    """A hash of the names, types and values of the columns: equal tables have equal hashes anywhere."""
    digest = hashlib.sha256(f"{frame.height}×{frame.width}".encode())
    for column in frame.iter_columns():
        digest.update(f"\0{column.name}\0{column.dtype}\0".encode())
        digest.update(np.packbits(column.is_null().to_numpy()).tobytes())
        _hash_values(digest, column)
    return digest.hexdigest()


def _hash_values(digest: hashlib._Hash, column: pl.Series) -> None:
    dtype = column.dtype
    if dtype == pl.Null:
        return
    if dtype == pl.Boolean:
        column = column.cast(pl.UInt8)
    elif dtype.is_temporal():
        column = column.to_physical()
    if column.dtype.is_numeric() and not column.dtype.is_decimal():
        values = column.fill_null(0).to_numpy()
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())
        return
    if isinstance(dtype, pl.Array | pl.List):
        if isinstance(dtype, pl.List):
            length = column.list.len().fill_null(0)
            digest.update(length.to_numpy().astype("<u4").tobytes())
            column = column.filter(length > 0)
        if len(column):
            _hash_values(digest, column.drop_nulls().explode())
        return
    if dtype.is_nested() or dtype in (pl.Object, pl.Binary):
        column = pl.Series(column.name, [repr(value) for value in column.to_list()], dtype=pl.String)
    texts = column.cast(pl.String).fill_null("")
    for begin in range(0, len(texts), SLICE):
        part = texts.slice(begin, SLICE)
        digest.update(part.str.len_bytes().to_numpy().astype("<u4").tobytes())
        digest.update("".join(part.to_list()).encode())
