"""The learning-rate range test: how well each of many rates has learned after a few steps.

Smith, "Cyclical learning rates for training neural networks", 2017, raises the rate of one network step by
step. Here every rate has a network of its own, and all are trained as one cohort: what a rate comes to does
not depend on the rates before it. Chosen is a third of the rate whose training loss is the lowest: the best
of a hundred steps is more than a longer training bears.

R rates, S steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.plan import Candidate, CohortPlan, Member, member_key

LOWEST, HIGHEST, RATES = 1e-5, 3.0, 24
STEPS = 100
JUDGED = 0.25  # of the steps, the last: their mean loss is what a rate came to
CAUTION = 3.0


@dataclass(frozen=True)
class RangeTest:
    """What each rate came to, for candidates of one structure; losses hold None where training diverged."""

    family: str
    candidates: tuple[int, ...]
    rates: tuple[float, ...]
    losses: tuple[float | None, ...]

    @property
    def lr(self) -> float:
        """The rate to train with, to two digits; NaN if all diverged."""
        known = [(loss, rate) for loss, rate in zip(self.losses, self.rates, strict=True) if loss is not None]
        return float(f"{min(known)[1] / CAUTION:.2g}") if known else math.nan

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "family": self.family,
            "candidates": list(self.candidates),
            "rates": list(self.rates),
            "losses": list(self.losses),
            "lr": self.lr,
        }


def range_tests(
    candidates: Sequence[Candidate], arena: Arena, seed: int, room: dict[int, int]
) -> Iterator[RangeTest]:
    """One test for each structure, by its first candidate's other settings, on the first fold.

    room: how many members of each candidate, by its index, fit in one cohort. Closed forms have no rate.
    """
    groups: dict[tuple[object, ...], list[Candidate]] = {}
    for candidate in candidates:
        if candidate.recipe.optimizer != "exact":
            groups.setdefault(candidate.structure(), []).append(candidate)
    for group in groups.values():
        first = group[0]
        rates = torch.logspace(math.log10(LOWEST), math.log10(HIGHEST), RATES, dtype=torch.float64).tolist()
        losses: list[float | None] = []
        size = max(1, room[first.index])
        for start in range(0, RATES, size):
            losses += _losses(first, rates[start : start + size], arena, seed)
        indices = tuple(candidate.index for candidate in group)
        yield RangeTest(first.family.name, indices, tuple(rates), tuple(losses))


def with_rates(candidates: Sequence[Candidate], tests: Sequence[RangeTest]) -> tuple[Candidate, ...]:
    """The candidates with the rates that were found; as they were where none was."""
    found = {index: test.lr for test in tests for index in test.candidates if math.isfinite(test.lr)}
    return tuple(
        replace(c, recipe=replace(c.recipe, lr=found[c.index])) if c.index in found else c for c in candidates
    )


def _losses(candidate: Candidate, rates: Sequence[float], arena: Arena, seed: int) -> list[float | None]:
    """The mean training loss of the last steps at each rate, None where it is no number."""
    steady = replace(candidate.recipe, schedule="constant", warmup=0.0, patience=0)
    members = tuple(
        Member(replace(candidate, recipe=replace(steady, lr=rate)), 0, 0, member_key(seed, 0, 0))
        for rate in rates
    )
    cohort = Cohort(CohortPlan(0, members), arena)
    told: list[torch.Tensor] = []
    while len(told) < STEPS:
        draw = cohort.draw()
        steps = int(draw.busy.max())
        while cohort.step < steps and len(told) < STEPS:
            before = cohort.loss_sum.clone()
            present = draw.counts[cohort.step]
            cohort.advance(draw)
            told.append((cohort.loss_sum - before) / present)
        cohort.end_epoch(draw)
    last = torch.stack(told[-round(JUDGED * STEPS) :]).double().mean(0)
    return [loss if math.isfinite(loss) else None for loss in last.tolist()]
