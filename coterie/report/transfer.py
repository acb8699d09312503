"""What an earlier model is worth: the score against the number of labelled examples, with and without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from coterie.report.drawing import ACCENT, NAMED, OTHER, as_array, canvas, legend, plain, say


def transfer_curves(
    labels: Sequence[int], scores: Mapping[str, Any], label: str = "accuracy", ax: Axes | None = None
) -> Axes:
    """One line for each way to begin, through its means, and a dot for each seed.

    labels: labelled examples of a class, increasing, L of them; scores: by name (L, seeds), the first being
    what the others are seen beside (from scratch).

    >>> ax = transfer_curves([5, 10], {"from scratch": [[0.6], [0.8]], "transferred": [[0.8], [0.9]]})
    >>> ax.get_xlabel()
    'labelled examples of each class'
    """
    ax = canvas(ax)
    if not labels:
        return say(ax, "Nothing was compared.")
    colours = [OTHER, ACCENT, *NAMED[1:]]
    lines = []
    for place, (colour, values) in enumerate(zip(colours, scores.values(), strict=False)):
        array = as_array(values).reshape(len(labels), -1)
        beside = 1 + 0.04 * (place - (len(scores) - 1) / 2)  # so that no dot hides another's
        for n, each in zip(labels, array, strict=True):
            ax.plot([n * beside] * len(each), each, "o", color=colour, ms=4, alpha=0.6, mew=0)
        (line,) = ax.plot(labels, array.mean(1), "-o", color=colour, lw=2.2, ms=5, zorder=3 + place)
        lines.append(line)
    if len(labels) > 1 and labels[0] > 0 and labels[-1] >= 4 * labels[0]:
        ax.set_xscale("log")
    elif len(labels) == 1:
        ax.set_xlim(labels[0] - max(1, labels[0]) / 4, labels[0] + max(1, labels[0]) / 4)
    ax.xaxis.set_major_locator(FixedLocator(list(labels)))
    ax.xaxis.set_major_formatter(FixedFormatter([str(n) for n in labels]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="labelled examples of each class", ylabel=plain(label, 40))
    legend(ax, lines, [plain(name) for name in scores], "above")
    return ax
