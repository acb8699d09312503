"""Figures of a classifier: confusion matrix, ROC, precision against recall, calibration, thresholds.

N rows, K classes or labels. output: (N, K) probabilities; target: (N,) class indices, or (N, K) of 0 and 1
(multi-label). Two classes are shown as the one curve of the positive class (index 1); more as each class
against the rest. Curves are computed by sorting once; weight: (N,), rows of weight 0 do not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from coterie.report.drawing import (
    ACCENT,
    HEIGHT,
    INK,
    MUTED,
    NAMED,
    OTHER,
    PAPER,
    SECOND,
    THIRD,
    WIDTH,
    as_array,
    canvas,
    legend,
    plain,
    say,
    spaced,
)
from coterie.report.numbers import number

_MOST_POINTS = 250
Curve = tuple[str, np.ndarray, np.ndarray]


def confusion_matrix(
    counts: Sequence[Sequence[float]], classes: Sequence[str], *, ax: Axes | None = None
) -> Axes:
    """Rows are the truth, columns the prediction; a cell is as dark as its share of its row.

    counts: (K, K). Up to 15 classes each cell says its count; past that only the shading is drawn.
    """
    table = np.asarray(counts, dtype=np.float64)
    k = len(table)
    side = float(np.clip(1.6 + 0.36 * k, 2.9, 5.0))
    ax = canvas(ax, min(side + 0.6, WIDTH), side)
    share = table / np.maximum(table.sum(1, keepdims=True), 1e-300)
    ax.grid(visible=False)
    if k <= 15:
        for i, j in np.ndindex(k, k):
            if share[i, j] > 0:
                colour = ACCENT if i == j else SECOND
                ax.add_patch(
                    Rectangle((j - 0.5, i - 0.5), 1, 1, color=colour, alpha=0.08 + 0.82 * share[i, j], lw=0)
                )
            text = f"{table[i, j]:,.0f}" if float(table[i, j]).is_integer() else f"{table[i, j]:.1f}"
            faint = table[i, j] == 0
            ax.text(
                j, i, text, ha="center", va="center", fontsize=10 if k <= 6 else 8,
                color=MUTED if faint else PAPER if share[i, j] > 0.55 else INK, alpha=0.6 if faint else 1,
            )  # fmt: skip
    else:
        pixels = np.zeros((k, k, 4))
        pixels[..., :3] = np.where(np.eye(k, dtype=bool)[..., None], (0.16, 0.49, 0.78), (0.85, 0.43, 0.13))
        pixels[..., 3] = np.where(share > 0, 0.12 + 0.88 * np.sqrt(share), 0)
        ax.imshow(pixels, interpolation="nearest", aspect="auto")
    ticks = spaced(np.arange(k), 25)
    names = [plain(classes[i] if i < len(classes) else i, 14) for i in ticks]
    small = 8.5 if k <= 12 else 7
    ax.set_xticks(ticks, names, fontsize=small, rotation=40 if max(map(len, names)) > 4 and k > 3 else 0)
    if max(map(len, names)) > 4 and k > 3:
        for tick in ax.get_xticklabels():
            tick.set(ha="right", rotation_mode="anchor")
    ax.set_yticks(ticks, names, fontsize=small)
    ax.tick_params(length=0)
    ax.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), xlabel="predicted", ylabel="true")
    return ax


def roc_points(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every distinct score, from (0, 0) to (1, 1); NaN where a class is
    absent.
    """
    hits, alarms = _cumulated(score, positive, weight)
    with np.errstate(invalid="ignore"):
        return alarms / alarms[-1], hits / hits[-1]


def precision_recall_points(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at every distinct score, strictest first; recall is NaN without positives."""
    hits, alarms = _cumulated(score, positive, weight)
    with np.errstate(invalid="ignore"):
        precision = hits[1:] / (hits[1:] + alarms[1:])
        return np.r_[0.0, hits[1:] / hits[-1]], np.r_[precision[0], precision]


def roc_curve(
    output: Any, target: Any, classes: Sequence[str], *, weight: Any = None, ax: Axes | None = None
) -> Axes:
    """True positive rate against false positive rate; the diagonal is guessing."""
    ax = canvas(ax, WIDTH, HEIGHT + 0.3)
    curves: list[Curve] = []
    for name, score, positive, w in _against_the_rest(output, target, classes, weight):
        if 0 < positive.sum() < len(positive):
            curves.append((name, *roc_points(score, positive, w)))
    if not curves:
        return say(ax, "Not defined: these rows do not hold both\nrows of a class and rows of another.")
    ax.plot([0, 1], [0, 1], color=OTHER, lw=1, ls=(0, (3, 2)))
    areas = [float(np.trapezoid(y, x)) for _, x, y in curves]
    grid = np.linspace(0, 1, 201)
    _draw(ax, curves, areas, (grid, np.mean([np.interp(grid, x, y) for _, x, y in curves], 0)), "lower right")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    ax.set_xlabel("false positive rate (false alarms among the negative)")
    ax.set_ylabel("true positive rate (recall)")
    return ax


def precision_recall_curve(
    output: Any, target: Any, classes: Sequence[str], *, weight: Any = None, ax: Axes | None = None
) -> Axes:
    """Precision against recall; for one positive class the dashed line is guessing: the share of positive
    rows.
    """
    ax = canvas(ax, WIDTH, HEIGHT + 0.3)
    curves: list[Curve] = []
    areas = []
    rest = _against_the_rest(output, target, classes, weight)
    for name, score, positive, w in rest:
        if positive.sum() > 0:
            recall, precision = precision_recall_points(score, positive, w)
            curves.append((name, recall, precision))
            areas.append(float(np.sum(np.diff(recall) * precision[1:])))
    if not curves:
        return say(ax, "Not defined: no positive row is among these rows.")
    if len(rest) == 1:
        _, _, positive, w = rest[0]
        base = float(np.average(positive, weights=w))
        ax.axhline(base, color=OTHER, lw=1, ls=(0, (3, 2)))
    grid = np.linspace(0, 1, 201)
    mean = np.mean([_step(grid, x, y) for _, x, y in curves], 0)
    _draw(ax, curves, areas, (grid, mean), "lower left")
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), xlabel="recall (share of the positive rows found)")
    ax.set_ylabel("precision (share of the found that are positive)")
    return ax


def calibration_curve(
    output: Any,
    target: Any,
    classes: Sequence[str],
    *,
    one: int | None = None,
    weight: Any = None,
    bins: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Observed share against stated probability, in bins of equally many rows, with 95 % Wilson intervals.

    Two classes: the positive one. More: the predicted class and how often it was right, or with `one` that
    class against the rest. Multi-label: all labels together. Bars at the foot count the predictions by
    probability.
    """
    ax = canvas(ax, WIDTH, HEIGHT + 0.3)
    score, right, w, what = _stated(output, target, classes, one, weight)
    if not len(score):
        return say(ax, "No prediction to compare.")
    ax.plot([0, 1], [0, 1], color=OTHER, lw=1, ls=(0, (3, 2)))
    heights, edges = np.histogram(score, 25, (0, 1), weights=w)
    ax.bar(
        edges[:-1], 0.13 * heights / heights.max(), np.diff(edges), align="edge", color=OTHER, alpha=0.5, lw=0
    )
    x, y, low, high = _bins(score, right, w, min(bins, max(2, len(score) // 15)))
    ax.vlines(x, low, high, color=ACCENT, lw=1.4, alpha=0.6)
    ax.plot(x, y, "o-", color=ACCENT, lw=1.8, ms=4.5)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.01, 1.03), xlabel=f"stated probability {what[0]}", ylabel=what[1])
    handles = [Line2D([], [], color=ACCENT, marker="o", ms=4.5), Line2D([], [], color=OTHER, ls=(0, (3, 2)))]
    legend(ax, handles, ["observed", "perfectly calibrated"], "above")
    return ax


def threshold_curve(
    thresholds: Sequence[Mapping[str, Any]], chosen: float | None = None, *, ax: Axes | None = None
) -> Axes:
    """Sensitivity, specificity and precision by threshold; the chosen threshold is the upright line."""
    ax = canvas(ax, WIDTH, HEIGHT)
    if not thresholds:
        return say(ax, "No threshold was tried.")
    x = np.array([number(row["threshold"]) for row in thresholds])
    handles, labels = [], []
    for name, colour, dashes in (
        ("sensitivity", ACCENT, "-"),
        ("specificity", SECOND, (0, (5, 1.5))),
        ("precision", THIRD, (0, (1.5, 1.2))),
    ):
        y = np.array([number(row[name]) for row in thresholds])
        handles += ax.plot(x, y, color=colour, lw=2, ls=dashes, marker="." if len(x) == 1 else None)
        labels.append(name)
    if chosen is not None and np.isfinite(number(chosen)):
        ax.axvline(number(chosen), color=MUTED, lw=1.1)
        handles.append(Line2D([], [], color=MUTED, lw=1.1))
        labels.append(f"chosen: {number(chosen):.2f}")
    ax.set(xlim=(0, 1), ylim=(-0.02, 1.04), xlabel="threshold: called positive from this probability on")
    legend(ax, handles, labels, "above")
    return ax


def _against_the_rest(
    output: Any, target: Any, classes: Sequence[str], weight: Any
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]]:
    """(name, score (N,), positive (N,) bool, weight) of each class to be shown, of the rows that exist."""
    output, target = as_array(output), as_array(target)
    w = None if weight is None else as_array(weight).astype(np.float64)
    keep = np.isfinite(output).all(1) & (np.ones(len(output), bool) if w is None else w > 0)
    output, target, w = output[keep], target[keep], None if w is None else w[keep]
    k = output.shape[1]
    names = [str(classes[i]) if i < len(classes) else str(i) for i in range(k)]
    if target.ndim == 2:
        return [(names[i], output[:, i], target[:, i] > 0.5, w) for i in range(k)]
    if k == 2:
        return [(names[1], output[:, 1], target == 1, w)]
    return [(names[i], output[:, i], target == i, w) for i in range(k)]


def _cumulated(
    score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weight of positive and of negative rows at or above each distinct score, from 0 on."""
    order = np.argsort(-score, kind="stable")
    score, positive = score[order], positive[order]
    w = np.ones(len(score)) if weight is None else weight[order]
    last = np.r_[np.flatnonzero(np.diff(score)), len(score) - 1]
    return np.r_[0.0, np.cumsum(w * positive)[last]], np.r_[0.0, np.cumsum(w * ~positive)[last]]


def _step(grid: np.ndarray, recall: np.ndarray, precision: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(recall, grid, side="left"), len(recall) - 1)
    return precision[place]


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners that can be told apart on paper: one for each small length of the curve."""
    if len(x) <= _MOST_POINTS:
        return x, y
    length = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    bucket = np.floor(length / max(length[-1], 1e-300) * _MOST_POINTS)
    keep = np.r_[True, np.diff(bucket) > 0]
    keep[-1] = True
    return x[keep], y[keep]


def _draw(
    ax: Axes, curves: list[Curve], areas: list[float], mean: tuple[np.ndarray, np.ndarray], place: str
) -> None:
    """One curve in the accent colour; up to four in colours of their own; more in grey, with mean and the
    weakest.
    """
    handles: list[Any] = []
    labels: list[str] = []
    if len(curves) <= 4:
        styles = ["-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5))]
        for (name, x, y), colour, dashes in zip(curves, NAMED, styles, strict=False):
            handles += ax.plot(*_thin(x, y), color=colour, lw=2, ls=dashes)
            labels.append(plain(name))
        if len(curves) > 1:
            legend(ax, handles, labels, place)
        return
    weakest = sorted(range(len(curves)), key=lambda i: areas[i])[:3]
    for i, (_, x, y) in enumerate(curves):
        if i not in weakest:
            ax.plot(
                *_thin(*(v[:: max(1, len(curves) // 25)] for v in _thin(x, y))),
                color=OTHER,
                lw=0.7,
                alpha=0.8,
            )
    for i, colour, dashes in zip(weakest, NAMED[1:], ["-", (0, (5, 1.5)), (0, (1.5, 1.2))], strict=True):
        handles += ax.plot(*_thin(curves[i][1], curves[i][2]), color=colour, lw=1.3, ls=dashes)
        labels.append(f"{plain(curves[i][0])} (among the weakest)")
    handles = [*ax.plot(*mean, color=ACCENT, lw=2.4), *handles, Line2D([], [], color=OTHER, lw=1)]
    legend(ax, handles, ["mean of all", *labels, "the others"], place)


def _stated(
    output: Any, target: Any, classes: Sequence[str], one: int | None, weight: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, str]]:
    rest = _against_the_rest(output, target, classes, weight)
    n = len(rest[0][1]) if rest else 0
    w = np.ones(n) if not rest or rest[0][3] is None else rest[0][3]
    if one is not None or len(rest) == 1:
        name, score, positive, _ = rest[-1 if len(rest) == 1 else one or 0]
        return score, positive, w, (f"of {plain(name)}", f"share that is {plain(name)}")
    if as_array(target).ndim == 2:
        score, right = np.concatenate([r[1] for r in rest]), np.concatenate([r[2] for r in rest])
        return score, right, np.tile(w, len(rest)), ("of a label", "share that has the label")
    stack = np.stack([r[1] for r in rest], 1)
    truth = np.stack([r[2] for r in rest], 1)
    top = stack.argmax(1)
    rows = np.arange(n)
    return stack[rows, top], truth[rows, top], w, ("of the predicted class", "share that was right")


def _bins(
    score: np.ndarray, right: np.ndarray, w: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean score, observed share and its Wilson interval in bins of equally many rows; equal scores stay
    together.
    """
    edges = np.unique(np.quantile(score, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, max(len(edges) - 2, 0))
    total, rows = np.bincount(place, w), np.bincount(place)
    has = total > 0
    x = np.bincount(place, w * score)[has] / total[has]
    p = np.bincount(place, w * right)[has] / total[has]
    n, z = rows[has], 1.959964
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return x, p, np.minimum(centre - half, p), np.maximum(centre + half, p)
