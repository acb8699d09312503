"""The assessment: every number is what it says, the test rows are scored once, and nothing private leaks."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import polars as pl
import pytest
import torch
from small_assessments import TARGETS, Fake, N, assessed, broken, columns, constant, posed, table_of

from coterie.data.dataset import Dataset
from coterie.data.table import Table
from coterie.metrics.catalogue import METRICS
from coterie.metrics.intervals import corrected_standard_error
from coterie.report.card import model_card
from coterie.report.page import render
from coterie.study import assess as module
from coterie.study.assess import member_validation
from coterie.study.baselines import Baseline
from coterie.study.problem import Problem

FACTS = {
    *("name", "folder", "task", "target", "classes", "finished", "verdict", "metric", "look_at", "warnings"),
    *("data", "test", "per_class", "validation", "winner", "candidates", "searched", "baselines"),
    *("comparison", "confusion", "thresholds", "threshold", "intervals", "importance", "importance_note"),
    *("resamples", "worst", "rows_left_out", "response", "subgroups", "test_scored", "compute", "reproduce"),
}


@pytest.mark.parametrize("task", TARGETS)
def test_facts_are_whole_for_every_task(task):
    problem, question = posed(task, by=("sex",))
    facts, arrays, model = assessed(problem, question, baselines=[constant(problem), broken()])
    assert set(facts) == FACTS
    json.dumps(facts, allow_nan=False)
    assert facts["verdict"].startswith("The network is worth it"), facts["verdict"]
    assert facts["comparison"]["baseline"] == "dummy"
    assert facts["comparison"]["on"] == "test"
    assert facts["test_scored"] == 1
    assert facts["resamples"] == 2000
    assert facts["data"]["test"] == len(problem.test) == len(arrays["test_output"])
    assert facts["data"]["rows"] == N
    assert set(facts["test"]) == set(facts["validation"]) == set(facts["baselines"][0]["test"])
    for score in facts["test"].values():
        assert score["low"] <= score["value"] + 1e-12
        assert score["value"] <= score["high"] + 1e-12
    assert facts["baselines"][1]["test"] == facts["baselines"][1]["validation"] == {}
    assert any("ridge regression is missing" in w for w in facts["warnings"])
    assert facts["warnings"][0] == "Mind the gap."
    assert facts["importance"][0]["feature"] == "strong"
    assert len(facts["worst"]) == 10
    losses = [row["loss"] for row in facts["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert facts["winner"] | {"hyperparameters": 0} == {
        "index": 1,
        "family": "mlp",
        "hyperparameters": 0,
        "parameters": 1000,
        "members": 3,
    }
    assert facts["candidates"][0]["hyperparameters"]["lr"] == 0.01
    assert sum(group["rows"] for group in facts["subgroups"]) == len(problem.test)
    assert len(facts["per_class"]) == (0 if model.task == "regression" else len(model.classes))
    assert (facts["intervals"] is None) == (model.task != "regression")
    assert bool(facts["thresholds"]) == (task == "binary")
    assert render(facts, arrays, []).startswith("<!DOCTYPE html>")
    assert model_card(facts)


def test_scores_are_what_the_metrics_say():
    problem, question = posed("binary")
    facts, arrays, model = assessed(problem, question, baselines=[constant(problem)])
    loss = METRICS["log_loss"].function
    target = problem.dataset.target[torch.from_numpy(problem.test)]
    assert facts["test"]["log_loss"]["value"] == pytest.approx(float(loss(arrays["test_output"], target)))
    single = []
    for _, rows in problem.folds:
        at = torch.from_numpy(rows)
        part = Dataset(
            problem.schema, {n: t[at] for n, t in problem.dataset.inputs.items()}, None, None, rows
        )
        single.append(loss(model.output(part), problem.dataset.target[at]))
    values = torch.stack(single)
    assert facts["validation"]["log_loss"]["mean"] == pytest.approx(float(values.mean()))
    expected = corrected_standard_error(values, 70, 35)
    assert facts["validation"]["log_loss"]["se"] == pytest.approx(float(expected), rel=1e-6)
    assert facts["baselines"][0]["validation"]["log_loss"]["mean"] == pytest.approx(math.log(2))
    assert facts["baselines"][0]["test"]["log_loss"]["value"] == pytest.approx(math.log(2))
    gap = facts["test"]["log_loss"]["value"] - math.log(2)
    assert facts["comparison"]["difference"] == pytest.approx(gap)
    assert sum(map(sum, facts["confusion"])) == len(problem.test)
    right = sum(row[i] for i, row in enumerate(facts["confusion"]))
    assert right / len(problem.test) == pytest.approx(facts["test"]["accuracy"]["value"])


def test_without_members_validation_comes_from_the_out_of_fold_outputs():
    problem, question = posed("multiclass")
    first, _, _ = assessed(problem, question)
    second, _, _ = assessed(problem, question, members=member_validation(problem, Fake(problem)))
    assert first["validation"] == second["validation"]


def test_the_test_rows_are_scored_once(monkeypatch):
    problem, question = posed("binary")
    called = []
    whole = module.score_test_rows
    monkeypatch.setattr(module, "score_test_rows", lambda *given: called.append(1) or whole(*given))
    _, _, model = assessed(problem, question)
    assert called == [1]
    assert (
        model.calls.count(len(problem.test)) == 2
    )  # once to score, once as what shuffled copies differ from


def test_what_is_chosen_does_not_depend_on_test_rows():
    problem, question = posed("binary")
    first, _, _ = assessed(problem, question, baselines=[constant(problem)])
    target = problem.dataset.target.clone()
    target[torch.from_numpy(problem.test)] = 1 - target[torch.from_numpy(problem.test)]
    data = problem.dataset
    other = Dataset(data.schema, data.inputs, target, data.weight, data.rows)
    turned = Problem(**{**problem.__dict__, "dataset": other})
    second, _, _ = assessed(turned, question, baselines=[constant(problem)])
    for key in ("validation", "threshold", "thresholds", "look_at"):
        assert first[key] == second[key]
    assert first["test"] != second["test"]
    assert first["verdict"] != second["verdict"]


def test_the_baseline_is_chosen_by_validation_and_not_on_the_test_rows():
    problem, question = posed("binary")
    good = constant(problem, "good_by_validation", torch.tensor([0.5, 0.5]))
    lucky = Baseline("lucky", "lucky", tuple(1 - p * 1.8 for p in good.validation), good.test, "")
    perfect = torch.eye(2, dtype=torch.float64)[problem.dataset.target[torch.from_numpy(problem.test)]]
    lucky = Baseline("lucky", "lucky", tuple(0 * p for p in good.validation), perfect, "")
    facts, _, _ = assessed(problem, question, baselines=[lucky, good])
    assert facts["comparison"]["baseline"] == "good_by_validation"


def test_a_better_baseline_is_said_first():
    problem, question = posed("regression")
    truth = problem.dataset.target.double()
    best = Baseline(
        "ridge", "ridge regression", tuple(truth[torch.from_numpy(v)] for _, v in problem.folds),
        truth[torch.from_numpy(problem.test)], "",
    )  # fmt: skip
    facts, _, _ = assessed(problem, question, baselines=[constant(problem), best])
    assert facts["verdict"].startswith("Ridge regression does better than the network")


def test_without_test_rows_the_comparison_is_out_of_fold():
    problem, question = posed("binary", test_size=0)
    facts, arrays, _ = assessed(problem, question, baselines=[constant(problem)])
    assert facts["test"] == {}
    assert facts["test_scored"] == 0
    assert facts["comparison"]["on"] == "validation"
    assert "no test rows were kept" in facts["verdict"]
    assert "test_output" not in arrays
    assert sum(map(sum, facts["confusion"])) == N
    assert len(facts["worst"]) == 10
    assert "No" not in facts["importance"]
    render(facts, arrays, [])


def test_without_any_rows_set_aside_nothing_is_claimed():
    problem, question = posed("binary", test_size=0, folds=0)
    facts, arrays, _ = assessed(problem, question, Fake(problem, members=1))
    assert facts["verdict"].startswith("Nobody knows yet")
    assert facts["test"] == facts["validation"] == {}
    assert facts["comparison"] is facts["confusion"] is facts["threshold"] is None
    assert facts["worst"] == facts["per_class"] == facts["subgroups"] == []
    assert arrays == {}
    assert facts["importance"]
    render(facts, arrays, [])


def test_without_folds_the_best_baseline_is_that_of_the_test_rows_and_that_is_said():
    problem, question = posed("binary", folds=0)
    facts, arrays, _ = assessed(problem, question, Fake(problem, members=1), baselines=[constant(problem)])
    assert facts["validation"] == {}
    assert "picked by these same rows" in facts["verdict"]
    assert "and trained on the same rows" in render(facts, arrays, [])


def test_the_page_says_that_baselines_saw_fewer_rows():
    problem, question = posed("binary")
    few = replace(constant(problem), drawn=(40, 70))
    facts, arrays, _ = assessed(problem, question, baselines=[few])
    page = render(facts, arrays, [])
    assert "baselines were fitted on 40 rows that were drawn at random" in page
    assert "trained on the same rows" not in page
    assert "fitted on 40 of 70 training rows" in facts["verdict"]


def test_no_rows_means_no_rows():
    data = columns()
    for features in (["strong"], ["strong", "noise"], ["strong", "colour"]):
        table = table_of("regression", features)
        problem, question = posed("regression", table=table, rows=False)
        facts, _, _ = assessed(problem, question)
        assert facts["worst"] == []
        assert facts["rows_left_out"]
        text = json.dumps({key: facts[key] for key in ("worst", "response", "importance", "subgroups")})
        assert not any(repr(value) in text for value in data["value"])
        if facts["response"]:
            assert not facts["response"].get("points_x")
            assert not facts["response"].get("points")
        render(facts, {}, [])


def test_worst_rows_are_rows_of_the_table():
    table = table_of("regression")
    wrong = table.frame["value"].to_list()
    wrong[17] = 500.0
    wrong[3] = None  # an unusable row: numbers must not shift
    frame = table.frame.with_columns(pl.Series("value", wrong))
    problem, question = posed("regression", test_size=0, table=Table(frame, "t", "t.csv", "0", ()))
    facts, _, _ = assessed(problem, question)
    assert facts["data"]["unusable_rows"] == 1
    first = facts["worst"][0]
    assert first["row"] == 17
    assert first["truth"] == "500"
    assert first["values"]["colour"] == frame["colour"][17]
    assert set(first["values"]) == {"strong", "noise", "colour", "seen", "sex"}
    assert first["loss"] == pytest.approx(500 - float(first["prediction"]), rel=1e-3)
