"""A table that stays in its file gives what the same table gives in memory, to the bit."""

import datetime
import gc
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_studies import begun, posed, remains, stop_after, tiny

import coterie as ct
from coterie import randomness
from coterie.data import classes as classes_of
from coterie.data import large_text, parts, scanned, values
from coterie.data.numbers import different
from coterie.data.read import read
from coterie.data.scanned import Scanned, loaded, size_of
from coterie.data.splits import split
from coterie.data.values import raw_numbers, says_missing, words
from coterie.errors import DataError
from coterie.metrics import probability
from coterie.models import preparation
from coterie.study.later import score_table
from coterie.training import arena, order
from coterie.training.events import EpochEnd
from coterie.training.streaming import brought

pytestmark = pytest.mark.usefixtures("without_pages")

ROWS = 420


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
        monkeypatch.setattr(scanned, "LEAST", 97)

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
    ("exact", "target", "options"),
    [
        (True, "ill", {"ignore": ["score"], "models": ["mlp"]}),
        (False, "ill", {"ignore": ["score"], "models": ["mlp"], "group": "clinic", "weight": "importance"}),
        (True, "score", {"ignore": ["ill", "code"], "models": ["mlp", "polynomial"], "time": "admitted"}),
        (False, "score", {"ignore": ["ill"], "models": ["linear"], "folds": 0, "candidates": 1, "fix": {}}),
    ],
)
def test_a_study_is_the_same_to_the_bit(
    tmp_path: Path, streamed: Any, exact: bool, target: str, options: dict[str, Any]
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
    frame[:300].write_parquet(path, row_group_size=128)
    frame[300:].with_columns(pl.col("dose").cast(pl.Float32)).write_parquet(held)
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
    for i, begin in enumerate(range(0, ROWS, 110)):
        frame[begin : begin + 110].write_parquet(folder / f"part-{i}.parquet")
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
                pl.when(pl.int_range(ROWS) < 370).then(1.5).otherwise("dose").alias("dose")
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


# ---- what very many rows go through in another way -------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_large_order_is_the_usual_one(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(randomness, "PIECE", 10)
    keys = randomness.fold(torch.full((4, 1), 7), torch.arange(4)[:, None])
    counts = torch.tensor([[size], [size // 2], [1], [size]])
    usual = randomness.permutation(keys, counts, size)
    assert torch.equal(randomness.large_permutation(keys, counts, size), usual)
    expected = order.shuffled(keys[:, 0], 3, counts[:, 0], size)
    monkeypatch.setattr(order, "LARGE", 1)
    assert torch.equal(order.shuffled(keys[:, 0], 3, counts[:, 0], size), expected)


@pytest.mark.parametrize("classes", [2, 5])
def test_gaps_of_many_rows_are_added_up_alike(monkeypatch: pytest.MonkeyPatch, classes: int) -> None:
    draw = torch.Generator().manual_seed(0)
    output = torch.rand(300, classes, generator=draw).double().softmax(-1)
    target = torch.randint(0, classes, (300,), generator=draw)
    weight = torch.randint(0, 3, (4, 300), generator=draw).double()
    expected = probability.calibration_error(output, target, weight)
    monkeypatch.setattr(probability, "MANY", 10)
    assert torch.allclose(probability.calibration_error(output, target, weight), expected, atol=1e-14)


@pytest.mark.parametrize(
    "cells", [["a ", None, "b", "NA", "a"], [3, None, 7], ["1", "2.0", None, "01", " 3", "x", "\u22124"]]
)
@pytest.mark.parametrize("dtype", ["str", "int"])
def test_labels_of_many_rows_are_spelled_alike(
    monkeypatch: pytest.MonkeyPatch, cells: list[Any], dtype: str
) -> None:
    series = pl.Series("y", cells * 300)
    expected = classes_of.class_text(series, dtype)
    missing, numbers = says_missing(words(series)), raw_numbers(series)
    monkeypatch.setattr(classes_of, "MANY", 100)
    monkeypatch.setattr(values, "SLICE", 7)
    assert classes_of.class_text(series, dtype).equals(expected, check_names=True, null_equal=True)
    assert says_missing(words(series)).equals(missing, check_names=True)
    assert raw_numbers(series).equals(numbers, check_names=True, null_equal=True)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5).map(lambda v: round(v, 1)), min_size=1))
def test_different_values_and_how_often(numbers: list[float]) -> None:
    distinct, counts = different(np.array(numbers))
    expected = np.unique(numbers, return_counts=True)
    assert np.array_equal(distinct, expected[0])
    assert np.array_equal(counts, expected[1])


@settings(deadline=None)
@given(st.lists(st.integers(0, 6), min_size=4), st.integers(0, 99))
def test_classes_are_dealt_alike_whatever_their_numbers(strata: list[int], seed: int) -> None:
    plain = np.array(strata)
    both = [
        split(len(strata), strata=numbers, test_size=1, folds=0, seed=seed)
        for numbers in (plain, plain * 100_000)  # which are too large to be counted
        if len(set(strata)) < len(strata)
    ]
    assert not both or np.array_equal(both[0].test, both[1].test)
