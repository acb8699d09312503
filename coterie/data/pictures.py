"""An image file as an array: any common format, turned upright, of a size; `decoding.py` reads many.

C channels (1 grey, 3 colour), H height, W width.
"""

from __future__ import annotations

import contextlib
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median_low
from typing import Any

import numpy as np

from coterie.errors import DataError

LARGEST = 4096  # pixels a side beyond which an image is scaled down while it is read
LARGE = 1 << 24  # pixels of an image that is decoded while no other large one is
REFUSED = 1 << 30  # bytes that an image may take while it is decoded; others are not read at all
USUAL = 64  # side that images of different or large sizes are brought to
GREY16 = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")  # 16 and 32 bits a pixel: medical images
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "JPEG2000")  # none that runs a program
BYTES = 4  # a pixel while it is decoded, where it is not one of grey
AMPLE = 2  # times the side wanted, to which a JPEG may be scaled down while it is decoded
BROKEN = (  # what Pillow raises on spoilt bytes
    *(OSError, ValueError, SyntaxError, EOFError, MemoryError, LookupError, TypeError),
    *(AttributeError, ArithmeticError, RuntimeError, struct.error, zlib.error),
)

_one_large = threading.Lock()
_settings = threading.Lock()
_lenient: list[contextlib.ExitStack] = []  # one for each that reads now; the last restores Pillow's settings


def open_picture(path: str | Path, colour: bool | None = None) -> np.ndarray:
    """One image, (C, H, W): uint8, or float32 for more than 8 bits a pixel, in the file's own unit.

    Turned as EXIF says; of an animation the first frame; transparent parts on white; palettes and CMYK as
    RGB. colour: True for 3 channels, False for 1; None for what the file has. DataError for a file that is
    damaged, no image, or too large.
    """
    array = _decoded(path, colour)
    assert array is not None
    return array


def read_picture(
    path: str | Path, shape: tuple[int, int, int] | None, how: str, large: bool = True
) -> np.ndarray | None:
    """One image brought to a shape (C, H, W), see `fitted`; as it is for None. `open_picture` says the rest.

    large: False returns None instead of a very large image, of which only one at a time is to be decoded in
    all. A JPEG is decoded at an eighth, a quarter or half its size where that is AMPLE times what is wanted.
    """
    if shape is None:
        return _decoded(path, None, large=large)
    channels, height, width = shape
    image = _decoded(path, channels == 3, AMPLE * max(height, width), large)
    return None if image is None else fitted(image, height, width, how)


def is_deep(path: str | Path) -> bool:
    """Whether an image has more than 8 bits a pixel, by its header; False if the file cannot be opened."""
    found = _header(path)
    return found is not None and found[3]


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


def _scaled(image: np.ndarray, height: int, width: int) -> np.ndarray:
    from PIL import Image

    kind = Image.Resampling.BILINEAR
    planes = [Image.fromarray(plane).resize((width, height), kind) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes])


@contextlib.contextmanager
def _leniently() -> Iterator[None]:
    """Without Pillow's warnings about odd and large files; sizes are checked here.

    Both settings belong to the process, not to a thread, so the first reader sets them and the last one
    sets them back.
    """
    from PIL import Image

    stack = contextlib.ExitStack()
    with _settings:
        if not _lenient:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            stack.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None
        _lenient.append(stack)
    try:
        yield
    finally:
        with _settings:
            _lenient.pop().close()  # the first one's, which alone holds anything, is the last to go


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """An image file; whatever is wrong with it is a DataError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _leniently(), Image.open(path, formats=FORMATS) as image:
            yield image
    except DataError:
        raise
    except FileNotFoundError as error:
        raise _bad(path, "which does not exist") from error
    except UnidentifiedImageError as error:
        raise _bad(path, "which is no image that can be read") from error
    except BROKEN as error:
        raise _bad(path, f"which is damaged ({str(error) or type(error).__name__})") from error


def _bad(path: str | Path, why: str) -> DataError:
    return DataError(
        "An image file must be readable.", given=f"{path}, {why}", fix="Replace it, or use --skip-bad."
    )


def _header(path: str | Path) -> tuple[int, int, int, bool] | None:
    """Height and width as it is shown, channels, and whether it has more than 8 bits a pixel."""
    try:
        with _opened(path) as image:
            turned = _orientation(image) in (5, 6, 7, 8)
            height, width = (image.width, image.height) if turned else (image.height, image.width)
            deep = image.mode in GREY16
            return height, width, 1 if deep or image.mode in ("1", "L", "LA") else 3, deep
    except DataError:
        return None


def _orientation(image: Any) -> int:
    """How EXIF says that the image is to be turned, 1 to 8; 1, upright, if it says nothing readable."""
    if "exif" not in image.info and image.format == "PNG":
        return 1  # Pillow would decode the whole file to look for it
    try:
        return int(image.getexif().get(0x0112, 1))
    except BROKEN:
        return 1  # spoilt notes beside a sound image


def _decoded(
    path: str | Path, colour: bool | None, enough: int = LARGEST, large: bool = True
) -> np.ndarray | None:
    with _opened(path) as image:
        return _array(image, colour, path, enough, large)


def _array(image: Any, colour: bool | None, path: str | Path, enough: int, large: bool) -> np.ndarray | None:
    """enough: pixels a side to which an image may be scaled down while it is decoded."""
    enough = min(enough, LARGEST)
    if max(image.size) > enough:
        image.draft(image.mode, (enough, enough))  # JPEG decodes to a fraction of its size; others do not
    pixels = image.width * image.height
    if pixels * (1 if image.mode in ("1", "L") else BYTES) > REFUSED:
        raise _bad(path, f"{image.width} × {image.height} pixels, more than can be read")
    if pixels > LARGE and not large:
        return None
    with _one_large if pixels > LARGE else contextlib.nullcontext():
        image.load()
        turn = _orientation(image)
        image = _reduced(image)
    return _channels(_upright(image, turn), colour)


def _reduced(image: Any) -> Any:
    """An image whose sides are at most LARGEST: whole blocks of pixels averaged, then scaled."""
    if max(image.size) <= LARGEST:
        return image
    if image.mode in GREY16:
        image = image.convert("F")
    elif image.mode == "P":  # the numbers of a palette's colours have no average
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    scale = LARGEST / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), reducing_gap=2.0)


def _upright(image: Any, turn: int) -> Any:
    from PIL import Image

    how = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
           6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}.get(turn)  # fmt: skip
    return image.transpose(Image.Transpose[how]) if how else image


def _channels(image: Any, colour: bool | None) -> np.ndarray:
    """(C, H, W) of a decoded image."""
    from PIL import Image

    if image.mode in GREY16:
        grey = np.asarray(image).astype(np.float32)[None]
        return np.repeat(grey, 3, axis=0) if colour else grey
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        grey_only = image.mode in ("1", "L", "LA", "La")
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if grey_only else "RGB")
    wanted = "RGB" if colour or (colour is None and image.mode not in ("1", "L")) else "L"
    array = np.asarray(image.convert(wanted))
    return array[None].copy() if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
