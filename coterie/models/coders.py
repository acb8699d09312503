"""Encoders and decoders that the generative families share: rows to codes, and codes to rows.

Both are dense (any row) or convolutional (images of any size), and a decoder is the mirror image of its
encoder: the same widths and maps in reverse order. With tied weights it also has the encoder's weights,
transposed, and only its biases are its own.

B batch, D numbers of a row, K codes, C channels, H height, W width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.models.activations import ACTIVATIONS, RECTIFIERS, initialise
from coterie.models.rows import Row
from coterie.spec import Spec, choice, options, widths

Map = tuple[int, int, int]  # (C, H, W)
PLACES = 64  # a map with more of them than this is halved before its places become codes


@dataclass(frozen=True)
class Coders(Spec):
    """The hyperparameters of a family with an encoder or a decoder, and how these are built."""

    layers: str = choice(
        "auto",
        ("auto", "dense", "convolutional"),
        help="auto: convolutional for images above 8 × 8; rows that are no images have dense layers always",
    )
    hidden: tuple[int, ...] = widths(
        (128, 64),
        high=65536,
        search=options((128, 64), (64,), (256, 128)),
        help="units of the dense layers of the encoder; behind convolutions there is the last of them alone",
    )
    channels: tuple[int, ...] = widths(
        (16, 32), high=4096, help="channels of the convolutional layers of the encoder; each halves the map"
    )
    activation: str = choice("silu", tuple(ACTIVATIONS), help="what follows each hidden layer")

    def encoder(self, row: Row, outputs: int) -> Encoder:
        """(B, D) → (B, outputs)."""
        return Encoder(self._maps(row), row.width, self._inner(row), outputs, self.activation)

    def decoder(self, row: Row, inputs: int, tied: bool = False) -> Decoder:
        """(B, inputs) → (B, D), the mirror image of `encoder(row, inputs)`."""
        return Decoder(self._maps(row), row.width, self._inner(row), inputs, self.activation, tied)

    def coders(self, row: Row, codes: int, tied: bool = False) -> tuple[Encoder, Decoder]:
        """Both."""
        return self.encoder(row, codes), self.decoder(row, codes, tied)

    def convolves(self, row: Row) -> bool:
        """Whether the layers are convolutional; on small images dense ones learn better and faster."""
        if row.image is None or self.layers == "dense":
            return False
        return self.layers == "convolutional" or math.prod(row.image[1:]) > PLACES

    def _maps(self, row: Row) -> tuple[Map, ...]:
        """The maps (C, H, W) from the image to the last one; () for dense layers.

        The last number of channels is used again until a map has few enough places.
        """
        if not self.convolves(row):
            return ()
        assert row.image is not None
        maps = [row.image]
        channels = list(self.channels)
        while channels or (len(maps) > 1 and math.prod(maps[-1][1:]) > PLACES):
            out = channels.pop(0) if channels else maps[-1][0]
            height, width = maps[-1][1:]
            maps.append((out, max(1, height // 2), max(1, width // 2)))
        return tuple(maps)

    def _inner(self, row: Row) -> tuple[int, ...]:
        return self.hidden[-1:] if self.convolves(row) else self.hidden


class Encoder(nn.Module):
    """(B, D) → (B, K): halving convolutions if there are maps, then affine layers; the last stays affine.

    maps: (C, H, W) of the image and after each convolution, or (); width: D; hidden: widths of dense layers.
    """

    def __init__(
        self, maps: Sequence[Map], width: int, hidden: Sequence[int], codes: int, activation: str
    ) -> None:
        super().__init__()
        self.image = maps[0] if maps else None
        self.convolutions = nn.ModuleList(_halving(a, b, activation) for a, b in pairwise(maps))
        sizes = [math.prod(maps[-1]) if maps else width, *hidden, codes]
        affine = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        for layer in affine:
            initialise(layer, "auto", activation if layer is not affine[-1] else "identity")
        self.affine = nn.ModuleList(affine)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        if self.image is not None:
            x = x.view(len(x), *self.image)
            for convolution in self.convolutions:
                x = self.activation(convolution(x))
            x = x.flatten(1)
        *inner, last = self.affine
        for layer in inner:
            x = self.activation(layer(x))
        return last(x)

    def weights(self) -> list[Tensor]:
        """The weights of its layers in a decoder's order: from the codes to the row."""
        layers: Any = (*reversed(self.affine), *reversed(self.convolutions))
        return [layer.weight for layer in layers]


class Decoder(nn.Module):
    """(B, K) → (B, D): the layers of an `Encoder` of the same arguments in reverse order, each mirrored.

    tied: its layers have biases only, and `forward` is given the encoder's `weights()`.
    """

    def __init__(
        self,
        maps: Sequence[Map],
        width: int,
        hidden: Sequence[int],
        codes: int,
        activation: str,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.tied = tied
        sizes = [codes, *reversed(hidden), math.prod(maps[-1]) if maps else width]
        layers: list[Mirrored] = [MirroredAffine(a, b) for a, b in pairwise(sizes)]
        self.spread = len(layers)  # behind this many layers a vector becomes a map
        self.map = maps[-1] if maps else None
        layers += [MirroredConvolution(b, a) for a, b in reversed(list(pairwise(maps)))]
        for layer in layers:
            layer.start(tied, activation if layer is not layers[-1] else "identity")
        self.layers = nn.ModuleList(layers)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, codes: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        x = codes
        for i, layer in enumerate(self.layers):
            if i == self.spread and self.map is not None:
                x = x.view(len(x), *self.map)
            x = layer(x, layer.weight if weights is None else weights[i])
            if i + 1 < len(self.layers):
                x = self.activation(x)
        return x.flatten(1)


class Mirrored(nn.Module):
    """A layer with the weight of the encoder's layer that it mirrors, or with one of its own like it."""

    weight: Tensor | None
    bias: Tensor

    def __init__(self, shape: tuple[int, ...], outputs: int, inputs_each: float) -> None:
        """shape: of the weight; inputs_each: how many inputs make one output, from which it starts."""
        super().__init__()
        self.shape, self.inputs_each = shape, inputs_each
        self.bias = nn.Parameter(torch.zeros(outputs))

    def start(self, tied: bool, activation: str) -> None:
        """A weight that keeps the size of what passes (He et al., 2015), unless it is the encoder's."""
        gain = 2.0 if activation in RECTIFIERS else 1.0
        start = torch.randn(self.shape) * math.sqrt(gain / self.inputs_each)
        self.register_parameter("weight", None if tied else nn.Parameter(start))


class MirroredAffine(Mirrored):
    """(B, I) → (B, O) with a weight (I, O)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__((inputs, outputs), outputs, inputs)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight + self.bias


class MirroredConvolution(Mirrored):
    """A small map → one of about twice the sides, with a weight (C small, C large, window).

    The transposed convolution of Zeiler et al., "Deconvolutional networks", 2010.
    """

    def __init__(self, small: Map, large: Map) -> None:
        self.window, self.stride = _window(large)
        shape = (small[0], large[0], *self.window)
        super().__init__(shape, large[0], small[0] * math.prod(self.window) / math.prod(self.stride))
        reached = [(s - 1) * t - 2 + w for s, t, w in zip(small[1:], self.stride, self.window, strict=True)]
        self.rest = [side - r for side, r in zip(large[1:], reached, strict=True)]  # 1 where a side is odd

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.conv_transpose2d(x, weight, self.bias, self.stride, 1, self.rest)


def _halving(large: Map, small: Map, activation: str) -> nn.Conv2d:
    """A convolution from one map to the next."""
    window, stride = _window(large)
    layer = nn.Conv2d(large[0], small[0], window, stride, 1)
    assert layer.bias is not None
    gain = 2.0 if activation in RECTIFIERS else 1.0
    nn.init.normal_(layer.weight, std=math.sqrt(gain / (large[0] * math.prod(window))))
    nn.init.zeros_(layer.bias)
    return layer


def _window(large: Map) -> tuple[tuple[int, int], tuple[int, int]]:
    """Sides and strides of the window that halves a map: a side of 1 stays, an odd one loses its half."""
    height, width = (side > 1 for side in large[1:])
    return (4 if height else 3, 4 if width else 3), (2 if height else 1, 2 if width else 1)
