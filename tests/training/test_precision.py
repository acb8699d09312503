"""Products in bfloat16: a little off in every step, as good in the end; weights stay in single precision."""

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    arena_of,
    cohort_of,
    four_members,
    small,
    small_data,
    small_recipe,
    targets_of,
)

from coterie.training.compiled import leaves, suited, traced


def trained(name, precision, members=slice(None)):
    family = small(FAMILIES[name])
    arena = arena_of(small_data(family, targets_of(FAMILIES[name])[-4:][0]))
    cohort = cohort_of(four_members(family, small_recipe(precision=precision, lr=0.001))[members], arena)
    start, losses = cohort.flat.clone(), []
    for _ in range(2):
        draw = cohort.draw()
        while cohort.step < draw.busy.max():
            cohort.advance(draw)
        losses += cohort.end_epoch(draw)
    return cohort, start, torch.tensor(losses)


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "bert", "gan", "vae", "resnet"])
def test_learns_as_in_single_precision(name):
    (single, start, losses), (half, _, halved) = (trained(name, p) for p in ("single", "bfloat16"))
    assert half.flat.dtype == single.flat.dtype == torch.float32
    torch.testing.assert_close(halved, losses, rtol=0.1, atol=0.1)
    moved = (single.flat - start).norm()
    assert 0 < (half.flat - single.flat).norm() < moved


def test_products_are_in_bfloat16_and_answers_are_not():
    (half, _, _), (single, _, _) = (trained("mlp", p) for p in ("bfloat16", "single"))
    products = []
    for cohort in (half, single):
        (player,) = cohort.steps.players
        given = cohort.given(cohort.draw(), player, 0)
        graph = traced(cohort.turns[player.name], given)
        cast = [n for n in graph.graph.nodes if n.kwargs.get("dtype") == torch.bfloat16]
        products.append(len(cast))
        assert len(graph(*(t.clone() for t in leaves(suited(given, cohort.layout))))[0]) == 4
    assert products[0] > 0
    assert products[1] == 0
    rows = torch.arange(3)
    assert half.steps.output(half.flat, half.buffers, rows, half.arena.inputs).dtype == torch.float32
