"""Which candidate is best, by its mean validation score over folds and seeds alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from coterie.metrics.intervals import corrected_standard_error
from coterie.spec import show
from coterie.training.plan import Candidate


@dataclass(frozen=True)
class MemberScore:
    """What one member came to; value: its best validation score, None without one."""

    fold: int
    seed: int
    value: float | None
    best_epoch: int
    epochs: int
    status: str


@dataclass(frozen=True)
class Scored:
    """A candidate and what its members came to; mean and se are nan unless every member has a score."""

    candidate: Candidate
    parameters: int
    scores: tuple[MemberScore, ...]
    mean: float
    se: float

    def facts(self, names: Sequence[str]) -> dict[str, Any]:
        """As plain data, with the hyperparameters of these names."""
        values = self.candidate.values()
        return {
            "index": self.candidate.index,
            "family": self.candidate.family.name,
            "hyperparameters": {n: _plain(values[n]) for n in names if n in values},
            "parameters": self.parameters,
            "mean": self.mean,
            "se": self.se,
            "scores": [
                {
                    "fold": s.fold,
                    "seed": s.seed,
                    "value": s.value,
                    "best_epoch": s.best_epoch,
                    "epochs": s.epochs,
                    "status": s.status,
                }
                for s in self.scores
            ],
        }


def scored(
    candidate: Candidate, parameters: int, scores: Sequence[MemberScore], n_train: int, n_validation: int
) -> Scored:
    """Mean and corrected standard error (Nadeau & Bengio, 2003) over a candidate's members."""
    values = torch.tensor([math.nan if s.value is None else s.value for s in scores], dtype=torch.float64)
    mean = float(values.mean()) if len(values) else math.nan
    se = float(corrected_standard_error(values, n_train, n_validation)) if n_validation else math.nan
    return Scored(candidate, parameters, tuple(scores), mean, se)


def choose(candidates: Sequence[Scored], maximise: bool, prefer: str) -> Scored:
    """The candidate with the best mean; "simple": the one with the fewest parameters within one standard
    error of it (Breiman et al., "Classification and Regression Trees", 1984). Ties go to the earlier."""
    sign = -1.0 if maximise else 1.0
    complete = [c for c in candidates if math.isfinite(c.mean)]
    if not complete:
        return candidates[0]
    best = min(complete, key=lambda c: (sign * c.mean, c.candidate.index))
    if prefer == "best" or not math.isfinite(best.se):
        return best
    near = [c for c in complete if sign * c.mean <= sign * best.mean + best.se]
    return min(near, key=lambda c: (c.parameters, sign * c.mean, c.candidate.index))


def _plain(value: Any) -> Any:
    return show(value) if isinstance(value, tuple) else value
