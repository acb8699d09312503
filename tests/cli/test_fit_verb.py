"""`coterie fit`: what is asked reaches the verb, and mistakes are named."""

import errno
import json

import pytest
from stand_ins import FakeStudy, run

from coterie.errors import DataError
from coterie.study.events import Phase


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
    assert err.splitlines() == ["reading the data", "kept in runs/toy-1", "training", "writing the report"]
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
