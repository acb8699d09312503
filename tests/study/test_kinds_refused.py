"""Every kind of input that cannot be learned from: one clear refusal; and what is decided before training."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from small_kinds import (
    AB,
    BITS,
    COUNT,
    SHORT,
    SIGNS,
    TEXTS,
    WORDS,
    Given,
    N,
    files,
    fitted,
    folder_with_bad_files,
    pixels,
    ragged,
)
from small_studies import posed

import coterie as ct
from coterie.errors import CoterieError, DataError

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

REFUSED: dict[str, tuple[Callable[[Path], Given], str]] = {
    "no image can be read": (
        folder_with_bad_files, r"Every image file must be readable.*no\.png.*--skip-bad"
    ),
    "an image that is not there": (
        lambda _: ({"file": ["/no/such/a.png"] * N, "y": AB}, "y", {}), r"a\.png"
    ),
    "no token": (lambda _: ({"t": [" ", ""] * 12, "y": AB}, "y", {"models": "bag"}), "'t': It has no value"),
    "no step": (lambda _: ({"s": [[]] * N, "y": AB}, "y", {"models": "gru"}), "'s': No row has a step"),
    "words are categories": (
        lambda _: ({"t": WORDS, "y": AB}, "y", {"models": "bag"}), "bag needs texts.*--kind NAME=text"
    ),
    "categories are no steps": (
        lambda _: ({"t": WORDS, "y": AB}, "y", {"models": "lstm"}), "categories alone"
    ),
    "a source of categories": (
        lambda _: ({"a": ["x y", "y z"] * 12, "b": SHORT}, "b", {"models": "seq2seq"}), "categories alone"
    ),
    "fewer answers than steps": (
        lambda _: ({"s": ragged(2), "y": SIGNS}, "y", {"models": "lstm"}), "1 in 'y' for 2 steps in row 0"
    ),
    "answers a step of a table": (
        lambda _: ({"x": COUNT, "y": SIGNS}, "y", {"models": "lstm"}), "Answers for every step need"
    ),
    "answers a step by a table's family": (
        lambda _: ({"s": ragged(1), "y": SIGNS}, "y", {"models": "mlp"}), "Choose rnn, lstm"
    ),
    "gpt beside columns": (
        lambda _: ({"x": WORDS, "b": SHORT}, "b", {"models": "gpt"}), "gpt learns to continue one text"
    ),
    "a text beyond the context": (
        lambda _: ({"b": TEXTS}, "b", {"models": "gpt", "fix": {"context": 3}}), "fit into the context"
    ),
    "a series shorter than the horizon": (
        lambda _: ({"v": COUNT[:5]}, "v", {"horizon": 6, "models": "linear"}), "the 6 to forecast.*5 rows"
    ),
    "a window without a horizon": (
        lambda _: ({"v": [1.0] * N}, "v", {"window": 3}), "A window belongs to a horizon"
    ),
    "an id that is never the same": (
        lambda _: ({"id": COUNT, "v": [1.0, 2] * 12, "y": AB}, "y", {"sequence": "id"}), "share its id"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_one_clear_refusal_and_no_folder(kind: str, tmp_path: Path) -> None:
    make, said = REFUSED[kind]
    with pytest.raises(CoterieError, match=said) as caught:
        fitted(make(tmp_path), tmp_path)
    error = caught.value
    assert error.rule.endswith(".")
    assert error.given is not None
    assert error.fix
    assert not re.search(r"\.\.|\s\s", str(error))
    assert not (tmp_path / "s").exists()


# ---- what is decided before training -------------------------------------------------------------------


def test_bad_images_are_skipped_and_counted(tmp_path: Path) -> None:
    folder, _, options = folder_with_bad_files(tmp_path)
    study = fitted((folder, None, {**options, "skip_bad": True}), tmp_path)
    assert len(study.problem.dataset) == N
    (note,) = [note for note in study.facts["data"]["notes"] if "cannot be read" in note]
    assert "2 of 26 image files" in note
    assert "no.png" in note
    assert study.model.predict(files(tmp_path / "new", "1.png", "2.png")).shape == (2,)
    with pytest.raises(DataError, match=r"no\.png.*--skip-bad"):
        study.model.predict(folder)
    table = study.model.predict_table(folder, skip_bad=True)
    assert table.columns[:3] == ["row", "image", "prediction"]
    assert table.height == N
    assert not table["image"].str.contains(r"no\.png").any()
    assert table["row"].to_list() == study.model.dataset(folder, skip_bad=True).rows.tolist()
    scored = study.evaluate(folder, skip_bad=True)
    assert (scored["rows"], scored["left_out"]) == (N, 2)
    assert any("2 of 26 image files cannot be read" in warning for warning in scored["warnings"])
    assert len(ct.open_study(study.folder).problem.dataset) == N  # as a resume reads it


def test_copies_across_the_split_are_told(tmp_path: Path) -> None:
    images = pixels(16, 16)
    images[5] = images[20]
    problem = posed((images, BITS), models=("cnn",))
    assert not [w for w in problem.warnings if "near cop" in w.lower()]
    told = posed({"im": images, "y": AB, "split": ["train"] * 18 + ["test"] * 6}, target="y", models=("cnn",))
    assert [w for w in told.warnings if re.search(r"cop(y|ies)|alike", w)]


@pytest.mark.parametrize(
    ("columns", "target", "families"),
    [
        ({"x": COUNT, "y": AB}, "y", "mlp and linear"),
        ({"im": pixels(6, 5), "y": AB}, "y", "cnn and resnet"),
        ({"s": ragged(), "y": AB}, "y", "lstm and tcn"),
        ({"t": TEXTS, "y": AB}, "y", "bag and bert"),
        ({"a": TEXTS, "b": TEXTS[::-1]}, "b", "seq2seq and transformer"),
        ({"b": TEXTS}, "b", "gpt is tried"),
    ],
)
def test_families_that_suit_are_named_with_the_reason(columns: dict, target: str, families: str) -> None:
    problem = posed(columns, target=target)
    (note,) = [note for note in problem.notes if "tried" in note]
    assert families in note
    assert note.startswith("Since ")
    named = posed(columns, target=target, models=(families.split()[0],))
    assert not [note for note in named.notes if "tried" in note]


def test_a_text_target_is_written_unless_a_family_learns_otherwise() -> None:
    assert posed({"x": COUNT, "b": TEXTS}, target="b").roles.target.task == "text"
    assert posed({"x": COUNT, "b": TEXTS}, target="b", models=("seq2seq",)).roles.target.task == "text"
    problem = posed({"x": COUNT, "b": ["p q", "r s"] * 12}, target="b")
    assert problem.roles.target.task == "binary"
    problem = posed({"x": COUNT, "b": BITS.tolist()}, target="b", models=("perceptron",))
    assert problem.roles.target.task == "binary"  # a neuron that fires has no values
