"""What a cell says: as a number, as text, as yes or no, or as nothing at all. N rows.

The one place where cells are read, so that a CSV's "3", a frame's 3 and a pandas 3.0 are the same value
in training and at predict time. Everything is a polars expression over whole columns.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

# Text that stands for "no value", whatever its capitals. In a target only those of TARGET_MISSING do:
# "none" or "unknown" may well be a class.
MISSING = (
    "",
    "na",
    "n/a",
    "#n/a",
    "<na>",
    "nan",
    "nat",
    "null",
    "none",
    "?",
    "-",
    "--",
    ".",
    "missing",
    "unknown",
)
TARGET_MISSING = ("", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null", "?")

FALSE = ("false", "no", "n", "f", "off", "0")
TRUE = ("true", "yes", "y", "t", "on", "1")

SLICE = 1 << 20  # cells that are spelled at once, since words take much memory
LARGEST = 1e30  # finite values beyond are clipped: float32 ends at 3.4e38, and squares must not overflow


def is_text(dtype: pl.DataType) -> bool:
    """Whether cells of this dtype are text: strings, and categories of strings."""
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum)


def is_date(dtype: pl.DataType) -> bool:
    """Whether cells of this dtype are dates, with or without a time."""
    return isinstance(dtype, pl.Date | pl.Datetime)


def is_nested(dtype: pl.DataType) -> bool:
    """Whether a cell holds something that is no single value: lists, records, bytes, objects."""
    return dtype.is_nested() or isinstance(dtype, pl.Object | pl.Binary)


def raw_numbers(series: pl.Series) -> pl.Series:
    """(N,) Float64 with null where no number stands; NaN and ±inf are left as they are."""
    dtype = series.dtype
    if isinstance(dtype, pl.Duration):
        return series.cast(pl.Duration("us")).cast(pl.Int64).cast(pl.Float64) / 1e6
    if isinstance(dtype, pl.Time):
        return series.cast(pl.Int64).cast(pl.Float64) / 1e9
    if is_nested(dtype):
        return pl.Series(series.name, [None] * len(series), dtype=pl.Float64)
    if not is_text(dtype):
        return series.cast(pl.Float64, strict=False)
    if len(series) > SLICE:
        return pl.concat([raw_numbers(part.to_series()) for part in series.to_frame().iter_slices(SLICE)])
    text = series if isinstance(dtype, pl.String) else series.cast(pl.String)
    values = text.cast(pl.Float64, strict=False)
    if values.null_count() > text.null_count() and text.str.contains(r"^[\s−]|\s$").any():
        tidy = text.str.strip_chars().str.replace("^−", "-")  # spaces, and the minus sign of typesetters
        values = tidy.cast(pl.Float64, strict=False)
    return values


def numbers(series: pl.Series, missing: Sequence[str] = ()) -> np.ndarray:
    """(N,) float64, each finite and within ±1e30, or NaN where there is no such number.

    missing: codes that stand for missing in this column ("-999"; those that are no numbers do no harm).

    >>> numbers(pl.Series(["1", " 2.5 ", "n/a", "inf", "-999"]), ["-999"])
    array([1. , 2.5, nan, nan, nan])
    """
    x = raw_numbers(series).to_numpy().astype(np.float64)  # a copy, and null becomes NaN
    x[np.isinf(x)] = np.nan
    for code in missing:
        value = _float(code)
        if value is not None:
            x[x == value] = np.nan
    return np.clip(x, -LARGEST, LARGEST, out=x)


def _float(code: str) -> float | None:
    try:
        return float(code)
    except ValueError:
        return None


def words(series: pl.Series, as_number: bool = False) -> pl.Series:
    """(N,) String: the one spelling of each value; null where the cell is null or NaN.

    Text loses the spaces around it, booleans are "True" and "False", whole numbers have no point.
    as_number: text that is a number is spelled as that number ("3.0" and "03" are "3").

    >>> words(pl.Series([3.0, 2.5, float("nan")])).to_list()
    ['3', '2.5', None]
    """
    dtype = series.dtype
    if isinstance(dtype, pl.Boolean):
        return series.replace_strict([False, True], ["False", "True"], return_dtype=pl.String)
    if is_nested(dtype):
        return pl.Series(series.name, [None] * len(series), dtype=pl.String)
    if dtype.is_integer():
        return series.cast(pl.String)
    if is_text(dtype):
        text = series.cast(pl.String).str.strip_chars()
        return _spelled(text, raw_numbers(text)) if as_number else text
    if dtype.is_numeric():
        return _spelled(series.cast(pl.String), series.cast(pl.Float64))
    return series.cast(pl.String)


def _spelled(text: pl.Series, values: pl.Series) -> pl.Series:
    """The text, but whole numbers up to 2^53 without a point, other numbers as polars spells them."""
    frame = pl.DataFrame({"text": text, "value": values})
    value = pl.col("value")
    whole = value.is_finite() & (value == value.round()) & (value.abs() < 2.0**53)
    spelled = (
        pl.when(whole)
        .then(value.cast(pl.Int64, strict=False).cast(pl.String))
        .when(value.is_nan())
        .then(None)
        .when(value.is_finite())
        .then(value.cast(pl.String) if isinstance(text.dtype, pl.String) else pl.col("text"))
        .otherwise(pl.col("text"))
    )
    return frame.select(spelled.alias(text.name)).to_series()


def says_missing(text: pl.Series, codes: Sequence[str] = MISSING) -> pl.Series:
    """(N,) bool: null, or one of the codes in any capitals."""
    word = pl.col(text.name)
    missing = word.is_null() | word.str.strip_chars().str.to_lowercase().is_in(list(codes))
    frame = text.to_frame()
    if len(text) <= SLICE:
        return frame.select(missing).to_series()
    return pl.concat([part.select(missing) for part in frame.iter_slices(SLICE)]).to_series()


def truth(series: pl.Series) -> pl.Series:
    """(N,) Float64: 1 for true, yes, y, t, on and 1; 0 for their opposites; null for all else."""
    if isinstance(series.dtype, pl.Boolean):
        return series.cast(pl.Float64)
    text = words(series, as_number=True).str.to_lowercase()
    spelled = [*FALSE, *TRUE]
    value = [0.0] * len(FALSE) + [1.0] * len(TRUE)
    return text.replace_strict(spelled, value, default=None, return_dtype=pl.Float64)
