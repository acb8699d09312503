"""From what a network computes to what a person asked for: probabilities, or values in their own unit.

B batch, T steps, E networks that share weights, K outputs. Raw: (B, 1) for binary, else (B, K); with T
before K where every step answers, with E before K where a network is an ensemble of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Output(nn.Module):
    """The last layer, without parameters: what it knows was fitted on a member's training rows.

    Binary: (B, 2) probabilities, the positive class second; multiclass: (B, K) by softmax; multilabel:
    (B, K) by sigmoids; regression: values · scale + center, the mean and deviation of training targets.
    each_step: the same for every step, (B, T, K). The answers of an ensemble within are averaged.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, task: str, outputs: int, each_step: bool = False) -> None:
        super().__init__()
        self.task = task
        self.each_step = each_step
        if task == "regression":
            self.register_buffer("center", torch.zeros(outputs))
            self.register_buffer("scale", torch.ones(outputs))

    def fit(self, target: Tensor) -> None:
        """Sets the unit of regression from training targets (N, K), or (N, T, K) with NaN for no step."""
        if self.task == "regression":
            values = target.double().flatten(0, -2)
            values = values[~values.isnan().any(-1)]
            scale = values.std(0, correction=0)
            self.center.copy_(values.mean(0))
            self.scale.copy_(torch.where(scale > 1e-6 * values.abs().amax(0).clamp_min(1e-30), scale, 1.0))

    def standardise(self, target: Tensor) -> Tensor:
        return (target - self.center) / self.scale

    def decided(self, raw: Tensor) -> Tensor:
        """(B, K) of 0 and 1: of classes the one with the largest sum, else all outputs above 0."""
        if self.task == "multiclass":
            return (raw.argmax(-1)[..., None] == torch.arange(raw.shape[-1], device=raw.device)).to(raw.dtype)
        return (raw > 0).to(raw.dtype)

    def forward(self, raw: Tensor) -> Tensor:
        answers = self._answers(raw)
        return answers.mean(1) if raw.ndim == 3 and not self.each_step else answers

    def _answers(self, raw: Tensor) -> Tensor:
        if self.task == "regression":
            return raw * self.scale + self.center
        if self.task == "multiclass":
            return raw.softmax(-1)
        if self.task == "multilabel":
            return raw.sigmoid()
        return torch.cat([(-raw).sigmoid(), raw.sigmoid()], dim=-1)
