"""Rows that are steps: which belong together, in which order, and what their columns hold.

N rows as they were read, L of them usable, S sequences or series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from coterie.data.dates import find_format, seconds
from coterie.data.numbers import why_identifier
from coterie.data.roles import find_column, name_parts
from coterie.data.table import Table
from coterie.data.targets import PARSED
from coterie.data.values import (
    is_date,
    is_nested,
    is_text,
    numbers,
    raw_numbers,
    says_missing,
    truth,
    words,
)
from coterie.errors import DataError

NO_ID = ("", "na", "n/a", "nan", "null")  # "none" and "?" may well name a sequence


@dataclass(frozen=True)
class Order:
    """The table's rows by series, in order of first appearance, and by time within.

    rows (L,): row numbers of the usable rows, in that order; series (L,): 0 … S − 1; begins and lengths (S,);
    time (L,) float64, if there is one, sorted alike; repeated: rows with the time of the one before.
    """

    rows: np.ndarray
    series: np.ndarray
    begins: np.ndarray
    lengths: np.ndarray
    time: np.ndarray | None
    repeated: int
    notes: tuple[str, ...]


# ---- which row belongs where ---------------------------------------------------------------------------


def in_order(table: Table, by: str | None, time: str | None, form: str) -> Order:
    """The rows of each id in `by` (None: all are one series) by time (None: as they stand).

    form: as `written` finds it. Raises DataError when a column is missing or no row can be used.
    """
    frame, notes = table.frame, []
    if not frame.height:
        raise DataError("A table needs rows.", given=f"no row in '{table.source}'")
    first, usable = np.zeros(frame.height, dtype=np.int64), np.ones(frame.height, dtype=bool)
    if by is not None:
        find_column(table, by, "The id of each row")
        text = words(frame[by])
        known = ~says_missing(text, NO_ID).to_numpy()
        # A sequence goes by the number of its first row, so that they keep the table's order.
        place = pl.DataFrame({"id": text}).with_row_index("row").select(pl.col("row").min().over("id"))
        first = place.to_series().to_numpy().astype(np.int64)
        if lost := int((~known).sum()):
            notes.append(f"{lost:,} rows have no '{by}' and are left out.")
        usable &= known
    moment = None
    if time is not None:
        find_column(table, time, "The time")
        moment = moments(frame[time], form)
        gone = np.isnan(moment)
        if gone.sum() > 0.5 * frame.height:
            seen = frame[time].drop_nulls()
            raise DataError(
                f"The time column '{time}' must hold dates, times or numbers.",
                given=f"{int(gone.sum()):,} of {frame.height:,} rows with neither"
                + (f", such as {seen[0]!r}" if len(seen) else ""),
                fix="Write dates as 2024-01-31, or give another column.",
            )
        if lost := int((gone & usable).sum()):
            notes.append(f"{lost:,} rows have no usable time in '{time}' and are left out.")
        usable &= ~gone
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise DataError("Rows need an id and a time.", given=f"no such row in '{table.source}'")
    rows = rows[np.lexsort((first[rows],) if moment is None else (moment[rows], first[rows]))]  # stable
    new = np.diff(first[rows], prepend=-1) != 0
    begins = np.flatnonzero(new)
    lengths = np.diff(begins, append=len(rows))
    again = 0
    if moment is not None:
        moment = moment[rows]
        again = int(((np.diff(moment, prepend=np.nan) == 0) & ~new).sum())
        if again and by is not None:
            notes.append(f"{again:,} rows have the '{time}' of another row of their '{by}'.")
        elif again:
            notes.append(f"{again:,} rows have the '{time}' of another row.")
    return Order(rows, np.cumsum(new) - 1, begins, lengths, moment, again, tuple(notes))


def written(series: pl.Series) -> str:
    """The format of dates that times are written in; "" for numbers and for true dates."""
    if not is_text(series.dtype):
        return ""
    text = words(series)
    known = text.filter(~says_missing(text))
    form = find_format(known)[0]
    dates, plain = seconds(known, form).null_count(), int(np.isnan(numbers(known)).sum())
    return form if dates <= plain else ""


def moments(series: pl.Series, form: str) -> np.ndarray:
    """(N,) float64: seconds since 1970 for dates, the number itself for numbers; NaN where neither."""
    if is_date(series.dtype) or form:
        return seconds(series, form).to_numpy().astype(np.float64)
    plain = numbers(series)
    if np.isnan(plain).all() and (late := written(series)):  # true dates once, now dates in text
        return seconds(series, late).to_numpy().astype(np.float64)
    return plain


# ---- what a column holds -------------------------------------------------------------------------------


def holds_numbers(series: pl.Series) -> bool:
    """Whether cells are quantities: numbers, durations, or yes and no. Codes such as 00123 are not."""
    dtype = series.dtype
    if is_date(dtype) or is_nested(dtype) or isinstance(dtype, pl.Categorical | pl.Enum):
        return False
    if not is_text(dtype):
        return dtype.is_numeric() or isinstance(dtype, pl.Boolean | pl.Duration | pl.Time)
    text = words(series)
    said = text.filter(~says_missing(text))
    if not len(said) or said.str.contains(r"^0\d+$").any():
        return False
    good = len(said) - raw_numbers(said).null_count()
    return good >= PARSED * len(said) or (good == 0 and truth(said).null_count() == 0)


def quantities(series: pl.Series) -> np.ndarray:
    """(N,) float64: finite numbers, NaN for missing; yes is 1 and no is 0 where there is nothing else."""
    values = numbers(series)
    if is_text(series.dtype) and np.isnan(values).all():
        return truth(series).to_numpy().astype(np.float64)
    return values


def why_no_quantity(name: str, values: np.ndarray) -> str:
    """Why numbers only name rows, or have nothing to tell; "" when they do not."""
    place = np.flatnonzero(~np.isnan(values))
    if not len(place):
        return "It has no value."
    known = values[place]
    if (known != np.round(known)).any():
        return ""
    distinct = np.unique(known)
    return why_identifier(name_parts(name), distinct, len(distinct) == len(known), known - place, len(known))


def _known(series: pl.Series, codes: Sequence[str]) -> np.ndarray:
    """(N,) bool: the cell holds something."""
    if is_nested(series.dtype):
        return series.is_not_null().to_numpy()
    return ~says_missing(words(series), codes).to_numpy()


def varying(series: pl.Series, order: Order, codes: Sequence[str]) -> np.ndarray:
    """(S,) bool: in which sequences the cells that hold something differ."""
    known = _known(series, codes)[order.rows]
    text = words(series, as_number=True).gather(order.rows[known])
    of = order.series[known]
    differs = (text != text.shift(1)).fill_null(False).to_numpy() & (np.diff(of, prepend=-1) == 0)
    return np.bincount(of[differs], minlength=len(order.begins)) > 0


def first_known(series: pl.Series, order: Order, codes: Sequence[str]) -> pl.Series:
    """(S,): the first cell of each sequence that holds something, or its first."""
    places = np.flatnonzero(_known(series, codes)[order.rows])
    found, which = np.unique(order.series[places], return_index=True)
    begins = order.begins.copy()
    begins[found] = places[which]
    return series.gather(order.rows[begins])
