"""Successive halving: all candidates learn for a while, the best of them learn on, and so to the end.

Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016. A
candidate goes on or leaves with all its folds and seeds, by its mean validation score so far, which is of the
best epoch of each.

Rounds end at fixed shares of a candidate's epochs, so that who leaves depends on scores alone, never on the
machine: a study that was stopped and resumed asks the same candidates to leave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coterie.training.events import MemberId
from coterie.training.plan import CohortPlan


@dataclass(frozen=True)
class Round:
    """until: the share of its epochs at which it ends; keep: the share of all candidates that learn on."""

    until: float
    keep: float

    def epoch(self, plan: CohortPlan) -> int:
        """The last of a cohort's epochs in this round."""
        return math.ceil(self.until * max(m.candidate.recipe.epochs for m in plan.members))


END = Round(1.0, 1.0)
ROUNDS = {
    "full": (END,),
    # a quarter of all steps: 1/8 by all, 3/8 by a quarter of them, 1/2 by a sixteenth
    "halving": (Round(1 / 8, 1 / 4), Round(1 / 2, 1 / 16), END),
}


def rounds_for(search: str, candidates: int) -> tuple[Round, ...]:
    """The rounds of a search; a single candidate is behind nobody, and learns to its end."""
    return ROUNDS.get(search, ROUNDS["full"]) if candidates > 1 else (END,)


def rounds_of(search: str, candidates: int) -> list[list[float]]:
    """As plain data: the share of epochs at which each round but the last ends, and how many go on."""
    return [[one.until, kept(one, candidates)] for one in rounds_for(search, candidates)[:-1]]


def shares(rounds: Sequence[Round], candidates: int) -> list[float]:
    """The share of the full search's steps that each round takes, as far as nobody stops early."""
    found, going, before = [], candidates, 0.0
    for one in rounds:
        found.append(going / candidates * (one.until - before))
        going, before = kept(one, candidates), one.until
    return found


def kept(one: Round, candidates: int) -> int:
    """How many candidates go on behind a round."""
    return max(1, math.ceil(one.keep * candidates))


def behind(scores: Mapping[MemberId, float | None], keep: int, maximise: bool) -> set[int]:
    """The candidates that leave: all but the `keep` best by their mean; ties stay with the earlier one.

    scores: of every member so far; a candidate of which one has none, having diverged, is the last.
    """
    members: dict[int, list[float]] = {}
    for (candidate, _, _), value in scores.items():
        members.setdefault(candidate, []).append(math.nan if value is None else value)
    means = {candidate: sum(values) / len(values) for candidate, values in members.items()}
    sign = -1.0 if maximise else 1.0
    order = sorted(
        means, key=lambda c: (math.isnan(means[c]), 0 if math.isnan(means[c]) else sign * means[c], c)
    )
    return set(order[keep:])
