"""Tables whose rows are steps → tables whose rows are examples, where a cell holds a whole sequence.

Two ways. Long format: the rows of one id are the steps of one sequence and become one row. Forecasting: a
series is cut into windows, each with the values that followed it (`windows.py`). What becomes of each column
is settled once, on the table that is learned from, and kept in the `Arrangement`; so a later table is
arranged in the same way even if a column happens not to vary there.

N rows as they were read, S sequences or series.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from coterie.data.arrangement import Arrangement
from coterie.data.roles import find_column, listed
from coterie.data.steps import (
    Order,
    first_known,
    holds_numbers,
    in_order,
    quantities,
    varying,
    why_no_quantity,
    written,
)
from coterie.data.table import Table, some
from coterie.data.values import MISSING, TARGET_MISSING, is_nested, is_text
from coterie.data.windows import forecasts, settle_windows
from coterie.errors import DataError

__all__ = ["Arrangement", "arrange", "settle"]


def arrange(table: Table, arrangement: Arrangement, with_target: bool = True) -> Table:
    """The table with one row an example; its `target` is `arrangement.answers`.

    Long format: one row a sequence, in order of first appearance; the id is a column; columns of numbers that
    change within a sequence are List(Float64), and so is the time, as time since the sequence's first row
    (seconds where it is dates); a target that changes is a list of its own type, an answer for every step;
    whatever is the same throughout each sequence stays one value.
    Forecasting: one row an origin, with an Array(Float64, window) of the values up to it of every column of
    numbers, the target's past among them; the target's next values in NAME+1 … NAME+horizon; its group;
    and its time in the column `arrangement.moment`, by which rows are to be split, with `arrangement.gap`.

    with_target=False: for prediction. The long format then needs no target; forecasting gives one row a
    series, its last window. Missing values stay null. An arrangement that is not settled is settled by this
    table. The hash is that of the table and its arrangement. Raises DataError for what cannot be arranged.

    >>> frame = pl.DataFrame({"id": [7, 7, 8], "x": [1.0, 2.0, 3.0], "y": ["a", "a", "b"]})
    >>> made = arrange(Table(frame, "t", "a frame", ""), Arrangement(sequence="id", target=("y",)))
    >>> made.frame.rows()
    [(7, [1.0, 2.0], 'a'), (8, [3.0], 'b')]
    """
    arrangement = settle(table, arrangement)
    if with_target:
        for name in arrangement.target:
            find_column(table, name, "The target")
    by = arrangement.sequence or arrangement.group
    order = in_order(table, by, arrangement.time, arrangement.form)
    make = forecasts if arrangement.horizon else _sequences
    frame, notes = make(table, arrangement, order, with_target)
    said = json.dumps([arrangement.to_dict(), with_target], sort_keys=True)
    return replace(
        table,
        frame=frame,
        sha256=hashlib.sha256(f"{table.sha256}\0{said}".encode()).hexdigest(),
        notes=(*table.notes, *order.notes, *arrangement.notes, *notes),
        target=arrangement.answers if with_target else (),
    )


def settle(table: Table, arrangement: Arrangement) -> Arrangement:
    """The arrangement with all that the table decides: columns, their types, the window. Once is enough.

    Raises DataError when a column does not exist, has two roles, or cannot be used as asked.
    """
    if arrangement.steps is not None:
        return arrangement
    asked = replace(arrangement, target=arrangement.target or table.target)
    _check_names(table, asked)
    form = "" if asked.time is None else written(table.frame[asked.time])
    order = in_order(table, asked.sequence or asked.group, asked.time, form)
    asked = replace(asked, form=form)
    return settle_windows(table, asked, order) if asked.horizon else _settle_sequences(table, asked, order)


def _check_names(table: Table, asked: Arrangement) -> None:
    """Every column that is named exists and has one role."""
    if not asked.target:
        raise DataError(
            "A target column must be named.",
            given=f"the columns {listed(table.frame.columns)}",
            fix="Say which with --target NAME (target= in Python).",
        )
    roles = [("sequence", asked.sequence), ("time", asked.time)]
    roles += [("group", asked.group)] if asked.group != asked.sequence else []
    roles += [("target", name) for name in asked.target]
    taken: dict[str, str] = {}
    for role, name in roles:
        if name is None:
            continue
        find_column(table, name, "The id of a sequence" if role == "sequence" else f"The {role}")
        if name in taken:
            raise DataError(
                "A column can have one role only.",
                given=f"'{name}' as {taken[name]} and as {role}",
                fix="Leave one of them out.",
            )
        taken[name] = role


# ---- long format ---------------------------------------------------------------------------------------


def _settle_sequences(table: Table, asked: Arrangement, order: Order) -> Arrangement:
    """What becomes of each column: what changes within a sequence becomes steps."""
    assert asked.sequence is not None
    if order.lengths.max() == 1:
        raise DataError(
            "The rows of a sequence share its id.",
            given=f"'{asked.sequence}', which is different in all {len(order.rows):,} rows",
            fix="Name the column that says which sequence a row belongs to, or leave --sequence out.",
        )
    changing = [n for n in asked.target if varying(table.frame[n], order, TARGET_MISSING).any()]
    if changing and len(asked.target) > 1:
        raise DataError(
            "Several targets must be the same throughout each sequence.",
            given=f"{some(changing)}, which changes within sequences",
            fix="Study one target at a time.",
        )
    steps: list[str] = []
    scalars: list[str] = []
    wordy: list[str] = []
    nested: list[str] = []
    counting: dict[str, str] = {}  # columns that are no quantity, and why
    for name in table.frame.columns:
        if name in (asked.sequence, asked.time, *asked.target):
            continue
        series = table.frame[name]
        if is_nested(series.dtype):
            nested.append(name)
        elif name != asked.group and holds_numbers(series):
            values = quantities(series)
            x = values[order.rows]
            same = (x[1:] == x[:-1]) | (np.isnan(x[1:]) & np.isnan(x[:-1]))
            if (same | (np.diff(order.series) != 0)).all():
                scalars.append(name)
            elif why := why_no_quantity(name, values):
                counting[name] = why
            else:
                steps.append(name)
        elif not varying(series, order, MISSING).any():
            scalars.append(name)
        elif name == asked.group:
            raise DataError(
                "All rows of a sequence must be of one group.",
                given=f"'{name}', which changes within '{asked.sequence}'",
                fix="Name another --group; the rows of a sequence stay together in any case.",
            )
        else:
            wordy.append(name)
    if not steps and asked.time is None:  # all that there is to read
        steps, counting = list(counting), {}
    notes = [f"'{name}' is left out: {why}" for name, why in counting.items()]
    if wordy:
        notes.append(f"{some(wordy)}: left out, words that change within a sequence are not read.")
    if nested:
        notes.append(f"{some(nested)}: left out, a step of a sequence must be one value.")
    if not steps and asked.time is None:
        raise DataError(
            "A sequence needs a column of numbers that changes within it.",
            given=f"'{asked.sequence}' and {listed(scalars + wordy + nested) or 'no other column'}",
            fix="Name its --time, or leave --sequence out and study one row of each.",
        )
    return replace(
        asked, steps=tuple(steps), scalars=tuple(scalars), each_step=bool(changing), notes=tuple(notes)
    )


def _sequences(
    table: Table, arrangement: Arrangement, order: Order, with_target: bool
) -> tuple[pl.DataFrame, list[str]]:
    """One row a sequence, the columns in the table's order; and notes."""
    assert arrangement.steps is not None
    lists: dict[str, pl.Series] = {}
    scalars: dict[str, pl.Series] = {}
    notes = [f"{len(order.rows):,} rows are {len(order.begins):,} sequences of {_span(order.lengths)} steps."]
    for name in table.frame.columns:
        series = table.frame[name]
        if name == arrangement.sequence:
            scalars[name] = series.gather(order.rows[order.begins])
        elif name == arrangement.time and order.time is not None:
            start = np.repeat(order.time[order.begins], order.lengths)
            lists[name] = pl.Series(name, order.time - start)
        elif name in arrangement.target:
            if with_target and arrangement.each_step:
                whole = series.cast(pl.String) if is_text(series.dtype) else series
                lists[name] = whole.gather(order.rows)
            elif with_target:
                notes += _changed(series, order, TARGET_MISSING)
                scalars[name] = first_known(series, order, TARGET_MISSING)
        elif name in arrangement.steps:
            lists[name] = pl.Series(name, quantities(series)[order.rows]).fill_nan(None)
        elif name in arrangement.scalars:
            notes += _changed(series, order, MISSING)
            scalars[name] = first_known(series, order, MISSING)
    made = _listed(lists, order) | scalars
    return pl.DataFrame([made[name] for name in table.frame.columns if name in made]), notes


def _listed(flat: dict[str, pl.Series], order: Order) -> dict[str, pl.Series]:
    """Columns (L,) as lists (S,)."""
    numbered = {str(place): series for place, series in enumerate(flat.values())}
    frame = pl.DataFrame({"series": order.series, **numbered})
    lists = frame.group_by("series", maintain_order=True).agg(pl.all())
    return {name: lists[str(place)].rename(name) for place, name in enumerate(flat)}


def _changed(series: pl.Series, order: Order, codes: Sequence[str]) -> list[str]:
    """A note when a column that is one value a sequence has several here: a later table may."""
    count = int(varying(series, order, codes).sum())
    if not count:
        return []
    return [f"'{series.name}' should be one value a sequence, and changes in {count:,}: the first is taken."]


def _span(lengths: np.ndarray) -> str:
    low, high = int(lengths.min()), int(lengths.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
