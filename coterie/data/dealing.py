"""Rows dealt to parts at random, so that every part has its share of each class and whole groups.

Letters: N rows, G groups, C strata (classes). What is random comes from the generator that `splits.py` makes.
"""

from __future__ import annotations

import numpy as np

from coterie.errors import DataError

# 0.07 · 100 is 7.000000000000001: a share must not be rounded up by rounding.
ROUNDING = 1e-9


def shuffled(n: int, generator: np.random.Generator) -> np.ndarray:
    """The numbers 0 … n − 1 in random order."""
    return np.argsort(generator.bit_generator.random_raw(n), kind="stable")


# Classes: each spread over the parts to within one row.


def _coded(strata: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's class as a number from 0 on (N,), and the classes' sizes; small numbers are soon sorted."""
    if strata.dtype.kind != "i" or not len(strata) or strata.min() < 0 or strata.max() >= 1 << 16:
        _, codes, sizes = np.unique(strata, return_inverse=True, return_counts=True)
        return codes, sizes
    counts = np.bincount(strata)
    there = np.flatnonzero(counts)
    number = np.zeros(len(counts), dtype=np.uint16)
    number[there] = np.arange(len(there))
    return number[strata], counts[there]


def choose_by_class(
    rows: np.ndarray, wanted: int, strata: np.ndarray, generator: np.random.Generator, purpose: str
) -> np.ndarray:
    """Which rows to set aside (bool): each class's share by largest remainder, always leaving one behind."""
    codes, sizes = _coded(strata[rows])
    share = sizes * (wanted / len(rows))
    quota = np.minimum(np.floor(share + ROUNDING).astype(np.int64), sizes - 1)
    # What is left goes one by one to the classes with the largest remainders, equal ones in random order.
    turn = shuffled(len(sizes), generator)
    turn = turn[np.argsort(-np.round(share - quota, 9)[turn], kind="stable")]
    while (missing := wanted - quota.sum()) > 0 and (room := turn[quota[turn] < sizes[turn] - 1]).size:
        quota[room[:missing]] += 1
    if not quota.sum():
        raise DataError(
            f"To set {purpose} rows aside, some class needs two rows or more.",
            given=f"{len(sizes)} classes of one row each",
            fix="Check the target column, bring more rows, or set no rows aside.",
        )
    order = shuffled(len(rows), generator)
    order = order[np.argsort(codes[order], kind="stable")]  # by class, shuffled within
    chosen = np.zeros(len(rows), dtype=bool)
    for begin, count in zip(np.cumsum(sizes) - sizes, quota, strict=True):
        chosen[order[begin : begin + count]] = True
    return chosen


def deal_classes(
    rows: np.ndarray, strata: np.ndarray, folds: int, generator: np.random.Generator
) -> np.ndarray:
    """The fold that each row validates; −1 for a class of one, which is always trained on.

    Classes are dealt like cards, one after the other: so each is even to within a row, and so is the total.
    """
    codes, sizes = _coded(strata[rows])
    order = shuffled(len(rows), generator)
    order = order[np.argsort(codes[order], kind="stable")]
    order = order[sizes[codes[order]] > 1]
    if len(order) < folds:
        raise DataError(
            "Each fold needs a row to validate on, of a class that has two rows or more.",
            given=f"{folds} folds, {len(order)} such rows",
            fix="Ask for fewer folds (0: none), a smaller test set, or bring more rows.",
        )
    fold_of = np.full(len(rows), -1, dtype=np.int64)
    fold_of[order] = np.arange(len(order)) % folds
    return fold_of


# Groups: whole groups are placed where they leave sizes, and classes, most even.


def _contents(
    rows: np.ndarray, strata: np.ndarray | None, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's group (N,), the groups' sizes (G,), and what they hold (G, C + 1).

    What they hold: rows of each class and rows in all, each as a share of all such rows.
    """
    _, codes, sizes = np.unique(group[rows], return_inverse=True, return_counts=True)
    holds = sizes[:, None].astype(np.float64)
    if strata is not None:
        _, classes = np.unique(strata[rows], return_inverse=True)
        table = np.zeros((len(sizes), int(classes.max()) + 1))
        np.add.at(table, (codes, classes), 1.0)
        holds = np.concatenate([table, holds], axis=1)
    return codes, sizes, holds / holds.sum(axis=0)


def choose_groups(
    rows: np.ndarray,
    wanted: int,
    strata: np.ndarray | None,
    group: np.ndarray,
    generator: np.random.Generator,
    purpose: str,
) -> np.ndarray:
    """Which rows to set aside (bool): groups in random order, each taken if that brings all shares closer."""
    codes, sizes, holds = _contents(rows, strata, group)
    if len(sizes) < 2:
        raise DataError(
            f"To set {purpose} rows aside, there must be two groups or more.",
            given=f"{len(sizes)} group",
            fix="Bring rows of more groups, name another group column, or set no rows aside.",
        )
    missing = np.full(holds.shape[1], wanted / len(rows))
    taken = np.zeros(len(sizes), dtype=bool)
    left = len(sizes)
    for number in shuffled(len(sizes), generator):
        # |missing − held|² < |missing|², written out
        if left > 1 and holds[number] @ (holds[number] - 2 * missing) < 0:
            missing = missing - holds[number]
            taken[number] = True
            left -= 1
            if missing[-1] < ROUNDING:
                break
    if not taken.any():  # every group is more than twice what is wanted
        taken[sizes.argmin()] = True
    return taken[codes]


def deal_groups(
    rows: np.ndarray,
    strata: np.ndarray | None,
    group: np.ndarray,
    folds: int,
    generator: np.random.Generator,
) -> np.ndarray:
    """The fold that each row validates: large groups first, each to the fold that holds least of its like."""
    codes, sizes, holds = _contents(rows, strata, group)
    if len(sizes) < folds:
        raise DataError(
            "There must be at least as many groups as folds.",
            given=f"{folds} folds, {len(sizes)} groups after the test rows were set aside",
            fix="Ask for fewer folds (0: none), a smaller test set, or bring rows of more groups.",
        )
    order = shuffled(len(sizes), generator)
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((folds, holds.shape[1]))
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    for number in order:
        fold = int((held @ holds[number]).argmin())
        held[fold] += holds[number]
        fold_of_group[number] = fold
    return fold_of_group[codes]
