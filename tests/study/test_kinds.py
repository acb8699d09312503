"""Every kind of input, from what a person gives to predictions: the smallest data, one candidate, one epoch.

Baselines and pages have tests of their own; whole studies of four kinds are in test_whole_course.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small_kinds import (
    AB,
    ATTENTION,
    BITS,
    COUNT,
    NORMAL,
    RNG,
    SEQ2SEQ,
    SHORT,
    SIGNS,
    SMALL,
    TEXTS,
    WORDS,
    Given,
    N,
    files,
    fitted,
    folder_of_classes,
    long,
    pixels,
    ragged,
    same,
)

import coterie as ct
from coterie.errors import CoterieError

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")


def table_of_paths(path: Path) -> Given:
    files(path, *(f"{i}.png" for i in range(N)))
    pl.DataFrame({"file": [f"{i}.png" for i in range(N)], "y": AB}).write_csv(path / "t.csv")
    return path / "t.csv", "y", {"models": "cnn"}


def whole_paths(path: Path) -> Given:
    files(path, *(f"{i}.png" for i in range(N)))
    return {"file": [str(path / f"{i}.png") for i in range(N)], "y": AB}, "y", {"models": "cnn"}


def npz(path: Path) -> Given:
    np.savez(path / "a.npz", x=pixels(6, 5), y=BITS)
    return path / "a.npz", None, {"models": "cnn"}


CLASSES: dict[str, Callable[[Path], Given]] = {
    "images (N, H, W)": lambda _: ((pixels(6, 5), BITS), None, {"models": "cnn"}),
    "images (N, C, H, W)": lambda _: ((pixels(3, 6, 5), BITS), None, {"models": "lenet"}),
    "images (N, H, W, C)": lambda _: ((pixels(6, 5, 3), BITS), None, {"models": "cnn"}),
    "images of one pixel": lambda _: ((pixels(1, 1), BITS), None, {"models": "cnn"}),
    "images of one pixel, residual": lambda _: ((pixels(1, 1), BITS), None, {"models": "resnet"}),
    "a dict of images": lambda _: (
        {"im": RNG.normal(size=(N, 1, 6, 5)), "y": AB}, "y", {"models": "vit", "fix": SMALL}
    ),
    "images beside columns": lambda _: (
        {"im": pixels(6, 5), "age": NORMAL, "sex": ["f", "m", "f"] * 8, "y": AB}, "y", {"models": "cnn"}
    ),
    "paths": whole_paths,
    "a table of paths": table_of_paths,
    "a folder of classes, one empty": folder_of_classes,
    "an .npz": npz,
    "sequences of 0 to 3 steps": lambda _: ({"s": ragged(), "y": AB}, "y", {"models": "gru"}),
    "sequences of 1 step": lambda _: ({"s": [[float(b)] for b in BITS], "y": AB}, "y", {"models": "rnn"}),
    "sequences of 0 steps, convolved": lambda _: ({"s": ragged(), "y": AB}, "y", {"models": "cnn1d"}),
    "sequences (N, T, F)": lambda _: ((RNG.normal(size=(N, 7, 9)), BITS), None, {"models": "tcn"}),
    "sequences as a vector": lambda _: ((RNG.normal(size=(N, 7, 9)), BITS), None, {"models": "linear"}),
    "long format": lambda _: (
        long(y=np.repeat(AB, 3).tolist()), "y", {"sequence": "id", "time": "t", "models": "gru"}
    ),
    "texts": lambda _: ({"t": TEXTS, "y": AB}, "y", {"models": "bag"}),
    "texts, some empty": lambda _: (
        {"t": ["" if i % 5 == 0 else t for i, t in enumerate(TEXTS)], "y": AB}, "y", {"models": "bag"}
    ),
    "texts as bytes": lambda _: (
        {"t": TEXTS, "y": AB}, "y", {"models": "bag", "tokenizer": "bytes", "longest": 12}
    ),
    "texts said to be": lambda _: (
        {"t": WORDS, "y": AB}, "y", {"models": "bag", "kinds": {"t": "text"}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
def test_one_class_a_row(kind: str, tmp_path: Path) -> None:
    given = CLASSES[kind](tmp_path)
    study = fitted(given, tmp_path)
    assert study.finished
    data = given[0]
    said, table = study.model.predict(data), study.model.predict_table(data)
    assert said.shape == (N,)
    assert set(said.tolist()) <= {"a", "b", 0, 1}
    assert table["prediction"].to_list() == said.tolist()
    assert study.model.predict_proba(data).shape == (N, 2)
    assert same(ct.load(study.folder).predict_proba(data), study.model.predict_proba(data))
    assert study.model.encode(data).shape[0] == N


VALUES: dict[str, tuple[Callable[[Path], Given], tuple[int, ...]]] = {
    "images to values": (
        lambda _: ({"im": pixels(6, 5), "v": NORMAL}, "v", {"models": "cnn"}), (N,)
    ),
    "images to labels": (
        lambda _: ({"im": pixels(6, 5), "p": BITS.tolist(), "q": (BITS ^ (np.arange(N) > 9)).tolist()},
                   ["p", "q"], {"models": "cnn"}), (N, 2)
    ),
    "sequences to values": (
        lambda _: ((RNG.normal(size=(N, 7, 2)), RNG.normal(size=N)), None, {"models": "cnn1d"}), (N,)
    ),
    "sequences to two values": (
        lambda _: ((RNG.normal(size=(N, 7, 2)), RNG.normal(size=(N, 2))), None, {"models": "gru"}), (N, 2)
    ),
    "texts to values": (lambda _: ({"t": TEXTS, "v": NORMAL}, "v", {"models": "bag"}), (N,)),
}  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
def test_values_and_labels(kind: str, tmp_path: Path) -> None:
    make, shape = VALUES[kind]
    given = make(tmp_path)
    study = fitted(given, tmp_path)
    said = study.model.predict(given[0])
    assert said.shape == shape
    assert np.isfinite(said).all()
    assert same(ct.load(study.folder).predict(given[0]), said)


# ---- an answer a step ----------------------------------------------------------------------------------

STEPS: dict[str, tuple[Callable[[], Given], list[int]]] = {
    "classes": (lambda: ({"s": ragged(1), "y": SIGNS}, "y", {"models": "lstm"}), [1, 2, 3, 4]),
    "classes, some missing": (
        lambda: ({"s": ragged(1), "y": [[None, *row[1:]] for row in SIGNS]}, "y", {"models": "gru"}),
        [1, 2, 3, 4],
    ),
    "values": (
        lambda: ({"s": ragged(1), "y": [[v * 2 for v in row] for row in ragged(1)]}, "y", {"models": "tcn"}),
        [1, 2, 3, 4],
    ),
    "rows without a step": (
        lambda: ({"s": ragged(), "y": [["u" if v > 0 else "d" for v in row] for row in ragged()]}, "y",
                 {"models": "rnn"}), [0, 1, 2, 3],
    ),
    "long format": (
        lambda: (long(y=["u" if v > 0 else "d" for v in long()["v"]]), "y",
                 {"sequence": "id", "time": "t", "models": "gru"}), [3],
    ),
    "the longest rows in the test set": (
        lambda: ({"s": sorted(ragged(1), key=len), "y": [["u" if v > 0 else "d" for v in row]
                                                         for row in sorted(ragged(1), key=len)],
                  "split": ["train"] * 18 + ["test"] * 6}, "y", {"models": "lstm"}), [1, 2, 3, 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", STEPS)
def test_an_answer_for_every_step(kind: str, tmp_path: Path) -> None:
    """As many answers as a row has steps; longer rows than any that was learned from are cut."""
    make, lengths = STEPS[kind]
    given = make()
    study = fitted(given, tmp_path)
    table = study.model.predict_table(given[0])
    assert table.height == N
    wanted = lengths * (N // len(lengths))
    if kind.startswith("the longest"):
        wanted = sorted(wanted)
    assert all(table[name].list.len().to_list() == wanted for name in table.columns)
    said = study.model.predict(given[0])
    assert said.shape == (N, max(wanted))
    assert [
        row[: len(cell)].tolist() for row, cell in zip(said, table["prediction"].to_list(), strict=True)
    ] == (table["prediction"].to_list())
    assert same(ct.load(study.folder).predict(given[0]), said)


# ---- texts that are written ----------------------------------------------------------------------------

WRITTEN: dict[str, Callable[[], Given]] = {
    "text to text": lambda: ({"a": TEXTS, "b": TEXTS[::-1]}, "b", ATTENTION),
    "short text to text": lambda: ({"a": SHORT, "b": SHORT[::-1]}, "b", SEQ2SEQ),
    "row to text": lambda: ({"x": NORMAL, "b": SHORT}, "b", SEQ2SEQ),
    "image to text": lambda: ({"im": pixels(5, 4), "b": SHORT}, "b", SEQ2SEQ),
    "sequence to text": lambda: ({"s": ragged(), "b": SHORT}, "b", ATTENTION),
    "a text alone": lambda: ({"b": SHORT}, "b", {"models": "gpt", "fix": SMALL}),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_text_for_every_row(kind: str, tmp_path: Path) -> None:
    given = WRITTEN[kind]()
    study = fitted(given, tmp_path)
    model = study.model
    assert model.task == "text"
    said = model.predict(given[0])
    assert said.shape == (N,)
    assert all(isinstance(text, str) for text in said)
    assert model.predict_table(given[0])["prediction"].to_list() == said.tolist()
    again = ct.load(study.folder)
    assert again.predict(given[0]).tolist() == said.tolist()
    assert same(again.output(given[0]).numpy(), model.output(given[0]).numpy())  # of the true tokens
    shares = model.output(given[0])
    assert ((shares >= 0) & (shares <= 1)).all()
    with pytest.raises(CoterieError, match="Probabilities are for classes"):
        model.predict_proba(given[0])
    if kind.endswith("to text"):
        looked = model.attention(given[0])
        assert looked.shape[0] == N
        assert (looked >= 0).all()
        assert looked.sum(-1).max() == pytest.approx(1, abs=1e-5)


def test_what_goes_on_from_a_beginning(tmp_path: Path) -> None:
    data, target, options = WRITTEN["a text alone"]()
    model = fitted((data, target, {**options, "tokenizer": "words"}), tmp_path).model
    (text,) = model.write(begin="fox 1", longest=9, temperature=1.0, seed=3)
    assert text.startswith("fox 1")
    assert 6 <= len(text.split()) <= 8  # nine tokens, the start among them, no end; a mask is not shown
    assert model.write(begin="fox 1", longest=9, temperature=1.0, seed=3) == [text]
    others = {model.write(longest=9, temperature=1.0, seed=seed)[0] for seed in range(5)}
    assert len(others) > 1
    assert len(model.write({"b": ["", ""]})) == len(model.write(model.dataset({"b": ["", ""]}))) == 2
    assert model.write() == model.write(temperature=0.0, seed=9)


def test_only_writers_write(tmp_path: Path) -> None:
    model = fitted(({"x": COUNT, "y": AB}, "y", {"models": "linear"}), tmp_path).model
    with pytest.raises(CoterieError, match=r"learned to write.*the family linear"):
        model.write()
    assert model.encode({"x": [1.0, 2.0]}, member=1).shape == (2, 1)


# ---- forecasts -----------------------------------------------------------------------------------------


def test_a_forecast_of_one_series(tmp_path: Path) -> None:
    series = {"v": np.sin(np.arange(60)).round(4).tolist()}
    given = (series, "v", {"horizon": 2, "window": 5, "models": "linear"})
    study = fitted(given, tmp_path)
    assert study.problem.split.kind == "forward in time"
    said = study.model.predict(series)
    assert said.shape == (1, 2)
    np.testing.assert_allclose(said[0], np.sin([60, 61]), atol=0.05)  # a sine is linear in its past
    assert same(ct.load(study.folder).predict(series), said)
    assert len(study.model.predict({"v": series["v"][:7]})) == 1
    with pytest.raises(CoterieError):
        study.model.predict({"v": [1.0, 2.0]})


def test_a_forecast_of_each_of_several_series(tmp_path: Path) -> None:
    v = np.sin(np.arange(70)).round(4).tolist()
    series = {"who": ["a"] * 40 + ["b"] * 30, "v": v}
    given = (series, "v", {"horizon": 1, "window": 4, "group": "who", "models": "gru"})
    assert fitted(given, tmp_path).model.predict(series).shape == (2,)
