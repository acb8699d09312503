"""VGG: depth from nothing but 3 × 3 convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from coterie.models.family import ImageFamily
from coterie.models.images import BatchNorm2d, Pool, Spread, scaled, small
from coterie.models.layers import Dropout
from coterie.spec import choice, flag, integer, number

STAGES = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


@dataclass(frozen=True)
class VGG(ImageFamily):
    """Five stages of 3 × 3 convolutions, each ended by pooling, and two hidden layers of 4,096 units.

    138,357,544 parameters at depth 16, for 3 × 224 × 224 and 1,000 classes. For images below 64 pixels the
    hidden layers see one average of the last map, not 7 × 7 places.

    Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
    """

    name = "vgg"
    title = "VGG"
    source = "Simonyan & Zisserman 2015"

    depth: str = choice("11", tuple(STAGES), help="layers with weights")
    share: int = integer(100, low=1, high=400, help="channels, in percent of the published ones")
    batch_norm: bool = flag(True, help="normalise after each convolution, as the original did not")
    hidden: int = integer(4096, low=1, high=65536, help="units of either hidden layer")
    dropout: float = number(0.5, low=0, high=0.95, switch=True, help="share of hidden units dropped")

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        channels = image[0]
        made: list[nn.Module] = []
        for count, published in zip(STAGES[self.depth], CHANNELS, strict=True):
            out = scaled(published, self.share)
            for _ in range(count):
                conv = nn.Conv2d(channels, out, 3, padding=1)
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
                made += [conv, *([BatchNorm2d(out)] if self.batch_norm else []), nn.ReLU()]
                channels = out
            made.append(Pool("max", 2, 2))
        spread = 1 if small(image) else 7
        made += [Spread(spread), nn.Flatten()]
        width = channels * spread * spread
        for _ in range(2):
            made += [nn.Linear(width, self.hidden), nn.ReLU()]
            made += [Dropout(self.dropout)] if self.dropout else []
            width = self.hidden
        return nn.Sequential(*made), width
