"""Figures of a regression: predicted against true, and what is left over.

N rows. output and target: (N,) values of one target, in its own units; half_width: the prediction interval is
output ± half_width. Past 1,500 rows a fixed subsample is drawn, evenly spaced from the lowest true value to
the highest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from coterie.report.drawing import (
    ACCENT,
    HEIGHT,
    MIDDLE,
    OTHER,
    SECOND,
    WIDTH,
    as_array,
    canvas,
    legend,
    plain,
    say,
    spaced,
)
from coterie.report.numbers import number, percent

MOST_DOTS = 1500


def predicted_against_true(
    output: Any,
    target: Any,
    *,
    name: str = "",
    half_width: float | None = None,
    level: float = 0.9,
    ax: Axes | None = None,
) -> Axes:
    """Prediction against truth: on the line is perfect; inside the band the prediction interval held."""
    ax = canvas(ax, WIDTH, HEIGHT + 0.3)
    predicted, true, shown = _rows(output, target)
    if not len(shown):
        return say(ax, "No prediction to compare.")
    ends = np.array([min(true.min(), predicted.min()), max(true.max(), predicted.max())])
    half = number(half_width)
    if np.isfinite(half):
        ax.fill_between(ends, ends - half, ends + half, color=ACCENT, alpha=0.13, lw=0)
        legend(
            ax,
            [Patch(color=ACCENT, alpha=0.2, lw=0)],
            [f"{percent(level)} prediction interval"],
            "above",
        )
    ax.plot(ends, ends, color=OTHER, lw=1.2, ls=(0, (3, 2)))
    _dots(ax, true[shown], predicted[shown])
    ax.set(xlabel=f"true {plain(name, 30)}".rstrip(), ylabel=f"predicted {plain(name, 30)}".rstrip())
    return ax


def residuals(
    output: Any,
    target: Any,
    *,
    name: str = "",
    half_width: float | None = None,
    level: float = 0.9,
    ax: Axes | None = None,
) -> Axes:
    """Truth minus prediction, against prediction, with the median in ten parts: a trend is something not
    learnt.
    """
    ax = canvas(ax, WIDTH, HEIGHT + 0.3)
    predicted, true, shown = _rows(output, target)
    if not len(shown):
        return say(ax, "No prediction to compare.")
    left = true - predicted
    half = number(half_width)
    handles: list[Any] = []
    labels: list[str] = []
    if np.isfinite(half):
        ax.axhspan(-half, half, color=ACCENT, alpha=0.13, lw=0)
        handles, labels = [Patch(color=ACCENT, alpha=0.2, lw=0)], [f"{percent(level)} prediction interval"]
    ax.axhline(0, color=OTHER, lw=1.2, ls=(0, (3, 2)))
    _dots(ax, predicted[shown], left[shown])
    parts = [
        p
        for p in np.array_split(np.argsort(predicted, kind="stable"), min(10, len(left) // 8) or 1)
        if len(p)
    ]
    if len(parts) > 2:
        ax.plot([predicted[p].mean() for p in parts], [np.median(left[p]) for p in parts], color=SECOND, lw=2)
        handles, labels = [*handles, Line2D([], [], color=SECOND, lw=2)], [*labels, "median of neighbours"]
    if handles:
        legend(ax, handles, labels, "above")
    ax.set(xlabel=f"predicted {plain(name, 30)}".rstrip(), ylabel="true − predicted")
    return ax


def _rows(output: Any, target: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions and truths that are finite, and which of them to draw."""
    predicted = as_array(output).astype(np.float64).reshape(-1)
    true = as_array(target).astype(np.float64).reshape(-1)
    keep = np.isfinite(predicted) & np.isfinite(true)
    predicted, true = predicted[keep], true[keep]
    return predicted, true, spaced(np.argsort(true, kind="stable"), MOST_DOTS)


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Few dots as shapes, many as pixels (the page stays small)."""
    many = len(x) > 400
    ax.scatter(
        x,
        y,
        s=9 if many else 14,
        color=MIDDLE[0] if many else ACCENT,
        alpha=0.45 if many else 0.6,
        lw=0,
        rasterized=many,
    )
