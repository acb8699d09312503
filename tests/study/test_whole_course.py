"""A study whole, with its page and all its baselines: written again, and after a real kill."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from small_kinds import (
    AB,
    BITS,
    SHORT,
    SIGNS,
    SMALL,
    TEXTS,
    TINY,
    Given,
    fitted,
    pixels,
    ragged,
)
from small_studies import coterie, patients, remains, tiny

import coterie as ct
from coterie.study.events import Stopped
from coterie.study.study import Study
from coterie.training.events import StepEnd


def test_the_report_is_written_again(tmp_path):
    study = tiny(patients(), "ill", out=tmp_path / "s")
    before = (study.folder / "report.html").read_text()
    assert study.report(tmp_path / "r.html") == tmp_path / "r.html"
    assert (tmp_path / "r.html").read_text() == before
    study.report(tmp_path / "bare.html", rows=False)
    assert len((tmp_path / "bare.html").read_text()) < len(before)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_by_the_system_at_random_moments(tmp_path):
    """The real thing: a process, SIGKILL, and the command line's own `resume`."""
    file, log = tmp_path / "p.csv", tmp_path / "b" / "s" / "events.jsonl"
    pl.DataFrame(patients(200)).write_csv(file)
    words = ["fit", str(file), "--target=ill", "--folds=2", "--candidates=2", "--epochs=30", "--patience=0"]
    words += ["--fix", "hidden=16", "--out", str(tmp_path / "b" / "s"), "--quiet"]
    running, rng = coterie(*words), random.Random(3)
    for _ in range(2):
        lines, begin = size(log), time.monotonic()
        while running.poll() is None and size(log) <= lines and time.monotonic() - begin < 120:
            time.sleep(0.01)  # until it has begun, or gone on
        time.sleep(rng.uniform(0, 0.5))
        running.kill()
        complaint = running.communicate()[1]
        assert running.returncode == -signal.SIGKILL, complaint
        running = coterie("resume", str(tmp_path / "b" / "s"), "--quiet")
    complaint = running.communicate(timeout=300)[1]
    assert running.returncode == 0, complaint
    fix = {"hidden": "16", "epochs": "30", "patience": "0"}
    whole = tiny(file, "ill", out=tmp_path / "a" / "s", fix=fix)
    assert remains(tmp_path / "b" / "s") == remains(whole.folder)


def size(path):
    return path.stat().st_size if path.exists() else 0


# ---- kinds of input, stopped again and again --------------------------------------------------------

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
