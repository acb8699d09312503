"""Starting from earlier weights: what is taken, what is frozen, how fast layers learn, alone or together."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    FOLDS,
    arena_of,
    cohort_of,
    four_members,
    member,
    run,
    small,
    small_data,
    small_recipe,
)

from coterie.models.family import Family
from coterie.training.arena import Arena
from coterie.training.building import build_networks, network_of
from coterie.training.cohort import Cohort
from coterie.training.events import StepEnd
from coterie.training.loop import train
from coterie.training.optimizers import OPTIMIZERS, update
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe
from coterie.training.start import Pace, Start, depths

NEW = ("body.head.weight", "body.head.bias")


def earlier(family: Family, members: int = 3, leave: tuple[str, ...] = NEW) -> Start:
    """Weights of other networks of the family, in float64, without some."""
    tensors: dict[str, list[torch.Tensor]] = {}
    for seed in range(members):
        torch.manual_seed(100 + seed)
        network = network_of(family, small_data(family, "multiclass")).double()
        state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        for name, tensor in state.items():
            if name.startswith("body.") and tensor.ndim and name not in leave:
                tensors.setdefault(name, []).append(tensor.detach())
    return Start({name: torch.stack(each) for name, each in tensors.items()})


def arena_from(family: Family, start: Start | None) -> Arena:
    arena = arena_of(small_data(family, "multiclass"), dtype=torch.float64)
    return dataclasses.replace(arena, start=start)


def depth_of(name: str, family: Family) -> int:
    return depths(network_of(family, small_data(family, "multiclass")))[name]


CNN = small(FAMILIES["cnn"])


@pytest.mark.parametrize(
    ("family", "name", "depth"),
    [
        (CNN, "body.head.weight", 0),
        (CNN, "body.beside.embeddings.0.weight", 0),
        (CNN, "body.layers.10.weight", 1),
        (CNN, "body.layers.11.bias", 1),  # its normalisation
        (CNN, "body.layers.0.weight", 4),
        (small(FAMILIES["resnet"]), "body.layers.3.path.0.0.weight", 1),
        (small(FAMILIES["resnet"]), "body.layers.3.shortcut.0.weight", 1),
        (small(FAMILIES["resnet"]), "body.layers.0.0.weight", 4),
        (small(FAMILIES["bert"], depth=2), "body.layers.blocks.1.feed.0.weight", 1),
        (small(FAMILIES["bert"], depth=2), "body.layers.blocks.0.attention.key.bias", 2),
        (small(FAMILIES["bert"], depth=2), "body.layers.positions.learned", 3),
        (small(FAMILIES["bert"], depth=2), "body.layers.norm.weight", 3),
    ],
)
def test_depth_counts_layers_from_the_answer_down(family: Family, name: str, depth: int) -> None:
    assert depth_of(name, family) == depth


def test_members_take_the_earlier_members_in_turn_by_fold_and_seed() -> None:
    start = earlier(CNN, members=2)
    arena = arena_from(CNN, start)
    candidate = Candidate(0, CNN, small_recipe())
    members = tuple(member(candidate, fold, seed) for seed in (0, 1) for fold in range(3))
    drawn = build_networks(members, dataclasses.replace(arena, start=None))
    for place, (network, fresh) in enumerate(zip(build_networks(members, arena), drawn, strict=True)):
        own, before = dict(network.named_parameters()), dict(fresh.named_parameters())
        assert own["body.layers.0.weight"].equal(start.tensors["body.layers.0.weight"][place % 2])
        assert own["body.head.weight"].equal(before["body.head.weight"])  # what is new is drawn as ever
        assert dict(network.named_buffers())["prepare.image.center"].equal(
            dict(fresh.named_buffers())["prepare.image.center"]
        )


def test_what_has_another_shape_is_not_taken() -> None:
    start = earlier(small(FAMILIES["cnn"], channels=(6, 8)))
    taken = start.taken(network_of(CNN, small_data(CNN, "multiclass")))
    assert "body.layers.0.weight" in taken
    assert "body.layers.1.running_mean" in taken
    assert "body.layers.7.weight" not in taken


def pace(freeze: float, thaw: float, discount: float, epoch: int) -> list[float] | None:
    """Factors of four parameters: a new one of depth 2, taken ones of depths 2, 1 and 0."""
    one = Pace(
        torch.tensor([2, 2, 1, 0]), torch.tensor([False, True, True, True]), torch.tensor([1, 1, 1, 1])
    )
    hyper = {"freeze": freeze, "thaw": thaw, "discount": discount}
    found = one.factors(epoch, {name: torch.tensor([value]) for name, value in hyper.items()})
    return None if found is None else found[0].tolist()


def test_layers_thaw_from_the_top_and_learn_slower_below() -> None:
    assert pace(0, 0, 1.0, 0) is None
    assert pace(2, 0, 1.0, 1) == [1, 0, 0, 1]
    assert pace(2, 0, 1.0, 2) == [1, 1, 1, 1]
    assert pace(2, 3, 1.0, 2) == [1, 0, 1, 1]
    assert pace(2, 3, 1.0, 4) == [1, 0, 1, 1]
    assert pace(2, 3, 1.0, 5) == [1, 1, 1, 1]
    assert pace(0, 0, 0.5, 0) == [1, 0.25, 0.5, 1]
    assert pace(1, 1, 0.5, 1) == [1, 0, 0.5, 1]


def test_what_is_frozen_does_not_move_and_what_is_new_does() -> None:
    start = earlier(CNN, members=1)
    cohort = cohort_of(
        [member(Candidate(0, CNN, small_recipe(freeze=9, weight_decay=0.5)))], arena_from(CNN, start)
    )
    before = {n: t.clone() for n, t in cohort.layout.views(cohort.flat).items()}
    after = cohort.layout.views(run(cohort).flat)
    for name, tensor in after.items():
        assert tensor.equal(before[name]) == (name in start.tensors and not name.startswith("body.beside."))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["cnn", "bert"])
def test_a_cohort_that_starts_from_weights_equals_each_alone(name: str, optimizer: str) -> None:
    family = small(FAMILIES[name])
    arena = arena_from(family, earlier(family))
    recipe = small_recipe(optimizer=optimizer, freeze=1, discount=0.5, eps=1e-4)
    members = four_members(family, recipe, freeze=0, thaw=1, discount=0.8)
    together = run(cohort_of(members, arena))
    for place, one in enumerate(members):
        alone = run(cohort_of([one], arena))
        torch.testing.assert_close(together.flat[place], alone.flat[0], rtol=1e-7, atol=1e-9)


def test_a_restored_cohort_goes_on_to_the_same_bits() -> None:
    arena = arena_from(CNN, earlier(CNN))
    recipe = small_recipe(freeze=1, thaw=1, discount=0.5, epochs=3)
    members = four_members(CNN, recipe)
    whole = run(cohort_of(members, arena))

    def left_at(cohort: Cohort, epoch: int, step: int) -> Cohort:
        for event in train(cohort, lambda o, t, w: torch.zeros(len(o)), maximise=False):
            if isinstance(event, StepEnd) and (event.epoch, event.step) == (epoch, step):
                break
        return cohort

    half = left_at(cohort_of(members, arena), 1, 2)
    again = cohort_of(members, arena)
    again.restore({n: t.clone() for n, t in half.tensors().items()}, half.facts())
    assert run(again).flat.equal(whole.flat)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_rate_for_each_parameter_is_that_rate(name: str) -> None:
    torch.manual_seed(0)
    p, g = torch.randn(2, 6).double(), torch.randn(2, 6).double()
    rates = torch.tensor([0.1, 0.0, 0.01]).double()
    hyper = {n: torch.full((2, 1), v).double() for n, v in Recipe(weight_decay=0.1).numbers().items()}

    def moved(lr: torch.Tensor) -> torch.Tensor:
        own, slots = p.clone(), {s: torch.ones(2, 6).double() for s in OPTIMIZERS[name].slots}
        t = torch.ones(2, 1).double()
        update(name, own, g.clone(), slots, hyper | {"lr": lr}, t, slice(1, 5), clips=False, decays=True)
        return own

    each = moved(rates.repeat_interleave(2).expand(2, 6).clone())
    for place, rate in enumerate(rates):
        wanted = moved(torch.full((2, 1), float(rate)).double())[:, 2 * place : 2 * place + 2]
        torch.testing.assert_close(each[:, 2 * place : 2 * place + 2], wanted, rtol=1e-12, atol=0)
    assert each[:, 2:4].equal(p[:, 2:4])


def test_without_a_start_the_settings_do_nothing() -> None:
    arena = arena_of(small_data(CNN, "multiclass"), FOLDS)
    plain, set_ = (
        run(cohort_of([member(Candidate(0, CNN, r))], arena))
        for r in (small_recipe(), small_recipe(freeze=5, discount=0.1))
    )
    assert plain.flat.equal(set_.flat)
