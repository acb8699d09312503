"""Steps that are compiled: the same results to rounding, chosen once, and the same again after a stop."""

import itertools
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock
from small_studies import begun, patients, remains, stop_after, tiny

import coterie as ct
from coterie.study import compiling
from coterie.study.events import Phase
from coterie.study.folder import Folder
from coterie.training import compiled, programs
from coterie.training.events import EpochEnd, StepEnd

LINEAR = {"models": ("linear",), "fix": {"epochs": 6, "batch_size": 4}}  # six steps an epoch
pytestmark = [
    pytest.mark.skipif(compiled.compiler() is None, reason="no C++ compiler"),
    pytest.mark.usefixtures("without_pages", "one_baseline"),
]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A cache in which the one program of these tests is; it is compiled once for all processes."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    cache = base / "cache"
    with FileLock(base / "cache.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("COTERIE_CACHE", str(cache))
        if not (cache / "programs").is_dir():
            tiny(patients(), "ill", out=base / "first", compile="on", **LINEAR)
    return cache


@pytest.fixture
def cache(made, tmp_path, monkeypatch):
    """A copy of it, and steps that are believed to gain."""
    shutil.copytree(made, tmp_path / "cache")
    monkeypatch.setenv("COTERIE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "programs"


def chosen(study):
    return json.loads((study.folder / "choices.json").read_text())["0"]


def weights(study):
    return np.concatenate([p.detach().numpy().ravel() for p in study.model.flat])


def test_compiled_is_plain_to_rounding_and_said_in_the_report(cache, tmp_path):
    on, off = (tiny(patients(), "ill", out=tmp_path / mode, compile=mode, **LINEAR) for mode in ("on", "off"))
    np.testing.assert_allclose(weights(on), weights(off), atol=1e-4)
    assert weights(on).tolist() != weights(off).tolist()
    assert chosen(on) == {"switches": [[0, 0, 1, 0]], "settled": True, "why": "", "trying": False}
    assert "Steps ran compiled" in on.report().read_text()
    assert "Steps ran compiled" not in off.report().read_text()
    assert on.facts["compute"]["compiled"] == [0]


@pytest.mark.parametrize("kind", [StepEnd, EpochEnd])
def test_stopped_and_resumed_with_everything_on(cache, tmp_path, monkeypatch, kind):
    """Choices of the clock are made anew nowhere: a study that follows another's choices, stopped or not,
    leaves the same bytes."""
    monkeypatch.setattr(compiling, "SLOWER", 1e9)
    monkeypatch.setattr(compiling, "LOADING", 0.0)
    whole = tiny(patients(), "ill", out=tmp_path / "whole", **LINEAR)
    assert chosen(whole)["switches"] == [[1, 2, 1, 0]], "after eight steps, since it costs nothing"
    monkeypatch.setattr(compiling, "LOADING", 1e9)  # by itself it would not
    again = begun(patients(), "ill", out=tmp_path / "again", **LINEAR)
    shutil.copy(whole.folder / "choices.json", again.folder)
    for count in (1, 2, 1, 1):
        assert stop_after(again, kind, count)
        again = ct.open_study(tmp_path / "again")
    assert remains(again.run().folder) == remains(whole.folder)


def test_a_repeated_study_is_compiled_where_the_first_was(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "LOADING", 1e9)
    plain = tiny(patients(), "ill", out=tmp_path / "plain", **LINEAR)
    assert chosen(plain) == {"switches": [], "settled": True, "why": "", "trying": False}
    monkeypatch.setattr(compiling, "LOADING", 0.0)
    again = ct.verbs.repeat(plain.folder, out=tmp_path / "again").run()
    assert chosen(again)["switches"] == []
    assert weights(again).tolist() == weights(plain).tolist()


def test_a_program_that_is_no_faster_is_given_up(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "LOADING", 0.0)
    monkeypatch.setattr(compiling, "SLOWER", 0.0)
    study = tiny(patients(), "ill", out=tmp_path / "s", **LINEAR)
    assert chosen(study)["switches"] == [[1, 2, 1, 0], [2, 4, 0, 0]]
    assert chosen(study)["why"] == "compiled steps are no faster here"
    (known,) = cache.glob("*.json")
    assert json.loads(known.read_text())["compiled"] > 0


def test_what_small_studies_miss_adds_up_until_it_pays(cache, tmp_path, monkeypatch):
    """A study too small to pay for a program remembers what it would have saved, for the next."""
    (path,) = cache.glob("*.pt2")
    kept = path.read_bytes()
    path.unlink()
    (known,) = cache.glob("*.json")
    facts = json.loads(known.read_text())
    tiny(patients(), "ill", out=tmp_path / "first", **LINEAR)
    missed = json.loads(known.read_text())["missed"]
    assert 0 < missed < 5
    known.write_text(json.dumps({**facts, "missed": facts["cost"]}))
    monkeypatch.setattr(programs, "build", lambda turn, given, where: where.write_bytes(kept))
    study = begun(patients(), "ill", out=tmp_path / "second", **LINEAR)
    said = [event.name for event in study.events() if isinstance(event, Phase)]
    assert "compiling" in said
    assert chosen(study)["switches"][0] == [1, 2, 1, 0]


@pytest.mark.parametrize(("falling", "kept"), [(True, 1), (False, 0)])
def test_fewer_members_at_once_are_kept_where_that_is_faster(cache, tmp_path, monkeypatch, falling, kept):
    """One at a time, which is all that is tried of steps that are not compiled."""
    monkeypatch.setattr(compiling, "LOADING", 1e9)
    monkeypatch.setattr(compiling, "MANY", 0)
    monkeypatch.setattr(compiling, "TWICE", 1e9)
    seconds = itertools.count(9, -1 if falling else 1)
    monkeypatch.setattr(compiling, "statistics", SimpleNamespace(median=lambda times: next(seconds)))
    tried = tiny(patients(), "ill", out=tmp_path / "tried", **LINEAR)
    assert chosen(tried)["switches"] == [[1, 2, 0, 1], [1, 6, 0, kept]]
    plain = tiny(patients(), "ill", out=tmp_path / "plain", compile="off", **LINEAR)
    np.testing.assert_allclose(weights(tried), weights(plain), atol=1e-4)
    again = begun(patients(), "ill", out=tmp_path / "again", **LINEAR)
    shutil.copy(tried.folder / "choices.json", again.folder)
    for count in (10, 1):
        assert stop_after(again, StepEnd, count)
        again = ct.open_study(tmp_path / "again")
    assert remains(again.run().folder) == remains(tried.folder)


def test_a_study_that_ends_in_a_trial_is_repeated_as_it_was(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "LOADING", 1e9)
    monkeypatch.setattr(compiling, "MANY", 0)
    monkeypatch.setattr(compiling, "TRIED", 1e9)
    monkeypatch.setattr(compiling, "TWICE", 1e9)
    first = tiny(patients(), "ill", out=tmp_path / "first", **LINEAR)
    assert chosen(first)["switches"] == [[1, 2, 0, 1]]
    assert not chosen(first)["trying"]
    again = ct.verbs.repeat(first.folder, out=tmp_path / "again").run()
    assert chosen(again) == chosen(first)
    assert weights(again).tolist() == weights(first).tolist()


def test_a_trial_whose_process_was_killed_is_over(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "LOADING", 1e9)
    study = begun(patients(), "ill", out=tmp_path / "s", **LINEAR)
    known = {"0": {"switches": [[1, 2, 0, 1]], "settled": False, "why": "", "trying": True}}
    Folder(study.folder).write_json("choices.json", known)
    assert chosen(study.run())["switches"] == [[1, 2, 0, 1], [1, 3, 0, 0]]


def test_without_a_compiler_it_trains_and_says_so_once(tmp_path, monkeypatch):
    monkeypatch.setenv("COTERIE_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(programs, "compiler", lambda: None)
    study = begun(patients(), "ill", out=tmp_path / "s", compile="on", **LINEAR)
    said = [event.detail for event in study.events() if isinstance(event, Phase)]
    assert said.count("not compiled: there is no C++ compiler on this machine") == 1
    assert chosen(study)["why"] == "there is no C++ compiler on this machine"
    assert study.facts["compute"]["compiled"] == []


def test_a_spoilt_program_is_not_used(cache, tmp_path):
    (path,) = cache.glob("*.pt2")
    path.write_bytes(b"spoilt")
    study = tiny(patients(), "ill", out=tmp_path / "s", compile="on", **LINEAR)
    assert "cannot be loaded" in chosen(study)["why"]
    assert study.finished


def test_what_an_earlier_process_chose_is_waited_for(cache, tmp_path, monkeypatch):
    """A kill after a choice and before a checkpoint behind it: the choice stands."""
    monkeypatch.setattr(compiling, "LOADING", 0.0)
    monkeypatch.setattr(compiling, "SLOWER", 1e9)
    study = begun(patients(), "ill", out=tmp_path / "s", **LINEAR)
    known = {"0": {"switches": [[2, 5, 1, 0]], "settled": False, "why": ""}}
    Folder(study.folder).write_json("choices.json", known)
    assert chosen(study.run())["switches"] == [[2, 5, 1, 0]]
