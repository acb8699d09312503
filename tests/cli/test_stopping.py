"""Signals, readers that leave and disks that fill: one line, and a status."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stand_ins import ROOT, FakeStudy, run

from coterie.study.events import Phase
from coterie.training.events import CohortStart, StepEnd


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


@pytest.mark.parametrize("phases", [(), ("training", "baselines"), ("training", "assessing")])
def test_what_leaves_nothing_ends_at_once(verbs, capsys, phases):
    verbs.study = FakeStudy(*map(Phase, phases), interrupt(), lambda: pytest.fail("went on"))
    got, out, err = run("fit digits", capsys)
    assert (got, out) == (130, "")
    assert err.splitlines()[-1] == "Stopped, and saved. Go on with: coterie resume runs/toy-1"


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
