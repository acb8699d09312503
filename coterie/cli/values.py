"""What a person types after an option, made into values; and how values are given back as text.

Only spelling is checked here. What a value must be, and what goes with what, is the verbs' to say.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from coterie.errors import SpecError

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "": 1.0}


def names(text: str) -> list[str]:
    """Names separated by commas; quotes keep a comma inside a name.

    >>> names('age, "height, cm"')
    ['age', 'height, cm']
    """
    found = [name.strip() for row in csv.reader([text], skipinitialspace=True) for name in row]
    found = [name for name in found if name]
    if not found:
        raise argparse.ArgumentTypeError("a name is missing. For example: age, or age,sex")
    return found


def pair(text: str) -> tuple[str, str]:
    """A setting and its value: "lr=1e-3" → ("lr", "1e-3")."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"it is written NAME=VALUE, such as lr=1e-3. Given: {text!r}")
    return name.strip(), value.strip()


def column_kind(text: str) -> tuple[str, str]:
    """A column and its kind, cut at the last "=", which a column's name may also hold."""
    name, equals, kind = text.rpartition("=")
    if not equals or not name.strip() or not kind.strip():
        raise argparse.ArgumentTypeError(f"it is written COLUMN=KIND, such as zip=category. Given: {text!r}")
    return name.strip(), kind.strip()


def duration(text: str) -> float:
    """Seconds: "90", "10m", "1h30m", "1.5h".

    >>> duration("1h30m")
    5400.0
    """
    spaceless = text.replace(" ", "").lower()
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(min|[dhms]|$)", spaceless)
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != spaceless or not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"it is a time such as 90 (seconds), 10m or 1h30m. Given: {text!r}")
    return seconds


def whole(low: int) -> Callable[[str], int]:
    """A whole number from `low` upwards."""

    def read(text: str) -> int:
        try:
            value = int(text.replace("_", ""))
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"it is a whole number from {low} upwards. Given: {text!r}")
        return value

    return read


def share_or_count(text: str) -> float | int:
    """A share of the rows (0.2) or a number of rows (200)."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(
            f"it is a share of the rows from 0 to below 1, such as 0.2, or a number of rows. Given: {text!r}"
        )
    return value


def probability(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"it is a probability from 0 to 1. Given: {text!r}")
    return value


def at_least_zero(text: str) -> float:
    """A number from 0 upwards."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"it is a number from 0 upwards. Given: {text!r}")
    return value


def once(option: str, pairs: Iterable[tuple[str, str]], fix: str) -> dict[str, str]:
    """Settings by name; `SpecError` where one has two values."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise SpecError(
                f"{option} gives a name one value.", given=f"{name}={found[name]} and {name}={value}", fix=fix
            )
    return found


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All values of each name, in the order given and once each: the sides of a grid."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        values = found.setdefault(name, [])
        if value not in values:
            values.append(value)
    return found


def plain(value: Any) -> Any:
    """Facts as JSON has them: what is no finite number becomes null, paths become text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return plain(value.item()) if hasattr(value, "item") else str(value)


def printable(text: object) -> str:
    """Text from a file made safe for a terminal: what moves the cursor or changes colours is replaced."""
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(str(text).split()))
