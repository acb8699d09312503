"""The perceptron: a neuron that learns from its mistakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from coterie.models.columns import Columns
from coterie.models.family import TableFamily
from coterie.models.firing import RULE, Firing
from coterie.models.layers import at_zero
from coterie.models.output import Output
from coterie.spec import choice


@dataclass(frozen=True)
class Perceptron(TableFamily):
    """A neuron fires for w·x + b > 0; after each mistake the input is added to w or taken from it.

    From zero weights, one row at a time in the rows' order. Where a line separates the classes it is found
    after finitely many mistakes (Novikoff, 1962); where none does, as for XOR, it never stops. Several
    classes or labels: one neuron each, of classes the one with the largest sum being the answer.

    Rosenblatt, "The perceptron", 1958.
    """

    name = "perceptron"
    title = "Perceptron"
    source = "Rosenblatt 1958"
    tasks = ("binary", "multiclass", "multilabel")

    at_zero: str = choice("0", ("0", "1"), help="what a neuron says when its sum is exactly 0")
    scaling: str = choice("none", ("none", "standard"), help="inputs as they are, or standardised")
    categories: str = choice(
        "onehot", ("auto", "onehot", "embedding"), help="categories as one-hot vectors, or as learned ones"
    )

    def scaled(self) -> str:
        return self.scaling

    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        return nn.Identity(), columns.width

    def head(self, width: int, outputs: int) -> nn.Module:
        return at_zero(width, outputs)

    def output(self, task: str, outputs: int) -> Output:
        return Firing(task, outputs, at_zero=self.at_zero == "1")

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return RULE

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ()
