"""The path of weights: one line a weight, the first few of many, and nothing where nothing was traced."""

import numpy as np

from coterie.report.traces import MOST, weight_paths


def test_a_line_for_every_weight() -> None:
    values = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    ax = weight_paths(["w", "b"], [0, 1, 2], values)
    assert [line.get_label() for line in ax.lines] == ["w", "b"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0, 1, 0])


def test_of_many_the_first_few() -> None:
    ax = weight_paths([f"w{i}" for i in range(20)], range(5), np.zeros((5, 20)))
    assert len(ax.lines) == MOST


def test_nothing_is_said_where_nothing_was_traced() -> None:
    assert not weight_paths([], [], np.zeros((0, 0))).lines
