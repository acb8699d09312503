"""A study on disk, written so that no crash can spoil it.

Every file is written whole beside its place and then renamed over it; the event log is appended, and its
length is noted in each checkpoint, so that a resume cuts off what came after. JSON and safetensors only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from coterie.errors import StudyError
from coterie.saved import checksum

CANDIDATES = "candidates.json"  # where they are asked for batch by batch
ASKED, EVENTS, ASSESSMENT, PREDICTIONS = (
    "study.json",
    "events.jsonl",
    "assessment.json",
    "predictions.safetensors",
)
REPORT, MODEL, CHECKPOINT, LOCK = "report.html", "model", "checkpoint", ".lock"
CHOICES = "choices.json"


class Folder:
    """The files of one study, by what they hold."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @classmethod
    def existing(cls, path: str | os.PathLike[str]) -> Folder:
        """A folder that holds a study; `StudyError` if it does not."""
        folder = cls(path)
        if not (folder.path / ASKED).is_file():
            what = "has no study.json" if folder.path.exists() else "does not exist"
            raise StudyError(
                "A study is a folder that coterie fit wrote.",
                given=f"'{path}', which {what}",
                fix=_siblings(folder.path),
            )
        return folder

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def lock(self) -> FileLock:
        """Takes the study for this process, until it ends or releases it; `StudyError` if another has it."""
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StudyError(
                "One process at a time may work on a study.",
                given=f"'{self.path}', on which another is at work",
                fix="Wait for it, or give another --out.",
            ) from None
        except OSError as error:
            raise unwritable(self.path, error) from error
        return lock

    # ---- whole files -----------------------------------------------------------------------------------

    def write(self, name: str, content: bytes | str) -> Path:
        """Writes a file whole or not at all."""
        path = self.path / name
        beside = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(beside, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise unwritable(path, error) from error
        return path

    def write_json(self, name: str, data: dict[str, Any]) -> Path:
        """JSON with a checksum of itself, by which `read_json` knows it again."""
        sealed = {**data, "checksum": checksum(data)}
        return self.write(name, json.dumps(sealed, indent=1, ensure_ascii=False))

    def read_json(self, name: str) -> dict[str, Any]:
        """What `write_json` wrote; `StudyError` for anything else."""
        path = self.path / name
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise spoilt(path, str(error)) from error
        if not isinstance(data, dict) or data.pop("checksum", None) != checksum(data):
            raise spoilt(path, "changed or cut short: its checksum is another")
        return data

    def write_tensors(self, name: str, tensors: dict[str, Tensor], facts: Any = None) -> Path:
        """Tensors and JSON-able facts as one safetensors file."""
        placed = {n: t.detach().cpu().contiguous() for n, t in tensors.items()}
        return self.write(name, save_tensors(placed, {"facts": json.dumps(facts)}))

    def read_tensors(self, name: str) -> tuple[dict[str, Tensor], Any]:
        path = self.path / name
        try:
            with safe_open(path, "pt") as file:
                tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118 (not a dict)
                return tensors, json.loads((file.metadata() or {})["facts"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise spoilt(path, str(error)) from error

    def read_facts(self, name: str) -> Any:
        """What stands beside the tensors of a file, which are not read."""
        path = self.path / name
        try:
            with safe_open(path, "pt") as file:
                return json.loads((file.metadata() or {})["facts"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise spoilt(path, str(error)) from error

    def replace(self, name: str, made: Path) -> Path:
        """Puts a finished folder in the place of an older one."""
        path, old = self.path / name, self.path / f"{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            os.replace(path, old)
        os.replace(made, path)
        shutil.rmtree(old, ignore_errors=True)
        return path

    def discard(self, name: str) -> None:
        """Removes a folder in one step, as far as anybody who looks can tell."""
        path, gone = self.path / name, self.path / f".{name}.gone"
        if path.exists():
            shutil.rmtree(gone, ignore_errors=True)
            os.replace(path, gone)
        shutil.rmtree(gone, ignore_errors=True)

    # ---- events ----------------------------------------------------------------------------------------

    def append(self, record: dict[str, Any]) -> int:
        """Adds a line to the log and returns its length in bytes from then on."""
        try:
            with open(self.path / EVENTS, "ab") as file:
                file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
                return file.tell()
        except OSError as error:
            raise unwritable(self.path / EVENTS, error) from error

    def events(self) -> Iterator[dict[str, Any]]:
        """The log's records; a last line that a kill cut short is not one."""
        path = self.path / EVENTS
        if path.is_file():
            with open(path, "rb") as file:
                for line in file:
                    if line.endswith(b"\n"):
                        try:
                            event = json.loads(line)
                        except ValueError as error:
                            raise spoilt(path, str(error)) from error
                        if not isinstance(event, dict) or "event" not in event:
                            raise spoilt(path, "a line that is no event")
                        yield event

    def cut_events(self, length: int) -> None:
        """Forgets what was logged after a checkpoint."""
        path = self.path / EVENTS
        if path.is_file() and path.stat().st_size > length:
            with open(path, "r+b") as file:
                file.truncate(length)


def make_folder(out: str | os.PathLike[str] | None, name: str) -> Folder:
    """A new folder: `out`, or runs/NAME-N with the next number. Refuses one that holds anything."""
    if out is not None:
        path = Path(out)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            is_study = (path / ASKED).is_file()
            raise StudyError(
                "A new study needs a folder of its own.",
                given=f"'{out}', which holds {'a study' if is_study else 'something else'}",
                fix=f"Go on with `coterie resume {out}`, or give another --out."
                if is_study
                else "Give another --out.",
            )
        _make(path)
        return Folder(path)
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-") or "study"
    for number in range(1, 1_000_000):
        path = Path("runs") / f"{safe}-{number}"
        try:
            path.parent.mkdir(exist_ok=True)
            path.mkdir()  # fails if another process took the number meanwhile
            return Folder(path)
        except FileExistsError:
            continue
        except OSError as error:
            raise unwritable(path, error, "Give another --out.") from error
    raise StudyError("runs/ is full.", fix="Give --out.")


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error, "Give another --out.") from error


INTACT = "What was saved before is intact: make room, then `coterie resume`."


def unwritable(path: Path, error: OSError, fix: str = INTACT) -> StudyError:
    return StudyError(
        "A study's folder must be writable, with room on the disk.",
        given=f"'{path}': {error.strerror or error}",
        fix=fix,
    )


def spoilt(path: Path, why: str) -> StudyError:
    return StudyError(
        "A study's files must be as Coterie wrote them.",
        given=f"'{path}' ({why})",
        fix="Use an unchanged copy.",
    )


def _siblings(path: Path) -> str:
    parent = path.parent if path.parent.is_dir() else Path("runs")
    found = sorted(p.parent.name for p in parent.glob(f"*/{ASKED}")) if parent.is_dir() else []
    return f"There are: {', '.join(found[-5:])}." if found else "Start one with `coterie fit`."
