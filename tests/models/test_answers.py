"""From outputs to what a person reads: types of labels, thresholds, intervals, and lists of steps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch

from coterie.data.schema import Target
from coterie.models.answers import answer_table, decided

TWO = torch.tensor([[0.8, 0.2], [0.3, 0.7], [0.5, 0.5]])
YES = Target(("y",), "binary", ("no", "yes"))


@pytest.mark.parametrize(
    ("classes", "dtype", "labels"),
    [
        (("no", "yes"), "str", ["no", "yes", "no"]),
        (("0", "1"), "int", [0, 1, 0]),
        (("0.5", "1.5"), "float", [0.5, 1.5, 0.5]),
        (("False", "True"), "bool", [False, True, False]),
    ],
)
def test_labels_are_of_the_users_own_type(classes: tuple[str, ...], dtype: str, labels: list) -> None:
    made = decided(Target(("y",), "binary", classes, dtype), TWO)
    assert made.shape == (3,)
    assert made.tolist() == labels
    assert type(made.tolist()[0]) is type(labels[0])


@pytest.mark.parametrize(
    ("threshold", "labels"),
    [(None, [0, 1, 0]), (0.5, [0, 1, 1]), (0.2, [1, 1, 1]), (0.71, [0, 0, 0]), (0.0, [1, 1, 1])],
)
def test_a_threshold_is_of_the_positive_class(threshold: float | None, labels: list[int]) -> None:
    output = TWO.double()
    output[0] = torch.tensor([0.8, 0.2])
    target = Target(("y",), "binary", ("0", "1"), "int")
    assert decided(target, output, threshold).tolist() == labels
    table = answer_table(target, output, threshold=threshold)
    assert table["prediction"].to_list() == labels
    assert table["probability 1"].to_list() == pytest.approx(output[:, 1].tolist())


def test_values_labels_and_classes() -> None:
    values = torch.tensor([[1.5], [2.5]])
    assert decided(Target(("v",), "regression"), values).tolist() == [1.5, 2.5]
    both = torch.tensor([[1.5, 0.1], [2.5, 0.9]])
    assert decided(Target(("v", "w"), "regression"), both).shape == (2, 2)
    labels = decided(Target(("v", "w"), "multilabel"), both)
    assert labels.tolist() == [[1, 0], [1, 1]]
    assert labels.dtype == np.int64
    abc = Target(("y",), "multiclass", ("a", "b", "c"))
    assert decided(abc, torch.eye(3)[[2, 0]]).tolist() == ["c", "a"]


def test_a_table_of_classes() -> None:
    table = answer_table(YES, TWO)
    assert table.columns == ["prediction", "probability no", "probability yes"]
    assert table.height == 3
    assert table["prediction"].to_list() == ["no", "yes", "no"]


def test_a_table_of_labels() -> None:
    target = Target(("hot", "wet"), "multilabel")
    table = answer_table(target, torch.tensor([[0.9, 0.1]], dtype=torch.float64))
    assert table.row(0, named=True) == {
        "hot": 1, "wet": 0, "probability hot": 0.9, "probability wet": 0.1,
    }  # fmt: skip


def test_a_table_of_values_and_their_intervals() -> None:
    one = answer_table(Target(("v",), "regression"), torch.tensor([[2.0]]), half_width=[0.5])
    assert one.row(0, named=True) == {"prediction": 2.0, "low": 1.5, "high": 2.5}
    target = Target(("v", "w"), "regression")
    table = answer_table(target, torch.tensor([[2.0, 10.0]]), half_width=[0.5, 3.0])
    assert table.columns == ["v prediction", "v low", "v high", "w prediction", "w low", "w high"]
    assert table.row(0) == (2, 1.5, 2.5, 10, 7, 13)
    assert answer_table(target, torch.zeros(1, 2)).columns == ["v prediction", "w prediction"]


def test_no_rows() -> None:
    table = answer_table(YES, TWO[:0])
    assert table.height == 0
    assert table.columns == ["prediction", "probability no", "probability yes"]


# ---- an answer a step ----------------------------------------------------------------------------------


def test_steps_are_lists_as_long_as_their_rows() -> None:
    target = Target(("y",), "binary", ("down", "up"), each_step=True)
    output = torch.stack([TWO, TWO.flip(0)])
    assert decided(target, output).tolist() == [["down", "up", "down"], ["down", "up", "down"]]
    table = answer_table(target, output, length=torch.tensor([3, 1]))
    assert table["prediction"].to_list() == [["down", "up", "down"], ["down"]]
    assert table["prediction"].dtype == pl.List(pl.String)
    assert [len(row) for row in table["probability up"].to_list()] == [3, 1]
    whole = answer_table(target, output)
    assert whole["prediction"].list.len().to_list() == [3, 3]


def test_steps_of_values_and_a_row_without_any() -> None:
    target = Target(("v",), "regression", each_step=True)
    output = torch.arange(6.0).view(2, 3, 1)
    assert decided(target, output).tolist() == [[0, 1, 2], [3, 4, 5]]
    table = answer_table(target, output, length=torch.tensor([2, 0]), half_width=[1.0])
    assert table["prediction"].to_list() == [[0, 1], []]
    assert table["low"].to_list() == [[-1, 0], []]
    assert table["high"].to_list() == [[1, 2], []]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_rows_without_any_step_at_all_keep_their_type(task: str) -> None:
    target = Target(("y",), task, ("a", "b") if task == "binary" else (), each_step=True)  # type: ignore[arg-type]
    output = torch.zeros(2, 3, target.outputs)
    table = answer_table(target, output, length=torch.tensor([0, 0]))
    assert table.height == 2
    assert all(isinstance(dtype, pl.List) for dtype in table.dtypes)
    assert answer_table(target, output[:0], length=torch.tensor([], dtype=torch.int64)).height == 0
