"""An array of images, or of a table's rows: in memory where it fits, else in a file mapped into memory.

Which of the two is nobody's concern: both are arrays of the same numbers, and rows are gathered from both in
any order. Of a mapped file the system keeps in memory what is used, as far as there is room. The file is
plain numbers, one row after the other, and has no name: it is gone as soon as nothing uses it, however
the program ends.

N images, C channels, H height, W width.
"""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from coterie.errors import DataError

SHARE = 1 / 4  # of the memory that is free may be one array
UNKNOWN = 1 << 32  # bytes that are taken for free where the system does not say
TEMPORARY = ("TMPDIR", "TEMP", "TMP")


def filled(
    parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: type[np.generic], memory: int | None = None
) -> np.ndarray:
    """One array (N, …) of the rows of all parts, in their order, cast to a type; held only once.

    memory: bytes from which on it lies in a file; None for a share of what is free now. The file is where
    temporary files are, which TMPDIR says, on Unix else /var/tmp: that is on a disk more often than /tmp.
    DataError if there is no room for it.

    >>> filled([np.ones((2, 3)), np.zeros((1, 3))], (3, 3), np.uint8, memory=0).tolist()
    [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    """
    with Filling(shape, dtype, memory) as filling:
        for part in parts:
            filling.add(part)
        return filling.array()


class Filling:
    """An array that grows part by part, in memory or in a file; see `filled`.

    things: what its rows are, for errors: images, or the rows of a table.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: type[np.generic] | np.dtype,
        memory: int | None = None,
        things: str = "images",
    ) -> None:
        self.shape, self.dtype, self.things = shape, np.dtype(dtype), things
        self.size = math.prod(shape) * self.dtype.itemsize
        self._folder, self._end = folder_for_files(), 0
        self._file: IO[bytes] | None = None
        self._array = np.empty(0, self.dtype)
        if self.size and self.size > (budget() if memory is None else memory):
            self._file = self._begin()
        else:
            self._array = np.empty(shape, self.dtype)

    def __enter__(self) -> Filling:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, part: np.ndarray) -> None:
        """The next rows (n, …)."""
        begin, self._end = self._end, self._end + len(part)
        if self._file is None:
            self._array[begin : self._end] = part
            return
        try:  # through the file and not through its map, where a full disk would end the program
            self._file.write(np.ascontiguousarray(part, self.dtype).data)
        except OSError as error:
            raise self._no_room(error.strerror or str(error)) from error

    def array(self) -> np.ndarray:
        """The whole array, once all rows are there."""
        assert self._end == (self.shape[0] if self.shape else 0)
        if self._file is None:
            return self._array
        try:
            self._file.flush()
        except OSError as error:
            raise self._no_room(error.strerror or str(error)) from error
        assert self._file.tell() == self.size
        mapped = np.memmap(self._file, self.dtype, "r+", shape=self.shape)  # which keeps the file for itself
        return np.asarray(mapped)

    def _begin(self) -> IO[bytes]:
        try:
            free = shutil.disk_usage(self._folder).free
            if free < self.size:
                raise self._no_room(f"{bytes_told(free)} are free")
            return tempfile.TemporaryFile(dir=self._folder)  # on Unix it has no name even now
        except OSError as error:
            raise self._no_room(error.strerror or str(error)) from error

    def _no_room(self, why: str) -> DataError:
        what = f"{self.shape[0]:,} {self.things} of {' × '.join(map(str, self.shape[1:])) or '1'}"
        smaller = "Make them smaller with --image-size, or name" if self.things == "images" else "Name"
        return DataError(
            f"{self.things.capitalize()} that do not fit into memory must fit on the disk.",
            given=f"{bytes_told(self.size)} of {what}, for '{self._folder}': {why}",
            fix=f"{smaller} a folder on a larger disk in TMPDIR.",
        )


def budget() -> int:
    """Bytes of memory that one array may take at present."""
    return int(SHARE * free_memory())


def free_memory() -> int:
    """Bytes that the system, and the container if it has a limit, would still give to this process."""
    if sys.platform == "win32":
        return _free_on_windows()
    found = [*_free_by_meminfo(), *_free_by_cgroups()]
    if not found and sys.platform == "darwin":
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2]
    return max(0, min(found, default=UNKNOWN))


def folder_for_files() -> Path:
    """Where a large temporary file is to be; see `filled`."""
    lasting = Path("/var/tmp")
    if any(os.environ.get(name) for name in TEMPORARY) or not os.access(lasting, os.W_OK | os.X_OK):
        return Path(tempfile.gettempdir())
    return lasting


def bytes_told(number: int) -> str:
    """A size in the largest unit that leaves a number of at least 1."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if number >= 1000**power:
            return f"{number / 1000**power:.1f} {unit}"
    return f"{number} bytes"


def _free_by_meminfo() -> list[int]:
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return [1024 * int(line.split()[1])]
    return []


def _free_by_cgroups(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What each group of processes that this one is in may still use (Linux: cgroups of version 2, and 1)."""
    own = next((s[3:].strip("/") for s in _text("/proc/self/cgroup").splitlines() if s.startswith("0::")), "")
    found = []
    for group in (root / own, *(root / own).parents):
        if not group.is_relative_to(root):
            break
        found += _left(group, "memory.max", "memory.current", "inactive_file")
    return found + _left(
        root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
    )


def _left(group: Path, limit: str, used: str, returnable: str) -> list[int]:
    most, now = _text(group / limit).strip(), _text(group / used).strip()
    if not (most.isdigit() and now.isdigit()):
        return []
    kept = [s.split()[1] for s in _text(group / "memory.stat").splitlines() if s.startswith(f"{returnable} ")]
    return [int(most) - int(now) + sum(map(int, kept))]


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _free_on_windows() -> int:
    if sys.platform != "win32":
        return UNKNOWN
    status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX: its size; then all bytes of memory, the free ones, …
    answered = ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status[2]) if answered else UNKNOWN
