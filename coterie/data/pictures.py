"""Image files as arrays: any common format, turned upright, of one size, in the order of their paths.

N images, C channels (1 grey, 3 colour), H height, W width.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np

from coterie.errors import DataError

LARGEST = 4096  # pixels a side beyond which an image is scaled down while it is read
REFUSED = 1 << 29  # pixels of an image that is not read at all
USUAL = 64  # side that images of different or large sizes are brought to
GREY16 = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")  # 16 and 32 bits a pixel: medical images
SHOWN = 5  # bad files that an error names


def open_picture(path: str | Path, colour: bool | None = None) -> np.ndarray:
    """One image, (C, H, W): uint8, or float32 for more than 8 bits a pixel, in the file's own unit.

    Turned as EXIF says; of an animation the first frame; transparent parts on white; palettes and CMYK as
    RGB. colour: True for 3 channels, False for 1; None for what the file has. DataError for a file that is
    damaged, no image, or too large.
    """
    with _opened(path) as image:
        return _array(image, colour)


def probe(paths: Sequence[str | Path]) -> tuple[list[tuple[int, int]], int]:
    """Heights and widths as the images are shown, and the channels that all need: 3 if any has colour.

    Reads headers only. Files that cannot be opened are left out here; loading tells of them.
    """
    sizes: list[tuple[int, int]] = []
    channels = 1
    with ThreadPoolExecutor() as pool:
        for found in pool.map(_header, paths):
            if found is not None:
                sizes.append(found[:2])
                channels = max(channels, found[2])
    return sizes, channels


def choose_size(sizes: Sequence[tuple[int, int]], channels: int, side: int = 0) -> tuple[int, int, int]:
    """(C, H, W) for images of these sizes: side × side if a side is asked for; the common size of equal
    ones up to 64 pixels; else their median shape, brought to at most 64 pixels.
    """
    if side:
        return channels, side, side
    if not sizes:
        return channels, USUAL, USUAL
    height, width = median_low(h for h, _ in sizes), median_low(w for _, w in sizes)
    if len(set(sizes)) == 1:
        height, width = sizes[0]
    shrink = max(1.0, max(height, width) / USUAL)
    return channels, max(1, round(height / shrink)), max(1, round(width / shrink))


def load_pictures(
    paths: Sequence[str | Path], shape: tuple[int, int, int], how: str = "resize"
) -> np.ndarray:
    """All images as one array (N, C, H, W), uint8, or float32 if any has more than 8 bits a pixel.

    how: "resize" stretches, "crop" scales until the frame is full and cuts what stands over, "pad" scales
    until all is inside and fills with 0. DataError names the files that cannot be read; see `bad_pictures`.
    """
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside Python's lock
        found = list(pool.map(lambda path: _loaded(path, shape, how), paths))
    bad = [error for error in found if isinstance(error, DataError)]
    if bad:
        more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise DataError(
            "Every image file must be readable.",
            given="; ".join(str(error.given) for error in bad[:SHOWN]) + more,
            fix="Replace them, or leave them out with --skip-bad.",
        )
    arrays = [array for array in found if not isinstance(array, DataError)]
    deep = any(array.dtype != np.uint8 for array in arrays)
    return (
        np.stack([a.astype(np.float32) if deep else a for a in arrays])
        if arrays
        else np.zeros((0, *shape), np.uint8)
    )


def bad_pictures(paths: Sequence[str | Path]) -> list[int]:
    """The places of the files that cannot be read as images."""

    def fails(path: str | Path) -> bool:
        try:
            open_picture(path)
        except DataError:
            return True
        return False

    with ThreadPoolExecutor() as pool:
        return [i for i, bad in enumerate(pool.map(fails, paths)) if bad]


def fitted(image: np.ndarray, height: int, width: int, how: str) -> np.ndarray:
    """One image (C, H, W) brought to a size; averaged where it shrinks, interpolated where it grows."""
    c, h, w = image.shape
    if (h, w) == (height, width):
        return image
    if how == "resize":
        return _scaled(image, height, width)
    scale = (max if how == "crop" else min)(height / h, width / w)
    inner = _scaled(image, max(1, round(h * scale)), max(1, round(w * scale)))
    out = np.zeros((c, height, width), image.dtype)
    _, h, w = inner.shape
    top, left = abs(height - h) // 2, abs(width - w) // 2
    if how == "crop":
        return np.ascontiguousarray(inner[:, top : top + height, left : left + width])
    out[:, top : top + h, left : left + w] = inner
    return out


def _loaded(path: str | Path, shape: tuple[int, int, int], how: str) -> np.ndarray | DataError:
    try:
        return fitted(open_picture(path, colour=shape[0] == 3), *shape[1:], how)
    except DataError as error:
        return error


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    kind = Image.Resampling.BILINEAR
    planes = [Image.fromarray(plane).resize((width, height), kind) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes])


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """An image file, checked and turned into errors of ours; Pillow's warnings about odd files are silent."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                image = Image.open(path)
            finally:
                Image.MAX_IMAGE_PIXELS = before
            with image:
                if image.width * image.height > REFUSED:
                    raise _bad(path, f"{image.width} × {image.height} pixels, more than can be read")
                yield image
    except FileNotFoundError as error:
        raise _bad(path, "which does not exist") from error
    except UnidentifiedImageError as error:
        raise _bad(path, "which is no image that can be read") from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, TypeError) as error:
        raise _bad(path, f"which is damaged ({str(error) or type(error).__name__})") from error


def _bad(path: str | Path, why: str) -> DataError:
    return DataError(
        "An image file must be readable.", given=f"{path}, {why}", fix="Replace it, or use --skip-bad."
    )


def _header(path: str | Path) -> tuple[int, int, int] | None:
    try:
        with _opened(path) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            height, width = (image.width, image.height) if turned else (image.height, image.width)
            return height, width, 1 if image.mode in ("1", "L", "LA", *GREY16) else 3
    except DataError:
        return None


def _array(image: Any, colour: bool | None) -> np.ndarray:
    from PIL import Image, ImageOps

    if max(image.size) > LARGEST:
        image.draft(image.mode, (LARGEST, LARGEST))  # JPEG decodes to a fraction of its size; others do not
    image.load()
    if max(image.size) > LARGEST:
        image.thumbnail((LARGEST, LARGEST))
    image = ImageOps.exif_transpose(image)
    if image.mode in GREY16:
        grey = np.asarray(image).astype(np.float32)[None]
        return np.repeat(grey, 3, axis=0) if colour else grey
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey_only = image.mode in ("LA", "La")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if grey_only else "RGB")
    wanted = "RGB" if colour or (colour is None and image.mode not in ("1", "L")) else "L"
    array = np.asarray(image.convert(wanted))
    return array[None].copy() if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
