"""Images moved, turned and cut: every change of place as one affine map, so that pixels are read once.

A map says for each pixel of the new image where in the old one to look, in pixels from the centre, x to
the right and y down. What lies between pixels is interpolated (bilinear); what lies outside is the nearest
pixel of the border, because no one value is background in every image.

B batch, C channels, H height, W width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

Map = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]  # a, b, c, d, e, f: (B,) each


def then(first: Map, second: Map) -> Map:
    """The map that looks where `second` says of the place that `first` says.

    (x, y) → (a·x + b·y + c, d·x + e·y + f) for a map (a, b, c, d, e, f).
    """
    a, b, c, d, e, f = second
    p, q, r, s, t, u = first
    return (a * p + b * s, a * q + b * t, a * r + b * u + c, d * p + e * s, d * q + e * t, d * r + e * u + f)


def rotation(degrees: Tensor) -> Map:
    """Turns images counter-clockwise; degrees: (B,)."""
    angle = degrees * (math.pi / 180)
    cosine, sine, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    return cosine, -sine, zero, sine, cosine, zero


def shearing(degrees: Tensor) -> Map:
    """Leans images to the right: upright lines are then this far from upright; degrees: (B,)."""
    one, zero = torch.ones_like(degrees), torch.zeros_like(degrees)
    return one, torch.tan(degrees * (math.pi / 180)), zero, zero, one, zero


def scaling(factor: Tensor) -> Map:
    """Makes what is seen larger by a factor; factor: (B,)."""
    zero = torch.zeros_like(factor)
    return 1 / factor, zero, zero, zero, 1 / factor, zero


def shifting(right: Tensor, down: Tensor) -> Map:
    """Moves images by pixels; right, down: (B,)."""
    one, zero = torch.ones_like(right), torch.zeros_like(right)
    return one, zero, -right, zero, one, -down


def window(share: Tensor, right: Tensor, down: Tensor) -> Map:
    """A part of the image in place of it: `share` of each side, its centre at (right, down) pixels."""
    zero = torch.zeros_like(share)
    return share, zero, right, zero, share, down


def looked_up(image: Tensor, where: Map) -> Tensor:
    """The images (B, C, H, W) as seen through their maps."""
    height, width = image.shape[-2:]
    a, b, c, d, e, f = (part[:, None, None] for part in where)
    x, y = _centred(width, image), _centred(height, image)[:, None]
    # grid_sample counts from −1 to 1 between the outer edges of the outer pixels
    grid = torch.stack([(a * x + b * y + c) * (2 / width), (d * x + e * y + f) * (2 / height)], dim=-1)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)


def flipped(image: Tensor, chosen: Tensor, axis: int) -> Tensor:
    """Images mirrored where chosen (B,) bool; axis: −1 swaps left and right, −2 top and bottom."""
    return torch.where(chosen[:, None, None, None], image.flip(axis), image)


def rectangle(tall: Tensor, wide: Tensor, down: Tensor, right: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (B, H, W) bool, True in a rectangle of whole pixels that lies inside the image.

    tall, wide: (B,) pixels, rounded and held within the image. down, right: (B,) in [0, 1), where it lies
    of where it could. size: (H, W).
    """

    def run(length: Tensor, place: Tensor, side: int) -> Tensor:
        length = length.round().clamp(0, side)
        start = torch.floor(place * (side - length + 1))[:, None]
        at = torch.arange(side, device=length.device)
        return (at >= start) & (at < start + length[:, None])

    return run(tall, down, size[0])[:, :, None] & run(wide, right, size[1])[:, None, :]


def _centred(side: int, like: Tensor) -> Tensor:
    return torch.arange(side, dtype=like.dtype, device=like.device) - (side - 1) / 2
