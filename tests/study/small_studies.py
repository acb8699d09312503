"""Small studies that go the whole course in about a second, and what is left of one, ready to be compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import coterie as ct
from coterie.study.events import Stopped
from coterie.study.problem import Problem, pose
from coterie.study.question import Question
from coterie.study.study import Study

ROOT = Path(ct.__file__).parents[1]
TINY: dict[str, Any] = {"candidates": 2, "folds": 2, "fix": {"epochs": 3, "hidden": "8"}}
SPENT = re.compile(r"in [\d.,]+ (seconds?|minutes?|hours?) on ")


def tiny(data: Any, target: Any = None, *, out: Path, **options: Any) -> Study:
    """A study fitted with few, small, short members."""
    return ct.fit(data, target, out=out, **{**TINY, **options})


def begun(data: Any, target: Any = None, *, out: Path, test: Any = None, **options: Any) -> Study:
    """The same, not trained yet."""
    from coterie.verbs import prepare

    names = (target,) if isinstance(target, str) else target
    return prepare(data, names, test=test, out=out, options={**TINY, **options})


def posed(frame: Any, test: Any = None, **options: Any) -> Problem:
    """The problem of a question about anything that can be read."""
    from coterie.data.read import read

    target = options.pop("target", ())
    target = (target,) if isinstance(target, str) else tuple(target)
    table = read(frame)
    question = Question(table.source, target=target, **options)
    return pose(question, table, None if test is None else read(test))


def patients(rows: int = 60, seed: int = 0) -> dict[str, list[Any]]:
    """A mixed table: two numbers (one with gaps), a category, and a class that follows from them."""
    rng = np.random.default_rng(seed)
    age, dose = rng.normal(50, 12, rows).round(1), rng.normal(0, 1, rows).round(3)
    ward = rng.choice(["north", "south", "west"], rows)
    ill = (age - 50) / 12 + dose + (ward == "north") + rng.normal(0, 0.5, rows) > 0.3
    return {
        "age": [None if i % 9 == 4 else float(a) for i, a in enumerate(age)],
        "dose": dose.tolist(),
        "ward": ward.tolist(),
        "ill": ["yes" if one else "no" for one in ill],
    }


def stop_after(study: Study, kind: type, count: int) -> bool:
    """Follows the events and asks for a stop after some of a kind; whether it came to that."""
    seen = 0
    try:
        for event in study.events():
            seen += isinstance(event, kind)
            if isinstance(event, kind) and seen == count:
                study.stop()
    except Stopped:
        return True
    return False


def remains(folder: Path) -> dict[str, Any]:
    """All that a finished study left, by file, without times and without the name of its folder."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (".lock", "study.json"):
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    for name in ("assessment.json", "report.html", "model/README.md"):
        text = found[name].decode().replace(str(folder), "FOLDER")
        found[name] = SPENT.sub("in a while on ", text)
    facts = json.loads(found["assessment.json"])
    facts["compute"].pop("seconds")
    facts.pop("checksum", None)  # of all of it, times too
    return {**found, "assessment.json": facts}


def coterie(*words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """The command line in a process of its own, with one thread, so that sums are added in one order."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "coterie", *words],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
