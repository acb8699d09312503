"""Anything that holds a table → Table: the one way into the data layer."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from coterie.data.arrays import holds_arrays, read_arrays
from coterie.data.bundled import BUILT_IN, SETS, is_environment, read_bundled, read_environment
from coterie.data.folders import read_folder
from coterie.data.frames import read_memory
from coterie.data.parquet import holds_parquet, read_parquet_folder
from coterie.data.readers import read_file
from coterie.data.table import Table
from coterie.errors import DataError

__all__ = ["Table", "read"]


def read(data: Any) -> Table:
    """The table in `data`.

    data: a path to delimited text, Parquet, JSON Lines or a workbook, each also packed (.gz, .bz2, .xz); to a
    plain text (.txt); to a folder of Parquet files, of images or texts, or of MNIST's or CIFAR's files; to
    NumPy's .npy or .npz, or an IDX file; the name of a bundled set ("digits", …) or of an environment
    ("CartPole-v1"); a frame of polars, pandas or any library that narwhals knows; a dict of columns; a list
    of dicts; an array X (N, F), of sequences (N, T, F) or of images (N, H, W), (N, C, H, W) or
    (N, H, W, C); or a pair (X, y). A file wins over a bundled set of its name. Raises DataError, which says
    what is wrong and what to do.

    >>> read({"age": [41, 37], "disease": ["no", "yes"]}).frame.shape
    (2, 2)
    """
    if isinstance(data, os.PathLike):
        return _read_path(Path(data))
    if not isinstance(data, str):
        return read_memory(data)
    if not data.strip():
        raise DataError("Data must be named.", given="an empty name", fix=f"Bundled: {', '.join(SETS)}.")
    if data in SETS and not Path(data).exists():
        return read_bundled(data)
    if is_environment(data) and not Path(data).exists():
        return read_environment(data)
    if _may_be_bundled(data):
        near = difflib.get_close_matches(data.lower(), [*SETS, *BUILT_IN], 1, cutoff=0.5)
        raise DataError(
            "Data must be a file that exists or the name of a bundled set.",
            given=f"{data[:200]!r}, and there is no such file",
            fix=f"Did you mean {near[0]!r}?" if near else f"Bundled: {', '.join([*SETS, *BUILT_IN])}.",
        )
    return _read_path(data)


def _read_path(path: str | Path) -> Table:
    if holds_arrays(path):
        return read_arrays(path)
    if holds_parquet(path):
        return read_parquet_folder(path)
    return read_folder(path) if os.path.isdir(path) else read_file(path)


def _may_be_bundled(data: str) -> bool:
    path = Path(data)
    looks_like_a_path = len(path.parts) > 1 or path.suffix != ""
    return not looks_like_a_path and not os.path.exists(path)
