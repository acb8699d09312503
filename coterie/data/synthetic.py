"""Data sets that are made, not measured, so that the truth is known: each function's docstring says it.

Every maker takes its sizes and a seed; the set of a name is one fixed call. Images and sequences are cells of
a column: arrays (N, C, H, W) and (N, T, F).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from string import ascii_letters
from typing import Any

import numpy as np
import polars as pl

Made = tuple[dict[str, Any], tuple[str, ...], str]  # columns, target, what it is
MODE = 0.05  # deviation of a mode of `ring` and `grid`


def logic(truth: tuple[int, int, int, int], name: str) -> Made:
    """The truth table of a function of two bits: (0,0), (0,1), (1,0), (1,1)."""
    columns = {"x1": np.array([0, 0, 1, 1]), "x2": np.array([0, 1, 0, 1]), "y": np.array(truth)}
    return columns, ("y",), f"the truth table of {name}"


def celsius() -> Made:
    """fahrenheit = 1.8 · celsius + 32, exactly, at seven temperatures."""
    degrees = np.array([-40.0, -10.0, 0.0, 8.0, 15.0, 22.0, 38.0])
    columns = {"celsius": degrees, "fahrenheit": 1.8 * degrees + 32}
    return columns, ("fahrenheit",), "seven temperatures in two units"


def sine() -> Made:
    """t = sin 2πx + noise of deviation 0.3 at x = i/9: the ten points of Bishop (2006, figure 1.2)."""
    t = [0.349486, 0.830839, 1.007332, 0.971507, 0.133066]
    t += [0.166823, -0.848307, -0.445686, -0.563567, 0.261502]
    return {"x": np.arange(10) / 9, "t": np.array(t)}, ("t",), "ten noisy points of a sine (Bishop, 2006)"


def blobs(rows: int = 600, seed: int = 0) -> Made:
    """Three round Gaussian clouds of deviation 1, their centres at distance 4 or more: nearly separable."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, rows)
    centres = np.array([[0.0, 0.0], [4.0, 1.0], [1.0, 4.0]])
    return _points(centres[label] + rng.normal(size=(rows, 2)), label, "three Gaussian clouds")


def moons(rows: int = 600, noise: float = 0.2, seed: int = 0) -> Made:
    """Two interleaved half circles of radius 1 with Gaussian noise."""
    rng = np.random.default_rng(seed)
    label, angle = rng.integers(0, 2, rows), rng.uniform(0, math.pi, rows)
    x = np.where(label, 1 - np.cos(angle), np.cos(angle))
    y = np.where(label, 0.5 - np.sin(angle), np.sin(angle))
    points = np.stack([x, y], 1) + rng.normal(scale=noise, size=(rows, 2))
    return _points(points, label, "two interleaved half circles")


def circles(rows: int = 600, noise: float = 0.1, seed: int = 0) -> Made:
    """A circle of radius ½ within one of radius 1, with Gaussian noise."""
    rng = np.random.default_rng(seed)
    label, angle = rng.integers(0, 2, rows), rng.uniform(0, 2 * math.pi, rows)
    radius = np.where(label, 0.5, 1.0)[:, None]
    points = radius * np.stack([np.cos(angle), np.sin(angle)], 1) + rng.normal(scale=noise, size=(rows, 2))
    return _points(points, label, "a circle within a circle")


def spirals(rows: int = 1000, turns: float = 1.75, noise: float = 0.02, seed: int = 0) -> Made:
    """Two arms of a spiral, each the other turned by half a circle (Lang & Witbrock, 1988)."""
    rng = np.random.default_rng(seed)
    label, along = rng.integers(0, 2, rows), np.sqrt(rng.uniform(0.01, 1, rows))
    angle = 2 * math.pi * turns * along + math.pi * label
    points = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _points(points + rng.normal(scale=noise, size=(rows, 2)), label, "two arms of a spiral")


def ring(rows: int = 2000, modes: int = 8, radius: float = 2.0, noise: float = MODE, seed: int = 0) -> Made:
    """Gaussian modes of deviation `noise`, evenly on a circle from (radius, 0) on: `ring_centres`.

    All are as likely. The label is the mode, a, b, c, … against the clock.
    """
    return _modes(ring_centres(modes, radius), rows, noise, seed, f"{modes} Gaussians on a circle")


def ring_centres(modes: int = 8, radius: float = 2.0) -> np.ndarray:
    """(modes, 2): the centres of `ring`."""
    angle = 2 * math.pi * np.arange(modes) / modes
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def grid(rows: int = 2500, side: int = 5, gap: float = 2.0, noise: float = MODE, seed: int = 0) -> Made:
    """side × side Gaussian modes of deviation `noise`, `gap` apart, around 0: `grid_centres`, all as likely.

    The label is the mode, a, b, c, … along x1, then x2: a is at the lower left.
    """
    return _modes(grid_centres(side, gap), rows, noise, seed, f"{side} × {side} Gaussians in a square")


def grid_centres(side: int = 5, gap: float = 2.0) -> np.ndarray:
    """(side², 2): the centres of `grid`."""
    line = gap * (np.arange(side) - (side - 1) / 2)
    return np.stack([np.tile(line, side), np.repeat(line, side)], 1)


def _modes(centres: np.ndarray, rows: int, noise: float, seed: int, about: str) -> Made:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(centres), rows)
    points = centres[label] + rng.normal(scale=noise, size=(rows, 2))
    columns = {"x1": points[:, 0], "x2": points[:, 1], "mode": np.array(list(ascii_letters))[label]}
    return columns, ("mode",), about


def _points(points: np.ndarray, label: np.ndarray, about: str) -> Made:
    columns = {"x1": points[:, 0], "x2": points[:, 1], "class": np.array(["a", "b", "c"])[label]}
    return columns, ("class",), about


def bars_and_stripes(side: int = 3, times: int = 50, seed: int = 0) -> Made:
    """Images 1 × side × side of 0 and 255: each column (bars) or each row (stripes) is of one colour.

    2 · 2^side − 2 patterns (14 for 3 × 3), each `times` times, in random order: the best possible mean
    log-likelihood is −ln 14 nats. Black and white all over is both, and is called plain.
    MacKay, "Information theory, inference, and learning algorithms", 2003, chapter 43.
    """
    bits = np.arange(2**side)[:, None] >> np.arange(side) & 1  # (2^side, side)
    bars = np.repeat(bits[:, None, :], side, 1)
    stripes = bars.transpose(0, 2, 1)[1:-1]
    patterns = np.concatenate([bars, stripes])[:, None].astype(np.uint8) * 255
    names = np.array(["plain", *["bars"] * (len(bars) - 2), "plain", *["stripes"] * len(stripes)])
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(patterns)), times))
    columns = {"image": pl.Series(patterns[order]), "pattern": names[order]}
    return columns, ("pattern",), f"bars and stripes, {side} × {side}, every pattern {times} times"


def digits_images() -> Made:
    """The 1,797 handwritten digits of scikit-learn as images 1 × 8 × 8, pixels from 0 to 16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)[:, None]
    columns = {"image": pl.Series(images), "digit": bunch.target.astype(np.int64)}
    return columns, ("digit",), "8 × 8 images of handwritten digits, as images"


def shapes(
    rows: int = 1500,
    size: int = 32,
    colour: bool = False,
    noise: float = 0.15,
    turned: bool = False,
    seed: int = 0,
) -> Made:
    """Filled squares, discs and triangles of any place and size, grey or colour, in Gaussian noise.

    The side, or diameter, is from a third to two thirds of the image's side. Upright unless `turned`: then by
    any angle. noise: its deviation, in units of the full range of 0 to 255.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, rows)
    radius = rng.uniform(1 / 6, 1 / 3, rows)[:, None, None]
    centre = rng.uniform(0.33, 0.67, (2, rows))[:, :, None, None]
    angle = (rng.uniform(0, 2 * math.pi, rows) if turned else np.zeros(rows))[:, None, None]
    y, x = np.mgrid[0:size, 0:size] / size + 0.5 / size
    across, down = x - centre[0], y - centre[1]
    u = np.cos(angle) * across + np.sin(angle) * down
    v = np.cos(angle) * down - np.sin(angle) * across
    square = np.maximum(abs(u), abs(v)) < radius * 0.9
    disc = u**2 + v**2 < radius**2
    triangle = (v < radius * 0.8) & (2 * abs(u) - v < radius)
    inside = np.choose(label[:, None, None], [square, disc, triangle])[:, None]
    channels = 3 if colour else 1
    ground = rng.uniform(0.1, 0.35, (rows, channels, 1, 1))
    paint = rng.uniform(0.6, 0.9, (rows, channels, 1, 1))
    image = np.where(inside, paint, ground) + rng.normal(scale=noise, size=(rows, channels, size, size))
    pixels = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    columns = {"image": pl.Series(pixels), "shape": np.array(["square", "disc", "triangle"])[label]}
    return columns, ("shape",), f"squares, discs and triangles in noise, {size} × {size}"


def adding(rows: int = 6000, steps: int = 100, seed: int = 0) -> Made:
    """The adding problem: the sum of the two of `steps` numbers of [0, 1] that are marked by a 1 beside them.

    One mark is in the first half, one in the second. Always answering 1 has a mean squared error of 1/6.
    Hochreiter & Schmidhuber, "Long short-term memory", 1997.
    """
    rng = np.random.default_rng(seed)
    value, mark = rng.uniform(size=(rows, steps)), np.zeros((rows, steps))
    half = steps // 2
    for low, high in ((0, half), (half, steps)):
        mark[np.arange(rows), rng.integers(low, high, rows)] = 1
    columns = {"steps": pl.Series(np.stack([value, mark], 2)), "sum": (value * mark).sum(1)}
    return columns, ("sum",), f"the adding problem over {steps} steps"


def copying(rows: int = 2000, longest: int = 10, symbols: int = 20, seed: int = 0) -> Made:
    """A text of 1 to `longest` random symbols, to be written again as it is."""
    return _symbols(rows, longest, symbols, seed, lambda words: words, "texts to be copied")


def reversal(rows: int = 4000, longest: int = 10, symbols: int = 20, seed: int = 0) -> Made:
    """A text of `longest` random symbols, to be written from its end to its beginning."""
    made = _symbols(rows, longest, symbols, seed, lambda w: w[::-1], "texts to be reversed", even=True)
    return made


def _symbols(
    rows: int,
    longest: int,
    symbols: int,
    seed: int,
    change: Callable[[list[str]], list[str]],
    about: str,
    even: bool = False,
) -> Made:
    rng = np.random.default_rng(seed)
    lengths = np.full(rows, longest) if even else rng.integers(1, longest + 1, rows)
    texts = [[f"s{k}" for k in rng.integers(0, symbols, length)] for length in lengths]
    columns = {"source": [" ".join(t) for t in texts], "written": [" ".join(change(t)) for t in texts]}
    return columns, ("written",), about


def parity(rows: int = 2000, longest: int = 20, seed: int = 0) -> Made:
    """1 to `longest` random bits, no row twice: is the number of ones even or odd? One bit that is missed
    spoils it."""
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < rows:
        drawn[tuple(rng.integers(0, 2, rng.integers(1, longest + 1)).tolist())] = None
    bits = [list(row) for row in drawn]
    columns = {"bits": bits, "parity": ["odd" if sum(b) % 2 else "even" for b in bits]}
    return columns, ("parity",), "bits whose sum is even or odd"


def signals(rows: int = 1000, noise: float = 0.3, seed: int = 0) -> Made:
    """Sine, square, sawtooth and triangle waves of 60 to 120 steps, any phase, 3 to 8 periods, in noise."""
    rng = np.random.default_rng(seed)
    names = np.array(["sine", "square", "sawtooth", "triangle"])
    label = rng.integers(0, 4, rows)
    waves = []
    for k in label:
        steps = int(rng.integers(60, 121))
        phase = (np.arange(steps) / steps * rng.uniform(3, 8) + rng.uniform()) % 1
        wave = (
            np.sin(2 * math.pi * phase),
            np.where(phase < 0.5, 1.0, -1.0),
            2 * phase - 1,
            4 * abs(phase - 0.5) - 1,
        )[k]
        waves.append((rng.uniform(0.8, 1.2) * wave + rng.normal(scale=noise, size=steps)).tolist())
    return {"signal": waves, "wave": names[label]}, ("wave",), "waves of four forms, in noise"


LETTERS = "abcdefgh "
SOLID = "abcdefghi"


def markov_chain() -> np.ndarray:
    """(9, 9): from each of LETTERS to each other, a few likely followers each; rows sum to 1."""
    return np.random.default_rng(1).dirichlet(np.full(len(LETTERS), 0.35), size=len(LETTERS))


def markov_entropy_rate() -> float:
    """Nats a character of `markov_text`: Σ πᵢ · H(row i), with the stationary distribution π."""
    chain = markov_chain()
    values, vectors = np.linalg.eig(chain.T)
    stationary = np.real(vectors[:, np.argmax(np.real(values))])
    stationary = stationary / stationary.sum()
    return float(-(stationary[:, None] * chain * np.log(np.maximum(chain, 1e-300))).sum())


def markov_text(rows: int = 3000, length: int = 64, seed: int = 0) -> Made:
    """Texts of a first-order Markov chain over nine characters, begun in its stationary distribution.

    Its entropy rate is known: `markov_entropy_rate()` nats a character, which no model can go below.
    """
    chains = np.broadcast_to(markov_chain(), (rows, len(LETTERS), len(LETTERS)))
    texts = _walks(chains, length, np.random.default_rng(seed), LETTERS)
    return {"text": texts}, ("text",), "texts of known entropy rate"


def reversed_chain() -> np.ndarray:
    """(9, 9): `markov_chain` read from the end to the beginning, πⱼ · chain[j, i] / πᵢ from i to j."""
    chain = markov_chain()
    likely = np.linalg.matrix_power(chain, 1000)[0]  # the stationary distribution π
    return chain.T * likely / likely[:, None]


def two_sources(rows: int = 3000, length: int = 64, seed: int = 0) -> Made:
    """Texts of `markov_chain`, labelled forward, or of `reversed_chain`, labelled backward, each as likely.

    Both have the same letters equally often, the same pairs of neighbours but for their order, and the same
    entropy rate: only the order tells them apart, and it tells every line of 64 letters (`source_evidence`).
    The letters are a to i (i is `markov_text`'s blank): so texts are cut into letters, not words.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    texts = _walks(np.stack([markov_chain(), reversed_chain()])[label], length, rng, SOLID)
    columns = {"text": texts, "source": np.array(["forward", "backward"])[label]}
    return columns, ("source",), "texts of a source, and of the same source read backward"


def source_evidence(text: str) -> float:
    """ln p(text | forward) − ln p(text | backward) of `two_sources`: by its sign, nobody can do better."""
    place = np.array([SOLID.index(letter) for letter in text])
    logs = np.log(np.maximum(np.stack([markov_chain(), reversed_chain()]), 1e-300))
    return float((logs[0] - logs[1])[place[:-1], place[1:]].sum())


def _walks(chains: np.ndarray, length: int, rng: np.random.Generator, alphabet: str) -> list[str]:
    """A text of each row's own chain (N, 9, 9)."""
    rows = np.arange(len(chains))
    edges = np.cumsum(chains, axis=2)
    state = rng.integers(0, len(LETTERS), len(chains))
    texts = np.zeros((len(chains), length), dtype=np.int64)
    for t in range(-50, length):  # fifty steps forget the start
        passed = edges[rows, state] < rng.uniform(size=(len(chains), 1))
        state = np.minimum(passed.sum(1), len(LETTERS) - 1)
        if t >= 0:
            texts[:, t] = state
    letters = np.array(list(alphabet))
    return ["".join(letters[row]) for row in texts]


SYNTHETIC: dict[str, Callable[[], Made]] = {
    "and": lambda: logic((0, 0, 0, 1), "and"),
    "or": lambda: logic((0, 1, 1, 1), "or"),
    "xor": lambda: logic((0, 1, 1, 0), "exclusive or"),
    "celsius": celsius,
    "sine": sine,
    "blobs": blobs,
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "ring": ring,
    "grid": grid,
    "bars": bars_and_stripes,
    "digits-images": digits_images,
    "shapes": shapes,
    "adding": adding,
    "copy": copying,
    "reversal": reversal,
    "parity": parity,
    "signals": signals,
    "markov-text": markov_text,
    "two-sources": two_sources,
}
