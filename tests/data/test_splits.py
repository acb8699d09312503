"""Splits: who is where, and that nothing but what is given decides it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coterie.data.splits import Split, split
from coterie.errors import DataError

SEEDS = st.integers(0, 2**32)


def same(a: Split, b: Split) -> bool:
    arrays_a = [a.development, a.test, *(part for fold in a.folds for part in fold)]
    arrays_b = [b.development, b.test, *(part for fold in b.folds for part in fold)]
    return (
        a.kind == b.kind
        and len(arrays_a) == len(arrays_b)
        and all(np.array_equal(x, y) for x, y in zip(arrays_a, arrays_b, strict=True))
    )


def check_partition(made: Split, n: int, folds: int) -> None:
    """What holds of every split."""
    assert np.array_equal(np.sort(np.concatenate([made.development, made.test])), np.arange(n))
    assert len(made.folds) == folds
    validated: list[int] = []
    for part in (made.development, made.test, *(part for fold in made.folds for part in fold)):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
    for training, validation in made.folds:
        assert len(training)
        assert len(validation)
        assert not set(training) & set(validation)
        assert set(training) | set(validation) <= set(made.development)
        validated.extend(validation)
    assert len(validated) == len(set(validated))


def attempt(n: int, **given: object) -> Split:
    """A split, or hypothesis tries another example: too few rows are a DataError and nothing else."""
    try:
        return split(n, **given)  # type: ignore[arg-type]
    except DataError:
        assume(False)
        raise


@settings(max_examples=80, deadline=None)
@given(n=st.integers(5, 200), test_size=st.floats(0, 0.9), folds=st.integers(0, 7), seed=SEEDS)
def test_plain(n: int, test_size: float, folds: int, seed: int) -> None:
    made = attempt(n, test_size=test_size, folds=folds, seed=seed)
    check_partition(made, n, folds)
    assert made.kind == "plain"
    assert len(made.test) == int(np.ceil(np.round(n * test_size, 9)))
    if folds >= 2:
        sizes = [len(validation) for _, validation in made.folds]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == len(made.development)
    for training, validation in made.folds:
        assert len(training) + len(validation) == len(made.development)
    assert same(made, split(n, test_size=test_size, folds=folds, seed=seed))
    other = attempt(n, test_size=test_size, folds=0, seed=seed)
    assert np.array_equal(other.test, made.test)


@settings(max_examples=120, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=8),
    test_size=st.sampled_from([0, 0.1, 0.2, 0.5, 7]),
    folds=st.integers(0, 6),
    seed=SEEDS,
)
def test_stratified(sizes: list[int], test_size: float, folds: int, seed: int) -> None:
    strata = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 3, sizes))
    n = len(strata)
    made = attempt(n, strata=strata, test_size=test_size, folds=folds, seed=seed)
    check_partition(made, n, folds)
    assert made.kind == "stratified"
    wanted = test_size if isinstance(test_size, int) else int(np.ceil(np.round(n * test_size, 9)))
    assert len(made.test) <= wanted
    capped = False
    for stratum, size in zip(np.unique(strata), sizes, strict=True):
        held = int((strata[made.test] == stratum).sum())
        capped |= held == size - 1
        assert held <= size - 1  # each class is left one row to train on
        left = int((strata[made.development] == stratum).sum())
        counts = [int((strata[validation] == stratum).sum()) for _, validation in made.folds]
        if left == 1:
            assert not any(counts)
        elif folds >= 2:
            assert max(counts) - min(counts) <= 1
            assert sum(counts) == left
    if not capped:
        assert len(made.test) == wanted
        for stratum, size in zip(np.unique(strata), sizes, strict=True):
            assert abs((strata[made.test] == stratum).sum() - size * wanted / n) <= 1
    if folds >= 2:
        totals = [len(validation) for _, validation in made.folds]
        assert max(totals) - min(totals) <= 1


@settings(max_examples=80, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=40),
    test_size=st.sampled_from([0, 0.2, 0.4]),
    folds=st.integers(0, 5),
    stratified=st.booleans(),
    seed=SEEDS,
)
def test_grouped(sizes: list[int], test_size: float, folds: int, stratified: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)) * 5 - 3, sizes))
    strata = rng.integers(0, 3, len(group)) if stratified else None
    made = attempt(len(group), group=group, strata=strata, test_size=test_size, folds=folds, seed=seed)
    check_partition(made, len(group), folds)
    assert made.kind == "grouped"
    assert not set(group[made.development]) & set(group[made.test])
    assert (len(made.test) > 0) == (test_size > 0)
    for training, validation in made.folds:
        assert not set(group[training]) & set(group[validation])
        assert len(training) + len(validation) == len(made.development)
    if folds >= 2 and not stratified:
        counts = [len(validation) for _, validation in made.folds]
        assert max(counts) - min(counts) <= max(sizes)
        assert sum(counts) == len(made.development)


def test_grouped_sizes_and_classes_come_out_even() -> None:
    rng = np.random.default_rng(0)
    group = np.sort(rng.integers(0, 150, 1000))
    strata = (rng.random(1000) < 0.1 + 0.6 * rng.random(150)[group]).astype(int)
    made = split(1000, group=group, strata=strata, test_size=0.2, folds=5, seed=0)
    assert abs(len(made.test) - 200) <= 15
    share = strata.mean()
    assert strata[made.test].mean() == pytest.approx(share, abs=0.03)
    for _, validation in made.folds:
        assert abs(len(validation) - 160) <= 15
        assert strata[validation].mean() == pytest.approx(share, abs=0.03)


@settings(max_examples=80, deadline=None)
@given(
    times=st.lists(st.integers(0, 60), min_size=4, max_size=120),
    test_size=st.sampled_from([0, 0.2, 0.4, 3]),
    folds=st.integers(0, 5),
    seed=SEEDS,
)
def test_forward_in_time(times: list[int], test_size: float, folds: int, seed: int) -> None:
    time = np.array(times) * 0.5
    made = attempt(len(time), time=time, test_size=test_size, folds=folds, seed=seed)
    check_partition(made, len(time), folds)
    assert made.kind == "forward in time"
    if len(made.test):
        assert time[made.development].max() < time[made.test].min()
    for training, validation in made.folds:
        assert time[training].max() < time[validation].min()
        # all rows before, not some of them
        before = made.development[time[made.development] < time[validation].min()]
        assert np.array_equal(training, before)
    for (_, earlier), (_, later) in zip(made.folds, made.folds[1:], strict=False):
        assert time[earlier].max() < time[later].min()
    if folds:
        assert made.folds[-1][1].size + made.folds[-1][0].size == len(made.development)
    again = split(len(time), time=time, test_size=test_size, folds=folds, seed=seed + 1)
    assert same(made, again)  # time leaves nothing to chance


def test_forward_blocks_are_even_where_times_allow() -> None:
    made = split(120, time=np.arange(120.0)[::-1], test_size=0.25, folds=4, seed=0)
    assert np.array_equal(made.test, np.arange(30))
    assert [len(validation) for _, validation in made.folds] == [18] * 4
    assert [len(training) for training, _ in made.folds] == [18, 36, 54, 72]


def test_as_the_table_says() -> None:
    labels = np.array(["train", "test", "validation", "train", "test", "train"])
    for folds in (0, 1, 5):
        made = split(6, labels=labels, test_size=0.9, folds=folds, seed=0)
        assert made.kind == "as the table says"
        assert made.development.tolist() == [0, 2, 3, 5]
        assert made.test.tolist() == [1, 4]
        assert [(t.tolist(), v.tolist()) for t, v in made.folds] == [([0, 3, 5], [2])]
    labels = np.array(["train"] * 40 + ["test"] * 10)
    strata = np.arange(50) % 2
    made = split(50, labels=labels, strata=strata, test_size=0.5, folds=4, seed=0)
    check_partition(made, 50, 4)
    assert made.test.tolist() == list(range(40, 50))
    assert all(strata[validation].sum() == 5 for _, validation in made.folds)
    made = split(50, labels=labels, time=np.arange(50.0), test_size=0.5, folds=3, seed=0)
    assert [len(validation) for _, validation in made.folds] == [10, 10, 10]
    assert split(50, labels=labels, test_size=0.5, folds=0, seed=0).folds == ()


def test_hold_out() -> None:
    made = split(1000, test_size=0, folds=1, seed=0)
    (training, validation), *rest = made.folds
    assert not rest
    assert (len(training), len(validation), len(made.test)) == (800, 200, 0)
    strata = np.repeat([0, 1], [900, 100])
    made = split(1000, strata=strata, test_size=0.2, folds=1, seed=0)
    assert strata[made.test].sum() == 20
    assert strata[made.folds[0][1]].sum() == 16


def test_a_share_is_rounded_up_but_not_by_rounding_errors() -> None:
    assert len(split(1797, test_size=0.2, folds=0, seed=0).test) == 360
    assert len(split(100, test_size=0.07, folds=0, seed=0).test) == 7
    assert len(split(100, test_size=1, folds=0, seed=0).test) == 1


def test_seeds_differ_and_nothing_else_plays_a_part() -> None:
    strata = np.arange(300) % 3
    first = split(300, strata=strata, test_size=0.2, folds=5, seed=1)
    np.random.seed(0)
    np.random.random()
    assert same(first, split(300, strata=strata, test_size=0.2, folds=5, seed=1))
    assert same(first, split(300, strata=strata + 7, test_size=0.2, folds=5, seed=1))  # names do not count
    assert not np.array_equal(first.test, split(300, strata=strata, test_size=0.2, folds=5, seed=2).test)


def test_splits_stay_the_same_from_version_to_version() -> None:
    made = split(12, test_size=3, folds=3, seed=0)
    assert made.test.tolist() == GOLDEN_TEST
    assert [validation.tolist() for _, validation in made.folds] == GOLDEN_FOLDS


GOLDEN_TEST = [2, 3, 11]
GOLDEN_FOLDS = [[4, 8, 10], [0, 1, 9], [5, 6, 7]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 10, "test_size": 1.0}, "at least 0 and below 1"),
        ({"n": 10, "test_size": -0.1}, "at least 0 and below 1"),
        ({"n": 10, "test_size": True}, "at least 0 and below 1"),
        ({"n": 10, "test_size": 10}, "below the number of rows, 10"),
        ({"n": 10, "test_size": -1}, "below the number of rows"),
        ({"n": 1, "test_size": 0.2}, "rows to train on"),
        ({"n": 0, "folds": 0}, "rows to train on"),
        ({"n": 0, "folds": 3}, "two rows"),
        ({"n": 4, "test_size": 0}, "fewer folds"),
        ({"n": 10, "folds": -1}, "0 or more"),
        ({"n": 4, "strata": np.arange(4), "folds": 0}, "two rows or more"),
        ({"n": 8, "strata": np.array([0, 0, 1, 2, 3, 4, 5, 6]), "test_size": 0}, "fewer folds"),
        ({"n": 10, "group": np.zeros(10, dtype=int)}, "two groups"),
        ({"n": 10, "group": np.arange(10) // 3, "test_size": 0}, "as many groups as folds"),
        ({"n": 10, "time": np.ones(10)}, "different times"),
        ({"n": 10, "time": np.arange(10.0) // 3, "test_size": 0}, "6 different times"),
        ({"n": 3, "time": np.array([1.0, np.nan, 2.0])}, "needs its time"),
        ({"n": 10, "time": np.arange(10.0), "group": np.arange(10)}, "not by both"),
        ({"n": 2, "labels": ["test", "validation"]}, "labelled train"),
        ({"n": 2, "labels": ["train", "dev"]}, "'dev'"),
    ],
)
def test_errors(given: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split(**{"test_size": 0.2, "folds": 5, "seed": 0, **given})
