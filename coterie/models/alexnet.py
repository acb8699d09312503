"""AlexNet, in one tower."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from coterie.models.family import ImageFamily
from coterie.models.images import Pool, Spread, scaled, small
from coterie.models.layers import Dropout
from coterie.spec import integer, number


@dataclass(frozen=True)
class AlexNet(ImageFamily):
    """Five convolutions and two hidden layers of 4,096 units, with dropout: what began the deep decade.

    One tower ("one weird trick"), without local response normalisation: 61,100,840 parameters for 3 × 224 ×
    224 and 1,000 classes. Images below 64 pixels get a first convolution of 3 × 3 that keeps their size.

    Krizhevsky, Sutskever & Hinton, 2012; Krizhevsky, "One weird trick …", 2014.
    """

    name = "alexnet"
    title = "AlexNet"
    source = "Krizhevsky, Sutskever & Hinton 2012; Krizhevsky 2014"

    share: int = integer(100, low=1, high=400, help="channels, in percent of the published ones")
    hidden: int = integer(4096, low=1, high=65536, help="units of either hidden layer")
    dropout: float = number(0.5, low=0, high=0.95, switch=True, help="share of hidden units dropped")

    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        a, b, c, d = (scaled(channels, self.share) for channels in (64, 192, 384, 256))
        stem = nn.Conv2d(image[0], a, 3, padding=1) if small(image) else nn.Conv2d(image[0], a, 11, 4, 2)
        spread = 2 if small(image) else 6
        drop = [Dropout(self.dropout)] if self.dropout else []
        again = [Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential(
            stem,
            nn.ReLU(),
            Pool("max", 3, 2),
            nn.Conv2d(a, b, 5, padding=2),
            nn.ReLU(),
            Pool("max", 3, 2),
            nn.Conv2d(b, c, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, d, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(d, d, 3, padding=1),
            nn.ReLU(),
            Pool("max", 3, 2),
            Spread(spread),
            nn.Flatten(),
            *drop,
            nn.Linear(d * spread * spread, self.hidden),
            nn.ReLU(),
            *again,
            nn.Linear(self.hidden, self.hidden),
            nn.ReLU(),
        ), self.hidden
