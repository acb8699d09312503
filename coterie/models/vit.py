"""The Vision Transformer: an image as a sequence of patches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.attention import Block, Positions
from coterie.models.bert import FEW, fits
from coterie.models.family import ImageFamily
from coterie.models.layers import Dropout
from coterie.models.shape import Shape
from coterie.spec import choice, integer, linear, number, options

PATCHES = 7  # along the longer side, at most, where no patch size is given


@dataclass(frozen=True)
class ViT(ImageFamily):
    """Patches through an affine map, with learned places, as steps of a Transformer's encoder.

    Sides that no whole number of patches fills are padded. With so little built in about images it needs
    more of them than a convolutional network, or augmentation.

    Dosovitskiy et al., "An image is worth 16×16 words", 2021.
    """

    name = "vit"
    title = "Vision Transformer"
    source = "Dosovitskiy et al. 2021"

    patch: int = integer(
        0, low=0, high=1024, help="side of a patch; 0: as small as lets seven along the longer side"
    )
    width: int = integer(64, low=1, high=65536, search=options(64, 96), help="width of every step")
    depth: int = integer(4, low=1, high=128, search=options(4, 2, 3), help="blocks")
    heads: int = integer(4, low=1, high=256, help="heads of attention; they share the width")
    hidden: int = integer(0, low=0, high=262144, help="units between a block's affine layers; 0: 2 × width")
    dropout: float = number(
        0.1, low=0, high=0.95, switch=True, search=linear(0.02, 0.3), help="share dropped"
    )
    pooling: str = choice("mean", ("mean", "class"), help="the mean of all steps, or a class token's state")

    def __post_init__(self) -> None:
        super().__post_init__()
        fits(self.width, self.heads)

    def lifts(self, shape: Shape) -> bool:
        """It has no convolution: with few patches it gains, many fill a core by themselves."""
        return shape.image is not None and math.prod(self.grid(shape.image)[1]) <= FEW

    def grid(self, image: tuple[int, int, int]) -> tuple[int, tuple[int, int]]:
        """The side of a patch, and how many there are down and across."""
        _, height, width = image
        patch = self.patch or math.ceil(max(height, width) / PATCHES)
        return patch, (math.ceil(height / patch), math.ceil(width / patch))

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        return Patches(self, image), self.width

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 1e-3, "clip": 1.0}


class Patches(nn.Module):
    """(B, C, H, W) → (B, D)."""

    def __init__(self, family: ViT, image: tuple[int, int, int]) -> None:
        super().__init__()
        channels, height, width = image
        self.patch, (rows, columns) = family.grid(image)
        patch = self.patch
        self.padding = (0, columns * patch - width, 0, rows * patch - height)
        d, hidden = family.width, family.hidden or 2 * family.width
        self.project = nn.Linear(channels * patch * patch, d)
        with_class = family.pooling == "class"
        self.first = nn.Parameter(torch.randn(1, d) * 0.02) if with_class else None
        self.positions = Positions("learned", rows * columns + int(with_class), d)
        self.dropout = Dropout(family.dropout) if family.dropout else nn.Identity()
        blocks = [Block(d, family.heads, hidden, family.dropout) for _ in range(family.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(d)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, self.padding)
        patches = x.unflatten(3, (-1, self.patch)).unflatten(2, (-1, self.patch))  # (B, C, R, P, Q, P)
        steps = self.project(patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))
        if self.first is not None:
            steps = torch.cat([self.first.expand(len(steps), 1, -1), steps], dim=1)
        steps = self.dropout(self.positions(steps))
        for block in self.blocks:
            steps = block(steps)
        steps = self.norm(steps)
        return steps[:, 0] if self.first is not None else steps.mean(1)
