"""Studies without a target, end to end: on a table with a label kept out, and on images."""

import json

import numpy as np
import polars as pl
import pytest
from small_studies import patients, posed, tiny

import coterie as ct
from coterie.errors import SpecError

pytestmark = pytest.mark.usefixtures("without_pages")

FEW = {"candidates": 1, "folds": 2, "fix": {"epochs": 2, "hidden": "8", "codes": 2, "batch_size": 16}}


def pictures(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, rows)
    images = rng.normal(0, 0.2, (rows, 1, 5, 5)).astype(np.float32)
    images[:, :, :, 0] += label[:, None, None]
    return images, label


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table") / "study"
    return tiny(patients(80), "ill", out=folder, models=["vae"], **FEW)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "study"
    pixels, label = pictures()
    return tiny((pixels, label), out=folder, models=["vae"], rows=False, **FEW | {"task": "unsupervised"})


def made(study):
    return json.loads((study.folder / "assessment.json").read_text(encoding="utf-8"))["closeup"]["made"]


def test_the_folder_holds_what_every_study_leaves(table):
    there = {path.name for path in table.folder.iterdir()}
    assert {"study.json", "assessment.json", "report.html", "model"} <= there


def test_the_label_is_kept_out_and_told_of(table):
    features = [column.name for column in table.model.schema.features]
    assert features == ["age", "dose", "ward"]
    assert table.facts["task"] == "unsupervised"
    codes = made(table)["codes"]
    assert codes["label"] == "ill"
    assert codes["width"] == 2
    assert 0 <= codes["probe"] <= 1


def test_it_is_judged_by_its_family_beside_simple_models(table):
    facts = table.facts
    assert facts["metric"]["name"] == "evidence_bound"
    assert {"evidence_bound", "reconstruction_error", "mmd"} <= facts["test"].keys()
    assert {b["name"] for b in facts["baselines"]} >= {"dummy", "pca", "gaussian"}
    assert all(np.isfinite(score["value"]) for score in facts["test"].values())


def test_what_a_table_model_makes_is_rows_of_the_table(table):
    found = made(table)
    assert len(found["reconstructions"]["table"]) == found["reconstructions"]["rows"]
    assert list(found["samples"]["table"][0]) == ["age", "dose", "ward"]
    assert 0 <= found["samples"]["told_apart"]["accuracy"] <= 1


def test_what_an_image_model_makes_is_pictures_and_no_single_row(images):
    found = made(images)
    assert {"image", "told_apart", "discrepancy", "copying"} <= found["samples"].keys()
    assert "walk" in found
    assert "reconstructions" not in found
    assert "nearest" not in found["samples"]


def test_the_page_without_rows_shows_none(table, tmp_path):
    page = table.report(tmp_path / "page.html", rows=False).read_text(encoding="utf-8")
    assert "What it makes" in page
    assert "Rows and what comes back" not in page
    assert "Rows and what comes back" in table.report(tmp_path / "all.html").read_text(encoding="utf-8")


def test_later_rows_are_judged_without_a_label(table):
    later = patients(30, seed=1)
    del later["ill"]
    found = table.evaluate(later)
    assert found["rows"] == 30
    assert np.isfinite(found["scores"]["evidence_bound"]["value"])
    assert found["confusion"] is None


def test_a_loaded_model_draws_the_same(table):
    again = ct.load(table.folder)
    assert again.sample(6, seed=4).equals(table.model.sample(6, seed=4))


def test_no_label_is_needed():
    rows = pl.DataFrame(patients(40)).drop("ill")
    problem = posed(rows, models=("vae",))
    assert problem.roles.target.names == ()
    assert (problem.dataset.inputs["place"] == np.arange(40)).all()


def test_families_without_a_common_measure_are_one_error(tmp_path):
    with pytest.raises(SpecError, match="a measure that all of them have"):
        tiny(patients(40), out=tmp_path / "s", models=["kmeans", "flow"])
    with pytest.raises(SpecError, match="family vae learns rows without a target"):
        tiny(patients(40), "ill", out=tmp_path / "s", models=["mlp", "vae"])
    assert not (tmp_path / "s").exists()


def test_a_boltzmann_machine_tells_training_rows_from_others_by_their_energy(tmp_path):
    few = {f"x{i}": np.random.default_rng(i).integers(0, 2, 40).tolist() for i in range(8)}
    fix = {"epochs": 200, "units": 40, "lr": 0.05}
    study = ct.fit(few, models="rbm", candidates=1, folds=1, fix=fix, out=tmp_path / "s")
    energy = study.facts["closeup"]["made"]["energy"]
    assert energy["gap"] == pytest.approx(energy["held_out"] - energy["training"])
    assert energy["gap"] > 0.2  # of coins: what can be learned is these rows themselves
    assert "above that of rows that were trained on" in study.report().read_text()
