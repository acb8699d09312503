"""Images lighter, darker, flatter, more or less colourful; pixels are standardised, so 0 is the mean.

Values are not held within a range: after standardisation none is known, and none is needed.

B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def brightened(image: Tensor, amount: Tensor) -> Tensor:
    """Adds to every pixel; image: (B, C, H, W), amount: (B,) in standard deviations."""
    return image + amount[:, None, None, None]


def contrasted(image: Tensor, factor: Tensor) -> Tensor:
    """Moves every pixel from or to its image's mean by a factor (B,); 0 makes the image flat."""
    mean = image.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, image, factor[:, None, None, None])


def saturated(image: Tensor, factor: Tensor) -> Tensor:
    """Moves every channel from or to the mean of a pixel's channels by a factor (B,); 0 makes it grey."""
    grey = image.mean(1, keepdim=True)
    return torch.lerp(grey, image, factor[:, None, None, None])


def tinted(image: Tensor, amount: Tensor) -> Tensor:
    """Adds to every channel its own amount (B, C), less their mean: the brightness stays."""
    return image + (amount - amount.mean(1, keepdim=True))[:, :, None, None]
