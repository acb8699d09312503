"""Labels as classes: their order, their type, and which of two is the positive one. N rows."""

import difflib

import numpy as np
import polars as pl

from coterie.data.schema import Target, Task
from coterie.data.values import TARGET_MISSING, is_text, numbers, says_missing, words
from coterie.errors import DataError

MANY = 1_000_000  # rows from which labels are spelled once each, and not in every row
POSITIVE = (
    *("1", "true", "t", "yes", "y", "positive", "pos", "+", "malignant", "cancer", "disease", "diseased"),
    *("sick", "ill", "dead", "died", "death", "deceased", "fraud", "fraudulent", "churn", "churned"),
    *("event", "case", "abnormal", "present", "default", "spam", "failure", "failed", "relapse"),
)
NEGATIVE = (
    *("0", "-1", "false", "f", "no", "n", "negative", "neg", "-", "benign", "healthy", "control", "alive"),
    *("normal", "absent", "legitimate", "ham", "none", "stayed", "retained", "ok"),
)


def known_cells(series: pl.Series) -> pl.Series:
    """(N,) bool: the cell holds something. A "-" beside a "+" is a sign and not a gap."""
    return ~says_missing(words(series), TARGET_MISSING)


def read_classes(
    series: pl.Series, task: str, positive: object, notes: list[str], warnings: list[str]
) -> tuple[Target, np.ndarray]:
    """The classes in their order, the positive one of two last, and y (N,) int64, −1 where none is known.

    Raises DataError where they are not as asked; sentences are added to notes and warnings.
    """
    dtype = _label_type(series)
    text = class_text(series, dtype)
    counts = text.drop_nulls().value_counts(sort=True)
    classes: list[str] = counts[series.name].to_list()
    classes.sort(key=(lambda label: (float(label), label)) if dtype in ("int", "float") else None)
    rows = int(counts["count"].sum())
    if task == "binary" and len(classes) > 2:
        raise DataError(
            "A binary target has two classes.",
            given=f"{len(classes)} in '{series.name}'",
            fix="Use --task multiclass, or leave --task out.",
        )
    if rows > 20 and len(classes) > 0.5 * rows:
        warnings.append(
            f"The target '{series.name}' has {len(classes)} different labels in {rows} rows: "
            "hardly a class occurs often enough to be learned."
        )
    if len({label.casefold() for label in classes}) < len(classes):
        warnings.append(f"Some classes of '{series.name}' differ in capital letters only.")
    final: Task = "binary" if len(classes) == 2 else "multiclass"
    if final == "binary":
        classes = _positive_last(classes, dtype, positive)
        notes.append(
            f"'{classes[1]}' is the positive class of '{series.name}' (the other: '{classes[0]}')"
            + ("." if positive is not None else "; --positive chooses.")
        )
    index = text.replace_strict(classes, list(range(len(classes))), default=-1, return_dtype=pl.Int64)
    return Target((series.name,), final, tuple(classes), dtype), index.fill_null(-1).to_numpy().astype(
        np.int64
    )


def class_text(series: pl.Series, dtype: str) -> pl.Series:
    """(N,) String: the label of each row; null where it is missing."""
    if len(series) > MANY and (isinstance(series.dtype, pl.String) or series.dtype.is_integer()):
        cells = series.unique()
        if len(cells) < len(series) // 100:
            return series.replace_strict(cells, class_text(cells, dtype), return_dtype=pl.String)
    text = words(series, as_number=dtype in ("int", "float"))
    return (
        text.to_frame()
        .select(pl.when(~says_missing(text, TARGET_MISSING)).then(pl.col(text.name)))
        .to_series()
    )


def _label_type(series: pl.Series) -> str:
    """How labels are given back: a CSV's "1" and "2" are numbers, "01" and "1 " beside "a" are text."""
    if isinstance(series.dtype, pl.Boolean):
        return "bool"
    if isinstance(series.dtype, pl.Categorical | pl.Enum) or series.dtype.is_temporal():
        return "str"
    series = series.unique()
    text = words(series).filter(known_cells(series)).unique()
    if is_text(series.dtype) and bool(text.str.contains(r"^0\d").any()):
        return "str"
    values = numbers(text)
    if np.isnan(values).any():
        return "str"
    return "int" if ((values == np.round(values)) & (np.abs(values) < 2**53)).all() else "float"


def _positive_last(classes: list[str], dtype: str, positive: object) -> list[str]:
    if positive is not None:
        asked = words(pl.Series([positive]), as_number=dtype in ("int", "float"))[0]
        chosen = [label for label in classes if label == asked] or [
            label for label in classes if label.casefold() == str(asked).casefold()
        ]
        if not chosen:
            near = difflib.get_close_matches(str(asked), classes, n=1)
            fix = (
                f"Did you mean '{near[0]}'?"
                if near
                else f"The classes are '{classes[0]}' and '{classes[1]}'."
            )
            raise DataError(
                "The positive class must be a class of the target.", given=repr(positive), fix=fix
            )
        last = chosen[0]
    elif dtype in ("int", "float"):
        last = classes[-1]
    else:
        good = [label for label in classes if label.casefold() in POSITIVE]
        bad = [label for label in classes if label.casefold() in NEGATIVE]
        good = good or [label for label in classes if bad and label not in bad]
        last = good[0] if len(good) == 1 else classes[-1]
    return [label for label in classes if label != last] + [last]
