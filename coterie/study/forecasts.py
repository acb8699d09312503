"""Forecasts over the true series: targets that are called NAME+1 … NAME+h are one series at h later times.

Rows are origins in the order of time. N rows, h steps.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from coterie.data.dataset import Dataset
from coterie.model import Model

STEP = re.compile(r"(.+)\+(\d+)")
SHOWN = 6  # forecasts that are drawn
STEPS = 240  # of the true series, at most


def horizon(names: tuple[str, ...]) -> str | None:
    """The name of the series whose next steps the targets are; None when they are not.

    >>> horizon(("sales+1", "sales+2"))
    'sales'
    """
    found = [STEP.fullmatch(name) for name in names]
    ahead = [(match[1], int(match[2])) for match in found if match]
    if len(ahead) != len(names) or len(names) < 2:
        return None
    return ahead[0][0] if ahead == [(ahead[0][0], k + 1) for k in range(len(names))] else None


def forecasts(model: Model, dataset: Dataset, positions: np.ndarray) -> dict[str, Any] | None:
    """The last origins among the rows, from which forecasts do not overlap, and the truth around them.

    positions: of rows, in order of time. {"name", "time", "truth", "origins": [{"time", "values"}],
    "half_width"}; time counts steps, 0 being the first that is shown. None for any other targets.
    """
    name = horizon(model.target.names)
    if name is None or model.task != "regression" or dataset.target is None or model.target.each_step:
        return None
    steps = len(model.target.names)
    positions = np.sort(positions)
    runs = _run(dataset, positions)
    rows = positions[-runs:]
    count = max(1, min(SHOWN, STEPS // steps, -(-len(rows) // steps)))
    rows = rows[-((count - 1) * steps + 1) :]
    truth = dataset.target.double().numpy()[rows]
    series = np.concatenate([truth[:, 0], truth[-1, 1:]])
    at = np.arange(0, len(rows), steps)
    output = model.output(dataset, rows[at]).numpy()
    found = [{"time": int(t) - 1, "values": values.tolist()} for t, values in zip(at, output, strict=True)]
    return {
        "name": name,
        "time": list(range(len(series))),
        "truth": series.tolist(),
        "origins": found,
        "half_width": (model.about.get("intervals") or {}).get("half_width"),
    }


def _run(dataset: Dataset, positions: np.ndarray) -> int:
    """How many of the last rows follow step by step: each one's second target is the next one's first."""
    assert dataset.target is not None
    target = dataset.target.double().numpy()[positions]
    follows = np.isclose(target[:-1, 1], target[1:, 0], rtol=1e-6, atol=1e-9)
    breaks = np.flatnonzero(~follows)
    return len(positions) - (int(breaks[-1]) + 1 if len(breaks) else 0)
