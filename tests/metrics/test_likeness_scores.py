"""Samples and codes: each score where its value is known, and where it must not be deceived."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from coterie.metrics.likeness import (
    bits_per_dimension,
    cluster_agreement,
    copying,
    discrepancy,
    mode_coverage,
    nearest,
    neighbour_accuracy,
    probe_accuracy,
    two_sample_score,
)
from coterie.metrics.unsupervised import LOOKED_AT, MEASURES, mmd


def cloud(n: int, seed: int, shift: float = 0.0, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, spread, (n, 2))


# ---- two samples ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["neighbour", "logistic"])
def test_samples_of_one_distribution_cannot_be_told_apart(method: str) -> None:
    found = [two_sample_score(cloud(100, i), cloud(100, 900 + i), method=method, seed=i) for i in range(60)]
    assert {score.judged for score in found} == {100}
    assert np.mean([score.accuracy for score in found]) == pytest.approx(0.5, abs=0.025)
    assert np.mean([score.chance < 0.05 for score in found]) < 0.2


@pytest.mark.parametrize("method", ["neighbour", "logistic"])
def test_samples_that_are_elsewhere_are_told_apart(method: str) -> None:
    score = two_sample_score(cloud(200, 1), cloud(300, 2, shift=3), method=method)
    assert score.accuracy > 0.95
    assert score.chance < 1e-6
    assert score.judged == 200
    # a column in another unit counts no more
    unit = np.array([1.0, 1e6])
    again = two_sample_score(cloud(200, 1) * unit, cloud(300, 2, shift=3) * unit, method=method)
    assert again.accuracy == pytest.approx(score.accuracy, abs=0.02)


def test_another_spread_is_seen_by_neighbours_alone() -> None:
    real, made = cloud(400, 1), cloud(400, 2, spread=0.1)
    assert two_sample_score(real, made).accuracy > 0.8
    assert two_sample_score(real, made, method="logistic").accuracy < 0.65


def test_too_few_rows_or_such_as_are_not_finite_have_no_score() -> None:
    for made in (cloud(3, 1), np.full((30, 2), np.nan)):
        assert math.isnan(two_sample_score(cloud(30, 1), made).accuracy)
    assert math.isnan(discrepancy(cloud(1, 1), cloud(1, 2)).value)
    assert math.isnan(discrepancy(cloud(9, 1), np.full((9, 2), np.inf)).limit)


def test_the_discrepancy_is_the_metrics_and_its_limit_holds_as_often_as_it_says() -> None:
    real, made = cloud(2 * LOOKED_AT, 1), cloud(2 * LOOKED_AT, 2)
    output = np.concatenate([np.full((len(real), len(MEASURES)), np.nan), made, real], 1)
    assert discrepancy(real, made).value == pytest.approx(mmd(torch.from_numpy(output)).item(), abs=1e-12)
    found = [discrepancy(cloud(50, i), cloud(50, 500 + i), seed=i) for i in range(150)]
    above = np.mean([one.value > one.limit for one in found])
    assert 0.005 < above < 0.12
    assert np.mean([one.chance for one in found]) == pytest.approx(0.5, abs=0.1)
    moved = discrepancy(cloud(50, 1), cloud(50, 2, shift=1))
    assert moved.value > 3 * moved.limit
    assert moved.chance == pytest.approx(1 / 1001)


# ---- modes and copies ----------------------------------------------------------------------------------


def test_modes_that_have_samples() -> None:
    centres = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    samples = np.array([[0.1, 0], [0, -0.1], [2.2, 0], [9.0, 9.0], [0.9, 0]])
    found = mode_coverage(samples, centres, 0.25)
    assert (found.covered, found.modes, found.near) == (2, 3, 0.6)
    assert found.shares.tolist() == [0.4, 0.2, 0.0]
    assert mode_coverage(samples, centres, 0.25, fewest=2).covered == 1
    nothing = mode_coverage(samples[:0], centres, 0.25)
    assert nothing.covered == 0
    assert math.isnan(nothing.near)
    real = np.random.default_rng(0).normal(0, 0.05, (20000, 2))
    assert mode_coverage(real, centres, 0.15).near == pytest.approx(1 - math.exp(-4.5), abs=0.003)


def test_copies_are_nearer_than_other_rows() -> None:
    training, held_out = cloud(500, 1), cloud(300, 2)
    fresh = copying(cloud(300, 3), training, held_out)
    assert fresh.ratio == pytest.approx(1, abs=0.2)
    assert fresh.samples / fresh.held_out == fresh.ratio
    copies = copying(training[:50] + 1e-4, training, held_out)
    assert copies.ratio < 0.01
    assert copies.nearest.tolist() == list(range(50))
    np.testing.assert_allclose(copies.distance, math.hypot(1e-4, 1e-4), rtol=1e-6)
    assert copying(cloud(50, 4, shift=9), training, held_out).ratio > 10
    assert math.isnan(copying(training, training, training).ratio)
    assert math.isnan(copying(training[:0], training, held_out).ratio)


def test_nearest_rows_wherever_they_are_and_of_any_shape() -> None:
    rows, others = cloud(1100, 1), cloud(70, 2)
    distance, place = nearest(rows, others)
    table = np.linalg.norm(rows[:, None] - others, axis=2)
    assert np.array_equal(place, table.argmin(1))
    np.testing.assert_allclose(distance, table.min(1), rtol=1e-12)
    far, place_far = nearest(rows + 1e6, others + 1e6)
    assert np.array_equal(place_far, place)
    np.testing.assert_allclose(far, distance, rtol=1e-4, atol=1e-9)
    images = np.arange(48, dtype=np.uint8).reshape(3, 1, 4, 4)
    distance, place = nearest(images[1:], images)
    assert place.tolist() == [1, 2]
    assert not distance.any()


# ---- bits, groups, codes -------------------------------------------------------------------------------


def test_bits() -> None:
    assert bits_per_dimension(-10 * math.log(256), 10) == pytest.approx(8)  # uniform over whole numbers
    assert bits_per_dimension(0.0, 10, unit=1 / 256) == pytest.approx(8)  # the same, over 0…1
    assert bits_per_dimension(-3.0, 3, 0.5) == pytest.approx(1 / math.log(2) + 1)


def test_clusters_by_any_names() -> None:
    labels = np.repeat(["a", "b", "c"], 20)
    same = cluster_agreement(np.repeat([7, 1, 4], 20), labels)
    assert same == pytest.approx((1, 1))
    nothing = cluster_agreement(np.random.default_rng(0).integers(0, 3, 60), labels)
    assert abs(nothing.adjusted_rand) < 0.1
    assert nothing.information < 0.1
    assert cluster_agreement(np.zeros(60), labels) == pytest.approx((0, 0))
    assert all(math.isnan(score) for score in cluster_agreement(np.zeros(0), labels[:0]))


def test_codes_tell_labels_by_neighbours_and_plainly() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 400)
    plain = rng.normal(size=(400, 3)) * [1, 50, 1] + labels[:, None] * [4, 0, 0]
    half = slice(None, 200), slice(200, None)
    arguments = plain[half[0]], labels[half[0]], plain[half[1]], labels[half[1]]
    assert probe_accuracy(*arguments) > 0.95  # whatever the unit of a code
    angle = rng.uniform(0, 2 * math.pi, 400)
    rings = (1 + 2 * labels)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    arguments = rings[half[0]], labels[half[0]], rings[half[1]], labels[half[1]]
    assert neighbour_accuracy(*arguments) > 0.98
    assert probe_accuracy(*arguments) < 0.65


def test_codes_that_say_nothing() -> None:
    labels, other = np.array(["x"] * 6 + ["y"] * 2), np.array(["x", "y"])
    constant = np.ones((8, 3))
    assert neighbour_accuracy(constant, labels, constant[:2], other, neighbours=50) == 0.5
    assert probe_accuracy(constant, labels, constant[:2], other) == 0.5
    assert probe_accuracy(constant, labels[:6].repeat(2)[:8], constant[:2], other) == 0.5  # one label only
    for codes in (np.full((8, 3), np.nan), np.ones((0, 3))):
        assert math.isnan(probe_accuracy(codes, labels[: len(codes)], constant[:2], other))
        assert math.isnan(neighbour_accuracy(constant, labels, codes, labels[: len(codes)]))
