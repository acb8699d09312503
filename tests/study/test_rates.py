"""The range test: each rate is tried alone, and the one that is chosen is between too small and too large."""

import dataclasses

import pytest
import torch
from small_studies import begun, patients, posed, remains, tiny

import coterie as ct
from coterie.errors import SpecError
from coterie.study.events import Phase, Stopped
from coterie.study.planning import candidates_of
from coterie.study.question import Question
from coterie.study.rates import HIGHEST, LOWEST, RangeTest, range_tests, with_rates
from coterie.training.arena import Arena
from coterie.training.events import StepEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

AUTO = {"fix": {"epochs": 3, "hidden": "8", "lr": "auto"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tiny(patients(), "ill", out=tmp_path_factory.mktemp("whole") / "s", **AUTO)


def asked(**options):
    problem = posed(patients(), target="ill", **options)
    return problem, candidates_of(Question("a table", target=("ill",), **options), problem)


def test_every_rate_is_tried_alone():
    problem, (candidate,) = asked(candidates=1, folds=2)
    arena = Arena.of(problem.dataset, problem.folds, torch.device("cpu"), torch.float64)
    (together,) = range_tests([candidate], arena, 0, {0: 24})
    (in_parts,) = range_tests([candidate], arena, 0, {0: 5})
    assert together.losses == pytest.approx(in_parts.losses, rel=1e-6)
    assert (together.rates[0], together.rates[-1]) == pytest.approx((LOWEST, HIGHEST))
    assert together.losses[0] > min(together.losses)  # too slow to have learned
    assert together.losses[-1] > 2 * min(together.losses)  # too fast to learn
    assert 1e-3 < together.lr < 1


def test_one_test_a_structure_and_none_of_a_closed_form():
    problem, candidates = asked(candidates=6, folds=2, models=("mlp", "linear"))
    exact = dataclasses.replace(candidates[0].recipe, optimizer="exact", loss="mse")
    candidates = (*candidates, dataclasses.replace(candidates[0], index=6, recipe=exact))
    arena = Arena.of(problem.dataset, problem.folds, torch.device("cpu"))
    tests = list(range_tests(candidates, arena, 0, dict.fromkeys(range(7), 24)))
    assert sorted(i for test in tests for i in test.candidates) == list(range(6))
    found = with_rates(candidates, tests)
    for test in tests:
        assert {found[i].recipe.lr for i in test.candidates} == {test.lr}
    assert found[6] == candidates[6]


def test_what_diverged_everywhere_keeps_its_rate():
    lost = RangeTest("mlp", (0,), (0.1, 1.0), (None, None))
    _, candidates = asked(candidates=1)
    assert with_rates(candidates, [lost]) == candidates
    assert RangeTest("mlp", (0,), (0.3, 1.0), (0.5, None)).lr == pytest.approx(0.1)


def test_a_study_is_trained_with_the_rate_and_shows_how_it_was_found(whole, tmp_path):
    found = {index: test["lr"] for test in whole.facts["compute"]["rates"] for index in test["candidates"]}
    assert set(found) == {c["index"] for c in whole.facts["candidates"]}
    assert whole.model.hyperparameters["lr"] == found[whole.facts["winner"]["index"]]
    assert "Learning rates" in whole.report(tmp_path / "page.html").read_text()


def test_stopped_and_resumed_it_ends_the_same(tmp_path, whole):
    study = begun(patients(), "ill", out=tmp_path / "s", **AUTO)
    running = study.events()
    assert next(e for e in running if isinstance(e, Phase) and e.name == "rates")
    running.close()
    study = ct.open_study(tmp_path / "s")
    events = study.events()
    next(e for e in events if isinstance(e, StepEnd))
    study.stop()
    with pytest.raises(Stopped):
        list(events)
    assert remains(ct.open_study(tmp_path / "s").run().folder) == remains(whole.folder)


def test_auto_is_for_the_learning_rate_alone():
    with pytest.raises(SpecError, match="weight_decay must be"):
        ct.fit("iris", fix={"weight_decay": "auto"})
    with pytest.raises(SpecError, match="fixed, not tried"):
        ct.fit("iris", grid={"lr": ["auto", "1e-3"]})
