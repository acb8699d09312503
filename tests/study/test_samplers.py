"""Candidates that Optuna chooses, batch by batch: a study like any other, alone or together with others."""

import dataclasses
import itertools
import json
import math
import re
import sys
import warnings
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from small_studies import begun, patients, remains, stop_after, tiny

import coterie as ct
from coterie.cli import main
from coterie.errors import SpecError, StudyError
from coterie.models.kmeans import KMeans
from coterie.models.mlp import MLP
from coterie.models.shape import Shape
from coterie.study import fitting, sharing
from coterie.study.batches import candidates_kept
from coterie.study.events import BatchStart, Phase, Planned
from coterie.study.folder import Folder
from coterie.study.sampling import Told, ask
from coterie.study.search import batch_sizes, propose
from coterie.study.sharing import placed
from coterie.study.space import Space
from coterie.training.events import EpochEnd, StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

optuna = pytest.importorskip("optuna")

TPE = {"search": "tpe", "candidates": 8, "models": ("mlp", "linear"), "fix": {"epochs": 3, "patience": 0}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny(patients(), "ill", out=tmp_path_factory.mktemp("whole") / "s", **TPE)


def space(models=("mlp", "linear"), **fix):
    return Space.of(models, Shape(indicator=(False,)), "multiclass", 1000, fix)


def asked(count, told=(), seed=0, search="tpe", models=("mlp", "linear"), **more):
    return ask(space(models), list(told), count, search=search, maximise=False, seed=seed, **more)


def told(models=("mlp", "linear"), count=12, score=lambda c: abs(math.log(c.recipe.lr / 5e-3))):
    shape = Shape(indicator=(False,))
    made = propose(models, shape=shape, task="multiclass", rows=1000, count=count, fix={}, grid={}, seed=3)
    return [Told(space(models).choice(c.family, c.recipe), score(c)) for c in made]


# ---- what is asked for ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "families", "sizes"),
    [(16, 2, (4, 4, 4, 4)), (5, 1, (2, 2, 1)), (4, 3, (3, 1)), (1, 2, (1,)), (16, 7, (7, 4, 4, 1))],
)
def test_a_quarter_at_a_time_and_every_family_at_first(count, families, sizes):
    assert batch_sizes(count, families) == sizes


def test_the_same_is_asked_for_after_the_same_and_something_else_with_another_seed():
    assert asked(6, told()) == asked(6, told())
    assert asked(6, told()) != asked(6, told(), seed=1)
    assert asked(6, told()) != asked(6, told(count=5))


def test_few_structures_fill_cohorts_and_families_are_a_choice():
    found = asked(16, told())
    assert len({*found}) == 16
    structures = {(f.name, f.structure(), r.structure()) for f, r in found}
    assert len(structures) <= 4
    better = told(score=lambda c: float(c.family.name == "mlp"))
    assert [f.name for f, _ in asked(6, better)].count("linear") > 3
    assert [f.name for f, _ in asked(6, told())].count("mlp") > 3


def test_what_was_good_is_looked_for():
    near = [abs(math.log(r.lr / 5e-3)) for _, r in asked(12, told(("mlp",), 24), models=("mlp",))]
    far = [abs(math.log(one.choice["mlp.lr"] / 5e-3)) for one in told(("mlp",), 24)]
    assert sum(near) / len(near) < 0.7 * sum(far) / len(far)


def test_gaussian_processes_look_too():
    found = asked(3, told(("mlp",), 12), models=("mlp",), search="gp")
    near = [abs(math.log(r.lr / 5e-3)) for _, r in found]
    assert sum(near) / len(near) < 0.5
    assert found == asked(3, told(("mlp",), 12), models=("mlp",), search="gp")


def test_what_diverged_counts_as_the_worst_and_what_runs_is_kept_away_from():
    def score(diverged):
        return lambda c: diverged if c.recipe.lr > 2e-3 else c.recipe.lr

    worst = max(one.score for one in told(score=score(0.0)))
    assert asked(4, told(score=score(math.nan))) == asked(4, told(score=score(worst)))
    assert asked(4, told(score=score(math.nan))) != asked(4, told(score=score(0.0)))
    assert len(asked(2, told(score=lambda c: math.nan))) == 2
    runs = [dataclasses.replace(one, score=None) for one in told(("mlp",), 6)]
    assert asked(4, [*told(("mlp",), 2), *runs], models=("mlp",)) != asked(
        4, told(("mlp",), 2), models=("mlp",)
    )


def test_numbers_lie_in_their_ranges_with_four_digits_and_nothing_is_tried_twice():
    searches = space(("mlp",)).searches(MLP)
    found = asked(12, told(("mlp",)), models=("mlp",))
    assert len({*found}) == 12
    for family, recipe in found:
        assert 5e-4 <= recipe.lr <= 1e-2
        assert float(f"{recipe.lr:.4g}") == recipe.lr
        assert family.hidden in searches["hidden"].options
    few = space(("kmeans",))
    again = ask(few, [], 20, search="tpe", maximise=True, seed=0)
    assert len({*again}) == len(again) == len(few.searches(KMeans)["centers"].options)
    assert ask(few, [], 20, search="tpe", maximise=True, seed=0, tried=again) == []


def test_what_cannot_be_built_is_asked_for_anew():
    def build(family):
        if family.name == "linear":
            raise SpecError("Not of these data.")

    assert {f.name for f, _ in asked(6, told(), build=build)} == {"mlp"}


def test_a_default_outside_its_range_is_told_as_the_ranges_end():
    (first,) = propose(
        ("lstm",), shape=Shape(sequence=(8, 1)), task="binary", rows=99, count=1, fix={}, grid={}, seed=0
    )
    own = Space.of(("lstm",), Shape(sequence=(8, 1)), "binary", 99, {})
    assert first.family.dropout == 0
    assert own.choice(first.family, first.recipe)["lstm.dropout"] == 0.02


# ---- a study -------------------------------------------------------------------------------------------


def test_the_first_batch_is_what_any_search_begins_with(whole):
    facts = whole.facts
    assert facts["finished"]
    assert [c["batch"] for c in sorted(facts["candidates"], key=lambda c: c["index"])] == [
        n // 2 for n in range(8)
    ]
    assert facts["compute"]["sampler"] == {"name": "tpe", "batches": [2, 2, 2, 2]}
    kept = candidates_kept(Folder(whole.folder))
    assert [c.index for c in kept] == list(range(8))
    assert [c.family.name for c in kept[:2]] == ["mlp", "linear"]
    assert kept[0].recipe.lr == 2e-3
    assert facts["reproduce"]["versions"]["optuna"] == optuna.__version__
    assert max(whole.weights["candidate"]) > 1  # candidates of later batches are known to it


def test_later_batches_depend_on_the_scores_of_the_earlier(whole, tmp_path):
    other = begun(patients(seed=1), "ill", out=tmp_path / "s", **TPE)
    assert stop_after(other, BatchStart, 3)
    mine, others = (candidates_kept(Folder(study.folder)) for study in (whole, other))
    assert mine[:2] == others[:2]
    assert mine[2:6] != others[2:]


def test_it_is_told_in_the_report_in_the_card_and_while_it_runs(whole, tmp_path):
    page = whole.report(tmp_path / "page.html").read_text()
    card = (whole.folder / "model/README.md").read_text()
    for text in (page, card):
        assert "Optuna’s sampler TPE" in text
        assert "in 4 batches of 2, 2, 2 and 2" in text
    assert "Batch by batch" in page
    assert '<th scope="col" class="num">batch</th>' in page
    running = begun(patients(), "ill", out=tmp_path / "s", **TPE).events()
    events = list(itertools.takewhile(lambda e: e != Phase("baselines"), running))
    running.close()
    (plan,) = (e for e in events if isinstance(e, Planned))
    assert (plan.members, plan.candidates, plan.batches) == (16, 8, 4)
    batches = [e for e in events if isinstance(e, BatchStart)]
    assert [(b.number, b.batches, b.candidates, b.before) for b in batches] == [
        (n, 4, 2, 4 * n) for n in range(4)
    ]


@pytest.mark.parametrize(
    ("kind", "counts"),
    [(StepEnd, (1, 9, 2)), (EpochEnd, (1, 8, 3)), (BatchStart, (2, 2))],
)
def test_stopped_anywhere_and_resumed(tmp_path, whole, kind, counts):
    study = begun(patients(), "ill", out=tmp_path / "s", **TPE)
    for count in counts:
        if stop_after(study, kind, count):
            study = ct.open_study(tmp_path / "s")
    assert remains(study.run().folder) == remains(whole.folder)


@pytest.mark.parametrize("events", [9, 31])
def test_left_as_a_kill_leaves_it_and_resumed(tmp_path, whole, events, monkeypatch):
    monkeypatch.setattr(fitting, "SAVE_EVERY", -1.0)
    study = begun(patients(), "ill", out=tmp_path / "s", **TPE)
    for _ in range(3):
        running = study.events()
        for _ in range(events):
            next(running, None)
        running.close()
        study = ct.open_study(tmp_path / "s")
    assert remains(study.run().folder) == remains(whole.folder)


def test_what_was_asked_for_is_trained_whatever_the_sampler_would_say_by_now(tmp_path, whole, monkeypatch):
    study = begun(patients(), "ill", out=tmp_path / "s", **TPE)
    assert stop_after(study, BatchStart, 3)
    kept = candidates_kept(Folder(tmp_path / "s"))
    assert len(kept) == 6
    monkeypatch.setattr("coterie.study.batches.ask", lambda *_, **__: [])  # finds nothing new from now on
    again = ct.open_study(tmp_path / "s").run()
    assert candidates_kept(Folder(tmp_path / "s")) == kept
    assert again.facts["compute"]["sampler"]["batches"] == [2, 2, 2]
    assert again.facts["finished"]


def test_a_study_from_its_config_trains_the_same_candidates(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("coterie.study.batches.ask", None)  # nothing is left to ask
    again = ct.repeat(whole.folder / "study.json", out=tmp_path / "s").run()
    assert candidates_kept(Folder(again.folder)) == candidates_kept(Folder(whole.folder))
    assert again.facts["winner"]["index"] == whole.facts["winner"]["index"]


def test_the_clock_ends_it_with_the_best_so_far(tmp_path):
    facts = begun(patients(), "ill", out=tmp_path / "s", **TPE, time_limit=1e-9).run().facts
    assert not facts["finished"]
    assert any("Time ran out before 7 of 8 candidates" in warning for warning in facts["warnings"])


def test_a_spoilt_list_of_candidates_is_refused(tmp_path):
    study = begun(patients(), "ill", out=tmp_path / "s", **TPE)
    stop_after(study, BatchStart, 2)
    path = tmp_path / "s" / "candidates.json"
    path.write_text(path.read_text().replace("linear", "lineal"))
    with pytest.raises(StudyError, match="as Coterie wrote them"):
        ct.open_study(tmp_path / "s").run()


def test_with_rates_by_a_range_test(tmp_path):
    fix = {"epochs": 2, "hidden": "8", "lr": "auto"}
    asked = TPE | {"fix": fix, "candidates": 2, "models": ("mlp",)}
    running = begun(patients(), "ill", out=tmp_path / "s", **asked).events()
    phases = [
        e.name
        for e in itertools.takewhile(lambda e: e != Phase("baselines"), running)
        if isinstance(e, Phase)
    ]
    running.close()
    assert phases == ["rates", "training"] * 2
    first, second = candidates_kept(Folder(tmp_path / "s"))
    assert first.recipe.lr == second.recipe.lr == 2e-3  # the rates were not known when these were asked for


# ---- together ------------------------------------------------------------------------------------------


def trials(storage):
    (name,) = optuna.study.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def test_studies_share_what_they_try(tmp_path):
    storage = f"sqlite:///{tmp_path}/trials.db"
    shared = TPE | {"storage": storage}
    one = tiny(patients(), "ill", out=tmp_path / "one", **shared)
    two = begun(patients(), "ill", out=tmp_path / "two", **shared)
    assert stop_after(two, BatchStart, 2)
    states = [t.state.name for t in trials(storage)]
    assert states == ["COMPLETE"] * 10 + ["RUNNING"] * 2  # a batch that was stopped, and will be gone on with
    two = ct.open_study(tmp_path / "two").run()
    found = trials(storage)
    assert [t.state.name for t in found] == ["COMPLETE"] * 16
    for study, own in ((one, found[:8]), (two, found[8:])):
        means = {c["index"]: c["mean"] for c in study.facts["candidates"]}
        assert {t.user_attrs["candidate"]: t.value for t in own} == means
        assert {t.user_attrs["folder"] for t in own} == {str(study.folder)}
    assert "others" in two.facts["compute"]["sampler"]
    assert two.facts["compute"]["sampler"]["others"] == 8
    assert "8 candidates were known of them" in two.report().read_text()
    mine, others = ({(c.family, c.recipe) for c in candidates_kept(Folder(s.folder))} for s in (one, two))
    assert not mine & others  # the second began where the first had come to


def test_two_that_begin_together_do_not_try_the_same(tmp_path):
    shared = TPE | {"storage": str(tmp_path / "trials.log")}
    one, two = (begun(patients(), "ill", out=tmp_path / name, **shared) for name in ("one", "two"))
    assert stop_after(one, BatchStart, 1)
    assert stop_after(two, BatchStart, 1)
    mine, others = ({(c.family, c.recipe) for c in candidates_kept(Folder(s.folder))} for s in (one, two))
    assert not mine & others


def test_another_question_is_another_search(tmp_path):
    storage = f"sqlite:///{tmp_path}/trials.db"
    for name, seed in (("one", 0), ("two", 1)):
        study = begun(patients(), "ill", out=tmp_path / name, **TPE, storage=storage, seed=seed)
        stop_after(study, BatchStart, 1)
    assert len(optuna.study.get_all_study_names(storage)) == 2


def test_a_storage_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert placed("sqlite:///trials.db") == f"sqlite:///{tmp_path}/trials.db"
    assert placed("trials.log") == str(tmp_path / "trials.log")
    for whole in (f"sqlite:///{tmp_path}/trials.db", "postgresql://host/trials"):
        assert placed(whole) == whole
    begun(patients(), "ill", out=tmp_path / "s", **TPE, storage="trials.log")
    asked = json.loads((tmp_path / "s" / "study.json").read_text())
    assert asked["question"]["storage"] == str(tmp_path / "trials.log")
    assert "--storage trials.log" in asked["command"]  # as it was typed


def test_many_may_make_the_same_new_database_at_once(tmp_path):
    storage = f"sqlite:///{tmp_path}/trials.db"
    with ThreadPool(4) as pool:
        assert len(pool.map(lambda _: sharing._opened(optuna, storage), range(4))) == 4


@pytest.mark.parametrize(
    "where", ["nodb://host/trials", "sqlite:////nowhere/at/all/trials.db", "/nowhere/at/all"]
)
def test_a_storage_that_cannot_be_opened_is_refused_before_anything_is_written(tmp_path, where):
    with pytest.raises(StudyError, match="storage that Optuna can open"):
        begun(patients(), "ill", out=tmp_path / "s", **TPE, storage=where)
    assert not (tmp_path / "s").exists()


# ---- what cannot be ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"search": "halving,tpe"}, "search must be one of full, halving, tpe, gp"),
        ({"search": "tpe", "fix": {}, "grid": {"lr": ("1e-3", "1e-2")}}, "A grid is tried whole"),
        ({"storage": "trials.log"}, "shared by searches that ask a sampler"),
        ({"search": "tpe", "storage": "postgresql://me:secret@host/db"}, "must hold no password"),
        ({"search": "tpe", "storage": "sqlite://"}, "where others find the search"),
        ({"search": "tpe", "storage": ""}, "where others find the search"),
        ({"search": "gp", "models": ("mlp", "linear")}, "searches over one family"),
        ({"search": "tpe", "fix": {"lr": "fast"}}, "lr must be a number"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tmp_path, options, said):
    with pytest.raises(SpecError, match=said) as refused:
        begun(patients(), "ill", out=tmp_path / "s", **options)
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "s").exists()


def test_halving_and_a_sampler_together_are_refused(capsys):
    assert main(["inspect", "iris", "--search", "halving", "--search", "tpe"]) == 2
    assert "One search at a time" in capsys.readouterr().err
    assert main(["inspect", "iris", "--search", "tpe", "--search", "tpe", "--json"]) == 0


def test_a_file_of_something_else_is_not_written_to(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(StudyError, match="storage that Optuna can open"):
        begun(patients(), "ill", out=tmp_path / "s", **TPE, storage=str(path))
    assert path.read_text() == "a,b\n1,2\n3,4\n"


def test_without_optuna_one_line_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "iris", "--search", "tpe"]) == 2
    assert 'pip install "coterie[optuna]"' in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_optuna_is_imported_for_nothing_else_and_its_own_words_are_not_heard(tmp_path, capfd):
    paths = Path(ct.__file__).parent.rglob("*.py")
    found = {p.name: re.findall(r"^( *)import optuna", p.read_text(), re.MULTILINE) for p in paths}
    assert {name: indents for name, indents in found.items() if indents} == {"sampling.py": [" " * 8]}
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked(2, told())
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_inspect_says_that_more_will_be_asked_for():
    found = ct.inspect("iris", search="tpe")
    assert found.members == 16 * 5
    assert any("the first 4 of 16 candidates" in note for note in found.notes)
