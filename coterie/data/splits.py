"""Which rows are for training, validation and test: row numbers, and nothing else.

The test rows are set aside first, then the rest ("development") is folded. All of it is a function of the row
count, strata, groups, times, labels and seed alone: never of features, models or the clock. Which rows are
test does not depend on how many folds are asked for.

N rows.

Randomness: raw 64-bit words of numpy's PCG64 under `seed`, put in order. The words of PCG64 are promised to
stay the same from version to version of numpy (its `shuffle` and `permutation` are not), so a split is too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coterie.data.dealing import ROUNDING, choose_by_class, choose_groups, deal_classes, deal_groups, shuffled
from coterie.errors import DataError

# The share of development rows that validate when one fold is asked for.
HOLD_OUT = 0.2
LABELS = ("train", "validation", "test")

Folds = tuple[tuple[np.ndarray, np.ndarray], ...]


@dataclass(frozen=True)
class Split:
    """Row numbers: what is developed on, what is set aside, and the folds of the development rows.

    development: ascending; test: ascending, may be empty; folds: (training rows, validation rows), ascending
    each, () when no validation was asked for; kind: "stratified", "plain", "grouped", "forward in time" or
    "as the table says".

    Not every development row need be validated: not with one fold, not the earliest rows in time, and not a
    class that has one development row.
    """

    development: np.ndarray
    test: np.ndarray
    folds: Folds
    kind: str


def split(
    n: int,
    *,
    strata: np.ndarray | None = None,
    group: np.ndarray | None = None,
    time: np.ndarray | None = None,
    labels: np.ndarray | Sequence[str] | None = None,
    test_size: float | int,
    folds: int,
    seed: int,
    gap: int = 0,
) -> Split:
    """Split n rows into test, and training and validation by fold.

    strata (N,) int: classes to be spread evenly, each to within a row (None: values, or several labels).
    group (N,) int: rows of one group stay together; with strata, these are kept as even as groups allow.
    time (N,) float: the latest rows are test, and each fold trains on all rows before those that validate it;
    rows of equal time stay together; strata play no part. labels (N,) of "train", "validation", "test": the
    table decides, test_size does not count; with validation rows there is that one fold, else the training
    rows are folded as asked.
    test_size: a share in [0, 1), rounded up, or a number of rows; groups, equal times and classes of one
    row can make it a little more or less. folds: 2 or more, k-fold; 1, a hold-out of 20 % of the development
    rows; 0, none. gap: with time, so many times before later rows are not trained on, because what is
    foretold there reaches into them.

    Raises DataError where the rows do not suffice.

    >>> made = split(6, test_size=2, folds=2, seed=0)
    >>> len(made.development), len(made.test), [len(validation) for _, validation in made.folds]
    (4, 2, [2, 2])
    """
    if folds < 0:
        raise DataError(
            "The number of folds is 0 or more.", given=folds, fix="5 is usual; 0 is no validation."
        )
    if group is not None and time is not None:
        raise DataError(
            "Rows are split by group or by time, not by both.",
            given="a group and a time",
            fix="Name one of them.",
        )
    if time is not None and not np.isfinite(time).all():
        raise DataError(
            "Every row needs its time.",
            given=f"{int((~np.isfinite(time)).sum())} rows without one",
            fix="Remove these rows, or do not name a time.",
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = np.arange(n)
    if labels is not None:
        return _as_labelled(np.asarray(labels, dtype=str), strata, group, time, folds, generator)
    wanted = _test_rows(n, test_size)
    development = rows
    test = rows[:0]
    if wanted:
        development, test = _set_aside(rows, wanted, strata, group, time, generator, "test")
    if time is not None and gap:
        development = _before(development, test, time, gap)
    parts = _fold(development, strata, group, time, folds, generator)
    if time is not None and gap:
        parts = tuple((_before(training, later, time, gap), later) for training, later in parts)
    if time is not None:
        kind = "forward in time"
    elif group is not None:
        kind = "grouped"
    else:
        kind = "plain" if strata is None else "stratified"
    return Split(development, test, parts, kind)


def _test_rows(n: int, test_size: float | int) -> int:
    """How many rows test_size asks for, checked."""
    if isinstance(test_size, (int, np.integer)) and not isinstance(test_size, bool):
        if not 0 <= test_size < max(n, 1):
            raise DataError(
                f"The number of test rows is at least 0 and below the number of rows, {n}.",
                given=test_size,
                fix="Give a share such as 0.2.",
            )
        return int(test_size)
    if isinstance(test_size, bool) or not 0 <= test_size < 1:
        raise DataError(
            "The test size is a share of the rows, at least 0 and below 1, or a number of rows.",
            given=test_size,
            fix="0.2 is usual; 0 sets no rows aside.",
        )
    wanted = math.ceil(n * test_size - ROUNDING)
    if wanted >= n > 0 and wanted > 0:
        raise DataError(
            "After the test rows are set aside there must be rows to train on.",
            given=f"{n} rows and a test size of {test_size}",
            fix="Bring more rows, or set test_size to 0.",
        )
    return wanted


def _set_aside(
    rows: np.ndarray,
    wanted: int,
    strata: np.ndarray | None,
    group: np.ndarray | None,
    time: np.ndarray | None,
    generator: np.random.Generator,
    purpose: str,
) -> tuple[np.ndarray, np.ndarray]:
    """(the rows that stay, about `wanted` rows set aside), both ascending and neither empty."""
    if time is not None:
        ordered, starts = _in_time(rows, time, f"set {purpose} rows aside", 2)
        begin = starts[np.abs(starts - (len(rows) - wanted)).argmin()]
        return np.sort(ordered[:begin]), np.sort(ordered[begin:])
    if group is not None:
        chosen = choose_groups(rows, wanted, strata, group, generator, purpose)
    elif strata is not None:
        chosen = choose_by_class(rows, wanted, strata, generator, purpose)
    else:
        chosen = np.zeros(len(rows), dtype=bool)
        chosen[shuffled(len(rows), generator)[:wanted]] = True
    return rows[~chosen], rows[chosen]


def _fold(
    rows: np.ndarray,
    strata: np.ndarray | None,
    group: np.ndarray | None,
    time: np.ndarray | None,
    folds: int,
    generator: np.random.Generator,
) -> Folds:
    """Training and validation rows of each fold of the development rows."""
    if folds == 0:
        if not len(rows):
            raise DataError("There must be rows to train on.", given="0 rows", fix="Bring a table with rows.")
        return ()
    if len(rows) < max(folds, 2):
        raise DataError(
            "Folds need at least two rows to train and validate on, and a row each.",
            given=f"{folds} folds, {len(rows)} rows after the test rows were set aside",
            fix="Ask for fewer folds (0: none), a smaller test set, or bring more rows.",
        )
    if folds == 1:
        wanted = math.ceil(len(rows) * HOLD_OUT - ROUNDING)
        return (_set_aside(rows, wanted, strata, group, time, generator, "validation"),)
    if time is not None:
        return _forward(rows, time, folds)
    if group is not None:
        fold_of = deal_groups(rows, strata, group, folds, generator)
    elif strata is not None:
        fold_of = deal_classes(rows, strata, folds, generator)
    else:
        fold_of = np.empty(len(rows), dtype=np.int64)
        fold_of[shuffled(len(rows), generator)] = np.arange(len(rows)) % folds
    return tuple((rows[fold_of != fold], rows[fold_of == fold]) for fold in range(folds))


# Time: what comes later is never trained on before it is predicted.


def _in_time(rows: np.ndarray, time: np.ndarray, purpose: str, needed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in order of time, and the places (but the first) where a new time begins: where cuts can be."""
    ordered = rows[np.argsort(time[rows], kind="stable")]
    times = time[ordered]
    starts = np.flatnonzero(times[1:] != times[:-1]) + 1
    if len(starts) + 1 < needed:
        raise DataError(
            f"To {purpose}, there must be {needed} different times or more.",
            given=f"{len(starts) + 1} in {len(rows)} rows",
            fix="Ask for fewer folds or no test rows, or name another time column.",
        )
    return ordered, starts


def _before(rows: np.ndarray, later: np.ndarray, time: np.ndarray, gap: int) -> np.ndarray:
    """The rows that are more than `gap` different times before the first of the later ones."""
    if not len(later):
        return rows
    times = np.unique(time)
    first = int(np.searchsorted(times, time[later].min()))
    kept = rows[time[rows] < times[max(0, first - gap)]]
    if not len(kept):
        raise DataError(
            "There must be rows to train on before those that validate or test.",
            given=f"none that are {gap} steps or more before them",
            fix="Bring a longer series, ask for fewer folds, or for a shorter horizon.",
        )
    return kept


def _forward(rows: np.ndarray, time: np.ndarray, folds: int) -> Folds:
    """Blocks in order of time, about equal; each but the first validates what all before it have trained."""
    ordered, starts = _in_time(rows, time, f"make {folds} folds forward in time", folds + 1)
    cuts = [0]
    for i in range(folds):
        ideal = len(rows) * (i + 1) / (folds + 1)
        # Cuts must differ, and leave a place for each cut to come.
        free = starts[: len(starts) - (folds - 1 - i)]
        free = free[free > cuts[-1]]
        cuts.append(int(free[np.abs(free - ideal).argmin()]))
    ends = [*cuts[2:], len(rows)]
    return tuple(
        (np.sort(ordered[:begin]), np.sort(ordered[begin:end]))
        for begin, end in zip(cuts[1:], ends, strict=True)
    )


# Labels: the table has decided.


def _as_labelled(
    labels: np.ndarray,
    strata: np.ndarray | None,
    group: np.ndarray | None,
    time: np.ndarray | None,
    folds: int,
    generator: np.random.Generator,
) -> Split:
    unknown = sorted(set(labels.tolist()) - set(LABELS))
    if unknown:
        raise DataError(
            "A row's part is train, validation or test.",
            given=f"'{unknown[0]}'",
            fix="Rename it, or do not use the column to split.",
        )
    train, validation, test = (np.flatnonzero(labels == label) for label in LABELS)
    if not len(train):
        raise DataError(
            "Some rows must be labelled train.",
            given=f"{len(validation)} validation rows and {len(test)} test rows",
            fix="Label rows to train on, or do not use the column to split.",
        )
    if len(validation):
        parts: Folds = ((train, validation),)
    else:
        parts = _fold(train, strata, group, time, folds, generator)
    return Split(np.sort(np.concatenate([train, validation])), test, parts, "as the table says")
