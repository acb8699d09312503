"""Figures that compare: hyperparameters against score, candidates fold by fold or batch by batch, the winner
beside baselines.

A candidate is a record of the study's assessment: "index", "family", "hyperparameters", "mean", "se" and
"scores". A NaN or None score is a member that diverged or was never scored: it is counted, not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from coterie.report.drawing import (
    ACCENT,
    HEIGHT,
    INK,
    LINE,
    MUTED,
    OTHER,
    SMALL,
    WIDTH,
    canvas,
    finite,
    legend,
    plain,
    powers,
    say,
    spaced,
)
from coterie.report.numbers import number, setting, significant

Record = Mapping[str, Any]


def hyperparameter_scores(
    candidates: Sequence[Record],
    name: str,
    winner: int | None = None,
    *,
    metric: str = "score",
    ax: Axes | None = None,
) -> Axes:
    """Mean validation score against one hyperparameter: one dot a candidate, the winner in its colour.

    Numbers that span a factor of 20, most of them small, get a logarithmic axis; anything else than numbers
    gets one strip a value. Scores far outside the others' stand at the edge as triangles.
    """
    ax = canvas(ax, *SMALL)
    rows = [c for c in candidates if name in c["hyperparameters"] and np.isfinite(number(c["mean"]))]
    if not rows:
        return say(ax, "No candidate was scored.")
    values = [c["hyperparameters"][name] for c in rows]
    y = np.array([number(c["mean"]) for c in rows])
    low, high = robust(y)
    seen = np.clip(y, low, high)
    won = np.array([c["index"] == winner for c in rows])
    if all(isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v) for v in values):
        x = np.array(values, dtype=np.float64)
        if x.min() > 0 and x.max() >= 20 * x.min() and np.median(x) <= x.max() / 4:
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(powers))
            ax.xaxis.set_minor_formatter(NullFormatter())
        else:
            ax.xaxis.set_major_locator(MaxNLocator(3, integer=all(isinstance(v, int) for v in values)))
    else:
        kinds = sorted(set(map(setting, values)), key=lambda text: (len(text), text))
        strip = np.array([kinds.index(setting(v)) for v in values])
        turn = np.array([np.sum(strip[:i] == strip[i]) for i in range(len(strip))])
        x = strip + 0.24 * np.sin(2.4 * turn)  # spread without chance
        ticks = np.arange(len(kinds)) if len(kinds) <= 6 else spaced(np.arange(len(kinds)), 6)
        ax.set_xticks(ticks, [plain(kinds[i], 12) for i in ticks], fontsize=8)
        if sum(len(kinds[i]) for i in ticks) > 26:
            ax.tick_params(axis="x", rotation=28)
        ax.set_xlim(-0.6, len(kinds) - 0.4)
    out = y != seen
    ax.scatter(x[~won & ~out], seen[~won & ~out], s=17, color=OTHER, lw=0)
    ax.scatter(x[out], seen[out], s=17, color=OTHER, marker="^" if (y > high).any() else "v", lw=0)
    ax.scatter(x[won], seen[won], s=42, color=ACCENT, lw=0, zorder=5)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_xlabel(plain(name, 28))
    ax.set_ylabel(plain(metric, 28))
    return ax


def fold_scores(
    candidates: Sequence[Record],
    winner: int | None = None,
    *,
    metric: str = "score",
    maximise: bool = False,
    limit: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Each candidate's validation score on every fold and seed, with its mean ± corrected standard error.

    Best first; the winner is always among the `limit` candidates shown. Scores beyond the plot stand at its
    edge.
    """
    ranked = ranking(candidates, maximise)
    shown = ranked[:limit]
    if winner is not None and all(c["index"] != winner for c in shown):
        shown = shown[: limit - 1] + [c for c in ranked if c["index"] == winner]
    ax = canvas(ax, WIDTH, 1.0 + 0.215 * max(len(shown), 4))
    every = finite([s["value"] for c in shown for s in c["scores"]])
    if not len(every):
        return say(ax, "No candidate was scored on validation rows.")
    means = finite([c["mean"] for c in shown])
    low, high = robust(np.concatenate([every, means]))
    for place, c in enumerate(shown):
        colour = ACCENT if c["index"] == winner else OTHER
        scores = finite([s["value"] for s in c["scores"]])
        inside = (scores >= low) & (scores <= high)
        ax.scatter(scores[inside], np.full(inside.sum(), place), s=13, color=colour, alpha=0.65, lw=0)
        for edge, beyond, mark in ((high, scores > high, ">"), (low, scores < low, "<")):
            if beyond.any():
                ax.scatter([edge], [place], marker=mark, s=16, color=colour, lw=0)
        mean, se = number(c["mean"]), number(c["se"])
        if np.isfinite(mean) and low <= mean <= high:
            ink = ACCENT if c["index"] == winner else MUTED
            if np.isfinite(se):
                ends = np.clip([mean - se, mean + se], low, high)
                ax.plot(ends, [place, place], color=ink, lw=2.2 if c["index"] == winner else 1.4)
            ax.plot([mean], [place], marker="|", ms=9, mew=2.2 if c["index"] == winner else 1.4, color=ink)
        lost = len(c["scores"]) - len(scores)
        if lost:
            text = f"{lost} of {len(c['scores'])} without a score"
            ax.text(
                0.995,
                place,
                text,
                ha="right",
                va="center",
                fontsize=7.5,
                color=MUTED,
                transform=ax.get_yaxis_transform(),
            )
    ax.set_yticks(range(len(shown)), [plain(f"{c['family']} {c['index']}") for c in shown])
    for tick, c in zip(ax.get_yticklabels(), shown, strict=True):
        tick.set(color=ACCENT if c["index"] == winner else MUTED, fontsize=8.5)
        tick.set_fontweight("bold" if c["index"] == winner else "normal")
    pad = 0.04 * (high - low) or 0.5
    ax.set(xlim=(low - pad, high + pad), ylim=(len(shown) - 0.4, -0.6))
    ax.set_xlabel(f"{plain(metric, 30)} on validation rows ({'higher' if maximise else 'lower'} is better)")
    ax.grid(axis="y", visible=False)
    return ax


def score_intervals(
    rows: Sequence[Record], *, metric: str = "score", maximise: bool = False, ax: Axes | None = None
) -> Axes:
    """A score with its interval for each of several models, below one another.

    rows: {"label", "value", "low", "high", "winner": bool}; the winner's line is drawn through all of them.
    """
    rows = [r for r in rows if np.isfinite(number(r["value"]))]
    ax = canvas(ax, WIDTH, 0.95 + 0.3 * max(len(rows), 2))
    if not rows:
        return say(ax, "No score to compare.")
    centres = finite([r["value"] for r in rows])
    ends = finite([r[key] for r in rows for key in ("low", "high")] + list(centres))
    low, high = robust(ends, always=finite([rows[0][key] for key in ("low", "value", "high")]))
    pad = 0.06 * (high - low) or 0.5
    ax.set(xlim=(low - pad, high + pad), ylim=(len(rows) - 0.4, -0.6))
    for place, r in enumerate(rows):
        colour = ACCENT if r["winner"] else MUTED
        value, wide = number(r["value"]), 3 if r["winner"] else 2
        if value > high + pad or value < low - pad:
            right = value > high
            text = f"{significant(value)} →" if right else f"← {significant(value)}"
            ax.text(float(right), place, text, ha="right" if right else "left", va="center", fontsize=8,
                    color=MUTED, transform=ax.get_yaxis_transform())  # fmt: skip
            continue
        if r["winner"]:
            ax.axvline(value, color=ACCENT, lw=0.8, ls=(0, (2, 2)), zorder=0)
        if np.isfinite(number(r["low"])) and np.isfinite(number(r["high"])):
            ax.plot(
                [number(r["low"]), number(r["high"])], [place, place], color=colour, lw=wide,
                solid_capstyle="butt",
            )  # fmt: skip
        ax.plot([value], [place], "o", ms=7.5 if r["winner"] else 6, color=colour)
    ax.set_yticks(range(len(rows)), [plain(r["label"], 26) for r in rows])
    for tick, r in zip(ax.get_yticklabels(), rows, strict=True):
        tick.set(color=ACCENT if r["winner"] else INK, fontsize=9)
        tick.set_fontweight("bold" if r["winner"] else "normal")
    ax.set_xlabel(f"{plain(metric, 40)} ({'higher' if maximise else 'lower'} is better)")
    ax.grid(axis="y", visible=False)
    return ax


def batch_scores(
    candidates: Sequence[Record],
    sizes: Sequence[int],
    winner: int | None = None,
    *,
    metric: str = "score",
    maximise: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Mean validation scores in the order in which candidates were chosen, and the best so far as a line.

    sizes: how many candidates each batch had. Scores far outside the others' stand at the edge.
    """
    ax = canvas(ax, WIDTH, HEIGHT)
    rows = sorted((c for c in candidates if np.isfinite(number(c["mean"]))), key=lambda c: c["index"])
    if not rows:
        return say(ax, "No candidate was scored.")
    x = np.array([c["index"] for c in rows])
    y = np.array([number(c["mean"]) for c in rows])
    best = np.maximum.accumulate(y) if maximise else np.minimum.accumulate(y)
    low, high = robust(y, always=best[-1:])
    won = x == winner
    for edge in np.cumsum(sizes)[:-1]:
        ax.axvline(edge - 0.5, color=LINE, lw=1.2, zorder=0)
    for middle, place in zip(
        np.cumsum(sizes) - (np.array(sizes) + 1) / 2, range(1, len(sizes) + 1), strict=True
    ):
        ax.text(middle, 1.0, f"batch {place}" if place == 1 else str(place), ha="center", va="bottom",
                fontsize=8, color=MUTED, transform=ax.get_xaxis_transform())  # fmt: skip
    ax.step(x, np.clip(best, low, high), where="post", color=ACCENT, lw=1.4)
    out = (y < low) | (y > high)
    ax.scatter(x[~won & ~out], y[~won & ~out], s=22, color=OTHER, lw=0, zorder=4)
    ax.scatter(
        x[out], np.clip(y[out], low, high), s=22, color=OTHER, marker="^" if (y > high).any() else "v", lw=0
    )
    ax.scatter(x[won], y[won], s=46, color=ACCENT, lw=0, zorder=5)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set(xlim=(-0.6, sum(sizes) - 0.4), xlabel="candidate, in the order chosen", ylabel=plain(metric, 28))
    ax.grid(axis="x", visible=False)
    handles = [
        Line2D([], [], color=OTHER, marker="o", ms=5, lw=0, label="a candidate"),
        Line2D([], [], color=ACCENT, marker="o", ms=6, lw=0, label="the winner"),
        Line2D([], [], color=ACCENT, lw=1.4, label="the best so far"),
    ]
    legend(ax, handles, [str(line.get_label()) for line in handles])
    return ax


def ranking(candidates: Sequence[Record], maximise: bool) -> list[Record]:
    """Candidates, best mean validation score first; those without one last; ties in their own order."""

    def key(c: Record) -> float:
        mean = number(c["mean"])
        return np.inf if np.isnan(mean) else -mean if maximise else mean

    return sorted(candidates, key=key)


def robust(values: np.ndarray, always: np.ndarray | None = None) -> tuple[float, float]:
    """A range that holds nearly all values: three interquartile ranges beyond the quartiles, where there is
    more.
    """
    first, third = np.quantile(values, [0.25, 0.75])
    reach = 3 * (third - first) or abs(first) or 1.0
    low, high = max(values.min(), first - reach), min(values.max(), third + reach)
    if always is not None and len(always):
        low, high = min(low, always.min()), max(high, always.max())
    return float(low), float(high)
