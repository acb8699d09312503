"""Layers that several image families share. They see one batch of images (B, C, H, W)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coterie.lifting.normalisation import normalised
from coterie.models.layers import BatchNorm


class BatchNorm2d(BatchNorm):
    """Batch normalisation of each channel over rows and pixels, with `torch.nn.BatchNorm2d`'s arithmetic.

    As in `BatchNorm`, padding rows enter no statistic; one row is enough here, as it has many pixels.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self._normalise(x, self.running_mean, self.running_var)
        if self._unpadded(x):
            return self._fused(x)
        x = x.to(self.running_mean.dtype)  # autocast may have halved it
        present = self.present.to(x.dtype).expand(x.shape[0])
        before = self.running_mean, self.running_var
        out, mean, var, count = normalised(x, present, before, self.weight, self.bias, self.eps, self.total)
        pace = self.momentum * (count > 1).to(x.dtype)
        unbiased = var * count / (count - 1).clamp_min(1)
        self.running_mean = torch.lerp(self.running_mean, mean.detach(), pace)
        self.running_var = torch.lerp(self.running_var, unbiased.detach(), pace)
        return out

    def _normalise(self, x: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        scale = torch.rsqrt(var + self.eps) * self.weight
        return (x - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]


class ConvBlock(nn.Sequential):
    """Convolution → batch normalisation → ReLU; without a bias, which the normalisation would take away."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, padding: int = 0, eps: float = 1e-5
    ) -> None:
        conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, BatchNorm2d(out, eps=eps), nn.ReLU())


class Global(nn.Module):
    """The mean of each channel over all pixels: (B, C, H, W) → (B, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Pool(nn.Module):
    """Maximum or average over windows; a side that is shorter than the window is left as it is."""

    def __init__(self, kind: str, kernel: int, stride: int, padding: int = 0, ceil: bool = False) -> None:
        super().__init__()
        self.kind, self.kernel, self.stride, self.padding, self.ceil = kind, kernel, stride, padding, ceil

    def forward(self, x: Tensor) -> Tensor:
        fits = [side + 2 * self.padding >= self.kernel and side > 1 for side in x.shape[2:]]
        kernel = [self.kernel if fit else 1 for fit in fits]
        stride = [self.stride if fit else 1 for fit in fits]
        padding = [self.padding if fit else 0 for fit in fits]
        pool = nn.functional.max_pool2d if self.kind == "max" else nn.functional.avg_pool2d
        return pool(x, kernel, stride, padding, ceil_mode=self.ceil)


class Spread(nn.Module):
    """Averages to a fixed number of windows, as adaptive pooling does: (B, C, H, W) → (B, C, size, size).

    A matrix for each side, known from its length alone, so that it lifts as two products; maps smaller than
    the windows are repeated.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (_windows(side, self.size, x) for side in x.shape[2:])
        return rows @ x @ columns.T


def _windows(side: int, size: int, like: Tensor) -> Tensor:
    """(size, side): row i averages the pixels from ⌊i·side/size⌋ to ⌈(i+1)·side/size⌉."""
    i, place = torch.arange(size, device=like.device)[:, None], torch.arange(side, device=like.device)
    inside = (place >= i * side // size) & (place < -(-(i + 1) * side // size))
    return inside.to(like.dtype) / inside.sum(1, keepdim=True)


def scaled(channels: int, percent: int) -> int:
    """A share of a published number of channels, at least 1."""
    return max(1, round(channels * percent / 100))


def small(image: tuple[int, int, int]) -> bool:
    """Whether the stems of ImageNet, which shrink an image to a quarter at once, would leave too little."""
    return min(image[1:]) < 64
