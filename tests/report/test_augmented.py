"""The figure of augmented examples."""

from __future__ import annotations

import numpy as np
import pytest

from coterie.report.augmented import augmented
from coterie.report.drawing import to_svg


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_pictures_stand_in_pairs(channels: int) -> None:
    originals = np.random.default_rng(0).normal(size=(30, channels, 4, 6))
    ax = augmented(originals, -originals)
    assert len(ax.images) == 48  # 24 at most
    top, below = ax.images[0], ax.images[24]
    assert top.get_extent()[:2] == below.get_extent()[:2]
    assert top.get_extent()[2] < below.get_extent()[3] + 1e-9  # y grows downwards
    assert top.get_array().shape == (4, 6, 3)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["original", "augmented"] * 3
    assert "<image" in to_svg(ax, "examples", "a")


def test_bytes_and_shares_are_shown_as_they_are() -> None:
    half = np.full((1, 1, 2, 2), 0.5)
    assert np.allclose(augmented(half, half).images[0].get_array(), 0.5)
    grey = np.full((1, 3, 2, 2), 51, dtype=np.uint8)
    assert np.allclose(augmented(grey, grey).images[0].get_array(), 0.2)


def test_sequences_are_lines_and_missing_steps_gaps() -> None:
    originals = np.random.default_rng(0).normal(size=(3, 12, 2))
    originals[0, 8:] = np.nan
    ax = augmented(originals, originals + 1)
    assert len(ax.lines) == 6
    assert np.isnan(ax.lines[0].get_ydata()[8:]).all()
    low, high = ax.lines[3].get_ydata(), ax.lines[0].get_ydata()
    assert np.nanmin(low) > np.nanmax(high)  # below


def test_no_example_is_said() -> None:
    empty = np.zeros((0, 1, 4, 4))
    assert "No example" in augmented(empty, empty).texts[0].get_text()
