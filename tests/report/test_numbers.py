"""Numbers carry the digits that their interval supports, and no more."""

import math

import pytest

from coterie.report import numbers as n


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.96412, 0.9423, 0.9834, "0.964"),  # half width 0.02: two digits of it
        (0.96412, 0.92, 1.0, "0.96"),  # half width 0.04: one
        (53.4213, 48.1, 59.0, "53"),
        (123456.0, 115000.0, 131000.0, "123,000"),
        (-0.0312, -0.05, -0.012, "−0.031"),
        (-0.0001, -0.05, 0.05, "0.00"),  # never "−0.00"
        (0.98765, None, None, "0.988"),
        (1.0, 1.0, 1.0, "1"),
        (0.99999999, 0.999999985, 0.999999995, "1.000000"),  # tight, but not tiny
        (-53.4213, -53.42130001, -53.42129999, "−53.421300"),
        (math.nan, 0.0, 1.0, "–"),
        (None, None, None, "–"),
        (math.inf, None, None, "∞"),
        (1.5e12, 1.4e12, 1.6e12, "1.50 × 10¹²"),
        (3.21e-9, 2.2e-9, 4.2e-9, "3.2 × 10⁻⁹"),
        (1e300, None, None, "1.00 × 10³⁰⁰"),
    ],
)
def test_rounded(value, low, high, text):
    assert n.rounded(value, low, high) == text


def test_value_and_interval_end_at_the_same_place():
    score = {"value": 0.96412, "low": 0.9423, "high": 0.9834}
    assert n.interval(score) == "0.942 to 0.983"
    assert n.interval({"value": 1.0, "low": None, "high": None}) == ""


def test_mean_and_error():
    assert n.mean_and_error(0.14212, 0.0112) == "0.142 ± 0.011"
    assert n.mean_and_error(0.14212, math.nan) == "0.142"


def test_percent_never_rounds_to_nothing_or_everything():
    assert [n.percent(v) for v in (0, 0.0004, 0.04, 0.123, 0.996, 0.9999, 1)] == [
        "0 %", "< 0.1 %", "4 %", "12 %", "99.6 %", "> 99.9 %", "100 %",
    ]  # fmt: skip


def test_a_share_is_perfect_only_when_it_is():
    assert n.share(0.997, 2) == "> 0.99"
    assert n.share(1.0, 2) == "1.00"
    assert n.share(0.994, 2) == "0.99"


def test_settings_durations_lists():
    assert n.setting([64, 64]) == "64, 64"
    assert n.setting(True) == "yes"
    assert n.setting([]) == "none"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.999, "0.999"),  # Adam's: not 1.00
        (0.999999, "0.999999"),
        (0.9, "0.9"),
        (1.0, "1"),
        (0.0, "0"),
        (-0.5, "−0.5"),
        (0.0077684, "0.007768"),
        (1234.56, "1235"),
        (1e-8, "10⁻⁸"),
        (3.3e-6, "3.3 × 10⁻⁶"),
        (1e6, "1,000,000"),
        (float("inf"), "∞"),
    ],
)
def test_numbers_of_a_setting_are_told_as_they_were_given(value, text):
    assert n.setting(value) == text
    assert n.duration(1) == "1 second"
    assert n.duration(21.3) == "21 seconds"
    assert n.duration(9000) == "2.5 hours"
    assert n.count(1, "row") == "1 row"
    assert n.listed(list("abc")) == "a, b and c"
    assert n.listed(list("abcdefgh"), 4) == "a, b, c and 5 more"
