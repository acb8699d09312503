"""A close look at a model: the rows that it got most wrong, and its answer over one or two features.

N rows, K outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.study.importance import Predictor
from coterie.study.scores import Judged

WORST = 10
MOST_VALUES = 200  # values of a row that are shown
CURVE, GRID = 200, 80  # points of a curve, and along each side of a map
DOTS = 1500  # rows that are drawn beside it
TINY = 1e-7


def row_losses(judged: Judged, task: str) -> Tensor:
    """How wrong each row is, (N,): −log probability of the truth (for labels their mean), or the absolute
    error, of several targets the mean after division by each one's deviation.
    """
    output, target = judged.output.double(), judged.target
    if task == "regression":
        spread = target.double().std(0, correction=0)
        unit = torch.where(spread > 0, spread, 1.0) if output.shape[1] > 1 else torch.ones(1)
        return ((output - target).abs() / unit).mean(1)
    probability = output.clamp(TINY, 1 - TINY)
    if task == "multilabel":
        return -torch.where(target > 0.5, probability, 1 - probability).log().mean(1)
    return -probability.gather(1, target[:, None]).log()[:, 0]


def worst_rows(judged: Judged, frame: pl.DataFrame, rows: np.ndarray, schema: Schema) -> list[dict[str, Any]]:
    """The rows with the largest loss: row (its number in the table), values, truth, prediction, loss.

    frame: the whole table; rows (N,): the number in it of each judged row. Values are the features' cells
    as text. Rows of weight 0 do not count.
    """
    assert schema.target is not None
    target = schema.target
    loss = row_losses(judged, target.task)
    if judged.weight is not None:
        loss = torch.where(judged.weight > 0, loss, -1.0)
    order = torch.argsort(loss, descending=True, stable=True)[:WORST].tolist()
    names = [column.name for column in schema.features][:MOST_VALUES]
    cells = frame.select(names)[rows[order].tolist()].rows() if names else [()] * len(order)
    return [
        {
            "row": int(rows[i]),
            "values": {name: _text(cell) for name, cell in zip(names, line, strict=True)},
            "truth": _truth(target, judged.target[i]),
            "prediction": _prediction(target, judged.output[i]),
            "loss": float(loss[i]),
        }
        for i, line in zip(order, cells, strict=True)
        if loss[i] >= 0
    ]


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def _truth(target: Target, value: Tensor) -> str:
    if target.classes:
        return target.classes[int(value)]
    if target.task == "multilabel":
        return _labels(target, value > 0.5)
    return ", ".join(f"{v:.4g}" for v in value.tolist())


def _prediction(target: Target, output: Tensor) -> str:
    if target.classes:
        said = int(output.argmax())
        return f"{target.classes[said]} ({float(output[said]):.2f})"
    if target.task == "multilabel":
        return _labels(target, output > 0.5)
    return ", ".join(f"{v:.4g}" for v in output.tolist())


def _labels(target: Target, present: Tensor) -> str:
    return ", ".join(name for name, yes in zip(target.names, present.tolist(), strict=True) if yes) or "none"


# ---- the answer over one or two features ---------------------------------------------------------------


def response(
    model: Predictor, dataset: Dataset, judged: Judged, half_width: list[float] | None, show_rows: bool
) -> dict[str, Any] | None:
    """The fitted curve of one numeric feature, or the answer over two; None for any other schema.

    A curve needs one value to draw: the one target, or the probability of the positive class. half_width:
    of the prediction interval. show_rows=False leaves the dots out, since they are single rows.
    """
    schema = dataset.schema
    assert schema.target is not None
    columns = schema.features
    plain = all(column.kind == "numeric" for column in columns)
    one_value = schema.target.task == "binary" or (
        schema.target.task == "regression" and schema.target.outputs == 1
    )
    if not plain or schema.target.task == "multilabel" or not len(judged):
        return None
    dots = np.arange(len(judged)) if show_rows else np.arange(0)
    if len(dots) > DOTS:
        dots = np.linspace(0, len(judged) - 1, DOTS).round().astype(int)
    where = dataset.inputs["numeric"].numpy()[judged.positions]
    if len(columns) == 1 and one_value:
        return _curve(model, schema, where[:, 0], judged, dots, half_width)
    if len(columns) == 2 and (one_value or schema.target.task == "multiclass"):
        return _regions(model, schema, where, judged, dots)
    return None


def _curve(
    model: Predictor,
    schema: Schema,
    where: np.ndarray,
    judged: Judged,
    dots: np.ndarray,
    half_width: list[float] | None,
) -> dict[str, Any]:
    x = _axis(schema.features[0], where, CURVE)
    y = _answer(model, schema, x[:, None])[:, -1]
    band = half_width[0] if half_width else None
    dots = dots[np.isfinite(where[dots])]
    truth = judged.target.double().numpy().reshape(len(judged), -1)[:, 0]
    return {
        "kind": "curve",
        "feature": schema.features[0].name,
        "x": x.tolist(),
        "y": y.tolist(),
        "low": None if band is None else (y - band).tolist(),
        "high": None if band is None else (y + band).tolist(),
        "points_x": where[dots].tolist(),
        "points_y": truth[dots].tolist(),
    }


def _regions(
    model: Predictor, schema: Schema, where: np.ndarray, judged: Judged, dots: np.ndarray
) -> dict[str, Any]:
    assert schema.target is not None
    x, y = (_axis(column, where[:, f], GRID) for f, column in enumerate(schema.features))
    across, up = np.meshgrid(x, y)
    answer = _answer(model, schema, np.stack([across.ravel(), up.ravel()], axis=1))
    classes = list(schema.target.classes)
    z = answer.argmax(1) if classes else answer[:, 0]
    dots = dots[np.isfinite(where[dots]).all(axis=1)]
    truth = judged.target.numpy().reshape(len(judged), -1)[:, 0]
    return {
        "kind": "regions",
        "features": [column.name for column in schema.features],
        "x": x.tolist(),
        "y": y.tolist(),
        "z": z.reshape(GRID, GRID).tolist(),
        "points": [
            [*where[i].tolist(), classes[int(truth[i])] if classes else float(truth[i])] for i in dots
        ],
        "classes": classes,
    }


def _axis(column: Column, values: np.ndarray, points: int) -> np.ndarray:
    """From the least to the largest value but for the outermost hundredth, a little widened."""
    known = values[np.isfinite(values)].astype(np.float64)
    if len(known):
        low, high = np.quantile(known, [0.005, 0.995])
    else:
        low, high = column.low or 0.0, column.high or 1.0
    margin = 0.05 * (high - low) if high > low else max(abs(low), 1.0) * 0.5
    return np.linspace(low - margin, high + margin, points)


def _answer(model: Predictor, schema: Schema, inputs: np.ndarray) -> np.ndarray:
    """(n, K) outputs at numeric inputs (n, F)."""
    category = torch.zeros(len(inputs), 0, dtype=torch.int64)
    columns = {"numeric": torch.from_numpy(inputs.astype(np.float64)), "category": category}
    return model.output(Dataset(schema, columns, None, None, np.arange(len(inputs)))).double().numpy()
