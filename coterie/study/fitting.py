"""Training the planned cohorts, one after the other, so that a kill at any moment costs no more than seconds.

`checkpoint/cohort-N.safetensors` holds what a finished cohort left: best weights and records.
`checkpoint/now.safetensors` is the cohort in training as it stands between two steps. Each notes how long
the event log was, so that a resume forgets what was logged later and repeats it to the same numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from coterie.metrics.catalogue import Metric
from coterie.study.events import Saved, Stopped, StudyEvent
from coterie.study.folder import CHECKPOINT, EVENTS, Folder, spoilt
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort, Record
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, Event, Retire, StepEnd
from coterie.training.loop import steps_left, train
from coterie.training.plan import CohortPlan

NOW = f"{CHECKPOINT}/now.safetensors"
SAVE_EVERY = 5.0  # seconds; how often does not change any number
TRACED, LONGEST_TRACE = 64, 20_000  # weights of all members, and lines, up to which every step is traced


@dataclass
class Clock:
    """Time spent in this and earlier runs, the limit if there is one, and whether to stop."""

    spent: float = 0.0
    limit: float | None = None
    stop: bool = False
    _since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return self.spent + time.monotonic() - self._since

    @property
    def over(self) -> bool:
        return self.limit is not None and self.seconds >= self.limit


@dataclass(frozen=True)
class Trained:
    """A finished cohort: best weights (M, P), buffers (M, …) and records in the plan's order."""

    plan: CohortPlan
    flat: Tensor
    buffers: dict[str, Tensor]
    records: tuple[Record, ...]
    parameters: int


def fit_cohorts(
    folder: Folder, plans: Sequence[CohortPlan], arena: Arena, metric: Metric, clock: Clock
) -> Iterator[StudyEvent]:
    """Trains what is not finished yet. Raises `Stopped`, with all saved, once `clock.stop` is set.

    When the clock runs out, living members are retired where they stand; cohorts not begun are left out.
    """
    length = _resume_point(folder, plans, clock)
    folder.cut_events(length)
    for plan in plans:
        if (folder / _name(plan)).is_file():
            continue
        if clock.over and plan.index > 0:
            return
        yield from _fit_one(folder, plan, arena, metric, clock, length)
        length = _length(folder)


def _fit_one(
    folder: Folder, plan: CohortPlan, arena: Arena, metric: Metric, clock: Clock, length: int
) -> Iterator[StudyEvent]:
    cohort, begun = Cohort(plan, arena), False
    if (folder / NOW).is_file():
        tensors, facts = folder.read_tensors(NOW)
        if facts["cohort"] == plan.index:
            try:
                cohort.restore(tensors, facts["state"])
                begun = True
            except (KeyError, TypeError, ValueError) as error:
                raise spoilt(folder / NOW, f"not this cohort's: {error}") from error
    saved = time.monotonic()
    events = train(cohort, metric.function, metric.maximise, metric.view)
    event: Event | None = next(events)
    command: Retire | None = None
    traced = cohort.flat.numel() <= TRACED and steps_left(cohort) <= LONGEST_TRACE
    while event is not None:
        line = _line(event)
        if line is None and traced and not (isinstance(event, CohortStart) and begun):
            line = _weights(cohort)
        if line is not None:
            length = folder.append(line)
        if isinstance(event, CohortEnd):
            break
        command = None
        if isinstance(event, (StepEnd, EpochEnd)):
            if clock.over and cohort.alive:
                command = Retire()
            if clock.stop or time.monotonic() - saved > SAVE_EVERY:
                _save(folder, cohort, length, clock)
                saved = time.monotonic()
                yield Saved(NOW)
        yield event
        if clock.stop:
            _save(folder, cohort, length, clock)
            raise Stopped
        event = events.send(command)
    records = [asdict(record) for record in cohort.records]
    facts = {
        "records": records,
        "parameters": cohort.layout.parameters,
        "events": length,
        "seconds": clock.seconds,
    }
    best = {"best": cohort.best, **{f"buffer.{n}": b for n, b in cohort.best_buffers.items()}}
    folder.write_tensors(_name(plan), best, facts)
    (folder / NOW).unlink(missing_ok=True)
    yield CohortEnd(plan.index)


def read_trained(folder: Folder, plans: Sequence[CohortPlan]) -> list[Trained]:
    """What the finished cohorts left."""
    done = []
    for plan in plans:
        if (folder / _name(plan)).is_file():
            tensors, facts = folder.read_tensors(_name(plan))
            records = tuple(Record(**record) for record in facts["records"])
            buffers = {n.removeprefix("buffer."): t for n, t in tensors.items() if n.startswith("buffer.")}
            done.append(Trained(plan, tensors["best"], buffers, records, facts["parameters"]))
    return done


def curves_of(folder: Folder) -> list[dict[str, Any]]:
    """Every member's learning curve, from the event log: candidate, fold, seed, epoch, train, validation."""
    curves: dict[tuple[int, ...], dict[str, Any]] = {}
    for event in folder.events():
        if event["event"] != "epoch":
            continue
        if not {"cohort", "epoch", "members", "train", "validation"} <= set(event):
            raise spoilt(folder / EVENTS, "an epoch without its members")
        for member, loss, value in zip(event["members"], event["train"], event["validation"], strict=True):
            candidate, fold, seed = member
            start = {
                "candidate": candidate,
                "fold": fold,
                "seed": seed,
                "epoch": [],
                "train": [],
                "validation": [],
            }
            curve = curves.setdefault((event["cohort"], *member), start)
            curve["epoch"].append(event["epoch"])
            curve["train"].append(loss)
            curve["validation"].append(value)
    return list(curves.values())


def _save(folder: Folder, cohort: Cohort, length: int, clock: Clock) -> None:
    facts = {
        "cohort": cohort.plan.index,
        "events": length,
        "seconds": clock.seconds,
        "state": cohort.facts(),
    }
    folder.write_tensors(NOW, cohort.tensors(), facts)


def _resume_point(folder: Folder, plans: Sequence[CohortPlan], clock: Clock) -> int:
    """How much of the log is backed by a checkpoint; sets the time spent so far."""
    length, seconds = 0, 0.0
    for name in [*(_name(plan) for plan in plans), NOW]:
        if (folder / name).is_file():
            _, facts = folder.read_tensors(name)
            if not isinstance(facts, dict) or not {"events", "seconds"} <= set(facts):
                raise spoilt(folder / name, "no checkpoint")
            length, seconds = max(length, facts["events"]), max(seconds, facts["seconds"])
    clock.spent = max(clock.spent, seconds)
    return length


def _length(folder: Folder) -> int:
    path = folder / EVENTS
    return path.stat().st_size if path.is_file() else 0


def _name(plan: CohortPlan) -> str:
    return f"{CHECKPOINT}/cohort-{plan.index}.safetensors"


def _weights(cohort: Cohort) -> dict[str, Any]:
    """The log's line for a step of a small cohort: every weight as it is now."""
    return {"event": "weights", "members": list(cohort.ids), "weights": cohort.flat.tolist()}


def traces_of(folder: Folder) -> dict[tuple[int, int, int], list[list[float]]]:
    """Of every member (candidate, fold, seed) that was traced, its weights at the start and every step."""
    traces: dict[tuple[int, int, int], list[list[float]]] = {}
    for event in folder.events():
        if event["event"] == "weights":
            for (candidate, fold, seed), now in zip(event["members"], event["weights"], strict=True):
                traces.setdefault((candidate, fold, seed), []).append(now)
    return traces


def _line(event: Event) -> dict[str, Any] | None:
    """The log's line for an event; steps are not logged."""
    if isinstance(event, EpochEnd):
        facts = asdict(event)
        facts["train"] = [_json(v) for v in event.train]
        facts["validation"] = [_json(v) for v in event.validation]
        for retired in facts["retired"]:
            retired["score"] = _json(retired["score"])
        return {"event": "epoch", **facts}
    if isinstance(event, CohortEnd):
        return {"event": "cohort_end", **asdict(event)}
    return None


def _json(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
