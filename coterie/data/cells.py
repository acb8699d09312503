"""Columns whose cells hold more than a number or a word: images, sequences, texts.

What such a column is (for `infer.py`) and its cells as tensors (for `encode.py`). N rows, C channels, H
height, W width, T steps, F variables, V entries of a vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch

from coterie.data import pictures, sequences
from coterie.data.decoding import bad_pictures, load_pictures
from coterie.data.scanned import loaded
from coterie.data.schema import Column, Schema, Target
from coterie.data.store import filled
from coterie.data.table import Table, some
from coterie.data.tokens import Tokenizer, choose, padded
from coterie.errors import DataError

LOOKED_AT = 2000  # cells by which a column is judged
AT_ONCE = 1 << 22  # numbers of images that are copied at once
NUMBER_OF_ENTRIES = 10_000  # of a vocabulary, at most, unless said otherwise
FEWEST_PIECES, TEXT_A_PIECE = 512, 150  # entries of a text to be gone on from: one for so many characters


@dataclass(frozen=True)
class Reading:
    """How images and texts become tensors, where the user says so; 0, "" and "auto" leave it to the data.

    texts: whether columns of free text are features. image_size: side in pixels; fit_image: "resize"
    (stretch), "crop" or "pad". tokenizer: "bytes", "characters", "words", "bpe"; vocabulary: entries at
    most; longest: tokens of a text at most. given, given_target: tokenizers as text, of an earlier model,
    for what is read and for what is written, instead of fitted ones.
    """

    texts: bool = False
    image_size: int = 0
    fit_image: str = "resize"
    tokenizer: str = "auto"
    vocabulary: int = 0
    longest: int = 0
    given: str = ""
    given_target: str = ""


# ---- what a column is --------------------------------------------------------------------------------


def holds_image_paths(seen: pl.Series) -> bool:
    """Whether nearly all known cells of a text column end as the names of image files do."""
    known = seen.drop_nulls().head(LOOKED_AT)
    if not len(known):
        return False
    ends = known.str.to_lowercase().str.contains(r"\.(png|jpe?g|webp|tiff?|bmp|gif)$")
    return float(ends.to_numpy().mean()) > 0.95


def without_bad_images(table: Table) -> Table:
    """The table without the rows whose image files cannot be read, which a note counts and names."""
    frame = table.frame
    names = [n for n in frame.columns if frame.schema[n] == pl.String and holds_image_paths(frame[n])]
    bad, notes = unreadable(table, names)
    if not bad.any():
        return table
    return replace(table, frame=loaded(frame).filter(pl.Series(~bad)), notes=(*table.notes, *notes))


def unreadable(table: Table, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """(N,) bool, the rows with an image file in these columns that cannot be read; and sentences on them."""
    bad, notes = np.zeros(table.frame.height, dtype=bool), []
    for name in names:
        cells = table.frame[name]
        found = bad_pictures(resolved(cells, table))
        if found:
            named = some(cells.gather(found).to_list())
            notes.append(
                f"{len(found):,} of {len(cells):,} image files cannot be read and are left out: {named}."
            )
            bad[found] = True
    return bad, notes


def with_whole_paths(table: Table) -> Table:
    """The table with image files named by their whole paths, so that it can be joined to another."""
    frame = table.frame
    for name in frame.columns:
        if frame.schema[name] == pl.String and holds_image_paths(frame[name]):
            frame = loaded(frame).with_columns(
                pl.Series(name, [str(p.resolve()) for p in resolved(frame[name], table)])
            )
    return replace(table, frame=frame)


def image_column(seen: pl.Series, table: Table, reading: Reading) -> Column:
    """The image column of these development cells: arrays (C, H, W), or paths of files."""
    if isinstance(seen.dtype, pl.Array):
        shape = tuple(seen.dtype.shape)
        shape = (1, *shape) if len(shape) == 2 else shape
        return Column(seen.name, "image", "feature", shape=shape)
    paths = resolved(seen, table)
    sizes, channels = pictures.probe(paths)
    shape = pictures.choose_size(sizes, channels, reading.image_size)
    height, width = shape[1:]
    alike = len(set(sizes)) <= 1
    verb = {"resize": "stretched", "crop": "scaled and cropped", "pad": "scaled and padded"}[
        reading.fit_image
    ]
    note = (
        ""
        if alike and sizes and sizes[0] == (height, width)
        else f"Every image is {verb} to {height} × {width}."
    )
    return Column(seen.name, "image", "feature", shape=shape, coding=reading.fit_image, note=note)


def sequence_column(seen: pl.Series) -> Column | None:
    """The sequence column of these cells: lists of numbers or of equally many numbers a step; else None."""
    inner, width = seen.dtype, 0
    if isinstance(inner, pl.Array):
        if len(inner.shape) > 2:
            return None
        steps, width = inner.shape[0], (inner.shape[1] if len(inner.shape) == 2 else 1)
        number = _innermost(inner)
    elif isinstance(inner, pl.List):
        number = _innermost(inner)
        cells = seen.drop_nulls()
        longest = cells.list.len().max() if len(cells) else 0
        steps = int(longest) if isinstance(longest, int) else 0
        width = sequences.variables(cells)
    else:
        return None
    if not (number.is_numeric() or isinstance(number, pl.Boolean)) or not width or not steps:
        return None
    return Column(seen.name, "sequence", "feature", shape=(steps, width))


def _innermost(dtype: pl.DataType) -> pl.DataType:
    while isinstance(dtype, pl.Array | pl.List):
        dtype = dtype.inner  # type: ignore[assignment]
    return dtype


def text_columns(columns: Sequence[pl.Series], reading: Reading) -> list[Column]:
    """The text columns of these development cells: all are read as one text, by the first one's tokenizer."""
    texts = joined(columns)
    usual, longest = choose(texts)
    kind = usual if reading.tokenizer == "auto" else reading.tokenizer
    if reading.given:
        tokenizer = Tokenizer.from_text(reading.given)
        kind = tokenizer.kind
    else:
        tokenizer = Tokenizer.fit(texts, kind, reading.vocabulary or NUMBER_OF_ENTRIES)
    lengths = [len(ids) for ids in tokenizer.encode(texts, None)]
    most = min(max(lengths, default=2), reading.longest or longest[kind])
    cut = sum(length > most for length in lengths)
    how = "as the earlier model does" if reading.given else f"into {kind}"
    note = f"Cut {how}: {len(tokenizer):,} entries, at most {most} a text."
    note += f" {cut:,} longer texts are cut there." if cut else ""
    shape = (most, len(tokenizer))
    first = Column(columns[0].name, "text", "feature", shape=shape, coding=tokenizer.to_text(), note=note)
    others = [
        Column(c.name, "text", "feature", shape=shape, note=f"Read as one text with '{columns[0].name}'.")
        for c in columns[1:]
    ]
    return [first, *others]


def text_target(target: Target, seen: pl.Series, reading: Reading, alone: bool = False) -> Target:
    """The target with a tokenizer fitted on its development cells: a text that is to be written.

    alone: whether nothing is read beside it. It is then gone on from, with its capitals, blanks and line
    ends as they are: words are cut into pieces, as many kinds of them as there is text to learn them from.
    """
    reading = replace(reading, given=reading.given_target)
    texts = joined([seen])
    if alone and not reading.given and reading.tokenizer == "auto" and choose(texts)[0] == "words":
        enough = min(NUMBER_OF_ENTRIES, max(FEWEST_PIECES, sum(map(len, texts)) // TEXT_A_PIECE))
        reading = replace(reading, tokenizer="bpe", vocabulary=reading.vocabulary or enough)
    (column,) = text_columns([seen], reading)
    return replace(target, coding=column.coding, shape=column.shape)


def answers(series: pl.Series, target: Target) -> np.ndarray:
    """(N, T) int64: the tokens of texts to be written, start and end with them, 0 for padding."""
    rows = padded(Tokenizer.from_text(target.coding).encode(joined([series]), target.shape[0]))
    return np.pad(rows, ((0, 0), (0, target.shape[0] - rows.shape[1])))


def joined(columns: Sequence[pl.Series]) -> list[str]:
    """The texts (N) of one or several columns, line by line; lists of words become sentences."""
    parts = []
    for column in columns:
        if isinstance(column.dtype, pl.List):
            column = column.cast(pl.List(pl.String)).list.join(" ")
        parts.append(column.cast(pl.String).fill_null("").to_list())
    return ["\n".join(filter(None, row)) for row in zip(*parts, strict=True)] if len(parts) > 1 else parts[0]


# ---- as tensors --------------------------------------------------------------------------------------


def encode_cells(table: Table, schema: Schema, take: np.ndarray) -> dict[str, torch.Tensor]:
    """The inputs "image", "sequence", "length" and "tokens" of these rows, where the schema has any.

    image (N, C, H, W) uint8 or float32; sequence (N, T, F) float64 with NaN for missing, length (N,);
    tokens (N, T) int64, 0 for padding. T is the schema's: longer rows are cut at their end.
    """
    made: dict[str, torch.Tensor] = {}
    for column in schema.of_kind("image"):
        made["image"] = torch.from_numpy(_images(table, column, take))
    found = schema.of_kind("sequence")
    if found:
        values, length = sequences.tensors([table.frame[c.name].gather(take) for c in found])
        assert schema.sequence is not None
        steps, variables = schema.sequence
        if values.shape[2] != variables and length.any():
            raise DataError(
                "A sequence must have the variables that the model was trained on.",
                given=f"{values.shape[2]} a step, not {variables}, in {', '.join(c.name for c in found)}",
            )
        out = np.zeros((len(values), steps, variables))
        here = min(steps, values.shape[1])
        out[:, :here] = values[:, :here] if length.any() else 0
        made["sequence"] = torch.from_numpy(out)
        made["length"] = torch.from_numpy(np.minimum(length, steps))
    texts = schema.of_kind("text")
    if texts:
        tokenizer = Tokenizer.from_text(texts[0].coding)
        most = texts[0].shape[0]
        ids = tokenizer.encode(joined([table.frame[c.name].gather(take) for c in texts]), most)
        rows = padded(ids)
        made["tokens"] = torch.from_numpy(np.pad(rows, ((0, 0), (0, most - rows.shape[1]))))
    return made


def _images(table: Table, column: Column, take: np.ndarray) -> np.ndarray:
    cells = table.frame[column.name]
    if not isinstance(cells.dtype, pl.Array):
        return load_pictures(resolved(cells.gather(take), table), _image_shape(column), column.coding)
    shape = tuple(cells.dtype.shape)
    shape = (1, *shape) if len(shape) == 2 else shape
    wanted = _image_shape(column)
    missing = int(cells.is_null().gather(take).sum())
    if shape != wanted or missing:
        raise DataError(
            f"Images in '{column.name}' must have the shape {' × '.join(map(str, wanted))}.",
            given=f"{missing} missing ones" if missing else f"{' × '.join(map(str, shape))}",
            fix="Give one of this shape for every row.",
        )
    step = max(1, AT_ONCE // math.prod(shape))
    parts = (  # copies: polars' own are not ours
        cells.gather(take[begin : begin + step]).to_numpy().reshape(-1, *shape)
        for begin in range(0, len(take), step)
    )
    return filled(parts, (len(take), *shape), np.uint8 if _innermost(cells.dtype) == pl.UInt8 else np.float32)


def _image_shape(column: Column) -> tuple[int, int, int]:
    channels, height, width = column.shape
    return channels, height, width


def resolved(cells: pl.Series, table: Table) -> list[Path]:
    """The files that cells name: as they are, within the table's folder, or beside the table's file."""
    own = Path(table.path or "")
    beside = own if own.is_dir() else own.parent
    return [path if (path := Path(str(cell))).is_absolute() else beside / path for cell in cells.to_list()]
