"""Data sets by name: small ones that come with scikit-learn, those that are made, and environments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from coterie.data.synthetic import SYNTHETIC
from coterie.data.table import Table, columns_sha256

EPISODE = "episode"  # the column of an environment's table
BUILT_IN = ("CartPole-v1", "gridworld")  # `environments.ENVIRONMENTS`, without PyTorch
EPISODES = 1000  # starts: by default 640 to train from, 160 to validate by and 200 to test on
OF_GYMNASIUM = re.compile(r"([\w:.-]+/)?[\w:.-]+-v\d+")  # what its environments are called


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


def is_environment(name: str) -> bool:
    """Whether a name is that of an environment: one that is built in, or as Gymnasium's are called."""
    return name in BUILT_IN or OF_GYMNASIUM.fullmatch(name) is not None


def read_environment(name: str) -> Table:
    """The table of an environment: a row is an episode, and its number says how it starts.

    Which rows are trained on, validated by and tested on is decided as for any table: an agent is judged by
    starts that it has not learned from. DataError for an environment that does not exist, that needs
    Gymnasium where there is none, or whose actions are not discrete.

    >>> read_environment("CartPole-v1").frame.columns
    ['episode']
    """
    from coterie.data.environments import environment

    world = environment(name)
    frame = pl.DataFrame({EPISODE: np.arange(EPISODES)})
    about = f"An environment: a row is an episode of {world.longest:,} steps at most, by the number of its "
    about += f"start; {world.observations} numbers are seen, and there are {world.actions} actions."
    return Table(frame, name.replace("/", "-"), name, columns_sha256(frame), (about,))


def environment_of(table: Table) -> str:
    """The environment whose episodes the table's rows are; "" for any other table."""
    known = table.frame.columns == [EPISODE] and is_environment(table.source)
    return table.source if known else ""
