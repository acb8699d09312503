"""Workbooks (.xlsx, .xls, .ods) → a frame: the first sheet that has cells."""

from __future__ import annotations

import logging

import fastexcel
import polars as pl

from coterie.data.delimited import named
from coterie.data.table import tidy_names
from coterie.errors import DataError

# It warns of columns without a value on the last-resort handler, that is, on the person's terminal.
logging.getLogger("fastexcel").addHandler(logging.NullHandler())
EXACT = 2**53  # whole numbers up to here are exact in a workbook, which knows only floats


def read_workbook(data: bytes, source: str) -> tuple[pl.DataFrame, list[str]]:
    """The frame in the first sheet that has cells, and what was found out.

    Numbers that are all whole become Int64; a column of several types becomes text. Raises DataError for
    a workbook that is damaged or has no cells.
    """
    try:
        reader = fastexcel.read_excel(data)
        for sheet in reader.sheet_names:
            first = reader.load_sheet(sheet, header_row=None, n_rows=1, dtypes="string").to_polars()
            if first.width and first.height:
                break
        else:
            raise DataError(
                "A workbook must have a sheet with a table.",
                given=f"{source}, which has no cells",
                fix="A table has at least a row of column names.",
            )
        header = [name or "" for name in first.row(0)]
        titled = named(header)
        frame = reader.load_sheet(
            sheet, header_row=0 if titled else None, schema_sample_rows=None
        ).to_polars()  # fmt: skip
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise DataError(
            "A workbook must be whole.",
            given=f"{source} ({str(error).splitlines()[0]})",
            fix="Open it and save it again, or save the table as CSV.",
        ) from None
    notes = []
    if len(reader.sheet_names) > 1:
        notes.append(f"Of {len(reader.sheet_names)} sheets, {sheet!r} was read.")
    if titled:
        header += [""] * (frame.width - len(header))
    else:
        header = [f"x{i}" for i in range(frame.width)]
        notes.append("The first row holds numbers, not names: columns are called x0, x1, ….")
    names, renamed = tidy_names(header)
    frame.columns = names
    texts = [n for n, dtype in frame.schema.items() if dtype == pl.String]
    frame = frame.with_columns(pl.col(texts).replace("", None)) if texts else frame
    return frame.with_columns(_whole(column) for column in frame.iter_columns()), [*notes, *renamed]


def _whole(column: pl.Series) -> pl.Series:
    if not column.dtype.is_float():
        return column
    numbers = column.drop_nulls()
    whole = len(numbers) and ((numbers == numbers.floor()) & (numbers.abs() <= EXACT)).all()
    return column.cast(pl.Int64) if whole else column
