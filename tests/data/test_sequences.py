"""Cells that are lists of steps: what counts as one, and rows of them as one padded array."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.sequences import tensors, variables
from coterie.errors import DataError

NAN = math.nan


def series(values: list, dtype: pl.DataType | None = None) -> pl.Series:
    return pl.Series("s", values, dtype=dtype)


@pytest.mark.parametrize(
    ("cells", "width"),
    [
        (series([[1.0, 2.0], []]), 1),
        (series([[1, 2], None]), 1),
        (series([[[1.0, 2.0], [3.0, 4.0]], []]), 2),
        (series([[[1.0, 2.0], [3.0]]]), 0),
        (series([[[1.0, 2.0]], [[3.0]]]), 0),
        (pl.Series("s", np.zeros((2, 5))), 1),
        (pl.Series("s", np.zeros((2, 5, 3))), 3),
        (series([[[1.0, 2.0]]], pl.List(pl.Array(pl.Float64, 2))), 2),
        (series([[np.zeros((2, 2))]], pl.List(pl.Array(pl.Float64, (2, 2)))), 0),
    ],
)
def test_numbers_a_step(cells: pl.Series, width: int) -> None:
    assert variables(cells) == width


def test_ragged_rows_are_padded_behind() -> None:
    x, length = tensors([series([[1.0, 2.0, 3.0], [], [4.0], None])])
    assert x.dtype == np.float64
    assert length.tolist() == [3, 0, 1, 0]
    assert x[..., 0].tolist() == [[1, 2, 3], [0, 0, 0], [4, 0, 0], [0, 0, 0]]


def test_missing_steps_are_nan_and_padding_is_zero() -> None:
    x, _ = tensors([series([[1.0, None, math.inf, NAN], [None]])])
    np.testing.assert_array_equal(x[..., 0], [[1, NAN, NAN, NAN], [NAN, 0, 0, 0]])


def test_columns_stand_side_by_side() -> None:
    pair = series([[[1, 2], [3, 4]], [[5, 6]]])
    x, length = tensors([pair, series([[True, False], [True]])])
    assert length.tolist() == [2, 1]
    assert x.tolist() == [[[1, 2, 1], [3, 4, 0]], [[5, 6, 1], [0, 0, 0]]]


@pytest.mark.parametrize("form", ["array", "lists", "lists of arrays"])
def test_arrays_and_lists_are_the_same(form: str) -> None:
    values = np.arange(24.0).reshape(2, 4, 3)
    cells = {
        "array": pl.Series("s", values),
        "lists": pl.Series("s", values.tolist()),
        "lists of arrays": pl.Series("s", values.tolist(), dtype=pl.List(pl.Array(pl.Float64, 3))),
    }[form]
    x, length = tensors([cells])
    np.testing.assert_array_equal(x, values)
    assert length.tolist() == [4, 4]


def test_flat_arrays_have_one_variable() -> None:
    x, length = tensors([pl.Series("s", np.arange(6, dtype=np.int32).reshape(2, 3))])
    assert x.tolist() == [[[0], [1], [2]], [[3], [4], [5]]]
    assert length.tolist() == [3, 3]


def test_rows_without_a_step_and_no_rows_at_all() -> None:
    x, length = tensors([series([[], []], pl.List(pl.Float64))])
    assert x.shape == (2, 1, 1)  # a step of padding, so that there is something to multiply
    assert length.tolist() == [0, 0]
    x, length = tensors([series([], pl.List(pl.Float64))])
    assert x.shape == (0, 1, 1)
    assert len(length) == 0


def test_sequences_of_a_row_of_different_lengths() -> None:
    other = pl.Series("t", [[1.0], [2.0]])
    with pytest.raises(DataError, match=r"equally long.*2 of 's' and 1 of 't' in row 1"):
        tensors([series([[1.0], [2.0, 3.0]]), other])


def test_steps_of_different_widths() -> None:
    with pytest.raises(DataError, match=r"as many numbers.*steps of 1 and of 2 in 's'"):
        tensors([series([[[1.0, 2.0], [3.0]]])])


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(st.lists(st.floats(-9, 9), min_size=width, max_size=width), max_size=4),
            min_size=1,
            max_size=5,
        )
    )
)
def test_every_step_is_where_it_belongs(rows: list[list[list[float]]]) -> None:
    x, length = tensors([pl.Series("s", rows, dtype=pl.List(pl.List(pl.Float64)))])
    assert length.tolist() == [len(row) for row in rows]
    for made, row in zip(x, rows, strict=True):
        assert made[: len(row)].tolist() == row
        assert not made[len(row) :].any()
