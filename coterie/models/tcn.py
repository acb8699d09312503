"""The temporal convolutional network: dilated causal convolutions in residual blocks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from coterie.models.family import SequenceFamily
from coterie.models.layers import Dropout
from coterie.models.shape import Shape
from coterie.models.steps import Last
from coterie.spec import integer, linear, number, options


@dataclass(frozen=True)
class TCN(SequenceFamily):
    """Blocks whose windows reach twice as far back from one to the next, and never ahead.

    The last step sees 1 + 2 (kernel − 1)(2^depth − 1) steps: 253 at the defaults. Weights are not normalised,
    as they were in the paper.

    Bai, Kolter & Koltun, "An empirical evaluation of generic convolutional and recurrent networks for
    sequence modeling", 2018.
    """

    name = "tcn"
    title = "Temporal convolutional network"
    source = "Bai, Kolter & Koltun 2018"

    channels: int = integer(48, low=1, high=4096, search=options(48, 32, 64), help="channels of every block")
    depth: int = integer(
        6, low=1, high=16, search=options(6, 4, 7), help="blocks, each reaching twice as far"
    )
    kernel: int = integer(3, low=1, high=64, help="steps that a window sees")
    dropout: float = number(
        0.05, low=0, high=0.95, switch=True, search=linear(0.02, 0.3), help="share dropped in each block"
    )

    def lifts(self, shape: Shape) -> bool:
        return False  # lifted convolutions are grouped ones, which are slower over steps

    def layers(self, width: int, each_step: bool) -> tuple[nn.Module, int]:
        return Blocks(self, width), self.channels

    def pool(self, kind: str) -> nn.Module:
        return Last()


class Blocks(nn.Module):
    """(x (B, T, W), mask (B, T)) → (B, T, D). Padding lies behind every real step, where no window looks."""

    def __init__(self, family: TCN, width: int) -> None:
        super().__init__()
        blocks = []
        for place in range(family.depth):
            blocks.append(CausalBlock(width, family, 2**place))
            width = family.channels
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.blocks(x.transpose(1, 2)).transpose(1, 2)


class CausalBlock(nn.Module):
    """Two dilated causal convolutions, and the block's own input added: (B, W, T) → (B, D, T)."""

    def __init__(self, width: int, family: TCN, dilation: int) -> None:
        super().__init__()
        self.reach = (family.kernel - 1) * dilation
        channels = family.channels
        self.first = nn.Conv1d(width, channels, family.kernel, dilation=dilation)
        self.second = nn.Conv1d(channels, channels, family.kernel, dilation=dilation)
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.shortcut = nn.Conv1d(width, channels, 1) if width != channels else nn.Identity()
        drops = [Dropout(family.dropout) if family.dropout else nn.Identity() for _ in range(2)]
        self.drop_first, self.drop_second = drops

    def forward(self, x: Tensor) -> Tensor:
        out = self.drop_first(self.first(nn.functional.pad(x, (self.reach, 0))).relu())
        out = self.drop_second(self.second(nn.functional.pad(out, (self.reach, 0))).relu())
        return (self.shortcut(x) + out).relu()
