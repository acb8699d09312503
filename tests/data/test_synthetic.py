"""Made data sets: the truth that each docstring states, found again in the set."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_digits

from coterie.data import synthetic
from coterie.data.bundled import SETS
from coterie.data.read import read
from coterie.data.synthetic import (
    LETTERS,
    SYNTHETIC,
    markov_chain,
    markov_entropy_rate,
    reversed_chain,
    source_evidence,
)

SMALL = {
    "blobs": lambda seed: synthetic.blobs(300, seed=seed),
    "moons": lambda seed: synthetic.moons(300, seed=seed),
    "circles": lambda seed: synthetic.circles(300, seed=seed),
    "spirals": lambda seed: synthetic.spirals(300, seed=seed),
    "shapes": lambda seed: synthetic.shapes(30, 16, seed=seed),
    "adding": lambda seed: synthetic.adding(50, 20, seed=seed),
    "copy": lambda seed: synthetic.copying(50, seed=seed),
    "reversal": lambda seed: synthetic.reversal(50, seed=seed),
    "parity": lambda seed: synthetic.parity(50, seed=seed),
    "signals": lambda seed: synthetic.signals(20, seed=seed),
    "markov-text": lambda seed: synthetic.markov_text(20, seed=seed),
    "ring": lambda seed: synthetic.ring(50, seed=seed),
    "grid": lambda seed: synthetic.grid(50, seed=seed),
    "bars": lambda seed: synthetic.bars_and_stripes(times=3, seed=seed),
    "two-sources": lambda seed: synthetic.two_sources(20, seed=seed),
}


def plain(columns: dict) -> dict:
    return {name: pl.Series(values).to_list() for name, values in columns.items()}


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_is_a_set(name: str) -> None:
    make = SMALL[name]
    assert plain(make(3)[0]) == plain(make(3)[0])
    assert plain(make(3)[0]) != plain(make(4)[0])


@pytest.mark.parametrize("name", SYNTHETIC)
def test_every_set_is_read_by_its_name(name: str) -> None:
    assert name in SETS
    table = read(name)
    columns, target, about = SYNTHETIC[name]()
    assert table.target == target
    assert set(table.frame.columns) == set(columns)
    assert table.frame.height == len(columns[target[0]])
    assert not any(table.frame.null_count().row(0))
    assert about


# ---- tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "function"),
    [("and", lambda a, b: a and b), ("or", lambda a, b: a or b), ("xor", lambda a, b: a != b)],
)
def test_logic_in_the_order_of_a_truth_table(name: str, function) -> None:
    columns, _, _ = SYNTHETIC[name]()
    rows = list(zip(columns["x1"].tolist(), columns["x2"].tolist(), strict=True))
    assert rows == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert columns["y"].tolist() == [int(function(a, b)) for a, b in rows]


def test_celsius_in_fahrenheit() -> None:
    columns, _, _ = synthetic.celsius()
    assert np.array_equal(columns["fahrenheit"], 1.8 * columns["celsius"] + 32)
    known = dict(zip(columns["celsius"].tolist(), columns["fahrenheit"].tolist(), strict=True))
    assert known[-40.0] == -40.0
    assert known[0.0] == 32.0


def test_bishops_ten_points() -> None:
    columns, _, _ = synthetic.sine()
    x, t = columns["x"], columns["t"]
    assert x.tolist() == [i / 9 for i in range(10)]
    assert (t[0], t[2], t[6], t[9]) == (0.349486, 1.007332, -0.848307, 0.261502)
    assert abs(t - np.sin(2 * math.pi * x)).std() < 0.3


def test_blobs_have_their_centres() -> None:
    columns, _, _ = synthetic.blobs(3000)
    points = np.stack([columns["x1"], columns["x2"]], 1)
    centres = [points[columns["class"] == c].mean(0) for c in "abc"]
    np.testing.assert_allclose(centres, [[0, 0], [4, 1], [1, 4]], atol=0.15)
    spread = [points[columns["class"] == c].std(0) for c in "abc"]
    np.testing.assert_allclose(spread, 1, atol=0.1)
    assert min(math.dist(a, b) for a in centres for b in centres if a is not b) > 3.9


def test_moons_without_noise_are_half_circles() -> None:
    columns, _, _ = synthetic.moons(200, noise=0)
    x, y, first = columns["x1"], columns["x2"], columns["class"] == "a"
    np.testing.assert_allclose(np.hypot(x, y)[first], 1)
    np.testing.assert_allclose(np.hypot(x - 1, y - 0.5)[~first], 1)
    assert (y[first] >= 0).all()
    assert (y[~first] <= 0.5).all()


def test_circles_without_noise_have_their_radii() -> None:
    columns, _, _ = synthetic.circles(200, noise=0)
    radius = np.hypot(columns["x1"], columns["x2"])
    np.testing.assert_allclose(radius, np.where(columns["class"] == "a", 1.0, 0.5))


def test_an_arm_of_the_spiral_is_the_other_turned_by_half_a_circle() -> None:
    columns, _, _ = synthetic.spirals(400, noise=0)
    x, y = columns["x1"], columns["x2"]
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    half = np.where(columns["class"] == "a", 0.0, math.pi)
    off = angle - 2 * math.pi * 1.75 * radius - half
    np.testing.assert_allclose(np.cos(off), 1, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "number", "radii"), [("ring", 8, [2.0]), ("grid", 25, [0, 2, 8**0.5, 4, 20**0.5, 32**0.5])]
)
def test_modes_have_their_centres_and_their_spread(name: str, number: int, radii: list[float]) -> None:
    columns, target, _ = SYNTHETIC[name]()
    points = np.stack([columns["x1"], columns["x2"]], 1)
    centres = {"ring": synthetic.ring_centres, "grid": synthetic.grid_centres}[name]()
    assert centres.shape == (number, 2)
    assert sorted({round(math.hypot(*c), 9) for c in centres}) == pytest.approx(sorted(radii))
    apart = {"ring": 4 * math.sin(math.pi / 8), "grid": 2.0}[name]
    nearest = [sorted(math.dist(a, b) for b in centres)[1] for a in centres]
    np.testing.assert_allclose(nearest, apart)
    mode = columns["mode"]
    assert target == ("mode",)
    assert sorted(set(mode)) == [chr(ord("a") + k) for k in range(number)]
    own = centres[[ord(m) - ord("a") for m in mode]]
    np.testing.assert_allclose((points - own).std(0), 0.05, rtol=0.1)
    np.testing.assert_allclose((points - own).mean(0), 0, atol=0.005)
    assert min(Counter(mode.tolist()).values()) > len(mode) / number * 0.6
    assert tuple(centres[0]) == {"ring": (2, 0), "grid": (-4, -4)}[name]


# ---- images --------------------------------------------------------------------------------------------


def test_bars_and_stripes_are_fourteen_images_equally_often() -> None:
    columns, _, _ = SYNTHETIC["bars"]()
    images = columns["image"].to_numpy()
    assert images.shape == (700, 1, 3, 3)
    assert set(np.unique(images)) == {0, 255}
    assert set(Counter(image.tobytes() for image in images).values()) == {50}
    assert len({image.tobytes() for image in images}) == 14
    for image, name in zip(images[:, 0], columns["pattern"], strict=True):
        down, across = (image == image[:1]).all(), (image == image[:, :1]).all()
        assert name == {(True, False): "bars", (False, True): "stripes", (True, True): "plain"}[down, across]
    assert Counter(columns["pattern"].tolist()) == {"bars": 300, "stripes": 300, "plain": 100}
    assert len(set(columns["pattern"][:50])) == 3, "in random order"
    larger, _, _ = synthetic.bars_and_stripes(4, 1)
    assert larger["image"].to_numpy().shape == (30, 1, 4, 4)


def test_digits_are_scikit_learns() -> None:
    columns, _, _ = synthetic.digits_images()
    bunch = load_digits()
    images = columns["image"].to_numpy()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.uint8
    assert np.array_equal(images[:, 0], bunch.images)
    assert np.array_equal(columns["digit"], bunch.target)


def test_shapes_are_as_large_as_their_form_says() -> None:
    """Without noise a form is one paint on one ground; by its area in its box it can be told."""
    columns, _, _ = synthetic.shapes(90, 48, noise=0)
    images, label = columns["image"].to_numpy()[:, 0], columns["shape"]
    share = {"square": 1.0, "disc": math.pi / 4, "triangle": 0.5}
    for image, name in zip(images, label, strict=True):
        assert len(np.unique(image)) == 2
        inside = image == image.max()
        rows, across = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = (rows[-1] - rows[0] + 1) * (across[-1] - across[0] + 1)
        assert inside.sum() / box == pytest.approx(share[name], abs=0.1), name
        assert 48 * 0.28 <= across[-1] - across[0] + 1 <= 48 * 0.7
    assert set(label) == set(share)


def test_shapes_of_any_size_in_colour_and_turned() -> None:
    columns, _, _ = synthetic.shapes(12, 20, colour=True)
    assert columns["image"].to_numpy().shape == (12, 3, 20, 20)
    upright, turned = (synthetic.shapes(12, 20, noise=0, turned=t)[0]["image"].to_numpy() for t in (0, 1))
    assert not np.array_equal(upright, turned)


# ---- sequences -----------------------------------------------------------------------------------------


def test_adding_is_the_sum_of_the_two_that_are_marked() -> None:
    columns, _, _ = synthetic.adding(4000, 21)
    steps = columns["steps"].to_numpy()
    assert steps.shape == (4000, 21, 2)
    value, mark = steps[..., 0], steps[..., 1]
    assert set(np.unique(mark)) == {0.0, 1.0}
    assert (mark[:, :10].sum(1) == 1).all()
    assert (mark[:, 10:].sum(1) == 1).all()
    two = value[mark == 1].reshape(-1, 2)
    np.testing.assert_allclose(columns["sum"], two.sum(1))
    assert np.square(columns["sum"] - 1).mean() == pytest.approx(1 / 6, rel=0.05)


def test_copies_and_reversals() -> None:
    columns, _, _ = synthetic.copying(200, longest=6, symbols=5)
    assert columns["written"] == columns["source"]
    assert {len(text.split()) for text in columns["source"]} == set(range(1, 7))
    assert {word for text in columns["source"] for word in text.split()} == {f"s{k}" for k in range(5)}
    columns, _, _ = synthetic.reversal(200, longest=6, symbols=5)
    for source, written in zip(columns["source"], columns["written"], strict=True):
        assert written.split() == source.split()[::-1]
        assert len(source.split()) == 6


def test_parity_of_bits_that_are_never_the_same() -> None:
    columns, _, _ = synthetic.parity(500, longest=12)
    for bits, said in zip(columns["bits"], columns["parity"], strict=True):
        assert set(bits) <= {0, 1}
        assert 1 <= len(bits) <= 12
        assert said == ("odd" if sum(bits) % 2 else "even")
    assert len(set(map(tuple, columns["bits"]))) == 500


def test_signals_have_the_form_that_they_are_called() -> None:
    columns, _, _ = synthetic.signals(300, noise=0)
    assert set(columns["wave"]) == {"sine", "square", "sawtooth", "triangle"}
    for signal, name in zip(columns["signal"], columns["wave"], strict=True):
        x = np.array(signal)
        assert 60 <= len(x) <= 120
        assert 0.7 < abs(x).max() <= 1.2 + 1e-9
        rise = np.diff(x)
        if name == "square":
            assert len(np.unique(abs(x))) == 1
            continue
        jumps = int((abs(rise) > 1).sum())
        assert jumps <= 9
        assert (jumps >= 2) == (name == "sawtooth"), name  # three periods or more: two falls at least
        pace = np.abs(np.diff(rise))
        bends = (pace > 1e-9).mean()  # a triangle is straight but at its corners
        assert (bends > 0.9) == (name == "sine"), (name, bends)


# ---- texts ---------------------------------------------------------------------------------------------


def test_the_chain_is_a_chain_and_its_rate_is_below_that_of_letters_alone() -> None:
    chain = markov_chain()
    assert chain.shape == (len(LETTERS),) * 2
    np.testing.assert_allclose(chain.sum(1), 1)
    assert (chain >= 0).all()
    stationary = np.linalg.matrix_power(chain, 200)[0]
    rows = -(chain * np.log(np.maximum(chain, 1e-300))).sum(1)
    assert markov_entropy_rate() == pytest.approx(stationary @ rows, rel=1e-9)
    assert markov_entropy_rate() < -(stationary * np.log(stationary)).sum()


def test_the_texts_have_the_entropy_rate_that_is_known() -> None:
    """By counts of pairs: few against the counts, the estimate is near what the chain says."""
    columns, _, _ = synthetic.markov_text()
    texts = columns["text"]
    assert len(texts) == 3000
    assert {len(text) for text in texts} == {64}
    pairs = Counter(pair for text in texts for pair in pairwise(text))
    before = Counter(text[i] for text in texts for i in range(63))
    total = sum(pairs.values())
    rate = -sum(n / total * math.log(n / before[a]) for (a, _), n in pairs.items())
    assert rate == pytest.approx(markov_entropy_rate(), abs=0.004)
    chain = markov_chain()
    for (a, b), n in pairs.items():
        wanted = chain[LETTERS.index(a), LETTERS.index(b)]
        assert n / before[a] == pytest.approx(wanted, abs=6 * math.sqrt(0.25 / before[a]))


def test_the_first_letter_is_as_likely_as_any_other() -> None:
    columns, _, _ = synthetic.markov_text(4000)
    first, last = (Counter(text[place] for text in columns["text"]) for place in (0, -1))
    for letter in LETTERS:
        assert first[letter] / 4000 == pytest.approx(last[letter] / 4000, abs=0.05)


def test_the_other_source_is_the_first_read_backward() -> None:
    """It has the same letters equally often, and is as uncertain: by neither can they be told apart."""
    chain, back = markov_chain(), reversed_chain()
    likely = np.linalg.matrix_power(chain, 200)[0]
    np.testing.assert_allclose(back.sum(1), 1)
    np.testing.assert_allclose(likely @ back, likely)
    np.testing.assert_allclose(likely[:, None] * back, (likely[:, None] * chain).T)
    assert abs(chain - back).max() > 0.3
    columns, target, _ = synthetic.two_sources()
    texts, source = np.array(columns["text"]), columns["source"]
    assert (len(texts), {len(text) for text in texts}, target) == (3000, {64}, ("source",))
    assert 0.45 < (source == "forward").mean() < 0.55
    assert set("".join(texts)) == set("abcdefghi")
    shares = []
    for name, wanted in (("forward", chain), ("backward", back)):
        own = texts[source == name]
        pairs = Counter(pair for text in own for pair in pairwise(text))
        for a in range(9):
            drawn = np.array([pairs["abcdefghi"[a], b] for b in "abcdefghi"])
            np.testing.assert_allclose(drawn / drawn.sum(), wanted[a], atol=0.03)
        shares.append([np.mean([text.count(letter) for text in own]) / 64 for letter in "abcdefghi"])
    np.testing.assert_allclose(*shares, atol=0.01)


def test_the_evidence_tells_the_sources() -> None:
    columns, _, _ = synthetic.two_sources(400)
    said = np.array([source_evidence(text) > 0 for text in columns["text"]])
    assert (said == (columns["source"] == "forward")).mean() > 0.99
    chain, back = markov_chain(), reversed_chain()
    assert source_evidence("aib") == pytest.approx(
        math.log(chain[0, 8] * chain[8, 1]) - math.log(back[0, 8] * back[8, 1])
    )
