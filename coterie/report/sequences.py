"""Figures of sequences: where a network looks while it writes, and forecasts over the true series.

T written tokens, S read steps, h steps ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from coterie.report.drawing import ACCENT, INK, MUTED, SECOND, WIDTH, as_array, canvas, legend, plain, say
from coterie.report.numbers import number

LABELS = 0.9  # inches that tokens beside a map take
SHADES = LinearSegmentedColormap.from_list("attention", ["#f4f6f8", "#3f8fd2", "#123a63"])


def attention_map(
    weights: Any, down: Sequence[str], across: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """How much each written token looked at each step of the source, (T, S) shares of 1, darker for more.

    down: the T tokens as written, from above; across: names of the S steps.
    """
    shares = as_array(weights).reshape(len(down), len(across))
    if not shares.size:
        return say(canvas(ax), "There is nothing to look at.")
    cell = min(0.32, (WIDTH - LABELS) / max(len(across), 6))
    ax = canvas(ax, WIDTH, float(np.clip(LABELS + cell * len(down), 1.4, 8.0)))
    ax.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    size = 8.5 if max(len(down), len(across)) <= 16 else 7
    ax.set_xticks(range(len(across)), [plain(name, 12) for name in across], rotation=90, fontsize=size)
    ax.set_yticks(range(len(down)), [plain(name, 12) for name in down], fontsize=size)
    ax.tick_params(length=0, labelcolor=INK)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="read", ylabel="written")
    ax.xaxis.set_label_position("top")
    ax.xaxis.tick_top()
    return ax


def forecast_lines(
    truth: Sequence[float],
    origins: Sequence[Mapping[str, Any]],
    *,
    name: str = "value",
    half_width: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The true series, and over it forecasts from several origins, each with the range of its interval.

    truth: the series from time 0 on; origins: {"time": the last known step, "values": (h,) the next ones}.
    half_width: (h,) of the prediction intervals.
    """
    ax = canvas(ax, WIDTH, 2.7)
    if not len(truth):
        return say(ax, "There are no forecasts to show.")
    (true,) = ax.plot(np.arange(len(truth)), as_array(truth), color=INK, lw=1.1, label="truth")
    line = None
    for origin in origins:
        values = np.array([number(v) for v in origin["values"]])
        at = int(origin["time"]) + 1 + np.arange(len(values))
        (line,) = ax.plot(at, values, color=ACCENT, lw=1.8, marker="o", ms=2.2)
        if half_width is not None:
            reach = np.array([number(v) for v in half_width])
            ax.fill_between(at, values - reach, values + reach, color=ACCENT, alpha=0.15, lw=0)
        ax.axvline(at[0] - 0.5, color=SECOND, lw=0.8, ls=":")
    handles = [true] if line is None else [true, line]
    legend(ax, handles, ["truth", "forecast"][: len(handles)], "above")
    ax.set(xlabel="steps", ylabel=plain(name, 30))
    ax.xaxis.label.set_color(MUTED)
    ax.margins(x=0.02)
    return ax
