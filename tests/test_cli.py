"""The command line, against stand-ins for the verbs: what is parsed, printed, and returned as a status."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import types
from pathlib import Path

import polars as pl
import pytest

import coterie
from coterie.cli import main
from coterie.cli.options import build, parse
from coterie.cli.summary import HEIGHT, WIDTH, summary_lines
from coterie.cli.tables import show_evaluation
from coterie.cli.values import duration, names, plain, printable
from coterie.cli.words import DATA, VERBS
from coterie.cli.writing import WRITERS, write, writer
from coterie.errors import CoterieError, DataError, ModelError, SpecError, StudyError
from coterie.study.events import Finished, Phase, Stopped
from coterie.training.events import CohortStart, StepEnd

EXAMPLES = Path(__file__).parent / "report" / "examples"
TASKS = ("binary", "multiclass", "multilabel", "regression")
HEAVY = {"torch", "sklearn", "polars", "matplotlib", "rich", "numpy", "pandas"}


def facts_of(task: str) -> dict:
    return json.loads((EXAMPLES / f"{task}.json").read_text(encoding="utf-8"))["facts"]


class FakeStudy:
    """A study that yields the events it is given; a callable among them is called instead."""

    def __init__(self, *events, task="binary", folder="runs/toy-1"):
        self.given, self.facts, self.folder = events, facts_of(task), Path(folder)
        self.stopped = self.finished = False
        self.asked = {}

    def stop(self):
        self.stopped = True

    def events(self):
        for event in self.given:
            if callable(event):
                event()
                continue
            yield event
            if self.stopped and isinstance(event, StepEnd):
                raise Stopped
        yield Finished(str(self.folder), 1.0)

    def summary(self):
        return {
            "study": str(self.folder),
            "report": "r.html",
            "model": "m",
            "seconds": float("nan"),
            "p": Path("x"),
        }

    def report(self, path, rows):
        self.asked["report"] = (path, rows)
        return Path(path or "runs/toy-1/report.html")

    def evaluate(self, data, by, skip_bad):
        self.asked["evaluate"] = (data, by, skip_bad)
        scores = {"roc_auc": {"value": 0.91, "low": 0.85, "high": float("nan")}}
        return {
            "source": data,
            "rows": 10,
            "scores": scores,
            "subgroups": [],
            "warnings": ["Odd \x1b[31mvalues."],
        }


@pytest.fixture
def verbs(monkeypatch):
    """A stand-in for `coterie.verbs`, whose calls are kept."""
    fake = types.ModuleType("coterie.verbs")
    fake.study, fake.calls = FakeStudy(), []

    def prepare(data, target, *, test, out, options):
        fake.calls.append({"data": data, "target": target, "test": test, "out": out, "options": options})
        return fake.study

    def repeat(config, *, out):
        fake.calls.append({"config": config, "out": out})
        return fake.study

    fake.prepare, fake.repeat, fake.open_study = prepare, repeat, lambda folder: fake.study
    monkeypatch.setitem(sys.modules, "coterie.verbs", fake)
    monkeypatch.setattr(coterie, "verbs", fake, raising=False)
    return fake


def run(line: str, capsys) -> tuple[int, str, str]:
    status = main(shlex.split(line))
    out, err = capsys.readouterr()
    return status, out, err


# ---- lightness -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["import coterie", "from coterie.cli import main; main(['--help'])"])
def test_help_and_import_are_light(code):
    ask = f"import sys, time\n{code}\nprint(sorted({HEAVY!r} & set(sys.modules)), time.process_time())"
    best = 9.0
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT
        )
        modules, seconds = done.stdout.splitlines()[-1].rsplit(" ", 1)
        assert modules == "[]"
        best = min(best, float(seconds))
    assert best < 0.3


ROOT = Path(coterie.__file__).parents[1]


# ---- what is said of itself ----------------------------------------------------------------------------


def test_every_example_in_the_help_parses():
    text = "\n".join(verb.end for verb in VERBS.values())
    found = re.findall(r"^  coterie (.*)$", text, re.MULTILINE)
    assert len(found) > 15
    for line in found:
        assert parse(shlex.split(line)).verb == line.split()[0]


def test_help_is_printed_for_every_verb(capsys):
    for verb in VERBS:
        status, out, err = run(f"{verb} --help", capsys)
        assert (status, err) == (0, "")
        assert out.startswith(f"usage: coterie {verb} ")
        assert "examples:" in out
    assert run("", capsys)[1] == run("--help", capsys)[1]
    assert run("--version", capsys)[:2] == (0, f"coterie {coterie.__version__}\n")


def test_defaults_and_names_in_the_help_are_the_real_ones():
    from coterie.data.bundled import SETS
    from coterie.study.question import Question

    question = Question("digits")
    helps = {action.dest: action.help or "" for action in build()[1]["fit"]._actions}
    for name in ("test_size", "seeds", "seed", "device"):
        assert f"(default: {getattr(question, name)})" in helps[name]
    assert all(name in DATA for name in SETS)


def test_every_option_of_a_question_can_be_asked():
    from dataclasses import fields

    from coterie.study.question import Question

    asked = {action.dest for action in build()[1]["fit"]._actions} | {"source"}
    assert {field.name for field in fields(Question)} <= asked


# ---- fit -----------------------------------------------------------------------------------------------


def test_options_reach_the_verb(verbs, capsys):
    status, _, _ = run(
        "fit a.csv --target x,y --target '\"p, q\"' --test t.csv --out o --test-size 50 --folds 3 --seeds 2 "
        "--seed 7 --candidates 4 --models mlp,linear --metric auc --fix lr=1e-3 --epochs 5 --batch-size 32 "
        "--patience 0 "
        "--grid hidden=64,64 --grid hidden=128 --weight w --group g --time t --ignore a --ignore b,c "
        "--kind zip=category --kind 'a=b=numeric' --task binary --positive yes --prefer simple --refit "
        "--by s --time-limit 1h30m --device cpu --no-rows --quiet",
        capsys,
    )
    assert status == 0
    assert verbs.calls == [
        {
            "data": "a.csv",
            "target": ["x", "y", "p, q"],
            "test": "t.csv",
            "out": "o",
            "options": {
                "test_size": 50,
                "folds": 3,
                "seeds": 2,
                "seed": 7,
                "candidates": 4,
                "models": ("mlp", "linear"),
                "metric": "auc",
                "fix": {"lr": "1e-3", "epochs": "5", "batch_size": "32", "patience": "0"},
                "grid": {"hidden": ("64,64", "128")},
                "weight": "w",
                "group": "g",
                "time": "t",
                "ignore": ("a", "b", "c"),
                "kinds": {"zip": "category", "a=b": "numeric"},
                "task": "binary",
                "positive": "yes",
                "prefer": "simple",
                "refit": True,
                "by": ("s",),
                "rows": False,
                "time_limit": 5400.0,
                "device": "cpu",
            },
        }
    ]


def test_what_is_not_asked_is_left_to_the_verb(verbs, capsys):
    assert run("fit digits", capsys)[0] == 0
    assert verbs.calls == [{"data": "digits", "target": None, "test": None, "out": None, "options": {}}]


def test_config_repeats_and_takes_no_other_question(verbs, capsys):
    assert run("fit --config runs/a-1/study.json --out b --quiet", capsys)[0] == 0
    assert verbs.calls == [{"config": "runs/a-1/study.json", "out": "b"}]
    status, out, err = run("fit digits --config c --test-size 0.3 --no-rows", capsys)
    assert (status, out) == (2, "")
    assert "data, --test-size, --no-rows" in err


def test_progress_goes_to_stderr_and_the_summary_to_stdout(verbs, capsys):
    verbs.study = FakeStudy(Phase("training"), Phase("report"))
    status, out, err = run("fit digits", capsys)
    assert status == 0
    assert err.splitlines() == ["reading the data", "training", "writing the report"]
    assert verbs.study.facts["verdict"][:40] in out
    assert "r.html" in out
    status, out, err = run("fit digits --quiet", capsys)
    assert (status, err) == (0, "")
    assert "r.html" in out


def test_json_is_one_object_and_nothing_else(verbs, capsys):
    verbs.study = FakeStudy(Phase("training"))
    status, out, err = run("fit digits --json", capsys)
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert json.loads(out) == {
        "study": "runs/toy-1",
        "report": "r.html",
        "model": "m",
        "seconds": None,
        "p": "x",
    }


def test_resume_of_a_finished_study_says_so(verbs, capsys):
    verbs.study.finished = True
    status, out, err = run("resume runs/toy-1", capsys)
    assert status == 0
    assert "finished" in err
    assert "r.html" in out


# ---- mistakes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("fit", "coterie fit digits"),
        ("fit", "breast_cancer"),
        ("fti digits", "`coterie fit`"),
        ("patients.csv --target x", "coterie fit patients.csv --target x"),
        ("digits", "coterie fit digits"),
        ("xyzzy", "--help"),
        ("--targt x", "--help"),
        ("fit digits --targt x", "--target"),
        ("fit digits --target", "--target"),
        ("fit digits --qqqqq", "coterie fit --help"),
        ("fit digits wine", "wine"),
        ("fit digits --folds x", "whole number from 0"),
        ("fit digits --seeds 0", "whole number from 1"),
        ("fit digits --device gpu", "cuda"),
        ("fit digits --prefer most", "simple"),
        ("fit digits --time-limit soon", "1h30m"),
        ("fit digits --test-size 1.5", "0.2"),
        ("fit digits --test-size nan", "0.2"),
        ("fit digits --fix lr", "NAME=VALUE"),
        ("fit digits --fix lr=1 --fix lr=2", "--grid"),
        ("fit digits --fix epochs=3 --epochs 4", "epochs=3 and epochs=4"),
        ("fit digits --fix lr=1 --grid lr=2", "--fix and --grid of lr"),
        ("fit digits --kind zip", "COLUMN=KIND"),
        ("fit digits --target ,", "name is missing"),
        ("inspect", "coterie fit digits"),
        ("predict runs/a", "data"),
        ("predict runs/a new.csv --threshold 2", "from 0 to 1"),
        ("predict runs/a new.csv -o out.pdf", ".parquet"),
        ("resume", "folder"),
    ],
)
def test_mistakes_are_named_with_a_way_out(verbs, capsys, line, says):
    status, out, err = run(line, capsys)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert says in err
    assert not verbs.calls


@pytest.mark.parametrize("flags", ["", "--json", "--quiet"])
@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (
            DataError("The target must be a column.", given="'x\x1b[2J\ny'", fix="Did you mean 'z'?"),
            "Did you mean 'z'?",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a"), "Make room"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/a"), "'runs/a': Permission denied"),
        (MemoryError(), "memory"),
    ],
)
def test_errors_are_one_message_without_a_traceback(verbs, capsys, problem, says, flags):
    def fail():
        raise problem

    verbs.study = FakeStudy(Phase("training"), fail)
    status, out, err = run(f"fit digits {flags}", capsys)
    assert (status, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert says in last
    assert "Traceback" not in err
    assert "\x1b" not in err


# ---- stopping ------------------------------------------------------------------------------------------


def interrupt(number=signal.SIGINT):
    return lambda: signal.raise_signal(number)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("flags", ["", "--json", "--quiet"])
def test_the_first_signal_finishes_the_step_and_says_how_to_go_on(verbs, capsys, number, status, flags):
    steps = [StepEnd(0, 0, step, 9, 4) for step in range(1, 5)]
    verbs.study = FakeStudy(
        Phase("training"), CohortStart(0, 4, 1, 9), steps[0], interrupt(number), *steps[1:]
    )
    before = signal.getsignal(number)
    got, out, err = run(f"fit digits {flags}", capsys)
    assert (got, out) == (status, "")
    assert verbs.study.stopped
    assert "coterie resume runs/toy-1" in err.splitlines()[-1]
    assert signal.getsignal(number) is before


def test_the_second_signal_ends_at_once(verbs, capsys):
    verbs.study = FakeStudy(Phase("training"), interrupt(), interrupt(), lambda: pytest.fail("went on"))
    got, out, err = run("fit digits", capsys)
    assert (got, out) == (130, "")
    assert "coterie resume runs/toy-1" in err


def test_after_training_a_signal_is_taken_between_two_events(verbs, capsys):
    verbs.study = FakeStudy(
        Phase("training"), Phase("baselines"), interrupt(), Phase("assessing"), Phase("report")
    )
    got, out, err = run("fit digits", capsys)
    assert (got, out) == (130, "")
    assert "writing the report" not in err


def test_a_signal_after_everything_is_written_changes_nothing(verbs, capsys):
    verbs.study = FakeStudy(Phase("training"), Phase("report"), interrupt())
    assert run("fit digits", capsys)[0] == 0


def test_a_signal_before_anything_is_begun(verbs, capsys, monkeypatch):
    monkeypatch.setattr(verbs, "prepare", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    got, out, err = run("fit digits", capsys)
    assert (got, out) == (130, "")
    assert "before anything was begun" in err
    assert "resume" not in err


def test_ctrl_c_elsewhere_is_quiet(verbs, capsys, monkeypatch):
    monkeypatch.setattr(verbs, "open_study", lambda _: signal.raise_signal(signal.SIGINT))
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background job begins by ignoring it
    try:
        assert run("report runs/a", capsys) == (130, "", "Stopped.\n")
    finally:
        signal.signal(signal.SIGINT, before)


PIPED = """
import sys, types
fake = types.ModuleType("coterie.verbs")
hyper = {"name": "lr", "default": "1", "bounds": "any", "search": "", "help": "x" * 60}
family = {"name": "f", "title": "t", "about": "a", "source": "s"}
family |= {"hyperparameters": [hyper] * 3000, "recipe": []}
fake.zoo = lambda name: [family]
sys.modules["coterie.verbs"] = fake
drawn = types.ModuleType("coterie.cli.structure")
drawn.structure_of = lambda name, given: dict(
    reads=["table"], learns=[], input={}, fixed={}, lines=[],
    answer={"classes": 2}, parameters=1, multiply_adds=1)
drawn.reads = drawn.learns = str
sys.modules["coterie.cli.structure"] = drawn
from coterie.cli import main
sys.exit(main(["models", "f"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise there")
def test_a_reader_that_leaves_early_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-c", PIPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as going:
        going.stdout.read(10)
        going.stdout.close()
        assert going.stderr.read() == b""
    assert going.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_stdout_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PIPED], stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


# ---- the other verbs -----------------------------------------------------------------------------------


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


# ---- the summary ---------------------------------------------------------------------------------------


def crowded(facts: dict) -> dict:
    return {
        **facts,
        "name": "a name " * 30,
        "verdict": "It is a very long story. " * 40,
        "warnings": ["A warning of some length that has to be wrapped to fit a line of the terminal. " * 2]
        * 30,
        "winner": {**facts["winner"], "hyperparameters": {f"setting_{i}": i / 7 for i in range(40)}},
        "finished": False,
    }


def untested(facts: dict) -> dict:
    return {**facts, "test": {}}


def unjudged(facts: dict) -> dict:
    return {**facts, "test": {}, "validation": {}}


def alone(facts: dict) -> dict:
    return {**facts, "baselines": [], "comparison": None, "warnings": []}


FILES = {
    "study": "runs/my study-1",
    "report": "runs/my study-1/report.html",
    "model": "runs/my study-1/model",
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("change", [dict, crowded, untested, unjudged, alone])
def test_the_summary_fits_one_screen(task, change):
    facts = change(facts_of(task))
    lines = summary_lines(facts, FILES)
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    text = "\n".join(lines)
    assert " ".join(facts["verdict"].split())[:60] in text
    assert FILES["report"] in text
    assert FILES["model"] in text
    assert 'coterie predict "runs/my study-1" new.csv' in text
    assert facts["winner"]["family"] in text
    if not facts["test"] and not facts["validation"]:
        assert "no honest score" in text
    elif not facts["test"]:
        assert "Without a test set" in text
    assert ("stopped early" in text) == (not facts["finished"])
    if len(facts["warnings"]) > 10:
        assert re.search(r"… and \d+ more in the report", text)


def test_the_summary_leads_with_the_measure_to_look_at():
    facts = facts_of("binary")
    lines = summary_lines(facts, FILES)
    head = next(i for i, line in enumerate(lines) if line.startswith("On 150 test rows"))
    assert "logistic regression" in lines[head]
    assert lines[head + 1].startswith("average precision  0.985  0.972 to 0.999")
    assert lines[head + 2].startswith("log loss")


def test_the_winner_is_told_by_what_differs_from_its_defaults():
    from coterie import spec
    from coterie.models.mlp import MLP

    facts = facts_of("binary")
    usual = {name: spec.default(MLP, name) for name in ("hidden", "activation")}
    usual["hidden"] = list(usual["hidden"])  # as JSON has it
    facts["winner"]["hyperparameters"] = {**usual, "lr": 0.0234, "residual": True}
    line = next(line for line in summary_lines(facts, FILES) if line.startswith("Winner"))
    assert "mlp with lr=0.0234 residual=true;" in line
    facts["winner"]["hyperparameters"] = usual
    assert any("mlp at its defaults" in line for line in summary_lines(facts, FILES))


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


# ---- small things --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2min", 120),
        ("1d", 86400),
        ("1h 5s", 3605),
    ],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "m", "10x", "1h30", "m10", "inf", "nan", "1e3"])
def test_no_durations(text):
    if text == "1h30":  # 30 seconds
        assert duration(text) == 3630
        return
    with pytest.raises(Exception, match="time such as"):
        duration(text)


def test_names_and_text():
    assert names(' a ,"b, c",d') == ["a", "b, c", "d"]
    assert printable("a\x1b[31m\n b\t\u202e") == "a�[31m b �"
    assert plain({"a": [float("inf"), 1.5, None, True], 2: Path("x")}) == {
        "a": [None, 1.5, None, True],
        "2": "x",
    }


def test_the_module_runs():
    done = subprocess.run(
        [sys.executable, "-m", "coterie", "fit"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert issubclass(StudyError, CoterieError)
    assert done.stderr.startswith("error: Name the data")
