"""Images that look alike: a fingerprint of each, pairs of near fingerprints, and pairs that are copies.

N images, P pairs, C channels, H height, W width.

The fingerprint is the difference hash (Krawetz, "Kind of like that", 2013): 8 × 9 averages of the grey image,
and for each whether it is darker than its right neighbour, 64 bits. It survives scaling, compression and
changes of brightness. Small simple images (handwritten digits, X-rays of one view) share it by chance, so
pairs that it proposes are compared pixel by pixel before anything is said of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

BITS = 64
ROWS, COLUMNS = 8, 9
WITHIN = 6  # bits by which the fingerprints of copies may differ
ALIKE = 0.99  # correlation of the pixels of copies …
SIDE = 32  # … of images brought to at most this side
CANDIDATES = 32  # images that are looked at closely for one image, at most: its nearest by fingerprint
LIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue (ITU-R BT.601)
STEP = 1024  # images that are worked on at once
PAIRS = 1 << 21  # pairs that are held at once


def near_copies(
    images: np.ndarray,
    others: np.ndarray,
    within: int = WITHIN,
    *,
    rows: np.ndarray | None = None,
    other_rows: np.ndarray | None = None,
) -> np.ndarray:
    """(P, 2) int64: places in `rows` and in `other_rows` of images that show the same picture, sorted.

    images (N, C, H, W), others (N', C, H, W): of any number type and any size each; rows, other_rows: those
    of them that are compared, None for all. Images are looked at STEP at a time and never copied as a whole,
    so both may be the same array, in a file that is mapped into memory. Copies differ by their
    size, brightness, contrast, compression, a little noise; not by turning or cropping. Images of one colour
    all over are nobody's copies. Each image is compared with the CANDIDATES of nearest fingerprints only.

    >>> rng = np.random.default_rng(0)
    >>> images = rng.integers(0, 256, (3, 1, 16, 16), dtype=np.uint8)
    >>> near_copies(images, images[1:2] // 2 + 40).tolist()
    [[1, 0]]
    """
    rows = np.arange(len(images)) if rows is None else rows
    other_rows = np.arange(len(others)) if other_rows is None else other_rows
    left, hashes = _fingerprints(images, rows)
    right, others_hashes = _fingerprints(others, other_rows)
    few = _first(others_hashes, CANDIDATES)  # frames of one film may all have one fingerprint
    right, others_hashes = right[few], others_hashes[few]
    found = [np.zeros((0, 2), np.int64)]
    for begin in range(0, len(left), STEP):
        part = near_duplicates(hashes[begin : begin + STEP], others_hashes, within)
        part[:, 0] += begin
        part = _nearest(part, hashes, others_hashes)
        places = np.stack([left[part[:, 0]], right[part[:, 1]]], axis=1)
        pairs = np.stack([rows[places[:, 0]], other_rows[places[:, 1]]], axis=1)
        found.append(places[_alike(images, others, pairs)])
    return np.concatenate(found)


def _fingerprints(images: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of those rows whose images have more than one colour, and the hashes of these."""
    places, hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for begin in range(0, len(rows), STEP):
        part = images[rows[begin : begin + STEP]]
        telling = np.flatnonzero(~_plain(part))
        places.append(begin + telling)
        hashes.append(difference_hashes(part[telling]))
    return np.concatenate(places), np.concatenate(hashes)


def difference_hashes(images: np.ndarray) -> np.ndarray:
    """(N,) uint64: the difference hash of each image of (N, C, H, W); equal neighbours are not darker."""
    hashes = np.zeros(len(images), np.uint64)
    weights = np.left_shift(np.uint64(1), np.arange(BITS, dtype=np.uint64))
    for begin in range(0, len(images), STEP):
        small = _shrunk(images[begin : begin + STEP], ROWS, COLUMNS)
        spread = np.ptp(small, axis=(1, 2), keepdims=True)
        darker = np.diff(small, axis=2) > 1e-4 * spread  # what rounding makes of equal neighbours is no edge
        hashes[begin : begin + STEP] = darker.reshape(-1, BITS) @ weights
    return hashes


def near_duplicates(hashes: np.ndarray, others: np.ndarray, within: int = WITHIN) -> np.ndarray:
    """(P, 2) int64: rows of `hashes` and of `others` that differ in at most `within` bits, sorted.

    hashes (N,), others (N',) uint64. Two numbers that differ in k bits agree in at least one of k + 1
    bands of their bits, so only those that share a band are compared.

    >>> near_duplicates(np.array([0, 255], np.uint64), np.array([254, 3], np.uint64), within=2).tolist()
    [[0, 1], [1, 0]]
    """
    left, left_rows = np.unique(hashes, return_inverse=True)
    right, right_rows = np.unique(others, return_inverse=True)
    edges = np.linspace(0, BITS, within + 2).round().astype(int)
    found = [np.zeros(0, np.int64)]
    for low, high in itertools.pairwise(edges.tolist()):
        mask = np.uint64((1 << (high - low)) - 1)
        for a, b in _equal((left >> np.uint64(low)) & mask, (right >> np.uint64(low)) & mask):
            near = differing(left[a], right[b]) <= within
            found.append(a[near] * np.int64(len(right)) + b[near])
    a, b = np.divmod(np.unique(np.concatenate(found)), max(1, len(right)))
    pairs = _rows_of(a, left_rows, b, right_rows)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) int: in how many bits the uint64 numbers of a (N,) and b (N,) differ."""
    x = a ^ b  # counted in parallel within the word: pairs of bits, nibbles, then bytes summed by a product
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((x * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)


def likeness_warning(pairs: np.ndarray, total: int, names: tuple[str, str] | None = None) -> str | None:
    """What to say of test images that are near copies of development images; None if there are none.

    pairs: (P, 2) from `near_copies(test images, development images)`. total: how many test images there are.
    names: a test image and its copy, to show one such pair.
    """
    count = len(np.unique(pairs[:, 0]))
    if count == 0:
        return None
    such = f", such as '{names[0]}' of '{names[1]}'" if names else ""
    subject = "1 test image" if count == 1 else f"{count:,} test images"
    verb = "is a near copy" if count == 1 else "are near copies"
    return (
        f"{subject} of {total:,} {verb} of development images{such}: the test score is too good. "
        "Remove the copies, or name their origin with --group."
    )


def _equal(values: np.ndarray, others: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All pairs of rows with equal values, in portions."""
    order = np.argsort(others, kind="stable")
    ordered = others[order]
    first = np.searchsorted(ordered, values, "left")
    count = np.searchsorted(ordered, values, "right") - first
    ends = np.cumsum(count)
    row = 0
    while row < len(values):
        before = ends[row - 1] if row else 0
        stop = max(row + 1, int(np.searchsorted(ends, before + PAIRS, "right")))
        portion = count[row:stop]
        a = np.repeat(np.arange(row, stop), portion)
        within = np.arange(len(a)) - np.repeat(np.cumsum(portion) - portion, portion)
        yield a, order[np.repeat(first[row:stop], portion) + within]
        row = stop


def _rows_of(a: np.ndarray, left: np.ndarray, b: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(P, 2): pairs of values as pairs of the rows that have them; left (N,), right (N',): values of rows."""
    left_order, right_order = np.argsort(left, kind="stable"), np.argsort(right, kind="stable")
    left_count, right_count = np.bincount(left), np.bincount(right)
    left_start, right_start = np.cumsum(left_count) - left_count, np.cumsum(right_count) - right_count
    wide = right_count[b]
    total = left_count[a] * wide
    pair = np.repeat(np.arange(len(a)), total)
    down, across = np.divmod(np.arange(len(pair)) - np.repeat(np.cumsum(total) - total, total), wide[pair])
    rows = left_order[left_start[a][pair] + down], right_order[right_start[b][pair] + across]
    return np.stack(rows, axis=1).astype(np.int64)


def _first(values: np.ndarray, most: int) -> np.ndarray:
    """Rows in order, without those whose value `most` earlier rows have."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    earlier = np.arange(len(values)) - np.searchsorted(ordered, ordered, "left")
    return np.sort(order[earlier < most])


def _nearest(pairs: np.ndarray, hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each row of the left, the CANDIDATES nearest of its pairs."""
    order = np.lexsort((differing(hashes[pairs[:, 0]], others[pairs[:, 1]]), pairs[:, 0]))
    pairs = pairs[order]
    starts = np.searchsorted(pairs[:, 0], pairs[:, 0], "left")
    return pairs[np.arange(len(pairs)) - starts < CANDIDATES]


def _alike(images: np.ndarray, others: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(P,) whether the pixels of each pair say the same picture."""
    height = min(SIDE, images.shape[2], others.shape[2]) if len(rows) else 1
    width = min(SIDE, images.shape[3], others.shape[3]) if len(rows) else 1
    alike = np.zeros(len(rows), bool)
    for begin in range(0, len(rows), STEP):
        part = rows[begin : begin + STEP]
        a = _standard(_shrunk(images[part[:, 0]], height, width))
        b = _standard(_shrunk(others[part[:, 1]], height, width))
        alike[begin : begin + STEP] = (a * b).sum(axis=(1, 2)) > ALIKE
    return alike


def _standard(grey: np.ndarray) -> np.ndarray:
    """Each image with mean 0 and length 1."""
    grey = grey - grey.mean(axis=(1, 2), keepdims=True)
    return grey / np.maximum(np.sqrt((grey**2).sum(axis=(1, 2), keepdims=True)), 1e-12)


def _plain(images: np.ndarray) -> np.ndarray:
    """(N,) whether an image has one colour all over."""
    if not images.size:
        return np.ones(len(images), bool)
    return (images.min(axis=(2, 3)) == images.max(axis=(2, 3))).all(axis=1)


def _shrunk(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """(N, height, width) float32: averages of the grey image over as many equal parts."""
    if images.shape[1] == 3:  # lightness, which compression keeps better than colour
        grey = np.tensordot(images.astype(np.float32), LIGHTNESS, axes=([1], [0]))
    else:
        grey = images.mean(axis=1, dtype=np.float32)
    down, across = _shares(images.shape[2], height), _shares(images.shape[3], width)
    return down @ grey @ across.T


def _shares(size: int, parts: int) -> np.ndarray:
    """(parts, size) float32: how much of a line's pixels falls into each of equal parts; rows sum to 1."""
    edges = np.arange(parts + 1) * size / parts
    pixels = np.arange(size)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shared = np.maximum(shared, 0)
    return (shared / shared.sum(axis=1, keepdims=True)).astype(np.float32)
