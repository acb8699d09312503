"""A batch in parts makes the same step: same weights, masks, losses, running buffers."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_cohorts import (
    FAMILIES,
    TURNS,
    arena_of,
    cohort_of,
    four_members,
    run,
    same_training,
    small,
    small_data,
    small_recipe,
)

from coterie.errors import SpecError
from coterie.models.augmentation import AugmentImages
from coterie.models.draws import Draws
from coterie.models.layers import Masked
from coterie.randomness import Portion, bits, keep_mask
from coterie.training.building import network_of
from coterie.training.parts import Parts, passes
from coterie.training.recipe import Recipe

DOUBLE = torch.float64


def looks_across(family, target):
    """Whether the network makes anything of several rows together."""
    with torch.device("meta"):
        network = network_of(family, small_data(family, target))
    across = [m for m in network.modules() if isinstance(m, Masked) and not isinstance(m, AugmentImages)]
    return bool(across)


ALONE = [turn for turn in TURNS if not looks_across(*turn[1:])]


@given(
    st.integers(1, 40), st.integers(1, 9), st.tuples(st.integers(1, 5), st.integers(1, 4)), st.integers(0, 99)
)
def test_parts_draw_what_the_whole_batch_draws(rows, times, shape, word):
    key, drop = torch.tensor(word), torch.tensor(0.4)
    whole = keep_mask(key, (rows, *shape), drop)
    drawn = Draws(key, rows, DOUBLE).each(3, shape[0])
    masks, numbers = [], []
    for portion in Parts(passes(times, rows)).portions(rows):
        masks.append(keep_mask(key, (portion.rows, *shape), drop, portion))
        numbers.append(Draws(key, portion.rows, DOUBLE, before=portion.start).each(3, shape[0]))
    assert torch.equal(torch.cat(masks)[:rows], whole)
    assert torch.equal(torch.cat(numbers)[:rows], drawn)
    assert torch.equal(bits(key, 5, rows), bits(key, 5 + rows)[rows:])


def test_rows_that_a_layer_folds_together_are_masked_alike():
    """(B·E, D) with the rows of one after the other, as (B, E, D)."""
    key, drop, part = torch.tensor(5), torch.tensor(0.5), Portion(3, 3, 8)
    folded = keep_mask(key, (9, 2), drop, part)
    assert torch.equal(folded.view(3, 3, 2), keep_mask(key, (8, 3, 2), drop)[3:6])


@given(st.integers(1, 50), st.integers(1, 60), st.integers(1, 4))
def test_every_row_is_in_one_part(rows, times, world):
    alone = Parts(passes(times, rows))
    assert alone.of <= min(times, rows)
    for parts in ([alone], [Parts(times, rank, world) for rank in range(world)]):
        places = [p for own in parts for q in own.portions(rows) for p in range(q.start, q.start + q.rows)]
        filled = parts[0].filled(torch.arange(rows)[None], torch.ones(1, rows))
        assert sorted(places) == list(range(filled[0].shape[1]))
        assert filled[1].sum() == rows
        assert len({q.rows for own in parts for q in own.portions(rows)}) == 1


@pytest.mark.parametrize(("family", "target"), [a[1:] for a in ALONE], ids=[a[0] for a in ALONE])
def test_the_same_step_in_parts(family, target):
    """Of every family that looks at one row at a time: four members together, or one alone."""
    arena = arena_of(small_data(family, target), dtype=DOUBLE)
    count, times = (1, 2) if len(family.name) % 2 else (4, 3)
    whole, parts = (
        run(cohort_of(four_members(family, small_recipe(epochs=1, eps=1e-4, accumulate=k))[:count], arena))
        for k in (1, times)
    )
    same_training(parts, whole, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("option", [{"l2": 0.1}, {"clip": 0.1}, {"class_weight": "balanced"}])
def test_penalties_and_weights_of_rows_are_those_of_the_batch(option):
    family = small(FAMILIES["mlp"], dropout=0.3)
    arena = arena_of(small_data(family, "multiclass"), dtype=DOUBLE)
    whole, parts = (
        run(cohort_of(four_members(family, small_recipe(accumulate=times, **option)), arena))
        for times in (1, 4)
    )
    torch.testing.assert_close(parts.flat, whole.flat, rtol=1e-8, atol=1e-10)


def test_running_statistics_are_the_mean_of_the_parts():
    """Of the mean that is what the batch has; there is one step of them, not one a part."""
    family = small(FAMILIES["mlp"], norm="batch")
    arena = arena_of(small_data(family, "binary"), dtype=DOUBLE)
    found = []
    for times in (1, 2):
        cohort = cohort_of(four_members(family, small_recipe(accumulate=times))[:1], arena)
        cohort.advance(cohort.draw())
        found.append({n: b for n, b in cohort.buffers.items() if "running" in n})
    name = next(n for n in found[0] if n.endswith("running_mean"))
    torch.testing.assert_close(found[1][name], found[0][name], rtol=1e-9, atol=1e-12)
    variance = name.replace("mean", "var")
    assert not torch.allclose(found[1][variance], found[0][variance])


def test_no_more_parts_than_rows():
    with pytest.raises(SpecError, match="at most batch_size"):
        Recipe(batch_size=4, accumulate=5)
    family = small(FAMILIES["linear"])
    folds = ((np.arange(5), np.arange(5, 9)),)
    arena = arena_of(small_data(family, "binary"), folds, DOUBLE)
    first, *_ = four_members(family, small_recipe(accumulate=7))
    cohort = cohort_of([dataclasses.replace(first, fold=0)], arena)
    assert cohort.plain_turns()[""].parts(cohort.batch) == Parts(5)
    run(cohort)
