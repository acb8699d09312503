"""What every family owes: networks of the right shape that learn, repeat themselves, and save and load.

A family in the catalogue is tested with no line here; `small_cohorts.variants` reads its declared options.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    NAMED,
    ONCE,
    PAIRED,
    TARGETS,
    VARIANTS,
    arena_of,
    cohort_of,
    four_members,
    member,
    run,
    small,
    small_data,
    small_recipe,
    targets_of,
)
from torch import Tensor

from coterie import spec
from coterie.data.dataset import Dataset
from coterie.errors import SpecError
from coterie.metrics.unsupervised import JUDGED, MEASURES
from coterie.model import Model
from coterie.models.catalogue import family_named
from coterie.models.family import Family
from coterie.training.building import network_of
from coterie.training.cohort import member_id
from coterie.training.outputs import outputs
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

by_variant = pytest.mark.parametrize("family", [f for _, f in VARIANTS], ids=[name for name, _ in VARIANTS])
by_pair = pytest.mark.parametrize(("family", "target"), [p[1:] for p in PAIRED], ids=[p[0] for p in PAIRED])
by_once = pytest.mark.parametrize("family", [f for _, f, _ in ONCE], ids=[name for name, _, _ in ONCE])
DEFAULTS = [p for p in PAIRED if p[1] == small(type(p[1]))]  # other settings are saved as these are
by_default = pytest.mark.parametrize(
    ("family", "target"), [p[1:] for p in DEFAULTS], ids=[p[0] for p in DEFAULTS]
)
by_named = pytest.mark.parametrize(("name", "target"), NAMED, ids=[f"{n}-{t}" for n, t in NAMED])
by_family = pytest.mark.parametrize("name", FAMILIES)
by_target = pytest.mark.parametrize("target", TARGETS)


def prepared_network(family: Family, dataset: Dataset) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = network_of(family, dataset)
    network.prepare.fit(dataset.inputs)
    network.output.fit(dataset.target)
    return network


def check_range(output: Tensor, task: str) -> None:
    assert output.isfinite().all()
    if task == "regression":
        return
    assert (output >= 0).all()
    assert (output <= 1).all()
    if task != "multilabel":
        torch.testing.assert_close(output.sum(-1), torch.ones(output.shape[:-1]))


def check_measures(network: Any, inputs: dict[str, Tensor], family: Any) -> None:
    """Every measure that the family declares is there of every row, and no other but what follows from it."""
    raw, rows = network.raw(inputs), len(inputs["place"])
    assert raw.shape == (rows, len(MEASURES))
    for place, name in enumerate(JUDGED):
        assert bool(raw[:, place].isfinite().all()) == (name in family.measures), name
        assert bool(raw[:, place].isnan().all()) == (name not in family.measures), name
    bits = raw[:, MEASURES.index("bits_per_dimension")]
    assert bool(bits.isfinite().all()) == bool({"log_likelihood", "evidence_bound"} & {*family.measures})
    made = network(inputs)[:, len(MEASURES) :]
    assert made.isfinite().all()
    assert bool(made.shape[1]) == ("mmd" in family.measures)


@by_pair
def test_shapes_and_ranges(family: Family, target: str) -> None:
    dataset = small_data(family, target)
    assert dataset.schema.target is not None
    task, outputs = dataset.task, dataset.schema.target.outputs
    network = prepared_network(family, dataset).eval()
    rows = len(dataset)
    assert network.task == task
    if task == "text":  # as many answers as there are tokens to write, and of each two numbers
        steps = dataset.target.shape[1]
        assert network.raw(dataset.inputs).shape == (rows, steps, outputs)
        assert network(dataset.inputs).shape == (rows, steps, 2)
        assert ((network(dataset.inputs) >= 0) & (network(dataset.inputs) <= 1)).all()
        return
    if task == "unsupervised":
        check_measures(network, dataset.inputs, family)
        some = {name: column[20:] for name, column in dataset.inputs.items()}
        torch.testing.assert_close(
            network(some), network(dataset.inputs)[20:], rtol=1e-4, atol=1e-4, equal_nan=True
        )
        return
    within = (getattr(family, "ensemble", 0),) if hasattr(family, "ensemble") else ()
    assert network.raw(dataset.inputs).shape == (rows, *within, 1 if task == "binary" else outputs)
    assert network.features(dataset.inputs).shape[: 1 + len(within)] == (rows, *within)
    assert network.features(dataset.inputs).ndim == 2 + len(within)
    output = network(dataset.inputs)
    assert output.shape == (rows, outputs)
    check_range(output, task)
    one = network({name: column[:1] for name, column in dataset.inputs.items()})
    torch.testing.assert_close(
        one, output[:1], rtol=1e-5, atol=1e-5
    )  # in use, a row's answer does not depend on its neighbours


@by_variant
def test_any_row_has_an_answer(family: Family) -> None:
    """All missing, infinite, enormous, never seen."""
    target = targets_of(type(family))[0]
    if target == "text":
        return
    dataset = small_data(family, target)
    network = prepared_network(family, dataset).eval()
    numeric = torch.tensor([torch.nan, torch.inf, -torch.inf, 3e38, -3e38, 0.0])[:, None].expand(-1, 4)
    last = torch.tensor([c - 1 for c in dataset.schema.cardinality]).expand(6, -1)
    others = {name: column[:6] for name, column in dataset.inputs.items()}
    if target == "unsupervised":
        check_measures(network, others | {"numeric": numeric, "category": last}, family)
        return
    check_range(network(others | {"numeric": numeric, "category": last}), "binary")


@by_variant
def test_gradients_reach_every_parameter(family: Family) -> None:
    target = "multiclass" if "multiclass" in family.tasks else targets_of(type(family))[0]
    dataset = small_data(family, target)
    network = prepared_network(family, dataset).eval()  # else a bias before batch normalisation has none
    with torch.no_grad():
        for parameter in network.parameters():  # a family may begin at 0, where gradients can be 0
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    if dataset.task == "unsupervised":
        check_players(network, dataset.inputs, family)
        return
    raw, target = network.raw(dataset.inputs), dataset.target
    if dataset.task == "text":
        raw, target = raw.flatten(0, 1), target.flatten()
    elif raw.ndim == 3:
        raw, target = raw.flatten(0, 1), target.repeat_interleave(raw.shape[1])
    torch.nn.functional.cross_entropy(raw, target, ignore_index=-1).backward()
    flat = getattr(family, "activation", "") == "step"  # a step has no gradient to learn by
    for name, parameter in network.named_parameters():
        if flat and not name.startswith("body.head"):
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def check_players(network: Any, inputs: dict[str, Tensor], family: Family) -> None:
    """Every player's loss reaches what it owns; a body that sets itself by training rows need not learn."""
    for player in network.players:
        loss = network.losses(inputs, player.name).mean()
        prefix = f"body.{player.name}." if player.name else ""
        own = [(n, p) for n, p in network.named_parameters() if n.startswith(prefix)]
        flat = network.fits or getattr(family, "activation", "") == "step"  # nothing to learn, or to learn by
        if not loss.requires_grad:
            assert not own, f"{player} owns parameters and has a loss without a gradient"
            continue
        grads = torch.autograd.grad(loss, [p for _, p in own], allow_unused=True)
        for (name, parameter), grad in zip(own, grads, strict=True):
            if flat and grad is None:
                continue
            assert grad is not None, name
            assert grad.isfinite().all(), name
            # what two players' rows have in common cancels out: a critic's last bias
            moot = flat or (len(network.players) > 1 and parameter.ndim == 1)
            assert moot or grad.abs().max() > 0, name


@by_once
def test_same_seed_same_numbers_and_other_seeds_others(family: Family) -> None:
    arena = arena_of(small_data(family, targets_of(type(family))[0]))
    recipe = small_recipe(epochs=1)
    candidate = Candidate(0, family, recipe)
    members = [member(candidate, fold=0, seed=0), member(candidate, fold=0, seed=1)]
    first, second = run(cohort_of(members, arena)), run(cohort_of(members, arena))
    assert torch.equal(first.flat, second.flat)
    assert torch.equal(first.cohort.best, second.cohort.best)
    assert first.events == second.events
    settled = getattr(family, "solution", "") == "exact"  # by training rows alone
    assert settled or not torch.equal(first.flat[0], first.flat[1])  # at least the batches are others


@by_named
def test_learns(name: str, target: str) -> None:
    family = small(FAMILIES[name])
    arena = arena_of(small_data(family, target))
    learner = network_of(family, arena.dataset)
    if target == "unsupervised" and (len(learner.players) > 1 or learner.fits):
        return  # of several players none is known to win
    recipe = small_recipe(epochs=8, optimizer="adam", schedule="constant", weight_decay=0.0)
    epochs = run(cohort_of(four_members(family, recipe)[:1], arena)).epochs
    (first,), (last,) = epochs[0].train, epochs[-1].train
    assert last < first - 0.02 * abs(first)  # bounds may be below 0


@by_default
def test_saved_and_loaded_predicts_the_same_bits(family: Family, target: str, tmp_path: Path) -> None:
    dataset = small_data(family, target)
    members = four_members(family, small_recipe())
    cohort = cohort_of(members, arena_of(dataset))
    cohort.advance(cohort.draw())
    weights, buffers = cohort.flat.clone(), cohort.buffers
    truth = outputs(cohort.steps, weights, buffers, torch.arange(len(dataset)), cohort.arena.inputs)
    places = [{"fold": m.fold, "seed": m.seed} for m in members]
    model = Model(dataset.schema, family, weights, buffers, places, {"metric": "any"})
    again = Model.load(model.save(tmp_path / "model"))
    torch.testing.assert_close(again.member_output(dataset), truth, rtol=0, atol=0, equal_nan=True)
    if target == "unsupervised":
        assert again.predict_table(dataset).equals(model.predict_table(dataset))
    elif target != "text":
        assert (again.predict(dataset) == model.predict(dataset)).all()
    assert (again.family, again.schema, again.members) == (family, dataset.schema, places)
    subset = again.subset([2, 0])
    assert subset.members == [places[2], places[0]]
    torch.testing.assert_close(
        subset.member_output(dataset), truth[[2, 0]], rtol=1e-4, atol=1e-4, equal_nan=True
    )


# ---- hyperparameters -------------------------------------------------------------------------------------


def bad_values(hyper: spec.Hyper) -> list[Any]:
    """Values of the wrong kind, and just out of bounds."""
    wrong: list[Any] = [None, "nonsense", float("nan")]
    if hyper.kind in ("number", "integer", "widths"):
        beyond = [float("inf"), hyper.low if hyper.above else hyper.low - 1]
        if hyper.high != float("inf"):
            beyond.append(hyper.high + 1)
        if hyper.kind != "number":
            beyond = [int(v) if abs(v) != float("inf") else v for v in beyond] + [1.5]
        wrong += [(v,) for v in beyond] if hyper.kind == "widths" else beyond
    return wrong


SPECS = (*FAMILIES.values(), Recipe)
by_spec = pytest.mark.parametrize("cls", SPECS, ids=[cls.__name__ for cls in SPECS])


@by_spec
def test_bad_hyperparameters_are_refused_with_their_bounds(cls: type[spec.Spec]) -> None:
    for name, hyper in spec.hypers(cls).items():
        assert hyper.help, name
        assert hyper.allows(spec.default(cls, name)), name
        for value in bad_values(hyper):
            for attempt in (
                lambda n=name, v=value: cls(**{n: v}),
                lambda n=name, v=value: spec.read(cls, n, v),
            ):
                with pytest.raises(SpecError) as caught:
                    attempt()
                assert str(caught.value).startswith(f"{name} must be {hyper.rule()}."), value
                assert caught.value.given
                assert caught.value.fix


@by_spec
def test_what_is_printed_reads_back_and_searches_stay_within_bounds(cls: type[spec.Spec]) -> None:
    for name, hyper in spec.hypers(cls).items():
        values = [spec.default(cls, name), *hyper.choices]
        if hyper.search is not None:
            values += [hyper.search.draw(u) for u in (0.0, 0.31, 0.999999)]
            # a search must not split a cohort by accident
            assert hyper.switch is False or min(values[-3:]) > 0, name
        for value in values:
            assert spec.read(cls, name, spec.show(value)) == value, name
            assert spec.read(cls, name, value) == value, name
            assert getattr(cls(**{name: value}), name) == value


@by_named
def test_advice_and_search_name_what_exists(name: str, target: str) -> None:
    cls, task = FAMILIES[name], TARGETS[target].task
    assert cls.name == name
    assert cls.title
    assert cls.source
    assert family_named(name) is cls
    Recipe(**cls.advice(task))  # refuses unknown names and bad values
    for field in cls.searched(task):
        assert spec.hypers(Recipe)[field].search is not None


def test_an_unknown_family_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SpecError, match=r"'mlpp'.*'mlp'"):
        family_named("mlpp")


def test_members_are_named_by_candidate_fold_and_seed() -> None:
    members = four_members(small(FAMILIES["mlp"]), small_recipe())
    assert [member_id(m) for m in members] == [(0, 0, 0), (1, 1, 0), (0, 2, 1), (1, 2, 0)]
