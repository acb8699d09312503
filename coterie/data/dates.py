"""Dates and times in text: which format a column is written in, and what a model is given of them. N rows.

A format is found from the values' shapes, and day-first is told from month-first by what the values
allow, then by what order the rows are in. It is written into the schema, so later tables are read alike.
"""

import math
import re
from collections import Counter

import numpy as np
import polars as pl

from coterie.data.schema import PARTS

_DATES = (  # shape of the date at the start of a value, and the formats that it may be
    (re.compile(r"\d{4}([-/.])\d{1,2}\1\d{1,2}(?!\d)"), ("%Y{s}%m{s}%d",)),
    (re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{4}(?!\d)"), ("%d{s}%m{s}%Y", "%m{s}%d{s}%Y")),
    (re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{2}(?!\d)"), ("%d{s}%m{s}%y", "%m{s}%d{s}%y")),
    (re.compile(r"\d{1,2}([- ])[A-Za-z]{3,9}\1\d{4}(?!\d)"), ("%d{s}%b{s}%Y",)),
    (re.compile(r"[A-Za-z]{3,9}( )\d{1,2}, \d{4}(?!\d)"), ("%b %d, %Y",)),
    (re.compile(r"(?:19|20)\d\d()(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)"), ("%Y%m%d",)),
    (re.compile(r"\d{4}(-)\d{2}(?!\d)"), ("%Y-%m",)),
)
_TIMES = (
    (re.compile(r" \d{1,2}:\d\d"), " %H:%M"),
    (re.compile(r" \d{1,2}:\d\d:\d\d(\.\d+)?"), " %H:%M:%S%.f"),
    (re.compile(r" \d{1,2}:\d\d ?[AaPp][Mm]"), " %I:%M %p"),
    (re.compile(r" \d{1,2}:\d\d:\d\d ?[AaPp][Mm]"), " %I:%M:%S %p"),
)
_ZONE = re.compile(r" ?[+-]\d\d:?\d\d$")
_SAMPLE = 40  # values whose shape is looked at
_FIRST_YEAR = -30610224000.0  # 1 January 1000, in seconds since 1970: an earlier date is a misreading


def _tidy(text: pl.Series) -> pl.Series:
    """ISO's T and Z written as other formats do, months as three letters, one space before AM and PM."""
    tidy = text.str.strip_chars().str.replace(r"^(\S+\d)T(\d)", "$1 $2").str.replace(r" ?(Z|UTC|GMT)$", "")
    tidy = tidy.str.replace(r"\b([A-Za-z]{3})[a-z]+\b", "$1")
    return tidy.str.replace(r"(\d) ?([AaPp][Mm])$", "$1 $2")


def _formats(value: str) -> tuple[str, ...]:
    """The formats that one tidied value may be written in."""
    zone = _ZONE.search(value) if ":" in value else None
    rest = value[: zone.start()] if zone else value
    for shape, formats in _DATES:
        date = shape.match(rest)
        if date is None:
            continue
        time = rest[date.end() :]
        suffixes = [suffix for pattern, suffix in _TIMES if pattern.fullmatch(time)] if time else [""]
        space = " " if zone and zone.group().startswith(" ") else ""
        ending = f"{space}%z" if zone else ""
        return tuple(
            f.replace("{s}", date.group(1)) + suffix + ending for f in formats for suffix in suffixes
        )
    return ()


def seconds(series: pl.Series, form: str = "") -> pl.Series:
    """(N,) Float64: seconds since 1970 (UTC), null where there is no date of this format.

    form: a strptime format from `find_format`; "" reads only true dates and datetimes, which are read
    as they are whatever the format.

    >>> seconds(pl.Series(["1970-01-02", "soon"]), "%Y-%m-%d").to_list()
    [86400.0, None]
    """
    if isinstance(series.dtype, pl.Date | pl.Datetime):
        return series.dt.epoch("us").cast(pl.Float64) / 1e6
    if not form or series.dtype.is_nested() or isinstance(series.dtype, pl.Object | pl.Binary):
        return pl.Series(series.name, [None] * len(series), dtype=pl.Float64)
    text = _tidy(series.cast(pl.String))
    if form == "%Y-%m":
        text, form = text + "-01", "%Y-%m-%d"
    dates = text.str.to_datetime(form, strict=False, time_unit="us", exact=True)
    values = dates.cast(pl.Int64).cast(pl.Float64) / 1e6
    return values.set(values < _FIRST_YEAR, None)


def find_format(series: pl.Series) -> tuple[str, str]:
    """The format that most of these non-missing values are written in, and how it was decided.

    ("", "") when they are no dates. What is decided is a sentence only where there was a choice.

    >>> find_format(pl.Series(["13/02/2020", "01/03/2020"]))
    ('%d/%m/%Y', 'Dates are day-first.')
    """
    if isinstance(series.dtype, pl.Date | pl.Datetime):
        return "", ""
    head = series.head(_SAMPLE).cast(pl.String).drop_nulls()
    if not any(character.isdigit() for value in head[:5].to_list() for character in value):
        return "", ""  # soon done with words
    sample = _tidy(head).to_list()
    if not any(_formats(value) for value in sample[:5]):
        return "", ""
    shapes = Counter(_formats(v) for v in sample)
    formats, count = shapes.most_common(1)[0]
    if not formats or count < 0.5 * len(sample):
        return "", ""
    if len(formats) == 1:
        return formats[0], ""
    day, month = formats
    read = {form: seconds(series, form) for form in formats}
    lost = {form: values.null_count() for form, values in read.items()}
    if lost[day] != lost[month]:
        return (day, "Dates are day-first.") if lost[day] < lost[month] else (month, "Dates are month-first.")
    if read[day].equals(read[month]):
        return day, ""
    ordered = {form: _in_order(values) for form, values in read.items()}
    if ordered[day] != ordered[month]:
        better = day if ordered[day] else month
        first = "day" if ordered[day] else "month"
        return better, f"Dates are read {first}-first, since the rows are then in order of time."
    return (
        day,
        "Dates could be day-first or month-first, and are read day-first: write 2024-01-31 to be sure.",
    )


def _in_order(values: pl.Series) -> bool:
    steps = np.diff(values.drop_nulls().to_numpy())
    return bool(len(steps)) and bool((steps >= 0).all() or (steps <= 0).all())


def features(values: np.ndarray, origin: float) -> dict[str, np.ndarray]:
    """(N,) seconds since 1970, NaN for missing, as {part: (N,) float64} for all `PARTS`.

    "elapsed" is in days since the origin; the others are sine and cosine of the place in the year, the
    week and the day, so that December is next to January.
    """
    gone = np.isnan(values)
    stamp = np.where(gone, 0.0, values)
    days = np.floor(stamp / 86400.0)
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    turns = {
        "month": months / 12.0,
        "weekday": (days + 3.0) % 7.0 / 7.0,  # 1 January 1970 was a Thursday; Monday is 0
        "hour": np.floor((stamp - days * 86400.0) / 3600.0) / 24.0,
    }
    result = {"elapsed": (stamp - origin) / 86400.0}
    for name, turn in turns.items():
        result[f"{name}_sin"] = np.sin(2.0 * math.pi * turn)
        result[f"{name}_cos"] = np.cos(2.0 * math.pi * turn)
    return {part: np.where(gone, np.nan, result[part]) for part in PARTS}


def varying_parts(values: np.ndarray) -> tuple[str, ...]:
    """Those of `PARTS` that are worth giving to a model: the elapsed time, and cycles that vary.

    values: (N,) seconds since 1970 without NaN.
    """
    made = features(values, 0.0)
    varies = {part: len(x) > 1 and float(np.ptp(x)) > 1e-9 for part, x in made.items()}
    cycles = {name: varies[f"{name}_sin"] or varies[f"{name}_cos"] for name in ("month", "weekday", "hour")}
    return tuple(part for part in PARTS if part == "elapsed" or cycles[part.split("_")[0]])
