"""What each column and each row is for: target, weight, group, time, split, and which rows can be used.

Made from the whole table before any split, since a split needs them. N rows, K labels or values.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from coterie.data.dates import find_format, seconds
from coterie.data.schema import Target
from coterie.data.table import Table
from coterie.data.targets import read_target
from coterie.data.values import numbers, says_missing, words
from coterie.errors import DataError

USUAL_TARGETS = ("target", "label", "class", "y", "outcome", "diagnosis", "response")
SPLIT_NAMES = ("split", "set", "partition", "fold", "subset", "dataset")
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Roles:
    """What each row is for.

    target  the target's record; y: (N,) int64 class index, or (N, K) float64 of labels or values.
    weight  (N,) float32, group (N,) int64 codes, time (N,) float64 (seconds since 1970 for dates),
            split (N,) of "train", "validation", "test"; each None when the table has none.
    columns {name: role} for every column, in the table's order.
    keep    (N,) bool; False where the target or the time is missing: such a row cannot be used
            (its y is -1 or NaN).
    notes   what was decided; warnings: what looks wrong. Sentences.
    """

    target: Target
    y: np.ndarray
    weight: np.ndarray | None
    group: np.ndarray | None
    time: np.ndarray | None
    split: np.ndarray | None
    columns: dict[str, str]
    keep: np.ndarray
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def find_column(table: Table, name: str, what: str) -> str:
    """The column of this name, or a DataError that suggests the nearest ones.

    what: for whom it is looked up, as in "The target".
    """
    names = table.frame.columns
    if name in names:
        return name
    folded = {column.casefold(): column for column in reversed(names)}
    near = difflib.get_close_matches(str(name).strip().casefold(), folded, n=3, cutoff=0.6)
    if near:
        fix = "Did you mean " + " or ".join(f"'{folded[n]}'" for n in near) + "?"
    else:
        fix = f"The columns are {listed(names)}."
    raise DataError(f"{what} must be a column of '{table.name}'.", given=repr(name), fix=fix)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in quotes, with commas; beyond `most`, how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def name_parts(name: str) -> list[str]:
    """The words in a column's name, in small letters: "patientID_no2" → patient, id, no, 2."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Za-z])(?=\d)", " ", name)
    return [part.casefold() for part in re.split(r"[\W_]+", spaced) if part]


def assign_roles(
    table: Table,
    *,
    target: str | Sequence[str] | None,
    task: str | None = None,
    positive: object = None,
    weight: str | None = None,
    group: str | None = None,
    time: str | None = None,
    ignore: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> Roles:
    """What each column and row of the table is for.

    target: one column or several (labels or values); None takes the table's own.
    task: "binary", "multiclass", "multilabel", "regression" or "classification"; None: found out.
    positive: the class that a binary target looks for; kinds: {target: "category" or "numeric"} also
    settles the task. Raises DataError when a name is unknown, a column has two roles, there is nothing
    to learn, or weights are no weights.

    >>> table = Table(pl.DataFrame({"x": [1, 2, 3, 4], "y": ["a", "b", "a", "b"]}), "t", "a frame", "", ())
    >>> assign_roles(table, target="y").target.classes
    ('a', 'b')
    """
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    kinds = dict(kinds or {})
    targets = _target_names(table, target, needed=task != "unsupervised")
    for name in kinds:
        find_column(table, name, "A column whose kind is given")
    asked = [("target", "The target", name) for name in targets]
    asked += [("weight", "The weight", weight)] if weight is not None else []
    asked += [("group", "The group", group)] if group is not None else []
    asked += [("time", "The time", time)] if time is not None else []
    asked += [("ignore", "A column to ignore", name) for name in dict.fromkeys(ignore)]
    columns = dict.fromkeys(table.frame.columns, "feature")
    for role, what, name in asked:
        find_column(table, name, what)
        if columns[name] != "feature":
            raise DataError(
                "A column can have one role only.",
                given=f"'{name}' as {columns[name]} and as {role}",
                fix="Leave one of them out.",
            )
        columns[name] = role
    if table.frame.height == 0:
        raise DataError(
            "A table needs rows to learn from.",
            given=f"{len(columns)} columns and no row in '{table.source}'",
            fix="Check that the file is complete.",
        )

    notes: list[str] = []
    warnings: list[str] = []
    record, y, keep = read_target(table, targets, task, positive, kinds, notes, warnings)
    moment = None if time is None else _time(table.frame[time], keep, notes)
    if moment is not None:
        keep = keep & ~np.isnan(moment)
        if not keep.any():
            raise DataError(
                "At least one row must have both a target and a time.",
                given=f"no such row in '{table.source}'",
                fix="Give another --time column.",
            )
    split_name, split = _split(table, columns, notes)
    if split_name is not None:
        columns[split_name] = "split"
    return Roles(
        target=record,
        y=y,
        weight=None if weight is None else _weight(table.frame[weight], keep),
        group=None if group is None else _group(table.frame[group], notes),
        time=moment,
        split=split,
        columns=columns,
        keep=keep,
        notes=tuple(notes),
        warnings=tuple(warnings),
    )


def _target_names(table: Table, target: str | Sequence[str] | None, needed: bool) -> tuple[str, ...]:
    if target is None:
        target = table.target
    names = (target,) if isinstance(target, str) else tuple(target)
    if names or not needed:
        return names
    columns = table.frame.columns
    usual = [name for name in columns if name_parts(name)[-1:] and name_parts(name)[-1] in USUAL_TARGETS]
    fix = "Say which with --target NAME (target= in Python)"
    fix += f", perhaps --target {usual[0]}" if usual else ""
    fix += "; or learn without one, by a family such as --models vae."
    raise DataError("A target column must be named.", given=f"the columns {listed(columns)}", fix=fix)


def _weight(series: pl.Series, keep: np.ndarray) -> np.ndarray:
    values = numbers(series)
    used = values[keep]
    bad = int((~(used >= 0)).sum())  # NaN too
    if bad or not used.sum() > 0:
        raise DataError(
            f"Weights in '{series.name}' must be finite numbers of at least 0, and not all 0.",
            given=f"{bad} rows whose weight is negative, missing or no number" if bad else "only zeros",
            fix="Correct these rows, or leave --weight out.",
        )
    return np.where(values >= 0, values, 0.0).astype(np.float32)


def _group(series: pl.Series, notes: list[str]) -> np.ndarray:
    text = words(series)
    missing = says_missing(text, ("", "na", "n/a", "nan", "null")).to_numpy()
    codes = text.fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    if missing.any():  # rows of no known group may not be taken for one big group
        codes = np.where(missing, codes.max() + 1 + np.cumsum(missing), codes)
        _, codes = np.unique(codes, return_inverse=True)
        notes.append(f"{missing.sum()} rows have no '{series.name}' and count as a group each.")
    return codes.astype(np.int64)


def _time(series: pl.Series, keep: np.ndarray, notes: list[str]) -> np.ndarray:
    """(N,) float64: seconds since 1970 for dates, the number itself for numbers; NaN where neither."""
    text = words(series)
    known = series.filter(~says_missing(text))
    form, how = find_format(known)
    result = seconds(series, form).to_numpy().astype(np.float64)
    plain = numbers(series)
    if series.dtype.is_numeric() or np.isnan(result).sum() > np.isnan(plain).sum():
        result, how = plain, ""
    lost = int((np.isnan(result) & keep).sum())
    if lost > 0.5 * keep.sum():
        raise DataError(
            f"The time column '{series.name}' must hold dates, times or numbers.",
            given=f"{lost} of {int(keep.sum())} rows with neither, such as {_example(known)}",
            fix="Write dates as 2024-01-31, or give another column.",
        )
    if how:
        notes.append(f"'{series.name}': {how}")
    if lost:
        notes.append(f"{lost} rows have no usable time in '{series.name}' and cannot be used.")
    return result


def _example(series: pl.Series) -> str:
    return repr(series[0]) if len(series) else "nothing at all"


def _split(
    table: Table, columns: Mapping[str, str], notes: list[str]
) -> tuple[str | None, np.ndarray | None]:
    """The column that says which rows are for training, validation and test, if there is one."""
    for name, role in columns.items():
        series = table.frame[name]
        named = any(part in SPLIT_NAMES for part in name_parts(name))
        if (
            role != "feature"
            or not named
            or not isinstance(series.dtype, pl.String | pl.Categorical | pl.Enum)
        ):
            continue
        text = words(series).str.to_lowercase()
        found = text.unique().to_list()
        if None in found or not set(found) <= set(SPLIT_WORDS) or len({SPLIT_WORDS[w] for w in found}) < 2:
            continue
        split = text.replace_strict(list(SPLIT_WORDS), list(SPLIT_WORDS.values())).to_numpy().astype("U10")
        if not (split == "train").any():
            continue
        counts = [f"{int((split == w).sum())} {w}" for w in ("train", "validation", "test")]
        notes.append(f"The table says in '{name}' which rows are for what: {', '.join(counts)}.")
        return name, split
    return None, None
