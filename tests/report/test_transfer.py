"""The figure of transfer: score against number of labelled examples."""

from __future__ import annotations

import numpy as np
import pytest

from coterie.report.drawing import ACCENT, OTHER, to_svg
from coterie.report.transfer import transfer_curves


def test_means_are_lines_and_seeds_are_dots() -> None:
    scratch, moved = np.array([[0.5, 0.7], [0.8, 0.9]]), np.array([[0.8, 0.8], [0.9, 1.0]])
    ax = transfer_curves([2, 10], {"from scratch": scratch, "transferred": moved})
    means = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [line.get_color() for line in means] == [OTHER, ACCENT]
    assert means[0].get_ydata() == pytest.approx([0.6, 0.85])
    assert means[1].get_ydata() == pytest.approx([0.8, 0.95])
    dots = [line.get_ydata().tolist() for line in ax.lines if line.get_linestyle() == "None"]
    assert dots == [*scratch.tolist(), *moved.tolist()]
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["from scratch", "transferred"]
    assert "<svg" in to_svg(ax, "transfer", "t")


def test_one_number_of_labels_and_none() -> None:
    assert transfer_curves([10], {"a": [[0.5]]}).get_xscale() == "linear"
    assert transfer_curves([], {}).texts[0].get_text() == "Nothing was compared."
