"""Targets that are lists, an answer for every step, and targets that look like texts to be written."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from coterie.data.encode import encode, usable_rows
from coterie.data.infer import infer_schema
from coterie.data.read import read
from coterie.data.roles import assign_roles
from coterie.data.splits import split
from coterie.data.table import Table
from coterie.data.targets import is_written, padded_steps, read_target, target_values
from coterie.errors import DataError

NAN = float("nan")


def target_of(values: list, task: str | None = None, positive: object = None):
    notes: list[str] = []
    warnings: list[str] = []
    table = read({"y": values})
    return *read_target(table, ("y",), task, positive, {}, notes, warnings), notes, warnings


# ---- lists ---------------------------------------------------------------------------------------------


def test_classes_of_steps() -> None:
    record, y, keep, notes, _ = target_of([["up", "down"], ["up"], [], None])
    assert (record.task, record.classes, record.each_step) == ("binary", ("down", "up"), True)
    assert y.tolist() == [[1, 0], [1, -1], [-1, -1], [-1, -1]]
    assert keep.tolist() == [True, True, False, False]
    assert "'y' holds an answer for every step." in notes


def test_three_classes_and_numbers_that_are_classes() -> None:
    record, y, _, _, _ = target_of([["a", "b", "c"], ["c"]])
    assert (record.task, record.outputs) == ("multiclass", 3)
    assert y.tolist() == [[0, 1, 2], [2, -1, -1]]
    record, y, _, _, _ = target_of([[0, 1, 1], [1, 0], [0]])
    assert (record.task, record.classes) == ("binary", ("0", "1"))
    assert y.tolist() == [[0, 1, 1], [1, 0, -1], [0, -1, -1]]
    assert target_of([[0, 1, 1], [1, 0], [0]], task="regression")[0].task == "regression"


def test_values_of_steps() -> None:
    record, y, keep, _, _ = target_of([[1.5, 2.25], [], [3.75]])
    assert (record.task, record.each_step) == ("regression", True)
    np.testing.assert_array_equal(y[..., 0], [[1.5, 2.25], [NAN, NAN], [3.75, NAN]])
    assert keep.tolist() == [True, False, True]


def test_answers_that_are_missing_in_the_middle() -> None:
    _, y, keep, _, _ = target_of([["up", None, "down"], [None, None], ["", "up"]])
    assert y.tolist() == [[1, -1, 0], [-1, -1, -1], [-1, 1, -1]]
    assert keep.tolist() == [True, False, True]
    _, y, keep, _, _ = target_of([[1.5, None, 2.5], [None], [0.25, 7.0]])
    np.testing.assert_array_equal(y[..., 0], [[1.5, NAN, 2.5], [NAN] * 3, [0.25, 7.0, NAN]])
    assert keep.tolist() == [True, False, True]


def test_the_positive_class_of_steps() -> None:
    assert target_of([["up", "down"], ["up"]], positive="down")[0].classes == ("up", "down")


@pytest.mark.parametrize("values", [[["a", "a"], ["a"]], [[2.5, 2.5], []]])
def test_steps_that_never_differ_are_refused(values: list) -> None:
    with pytest.raises(DataError, match="must vary"):
        target_of(values, task="regression" if values[1] == [] else None)


def test_steps_without_any_answer_are_refused() -> None:
    with pytest.raises(DataError, match=r"needs values|must have its target"):
        target_of([["", None], [""]])


def test_cells_of_several_axes_are_no_target() -> None:
    with pytest.raises(DataError, match=r"one value in each row.*List"):
        target_of([[[1.0, 2.0]], [[3.0, 4.0]]])


def test_rows_of_steps_are_padded() -> None:
    lists = pl.Series([[1, 2], [], [3]])
    assert padded_steps(np.array([5, 6, 7]), lists).tolist() == [[5, 6], [-1, -1], [7, -1]]
    values = padded_steps(np.array([[0.5], [1.5], [2.5]]), lists)
    np.testing.assert_array_equal(values[..., 0], [[0.5, 1.5], [NAN, NAN], [2.5, NAN]])
    assert padded_steps(np.zeros(0, np.int64), pl.Series([[], []], dtype=pl.List(pl.Int64))).shape == (2, 1)


def test_later_answers_by_the_classes_that_are_known() -> None:
    record, _, _, _, _ = target_of([["up", "down"], ["up"]])
    y, strange = target_values([pl.Series("y", [["down"], ["up", "sideways", None], []])], record)
    assert y.tolist() == [[0, -1, -1], [1, -1, -1], [-1, -1, -1]]
    assert strange.tolist() == ["sideways"]
    with pytest.raises(DataError, match=r"holds a list in each row.*'y' of type String"):
        target_values([pl.Series("y", ["up"])], record)


# ---- beside their sequences ----------------------------------------------------------------------------


def encoded(s: list, y: list, learned: int | None = None) -> tuple:
    """The dataset of a schema that the first rows settled, of all rows."""
    table = read({"s": s, "y": y})
    roles = assign_roles(table, target="y")
    schema = infer_schema(table, roles, np.arange(learned or len(s)))
    return encode(table, schema), schema, table


def test_answers_have_as_many_steps_as_what_is_read() -> None:
    data, _, _ = encoded([[1.0, 2.0, 3.0], [1.0]], [["a", "b", "a"], ["b"]])
    assert data.target.tolist() == [[0, 1, 0], [1, -1, -1]]
    assert data.inputs["sequence"].shape[:2] == data.target.shape


@pytest.mark.parametrize("values", [False, True])
def test_rows_longer_than_any_that_was_learned_from_are_cut_with_their_answers(values: bool) -> None:
    s = [[1.0, 2.0], [3.0], [1.0, 2.0, 3.0, 4.0]]
    y = [[0.5, 1.5], [2.5], [1.0, 2.0, 3.0, 4.0]] if values else [["a", "b"], ["a"], ["a", "b", "a", "b"]]
    data, schema, _ = encoded(s, y, learned=2)
    assert schema.sequence == (2, 1)
    assert data.target.shape[:2] == data.inputs["sequence"].shape[:2] == (3, 2)
    assert data.inputs["length"].tolist() == [2, 1, 2]


def test_rows_shorter_than_those_that_were_learned_from_are_padded() -> None:
    _, schema, _ = encoded([[1.0, 2.0, 3.0], [1.0]], [["a", "b", "a"], ["b"]])
    later = encode(read({"s": [[5.0], [6.0]], "y": [["a"], ["b"]]}), schema)
    assert later.target is not None
    assert later.target.tolist() == [[0, -1, -1], [1, -1, -1]]
    assert later.target.dtype == torch.int64


@pytest.mark.parametrize("own", [["a"], ["a", "b", "a"]])
def test_other_than_one_answer_a_step_is_refused(own: list[str]) -> None:
    with pytest.raises(DataError, match=rf"for every step.*Given: {len(own)} in 'y' for 2 steps in row 1"):
        encoded([[1.0, 2.0, 3.0], [1.0, 2.0]], [["a", "b", "a"], own])


def test_rows_to_judge_by_are_those_with_any_answer() -> None:
    _, schema, _ = encoded([[1.0, 2.0], [1.0]], [["a", "b"], ["b"]])
    later = read({"s": [[5.0, 1.0], [6.0]], "y": [[None, "a"], [None]]})
    rows, notes = usable_rows(later, schema)
    assert rows.tolist() == [0]
    assert notes == ["1 of 2 rows have no usable target and are left out."]


# ---- texts to be written -------------------------------------------------------------------------------

SENTENCES = [f"the {word} fox number {i} ran" for i, word in enumerate(["red", "old"] * 12)]


@pytest.mark.parametrize(
    ("values", "are"),
    [
        (SENTENCES, True),
        (SENTENCES[:20], True),
        (SENTENCES[:19], False),  # too few to tell
        ([*SENTENCES, None, None], True),
        (["good one", "bad one"] * 20, False),  # classes of two words
        ([f"w{i}" for i in range(40)], False),  # codes
        ([f"{i} " for i in range(40)], False),
        ([f"w{i}" for i in range(30)] + SENTENCES[:10], False),  # most are single words
        ([f"2024-01-{1 + i % 28:02} 10:{i:02}" for i in range(40)], False),  # times
        (list(range(40)), False),
    ],
)
def test_what_looks_like_texts_to_be_written(values: list, are: bool) -> None:
    assert is_written(read({"y": values}), ("y",)) is are


def test_one_column_that_exists_is_asked() -> None:
    table = read({"y": SENTENCES, "z": SENTENCES})
    assert not is_written(table, ())
    assert not is_written(table, ("y", "z"))
    assert not is_written(table, ("other",))


def test_a_text_target_is_known_where_it_holds_something() -> None:
    table = Table(pl.DataFrame({"y": ["one two", None, "", "three"]}), "t", "a frame", "")
    record, y, keep = read_target(table, ("y",), "text", None, {}, [], [])
    assert (record.task, record.each_step) == ("text", True)
    assert keep.tolist() == [True, False, False, True]
    assert (y >= 0).tolist() == keep.tolist()


# ---- the gap in time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize("each", [1, 2])
def test_a_gap_keeps_so_many_times_before_later_rows_out_of_training(gap: int, each: int) -> None:
    """each: rows of every time, as of several series."""
    time = np.repeat(np.arange(30.0), each)
    made = split(len(time), time=time, test_size=6 * each, folds=3, seed=0, gap=gap)
    assert made.kind == "forward in time"
    assert set(time[made.test]) == set(range(24, 30))
    assert set(time[made.development]) == set(range(24 - gap))
    for training, validation in made.folds:
        first = time[validation].min()
        assert set(time[training]) == {t for t in time if t < first - gap}
    whole = split(len(time), time=time, test_size=6 * each, folds=3, seed=0)
    assert np.array_equal(made.test, whole.test)


def test_a_gap_counts_times_and_not_their_distance() -> None:
    time = np.arange(20.0) ** 2
    made = split(20, time=time, test_size=4, folds=0, seed=0, gap=2)
    assert made.development.tolist() == list(range(14))


def test_a_gap_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(DataError, match=r"rows to train on before.*9 steps or more"):
        split(12, time=np.arange(12.0), test_size=4, folds=0, seed=0, gap=9)
    with pytest.raises(DataError, match="shorter horizon"):
        split(12, time=np.arange(12.0), test_size=3, folds=2, seed=0, gap=4)
