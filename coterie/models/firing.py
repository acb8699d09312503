"""Neurons that fire or do not: how their sums become answers, and the recipe of the perceptron rule."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from coterie.models.output import Output

SURE = 40.0  # a logit whose sigmoid is 1 in either precision, and whose loss is finite

# the mistake-driven rule, online: one row a step, in the rows' order, with a rate of 1
RULE: dict[str, Any] = {
    "loss": "perceptron",
    "optimizer": "sgd",
    "lr": 1.0,
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "batch_size": 1,
    "order": "rows",
    "patience": 0,
}


class Firing(Output):
    """Answers of 0 and 1 from sums z: a neuron fires for z > 0, and `at_zero` also for z = 0.

    Of several classes the one with the largest sum is the answer; of labels, all that fire.
    """

    def __init__(self, task: str, outputs: int, at_zero: bool) -> None:
        super().__init__(task, outputs)
        self.at_zero = at_zero

    def decided(self, raw: Tensor) -> Tensor:
        if self.task != "multiclass" and self.at_zero:
            return (raw >= 0).to(raw.dtype)
        return super().decided(raw)

    def forward(self, raw: Tensor) -> Tensor:
        return super().forward(self.decided(raw) * (2 * SURE) - SURE)
