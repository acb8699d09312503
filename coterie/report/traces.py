"""The path of a small network's weights while it learns, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from coterie.report.drawing import NAMED, WIDTH, as_array, canvas, legend, plain, say

MOST = 8  # weights that are drawn


def weight_paths(names: Sequence[str], steps: Sequence[int], values: Any, *, ax: Axes | None = None) -> Axes:
    """Weights against steps (S,): names of the P weights, values (S, P); the first 8 of them."""
    table = as_array(values)
    if table.size == 0:
        return say(canvas(ax), "Nothing was traced.")
    ax = canvas(ax, WIDTH, 2.9)
    for p, name in enumerate(names[:MOST]):
        ax.plot(
            steps,
            table[:, p],
            linewidth=1.4,
            label=plain(name, 24),
            color=NAMED[p % len(NAMED)],
            linestyle="-" if p < len(NAMED) else "--",
        )
    ax.set(xlabel="step", ylabel="weight")
    legend(ax, *ax.get_legend_handles_labels())
    return ax
