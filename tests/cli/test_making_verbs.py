"""The verbs of what a model makes: files of each kind, and one clear error for what cannot be."""

import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_models import drawn

from coterie.cli import main

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(12, 1, 5, 4)).astype(np.float32)
ROWS = pl.DataFrame({"x": RNG.normal(size=20), "side": RNG.choice(["left", "right"], 20)})


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    pixels = pl.DataFrame({f"pixel_{i}_{j}": RNG.normal(size=20) for i in range(3) for j in range(3)})
    steps = pl.DataFrame({"signal": [RNG.normal(size=6).tolist() for _ in range(12)]})
    for name, data in {"table": ROWS, "images": IMAGES, "pixels": pixels.drop("pixel_0_0")}.items():
        drawn("vae", data, codes=2, hidden=(6,)).save(folder / name)
    drawn("autoencoder", steps, codes=2, hidden=(6,)).save(folder / "steps")
    ROWS.write_csv(folder / "rows.csv")
    np.save(folder / "images.npy", IMAGES)
    steps.write_parquet(folder / "steps.parquet")
    return folder


def said(words, capsys) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_samples_of_a_table_are_written_as_one(here, capsys):
    status, out, _ = said(["sample", here / "table", "-n", 3], capsys)
    assert status == 0
    assert out.splitlines()[0] == "x,side"
    assert len(out.splitlines()) == 4
    assert said(["sample", here / "table", "-o", here / "s.parquet"], capsys)[0] == 0
    assert len(pl.read_parquet(here / "s.parquet")) == 64


def test_samples_of_images_are_a_picture_or_an_array(here, capsys):
    assert said(["sample", here / "images", "-n", 10, "-o", here / "s.png"], capsys)[0] == 0
    with Image.open(here / "s.png") as picture:
        assert min(picture.size) >= 512
    assert said(["sample", here / "images", "-n", 10, "-o", here / "s.npy"], capsys)[0] == 0
    assert np.load(here / "s.npy").shape == (10, 1, 5, 4)


def test_a_table_of_pixels_is_a_picture_too(here, capsys):
    assert said(["sample", here / "pixels", "-n", 10, "-o", here / "p.npy"], capsys)[0] == 0
    images = np.load(here / "p.npy")
    assert images.shape == (10, 1, 3, 3)
    assert (images[:, 0, 0, 0] == images.min()).all()  # a pixel that was never learned is dark
    table = said(["sample", here / "pixels", "-n", 10], capsys)[1]
    assert images[0, 0, 0, 1] == pytest.approx(float(table.splitlines()[1].split(",")[0]), rel=1e-5)
    assert said(["sample", here / "pixels", "-o", here / "p.png"], capsys)[0] == 0


def test_codes_are_a_table_or_an_array(here, capsys):
    assert said(["encode", here / "table", here / "rows.csv", "-o", here / "c.parquet"], capsys)[0] == 0
    assert pl.read_parquet(here / "c.parquet").columns == ["code_0", "code_1"]
    assert said(["encode", here / "table", here / "rows.csv", "-o", here / "c.npy"], capsys)[0] == 0
    assert np.load(here / "c.npy").shape == (20, 2)


def test_rows_come_back_in_the_form_that_they_had(here, capsys):
    status, out, _ = said(["reconstruct", here / "table", here / "rows.csv"], capsys)
    assert status == 0
    assert out.splitlines()[0] == "x,side"
    words = ["reconstruct", here / "images", here / "images.npy", "-o", here / "r.npy"]
    assert said(words, capsys)[0] == 0
    assert np.load(here / "r.npy").shape == IMAGES.shape


def test_predict_says_how_well_each_row_is_done(here, capsys):
    status, out, _ = said(["predict", here / "table", here / "rows.csv"], capsys)
    assert status == 0
    assert out.splitlines()[0] == "reconstruction error,evidence bound"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "steps"], "It has encode, decode, reconstruct."),
        (["generate", "table"], "It has encode, decode, reconstruct, sample."),
        (["sample", "table", "-o", "s.png"], "-o samples.csv"),
        (["sample", "images", "-o", "s.csv"], "-o samples.png"),
        (["sample", "images"], "-o samples.png"),
        (["sample", "table", "--label", "left"], "conditional=true"),
        (["sample", "table", "-n", "0"], "1"),
        (["reconstruct", "steps", "steps.parquet", "-o", "s.csv"], "rows.parquet"),
        (["encode", "table", "rows.csv", "-o", "rows.csv"], "must not overwrite"),
        (["sample", "nowhere"], "does not exist"),
    ],
)
def test_what_cannot_be_is_one_clear_error(words, message, here, monkeypatch, capsys):
    monkeypatch.chdir(here)
    status, out, err = said(words, capsys)
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert message in " ".join(err.split())
    assert "Traceback" not in err


def test_columns_of_the_data_are_kept_beside_codes_and_answers(here, capsys):
    rows = ROWS.with_row_index("patient").rename({"patient": "patient no"})
    rows.write_csv(here / "patients.csv")
    for verb in ("encode", "predict"):
        words = [
            verb,
            here / "table",
            here / "patients.csv",
            "--keep",
            "patient no,side",
            "-o",
            here / "k.csv",
        ]
        assert said(words, capsys)[0] == 0
        kept = pl.read_csv(here / "k.csv")
        assert kept.columns[:2] == ["patient no", "side"]
        assert kept["patient no"].to_list() == list(range(20))
    status, _, err = said(["encode", here / "table", here / "patients.csv", "--keep", "pateint no"], capsys)
    assert status == 2
    assert "'pateint no'. Did you mean 'patient no'?" in err
