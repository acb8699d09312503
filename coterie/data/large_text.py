"""Delimited text that memory has no room for: written once as a temporary Parquet file, by columns.

Polars' streaming engine does it, some rows at a time. Only a plain table can be read so: the same number of
fields in every row, all columns named, no commas in numbers; any other is read in memory, as small ones are.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from coterie.data.heap import give_back_blocks
from coterie.data.scanned import Scanned
from coterie.data.store import budget, folder_for_files
from coterie.data.telling import say
from coterie.data.text import Text

VIEW = 16  # bytes that polars takes for a cell of text, beside the text


class _Folder:
    """A folder that is gone when nothing uses it any more, or at the end of the program."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)


def is_large(text: Text, separator: str) -> bool:
    """Whether memory has no room for the table as columns of text."""
    if text.size * (1 + VIEW) <= budget():  # if every byte were a cell
        return False
    cells = text.count(separator.encode()) + text.count(b"\n")
    return text.size + VIEW * cells > budget()


def scanned_text(text: Text, separator: str, header: Sequence[str], has_header: bool) -> Scanned | None:
    """The columns of text of a plain table, in a file; None for any other table.

    header: the columns' names; has_header: whether they stand in the first row.
    """
    named = all(name.strip() for name in header)
    if not named or text.lone_returns() or (separator != "," and text.count(b",")):
        return None
    quotes = text.count(b'"')
    say("the text, which memory has no room for, into a temporary file")
    folder = _Folder(tempfile.mkdtemp(dir=folder_for_files()))
    path = folder.path / "table.parquet"
    try:
        pl.scan_csv(
            text.raw,
            separator=separator,
            has_header=has_header,
            quote_char='"' if quotes else None,
            infer_schema=False,
            glob=False,
        ).sink_parquet(path, compression="lz4")
        lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        frame = Scanned(lazy)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if frame.width != len(header) or not _full(frame, text, separator, has_header, bool(quotes)):
        return None
    frame.keeps(folder)
    give_back_blocks()
    # polars sees missing only in a bare empty field
    return frame.with_columns([pl.when(pl.col(n) != "").then(pl.col(n)).alias(n) for n in frame.columns])


def _full(frame: Scanned, text: Text, separator: str, has_header: bool, quotes: bool) -> bool:
    """Whether every row has all its fields: the last one is there, or there are as many separators."""
    if frame.width == 1 or not frame.height or frame[frame.columns[-1]].null_count() == 0:
        return True
    return not quotes and text.count(separator.encode()) == (frame.height + has_header) * (frame.width - 1)
