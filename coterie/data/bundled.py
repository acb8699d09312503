"""Small data sets by name: those that come with scikit-learn, and those that are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from coterie.data.synthetic import SYNTHETIC
from coterie.data.table import Table, columns_sha256


def _frame(names: Sequence[str], values: Any) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(values[:, i]) for i, name in enumerate(names)}


def _labels(bunch: Any) -> list[str]:
    return [str(bunch.target_names[code]) for code in bunch.target]


def _digits(sets: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    bunch = sets.load_digits()
    pixels = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    columns = _frame(pixels, bunch.data.astype(np.int64)) | {"digit": bunch.target.astype(np.int64)}
    return columns, ("digit",), "8 × 8 images of handwritten digits, a pixel from 0 to 16 a column"


def _breast_cancer(sets: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    bunch = sets.load_breast_cancer()
    columns = _frame(bunch.feature_names, bunch.data) | {"diagnosis": _labels(bunch)}
    return columns, ("diagnosis",), "cell nuclei in breast masses (Wisconsin), malignant or benign"


def _iris(sets: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    bunch = sets.load_iris()
    columns = _frame(bunch.feature_names, bunch.data) | {"species": _labels(bunch)}
    return columns, ("species",), "Fisher's measurements of three species of iris"


def _wine(sets: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    bunch = sets.load_wine()
    columns = _frame(bunch.feature_names, bunch.data) | {"cultivar": _labels(bunch)}
    return columns, ("cultivar",), "chemical analyses of wines of three cultivars"


def _diabetes(sets: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    bunch = sets.load_diabetes(scaled=False)
    columns = _frame(bunch.feature_names, bunch.data) | {"progression": bunch.target}
    return columns, ("progression",), "progression of diabetes in a year, inputs in their own units"


def _linnerud(sets: Any) -> tuple[dict[str, Any], tuple[str, ...], str]:
    bunch = sets.load_linnerud()
    columns = _frame(bunch.feature_names, bunch.data) | _frame(bunch.target_names, bunch.target)
    return columns, tuple(bunch.target_names), "exercises and physique of twenty men, three targets"


SETS: dict[str, Callable[[Any], tuple[dict[str, Any], tuple[str, ...], str]]] = {
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "iris": _iris,
    "wine": _wine,
    "diabetes": _diabetes,
    "linnerud": _linnerud,
    **{name: lambda _, make=make: make() for name, make in SYNTHETIC.items()},  # type: ignore[misc]
}


def read_bundled(name: str) -> Table:
    """The bundled table called `name`, one of SETS; its target is set.

    >>> read_bundled("iris").target
    ('species',)
    """
    from sklearn import datasets

    columns, target, about = SETS[name](datasets)
    frame = pl.DataFrame({str(key): values for key, values in columns.items()})
    made = name in SYNTHETIC and name != "digits-images"
    note = f"{'Made' if made else 'Bundled with scikit-learn'}: {about}."
    return Table(frame, name, name, columns_sha256(frame), (note,), tuple(map(str, target)))
