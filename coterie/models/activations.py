"""What follows a layer: the activation functions by name, and the initial weights that suit them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

INITIALISATIONS = ("auto", "zeros", "normal", "xavier", "he", "orthogonal")
RECTIFIERS = ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu")


class Step(nn.Module):
    """1 above 0, else 0 (McCulloch & Pitts, 1943). Its gradient is 0: layers before it do not learn."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)


class LeakyReLU(nn.Module):
    """x above 0, slope · x below (Maas et al., 2013). The slope may differ between members."""

    slope: Tensor

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.register_buffer("slope", torch.tensor(float(slope)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)


class GELUTanh(nn.GELU):
    """GELU by the tanh formula of Hendrycks & Gimpel (2016), as GPT-2 has it."""

    def __init__(self) -> None:
        super().__init__(approximate="tanh")


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": GELUTanh,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "step": Step,
}


def initialise(layer: nn.Linear, how: str, activation: str) -> None:
    """Sets the initial weights of a layer that `activation` follows; biases become 0.

    auto: He et al. (2015) for rectifiers, LeCun's (deviation 1/√inputs) for SELU, else Glorot & Bengio's
    ("xavier", 2010); normal: deviation 0.01; orthogonal: Saxe et al. (2014).
    """
    nn.init.zeros_(layer.bias)
    if how == "auto":
        how = "he" if activation in RECTIFIERS else "lecun" if activation == "selu" else "xavier"
    if how == "zeros":
        nn.init.zeros_(layer.weight)
    elif how == "normal":
        nn.init.normal_(layer.weight, std=0.01)
    elif how == "he":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    elif how == "lecun":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    elif how == "orthogonal":
        nn.init.orthogonal_(layer.weight)
    else:
        nn.init.xavier_normal_(layer.weight)
