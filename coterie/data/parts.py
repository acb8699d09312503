"""Table → Dataset of a table that stays in its file: encoded some rows at a time, into files that are mapped.

The numbers are those of `encode`, row by row. Members draw rows in orders of their own, again and again, so
that reading them from the table each time would cost every member; the files are plain numbers, one row after
the other, written once. Numbers are kept as float32 where each is the same in it, else as float64.

N rows, F numeric inputs, C category inputs.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.encode import encode
from coterie.data.scanned import Scanned
from coterie.data.schema import Schema
from coterie.data.store import Filling
from coterie.data.table import Table

FEW = 100_000  # rows that are encoded at once, column by column


class _Wider(Exception):
    """A number that float32 would change, among those that were taken for float32."""


def encode_rows(
    table: Table, schema: Schema, rows: np.ndarray | None = None, with_target: bool = True
) -> Dataset:
    """As `encode`, in memory or, of a table that stays in its file and very many rows, mapped."""
    frame = table.frame
    take = np.arange(len(frame)) if rows is None else np.asarray(rows, dtype=np.int64)
    ascending = bool((np.diff(take) > 0).all())
    if not isinstance(frame, Scanned) or len(take) <= FEW or not ascending:
        return encode(table, schema, rows, with_target)
    try:
        return _mapped(table, frame, schema, take, with_target, np.dtype(np.float32))
    except _Wider:
        return _mapped(table, frame, schema, take, with_target, np.dtype(np.float64))


def _mapped(
    table: Table, frame: Scanned, schema: Schema, take: np.ndarray, with_target: bool, numbers: np.dtype
) -> Dataset:
    """numbers: the type of numeric inputs; `_Wider` if that changes one."""
    with contextlib.ExitStack() as open_files:
        files: dict[str, Filling] = {}
        needed = [c.name for c in schema.columns if c.role in ("feature", "target", "weight")]
        for begin, stretch in frame.select([n for n in needed if n in frame.schema]).stretches():
            low, high = np.searchsorted(take, (begin, begin + len(stretch)))
            if low == high:
                continue
            here = replace(table, frame=stretch)
            part = encode(here, schema, take[low:high] - begin, with_target)
            for name, column in _columns(part, begin).items():
                values = column.numpy()
                if name == "numeric":
                    values = _narrowed(values, numbers)
                if name not in files:
                    shape = (len(take), *values.shape[1:])
                    files[name] = open_files.enter_context(Filling(shape, values.dtype, 0, "rows"))
                files[name].add(values)
        made = {name: torch.from_numpy(file.array()) for name, file in files.items()}
    target, weight = made.pop("target", None), made.pop("weight", None)
    return Dataset(schema, made, target, weight, take, mapped=True)


def _columns(part: Dataset, begin: int) -> dict[str, Tensor]:
    """All that is kept of these rows, by name; begin: the number of the table's row that they start with."""
    found = dict(part.inputs)
    if "place" in found:
        found["place"] = found["place"] + begin
    beside = {"target": part.target, "weight": part.weight}
    return found | {name: column for name, column in beside.items() if column is not None}


def _narrowed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if values.dtype == dtype:
        return values
    narrow = values.astype(dtype)
    if not ((narrow == values) | np.isnan(values)).all():
        raise _Wider
    return narrow
