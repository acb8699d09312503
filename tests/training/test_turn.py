"""A turn where memory is scarce; what it computes is tested with the loop, optimizers and players."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_cohorts import FAMILIES, arena_of, cohort_of, four_members, small, small_recipe, small_table

from coterie.training.given import Given


def test_where_memory_does_not_suffice_members_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients of all at once do not fit, nor do those of half: the numbers are the same."""
    members = four_members(small(FAMILIES["mlp"]), small_recipe())
    arena = arena_of(small_table("binary"), dtype=torch.float64)
    plenty, scarce = cohort_of(members, arena), cohort_of(members, arena)
    gradient, asked = scarce.steps.gradients, []

    def small_memory(given: Given, *rest: Any) -> Any:
        asked.append(len(given.flat))
        if len(given.flat) > 1:
            raise torch.OutOfMemoryError
        return gradient(given, *rest)

    monkeypatch.setattr(scarce.steps, "gradients", small_memory)
    for cohort in (plenty, scarce):
        draw = cohort.draw()
        for _ in range(2):
            cohort.advance(draw)
    torch.testing.assert_close(scarce.flat, plenty.flat)
    torch.testing.assert_close(scarce.loss_sum, plenty.loss_sum)
    assert asked == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1], "what has failed once is not tried again"


def test_other_errors_than_of_memory_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = cohort_of(four_members(small(FAMILIES["mlp"]), small_recipe()), arena_of(small_table("binary")))

    def wrong(*given: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(cohort.steps, "gradients", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        cohort.advance(cohort.draw())
