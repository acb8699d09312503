"""How a cohort's turns run, compiled or not, how many members at once: decided by the clock, and replayed.

A few steps are timed; compiling pays where what it saves in the steps that are surely left is more than what
it costs, both as seen on this machine. What runs of the same structure would have saved before counts too:
so small studies that are repeated get their program in the end, and have then lost no more than it costs.
Where many steps are left, a few are taken with fewer members at once, which is kept up where it is faster.
All this changes numbers by rounding, so every choice is on disk before it is acted on, and a resumed study,
or one repeated by its study.json, makes the same ones at the same steps.
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
SIZES = {True: (32, 8), False: (1,)}  # members at once that are tried, compiled or not: one needs no lifting
MANY = 400  # steps that must surely be left for that
TRIED = 4  # steps of a trial; the first does not count
FASTER = 0.92  # a size is kept if its pace is less of that of all at once; one of TWICE is given up at once
TWICE = 2.0


class Compiling:
    """The choices of one cohort. mode: auto, on or off."""

    def __init__(self, folder: Folder, cohort: Cohort | Spread, mode: str) -> None:
        self.folder, self.cohort, self.mode = folder, cohort, mode
        kept = choices_of(folder).get(str(cohort.plan.index), {})
        # [epoch, step, 1 or 0, members at once or 0 for all]
        self.switches: list[list[int]] = kept.get("switches", [])
        solved = cohort.plan.recipe.optimizer == "exact"  # there are no steps
        self.settled: bool = kept.get("settled", False) or mode == "off" or solved
        self.why: str = kept.get("why", "")
        self.on, self.size = False, 0
        self.trying: bool = kept.get("trying", False)  # a size; if so from the start, its process is gone
        self._left: list[int] = []  # sizes that are to be tried yet
        self._paces: dict[int, float] = {}  # seconds a step, by size
        self.keys: tuple[str, ...] = ()
        self.pace = 0.0  # seconds a plain step
        self._times: list[float] = []
        self._steps = 0

    def begin(self) -> Iterator[Phase]:
        """What was chosen before the point at which the cohort stands, or is always to be."""
        earlier = [how for epoch, step, *how in self.switches if (epoch, step) <= self._place]
        if earlier:
            yield from self._switch(*earlier[-1])
        elif self.mode == "on" and not self.switches and not self.settled:
            yield from self._choose(True, settled=True)

    @property
    def times(self) -> bool:
        """Whether what steps take is still to be learned."""
        return not self.settled and len(self._times) < WARM + TIMED

    def hear(self, event: Event, seconds: float | None, until: int | None, left: float) -> Iterator[Phase]:
        """Decides at this event if it is time to. seconds: what the step took, None if that was not measured;
        until: the epoch at whose end the cohort is to wait; left: seconds until time is up."""
        if isinstance(event, StepEnd):
            self._times += [] if seconds is None else [seconds]
            self._steps += 1
            if isinstance(self.cohort, Spread):  # which is whole at the ends of epochs alone
                return
        recorded = [how for epoch, step, *how in self.switches if (epoch, step) == self._place]
        ahead = any((epoch, step) > self._place for epoch, step, *_ in self.switches)  # by an earlier process
        if recorded:
            if recorded[-1] != [self.on, self.size]:
                yield from self._switch(*recorded[-1])
        elif ahead:
            return
        elif self.trying:
            yield from self._compare()
        elif not self.settled and len(self._times) >= WARM + TIMED:
            pace = statistics.median(self._times[-TIMED:])
            if self.on and self.switches:
                yield from self._judge(pace, until)
            elif not self.pace or isinstance(event, EpochEnd):
                self.pace = pace
                if self._pays(pace, until, left):
                    yield from self._choose(True)
                else:
                    yield from self._try(pace, until)

    def end(self) -> None:
        """The cohort is done: what compiling it would have saved is remembered."""
        if self.keys and not self.on and not self.settled:
            lost = self._steps * self.pace * (1 - self._ratio)
            note(self.keys[0], missed=seen(self.keys[0]).missed + lost)
        if not self.settled or self.trying:
            self.trying = False  # what was tried last is how the last steps ran
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

    def _judge(self, pace: float, until: int | None) -> Iterator[Phase]:
        """After some compiled steps: whether they are faster than plain ones were."""
        if not self.pace:  # plain ones were timed by an earlier process
            self._keep(settled=True)
            return
        note(self.keys[0], eager=self.pace, compiled=pace, missed=0.0)
        if pace > SLOWER * self.pace:
            yield from self._choose(False, settled=True, why="compiled steps are no faster here")
            return
        yield from self._try(pace, until)
        if not self.trying:
            self._keep(settled=True)

    def _try(self, pace: float, until: int | None) -> Iterator[Phase]:
        """Begins to try sizes, if that may be worth it and was not done yet. pace: of all members at once."""
        done = any(size and bool(on) == self.on for *_, on, size in self.switches)
        if done or self._sure(until) < MANY or not isinstance(self.cohort, Cohort):
            return
        if self.cohort.arena.device.type == "cuda":  # groups suit a processor's caches, and no graph
            return
        self._left = [size for size in SIZES[self.on] if 2 * size <= len(self.cohort.alive)]
        if self._left:
            self._paces, self.trying = {0: pace}, True
            yield from self._choose(self.on, self.settled, size=self._left.pop(0))

    def _compare(self) -> Iterator[Phase]:
        """In the course of a trial: whether it is over, and with what."""
        if not self._paces:  # an earlier process began it
            self.trying = False
            yield from self._choose(self.on, self.settled or self.on)
            return
        all_at_once = self._paces[0]
        if len(self._times) < TRIED and min(self._times[1:], default=0.0) < TWICE * all_at_once:
            return
        self._paces[self.size] = statistics.median(self._times[1:])
        if self._left:
            yield from self._choose(self.on, self.settled, size=self._left.pop(0))
            return
        best = min(self._paces, key=self._paces.__getitem__)
        self.trying = False
        size = best if self._paces[best] < FASTER * all_at_once else 0
        yield from self._choose(self.on, self.settled or self.on, size=size)

    def _choose(self, on: bool, settled: bool = False, why: str = "", size: int = 0) -> Iterator[Phase]:
        self.switches.append([*self._place, int(on), size])
        self._keep(settled, why)
        yield from self._switch(on, size)

    def _switch(self, on: int, size: int) -> Iterator[Phase]:
        self._times = []
        if bool(on) != self.on:
            yield from self._compiled(bool(on))
        if isinstance(self.cohort, Cohort):
            self.size = self.cohort.size = size

    def _compiled(self, on: bool) -> Iterator[Phase]:
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
            self.switches.append([*self._place, 0, 0])
            self._keep(settled=True, why=str(error))
            yield Phase("training", f"not compiled: {error}")

    def _keep(self, settled: bool, why: str = "") -> None:
        self.settled, self.why = settled, why or self.why
        mine = {"switches": self.switches, "settled": settled, "why": self.why, "trying": self.trying}
        self.folder.write_json(CHOICES, choices_of(self.folder) | {str(self.cohort.plan.index): mine})


def choices_of(folder: Folder) -> dict[str, Any]:
    """What was chosen for each cohort, by its index as text: switches [epoch, step, 1 or 0, members at once],
    settled, why, trying."""
    return folder.read_json(CHOICES) if (folder / CHOICES).is_file() else {}


def ends_compiled(choice: dict[str, Any]) -> bool:
    """Whether a cohort of these choices was compiled at its end."""
    return bool(choice["switches"]) and bool(choice["switches"][-1][2])
