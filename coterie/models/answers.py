"""From outputs to what a person reads: classes, values with their interval, texts, an answer a step.

N rows, T steps, K outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from coterie.data.schema import Target
from coterie.data.table import tidy_names


def decided(target: Target, output: Tensor, threshold: float | None = None) -> np.ndarray:
    """(N,) labels in the user's own type or values; (N, K) for several labels (0 or 1) or targets.

    With a T behind N where every step has an answer. threshold: of the positive class, binary only
    (default ½).
    """
    if target.task == "regression":
        return output[..., 0].numpy() if output.shape[-1] == 1 else output.numpy()
    if target.task == "multilabel":
        return (output >= 0.5).numpy().astype(np.int64)
    index = output.argmax(-1) if threshold is None else (output[..., 1] >= threshold).long()
    names = np.array([target.label(k) for k in range(target.outputs)])
    return names[index.numpy()]


def answer_table(
    target: Target,
    output: Tensor,
    *,
    length: Tensor | None = None,
    half_width: Sequence[float] | None = None,
    threshold: float | None = None,
) -> pl.DataFrame:
    """One row for each given row, in order: classes and probabilities, or values with their interval.

    output (N, K), or (N, T, K): then every cell is a list of its row's `length` (N,) answers.
    half_width (K,): of the intervals of values.
    """
    choice = decided(target, output, threshold)
    columns: dict[str, np.ndarray] = {}
    if target.task == "regression":
        for k, name in enumerate(target.names):
            lead = "" if len(target.names) == 1 else f"{name} "
            value = output[..., k].numpy()
            columns[f"{lead}prediction"] = value
            if half_width is not None:
                columns[f"{lead}low"], columns[f"{lead}high"] = value - half_width[k], value + half_width[k]
    elif target.task == "multilabel":
        columns = {name: choice[..., k] for k, name in enumerate(target.names)}
    else:
        columns = {"prediction": choice}
    if target.task != "regression":
        names = target.classes or target.names
        columns |= {f"probability {c}": output[..., k].numpy() for k, c in enumerate(names)}
    if output.ndim == 2:
        return pl.DataFrame(columns)
    ends = [output.shape[1]] * len(output) if length is None else length.tolist()
    return pl.DataFrame({name: _lists(values, ends) for name, values in columns.items()})


def beside_names(answers: pl.DataFrame, names: pl.DataFrame | None) -> pl.DataFrame:
    """The answers (N, …) behind the columns by which a person knows the rows (N, …), renamed if need be."""
    if names is None:
        return answers
    called = tidy_names([*answers.columns, *names.columns])[0][answers.width :]
    return pl.concat([names.rename(dict(zip(names.columns, called, strict=True))), answers], how="horizontal")


def _lists(values: np.ndarray, ends: Sequence[int]) -> Any:
    return pl.Series([row[:end].tolist() for row, end in zip(values, ends, strict=True)])
