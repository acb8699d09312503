"""A close look at a model: the rows that it got most wrong, and its answer over one or two features.

N rows, K outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.scanned import Frame
from coterie.data.schema import Column, Schema, Target
from coterie.metrics.catalogue import METRICS, Metric
from coterie.metrics.unsupervised import JUDGED
from coterie.study.cells import shown, text
from coterie.study.importance import Predictor
from coterie.study.scores import Judged

WORST, WORST_IMAGES = 10, 24  # rows that are shown; of images alone, which are seen at a glance, more
MOST_VALUES = 200  # values of a row that are shown
CURVE, GRID = 200, 80  # points of a curve, and along each side of a map
DOTS = 1500  # rows that are drawn beside it
TINY = 1e-7


def row_losses(judged: Judged, task: str) -> Tensor:
    """How wrong each row is, (N,): −log probability of the truth (for labels their mean), or the absolute
    error, of several targets the mean after division by each one's deviation. Without labels the first
    measure that there is of a row.
    """
    output, target = judged.output.double(), judged.target
    if task == "unsupervised":
        place, metric = measured(judged)
        return -output[:, place] if metric.maximise else output[:, place]
    if task == "regression":
        spread = target.double().std(0, correction=0)
        unit = torch.where(spread > 0, spread, 1.0) if output.shape[1] > 1 else torch.ones(1)
        return ((output - target).abs() / unit).mean(1)
    probability = output.clamp(TINY, 1 - TINY)
    if task == "multilabel":
        return -torch.where(target > 0.5, probability, 1 - probability).log().mean(1)
    return -probability.gather(1, target[:, None]).log()[:, 0]


def measured(judged: Judged) -> tuple[int, Metric]:
    """The first measure that there is of rows judged without labels: its column, and what it is."""
    there = ~judged.output[:, : len(JUDGED)].isnan().all(0)
    place = int(there.to(torch.int64).argmax())
    return place, METRICS[JUDGED[place]]


def worst_rows(judged: Judged, frame: Frame, dataset: Dataset) -> list[dict[str, Any]]:
    """The rows with the largest loss: row (its number in the table), values, truth, prediction, loss.

    frame: the whole table; judged.positions are rows of dataset. Values are the features' cells as text, or
    as `cells.py` shows an image or a sequence. Where every step answers, or a text is written, a row's loss
    is the mean of its steps. Rows of weight 0 do not count.
    """
    target = dataset.schema.target
    assert target is not None
    loss = row_losses(judged, target.task)
    if bool(loss.isnan().all()):
        return []
    if judged.weight is not None:
        loss = torch.where(judged.weight > 0, loss, -torch.inf)
    stepped = target.each_step or target.task == "text"
    groups = _steps_of_rows(judged) if stepped else [np.array([i]) for i in range(len(judged))]
    losses = np.array([float(loss[group].mean()) for group in groups]) if stepped else loss.numpy()
    alone = [column.kind for column in dataset.schema.features] == ["image"]
    order = np.argsort(-losses, kind="stable")[: WORST_IMAGES if alone else WORST]
    positions = np.array([judged.positions[groups[i][0]] for i in order], dtype=np.int64)
    rows = dataset.rows[positions]
    values = shown(dataset, frame, positions, rows, MOST_VALUES)
    return [
        {
            "row": int(row),
            "values": cells,
            "truth": _truth(target, judged.target[groups[i]], frame, int(row)),
            "prediction": _prediction(target, judged.output[groups[i]]),
            "loss": float(losses[i]),
        }
        for i, row, cells in zip(order.tolist(), rows.tolist(), values, strict=True)
        if losses[i] > -np.inf
    ]


def _steps_of_rows(judged: Judged) -> list[np.ndarray]:
    """Of each row the places of its steps, in order."""
    order = np.argsort(judged.positions, kind="stable")
    _, starts = np.unique(judged.positions[order], return_index=True)
    return np.split(order, starts[1:]) if len(order) else []


def _truth(target: Target, steps: Tensor, frame: Frame, row: int) -> str:
    """steps: (T,) or (T, K), T = 1 unless every step has an answer."""
    if target.task == "text":
        return text(frame[target.names[0]][row])
    if target.task == "unsupervised":
        return text(frame[target.names[0]][row]) if target.names else ""
    if target.classes:
        return text(" ".join(target.classes[int(value)] for value in steps))
    if target.task == "multilabel":
        return text("; ".join(_labels(target, value > 0.5) for value in steps))
    return text("; ".join(", ".join(f"{v:.4g}" for v in value) for value in steps.tolist()))


def _prediction(target: Target, steps: Tensor) -> str:
    """steps: (T, K), T = 1 unless every step has an answer."""
    if target.task == "unsupervised":
        known = zip(JUDGED, steps[0].tolist(), strict=False)
        return ", ".join(f"{METRICS[name].label} {value:.4g}" for name, value in known if value == value)
    if target.task == "text":
        return f"{int(steps[:, 1].round().sum())} of {len(steps)} tokens right"
    if target.classes:
        said = steps.argmax(1)
        if target.each_step:
            return text(" ".join(target.classes[int(k)] for k in said))
        return f"{target.classes[int(said[0])]} ({float(steps[0, said[0]]):.2f})"
    if target.task == "multilabel":
        return text("; ".join(_labels(target, value > 0.5) for value in steps))
    return text("; ".join(", ".join(f"{v:.4g}" for v in value) for value in steps.tolist()))


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
    plain = all(column.kind == "numeric" for column in columns) and not schema.target.each_step
    one_value = schema.target.task == "binary" or (
        schema.target.task == "regression" and schema.target.outputs == 1
    )
    if not plain or schema.target.task in ("multilabel", "text") or not len(judged):
        return None
    dots = np.arange(len(judged)) if show_rows else np.arange(0)
    if len(dots) > DOTS:
        dots = np.linspace(0, len(judged) - 1, DOTS).round().astype(int)
    if len(columns) > 2:
        return None
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
