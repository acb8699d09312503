"""The facts of each column that `inspect` and the report show. N rows."""

import numpy as np
import polars as pl

from coterie.data.dates import seconds
from coterie.data.encode import category_codes
from coterie.data.roles import Roles
from coterie.data.schema import Column, Schema
from coterie.data.table import Table
from coterie.data.values import SLICE, is_nested, numbers, says_missing, truth, words


def describe(table: Table, roles: Roles, schema: Schema) -> list[dict[str, object]]:
    """For each column: name, kind, role, note, share of rows where it is missing, distinct values.

    Over all rows of the table, which is for reading only. distinct does not count missing values.
    """
    assert [column.name for column in schema.columns] == list(roles.columns)
    facts: list[dict[str, object]] = []
    for column in schema.columns:
        series = table.frame[column.name]
        missing = missing_cells(series, column)
        distinct = None if is_nested(series.dtype) else series.filter(~pl.Series(missing)).n_unique()
        facts.append(
            {
                "name": column.name,
                "kind": column.kind,
                "role": column.role,
                "note": column.note,
                "missing": float(missing.mean()) if len(missing) else 0.0,
                "distinct": distinct or 0,
            }
        )
    return facts


def missing_cells(series: pl.Series, column: Column) -> np.ndarray:
    """(N,) bool: the cell holds nothing that this column's kind can use."""
    if len(series) > SLICE:  # words take much memory
        parts = series.to_frame().iter_slices(SLICE)
        return np.concatenate([missing_cells(part.to_series(), column) for part in parts])
    if is_nested(series.dtype) or column.kind in ("image", "text"):
        return series.is_null().to_numpy()
    if column.role == "feature":
        if column.kind == "category":
            return category_codes(series, column) == len(column.vocabulary) + 1
        if column.kind == "datetime":
            return seconds(series, column.format).is_null().to_numpy()
        if column.kind == "boolean":
            return truth(series).is_null().to_numpy()
        return np.isnan(numbers(series, column.missing))
    if series.dtype.is_numeric():
        return np.isnan(numbers(series))
    return says_missing(words(series)).to_numpy()
