"""Residual networks: layers that learn what to add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from coterie.models.family import ImageFamily
from coterie.models.images import BatchNorm2d, ConvBlock, Global, Pool, scaled, small
from coterie.spec import choice, flag, integer, options

LARGE = {
    "18": (2, 2, 2, 2),
    "34": (3, 4, 6, 3),
    "50": (3, 4, 6, 3),
    "101": (3, 4, 23, 3),
    "152": (3, 8, 36, 3),
}
SMALL = {"8": 1, "20": 3, "32": 5, "56": 9, "110": 18}  # blocks of each of three stages
BOTTLENECK = ("50", "101", "152")


@dataclass(frozen=True)
class ResNet(ImageFamily):
    """Stages of residual blocks, x + f(x); from stage to stage half the size and twice the channels.

    Depths 18 to 152 are those for ImageNet (11,689,512 parameters at 18, 25,557,032 at 50, 60,192,808 at 152,
    for 1,000 classes; from 50 on with bottlenecks); below 64 pixels their first layer is a 3 × 3 convolution
    that keeps the size. Depths 8 to 110 are those for 32 × 32 images, with 16, 32 and 64 channels.
    `residual=false` leaves the additions out: what depth costs without them.

    He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2016.
    """

    name = "resnet"
    title = "Residual network"
    source = "He, Zhang, Ren & Sun 2016"

    depth: str = choice("8", (*SMALL, *LARGE), search=options("8", "20"), help="layers with weights")
    residual: bool = flag(True, help="add a block's input to its result")
    share: int = integer(100, low=1, high=400, help="channels, in percent of the published ones")

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        if self.depth in SMALL:
            channels = scaled(16, self.share)
            made: list[nn.Module] = [ConvBlock(image[0], channels, 3, padding=1)]
            stages = [(channels * 2**i, SMALL[self.depth]) for i in range(3)]
        else:
            channels = scaled(64, self.share)
            made = [ConvBlock(image[0], channels, 7, 2, 3), Pool("max", 3, 2, 1)]
            if small(image):  # blocks keep their names, so that weights carry over between sizes
                made = [ConvBlock(image[0], channels, 3, padding=1), nn.Identity()]
            stages = [(channels * 2**i, blocks) for i, blocks in enumerate(LARGE[self.depth])]
        block: Any = Bottleneck if self.depth in BOTTLENECK else Basic
        for stage, (width, blocks) in enumerate(stages):
            for place in range(blocks):
                made.append(block(channels, width, 2 if stage and not place else 1, self.residual))
                channels = width * block.expansion
        return nn.Sequential(*made, Global()), channels


class Basic(nn.Module):
    """Two 3 × 3 convolutions."""

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.path = nn.Sequential(
            ConvBlock(channels, width, 3, stride, 1), *list(ConvBlock(width, width, 3, 1, 1))[:2]
        )
        self.shortcut = _shortcut(channels, width, stride) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.path(x)
        return (out if self.shortcut is None else out + self.shortcut(x)).relu()


class Bottleneck(nn.Module):
    """1 × 1 down, 3 × 3, 1 × 1 up to four times the width; the stride is the middle one's."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.path = nn.Sequential(
            ConvBlock(channels, width, 1),
            ConvBlock(width, width, 3, stride, 1),
            *list(ConvBlock(width, 4 * width, 1))[:2],
        )
        self.shortcut = _shortcut(channels, 4 * width, stride) if residual else None

    def forward(self, x: Tensor) -> Tensor:
        out = self.path(x)
        return (out if self.shortcut is None else out + self.shortcut(x)).relu()


def _shortcut(channels: int, out: int, stride: int) -> nn.Module:
    """The input itself, or where size or channels differ a 1 × 1 convolution of it."""
    if stride == 1 and channels == out:
        return nn.Identity()
    conv = nn.Conv2d(channels, out, 1, stride, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, BatchNorm2d(out))
