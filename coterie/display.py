"""What a person sees while a study runs: a live panel on a terminal, plain lines elsewhere, or nothing.

A display is fed events, one by one, and has `Progress` add them up. Everything goes to the standard error, so
that results on the standard output stay clean.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from coterie.progress import PHASES, Progress, length
from coterie.study.events import Phase, Planned, StudyEvent
from coterie.training.events import EpochEnd, StepEnd

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

EVERY = 2.0  # seconds between plain lines, at least
STOPPING = "stopping after this step (Ctrl-C again stops at once)"


class Display(Protocol):
    """Something that events are shown on, for as long as it is entered."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *problem: object) -> None: ...

    def event(self, event: StudyEvent) -> None:
        """Shows one event."""

    def say(self, line: str) -> None:
        """Shows a line that stays."""

    def stopping(self) -> None:
        """Notes that the person asked to stop. Called from a signal handler: it may only set a mark."""


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        pass

    def event(self, event: StudyEvent) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def stopping(self) -> None:
        pass


class Lines:
    """Plain lines for logs and pipes: each phase, and where training stands every now and then.

    The longer it takes the rarer the lines: at most one in two seconds, later one in a fiftieth of the time.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.clock = clock
        self.progress = Progress()
        self._start = self._spoke = clock()
        self._asked = False
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        pass

    def event(self, event: StudyEvent) -> None:
        now = self.clock()
        self.progress.take(event, now)
        if self._asked:
            self._asked = False
            self.say(STOPPING)
        if remark := self.progress.remark(event):
            self.say(remark)
        if isinstance(event, Planned):
            self.say(self.progress.planned())
            if self.progress.estimate():
                self.say(self.progress.estimate())
        elif isinstance(event, Phase) and event.name != self._phase:
            self._phase = event.name
            self.say(PHASES.get(event.name, event.name))
        elif isinstance(event, Phase) and event.detail and event.name == "reading" and self._due(now):
            self.say(self.progress.now())
        elif isinstance(event, StepEnd | EpochEnd) and self._due(now):
            parts = (self.progress.place(), self.progress.members(), self.progress.score())
            self.say("; ".join(part for part in (*parts, self.progress.time_left(now)) if part))

    def _due(self, now: float) -> bool:
        return now - self._spoke >= max(EVERY, (now - self._start) / 50)

    def say(self, line: str) -> None:
        self._spoke = self.clock()
        print(line, file=self.stream, flush=True)

    def stopping(self) -> None:
        self._asked = True


class Live:
    """A panel that is drawn anew several times a second, and leaves nothing behind but what was said."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive
        from rich.spinner import Spinner

        self.console = console or Console(stderr=True, highlight=False)
        self.clock = clock
        self.progress = Progress()
        self._start = clock()
        self._asked = False
        self._spinner = Spinner("dots")
        self._lock = threading.Lock()  # events come from one thread and are drawn by another
        self._live = RichLive(
            console=self.console,
            get_renderable=self.draw,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self._live.__exit__(None, None, None)

    def event(self, event: StudyEvent) -> None:
        with self._lock:
            self.progress.take(event, self.clock())
        if remark := self.progress.remark(event):
            self.say(remark)
        if isinstance(event, Planned) and self.progress.estimate():
            self.say(self.progress.estimate())

    def say(self, line: str) -> None:
        from rich.text import Text

        self.console.print(Text(line))

    def stopping(self) -> None:
        self._asked = True

    def draw(self) -> RenderableType:
        """The panel as it is now: of constant height while members train, so that it does not jump."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        def line(text: str, style: str = "") -> Text:
            return Text(text, style=style, overflow="ellipsis", no_wrap=True)

        now = self.clock()
        with self._lock:
            phase, lines, share = self.progress.now(), self._lines(now), self._share(now)
        head, facts = Table.grid(padding=(0, 1)), Table.grid(padding=(0, 2))
        head.add_row(self._spinner, line(STOPPING if self._asked else phase, style="bold"))
        if not lines:
            return head
        for name, value in lines.items():
            facts.add_row(line(name, style="dim"), line(value))
        bar = Table.grid()
        bar.add_row(ProgressBar(completed=100 * share, width=min(72, self.console.width - 1)))
        return Group(head, bar, facts)

    def _lines(self, now: float) -> dict[str, str]:
        """What is said while members train, nothing at other times."""
        progress = self.progress
        if progress.plan is None or progress.phase not in ("training", "refitting"):
            return {}
        gone, left = f"{length(now - self._start)} gone", progress.time_left(now)
        return {
            "all": progress.planned(),
            "now": progress.place(),
            "members": progress.members(),
            "score": progress.score() or "none yet",
            "time": f"{gone}, {left}" if left else gone,
        }

    def _share(self, now: float) -> float:
        """The share of the time that is over."""
        gone, left = now - self._start, self.progress.left(now)
        return 0.0 if left is None else gone / max(gone + left, 1e-9)


def display(quiet: bool = False) -> Display:
    """The display for where the program runs: live on a terminal, lines elsewhere; quiet: none."""
    if quiet:
        return Silent()
    if not sys.stderr.isatty():
        return Lines()
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    return Live(console) if console.is_terminal and not console.is_dumb_terminal else Lines()
