"""Data in memory → Table: frames of any library, dicts of columns, arrays, tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from coterie.data.arrays import inputs_of
from coterie.data.records import frame_of_records
from coterie.data.series import as_array, column_of
from coterie.data.table import Table, columns_sha256, tidy_names
from coterie.errors import DataError

FIX = "Give a path, a frame (polars, pandas, …), a dict of columns, an array X, or (X, y)."


def read_memory(data: Any) -> Table:
    """The table in a frame, a dict of columns, a list of dicts, an array X (N, F), or a pair (X, y).

    Columns of an array are called x0, x1, …; y (N,) or (N, K) becomes the target: y, or y0, y1, ….
    Raises DataError for anything else, and for columns of different lengths.

    >>> read_memory(([[1.0, 2.0], [3.0, 4.0]], ["no", "yes"])).target
    ('y',)
    """
    if isinstance(data, tuple):
        if len(data) != 2:
            raise DataError("A tuple of data must be (X, y).", given=f"a tuple of {len(data)}", fix=FIX)
        return _pair(*data)
    columns, kind = _columns(data, "x")
    return _table(columns, kind, ())


def _pair(x: Any, y: Any) -> Table:
    inputs, kind = _columns(x, "x")
    outputs, _ = _columns(y, "y")
    target_names = [column.name for column in outputs]
    clashes = {column.name for column in inputs} & set(target_names)
    if clashes:
        raise DataError(
            "A target must not have the name of an input.",
            given=repr(sorted(clashes)[0]),
            fix="Leave it out of X, or rename it.",
        )
    if inputs and outputs and len(inputs[0]) != len(outputs[0]):
        raise DataError(
            "X and y must have as many rows as each other.",
            given=f"{len(inputs[0]):,} and {len(outputs[0]):,}",
        )
    return _table([*inputs, *outputs], kind, tuple(target_names))


def _table(columns: list[pl.Series], kind: str, target: tuple[str, ...]) -> Table:
    if not columns:
        raise DataError("Data must have a column.", given=kind, fix=FIX)
    lengths = {len(column): column.name for column in columns}
    if len(lengths) > 1:
        short, long = min(lengths), max(lengths)
        raise DataError(
            "Columns must be equally long.",
            given=f"{lengths[short]!r} has {short:,} values, {lengths[long]!r} {long:,}",
        )
    names, notes = tidy_names([column.name for column in columns])
    columns = [column.rename(name) for column, name in zip(columns, names, strict=True)]
    # The target's columns are the last.
    target = tuple(names[len(names) - len(target) :]) if target else ()
    frame = pl.DataFrame([_settled(column) for column in columns])
    name = {"a frame": "frame", "arrays": "arrays"}.get(kind, "columns")
    return Table(frame, name, kind, columns_sha256(frame), tuple(notes), target)


def _settled(column: pl.Series) -> pl.Series:
    """The column in a type that everything later knows: no Null, no integers beyond 64 bits."""
    if column.dtype == pl.Null:
        return column.cast(pl.String)
    wide = str(column.dtype) in ("Int128", "UInt128", "Float16")
    return column.cast(pl.Float64) if wide else column


def _columns(data: Any, letter: str) -> tuple[list[pl.Series], str]:
    """The columns of data in memory, and what the data are in words; letter names columns without names."""
    if isinstance(data, (pl.DataFrame, pl.LazyFrame)):
        return _polars(data), "a frame"
    if isinstance(data, pl.Series) or _is_series(data):
        name = str(getattr(data, "name", None) or _alone(letter))
        return [column_of(name, data)], "a frame"
    if isinstance(data, Mapping):
        return [column_of(str(name), values) for name, values in data.items()], "a dict of columns"
    if (columns := _foreign(data)) is not None:
        return columns, "a frame"
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _from_list(list(data), letter)
    array = as_array(data)
    if array is None:
        raise DataError("Data must be of a kind that can be read.", given=type(data).__name__, fix=FIX)
    return _from_array(array, letter), "arrays"


def _polars(data: pl.DataFrame | pl.LazyFrame) -> list[pl.Series]:
    frame = data.collect() if isinstance(data, pl.LazyFrame) else data
    return [column_of(column.name, column) for column in frame.iter_columns()]


def _is_series(data: Any) -> bool:
    if hasattr(data, "columns"):
        return False
    return isinstance(nw.from_native(data, allow_series=True, pass_through=True), nw.Series)


def _foreign(data: Any) -> list[pl.Series] | None:
    """The columns of another library's frame, by way of narwhals; None if it is not a frame."""
    if isinstance(data, nw.DataFrame | nw.LazyFrame):
        data = data.to_native()
    if hasattr(data, "set_axis") and hasattr(data, "iloc"):  # pandas and its like: names may repeat
        names = [str(name) for name in data.columns]
        return [column_of(name, data.iloc[:, i]) for i, name in enumerate(names)]
    frame = nw.from_native(data, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if not isinstance(frame, nw.DataFrame):
        return None
    return _polars(frame.to_polars())


def _from_list(rows: list[Any], letter: str) -> tuple[list[pl.Series], str]:
    if not rows:
        raise DataError("Data must have a column.", given="an empty list", fix=FIX)
    if isinstance(rows[0], Mapping):
        return list(frame_of_records(rows, "a list of records").iter_columns()), "a list of records"
    if not any(isinstance(row, (list, tuple, np.ndarray)) for row in rows):
        return [column_of(_alone(letter), rows)], "arrays"
    lengths = {len(row) if isinstance(row, (list, tuple, np.ndarray)) else -1 for row in rows}
    if len(lengths) > 1:
        raise DataError("Rows must be equally long.", given=f"rows of {min(lengths)} and {max(lengths)}"
                        if min(lengths) >= 0 else "rows and single values together",
                        fix="Sequences of different length are a column: {'sequence': rows}.")  # fmt: skip
    columns = list(zip(*rows, strict=True))
    names = [f"{letter}{i}" for i in range(len(columns))] if len(columns) > 1 else [_alone(letter)]
    return [column_of(name, list(v)) for name, v in zip(names, columns, strict=True)], "arrays"


def _alone(letter: str) -> str:
    return "y" if letter == "y" else "x0"


def _from_array(array: np.ndarray, letter: str) -> list[pl.Series]:
    if array.ndim == 1:
        return [column_of(_alone(letter), array)]
    if array.ndim > 2:
        return [column.rename(name) for name, column in inputs_of(array).items()]
    if array.ndim != 2:
        raise DataError("An array must have the shape (rows, columns).", given="a single value", fix=FIX)
    if array.shape[1] == 1:
        return [column_of(_alone(letter), array[:, 0])]
    return [column_of(f"{letter}{i}", array[:, i]) for i in range(array.shape[1])]
