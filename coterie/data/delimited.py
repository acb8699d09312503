"""Delimited text → columns of text: the separator and the header are found out, ragged rows are mended.

Polars' own engine reads the file. Python's `csv` module reads a sample to find the separator and the
header; it reads the whole file only where polars refuses (a quote in the middle of a field, a row that
is too long) or where quotes keep a count of separators from telling whether a row is short.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from coterie.data.decimals import plain_numbers
from coterie.data.large_text import is_large, scanned_text
from coterie.data.scanned import Frame
from coterie.data.table import tidy_names
from coterie.data.text import Text, chunks
from coterie.errors import DataError

SEPARATORS = "\t;|,"  # where two fit equally well the earlier wins: commas also stand inside fields
WORDS = {"\t": "tabs", ";": "';'", "|": "'|'", ",": "','"}
SAMPLE_BYTES, SAMPLE_ROWS = 1 << 20, 200
CELLS = 1_000_000  # turned into columns at once by the slow reader
END = "\ue000end of file\ue000"
NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True)
class Layout:
    """How a delimited text is laid out: skip is the number of lines before its first row."""

    separator: str
    header: tuple[str, ...] | None  # None: the first row is data already
    width: int
    skip: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """What reading row by row found: the frame and how many rows had to be mended, and where first."""

    frame: pl.DataFrame
    short: int = 0
    first_short: int = 0
    padded: int = 0
    blank: int = 0
    spaces: bool = False


def read_delimited(text: Text, source: str, expected: str = ",") -> tuple[Frame, list[str]]:
    """Columns of text from delimited text, and what was found out.

    expected: the separator that needs no mention. Raises DataError for a row that has more fields than
    the header, and for a quote that is never closed.
    """
    layout = find_layout(text, expected)
    header = list(layout.header or [f"x{i}" for i in range(layout.width)])
    if not layout.skip and is_large(text, layout.separator):
        large = scanned_text(text, layout.separator, header, layout.header is not None)
        if large is not None:
            names, renamed = tidy_names(header)
            whole = large.rename(dict(zip(large.columns, names, strict=True)))
            return whole, [*text.notes, *layout.notes, *renamed]
    rows = _fast(text, layout) or _mended(text, layout, source)
    frame = rows.frame
    quoted = frame.select((pl.all() == "").any()).row(0)  # polars sees missing only in a bare empty field
    empty = [name for name, found in zip(frame.columns, quoted, strict=True) if found]
    frame = frame.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in empty)
    frame, header, left_out = _without_nameless(frame, header)
    names, renamed = tidy_names(header)
    frame.columns = names
    notes = [*text.notes, *layout.notes, *left_out, *renamed]
    if rows.short:
        notes.append(
            f"{_rows(rows.short)} fewer fields than the header (first on line {rows.first_short:,}); "
            "the rest count as missing."
        )
    if rows.padded:
        notes.append(f"{_rows(rows.padded)} empty fields beyond the header, left out.")
    if rows.blank:
        notes.append("1 blank line was skipped." if rows.blank == 1
                     else f"{rows.blank:,} blank lines were skipped.")  # fmt: skip
    if rows.spaces:
        notes.append("Spaces after separators were left out.")
    if layout.separator != "," and text.count(b","):
        frame, said = plain_numbers(frame, layout.separator)
        notes += said
    return frame, notes


def _rows(count: int) -> str:
    return "1 row has" if count == 1 else f"{count:,} rows have"


def find_layout(text: Text, expected: str = ",") -> Layout:
    """The separator, and whether the first row names the columns, from the beginning of the text."""
    sample = _sample(text)
    declared = re.match(r"sep=(.)\r?\n", sample)  # Excel's own way of saying it
    blank = re.compile(r"([ \v\f]*(\r\n|\r|\n))*").match(sample, declared.end() if declared else 0)
    assert blank is not None
    skip = len(sample[: blank.end()].splitlines())
    sample = sample[blank.end() :]
    choices = {s: rows for s in SEPARATORS if (rows := parsed(sample, s)) and len(rows[0]) > 1}
    if declared and declared[1] in SEPARATORS:
        separator = declared[1]
    elif choices:
        # How many rows agree with the first; `max` keeps the earlier separator of equals.
        order = [expected, *SEPARATORS] if expected == "\t" else SEPARATORS
        separator = max(
            (s for s in order if s in choices),
            key=lambda s: sum(len(row) == len(choices[s][0]) for row in choices[s]) / len(choices[s]),
        )
    else:
        separator = _of_one_column(sample)
    rows = choices.get(separator) or parsed(sample, separator)
    first = rows[0] if rows else [""]
    notes = []
    if separator != expected and len(first) > 1:
        notes.append(f"Columns are separated by {WORDS[separator]}.")
    if named(first):
        return Layout(separator, tuple(first), len(first), skip, tuple(notes))
    notes.append(f"The first row holds numbers, not names: columns are called x0 to x{len(first) - 1}."
                 if len(first) > 1 else "The first row holds a number, not a name: the column is called x0."
                 )  # fmt: skip
    return Layout(separator, None, len(first), skip, tuple(notes))


def named(first: Iterable[str]) -> bool:
    """Whether a first row names the columns: unless all that it holds are numbers.

    The run 0, 1, 2, … is names too: it is what a frame without names writes.
    """
    cells = [cell.strip() for cell in first if cell.strip()]
    numbered = len(cells) > 2 and cells == [str(i) for i in range(len(cells))]
    return numbered or not cells or not all(NUMBER.fullmatch(cell) for cell in cells)


def _sample(text: Text) -> str:
    """The beginning of the text, cut after a whole line; the first row is in it however long it is."""
    size = SAMPLE_BYTES
    while True:
        sample = text.beginning(size)
        if size >= text.size:
            return sample
        end = max(sample.rfind("\n"), sample.rfind("\r", 0, -1)) + 1
        if end and sample[:end].strip():
            return sample[:end]
        size *= 2


def parsed(sample: str, separator: str) -> list[list[str]]:
    """The first rows of the sample that are not blank, as far as they can be read this way."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # reading the whole text will tell
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) == SAMPLE_ROWS:
                break
    return rows


def _of_one_column(sample: str) -> str:
    """No separator stands in the first row. Commas further down are decimal ones, or too many fields."""
    cells = [row[0] for row in parsed(sample, ";") if len(row) == 1][1:]
    commas = [cell for cell in cells if "," in cell]
    return ";" if commas and all(NUMBER.fullmatch(cell) for cell in commas) else ","


def _fast(text: Text, layout: Layout) -> Rows | None:
    """The rows by polars; None where it refuses or where a row may be short or blank."""
    if layout.skip or text.lone_returns():
        return None
    quotes = text.count(b'"')
    try:
        frame = pl.read_csv(
            text.raw,
            separator=layout.separator,
            has_header=layout.header is not None,
            quote_char='"' if quotes else None,
            infer_schema=False,
            glob=False,
        )
    except pl.exceptions.NoDataError:
        return Rows(_frame([], layout.width))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if frame.width != layout.width:
        return None
    if layout.width == 1 or not frame.height:
        return Rows(frame)
    # A row that lacks fields has no last one. Without quotes, as many separators as a full table has
    # mean that every row is full.
    if frame[:, -1].null_count() == 0:
        return Rows(frame)
    lines = frame.height + (layout.header is not None)
    if quotes:
        return None
    if text.count(layout.separator.encode()) == lines * (layout.width - 1):
        return Rows(frame)
    lengths, fields = _fields_per_line(text, layout.separator)
    if len(fields) != lines:
        return None
    begin = lines - frame.height
    blank, short = (lengths == 0)[begin:], ((fields < layout.width) & (lengths > 0))[begin:]
    first_short = begin + 1 + int(short.argmax()) if short.any() else 0
    if blank.any():
        frame = frame.filter(pl.Series(~blank))
    return Rows(frame, int(short.sum()), first_short, 0, int(blank.sum()))


def _fields_per_line(text: Text, separator: str) -> tuple[np.ndarray, np.ndarray]:
    """The length in bytes and the number of fields of each line of a text without quotes."""
    lengths, fields = [], []
    rest = b""
    for chunk in itertools.chain(chunks(text.raw), [b""]):
        chunk = rest + chunk if chunk else rest + b"\n" * bool(rest)
        cut = chunk.rfind(b"\n") + 1
        rest = chunk[cut:]
        codes = np.frombuffer(chunk, dtype=np.uint8, count=cut)
        ends = np.flatnonzero(codes == ord("\n"))
        separators = np.cumsum(codes == ord(separator), dtype=np.int64)[ends]
        returns = (ends > 0) & (codes[ends - 1] == ord("\r")) if len(ends) else np.zeros(0, bool)
        lengths.append(np.diff(ends, prepend=-1) - 1 - returns)
        fields.append(np.diff(separators, prepend=0) + 1)
    return np.concatenate(lengths), np.concatenate(fields)


def _mended(text: Text, layout: Layout, source: str) -> Rows:
    """The rows by Python's reader, which forgives; spaces before quotes are forgiven if need be."""
    try:
        return _slow(text, layout, source)
    except DataError:
        if text.count(b'"'):
            try:
                return _slow(text, layout, source, spaces=True)
            except DataError:
                pass  # the first error is the one to tell
        raise


def _slow(text: Text, layout: Layout, source: str, spaces: bool = False) -> Rows:
    frames: list[pl.DataFrame] = []
    batch: list[list[str]] = []
    width, short, first_short, padded, blank, begun, line = layout.width, 0, 0, 0, 0, 0, 1
    closed = False
    with text.stream() as stream:
        reader = csv.reader(_lines(stream, layout.skip), delimiter=layout.separator, skipinitialspace=spaces)
        try:
            if layout.header is not None:
                next(reader)
                begun = reader.line_num
            for row in reader:
                line, begun = begun + layout.skip + 1, reader.line_num
                if row == [END]:
                    closed = True
                    break
                if len(row) != width:
                    if not row and width > 1:
                        blank += 1
                        continue
                    if len(row) < width:
                        if row:
                            short, first_short = short + 1, first_short or line
                        row += [""] * (width - len(row))
                    elif any(cell.strip() for cell in row[width:]):
                        raise _too_long(row, layout, source, reader.line_num + layout.skip)
                    else:
                        padded, row = padded + 1, row[:width]
                batch.append(row)
                if len(batch) * width >= CELLS:
                    frames.append(_frame(batch, width))
                    batch = []
        except csv.Error as error:
            raise DataError(
                "Every row must be readable.",
                given=f"{source}, line {begun + layout.skip + 1:,} ({error})",
                fix="Look for a quote that is opened there and not closed.",
            ) from None
    if not closed:
        raise DataError(
            "A quote that is opened must be closed.",
            given=f"{source}, where the row of line {line:,} runs to the end of the file",
            fix='Close the quote, or write a quote inside a field twice ("").',
        )
    frames.append(_frame(batch, width))
    return Rows(pl.concat(frames), short, first_short, padded, blank, spaces)


def _lines(stream: Iterable[str], skip: int) -> Iterator[str]:
    """The lines, then one more that an open quote would swallow."""
    line = "\n"
    for line in itertools.islice(stream, skip, None):
        yield line if line.endswith(("\n", "\r")) else line + "\n"
    yield END + "\n"


def _frame(rows: list[list[str]], width: int) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return pl.DataFrame([pl.Series(f"x{i}", columns[i], dtype=pl.String) for i in range(width)])


def _too_long(row: list[str], layout: Layout, source: str, line: int) -> DataError:
    whose = "the header" if layout.header is not None else "the first row"
    return DataError(
        f"A row must not have more fields than {whose}.",
        given=f"{source}, where line {line:,} has {len(row):,} fields and {whose} {layout.width:,}",
        fix=f"Put a field that holds {WORDS[layout.separator]} in quotes, name every column, "
        "and remove lines above the names.",
    )


def _without_nameless(frame: pl.DataFrame, header: list[str]) -> tuple[pl.DataFrame, list[str], list[str]]:
    """Drop columns that have neither a name nor a value: a separator at the end of each line."""
    kept = [i for i, name in enumerate(header) if name.strip() or frame[:, i].null_count() < frame.height]
    if not frame.height or not kept or len(kept) == len(header):
        return frame, header, []
    left_out = len(header) - len(kept)
    count = "1 column" if left_out == 1 else f"{left_out:,} columns"
    note = f"{count} with neither a name nor a value left out."
    return frame[:, kept], [header[i] for i in kept], [note]
