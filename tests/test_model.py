"""The model on disk and in use: exact round trips, spoilt folders, and answers for any table."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import coterie as ct
from coterie.errors import DataError, ModelError
from coterie.model import Model
from coterie.saved import CONFIG, WEIGHTS, checksum

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

GOLDEN = Path(__file__).parent / "golden"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text(encoding="utf-8"))
OPTIONS = {"candidates": 1, "folds": 2, "fix": {"epochs": 3, "hidden": "8"}}


def table(rows=60):
    numbers = np.random.default_rng(0)
    x, hue = numbers.normal(size=rows), numbers.choice(["red", "green", "blue"], rows)
    kind = np.where(x + (hue == "red") > 0.5, "big", np.where(x < -0.5, "tiny", "small"))
    return {
        "x": x.tolist(),
        "hue": hue.tolist(),
        "day": ["2024-01-05"] * rows,
        "n": list(range(rows)),
        "kind": kind.tolist(),
    }


@pytest.fixture(scope="module", params=["kind", "x", "several"])
def study(request, tmp_path_factory):
    data = table()
    target: str | list[str] = request.param
    if target == "several":
        data["hot"], data["wet"] = [int(v > 0) for v in data["x"]], [i % 2 for i in data["n"]]
        target = ["hot", "wet"]
    return ct.fit(data, target, out=tmp_path_factory.mktemp("study") / "s", models="mlp", **OPTIONS)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return ct.fit(table(), "kind", out=tmp_path_factory.mktemp("study") / "s", models="mlp", **OPTIONS).folder


@pytest.fixture
def copy(classifier, tmp_path):
    return Path(shutil.copytree(classifier / "model", tmp_path / "model"))


# ---- round trips ---------------------------------------------------------------------------------------


def test_saved_and_loaded_it_answers_exactly_the_same(study, tmp_path):
    """The model that the study holds, the one it wrote, and a copy of a copy."""
    problem, model = study.problem, study.model
    loaded = ct.load(study.folder)
    twice = Model.load(loaded.save(tmp_path / "copy"))
    for other in (loaded, twice):
        assert torch.equal(other.flat, model.flat)
        assert other.buffers.keys() == model.buffers.keys()
        assert all(torch.equal(other.buffers[n], b) for n, b in model.buffers.items())
        assert torch.equal(other.output(problem.table.frame), model.output(problem.table.frame))
        assert (other.schema, other.family, other.members, other.about) == (
            model.schema,
            model.family,
            model.members,
            model.about,
        )


def test_the_studys_own_test_predictions_come_again(study):
    """Read from the rows as a person would give them, without target, and not from the study's tensors."""
    kept, _ = study._folder.read_tensors("predictions.safetensors")
    rows = study.problem.dataset.rows[study.problem.test]
    frame = study.problem.table.frame[rows].drop(study.problem.roles.target.names)
    assert torch.equal(ct.load(study.folder).output(frame), kept["test_output"])


def test_rows_do_not_depend_on_each_other(study):
    frame = study.problem.table.frame
    whole = study.model.output(frame)
    backwards = study.model.output(frame.reverse()).flip(0)
    assert torch.allclose(whole, backwards, rtol=1e-6, atol=1e-7)
    alone = torch.cat([study.model.output(frame[i]) for i in range(5)])
    assert torch.allclose(whole[:5], alone, rtol=1e-5, atol=1e-6)


def test_a_folder_holds_no_pickle_and_no_code(classifier):
    assert {p.name for p in (classifier / "model").iterdir()} == {
        "config.json",
        "model.safetensors",
        "README.md",
    }
    assert json.loads((classifier / "model" / CONFIG).read_text())["library_name"] == "coterie"
    assert (classifier / "model" / WEIGHTS).read_bytes()[8:9] == b"{"


def test_a_subset_is_the_members_by_themselves(classifier):
    model = ct.load(classifier)
    alone = torch.stack([model.subset([m]).output(table()) for m in range(len(model.members))])
    assert torch.allclose(alone, model.member_output(table()).double(), rtol=1e-6, atol=1e-7)


# ---- any version's folders -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPECTED)
def test_a_golden_model_loads_and_answers_as_ever(name):
    model, expected = ct.load(GOLDEN / name), EXPECTED[name]
    np.testing.assert_allclose(model.output(expected["rows"]), expected["output"], rtol=1e-6, atol=1e-6)
    found = model.predict(expected["rows"])
    if model.task == "regression":
        np.testing.assert_allclose(found, expected["labels"], rtol=1e-6)
    else:
        assert found.tolist() == expected["labels"]
    assert model.predict_table(expected["rows"]).columns == expected["columns"]


# ---- answers -------------------------------------------------------------------------------------------


def test_any_holder_of_the_rows_will_do(classifier, tmp_path):
    model, data = ct.load(classifier), table()
    expected = model.predict_proba(data)
    frame = pl.DataFrame(data)
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    for same in (frame, pd.DataFrame(data), frame.select(reversed(frame.columns)), frame.drop("kind")):
        assert np.array_equal(model.predict_proba(same), expected)
    for path in ("t.csv", "t.parquet"):
        np.testing.assert_allclose(model.predict_proba(tmp_path / path), expected, rtol=1e-6)


def test_the_table_of_predictions(classifier):
    model = ct.load(classifier)
    found = model.predict_table(table())
    assert found.columns == ["prediction", *(f"probability {c}" for c in model.classes)]
    probability = found.drop("prediction").to_numpy()
    np.testing.assert_allclose(probability.sum(1), 1, rtol=1e-6)
    assert [model.classes[k] for k in probability.argmax(1)] == found["prediction"].to_list()


def test_the_table_of_values_has_its_intervals(tmp_path):
    study = ct.fit(table(), "x", out=tmp_path / "s", models="mlp", **OPTIONS)
    found = study.model.predict_table(table())
    assert found.columns == ["prediction", "low", "high"]
    width = study.facts["intervals"]["half_width"][0]
    np.testing.assert_allclose(found["high"] - found["prediction"], width)
    np.testing.assert_allclose(found["prediction"] - found["low"], width)
    with pytest.raises(ModelError, match="for classes"):
        study.model.predict_proba(table())


@pytest.mark.parametrize(
    ("labels", "kind"),
    [([3, 7, 11], int), ([0, 1], int), ([True, False], bool), (["1.0", "x"], str), ([0.5, 1.5], float)],
)
def test_labels_come_back_as_they_were_given(tmp_path, labels, kind):
    data = {"x": [i % 9 * 1.5 for i in range(60)], "y": [labels[i % len(labels)] for i in range(60)]}
    model = ct.fit(
        data,
        "y",
        task=None if kind is not float else "binary",
        out=tmp_path / "s",
        models="mlp",
        **OPTIONS,
    ).model
    found = model.predict(data).tolist()
    assert set(found) <= set(labels)
    assert {type(label) for label in found} == {kind}


def test_a_threshold_moves_the_decision(tmp_path):
    data = {"x": list(range(60)), "y": ["no"] * 35 + ["yes"] * 25}
    model = ct.fit(data, "y", out=tmp_path / "s", models="mlp", **OPTIONS).model
    yes = [model.predict_table(data, t)["prediction"].eq("yes").sum() for t in (0.0, 0.3, 0.5, 0.7, 1.0)]
    assert yes == sorted(yes, reverse=True)
    assert (yes[0], yes[-1]) == (60, 0)


def test_unseen_and_missing_values_are_ordinary(classifier):
    model = ct.load(classifier)
    odd = {
        "x": [0.1, None, float("nan"), float("inf"), -float("inf"), 1e300, "text"],
        "hue": ["red", None, "", "puce", "red", "red ", "RED"],
        "day": ["2024-01-05", None, "soon", "9999-12-31", "", "0001-01-01", "2024-01-05"],
        "n": [1, None, 3, 10**18, -5, 0, 2],
    }
    odd = {name: [None if v is None else str(v) for v in values] for name, values in odd.items()}
    found = model.predict_proba(odd)
    assert found.shape == (7, 3)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    assert model.warnings(odd)


def test_a_missing_column_is_named_with_its_neighbour(classifier):
    lacking = {("Hue" if name == "hue" else name): values for name, values in table().items()}
    with pytest.raises(DataError, match="'hue'"):
        ct.load(classifier).predict(lacking)


def test_no_rows_no_answers(classifier):
    model, none = ct.load(classifier), pl.DataFrame(table())[:0]
    assert model.predict(none).shape == (0,)
    assert model.predict_proba(none).shape == (0, 3)
    assert model.predict_table(none).shape == (0, 4)
    assert model.warnings(none) == []


# ---- spoilt folders ------------------------------------------------------------------------------------


def test_what_is_no_model(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ModelError, match=r"runs/NAME-N"):
            ct.load(path)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_cut_short(copy, name, share):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="as Coterie wrote it"):
        ct.load(copy)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_missing_or_a_folder(copy, name):
    (copy / name).unlink()
    with pytest.raises(ModelError):
        ct.load(copy)
    (copy / name).mkdir()
    with pytest.raises(ModelError):
        ct.load(copy)


def test_any_flipped_bit_is_noticed(copy):
    content = (copy / WEIGHTS).read_bytes()
    for at in range(0, len(content), max(1, len(content) // 40)):
        (copy / WEIGHTS).write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        with pytest.raises(ModelError, match="changed or cut short"):
            ct.load(copy)


@pytest.mark.parametrize("key", ["family", "structure", "schema", "members", "about", "weights_sha256"])
def test_a_changed_config_is_noticed(copy, key):
    config = json.loads((copy / CONFIG).read_text())
    config[key] = "linear" if key == "family" else {}
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match="changed by hand"):
        ct.load(copy)


@pytest.mark.parametrize(
    "value", [None, 3, "linear", "zzz", [], {}, {"hidden": [8]}, {"hidden": "x"}, {"zzz": 1}]
)
@pytest.mark.parametrize("key", ["format", "family", "structure", "schema", "members", "about"])
def test_a_config_that_was_sealed_again(copy, key, value):
    """Somebody who mends the checksum gets an error or a model, and nothing else."""
    config = json.loads((copy / CONFIG).read_text())
    config[key] = value
    config["checksum"] = checksum(config)
    (copy / CONFIG).write_text(json.dumps(config))
    try:
        model = ct.load(copy)
    except ModelError:
        return
    assert key == "about" or (key, value) == ("structure", {"hidden": [8]})
    assert model.predict(table()).shape == (60,)


@pytest.mark.parametrize("content", [b"[]", b"{}", b"null", b'{"model_type": "bert"}', b"\xff\xfe"])
def test_the_config_of_another_program(copy, content):
    (copy / CONFIG).write_bytes(content)
    with pytest.raises(ModelError):
        ct.load(copy)


def test_a_later_format_asks_for_an_upgrade(copy):
    config = json.loads((copy / CONFIG).read_text())
    config["format"] = 99
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match="Upgrade"):
        ct.load(copy)


def test_weights_of_another_model_with_thechecksum_mended(copy):
    """As far as a checksum goes they fit; as tensors they do not."""
    for weights in (b"", b"\x00" * 64, (GOLDEN / "iris_mlp" / WEIGHTS).read_bytes()):
        config = json.loads((copy / CONFIG).read_text())
        config["weights_sha256"] = hashlib.sha256(weights).hexdigest()
        config["checksum"] = checksum(config)
        (copy / CONFIG).write_text(json.dumps(config))
        (copy / WEIGHTS).write_bytes(weights)
        with pytest.raises(ModelError, match="fit together"):
            ct.load(copy)
