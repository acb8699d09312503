"""The assessment: every number is what it says, the test rows are scored once, and nothing private leaks."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.table import Table
from coterie.errors import DataError
from coterie.metrics.catalogue import METRICS, default_metric
from coterie.metrics.intervals import corrected_standard_error
from coterie.models.catalogue import FAMILIES
from coterie.report.card import model_card
from coterie.report.page import render
from coterie.study import assess as module
from coterie.study.assess import assess, member_validation, score_table
from coterie.study.baselines import Baseline
from coterie.study.fitted import rows_of
from coterie.study.importance import effort, permutation_importance
from coterie.study.problem import Problem, pose
from coterie.study.question import Question
from coterie.study.scores import groups, judge, pooled, prediction_intervals
from coterie.study.selection import MemberScore, scored
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

N = 150
FACTS = {
    *("name", "folder", "task", "target", "classes", "finished", "verdict", "metric", "look_at", "warnings"),
    *("data", "test", "per_class", "validation", "winner", "candidates", "searched", "baselines"),
    *("comparison", "confusion", "thresholds", "threshold", "intervals", "importance", "importance_note"),
    *("resamples", "worst", "rows_left_out", "response", "subgroups", "test_scored", "compute", "reproduce"),
}


def columns(seed: int = 0, n: int = N) -> dict[str, list]:
    """A table in which `strong` says it all, `weak` and `noise` nothing."""
    rng = np.random.default_rng(seed)
    strong = rng.normal(size=n)
    days = pl.Series(rng.integers(0, 900, n)).cast(pl.Date)
    return {
        "strong": strong.tolist(),
        "noise": rng.normal(size=n).tolist(),
        "colour": rng.choice(["red", "green", "blue"], n).tolist(),
        "seen": days.dt.to_string("%Y-%m-%d").to_list(),
        "sex": rng.choice(["f", "m"], n).tolist(),
        "binary": np.where(strong + 0.3 * rng.normal(size=n) > 0, "ill", "well").tolist(),
        "multiclass": np.digitize(strong, [-0.5, 0.5]).astype(str).tolist(),
        "a": (strong > 0).astype(int).tolist(),
        "b": (strong > 1).astype(int).tolist(),
        "value": (3 * strong + 10 + 0.5 * rng.normal(size=n)).tolist(),
        "other": (-50 * strong + rng.normal(size=n)).tolist(),
    }


TARGETS = {
    "binary": ("binary",),
    "multiclass": ("multiclass",),
    "multilabel": ("a", "b"),
    "regression": ("value",),
    "values": ("value", "other"),
}
EVERY_TARGET = {name for names in TARGETS.values() for name in names}


def table_of(task: str, features=("strong", "noise", "colour", "seen", "sex"), **more) -> Table:
    data = columns(**more)
    kept = [*features, *TARGETS[task]]
    return Table(pl.DataFrame({name: data[name] for name in kept}), "patients", "patients.csv", "0f", ())


class Fake:
    """Answers by the first numeric input alone, as well as can be."""

    def __init__(self, problem: Problem, about: dict | None = None, members: int = 3) -> None:
        self.schema, self.target = problem.schema, problem.roles.target
        self.task = self.target.task
        self.classes = self.target.classes or self.target.names
        self.members = [{"fold": fold, "seed": 0} for fold in range(members)]
        self.about = about or {}
        self.calls: list[int] = []

    def table(self, data, with_target: bool):
        return data

    def subset(self, places) -> Fake:
        return self

    def output(self, data: Dataset, rows: np.ndarray | None = None) -> Tensor:
        data = data if rows is None else rows_of(data, rows)
        self.calls.append(len(data))
        x = data.inputs["numeric"][:, 0].double().nan_to_num()
        if self.task == "regression":
            return torch.stack([3 * x + 10, -50 * x][: self.target.outputs], 1)
        if self.task == "multilabel":
            return torch.stack([(8 * x).sigmoid(), (8 * (x - 1)).sigmoid()], 1)
        if self.task == "binary":
            positive = (4 * x).sigmoid() if self.target.classes[1] == "ill" else (-4 * x).sigmoid()
            return torch.stack([1 - positive, positive], 1)
        return torch.stack([-3 * x, 0.75 - 3 * x.square(), 3 * x], 1).softmax(1)


def posed(task: str, test_size: float = 0.3, folds: int = 3, table: Table | None = None, **more) -> tuple:
    question = Question("patients.csv", target=TARGETS[task], test_size=test_size, folds=folds, **more)
    return pose(question, table or table_of(task)), question


def assessed(problem: Problem, question: Question, model: Fake | None = None, baselines=(), **more) -> tuple:
    model = model or Fake(problem)
    metric = METRICS[question.metric] if question.metric else default_metric(model.task)
    candidates = [Candidate(i, FAMILIES["mlp"](), Recipe(lr=lr)) for i, lr in enumerate((0.01, 0.02))]
    scores = [MemberScore(fold, 0, 0.1 * fold, 3, 5, "finished") for fold in range(len(problem.folds) or 1)]
    ranked = [scored(c, 1000, scores, 70, 35) for c in candidates]
    unseen = member_validation(problem, model)
    oof = pooled(unseen) if unseen else None
    facts, arrays = assess(
        problem,
        model,
        winner=ranked[1],
        ranked=ranked,
        oof=oof.output if oof else torch.zeros(0, model.target.outputs),
        oof_positions=oof.positions if oof else np.zeros(0, dtype=np.int64),
        baselines=baselines,
        metric=metric,
        question=question,
        context={
            "name": "patients",
            "command": "coterie fit patients.csv",
            "folder": "runs/patients-1",
            "searched": {"mlp": ["lr"]},
            "finished": True,
            "warnings": ["Mind the gap."],
            "compute": {"members": 6, "cohorts": 1, "seconds": 1.5, "device": "cpu"},
            "versions": {"coterie": "0.1.0"},
        },
        **more,
    )
    return facts, arrays, model


def constant(problem: Problem, name: str = "dummy", answer: Tensor | None = None) -> Baseline:
    """A baseline that always gives the same answer."""
    k = problem.roles.target.outputs
    answer = torch.full((k,), 1.0 / k if problem.roles.target.classes else 0.5) if answer is None else answer
    on_folds = tuple(answer.double().repeat(len(v), 1) for _, v in problem.folds)
    test = answer.double().repeat(len(problem.test), 1) if len(problem.test) else None
    return Baseline(name, f"the {name}", on_folds, test, "")


def broken(name: str = "ridge") -> Baseline:
    return Baseline(name, "ridge regression", (), None, "It could not be fitted: no.", True)


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
    render(facts, arrays, [])


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


# ---- importance ----------------------------------------------------------------------------------------


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


# ---- groups and intervals ------------------------------------------------------------------------------


def test_groups_are_few_whole_and_named():
    def sizes(values) -> dict[str, int]:
        return {name: int(rows.sum()) for name, rows in groups(pl.Series("g", values))}

    assert sizes(["m", "f", "m", None, "?"]) == {"f": 1, "m": 2, "missing": 2}
    assert sizes([1.0, 2.0, 1.0]) == {"1": 2, "2": 1}
    many = [f"city {i % 15}" for i in range(100)]
    assert len(sizes(many)) == 10
    assert sum(sizes(many).values()) == 100
    assert "6 other values" in sizes(many)
    ages = sizes([str(i) for i in range(100)] + [""])
    assert sum(ages.values()) == 101
    assert next(iter(ages)) == "below 25"
    assert list(ages)[-1] == "missing"
    assert len(ages) == 5


def test_small_groups_are_flagged():
    problem, question = posed("binary", by=("colour", "noise"))
    facts, _, _ = assessed(problem, question)
    assert any("fewer than 30 rows" in w for w in facts["warnings"])
    assert all(group["small"] == (group["rows"] < 30) for group in facts["subgroups"])


def test_intervals_cover_about_what_they_say():
    rng = np.random.default_rng(0)
    problem, _ = posed("regression", test_size=0)
    data = problem.dataset
    noise = torch.from_numpy(rng.normal(size=(N, 1)))
    said = judge("validation", data, np.arange(N), data.target + noise)
    later = judge("test", data, np.arange(N), data.target + torch.from_numpy(rng.normal(size=(N, 1))))
    found = prediction_intervals(said, later)
    assert found["half_width"][0] == pytest.approx(1.645, abs=0.3)
    assert found["coverage"][0] == pytest.approx(0.9, abs=0.06)
    assert prediction_intervals(said.part(np.arange(5)), later) is None  # five rows cannot promise 90 %


def test_weights_count_everywhere():
    table = table_of("binary")
    heavy = np.where(np.arange(N) % 5 == 0, 0.0, 1.0)
    wrong = [
        ("ill" if v == "well" else "well") if w == 0 else v
        for v, w in zip(table.frame["binary"], heavy, strict=True)
    ]
    frame = table.frame.with_columns(pl.Series("w", heavy), pl.Series("binary", wrong))
    problem, question = posed("binary", table=Table(frame, "t", "t.csv", "0", ()), weight="w")
    facts, arrays, _ = assessed(problem, question)
    kept = arrays["test_weight"] > 0
    loss = METRICS["log_loss"].function(arrays["test_output"][kept], arrays["test_target"][kept], None)
    assert facts["test"]["log_loss"]["value"] == pytest.approx(float(loss))
    assert all(heavy[row["row"]] > 0 for row in facts["worst"])


# ---- a later table -------------------------------------------------------------------------------------


def later(task: str, **changed) -> Table:
    frame = table_of(task, seed=9).frame
    return Table(frame.with_columns(**changed), "later", "later.csv", "1", ())


@pytest.mark.parametrize("task", TARGETS)
def test_a_later_table_is_scored(task):
    problem, _ = posed(task)
    about = {"metric": default_metric(problem.roles.target.task).name}
    if problem.roles.target.task == "regression":
        half = [1.0, 5.0][: len(TARGETS[task])]
        about["intervals"] = {"level": 0.9, "half_width": half, "coverage": None}
    found = score_table(Fake(problem, about), later(task), by=("sex",))
    json.dumps(found, allow_nan=False)
    assert found["rows"] == N
    assert found["left_out"] == 0
    assert found["warnings"] == []
    assert sum(group["rows"] for group in found["subgroups"]) == N
    good = found["scores"]["rmse" if found["task"] == "regression" else "log_loss"]
    assert good["low"] < good["value"] < good["high"]
    if found["task"] == "regression":
        assert all(0.8 < share <= 1 for share in found["intervals"]["coverage"])
    else:
        assert found["scores"]["accuracy"]["value"] > 0.7


def test_rows_that_cannot_be_judged_are_left_out_and_said():
    problem, _ = posed("binary")
    label = later("binary").frame["binary"].to_list()
    label[0], label[1], label[2] = "dead", None, "?"
    found = score_table(Fake(problem), later("binary", binary=pl.Series(label)))
    assert found["rows"] == N - 3
    assert found["left_out"] == 3
    said = " ".join(found["warnings"])
    assert "'dead'" in said
    assert "3 of 150 rows" in said


def test_a_later_table_must_have_its_columns():
    problem, _ = posed("binary")
    model, table = Fake(problem), later("binary")
    renamed = Table(table.frame.rename({"binary": "binaries"}), "later", "later.csv", "1", ())
    with pytest.raises(DataError, match="Did you mean 'binaries'"):
        score_table(model, renamed)
    with pytest.raises(DataError, match="strong"):
        score_table(model, Table(table.frame.drop("strong"), "later", "later.csv", "1", ()))
    with pytest.raises(DataError, match="Did you mean 'sex'"):
        score_table(model, table, by=("sexx",))
    with pytest.raises(DataError, match="At least one row"):
        score_table(model, later("binary", binary=pl.lit("dead")))


def test_values_that_training_never_saw_are_warned_of():
    problem, _ = posed("binary")
    found = score_table(Fake(problem), later("binary", strong=pl.lit(1000.0), colour=pl.lit("mauve")))
    said = " ".join(found["warnings"])
    assert "'strong'" in said
    assert "'colour'" in said
