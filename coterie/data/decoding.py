"""Many image files → one array, in their order: decoded by threads, or by programs of their own.

Threads share one interpreter, which small images keep busy most of the time; from some thousand images on,
workers are worth their start. They are plain programs that read questions and write pixels (no fork, beside
the threads of PyTorch and polars; no `multiprocessing`, which would run a person's own script again in each
of them unless it is guarded). A worker asks nothing and keeps nothing, and ends when its input does.

A question is a line of JSON; the answer a line of JSON and the pixels as plain numbers.

N images, n of a part, C channels (1 grey, 3 colour), H height, W width.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from coterie.data.pictures import is_deep, read_picture
from coterie.data.store import filled
from coterie.data.telling import Count
from coterie.errors import DataError

MANY = 2000  # images from which workers are worth their start
PART = 64  # images of a part, at most
PART_BYTES = 1 << 24  # of the pixels of a part, unless one image has more
LOOKED_AT = 32  # headers from which it is guessed that images have more than 8 bits a pixel
SHOWN = 5  # bad files that an error names
START = (  # a worker finds the package where this program found it
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from coterie.data.decoding import work; work()"
)

Paths = Sequence[str | Path]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """Some images: (n, C, H, W), 0 where one is bad or left; what is wrong with bad ones, by place; the
    places of those that are left because they are very large."""

    images: np.ndarray
    bad: dict[int, str]
    left: tuple[int, ...] = ()


def load_pictures(
    paths: Paths,
    shape: Shape,
    how: str = "resize",
    *,
    memory: int | None = None,
    processes: int | None = None,
) -> np.ndarray:
    """All images as one array (N, C, H, W), uint8, or float32 if any has more than 8 bits a pixel.

    how: "resize" stretches, "crop" scales until the frame is full and cuts what stands over, "pad" scales
    until all is inside and fills with 0. memory: bytes from which on the array lies in a file that is mapped
    into memory, see `store.filled`. processes: worker processes, 0 for threads only; None chooses. Neither
    changes a pixel. DataError names the files that cannot be read; see `bad_pictures`.
    """
    bad: list[str] = []

    def arrays(dtype: type[np.generic]) -> Iterator[np.ndarray]:
        bad.clear()
        with contextlib.closing(_parts(paths, shape, how, processes)) as parts:
            for part in parts:
                bad.extend(part.bad[place] for place in sorted(part.bad))
                if part.images.dtype != np.uint8 and dtype == np.uint8:
                    raise _Deeper
                yield part.images

    seen = paths[:: max(1, len(paths) // LOOKED_AT)]
    whole = (len(paths), *shape)
    try:
        dtype: type[np.generic] = np.float32 if any(map(is_deep, seen)) else np.uint8
        array = filled(arrays(dtype), whole, dtype, memory)
    except _Deeper:  # rare: to read all headers first would cost everybody a tenth of the time
        array = filled(arrays(np.float32), whole, np.float32, memory)
    if bad:
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise DataError(
            "Every image file must be readable.",
            given="; ".join(bad[:SHOWN]) + more,
            fix="Replace them, or leave them out with --skip-bad.",
        )
    return array


def bad_pictures(paths: Paths, *, processes: int | None = None) -> list[int]:
    """The places of the files that cannot be read as images."""
    found: list[int] = []
    begin = 0
    with contextlib.closing(_parts(paths, None, "resize", processes)) as parts:
        for part in parts:
            found += [begin + place for place in sorted(part.bad)]
            begin += len(part.images)
    return found


def decode(paths: Paths, shape: Shape | None, how: str, large: bool = True) -> Part:
    """These images one after the other; shape None only tries to read them. large: very large ones too."""
    images: dict[int, np.ndarray] = {}
    bad: dict[int, str] = {}
    for place, path in enumerate(paths):
        try:
            image = read_picture(path, shape, how, large)
        except DataError as error:
            bad[place] = str(error.given)
        else:
            if image is not None:
                images[place] = image
    left = tuple(place for place in range(len(paths)) if place not in images and place not in bad)
    deep = any(image.dtype != np.uint8 for image in images.values())
    all_of_them = np.zeros((len(paths), *(shape or (0,))), np.float32 if deep else np.uint8)
    if shape is not None:
        for place, image in images.items():
            all_of_them[place] = image
    return Part(all_of_them, bad, left)


def work() -> None:
    """What a worker does: answers questions from the standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other's to answer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        shape = asked["shape"] and tuple(asked["shape"])
        part = decode(asked["paths"], shape, asked["how"], large=False)
        said = {"dtype": part.images.dtype.name, "bad": part.bad, "left": part.left}
        answers.write(json.dumps(said).encode() + b"\n")
        answers.write(part.images.data)
        answers.flush()


# ---- many ----------------------------------------------------------------------------------------------


class _Deeper(Exception):
    """An image of more than 8 bits a pixel among those that were taken for images of 8."""


def _parts(paths: Paths, shape: Shape | None, how: str, processes: int | None) -> Generator[Part, None, None]:
    """The images part by part, in order; no more parts are ahead than keep all workers busy."""
    cores = _cores()
    if processes is None:
        processes = cores if len(paths) >= MANY and cores > 1 else 0
    hands = processes or cores
    size = min(PART, max(1, len(paths) // (4 * hands)), max(1, PART_BYTES // math.prod(shape or (1,))))
    count = Count(len(paths), "images")
    pool = ThreadPoolExecutor(hands)
    crew = _Crew(processes)
    waiting: deque[Future[Part]] = deque()
    try:
        for begin in range(0, len(paths), size):
            waiting.append(pool.submit(crew.decode, paths[begin : begin + size], shape, how))
            if len(waiting) > 2 * hands:
                yield _counted(waiting.popleft().result(), count)
        while waiting:
            yield _counted(waiting.popleft().result(), count)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        crew.stop()  # so that no thread waits for an answer any longer
        pool.shutdown()
        crew.close()


def _counted(part: Part, count: Count) -> Part:
    count.add(len(part.images))
    return part


def _cores() -> int:
    """How many processors this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Crew:
    """Workers, each asked by one thread at a time; without any, threads decode themselves."""

    def __init__(self, processes: int) -> None:
        self._workers: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        if sys.executable and not getattr(sys, "frozen", False):  # else there is no Python to start
            self._workers = [_Worker() for _ in range(processes)]
        for worker in self._workers:
            self._idle.put(worker)

    def decode(self, paths: Paths, shape: Shape | None, how: str) -> Part:
        if not self._workers:
            return decode(paths, shape, how)
        worker = self._idle.get()
        try:
            part = worker.ask(paths, shape, how)
        finally:
            self._idle.put(worker)
        if not part.left:
            return part
        rest = decode([paths[place] for place in part.left], shape, how)  # here one large image at a time
        images = part.images.astype(np.promote_types(part.images.dtype, rest.images.dtype))
        images[list(part.left)] = rest.images
        return Part(images, part.bad | {part.left[place]: why for place, why in rest.bad.items()})

    def stop(self) -> None:
        for worker in self._workers:
            worker.process.kill()

    def close(self) -> None:
        for worker in self._workers:
            worker.close()


class _Worker:
    """One worker process."""

    def __init__(self) -> None:
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | one,
            process_group=None if sys.platform == "win32" else 0,  # a terminal's Ctrl-C does not reach it
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.questions: IO[bytes] = self.process.stdin
        self.answers: IO[bytes] = self.process.stdout
        self._first = json.dumps(sys.path).encode() + b"\n"

    def ask(self, paths: Paths, shape: Shape | None, how: str) -> Part:
        names = [os.fspath(path) for path in paths]
        asked = json.dumps({"paths": names, "shape": shape, "how": how}).encode() + b"\n"
        said, pixels = b"", b""
        with contextlib.suppress(BrokenPipeError):
            self.questions.write(self._first + asked)
            self.questions.flush()
            self._first = b""
            said = self.answers.readline()
        if said:
            told = json.loads(said)
            whole = (len(paths), *(shape or (0,)))
            dtype = np.dtype(told["dtype"])
            pixels = self.answers.read(math.prod(whole) * dtype.itemsize)
            if len(pixels) == math.prod(whole) * dtype.itemsize:
                bad = {int(place): why for place, why in told["bad"].items()}
                return Part(np.frombuffer(pixels, dtype).reshape(whole), bad, tuple(told["left"]))
        raise DataError(
            "Image files must not end the program that decodes them.",
            given=f"one of the {len(paths)} files from {names[0]} to {names[-1]} did, or the system, "
            f"with status {self.process.wait()}",
            fix="Leave that file out; if there is none such, free memory.",
        )

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):  # a question that nobody reads any more
            self.questions.close()
        self.answers.close()
        self.process.wait()
