"""Rows as pictures: those of images, and those of tables whose columns are pixels.

N rows, C channels, H height, W width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.pixels import Raster
from coterie.data.schema import Schema
from coterie.making import presented
from coterie.report.thumbnails import sheet, tones
from coterie.study.cells import LOOKED_AT, range_of


@dataclass(frozen=True)
class Pictures:
    """How rows of a schema are drawn: between what is black and what is white in the data."""

    schema: Schema
    raster: Raster | None  # of a table; None where a row is an image
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, dataset: Dataset) -> Pictures | None:
        """None where rows are no pictures."""
        columns = dataset.schema.features
        if [column.kind for column in columns] == ["image"]:
            return cls(dataset.schema, None, *range_of(dataset))
        if not all(column.kind in ("numeric", "boolean") for column in columns):
            return None
        raster = Raster.of([column.name for column in columns])
        if raster is None or not len(dataset):
            return None
        at = torch.linspace(0, len(dataset) - 1, min(LOOKED_AT, len(dataset))).long()
        table = _table(dataset.schema, {n: column[at] for n, column in dataset.inputs.items()})
        seen = raster.images(table)
        return None if seen is None else cls(dataset.schema, raster, *tones(seen))

    def images(self, rows: dict[str, Tensor]) -> np.ndarray:
        """(N, C, H, W) of raw inputs."""
        if self.raster is None:
            return rows["image"].double().numpy()
        found = self.raster.images(_table(self.schema, rows), self.low)
        assert found is not None, "what was read as numbers is made as numbers"
        return found.astype(np.float64)

    def sheet(self, rows: dict[str, Tensor], across: int) -> str:
        """So many in a line, as a PNG in base64."""
        return sheet(self.images(rows), self.low, self.high, across)

    def below(self, above: dict[str, Tensor], below: dict[str, Tensor]) -> str:
        """Rows in one line, and as many under them."""
        both = [self.images(part) for part in (above, below)]
        return sheet(np.concatenate(both), self.low, self.high, len(both[0]))


def _table(schema: Schema, rows: dict[str, Tensor]) -> pl.DataFrame:
    table = presented(schema, rows)
    assert isinstance(table, pl.DataFrame)
    return table
