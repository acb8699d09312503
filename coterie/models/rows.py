"""A row as one vector and back: what families that learn without labels are given, and what they make.

Numbers, then categories one-hot, then pixels and steps in their order; every number with a centre and a
scale that were fitted on training rows. `inverse` goes back to raw inputs, so that a reconstruction or a
sample is a row of the user's own table.

N rows, B batch, D numbers of a row, F numeric inputs, C category inputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.columns import Columns
from coterie.models.preparation import TablePreparation
from coterie.models.shape import Shape

SCALINGS = ("standard", "common", "unit")


@dataclass(frozen=True)
class Row:
    """What a body is built for: D = width numbers; image (C, H, W) if a row is one and nothing else; classes
    of a label that came with the data, 0 without."""

    width: int
    image: tuple[int, int, int] | None = None
    classes: int = 0

    def require_classes(self) -> None:
        """SpecError where a family that is to be told classes has none to be told."""
        if not self.classes:
            raise SpecError(
                "A conditional family needs a label of classes.",
                given="data without one",
                fix="Name its column with --target, or use conditional=false.",
            )


class Rows(nn.Module):
    """Raw inputs → {"x" (B, D), "label" (B,), "place" (B,)}, and `inverse`.

    scaling: "standard": of mean 0 and deviation 1, a column, or a channel of images; "common": centred the
    same way, with one scale for all; "unit": into [0, 1] by the least and the largest training value of a
    column, or of all pixels, and held there. One-hot parts stay as they are, 0 and 1. A missing number is the
    centre.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, shape: Shape, scaling: str) -> None:
        super().__init__()
        assert scaling in SCALINGS
        self.shape, self.scaling = shape, scaling
        # missing numbers are filled in, not told of: an indicator is nothing to be made
        told = replace(shape, indicator=(False,) * len(shape.indicator))
        self.filled = TablePreparation(told.indicator, "mean", "none")
        self.columns = Columns(told, math.inf)
        self.width = self.columns.width
        self.register_buffer("center", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))

    @property
    def row(self) -> Row:
        """What a body for these rows is built for, but for its classes."""
        alone = self.shape.kinds == ("image",)
        return Row(self.width, self.shape.image if alone else None)

    @property
    def numbers(self) -> int:
        """F: where one-hot parts begin."""
        return len(self.shape.indicator)

    @property
    def hot(self) -> slice:
        """Where the one-hot parts of categories lie."""
        return slice(self.numbers, self.numbers + self.columns.hot_width)

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None:
        """Sets centres and scales from training rows, all or those of these numbers; some at a time."""
        self.filled.fit(inputs, rows)
        rows = torch.arange(len(inputs["numeric"])) if rows is None else rows
        count = max(1, len(rows))
        low = torch.full((self.width,), math.inf, dtype=torch.float64)
        high = -low
        total = torch.zeros(self.width, dtype=torch.float64)
        squares = torch.zeros(self.width, dtype=torch.float64)
        parts = rows.split(max(1, (1 << 22) // max(1, self.width)))
        shift = self._raw({name: t[parts[0]] for name, t in inputs.items()}).double().mean(0)
        for part in parts:
            x = self._raw({name: t[part] for name, t in inputs.items()}).double()
            low, high = torch.minimum(low, x.amin(0)), torch.maximum(high, x.amax(0))
            total += (x - shift).sum(0)
            squares += (x - shift).square().sum(0)
        mean = total / count
        spread = (squares / count - mean.square()).clamp_min(0)
        mean = mean + shift
        for places in self._groups():
            if self.scaling == "unit":
                center = low[places].min()
                width = high[places].max() - center
            else:
                center = mean[places].mean()
                within = (spread[places] + (mean[places] - center).square()).mean()
                width = within.sqrt()
            solid = width > 1e-6 * max(abs(float(center)), 1e-30)
            self.center[places] = center.to(self.center.dtype)
            self.scale[places] = width.to(self.scale.dtype) if solid and width.isfinite() else 1.0
        if self.scaling == "common":
            free = torch.ones(self.width, dtype=torch.bool)
            free[self.hot] = False
            if bool(free.any()):
                own = (spread + (mean - self.center.double()).square())[free].mean().sqrt()
                self.scale[free] = own.to(self.scale.dtype) if own > 0 else 1.0
        self.center[self.hot] = 0.0
        self.scale[self.hot] = 1.0

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = (self._raw(inputs) - self.center) / self.scale
        x = x.clamp(0.0, 1.0) if self.scaling == "unit" else x.clamp(-10.0, 10.0)
        return {"x": x, "label": inputs["label"], "place": inputs["place"]}

    def inverse(self, x: Tensor) -> dict[str, Tensor]:
        """Raw inputs of vectors (B, D): "numeric", "category" (the most probable known code), "image", …"""
        raw = x * self.scale + self.center
        made = {"numeric": raw[:, : self.numbers]}
        codes, start = [], self.numbers
        for cardinality in self.shape.cardinality:
            codes.append(x[:, start : start + max(1, cardinality - 2)].argmax(1))
            start += cardinality
        made["category"] = torch.stack(codes, 1) if codes else x.new_zeros(len(x), 0, dtype=torch.int64)
        for name, size in (("image", self.shape.image), ("sequence", self.shape.sequence)):
            if size:
                made[name] = raw[:, start : start + math.prod(size)].view(len(x), *size)
                start += math.prod(size)
        return made

    def log_scale(self) -> Tensor:
        """(): Σ log scale: what a log-density of x loses when it is told in the data's own unit."""
        return self.scale.log().sum()

    def _raw(self, inputs: dict[str, Tensor]) -> Tensor:
        """(N, D) in the data's own unit."""
        filled = self.filled(inputs)
        for name in ("image", "sequence"):
            if name in inputs:
                filled[name] = inputs[name].to(filled["numeric"].dtype).nan_to_num(nan=0.0)
        return self.columns(filled)

    def _groups(self) -> list[slice]:
        """Places that share a centre and a scale: a column, a channel ("unit": all of them), a variable."""
        groups = [slice(f, f + 1) for f in range(self.numbers)]
        start = self.numbers + self.columns.hot_width
        if self.shape.image:
            c, h, w = self.shape.image
            each = c * h * w if self.scaling == "unit" else h * w
            groups += [slice(start + i * each, start + (i + 1) * each) for i in range(c * h * w // each)]
            start += c * h * w
        if self.shape.sequence:
            t, f = self.shape.sequence
            groups += [slice(start + v, start + t * f, f) for v in range(f)]
        return groups
