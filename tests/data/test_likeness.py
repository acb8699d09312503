"""Copies are found, and what is only similar is not called a copy."""

import io
import time

import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

from coterie.data import likeness
from coterie.data.likeness import (
    difference_hashes,
    differing,
    likeness_warning,
    near_copies,
    near_duplicates,
)

RNG = np.random.default_rng(0)


def pictures(n: int, side: int = 48, seed: int = 0) -> np.ndarray:
    """Smooth random colour images (n, 3, side, side)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 12, 12, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(image).resize((side, side))) for image in small]
    return np.stack(large).transpose(0, 3, 1, 2)


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


def test_the_hash_says_where_it_brightens() -> None:
    ramp = np.tile(np.arange(9, dtype=np.uint8), (1, 1, 8, 1))
    got = difference_hashes(np.concatenate([ramp, ramp[..., ::-1], np.full_like(ramp, 7)]))
    assert got.dtype == np.uint64
    assert got.tolist() == [2**64 - 1, 0, 0]
    step = np.zeros((1, 1, 80, 90), np.float32)
    step[0, 0, :10, 10:] = 1  # the first row of averages brightens after its first place
    assert difference_hashes(step).tolist() == [1]
    assert difference_hashes(np.repeat(np.repeat(step, 2, 2), 3, 3)).tolist() == [1]


def test_bits_are_counted() -> None:
    a, b = (RNG.integers(0, 2**64, 500, dtype=np.uint64) for _ in range(2))
    want = [(int(x) ^ int(y)).bit_count() for x, y in zip(a, b, strict=True)]
    assert differing(a, b).tolist() == want
    assert differing(np.array([0], np.uint64), np.array([2**64 - 1], np.uint64)).tolist() == [64]


@pytest.mark.parametrize("within", [0, 1, 4, 9])
def test_pairs_are_those_of_a_full_search(within: int) -> None:
    a = RNG.integers(0, 2**64, 150, dtype=np.uint64)
    b = np.concatenate([a[:80], RNG.integers(0, 2**64, 50, dtype=np.uint64), a[:10]])
    for _ in range(within):
        b[:80] ^= np.left_shift(np.uint64(1), RNG.integers(0, 64, 80).astype(np.uint64))
    want = [
        [i, j] for i in range(150) for j in range(len(b)) if (int(a[i]) ^ int(b[j])).bit_count() <= within
    ]
    assert near_duplicates(a, b, within).tolist() == want
    assert near_duplicates(a[:0], b, within).shape == (0, 2)
    assert near_duplicates(a, b[:0], within).shape == (0, 2)


def test_copies_are_found_through_all_sorts_of_change() -> None:
    images = pictures(40)
    changed = [
        images[3],
        as_jpeg(images[5], 60),
        (images[7] * 0.6 + 30).astype(np.uint8),
        np.clip(images[11] + RNG.normal(0, 4, images[11].shape), 0, 255).astype(np.uint8),
    ]
    assert near_copies(np.stack(changed), images).tolist() == [[0, 3], [1, 5], [2, 7], [3, 11]]
    half = images[[20, 30]].reshape(2, 3, 24, 2, 24, 2).mean(axis=(3, 5))
    assert near_copies(half, images).tolist() == [[0, 20], [1, 30]]
    grey = np.asarray(Image.fromarray(images[2].transpose(1, 2, 0)).convert("L"))
    assert near_copies(grey[None, None], images).tolist() == [[0, 2]]


def test_what_is_only_similar_is_no_copy() -> None:
    digits = datasets.load_digits().images.astype(np.uint8)[:, None]
    assert len(near_copies(digits[:400], digits[400:])) == 0
    assert len(near_copies(pictures(200), pictures(200, seed=1))) == 0
    assert near_copies(digits[:5], digits).tolist() == [[i, i] for i in range(5)]


def test_turned_and_mirrored_images_are_others() -> None:
    images = pictures(10)
    assert len(near_copies(images[..., ::-1], images)) == 0


def test_images_of_one_colour_are_nobodys_copies() -> None:
    blank = np.stack([np.full((1, 8, 8), v, np.uint8) for v in (0, 0, 255, 9)])
    assert len(near_copies(blank, blank)) == 0
    assert near_copies(blank[:0], blank).shape == (0, 2)


def test_one_pixel_and_one_line() -> None:
    assert len(near_copies(np.ones((3, 1, 1, 1)), np.ones((3, 1, 1, 1)))) == 0
    line = RNG.integers(0, 256, (4, 1, 1, 30))
    assert near_copies(line[[2]], line).tolist() == [[0, 2]]


def test_a_film_of_almost_one_image_does_not_take_for_ever() -> None:
    film = np.repeat(pictures(1, 16), 6000, axis=0)
    begin = time.perf_counter()
    pairs = near_copies(film[:1500], film)
    assert time.perf_counter() - begin < 10
    assert len(np.unique(pairs[:, 0])) == 1500


def test_many_hashes() -> None:
    hashes = RNG.integers(0, 2**64, 100_000, dtype=np.uint64)
    begin = time.perf_counter()
    pairs = near_duplicates(hashes[:20_000] ^ np.uint64(5), hashes, within=4)
    assert time.perf_counter() - begin < 5
    assert (pairs[:, 0] == pairs[:, 1]).sum() == 20_000


def test_the_warning() -> None:
    assert likeness_warning(np.zeros((0, 2), int), 50) is None
    one = likeness_warning(np.array([[4, 1], [4, 2]]), 50, ("a.png", "b.png"))
    assert one is not None
    assert one.startswith(
        "1 test image of 50 is a near copy of development images, such as 'a.png' of 'b.png':"
    )
    many = likeness_warning(np.array([[i, 0] for i in range(12)]), 1300) or ""
    assert many.startswith("12 test images of 1,300 are near copies of development images: the test score")


def test_rows_of_one_array_are_compared_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([pictures(40), pictures(40, seed=1)])
    images[70] = images[3] // 2 + 40
    images[[5, 60]] = 9  # of one colour: nobody's copies
    rows, other_rows = np.arange(79, 39, -1), np.arange(40)
    expected = near_copies(images[rows], images[other_rows])
    assert expected.tolist() == [[9, 3]]
    monkeypatch.setattr(likeness, "STEP", 7)
    found = near_copies(images, images, rows=rows, other_rows=other_rows)
    assert found.tolist() == expected.tolist()
    assert near_copies(images, images, rows=rows[:0], other_rows=other_rows).shape == (0, 2)
