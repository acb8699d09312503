"""A study that answers as it is told to, and what a line typed on the terminal comes to."""

import json
import shlex
from pathlib import Path

import coterie
from coterie.cli import main
from coterie.study.events import Finished, Stopped
from coterie.training.events import StepEnd

ROOT = Path(coterie.__file__).parents[1]
EXAMPLES = Path(__file__).parents[1] / "report" / "examples"
TASKS = ("binary", "multiclass", "multilabel", "regression")


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


def run(line: str, capsys) -> tuple[int, str, str]:
    """The status of `coterie` with this line, and what it wrote to stdout and to stderr."""
    status = main(shlex.split(line))
    out, err = capsys.readouterr()
    return status, out, err
