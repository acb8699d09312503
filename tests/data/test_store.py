"""Arrays in memory and arrays in files are the same arrays, and the files are gone."""

import errno
import gc
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import coterie as ct
from coterie.data import store
from coterie.data.store import Filling, filled, folder_for_files, free_memory
from coterie.errors import DataError

RNG = np.random.default_rng(0)
PARTS = [RNG.integers(0, 256, (n, 3, 4, 5), dtype=np.uint8) for n in (4, 1, 6)]
SHAPE = (11, 3, 4, 5)
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def maps(array: np.ndarray) -> bool:
    """Whether an array's memory is a file's."""
    base = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap):
            return True
        base = base.base
    return False


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_both_ways_are_equal(folder: Path, dtype: type) -> None:
    resident, mapped = (filled(iter(PARTS), SHAPE, dtype, memory) for memory in (1 << 20, 0))
    assert (maps(resident), maps(mapped)) == (False, True)
    assert resident.dtype == mapped.dtype == dtype
    assert np.array_equal(resident, np.concatenate(PARTS))
    assert np.array_equal(mapped, resident)
    tensor = torch.from_numpy(mapped)  # which warns of arrays that cannot be written to
    rows = torch.tensor([[10, 0], [4, 4]])
    assert torch.equal(tensor[rows], torch.from_numpy(resident)[rows])
    assert not list(folder.iterdir()), "the file has a name"


def test_the_limit_is_in_bytes(folder: Path) -> None:
    assert not maps(filled(iter(PARTS), SHAPE, np.uint8, 660))
    assert maps(filled(iter(PARTS), SHAPE, np.uint8, 659))
    assert maps(filled(iter(PARTS), SHAPE, np.float32, 660))
    assert filled(iter(()), (0, 1, 2, 2), np.uint8, 0).shape == (0, 1, 2, 2)


def test_without_a_limit_the_free_memory_says_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not maps(filled(iter(PARTS), SHAPE, np.uint8))
    monkeypatch.setattr(store, "free_memory", lambda: 4 * 659)
    assert maps(filled(iter(PARTS), SHAPE, np.uint8))


@linux
def test_nothing_of_the_file_stays(folder: Path) -> None:
    before = descriptors()
    array = torch.from_numpy(filled(iter(PARTS), SHAPE, np.uint8, 0))
    assert int(array.long().sum()) == sum(int(part.sum()) for part in PARTS)
    del array
    gc.collect()
    assert descriptors() == before

    def stopped():
        yield PARTS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filled(stopped(), SHAPE, np.uint8, 0)
    gc.collect()
    assert descriptors() == before
    assert not list(folder.iterdir())


def test_a_disk_without_room_is_said_before_anything_is_decoded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never():
        raise AssertionError("decoded in vain")
        yield

    usage = SimpleNamespace(total=1000, used=500, free=500)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"660 bytes of 11 images of 3 × 4 × 5.*500 bytes are free.*TMPDIR"):
        filled(never(), SHAPE, np.uint8, 0)


def test_a_disk_that_fills_up_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, **how: object) -> None:
            pass

        def write(self, data: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(store.tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match=r"must fit on the disk.*No space left on device.*--image-size"):
        filled(iter(PARTS), SHAPE, np.uint8, 0)


def test_the_folder_is_the_one_that_was_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_for_files() == folder
    for name in store.TEMPORARY:
        monkeypatch.delenv(name, raising=False)
    assert os.access(folder_for_files(), os.W_OK)


def test_free_memory_is_what_a_container_may_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < free_memory() < 1 << 50
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("active_file 5\ninactive_file 100\n")
    assert store._free_by_cgroups(tmp_path) == [400]
    (tmp_path / "memory.max").write_text("max\n")
    assert store._free_by_cgroups(tmp_path) == []
    old = tmp_path / "memory"
    old.mkdir()
    (old / "memory.limit_in_bytes").write_text("50")
    (old / "memory.usage_in_bytes").write_text("20")
    assert store._free_by_cgroups(tmp_path) == [30]
    monkeypatch.setattr(store, "_free_by_meminfo", lambda: [10])
    monkeypatch.setattr(store, "_free_by_cgroups", lambda: [30, 4])
    if sys.platform == "linux":
        assert free_memory() == 4


def test_a_study_is_the_same_either_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(24):
        at = folder / "photos" / ("light" if i % 2 else "dark")
        at.mkdir(parents=True, exist_ok=True)
        noise = RNG.integers(0, 120, (9, 12, 3), dtype=np.uint8) + 130 * (i % 2)
        Image.fromarray(noise.astype(np.uint8)).save(at / f"{i}.png")
    asked = {"models": ["linear"], "folds": 2, "candidates": 1, "epochs": 2, "image_size": 8, "rows": False}
    mapped, begin = [], Filling._begin

    def noted(filling):
        mapped.append(filling.shape)
        return begin(filling)

    monkeypatch.setattr(Filling, "_begin", noted)
    found = []
    for budget in (1 << 30, 0):
        assert not mapped
        monkeypatch.setattr(store, "budget", lambda budget=budget: budget)
        study = ct.fit(folder / "photos", out=folder / f"run-{budget}", **asked)
        probabilities = study.model.predict_proba(folder / "photos")
        found.append((study.model.flat, study.facts["winner"], probabilities))
    assert mapped == [(24, 3, 8, 8)] * 2, "once for the study, once to predict"
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert np.array_equal(found[0][2], found[1][2])
    assert not [path for path in folder.iterdir() if path.is_file()]
