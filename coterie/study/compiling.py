"""Whether a cohort's turns are compiled, and since when: decided by the clock, written down, and replayed.

A few steps are timed; compiling pays where what it saves in the steps that are surely left is more than what
it costs, both as seen on this machine. What runs of the same structure would have saved before counts too:
so small studies that are repeated get their program in the end, and have then lost no more than it costs.
Compiled steps differ by rounding, so every choice is on disk before it is acted on, and a resumed study, or
one repeated by its study.json, makes the same ones at the same steps.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from coterie.study.events import Phase
from coterie.study.folder import CHOICES, Folder
from coterie.training.cohort import Cohort
from coterie.training.compiled import Unsuited
from coterie.training.events import EpochEnd, Event, StepEnd
from coterie.training.loop import steps_left
from coterie.training.programs import Seen, note, path_of, seen, usual
from coterie.training.spread import Spread

WARM, TIMED = 3, 5  # steps before the pace is believed, and steps whose median it is
LOADING = 0.3  # seconds that a program costs which is there already
SLOWER = 0.95  # a program whose pace is more of the plain one is given up


class Compiling:
    """The choices of one cohort. mode: auto, on or off."""

    def __init__(self, folder: Folder, cohort: Cohort | Spread, mode: str) -> None:
        self.folder, self.cohort, self.mode = folder, cohort, mode
        kept = choices_of(folder).get(str(cohort.plan.index), {})
        self.switches: list[list[int]] = kept.get("switches", [])  # [epoch, step, 1 or 0]
        solved = cohort.plan.recipe.optimizer == "exact"  # there are no steps
        self.settled: bool = kept.get("settled", False) or mode == "off" or solved
        self.why: str = kept.get("why", "")
        self.on = False
        self.keys: tuple[str, ...] = ()
        self.pace = 0.0  # seconds a plain step
        self._times: list[float] = []
        self._steps = 0

    def begin(self) -> Iterator[Phase]:
        """What was chosen before the point at which the cohort stands, or is always to be."""
        earlier = [on for *at, on in self.switches if tuple(at) <= self._place]
        if earlier:
            yield from self._switch(bool(earlier[-1]))
        elif self.mode == "on" and not self.switches and not self.settled:
            yield from self._choose(True, settled=True)

    def hear(self, event: Event, seconds: float, until: int | None, left: float) -> Iterator[Phase]:
        """Decides at this event if it is time to. seconds: what the step took; until: the epoch at whose end
        the cohort is to wait; left: seconds until time is up."""
        if isinstance(event, StepEnd):
            self._times.append(seconds)
            self._steps += 1
            if isinstance(self.cohort, Spread):  # which is whole at the ends of epochs alone
                return
        recorded = [bool(on) for *at, on in self.switches if tuple(at) == self._place]
        ahead = any(tuple(at) > self._place for *at, _ in self.switches)  # as an earlier process chose
        if recorded:
            if recorded[-1] != self.on:
                yield from self._switch(recorded[-1])
        elif not self.settled and not ahead and len(self._times) >= WARM + TIMED:
            pace = statistics.median(self._times[-TIMED:])
            if self.on and self.switches:
                yield from self._judge(pace)
            elif not self.pace or isinstance(event, EpochEnd):
                self.pace = pace
                if self._pays(pace, until, left):
                    yield from self._choose(True)

    def end(self) -> None:
        """The cohort is done: what compiling it would have saved is remembered."""
        if self.keys and not self.on and not self.settled:
            lost = self._steps * self.pace * (1 - self._ratio)
            note(self.keys[0], missed=seen(self.keys[0]).missed + lost)
        if not self.settled:
            self._keep(settled=True)

    @property
    def _place(self) -> tuple[int, int]:
        return (self.cohort.epoch, self.cohort.step)

    def _pays(self, pace: float, until: int | None, left: float) -> bool:
        """Whether a program costs less than it saves in the steps that are surely left."""
        if not self.keys:
            try:
                self.keys = self.cohort.programs()
            except Unsuited as error:
                self._keep(settled=True, why=str(error))
                return False
        if all(path_of(key).is_file() for key in self.keys):
            cost = LOADING
        else:
            cost = sum(one.cost or self._usual.cost for one in self._seen)
        saved = self._sure(until) * pace
        return min(saved, left) * (1 - self._ratio) + self._seen[0].missed > cost

    @cached_property
    def _usual(self) -> Seen:
        return usual()  # read once: a short epoch would otherwise cost less than this

    @cached_property
    def _seen(self) -> list[Seen]:
        return [seen(key) for key in self.keys]

    @property
    def _ratio(self) -> float:
        return self._seen[0].ratio or self._usual.ratio

    def _sure(self, until: int | None) -> int:
        """Steps until the first member can stop early, or the round ends."""
        cohort = self.cohort.part.cohort if isinstance(self.cohort, Spread) else self.cohort
        assert cohort is not None
        epochs = [m.candidate.recipe.patience for m in cohort.members if m.candidate.recipe.patience]
        if until is not None:
            epochs.append(until - cohort.epoch)
        longest = steps_left(cohort)
        return min(longest, min(epochs) * int(cohort.epoch_steps.max())) if epochs else longest

    def _judge(self, pace: float) -> Iterator[Phase]:
        """After some compiled steps: whether they are faster than plain ones were."""
        if not self.pace:  # plain ones were timed by an earlier process
            self._keep(settled=True)
            return
        note(self.keys[0], eager=self.pace, compiled=pace, missed=0.0)
        if pace > SLOWER * self.pace:
            yield from self._choose(False, settled=True, why="compiled steps are no faster here")
        else:
            self._keep(settled=True)

    def _choose(self, on: bool, settled: bool = False, why: str = "") -> Iterator[Phase]:
        self.switches.append([*self._place, int(on)])
        self._keep(settled, why)
        yield from self._switch(on)

    def _switch(self, on: bool) -> Iterator[Phase]:
        self._times = []
        if not on:
            self.cohort.plainly()
            self.on = False
            return
        try:
            self.keys = self.keys or self.cohort.programs()
            if not all(path_of(key).is_file() for key in self.keys):
                yield Phase("compiling", "once for networks of this structure")
                self.cohort.compiled()
                yield Phase("training")
            else:
                self.cohort.compiled()
            self.on = True
        except Unsuited as error:
            self.switches.append([*self._place, 0])
            self._keep(settled=True, why=str(error))
            yield Phase("training", f"not compiled: {error}")

    def _keep(self, settled: bool, why: str = "") -> None:
        self.settled, self.why = settled, why or self.why
        mine = {"switches": self.switches, "settled": settled, "why": self.why}
        self.folder.write_json(CHOICES, choices_of(self.folder) | {str(self.cohort.plan.index): mine})


def choices_of(folder: Folder) -> dict[str, Any]:
    """What was chosen for each cohort, by its index as text: switches [epoch, step, 1 or 0], settled, why."""
    return folder.read_json(CHOICES) if (folder / CHOICES).is_file() else {}


def ends_compiled(choice: dict[str, Any]) -> bool:
    """Whether a cohort of these choices was compiled at its end."""
    return bool(choice["switches"]) and bool(choice["switches"][-1][-1])
