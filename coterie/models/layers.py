"""Layers that PyTorch lacks or that a cohort needs otherwise.

They see one ordinary batch. What differs a step is handed in by the engine through buffers: the `key` of
a keyed layer (its random numbers), the `present` rows of a masked one (rows that are not padding).

B batch, D features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from coterie.lifting.alone import alone_on_gpu, at_once
from coterie.lifting.normalisation import itself
from coterie.randomness import Portion, keep_mask


class Keyed(nn.Module):
    """A layer that draws random numbers in training; the step refreshes `key`, an int64 scalar.

    portion: which rows of a batch it is given, where a batch goes through in parts. What is drawn by place
    in the batch begins behind the rows `before` these.
    """

    key: Tensor
    portion: Portion | None = None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    @property
    def before(self) -> int:
        """How many rows of the batch stand before those that it is given."""
        return self.portion.start if self.portion else 0

    def whole(self, rows: int) -> int:
        """How many rows the batch has of which so many are given."""
        return self.portion.whole if self.portion else rows


class Masked(nn.Module):
    """A layer whose statistics must leave padding out; the step refreshes `present`, (B,) of 0 and 1, or ().

    divisible: whether it looks at other rows by nothing but sums, which `total` makes those of all processes
    that share the batch.
    """

    present: Tensor
    divisible: bool = False
    total: Callable[[Tensor], Tensor] = staticmethod(itself)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("present", torch.ones(()), persistent=False)


class Dropout(Keyed):
    """Zeroes each unit with probability `rate` in training and scales the rest by 1/(1−rate).

    Srivastava et al., "Dropout", 2014. The rate is a buffer, so that it may differ between members.
    """

    rate: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(float(rate)))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = keep_mask(self.key, tuple(x.shape), self.rate, self.portion)
        return x * (keep / (1 - self.rate))


class BatchNorm(Masked):
    """Batch normalisation over rows (Ioffe & Szegedy, 2015), with `torch.nn.BatchNorm1d`'s arithmetic.

    In training: mean and biased variance of the present rows; running statistics follow with `momentum`
    and the unbiased variance. A batch of one row has no variance: it is normalised by running statistics.
    """

    running_mean: Tensor
    running_var: Tensor
    divisible = True

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._normalise(x, self.running_mean, self.running_var)
        if self._unpadded(x):
            return self._fused(x)
        x = x.to(self.running_mean.dtype)  # autocast may have halved it
        rows = self.present.to(x.dtype).expand(x.shape[0])[:, None]
        count = self.total(rows.sum())
        mean = self.total((x * rows).sum(0)) / count.clamp_min(1)
        var = self.total(((x - mean).square() * rows).sum(0)) / count.clamp_min(1)
        several = count > 1
        unbiased = var * count / (count - 1).clamp_min(1)
        pace = self.momentum * several.to(x.dtype)
        out = self._normalise(
            x, torch.where(several, mean, self.running_mean), torch.where(several, var, self.running_var)
        )
        # assigned, not changed in place: the engine reads the new statistics back after the step
        self.running_mean = torch.lerp(self.running_mean, mean.detach(), pace)
        self.running_var = torch.lerp(self.running_var, unbiased.detach(), pace)
        return out

    def _unpadded(self, x: Tensor) -> bool:
        """Whether all of x (B, D, …) enters the statistics, of one network alone and in this process."""
        here = x.device.type == "cpu" and x.dtype == self.running_mean.dtype and at_once()
        several = x.numel() > x.shape[1]
        return not self.present.ndim and several and self.total is itself and (here or alone_on_gpu(x))

    def _fused(self, x: Tensor) -> Tensor:
        """The same by PyTorch's own operation, which passes over x in half precision and less often."""
        mean, var = self.running_mean.clone(), self.running_var.clone()
        out = nn.functional.batch_norm(x, mean, var, self.weight, self.bias, True, self.momentum, self.eps)
        self.running_mean, self.running_var = mean, var
        return out

    def _normalise(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        return (x - mean) * (torch.rsqrt(var + self.eps) * self.weight) + self.bias


def at_zero(width: int, outputs: int) -> nn.Linear:
    """An affine layer that starts at 0: for convex losses as good a start as any, and repeatable."""
    layer = nn.Linear(width, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
