"""Rows as steps: what recurrent, one-dimensional convolutional and attention networks are given.

B batch, T steps, W numbers a step, D features. A mask (B, T) is True for real steps, False for padding;
real steps come first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.columns import Columns
from coterie.models.shape import Shape


class Steps(nn.Module):
    """Prepared inputs → (x (B, T, `width`), mask (B, T)).

    A sequence's steps; a text's tokens as learned vectors; an image's rows, all channels of a row in one
    step; or else the numbers of a table in their order, one a step.
    """

    def __init__(self, shape: Shape, embedding: int) -> None:
        super().__init__()
        self.kind = next(kind for kind in ("sequence", "text", "image", "table") if kind in shape.kinds)
        if self.kind == "sequence":
            assert shape.sequence is not None
            self.width = shape.sequence[1]
        elif self.kind == "text":
            assert shape.tokens is not None
            self.width = embedding
            self.table = nn.Embedding(shape.tokens[1], embedding)
        elif self.kind == "image":
            assert shape.image is not None
            self.width = shape.image[0] * shape.image[2]
        else:
            self.width, self.numbers = 1, len(shape.indicator)
            if not self.numbers:
                raise SpecError(
                    "A family that reads steps needs sequences, texts, images or numbers.",
                    given="categories alone",
                    fix="Choose one for tables, such as mlp, or say what a column is: --kind NAME=text.",
                )

    def forward(self, prepared: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if self.kind == "sequence":
            x = prepared["sequence"]
            return x, torch.arange(x.shape[1], device=x.device) < prepared["length"][:, None]
        if self.kind == "text":
            tokens = prepared["tokens"]
            return self.table(tokens), tokens > 0
        if self.kind == "image":
            x = prepared["image"].transpose(1, 2).flatten(2)
        else:
            x = prepared["numeric"][:, : self.numbers, None]
        return x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)


class Joined(nn.Module):
    """Steps → the family's layers → pooled, unless every step answers → joined with columns → output."""

    def __init__(
        self, steps: nn.Module, layers: nn.Module, pool: nn.Module | None, beside: Columns, head: nn.Module
    ) -> None:
        super().__init__()
        self.steps = steps
        self.layers = layers
        self.pool = pool
        self.beside = beside
        self.head = head

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        x, mask = self.steps(prepared)
        features = self.layers(x, mask)
        if self.pool is not None:
            features = self.pool(features, mask)
        return self.beside.join(features, prepared)

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(prepared))


class Mean(nn.Module):
    """The mean over real steps; 0 where there is none."""

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        real = mask[..., None].to(steps.dtype)
        return (steps * real).sum(1) / real.sum(1).clamp_min(1)


class Last(nn.Module):
    """The last real step; the first where there is none."""

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        at = (mask.sum(1) - 1).clamp_min(0)
        return steps.gather(1, at[:, None, None].expand(-1, 1, steps.shape[2])).squeeze(1)


class First(nn.Module):
    """The first step."""

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        return steps[:, 0]
