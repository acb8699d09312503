"""The trace of small models: every weight at the start and after every step, as it was, whatever happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import coterie as ct
from coterie.study import fitting
from coterie.study.events import Stopped
from coterie.study.fitting import traces_of
from coterie.study.study import Study
from coterie.training.events import CohortStart, StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

TINY: dict[str, Any] = {"test_size": 0, "folds": 0, "candidates": 1}
AND = {"x1": [1, 1, 0, 0], "x2": [1, 0, 1, 0], "y": [1, 0, 0, 0]}  # (1, 1) → 1 and (1, 0) → 0 first


def begun(data: Any, folder: Path, **options: Any) -> Study:
    target = "y" if isinstance(data, dict) else None
    return ct.fit(data, target, out=folder / "s", run=False, **{**TINY, **options})


def wide(study: Study) -> pl.DataFrame:
    """One row a step, a column a weight, of the only member."""
    return study.weights.pivot("name", index="step", values="value").sort("step")


# ---- the tiny sets -------------------------------------------------------------------------------------


def test_the_first_steps_of_the_perceptron_on_and(tmp_path: Path) -> None:
    study = begun(AND, tmp_path, models="perceptron", epochs=10).run()
    weights = study.weights
    assert weights.columns == ["candidate", "fold", "seed", "step", "name", "value"]
    assert set(weights["name"]) == {"head.weight[0, 0]", "head.weight[0, 1]", "head.bias[0]"}
    trace = wide(study).select("head.bias[0]", "head.weight[0, 0]", "head.weight[0, 1]")
    assert trace.rows()[:3] == [(0, 0, 0), (1, 1, 1), (0, 0, 1)]
    assert study.model.predict(AND).tolist() == AND["y"]


@pytest.mark.parametrize("name", ["and", "or"])
def test_what_a_line_separates_is_found_within_ten_epochs(name: str, tmp_path: Path) -> None:
    study = begun(name, tmp_path, models="perceptron", epochs=10).run()
    truth = [0, 0, 0, 1] if name == "and" else [0, 1, 1, 1]
    assert study.model.predict(name).tolist() == truth
    steps = wide(study)
    assert steps["step"].to_list() == list(range(41))  # one row a step, four an epoch
    last = steps.drop("step").rows()[-5:]
    assert len(set(last)) == 1  # a whole epoch without a mistake
    np.testing.assert_array_equal(
        study.model.coefficients()["value"].to_list(), [steps[n][-1] for n in NAMES]
    )


NAMES = ("head.bias[0]", "head.weight[0, 0]", "head.weight[0, 1]")


def test_exclusive_or_is_never_found(tmp_path: Path) -> None:
    study = begun("xor", tmp_path, models="perceptron", epochs=10).run()
    assert study.model.predict("xor").tolist() != [0, 1, 1, 0]
    trace = wide(study).drop("step").rows()
    assert all(len(set(trace[i : i + 5])) > 1 for i in range(0, 40, 4))  # mistakes in every epoch


@pytest.mark.parametrize(
    ("name", "fix", "truth"),
    [
        ("and", {"weights": "1,1", "thresholds": "2"}, [0, 0, 0, 1]),
        ("or", {"weights": "1,1", "thresholds": "1"}, [0, 1, 1, 1]),
        ("xor", {"hidden": "2", "weights": "1,1,1,1,1,-1", "thresholds": "1,2,1"}, [0, 1, 1, 0]),
    ],
)
def test_given_weights_stay_as_they_were_given(
    name: str, fix: dict, truth: list[int], tmp_path: Path
) -> None:
    study = begun(name, tmp_path, models="threshold", fix=fix, epochs=2).run()
    assert study.model.predict(name).tolist() == truth
    trace = wide(study).drop("step").rows()
    assert len(trace) == 9
    assert len(set(trace)) == 1


def test_rows_are_taken_in_their_own_order(tmp_path: Path) -> None:
    """Each step is that row's, by the rule written out."""
    study = begun(AND, tmp_path, models="perceptron", epochs=3).run()
    w = np.zeros(3)
    trace = wide(study).select(NAMES).rows()
    for step in range(12):
        x = np.array([1.0, AND["x1"][step % 4], AND["x2"][step % 4]])
        w = w + (AND["y"][step % 4] - int(w @ x > 0)) * x
        assert trace[step + 1] == tuple(w)


# ---- which are traced ----------------------------------------------------------------------------------

ROWS = {"x": np.linspace(-1, 1, 20).tolist(), "y": (np.linspace(-1, 1, 20) * 2 + 1).tolist()}


def test_every_member_has_its_own_trace(tmp_path: Path) -> None:
    study = begun(ROWS, tmp_path, models="adaline", folds=2, seeds=2, epochs=2, candidates=2).run()
    weights = study.weights
    members = weights.select("candidate", "fold", "seed").unique()
    assert members.height == 8
    starts = weights.filter(pl.col("step") == 0)
    assert (starts["value"] == 0).all()
    assert starts.height == 16
    model = study.model  # of the winner, after the last epoch or the best
    views = model.layout.views(model.flat)
    for place, member in enumerate(model.members):
        own = weights.filter(
            pl.col("candidate") == study.facts["winner"]["index"],
            pl.col("fold") == member["fold"],
            pl.col("seed") == member["seed"],
        ).pivot("name", index="step", values="value")
        kept = views["body.head.weight"][place].item(), views["body.head.bias"][place].item()
        assert kept in own.select("head.weight[0, 0]", "head.bias[0]").rows()


def test_large_ones_and_long_ones_are_not_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = begun(ROWS, tmp_path / "a", models="mlp", fix={"hidden": "32"}, epochs=1).run()
    assert study.weights.is_empty()
    assert study.weights.columns == ["candidate", "fold", "seed", "step", "name", "value"]
    assert traces_of(study._folder) == {}
    monkeypatch.setattr(fitting, "LONGEST_TRACE", 7)
    assert not begun(AND, tmp_path / "b", models="perceptron", epochs=1).run().weights.is_empty()
    assert begun(AND, tmp_path / "c", models="perceptron", epochs=2).run().weights.is_empty()


def test_a_solution_in_closed_form_has_its_start_and_end(tmp_path: Path) -> None:
    study = begun("celsius", tmp_path, models="linear", fix={"l2": 0.0}).run()
    trace = wide(study)
    assert (trace.drop("step").row(0)) == (0.0, 0.0)
    assert trace.height <= 2


# ---- stops ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3, 4, 7])
def test_a_stop_leaves_no_gap_and_repeats_no_step(every: int, tmp_path: Path) -> None:
    whole = begun(AND, tmp_path / "a", models="perceptron", epochs=4).run()
    study = begun(AND, tmp_path / "b", models="perceptron", epochs=4)
    stops = 0
    while not study.finished:
        steps = 0
        try:
            for event in study.events():
                steps += isinstance(event, StepEnd)
                if steps == every:
                    study.stop()
        except Stopped:
            stops += 1
            study = ct.open_study(tmp_path / "b" / "s")
    assert stops >= 16 // every - 1
    assert study.weights.equals(whole.weights)
    logs = [(folder / "s" / "events.jsonl").read_bytes() for folder in (tmp_path / "a", tmp_path / "b")]
    assert logs[0] == logs[1]


def test_a_stop_before_the_first_step_repeats_no_start(tmp_path: Path) -> None:
    whole = begun(AND, tmp_path / "a", models="perceptron", epochs=2).run()
    study = begun(AND, tmp_path / "b", models="perceptron", epochs=2)
    for _ in range(2):
        events = study.events()
        next(event for event in events if isinstance(event, CohortStart))
        study.stop()
        with pytest.raises(Stopped):
            list(events)
        study = ct.open_study(tmp_path / "b" / "s")
    assert study.run().weights.equals(whole.weights)


def test_a_kill_after_the_log_was_written_repeats_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events are left without a word, as a kill leaves them: what was logged after the save is forgotten."""
    whole = begun(AND, tmp_path / "a", models="perceptron", epochs=2).run()
    study = begun(AND, tmp_path / "b", models="perceptron", epochs=2)
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1.0)
    events = study.events()
    steps = 0
    for event in events:
        steps += isinstance(event, StepEnd)
        if steps == 2:
            monkeypatch.setattr(fitting, "SAVE_EVERY", 1e9)
        if steps == 5:
            break
    events.close()  # type: ignore[attr-defined]
    again = ct.open_study(tmp_path / "b" / "s").run()
    assert again.weights.equals(whole.weights)


def test_a_trace_survives_being_opened_again(tmp_path: Path) -> None:
    study = begun(AND, tmp_path, models="perceptron", epochs=2).run()
    assert ct.open_study(study.folder).weights.equals(study.weights)
