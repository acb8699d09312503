"""Candidates that fall behind leave early, with all their members; what is left is a study like any other."""

import json

import pytest
from small_studies import begun, patients, remains, stop_after, tiny

import coterie as ct
from coterie.errors import SpecError
from coterie.study import fitting
from coterie.study.events import RoundStart
from coterie.study.halving import ROUNDS, behind, kept, shares
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

HALVING = {
    "search": "halving",
    "candidates": 8,
    "models": ("mlp", "linear"),
    "fix": {"epochs": 8, "patience": 0},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny(patients(), "ill", out=tmp_path_factory.mktemp("whole") / "s", **HALVING)


def ended(study) -> dict[tuple[int, int], tuple[str, int]]:
    """How each member ended, and after how many epochs."""
    return {
        (c["index"], s["fold"]): (s["status"], s["epochs"])
        for c in study.facts["candidates"]
        for s in c["scores"]
    }


def test_a_quarter_of_all_steps():
    assert sum(shares(ROUNDS["halving"], 16)) == pytest.approx(0.25)
    assert sum(shares(ROUNDS["halving"], 64)) == pytest.approx(0.25)
    assert shares(ROUNDS["full"], 5) == [1.0]
    assert [kept(one, 16) for one in ROUNDS["halving"]] == [4, 1, 16]
    assert [kept(one, 3) for one in ROUNDS["halving"]] == [1, 1, 3]


def test_the_best_by_their_mean_stay_and_ties_stay_with_the_earlier():
    scores = {(0, 0, 0): 0.5, (0, 1, 0): 0.5, (1, 0, 0): 0.1, (1, 1, 0): None, (2, 0, 0): 0.4, (2, 1, 0): 0.6,
              (3, 0, 0): 0.2, (3, 1, 0): 0.2}  # fmt: skip
    assert behind(scores, 1, maximise=False) == {0, 1, 2}
    assert behind(scores, 2, maximise=False) == {1, 2}
    assert behind(scores, 2, maximise=True) == {1, 3}
    assert behind(scores, 9, maximise=True) == set()


def test_candidates_leave_whole_and_the_winner_is_trained_to_its_end(whole):
    how = ended(whole)
    each = {c: {how[c, fold] for fold in range(2)} for c in range(8)}
    assert all(len(ends) == 1 for ends in each.values())
    counts = {
        end: sum(ends == {end} for ends in each.values()) for end in {e for s in each.values() for e in s}
    }
    assert counts == {("pruned", 1): 6, ("pruned", 4): 1, ("finished", 8): 1}
    winner = whole.facts["winner"]["index"]
    assert each[winner] == {("finished", 8)}
    assert whole.facts["finished"]
    assert whole.facts["compute"]["epochs"] == 2 * (6 * 1 + 4 + 8)
    assert whole.facts["compute"]["planned"] == 2 * 8 * 8


def test_who_goes_on_has_the_same_numbers_as_without(whole, tmp_path):
    full = tiny(patients(), "ill", out=tmp_path / "s", **HALVING | {"search": "full"})
    (one,) = (c for c in whole.facts["candidates"] if c["index"] == whole.facts["winner"]["index"])
    (same,) = (c for c in full.facts["candidates"] if c["index"] == one["index"])
    for mine, other in zip(one["scores"], same["scores"], strict=True):
        assert mine == other | {"value": pytest.approx(other["value"], rel=1e-5)}  # of fewer neighbours


def test_it_is_told_in_the_report_and_while_it_runs(whole, tmp_path):
    page = whole.report(tmp_path / "page.html").read_text()
    assert "2 pruned after 1 epoch<" in page
    assert "after 1/8 of their epochs the best 2 went on, after 1/2 of their epochs the best one went" in page
    assert "candidates that were pruned" in page
    assert "Who was pruned is judged as it stood then" in page
    events = list(begun(patients(), "ill", out=tmp_path / "s", **HALVING).events())
    rounds = [e for e in events if isinstance(e, RoundStart)]
    assert [(r.number, r.rounds, r.candidates) for r in rounds] == [(0, 3, 8), (1, 3, 2), (2, 3, 1)]
    asked = [e.retired for e in events if isinstance(e, EpochEnd) and not e.members]
    assert sum(map(len, asked)) == 2 * 7
    assert {one.status for retired in asked for one in retired} == {"pruned"}


@pytest.mark.parametrize(
    ("kind", "counts"),
    [(StepEnd, (1, 5, 8, 2)), (EpochEnd, (1, 1, 2, 1, 3)), (CohortStart, (2, 1, 2)), (RoundStart, (2, 2)),
     (CohortEnd, (1,))],
)  # fmt: skip
def test_stopped_anywhere_and_resumed(tmp_path, whole, kind, counts):
    study = begun(patients(), "ill", out=tmp_path / "s", **HALVING)
    for count in counts:
        if stop_after(study, kind, count):
            study = ct.open_study(tmp_path / "s")
    assert remains(study.run().folder) == remains(whole.folder)


@pytest.mark.parametrize("events", [3, 12, 20, 27, 33, 40, 52])
def test_left_as_a_kill_leaves_it_and_resumed(tmp_path, whole, events, monkeypatch):
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1.0)
    study = begun(patients(), "ill", out=tmp_path / "s", **HALVING)
    for _ in range(3):  # killed again and again: each time it gets a little further
        running = study.events()
        for _ in range(events):
            next(running, None)
        running.close()
        study = ct.open_study(tmp_path / "s")
    assert remains(study.run().folder) == remains(whole.folder)


def test_a_state_of_an_earlier_round_that_a_kill_left_is_not_gone_on_from(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1.0)
    study = begun(patients(), "ill", out=tmp_path / "s", **HALVING)
    running = study.events()
    kept_now = b""
    for event in running:
        now = study.folder / fitting.NOW
        if isinstance(event, RoundStart) and event.number == 1:
            break
        if now.is_file():
            kept_now = now.read_bytes()
    running.close()
    (study.folder / fitting.NOW).write_bytes(kept_now)
    assert remains(ct.open_study(tmp_path / "s").run().folder) == remains(whole.folder)


def test_the_clock_ends_it_with_the_best_so_far(tmp_path):
    study = begun(patients(), "ill", out=tmp_path / "s", **HALVING, time_limit=1e-9)
    facts = study.run().facts
    assert not facts["finished"]
    assert facts["winner"]["family"] in ("mlp", "linear")


@pytest.mark.parametrize("few", [{"candidates": 1}, {"fix": {"epochs": 1}}])
def test_where_nobody_can_be_behind_all_learn_to_their_end(tmp_path, few):
    study = begun(patients(), "ill", out=tmp_path / "s", **HALVING | few)
    rounds = [event for event in study.events() if isinstance(event, RoundStart)]
    assert len(rounds) == (3 if "fix" in few else 0)
    assert {how for how, _ in ended(study).values()} == {"finished"}
    page = study.report(tmp_path / "page.html").read_text()
    assert "were pruned" not in page
    assert "pruned nobody" in page or study.facts["compute"]["rounds"] == []


def test_another_word_is_refused():
    with pytest.raises(SpecError, match="search must be one of full, halving"):
        ct.fit("iris", search="halfing")


def test_a_study_from_its_config_searches_alike(whole):
    assert json.loads((whole.folder / "study.json").read_text())["question"]["search"] == "halving"
