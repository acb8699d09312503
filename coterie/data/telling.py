"""Long work on data says how far it is, to whoever listens.

Between a person and the images that are decoded lie many calls that need not know of it, so the listener is
a variable of the context (`contextvars`), set for as long as a `with` lasts.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar

AFTER = 2.0  # seconds that work takes before it says anything
EVERY = 1.0  # seconds between two words of it, at least

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def listening(told: Callable[[str], None]) -> Iterator[None]:
    """While entered, `told` is called with what there is to say: "1,200 of 50,000 images".

    >>> with listening(print):
    ...     count = Count(3, "images", after=0)
    ...     count.add(2)
    2 of 3 images
    """
    token = _listener.set(told)
    try:
        yield
    finally:
        _listener.reset(token)


def say(said: str) -> None:
    """What is worked on now."""
    told = _listener.get()
    if told is not None:
        told(said)


class Count:
    """Things done, of a total; says how many, first after some seconds and then now and again."""

    def __init__(self, total: int, things: str, after: float = AFTER) -> None:
        self.total, self.things, self.done = total, things, 0
        self._next = time.monotonic() + after

    def add(self, number: int) -> None:
        """So many more are done."""
        self.done += number
        told, now = _listener.get(), time.monotonic()
        if told is not None and now >= self._next:
            self._next = now + EVERY
            told(f"{self.done:,} of {self.total:,} {self.things}")
