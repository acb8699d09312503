"""Figures of what is told over training beside the loss: two players' game, an agent's return, samples.

A curve, one a member, is a record as in `curves.py`; "beside" holds lists by name, one value an epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.special import stdtrit

from coterie.report.curves import mean_line, values_of
from coterie.report.drawing import (
    ACCENT,
    HEIGHT,
    MUTED,
    OTHER,
    SECOND,
    WIDTH,
    as_array,
    canvas,
    finite,
    legend,
    plain,
    say,
    spaced,
)

Record = Mapping[str, Any]
GAME = (
    ("realness", "rows: D(x)", ACCENT, "-"),
    ("sample_realness", "samples: D(G(z))", SECOND, (0, (4, 1.6))),
)
MOST_POINTS, MOST_LINES = 120, 40
SURE = 0.95  # of an interval
ACROSS = 3  # cells in a line
GAP, TITLE = 0.03, 0.16  # around a cell, and above it, as shares of its side
REACH = 1.4  # what a cell shows, as a multiple of where the rows are


def game_curves(
    curves: Sequence[Record], winner: int, *, probability: bool = True, ax: Axes | None = None
) -> Axes:
    """What the second player says of validation rows and of samples, epoch by epoch, of one candidate.

    Bold is the mean of its members, which are thin. probability: of a row's being real, so that ½ is where it
    can no longer tell; else a critic's value, of which only the difference means anything.
    """
    ax = canvas(ax, WIDTH, HEIGHT)
    own = [
        {**c["beside"], "epoch": c["epoch"]} for c in curves if c["candidate"] == winner and c.get("beside")
    ]
    drawn = []
    for part, label, colour, dashes in GAME:
        lines = [line for c in own if part in c and len((line := values_of(c, part))[0])]
        if not lines:
            continue
        for x, y in lines[:MOST_LINES]:
            keep = spaced(np.arange(len(x)), MOST_POINTS)
            ax.plot(x[keep], y[keep], color=colour, lw=0.8, alpha=0.3, ls=dashes)
        x, mean, _, _ = mean_line(lines)
        keep = spaced(np.arange(len(x)), MOST_POINTS)
        ax.plot(x[keep], mean[keep], color=colour, lw=2.2, ls=dashes, marker="." if len(x) == 1 else None)
        drawn.append(Line2D([], [], color=colour, lw=2.2, ls=dashes, label=label))
    if not drawn:
        return say(ax, "No curve was recorded.")
    if probability:
        ax.axhline(0.5, color=MUTED, lw=0.9, ls=(0, (1, 2)), zorder=1)
        ax.set_ylim(-0.02, 1.02)
    ax.set(xlabel="epoch", ylabel="held to be real" if probability else "the critic’s value")
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    legend(ax, drawn, [str(line.get_label()) for line in drawn], "above")
    return ax


def return_curve(
    curves: Sequence[Record],
    winner: int,
    *,
    label: str = "return",
    steps: float = 0,
    most: float = np.inf,
    ax: Axes | None = None,
) -> Axes:
    """An agent's return on validation episodes: its members thin, their mean bold with its 95 % interval.

    steps: of play in an epoch, `most` at most in all; 0: the epochs themselves are drawn.
    """
    ax = canvas(ax, WIDTH, HEIGHT)
    own: list[tuple[np.ndarray, np.ndarray]] = []
    rest: list[tuple[np.ndarray, np.ndarray]] = []
    for c in curves:
        x, y = values_of(c, "validation")
        plays = (x - 1) * steps < most  # nothing is learned in what is left of the epochs
        if plays.any():
            (own if c["candidate"] == winner else rest).append((x[plays], y[plays]))
    if not own:
        return say(ax, "No curve was recorded.")

    def along(x: np.ndarray) -> np.ndarray:
        return np.minimum(x * steps, most) if steps else x

    for lines, colour, alpha in ((rest, OTHER, 0.5), (own, ACCENT, 0.35)):
        for x, y in lines[: 3 * MOST_LINES]:
            keep = spaced(np.arange(len(x)), MOST_POINTS)
            ax.plot(along(x[keep]), y[keep], color=colour, lw=0.8, alpha=alpha, zorder=1 + (lines is own))
    x, mean, _, _ = mean_line(own)
    keep = spaced(np.arange(len(x)), MOST_POINTS)
    handles = [Line2D([], [], color=ACCENT, lw=2.2, label="mean" if len(own) > 1 else "the winner")]
    if len(own) > 1:
        low, high = interval_of_mean(own)
        ax.fill_between(along(x[keep]), low[keep], high[keep], color=ACCENT, alpha=0.2, lw=0, zorder=3)
        handles.append(Line2D([], [], color=ACCENT, lw=7, alpha=0.25, label="95 % interval of the mean"))
    ax.plot(along(x[keep]), mean[keep], color=ACCENT, lw=2.2, zorder=4, marker="." if len(x) == 1 else None)
    if rest:
        handles.append(Line2D([], [], color=OTHER, lw=1, label="the others"))
    lowest, highest = (f(np.concatenate([y for _, y in own])) for f in (np.min, np.max))
    pad = 0.05 * (highest - lowest) or 0.5
    ax.set_ylim(lowest - pad, highest + pad)  # the interval of a mean may reach where no return can be
    ax.set(xlabel="steps of play" if steps else "epoch", ylabel=plain(label, 40))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    legend(ax, handles, [str(line.get_label()) for line in handles], "above")
    return ax


def interval_of_mean(lines: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Low and high by epoch of where the mean of all such members is, by Student's t, at the epochs of any;
    one that has stopped keeps its last value."""
    x, mean, _, _ = mean_line(lines)
    held = [y[np.maximum(np.searchsorted(e, x, side="right") - 1, 0)] for e, y in lines]
    reach = stdtrit(len(held) - 1, (1 + SURE) / 2) * np.std(held, axis=0, ddof=1) / np.sqrt(len(held))
    return mean - reach, mean + reach


def growth_clouds(
    looks: Sequence[Mapping[str, Any]],
    real: Any,
    *,
    names: Sequence[str] = ("", ""),
    ax: Axes | None = None,
) -> Axes:
    """Samples of the same noise as points of a plane, a cell an epoch, over rows in grey.

    looks: {"epoch", "points" (N, 2)} each, the last one of the weights that were kept; real: (N, 2).
    """
    rows = as_array(real).reshape(-1, 2)
    if not looks or not len(rows):
        return say(canvas(ax), "There are no samples to show.")
    across, lines = min(len(looks), ACROSS), -(-len(looks) // ACROSS)
    ax = canvas(ax, WIDTH, WIDTH / ACROSS * lines + 0.2)
    low, high = (np.quantile(rows, q, axis=0) for q in (0.005, 0.995))
    middle, half = (low + high) / 2, np.maximum(high - low, 1e-12) * REACH / 2
    for place, look in enumerate(looks):
        left, top = place % across, place // across * (1 + TITLE)
        for points, colour, size in ((rows, OTHER, 4), (as_array(look["points"]), ACCENT, 5)):
            cell = 0.5 + 0.5 * (points.reshape(-1, 2) - middle) / half
            cell = cell[((cell > 0) & (cell < 1)).all(1)]
            ax.scatter(
                left + GAP + (1 - 2 * GAP) * cell[:, 0], top + (1 - 2 * GAP) * (1 - cell[:, 1]),
                s=size, lw=0, alpha=0.6, color=colour,
            )  # fmt: skip
        corner = (left + GAP, top)
        ax.add_patch(Rectangle(corner, 1 - 2 * GAP, 1 - 2 * GAP, fill=False, ec=OTHER, lw=0.6))
        kept = " (kept)" if look is looks[-1] else ""
        ax.text(
            left + 0.5, top - 0.03, f"epoch {look['epoch']}{kept}", ha="center", fontsize=8.5, color=MUTED
        )
    ax.set(xlim=(0, across), ylim=(lines * (1 + TITLE) - TITLE, -TITLE))
    ax.set(xticks=[], yticks=[], xlabel=plain(names[0], 34), ylabel=plain(names[1], 34))
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.set_aspect("equal")
    return ax


def told(curves: Sequence[Record], winner: int, name: str) -> bool:
    """Whether anything of this name was found of the winner while it learned."""
    return any(len(finite(c.get("beside", {}).get(name, ()))) for c in curves if c["candidate"] == winner)
