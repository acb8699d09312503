"""Plain text: told from a table, cut into passages, and learned as a text to be gone on from."""

from __future__ import annotations

from pathlib import Path

import pytest

import coterie as ct
from coterie.data.passages import PASSAGE, passages
from coterie.data.read import read
from coterie.data.table import Table
from coterie.data.tokens import Tokenizer
from coterie.errors import DataError
from coterie.study.problem import Problem, pose
from coterie.study.question import Question

WALK = "Once there was a fox, who lived by a river; and every day, said the owl, she walked to the hill.\n"
BOOK = "\n\n".join(f"CHAPTER {i}\n\n" + WALK * (i % 7 + 1) for i in range(40))


def put(folder: Path, text: str, name: str = "book.txt") -> Table:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read(path)


def posed(folder: Path, text: str, **asked: object) -> Problem:
    table = put(folder, text)
    return pose(Question(table.source, **asked), table)  # type: ignore[arg-type]


def test_a_book_becomes_passages_that_hold_all_of_it(tmp_path: Path) -> None:
    table = put(tmp_path, BOOK)
    texts = table.frame["text"].to_list()
    assert table.frame.columns == ["text"]
    assert table.target == ("text",)
    assert "".join("".join(texts).split()) == "".join(BOOK.split())
    assert all(PASSAGE // 4 < len(text) <= PASSAGE for text in texts[:-1])
    assert all(text[-1] in ".0123456789" for text in texts)  # between paragraphs or behind sentences
    assert f"{len(texts)} passages" in table.notes[-1]


@pytest.mark.parametrize("name", ["names.txt", "names.text"])
def test_without_blank_lines_each_line_is_a_text(tmp_path: Path, name: str) -> None:
    names = [f"name{'abcdefgh'[i % 8]}{'xyz'[i % 3]} of the {i}" for i in range(30)]
    table = put(tmp_path, "\n".join(names) + "\n", name)
    assert table.frame["text"].to_list() == names
    assert "one a line" in table.notes[-1]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a\tb\n1\t2\n3\t4\n", ["a", "b"]),
        ("name,size\nfox,1\nowl,2\n", ["name", "size"]),
        ("name, note\nfox, red\nowl, grey\n", None),
        ("1\n2\n3\n", ["x0"]),
        ("name;said\n" + "fox;I am the fox, and red\n" * 9, ["name", "said"]),
    ],
)
def test_a_table_that_ends_in_txt_is_a_table(tmp_path: Path, text: str, columns: list[str] | None) -> None:
    frame = put(tmp_path, text).frame
    assert frame.columns == (columns or ["name", "note"])


def test_a_table_below_a_title_is_refused_as_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must not have more fields"):
        put(tmp_path, "What we measured\n" + "1,2,3\n" * 30)


def test_a_text_that_ends_in_csv_is_no_plain_text(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        put(tmp_path, BOOK, "book.csv")


def test_too_short_a_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"needs some length.*book\.txt, which is 191 characters"):
        put(tmp_path, WALK + "\n\n" + "End." * 23 + "\n")


def test_passages_are_cut_behind_words_where_there_is_nothing_else() -> None:
    for word in ("word ", "x"):
        found = list(passages(word * 400))
        assert "".join("".join(found).split()) == (word * 400).replace(" ", "")
        assert all(len(part) <= PASSAGE and part.strip() == part for part in found)
        assert len(found) == -(-400 * len(word) // PASSAGE)


def test_it_is_to_be_written_with_its_capitals_and_line_ends(tmp_path: Path) -> None:
    problem = posed(tmp_path, BOOK)
    target = problem.schema.target
    assert target is not None
    assert target.task == "text"
    cut = Tokenizer.from_text(target.coding)
    assert cut.kind == "bpe"
    assert cut.decode(cut.encode([BOOK[:90]], None)[0]) == BOOK[:90]
    assert len(problem.folds) == 1  # one member alone is kept


def test_a_family_that_fills_gaps_reads_it_without_a_target(tmp_path: Path) -> None:
    for asked in ({}, {"target": ("text",)}):  # a study notes the table's own target
        problem = posed(tmp_path, BOOK, models=("bert",), folds=1, **asked)
        assert problem.dataset.task == "unsupervised"
        assert [c.kind for c in problem.schema.features] == ["text"]


def test_a_text_is_learned_and_gone_on_from(tmp_path: Path) -> None:
    put(tmp_path, BOOK)
    small = {"width": 8, "heads": 2, "depth": 1}
    study = ct.fit(
        tmp_path / "book.txt", models="gpt", candidates=1, epochs=2, fix=small, out=tmp_path / "run"
    )
    assert study.model.generate("Once", length=300).startswith("Once")
    assert {baseline["name"] for baseline in study.facts["baselines"]} == {"dummy", "bigram"}
