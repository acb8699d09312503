"""Attention maps and forecasts show the numbers that they are given, where they belong."""

import numpy as np
import pytest

from coterie.report.drawing import to_svg
from coterie.report.sequences import attention_map, forecast_lines


def test_attention_is_drawn_as_it_is():
    weights = np.array([[0.1, 0.9, 0.0], [0.7, 0.1, 0.2]])
    ax = attention_map(weights, ["ein", "$haus$"], ["a", "house", "[end]"])
    assert ax.images[0].get_array().tolist() == weights.tolist()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "house", "[end]"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ein", r"\$haus\$"]
    assert "house" in to_svg(ax, "a map", "f1")


def test_attention_over_nothing():
    assert attention_map([], [], []).texts[0].get_text() == "There is nothing to look at."


def test_a_forecast_stands_at_its_own_steps():
    ax = forecast_lines(
        [1.0, 2.0, 3.0, 4.0], [{"time": 1, "values": [2.5, None]}], name="sales", half_width=[0.5, 1.0]
    )
    truth, forecast = ax.lines[:2]
    assert truth.get_ydata().tolist() == [1, 2, 3, 4]
    assert forecast.get_xdata().tolist() == [2, 3]
    assert forecast.get_ydata()[0] == 2.5
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(2.0)
    assert ax.get_ylabel() == "sales"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["truth", "forecast"]
    assert forecast_lines([], []).texts
