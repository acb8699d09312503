"""Figures of training: learning curves of all candidates, and the winner's on training and validation rows.

A curve, one a member, is a record: "candidate", "fold", "seed", "epoch", "train", "validation"; the last two
hold a number or None for each epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from coterie.report.drawing import (
    ACCENT,
    HEIGHT,
    OTHER,
    SECOND,
    WIDTH,
    canvas,
    finite,
    legend,
    plain,
    powers,
    say,
    spaced,
)
from coterie.report.numbers import number

Record = Mapping[str, Any]
_MOST_LINES, _MOST_POINTS = 150, 60


def learning_curves(
    curves: Sequence[Record], winner: int | None = None, *, label: str = "loss", ax: Axes | None = None
) -> Axes:
    """Validation `label` by epoch: all members thin and grey, the winner's mean over its members bold, with
    their range.

    curves: one record a member. Past 150 members a grey line is a candidate's mean. The vertical range
    leaves out the wildest tenth of the values (never the winner's), and is logarithmic when the rest spans
    a factor of 12.
    """
    ax = canvas(ax, WIDTH, HEIGHT)
    part = "validation" if any(len(finite(c["validation"])) for c in curves) else "train"
    lines = {i: values_of(c, part) for i, c in enumerate(curves)}
    own = [lines[i] for i, c in enumerate(curves) if c["candidate"] == winner]
    rest = [lines[i] for i, c in enumerate(curves) if c["candidate"] != winner]
    if len(rest) > _MOST_LINES:
        groups: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
        for i, c in enumerate(curves):
            if c["candidate"] != winner:
                groups.setdefault(c["candidate"], []).append(lines[i])
        rest = [mean_line(group)[:2] for group in groups.values()]
    rest = [line for line in rest if np.isfinite(line[1]).any()]
    if not rest and not any(np.isfinite(y).any() for _, y in own):
        return say(ax, "No curve was recorded.")
    alpha = float(np.clip(12 / max(len(rest), 1), 0.35, 0.9))
    for x, y in rest:
        keep = spaced(np.arange(len(x)), _MOST_POINTS)
        ax.plot(
            x[keep], y[keep], color=OTHER, lw=0.7, alpha=alpha, marker="." if len(x) == 1 else None, zorder=1
        )
    shown = [y for _, y in rest]
    steady = np.empty(0)
    handles: list[Any] = []
    labels: list[str] = []
    if own:
        x, mean, low, high = mean_line(own)
        keep = spaced(np.arange(len(x)), 2 * _MOST_POINTS)
        ax.fill_between(x[keep], low[keep], high[keep], color=ACCENT, alpha=0.22, lw=0, zorder=3)
        ax.plot(x[keep], mean[keep], color=ACCENT, lw=2.2, marker="." if len(x) == 1 else None, zorder=4)
        shown.append(mean)
        steady = finite(mean)[len(mean) // 20 :]
        handles, labels = (
            [Line2D([], [], color=ACCENT, lw=2.2)],
            ["the winner (mean and range)" if len(own) > 1 else "the winner"],
        )
    if rest:
        handles, labels = [*handles, Line2D([], [], color=OTHER, lw=1)], [*labels, "the others"]
    _set_range(ax, finite(np.concatenate(shown)), steady)
    ax.set(
        xlabel="epoch",
        ylabel=f"{plain(label, 40)} on {'validation' if part == 'validation' else 'training'} rows",
    )
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    legend(ax, handles, labels, "above")
    return ax


def winner_curves(
    curves: Sequence[Record], winner: int, *, label: str = "loss", ax: Axes | None = None
) -> Axes:
    """Training against validation `label` of one candidate's members: where the two part, it begins to
    overfit.
    """
    ax = canvas(ax, WIDTH, HEIGHT)
    own = [c for c in curves if c["candidate"] == winner]
    if not own:
        return say(ax, "No curve was recorded.")
    handles, labels, every, steady = [], [], [], []
    for part, colour, dashes, name in (
        ("train", SECOND, (0, (4, 1.6)), "training rows"),
        ("validation", ACCENT, "-", "validation rows"),
    ):
        lines = [line for line in (values_of(c, part) for c in own) if np.isfinite(line[1]).any()]
        if not lines:
            continue
        for x, y in lines[:40]:
            keep = spaced(np.arange(len(x)), _MOST_POINTS)
            ax.plot(x[keep], y[keep], color=colour, lw=0.8, alpha=0.35, ls=dashes)
        x, mean, _, _ = mean_line(lines)
        keep = spaced(np.arange(len(x)), 2 * _MOST_POINTS)
        ax.plot(x[keep], mean[keep], color=colour, lw=2.2, ls=dashes, marker="." if len(x) == 1 else None)
        every += [y for _, y in lines]
        steady.append(finite(mean)[len(mean) // 20 :])
        handles.append(Line2D([], [], color=colour, lw=2.2, ls=dashes))
        labels.append(name)
    if not every:
        return say(ax, "No curve was recorded.")
    _set_range(ax, finite(np.concatenate(every)), np.concatenate(steady))
    ax.set(xlabel="epoch", ylabel=plain(label, 40))
    ax.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    legend(ax, handles, labels, "above")
    return ax


def values_of(curve: Record, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of one member, those without a value left out."""
    x = np.asarray(curve["epoch"], dtype=np.float64)
    y = np.array([number(v) for v in curve[part]], dtype=np.float64)[: len(x)]
    keep = np.isfinite(y)
    return x[: len(y)][keep], y[keep]


def mean_line(
    lines: Sequence[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, lowest and highest by epoch; a member that has stopped keeps its last value, so nothing jumps."""
    lines = [line for line in lines if len(line[0])]
    if not lines:
        return (np.empty(0),) * 4
    x = np.unique(np.concatenate([line[0] for line in lines]))
    held = []
    for epochs, values in lines:
        place = np.searchsorted(epochs, x, side="right") - 1
        held.append(np.where(place >= 0, values[np.maximum(place, 0)], values[0]))
    stack = np.stack(held)
    return x, stack.mean(0), stack.min(0), stack.max(0)


def _set_range(ax: Axes, values: np.ndarray, always: np.ndarray) -> None:
    """The vertical range: without the wildest values, with all of `always`; logarithmic when it spans
    much.
    """
    low, high = np.quantile(values, [0.003, 0.9])
    if len(always):
        low, high = min(low, always.min()), max(high, always.max())
    if low > 0 and high > 12 * low:
        ax.set_yscale("log")
        ax.set_ylim(low / 1.15, high * 1.3)
        ax.yaxis.set_major_formatter(FuncFormatter(powers))
        ax.yaxis.set_minor_formatter(NullFormatter())
        if high < 300 * low:  # a few round numbers read better than powers of ten
            ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 60 * low else (1.0, 3.0)))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        return
    pad = 0.06 * (high - low) or 0.5
    ax.set_ylim(low - pad, high + 2 * pad)
