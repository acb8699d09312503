"""Texts as numbers: round trips, what words keep and lose, special ids, the same vocabulary every time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.tokens import (
    END,
    KINDS,
    LONGEST,
    MASK,
    PADDING,
    SPECIAL,
    START,
    UNKNOWN,
    Tokenizer,
    choose,
    padded,
)
from coterie.errors import DataError, ModelError

quick = settings(max_examples=60, deadline=None)
anything = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)  # lone surrogates are no text
TEXTS = ["To be, or not to be.", "don't panic: Ünïcode 東京", "be"]


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.fit(TEXTS, request.param, 400)


# ---- there and back ------------------------------------------------------------------------------------


@quick
@given(text=anything)
def test_bytes_come_back_whole(text: str) -> None:
    cut = Tokenizer.fit(["x"], "bytes", 10)
    (ids,) = cut.encode([text], None)
    assert ids == [START, *(5 + b for b in text.encode()), END]
    assert cut.decode(ids) == text
    assert len(cut) == 261  # all bytes are known, whatever was read


@quick
@given(text=anything)
def test_characters_that_were_seen_come_back_whole(text: str) -> None:
    cut = Tokenizer.fit([text, "x"], "characters", 1000)
    (ids,) = cut.encode([text], None)
    assert len(ids) == len(text) + 2
    assert UNKNOWN not in ids
    assert cut.decode(ids) == text


BPE = Tokenizer.fit(TEXTS * 3, "bpe", 300)


@quick
@given(text=anything)
def test_byte_pairs_come_back_whole_and_nothing_is_unknown(text: str) -> None:
    (ids,) = BPE.encode([text], None)
    assert not set(ids[1:-1]) & set(range(len(SPECIAL)))
    assert BPE.decode(ids) == text


def test_byte_pairs_join_what_is_frequent() -> None:
    cut = Tokenizer.fit(["banana banana banana"] * 4, "bpe", 300)
    assert len(cut) <= 300
    (ids,) = cut.encode(["banana"], None)
    assert len(ids) == 3
    assert cut.entry(ids[1]) == "banana"


def test_names_of_special_entries_in_a_text_are_no_special_entries() -> None:
    for kind in KINDS:
        cut = Tokenizer.fit([*TEXTS, " ".join(SPECIAL)], kind, 500)
        (ids,) = cut.encode(["a [end] [mask]"], None)
        assert ids.count(END) == 1, kind
        assert MASK not in ids, kind


# ---- words ---------------------------------------------------------------------------------------------


def test_words_are_small_and_marks_stand_alone() -> None:
    cut = Tokenizer.fit(["Don't stop, can’t we?"], "words", 100)
    assert sorted(cut.vocabulary) == sorted(["don't", "stop", ",", "can’t", "we", "?"])
    (ids,) = cut.encode(["STOP, don't"], None)
    assert cut.decode(ids) == "stop , don't"


@quick
@given(text=anything)
def test_words_once_decoded_come_back_the_same(text: str) -> None:
    """Capitals, spaces and what was not seen are lost the first time, and nothing more after that."""
    cut = Tokenizer.fit([text, "x"], "words", 1000)
    (ids,) = cut.encode([text], None)
    once = cut.decode(ids)
    if UNKNOWN not in ids:
        assert once.split(" ") == [cut.entry(i) for i in ids[1:-1]] or once == ""
    assert all(i > START or i == UNKNOWN for i in ids[1:])


def test_unknown_entries_are_shown_as_such() -> None:
    for kind, text, shown in (
        ("words", "to xyzzy be", "to [unknown] be"),
        ("characters", "bQ", "b[unknown]"),
    ):
        cut = Tokenizer.fit(["to be or not to be"], kind, 100)
        (ids,) = cut.encode([text], None)
        assert ids.count(UNKNOWN) == 1
        assert cut.decode(ids) == shown


def test_the_vocabulary_holds_the_most_frequent_and_of_equals_the_first() -> None:
    cut = Tokenizer.fit(["c c b a d d"], "words", len(SPECIAL) + 3)
    assert cut.vocabulary == ("c", "d", "a")
    assert len(cut) == len(SPECIAL) + 3
    assert Tokenizer.fit(["c c b"], "words", 1).vocabulary == ("c",)  # at least one


# ---- all kinds -----------------------------------------------------------------------------------------


def test_special_ids(fitted: Tokenizer) -> None:
    assert (PADDING, UNKNOWN, START, END, MASK) == (0, 1, 2, 3, 4)
    assert [fitted.entry(i) for i in range(5)] == list(SPECIAL)
    assert fitted.entry(5) == fitted.vocabulary[0]
    (ids,) = fitted.encode(["be"], None)
    assert ids[0] == START
    assert ids[-1] == END
    assert max(ids) < len(fitted)
    assert fitted.decode([PADDING, START, MASK, *ids[1:-1], END, *ids, PADDING]) == "be"  # ends at the end


def test_texts_are_cut_with_their_end_kept(fitted: Tokenizer) -> None:
    whole, short = (fitted.encode([TEXTS[0]], n)[0] for n in (None, 4))
    assert short == [*whole[:3], END]
    assert fitted.encode([TEXTS[0]], 2) == fitted.encode([TEXTS[0]], 0) == [[START, END]]


def test_empty_texts_and_none_at_all(fitted: Tokenizer) -> None:
    assert fitted.encode(["", "be"], None)[0] == [START, END]
    assert fitted.encode([], None) == []
    assert fitted.decode([]) == fitted.decode([START, END]) == ""


def test_as_text_and_back(fitted: Tokenizer) -> None:
    again = Tokenizer.from_text(fitted.to_text())
    assert again == fitted
    assert again.encode(TEXTS, None) == fitted.encode(TEXTS, None)


def test_the_same_texts_give_the_same_vocabulary_in_any_order() -> None:
    for kind in KINDS:
        one, other = Tokenizer.fit(TEXTS, kind, 300), Tokenizer.fit(TEXTS[::-1], kind, 300)
        assert one == other == Tokenizer.fit(TEXTS, kind, 300), kind


def test_what_cannot_be_fitted_is_refused() -> None:
    with pytest.raises(DataError, match=r"one of bytes, characters, words, bpe.*'syllables'"):
        Tokenizer.fit(["a"], "syllables", 10)
    for kind in KINDS:
        with pytest.raises(DataError, match="2 texts, all empty"):
            Tokenizer.fit(["", " \n"], kind, 10)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        json.dumps({"kind": "words", "vocabulary": ["a"]}),
        json.dumps({"kind": "syllables", "vocabulary": [], "pieces": ""}),
        json.dumps({"kind": "words", "vocabulary": [1], "pieces": ""}),
        json.dumps({"kind": "bpe", "vocabulary": ["a"], "pieces": "{}"}),
    ],
)
def test_another_text_is_no_tokenizer(text: str) -> None:
    with pytest.raises(ModelError, match="as Coterie wrote it"):
        Tokenizer.from_text(text)


# ---- which kind, and rows ------------------------------------------------------------------------------


def test_words_are_chosen_unless_most_texts_have_no_space() -> None:
    assert choose(["a b", "c d", "ef"]) == ("words", LONGEST)
    assert choose(["ACGT", "GGTA", "a b"])[0] == "characters"
    assert choose(["東京", "大阪", ""])[0] == "characters"
    assert choose(["one\ntwo", "three"])[0] == "characters"  # half is not most
    assert choose([])[0] == choose(["", " "])[0] == "words"


@quick
@given(st.lists(st.lists(st.integers(1, 9), max_size=5), max_size=6))
def test_padded_rows_hold_their_lists(lists: list[list[int]]) -> None:
    rows = padded(lists)
    assert rows.dtype == np.int64
    assert rows.shape == (len(lists), max([1, *map(len, lists)]))
    for row, ids in zip(rows.tolist(), lists, strict=True):
        assert row == ids + [0] * (len(row) - len(ids))
