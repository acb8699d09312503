"""Tables whose columns are the pixels of an image, called by row and column: "pixel_0_7", "0x7".

N rows, H height, W width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

PIXEL = re.compile(r"(.*?)_?(\d{1,4})[_x,](\d{1,4})")
FEWEST = 9  # pixels: three by three


@dataclass(frozen=True)
class Raster:
    """Where each column stands: (row, column), of an image of so many rows and columns."""

    places: tuple[tuple[int, int], ...]
    height: int
    width: int

    @classmethod
    def of(cls, names: Sequence[str]) -> Raster | None:
        """None unless all names are of one pattern and fill at least half of an image."""
        found = [match for name in names if (match := PIXEL.fullmatch(name))]
        if not found or len(found) < len(names) or len({match[1] for match in found}) > 1:
            return None
        places = tuple((int(match[2]), int(match[3])) for match in found)
        height, width = (1 + max(part) for part in zip(*places, strict=True))
        return cls(places, height, width) if FEWEST <= height * width <= 2 * len(places) else None

    def images(self, table: pl.DataFrame, dark: float | None = None) -> np.ndarray | None:
        """(N, 1, H, W) of a table with these columns in order; None where a cell is no number.

        dark: of a pixel without a column, which never changed in training; else the least that there is.
        """
        numbers = table.cast(pl.Float32, strict=False)  # a pixel of two values is read as a boolean
        if any(numbers.null_count().row(0)):
            return None
        values = numbers.to_numpy()
        empty = values.min(initial=0.0) if dark is None else dark
        images = np.full((len(values), 1, self.height, self.width), empty, dtype=values.dtype)
        for place, (row, column) in enumerate(self.places):
            images[:, 0, row, column] = values[:, place]
        return images
