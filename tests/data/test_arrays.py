"""Arrays in files as tables."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from coterie.data import arrays
from coterie.data.arrays import as_images, holds_arrays, read_arrays
from coterie.errors import DataError

RNG = np.random.default_rng(0)


def image_bytes(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def cells(frame: pl.DataFrame, name: str = "image") -> np.ndarray:
    return frame[name].to_numpy()


# ---- images in memory --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ((5, 28, 30), (5, 1, 28, 30)),
        ((5, 3, 28, 30), (5, 3, 28, 30)),
        ((5, 28, 30, 3), (5, 3, 28, 30)),
        ((5, 28, 30, 1), (5, 1, 28, 30)),
        ((5, 3, 3, 3), (5, 3, 3, 3)),
        ((5, 4, 4, 3), (5, 3, 4, 4)),
        ((5, 1, 2, 2), (5, 1, 2, 2)),
        ((5, 13, 64, 64), (5, 13, 64, 64)),
        ((5, 64, 64, 13), (5, 13, 64, 64)),
        ((5, 60, 64, 13), (5, 13, 60, 64)),
        ((0, 28, 30), (0, 1, 28, 30)),
    ],
)
def test_the_order_of_channels(given: tuple[int, ...], want: tuple[int, ...]) -> None:
    assert as_images(np.zeros(given)).shape == want


def test_values_are_kept() -> None:
    last = image_bytes(4, 6, 5, 3)
    assert (as_images(last) == last.transpose(0, 3, 1, 2)).all()
    assert as_images(last).dtype == np.uint8
    assert as_images(last.astype(np.int64)).dtype == np.uint8
    deep = np.array([[[0, 300], [65535, 1]]], np.uint16)
    assert as_images(deep).dtype == np.float32
    assert as_images(deep)[0, 0].tolist() == [[0, 300], [65535, 1]]
    assert as_images(-deep.astype(np.int32)).min() == -65535
    assert as_images(last / 255).dtype == np.float32
    assert as_images(last > 100).max() == 1


def test_what_is_no_image() -> None:
    for bad in (np.zeros((5, 4)), np.zeros((5, 0, 4)), np.zeros((1, 2, 3, 4, 5))):
        with pytest.raises(DataError, match="Images must be an array"):
            as_images(bad)
    with pytest.raises(DataError, match="must be numbers"):
        as_images(np.full((2, 2, 2), "a"))
    with pytest.raises(DataError, match="1 that are missing"):
        as_images(np.array([[[1.0, np.nan]]]))


# ---- NumPy's files -----------------------------------------------------------------------------------


def test_npy_of_images_sequences_and_rows(tmp_path: Path) -> None:
    images = image_bytes(7, 8, 9)
    np.save(tmp_path / "digits.npy", images)
    table = read_arrays(tmp_path / "digits.npy")
    assert table.frame.schema == {"image": pl.Array(pl.UInt8, (1, 8, 9))}
    assert (cells(table.frame)[:, 0] == images).all()
    assert (table.name, table.target, table.path) == ("digits", (), str((tmp_path / "digits.npy").resolve()))
    np.save(tmp_path / "s.npy", RNG.normal(size=(7, 8, 9)))
    sequence = read_arrays(tmp_path / "s.npy").frame
    assert sequence.schema == {"sequence": pl.Array(pl.Float64, (8, 9))}
    np.save(tmp_path / "r.npy", np.asfortranarray(RNG.normal(size=(7, 3)).astype(">f4")))
    assert read_arrays(tmp_path / "r.npy").frame.columns == ["x0", "x1", "x2"]
    np.save(tmp_path / "c.npy", RNG.normal(size=(7, 8, 9, 3)))
    assert read_arrays(tmp_path / "c.npy").frame.schema == {"image": pl.Array(pl.Float32, (3, 8, 9))}


NAMES = [
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("Xtrain", "ytrain", "Xtest", "ytest"),
]


@pytest.mark.parametrize("names", NAMES)
def test_npz_with_official_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    x, y = image_bytes(9, 4, 4, 3), np.arange(9) % 3
    np.savez_compressed(
        tmp_path / "set.npz",
        **dict(zip(names, (x[:6], y[:6, None], x[6:], y[6:, None]), strict=True)),
        about=np.array("words"),
    )
    table = read_arrays(tmp_path / "set.npz")
    assert table.frame["class"].to_list() == y.tolist()
    assert table.frame["split"].to_list() == ["train"] * 6 + ["test"] * 3
    assert (cells(table.frame) == x.transpose(0, 3, 1, 2)).all()
    assert (table.target, table.name) == (("class",), "set")
    assert any("'about'" in note for note in table.notes)


def test_npz_of_validation_too_and_without_test_answers(tmp_path: Path) -> None:
    x = RNG.normal(size=(6, 5))
    np.savez(
        tmp_path / "a.npz", x_test=x[4:], x_val=x[2:4], y_val=["b", "a"], x_train=x[:2], y_train=["a", "b"]
    )
    table = read_arrays(tmp_path / "a.npz")
    assert table.frame["split"].to_list() == ["train"] * 2 + ["validation"] * 2 + ["test"] * 2
    assert table.frame["class"].to_list() == ["a", "b", "b", "a", None, None]
    assert any("2 rows have no answer" in note for note in table.notes)


@pytest.mark.parametrize("names", [("X", "y"), ("images", "labels"), ("data", "target"), ("arr_0", "arr_1")])
def test_npz_of_one_part(tmp_path: Path, names: tuple[str, str]) -> None:
    np.savez(tmp_path / "a.npz", **dict(zip(names, (np.eye(4), [5, 6, 5, 6]), strict=True)))
    table = read_arrays(tmp_path / "a.npz")
    assert table.frame.columns == ["x0", "x1", "x2", "x3", "class"]
    assert table.frame["class"].to_list() == [5, 6, 5, 6]


def test_answers_of_every_form(tmp_path: Path) -> None:
    def target(y: Any) -> pl.DataFrame:
        np.savez(tmp_path / "a.npz", x=np.zeros((3, 2)), y=np.array(y))
        table = read_arrays(tmp_path / "a.npz")
        return table.frame.select(table.target)

    assert target([[1, 0, 0], [0, 0, 1], [0, 1, 0]]).to_dict(as_series=False) == {"class": [0, 2, 1]}
    assert target([[1, 0, 1], [0, 0, 1], [0, 1, 0]]).columns == ["y0", "y1", "y2"]
    assert target([0.5, 1, 2]).to_dict(as_series=False) == {"y": [0.5, 1.0, 2.0]}
    assert target([b"a", b"b", b"a"]).to_dict(as_series=False) == {"class": ["a", "b", "a"]}
    with pytest.raises(DataError, match="3 rows and answers of int64"):
        target([1, 2])


@pytest.mark.parametrize("large", [1, 1 << 26])
def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(arrays, "LARGE", large)

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    np.save(tmp_path / "o.npy", np.array([Runs()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "o.npz", x=np.array([Runs()], dtype=object))
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Runs()))
    np.save(tmp_path / "whole.npy", image_bytes(50, 8, 8))
    whole = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:1000])
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04rubbish")
    (tmp_path / "empty.npy").touch()
    for name in ("o.npy", "o.npz", "p.npy", "cut.npy", "cut.npz", "empty.npy"):
        with pytest.raises(DataError, match=f"must be whole.*{name}"):
            read_arrays(tmp_path / name)
    assert not (tmp_path / "made").exists()
    np.savez(tmp_path / "n.npz", apples=np.eye(2), pears=np.eye(2))
    with pytest.raises(DataError, match="'apples', 'pears'"):
        read_arrays(tmp_path / "n.npz")
    np.save(tmp_path / "c.npy", np.ones((3, 2), complex))
    with pytest.raises(DataError, match="array of complex128"):
        read_arrays(tmp_path / "c.npy")
    with pytest.raises(DataError, match="must exist"):
        read_arrays(tmp_path / "gone.npy")
    with pytest.raises(DataError, match=r"end in \.npy"):
        read_arrays(Path(__file__))


def test_large_npy_files_are_mapped_and_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, array in (
        ("i", image_bytes(9, 4, 5, 3)),
        ("s", RNG.normal(size=(7, 8, 9)).astype(np.float32)),
        ("r", np.asfortranarray(RNG.normal(size=(7, 3)).astype(">f4"))),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        whole = read_arrays(tmp_path / f"{name}.npy")
        with monkeypatch.context() as large:
            large.setattr(arrays, "LARGE", 1)
            mapped = read_arrays(tmp_path / f"{name}.npy")
            assert mapped.frame.equals(whole.frame)
            assert mapped.sha256 == whole.sha256
            before = mapped.frame.clone()
            np.lib.format.open_memmap(tmp_path / f"{name}.npy", "r+")[:] = 0
            assert mapped.frame.equals(before)


def test_what_is_read_as_arrays(tmp_path: Path) -> None:
    assert holds_arrays("a.npy")
    assert holds_arrays("train-images.idx3-ubyte")
    assert not holds_arrays("a.csv.gz")
    assert not holds_arrays(tmp_path)
    with pytest.raises(DataError, match="MNIST's or CIFAR's"):
        read_arrays(tmp_path)


def test_the_hash_is_of_the_contents(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.eye(3))
    np.save(tmp_path / "b.npy", np.eye(3))
    assert read_arrays(tmp_path / "a.npy").sha256 == read_arrays(tmp_path / "b.npy").sha256
    np.save(tmp_path / "b.npy", 2 * np.eye(3))
    assert read_arrays(tmp_path / "a.npy").sha256 != read_arrays(tmp_path / "b.npy").sha256
