"""LeNet-5."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from coterie.models.activations import ACTIVATIONS
from coterie.models.family import ImageFamily
from coterie.models.images import Pool, Spread
from coterie.models.shape import Shape
from coterie.spec import choice

SIDE = 32


@dataclass(frozen=True)
class LeNet(ImageFamily):
    """Two convolutions with pooling, a third as large as what is left, and a hidden layer of 84 units.

    For images of 32 × 32; smaller ones are padded to it, as the digits of 28 × 28 were, and of larger ones
    the third convolution sees 5 × 5 averages. With 10 classes 61,706 parameters: the modern form, in which
    the second convolution sees all six maps.

    LeCun et al., "Gradient-based learning applied to document recognition", 1998.
    """

    name = "lenet"
    title = "LeNet-5"
    source = "LeCun, Bottou, Bengio & Haffner 1998"

    activation: str = choice(
        "tanh", ("tanh", "relu", "sigmoid"), help="what follows each layer; the original's was a scaled tanh"
    )
    pooling: str = choice("average", ("average", "max"), help="how a map is halved")

    def lifts(self, shape: Shape) -> bool:
        return False  # padded to 32 pixels a side, where grouped convolutions do not gain

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        channels, height, width = image
        low, left = max(0, SIDE - height), max(0, SIDE - width)
        act = ACTIVATIONS[self.activation]
        kind = "max" if self.pooling == "max" else "average"
        pad = [nn.ZeroPad2d((left // 2, left - left // 2, low // 2, low - low // 2))] if low or left else []
        shrink = [Spread(5)] if max(height, width) > SIDE else []
        return nn.Sequential(
            *pad,
            nn.Conv2d(channels, 6, 5),
            act(),
            Pool(kind, 2, 2),
            nn.Conv2d(6, 16, 5),
            act(),
            Pool(kind, 2, 2),
            *shrink,
            nn.Conv2d(16, 120, 5),
            act(),
            nn.Flatten(),
            nn.Linear(120, 84),
            act(),
        ), 84
