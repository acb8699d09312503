"""A row's columns as one vector: numbers as they are, categories one-hot or learned.

B batch, F prepared numbers, C category inputs, D features of something else.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from coterie.models.shape import Shape


class Columns(nn.Module):
    """Joins what was prepared of a row into one vector; pixels and steps, where there are any, in a row.

    embed_above: categories with more codes than this become learned vectors, the others one-hot.
    In: {"numeric": (B, F), "category": (B, C) int64, and perhaps "image" (B, C, H, W), "sequence"
    (B, T, F)}. Out: (B, `width`), numbers first, then their missing indicators.
    """

    starts: Tensor

    def __init__(self, shape: Shape, embed_above: float) -> None:
        super().__init__()
        cardinality = shape.cardinality
        self.numeric = bool(shape.indicator)
        self.numbers = len(shape.indicator)  # how many of the first entries are numbers of the table
        self.hot = [c for c, codes in enumerate(cardinality) if codes <= embed_above]
        self.dense = [c for c, codes in enumerate(cardinality) if codes > embed_above]
        starts, self.hot_width = [], 0
        for c in self.hot:
            starts.append(self.hot_width)
            self.hot_width += cardinality[c]
        self.register_buffer("starts", torch.tensor(starts, dtype=torch.int64), persistent=False)
        # the width of an embedding: fastai's rule of thumb, 1.6·n^0.56, at most 32
        sizes = [min(32, round(1.6 * cardinality[c] ** 0.56)) for c in self.dense]
        tables = [nn.Embedding(cardinality[c], size) for c, size in zip(self.dense, sizes, strict=True)]
        for table, size in zip(tables, sizes, strict=True):
            nn.init.normal_(table.weight, std=size**-0.5)
        self.embeddings = nn.ModuleList(tables)
        self.flattened = {"image": shape.image, "sequence": shape.sequence}
        flat = sum(math.prod(size) for size in self.flattened.values() if size)
        self.width = shape.prepared + self.hot_width + sum(sizes) + flat

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        numeric, codes = prepared["numeric"], prepared["category"]
        parts = [numeric] if self.numeric else []
        if self.hot:
            places = codes[:, self.hot] + self.starts
            hot = torch.zeros(numeric.shape[0], self.hot_width, dtype=numeric.dtype, device=numeric.device)
            parts.append(hot.scatter(1, places, 1.0))
        for c, table in zip(self.dense, self.embeddings, strict=True):
            parts.append(table(codes[:, c]))
        for name, size in self.flattened.items():
            if size:
                flat = prepared[name].flatten(1)
                parts.append(nn.functional.pad(flat, (0, math.prod(size) - flat.shape[1])))
        if not parts:
            return numeric[:, :0]
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

    def join(self, features: Tensor, prepared: dict[str, Tensor]) -> Tensor:
        """Features (B, D) or (B, T, D) with the row's own columns behind them."""
        if not self.width:
            return features
        own = self(prepared)
        if features.ndim == 3:
            own = own[:, None].expand(-1, features.shape[1], -1)
        return torch.cat([features, own], dim=-1)
