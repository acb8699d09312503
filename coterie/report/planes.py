"""Rows as dots of a plane: codes coloured by a label, samples over the rows that they are to be like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coterie.report.drawing import ACCENT, INK, NAMED, OTHER, WIDTH, as_array, canvas, plain, say

MARKERS = "o^s"  # of the first four, the next four …
MOST_NAMED = 10  # classes that have a colour and a name of their own


def code_plane(
    codes: Any,
    labels: Any,
    classes: Sequence[str] = (),
    *,
    names: Sequence[str] = ("", ""),
    ax: Axes | None = None,
) -> Axes:
    """Codes (N, 1 or 2) as dots, coloured by class; labels: (N,) class index, −1 where it is not known."""
    points, label = as_array(codes), as_array(labels).astype(int)
    if not len(points):
        return say(canvas(ax), "There are no codes to show.")
    ax = canvas(ax, WIDTH, 3.6)
    across = points[:, 0]
    down = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    unknown = (label < 0) | (label >= MOST_NAMED)
    ax.scatter(across[unknown], down[unknown], s=9, color=OTHER, lw=0, alpha=0.7)
    for place, name in enumerate(classes[:MOST_NAMED]):
        mine = label == place
        ax.scatter(
            across[mine], down[mine], s=11, lw=0, alpha=0.85, label=plain(name, 18),
            color=NAMED[place % len(NAMED)], marker=MARKERS[place // len(NAMED)],
        )  # fmt: skip
    ax.set(xlabel=names[0], ylabel=names[1] if points.shape[1] > 1 else "")
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        beside(ax, handles, labels)
    return ax


def beside(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend to the right of the plot, where it covers no dot; its marks are larger than the dots."""
    ax.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, fontsize=8.5,
        labelcolor=INK, markerscale=2.0, handletextpad=0.2, borderaxespad=0.3, labelspacing=0.45,
    )  # fmt: skip


def clouds(real: Any, made: Any, *, names: Sequence[str] = ("", ""), ax: Axes | None = None) -> Axes:
    """Rows (N, 2) and samples (N, 2) as dots of two colours."""
    ax = canvas(ax, WIDTH, 3.6)
    for points, colour, label in ((as_array(real), OTHER, "rows"), (as_array(made), ACCENT, "samples")):
        ax.scatter(points[:, 0], points[:, 1], s=9, lw=0, alpha=0.6, color=colour, label=label)
    ax.set(xlabel=plain(names[0], 34), ylabel=plain(names[1], 34))
    beside(ax, *ax.get_legend_handles_labels())
    return ax
