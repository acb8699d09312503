"""Rows that come after the fit: which can be read, what of them is not, and by what a person knows them.

N rows, T steps or tokens that the model reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import torch

from coterie.data.cells import joined, unreadable
from coterie.data.dataset import Dataset
from coterie.data.parts import encode_rows
from coterie.data.roles import find_column
from coterie.data.schema import Schema
from coterie.data.table import Table, some
from coterie.data.tokens import Tokenizer
from coterie.errors import DataError


def encode_later(
    table: Table,
    schema: Schema,
    rows: np.ndarray | None = None,
    *,
    with_target: bool = True,
    skip_bad: bool = False,
    keep: Sequence[str] = (),
) -> Dataset:
    """Rows of a later table as tensors, like `encode`, with `notes` and `names`.

    rows: (N,) row numbers; all when None. skip_bad: leave out the rows whose image files cannot be read,
    which a note counts; `rows` of the dataset says which are left. notes: also of texts and sequences
    that are empty, or longer than the model reads. names: the columns to keep, the image files, and the
    rows' numbers where some may be left out. Raises DataError as `encode` does, when no file can be read, and
    when a column to keep is not in the table.
    """
    take = np.arange(table.frame.height) if rows is None else np.asarray(rows, dtype=np.int64)
    notes: list[str] = []
    keep = [find_column(table, name, "What is kept") for name in dict.fromkeys(keep)]
    files = [c.name for c in schema.of_kind("image") if table.frame.schema.get(c.name) == pl.String]
    if skip_bad:
        bad, notes = unreadable(replace(table, frame=table.frame[take]), files)
        if len(take) and bad.all():
            given = f"{len(take):,} files, none of which can be read: {some(table.frame[files[0]].to_list())}"
            raise DataError("At least one image file must be readable.", given=given, fix="Replace them.")
        take = take[~bad]
    dataset = encode_rows(table, schema, take, with_target)
    names = {"row": pl.Series("row", take)} if skip_bad else {}
    names |= {name: table.frame[name].gather(take) for name in (*keep, *files)}
    return replace(
        dataset, notes=(*notes, *_unread(table, dataset)), names=pl.DataFrame(names) if names else None
    )


def _unread(table: Table, dataset: Dataset) -> list[str]:
    """What of the rows is not read, being empty or longer than any that was learned from."""
    schema, target, inputs = dataset.schema, dataset.schema.target, dataset.inputs
    found: list[str] = []
    sequences = schema.of_kind("sequence")
    if sequences:
        series = table.frame[sequences[0].name].gather(dataset.rows)
        series = series.arr.to_list() if isinstance(series.dtype, pl.Array) else series
        lengths = series.list.len().fill_null(0).to_numpy()
        most = inputs["sequence"].shape[1]
        found += [*_empty(lengths == 0, "sequence"), *_longer(lengths, most, "sequence", "step")]
    texts = schema.of_kind("text")
    if texts:
        tokens = inputs["tokens"]
        found += _empty((tokens > 0).sum(1).numpy() <= 2, "text")  # its start and its end
        found += _longer_texts(table, [c.name for c in texts], texts[0].coding, tokens, dataset.rows)
    if target is not None and target.task == "text" and "answer" in inputs:
        found += _longer_texts(table, list(target.names), target.coding, inputs["answer"], dataset.rows)
    return found


def _longer_texts(
    table: Table, names: list[str], coding: str, tokens: torch.Tensor, rows: np.ndarray
) -> list[str]:
    """Only rows whose tokens (N, T) fill all places can have more: these alone are cut into tokens again."""
    full = rows[(tokens[:, -1] > 0).numpy()]
    texts = joined([table.frame[name].gather(full) for name in names])
    lengths = np.array([len(ids) for ids in Tokenizer.from_text(coding).encode(texts, None)], dtype=np.int64)
    return _longer(lengths, tokens.shape[1], "text", "token")


def _empty(nothing: np.ndarray, thing: str) -> list[str]:
    count = int(nothing.sum())
    if not count:
        return []
    return [f"{_count(count, thing)} {'is' if count == 1 else 'are'} empty: nothing is read there."]


def _longer(lengths: np.ndarray, most: int, thing: str, part: str) -> list[str]:
    count, longest = int((lengths > most).sum()), int(lengths.max(initial=0))
    if not count:
        return []
    option = f" and --longest {longest}" if thing == "text" else ""
    return [
        f"{_count(count, thing)} {'has' if count == 1 else 'have'} more {part}s than the {most:,} that the "
        f"model reads, and the rest is cut off; the longest has {longest:,}. To have all of it read, "
        f"fit with {thing}s as long{option}."
    ]


def _count(count: int, thing: str) -> str:
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"
