"""Candidates: few structures, draws that a longer search keeps, and what cannot be asked for."""

import dataclasses
import math

import pytest

from coterie.errors import SpecError
from coterie.models.catalogue import FAMILIES
from coterie.models.shape import Shape
from coterie.spec import hypers
from coterie.study.search import advice, number_of_candidates, propose, searched
from coterie.training.recipe import Recipe


def candidates(count, models=("mlp",), task="multiclass", rows=1000, fix=None, grid=None, seed=0):
    return propose(
        models,
        shape=Shape(indicator=(False,)),
        task=task,
        rows=rows,
        count=count,
        fix=fix or {},
        grid=grid or {},
        seed=seed,
    )


def settings(found):
    return [(c.family, c.recipe) for c in found]


@pytest.mark.parametrize("models", [("mlp",), ("linear",), ("mlp", "linear"), ()])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_longer_search_keeps_the_earlier_draws(models, task):
    longest = settings(candidates(40, models, task))
    for count in (1, 2, 3, 5, 9, 16, 17, 31):
        assert settings(candidates(count, models, task)) == longest[:count]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 9, 15, 16, 25, 40])
@pytest.mark.parametrize("models", [("mlp",), ("mlp", "linear")])
@pytest.mark.parametrize("seed", [0, 7])
def test_structures_are_few(count, models, seed):
    found = candidates(count, models, seed=seed)
    for family in {type(c.family) for c in found}:
        own = [c for c in found if type(c.family) is family]
        assert len({c.structure() for c in own}) <= math.isqrt(len(own))


def test_the_structures_share_the_candidates_evenly_and_do_vary():
    counts = {}
    for candidate in candidates(48):
        counts[candidate.structure()] = counts.get(candidate.structure(), 0) + 1
    assert len(counts) >= 3
    assert min(counts.values()) >= 3


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_each_familys_first_is_its_defaults(name, task):
    if task not in FAMILIES[name].tasks:
        task = FAMILIES[name].tasks[0]
    (first,) = candidates(1, (name,), task)
    advised = {**FAMILIES[name].advice(task), **FAMILIES[name]().settles()}
    for hyper in hypers(FAMILIES[name]):
        default = next(f.default for f in dataclasses.fields(FAMILIES[name]) if f.name == hyper)
        assert getattr(first.family, hyper) == advised.get(hyper, default)
    for hyper, value in advised.items():
        if hyper in hypers(Recipe):
            assert getattr(first.recipe, hyper) == value


def test_draws_lie_in_their_ranges_and_differ():
    found = candidates(30)
    names = searched(FAMILIES["mlp"], "multiclass", set())
    assert names
    known = {**hypers(FAMILIES["mlp"]), **hypers(Recipe)}
    for name in names:
        values = [c.values()[name] for c in found[1:]]
        search = known[name].search
        if search.scale == "options":
            assert set(values) <= {*search.options, found[0].values()[name]}
        else:
            assert all(search.low * (1 - 1e-3) <= v <= search.high * (1 + 1e-3) for v in values)
            assert len(set(values)) > len(values) // 2


def test_the_seed_changes_the_draws_and_not_the_defaults():
    a, b = candidates(6, seed=1), candidates(6, seed=2)
    assert settings(a)[0] == settings(b)[0]
    assert not set(settings(a)[1:]) & set(settings(b)[1:])
    assert settings(a) == settings(candidates(6, seed=1))


def test_families_take_turns():
    assert [c.family.name for c in candidates(5, ("mlp", "linear"))] == [
        "mlp",
        "linear",
        "mlp",
        "linear",
        "mlp",
    ]
    assert [c.index for c in candidates(5, ("mlp", "linear"))] == [0, 1, 2, 3, 4]


def test_what_is_fixed_holds_for_all_that_have_it():
    found = candidates(8, ("mlp", "linear"), fix={"lr": "3e-3", "hidden": "5,6", "epochs": 7})
    assert {c.recipe.lr for c in found} == {3e-3}
    assert {c.recipe.epochs for c in found} == {7}
    assert {c.family.hidden for c in found if c.family.name == "mlp"} == {(5, 6)}


def test_a_grid_is_all_combinations_and_nothing_else():
    found = candidates(3, grid={"lr": ["1e-4", "1e-3"], "hidden": ["8", "16,16", "32"]})
    pairs = {(c.recipe.lr, c.family.hidden) for c in found}
    assert len(found) == 6
    assert pairs == {(lr, h) for lr in (1e-4, 1e-3) for h in ((8,), (16, 16), (32,))}


def test_a_grid_of_one_family_leaves_the_other_its_own():
    found = candidates(9, ("mlp", "linear"), grid={"hidden": ["8", "16"]})
    assert [c.family.name for c in found] == ["mlp", "linear", "mlp"]


def test_the_same_candidate_is_tried_once():
    assert len(candidates(5, grid={"lr": ["1e-3", "0.001", 1e-3]})) == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"models": ("mpl",)}, "Did you mean 'mlp'"),
        ({"models": ("zzz",)}, "coterie models"),
        ({"fix": {"hiden": "8"}}, "Did you mean hidden"),
        ({"fix": {"zzz": "8"}}, "coterie models NAME"),
        ({"models": ("linear",), "fix": {"hidden": "8"}}, "belongs to threshold, mlp"),
        ({"fix": {"lr": "fast"}}, "lr must be a number"),
        ({"fix": {"lr": "-1"}}, "lr must be a number"),
        ({"fix": {"hidden": "8,x"}}, "hidden must be"),
        ({"fix": {"epochs": "1.5"}}, "epochs must be an integer"),
        ({"fix": {"optimizer": "adm"}}, "Did you mean adam"),
        ({"grid": {"lr": ["1e-3", "nan"]}}, "lr must be a number"),
        ({"grid": {"widht": ["1"]}}, "must be one of the recipe"),
        ({"fix": {"loss": "mse"}}, "loss of classes"),
        ({"task": "regression", "fix": {"loss": "cross_entropy"}}, "loss of regression"),
        ({"fix": {"optimizer": "exact"}}, "exact optimizer"),
        ({"task": "regression", "fix": {"class_weight": "balanced"}}, "class_weight=balanced"),
    ],
)
def test_what_cannot_be_is_refused_in_words(asked, said):
    with pytest.raises(SpecError, match=said):
        candidates(4, **asked)


def test_what_a_family_settles_is_the_recipe_unless_others_are_asked_for():
    def epochs(**fix):
        return [c.recipe.epochs for c in candidates(3, ("linear_autoencoder",), "unsupervised", fix=fix)]

    assert epochs() == [1]  # eigenvectors, found before the first pass
    assert epochs(solution="gradient") == [120]
    assert epochs(epochs=7) == [7]


@pytest.mark.parametrize(
    ("rows", "fix", "epochs"),
    [
        (2000, {}, 500),  # 16 batches of 128
        (1280, {}, 800),
        (1280, {"batch_size": "64"}, 400),
        (1_000_000, {}, 2),
        (50, {}, 1000),  # no more
        (2000, {"epochs": "7"}, 7),
    ],
)
def test_a_game_lasts_so_many_steps_however_many_rows_there_are(rows, fix, epochs):
    (found,) = candidates(1, ("gan",), "unsupervised", rows, fix)
    assert found.recipe.epochs == epochs


def test_fewer_candidates_where_a_network_takes_minutes():
    points = Shape(indicator=(False,))
    assert number_of_candidates(points) == number_of_candidates(points, ("vae", "mlp")) == 16
    assert number_of_candidates(points, ("vae", "gan")) == 4


@pytest.mark.parametrize(("rows", "epochs"), [(1_000, 63), (50_000, 21), (2_400_000, 20), (16_000_000, 3)])
def test_epochs_are_fewer_the_more_rows_there_are(rows, epochs):
    assert advice(rows)["epochs"] == epochs
