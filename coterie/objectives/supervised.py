"""Supervised learning: a batch with targets in, one loss out.

B batch, T steps, E networks that share weights, K outputs. A batch is a dict: the network's inputs under
their names, "target", "weight" (B,) and "present" (B,), which is 0 for rows that only pad the batch: they
enter neither loss nor gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from coterie.objectives import losses
from coterie.objectives.penalties import Penalties
from coterie.objectives.players import ALONE


class Network(Protocol):
    """What an objective asks of a network."""

    @property
    def task(self) -> str: ...

    @property
    def each_step(self) -> bool: ...

    def prepared(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the body is given; with "partner" and "share" (B,) where rows were mixed."""

    def body(self, prepared: dict[str, Tensor]) -> Tensor:
        """Logits, or standardised values (B, K); (B, T, K) or (B, E, K)."""

    def decided(self, raw: Tensor) -> Tensor:
        """What the outputs say, (B, K) of 0 and 1."""

    def standardise(self, target: Tensor) -> Tensor:
        """Targets of regression in the unit of `raw`."""

    def parameters(self) -> Iterator[nn.Parameter]: ...


class Supervised(nn.Module):
    """Mean loss of a network over the rows of a batch, plus L1 and L2 penalties on its weights.

    network: what the loss is of; see `Network`.
    loss: a name of `losses.LOSSES`; "auto" is cross-entropy for classes, squared error for values.
    numbers: "label_smoothing", "huber_delta", "l1", "l2" by name; a smoothing or penalty of 0 is left out.
    class_weight: (K,) factor of each class, or None.

    It has one player, who owns all parameters. For the penalties see `Penalties`.
    """

    network: Network
    label_smoothing: Tensor
    huber_delta: Tensor
    class_weight: Tensor | None

    def __init__(
        self,
        network: Network,
        loss: str,
        numbers: dict[str, float],
        class_weight: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.task = network.task
        self.loss = loss if loss != "auto" else ("mse" if self.task == "regression" else "cross_entropy")
        for name in ("label_smoothing", "huber_delta"):
            self.register_buffer(name, torch.tensor(numbers[name]))
        self.smooths = numbers["label_smoothing"] > 0
        self.register_buffer("class_weight", class_weight)
        self.penalties = Penalties(numbers)
        self.players = ALONE

    def forward(self, batch: dict[str, Tensor], player: str = "", weighed: bool = False) -> Tensor:
        """The loss (); weighed: and what all rows of the batch weigh together, (2,)."""
        prepared = self.network.prepared(batch)
        raw, target, weight = self._rows(self.network.body(prepared), batch)
        if self.class_weight is not None:
            weight = weight * self.class_weight[target]
        rows = self._per_row(raw, target)
        if "partner" in prepared:  # mixup, cutmix: part of the loss is that of the other row's target
            share = prepared["share"]
            rows = share * rows + (1 - share) * self._per_row(raw, target[prepared["partner"]])
        loss, total = losses.mean(rows, weight)
        loss = self.penalties.added(loss, self.network.parameters())
        return torch.stack([loss, total]) if weighed else loss

    def _rows(self, raw: Tensor, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs, targets and weights with one row for each that is judged: a step, or a network."""
        target, weight = batch["target"], batch["weight"] * batch["present"]
        if self.network.each_step:
            return flattened(raw, target[:, : raw.shape[1]], weight)
        if raw.ndim == 3:
            several = raw.shape[1]
            return raw.flatten(0, 1), target.repeat_interleave(several, 0), weight.repeat_interleave(several)
        return raw, target, weight

    def _per_row(self, raw: Tensor, target: Tensor) -> Tensor:
        if self.task != "regression" and self.loss in ("perceptron", "lms"):
            if target.ndim == 1:
                told = target[:, None] if self.task == "binary" else one_hot(target, raw.shape[-1])
            else:
                told = target
            if self.loss == "lms":
                return losses.least_mean_squares(raw, told)
            return losses.mistakes(raw, told, self.network.decided(raw))
        smoothing = self.label_smoothing if self.smooths else None
        if self.task in ("multiclass", "text"):
            return losses.categorical_cross_entropy(raw, target, smoothing)
        if self.task == "binary":
            return losses.binary_cross_entropy(raw, target[:, None].to(raw.dtype), smoothing)
        if self.task == "multilabel":
            return losses.binary_cross_entropy(raw, target, smoothing)
        target = self.network.standardise(target)
        if self.loss == "mae":
            return losses.absolute(raw, target)
        if self.loss == "huber":
            return losses.huber(raw, target, self.huber_delta)
        return losses.squared(raw, target)


def one_hot(target: Tensor, classes: int) -> Tensor:
    """(N,) → (N, K) of True and False; PyTorch's own looks at values, which does not lift."""
    return target[:, None] == torch.arange(classes, device=target.device)


def flattened(output: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Steps as rows: (…, N·T, K), (…, N·T[, K]), (…, N·T) of (…, N, T, K), (…, N, T[, K]), (…, N).

    A step is none, and has weight 0, where its class is negative or its value NaN.
    """
    if target.is_floating_point():
        real = ~target.isnan().any(-1)
        target = torch.where(real[..., None], target, 0.0).flatten(-3, -2)
    else:
        real = target >= 0
        target = target.clamp_min(0).flatten(-2)
    return output.flatten(-3, -2), target, (weight[..., None] * real).flatten(-2)
