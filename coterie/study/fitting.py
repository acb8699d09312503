"""Training the planned cohorts, one after the other, so that a kill at any moment costs no more than seconds.

`checkpoint/cohort-N.safetensors` holds what a finished cohort left: best weights and records.
`checkpoint/now.safetensors` is the cohort in training as it stands between two steps, and
`checkpoint/waiting-N.safetensors` one that waits for the others of its round. Each notes how long the event
log was, so that a resume forgets what was logged later and repeats it to the same numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from coterie.metrics.catalogue import Metric
from coterie.metrics.unsupervised import row_means
from coterie.study.compiling import Compiling
from coterie.study.events import Phase, RoundStart, Saved, Stopped, StudyEvent
from coterie.study.folder import CHECKPOINT, EVENTS, Folder, spoilt
from coterie.study.growth import Growth
from coterie.study.halving import END, Round, behind, kept, shares
from coterie.training.arena import Arena
from coterie.training.captured import why_not
from coterie.training.cohort import Cohort, Record, member_id
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, Event, MemberId, Retire, StepEnd
from coterie.training.loop import steps_left, train
from coterie.training.plan import CohortPlan
from coterie.training.ranks import ranks
from coterie.training.spread import Spread

NOW = f"{CHECKPOINT}/now.safetensors"
SAVE_EVERY = 5.0  # seconds; how often does not change any number
TRACED, LONGEST_TRACE = 64, 20_000  # weights of all members, and lines, up to which every step is traced


@dataclass
class Clock:
    """Time spent in this and earlier runs, the limit if there is one, and whether to stop."""

    spent: float = 0.0
    limit: float | None = None
    stop: bool = False
    taken_up: bool = False  # whether what earlier runs spent is known
    _since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return self.spent + time.monotonic() - self._since

    @property
    def left(self) -> float:
        """Seconds until the limit."""
        return math.inf if self.limit is None else max(0.0, self.limit - self.seconds)

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
    folder: Folder,
    plans: Sequence[CohortPlan],
    arena: Arena,
    metric: Metric,
    clock: Clock,
    rounds: Sequence[Round] = (END,),
    compiles: str = "auto",
) -> Iterator[StudyEvent]:
    """Trains what is not finished yet. Raises `Stopped`, with all saved, once `clock.stop` is set.

    compiles: auto, on or off, see `compiling.py`.

    rounds: at the end of each all cohorts wait, and candidates that are behind the others leave.
    When the clock runs out, living members are retired where they stand; cohorts not begun are left out.
    """
    length = _resume_point(folder, clock)
    folder.cut_events(length)
    candidates = len({m.candidate.index for plan in plans for m in plan.members})
    parts, leaving = shares(rounds, candidates), set[int]()
    for number, one in enumerate(rounds):
        if len(rounds) > 1:
            start = rounds[number - 1].until if number else 0.0
            share = (sum(parts[:number]) / sum(parts), parts[number] / sum(parts))
            yield RoundStart(number, len(rounds), candidates - len(leaving), start, one.until, *share)
        for plan in plans:
            if (folder / _name(plan)).is_file() or _round_of(folder, plan) == number:
                continue
            if clock.over and plan.index > 0 and not _begun(folder, plan):
                continue
            asked = Retire(_members(plan, leaving), "pruned")
            until = one.epoch(plan) if number + 1 < len(rounds) else None
            yield from _fit_one(folder, plan, arena, metric, clock, length, number, until, asked, compiles)
            length = _length(folder)
        if number + 1 == len(rounds):
            return
        scores = {m: score for plan in plans for m, score in _scores(folder, plan).items()}
        leaving = behind(scores, kept(one, candidates), metric.maximise)


def _fit_one(
    folder: Folder,
    plan: CohortPlan,
    arena: Arena,
    metric: Metric,
    clock: Clock,
    length: int,
    number: int,
    until: int | None,
    asked: Retire,
    compiles: str,
) -> Iterator[StudyEvent]:
    """One cohort's part of a round: to its end, or until an epoch is over; asked: who leaves first."""
    cohort, events = _cohort_of(plan, arena, metric)
    begun, traced = False, False
    heard: tuple[type, ...] = (EpochEnd,)  # events at which the cohort is whole, and listens
    if isinstance(cohort, Cohort):
        traced = cohort.flat.numel() <= TRACED and steps_left(cohort) <= LONGEST_TRACE
    if isinstance(cohort, Cohort) or cohort.shared:
        heard = (StepEnd, EpochEnd)
    for name in (NOW, _waiting(plan)):
        if begun or not (folder / name).is_file():
            continue
        tensors, facts = folder.read_tensors(name)
        earlier = name == NOW and facts["round"] < number  # it waits by now, as it stood after that
        if facts["cohort"] == plan.index and not earlier:
            try:
                cohort.restore(tensors, facts["state"])
                begun = True
            except (KeyError, TypeError, ValueError) as error:
                raise spoilt(folder / name, f"not this cohort's: {error}") from error
    saved = time.monotonic()
    growth, compiling = Growth(plan, arena), Compiling(folder, cohort, compiles)
    traces: list[tuple[tuple[MemberId, ...], Tensor]] = []  # weights of steps that are not written yet
    told = False
    yield from compiling.begin()
    event: Event | None = next(events)
    since = time.monotonic()
    while event is not None:
        took = _took(cohort, since, compiling.times)
        line = _line(event)
        if line is None and traced and not (isinstance(event, CohortStart) and begun):
            traces.append((cohort.ids, cohort.flat.clone()))
        if line is not None:
            length = _written(folder, traces, length)
            length = folder.append(line)
        for line in growth.lines(cohort, event):
            length = folder.append(line)
        if isinstance(event, CohortEnd):
            break
        command = asked if isinstance(event, CohortStart) else None
        if isinstance(event, heard):
            if clock.over and cohort.alive:
                command = Retire()
            if clock.stop or time.monotonic() - saved > SAVE_EVERY:
                length = _written(folder, traces, length)
                _save(folder, NOW, cohort, length, clock, number)
                saved = time.monotonic()
                yield Saved(NOW)
        yield event
        if isinstance(cohort, Cohort) and not told and (why := why_not(cohort.turns)):
            told = True
            yield Phase("training", f"not recorded as a graph: {why}")
        if command is None and cohort.alive and not clock.stop:
            for phase in compiling.hear(event, took, until, clock.left):
                if not clock.stop:  # or nothing of this would be saved
                    yield phase
        since = time.monotonic()
        if isinstance(event, StepEnd) and StepEnd not in heard:
            event = next(events)
            continue
        if (
            until is not None
            and cohort.epoch >= until
            and not cohort.step
            and cohort.alive
            and not clock.over
        ):
            _save(folder, _waiting(plan), cohort, length, clock, number)
            (folder / NOW).unlink(missing_ok=True)
            if clock.stop:
                raise Stopped
            return
        if clock.stop:
            length = _written(folder, traces, length)
            _save(folder, NOW, cohort, length, clock, number)
            raise Stopped
        since = time.monotonic()
        event = events.send(command)
    compiling.end()
    records = [asdict(record) for record in cohort.records]
    facts = {
        "records": records,
        "parameters": cohort.layout.parameters,
        "events": length,
        "seconds": clock.seconds,
    }
    best = {"best": cohort.best, **{f"buffer.{n}": b for n, b in cohort.best_buffers.items()}}
    folder.write_tensors(_name(plan), best, facts)
    for name in (NOW, _waiting(plan)):
        (folder / name).unlink(missing_ok=True)
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
    """Every member's learning curve, from the event log: candidate, fold, seed, epoch, train, validation;
    beside: of what else was found every epoch, such a list by name."""
    curves: dict[tuple[int, ...], dict[str, Any]] = {}
    for event in folder.events():
        if event["event"] != "epoch":
            continue
        if not {"cohort", "epoch", "members", "train", "validation"} <= set(event):
            raise spoilt(folder / EVENTS, "an epoch without its members")
        told = zip(event["members"], event["train"], event["validation"], strict=True)
        for place, (member, loss, value) in enumerate(told):
            candidate, fold, seed = member
            start = {
                "candidate": candidate,
                "fold": fold,
                "seed": seed,
                "epoch": [],
                "train": [],
                "validation": [],
                "beside": {},
            }
            curve = curves.setdefault((event["cohort"], *member), start)
            curve["epoch"].append(event["epoch"])
            curve["train"].append(loss)
            curve["validation"].append(value)
            more, before = event.get("beside", {}), len(curve["epoch"]) - 1
            for name in {**curve["beside"], **more}:
                value = more[name][place] if name in more else None
                curve["beside"].setdefault(name, [None] * before).append(value)
    return list(curves.values())


def _save(folder: Folder, name: str, cohort: Cohort | Spread, length: int, clock: Clock, number: int) -> None:
    facts = {
        "cohort": cohort.plan.index,
        "round": number,
        "events": length,
        "seconds": clock.seconds,
        "state": cohort.facts(),
    }
    folder.write_tensors(name, cohort.tensors(), facts)


def _resume_point(folder: Folder, clock: Clock) -> int:
    """How much of the log is backed by a checkpoint, of these plans or earlier ones; sets the time spent."""
    length, seconds = 0, 0.0
    for path in sorted((folder / CHECKPOINT).glob("*.safetensors")):
        name = f"{CHECKPOINT}/{path.name}"
        if path.is_file():
            _, facts = folder.read_tensors(name)
            if not isinstance(facts, dict) or not {"events", "seconds"} <= set(facts):
                raise spoilt(folder / name, "no checkpoint")
            length, seconds = max(length, facts["events"]), max(seconds, facts["seconds"])
    if not clock.taken_up:
        clock.spent, clock.taken_up = max(clock.spent, seconds), True
    return length


def _length(folder: Folder) -> int:
    path = folder / EVENTS
    return path.stat().st_size if path.is_file() else 0


def _cohort_of(
    plan: CohortPlan, arena: Arena, metric: Metric
) -> tuple[Cohort | Spread, Generator[Event, Retire | None, None]]:
    """The cohort, and its events once it stands where it is to begin: here, or spread over processes."""
    together = ranks()
    if together is not None:
        spread = Spread(plan, arena, metric.name, together)
        return spread, spread.train()
    cohort = Cohort(plan, arena)
    beside = row_means if arena.dataset.task == "unsupervised" else None
    return cohort, train(cohort, metric.function, metric.maximise, metric.view, beside)


def _name(plan: CohortPlan) -> str:
    return f"{CHECKPOINT}/cohort-{plan.index}.safetensors"


def _waiting(plan: CohortPlan) -> str:
    return f"{CHECKPOINT}/waiting-{plan.index}.safetensors"


def _round_of(folder: Folder, plan: CohortPlan) -> int:
    """The round whose end a cohort waits at; −1 if it does not."""
    name = _waiting(plan)
    return int(folder.read_facts(name)["round"]) if (folder / name).is_file() else -1


def _begun(folder: Folder, plan: CohortPlan) -> bool:
    """Whether anything of a cohort is to be gone on with."""
    if (folder / _waiting(plan)).is_file():
        return True
    return (folder / NOW).is_file() and folder.read_facts(NOW)["cohort"] == plan.index


def _scores(folder: Folder, plan: CohortPlan) -> dict[MemberId, float | None]:
    """The best score so far of every member of a cohort that waits or is finished; {} of one not begun."""
    for name in (_name(plan), _waiting(plan)):
        if (folder / name).is_file():
            facts = folder.read_facts(name)
            records = facts["records"] if "records" in facts else facts["state"]["records"]
            return {member_id(m): r["score"] for m, r in zip(plan.members, records, strict=True)}
    return {}


def _members(plan: CohortPlan, candidates: set[int]) -> tuple[MemberId, ...]:
    return tuple(member_id(m) for m in plan.members if m.candidate.index in candidates)


def _written(folder: Folder, traces: list[tuple[tuple[MemberId, ...], Tensor]], length: int) -> int:
    """Writes the log's lines for steps of a small cohort, every weight as it was then: not at each step, at
    which a GPU would be waited for. Returns how long the log is then."""
    for ids, flat in traces:
        length = folder.append({"event": "weights", "members": list(ids), "weights": flat.tolist()})
    traces.clear()
    return length


def _took(cohort: Cohort | Spread, since: float, asked: bool) -> float | None:
    """Seconds that a step took. A GPU is not done yet, and is waited for only if it is asked; else None."""
    if isinstance(cohort, Cohort) and cohort.arena.device.type == "cuda":
        if not asked:
            return None
        torch.cuda.synchronize(cohort.arena.device)
    return time.monotonic() - since


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
        facts["beside"] = {name: [_json(v) for v in each] for name, each in event.beside.items()}
        for retired in facts["retired"]:
            retired["score"] = _json(retired["score"])
        return {"event": "epoch", **facts}
    if isinstance(event, CohortEnd):
        return {"event": "cohort_end", **asdict(event)}
    return None


def _json(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
