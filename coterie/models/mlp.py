"""The multi-layer perceptron: hidden layers of affine maps and activations."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from coterie.models.activations import ACTIVATIONS, INITIALISATIONS, LeakyReLU, initialise
from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.layers import BatchNorm, Dropout
from coterie.spec import choice, flag, linear, number, options, widths


@dataclass(frozen=True)
class MLP(TableFamily):
    """Hidden layers, each affine → normalisation → activation → dropout, then an affine output layer.

    With `residual`, a layer whose input is as wide as its output adds the input back to its result.

    Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986.
    """

    name = "mlp"
    title = "Multi-layer perceptron"
    source = "Rumelhart, Hinton & Williams 1986"

    hidden: tuple[int, ...] = widths(
        (64, 64),
        high=65536,
        search=options((64, 64), (128,), (128, 64), (64, 64, 64), (256,), (32, 32), (128, 128)),
        help="units of each hidden layer, first to last",
    )
    activation: str = choice(
        "relu",
        tuple(ACTIVATIONS),
        search=options("relu", "silu", "gelu", "tanh"),
        help="what follows each layer",
    )
    dropout: float = number(
        0.1, low=0, high=0.95, switch=True, search=linear(0.02, 0.5), help="share of hidden units dropped"
    )
    norm: str = choice("none", ("none", "batch", "layer"), help="normalisation before the activation")
    slope: float = number(0.01, low=-1, high=1, help="of leaky_relu below 0")
    initialisation: str = choice(
        "auto", INITIALISATIONS, help="of weights; auto: He's for rectifiers, Glorot's (xavier) otherwise"
    )
    residual: bool = flag(False, help="add a layer's input to its result where the widths agree")

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        blocks: list[nn.Module] = []
        width = columns.width
        for units in self.hidden:
            blocks.append(Block(width, units, self))
            width = units
        return nn.Sequential(*blocks), width


class Block(nn.Module):
    """One hidden layer, (B, width) → (B, units)."""

    def __init__(self, width: int, units: int, family: MLP) -> None:
        super().__init__()
        self.linear = nn.Linear(width, units)
        initialise(self.linear, family.initialisation, family.activation)
        norms = {"none": nn.Identity, "batch": BatchNorm, "layer": nn.LayerNorm}
        self.norm = norms[family.norm](units)
        leaky = family.activation == "leaky_relu"
        self.activation = LeakyReLU(family.slope) if leaky else ACTIVATIONS[family.activation]()
        self.dropout = Dropout(family.dropout) if family.dropout else nn.Identity()
        self.adds = family.residual and width == units

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(self.activation(self.norm(self.linear(x))))
        return x + out if self.adds else out
