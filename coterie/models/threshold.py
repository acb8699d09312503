"""The threshold neuron of McCulloch and Pitts, alone, side by side, and in layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.firing import RULE, Firing
from coterie.models.layers import at_zero
from coterie.models.output import Output
from coterie.spec import choice, numbers, widths


@dataclass(frozen=True)
class Threshold(TableFamily):
    """Neurons that fire, 1, when the weighted sum of their inputs reaches a threshold, and else say 0.

    One output neuron for two classes, one each for several classes or labels. Weights and thresholds can be
    given, neuron by neuron and layer by layer; nothing is then learned. Else the output neurons find theirs
    by the perceptron rule, and hidden ones (`hidden`) keep random weights, as Rosenblatt's association units
    did: a step has no gradient to learn by. `Threshold.xor()` is the hand-set network for XOR.

    McCulloch & Pitts, "A logical calculus of the ideas immanent in nervous activity", 1943.

    >>> Threshold(weights=(1, 1), thresholds=(2,)).name  # the AND of two inputs
    'threshold'
    """

    name = "threshold"
    title = "Threshold neurons (McCulloch–Pitts)"
    source = "McCulloch & Pitts 1943"
    tasks = ("binary", "multiclass", "multilabel")

    hidden: tuple[int, ...] = widths(
        (), high=65536, help="neurons of each hidden layer; none: a single layer"
    )
    weights: tuple[float, ...] = numbers((), help="given weights, neuron by neuron; none: to be found")
    thresholds: tuple[float, ...] = numbers((), help="given thresholds, neuron by neuron")
    scaling: str = choice("none", ("none", "standard"), help="inputs as they are, or standardised")

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.weights) != bool(self.thresholds):
            raise SpecError(
                "Weights and thresholds must be given together.",
                given=f"{len(self.weights)} weights and {len(self.thresholds)} thresholds",
                fix="For AND: weights=1,1 and thresholds=2.",
            )

    @classmethod
    def xor(cls) -> Threshold:
        """Two inputs: one hidden neuron is their OR, one their AND; the output is OR and not AND."""
        return cls(hidden=(2,), weights=(1, 1, 1, 1, 1, -1), thresholds=(1, 2, 1))

    def scaled(self) -> str:
        return self.scaling

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        width, made = columns.width, []
        weights, thresholds = self.weights, self.thresholds
        for units in self.hidden:
            layer = Fixed(width, units)
            if self.weights:
                own, weights = weights[: width * units], weights[width * units :]
                limits, thresholds = thresholds[:units], thresholds[units:]
                self._fits(len(own) == width * units and len(limits) == units, columns.width)
                layer.set(own, limits)
            made.append(layer)
            width = units
        self._fits(not self.weights or len(weights) == width * len(thresholds), columns.width)
        return nn.Sequential(*made), width

    def head(self, width: int, outputs: int) -> nn.Module:
        if not self.weights:
            return at_zero(width, outputs)
        given = Given(width, outputs)
        before = len(self.thresholds) - outputs
        own = self.weights[len(self.weights) - width * outputs :]
        self._fits(len(own) == width * outputs and before == sum(self.hidden), width)
        given.set(own, self.thresholds[before:])
        return given

    def output(self, task: str, outputs: int) -> Output:
        return Firing(task, outputs, at_zero=True)

    def _fits(self, right: bool, width: int) -> None:
        if not right:
            raise SpecError(
                "There must be a weight for every input of every neuron, and a threshold for every neuron.",
                given=f"{len(self.weights)} weights and {len(self.thresholds)} thresholds, {width} inputs",
                fix="Inputs are what the preparation makes of the features: categories count once a value.",
            )

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return RULE

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ()


class Fixed(nn.Module):
    """A layer of threshold neurons that does not learn: (B, width) → (B, units) of 0 and 1."""

    weight: Tensor
    limit: Tensor

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.randn(units, width))
        self.register_buffer("limit", torch.randn(units))

    def set(self, weights: tuple[float, ...], limits: tuple[float, ...]) -> None:
        self.weight.copy_(torch.tensor(weights).view_as(self.weight))
        self.limit.copy_(torch.tensor(limits))

    def forward(self, x: Tensor) -> Tensor:
        return (nn.functional.linear(x, self.weight) >= self.limit).to(x.dtype)


class Given(nn.Linear):
    """An affine output layer whose weights are what they were set to: the gradient they get is 0."""

    def set(self, weights: tuple[float, ...], limits: tuple[float, ...]) -> None:
        with torch.no_grad():
            self.weight.copy_(torch.tensor(weights).view_as(self.weight))
            self.bias.copy_(-torch.tensor(limits))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (p.detach() + 0 * p for p in (self.weight, self.bias))
        return nn.functional.linear(x, weight, bias)
