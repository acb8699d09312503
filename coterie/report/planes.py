"""Rows as dots of a plane: codes coloured by a label, samples over the rows that they are to be like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from coterie.report.drawing import ACCENT, NAMED, OTHER, WIDTH, as_array, canvas, legend, plain, say

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
            color=NAMED[place % len(NAMED)], marker="o" if place < len(NAMED) else "^",
        )  # fmt: skip
    ax.set(xlabel=names[0], ylabel=names[1] if points.shape[1] > 1 else "")
    handles = ax.get_legend_handles_labels()
    if handles[0]:
        legend(ax, *handles)
    return ax


def clouds(real: Any, made: Any, *, names: Sequence[str] = ("", ""), ax: Axes | None = None) -> Axes:
    """Rows (N, 2) and samples (N, 2) as dots of two colours."""
    ax = canvas(ax, WIDTH, 3.6)
    for points, colour, label in ((as_array(real), OTHER, "rows"), (as_array(made), ACCENT, "samples")):
        ax.scatter(points[:, 0], points[:, 1], s=9, lw=0, alpha=0.6, color=colour, label=label)
    ax.set(xlabel=plain(names[0], 34), ylabel=plain(names[1], 34))
    legend(ax, *ax.get_legend_handles_labels())
    return ax
