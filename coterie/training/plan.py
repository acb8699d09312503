"""The plan: candidates × folds × seeds as members, grouped into cohorts of the same structure. Only data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coterie.models.family import Family
from coterie.randomness import fold as fold_in
from coterie.training.recipe import Recipe


@dataclass(frozen=True)
class Candidate:
    """One family with one choice of hyperparameters and recipe."""

    index: int
    family: Family
    recipe: Recipe

    def structure(self) -> tuple[object, ...]:
        return (self.family.name, self.family.structure(), self.recipe.structure())

    def numbers(self) -> dict[str, float]:
        return self.recipe.numbers()

    def values(self) -> dict[str, object]:
        """Every hyperparameter, the family's first."""
        return {**self.family.values(), **self.recipe.values()}


@dataclass(frozen=True)
class Member:
    """A candidate on one fold with one seed: one network.

    `key` seeds its weights, batches and masks. It leaves the candidate out: candidates are compared on
    the same draws, and adding one changes no other.
    """

    candidate: Candidate
    fold: int
    seed: int
    key: int


@dataclass(frozen=True)
class CohortPlan:
    """Members of the same structure, to be trained as one program."""

    index: int
    members: tuple[Member, ...]

    @property
    def family(self) -> Family:
        """Any member's: they agree in all that is structural."""
        return self.members[0].candidate.family

    @property
    def recipe(self) -> Recipe:
        return self.members[0].candidate.recipe


def member_key(seed: int, fold: int, repeat: int) -> int:
    """A member's key from the study's seed, its fold and its own seed's number."""
    return fold_in(fold_in(fold_in(0x636F7465, seed), fold), repeat)


def make_plan(
    candidates: Sequence[Candidate], folds: int, seeds: int, seed: int, room: Callable[[Candidate], int]
) -> tuple[CohortPlan, ...]:
    """Groups all members by structure, keeping the candidates' order; `room` says how many fit at once.

    folds: at least 1. A group larger than its room becomes several cohorts of nearly equal size.
    """
    groups: dict[tuple[object, ...], list[Member]] = {}
    for candidate in candidates:
        members = groups.setdefault(candidate.structure(), [])
        for repeat in range(seeds):
            for fold in range(folds):
                members.append(Member(candidate, fold, repeat, member_key(seed, fold, repeat)))
    plans: list[CohortPlan] = []
    for members in groups.values():
        parts = -(-len(members) // max(1, room(members[0].candidate)))
        for part in range(parts):
            share = members[part * len(members) // parts : (part + 1) * len(members) // parts]
            plans.append(CohortPlan(len(plans), tuple(share)))
    return tuple(plans)
