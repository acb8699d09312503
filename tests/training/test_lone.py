"""A group of one keeps its tensors in the modules: it has to notice when it is given others."""

from __future__ import annotations

import torch
from small_cohorts import FAMILIES, arena_of, cohort_of, four_members, small, small_data, small_recipe

from coterie.training.cohort import Cohort
from coterie.training.compiled import traced
from coterie.training.given import Given

DOUBLE = torch.float64


def lone(name: str, target: str, **hyper: object) -> Cohort:
    family = small(FAMILIES[name], **hyper)
    arena = arena_of(small_data(family, target), dtype=DOUBLE)
    return cohort_of(four_members(family, small_recipe(weight_decay=0.0))[:1], arena)


def given(cohort: Cohort, step: int = 0, player: int = 0) -> Given:
    return cohort.given(cohort.draw(), cohort.steps.players[player], step)


def gradient(cohort: Cohort, given: Given, player: str = "") -> tuple[torch.Tensor, torch.Tensor]:
    found, loss, _ = cohort.plain_turns()[player].gradients(given, None)
    assert found is not None
    return found.clone(), loss


def test_other_parameters_and_buffers_are_noticed() -> None:
    cohort = lone("mlp", "multiclass", norm="batch")
    here = given(cohort)
    first, loss = gradient(cohort, here)
    assert torch.equal(gradient(cohort, here)[0], first)
    other, _ = gradient(cohort, here._replace(flat=cohort.flat * 1.1))
    assert not torch.allclose(other, first)
    assert torch.equal(gradient(cohort, here)[0], first)
    center = "network.prepare.center"
    moved = here._replace(buffers={**here.buffers, center: here.buffers[center] + 1})
    assert not torch.allclose(gradient(cohort, moved)[0], first)
    again, same = gradient(cohort, here)
    assert torch.equal(again, first)
    assert torch.equal(same, loss)


def test_what_is_written_into_the_row_counts() -> None:
    cohort = lone("mlp", "regression")
    here = given(cohort)
    first, _ = gradient(cohort, here)
    cohort.flat.mul_(1.1)
    fresh = here._replace(flat=cohort.flat.clone())
    mine, _ = gradient(cohort, here)
    assert not torch.allclose(mine, first)
    assert torch.equal(mine, gradient(cohort, fresh)[0])


def test_running_buffers_begin_with_what_is_given() -> None:
    cohort = lone("mlp", "multiclass", norm="batch")
    here = given(cohort)
    (one, two) = (cohort.steps.gradients(here)[2] for _ in range(2))
    assert one
    for name, buffer in one.items():
        assert torch.equal(buffer, two[name])
        assert not torch.equal(buffer, here.buffers[name])


def test_players_take_turns() -> None:
    cohort = lone("gan", "unsupervised")
    names = [player.name for player in cohort.steps.players]
    assert len(names) == 2
    before = [gradient(cohort, given(cohort, 0, i), name)[0] for i, name in enumerate(names)]
    for _ in range(2):
        for i, name in enumerate(names):
            assert torch.equal(gradient(cohort, given(cohort, 0, i), name)[0], before[i])


def test_tracing_leaves_nothing_behind() -> None:
    cohort = lone("mlp", "multiclass", norm="batch")
    here = given(cohort)
    first, _ = gradient(cohort, here)
    traced(cohort.plain_turns()[""], here)
    assert torch.equal(gradient(cohort, here)[0], first)


def test_what_is_let_go_of_is_in_no_module() -> None:
    cohort = lone("mlp", "binary")
    here = given(cohort)
    for _ in range(2):
        first, _ = gradient(cohort, here)
        kept = {t.untyped_storage().data_ptr() for t in cohort.steps.objective.parameters()}
        assert kept == {cohort.flat.untyped_storage().data_ptr()}
        cohort.steps.forget()
        assert all(t.is_meta for t in cohort.steps.objective.state_dict().values())
    assert torch.equal(gradient(cohort, here)[0], first)
