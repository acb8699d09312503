"""The verbs from end to end: every way in, the options that change the course, and every way out."""

import json
from dataclasses import fields
from inspect import signature

import numpy as np
import pandas as pd
import polars as pl
import pytest
from small_studies import begun, patients, remains, tiny

import coterie as ct
from coterie import verbs
from coterie.errors import CoterieError, DataError, SpecError, StudyError
from coterie.models.catalogue import FAMILIES
from coterie.study.events import Planned, Stopped
from coterie.study.question import Question
from coterie.training.events import EpochEnd, StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")


def stopped(study):
    """Stopped at its second step, and taken up by a stranger."""
    seen = 0
    events = study.events()
    while seen < 2:
        seen += isinstance(next(events), StepEnd)
    study.stop()
    with pytest.raises(Stopped):
        next(events)
    return ct.open_study(study.folder).run()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tiny(patients(), "ill", out=tmp_path_factory.mktemp("study") / "s", by=("ward",))


# ---- ways in -------------------------------------------------------------------------------------------


def test_from_whatever_holds_the_same_table(tmp_path, study):
    """The same columns by any road give the same network."""
    whole = remains(study.folder)
    pl.DataFrame(patients()).write_parquet(tmp_path / "p.parquet")
    ways = [str(tmp_path / "p.parquet"), pd.DataFrame(patients())]
    for number, data in enumerate(ways):
        made = tiny(data, "ill", out=tmp_path / f"s{number}", by=("ward",))
        assert remains(made.folder)["model/model.safetensors"] == whole["model/model.safetensors"]
        assert made.facts["test"] == study.facts["test"]


def test_arrays_are_resumed_and_predicted(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = x[:, 0] * 2 - x[:, 1]
    made = stopped(begun((x, y), out=tmp_path / "s"))
    assert made.facts["task"] == "regression"
    assert made.facts["target"] == ["y"]
    assert made.model.predict(x).shape == (60,)
    assert made.facts["reproduce"]["command"].startswith(f"coterie fit {tmp_path / 's' / 'data.parquet'}")


@pytest.mark.parametrize("data", [pl.DataFrame(patients()), patients()])
def test_data_in_memory_are_kept_for_a_resume(tmp_path, data, study):
    made = stopped(begun(data, "ill", out=tmp_path / "s", by=("ward",)))
    assert remains(made.folder)["model/model.safetensors"] == remains(study.folder)["model/model.safetensors"]


def test_a_study_may_be_moved(tmp_path):
    begin = begun(patients(), "ill", out=tmp_path / "s")
    events = begin.events()
    next(events)
    events.close()
    (tmp_path / "s").rename(tmp_path / "t")
    assert ct.open_study(tmp_path / "t").run().finished


def test_a_test_set_of_its_own(tmp_path):
    made = stopped(begun(patients(), "ill", test=patients(20, seed=1), out=tmp_path / "s"))
    assert (made.facts["data"]["development"], made.facts["data"]["test"]) == (60, 20)


# ---- tasks and options ---------------------------------------------------------------------------------


def test_several_labels(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    data = {"a": x[:, 0], "b": x[:, 1], "warm": (x[:, 0] > 0).astype(int), "wet": (x.sum(1) > 0).astype(int)}
    made = tiny(data, ["warm", "wet"], out=tmp_path / "s")
    assert made.model.task == "multilabel"
    assert made.model.predict(data).shape == (80, 2)
    assert made.model.predict_table(data).columns == ["warm", "wet", "probability warm", "probability wet"]


def test_several_values_in_units_far_apart(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 2))
    data = {"a": x[:, 0], "b": x[:, 1], "small": x[:, 0] * 1e-6, "large": x[:, 1] * 1e6}
    made = tiny(
        data,
        ["small", "large"],
        out=tmp_path / "s",
        models=("linear",),
        fix={"optimizer": "exact"},
        candidates=1,
    )
    assert made.model.task == "regression"
    found = made.model.predict(data)
    assert found.shape == (80, 2)
    for k, name in enumerate(("small", "large")):
        assert np.corrcoef(found[:, k], data[name])[0, 1] > 0.95


def test_seeds_are_more_members(tmp_path):
    made = tiny(patients(), "ill", out=tmp_path / "s", seeds=2)
    assert made.facts["compute"]["members"] == 2 * 2 * 2
    assert sorted((m["fold"], m["seed"]) for m in made.model.members) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    weights = made.model.flat
    assert len(np.unique(weights.numpy(), axis=0)) == 4


def test_refit_is_one_network_a_seed_on_all_training_rows(tmp_path, study):
    made = tiny(patients(), "ill", out=tmp_path / "s", refit=True)
    assert len(made.model.members) == 1
    assert made.facts["validation"] == study.facts["validation"]  # of the fold members, as without it
    assert made.facts["thresholds"] == study.facts["thresholds"]
    assert made.facts["test"] != study.facts["test"]


def test_without_test_and_folds_no_honest_score_exists(tmp_path):
    made = tiny(patients(), "ill", out=tmp_path / "s", folds=0, test_size=0)
    assert made.facts["test"] == {}
    assert made.facts["validation"] == {}
    assert made.facts["comparison"] is None
    assert "Nobody knows" in made.facts["verdict"]
    assert "No honest score exists" in made.report().read_text()
    assert made.facts["data"]["development"] == 60
    assert made.model.predict(patients()).shape == (60,)


def test_without_folds_but_with_a_test_set(tmp_path):
    made = tiny(patients(), "ill", out=tmp_path / "s", folds=0)
    assert made.facts["test"]
    assert made.facts["validation"] == {}


def test_without_folds_nothing_can_choose(tmp_path):
    with pytest.raises(SpecError, match="nothing can choose"):
        tiny(patients(), "ill", out=tmp_path / "s", folds=0, grid={"lr": ["1e-3", "1e-2"]})


def test_a_time_limit_ends_with_the_best_so_far(tmp_path):
    made = tiny(patients(), "ill", out=tmp_path / "s", time_limit=1e-9, fix={"epochs": 5000, "hidden": "8"})
    assert made.finished
    assert not made.facts["finished"]
    assert any("Time ran out" in warning for warning in made.warnings)
    assert made.model.predict(patients()).shape == (60,)
    assert made.results["epoch"].max() < 5000


def test_prefer_simple_is_within_one_error(tmp_path):
    best = tiny(patients(), "ill", out=tmp_path / "a", candidates=4)
    simple = tiny(patients(), "ill", out=tmp_path / "b", candidates=4, prefer="simple")
    rows = {c["index"]: c for c in best.facts["candidates"]}
    first = min(rows.values(), key=lambda c: c["mean"])
    chosen = next(c for c in simple.facts["candidates"] if c["index"] == simple.facts["winner"]["index"])
    assert best.facts["winner"]["index"] == first["index"]
    assert chosen["mean"] <= first["mean"] + first["se"]
    assert chosen["parameters"] == min(
        c["parameters"] for c in rows.values() if c["mean"] <= first["mean"] + first["se"]
    )


def test_the_metric_that_was_asked_for_chooses(tmp_path):
    made = tiny(patients(), "ill", out=tmp_path / "s", metric="AUC")
    assert made.facts["metric"]["name"] == "roc_auc"
    assert set(made.results["metric"].unique()) == {"training_loss", "roc_auc"}
    best = max(made.facts["candidates"], key=lambda c: c["mean"])
    assert made.facts["winner"]["index"] == best["index"]


def test_roles_reach_the_network(tmp_path):
    data = {**patients(), "who": [f"p{i // 3}" for i in range(60)], "w": [1.0 + i % 2 for i in range(60)]}
    made = tiny(data, "ill", out=tmp_path / "s", group="who", weight="w", ignore="dose", by="ward")
    assert {c.name for c in made.model.schema.features} == {"age", "ward"}
    assert made.facts["data"]["split"] == "grouped"
    assert {g["column"] for g in made.facts["subgroups"]} == {"ward"}


def test_short_options_of_python_are_fixes(tmp_path):
    made = ct.fit(
        patients(), "ill", out=tmp_path / "s", models="linear", candidates=1, epochs=2, batch_size=7, folds=2
    )
    assert made.model.hyperparameters["batch_size"] == 7
    assert made.results["epoch"].max() == 2


# ---- ways out ------------------------------------------------------------------------------------------


def test_repeated_from_its_own_study_json(tmp_path, study):
    again = ct.repeat(study.folder / "study.json", out=tmp_path / "s").run()
    assert (again.folder / "model" / "model.safetensors").read_bytes() == (
        study.folder / "model" / "model.safetensors"
    ).read_bytes()
    assert again.facts["test"] == study.facts["test"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"question": 3, "name": "x"}', b"\xff"])
def test_what_cannot_be_repeated(tmp_path, content):
    (tmp_path / "study.json").write_bytes(content)
    with pytest.raises(CoterieError):
        ct.repeat(tmp_path)


def test_results_are_tidy(study):
    frame = study.results
    assert frame.columns == ["candidate", "fold", "seed", "epoch", "metric", "value"]
    assert len(frame) == 2 * 2 * 3 * 2  # candidates, folds, epochs, metrics
    assert frame.unique(["candidate", "fold", "seed", "epoch", "metric"]).height == len(frame)
    best = (
        frame.filter(pl.col("metric") == "log_loss").group_by("candidate", "fold").agg(pl.col("value").min())
    )
    told = {(c["index"], s["fold"]): s["value"] for c in study.facts["candidates"] for s in c["scores"]}
    assert {(c, f): v for c, f, v in best.iter_rows()} == pytest.approx(told)


def test_events_begin_with_the_plan(tmp_path):
    events = begun(patients(), "ill", out=tmp_path / "s").events()
    plan = next(events)
    assert isinstance(plan, Planned)
    assert (plan.members, plan.candidates, plan.families) == (4, 2, ("mlp", "linear"))
    assert isinstance(next(e for e in events if isinstance(e, EpochEnd)), EpochEnd)
    events.close()


def test_the_summary_has_the_shape_that_was_promised(study):
    found = json.loads(json.dumps(study.summary(), allow_nan=False))
    assert list(found) == [
        "study", "task", "members", "seconds", "winner", "validation", "test",
        "baseline", "verdict", "warnings", "report", "model",
    ]  # fmt: skip
    assert set(found["winner"]) == {"family", "hyperparameters"}
    assert all(set(v) == {"mean", "se"} for v in found["validation"].values())
    assert all(set(v) == {"value", "low", "high"} for v in found["test"].values())
    assert set(found["baseline"]) == {"name", "test"}


def test_evaluate_counts_how_often_the_test_rows_were_looked_at(tmp_path, study):
    made = tiny(patients(), "ill", test=patients(30, seed=2), out=tmp_path / "s")
    later = made.evaluate(patients(40, seed=3), by=("ward",))
    assert later["rows"] == 40
    assert 0 <= later["scores"]["roc_auc"]["value"] <= 1
    assert later["times_scored"] == 1
    assert made.evaluate(patients(40, seed=3))["times_scored"] == 2
    assert made.facts["test_scored"] == 1
    made.evaluate(made.folder / "test.parquet")
    assert made.facts["test_scored"] == 2
    with pytest.raises(DataError, match="target"):
        made.evaluate({k: v for k, v in patients().items() if k != "ill"})


def test_a_study_and_a_model_show_themselves(study):
    assert "finished" in repr(study)
    assert study.facts["verdict"] in study._repr_html_()
    assert "binary of ill" in repr(study.model)
    assert "ill" in study.model._repr_html_()


def test_an_unfinished_study_has_no_facts_and_no_model(tmp_path):
    made = begun(patients(), "ill", out=tmp_path / "s")
    for ask in (
        lambda: made.facts,
        made.report,
        lambda: ct.load(tmp_path / "s"),
        lambda: made.evaluate(patients()),
    ):
        with pytest.raises((StudyError, CoterieError), match="coterie resume"):
            ask()
    assert "not finished" in repr(made)
    assert made.results.height == 0


def test_load_takes_a_study_or_its_model(study):
    for path in (study.folder, study.folder / "model", str(study.folder)):
        assert np.array_equal(ct.load(path).predict_proba(patients()), study.model.predict_proba(patients()))


def test_inspect_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = ct.inspect(patients(), "ill", candidates=4, folds=3, epochs=2)
    assert found.members == 12
    assert found.classes == {"no": patients()["ill"].count("no"), "yes": patients()["ill"].count("yes")}
    assert json.loads(json.dumps(found.to_dict()))["task"] == "binary"
    assert "would train: 12 networks" in str(found)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="fold"):
        ct.inspect(patients(), "ill", fold=3)
    with pytest.raises(SpecError, match="epochs"):
        ct.inspect(patients(), "ill", epochs=-1)


def test_fit_takes_whatever_a_question_asks():
    asked = {f.name for f in fields(Question)} - {"source"}
    assert asked <= set(signature(ct.fit).parameters)
    assert list(signature(ct.inspect).parameters) == list(signature(ct.fit).parameters)


def test_the_zoo_is_plain_data():
    zoo = json.loads(json.dumps(verbs.zoo(), allow_nan=False))
    assert [one["name"] for one in zoo] == list(FAMILIES)
    assert verbs.zoo("mlp")[0]["hyperparameters"]
    with pytest.raises(SpecError, match="mlp"):
        verbs.zoo("mpl")


@pytest.mark.parametrize(
    "wrong",
    [
        {"test_size": "x"},
        {"folds": "5"},
        {"metric": 3},
        {"seed": 1.5},
        {"candidates": "4"},
        {"time_limit": "1h"},
        {"refit": "no"},
        {"kinds": {"age": 3}},
        {"device": "gpu"},
        {"device": "cuda:99"},
    ],
)
def test_options_of_the_wrong_kind_are_refused(tmp_path, wrong):
    with pytest.raises(CoterieError):
        begun(patients(), "ill", out=tmp_path / "s", **wrong)
    assert not (tmp_path / "s").exists()
