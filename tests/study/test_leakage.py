"""No leakage, as properties: what was fitted does not know the rows that it is judged on.

Schema and split are fixed (they are made once a study, from development rows, row counts and strata); then
values are changed, by whatever hypothesis thinks of, and what was fitted is compared bit by bit.
"""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_studies import patients, posed

from coterie.data.dataset import Dataset
from coterie.metrics.catalogue import METRICS
from coterie.models.catalogue import FAMILIES
from coterie.models.shape import Shape
from coterie.study.fitting import fit_cohorts, read_trained
from coterie.study.folder import Folder
from coterie.study.problem import Problem
from coterie.study.search import propose
from coterie.study.study import Clock
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.plan import CohortPlan, Member, make_plan, member_key
from coterie.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("without_pages")

CPU = torch.device("cpu")
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)
FEW = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
TABLES = sorted(n for n, f in FAMILIES.items() if f.reads[0] == "table" and "regression" in f.tasks)
FAMILY = st.sampled_from(TABLES)


@cache
def problem(task: str) -> Problem:
    data = patients(48)
    if task == "regression":
        return posed({**data, "ill": data["dose"], "dose": data["age"]}, target="ill", folds=3)
    return posed(data, target="ill", folds=3)


def changed(given: Dataset, rows: np.ndarray, draw: st.DataObject) -> Dataset:
    """The dataset with other values in some rows: numbers, codes, targets, all of them."""
    at = torch.from_numpy(rows)
    inputs = {name: column.clone() for name, column in given.inputs.items()}
    shape = (len(rows), inputs["numeric"].shape[1])
    some = draw.draw(st.lists(NUMBERS, min_size=1, max_size=8))
    inputs["numeric"][at] = (
        torch.tensor(some, dtype=torch.float64)
        .repeat(shape[0] * shape[1])[: shape[0] * shape[1]]
        .reshape(shape)
    )
    for c, codes in enumerate(given.schema.cardinality):
        inputs["category"][at, c] = draw.draw(st.integers(0, codes - 1))
    assert given.target is not None
    target = given.target.clone()
    if target.is_floating_point():
        target[at] = draw.draw(st.floats(-1e6, 1e6, width=32))
    else:
        target[at] = draw.draw(st.integers(0, 1))
    return dataclasses.replace(given, inputs=inputs, target=target)


def trained(folder, base: Problem, dataset: Dataset, family: str, fix: dict) -> dict[str, torch.Tensor]:
    """Everything that the training of one candidate on every fold leaves, by name."""
    task = base.roles.target.task
    settings_of = {"epochs": 2, "batch_size": 8, **({"hidden": "4"} if family == "mlp" else {}), **fix}
    candidates = propose(
        (family,), shape=Shape(), task=task, rows=30, count=1, fix=settings_of, grid={}, seed=0
    )
    plans = make_plan(candidates, len(base.folds), 1, 0, lambda _: 99)
    arena = Arena.of(dataset, base.folds, CPU)
    metric = METRICS["rmse" if task == "regression" else "log_loss"]
    for _ in fit_cohorts(folder, plans, arena, metric, Clock()):
        pass
    (left,) = read_trained(folder, plans)
    return {"weights": left.flat, **left.buffers}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], member: int | None = None) -> bool:
    places = slice(None) if member is None else [member]
    return one.keys() == other.keys() and all(
        torch.equal(one[n][places].nan_to_num(7.0), other[n][places].nan_to_num(7.0)) for n in one
    )


@pytest.mark.parametrize("task", ["binary", "regression"])
@FEW
@given(data=st.data(), family=FAMILY)
def test_test_rows_change_nothing_that_is_trained(tmp_path_factory, task, data, family):
    """Weights, preparation, scores and log: all that the study has before its last evaluation."""
    base = problem(task)
    folders = [Folder(tmp_path_factory.mktemp("s")) for _ in range(2)]
    one = trained(folders[0], base, base.dataset, family, {})
    other = trained(folders[1], base, changed(base.dataset, base.test, data), family, {})
    assert same(one, other)
    assert (folders[0] / "events.jsonl").read_bytes() == (folders[1] / "events.jsonl").read_bytes()


@pytest.mark.parametrize("task", ["binary", "regression"])
@FEW
@given(data=st.data(), family=FAMILY, impute=st.sampled_from(["median", "mean"]))
def test_validation_rows_change_no_preparation(task, data, family, impute):
    """A member's imputation, scaling and target scaling come from its own training rows."""
    base = problem(task)
    fold = data.draw(st.integers(0, 2))
    other_data = changed(base.dataset, base.folds[fold][1], data)
    plan = CohortPlan(
        0,
        tuple(
            Member(
                propose(
                    (family,),
                    shape=Shape(),
                    task=task,
                    rows=30,
                    count=1,
                    fix={"impute": impute},
                    grid={},
                    seed=0,
                )[0],
                f,
                0,
                member_key(0, f, 0),
            )
            for f in range(3)
        ),
    )
    cohorts = [Cohort(plan, Arena.of(d, base.folds, CPU)) for d in (base.dataset, other_data)]
    assert same(cohorts[0].buffers, cohorts[1].buffers, fold)
    assert torch.equal(cohorts[0].flat[fold], cohorts[1].flat[fold])  # rows set the centres of some families


@pytest.mark.parametrize("task", ["binary", "regression"])
@FEW
@given(data=st.data(), family=FAMILY, schedule=st.sampled_from(["constant", "step", "cosine"]))
def test_validation_rows_change_no_weights_without_early_stopping(
    tmp_path_factory, task, data, family, schedule
):
    """With early stopping and plateau off, the last weights are the member's, whatever it is judged on."""
    base = problem(task)
    fold = data.draw(st.integers(0, 2))
    fix = {"patience": 0, "schedule": schedule}
    one, other = (
        last_weights(base, dataset, family, fix, task)
        for dataset in (base.dataset, changed(base.dataset, base.folds[fold][1], data))
    )
    assert same(one, other, fold)


def last_weights(
    base: Problem, dataset: Dataset, family: str, fix: dict, task: str
) -> dict[str, torch.Tensor]:
    """Weights and buffers after the last step, before the best are put back."""
    from coterie.training.events import EpochEnd
    from coterie.training.loop import train

    settings_of = {"epochs": 2, "batch_size": 8, **({"hidden": "4"} if family == "mlp" else {}), **fix}
    (candidate,) = propose(
        (family,), shape=Shape(), task=task, rows=30, count=1, fix=settings_of, grid={}, seed=0
    )
    members = tuple(Member(candidate, f, 0, member_key(0, f, 0)) for f in range(3))
    cohort = Cohort(CohortPlan(0, members), Arena.of(dataset, base.folds, CPU))
    assert isinstance(candidate.recipe, Recipe)
    found: dict[str, torch.Tensor] = {}
    metric = METRICS["rmse" if task == "regression" else "log_loss"]
    for event in train(cohort, metric.function, metric.maximise):
        if not isinstance(event, EpochEnd) and len(cohort.alive) == 3:
            found = {"weights": cohort.flat.clone(), **{n: b.clone() for n, b in cohort.buffers.items()}}
    return found


def test_the_comparison_can_fail(tmp_path):
    """Training rows do change what is fitted: the properties above are not empty."""
    base = problem("binary")
    rows = base.folds[0][0]
    inputs = {**base.dataset.inputs, "numeric": base.dataset.inputs["numeric"].clone()}
    inputs["numeric"][torch.from_numpy(rows[:3])] += 5
    other = dataclasses.replace(base.dataset, inputs=inputs)
    folders = [Folder(tmp_path / name) for name in "ab"]
    for folder in folders:
        folder.path.mkdir()
    one = trained(folders[0], base, base.dataset, "mlp", {})
    two = trained(folders[1], base, other, "mlp", {})
    assert not same(one, two, 0)


def test_the_whole_course_does_not_know_the_test_rows(tmp_path):
    """From a table, with schema and split made anew: other test values, the same model, bit by bit."""
    from small_studies import tiny

    data = patients()
    problem_of = posed(data, target="ill", folds=2)
    other = {name: list(values) for name, values in data.items()}
    for row in problem_of.dataset.rows[problem_of.test]:
        other["age"][row], other["dose"][row], other["ward"][row] = 1e9, -(10.0**9), "cellar"
    models = [tiny(d, "ill", out=tmp_path / n).folder / "model" for n, d in (("a", data), ("b", other))]
    assert (
        models[0].joinpath("model.safetensors").read_bytes()
        == models[1].joinpath("model.safetensors").read_bytes()
    )
