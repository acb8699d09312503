"""The smallest data of every kind of input, and the smallest study of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import coterie as ct
from coterie.study.study import Study

N = 24
RNG = np.random.default_rng(0)
BITS = np.arange(N) % 2
AB = np.where(BITS, "b", "a").tolist()
TINY: dict[str, Any] = {"candidates": 1, "folds": 2, "epochs": 1}
Given = tuple[Any, str | None, dict[str, Any]]


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (N, *shape)).astype(np.uint8)


def files(folder: Path, *names: str) -> Path:
    """A picture of each name, 6 × 5."""
    for place, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(6, 5)[place % N]).save(path)
    return folder


def ragged(least: int = 0) -> list[list[float]]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=least + i % 4).round(3).tolist() for i in range(N)]


SIGNS = [["up" if v > 0 else "down" for v in row] for row in ragged(1)]
TEXTS = [f"once there were {i} {'good' if bit else 'bad'} foxes" for i, bit in enumerate(BITS)]
NORMAL = RNG.normal(size=N).tolist()
COUNT, WORDS = list(range(N)), ["good", "bad"] * 12
SMALL = {"width": 8, "heads": 2, "depth": 1}
SEQ2SEQ: dict[str, Any] = {"models": "seq2seq", "fix": {"hidden": 8}}
ATTENTION: dict[str, Any] = {"models": "transformer", "fix": SMALL}
SHORT = [f"fox {i} {'ran' if bit else 'sat'}" for i, bit in enumerate(BITS)]


def fitted(given: Given, folder: Path) -> Study:
    data, target, options = given
    return ct.fit(data, target, out=folder / "s", **{**TINY, **options})


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def folder_of_classes(path: Path) -> Given:
    folder = files(path / "f", *(f"{name}/{i}.png" for name in "ab" for i in range(N // 2)))
    (folder / "empty").mkdir()
    return folder, None, {"models": "cnn"}


def folder_with_bad_files(path: Path) -> Given:
    folder, _, options = folder_of_classes(path)
    (folder / "a" / "no.png").write_text("no image")
    (folder / "b" / "cut.png").write_bytes((folder / "b" / "0.png").read_bytes()[:60])
    return folder, None, options


def long(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    at = {"id": np.repeat(np.arange(N), 3).tolist(), "t": np.tile([1, 2, 3], N).tolist()}
    return {**at, "v": rng.normal(size=3 * N).round(3).tolist(), **more}
