"""--init: what a study takes from an earlier model, what it says of it, and that it then needs it no more."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_backbones import bert_folder
from small_studies import begun, patients

import coterie as ct
from coterie.data.tokens import Tokenizer
from coterie.errors import CoterieError, ModelError, SpecError, StudyError
from coterie.model import Model
from coterie.study.initial import KEPT, Initial, open_initial
from coterie.study.study import Study
from coterie.training.arena import Arena
from coterie.training.building import build_networks, network_of
from coterie.training.layout import Layout
from coterie.training.plan import make_plan

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

SHORT: dict[str, Any] = {"candidates": 1, "folds": 2}
CNN: dict[str, Any] = {**SHORT, "models": "cnn", "fix": {"epochs": 2, "channels": "4"}}
FINE: dict[str, Any] = {**SHORT, "fix": {"epochs": 2}}


def squares(classes: str, rows: int = 40, channels: int = 1, scale: float = 255.0, seed: int = 0) -> Any:
    """Images with a bright corner that says which class they are."""
    rng = np.random.default_rng(seed)
    label = rng.integers(len(classes), size=rows)
    images = rng.random((rows, channels, 6, 6)) * 0.5
    for i, k in enumerate(label):
        images[i, :, 3 * (k % 2) : 3 * (k % 2) + 3, 3 * (k // 2) : 3 * (k // 2) + 3] += 0.5
    return images * scale, np.array([classes[k] for k in label])


def networks(study: Study) -> list[dict[str, torch.Tensor]]:
    """What each member of a study's first candidate begins with, by name."""
    posed = study._posed()
    folds = posed.problem.folds
    arena = Arena.of(posed.problem.dataset, folds, torch.device("cpu"), start=posed.start)
    (plan, *_) = make_plan(posed.candidates[:1], len(folds), 1, 0, lambda _: 99)
    made = build_networks(plan.members, arena)
    return [{**dict(n.named_parameters()), **dict(n.named_buffers())} for n in made]


def untrained(data: Any, target: Any, out: Path, **options: Any) -> Model:
    """A model as a study would leave it, of the weights that its members begin with: quick to make."""
    study = ct.fit(data, target, out=out, run=False, **options)
    family, each = study._posed().candidates[0].family, networks(study)
    layout = Layout.of(network_of(family, study.problem.dataset))
    flat = torch.stack([layout.flat({n: t.detach() for n, t in one.items()}) for one in each])
    rest = {n for n in each[0] if n not in layout.names and n.rpartition(".")[2] not in ("key", "present")}
    buffers = {f"network.{n}": torch.stack([one[n] for one in each]) for n in rest}
    places = [{"fold": fold, "seed": 0} for fold in range(len(each))]
    return Model(study.problem.schema, family, flat, buffers, places, {})


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return ct.fit(squares("abc"), out=tmp_path_factory.mktemp("earlier") / "s", **CNN)


def first_layer(study: Study) -> torch.Tensor:
    start = study._posed().start
    assert start is not None
    return start.tensors["body.layers.0.weight"]


def test_a_study_starts_from_the_weights_of_another(earlier: Study, tmp_path: Path) -> None:
    frozen = {"epochs": 2, "freeze": 9}
    study = ct.fit(squares("xyz", seed=1), init=earlier, out=tmp_path / "s", **SHORT, fix=frozen)
    own, old = (m.layout.views(m.flat)["body.layers.0.weight"] for m in (study.model, earlier.model))
    assert own.equal(old)  # frozen: fold 0 began from fold 0, fold 1 from fold 1
    assert study.question.models == ("cnn",)
    assert study.model.family.channels == (4,)  # type: ignore[attr-defined]
    center = "network.prepare.image.center"
    assert study.model.buffers[center].equal(earlier.model.buffers[center])
    notes = " ".join(study.facts["data"]["notes"])
    assert "weights are taken; new: body.head." in notes
    assert "centred and scaled as there" in notes
    asked = json.loads((study.folder / "study.json").read_text())
    assert asked["initial"]["sha256"] == open_initial(earlier.folder).sha256
    assert f"--init {earlier.folder}" in asked["command"]
    assert study.model.about["initial"] == asked["initial"]


@pytest.mark.parametrize("what", ["study", "folder", "text", "model folder", "model"])
def test_any_form_of_an_earlier_model_is_the_same(earlier: Study, tmp_path: Path, what: str) -> None:
    forms = {
        "study": earlier,
        "folder": earlier.folder,
        "text": str(earlier.folder),
        "model folder": earlier.folder / "model",
        "model": earlier.model,
    }
    study = ct.fit(squares("xy"), init=forms[what], out=tmp_path / "s", run=False, **FINE)
    assert first_layer(study).equal(open_initial(earlier.model).tensors["body.layers.0.weight"])


def test_the_output_layer_is_taken_where_the_classes_are_the_same(earlier: Study, tmp_path: Path) -> None:
    same = ct.fit(squares("abc", seed=2), init=earlier, out=tmp_path / "same", run=False, **FINE)
    other = ct.fit(squares("abd", seed=2), init=earlier, out=tmp_path / "other", run=False, **FINE)
    old = earlier.model.layout.views(earlier.model.flat)["body.head.weight"]
    assert [networks(s)[0]["body.head.weight"].equal(old[0]) for s in (same, other)] == [True, False]
    assert "nothing is new" in " ".join(same.problem.notes)


def test_resuming_needs_the_earlier_folder_no_more(earlier: Study, tmp_path: Path) -> None:
    moved = tmp_path / "earlier"
    shutil.copytree(earlier.folder, moved)
    data = squares("xy", seed=3)
    whole = ct.fit(data, init=moved, out=tmp_path / "whole", **FINE)
    ct.fit(data, init=moved, out=tmp_path / "later", run=False, **FINE)
    shutil.rmtree(moved)
    later = ct.open_study(tmp_path / "later").run()
    assert later.model.flat.equal(whole.model.flat)
    (tmp_path / "later" / "assessment.json").unlink()
    tensors, facts = later._folder.read_tensors(KEPT)
    later._folder.write_tensors(KEPT, {n: t + 1 for n, t in tensors.items()}, facts)
    with pytest.raises(StudyError, match="its hash is another"):
        ct.open_study(tmp_path / "later").run()


def test_images_of_another_scale_are_centred_by_their_own_rows(earlier: Study, tmp_path: Path) -> None:
    study = ct.fit(squares("xy", scale=1.0), init=earlier, out=tmp_path / "s", run=False, **FINE)
    assert float(networks(study)[0]["prepare.image.center"].max()) < 1
    assert "centred" not in " ".join(study.problem.notes)


def test_grey_images_take_the_sum_over_colours(tmp_path: Path) -> None:
    colour = untrained(squares("ab", channels=3), None, tmp_path / "colour", **CNN)
    grey = ct.fit(squares("xy"), init=colour, out=tmp_path / "grey", run=False, **FINE)
    old = colour.layout.views(colour.flat)["body.layers.0.weight"]
    assert first_layer(grey).equal(old.sum(2, keepdim=True))


def test_texts_are_cut_as_the_earlier_model_cuts_them(tmp_path: Path) -> None:
    text = ["red apple pie", "green apple tart", "blue sea water", "deep sea fish"] * 8
    first = {"text": text, "y": ["food", "food", "sea", "sea"] * 8}
    same: dict[str, Any] = {**SHORT, "kinds": {"text": "text"}}
    old = untrained(first, "y", tmp_path / "old", models="bag", **same)
    new = {"text": [f"{t} today" for t in text[::-1]], "z": ["u", "v"] * 16}
    study = ct.fit(new, "z", init=old, out=tmp_path / "new", run=False, **same)
    codings = [next(c.coding for c in s.features if c.coding) for s in (old.schema, study.problem.schema)]
    assert codings[0] == codings[1]
    assert Tokenizer.from_text(codings[1]).encode(["apple today"], None)[0][2] == 1  # unknown
    tables = old.layout.views(old.flat)["body.steps.table.weight"]
    assert all(
        one["body.steps.table.weight"].equal(table)
        for one, table in zip(networks(study), tables, strict=True)
    )
    assert any("as the earlier model does" in c.note for c in study.problem.schema.features)
    with pytest.raises(SpecError, match="cut as the earlier model"):
        ct.fit(new, "z", init=old, out=tmp_path / "no", tokenizer="bytes", **same)


def test_a_writer_goes_on_from_an_earlier_one(tmp_path: Path) -> None:
    small = {"epochs": 1, "width": 8, "heads": 2, "depth": 1}
    first = {"text": ["abab baba abba", "baab abab", "aabb bbaa ab"] * 6}
    same: dict[str, Any] = {**SHORT, "fix": small}
    old = untrained(first, "text", tmp_path / "old", models="gpt", tokenizer="characters", **same)
    new = {"text": ["abba abba abba abba zz", "ba ab ab"] * 9}
    study = ct.fit(new, "text", init=old, out=tmp_path / "new", run=False, **FINE)
    assert study.problem.roles.target.task == "text"
    target = study.problem.schema.target
    assert target is not None
    assert target.coding == old.target.coding
    assert networks(study)[1]["body.tokens.weight"].equal(old.layout.views(old.flat)["body.tokens.weight"][1])
    assert "nothing is new" in " ".join(study.problem.notes)


def test_steps_of_columns_are_prepared_by_their_own_rows(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(2, 3, 40))
    label = ["u", "v"] * 20
    first = {n: (values * 100 + 1000).tolist() for n, values in zip("abc", numbers[0], strict=True)}
    old = untrained(first | {"y": label}, "y", tmp_path / "old", models="gru", **SHORT, fix={"hidden": 4})
    second = {n: values.tolist() for n, values in zip("rst", numbers[1], strict=True)}
    study = ct.fit(second | {"y": label}, "y", init=old, out=tmp_path / "new", run=False, **FINE)
    assert float(old.buffers["network.prepare.center"].abs().max()) > 900
    assert float(networks(study)[0]["prepare.center"].abs().max()) < 1


def test_a_table_carries_over_to_the_same_columns_alone(tmp_path: Path) -> None:
    data = patients()
    old = untrained(data, "ill", tmp_path / "old", models="mlp", **SHORT, fix={"hidden": "8"})
    study = ct.fit(patients(seed=2), "ill", init=old, out=tmp_path / "new", run=False, **FINE)
    assert networks(study)[0]["prepare.center"].equal(old.buffers["network.prepare.center"][0])
    others = {("years" if n == "age" else n): values for n, values in data.items()}
    with pytest.raises(ModelError, match="same columns"):
        ct.fit(others, "ill", init=old, out=tmp_path / "other", **FINE)


def test_what_cannot_be_a_start_is_refused(earlier: Study, tmp_path: Path) -> None:
    data = squares("xy")

    def fails(match: str, **options: Any) -> None:
        with pytest.raises(CoterieError, match=match):
            ct.fit(data, out=tmp_path / "none", **{**FINE, **options})
        assert not (tmp_path / "none").exists()

    fails("trains the family that it starts from", init=earlier, models="resnet")
    fails("trains the family", init=earlier, models=["cnn", "resnet"])
    fails("does not exist", init=tmp_path / "nowhere")
    fails("holds no model", init=tmp_path)
    fails("no layer fits", init=earlier, fix={"channels": "3", "norm": "none", "kernel": 5})
    fails("without --init", fix={"freeze": 2})
    fails("without --init", fix={"discount": 0.5})
    unfinished = ct.fit(data, out=tmp_path / "begun", run=False, **CNN)
    fails("finished study", init=unfinished)
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text('{"model_type": "llama"}')
    save_file({"x": torch.zeros(1)}, tmp_path / "llama" / "model.safetensors")
    fails("of the kind llama", init=tmp_path / "llama")


def test_inspect_says_what_would_be_taken(earlier: Study) -> None:
    seen = ct.inspect(squares("xy"), init=earlier, candidates=1)
    assert seen.families == {"cnn": 1}
    assert any("Networks start from" in note for note in seen.notes)


def test_a_grid_over_shapes_says_what_the_first_takes(earlier: Study, tmp_path: Path) -> None:
    study = ct.fit(
        squares("xy"), init=earlier, out=tmp_path / "s", grid={"channels": [(4,), (4, 5)]}, folds=2, run=False
    )
    found = [c.family.channels for c in study._posed().candidates]  # type: ignore[attr-defined]
    assert found == [(4,), (4, 5)]


def test_a_backbone_of_another_library_is_a_start(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path / "bert")
    data = {"text": ["the cat sat on the mat", "cats on mats"] * 12, "y": ["u", "v", "v"] * 8}
    same: dict[str, Any] = {**SHORT, "kinds": {"text": "text"}}
    study = ct.fit(data, "y", init=folder, out=tmp_path / "s", run=False, **same)
    assert study.question.models == ("bert",)
    table = networks(study)[1]["body.steps.table.weight"]
    given = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert table[5:].equal(given[[1, 2, 3, 4, 7, 10, 11]])
    assert table[:5].equal(given[[0, 5, 6, 8, 9]])  # padding, unknown, start, end, mask
    assert "new: body.head." in " ".join(study.problem.notes)
    again = ct.open_study(study.folder)
    assert again.problem.schema == study.problem.schema


def test_the_hash_is_of_the_content(earlier: Study, tmp_path: Path) -> None:
    one = open_initial(earlier.folder)
    copy = tmp_path / "copy"
    shutil.copytree(earlier.folder / "model", copy)
    assert open_initial(copy).sha256 == one.sha256
    other = Initial(one.source, one.family, one.structure, {n: t * 2 for n, t in one.tensors.items()})
    assert other.sha256 != one.sha256


def test_the_command_line_has_it(earlier: Study, tmp_path: Path) -> None:
    from coterie.cli.options import parse

    assert parse(["fit", "digits", "--init", "runs/a"]).init == "runs/a"
    study = begun(squares("xy"), out=tmp_path / "s", init=str(earlier.folder), fix={"epochs": 2})
    assert study.question.init == str(earlier.folder)
