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
def work():
    for _ in range(4):
        torch.ones(1 << 24)
def faults():
    for _ in range(3):
        work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), int(keep_memory()), faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the GNU C library's setting")
def test_pages_are_not_asked_for_again() -> None:
    command = [sys.executable, "-c", FAULTS]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    usual, told, kept = map(int, said.split())
    if not told:
        pytest.skip("another C library")
    assert usual > 10_000
    assert kept < 1_000


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
