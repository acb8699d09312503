"""Cells of single rows as a page can show them: images as small pictures, sequences as steps, texts cut.

What is shown is plain data: a string, {"image": PNG in base64} or {"sequence": steps by variables}.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from coterie.data.dataset import Dataset
from coterie.data.pixels import Raster
from coterie.data.scanned import Frame
from coterie.data.schema import Schema
from coterie.report.thumbnails import picture, tones

LONGEST = 200  # characters of a text
STEPS = 400  # of a sequence; longer ones are thinned out
LOOKED_AT = 500  # images by which black and white are found

Cell = str | dict[str, Any]


def shown(
    dataset: Dataset | None, frame: Frame, positions: np.ndarray, rows: np.ndarray, most: int
) -> list[dict[str, Cell]]:
    """Of each row its features by name, at most so many.

    positions (n,): in the dataset; rows (n,): in the frame. Without a dataset images and sequences are left
    out.
    """
    assert len(positions) == len(rows)
    if dataset is None:
        return [{} for _ in rows]
    if pixels := _pixels(dataset.schema, frame, rows):
        return pixels
    columns = dataset.schema.features[:most]
    plain = [c.name for c in columns if c.kind not in ("image", "sequence")]
    cells = frame.select(plain)[rows.tolist()].rows(named=True) if plain else [{}] * len(rows)
    special: dict[str, list[Cell]] = {}
    for column in columns:
        if column.kind == "image":
            special[column.name] = _pictures(dataset, positions)
        elif column.kind == "sequence":
            special[column.name] = _lines(dataset, column.name, positions)
    return [
        {c.name: special[c.name][i] if c.name in special else text(line[c.name]) for c in columns}
        for i, line in enumerate(cells)
    ]


def text(cell: object, longest: int = LONGEST) -> str:
    """One cell in words, cut after so many characters."""
    if cell is None:
        return ""
    said = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return said if len(said) <= longest else said[: longest - 1].rstrip() + "…"


def range_of(dataset: Dataset) -> tuple[float, float]:
    """What is black and white in the dataset's images."""
    images = dataset.inputs["image"]
    at = torch.linspace(0, max(len(images) - 1, 0), min(LOOKED_AT, len(images))).long()
    return tones(images[at].numpy())


def variables(schema: Schema, name: str) -> slice:
    """The places of one sequence column's variables among those of all."""
    start = 0
    for column in schema.of_kind("sequence"):
        if column.name == name:
            return slice(start, start + column.shape[1])
        start += column.shape[1]
    raise AssertionError(f"no sequence column '{name}'")


def _pixels(schema: Schema, frame: Frame, rows: np.ndarray) -> list[dict[str, Cell]]:
    """Rows of a table whose columns are the pixels of an image, as this image; [] of another."""
    names = [column.name for column in schema.features]
    raster = Raster.of(names)
    if raster is None:
        return []
    some = frame.select(names)[list(range(0, frame.height, max(1, frame.height // LOOKED_AT)))]
    known = raster.images(some)
    if known is None:
        return []
    low, high = tones(known)
    images = raster.images(frame.select(names)[rows.tolist()], low)
    return [] if images is None else [{"image": {"image": picture(image, low, high)}} for image in images]


def _pictures(dataset: Dataset, positions: np.ndarray) -> list[Cell]:
    low, high = range_of(dataset)
    images = dataset.inputs["image"][torch.from_numpy(positions)].numpy()
    return [{"image": picture(image, low, high)} for image in images]


def _lines(dataset: Dataset, name: str, positions: np.ndarray) -> list[Cell]:
    own = variables(dataset.schema, name)
    found: list[Cell] = []
    for position in positions.tolist():
        steps = dataset.inputs["sequence"][position, : int(dataset.inputs["length"][position]), own].numpy()
        keep = np.unique(np.linspace(0, max(len(steps) - 1, 0), STEPS).round().astype(int))
        found.append({"sequence": [[float(f"{v:.4g}") for v in step] for step in steps[keep[: len(steps)]]]})
    return found
