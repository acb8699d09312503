"""A one-dimensional convolutional network over steps."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from coterie.models.family import SequenceFamily
from coterie.models.layers import Dropout
from coterie.models.shape import Shape
from coterie.models.steps import Mean
from coterie.spec import integer, linear, number, options, widths


@dataclass(frozen=True)
class CNN1d(SequenceFamily):
    """Convolutions over time that keep the length, then the mean over all real steps.

    Padding is set to 0 after each layer, so that a row's answer does not depend on how far it was padded.

    Waibel et al., "Phoneme recognition using time-delay neural networks", 1989; Kim, 2014, for texts.
    """

    name = "cnn1d"
    title = "One-dimensional convolutional network"
    source = "Waibel et al. 1989; Kim 2014"

    channels: tuple[int, ...] = widths(
        (64, 64), high=4096, search=options((64, 64), (32, 32, 32), (128, 128)), help="channels of each layer"
    )
    kernel: int = integer(5, low=1, high=255, search=options(5, 3, 9), help="steps that a window sees")
    dropout: float = number(
        0.1, low=0, high=0.95, switch=True, search=linear(0.02, 0.4), help="share dropped behind each layer"
    )

    def lifts(self, shape: Shape) -> bool:
        return False  # lifted convolutions are grouped ones, which are slower over steps

    def layers(self, width: int, each_step: bool) -> tuple[nn.Module, int]:
        return Convolutions(self, width), self.channels[-1] if self.channels else width

    def pool(self, kind: str) -> nn.Module:
        return Mean()


class Convolutions(nn.Module):
    """(x (B, T, W), mask (B, T)) → (B, T, D)."""

    def __init__(self, family: CNN1d, width: int) -> None:
        super().__init__()
        convs, drops = [], []
        for out in family.channels:
            conv = nn.Conv1d(width, out, family.kernel, padding="same")
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
            convs.append(conv)
            drops.append(Dropout(family.dropout) if family.dropout else nn.Identity())
            width = out
        self.convs, self.drops = nn.ModuleList(convs), nn.ModuleList(drops)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        real = mask[:, None].to(x.dtype)
        x = x.transpose(1, 2) * real
        for conv, drop in zip(self.convs, self.drops, strict=True):
            x = drop(conv(x).relu()) * real
        return x.transpose(1, 2)
