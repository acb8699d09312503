"""What is to be predicted: the task, the classes in their order, and y. N rows, K labels or values."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from coterie.data.classes import class_text, known_cells, read_classes
from coterie.data.dates import find_format
from coterie.data.schema import TASKS, Target
from coterie.data.table import Table
from coterie.data.values import (
    LARGEST,
    is_nested,
    is_text,
    numbers,
    raw_numbers,
    truth,
    words,
)
from coterie.errors import DataError

FEW_INTEGERS = 20  # so many different whole numbers are still taken for classes …
ROWS_PER_CLASS = 5  # … when there are so many rows for each
PARSED = 0.95  # a column of text is numeric when so many of its values are numbers


def read_target(
    table: Table,
    names: Sequence[str],
    task: str | None,
    positive: object,
    kinds: Mapping[str, str],
    notes: list[str],
    warnings: list[str],
) -> tuple[Target, np.ndarray, np.ndarray]:
    """The target's record, y, and which rows have a target.

    Returns (Target, (N,) int64 or (N, K) float64, (N,) bool); sentences are added to notes and warnings.
    Raises DataError when the task does not fit the columns or there is nothing to learn.
    """
    known = (*TASKS, "classification")
    if task is not None and task not in known:
        near = difflib.get_close_matches(task, known, n=1)
        fix = f"Did you mean '{near[0]}'?" if near else f"The tasks are {', '.join(known)}."
        raise DataError("The task must be one that Coterie knows.", given=repr(task), fix=fix)
    if task == "unsupervised":
        return _kept_out(table, names, positive, kinds, notes)
    columns = [table.frame[name] for name in names]
    lists = len(columns) == 1 and isinstance(columns[0].dtype, pl.List)
    if lists and not is_nested(columns[0].explode().dtype):
        return _each_step(table, columns[0], task, positive, kinds, notes, warnings)
    for series in columns:
        if is_nested(series.dtype):
            raise DataError(
                "A target must hold one value in each row.",
                given=f"'{series.name}', of type {series.dtype}",
                fix="Make a column of it for each value.",
            )
        if bool(known_cells(series).not_().all()):
            raise DataError(
                "A target needs values.",
                given=f"'{series.name}', which is missing in all {len(series)} rows",
                fix="Name another column with --target.",
            )
    if task == "text":
        known_texts = known_cells(columns[0]).to_numpy()
        return Target(tuple(names), "text", each_step=True), np.where(known_texts, 0, -1), known_texts
    task = task or _task(columns, kinds, notes)
    if task in ("classification", "binary", "multiclass") and len(columns) > 1:
        task = "multilabel"
    if task == "multilabel":
        record, y = _labels(columns, positive)
    elif task == "regression":
        record, y = _values(columns, notes, warnings)
    else:
        record, y = read_classes(columns[0], task, positive, notes, warnings)
    if positive is not None and record.task != "binary":
        raise DataError(
            "A positive class belongs to a target of two classes.",
            given=f"positive={positive!r} for {record.task}",
            fix="Leave --positive out.",
        )
    keep = y >= 0 if y.ndim == 1 else ~np.isnan(y).any(axis=1)
    if not keep.any():
        raise DataError(
            "At least one row must have its target.",
            given=f"no such row in '{table.source}'",
            fix="Name another column with --target.",
        )
    _something_to_learn(record, y[keep])
    lost = int((~keep).sum())
    if lost:
        notes.append(f"{lost:,} of {len(keep):,} rows have no usable target and are left out.")
    return record, y, keep


def _kept_out(
    table: Table, names: Sequence[str], positive: object, kinds: Mapping[str, str], notes: list[str]
) -> tuple[Target, np.ndarray, np.ndarray]:
    """A label that nothing is learned of: y (N,) is its class, −1 where it is none; all rows are kept."""
    every = np.ones(table.frame.height, dtype=bool)
    none = Target(tuple(names), "unsupervised"), np.zeros(len(every), dtype=np.int64), every
    if not names:
        return none
    try:
        record, y, _ = read_target(table, names, None, positive, kinds, [], [])
    except DataError:  # a label of one value, or of none
        return none
    if not record.classes or record.each_step:
        notes.append(f"{', '.join(repr(n) for n in names)} is kept out: nothing is predicted.")
        return none
    notes.append(f"'{names[0]}' is kept out of what is learned; it tells rows apart where they are shown.")
    return replace(record, task="unsupervised"), y, every


def is_written(table: Table, names: Sequence[str]) -> bool:
    """Whether the target looks like texts to be written, not classes: most differ and have several words."""
    if len(names) != 1 or names[0] not in table.frame.columns:
        return False
    series = table.frame[names[0]]
    if series.dtype != pl.String:
        return False
    known = series.drop_nulls().head(2000)
    if len(known) < FEW_INTEGERS or known.n_unique() < len(known) / 2:
        return False
    several = known.str.strip_chars().str.contains(r"\s") & known.cast(pl.Float64, strict=False).is_null()
    return float(several.to_numpy().mean()) > 0.5 and not find_format(known)[0]


def _each_step(
    table: Table,
    series: pl.Series,
    task: str | None,
    positive: object,
    kinds: Mapping[str, str],
    notes: list[str],
    warnings: list[str],
) -> tuple[Target, np.ndarray, np.ndarray]:
    """A list in each row, an answer for every step: y (N, T) has −1, (N, T, K) has NaN where no step is."""
    steps = pl.DataFrame({series.name: series.filter(series.list.len() > 0).explode()})
    said: list[str] = []
    record, flat, _ = read_target(
        replace(table, frame=steps), (series.name,), task, positive, kinds, said, warnings
    )
    notes += [note for note in said if "rows have no usable target" not in note]
    y = padded_steps(flat, series)
    real = np.asarray(y >= 0 if y.ndim == 2 else ~np.isnan(y).any(axis=2))
    notes.append(f"'{series.name}' holds an answer for every step.")
    return replace(record, each_step=True), y, np.asarray(real.any(axis=1))


def padded_steps(flat: np.ndarray, series: pl.Series) -> np.ndarray:
    """(N, T) or (N, T, K): the values of all steps, one after the other, as rows padded with −1 or NaN."""
    length = series.list.len().fill_null(0).to_numpy().astype(np.int64)
    real = np.arange(max(1, length.max(initial=0))) < length[:, None]
    y = np.full((*real.shape, *flat.shape[1:]), -1 if flat.dtype.kind == "i" else np.nan, dtype=flat.dtype)
    y[real] = flat
    return y


def target_values(columns: Sequence[pl.Series], target: Target) -> tuple[np.ndarray, np.ndarray]:
    """y of a later table by a target that is already known, and which values it does not know.

    Returns y, (N,) int64 with -1 for missing or (N, K) float64 with NaN for missing, and the different
    labels (as text) that are no class of this target. Where every step answers, (N, T) or (N, T, K).
    """
    if target.each_step:
        lists = columns[0]
        if not isinstance(lists.dtype, pl.List):
            raise DataError(
                "This target holds a list in each row, an answer for every step.",
                given=f"'{lists.name}' of type {lists.dtype}",
            )
        steps = lists.filter(lists.list.len() > 0).explode()
        flat, strange = target_values([steps], replace(target, each_step=False))
        return padded_steps(flat, lists), strange
    if target.task == "regression":
        return np.stack([_real(series) for series in columns], axis=1), np.array([], dtype=str)
    if target.task == "multilabel":
        return np.stack([_label(series) for series in columns], axis=1), np.array([], dtype=str)
    text = class_text(columns[0], target.dtype)
    if isinstance(columns[0].dtype, pl.Boolean) or target.dtype == "bool":  # True, "true", 1: the same
        both = truth(columns[0]), truth(pl.Series(target.classes))
        if both[1].null_count() == 0:
            text = both[0].replace_strict(both[1], list(target.classes), default=text, return_dtype=pl.String)
    index = text.replace_strict(
        list(target.classes), list(range(len(target.classes))), default=-1, return_dtype=pl.Int64
    )
    unknown = text.filter((index == -1) & text.is_not_null()).unique().sort()
    return index.fill_null(-1).to_numpy().astype(np.int64), unknown.to_numpy().astype(str)


def _real(series: pl.Series) -> np.ndarray:
    values = numbers(series)
    return np.where(np.abs(values) >= LARGEST, np.nan, values)


def _label(series: pl.Series) -> np.ndarray:
    return truth(series).to_numpy().astype(np.float64)


def _task(columns: Sequence[pl.Series], kinds: Mapping[str, str], notes: list[str]) -> str:
    """The task that the columns speak for."""
    if len(columns) > 1:
        binary = [truth(s).null_count() == (~known_cells(s)).sum() for s in columns]
        numeric = [_is_numeric(s) for s in columns]
        if all(binary):
            return "multilabel"
        if all(numeric):
            return "regression"
        odd = next(s.name for s, b, n in zip(columns, binary, numeric, strict=True) if not (b or n))
        raise DataError(
            "Several targets must all be 0 or 1 (labels), or all be numbers (values).",
            given=f"'{odd}', which holds neither",
            fix="Study one target at a time.",
        )
    series = columns[0]
    kind = kinds.get(series.name)
    if kind in ("category", "boolean"):
        return "classification"
    if kind == "numeric":
        return "regression"
    if not _is_numeric(series):
        return "classification"
    values = pl.Series(_real(series)).drop_nans()
    distinct, rows = values.n_unique(), len(values)
    whole = bool((values == values.round()).all())
    enough = rows >= ROWS_PER_CLASS * distinct or (distinct == 2 and rows >= 4)
    if distinct == 1 or not (whole and distinct <= FEW_INTEGERS and enough):
        return "regression"
    if distinct > 2:
        notes.append(
            f"The target '{series.name}' has {distinct} different whole numbers, which are read as classes; "
            "--task regression predicts their value instead."
        )
    return "classification"


def _is_numeric(series: pl.Series) -> bool:
    if isinstance(series.dtype, pl.Boolean | pl.Categorical | pl.Enum) or series.dtype.is_temporal():
        return False
    if not is_text(series.dtype):
        return series.dtype.is_numeric()
    known = known_cells(series)
    text = words(series).filter(known)
    if text.str.contains(r"^0\d").any():  # 01 and 02 are codes
        return False
    return text.len() - raw_numbers(text).null_count() >= PARSED * text.len()


def _values(columns: Sequence[pl.Series], notes: list[str], warnings: list[str]) -> tuple[Target, np.ndarray]:
    for series in columns:
        if not (_is_numeric(series) or isinstance(series.dtype, pl.Boolean)):
            text = words(series).filter(known_cells(series) & pl.Series(np.isnan(numbers(series))))
            raise DataError(
                "Regression needs numbers in the target.",
                given=f"'{series.name}' with values such as {text[0]!r}" if len(text) else repr(series.name),
                fix="Leave --task out to predict its classes.",
            )
    y = np.stack([_real(series) for series in columns], axis=1)
    for series, values in zip(columns, y.T, strict=True):
        lost = int((np.isnan(values) & known_cells(series).to_numpy()).sum())
        if lost:
            warnings.append(
                f"{lost} values of the target '{series.name}' are no finite number "
                "and count as missing: these rows are left out."
            )
        known = values[~np.isnan(values)]
        edge, count = np.unique(known, return_counts=True)
        for code in (-9999.0, -999.0, 9999.0, 999.0):
            place = np.flatnonzero(edge == code)
            far = len(edge) > 3 and place.size and place[0] in (0, len(edge) - 1)
            rest = edge[edge != code]
            if far and count[place[0]] > 2 and np.abs(rest - code).min() > np.ptp(rest):
                warnings.append(
                    f"The target '{series.name}' is {code:g} in {count[place[0]]} rows, "
                    "which may stand for missing: remove the value there if it does."
                )
    whole = all(s.dtype.is_integer() for s in columns)
    return Target(tuple(s.name for s in columns), "regression", (), "int" if whole else "float"), y


def _labels(columns: Sequence[pl.Series], positive: object) -> tuple[Target, np.ndarray]:
    for series in columns:
        odd = words(series).filter(known_cells(series) & truth(series).is_null())
        if len(odd):
            raise DataError(
                "Each label must be 0 or 1, or yes or no.",
                given=f"{odd[0]!r} in '{series.name}'",
                fix="Study one target at a time, or make 0/1 columns of it.",
            )
    y = np.stack([_label(series) for series in columns], axis=1)
    boolean = all(isinstance(s.dtype, pl.Boolean) for s in columns)
    return Target(tuple(s.name for s in columns), "multilabel", (), "bool" if boolean else "int"), y


def _something_to_learn(target: Target, y: np.ndarray) -> None:
    """Raise DataError when the target is the same in every row."""
    if y.ndim == 1:
        constant = [target.names[0]] if len(target.classes) < 2 else []
    else:
        constant = [name for name, values in zip(target.names, y.T, strict=True) if np.ptp(values) == 0]
    if constant:
        first = target.classes[0] if target.classes else f"{y[0, target.names.index(constant[0])]:g}"
        raise DataError(
            "A target must vary: with one value there is nothing to learn.",
            given=f"'{constant[0]}', which is '{first}' in all {len(y)} rows that have it",
            fix="Name another column with --target, or add rows with other values.",
        )
