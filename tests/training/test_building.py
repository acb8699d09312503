"""Networks as members begin with them; that they depend on nothing else is tested with cohorts."""

import pytest
import torch
from small_cohorts import FAMILIES, arena_of, cohort_of, member, small, small_recipe, small_table

from coterie.training import building
from coterie.training.plan import Candidate


def test_members_that_differ_in_their_recipe_alone_are_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, plain = [], building.network_of
    monkeypatch.setattr(building, "network_of", lambda *given: made.append(given) or plain(*given))
    family, other = small(FAMILIES["mlp"]), small(FAMILIES["mlp"], dropout=0.3)
    slow, fast = Candidate(0, family, small_recipe(lr=0.001)), Candidate(1, family, small_recipe(lr=0.1))
    members = [member(one, fold) for one in (slow, fast) for fold in (0, 1)]
    cohort = cohort_of(members, arena_of(small_table("binary")))
    assert len(made) == 2
    assert torch.equal(cohort.flat[:2], cohort.flat[2:])
    assert not torch.equal(cohort.flat[0], cohort.flat[1])
    draw = cohort.draw()
    cohort.advance(draw)
    assert not torch.equal(cohort.flat[:2], cohort.flat[2:])
    made.clear()
    apart = [member(one, 0) for one in (slow, Candidate(1, other, small_recipe()))]
    rates = cohort_of(apart, arena_of(small_table("binary"))).buffers
    assert len(made) == 2
    assert any(len(set(b.flatten().tolist())) == 2 for name, b in rates.items() if name.endswith(".rate"))
