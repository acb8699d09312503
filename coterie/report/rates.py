"""The figure of a learning-rate range test: what each rate came to after a few steps.

A test is a record of the study's assessment: "candidates", "rates", "losses" (None where training diverged)
and "lr", which was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from coterie.report.drawing import ACCENT, HEIGHT, OTHER, WIDTH, as_array, canvas, legend, powers, say

Record = Mapping[str, Any]


def range_curves(tests: Sequence[Record], winner: int | None = None, *, ax: Axes | None = None) -> Axes:
    """Training loss after a few steps by learning rate, a line a structure; the winner's in colour, and the
    rate that it was trained with. Losses far above the lowest are cut off."""
    ax = canvas(ax, WIDTH, HEIGHT)
    known = [t for t in tests if np.isfinite(as_array(t["losses"])).any()]
    if not known:
        return say(ax, "No rate could be tried.")
    lowest, highest = np.inf, -np.inf
    for test in sorted(known, key=lambda t: winner in t["candidates"]):
        own = winner in test["candidates"]
        loss = as_array(test["losses"])
        ax.plot(test["rates"], loss, color=ACCENT if own else OTHER, lw=2.2 if own else 1.0, marker=".",
                ms=5 if own else 3)  # fmt: skip
        lowest, highest = (
            min(lowest, np.nanmin(loss)),
            max(highest, np.nanmax(loss[: 1 + int(np.nanargmin(loss))])),
        )
        if own:
            ax.axvline(test["lr"], color=ACCENT, lw=1.0, ls=(0, (3, 2)))
    room = 0.06 * (highest - lowest) or 0.5
    ax.set(xscale="log", ylim=(lowest - room, highest + room), xlabel="learning rate", ylabel="training loss")
    ax.xaxis.set_major_formatter(FuncFormatter(powers))
    ax.xaxis.set_minor_formatter(NullFormatter())
    handles = [Line2D([], [], color=ACCENT, lw=2.2, marker=".", label="the winner's structure")]
    handles.append(Line2D([], [], color=ACCENT, lw=1.0, ls=(0, (3, 2)), label="the rate that was chosen"))
    if len(known) > 1:
        handles.append(Line2D([], [], color=OTHER, lw=1.0, marker=".", ms=3, label="others"))
    legend(ax, handles, [str(line.get_label()) for line in handles], "above")
    return ax
