"""Tables of pixels are known by the names of their columns."""

import numpy as np
import polars as pl
import pytest

from coterie.data.pixels import Raster


def names(height, width, form="pixel_{}_{}"):
    return [form.format(row, column) for row in range(height) for column in range(width)]


@pytest.mark.parametrize("form", ["pixel_{}_{}", "{}x{}", "p{},{}"])
def test_columns_by_row_and_column_are_pixels(form):
    raster = Raster.of(names(5, 4, form))
    assert (raster.height, raster.width) == (5, 4)
    table = pl.DataFrame({name: [float(i), 100.0 + i] for i, name in enumerate(names(5, 4, form))})
    images = raster.images(table)
    assert images.shape == (2, 1, 5, 4)
    assert (images[0, 0] == np.arange(20).reshape(5, 4)).all()


@pytest.mark.parametrize(
    "other",
    [
        [*names(5, 4), "age"],
        [*names(4, 4)[:8], *names(4, 4, "other_{}_{}")[8:]],
        names(2, 2),  # as few as a person may have in an ordinary table
        ["pixel_0_0", *names(40, 40)[-16:]],
        [],
    ],
)
def test_other_columns_are_not(other):
    assert Raster.of(other) is None


def test_a_pixel_that_is_missing_is_dark():
    kept = [name for name in names(5, 5) if name != "pixel_2_3"]
    raster = Raster.of(kept)
    table = pl.DataFrame({name: [7.0, 9.0] for name in kept})
    assert raster.images(table, 0.5)[:, 0, 2, 3].tolist() == [0.5, 0.5]
    words = table.with_columns(pl.lit("dark").alias(kept[0]))
    assert raster.images(words) is None
    assert raster.images(table.cast(pl.String))[1, 0, 0, 0] == 9
