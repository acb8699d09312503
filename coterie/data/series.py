"""Values of any kind — lists, arrays, tensors, columns of other libraries — as a polars column."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl

from coterie.errors import DataError

INT64 = 2**63
MISSING = {"NoneType", "NAType", "NaTType"}  # None, and pandas' two
WHOLE = (int, np.integer)
NUMBER = (int, float, np.integer, np.floating, Decimal, Fraction)


def column_of(name: str, values: Any) -> pl.Series:
    """One column from a list, an array, a tensor, or a column of polars, pandas or their like.

    An array of 3 or 4 axes is a column of sequences or images, a list of lists one of sequences of any
    length. Raises DataError for other values that are not one-dimensional.

    >>> column_of("age", [1, None, 2.5]).to_list()
    [1.0, None, 2.5]
    """
    if isinstance(values, pl.Series):
        if values.dtype == pl.Object:
            return column_of_objects(name, values.to_list())
        return values.rename(name)
    if isinstance(values, (list, tuple, range)):
        return column_of_objects(name, values)
    array = as_array(values)
    if array is None:
        raise DataError(
            "A column must be a list, an array, a tensor or a column of a frame.",
            given=f"{type(values).__name__} for column {name!r}",
            fix="Make it a list with one value a row.",
        )
    if array.ndim in (3, 4) and array.dtype.kind in "buif":
        from coterie.data.arrays import inputs_of

        return next(iter(inputs_of(array).values())).rename(name)
    if array.ndim != 1:
        raise DataError(
            "A column must have one dimension.",
            given=f"shape {tuple(array.shape)} for column {name!r}",
            fix="Give each of its columns a name of its own.",
        )
    return _column_of_array(name, array)


def as_array(values: Any) -> np.ndarray | None:
    """The NumPy array in an array, a tensor on any device, or a column of a frame; None for others."""
    if isinstance(values, np.ma.MaskedArray):
        return np.array(values.tolist(), dtype=object) if values.mask.any() else np.asarray(values)
    if isinstance(values, np.ndarray):
        return values
    if isinstance(values, (str, bytes, dict)):
        return None
    if hasattr(values, "detach"):  # a torch tensor, without importing torch
        tensor = values.detach().cpu()
        tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return np.asarray(tensor.numpy())
    if hasattr(values, "iloc") and not isinstance(values.dtype, np.dtype):
        return np.asarray(values.to_numpy(dtype=object))  # pandas' own types: NA would become NaN
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    return np.asarray(values) if hasattr(values, "__array__") else None


def _column_of_array(name: str, array: np.ndarray) -> pl.Series:
    kind = array.dtype.kind
    if kind == "c" or array.dtype.names:
        raise DataError("A column must hold plain values.", given=f"{array.dtype} for column {name!r}",
                        fix="Split it into columns of numbers.")  # fmt: skip
    if kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    if kind in "biuf":
        return pl.Series(name, np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)))
    if kind == "M":
        # Missing times become null; seconds, which polars has not, become microseconds.
        micros = array.astype("datetime64[us]")
        return pl.Series(name, micros.astype(np.int64), dtype=pl.Int64).to_frame().select(
            pl.when(pl.Series(~np.isnat(array))).then(pl.col(name)).cast(pl.Datetime("us")).alias(name)
        )[name]  # fmt: skip
    return column_of_objects(name, array.tolist())


def column_of_objects(name: str, values: Iterable[Any]) -> pl.Series:
    """A column from Python values: of one type if they agree, of numbers if all are, else of text.

    None and pandas' NA and NaT are missing; so is NaN among values that are not numbers. Lists and dicts
    become JSON text.
    """
    values = list(values)
    kinds = {kind for kind in set(map(type, values)) if kind.__name__ not in MISSING}
    if len(kinds) != len(set(map(type, values))):
        values = [None if type(value).__name__ in MISSING else value for value in values]
    if any(not issubclass(kind, NUMBER) or kind is bool for kind in kinds) and kinds != {bool}:
        values = [None if isinstance(v, (float, np.floating)) and math.isnan(v) else v for v in values]
        kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return pl.Series(name, [None if v is None else bool(v) for v in values], dtype=pl.Boolean)
    if all(issubclass(kind, NUMBER) and kind is not bool for kind in kinds):
        return _column_of_numbers(name, values, kinds)
    if all(issubclass(kind, str) for kind in kinds):
        return pl.Series(name, values, dtype=pl.String)
    if len(kinds) == 1 and issubclass(next(iter(kinds)), (datetime.date, datetime.time, datetime.timedelta)):
        try:
            return pl.Series(name, values)
        except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            pass  # such as several time zones: text says them all
    if all(issubclass(kind, (list, tuple, np.ndarray)) for kind in kinds):
        found = _column_of_lists(name, values)
        if found is not None:
            return found
    return pl.Series(name, [None if v is None else _text(v) for v in values], dtype=pl.String)


def _column_of_lists(name: str, values: list[Any]) -> pl.Series | None:
    """Lists of numbers, of equally many numbers a step, or of words, as what they are; None for others."""
    flat = [item for value in values if value is not None for item in value]
    said = [item for item in flat if type(item).__name__ not in MISSING]
    if said and all(isinstance(item, str) for item in said):
        values = [None if v is None else [w if isinstance(w, str) else None for w in v] for v in values]
        return pl.Series(name, values, dtype=pl.List(pl.String))
    try:
        arrays = [None if v is None else np.asarray(v, dtype=np.float64) for v in values]
    except (TypeError, ValueError):
        return None
    axes = {a.ndim for a in arrays if a is not None and a.size}
    if axes == {1} or not flat:
        dtype: pl.DataType = pl.List(pl.Float64)
    elif axes == {2}:
        dtype = pl.List(pl.List(pl.Float64))
    else:
        return None
    return pl.Series(name, [None if a is None else a.tolist() for a in arrays], dtype=dtype)


def _column_of_numbers(name: str, values: list[Any], kinds: set[type]) -> pl.Series:
    if kinds <= {float}:
        return pl.Series(name, values, dtype=pl.Float64)
    if all(issubclass(kind, WHOLE) for kind in kinds) and all(
        v is None or -INT64 <= v < INT64 for v in values
    ):
        return pl.Series(name, [None if v is None else int(v) for v in values], dtype=pl.Int64)
    return pl.Series(name, [None if v is None else _float(v) for v in values], dtype=pl.Float64)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def joined(parts: list[pl.Series]) -> pl.Series:
    """Parts of one column, read apart, as one: parts without a value fit any, the rest as above."""
    dtypes = {part.dtype for part in parts} - {pl.Null}
    if not dtypes:
        dtype: pl.DataType | type[pl.DataType] = pl.String
    elif len(dtypes) == 1:
        dtype = next(iter(dtypes))
    else:
        dtype = pl.Float64 if dtypes == {pl.Int64, pl.Float64} else pl.String
    return pl.concat([part.cast(dtype) for part in parts])
