"""Rows after the fit: bad files are left out, what is cut off is said, and rows keep their names."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from coterie.data.later import encode_later
from coterie.data.schema import Column, Schema, Target
from coterie.data.table import Table
from coterie.data.tokens import Tokenizer
from coterie.errors import DataError

PICTURE = Schema.of([Column("file", "image", "feature", shape=(1, 4, 4), coding="resize")], None)
WORDS = Tokenizer.fit(["a b c d"], "words", 20).to_text()
TEXT = Schema.of([Column("t", "text", "feature", shape=(5, 9), coding=WORDS)], None)
STEPS = Schema.of([Column("s", "sequence", "feature", shape=(3, 1))], None)


def table(path: Path | None = None, **columns: object) -> Table:
    return Table(pl.DataFrame(columns), "t", "t", "", path=None if path is None else str(path))


def pictures(folder: Path, bad: tuple[int, ...], rows: int = 5) -> Table:
    for i in range(rows):
        Image.new("L", (4, 4), 9 * i).save(folder / f"{i}.png")
        if i in bad:
            (folder / f"{i}.png").write_bytes(b"no image")
    return table(folder, file=[f"{i}.png" for i in range(rows)], site=["a"] * rows)


def test_bad_files_are_left_out_and_the_rest_keep_their_names(tmp_path: Path) -> None:
    made = encode_later(pictures(tmp_path, bad=(1, 3)), PICTURE, skip_bad=True)
    assert made.rows.tolist() == [0, 2, 4]
    assert made.inputs["image"][:, 0, 0, 0].tolist() == [0, 18, 36]
    assert made.names is not None
    assert made.names.rows() == [(0, "0.png"), (2, "2.png"), (4, "4.png")]
    (note,) = made.notes
    assert note == "2 of 5 image files cannot be read and are left out: '1.png', '3.png'."


def test_of_some_rows_only_theirs_are_looked_at(tmp_path: Path) -> None:
    made = encode_later(pictures(tmp_path, bad=(1, 3)), PICTURE, np.array([3, 4, 0]), skip_bad=True)
    assert made.rows.tolist() == [4, 0]
    assert made.notes == ("1 of 3 image files cannot be read and are left out: '3.png'.",)


def test_bad_files_are_refused_unless_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--skip-bad"):
        encode_later(pictures(tmp_path, bad=(1,)), PICTURE)
    with pytest.raises(DataError, match=r"At least one.*2 files, none.*: '0.png', '1.png'"):
        encode_later(pictures(tmp_path, bad=(0, 1), rows=2), PICTURE, skip_bad=True)


def test_good_files_are_named_and_nothing_is_noted(tmp_path: Path) -> None:
    whole = pictures(tmp_path, bad=())
    for skip_bad, columns in ((False, ["file"]), (True, ["row", "file"])):
        made = encode_later(whole, PICTURE, skip_bad=skip_bad)
        assert made.notes == ()
        assert made.names is not None
        assert made.names.columns == columns


@pytest.mark.parametrize(("texts", "said"), [
    (["a", "b c", "a b c"], None),
    (["a", " ", ""], "2 texts are empty: nothing is read there."),
    (["a b c d", "a", "a b c"], "1 text has more tokens than the 5 that the model reads, and the rest is cut "
     "off; the longest has 6. To have all of it read, fit with texts as long and --longest 6."),
    (["a b c d d", "a b c d"], "2 texts have more tokens than the 5"),
])  # fmt: skip
def test_longer_texts_are_told(texts: list[str], said: str | None) -> None:
    made = encode_later(table(t=texts), TEXT)
    assert made.names is None
    assert bool(made.notes) == (said is not None)
    assert said is None or made.notes[0].startswith(said)


@pytest.mark.parametrize(("steps", "said"), [
    ([[1.0], [1.0, 2, 3]], None),
    ([[], [1.0]], "1 sequence is empty: nothing is read there."),
    ([[1.0], None, []], "2 sequences are empty: nothing is read there."),
    ([[1.0] * 4, [2.0], [1.0] * 9], "2 sequences have more steps than the 3 that the model reads, and the "
     "rest is cut off; the longest has 9. To have all of it read, fit with sequences as long."),
])  # fmt: skip
def test_longer_sequences_are_told(steps: list[list[float] | None], said: str | None) -> None:
    made = encode_later(table(s=steps), STEPS)
    assert made.inputs["sequence"].shape[1] == 3
    assert list(made.notes) == ([] if said is None else [said])


def test_longer_answers_are_told() -> None:
    target = Target(("t",), "text", coding=WORDS, shape=(4, 9))
    schema = Schema.of([Column("x", "numeric", "feature")], target)
    data = table(x=[1.0, 2.0], t=["a b", "a b c"])
    (note,) = encode_later(data, schema).notes
    assert note.startswith("1 text has more tokens than the 4")
    assert encode_later(data, schema, with_target=False).notes == ()
