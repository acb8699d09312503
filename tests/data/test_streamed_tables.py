"""A table that stays in its file gives what the same table gives in memory, to the bit."""

import datetime
import gc
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import coterie as ct
from coterie.data import large_text, parts, scanned
from coterie.data.read import read
from coterie.data.scanned import Scanned, loaded, size_of
from coterie.errors import DataError
from coterie.models import preparation
from coterie.study.later import score_table
from coterie.training import arena
from coterie.training.events import EpochEnd
from coterie.training.streaming import brought
from tests.study.small_studies import begun, posed, remains, stop_after, tiny

ROWS = 900


def mixed(rows: int = ROWS, exact: bool = False) -> pl.DataFrame:
    """Numbers of many types, words, dates and gaps; exact: no number that float32 changes."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(rows, 3))
    x = x.astype(np.float32).astype(np.float64) if exact else x
    ward = draw.choice(["north", "south", "west"], rows)
    days = draw.integers(0, 2000, rows)
    risk = x[:, 0] + x[:, 1] + (ward == "west") + draw.normal(0, 0.3, rows)
    return pl.DataFrame(
        {
            "dose": x[:, 0],
            "age": [None if i % 7 == 2 else float(v) for i, v in enumerate(x[:, 1])],
            "visits": draw.integers(0, 40, rows),
            "small": pl.Series(draw.normal(size=rows), dtype=pl.Float32),
            "smoker": draw.random(rows) > 0.5,
            "admitted": [datetime.date(2015, 1, 1) + datetime.timedelta(int(d)) for d in days],
            "ward": ward,
            "code": [-999 if i % 50 == 3 else int(v) for i, v in enumerate(draw.integers(0, 9000, rows))],
            "id": [f"p{i}" for i in range(rows)],
            "clinic": [f"c{i % 30}" for i in range(rows)],
            "importance": draw.uniform(0.5, 1.5, rows),
            "ill": np.where(risk > 0.3, "yes", "no"),
            "score": risk,
        }
    )


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """After `streamed(True)` every Parquet table and text stays in its file, and is read in small pieces."""

    def choose(on: bool) -> None:
        for module in (scanned, large_text):
            monkeypatch.setattr(module, "budget", lambda: 0 if on else 1 << 40)
        monkeypatch.setattr(parts, "FEW", 0)
        monkeypatch.setattr(scanned, "PART", 1000)
        monkeypatch.setattr(scanned, "LEAST", 211)

    return choose


def both(path: Path, streamed: Any, out: Path, target: str, **options: Any) -> list[dict[str, Any]]:
    """What is left of the same study, in memory and streamed."""
    found = []
    for on in (False, True):
        streamed(on)
        study = tiny(path, target, out=out / ("streamed" if on else "resident"), **options)
        assert isinstance(study.problem.table.frame, Scanned) == on
        assert study.problem.dataset.mapped == on
        found.append(remains(study.folder))
    return found


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("ill", {"ignore": ["score"], "models": ["mlp"]}),
        ("ill", {"ignore": ["score"], "models": ["mlp"], "group": "clinic", "weight": "importance"}),
        ("score", {"ignore": ["ill", "code"], "models": ["mlp", "polynomial"], "time": "admitted"}),
        ("score", {"ignore": ["ill"], "models": ["linear"], "folds": 0, "candidates": 1, "fix": {}}),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_a_study_is_the_same_to_the_bit(
    tmp_path: Path, streamed: Any, target: str, options: dict[str, Any], exact: bool
) -> None:
    path = tmp_path / "table.parquet"
    mixed(exact=exact).write_parquet(path, row_group_size=128)
    resident, mapped = both(path, streamed, tmp_path, target, **options)
    notes = mapped["assessment.json"]["data"].pop("notes")
    assert notes[:-1] == resident["assessment.json"]["data"].pop("notes")
    assert "stays in its file" in notes[-1]
    for name in ("assessment.json", "model/model.safetensors", "predictions.safetensors", "events.jsonl"):
        assert mapped[name] == resident[name], name


def test_a_test_set_in_a_file_of_its_own(tmp_path: Path, streamed: Any) -> None:
    frame = mixed()
    path, held = tmp_path / "table.parquet", tmp_path / "held.parquet"
    frame[:600].write_parquet(path, row_group_size=128)
    frame[600:].with_columns(pl.col("dose").cast(pl.Float32)).write_parquet(held)
    found = []
    for on in (False, True):
        streamed(on)
        out = tmp_path / f"run-{on}"
        study = tiny(path, "ill", test=held, ignore=["score"], models=["mlp"], out=out)
        found.append((study.model.flat, study.facts["test"], study.model.predict_proba(held)))
        assert isinstance(study.problem.table.frame, Scanned) == on
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert np.array_equal(found[0][2], found[1][2])


def test_a_stopped_study_goes_on_with_its_table_on_disk_or_in_memory(tmp_path: Path, streamed: Any) -> None:
    path = tmp_path / "table.parquet"
    mixed().write_parquet(path)
    asked: dict[str, Any] = {"target": "ill", "ignore": ("score",), "models": ("mlp",)}
    streamed(True)
    whole = tiny(path, **asked, out=tmp_path / "whole")
    for on in (True, False):
        streamed(True)
        study = begun(path, **asked, out=tmp_path / f"stopped-{on}")
        assert stop_after(study, EpochEnd, 1)
        streamed(on)
        study = ct.open_study(tmp_path / f"stopped-{on}").run()
        assert study.problem.dataset.mapped == on
        assert torch.equal(study.model.flat, whole.model.flat)
        assert study.facts["test"] == whole.facts["test"]


def test_later_tables_may_be_as_large(tmp_path: Path, streamed: Any) -> None:
    path = tmp_path / "table.parquet"
    mixed().write_parquet(path)
    streamed(False)
    model = tiny(path, "ill", ignore=["score"], models=["mlp"], out=tmp_path / "run").model
    expected = model.predict_table(path), score_table(model, path), model.warnings(path)
    streamed(True)
    assert model.dataset(path).mapped
    assert model.predict_table(path).equals(expected[0])
    assert score_table(model, path) == expected[1]
    assert model.warnings(path) == expected[2]


def test_files_of_a_folder_are_one_table(tmp_path: Path, streamed: Any) -> None:
    frame = mixed()
    folder = tmp_path / "parts"
    folder.mkdir()
    for i, begin in enumerate(range(0, ROWS, 250)):
        frame[begin : begin + 250].write_parquet(folder / f"part-{i}.parquet")
    (folder / "_SUCCESS").write_text("")
    for on in (False, True):
        streamed(on)
        table = read(folder)
        assert table.name == "parts"
        assert isinstance(table.frame, Scanned) == on
        assert loaded(table.frame).equals(frame)
        assert "The rows of 4 Parquet files" in table.notes[0]
        assert "'_SUCCESS'" in table.notes[1]
    other = read(folder).sha256
    (folder / "part-3.parquet").rename(folder / "part-4.parquet")
    assert read(folder).sha256 != other
    (folder / "part-9.parquet").write_bytes((folder / "part-0.parquet").read_bytes()[:500])
    with pytest.raises(DataError, match="Parquet files of a folder must be whole"):
        read(folder)
    pl.DataFrame({"another": [1]}).write_parquet(folder / "part-9.parquet")
    with pytest.raises(DataError, match="have the same columns"):
        loaded(read(folder).frame)


def test_folders_that_name_a_column(tmp_path: Path) -> None:
    for year in (2020, 2021):
        (tmp_path / "sales" / f"year={year}").mkdir(parents=True)
        pl.DataFrame({"x": [1.0, 2.0]}).write_parquet(tmp_path / "sales" / f"year={year}" / "0.parquet")
    frame = loaded(read(tmp_path / "sales").frame)
    assert frame["year"].to_list() == [2020, 2020, 2021, 2021]


def test_a_file_that_is_spoilt_later_is_said(tmp_path: Path, streamed: Any) -> None:
    path = tmp_path / "table.parquet"
    mixed().write_parquet(path)
    streamed(True)
    frame = read(path).frame
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match="A file must stay as it is, and whole, while it is read"):
        frame["dose"]


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_text_is_read_as_ever(tmp_path: Path, streamed: Any, separator: str) -> None:
    frame = mixed(200).drop("admitted")
    path = tmp_path / "table.csv"
    frame.with_columns(pl.lit('a "b"').alias("quoted"), pl.lit("").alias("none")).write_csv(
        path, separator=separator
    )
    found = []
    for on in (False, True):
        streamed(on)
        table = read(path)
        assert isinstance(table.frame, Scanned) == on
        found.append((loaded(table.frame), table.notes, table.sha256))
    assert found[0][0].equals(found[1][0])
    assert found[0][1:] == found[1][1:]
    held = sorted(path.parent.iterdir())
    del table
    gc.collect()
    assert held == [path] or sorted(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("text", ["a,b\n1,2\n3\n", "a;b\n1,5;2\n2,5;3\n", "a,,b\n1,,2\n", "\na,b\n1,2\n"])
def test_text_that_needs_mending_is_read_in_memory(tmp_path: Path, streamed: Any, text: str) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(text)
    streamed(False)
    expected = read(path)
    streamed(True)
    table = read(path)
    assert isinstance(table.frame, pl.DataFrame)
    assert table.frame.equals(loaded(expected.frame))
    assert table.notes == expected.notes


def test_numbers_are_narrow_where_nothing_is_lost(tmp_path: Path, streamed: Any) -> None:
    path = tmp_path / "table.parquet"
    streamed(True)
    for exact, wanted in ((True, torch.float32), (False, torch.float64)):
        frame = mixed(exact=exact)
        if not exact:  # what float32 would change comes late
            frame = frame.with_columns(pl.col("dose").round(1), pl.col("age").cast(pl.Float32))
            frame = frame.with_columns(
                pl.when(pl.int_range(ROWS) < 800).then(1.5).otherwise("dose").alias("dose")
            )
        frame.write_parquet(path)
        dataset = posed(path, target="ill", ignore=("score", "importance", "admitted")).dataset
        assert dataset.inputs["numeric"].dtype == wanted
        assert dataset.mapped


def test_how_large_a_frame_is(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pl.DataFrame({"x": pl.Series([1, 2] * 500, dtype=pl.Int8), "t": ["a" * 100] * 1000}).write_parquet(path)
    assert 108_000 <= size_of(Scanned(pl.scan_parquet(path))) <= 140_000
    assert size_of(Scanned(pl.scan_parquet(path).head(0))) == 0


def test_pieces_of_columns_give_the_same_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(500, 7, generator=draw, dtype=torch.float64)
    x[::9, 2] = torch.nan
    rows = torch.arange(0, 500, 3)
    made = []
    for at_once in (1 << 24, 200, 1):
        monkeypatch.setattr(preparation, "AT_ONCE", at_once)
        fitted = preparation.TablePreparation((False,) * 7, "median")
        fitted.fit({"numeric": x}, rows)
        made.append(torch.stack([fitted.center, fitted.scale]))
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])
    assert torch.allclose(made[0][0], x[rows].nanquantile(0.5, dim=0).float())


def test_what_is_cast_by_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    monkeypatch.setattr(arena, "AT_ONCE", 7)
    assert torch.equal(arena.cast(x, torch.float32, True), x.float())
    rows = torch.tensor([[4, 4], [0, 49]])
    places, data = brought(rows, {"x": x, "y": torch.arange(50)}, torch.float32)
    assert torch.equal(data["x"][places], x.float()[rows])
    assert torch.equal(data["y"][places], rows)
