"""What a study says of itself: versions, what was searched, what went wrong; and what its model is told."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import coterie
from coterie.data.arrangement import Arrangement
from coterie.metrics.catalogue import Metric
from coterie.study.fitting import Trained
from coterie.study.problem import Problem
from coterie.study.search import searched
from coterie.study.selection import Scored
from coterie.training.plan import Candidate


def versions(sampled: bool = False) -> dict[str, str]:
    """What the numbers may depend on. sampled: on a sampler's choices, too."""
    names = ["torch", "numpy", "scikit-learn", "polars"]
    if sampled and find_spec("optuna"):  # a study that was asked for before can be trained without it
        names.append("optuna")
    python = ".".join(map(str, sys.version_info[:3]))
    return {
        "coterie": coterie.__version__,
        "python": python,
        **{n: version(n) for n in names},
        "platform": platform.platform(terse=True),
    }


def about_model(
    asked: Mapping[str, Any], winner: Scored, metric: Metric, arrangement: Arrangement | None
) -> dict[str, Any]:
    """What a model keeps of the study that made it."""
    values = {n: list(v) if isinstance(v, tuple) else v for n, v in winner.candidate.values().items()}
    return {
        "study": asked["name"],
        "metric": metric.name,
        "hyperparameters": values,
        "versions": versions(),
        "arrangement": None if arrangement is None else arrangement.to_dict(),
        **({"initial": asked["initial"]} if "initial" in asked else {}),
    }


def searched_names(candidates: Sequence[Candidate], task: str) -> dict[str, list[str]]:
    """For each family, the names in which its candidates differ."""
    out: dict[str, list[str]] = {}
    for family in dict.fromkeys(type(c.family) for c in candidates):
        own = [c.values() for c in candidates if type(c.family) is family]
        first = searched(family, task, set())
        names = sorted(own[0], key=lambda n: (n not in first, first.index(n) if n in first else 0))
        out[family.name] = [n for n in names if len({v[n] for v in own}) > 1]
    return out


def cut_short(trained: Sequence[Trained]) -> bool:
    """Whether the clock ran out before a member was done."""
    return any(record.status == "stopped" for t in trained for record in t.records)


def remarks(problem: Problem, winner: Scored, ranked: Sequence[Scored], meant: int) -> list[str]:
    """Warnings that only the training could give. meant: how many candidates were to be trained."""
    found = [problem.capacity_warning(winner.parameters)]
    diverged = sum(s.status == "diverged" for c in ranked for s in c.scores)
    if diverged:
        found.append(f"{diverged} networks diverged: their learning rates were too high for these data.")
    if len(ranked) < meant:
        found.append(f"Time ran out before {meant - len(ranked)} of {meant} candidates were trained.")
    return [text for text in found if text]
