"""The files that MNIST and CIFAR come in, and their official splits: IDX, and batches of rows of bytes.

MNIST and its relatives: IDX files, plain or .gz (LeCun's page of 1998 says the format). CIFAR-10 and -100
(Krizhevsky, 2009): the "binary version", and the "python version", whose files are pickles. A pickle can name
any function to be called; these are read by an unpickler that knows how an array is made and nothing else.

N rows, H height, W width.
"""

from __future__ import annotations

import gzip
import io
import math
import pickle
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coterie.errors import DataError

IDX_NAME = re.compile(r"(?P<set>.*?)(?P<part>train|t10k|test)-images[-.]idx3-ubyte(\.gz)?$", re.IGNORECASE)
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
INNER = (".", "raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw",
         "cifar-10-batches-py", "cifar-10-batches-bin", "cifar-100-python", "cifar-100-binary")  # fmt: skip
CIFAR = {  # for each form: the files for training, of which the first must be there, and the one for testing
    "CIFAR-10 pickles": ([f"data_batch_{i}" for i in range(1, 6)], "test_batch"),
    "CIFAR-10 binary": ([f"data_batch_{i}.bin" for i in range(1, 6)], "test_batch.bin"),
    "CIFAR-100 pickles": (["train"], "test"),
    "CIFAR-100 binary": (["train.bin"], "test.bin"),
}
PIXELS = (3, 32, 32)
AGAIN = "It is damaged or not what its name says: fetch it again."


@dataclass(frozen=True)
class Batches:
    """What was found. parts: {"train" or "test": (images (N, H, W) or (N, C, H, W) uint8, labels (N,) or
    None)}; files: all that were read.
    """

    parts: dict[str, tuple[np.ndarray, np.ndarray | None]]
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def holds_batches(folder: Path) -> bool:
    """Whether a folder, or the one that such data are usually unpacked to within it, holds such files."""
    return any(_idx_images(folder / inner) or _cifar_form(folder / inner) for inner in INNER)


def read_batches(folder: Path) -> Batches:
    """The data set of such a folder. DataError if there is none or several, or if it is damaged."""
    for inner in INNER:
        here = folder / inner
        if images := _idx_images(here):
            return _idx_folder(images, here)
        if form := _cifar_form(here):
            return _cifar(here, form)
    raise DataError("A folder must hold MNIST's or CIFAR's files.", given=repr(str(folder)))


def read_idx_pair(path: Path) -> Batches:
    """One IDX file of images, and the labels beside it if there are any."""
    images = read_idx(path)
    if images.ndim != 3:
        raise DataError(
            "An IDX file to learn from must hold images.",
            given=f"{path} of shape {images.shape}",
            fix="Name the file of the images, or the folder.",
        )
    labels = _labels_beside(path)
    answers = None if labels is None else _labels(labels, len(images))
    return Batches({"": (images, answers)}, (path, labels) if labels else (path,))


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file, plain or packed by gzip. DataError if it is not whole."""
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            with gzip.open(raw) if packed else raw as file:
                head = file.read(4)
                if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not head[3]:
                    raise _bad(path, "which does not begin as an IDX file does")
                told = file.read(4 * head[3])
                sides = np.frombuffer(told[: len(told) // 4 * 4], ">u4").tolist()
                dtype = np.dtype(IDX_TYPES[head[2]])
                size = math.prod(sides) * dtype.itemsize
                data = _read(file, size + 1) if len(sides) == head[3] else b""
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _bad(path, f"which does not unpack ({error})") from None
    if len(sides) != head[3] or len(data) != size:
        raise _bad(path, f"which holds {len(data):,} bytes instead of {' × '.join(map(str, sides))} values")
    return np.frombuffer(data, dtype).reshape(sides).astype(dtype.newbyteorder("="), copy=False)


def _read(file: Any, size: int) -> bytes:
    """At most `size` bytes, and no memory for more than are there, whatever the file claims."""
    whole = io.BytesIO()
    while size > 0 and (part := file.read(min(size, 1 << 24))):
        whole.write(part)
        size -= len(part)
    return whole.getvalue()


def _idx_images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if IDX_NAME.match(p.name)) if folder.is_dir() else []


def _idx_folder(images: list[Path], folder: Path) -> Batches:
    found: dict[tuple[str, str], Path] = {}
    for path in images:
        match = IDX_NAME.match(path.name)
        assert match
        found.setdefault((match["set"], "train" if match["part"].lower() == "train" else "test"), path)
    sets = sorted({name for name, _ in found})
    if len(sets) > 1:
        raise DataError(
            "A folder of IDX files must hold one data set.",
            given=f"{', '.join(repr(name.strip('-_ ') or 'MNIST') for name in sets)} in {str(folder)!r}",
            fix="Name the file of the images of one, or give each a folder.",
        )
    parts: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    files: list[Path] = []
    for (_, part), path in sorted(found.items(), reverse=True):  # training before test
        pair = read_idx_pair(path)
        parts[part] = pair.parts[""]
        files += pair.files
    return Batches(parts, tuple(files))


def _labels_beside(path: Path) -> Path | None:
    """The file of the labels of a file of images, packed or not."""
    name = re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
    name = name.replace("images", "labels").replace("idx3", "idx1")
    if name == re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE):
        return None
    return next((p for p in (path.with_name(name), path.with_name(name + ".gz")) if p.is_file()), None)


def _labels(path: Path, rows: int) -> np.ndarray:
    labels = read_idx(path)
    if labels.shape != (rows,):
        raise DataError(
            "There must be a label for every image.", given=f"{rows:,} images and {labels.shape} in {path}"
        )
    return labels.astype(np.int64)


def _cifar_form(folder: Path) -> str | None:
    for form, (train, test) in CIFAR.items():
        if all((folder / name).is_file() for name in (train[0], test)):
            if form == "CIFAR-100 pickles" and not (folder / "meta").is_file():
                continue  # "train" and "test" alone are anyone's names
            return form
    return None


def _cifar(folder: Path, form: str) -> Batches:
    train, test = CIFAR[form]
    train = [name for name in train if (folder / name).is_file()]
    read = _pickled_batch if "pickles" in form else _binary_batch
    fine = "100" in form
    parts: dict[str, tuple[np.ndarray, np.ndarray | None]] = {}
    for part, names in (("train", train), ("test", [test])):
        found = [read(folder / name, fine) for name in names]
        images = np.concatenate([images for images, _ in found]).reshape(-1, *PIXELS)
        parts[part] = images, np.concatenate([labels for _, labels in found])
    files = [folder / name for name in [*train, test]]
    names, source = _class_names(folder, form)
    if names:
        files.append(source)
        for part, (images, labels) in parts.items():
            assert labels is not None
            if labels.size and not 0 <= labels.min() <= labels.max() < len(names):
                raise _bad(source, f"which names {len(names)} classes, fewer than there are")
            parts[part] = images, np.array(names)[labels]
    notes = ["Classes are the fine ones; the 20 coarse ones are left out."] if fine else []
    if "10 " in form and len(train) < 5:
        notes.append(f"Of the five training batches {len(train)} are there.")
    return Batches(parts, tuple(files), tuple(notes))


def _binary_batch(path: Path, fine: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a label (CIFAR-100: the coarse one, then the fine) and 3,072 pixels, a byte each."""
    data = np.fromfile(path, np.uint8)
    before = 2 if fine else 1
    wide = before + math.prod(PIXELS)
    if not len(data) or len(data) % wide:
        raise _bad(path, f"whose {len(data):,} bytes are not rows of {wide:,}")
    rows = data.reshape(-1, wide)
    return rows[:, before:], rows[:, before - 1].astype(np.int64)


def _pickled_batch(path: Path, fine: bool) -> tuple[np.ndarray, np.ndarray]:
    batch = _unpickled(path)
    images, labels = batch.get("data"), batch.get("fine_labels" if fine else "labels")
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[1:] != (math.prod(PIXELS),)
        or not isinstance(labels, (list, np.ndarray))
        or len(labels) != len(images)
        or not all(isinstance(label, (int, np.integer)) for label in labels)
    ):
        raise _bad(path, "which does not hold images and their labels")
    return images, np.array(labels, np.int64)


def _class_names(folder: Path, form: str) -> tuple[list[str], Path]:
    key = "fine_label_names" if "100" in form else "label_names"
    if "pickles" in form:
        path = folder / ("meta" if "100" in form else "batches.meta")
        names = _unpickled(path).get(key, []) if path.is_file() else []
        names = [name.decode("latin-1") if isinstance(name, bytes) else str(name) for name in names]
    else:
        path = folder / ("fine_label_names.txt" if "100" in form else "batches.meta.txt")
        names = path.read_text(encoding="latin-1").split() if path.is_file() else []
    return names, path


# ---- pickles -----------------------------------------------------------------------------------------


def _unpickled(path: Path) -> dict[str, Any]:
    """The dict in a pickle that holds nothing but plain values and arrays of numbers; keys as text."""
    try:
        with open(path, "rb") as file:
            found = _Plain(file, encoding="bytes").load()
    except OSError:
        raise
    except _Foreign as error:
        raise _bad(path, f"which names {error}, and that is not called") from None
    except Exception as error:  # spoilt bytes make an unpickler raise almost anything
        raise _bad(path, f"which is damaged ({error})") from None
    if not isinstance(found, dict):
        raise _bad(path, "which does not hold a dict")
    return {key.decode("latin-1") if isinstance(key, bytes) else str(key): v for key, v in found.items()}


class _Foreign(Exception):
    """A pickle names what no array needs."""


def _array(kind: object, shape: object, code: object) -> np.ndarray:
    """An empty array, which its state fills; the arguments that NumPy writes say no more."""
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _dtype(code: Any, *_: object) -> np.dtype:
    code = code.decode("latin-1") if isinstance(code, bytes) else code
    if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?[biuf][1248]", code):
        raise _Foreign(f"the type {code!r}")
    return np.dtype(code, copy=True)


def _from_buffer(data: Any, dtype: np.dtype, shape: tuple[int, ...], order: str) -> np.ndarray:
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _Foreign(f"the encoding {encoding!r}")
    return text.encode("latin-1")


KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _array,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy._core.multiarray", "_reconstruct"): _array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _bytes,  # how bytes stand in a pickle for Python 2
}


class _Plain(pickle.Unpickler):
    """An unpickler that calls nothing but the makers of arrays above, whatever the pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise _Foreign(f"{module}.{name}")
        return KNOWN[module, name]


def _bad(path: Path, why: str) -> DataError:
    return DataError("A file of a data set must be whole.", given=f"{path}, {why}", fix=AGAIN)
