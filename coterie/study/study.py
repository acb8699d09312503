"""A study: dataset + candidates + folds + seeds, and all that came of them; a folder on disk.

`events()` is the whole course (`course.py`). It can be left at any event and taken up again by another
process; whatever is not finished is repeated to the same numbers.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from coterie.data.bundled import SETS, environment_of
from coterie.data.cells import with_whole_paths
from coterie.data.read import Table, read
from coterie.data.scanned import loaded
from coterie.errors import StudyError
from coterie.model import Model
from coterie.report.notebook import study_html
from coterie.study.batches import candidates_kept, write_batches
from coterie.study.course import course, page
from coterie.study.events import Finished, Phase, Planned, Stopped, StudyEvent
from coterie.study.fitting import Clock
from coterie.study.folder import (
    ASKED,
    ASSESSMENT,
    CHECKPOINT,
    MODEL,
    PREDICTIONS,
    REPORT,
    Folder,
    make_folder,
    unwritable,
)
from coterie.study.frames import epoch_frame, weight_frame
from coterie.study.initial import Initial, Posed, open_initial, posed
from coterie.study.planning import device_of, metric_of
from coterie.study.problem import Problem
from coterie.study.question import SAMPLERS, Question
from coterie.study.remarks import versions
from coterie.study.sampling import require
from coterie.study.sharing import check_storage, placed

FORMAT = 1


class Study:
    """Open one with `coterie.open_study`, begin one with `coterie.fit`.

    >>> study = ct.fit("iris", out="runs/flowers")  # doctest: +SKIP
    >>> study.results, study.model, study.report()  # doctest: +SKIP
    """

    def __init__(self, folder: Folder, table: Table | None = None, test: Table | None = None) -> None:
        self._folder = folder
        asked = folder.read_json(ASKED)
        if asked["format"] > FORMAT:
            raise StudyError("A study must be of a format that this version knows.", fix="Upgrade coterie.")
        self._asked = asked
        self.question = Question.from_dict(asked["question"])
        self._tables = (table, test)
        self._everything: Posed | None = None
        self._model: Model | None = None
        self._clock = Clock(limit=self.question.time_limit)

    @classmethod
    def begin(
        cls,
        question: Question,
        table: Table,
        test: Table | None,
        out: str | os.PathLike[str] | None,
        initial: Initial | None = None,
        batches: Sequence[dict[str, Any]] = (),
    ) -> Study:
        """Checks the question against the data, then makes the folder. Nothing is trained yet.

        batches: candidates that a sampler chose already, as `candidates.json` holds them.
        """
        if not question.target and table.target and table.source not in SETS:
            question = dataclasses.replace(question, target=table.target)  # which a file will not know
        if initial is None and question.init is not None:
            initial = open_initial(question.init)
        everything = posed(initial.asked(question) if initial else question, table, test, initial)
        metric = metric_of(question, everything.problem)
        device_of(question.device)
        if question.search in SAMPLERS:
            require(question.search)
            if question.storage:
                check_storage(placed(question.storage), question.search)
        folder = make_folder(out, table.name)
        given = (table, test)
        table = _kept(table, folder, "data")
        test = _kept(test, folder, "test") if test is not None else None
        tables = {n: t for n, t in (("data", table), ("test", test)) if t is not None}
        typed = dataclasses.replace(  # what a person can type again: data in memory were written to a file
            question,
            source=table.source if table is given[0] else str(table.path),
            test=None if test is None else test.source if test is given[1] else str(test.path),
        )
        question = dataclasses.replace(
            question,
            source=table.path or table.source,
            test=None if test is None else test.path or test.source,
            storage=question.storage and placed(question.storage),
        )
        if initial is not None:
            question = dataclasses.replace(initial.asked(question), init=initial.source)
            initial.save(folder)
        asked: dict[str, Any] = {
            "format": FORMAT,
            "name": table.name,
            "command": typed.command(None if out is None else str(out)),
            "metric": metric.name,
            "versions": versions(sampled=question.search in SAMPLERS),
            "question": question.to_dict(),
            "sha256": {n: t.sha256 for n, t in tables.items()},
            "tables": {n: {"source": t.source, "notes": list(t.notes)} for n, t in tables.items()},
        }
        if initial is not None:
            asked["initial"] = {"source": initial.source, "sha256": initial.sha256}
        folder.write_json(ASKED, asked)
        if batches:
            write_batches(folder, batches)
        study = cls(folder, table, test)
        if table is given[0] and test is given[1]:
            study._everything = everything
        return study

    # ---- what is known ---------------------------------------------------------------------------------

    @property
    def folder(self) -> Path:
        return self._folder.path

    @property
    def finished(self) -> bool:
        """Whether model, assessment and report are written."""
        return (self._folder / ASSESSMENT).is_file() and not (self._folder / CHECKPOINT).exists()

    @property
    def problem(self) -> Problem:
        """Data, split and schema, read again from the source if need be and checked to be the same."""
        return self._posed().problem

    def _posed(self) -> Posed:
        if self._everything is None:
            table, test = self._tables
            table = table if table is not None else self._read("data", self.question.source)
            if test is None and self.question.test is not None:
                test = self._read("test", self.question.test)
            earlier = self._asked.get("initial")
            initial = Initial.kept(self._folder, earlier["sha256"]) if earlier else None
            self._everything = posed(self.question, table, test, initial)
        return self._everything

    @property
    def facts(self) -> dict[str, Any]:
        """All that the assessment found, as plain data; `StudyError` before the study is finished."""
        if not (self._folder / ASSESSMENT).is_file():
            raise self._unfinished()
        return self._folder.read_json(ASSESSMENT)

    @property
    def model(self) -> Model:
        """The ensemble that the study leaves; `StudyError` before the study is finished."""
        if self._model is None:
            if not self.finished:
                raise self._unfinished()
            self._model = Model.load(self._folder / MODEL)
        return self._model

    @property
    def weights(self) -> pl.DataFrame:
        """The weights of small models at every step: candidate, fold, seed, step (0: the start), name, value.

        Traced where all members that train together have 64 weights at most; a frame without rows for others.
        """
        candidates = candidates_kept(self._folder) or self._posed().candidates
        return weight_frame(self._folder, candidates, self.problem.dataset)

    @property
    def warnings(self) -> list[str]:
        return list(self.facts["warnings"])

    @property
    def results(self) -> pl.DataFrame:
        """A tidy frame of every member's epochs: candidate, fold, seed, epoch, metric, value."""
        return epoch_frame(self._folder, self._asked["metric"])

    # ---- the course ------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Asks a running `events()` to finish its step, save, and raise `Stopped`."""
        self._clock.stop = True

    def run(self) -> Study:
        """Follows the events to the end."""
        for _ in self.events():
            pass
        return self

    def events(self) -> Iterator[StudyEvent]:
        """Everything that is left to do, event by event. One process at a time; `StudyError` for a second."""
        if self.finished:
            yield Finished(str(self.folder), self.facts["compute"]["seconds"])
            return
        with self._folder.lock():
            try:
                for event in course(self._folder, self._asked, self.question, self._posed(), self._clock):
                    yield event
                    if self._clock.stop and isinstance(event, (Planned, Phase)):
                        raise Stopped  # training stops by itself, after saving
            except OSError as error:
                raise unwritable(self.folder, error) from error

    # ---- afterwards ------------------------------------------------------------------------------------

    def report(self, path: str | os.PathLike[str] | None = None, rows: bool | None = None) -> Path:
        """Writes the page again and returns its path; rows=False leaves single rows out of it."""
        facts = self.facts
        arrays, _ = self._folder.read_tensors(PREDICTIONS)
        if rows is False:
            facts.update(worst=[], rows_left_out=True)
        drawn = page(self._folder, facts, arrays)
        if path is None:
            return self._folder.write(REPORT, drawn)
        return Folder(Path(path).parent).write(Path(path).name, drawn)

    def evaluate(self, data: Any, by: tuple[str, ...] = (), *, skip_bad: bool = False) -> dict[str, Any]:
        """The model's scores on labelled rows never seen before, with intervals; recorded in the study.

        by: columns whose values are scored apart. skip_bad: leave out rows whose image files cannot be read.
        """
        from coterie.study.assess import score_table

        table = read(data)
        scores = score_table(self.model, table, by=by, skip_bad=skip_bad)
        with self._folder.lock():
            self._folder.append({"event": "scored", "source": table.source, "sha256": table.sha256})
            facts = self.facts
            if table.sha256 in self._asked["sha256"].values():
                facts["test_scored"] += 1
                self._folder.write_json(ASSESSMENT, facts)
        scored = [e for e in self._folder.events() if e["event"] == "scored"]
        return {**scores, "times_scored": sum(e["sha256"] == table.sha256 for e in scored)}

    def summary(self) -> dict[str, Any]:
        """The object of `--json`: its shape is part of the interface."""
        facts = self.facts
        best = facts["comparison"] and facts["comparison"]["baseline"]
        baseline = next((b for b in facts["baselines"] if b["name"] == best), None)
        return {
            "study": str(self.folder),
            "task": facts["task"],
            "members": facts["compute"]["members"],
            "seconds": round(facts["compute"]["seconds"], 3),
            "winner": {n: facts["winner"][n] for n in ("family", "hyperparameters")},
            "validation": facts["validation"],
            "test": facts["test"],
            "baseline": baseline and {"name": baseline["name"], "test": baseline["test"]},
            "verdict": facts["verdict"],
            "warnings": facts["warnings"],
            "report": str(self._folder / REPORT),
            "model": str(self._folder / MODEL),
        }

    def _repr_html_(self) -> str:
        return study_html(self.facts) if self.finished else f"<p>{self!r}</p>"

    def __repr__(self) -> str:
        state = "finished" if self.finished else "not finished"
        return f"<coterie Study {self.folder}: {state}>"

    # ---- pieces ----------------------------------------------------------------------------------------

    def _unfinished(self) -> StudyError:
        return StudyError(
            "Only a finished study has results to show.",
            given=f"'{self.folder}', which is not finished",
            fix=f"Finish it: `coterie resume {self.folder}`.",
        )

    def _read(self, name: str, source: str) -> Table:
        kept = self._folder / f"{name}.parquet"  # beside the study, wherever that has moved
        table = read(kept if kept.is_file() else source)
        if table.sha256 != self._asked["sha256"].get(name):
            raise StudyError(
                "A study goes on with the data that it began with.",
                given=f"'{source}', which has changed since",
                fix="Put the old file back, or start a new study.",
            )
        told = self._asked["tables"][name]  # as it was at the beginning, wherever its rows are kept now
        return dataclasses.replace(table, source=told["source"], notes=tuple(told["notes"]))


def _kept(table: Table, folder: Folder, name: str) -> Table:
    """The table as a resume can read it: data without a file of their own are written beside the study."""
    if table.path is not None or table.source in SETS or environment_of(table):
        return table
    path = folder.path / f"{name}.parquet"
    table = with_whole_paths(table)  # files were named from where the person stood
    try:
        loaded(table.frame).write_parquet(path)
    except OSError as error:
        raise unwritable(path, error) from error
    return dataclasses.replace(read(path), name=table.name, source=table.source, notes=table.notes)
