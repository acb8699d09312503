"""Groups, intervals and weights of judged rows, and a later table judged."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from small_assessments import TARGETS, Fake, N, assessed, posed, table_of

from coterie.data.table import Table
from coterie.errors import DataError
from coterie.metrics.catalogue import METRICS, default_metric
from coterie.study.assess import score_table
from coterie.study.scores import groups, judge, prediction_intervals


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
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 2, 9), eager=True)
    assert sizes(days) == {
        "below 2020-01-11": 10,
        "2020-01-11 to below 2020-01-21": 10,
        "2020-01-21 to below 2020-01-31": 10,
        "from 2020-01-31": 10,
    }
    assert next(iter(sizes(days.cast(pl.Datetime("ms"))))) == "below 2020-01-11 00:00:00"


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
