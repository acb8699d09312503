"""A cohort whose members are spread over processes: each trains its own as a smaller cohort.

Members are independent, so nothing passes between processes but what there is to tell: at the end of every
epoch who did how well, and who is to leave. To a listener the cohort is one: its events, its state on disk
and its members' order are those of one process, and a study goes on with any number of processes. It is whole
between epochs, not between steps.

Member i of a plan belongs to process i modulo their number. A living of the M members, P parameters of one.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.errors import StudyError
from coterie.metrics.catalogue import METRICS
from coterie.metrics.unsupervised import row_means
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort, Record, member_id
from coterie.training.compiled import Unsuited
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, Event, MemberId, Retire, StepEnd
from coterie.training.layout import Layout
from coterie.training.loop import train
from coterie.training.plan import CohortPlan
from coterie.training.ranks import Ranks, leave, ranks
from coterie.training.start import Start

Facts = dict[str, Any]
State = tuple[dict[str, Tensor], Facts]


@dataclass(frozen=True)
class Work:
    """What a process needs to know to train its members of a cohort."""

    plan: CohortPlan
    metric: str
    dataset: Dataset | None  # None: as before
    folds: tuple[tuple[Any, Any], ...]
    device: str
    dtype: torch.dtype
    start: Start | None
    shared: bool


class Part:
    """One process's members of a cohort, and where in the whole they stand.

    shared: these are all of them, and its own is a slice of each.
    """

    def __init__(self, plan: CohortPlan, arena: Arena, metric: str, ranks: Ranks, shared: bool) -> None:
        self.shared = shared
        every = range(len(plan.members))
        self.places = list(every if shared else every[ranks.rank :: ranks.world])
        members = tuple(plan.members[place] for place in self.places)
        own = CohortPlan(plan.index, members)
        self.cohort: Cohort | None = None
        if shared:
            from coterie.training.sharded import Sharded  # it takes seconds to import, and is rarely needed

            self.cohort = Sharded(own, arena, ranks)
        elif members:
            self.cohort = Cohort(own, arena)
        self.metric, self.unlabelled = METRICS[metric], arena.dataset.task == "unsupervised"
        self.events: Generator[Event, Retire | None, None] = iter(())  # type: ignore[assignment]

    def begin(self) -> int:
        """Gets ready to train; returns the steps that are left."""
        if self.cohort is None:
            return 0
        beside = row_means if self.unlabelled else None
        self.events = train(self.cohort, self.metric.function, self.metric.maximise, self.metric.view, beside)
        start = next(self.events)
        return start.steps if isinstance(start, CohortStart) else 0

    def retire(self, command: Retire) -> EpochEnd | None:
        """Between two epochs: who of the members here is named leaves."""
        here = set(self.cohort.ids) if self.cohort else set()
        if not here or not (command.members is None or here & set(command.members)):
            return None
        answer = self.events.send(command)
        assert isinstance(answer, EpochEnd)
        return answer

    def event(self, command: Retire | None) -> Event:
        """What comes next, of an answer to what came last."""
        return self.events.send(command)

    def epoch(self) -> Iterator[Event]:
        """The events of an epoch, the last of which ends it; none if nobody is left."""
        for event in self.events:
            if isinstance(event, CohortEnd):
                return
            yield event
            if isinstance(event, EpochEnd):
                return

    def facts(self) -> Facts | None:
        """`Cohort.facts`, members by their places in the whole."""
        if self.cohort is None:
            return None
        facts = self.cohort.facts()
        records = dict(zip(self.places, facts["records"], strict=True))
        return facts | {"alive": [self.places[here] for here in facts["alive"]], "records": records}

    def tensors(self) -> dict[str, Tensor]:
        found = {} if self.cohort is None else self.cohort.tensors()
        return {name: tensor.cpu() for name, tensor in found.items()}

    def restore(self, state: State) -> None:
        """Takes what belongs here of a state of the whole."""
        if self.cohort is None:
            return
        tensors, facts = state
        alive = [(here, place) for here, place in enumerate(self.places) if place in facts["alive"]]
        living = torch.tensor([facts["alive"].index(place) for _, place in alive], dtype=torch.int64)
        kept = torch.tensor(self.places)
        own = {name: tensor[kept if _is_best(name) else living] for name, tensor in tensors.items()}
        records = [facts["records"][place] for place in self.places]
        self.cohort.restore(own, facts | {"alive": [here for here, _ in alive], "records": records})


class Spread:
    """The whole, as the first process sees it: it has of a `Cohort` what the driver of a study looks at."""

    def __init__(
        self, plan: CohortPlan, arena: Arena, metric: str, ranks: Ranks, shared: bool | None = None
    ) -> None:
        """shared: whether each batch is shared between processes, not the members; None: as it pays."""
        self.plan, self.ranks = plan, ranks
        if shared is None:
            shared = len(plan.members) < ranks.world and _pays(plan, arena, ranks)
        self.shared = shared
        folds = tuple(zip(arena.training, arena.validation, strict=True))
        dataset = None if ranks.known is arena.dataset else arena.dataset
        kind = (arena.device.type, arena.dtype, arena.start, shared)
        self._tell("cohort", Work(plan, metric, dataset, folds, *kind))
        ranks.known = arena.dataset
        self.part = Part(plan, arena, metric, ranks, shared)
        assert self.part.cohort is not None
        self.layout: Layout = self.part.cohort.layout
        self._facts: Facts = {}
        self._hear(None)

    def restore(self, tensors: dict[str, Tensor], facts: Facts) -> None:
        """As `Cohort.restore`; ValueError, KeyError for another plan's."""
        members = len(self.plan.members)
        if len(facts["records"]) != members or tensors["best"].shape != (members, self.layout.parameters):
            raise ValueError(f"weights of shape {tuple(tensors['best'].shape)}")
        self._tell("restore", (tensors, facts))
        self.part.restore((tensors, facts))
        self._hear(None)

    def programs(self) -> tuple[str, ...]:
        """As `Cohort.programs`."""
        assert self.part.cohort is not None
        return self.part.cohort.programs()

    def compiled(self) -> None:
        """As `Cohort.compiled`: what is not in the cache the first process makes, and the others load it
        then; one that cannot goes on as it is."""
        assert self.part.cohort is not None
        self.part.cohort.compiled()
        self._tell("compiled")
        self._hear(None)

    def plainly(self) -> None:
        """As `Cohort.plainly`."""
        assert self.part.cohort is not None
        self.part.cohort.plainly()
        self._tell("plainly")
        self._hear(None)

    def train(self) -> Generator[Event, Retire | None, None]:
        """As `loop.train`, but that a command is heard at the end of an epoch alone if members are spread."""
        self._tell("begin")
        steps = max(answer or 0 for answer in self._hear(self.part.begin()))
        command = yield CohortStart(self.plan.index, len(self.alive), self.layout.parameters, steps)
        while self.shared:  # all go through the same loop
            self._tell("event", command)
            event = self.part.event(command)
            self._hear(None)
            command = yield event
            if isinstance(event, CohortEnd):
                return
        while self.alive:
            if command is not None:
                self._tell("retire", command)
                answers = self._hear(self.part.retire(command))
                command = (yield self._joined(answers)) if answers else None
                continue
            self._tell("epoch")
            ended: EpochEnd | None = None
            for event in self.part.epoch():
                if isinstance(event, EpochEnd):
                    ended = event
                elif isinstance(event, StepEnd):
                    yield replace(event, alive=len(self.alive))
            command = yield self._joined(self._hear(ended))
        yield CohortEnd(self.plan.index)

    # ---- between processes -----------------------------------------------------------------------------

    def _tell(self, what: str, given: Any = None) -> None:
        """What all are to do now."""
        self.ranks.broadcast((what, given))
        self._tensors: dict[str, Tensor] | None = None

    def _hear(self, answer: Any) -> list[Any]:
        """What each has come to, if anything; how the members stand is told with it."""
        own = (answer, self.part.facts())
        told = [own] if self.shared else self.ranks.gather(own)  # shared: the same everywhere
        self._facts = joined_facts([facts for _, facts in told if facts is not None])
        return [answer for answer, _ in told if answer is not None]

    def _joined(self, ends: list[EpochEnd]) -> EpochEnd:
        """One event of all that the processes tell, in the plan's order."""
        order = {member_id(member): place for place, member in enumerate(self.plan.members)}
        told = [
            (member, end.train[i], end.validation[i], {n: v[i] for n, v in end.beside.items()})
            for end in ends
            for i, member in enumerate(end.members)
        ]
        told.sort(key=lambda one: order[one[0]])
        retired = sorted((one for end in ends for one in end.retired), key=lambda one: order[one.member])
        members, losses, scores, beside = zip(*told, strict=True) if told else ((), (), (), ())
        names = beside[0] if beside else {}
        more = {name: tuple(each[name] for each in beside) for name in names}
        return EpochEnd(self.plan.index, ends[0].epoch, members, losses, scores, tuple(retired), more)

    # ---- the state of all ------------------------------------------------------------------------------

    def facts(self) -> Facts:
        return self._facts

    def tensors(self) -> dict[str, Tensor]:
        if self._tensors is None:
            self._tell("tensors")
            if self.shared:
                self._tensors = self.part.tensors()
                return self._tensors
            told = self.ranks.gather((self.part.places, self.part.facts(), self.part.tensors()))
            self._tensors = joined_tensors([part for part in told if part[2]])
        return self._tensors

    @property
    def alive(self) -> list[int]:
        return list(self._facts["alive"])

    @property
    def ids(self) -> tuple[MemberId, ...]:
        return tuple(member_id(self.plan.members[place]) for place in self.alive)

    @property
    def records(self) -> list[Record]:
        return [Record(**record) for record in self._facts["records"]]

    @property
    def epoch(self) -> int:
        return int(self._facts["epoch"])

    @property
    def step(self) -> int:
        return int(self._facts["step"])

    @property
    def flat(self) -> Tensor:
        return self.tensors()["flat"]

    @property
    def best(self) -> Tensor:
        return self.tensors()["best"]

    @property
    def buffers(self) -> dict[str, Tensor]:
        return _named(self.tensors(), "buffer.")

    @property
    def best_buffers(self) -> dict[str, Tensor]:
        return _named(self.tensors(), "best.")


def joined_facts(parts: list[Facts]) -> Facts:
    """How the members of the whole stand, in the plan's order; those of whom somebody lives say where."""
    records = {place: record for facts in parts for place, record in facts["records"].items()}
    alive = sorted(place for facts in parts for place in facts["alive"])
    (first, *_) = [facts for facts in parts if facts["alive"]] or parts
    return first | {"alive": alive, "records": [records[place] for place in sorted(records)]}


def joined_tensors(parts: list[tuple[list[int], Facts, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """The tensors of the whole: of the living, or of all where the best are kept, in the plan's order."""
    every = _order([place for places, _, _ in parts for place in places])
    living = _order([place for _, facts, _ in parts for place in facts["alive"]])
    return {
        name: torch.cat([tensors[name] for _, _, tensors in parts])[every if _is_best(name) else living]
        for name in parts[0][2]
    }


@contextlib.contextmanager
def crew() -> Iterator[bool]:
    """While entered, the other processes are at the first one's service; whether this is the first, or alone.

    For another process it is over as soon as it is entered: by then everything is done.
    """
    together = ranks()
    if together is None:
        yield True
    elif together.rank:
        for number in (signal.SIGINT, signal.SIGTERM):  # the first process says when to stop
            signal.signal(number, signal.SIG_IGN)
        serve(together)
        leave()
        yield False
    else:
        try:
            yield True
        finally:
            with contextlib.suppress(StudyError):  # whoever is gone needs not be told
                together.broadcast(("end", None))
            leave()


def serve(ranks: Ranks) -> None:
    """What a process other than the first does: as it is told, until there is nothing more to do."""
    data: Dataset | None = None
    part: Part | None = None
    while True:
        what, given = ranks.broadcast()
        if what == "end":
            return
        if what == "cohort":
            data = given.dataset or data
            assert data is not None
            arena = Arena.of(data, given.folds, ranks.device(given.device), given.dtype, given.start)
            part = Part(given.plan, arena, given.metric, ranks, given.shared)
        assert part is not None
        answer: Any = None
        if what == "tensors":
            tensors = part.tensors()
            if not part.shared:
                ranks.gather((part.places, part.facts(), tensors))
            continue
        if what == "restore":
            part.restore(given)
        elif what == "begin":
            answer = part.begin()
        elif what == "event":
            part.event(given)
        elif what == "compiled" and part.cohort is not None:
            with contextlib.suppress(Unsuited):
                part.cohort.compiled()
        elif what == "plainly" and part.cohort is not None:
            part.cohort.plainly()
        elif what == "retire":
            answer = part.retire(given)
        elif what == "epoch":
            answer = next((event for event in part.epoch() if isinstance(event, EpochEnd)), None)
        if not part.shared:
            ranks.gather((answer, part.facts()))


def _pays(plan: CohortPlan, arena: Arena, ranks: Ranks) -> bool:
    from coterie.training.sharded import pays

    return pays(plan, arena, ranks)


def _is_best(name: str) -> bool:
    return name == "best" or name.startswith("best.")


def _order(places: list[int]) -> Tensor:
    return torch.tensor(places, dtype=torch.int64).argsort()


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
