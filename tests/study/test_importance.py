"""What a model goes by: the importance of columns, and its answer over one or two of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from small_assessments import Fake, assessed, posed, table_of

from coterie.data.table import Table
from coterie.metrics.catalogue import METRICS
from coterie.report.page import render
from coterie.study.importance import effort, permutation_importance


@pytest.mark.parametrize("name", ["log_loss", "roc_auc"])
def test_importance_is_of_columns_and_positive_is_worse(name):
    problem, question = posed("binary", metric=name)
    facts, _, _ = assessed(problem, question)
    found = {item["feature"]: item for item in facts["importance"]}
    assert set(found) == {"strong", "noise", "colour", "seen", "sex"}  # the date once, whatever its parts
    assert sum("seen" in n for n in problem.schema.numeric) > 1
    assert found["strong"]["low"] > 0.1
    for other in ("noise", "colour", "seen", "sex"):
        assert found[other] == {"feature": other, "mean": 0.0, "low": 0.0, "high": 0.0}


def test_parts_of_a_date_and_codes_move_together():
    problem, _ = posed("binary", test_size=0)
    schema, seen = problem.schema, []
    date = [i for i, n in enumerate(schema.numeric) if n.startswith("seen")]

    class Watching(Fake):
        def output(self, data):
            seen.append({n: t.clone() for n, t in data.inputs.items()})
            return super().output(data)

    permutation_importance(Watching(problem), problem.dataset, METRICS["log_loss"], parameters=1, seed=0)
    whole, copies = seen[0], seen[1]
    n = len(problem.dataset)
    order_of = list({c.name: c for c in schema.features})
    block = copies["numeric"].reshape(-1, n, len(schema.numeric))[order_of.index("seen") * 5]
    assert not torch.equal(block[:, date], whole["numeric"][:, date])
    key = {tuple(row.tolist()) for row in whole["numeric"][:, date]}
    assert all(tuple(row.tolist()) in key for row in block[:, date])  # whole dates, never mixed ones
    rest = [i for i in range(len(schema.numeric)) if i not in date]
    assert torch.equal(block[:, rest], whole["numeric"][:, rest])
    colours = copies["category"].reshape(-1, n, len(schema.category))[order_of.index("colour") * 5]
    place = schema.category.index("colour")
    assert not torch.equal(colours[:, place], whole["category"][:, place])


def test_importance_is_bounded_and_says_so():
    small = effort(360, 64, 64, 5 * 9_000)
    assert (small.rows, small.features, small.repeats) == (360, 64, 5)
    for rows, features, parameters in ((100_000, 30, 1e5), (1_600, 5_000, 3e6), (10, 10_000, 1e9)):
        plan = effort(rows, features, features, int(parameters))
        assert plan.rows <= 2_000
        assert plan.features <= 200
        work = plan.rows * plan.features * plan.repeats * (parameters + 20 * features)
        smallest = plan.features == min(20, features) and plan.rows <= 200
        assert work <= 1.6e10 or smallest
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 230))
    data = {f"x{i}": x[:, i].tolist() for i in range(230)} | {"value": (3 * x[:, 0]).tolist()}
    table = Table(pl.DataFrame(data), "wide", "wide.csv", "0", ())
    problem, question = posed("regression", table=table)
    facts, _, _ = assessed(problem, question)
    assert len(facts["importance"]) == 200
    assert "200 of 230 features" in facts["importance_note"]
    assert facts["importance"][0]["feature"] == "x0"


# ---- the answer over one or two features ---------------------------------------------------------------


def test_one_feature_gives_a_curve_with_its_interval():
    problem, question = posed("regression", table=table_of("regression", ["strong"]))
    facts, arrays, _ = assessed(problem, question)
    curve = facts["response"]
    assert curve["kind"] == "curve"
    np.testing.assert_allclose(curve["y"], 3 * np.array(curve["x"]) + 10, rtol=1e-5, atol=1e-5)
    half = facts["intervals"]["half_width"][0]
    np.testing.assert_allclose(np.array(curve["high"]) - curve["y"], half)
    assert len(curve["points_x"]) == len(curve["points_y"]) == len(problem.test)
    render(facts, arrays, [])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_two_features_give_regions(task):
    problem, question = posed(task, table=table_of(task, ["strong", "noise"]))
    facts, arrays, _ = assessed(problem, question)
    regions = facts["response"]
    assert regions["kind"] == "regions"
    assert len(regions["z"]) == len(regions["y"]) == len(regions["x"])
    row = np.array(regions["z"][0], dtype=float)
    assert np.array_equal(np.array(regions["z"][-1]), row)  # the second feature says nothing
    assert (np.diff(row) != 0).any()
    assert regions["classes"] == list(problem.roles.target.classes)
    render(facts, arrays, [])


def test_other_schemas_have_no_response():
    for features in (["colour"], ["strong", "noise", "sex"]):
        problem, question = posed("binary", table=table_of("binary", ["strong", *features]))
        assert assessed(problem, question)[0]["response"] is None
