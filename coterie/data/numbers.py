"""What a column of numbers holds: quantities, or codes for missing, for kinds, for rows. D distinct values.

Conservative throughout: a number is a quantity unless there is evidence that it is not.
"""

from collections.abc import Sequence

import numpy as np

MISSING_CODES = (-99999.0, -9999.0, -999.0, -99.0, 99.0, 999.0, 9999.0, 99999.0)
REPEATED = 3  # a code for missing occurs at least so often

CODE_LAST = ("code", "codes", "type", "category", "cat", "zip", "zipcode", "postcode", "postal", "plz")
CODE_ANYWHERE = ("zip", "zipcode", "postcode", "plz")
ID_ANYWHERE = ("id", "ids", "uuid", "guid", "ssn", "mrn", "identifier", "pk")
ID_LAST = ("index", "idx", "number", "no", "nr", "num", "key", "serial", "record", "row")
FEW_CODES = 30


def different(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones of finite values (N,), ascending, and how often each occurs: (D,) and (D,).

    As `numpy.unique`, in a third of its memory.
    """
    ordered = np.sort(values)
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return ordered[begins], np.diff(begins, append=len(ordered))


def codes_for_missing(distinct: np.ndarray, counts: np.ndarray) -> list[float]:
    """Which of the values stand for missing: all nines, repeated, at an end and far from all the rest.

    distinct: (D,) ascending; counts: (D,) how often each occurs. A negative code below values that are
    all at least 0 is evidence enough; another must be further from the rest than the rest is wide.

    >>> codes_for_missing(np.array([-999.0, 0.0, 3.0, 120.0]), np.array([7, 50, 60, 1]))
    [-999.0]
    """
    found: list[float] = []
    usual = np.isin(distinct, MISSING_CODES)
    for code in (-99999.0, 99999.0, -9999.0, 9999.0, -999.0, 999.0, -99.0, 99.0):
        rest = distinct[~np.isin(distinct, [*found, code])]
        place = np.searchsorted(distinct, code)
        if len(rest) < 2 or place == len(distinct) or distinct[place] != code or counts[place] < REPEATED:
            continue
        ordinary = rest[~np.isin(rest, MISSING_CODES)] if usual.sum() > 1 else rest
        if len(ordinary) < 2:
            continue
        low, high = ordinary[0], ordinary[-1]
        below_zero = code < 0 and low >= 0
        far = code < low - (high - low) or code > high + (high - low)
        if below_zero or far:
            found.append(code)
    return sorted(found)


def why_identifier(
    name: Sequence[str], distinct: np.ndarray, unique: bool, beyond_row: np.ndarray, count: int
) -> str:
    """Why whole numbers only name rows; "" when they do not.

    name: the words of the column's name; unique: no value occurs twice; beyond_row: (N,) value minus row
    number; count: how many values there are.
    """
    if count < 3:
        return ""
    if unique and beyond_row.size and beyond_row.min() == beyond_row.max() and beyond_row[0] in (0.0, 1.0):
        return "It only counts the rows."
    named = any(part in ID_ANYWHERE for part in name)
    if unique and (named or (name and name[-1] in ID_LAST)):
        return "Its name says identifier, and no value occurs twice."
    if named and (len(distinct) > 50 or count < 10 * len(distinct)):
        return f"Its name says identifier: {len(distinct):,} different values in {count:,} rows."
    return ""


def why_category(name: Sequence[str], distinct: np.ndarray, counts: np.ndarray) -> str:
    """Why whole numbers are codes for kinds of thing; "" when they are quantities."""
    count = int(counts.sum())
    if len(distinct) < 3 or count < 3 * len(distinct) or distinct[0] < 0:
        return ""
    named = bool(name) and (name[-1] in CODE_LAST or any(part in CODE_ANYWHERE for part in name))
    if named or (any(part in ID_ANYWHERE for part in name) and len(distinct) <= 50):
        return "Whole numbers read as codes of a category, since the name says so."
    few = 4 <= len(distinct) <= FEW_CODES and count >= 20 * len(distinct)
    years = distinct[0] >= 1900 and distinct[-1] <= 2100
    if not few or years or distinct[0] < 100 or distinct[-1] >= 2**53:
        return ""
    gaps = np.diff(distinct)
    irregular = gaps.max() >= 10 and gaps.max() >= 2 * gaps.min()
    rough = np.gcd.reduce(distinct.astype(np.int64)) == 1  # doses and prices come in round steps
    if irregular and rough:
        return f"{len(distinct)} whole numbers with irregular gaps, read as codes of a category."
    return ""
