"""Files → Table: delimited text, Parquet, JSON Lines, workbooks; plain or compressed.

The name says the format and the first bytes must agree. Whatever is wrong with a file is a DataError.
"""

from __future__ import annotations

import bz2
import contextlib
import difflib
import gzip
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coterie.data.delimited import read_delimited
from coterie.data.parquet import ENDINGS as PARQUET
from coterie.data.parquet import read_parquet
from coterie.data.passages import COLUMN, is_prose, read_passages
from coterie.data.passages import ENDINGS as PROSE
from coterie.data.records import read_json
from coterie.data.scanned import Frame
from coterie.data.table import Table
from coterie.data.text import Raw, Text, all_bytes, first_bytes, text_of
from coterie.data.workbooks import read_workbook
from coterie.errors import DataError

TEXT = (".csv", ".tsv", ".tab", ".psv", *PROSE, ".dat", ".data", "")
JSON = (".jsonl", ".ndjson", ".json")
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
FORMATS = (*TEXT[:-1], *PARQUET, *JSON, *WORKBOOKS)
PACKED: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
try:
    from compression import zstd  # from Python 3.14 on
except ImportError:
    pass
else:
    PACKED[".zst"] = zstd.open

CONTENTS = (  # how a file begins, what it is then, and the endings that fit
    (b"PAR1", "Parquet", PARQUET),
    (b"PK\x03\x04", "a workbook or another zip archive", (".xlsx", ".xlsm", ".xlsb", ".ods")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", (".xls",)),
    (b"\x1f\x8b", "gzip", (".gz",)),
    (b"BZh", "bzip2", (".bz2",)),
    (b"\xfd7zXZ\x00", "xz", (".xz",)),
    (b"\x28\xb5\x2f\xfd", "Zstandard", (".zst",)),
    (b"%PDF", "PDF", ()),
    (b"<!doctype html", "a web page", ()),
    (b"<html", "a web page", ()),
    (b"ARROW1", "an Arrow file", ()),
    (b"\x89HDF", "HDF5", ()),
    (b"\x93NUMPY", "a NumPy array", ()),
)
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what unpacking raises on spoilt bytes


def read_file(source: str | Path) -> Table:
    """The table in a file. Raises DataError for whatever is wrong with it.

    >>> read_file("patients.csv").frame  # doctest: +SKIP
    """
    path = Path(source).expanduser()
    _check_file(path, str(source))
    ending, packing = _endings(path, str(source))
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        raw = _unpacked(path, packing, str(source))
        _check_contents(first_bytes(raw, 16), ending, str(source))
        text = text_of(raw, str(source)) if ending in TEXT else None
        prose = text if ending in PROSE and text is not None and is_prose(text) else None
        frame, notes = read_passages(prose, str(source)) if prose else _parse(raw, text, ending, str(source))
    except OSError as error:
        raise DataError("A file must be readable.", given=f"{source} ({error.strerror or error})") from None
    target = (COLUMN,) if prose else ()  # what there is to learn of it: to go on writing
    return Table(frame, table_name(path), str(source), sha256, tuple(notes), target, str(path.resolve()))


def table_name(path: Path) -> str:
    """The file's name without the endings that say its format."""
    name = path.name
    for ending in (*PACKED, ".zst"):
        name = name.removesuffix(ending)
    stem = Path(name).stem if Path(name).suffix.lower() in FORMATS else name
    return stem.strip(" .") or "table"


def _check_file(path: Path, source: str) -> None:
    if "://" in source:
        raise DataError("Data must be a file on this machine.", given=repr(source), fix="Download it first.")
    # `os.path` says False of a name that no file can have; `Path` raises.
    if not os.path.exists(path):
        near: list[str] = []
        with contextlib.suppress(OSError):
            near = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], 1)
        fix = f"Did you mean {str(path.with_name(near[0]))!r}?" if near else "Check the path."
        raise DataError("The file must exist.", given=repr(source), fix=fix)
    if not path.is_file():
        raise DataError("Data must be an ordinary file.", given=repr(source))
    if not path.stat().st_size:
        raise DataError("A file must hold a table.", given=f"{source}, which is empty",
                        fix="A table has at least a line of column names.")  # fmt: skip


def _endings(path: Path, source: str) -> tuple[str, str]:
    """The ending that says the format, and the one that says how the file is packed."""
    packing = path.suffix.lower()
    if packing == ".zst" and packing not in PACKED:
        raise DataError("Reading .zst needs Python 3.14.", given=source, fix="Unpack it, or pack it as .gz.")
    if packing in PACKED:
        path = path.with_suffix("")
    else:
        packing = ""
    ending = path.suffix.lower()
    if ending in TEXT or ending in FORMATS:
        return ending, packing
    near = difflib.get_close_matches(ending, FORMATS, 1)
    raise DataError(
        "A file's ending must say a format that can be read.",
        given=repr(source),
        fix=(f"Did you mean {near[0]!r}? " if near else "")
        + f"Formats: {', '.join(FORMATS)}, each also {', '.join(PACKED)}.",
    )


def _unpacked(path: Path, packing: str, source: str) -> Raw:
    """The file itself, or its bytes if it is packed."""
    if not packing:
        return path
    try:
        with PACKED[packing](path, "rb") as file:
            unpacked = file.read()
    except PermissionError:
        raise
    except BROKEN as error:
        raise DataError(
            f"A {packing} file must unpack.",
            given=f"{source} ({error})",
            fix="It is damaged, cut short or not what its ending says: fetch or write it again.",
        ) from None
    assert isinstance(unpacked, bytes)
    return unpacked


def _check_contents(beginning: bytes, ending: str, source: str) -> None:
    """That the first bytes are not those of another format than the ending says."""
    for magic, label, endings in CONTENTS:
        if beginning.lower().startswith(magic.lower()) and ending not in endings:
            raise DataError(
                "A file's ending must say what it holds.",
                given=f"{source}, which holds {label}",
                fix=f"Give it the ending {' or '.join(endings)}." if endings else "Save the table as CSV.",
            )
    wanted = [magic for magic, _, endings in CONTENTS if ending in endings]
    if wanted and not any(beginning.startswith(magic) for magic in wanted):
        raise DataError(
            "A file's ending must say what it holds.",
            given=f"{source}, which does not begin as a {ending} file does",
            fix="It is damaged, or should have another ending, such as .csv.",
        )


def _parse(raw: Raw, text: Text | None, ending: str, source: str) -> tuple[Frame, list[str]]:
    if text is not None:
        return read_delimited(text, source, "\t" if ending in (".tsv", ".tab") else ",")
    if ending in JSON:
        return read_json(text_of(raw, source), source)
    if ending in WORKBOOKS:
        return read_workbook(all_bytes(raw), source)
    return read_parquet(raw, source)
