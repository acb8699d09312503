"""A small convolutional network that fits an image of any size."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from coterie.models.family import ImageFamily
from coterie.models.images import BatchNorm2d, Global, Pool
from coterie.models.layers import Dropout
from coterie.spec import choice, integer, linear, number, options, widths


@dataclass(frozen=True)
class CNN(ImageFamily):
    """Stages of convolutions, each but the first on a map of half the size, then a mean over all places.

    A stage is `convolutions` times convolution → normalisation → ReLU, then pooling while the map has two
    pixels a side or more. The map at the end is averaged over its places (`flatten` keeps them apart).

    LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """

    name = "cnn"
    title = "Small convolutional network"
    source = "LeCun, Bottou, Bengio & Haffner 1998"

    channels: tuple[int, ...] = widths(
        (32, 64), high=4096, search=options((32, 64), (16, 32, 64), (64, 128)), help="channels of each stage"
    )
    kernel: int = integer(3, low=1, high=31, help="side of each convolution's window, in pixels")
    convolutions: int = integer(2, low=1, high=8, help="convolutions a stage")
    norm: str = choice("batch", ("none", "batch"), help="normalisation after each convolution")
    pooling: str = choice("max", ("max", "average"), help="how a map is halved between stages")
    end: str = choice("flatten", ("mean", "flatten"), help="the last map: averaged, or every place by itself")
    dropout: float = number(
        0.2,
        low=0,
        high=0.95,
        switch=True,
        search=linear(0.05, 0.5),
        help="share dropped at the end",
    )

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        channels, height, width = image
        made: list[nn.Module] = []
        for stage, out in enumerate(self.channels):
            if stage and max(height, width) > 1:
                made.append(Pool("max" if self.pooling == "max" else "average", 2, 2))
                height, width = (max(1, side // 2) for side in (height, width))
            for _ in range(self.convolutions):
                conv = nn.Conv2d(channels, out, self.kernel, padding="same", bias=self.norm == "none")
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                made += [conv, *([BatchNorm2d(out)] if self.norm == "batch" else []), nn.ReLU()]
                channels = out
        features = channels
        if self.end == "mean":
            made.append(Global())
        else:
            while height * width > 64:  # a large map is halved further: places beyond 8 × 8 are too many
                made.append(Pool("max" if self.pooling == "max" else "average", 2, 2))
                height, width = (max(1, side // 2) for side in (height, width))
            made.append(nn.Flatten())
            features = channels * height * width
        if self.dropout:
            made.append(Dropout(self.dropout))
        return nn.Sequential(*made), features
