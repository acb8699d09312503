"""Parquet → Table: one file, or a folder of them that hold one table's rows.

A table that memory has no room for stays in its files: see `scanned.py`.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import polars as pl

from coterie.data.folders import files_sha256, walk
from coterie.data.scanned import Frame, scanned_if_large
from coterie.data.table import Table, some, tidy_names
from coterie.data.text import Raw
from coterie.errors import DataError

ENDINGS = (".parquet", ".pq")
BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def read_parquet(raw: Raw, source: str) -> tuple[Frame, list[str]]:
    """The frame of a file, or of its bytes, and notes on names; `DataError` if it is spoilt."""
    try:
        if isinstance(raw, bytes):
            return _named(pl.read_parquet(raw))
        return _named(scanned_if_large(pl.scan_parquet(raw, glob=False, hive_partitioning=False)))
    except BROKEN as error:
        raise DataError(
            "A Parquet file must be whole.",
            given=f"{source} ({str(error).splitlines()[0]})",
            fix="Fetch or write it again.",
        ) from None


def holds_parquet(path: str | Path) -> bool:
    """Whether a folder is one of Parquet files: one lies in it, or in a folder within."""
    if not os.path.isdir(path):
        return False
    files, _ = walk(Path(path))
    return any(_is_parquet(name) for name in files)


def read_parquet_folder(path: str | Path) -> Table:
    """The rows of all Parquet files of a folder, in the order of their paths; all must have the same columns.

    Folders named NAME=VALUE are a column, as programs write it that divide a table by one. Hidden and other
    files are left out, which a note says. sha256: of paths and contents.
    """
    root = Path(path)
    files, _ = walk(root)
    chosen = [name for name in files if _is_parquet(name)]
    other = [name for name in files if name not in set(chosen)]
    divided = all("=" in folder for name in chosen for folder in PurePosixPath(name).parts[:-1])
    nested = any("/" in name for name in chosen)
    try:
        paths = [root / name for name in chosen]
        lazy = pl.scan_parquet(paths, glob=False, hive_partitioning=divided and nested)
        frame, notes = _named(scanned_if_large(lazy))
    except BROKEN as error:
        raise DataError(
            "Parquet files of a folder must be whole, and have the same columns.",
            given=f"{path} with {some(chosen)} ({str(error).splitlines()[0]})",
            fix="Fetch or write them again; leave those of another table out.",
        ) from None
    count = "1 Parquet file" if len(chosen) == 1 else f"{len(chosen):,} Parquet files"
    notes = [f"The rows of {count}, in the order of their names.", *notes]
    if other:
        notes.append(f"{len(other):,} other files of the folder are left out: {some(other)}.")
    whole = root.resolve()
    name = whole.name.strip(" .") or "folder"
    return Table(frame, name, str(path), files_sha256(root, chosen), tuple(notes), (), str(whole))


def _named(frame: Frame) -> tuple[Frame, list[str]]:
    names, renamed = tidy_names(frame.columns)
    return frame.rename(dict(zip(frame.columns, names, strict=True))), renamed


def _is_parquet(name: str) -> bool:
    own = PurePosixPath(name).name
    return own.lower().endswith(ENDINGS) and not own.startswith((".", "_"))
