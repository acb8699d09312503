"""Preparation as a layer: imputation, indicators and scaling with what a member's own training rows say.

It takes raw inputs, NaN for missing, so that no fold leaks into another and a saved model needs nothing
beside itself. Category codes pass through: the vocabulary fixes shapes and is made once a study.

N rows, B batch, F numeric inputs, I ≤ F of them with an indicator, C category inputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from coterie.models.shape import Shape

CLIP = 10.0  # standard deviations at which a value is held
AT_ONCE = 1 << 24  # numbers of images, or of columns, that are taken at once
LARGEST = 1e15  # where a value that is not scaled is held, so that sums stay finite


class TablePreparation(nn.Module):
    """Raw columns in, finite numbers of ordinary size out.

    A number becomes (x − centre) / scale, held within ±10; a missing one becomes the centre, 0, and where
    the study saw missing values an indicator of 1 says so. Centre: the median or the mean of the training
    rows. Scale: their standard deviation after values beyond ten interquartile ranges of the median are
    held there, so that one mistyped 10³⁰ does not flatten the column; 1 for a constant. Where the
    quartiles are equal, the 5th and 95th percentiles stand for them, then the 1st and 99th. With
    scaling "none" numbers stay as they are, and only what is missing is filled in, by the centre.

    In: {"numeric": (B, F) with NaN, "category": (B, C)}. Out: {"numeric": (B, F + I), "category": (B, C)}.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, indicator: tuple[bool, ...], impute: str, scaling: str = "standard") -> None:
        super().__init__()
        self.impute, self.scaling = impute, scaling
        self.indicated = [i for i, wanted in enumerate(indicator) if wanted]
        self.width = len(indicator) + len(self.indicated)
        self.register_buffer("center", torch.zeros(len(indicator)))
        self.register_buffer("scale", torch.ones(len(indicator)))

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None:
        """Sets the statistics from training rows, "numeric" (N, F), all or those of these numbers; some
        columns at a time to bound memory."""
        for f, column in enumerate(_columns(inputs["numeric"], rows)):
            x = column[column.isfinite()]
            if not len(x):
                continue
            ordered = torch.from_numpy(np.sort(x.numpy())).double()
            middle, reach = _quantile(ordered, 0.5), ordered.new_zeros(())
            for tail in (0.25, 0.05, 0.01):  # most values may be equal, and the quartiles with them
                if not reach:
                    reach = 10 * (_quantile(ordered, 1 - tail) - _quantile(ordered, tail))
            held = ordered.clamp_(middle - reach, middle + reach) if reach > 0 else ordered
            largest = max(held[0].abs().item(), held[-1].abs().item())
            rounding = 1e-6 * max(largest, 1e-30)  # below it, a spread is float32 noise
            mean = held.mean()
            center = middle if self.impute == "median" else mean
            scale = held.sub_(mean).square_().mean().sqrt()
            self.center[f] = center
            self.scale[f] = scale if scale > rounding else 1.0

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        raw = inputs["numeric"]
        if not raw.shape[1]:  # images, texts or sequences alone
            return {"numeric": raw, "category": inputs["category"]}
        if self.scaling == "none":
            x = torch.where(raw.isnan(), self.center, raw).clamp(-LARGEST, LARGEST)
        else:
            x = self._standardised(raw)
        if self.indicated:
            x = torch.cat([x, raw[:, self.indicated].isnan().to(x.dtype)], dim=-1)
        return {"numeric": x, "category": inputs["category"]}

    def _standardised(self, raw: Tensor) -> Tensor:
        return clipped((raw - self.center) / self.scale)


def clipped(x: Tensor) -> Tensor:
    """What is missing becomes 0, and nothing lies beyond ±CLIP.

    As by `nan_to_num`, of which compiled code makes a loop over single numbers: a twentieth of a 64-64
    network's step.
    """
    return torch.where(x == x, x, 0.0).clamp(-CLIP, CLIP)  # nan differs from itself


class ImagePreparation(nn.Module):
    """Pixels of any unit → of mean 0 and deviation 1 a channel, over the training images."""

    center: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(channels, 1, 1))
        self.register_buffer("scale", torch.ones(channels, 1, 1))

    def fit(self, images: Tensor, rows: Tensor | None = None) -> None:
        """Sets the statistics from training images (N, C, H, W), all or those of these rows.

        Some at a time, to bound memory: of images that lie in a file, only these are ever read.
        """
        count, total, squares = (
            0,
            torch.zeros(len(self.center)).double(),
            torch.zeros(len(self.center)).double(),
        )
        rows = torch.arange(len(images)) if rows is None else rows
        for part in rows.split(max(1, min(1000, AT_ONCE // max(1, images[:1].numel())))):
            x = images[part].double()
            count += x[:, 0].numel()
            total += x.sum((0, 2, 3))
            squares += x.square().sum((0, 2, 3))
        mean = total / max(1, count)
        spread = (squares / max(1, count) - mean.square()).clamp_min(0).sqrt()
        self.center.copy_(mean[:, None, None])
        self.scale.copy_(torch.where(spread > 1e-6 * mean.abs().clamp_min(1e-30), spread, 1.0)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images.to(self.center.dtype) - self.center) / self.scale


class SequencePreparation(nn.Module):
    """Steps (B, T, F) with NaN for missing → standardised by variable, within ±10; missing and padding 0."""

    center: Tensor
    scale: Tensor

    def __init__(self, variables: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(variables))
        self.register_buffer("scale", torch.ones(variables))

    def fit(self, sequence: Tensor, length: Tensor) -> None:
        """Sets the statistics from the real steps of training sequences (N, T, F), length (N,)."""
        real = torch.arange(sequence.shape[1]) < length[:, None]
        steps = sequence[real].double()
        for f in range(steps.shape[1]):
            x = steps[:, f]
            x = x[x.isfinite()]
            if len(x):
                mean, spread = x.mean(), x.std(correction=0)
                self.center[f] = mean
                self.scale[f] = spread if spread > 1e-6 * x.abs().max().clamp_min(1e-30) else 1.0

    def forward(self, sequence: Tensor, length: Tensor) -> Tensor:
        x = clipped((sequence - self.center) / self.scale)
        real = torch.arange(x.shape[1], device=x.device) < length[:, None]
        return torch.where(real[..., None], x, 0.0)


class Preparation(nn.Module):
    """Every kind of input of a row by its own rule; tokens and codes pass through."""

    def __init__(self, shape: Shape, impute: str, scaling: str) -> None:
        super().__init__()
        self.table = TablePreparation(shape.indicator, impute, scaling)
        self.image = ImagePreparation(shape.image[0]) if shape.image else None
        self.sequence = SequencePreparation(shape.sequence[1]) if shape.sequence else None

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None:
        """Sets the statistics from training rows: all of inputs, or those of these numbers."""
        self.table.fit(inputs, rows)
        if self.image is not None:
            self.image.fit(inputs["image"], rows)
        if self.sequence is not None:
            self.sequence.fit(_taken(inputs["sequence"], rows), _taken(inputs["length"], rows))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        out = {n: inputs[n] for n in ("tokens", "length", "answer") if n in inputs} | self.table(inputs)
        if self.image is not None:
            out["image"] = self.image(inputs["image"])
        if self.sequence is not None:
            out["sequence"] = self.sequence(inputs["sequence"], inputs["length"])
        return out


def prepare_for(
    shape: Shape, impute: str = "median", scaling: str = "standard"
) -> TablePreparation | Preparation:
    """The preparation of data of this shape."""
    if shape.kinds in (("table",), ()) and not shape.answer:
        return TablePreparation(shape.indicator, impute, scaling)
    return Preparation(shape, impute, scaling)


def _columns(numeric: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
    """The columns of (N, F) one by one, of these rows; of a table that lies in a file, some a reading."""
    count = len(numeric) if rows is None else len(rows)
    step = max(1, AT_ONCE // max(1, count))
    for begin in range(0, numeric.shape[1], step):
        block = numeric[:, begin : begin + step]
        yield from _taken(block, rows).unbind(1)


def _taken(column: Tensor, rows: Tensor | None) -> Tensor:
    return column if rows is None else column[rows]


def _quantile(ordered: Tensor, q: float) -> Tensor:
    """Linear interpolation between order statistics; `torch.quantile` refuses more than 16M values."""
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return torch.lerp(ordered[below], ordered[above], place - below)
