"""Every kind of input, from what a person gives to predictions: a finished study, or one clear refusal.

The smallest data, one candidate, one epoch. Studies go without baselines and pages, which have tests of
their own, but for one study of each kind of network.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from small_studies import posed, remains

import coterie as ct
from coterie.errors import CoterieError, DataError
from coterie.study import baselines
from coterie.study import study as course
from coterie.study.events import Stopped
from coterie.study.study import Study
from coterie.training.events import StepEnd

N = 24
RNG = np.random.default_rng(0)
BITS = np.arange(N) % 2
AB = np.where(BITS, "b", "a").tolist()
TINY: dict[str, Any] = {"candidates": 1, "folds": 2, "epochs": 1}
Given = tuple[Any, str | None, dict[str, Any]]


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (N, *shape)).astype(np.uint8)


def files(folder: Path, *names: str) -> Path:
    """A picture of each name, 6 × 5."""
    for place, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(6, 5)[place % N]).save(path)
    return folder


def ragged(least: int = 0) -> list[list[float]]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=least + i % 4).round(3).tolist() for i in range(N)]


SIGNS = [["up" if v > 0 else "down" for v in row] for row in ragged(1)]
TEXTS = [f"once there were {i} {'good' if bit else 'bad'} foxes" for i, bit in enumerate(BITS)]
NORMAL = RNG.normal(size=N).tolist()
COUNT, WORDS = list(range(N)), ["good", "bad"] * 12
SMALL = {"width": 8, "heads": 2, "depth": 1}
SEQ2SEQ: dict[str, Any] = {"models": "seq2seq", "fix": {"hidden": 8}}
ATTENTION: dict[str, Any] = {"models": "transformer", "fix": SMALL}
SHORT = [f"fox {i} {'ran' if bit else 'sat'}" for i, bit in enumerate(BITS)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No baseline but the simplest, and no page."""
    kinds_for = baselines.kinds_for
    monkeypatch.setattr(baselines, "kinds_for", lambda *given: itertools.islice(kinds_for(*given), 1))
    monkeypatch.setattr(course, "render", lambda *given: "<html></html>")


def fitted(given: Given, folder: Path) -> Study:
    data, target, options = given
    return ct.fit(data, target, out=folder / "s", **{**TINY, **options})


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


# ---- what is finished ----------------------------------------------------------------------------------


def folder_of_classes(path: Path) -> Given:
    folder = files(path / "f", *(f"{name}/{i}.png" for name in "ab" for i in range(N // 2)))
    (folder / "empty").mkdir()
    return folder, None, {"models": "cnn"}


def folder_with_bad_files(path: Path) -> Given:
    folder, _, options = folder_of_classes(path)
    (folder / "a" / "no.png").write_text("no image")
    (folder / "b" / "cut.png").write_bytes((folder / "b" / "0.png").read_bytes()[:60])
    return folder, None, options


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


def long(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    at = {"id": np.repeat(np.arange(N), 3).tolist(), "t": np.tile([1, 2, 3], N).tolist()}
    return {**at, "v": rng.normal(size=3 * N).round(3).tolist(), **more}


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
def test_one_class_a_row(kind: str, tmp_path: Path, quick: None) -> None:
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
def test_values_and_labels(kind: str, tmp_path: Path, quick: None) -> None:
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
def test_an_answer_for_every_step(kind: str, tmp_path: Path, quick: None) -> None:
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
def test_a_text_for_every_row(kind: str, tmp_path: Path, quick: None) -> None:
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


def test_what_goes_on_from_a_beginning(tmp_path: Path, quick: None) -> None:
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


def test_only_writers_write(tmp_path: Path, quick: None) -> None:
    model = fitted(({"x": COUNT, "y": AB}, "y", {"models": "linear"}), tmp_path).model
    with pytest.raises(CoterieError, match=r"learned to write.*the family linear"):
        model.write()
    assert model.encode({"x": [1.0, 2.0]}, member=1).shape == (2, 1)


# ---- forecasts -----------------------------------------------------------------------------------------


def test_a_forecast_of_one_series(tmp_path: Path, quick: None) -> None:
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


def test_a_forecast_of_each_of_several_series(tmp_path: Path, quick: None) -> None:
    v = np.sin(np.arange(70)).round(4).tolist()
    series = {"who": ["a"] * 40 + ["b"] * 30, "v": v}
    given = (series, "v", {"horizon": 1, "window": 4, "group": "who", "models": "gru"})
    assert fitted(given, tmp_path).model.predict(series).shape == (2,)


# ---- what is refused -----------------------------------------------------------------------------------

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


def test_bad_images_are_skipped_and_counted(tmp_path: Path, quick: None) -> None:
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


# ---- whole studies: pages, baselines, and stops --------------------------------------------------------

WHOLE: dict[str, Given] = {
    "images": ((pixels(6, 5), BITS), None, {"models": "cnn", "fix": {"rotate": 10}}),
    "steps": ({"s": ragged(1), "y": SIGNS}, "y", {"models": "gru"}),
    "texts": ({"t": TEXTS, "y": AB}, "y", {"models": "bag"}),
    "written": ({"b": SHORT}, "b", {"models": "gpt", "fix": SMALL}),
}


def halted(given: Given, folder: Path) -> Iterator[Study]:
    """The study as it is left by a stop after every second step, until it is finished."""
    data, target, options = given
    study = ct.fit(data, target, out=folder / "s", run=False, **{**TINY, **options})
    while True:
        steps = 0
        try:
            for event in study.events():
                steps += isinstance(event, StepEnd)
                if steps == 2:
                    study.stop()
        except Stopped:
            study = ct.open_study(folder / "s")
            yield study
            continue
        return


@pytest.mark.parametrize("kind", WHOLE)
def test_stopped_and_resumed_it_leaves_the_same_bytes(kind: str, tmp_path: Path) -> None:
    data, target, options = WHOLE[kind]
    given = (data, target, {**options, "epochs": 3, "batch_size": 8})
    whole = fitted(given, tmp_path / "a")
    stops = sum(1 for _ in halted(given, tmp_path / "b"))
    assert stops >= 2
    assert remains(tmp_path / "b" / "s") == remains(whole.folder)
    page = (whole.folder / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert len(whole.facts["baselines"]) >= 2
