"""Numbers as a careful person writes them: no more digits than the interval supports.

The rule (that of the Particle Data Group, a little simplified): the half width of the interval is
given one digit, or two when the first is a 1 or a 2, and the value is cut at the same place.

>>> rounded(0.96412, 0.9423, 0.9834)
'0.964'
>>> rounded(53.4213, 48.1, 59.0)
'53'
"""

from __future__ import annotations

import math

MISSING = "–"
MOST_DECIMALS = 6
MINUS = "−"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: object) -> float:
    """The value as a float; None and what is no number become NaN (JSON has no NaN)."""
    try:
        return math.nan if value is None else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def places(half_width: float) -> int | None:
    """Decimal places that a half width supports (negative: tens, hundreds, …); None when it says nothing."""
    if not math.isfinite(half_width) or half_width <= 0:
        return None
    exponent = math.floor(math.log10(half_width))
    leading = half_width / 10.0**exponent if abs(exponent) < 300 else 9.0
    return -exponent + (1 if leading < 2.95 else 0)


def fixed(value: float, decimals: int) -> str:
    """The value with that many decimals, a true minus sign, and powers of ten when it is huge or tiny."""
    value = number(value)
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else MINUS + "∞"
    size = abs(value)
    # decimals that hardly move a number make it exact, not tiny
    if size >= 1e7 or (decimals > 6 and size < 1e-3):
        return _scientific(value, decimals)
    decimals = min(decimals, MOST_DECIMALS)
    text = f"{round(value, decimals):,.{max(decimals, 0)}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def _scientific(value: float, decimals: int) -> str:
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    digits = min(max(decimals + exponent, 0), 3)
    mantissa, power = f"{value:.{digits}e}".split("e")
    return f"{mantissa} × 10{str(int(power)).translate(RAISED)}".replace("-", MINUS)


def significant(value: object, digits: int = 3) -> str:
    """A number that comes without an interval: so many significant digits; whole numbers stay whole."""
    value = number(value)
    if not math.isfinite(value):
        return fixed(value, 0)
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}".replace("-", MINUS)
    return fixed(value, digits - 1 - math.floor(math.log10(abs(value))))


def share(value: object, decimals: int) -> str:
    """A score between 0 and 1; one that is nearly but not quite 1 does not become a perfect "1.00"."""
    value = number(value)
    if value < 1 and round(value, decimals) == 1:
        return f"> {1 - 10.0**-decimals:.{decimals}f}"
    return fixed(value, decimals)


def rounded(value: object, low: object = None, high: object = None) -> str:
    """The value, rounded to what its interval [low, high] supports; three digits when there is none."""
    value, decimals = number(value), places((number(high) - number(low)) / 2)
    return significant(value) if decimals is None else fixed(value, decimals)


def interval(score: dict[str, object]) -> str:
    """The interval of {"value", "low", "high"} as text, "" when there is none."""
    low, high = number(score.get("low")), number(score.get("high"))
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"{rounded(low, low, high)} to {rounded(high, low, high)}"


def mean_and_error(mean: object, error: object) -> str:
    """A mean ± its standard error: "0.142 ± 0.011"."""
    mean, error = number(mean), number(error)
    decimals = places(error)
    if decimals is None:
        return significant(mean)
    return f"{fixed(mean, decimals)} ± {fixed(error, decimals)}"


def percent(share: object) -> str:
    """A share as a percentage: "0.4 %", "12 %"; never "0 %" for what is not nothing, nor "100 %" for nearly
    all.
    """
    share = number(share)
    if math.isnan(share):
        return MISSING
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1:
        return "> 99.9 %"
    decimals = 1 if share < 0.095 or share > 0.985 else 0
    text = f"{100 * share:.{decimals}f}"
    return (text[:-2] if text.endswith(".0") else text) + " %"


def setting(value: object) -> str:
    """A hyperparameter's value: "64, 64", "0.001312", "0.999", "yes"."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value).replace("-", MINUS)
    if isinstance(value, float):
        whole = not math.isfinite(value) or value == int(value)
        return significant(value) if whole else _exact(value)
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value) or "none"
    return str(value)


def _exact(value: float) -> str:
    """Four digits, or as few as tell it: 0.9, 0.999, 0.007768, 10⁻⁸."""
    digits = 4 if abs(1 - value) > 1e-4 else 6  # 0.999999 is not 1
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    if power:
        raised = str(int(power)).translate(RAISED)
        mantissa = f"10{raised}" if mantissa == "1" else f"{mantissa} × 10{raised}"
    return mantissa.replace("-", MINUS)


def duration(seconds: object) -> str:
    """A length of time: "0.4 seconds", "21 seconds", "3 minutes", "2.5 hours"."""
    seconds = number(seconds)
    if math.isnan(seconds):
        return "an unknown time"
    for size, unit in ((3600.0, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds >= size or unit == "second":
            count = f"{seconds / size:.1f}" if seconds < 9.95 * size else f"{seconds / size:.0f}"
            count = count.removesuffix(".0")
            return f"{count} {unit}" if count == "1" else f"{count} {unit}s"
    raise AssertionError("unreachable: the last unit always returns")


def count(n: object, singular: str, plural: str | None = None) -> str:
    """How many of a thing: "1 row", "1,437 rows"."""
    n = int(number(n)) if math.isfinite(number(n)) else 0
    return f"{n:,} {singular if n == 1 else plural or singular + 's'}"


def listed(names: list[str] | tuple[str, ...], limit: int = 6) -> str:
    """Names as a sentence has them: "a", "a and b", "a, b and 3 more"."""
    names = list(names)
    if len(names) > limit:
        names = [*names[: limit - 1], f"{len(names) - limit + 1} more"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""
