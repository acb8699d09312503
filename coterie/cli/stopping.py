"""Ctrl-C and SIGTERM while a study runs: the first asks it to stop and save, the second ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Self


class Interrupts:
    """While entered, takes the signals that ask to stop.

    Before `watch` there is nothing to save, so the first signal raises KeyboardInterrupt; after it, the first
    calls what `watch` was given, and the second raises. A third ends the process, should anything hang.
    `code` is the exit status that a shell expects: 128 and the signal's number.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.code = 128 + signal.SIGINT
        self._stop: Callable[[], None] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def watch(self, stop: Callable[[], None]) -> None:
        """From now on the first signal calls `stop`, which may only set marks, or raise KeyboardInterrupt."""
        self._stop = stop

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere Python lets nobody take signals
            for one in (signal.SIGINT, signal.SIGTERM):
                self._before[one] = signal.signal(one, self._take)
        return self

    def __exit__(self, *problem: object) -> None:
        for one, before in self._before.items():
            signal.signal(one, before)
        self._before.clear()

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        self.code = 128 + number
        if self.asked > 2:
            os._exit(self.code)
        if self.asked == 2 or self._stop is None:
            raise KeyboardInterrupt
        self._stop()
