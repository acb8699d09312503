"""Compiled programs, kept between runs: which there is, what it cost to make, and what it gains here.

A program depends on what is structural alone, on the version of the code, and on the machine: so a cache of
files named by a hash of these serves every study. Beside each lie the seconds that it cost and the pace of
steps without it and with it, by which `study/compiling.py` decides.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from coterie.training.compiled import Program, Unsuited, build, compiler
from coterie.training.given import Given
from coterie.training.turn import Turn

KEPT = 200  # programs, those used last; each takes about 2 MiB
COST, RATIO = 30.0, 0.6  # seconds to make one, and the pace with it by that without, before any is known
AGREE = 0.05  # of an update: by how much a program's may differ on average, in single precision
ROUNDED = 2.0  # in half precision more: so many times what rounding products changes


@dataclass
class Seen:
    """What is known of a program: seconds to make it; seconds a step without it and with it, and what runs
    that went without it would have gained; 0: not known."""

    cost: float = 0.0
    eager: float = 0.0
    compiled: float = 0.0
    missed: float = 0.0

    @property
    def ratio(self) -> float:
        """Pace with it by pace without; 0: not known."""
        return self.compiled / self.eager if self.eager and self.compiled else 0.0


def cache_folder() -> Path:
    """Where programs are kept: COTERIE_CACHE, or the user's cache folder."""
    named = os.environ.get("COTERIE_CACHE")
    if named:
        return Path(named) / "programs"
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(home) / "coterie" / "programs"


def key_of(turn: Turn, given: Given, structure: tuple[object, ...]) -> str:
    """A name for the program of this turn. structure: what of candidate and data fixes the network."""
    sizes = [(part, name, tuple(t.shape[1:]), str(t.dtype)) for part, name, t in given.named()]
    known = (structure, turn.player, given.members == 1, sizes, _machine(given.flat.device), _code())
    return hashlib.sha256(repr(known).encode()).hexdigest()[:24]


def path_of(key: str) -> Path:
    return cache_folder() / f"{key}.pt2"


def program_of(key: str, turn: Turn, given: Given) -> Program:
    """The program from the cache, made first if it is not there. Raises `Unsuited` where that does not go."""
    path = path_of(key)
    _check_layout(given)
    if path.is_file():
        with contextlib.suppress(OSError):
            os.utime(path)
        return Program(path, given.flat.device, turn.step)
    if compiler() is None:
        raise Unsuited("there is no C++ compiler on this machine")
    begun = time.monotonic()
    try:
        build(turn, given, path)
    except OSError as error:
        raise Unsuited(f"the cache of programs cannot be written: {error}") from error
    program = Program(path, given.flat.device, turn.step)
    if not agree(turn, program, given):
        path.unlink()
        raise Unsuited("its program gave other numbers than the step it was made of")
    note(key, cost=time.monotonic() - begun)
    _tidy()
    return program


def agree(turn: Turn, program: Program, given: Given) -> bool:
    """Whether the program makes of this what the turn makes of it; nothing is changed.

    Programs round to half precision less often. In deep networks that may change a whole gradient: how much
    is seen by the turn without such rounding.
    """
    ours, theirs = given.copied(), given.copied()
    (losses, _), (made, _) = turn(ours), program(theirs)
    apart, moved = ((ours.flat - other.flat).abs().mean() for other in (theirs, given))
    most, close = AGREE * moved + torch.finfo(moved.dtype).tiny, 1e-4 + 1e-2 * losses.abs()
    if turn.step.half:
        exact = given.copied()
        turn.step.half = False
        try:
            told, _ = turn(exact)
        finally:
            turn.step.half = True
        most = most + ROUNDED * (ours.flat - exact.flat).abs().mean()
        close = close + ROUNDED * (losses - told).abs()
    same = (losses - made).abs() <= close
    return bool((same | (losses.isnan() & made.isnan())).all() & (apart <= most))


def seen(key: str) -> Seen:
    """What is known of one program."""
    try:
        told = json.loads((cache_folder() / f"{key}.json").read_text(encoding="utf-8"))
        return Seen(**{f.name: float(told[f.name]) for f in fields(Seen)})
    except (OSError, ValueError, KeyError, TypeError):
        return Seen()


def usual() -> Seen:
    """What programs cost and gain on this machine: medians over those that were made here."""
    try:
        known = [seen(path.stem) for path in cache_folder().glob("*.json")]
    except OSError:
        known = []
    costs, ratios = [one.cost for one in known if one.cost], [one.ratio for one in known if one.ratio]
    return Seen(
        cost=statistics.median(costs) if costs else COST,
        eager=1.0,
        compiled=statistics.median(ratios) if ratios else RATIO,
    )


def note(key: str, **found: float) -> None:
    """Adds what was found of a program; where nothing can be written, nothing is known later."""
    path = cache_folder() / f"{key}.json"
    facts = asdict(seen(key)) | found
    beside = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(facts), encoding="utf-8")
        os.replace(beside, path)
    except OSError:
        return


def _tidy() -> None:
    """Takes out of the cache what was not used for longest."""
    with contextlib.suppress(OSError):
        known = sorted(cache_folder().glob("*.pt2"), key=lambda path: path.stat().st_mtime)
        for path in known[:-KEPT]:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)


def _check_layout(given: Given) -> None:
    """Compiled code takes rows to lie one after the other; data are not copied for it at every step."""
    far = [name for name, column in given.data.items() if column.device != given.flat.device]
    if far:
        raise Unsuited(f"{', '.join(far)} lie in the computer's memory, not on the device")
    if not all(tensor.is_contiguous() for tensor in given.data.values()):
        raise Unsuited("its data do not lie row by row")


def _machine(device: torch.device) -> tuple[object, ...]:
    if device.type == "cuda":
        kind: object = (torch.cuda.get_device_name(device), torch.version.cuda, torch.version.hip)
    else:
        kind = (torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    return (sys.platform, torch.__version__, device.type, kind)


@functools.cache
def _code() -> str:
    """A hash of this package's code: a program is one of the code that it was made from."""
    root = Path(__file__).parent.parent
    found = hashlib.sha256()
    for part in ("models", "objectives", "training", "lifting"):
        for path in sorted((root / part).glob("*.py")):
            found.update(path.read_bytes())
    found.update((root / "randomness.py").read_bytes())
    return found.hexdigest()
