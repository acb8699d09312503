"""A small U-Net: an image is shrunk, looked at as a whole and enlarged again, with its details kept beside.

B batch, C channels, H height, W width, E width of what every block is told (the noise's level, the class).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.models.attention import Attention

SMALLEST = 8  # a side: maps are halved until they are no larger, so that all of them can attend to all


class UNet(nn.Module):
    """Images (B, C, H, W) and what is told (B, E) → images (B, C, H, W), 0 before training.

    widths: channels of each map, the image's own first, each of half the side of the one before; the last
    width serves for further halvings while a map is larger than 8 × 8. attention: whether the places of the
    smallest map look at each other. Any size of image will do: an odd side is halved upwards.

    Ronneberger, Fischer & Brox, "U-Net", 2015, as in Ho, Jain & Abbeel, 2020.
    """

    def __init__(
        self, image: tuple[int, int, int], widths: tuple[int, ...], told: int, attention: bool = True
    ) -> None:
        super().__init__()
        channels, side = image[0], max(image[1:])
        while math.ceil(side / 2 ** (len(widths) - 1)) > SMALLEST:
            widths = (*widths, widths[-1])
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        down, shrink, up, enlarge = [], [], [], []
        for level, width in enumerate(widths):
            before = widths[max(0, level - 1)]
            shrink.append(nn.Conv2d(before, before, 3, 2, padding=1) if level else nn.Identity())
            down.append(Residual(before, width, told))
            up.append(Residual(2 * width, width, told))
            enlarge.append(nn.Conv2d(width, before, 3, padding=1) if level else nn.Identity())
        self.down, self.shrink = nn.ModuleList(down), nn.ModuleList(shrink)
        self.up, self.enlarge = nn.ModuleList(up), nn.ModuleList(enlarge)
        self.look = Look(widths[-1]) if attention else nn.Identity()
        self.middle = Residual(widths[-1], widths[-1], told)
        self.norm = normalised(widths[0])
        self.last = silent(nn.Conv2d(widths[0], channels, 3, padding=1))

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        x = self.first(x)
        kept = []
        for shrink, block in zip(self.shrink, self.down, strict=True):
            x = block(shrink(x), told)
            kept.append(x)
        x = self.middle(self.look(x), told)
        for level in reversed(range(len(kept))):
            x = self.up[level](torch.cat([x, kept[level]], 1), told)
            if level:
                height, width = kept[level - 1].shape[2:]
                x = self.enlarge[level](doubled(x)[:, :, :height, :width])
        return self.last(F.silu(self.norm(x)))


class Residual(nn.Module):
    """Twice normalisation → SiLU → convolution, told in between; what comes in is added: (B, C, H, W)."""

    def __init__(self, channels: int, out: int, told: int) -> None:
        super().__init__()
        self.norm = normalised(channels)
        self.conv = nn.Conv2d(channels, out, 3, padding=1)
        self.told = nn.Linear(told, out)
        self.norm_again = normalised(out)
        self.conv_again = silent(nn.Conv2d(out, out, 3, padding=1))
        self.across = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        inner = self.conv(F.silu(self.norm(x))) + self.told(told)[:, :, None, None]
        return self.across(x) + self.conv_again(F.silu(self.norm_again(inner)))


class Look(nn.Module):
    """Every place of a map looks at every other, and what it sees is added: (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = normalised(channels)
        self.attention = Attention(channels, heads=math.gcd(4, channels))
        nn.init.zeros_(self.attention.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.attention(places, places).transpose(1, 2).reshape(x.shape)


def normalised(channels: int) -> nn.GroupNorm:
    """Group normalisation (Wu & He, 2018), in 8 groups or as many as divide the channels."""
    return nn.GroupNorm(math.gcd(8, channels), channels)


def silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights of 0: at the start it adds nothing to what goes past it."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def doubled(x: Tensor) -> Tensor:
    """Every pixel twice each way: (B, C, H, W) → (B, C, 2H, 2W)."""
    rows, channels, height, width = x.shape
    twice = x[:, :, :, None, :, None].expand(rows, channels, height, 2, width, 2)
    return twice.reshape(rows, channels, 2 * height, 2 * width)
