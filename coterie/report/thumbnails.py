"""Small pictures of numbers, embedded in the page: images, filters, feature maps, and lines of sequences.

A picture is a PNG of one pixel a number, which the page's style sheet enlarges without smoothing; what is
larger than `SIDE` is averaged down. C channels, H height, W width, K maps, T steps, F variables.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from markupsafe import Markup
from PIL import Image

SIDE = 96  # pixels of a picture's longer side, at most
ACROSS, TILE = 8, 40  # maps in a row of a mosaic, and pixels of each one's longer side, at most
FILM = 960  # pixels of a film's longer side, at most
LINE = 120, 30  # width and height of a small line plot
POINTS = 120  # steps of it that are drawn
LINES = ("accent", "second", "third", "fourth")  # of its variables
COLD, MIDDLE, WARM = np.array([33, 102, 172]), np.array([247, 247, 247]), np.array([178, 72, 24])


def tones(images: np.ndarray) -> tuple[float, float]:
    """What is black and what is white in images (…): bytes from 0 up, shares from 0 to 1, else as seen."""
    if not images.size:
        return 0.0, 1.0
    low, high = float(np.nanmin(images)), float(np.nanmax(images))
    if images.dtype == np.uint8:
        return 0.0, 255.0 if high > 127 else max(high, 1.0)  # some sets count from 0 to 16
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1.0


def picture(image: np.ndarray, low: float, high: float) -> str:
    """An image (C, H, W) as a PNG in base64; three channels are colours, any other number their mean."""
    values = np.nan_to_num((np.asarray(image, dtype=np.float64) - low) / (high - low), nan=0.0)
    shown = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    if len(shown) == 3:
        return _png(Image.fromarray(shown.transpose(1, 2, 0), "RGB"))
    grey = shown[0] if len(shown) == 1 else shown.mean(0).round().astype(np.uint8)
    return _png(Image.fromarray(grey, "L"))


def mosaic(maps: np.ndarray, signed: bool = False) -> str:
    """Maps (K, H, W) side by side, each in shades of its own range, as a PNG in base64.

    signed: of weights, in blue below 0 and brown above, all on one scale. Maps (K, 3, H, W) are of three
    channels, and shown as colours around the middle grey.
    """
    maps = np.nan_to_num(np.asarray(maps, dtype=np.float64), posinf=0.0, neginf=0.0)
    tiles = _coloured(maps) if maps.ndim == 4 else _signed(maps) if signed else _shades(maps)
    k, height, width, _ = tiles.shape
    across = min(ACROSS, k)
    down = -(-k // across)
    gap = max(1, round(max(height, width) / 12))
    sheet = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap, 4), dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // across * (height + gap), place % across * (width + gap)
        sheet[top : top + height, left : left + width, :3] = tile
        sheet[top : top + height, left : left + width, 3] = 255
    return _png(Image.fromarray(sheet, "RGBA"), TILE * max(across, down))


def sheet(images: np.ndarray, low: float, high: float, across: int) -> str:
    """Images (N, C, H, W), `across` in a row, all between the same black and white, as a PNG in base64."""
    n = len(images)
    page = page_of(images, low, high, across)
    return _png(Image.fromarray(page, "RGBA"), TILE * max(min(across, max(1, n)), -(-n // across)))


def page_of(images: np.ndarray, low: float, high: float, across: int) -> np.ndarray:
    """The same as pixels (…, …, 4) uint8, with nothing between the images."""
    n, channels, height, width = images.shape
    across = min(across, max(1, n))
    down = -(-n // across)
    gap = max(1, round(max(height, width) / 12))
    shares = np.clip(np.nan_to_num((images - low) / (high - low), nan=0.0), 0, 1)
    tones = shares if channels == 3 else np.repeat(shares.mean(1, keepdims=True), 3, 1)
    page = np.zeros((down * (height + gap) - gap, across * (width + gap) - gap, 4), dtype=np.uint8)
    for place in range(n):
        top, left = place // across * (height + gap), place % across * (width + gap)
        page[top : top + height, left : left + width, :3] = (tones[place] * 255).round().transpose(1, 2, 0)
        page[top : top + height, left : left + width, 3] = 255
    return page


def film(frames: np.ndarray, across: int) -> str:
    """Pictures (N, H, W, 3) uint8 of one thing at several moments, `across` in a line, as a PNG in base64."""
    images = frames.transpose(0, 3, 1, 2).astype(np.float64)
    return _png(Image.fromarray(page_of(images, 0, 255, across), "RGBA"), FILM)


def line(steps: np.ndarray) -> Markup:
    """A sequence (T, F) as a small SVG without axes; at most four variables, each of its own range."""
    width, height = LINE
    keep = np.unique(np.linspace(0, max(len(steps) - 1, 0), POINTS).round().astype(int))
    lines = []
    for f in range(min(steps.shape[1], len(LINES)) if len(steps) else 0):
        values = steps[keep, f].astype(np.float64)
        seen = values[np.isfinite(values)]
        if not len(seen):
            continue
        low, reach = float(seen.min()), float(np.ptp(seen)) or 1.0
        x = 1 + (width - 2) * np.linspace(0, 1, len(values)) if len(values) > 1 else np.array([width / 2])
        y = height - 2 - (height - 4) * (values - low) / reach
        for run in np.split(np.arange(len(values)), np.flatnonzero(~np.isfinite(values))):
            run = run[np.isfinite(values[run])]
            points = " ".join(f"{x[i]:.1f},{y[i]:.1f}" for i in run)
            if len(run):
                lines.append(f'<polyline points="{points}" style="stroke: var(--{LINES[f]})"/>')
    label = f"{len(steps)} steps" + (f" of {steps.shape[1]} variables" if steps.shape[1] > 1 else "")
    return Markup(  # numbers alone, nothing of the user's
        f'<svg class="line" role="img" aria-label="{label}" viewBox="0 0 {width} {height}">'
        f"{''.join(lines)}</svg>"
    )


def _png(image: Image.Image, side: int = SIDE) -> str:
    longer = max(image.size)
    if longer > side:
        size = (max(1, image.width * side // longer), max(1, image.height * side // longer))
        image = image.resize(size, Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _shades(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    share = (maps - low) / np.where(high > low, high - low, 1)
    return np.repeat((share * 255).round().astype(np.uint8)[..., None], 3, axis=-1)


def _signed(maps: np.ndarray) -> np.ndarray:
    share = (maps / max(float(np.abs(maps).max()), 1e-30))[..., None]
    mixed = MIDDLE + np.where(share > 0, share * (WARM - MIDDLE), -share * (COLD - MIDDLE))
    return mixed.round().astype(np.uint8)


def _coloured(maps: np.ndarray) -> np.ndarray:
    reach = np.abs(maps).max((1, 2, 3), keepdims=True)
    share = 0.5 + maps / (2 * np.where(reach > 0, reach, 1))
    return (share * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
