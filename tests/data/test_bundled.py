"""The bundled sets: their shapes, targets and contents."""

import subprocess
import sys

import polars as pl
import pytest

from coterie.data.bundled import SETS
from coterie.data.read import read

SHAPES = {
    "digits": ((1797, 65), ("digit",)),
    "breast_cancer": ((569, 31), ("diagnosis",)),
    "iris": ((150, 5), ("species",)),
    "wine": ((178, 14), ("cultivar",)),
    "diabetes": ((442, 11), ("progression",)),
    "linnerud": ((20, 6), ("Weight", "Waist", "Pulse")),
    "and": ((4, 3), ("y",)),
    "or": ((4, 3), ("y",)),
    "xor": ((4, 3), ("y",)),
    "celsius": ((7, 2), ("fahrenheit",)),
    "sine": ((10, 2), ("t",)),
    "blobs": ((600, 3), ("class",)),
    "moons": ((600, 3), ("class",)),
    "circles": ((600, 3), ("class",)),
    "spirals": ((1000, 3), ("class",)),
    "digits-images": ((1797, 2), ("digit",)),
    "shapes": ((1500, 2), ("shape",)),
    "adding": ((6000, 2), ("sum",)),
    "copy": ((2000, 2), ("written",)),
    "reversal": ((4000, 2), ("written",)),
    "parity": ((2000, 2), ("parity",)),
    "signals": ((1000, 2), ("wave",)),
    "markov-text": ((3000, 1), ("text",)),
    "ring": ((2000, 3), ("mode",)),
    "grid": ((2500, 3), ("mode",)),
    "bars": ((700, 2), ("pattern",)),
    "two-sources": ((3000, 2), ("source",)),
}


@pytest.mark.parametrize("name", SETS)
def test_shape_target_and_words(name):
    table = read(name)
    assert (table.frame.shape, table.target) == SHAPES[name]
    assert tuple(table.frame.columns[-len(table.target) :]) == table.target
    assert table.name == table.source == name
    assert table.path is None
    assert table.frame.null_count().sum_horizontal().item() == 0
    assert read(name).sha256 == table.sha256


def test_every_set_is_listed():
    assert SETS.keys() == SHAPES.keys()


def test_contents():
    digits = read("digits").frame
    assert digits.columns[:2] == ["pixel_0_0", "pixel_0_1"]
    assert digits.drop("digit").to_numpy().max() == 16
    assert set(digits["digit"].unique()) == set(range(10))
    assert set(read("breast_cancer").frame["diagnosis"].unique()) == {"malignant", "benign"}
    assert set(read("iris").frame["species"].unique()) == {"setosa", "versicolor", "virginica"}
    ages = read("diabetes").frame["age"]
    assert (ages.min(), ages.max()) == (19, 79)  # years, not scaled
    assert all(dtype.is_numeric() for dtype in read("linnerud").frame.schema.values())
    assert read("iris").frame.schema["species"] == pl.String


def test_reading_needs_no_scikit_learn_until_a_set_is_asked_for():
    code = "import sys, coterie.data.read; sys.exit('sklearn' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
