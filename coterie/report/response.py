"""Figures of what the model has learnt: its curve of one feature, its regions of two, and what each feature
is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from coterie.report.drawing import (
    ACCENT,
    HEIGHT,
    MIDDLE,
    MUTED,
    OTHER,
    WIDTH,
    as_array,
    canvas,
    finite,
    legend,
    plain,
    say,
    spaced,
)
from coterie.report.numbers import number

Record = Mapping[str, Any]
MOST_DOTS = 1500


def fitted_curve(response: Record, *, target: str = "prediction", ax: Axes | None = None) -> Axes:
    """The model's prediction over its one feature, with its interval where there is one, and the rows.

    response: {"feature", "x", "y", "low", "high", "points_x", "points_y"}; low and high may be None.
    """
    ax = canvas(ax, WIDTH, HEIGHT)
    points_x, points_y = as_array(response["points_x"]), as_array(response["points_y"])
    many = len(points_x) > 400
    keep = spaced(np.argsort(points_x, kind="stable"), MOST_DOTS)
    ax.scatter(
        points_x[keep], points_y[keep], s=10 if many else 14, color=MIDDLE[5] if many else OTHER, lw=0,
        alpha=0.5 if many else 0.8, rasterized=many,
    )  # fmt: skip
    x = as_array(response["x"])
    handles: list[Any] = [Line2D([], [], color=OTHER, marker="o", ms=4, lw=0)]
    labels = ["rows"]
    if response.get("low") is not None and response.get("high") is not None:
        ax.fill_between(
            x, as_array(response["low"]), as_array(response["high"]), color=ACCENT, alpha=0.15, lw=0
        )
        handles, labels = [*handles, Patch(color=ACCENT, alpha=0.2, lw=0)], [*labels, "prediction interval"]
    handles += ax.plot(x, as_array(response["y"]), color=ACCENT, lw=2.2)
    legend(ax, handles, [*labels, "the network"], "above")
    ax.set(xlabel=plain(response["feature"], 34), ylabel=plain(target, 34))
    return ax


def decision_regions(response: Record, *, target: str = "prediction", ax: Axes | None = None) -> Axes:
    """The model's answer over its two features, as coloured regions (classes) or shades (values), and the
    rows.

    response: {"features": [a, b], "x", "y", "z" (len(y), len(x)), "points": [[x, y, class or value], …],
    "classes"}; z holds class indices, or values when classes is empty.
    """
    ax = canvas(ax, WIDTH, HEIGHT + 0.4)
    ax.grid(visible=False)
    z, classes = as_array(response["z"]), list(response.get("classes") or [])
    x, y = as_array(response["x"]), as_array(response["y"])
    points = response["points"]
    extent = (float(x[0]), float(x[-1]), float(y[0]), float(y[-1]))
    keep = spaced(np.arange(len(points)), MOST_DOTS)
    spot = np.array([[number(points[i][0]), number(points[i][1])] for i in keep]).reshape(-1, 2)
    many = len(keep) > 400
    if classes:
        pixels = np.zeros((*z.shape, 4))
        region = np.clip(np.nan_to_num(z), 0, len(classes) - 1).round().astype(int)
        colours = np.array([to_rgb(_colour(i, len(classes))) for i in range(len(classes))])
        pixels[..., :3], pixels[..., 3] = colours[region], 0.34
        ax.imshow(pixels, extent=extent, origin="lower", aspect="auto", interpolation="nearest")
        kind = np.array([_class_index(points[i][2], classes) for i in keep], dtype=int)
        marks = "osD^vP"
        for i in range(len(classes)):
            at = kind == i
            ax.scatter(
                spot[at, 0],
                spot[at, 1],
                s=15,
                color=_colour(i, len(classes)),
                marker=marks[i % 6],
                lw=0,
                rasterized=many,
            )
        handles = [
            Line2D([], [], color=_colour(i, len(classes)), marker=marks[i % 6], ms=5, lw=0)
            for i in range(min(len(classes), 6))
        ]
        names = [plain(c, 18) for c in classes[:6]]
        ax.legend(
            handles, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False,
            fontsize=8.5,            handletextpad=0.2, columnspacing=1.2,
        )  # fmt: skip
    else:
        value = np.array([number(points[i][2]) for i in keep])
        both = finite([*z.reshape(-1), *value])
        low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 1.0)
        image = ax.imshow(
            z, extent=extent, origin="lower", aspect="auto", cmap="viridis", vmin=low, vmax=high, alpha=0.8
        )
        ax.scatter(
            spot[:, 0],
            spot[:, 1],
            s=16,
            c=value,
            cmap="viridis",
            vmin=low,
            vmax=high,
            lw=0.5,
            edgecolors="white",
            rasterized=many,
        )
        figure = ax.get_figure()
        assert figure is not None
        bar = figure.colorbar(image, ax=ax, label=plain(target, 30))
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=8.5, labelcolor=MUTED)
    ax.set(xlim=extent[:2], ylim=extent[2:])
    ax.set(xlabel=plain(response["features"][0], 34), ylabel=plain(response["features"][1], 34))
    return ax


def permutation_importance(
    importance: Sequence[Record], *, metric: str = "score", limit: int = 15, ax: Axes | None = None
) -> Axes:
    """How much worse the score gets when one feature's values are shuffled among the rows, with its range.

    importance: {"feature", "mean", "low", "high"}, the most important first.
    """
    shown = list(importance)[:limit]
    ax = canvas(ax, WIDTH, 0.85 + 0.235 * max(len(shown), 3))
    if not shown:
        return say(ax, "No feature was tried.")
    for place, item in enumerate(shown):
        mean, low, high = (number(item[key]) for key in ("mean", "low", "high"))
        clear = np.isfinite(low) and low > 0
        colour = ACCENT if clear else OTHER
        ax.barh(place, mean if np.isfinite(mean) else 0.0, height=0.62, color=colour, alpha=0.35, lw=0)
        if np.isfinite(low) and np.isfinite(high):
            ax.plot([low, high], [place, place], color=colour, lw=2)
        ax.plot([mean], [place], "o", ms=4.5, color=colour)
    ax.axvline(0, color=MUTED, lw=0.9)
    ax.set_yticks(range(len(shown)), [plain(item["feature"], 26) for item in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlabel(f"how much worse: {plain(metric, 34)}")
    ax.grid(axis="y", visible=False)
    return ax


def _colour(index: int, classes: int) -> str:
    return MIDDLE[index % len(MIDDLE)] if classes else MIDDLE[0]


def _class_index(value: object, classes: Sequence[str]) -> int:
    """A row's class, given as its index or as its label."""
    if isinstance(value, str):
        return list(classes).index(value) if value in classes else -1
    place = number(value)
    return int(place) if np.isfinite(place) else -1
