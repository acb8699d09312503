"""A frame that stays in its file: a column, or a stretch of rows, is read when it is asked for.

Parquet keeps columns apart, so a table that memory has no room for is still looked at exactly: what decides
about a column (its kind, its vocabulary, classes, groups, times) sees that whole column, and never two
columns at once. Memory then grows with the rows, by some numbers each, and not with the columns. `Scanned`
has of a polars frame what is needed of one here, under the same names.

N rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, overload

import numpy as np
import polars as pl

from coterie.data.heap import give_back_blocks
from coterie.data.store import budget
from coterie.data.telling import Count
from coterie.errors import DataError

CELL = 8  # bytes of a number once it is encoded
SAMPLE = 10_000  # rows by which the size of words and lists is guessed
PART, LEAST = 1 << 25, 1000  # bytes of a stretch of rows, and its rows at least


class Scanned:
    """The frame of one or several files, of which nothing is held.

    kept: what must live as long as the frame, and those made of it, do: a temporary file.
    """

    def __init__(self, lazy: pl.LazyFrame, height: int | None = None, kept: tuple[object, ...] = ()) -> None:
        self._lazy, self._kept = lazy, kept
        self.schema: Mapping[str, pl.DataType] = lazy.collect_schema()
        self.height = int(lazy.select(pl.len()).collect().item()) if height is None else height

    def keeps(self, thing: object) -> None:
        """Has this live as long as the frame does."""
        self._kept += (thing,)

    @property
    def columns(self) -> list[str]:
        return list(self.schema)

    @property
    def width(self) -> int:
        return len(self.schema)

    def __len__(self) -> int:
        return self.height

    @overload
    def __getitem__(self, key: str) -> pl.Series: ...
    @overload
    def __getitem__(self, key: Sequence[int] | np.ndarray) -> pl.DataFrame: ...
    def __getitem__(self, key: str | Sequence[int] | np.ndarray) -> pl.Series | pl.DataFrame:
        """A column by its name, or some rows by their numbers."""
        if isinstance(key, str):
            return _read(self._lazy.select(key)).to_series()
        rows = np.asarray(key, dtype=np.int64)
        return pl.DataFrame([self[name].gather(rows) for name in self.columns])

    def select(self, names: Sequence[str]) -> Scanned:
        return self._like(self._lazy.select(names))

    def drop(self, names: Sequence[str]) -> Scanned:
        return self._like(self._lazy.drop(names))

    def rename(self, names: Mapping[str, str]) -> Scanned:
        return self._like(self._lazy.rename(dict(names)))

    def with_columns(self, made: Sequence[pl.Expr]) -> Scanned:
        return self._like(self._lazy.with_columns(made))

    def _like(self, lazy: pl.LazyFrame) -> Scanned:
        return Scanned(lazy, self.height, self._kept)

    def lazy(self) -> pl.LazyFrame:
        return self._lazy

    def hash_rows(self, seed: int = 0) -> pl.Series:
        """(N,) a number for each row, as polars gives it for the rows of a frame."""
        parts = [part.hash_rows(seed=seed) for _, part in self.stretches("rows compared")]
        return pl.concat(parts) if parts else pl.Series("", [], dtype=pl.UInt64)

    def stretches(self, things: str = "rows") -> Iterator[tuple[int, pl.DataFrame]]:
        """All rows, some at a time: the number of the first, and these rows. things: what is told of them."""
        step = max(LEAST, PART // max(1, CELL * self.width))
        count = Count(self.height, things)
        for begin in range(0, self.height, step):
            part = _read(self._lazy.slice(begin, step))
            yield begin, part
            count.add(part.height)


def _read(lazy: pl.LazyFrame) -> pl.DataFrame:
    try:
        return lazy.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(
            "A file must stay as it is, and whole, while it is read.",
            given=str(error).splitlines()[0],
            fix="Fetch or write it again.",
        ) from None


Frame: TypeAlias = pl.DataFrame | Scanned


def scanned_if_large(lazy: pl.LazyFrame) -> Frame:
    """The frame, read now if it has room in a share of the memory that is free, else when it is asked for."""
    whole = Scanned(lazy)
    if size_of(whole) <= budget():
        return lazy.collect()
    give_back_blocks()
    return whole


def size_of(frame: Scanned) -> int:
    """Bytes that the frame would take, as it is or with each cell a number, whichever is more.

    Numbers by their type, words and lists by the first rows.
    """
    first = frame.lazy().head(SAMPLE).collect()
    if not first.height:
        return 0
    sizes = [max(CELL, column.estimated_size() / first.height) for column in first.iter_columns()]
    return round(sum(sizes) * frame.height)


def loaded(frame: Frame) -> pl.DataFrame:
    """The whole frame in memory, for what needs all columns at once."""
    return _read(frame.lazy()) if isinstance(frame, Scanned) else frame


def joined_rows(first: Frame, second: Frame, how: str) -> Frame:
    """The rows of both, under the same columns; how: as polars' `concat` has it."""
    if isinstance(first, pl.DataFrame) and isinstance(second, pl.DataFrame):
        return pl.concat([first, second], how=how)  # type: ignore[arg-type]
    both = pl.concat([first.lazy(), second.lazy()], how=how)  # type: ignore[arg-type]
    return Scanned(both, len(first) + len(second), (first, second))
