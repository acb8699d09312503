"""The verbs that use a model: predict, report, evaluate, inspect, generate."""

import errno
import json
import os
import shlex
import types
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pytest
from stand_ins import run

from coterie.cli.tables import show_evaluation
from coterie.cli.writing import WRITERS, write, writer
from coterie.errors import DataError, ModelError, SpecError


class FakeModel:
    task = "binary"

    def dataset(self, data, skip_bad, keep=()):
        return [data] * (2 if skip_bad else 3)

    def warnings(self, dataset):
        return ["2 values of 'age' lie far outside."]

    def predict_table(self, dataset, threshold):
        flagged = [p >= (0.5 if threshold is None else threshold) for p in (0.1, 0.3, 0.9)]
        return pl.DataFrame({"prediction": ["é" if f else "no" for f in flagged], "p": [0.1, 0.3, 0.9]})


@pytest.fixture
def model(verbs):
    verbs.load = lambda folder: FakeModel()


def test_predict_prints_csv_and_warns_beside_it(model, capsys):
    status, out, err = run("predict runs/a new.csv --threshold 0.2", capsys)
    assert (status, out) == (0, "prediction,p\nno,0.1\né,0.3\né,0.9\n")
    assert err == "warning: 2 values of 'age' lie far outside.\n"
    assert run("predict runs/a new.csv --quiet", capsys)[2] == ""
    assert run("predict runs/a new.csv --skip-bad -o /dev/null", capsys)[2].endswith(
        "2 predictions are in /dev/null\n"
    )


@pytest.mark.parametrize(
    ("suffix", "read"),
    [
        (".csv", pl.read_csv),
        (".tsv", lambda path: pl.read_csv(path, separator="\t")),
        (".jsonl", pl.read_ndjson),
        (".parquet", pl.read_parquet),
        (".CSV", pl.read_csv),
    ],
)
def test_predict_writes_a_file(model, capsys, tmp_path, suffix, read):
    out = tmp_path / f"out{suffix}"
    assert run(f"predict runs/a new.csv -o {shlex.quote(str(out))}", capsys)[0] == 0
    assert read(out).equals(FakeModel().predict_table([], None))
    assert os.listdir(tmp_path) == [out.name]


def test_predict_never_overwrites_its_input(model, capsys, tmp_path):
    data, link = tmp_path / "new.csv", tmp_path / "link.csv"
    data.write_text("a\n1\n")
    link.symlink_to(data)
    for out in (data, link, tmp_path / "." / "new.csv"):
        status, _, err = run(f"predict runs/a {data} -o {out}", capsys)
        assert status == 2
        assert "must not overwrite" in err
    assert data.read_text() == "a\n1\n"


def test_where_predictions_go(model, tmp_path):
    frame = FakeModel().predict_table([], None)
    for bad in (tmp_path, tmp_path / "no" / "out.csv"):
        with pytest.raises(DataError):
            writer(str(bad), "new.csv")
    with pytest.raises(SpecError):
        writer(str(tmp_path / "out.pdf"), "new.csv")
    write(frame, os.devnull, writer(os.devnull, "new.csv"))
    assert not Path(os.devnull).is_file()  # still a device
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    link.symlink_to(real)
    write(frame, str(link), WRITERS[".csv"])
    assert link.is_symlink()
    assert real.read_text().startswith("prediction,p\n")

    def full(_: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    before = real.read_bytes()
    with pytest.raises(OSError, match="No space"):
        write(frame, str(real), full)
    assert real.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["link.csv", "real.csv"]


def test_a_threshold_needs_two_classes(model, capsys, monkeypatch):
    monkeypatch.setattr(FakeModel, "task", "regression")
    status, out, err = run("predict runs/a new.csv --threshold 0.2", capsys)
    assert (status, out) == (2, "")
    assert "two classes" in err


def test_report_names_the_page(verbs, capsys):
    assert run("report runs/toy-1", capsys)[:2] == (0, "runs/toy-1/report.html\n")
    assert verbs.study.asked["report"] == (None, None)
    assert json.loads(run("report runs/toy-1 --no-rows -o x.html --json", capsys)[1]) == {"report": "x.html"}
    assert verbs.study.asked["report"] == ("x.html", False)


def test_evaluate_prints_scores_with_intervals(verbs, capsys):
    status, out, _ = run("evaluate runs/toy-1 later.csv --by sex,age", capsys)
    assert status == 0
    assert verbs.study.asked["evaluate"] == ("later.csv", ("sex", "age"), False)
    assert "ROC AUC" in out
    assert "0.91" in out
    assert "\x1b" not in out
    facts = json.loads(run("evaluate runs/toy-1 later.csv --json --skip-bad", capsys)[1])
    assert facts["scores"]["roc_auc"] == {"value": 0.91, "low": 0.85, "high": None}
    assert verbs.study.asked["evaluate"] == ("later.csv", (), True)


@pytest.mark.parametrize("names", [["weight"], ["weight", "waist"]])
def test_an_evaluation_names_the_targets_of_its_intervals(names, capsys):
    held = {"level": 0.9, "coverage": [0.91, 0.85][: len(names)]}
    facts = {"source": "a.csv", "rows": 9, "scores": {}, "target": names, "intervals": held}
    show_evaluation(facts, "runs/a")
    said = capsys.readouterr().out
    if len(names) == 1:
        assert "91 % of the true values lie in the 90 % intervals." in said
    else:
        assert "91 % of the true values of weight lie in the 90 % intervals." in said
        assert "85 % of the true values of waist lie in" in said


def test_inspect_shows_columns_as_they_are(verbs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    column = {
        "name": "[bold]a\x1b[2J",
        "kind": "numeric",
        "role": "left_out",
        "missing": 0.25,
        "distinct": 3,
        "note": "why",
    }
    facts = {
        "source": "p.csv", "rows": 10, "unusable_rows": 1, "task": "binary", "target": ["d"], "inputs": 1,
        "classes": {"no": 6, "[red]yes": 3}, "columns": [column] * 70, "development": 7, "test": 2,
        "split": "stratified", "folds": 5, "metric": "log_loss", "families": {"mlp": 2}, "members": 10,
        "parameters": 9, "notes": ["A note."], "warnings": ["A warning. " * 12],
    }  # fmt: skip
    asked = {}

    def inspect(data, target, *, test, **options):
        asked.update(data=data, target=target, options=options)
        return types.SimpleNamespace(to_dict=lambda: facts)

    verbs.inspect = inspect
    status, out, _ = run("inspect p.csv --target d --folds 5", capsys)
    assert status == 0
    assert asked == {"data": "p.csv", "target": ["d"], "options": {"folds": 5}}
    for part in ("[bold]a", "left out", "25 %", "why", "[red]yes 3 (33 %)", "10 more columns", "- A note."):
        assert part in out
    assert "\x1b" not in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= 80
    assert json.loads(run("inspect p.csv --json", capsys)[1]) == facts


# ---- texts -----------------------------------------------------------------------------------------------


class FakeWriter:
    """A model that goes on from a prompt; what it was asked for is kept."""

    task = "text"

    def __init__(self, *features, said="once\nupon \x1b[31ma time"):
        self.schema = types.SimpleNamespace(features=[types.SimpleNamespace(name=n) for n in features])
        self.asked, self.said = {}, said

    def generate(self, prompt, **asked):
        if self.task != "text":
            raise ModelError("Only a model that learned to write can write.", given=f"a model of {self.task}")
        self.asked = {"prompt": prompt} | asked
        return self.said


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ("", {}),
        (
            "--prompt 'Once upon' --length 40 --temperature 0.8 --seed 3 --top-k 5 --top-p 0.9",
            {"prompt": "Once upon", "length": 40, "temperature": 0.8, "seed": 3, "top_k": 5, "top_p": 0.9},
        ),
        ("--temperature 0", {"temperature": 0.0}),
    ],
)
def test_generate_goes_on_from_a_prompt(verbs, capsys, options, asked):
    model = FakeWriter()
    verbs.load = lambda folder: model
    status, out, err = run(f"generate runs/tales-1 {options}", capsys)
    assert (status, err) == (0, "")
    assert out == "once\nupon �[31ma time\n"  # lines stay lines, and nothing reaches the terminal's controls
    usual = {"prompt": "", "length": 300, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}
    assert model.asked == usual | asked


def test_generate_is_for_models_that_write_of_their_own_accord(verbs, capsys):
    verbs.load = lambda folder: FakeWriter("source", "age")
    status, out, err = run("generate runs/tales-1", capsys)
    assert (status, out) == (2, "")
    assert "one that writes from source, age" in err
    assert "coterie predict" in err
    model = FakeWriter()
    model.task = "binary"
    verbs.load = lambda folder: model
    status, out, err = run("generate runs/tales-1", capsys)
    assert (status, out) == (2, "")
    assert "a model of binary" in err


@pytest.mark.parametrize(
    "line",
    [
        "generate",
        "generate a --length 0",
        "generate a --length x",
        "generate a --temperature -1",
        "generate a --temperature nan",
        "generate a --temperature inf",
        "generate a --seed -1",
        "generate a --top-p 2",
        "generate a b",
        "sample",
        "sample a -n 0",
        "encode a",
        "reconstruct a",
    ],
)
def test_what_generate_cannot_be_asked(verbs, capsys, line):
    verbs.load = lambda folder: FakeWriter()
    status, out, err = run(line, capsys)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_an_empty_text_is_an_empty_line(verbs, capsys):
    verbs.load = lambda folder: FakeWriter(said="")
    assert run("generate runs/tales-1", capsys)[:2] == (0, "\n")
