"""A figure of what augmentation makes: some of the training examples, and under each what became of it.

N examples, C channels, H height, W width, T steps, F variables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coterie.report.drawing import ACCENT, MUTED, OTHER, WIDTH, as_array, canvas, say

MOST = 24  # examples that are shown
ACROSS = 8  # in a row
LABELS = 1.0  # inches that they take
GAP = 0.12  # between examples, as a share of one's side


def augmented(originals: Any, examples: Any, *, ax: Axes | None = None) -> Axes:
    """The first 24 examples at most, in rows of 8, each with its augmented form right below it.

    originals, examples: (N, C, H, W) images or (N, T, F) sequences, in any unit that is the same in both;
    NaN in a sequence is a gap. Three channels are shown as colours, any other number as their mean; black
    and white are the originals' least and greatest value. Of sequences the first variable is drawn.
    """
    before, after = as_array(originals)[:MOST], as_array(examples)[:MOST]
    n = min(len(before), len(after))
    if n == 0:
        return say(canvas(ax), "No example was augmented.")
    across = min(n, ACROSS)
    lines = -(-n // across)
    height, width = before.shape[2:] if before.ndim == 4 else (2, 3)
    right, foot = across * (1 + GAP) - GAP, lines * (2 + 3 * GAP) - 2.5 * GAP  # what is drawn, in cells
    tall = foot * (WIDTH - LABELS) / right * (height / width)
    ax = canvas(ax, WIDTH, float(np.clip(tall + 0.1, 0.6, 9.0)))
    ax.grid(visible=False)
    places = [(i % across, i // across) for i in range(n)]
    draw = _pictures if before.ndim == 4 else _lines
    draw(ax, before[:n], after[:n], places)
    ax.set(
        xlim=(-0.02, across * (1 + GAP) - GAP + 0.02), ylim=(lines * (2 + 3 * GAP) - 2 * GAP + 0.02, -0.02)
    )
    ax.set_yticks(
        [line * (2 + 3 * GAP) + 0.5 + half * (1 + GAP / 2) for line in range(lines) for half in (0, 1)],
        ["original", "augmented"] * lines,
        fontsize=8.5,
        color=MUTED,
    )
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_aspect(height / width)
    return ax


def _pictures(ax: Axes, before: np.ndarray, after: np.ndarray, places: list[tuple[int, int]]) -> None:
    """Images (N, C, H, W), each in a cell of side 1."""
    low, high = _range(before)
    for part, half in ((before, 0), (after, 1)):
        shown = np.clip((part - low) / (high - low), 0, 1).transpose(0, 2, 3, 1)
        if shown.shape[-1] != 3:
            shown = np.repeat(shown.mean(-1, keepdims=True), 3, axis=-1)
        for picture, place in zip(shown, places, strict=True):
            left, top = _corner(place, half)
            ax.imshow(picture, extent=(left, left + 1, top + 1, top), interpolation="nearest", aspect="auto")


def _lines(ax: Axes, before: np.ndarray, after: np.ndarray, places: list[tuple[int, int]]) -> None:
    """The first variable of sequences (N, T, F), each in a cell of side 1."""
    before, after = before[..., 0], after[..., 0]
    both = np.stack([before, after])
    seen = both[np.isfinite(both)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 1.0)
    x = np.linspace(0, 1, before.shape[1])
    for part, half, colour in ((before, 0, OTHER), (after, 1, ACCENT)):
        for y, place in zip(part, places, strict=True):
            left, top = _corner(place, half)
            ax.plot(left + x, top + 1 - (y - low) / max(high - low, 1e-12), color=colour, lw=1)


def _corner(place: tuple[int, int], half: int) -> tuple[float, float]:
    """Left and top of a cell; half: 0 for the original, 1 for what is below it."""
    column, line = place
    return column * (1 + GAP), line * (2 + 3 * GAP) + half * (1 + GAP / 2)


def _range(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is black and what is white, of every channel: bytes and shares by their nature, else as seen."""
    if images.dtype == np.uint8:
        return np.zeros((1, 1, 1)), np.full((1, 1, 1), 255.0)
    low, high = images.min((0, 2, 3), keepdims=True)[0], images.max((0, 2, 3), keepdims=True)[0]
    if low.min() >= 0 and high.max() <= 1:
        return np.zeros((1, 1, 1)), np.ones((1, 1, 1))
    return low, np.where(high > low, high, low + 1)
