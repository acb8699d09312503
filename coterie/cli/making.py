"""The verbs of what a model makes: samples, codes, reconstructions, texts.

Rows of images are written as a picture or an array, and so are tables of pixels, such as the bundled digits
have; all others as a table, codes as either.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any, BinaryIO

from coterie.cli.values import printable
from coterie.cli.writing import WRITERS, Writer, write, writer
from coterie.errors import SpecError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

ACROSS = 8  # images in a row of a picture
LEAST_SIDE = 512  # pixels of a picture's shorter side: small images are enlarged, pixel by pixel


def sample(asked: Namespace) -> int:
    out = getattr(asked, "out", None)
    how = _written(out, asked.folder)
    from coterie import verbs

    model = verbs.load(asked.folder)
    number = getattr(asked, "n", 64)
    made = model.sample(number, label=getattr(asked, "label", None), seed=getattr(asked, "seed", 0))
    return _put(made, out, how, asked, f"{number:,} samples")


def encode(asked: Namespace) -> int:
    out = getattr(asked, "out", None)
    how = _written(out, asked.data)
    from coterie import verbs

    model = verbs.load(asked.folder)
    dataset = model.dataset(asked.data, skip_bad=asked.skip_bad, keep=getattr(asked, "keep", ()))
    _warn(model, dataset, asked)
    if str(out).endswith(".npy"):
        codes = model.encode(dataset)
        return _put(codes.reshape(len(codes), -1), out, how, asked, f"{len(codes):,} codes")
    return _put(model.encode_table(dataset), out, how, asked, f"{len(dataset):,} codes")


def reconstruct(asked: Namespace) -> int:
    out = getattr(asked, "out", None)
    how = _written(out, asked.data)
    from coterie import verbs

    model = verbs.load(asked.folder)
    dataset = model.dataset(asked.data, skip_bad=asked.skip_bad)
    _warn(model, dataset, asked)
    return _put(model.reconstruct(dataset), out, how, asked, f"{len(dataset):,} rows")


def generate(asked: Namespace) -> int:
    from coterie import verbs

    model = verbs.load(asked.folder)
    if model.task == "text" and model.schema.features:
        raise SpecError(
            "Only a model that learned from texts alone goes on from a prompt.",
            given=f"one that writes from {', '.join(c.name for c in model.schema.features)}",
            fix="Use coterie predict, which writes a text for each row.",
        )
    text = model.generate(
        getattr(asked, "prompt", ""),
        length=getattr(asked, "length", 300),
        temperature=getattr(asked, "temperature", 1.0),
        top_k=getattr(asked, "top_k", 0),
        top_p=getattr(asked, "top_p", 1.0),
        seed=getattr(asked, "seed", 0),
    )
    print("\n".join(printable(line) for line in text.splitlines()))
    return 0


def _warn(model: Any, dataset: Any, asked: Namespace) -> None:
    if not asked.quiet:
        for warning in model.warnings(dataset):
            print(f"warning: {printable(warning)}", file=sys.stderr)


def _put(made: Any, out: str | None, how: Writer, asked: Namespace, what: str) -> int:
    """Writes rows: an array (N, C, H, W) of images, an array of codes, or a table."""
    import polars as pl

    if isinstance(made, pl.DataFrame) and how in ARRAYS.values() and (pixels := _pixels(made)) is not None:
        made = pixels
    images = not isinstance(made, pl.DataFrame)
    if images != (how in ARRAYS.values()):
        known = ARRAYS if images else WRITERS
        raise SpecError(
            f"{'Images' if images else 'Rows of a table'} are written as {', '.join(known)}.",
            given=repr(out) if out else "no file",
            fix=f"For example: -o {'samples.png' if images else 'samples.csv'}.",
        )
    if not images and how in FLAT and any(kind.is_nested() for kind in made.dtypes):
        raise SpecError(
            "Rows with sequences in them are written as .jsonl, .ndjson, .parquet.",
            given=repr(out) if out else "no file",
            fix="For example: -o rows.parquet.",
        )
    write(made, out, how)
    if out not in (None, "-") and not asked.quiet:
        print(f"{what} are in {out}", file=sys.stderr)
    return 0


def _written(out: str | None, data: str) -> Writer:
    return writer(out, data, {**WRITERS, **ARRAYS})


def _pixels(table: pl.DataFrame) -> np.ndarray | None:
    """(N, 1, H, W) of a table whose columns are pixels; None of another."""
    from coterie.data.pixels import Raster

    raster = Raster.of(table.columns)
    return None if raster is None else raster.images(table)


def _numbers(array: np.ndarray, file: BinaryIO) -> None:
    import numpy as np

    np.save(file, array)


def _picture(images: np.ndarray, file: BinaryIO) -> None:
    """Images (N, C, H, W) side by side, from the darkest to the brightest that there is."""
    import numpy as np
    from PIL import Image

    from coterie.report.thumbnails import page_of

    if images.ndim != 4:
        raise SpecError("A picture is of images.", given="an array of codes", fix="Write .npy or .csv.")
    low, high = float(images.min()), float(images.max())
    page = Image.fromarray(page_of(images, low, high if high > low else low + 1.0, ACROSS), "RGBA")
    grow = max(1, -(-LEAST_SIDE // min(page.size)))
    page = page.resize((page.width * grow, page.height * grow), Image.Resampling.NEAREST)
    white = Image.fromarray(np.full((page.height, page.width, 3), 255, dtype=np.uint8), "RGB")
    white.paste(page, mask=page.getchannel("A"))
    white.save(file, "PNG")


ARRAYS: dict[str, Writer] = {".png": _picture, ".npy": _numbers}
FLAT = (WRITERS[".csv"], WRITERS[".tsv"])  # of one value a cell
