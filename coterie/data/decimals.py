"""Numbers written in other ways ("1.234,5") as plain ones ("1234.5"), a column at a time.

Only for text whose separator is not a comma. A column is rewritten when nearly all of its values are
numbers written in one way (codes for missing values stand aside); values that are not stay as they are.
"""

from __future__ import annotations

import polars as pl

from coterie.data.table import some

MISSING = ["na", "n/a", "nan", "null", "none", "?", "-", ".", "missing", "unknown"]
MOST = 0.95  # of a column's values must be numbers, as for a numeric column
LOOK = 1000  # values that rule most columns out before all are looked at
EXPONENT = r"(?:[eE][+-]?\d+)?\s*$"
# 1.234.567,8: dots between thousands, a comma before the decimals; both may be absent.
COMMA = r"^\s*[+-]?(?:(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d*)?|,\d+)" + EXPONENT
# 1,234,567.8: commas between thousands.
POINT = r"^\s*[+-]?(?:\d+|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d*)?" + EXPONENT
THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2}(?:\.\d{3})*\s*$"
AMBIGUOUS = r"^\s*[+-]?[1-9]\d{0,2},\d{3}\s*$"


def plain_numbers(frame: pl.DataFrame, separator: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame with its text columns' numbers written plainly, and notes naming the columns."""
    columns = frame.get_columns()
    comma, point, dotted = [], [], []
    for i, column in enumerate(columns):
        if not column.str.contains(",", literal=True).any():
            continue
        found = None if _thousands(column, separator) else _numbers(column, COMMA)
        if found is not None:
            columns[i] = _rewritten(column, found, ".", ",")
            comma.append(column.name)
        elif (found := _numbers(column, POINT)) is not None:
            columns[i] = _rewritten(column, found, ",")
            point.append(column.name)
    # "1.234" beside decimal commas elsewhere in the file is 1234; in a file without them it is not.
    for i, column in enumerate(columns):
        if not comma or column.name in {*comma, *point} or not column.str.contains(".", literal=True).any():
            continue
        if (found := _numbers(column, THOUSANDS, most=1)) is not None:
            columns[i] = _rewritten(column, found, ".")
            dotted.append(column.name)
    notes = []
    if comma:
        notes.append(f"Decimal commas in {_named(comma)} were read as decimal points.")
    if dotted:
        notes.append(f"Dots between thousands in {_named(dotted)} were left out.")
    if point:
        notes.append(f"Commas between thousands in {_named(point)} were left out.")
    return pl.DataFrame(columns), notes


def _named(names: list[str]) -> str:
    return f"column {some(names)}" if len(names) == 1 else f"columns {some(names)}"


def _numbers(column: pl.Series, pattern: str, most: float = MOST) -> pl.Series | None:
    """Which values are numbers written so; None unless nearly all are."""
    if len(column) > LOOK and _numbers(column.head(LOOK), pattern, most / 2) is None:
        return None
    found = column.str.contains(pattern)
    count, values = int(found.sum()), len(column) - column.null_count()
    if count < values:
        values -= int(column.str.strip_chars().str.to_lowercase().is_in(MISSING).sum())
    return found.fill_null(False) if count >= most * values else None


def _thousands(column: pl.Series, separator: str) -> bool:
    """Whether commas part thousands although they could be decimal: every one before three digits.

    Not beside ';', which is chosen as separator because the comma is taken.
    """
    if separator == ";":
        return False
    with_comma = column.filter(column.str.contains(",", literal=True))
    return bool(with_comma.str.contains(AMBIGUOUS).all())


def _rewritten(column: pl.Series, found: pl.Series, drop: str, point: str | None = None) -> pl.Series:
    """The column without `drop`, and with `point` as a decimal point, where the value is such a number."""
    plain = column
    if plain.str.contains(drop, literal=True).any():
        plain = plain.str.replace_all(drop, "", literal=True)
    if point is not None:
        plain = plain.str.replace(point, ".", literal=True)
    return plain if found.all() else plain.zip_with(found, column)
