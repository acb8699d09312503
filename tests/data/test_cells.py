"""Columns of images, sequences and texts: what each is taken for, and its cells as tensors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from coterie.data import cells as data_cells
from coterie.data import store
from coterie.data.cells import (
    Reading,
    answers,
    encode_cells,
    holds_image_paths,
    image_column,
    joined,
    resolved,
    sequence_column,
    text_columns,
    text_target,
    with_whole_paths,
    without_bad_images,
)
from coterie.data.read import read
from coterie.data.schema import Column, Schema, Target
from coterie.data.table import Table
from coterie.data.tokens import END, START, UNKNOWN, Tokenizer
from coterie.errors import DataError

RNG = np.random.default_rng(0)


def table(**columns: object) -> Table:
    return Table(pl.DataFrame(columns), "t", "a frame", "")


def encoded(data: Table, *columns: Column, rows: list[int] | None = None) -> dict[str, torch.Tensor]:
    take = np.arange(data.frame.height) if rows is None else np.array(rows)
    return encode_cells(data, Schema.of(list(columns), None), take)


@pytest.fixture
def pictures(tmp_path):
    """Four files: one 3 × 2 in grey, one 6 × 4 in colour, one that is no image, one empty."""
    Image.fromarray(np.full((3, 2), 100, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((6, 4, 3), 50, np.uint8)).save(tmp_path / "b.PNG")
    (tmp_path / "c.png").write_text("no image")
    (tmp_path / "d.png").write_bytes(b"")
    (tmp_path / "list.csv").write_text("image,y\na.png,0\nb.PNG,1\nc.png,0\nd.png,1\n")
    return tmp_path


# ---- images --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "are"),
    [
        (["a.png", "b.JPG", "x/c.tiff", None], True),
        (["a.webp"], True),
        (["a.png"] * 24 + ["n/a"], True),  # 96 of 100
        (["a.png"] * 19 + ["n/a"], False),
        (["a.txt", "png"], False),
        ([None, None], False),
        ([], False),
    ],
)
def test_what_is_a_column_of_image_files(cells: list, are: bool) -> None:
    assert holds_image_paths(pl.Series("f", cells, dtype=pl.String)) is are


def test_arrays_are_images_of_their_shape() -> None:
    for shape, wanted in (((5, 4), (1, 5, 4)), ((3, 5, 4), (3, 5, 4))):
        cells = pl.Series("i", RNG.integers(0, 255, (6, *shape)).astype(np.uint8))
        column = image_column(cells, table(i=cells), Reading())
        assert (column.kind, column.shape, column.role) == ("image", wanted, "feature")
        made = encoded(table(i=cells), column, rows=[4, 0])["image"]
        assert made.dtype == torch.uint8
        assert np.array_equal(made.numpy(), cells.to_numpy()[[4, 0]].reshape(2, *wanted))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_other_numbers_are_float32(dtype: type) -> None:
    cells = pl.Series("i", (RNG.normal(size=(3, 2, 2)) > 0).astype(dtype))
    made = encoded(table(i=cells), image_column(cells, table(i=cells), Reading()))["image"]
    assert made.dtype == torch.float32
    assert np.array_equal(made.numpy()[:, 0], cells.to_numpy().astype(np.float32))


def test_tensors_are_copies() -> None:
    data = table(i=pl.Series(np.zeros((2, 3, 3), np.uint8)))
    made = encoded(data, Column("i", "image", "feature", shape=(1, 3, 3)))["image"]
    made += 1
    assert not data.frame["i"].to_numpy().any()


def test_arrays_that_do_not_fit_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    given = RNG.integers(0, 255, (7, 2, 3, 4))
    for cells in (pl.Series("i", given.astype(np.uint8)), pl.Series("i", given.astype(np.float64))):
        column = image_column(cells, table(i=cells), Reading())
        rows = [6, 0, 3, 3, 1]
        resident = encoded(table(i=cells), column, rows=rows)["image"]
        with monkeypatch.context() as tight:
            tight.setattr(store, "budget", lambda: 0)
            tight.setattr(data_cells, "AT_ONCE", 2 * 24)
            mapped = encoded(table(i=cells), column, rows=rows)["image"]
        assert mapped.dtype == resident.dtype
        assert torch.equal(mapped, resident)
        assert np.array_equal(mapped.numpy(), given[rows])


def test_images_of_another_shape_or_none_are_refused() -> None:
    column = Column("i", "image", "feature", shape=(1, 3, 3))
    with pytest.raises(DataError, match=r"shape 1 × 3 × 3.*Given: 1 × 3 × 4"):
        encoded(table(i=pl.Series(np.zeros((2, 3, 4)))), column)
    missing = pl.Series("i", [np.zeros((3, 3)).tolist(), None], dtype=pl.Array(pl.Float64, (3, 3)))
    with pytest.raises(DataError, match="1 missing ones"):
        encoded(table(i=missing), column)


def test_files_beside_their_table(pictures) -> None:
    data = read(pictures / "list.csv")
    some = pl.Series("image", ["a.png", "b.PNG"])
    assert resolved(some, data) == [pictures / "a.png", pictures / "b.PNG"]
    assert resolved(pl.Series([str(pictures / "a.png")]), table())[0] == pictures / "a.png"
    column = image_column(some, data, Reading(image_size=4))
    assert column.shape == (3, 4, 4)
    assert column.coding == "resize"
    assert column.note == "Every image is stretched to 4 × 4."
    made = encoded(data, column, rows=[1, 0])["image"]
    assert made.shape == (2, 3, 4, 4)
    assert made[0].unique().tolist() == [50]
    assert made[1].unique().tolist() == [100]


def test_images_of_one_size_need_no_note(pictures) -> None:
    column = image_column(pl.Series(["a.png", "a.png"]), read(pictures / "list.csv"), Reading())
    assert (column.shape, column.note) == ((1, 3, 2), "")


@pytest.mark.parametrize(("how", "said"), [("crop", "scaled and cropped"), ("pad", "scaled and padded")])
def test_how_images_are_fitted_is_kept(pictures, how: str, said: str) -> None:
    data = read(pictures / "list.csv")
    column = image_column(data.frame["image"][:2], data, Reading(image_size=4, fit_image=how))
    assert column.coding == how
    assert said in column.note
    assert encoded(data, column, rows=[0])["image"].shape == (1, 3, 4, 4)


def test_bad_images_are_left_out_and_named(pictures) -> None:
    kept = without_bad_images(read(pictures / "list.csv"))
    assert kept.frame["image"].to_list() == ["a.png", "b.PNG"]
    (note,) = [n for n in kept.notes if "cannot be read" in n]
    assert "2 of 4 image files" in note
    assert "c.png" in note
    assert "d.png" in note
    again = without_bad_images(kept)
    assert again.frame.equals(kept.frame)
    assert again.notes == kept.notes


def test_whole_paths_join_tables_of_two_folders(pictures) -> None:
    whole = with_whole_paths(read(pictures / "list.csv"))
    assert whole.frame["image"][0] == str((pictures / "a.png").resolve())
    assert whole.frame["y"].equals(read(pictures / "list.csv").frame["y"])


# ---- sequences -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "shape"),
    [
        (pl.Series("s", [[1.0, 2.0, 3.0], []]), (3, 1)),
        (pl.Series("s", [[True], [False]]), (1, 1)),
        (pl.Series("s", [[[1, 2]], [[3, 4], [5, 6]]]), (2, 2)),
        (pl.Series("s", np.zeros((2, 7))), (7, 1)),
        (pl.Series("s", np.zeros((2, 7, 3))), (7, 3)),
        (pl.Series("s", np.zeros((2, 7, 3, 2))), None),
        (pl.Series("s", [["a"], ["b"]]), None),
        (pl.Series("s", [[[1, 2]], [[3]]]), None),
        (pl.Series("s", [[], []], dtype=pl.List(pl.Float64)), None),
        (pl.Series("s", [None], dtype=pl.List(pl.Float64)), None),
        (pl.Series("s", [1.0]), None),
    ],
)
def test_what_is_a_sequence(cells: pl.Series, shape: tuple[int, int] | None) -> None:
    column = sequence_column(cells)
    assert (column and column.shape) == shape


def test_sequences_are_cut_and_padded_to_the_schemas_length() -> None:
    column = Column("s", "sequence", "feature", shape=(3, 1))
    made = encoded(table(s=[[1.0, 2.0, 3.0, 4.0], [None, 5.0], []]), column)
    assert made["length"].tolist() == [3, 2, 0]
    np.testing.assert_array_equal(made["sequence"][..., 0], [[1, 2, 3], [np.nan, 5, 0], [0, 0, 0]])
    assert encoded(table(s=[[1.0]]), column)["sequence"].shape == (1, 3, 1)


def test_two_columns_are_two_variables() -> None:
    columns = [Column(n, "sequence", "feature", shape=(2, 1)) for n in "ab"]
    made = encoded(table(a=[[1.0, 2.0]], b=[[3.0, 4.0]]), *columns)
    assert made["sequence"].tolist() == [[[1, 3], [2, 4]]]


def test_sequences_of_other_variables_are_refused() -> None:
    column = Column("s", "sequence", "feature", shape=(3, 2))
    with pytest.raises(DataError, match=r"variables that the model was trained on.*3 a step, not 2, in s"):
        encoded(table(s=[[[1, 2, 3]]]), column)


@pytest.mark.parametrize("dtype", [pl.List(pl.List(pl.Float64)), pl.List(pl.Float64), pl.List(pl.Null)])
def test_rows_without_a_step_are_of_any_width(dtype: pl.DataType) -> None:
    column = Column("s", "sequence", "feature", shape=(3, 2))
    made = encoded(table(s=pl.Series([[], []], dtype=dtype)), column)
    assert made["sequence"].shape == (2, 3, 2)
    assert not made["sequence"].any()
    assert made["length"].tolist() == [0, 0]


# ---- texts ---------------------------------------------------------------------------------------------


def test_a_text_column_and_its_tokens() -> None:
    data = table(t=["to be or not to be", "To sleep", ""])
    (column,) = text_columns([data.frame["t"]], Reading())
    cut = Tokenizer.from_text(column.coding)
    assert cut.kind == "words"
    assert column.shape == (8, len(cut))
    assert "into words: 10 entries, at most 8 a text." in column.note
    made = encoded(data, column, rows=[1, 2])["tokens"]
    assert made.shape == (2, 8)
    assert made.dtype == torch.int64
    assert cut.decode(made[0].tolist()) == "to sleep"
    assert made[1].tolist() == [START, END, 0, 0, 0, 0, 0, 0]


def test_later_texts_are_cut_at_the_length_that_was_learned() -> None:
    (column,) = text_columns([pl.Series("t", ["a b", "b a"])], Reading())
    made = encoded(table(t=["a b a b a b", None, "b z"]), column)["tokens"]
    cut = Tokenizer.from_text(column.coding)
    assert [cut.decode(row) for row in made.tolist()] == ["a b", "", "b [unknown]"]
    assert made[2, 2] == UNKNOWN


def test_several_texts_are_read_as_one() -> None:
    frame = pl.DataFrame({"t": ["red", "blue", None], "u": ["fox", None, None]})
    assert joined([frame["t"], frame["u"]]) == ["red\nfox", "blue", ""]
    assert joined([frame["u"]]) == ["fox", "", ""]
    first, second = text_columns([frame["t"], frame["u"]], Reading(tokenizer="words"))
    assert second.coding == ""
    assert second.note == "Read as one text with 't'."
    cut = Tokenizer.from_text(first.coding)
    made = encoded(table(**{n: frame[n] for n in "tu"}), first, second)["tokens"]
    assert [cut.decode(row) for row in made.tolist()] == ["red fox", "blue", ""]


def test_lists_of_words_are_sentences() -> None:
    assert joined([pl.Series("t", [["a", "b"], []])]) == ["a b", ""]
    assert joined([pl.Series("t", [[1, 2], None])]) == ["1 2", ""]


def test_what_is_asked_of_texts_is_done() -> None:
    cells = pl.Series("t", ["a b c d e", "a b", "a"])
    (column,) = text_columns([cells], Reading(vocabulary=7, longest=4))
    assert column.shape == (4, 7)
    assert "1 longer texts are cut there." in column.note
    (column,) = text_columns([cells], Reading(tokenizer="bytes"))
    assert column.shape == (11, 261)
    assert Tokenizer.from_text(column.coding).kind == "bytes"
    given = Tokenizer.fit(["x y"], "words", 10).to_text()
    (column,) = text_columns([cells], Reading(tokenizer="bytes", given=given))
    assert column.coding == given
    assert "as the earlier model does" in column.note


def test_texts_without_anything_in_them_are_refused() -> None:
    with pytest.raises(DataError, match="2 texts, all empty"):
        text_columns([pl.Series("t", ["", " "])], Reading())


def test_a_text_to_be_written() -> None:
    cells = pl.Series("t", ["one two", "two", None])
    given = Tokenizer.fit(["x"], "words", 10).to_text()
    target = text_target(
        Target(("t",), "text", each_step=True), cells, Reading(tokenizer="words", given=given)
    )
    cut = Tokenizer.from_text(target.coding)
    assert cut.vocabulary == ("two", "one")  # its own: what was given is for what is read
    assert target.shape == (4, 7)
    rows = answers(pl.Series("t", ["two", "one one one one"]), target)
    assert rows.tolist() == [[START, 5, END, 0], [START, 6, 6, END]]
    assert text_target(target, cells, Reading(given_target=given)).coding == given
