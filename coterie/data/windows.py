"""Series → rows to learn a forecast from: the last values up to an origin, and the values that came after.

An origin is the last moment that is known when a forecast is made. Its row holds the `window` values up to
and with the origin, and, as answers, the `horizon` values behind it: never one of them in both.

L values in all, of S series one after the other, each in order of time; N origins.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from coterie.data.arrangement import Arrangement, answer_names
from coterie.data.steps import Order, holds_numbers, quantities, why_no_quantity
from coterie.data.table import Table, some
from coterie.errors import DataError

LONGEST = 256  # the window that is chosen, at most
NUMBERS = 400_000_000  # that all windows may hold together: 3.2 GB


def usual_window(horizon: int, shortest: int) -> int:
    """How many values to forecast from: four horizons or 8, a third of the shortest series, 256 at most.

    >>> usual_window(3, 100), usual_window(12, 100), usual_window(90, 10_000)
    (12, 33, 256)
    """
    return max(1, min(max(4 * horizon, 8), shortest // 3, LONGEST))


def first_places(lengths: np.ndarray, window: int, horizon: int) -> np.ndarray:
    """(N,) int64: where the windows begin that, with their answers, lie within one series.

    lengths: (S,) int64. horizon 0: no answers are needed. Series that are too short have none.

    >>> first_places(np.array([4, 5]), window=2, horizon=1).tolist()
    [0, 1, 4, 5, 6]
    """
    count = np.maximum(0, lengths - window - horizon + 1)
    begins = np.cumsum(lengths) - lengths
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(begins, count) + within


def last_places(lengths: np.ndarray, window: int) -> np.ndarray:
    """(S,) int64: where the last window of each series begins."""
    return np.cumsum(lengths) - window


def window_column(name: str, values: np.ndarray, places: np.ndarray, window: int) -> pl.Series:
    """(N,) Array(Float64, window): the windows that begin at these places; null where a value is NaN.

    values: (L,) float64.
    """
    rows = np.lib.stride_tricks.sliding_window_view(values, window)[places]
    return pl.Series(name, rows.reshape(-1)).fill_nan(None).reshape((len(places), window))


def answer_columns(
    name: str, values: np.ndarray, places: np.ndarray, window: int, horizon: int
) -> list[pl.Series]:
    """The values 1 … horizon steps behind each window, (N,) Float64 each, as `answer_names` calls them."""
    origin = places + window - 1
    return [
        pl.Series(called, values[origin + step]).fill_nan(None)
        for step, called in enumerate(answer_names(name, horizon), start=1)
    ]


def check_size(origins: int, window: int, columns: int) -> None:
    """Raise DataError when the windows would not fit into memory."""
    if origins * window * columns > NUMBERS:
        raise DataError(
            f"The windows of all forecasts may hold {NUMBERS:,} numbers together.",
            given=f"{origins:,} windows of {window:,} values of {columns} columns",
            fix="Ask for a shorter --window, leave columns out, or bring the latest rows only.",
        )


# ---- from a table ----------------------------------------------------------------------------------


def settle_windows(table: Table, asked: Arrangement, order: Order) -> Arrangement:
    """Which columns are read, how long the window is, and which column has the time of an origin."""
    assert asked.horizon
    steps: list[str] = []
    others: list[str] = []
    notes: list[str] = []
    for name in table.frame.columns:
        if name in (asked.time, asked.group):
            continue
        series = table.frame[name]
        number = holds_numbers(series)
        if name in asked.target and not number:
            seen = series.drop_nulls()
            raise DataError(
                "A forecast is of numbers.",
                given=f"the target '{name}'" + (f" with values such as {seen[0]!r}" if len(seen) else ""),
                fix="Name a column of numbers with --target.",
            )
        if not number:
            others.append(name)
        elif name not in asked.target and (why := why_no_quantity(name, quantities(series))):
            notes.append(f"'{name}' is left out: {why}")
        else:
            steps.append(name)
    if others:
        notes.append(f"{some(others)}: left out, a forecast is made from numbers.")
    clash = sorted(set(asked.answers) & {*steps, asked.time, asked.group})
    if clash:
        raise DataError(
            "No column may be called as a forecast is.", given=repr(clash[0]), fix="Rename or remove it."
        )
    moment = asked.time
    if moment is None:
        taken = {*table.frame.columns, *asked.answers}
        moment = next(name for k in range(1, len(taken) + 2) if (name := _numbered("origin", k)) not in taken)
    elif order.time is not None and order.repeated > 0.5 * len(order.rows):
        raise DataError(
            "A series has one row for each time.",
            given=f"'{moment}', which most rows share with another row of their series",
            fix="Name the column that tells the series apart with --group.",
        )
    window = asked.window or usual_window(asked.horizon, int(order.lengths.min()))
    scalars = () if asked.group is None else (asked.group,)
    return replace(
        asked, steps=tuple(steps), scalars=scalars, window=window, moment=moment, notes=tuple(notes)
    )


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}_{number}"


def forecasts(
    table: Table, arrangement: Arrangement, order: Order, with_target: bool
) -> tuple[pl.DataFrame, list[str]]:
    """One row an origin: windows, group and time in the table's order, then the answers; and notes."""
    window, horizon = arrangement.window, arrangement.horizon
    assert window
    assert horizon
    assert arrangement.steps is not None
    assert arrangement.moment is not None
    _long_enough(table, arrangement, order, window, horizon if with_target else 0)
    if with_target:
        places = first_places(order.lengths, window, horizon)
    else:
        places = last_places(order.lengths, window)
    check_size(len(places), window, len(arrangement.steps))
    origin = places + window - 1
    columns: list[pl.Series] = []
    answers: list[pl.Series] = []
    for name in table.frame.columns:
        if name in (arrangement.time, arrangement.group):
            columns.append(table.frame[name].gather(order.rows[origin]))
        elif name in arrangement.steps:
            values = quantities(table.frame[name])[order.rows]
            columns.append(window_column(name, values, places, window))
            if with_target and name in arrangement.target:
                answers += answer_columns(name, values, places, window, horizon)
    if arrangement.time is None:
        number = np.arange(len(order.rows)) - np.repeat(order.begins, order.lengths)
        columns.append(pl.Series(arrangement.moment, number[origin]))
    of = "1 series" if len(order.begins) == 1 else f"{len(order.begins):,} series"
    steps = "1 step" if horizon == 1 else f"1 to {horizon} steps"
    note = f"{len(places):,} forecasts of {of}, {steps} ahead, each from the last {window} rows."
    return pl.DataFrame([*columns, *answers]), [note, *_uneven(order, arrangement.time)]


def _long_enough(table: Table, arrangement: Arrangement, order: Order, window: int, behind: int) -> None:
    short = int(order.lengths.argmin())
    if order.lengths[short] >= window + behind:
        return
    named = ""
    if arrangement.group is not None:
        name = table.frame[arrangement.group][int(order.rows[order.begins[short]])]
        named = f" where '{arrangement.group}' is {name!r}"
    rest = f" and the {behind} to forecast" if behind else ""
    raise DataError(
        f"Each series must hold the {window} rows that a forecast is made from{rest}.",
        given=f"{order.lengths[short]:,} rows{named}",
        fix="Bring longer series, leave short ones out, or ask for a shorter --window"
        + (" or --horizon." if behind else " when fitting."),
    )


def _uneven(order: Order, time: str | None) -> list[str]:
    """A note when the rows of a series are not equally far apart in time."""
    if order.time is None:
        return []
    step = np.diff(order.time)[np.diff(order.series) == 0]
    step = step[step > 0]
    if not len(step) or step.max() <= 1.5 * step.min():  # months are 28 to 31 days long
        return []
    return [f"Steps of '{time}' are not all equally long: a forecast counts rows, not time."]
