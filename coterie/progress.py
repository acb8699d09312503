"""Where a study stands, added up from its events: members, epoch, best score, time left; and that in words.

It draws nothing, keeps no clock of its own and knows nothing but events, so any display can use it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from coterie.report.numbers import count, listed, significant
from coterie.study.events import BatchStart, Phase, Planned, RoundStart, StudyEvent
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, MemberId, StepEnd

LONG = 60.0  # seconds from which a start deserves a word of warning
SMOOTH = 50  # steps over which the pace is smoothed
MEASURED = 5  # steps before their pace is believed
PHASES = {
    "reading": "reading the data",
    "rates": "trying learning rates",
    "training": "training",
    "compiling": "compiling the step",
    "refitting": "training the winner on all training rows",
    "baselines": "fitting simple baselines for comparison",
    "assessing": "scoring the winner",
    "report": "writing the report",
}


@dataclass
class Progress:
    """Where a study stands. Times are seconds of the clock that the events are taken by."""

    plan: Planned | None = None
    phase: str = "reading"
    detail: str = ""
    round: RoundStart | None = None
    batch: BatchStart | None = None
    cohort: int | None = None
    epoch: int = 0
    alive: int = 0
    retired: int = 0
    diverged: int = 0
    _size: int = 0  # members of this cohort when it began
    _steps: int = 0  # the most that this cohort had left when it began
    _done: int = 0  # steps of it since
    _start: float = 0.0  # when it began
    _last: float = 0.0  # when its last step ended
    _pace: float = 0.0  # seconds a step, with what falls between steps; recent ones weigh most
    _spent: float = 0.0  # on cohorts that have ended, and …
    _served: int = 0  # … how many members those had
    _round_served: int = 0  # of these, in this round
    _rounds_since: float = 0.0  # when the first round of this run began
    _rounds_before: float = 0.0  # and what share of all steps had been taken by then
    _best: dict[MemberId, float] = field(default_factory=dict)
    _remarks: set[str] = field(default_factory=set)

    def take(self, event: StudyEvent, now: float) -> None:
        """Adds one event that happened at `now`."""
        match event:
            case Planned():
                self.plan = event
            case Phase():
                self.phase, self.detail = event.name, event.detail
            case RoundStart():
                self._close(now)
                if self.round is None:
                    self._rounds_since, self._rounds_before = now, event.before
                self.round, self._round_served = event, 0
            case BatchStart():
                self._close(now)
                self.batch, self.retired = event, max(self.retired, event.before)
            case CohortStart():
                self._close(now)
                self.cohort, self.epoch = event.cohort, 0
                self.alive = self._size = event.members
                if self.plan and self._last_of_all(self.plan):  # the others are done, maybe in an earlier run
                    self.retired = self.plan.members - event.members
                self._steps, self._done, self._start, self._last = event.steps, 0, now, now
                self._pace = 0.0
            case StepEnd():
                took, self._last = now - self._last, now
                if self._done:  # the first step is slow: it may compile
                    weight = 1 / min(self._done, SMOOTH)
                    self._pace += (took - self._pace) * weight
                self._done += 1
                self.epoch, self.alive = event.epoch + 1, event.alive
            case EpochEnd():
                self._score(event)
                self.epoch = event.epoch
                self.retired += len(event.retired)
                self.diverged += sum(one.status == "diverged" for one in event.retired)
                if event.members:
                    self.alive = max(0, len(event.members) - len(event.retired))
                else:  # who was asked to leave between two epochs
                    self.alive, self._size = (n - len(event.retired) for n in (self.alive, self._size))
            case CohortEnd():
                self._close(now)

    def _last_of_all(self, plan: Planned) -> bool:
        """Whether no cohort comes behind this one."""
        last_round = self.round is None or self.round.number + 1 == self.round.rounds
        last_batch = self.batch is None or self.batch.number + 1 == self.batch.batches
        first, cohorts = self._cohorts(plan)
        return last_round and last_batch and (self.cohort or 0) + 1 >= first + cohorts

    def _cohorts(self, plan: Planned) -> tuple[int, int]:
        """The number of the first cohort of this batch, and how many it has."""
        return (0, plan.cohorts) if self.batch is None else (self.batch.first, self.batch.cohorts)

    def _close(self, now: float) -> None:
        """The cohort has ended, or waits for the others of its round."""
        if self._size:
            self._spent += now - self._start
            self._served += self._size
            self._round_served += self._size
        self.alive = self._size = 0

    def _score(self, event: EpochEnd) -> None:
        for member, value in zip(event.members, event.validation, strict=True):
            if value is None or value != value:  # nan differs from itself
                continue
            best = self._best.get(member)
            if best is None or (value > best if self.maximise else value < best):
                self._best[member] = value

    @property
    def maximise(self) -> bool:
        """Whether a larger score is better."""
        return self.plan is not None and self.plan.maximise

    @property
    def metric(self) -> str:
        """What the validation score is called."""
        return self.plan.metric if self.plan else ""

    @property
    def waiting(self) -> int:
        """Members whose cohort has not begun. (After a resume those of finished cohorts are not known.)"""
        if self.plan is None or self.phase != "training" or self._last_of_all(self.plan):
            return 0
        return max(0, self.plan.members - self.alive - self.retired)

    def best(self) -> tuple[int, float] | None:
        """The candidate with the best mean over its members' best scores so far, and that mean.

        Only candidates of which as many members have been scored as of any other are compared: a mean over
        one easy fold would flatter.
        """
        scores: dict[int, list[float]] = {}
        for (candidate, _, _), value in self._best.items():
            scores.setdefault(candidate, []).append(value)
        if not scores:
            return None
        most = max(map(len, scores.values()))
        means = {c: sum(values) / most for c, values in scores.items() if len(values) == most}
        better: Callable[..., int] = max if self.maximise else min
        chosen = better(means, key=means.__getitem__)
        return chosen, means[chosen]

    def left(self, now: float) -> float | None:
        """Seconds until training ends if nobody stops early; None while there is nothing to go by.

        This cohort's by its steps and their pace; that of members who wait by what members took so far, or,
        before any is done, by the plan's estimate.
        """
        if self.plan is None or self.phase != "training":
            return None
        if self._done < MEASURED and not self._served:
            return self.plan.estimate_seconds or None
        if self.round is not None:
            return self._left_of_rounds(now, self.plan, self.round)
        current = max(0, self._steps - self._done) * self._pace if self._size else 0.0
        if self._served:
            each = self._spent / self._served
        else:
            each = (now - self._start + current) / self._size
        return current + each * self.waiting

    def _left_of_rounds(self, now: float, plan: Planned, at: RoundStart) -> float | None:
        """By the share of all planned steps that were taken in the time since."""
        members = plan.members * at.candidates / plan.candidates
        mine = self._steps * (at.end - at.start) / (1 - at.start)  # of this cohort's steps, in this round
        here = self._round_served + self._size * min(1.0, self._done / max(1.0, mine))
        taken = at.before + at.part * min(1.0, here / members)
        if taken <= self._rounds_before:
            return None
        return (now - self._rounds_since) * (1 - taken) / (taken - self._rounds_before)

    # ---- words -----------------------------------------------------------------------------------------

    def planned(self) -> str:
        """What will be trained: "80 members (16 candidates of linear and mlp) in 4 cohorts"."""
        assert self.plan is not None
        of = f"{count(self.plan.candidates, 'candidate')} of {listed(list(self.plan.families))}"
        parts = count(self.plan.cohorts, "cohort")
        if self.plan.batches > 1:  # later ones depend on the earlier, and so do their cohorts
            parts = count(self.plan.batches, "batch", "batches")
        return f"{count(self.plan.members, 'member')} ({of}) in {parts}"

    def estimate(self) -> str:
        """Before a long start, how long; otherwise nothing."""
        if self.plan is None or self.plan.estimate_seconds < LONG:
            return ""
        return (
            f"This may take about {length(self.plan.estimate_seconds)}. Ctrl-C finishes the step and saves; "
            "--time-limit 10m would end with the best so far."
        )

    def now(self) -> str:
        """The phase, in words."""
        words = PHASES.get(self.phase, self.phase)
        return (
            f"{words}: {self.detail}"
            if self.detail and self.phase in ("rates", "baselines", "reading", "compiling")
            else words
        )

    def remark(self, event: StudyEvent) -> str:
        """Why steps run otherwise than they might, the first time that an event says it."""
        if not isinstance(event, Phase) or event.name != "training" or event.detail in self._remarks:
            return ""
        self._remarks.add(event.detail)
        return event.detail

    def place(self) -> str:
        """Which cohort and epoch."""
        if self.cohort is None:
            return "getting ready"
        if self.plan is None or self.phase == "refitting":
            return f"epoch {self.epoch}"
        turn = f"round {self.round.number + 1} of {self.round.rounds}, " if self.round else ""
        turn = f"batch {self.batch.number + 1} of {self.batch.batches}, " if self.batch else turn
        first, cohorts = self._cohorts(self.plan)
        return f"{turn}cohort {self.cohort - first + 1} of {cohorts}, epoch {self.epoch}"

    def members(self) -> str:
        """Alive, retired, waiting, diverged."""
        parts = [f"{self.alive:,} alive", f"{self.retired:,} retired"]
        if self.waiting:
            parts.append(f"{self.waiting:,} waiting")
        if self.diverged:
            parts.append(f"{self.diverged:,} diverged")
        return ", ".join(parts)

    def score(self) -> str:
        """The best validation score so far, "" if there is none."""
        best = self.best()
        if best is None or not self.metric:
            return ""
        return f"best validation {self.metric} {significant(best[1])} (candidate {best[0]})"

    def time_left(self, now: float) -> str:
        left = self.left(now)
        return "" if left is None else f"about {length(left)} left"


def length(seconds: float) -> str:
    """A length of time in few letters: "8 s", "2 min 10 s", "3 h 20 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        minutes, rest = divmod(round(whole / 10) * 10, 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if whole < 3570:
        return f"{round(whole / 60)} min"
    hours, rest = divmod(round(whole / 600) * 10, 60)
    return f"{hours:,} h {rest} min" if rest and hours < 24 else f"{hours:,} h"
