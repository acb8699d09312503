"""The official files of MNIST and CIFAR as tables; pickles that want to run something are refused."""

import gzip
import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coterie.data.arrays import holds_arrays, read_arrays
from coterie.data.batches import read_idx
from coterie.errors import DataError

RNG = np.random.default_rng(0)


def image_bytes(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def cells(frame: pl.DataFrame) -> np.ndarray:
    return frame["image"].to_numpy()


# ---- IDX ---------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    code = {"u1": 8, "i2": 0x0B, "f4": 0x0D}[array.dtype.str[1:]]
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def mnist(root: Path, packed: bool, prefix: str = "") -> tuple[np.ndarray, np.ndarray]:
    root.mkdir(parents=True, exist_ok=True)
    x, y = image_bytes(7, 6, 5), np.arange(7, dtype=np.uint8) % 4
    for part, rows in (("train", slice(0, 5)), ("t10k", slice(5, 7))):
        for name, array in (("images-idx3", x[rows]), ("labels-idx1", y[rows])):
            path = root / f"{prefix}{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    return x, y


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inner", [".", "MNIST/raw"])
def test_mnist(tmp_path: Path, packed: bool, inner: str) -> None:
    x, y = mnist(tmp_path / inner, packed)
    assert holds_arrays(tmp_path)
    table = read_arrays(tmp_path)
    assert table.frame.schema["image"] == pl.Array(pl.UInt8, (1, 6, 5))
    assert (cells(table.frame)[:, 0] == x).all()
    assert table.frame["class"].to_list() == y.tolist()
    assert table.frame["split"].to_list() == ["train"] * 5 + ["test"] * 2
    assert table.target == ("class",)


def test_one_file_of_images(tmp_path: Path) -> None:
    x, y = mnist(tmp_path, packed=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    assert holds_arrays(path)
    table = read_arrays(path)
    assert (cells(table.frame)[:, 0] == x[5:]).all()
    assert table.frame.columns == ["image", "class"]
    assert table.frame["class"].to_list() == y[5:].tolist()
    assert table.name == "t10k-images"
    with pytest.raises(DataError, match="must hold images"):
        read_arrays(tmp_path / "t10k-labels-idx1-ubyte.gz")


def test_idx_of_other_types_and_spoilt(tmp_path: Path) -> None:
    path = tmp_path / "a.idx2-short"
    for array in (np.array([[1, -2], [300, 4]], np.int16), np.array([0.5, -1.5], np.float32)):
        path.write_bytes(idx(array))
        got = read_idx(path)
        assert got.tolist() == array.tolist()
        assert got.dtype.isnative
    whole = idx(image_bytes(3, 4, 4))
    packed = gzip.compress(whole)
    huge = whole[:4] + b"\xff" * 12 + whole[16:]
    for spoilt in (
        whole[:-1],
        whole + b"x",
        whole[:7],
        b"",
        b"\0\0\x07\x01",
        packed[:-9],
        huge,
        gzip.compress(huge),
    ):
        path.write_bytes(spoilt)
        with pytest.raises(DataError, match="must be whole"):
            read_idx(path)


def test_several_sets_or_missing_labels(tmp_path: Path) -> None:
    mnist(tmp_path, packed=False)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert read_arrays(tmp_path).frame["class"].null_count() == 5
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(4, np.uint8)))
    with pytest.raises(DataError, match="a label for every image"):
        read_arrays(tmp_path)
    mnist(tmp_path, packed=False, prefix="emnist-letters-")
    with pytest.raises(DataError, match=r"one data set.*'MNIST', 'emnist-letters'"):
        read_arrays(tmp_path)


# ---- CIFAR -------------------------------------------------------------------------------------------


def cifar10(root: Path, protocol: int, text: type = bytes) -> tuple[np.ndarray, list[int]]:
    x, y = image_bytes(12, 3072), [int(v) for v in RNG.integers(0, 3, 12)]
    name = (lambda word: word.encode()) if text is bytes else str
    for i, file in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        batch = {name("data"): x[2 * i : 2 * i + 2], name("labels"): y[2 * i : 2 * i + 2]}
        (root / file).write_bytes(pickle.dumps(batch, protocol))
    meta = {name("label_names"): [name(word) for word in ("plane", "car", "bird")]}
    (root / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    return x.reshape(-1, 3, 32, 32), y


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("text", [bytes, str])
def test_cifar_10_pickles(tmp_path: Path, protocol: int, text: type) -> None:
    x, y = cifar10(tmp_path, protocol, text)
    assert holds_arrays(tmp_path)
    table = read_arrays(tmp_path)
    assert (cells(table.frame) == x).all()
    assert table.frame["class"].to_list() == [("plane", "car", "bird")[label] for label in y]
    assert table.frame["split"].to_list() == ["train"] * 10 + ["test"] * 2


def test_pickles_as_python_2_wrote_them(tmp_path: Path) -> None:
    x, _ = cifar10(tmp_path, 2)
    old = (  # {'data': array, 'labels': [1, 2]} by hand: byte strings, and NumPy's names of then
        b"\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T\x00\x18\x00\x00" + x[10:].tobytes() + b"tbU\x06labels](K\x01K\x02eu."
    )
    (tmp_path / "test_batch").write_bytes(old)
    table = read_arrays(tmp_path)
    assert (cells(table.frame)[10:] == x[10:]).all()
    assert table.frame["class"].to_list()[10:] == ["car", "bird"]


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Runs:
        def __init__(self, call: Any, *given: Any) -> None:
            self.call, self.given = call, given

        def __reduce__(self) -> tuple[Any, ...]:
            return self.call, self.given

    made = tmp_path / "made"
    cifar10(tmp_path, 2)
    for thing in (
        Runs(os.mkdir, str(made)),
        Runs(eval, f"__import__('os').mkdir({str(made)!r})"),
        Runs(io.open, str(made), "w"),
        Runs(getattr, str(made), "upper"),
        Runs(np.load, str(made)),
    ):
        (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": thing, "labels": [1]}, 2))
        with pytest.raises(DataError, match=r"test_batch, which names .* not called"):
            read_arrays(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": np.array([thing]), "labels": [1]}, 2))
    with pytest.raises(DataError, match="not called"):
        read_arrays(tmp_path)
    assert not made.exists()


def test_spoilt_batches(tmp_path: Path) -> None:
    cifar10(tmp_path, 2)
    sound = (tmp_path / "test_batch").read_bytes()
    x = image_bytes(2, 3072)
    for spoilt in (
        sound[:500],
        b"",
        b"rubbish",
        pickle.dumps([1, 2]),
        pickle.dumps({"data": x, "labels": [1]}),
        pickle.dumps({"data": x[:, :9], "labels": [1, 2]}),
        pickle.dumps({"data": x.astype(float), "labels": [1, 2]}),
        pickle.dumps({"data": x, "labels": ["a", "b"]}),
        pickle.dumps({"data": "x", "labels": 7}),
    ):
        (tmp_path / "test_batch").write_bytes(spoilt)
        with pytest.raises(DataError, match=r"must be whole.*test_batch"):
            read_arrays(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": x, "labels": [1, 9]}))
    with pytest.raises(DataError, match=r"batches\.meta, which names 3 classes"):
        read_arrays(tmp_path)


def test_cifar_100_pickles(tmp_path: Path) -> None:
    x = image_bytes(5, 3072)
    for name, rows in (("train", slice(0, 3)), ("test", slice(3, 5))):
        batch = {
            "data": x[rows],
            "fine_labels": [0, 1, 2][: len(x[rows])],
            "coarse_labels": [0] * len(x[rows]),
        }
        (tmp_path / name).write_bytes(pickle.dumps(batch, 2))
    assert not holds_arrays(tmp_path)  # two files of any kind
    meta = {"fine_label_names": ["apple", "bear", "can"], "coarse_label_names": ["thing"]}
    (tmp_path / "meta").write_bytes(pickle.dumps(meta, 2))
    assert holds_arrays(tmp_path)
    table = read_arrays(tmp_path)
    assert table.frame["class"].to_list() == ["apple", "bear", "can", "apple", "bear"]
    assert table.frame.columns == ["image", "class", "split"]
    assert any("coarse" in note for note in table.notes)


def test_binary_versions(tmp_path: Path) -> None:
    x, y = image_bytes(4, 3072), np.array([0, 1, 1, 0], np.uint8)
    ten, hundred = tmp_path / "ten", tmp_path / "hundred"
    ten.mkdir()
    hundred.mkdir()
    rows = np.concatenate([y[:, None], x], axis=1)
    (ten / "data_batch_1.bin").write_bytes(rows[:3].tobytes())
    (ten / "test_batch.bin").write_bytes(rows[3:].tobytes())
    (ten / "batches.meta.txt").write_text("plane\ncar\n\n")
    table = read_arrays(ten)
    assert table.frame["class"].to_list() == ["plane", "car", "car", "plane"]
    assert (cells(table.frame) == x.reshape(-1, 3, 32, 32)).all()
    assert any("Of the five training batches 1" in note for note in table.notes)
    rows = np.concatenate([np.full((4, 1), 19, np.uint8), rows], axis=1)
    (hundred / "train.bin").write_bytes(rows[:3].tobytes())
    (hundred / "test.bin").write_bytes(rows[3:].tobytes())
    assert read_arrays(hundred).frame["class"].to_list() == y.tolist()
    (hundred / "test.bin").write_bytes(rows[3:].tobytes()[:-1])
    with pytest.raises(DataError, match="not rows of 3,074"):
        read_arrays(hundred)


def test_the_hash_is_of_the_contents(tmp_path: Path) -> None:
    mnist(tmp_path / "m", packed=False)
    first = read_arrays(tmp_path / "m").sha256
    (tmp_path / "m/train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    assert read_arrays(tmp_path / "m").sha256 != first
