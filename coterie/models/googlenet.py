"""GoogLeNet: several window sizes side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coterie.models.family import ImageFamily
from coterie.models.images import ConvBlock, Global, Pool, scaled, small
from coterie.models.layers import Dropout
from coterie.models.shape import Shape
from coterie.spec import integer, number

# 1×1; 3×3 reduced, 3×3; 5×5 reduced, 5×5; behind the pool
INCEPTIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "3": ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    "4": (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    "5": ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
}
EPS = 1e-3


@dataclass(frozen=True)
class GoogLeNet(ImageFamily):
    """Nine inception blocks: windows of 1, 3 and 5 pixels and a pool beside each other, their maps joined.

    With batch normalisation and without the auxiliary outputs: 6,624,904 parameters for 3 × 224 × 224 and
    1,000 classes. The 5 × 5 windows are 3 × 3, as in the implementations whose count that is. Images below
    64 pixels get a first convolution of 3 × 3 that keeps their size.

    Szegedy et al., "Going deeper with convolutions", 2015.
    """

    name = "googlenet"
    title = "GoogLeNet (Inception v1)"
    source = "Szegedy et al. 2015"

    share: int = integer(100, low=1, high=400, help="channels, in percent of the published ones")
    dropout: float = number(0.2, low=0, high=0.95, switch=True, help="share of features dropped at the end")

    def lifts(self, shape: Shape) -> bool:
        return False  # it has so many maps that few fit together, and those do not gain

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        pool = Pool("max", 3, 2, ceil=True)
        a, channels = scaled(64, self.share), scaled(192, self.share)
        if small(image):
            made: list[nn.Module] = [ConvBlock(image[0], a, 3, padding=1, eps=EPS)]
        else:
            made = [ConvBlock(image[0], a, 7, 2, 3, eps=EPS), pool]
        made += [ConvBlock(a, a, 1, eps=EPS), ConvBlock(a, channels, 3, padding=1, eps=EPS), pool]
        for stage, blocks in INCEPTIONS.items():
            for published in blocks:
                sizes = tuple(scaled(channels, self.share) for channels in published)
                made.append(Inception(channels, sizes))
                channels = sizes[0] + sizes[2] + sizes[4] + sizes[5]
            if stage != "5":
                made.append(pool if stage == "3" else Pool("max", 2, 2, ceil=True))
        made.append(Global())
        made += [Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential(*made), channels


class Inception(nn.Module):
    """Four branches on the same map, joined along the channels."""

    def __init__(self, channels: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        one, three_in, three, five_in, five, behind = sizes
        self.one = ConvBlock(channels, one, 1, eps=EPS)
        self.three = nn.Sequential(
            ConvBlock(channels, three_in, 1, eps=EPS), ConvBlock(three_in, three, 3, padding=1, eps=EPS)
        )
        self.five = nn.Sequential(
            ConvBlock(channels, five_in, 1, eps=EPS), ConvBlock(five_in, five, 3, padding=1, eps=EPS)
        )
        self.behind = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvBlock(channels, behind, 1, eps=EPS))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.behind(x)], dim=1)
