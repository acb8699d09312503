"""What the C library does with memory that is no longer needed: keeps it for what comes, or gives it back.

A step of a cohort makes and drops dozens of arrays of several MiB. The GNU C library returns such arrays to
the system at once and is given fresh pages a moment later, each of which the system must clear and map. Told
to keep them, it does not. What is kept is little more than what was needed at once before. A table that
hardly fits in memory asks for the opposite.

Measured with `python benchmarks/lifting.py heap` (uncompiled steps of 20 members, one thread): on
digits-images cnn 258 to 279 ms instead of 331 to 464, bert 253 instead of 288, lstm no difference.
"""

from __future__ import annotations

import ctypes
import functools
import sys

LARGEST = 1 << 30  # bytes: arrays up to here come from the heap, and as much of it may lie unused at its end
LARGE = 4 << 20
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of the settings in <malloc.h>


@functools.cache
def keep_memory() -> bool:
    """What steps give back stays with the process; False where there is another C library."""
    return _tell(MMAP_THRESHOLD, LARGEST) and _tell(TRIM_THRESHOLD, LARGEST)


def give_back_blocks() -> None:
    """From now on every freed block of 4 MB or more goes back to the system at once.

    By itself the library keeps those of up to 32 MB, in pieces that larger ones do not fit into: beside
    columns of some million numbers that came to three times what was in use.
    """
    _tell(MMAP_THRESHOLD, LARGE)


def _tell(setting: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # musl has a `mallopt` that does nothing
        tell = library.mallopt
    except (OSError, AttributeError):
        return False
    return bool(tell(setting, value))
