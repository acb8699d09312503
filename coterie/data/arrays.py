"""Arrays in files → Table: NumPy's .npy and .npz, and the files of MNIST and CIFAR (see `batches.py`).

N rows, C channels, H height, W width, T steps, F variables or columns, K answers.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import polars as pl

from coterie.data.batches import Batches, holds_batches, read_batches, read_idx_pair
from coterie.data.folders import files_sha256
from coterie.data.roles import SPLIT_WORDS
from coterie.data.table import Table, some
from coterie.errors import DataError

ENDINGS = (".npy", ".npz")
IDX = re.compile(r"[-.]idx[1-9]-[a-z]+(\.gz)?$", re.IGNORECASE)
INPUTS = ("x", "image", "images", "img", "imgs", "data", "input", "inputs", "features")
OUTPUTS = ("y", "label", "labels", "target", "targets", "class", "classes")
CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, colour, colour and alpha or another band
LARGE = 1 << 26  # bytes of a .npy file that is mapped into memory while it is read
BROKEN = (ValueError, EOFError, KeyError, TypeError, zlib.error, zipfile.BadZipFile, MemoryError,
          NotImplementedError, SyntaxError)  # what NumPy raises on spoilt files  # fmt: skip

Parts = dict[str, tuple[np.ndarray, np.ndarray | None]]  # {"train", "validation", "test" or "": (x, y)}


def holds_arrays(path: str | Path) -> bool:
    """Whether `read_arrays` is what a file or folder is to be read by: its name says so, or its files do."""
    path = Path(path)
    if os.path.isdir(path):  # of a path too long to exist, `Path.is_dir` raises
        return holds_batches(path)
    return path.suffix.lower() in ENDINGS or IDX.search(path.name) is not None


def read_arrays(path: str | Path) -> Table:
    """The table in a .npy or .npz file, in an IDX file (.gz), or in a folder of MNIST's or CIFAR's files.

    Columns: "image" (C, H, W), "sequence" (T, F), or x0, x1, … for rows of numbers. Three axes of floats are
    sequences (N, T, F), of integers images (N, H, W); four are images, see `as_images`. Answers: "class", or
    "y" if they are not whole numbers or words, or y0, y1, … if there are several; one-hot ones
    become classes. They are the target. "split": "train", "validation" or "test", where the data say so.

    Of an .npz these names are understood: x and y, images and labels, data and target, each alone or with
    train, val, test before or after (`x_train`, `test_images`). DataError if a file is damaged, holds
    anything but plain values, or does not fit together. Nothing in a file is ever run.
    """
    path = Path(path)
    try:
        if path.is_dir():
            found = read_batches(path)
            names = [file.relative_to(path).as_posix() for file in found.files]
            return _table(found.parts, path, files_sha256(path, names), list(found.notes))
        if IDX.search(path.name):
            pair: Batches = read_idx_pair(path)
            names = [file.name for file in pair.files]
            return _table(pair.parts, path, files_sha256(path.parent, names), list(pair.notes))
        parts, notes = _numpy_file(path)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return _table(parts, path, digest, notes)
    except OSError as error:
        raise DataError(
            "A file of arrays must be readable.", given=f"{path} ({error.strerror or error})"
        ) from None


def as_images(array: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W), uint8 or float32, from (N, H, W), (N, C, H, W) or (N, H, W, C).

    Of four axes the channels are the second or the last: the one that is 1 to 4 long; if both are or neither
    is, the one beside two equal axes, else the shorter, else the second. Whole numbers from 0
    to 255 become uint8, other numbers float32 in their own unit. DataError for other shapes or values.

    >>> as_images(np.zeros((5, 32, 40, 3))).shape
    (5, 3, 32, 40)
    """
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise DataError(
            "Images must be an array (N, H, W), (N, C, H, W) or (N, H, W, C).", given=f"shape {array.shape}"
        )
    if array.dtype.kind not in "buif":
        raise DataError("Images must be numbers.", given=f"an array of {array.dtype}")
    array = array[:, None] if array.ndim == 3 else array
    if _channels_last(*array.shape[1:]):
        array = array.transpose(0, 3, 1, 2)
    if array.dtype.kind == "f":
        bad = array.size - int(np.isfinite(array).sum())
        if bad:
            raise DataError("Pixels must be finite numbers.", given=f"{bad:,} that are missing or infinite")
        return np.ascontiguousarray(array, dtype=np.float32)
    small = array.dtype.kind == "b" or not array.size or (array.min() >= 0 and array.max() <= 255)
    return np.ascontiguousarray(array, dtype=np.uint8 if small else np.float32)


def _channels_last(first: int, middle: int, last: int) -> bool:
    if (first in CHANNELS) != (last in CHANNELS):
        return last in CHANNELS
    if (first == middle) != (middle == last):
        return first == middle
    return last < first


def _table(parts: Parts, path: Path, digest: str, notes: list[str]) -> Table:
    """One table of all parts, in their order, training first."""
    shapes = {x.shape[1:] for x, _ in parts.values()}
    if len(shapes) > 1:
        raise DataError("Training and test data must have the same shape.", given=f"{shapes} in {path}")
    columns = inputs_of(np.concatenate([x for x, _ in parts.values()]))
    answers = _answers(parts, path, notes)
    if clash := set(columns) & set(answers):
        raise DataError("A target must not have the name of an input.", given=repr(min(clash)))
    columns |= answers
    if len(parts) > 1:
        said = [part for part, (x, _) in parts.items() for _ in range(len(x))]
        columns["split"] = pl.Series(said, dtype=pl.String)
    whole = path.resolve()
    name = IDX.sub("", whole.name) if not whole.is_dir() else whole.name
    name = name[: -len(whole.suffix)] if whole.suffix.lower() in ENDINGS else name
    frame = pl.DataFrame(columns)
    return Table(
        frame, name.strip(" .") or "arrays", str(path), digest, tuple(notes), tuple(answers), str(whole)
    )


def inputs_of(x: np.ndarray) -> dict[str, pl.Series]:
    """The columns of an array with a leading axis of rows, by its axes; see `read_arrays`."""
    if x.ndim == 4 or (x.ndim == 3 and x.dtype.kind != "f"):
        return {"image": pl.Series(as_images(x))}
    if x.dtype.kind not in "buif" or x.ndim not in (1, 2, 3) or 0 in x.shape[1:]:
        raise DataError(
            "An array to learn from must be numbers of 1 to 4 axes, none of them empty.",
            given=f"an array of {x.dtype} with the shape {x.shape}",
            fix="(N, F) are rows, (N, T, F) sequences, (N, H, W) and (N, C, H, W) images.",
        )
    x = x.astype(np.float64 if x.dtype.itemsize > 4 else np.float32) if x.dtype.kind == "f" else x
    if x.ndim == 3:
        return {"sequence": pl.Series(np.ascontiguousarray(x))}
    x = x.reshape(len(x), -1)
    return {f"x{i}": pl.Series(np.ascontiguousarray(x[:, i])) for i in range(x.shape[1])}


def _answers(parts: Parts, path: Path, notes: list[str]) -> dict[str, pl.Series]:
    """The columns of the answers; null in a part that has none."""
    known = {part: np.asarray(y) for part, (_, y) in parts.items() if y is not None}
    if not known:
        return {}
    for part, y in known.items():
        rows = len(parts[part][0])
        if y.ndim not in (1, 2) or len(y) != rows or y.dtype.kind not in "buifSU":
            raise DataError(
                "There must be one answer, or a row of them, for each row of inputs.",
                given=f"{rows:,} rows and answers of {y.dtype} with the shape {y.shape} in {path}",
            )
    widths = {y[0].size if len(y) else 1 for y in known.values()}
    if len(widths) > 1:
        raise DataError("Training and test answers must be equally many.", given=f"{widths} in {path}")
    width = widths.pop()
    table = np.concatenate([y.reshape(len(y), width) for y in known.values()])
    if width > 1 and table.dtype.kind in "buif" and _one_hot(table):
        table, width = table.argmax(axis=1)[:, None], 1
        notes.append("Answers with a 1 for the class and 0 else were turned into classes.")
    names = [f"y{i}" for i in range(width)] if width > 1 else ["y" if table.dtype.kind == "f" else "class"]
    rows_known = np.concatenate([np.full(len(x), part in known) for part, (x, _) in parts.items()])
    columns = {name: _column(table[:, i]) for i, name in enumerate(names)}
    if rows_known.all():
        return columns
    notes.append(f"{int((~rows_known).sum()):,} rows have no answer.")
    place = np.cumsum(rows_known) - 1
    places = [at if known_row else None for at, known_row in zip(place.tolist(), rows_known, strict=True)]
    take = pl.Series(places, dtype=pl.UInt32)
    return {name: column.gather(take) for name, column in columns.items()}


def _column(values: np.ndarray) -> pl.Series:
    if values.dtype.kind == "S":
        return pl.Series([value.decode("utf-8", "replace") for value in values.tolist()], dtype=pl.String)
    if values.dtype.kind == "U":
        return pl.Series(values.tolist(), dtype=pl.String)
    if values.dtype.kind == "f":
        return pl.Series(values.astype(np.float64))
    return pl.Series(np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))))


def _one_hot(table: np.ndarray) -> bool:
    return bool(((table == 0) | (table == 1)).all() and (table.sum(axis=1) == 1).all())


def _numpy_file(path: Path) -> tuple[Parts, list[str]]:
    if not path.is_file():
        raise DataError("The file must exist.", given=repr(str(path)), fix="Check the path.")
    if path.suffix.lower() not in ENDINGS:
        raise DataError(
            "A file of arrays must end in .npy or .npz, or be an IDX file.",
            given=repr(str(path)),
            fix="Of CIFAR name the folder.",
        )
    try:
        if path.suffix.lower() == ".npy" and path.stat().st_size >= LARGE:  # not held beside its table
            return {"": (np.atleast_1d(np.load(path, mmap_mode="r", allow_pickle=False)), None)}, []
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": (np.atleast_1d(loaded), None)}, []
            chosen, notes = _named(loaded.files, path)
            parts: Parts = {}
            for part, (x, y) in chosen.items():
                parts[part] = np.atleast_1d(loaded[x]), None if y is None else np.atleast_1d(loaded[y])
            return parts, notes
    except DataError:
        raise
    except BROKEN as error:
        raise DataError(
            "A file of arrays must be whole, and hold plain numbers or words.",
            given=f"{path} ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            fix="Save it again with numpy.save or numpy.savez, without Python objects.",
        ) from None


def _named(keys: list[str], path: Path) -> tuple[dict[str, tuple[str, str | None]], list[str]]:
    """{part: (name of x, name of y)}, training first; and a note on arrays that are not used."""
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    for key in keys:
        if said := _said(key):
            role, part = said
            (inputs if role == "x" else outputs).setdefault(part, key)
    if not inputs and keys in (["arr_0"], ["arr_0", "arr_1"]):  # numpy.savez(path, x, y)
        inputs, outputs = {"": keys[0]}, {"": keys[1]} if len(keys) > 1 else {}
    elif not inputs and len(keys) == 1:
        inputs = {"": keys[0]}
    if not inputs:
        raise DataError(
            "An .npz file must say by its names which array is which.",
            given=f"{some(keys) or 'no array'} in {path}",
            fix="Call them x and y, or x_train, y_train, x_test, y_test.",
        )
    order = [part for part in ("train", "validation", "test") if part in inputs]
    parts = order if "train" in order else (["" if "" in inputs else order[0]])
    chosen = {part if len(parts) > 1 else "": (inputs[part], outputs.get(part)) for part in parts}
    used = {key for pair in chosen.values() for key in pair}
    left = [key for key in keys if key not in used]
    return chosen, [f"Arrays that were not used: {some(left)}."] if left else []


def _said(key: str) -> tuple[str, str] | None:
    """("x" or "y", part) if a name says so: `x_train`, `train_images`, `ytest`, `labels`."""
    words = [word for word in re.split(r"[\W_]+", key.lower()) if word]
    if len(words) == 1 and words[0][1:] in SPLIT_WORDS and words[0][0] in "xy":
        words = [words[0][0], words[0][1:]]
    parts = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    rest = [word for word in words if word not in SPLIT_WORDS]
    if len(rest) != 1 or len(parts) > 1 or rest[0] not in INPUTS + OUTPUTS:
        return None
    return ("x" if rest[0] in INPUTS else "y"), (parts[0] if parts else "")
