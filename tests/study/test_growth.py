"""What a network draws while it learns is logged at a few epochs, and is the same after a stop."""

import json

import numpy as np
import pytest
from small_studies import begun, remains, stop_after, tiny

import coterie as ct
from coterie.study.fitting import curves_of
from coterie.study.folder import Folder
from coterie.study.growth import growth_of, looks
from coterie.training.events import EpochEnd

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

GAME = {"models": ("gan",), "candidates": 1, "folds": 2}
FEW = {"epochs": 4, "hidden": "8", "codes": 2, "batch_size": 32}


def points(rows=90):
    rng = np.random.default_rng(0)
    return {"a": rng.normal(5, 1, rows).tolist(), "b": rng.normal(-2, 0.1, rows).tolist()}


def pixels(rows=60):
    rng = np.random.default_rng(0)
    places = [f"p_{row}_{column}" for row in range(4) for column in range(5)]
    return {place: rng.integers(0, 16, rows).astype(float).tolist() for place in places}


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    return tiny(points(), out=tmp_path_factory.mktemp("game") / "s", fix=FEW, **GAME)


@pytest.mark.parametrize(("epochs", "wanted"), [(1, []), (2, [1]), (500, [1, 3, 12, 42, 144])])
def test_looks_are_spread_by_a_factor_and_leave_the_last_epoch_out(epochs, wanted):
    assert looks(epochs) == wanted


def test_samples_of_the_same_noise_at_a_few_epochs(game, tmp_path):
    found = growth_of(Folder(game.folder), game.facts["winner"]["index"])
    assert [look["epoch"] for look in found] == [1, 2, 3, 4]
    clouds = [np.array(look["points"]) for look in found]
    assert all(cloud.shape == (300, 2) for cloud in clouds)
    assert not np.allclose(clouds[0], clouds[-1])
    assert np.abs(clouds[0].mean(0) - [5, -2]).max() < 3, "in the unit of the data"
    assert game.facts["closeup"]["made"]["growth"] == found
    page = game.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Samples over training" in page
    assert "The game" in page


def test_what_both_players_do_is_recorded_every_epoch(game):
    curves = curves_of(Folder(game.folder))
    assert len(curves) == 2
    for curve in curves:
        assert set(curve["beside"]) == {"realness", "sample_realness"}
        for values in curve["beside"].values():
            assert len(values) == len(curve["epoch"]) == 4
            assert all(0 < value < 1 for value in values)
    assert {"realness", "sample_realness"} <= game.facts["test"].keys()
    assert set(game.results["metric"]) == {"training_loss", "mmd", "realness", "sample_realness"}


def test_stopped_and_resumed_it_is_the_same(tmp_path, game):
    study = begun(points(), out=tmp_path / "s", fix=FEW, **GAME)
    for count in (1, 2):
        assert stop_after(study, EpochEnd, count)
        study = ct.open_study(tmp_path / "s")
    assert remains(study.run().folder) == remains(game.folder)


def test_rows_of_pixels_are_pictures_everywhere(tmp_path):
    fix = {"epochs": 3, "hidden": "8", "codes": 2, "batch_size": 32}
    study = tiny(pixels(), out=tmp_path / "s", models=["vae"], candidates=1, folds=2, fix=fix)
    made = json.loads((study.folder / "assessment.json").read_text(encoding="utf-8"))["closeup"]["made"]
    assert {"walk", "reconstructions", "samples", "growth"} <= made.keys()
    for name in ("walk", "reconstructions", "samples"):
        assert "image" in made[name]
        assert "table" not in made[name]
    assert all("image" in look for look in made["growth"])
    assert all(list(row["values"]) == ["image"] for row in study.facts["worst"])
    assert "bits_per_dimension" in study.facts["test"]


def test_after_a_refit_it_is_the_growth_of_what_was_kept(tmp_path):
    study = tiny(points(), out=tmp_path / "s", refit=True, **GAME, fix={**FEW, "epochs": 3})
    lines = [e for e in Folder(study.folder).events() if e["event"] == "samples"]
    assert len({line["cohort"] for line in lines}) == 2
    assert {curve["fold"] for curve in curves_of(Folder(study.folder))} == {0, 1}, "the log is whole"
    last = [line for line in lines if line["cohort"] == max(each["cohort"] for each in lines)]
    found = growth_of(Folder(study.folder), study.facts["winner"]["index"])
    assert [look["points"] for look in found] == [line["points"] for line in last]
