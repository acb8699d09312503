"""Memory that steps give back stays with the process, where the C library can be told so."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from coterie.data import heap

# arrays of 64 MiB made and dropped: how many pages of 4 KiB the system had to hand out again
FAULTS = """
import resource, torch
from coterie.data.heap import keep_memory
told = {told} and keep_memory()
def work():
    for _ in range(4):
        torch.ones(1 << 24)
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(int(told), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(told: bool) -> tuple[int, int]:
    command = [sys.executable, "-c", FAULTS.format(told=told)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(said[0]), int(said[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the GNU C library's setting")
def test_pages_are_not_asked_for_again() -> None:
    told, kept = faults(told=True)
    if not told:
        pytest.skip("another C library")
    assert kept < 1_000
    assert faults(told=False)[1] > 10_000


@pytest.mark.parametrize("absent", ["the system", "the library", "the setting"])
def test_elsewhere_nothing_is_told(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: object) -> object:
        if absent == "the library":
            raise OSError(name)
        return object()

    monkeypatch.setattr(ctypes, "CDLL", none)
    monkeypatch.setattr(heap.sys, "platform", "win32" if absent == "the system" else "linux")
    heap.keep_memory.cache_clear()
    assert heap.keep_memory() is False
    heap.keep_memory.cache_clear()
