"""Where results go: one JSON object or a table to the standard output, or a file that is written whole."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from coterie.cli.values import plain
from coterie.errors import DataError, SpecError

Writer = Callable[[Any, BinaryIO], object]


def _parquet(frame: Any, file: BinaryIO) -> None:
    held = io.BytesIO()  # of a file, polars would not say that the disk is full
    frame.write_parquet(held)
    file.write(held.getbuffer())


WRITERS: dict[str, Writer] = {
    ".csv": lambda frame, file: frame.write_csv(file),
    ".tsv": lambda frame, file: frame.write_csv(file, separator="\t"),
    ".jsonl": lambda frame, file: frame.write_ndjson(file),
    ".ndjson": lambda frame, file: frame.write_ndjson(file),
    ".parquet": _parquet,
}


def print_json(facts: dict[str, Any]) -> None:
    """One object on a line of its own; what is no finite number becomes null."""
    print(json.dumps(plain(facts), allow_nan=False))


def writer(out: str | None, data: str, known: Mapping[str, Writer] = WRITERS) -> Writer:
    """How to write predictions to `out`, checked before any work is done; None and "-": CSV.

    data: what is predicted, which is never overwritten. known: by the ends of names.
    """
    if out in (None, "-"):
        return WRITERS[".csv"]
    path = Path(str(out))
    try:
        same = path.samefile(data)
    except OSError:
        same = False
    if same:
        raise DataError("Results must not overwrite the data.", given=f"'{out}'", fix="Give another -o.")
    if path.is_dir() or not path.parent.is_dir():
        what = "which is a folder" if path.is_dir() else f"and there is no folder '{path.parent}'"
        raise DataError("Results go to a file in a folder that exists.", given=f"'{out}', {what}")
    how = known.get(path.suffix.lower())
    if how is None and not _special(path):
        raise SpecError(
            f"Results are written as {', '.join(known)}.",
            given=f"'{out}'",
            fix=f"For example: -o {path.stem or 'out'}.csv.",
        )
    return how or WRITERS[".csv"]


def write(frame: Any, out: str | None, how: Writer) -> None:
    """Writes a result whole or not at all; to the standard output if `out` is None or "-"."""
    path = None if out in (None, "-") else Path(os.path.realpath(str(out)))  # a link stays one
    if path is None or _special(path):
        held = io.BytesIO()
        how(frame, held)
        if path is not None:
            path.write_bytes(held.getbuffer())
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(held.getbuffer())
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:  # memory may have no room for the text of many rows
            how(frame, file)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _special(path: Path) -> bool:
    """A device or a pipe, such as /dev/null: it cannot be replaced by a file."""
    return path.exists() and not path.is_file() and not path.is_dir()
