"""Hyperparameters as data: what is declared is checked, printed, read back, drawn and grouped by."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie import spec
from coterie.errors import SpecError

quick = settings(max_examples=100, deadline=None)


@dataclasses.dataclass(frozen=True)
class Toy(spec.Spec):
    """One field of each kind."""

    rate: float = spec.number(
        0.1, low=0, high=1, switch=True, search=spec.linear(0.05, 0.5), help="share dropped"
    )
    pace: float = spec.number(1e-3, low=0, high=10, above=True, search=spec.log(1e-4, 1e-1), help="step")
    strength: float = spec.number(1.0, low=0, help="without an upper bound")
    depth: int = spec.integer(2, low=1, high=9, search=spec.options(1, 2, 3), help="layers")
    epochs: int = spec.integer(5, low=1, stacked=True, help="passes")
    kind: str = spec.choice("plain", ("plain", "fancy"), help="which")
    bias: bool = spec.flag(True, search=spec.options(True, False), help="whether there is one")
    hidden: tuple[int, ...] = spec.widths(
        (64, 32), high=4096, search=spec.options((8,), (16, 16)), help="units"
    )


RULES = {
    "rate": "a number from 0 to 1",
    "pace": "a number above 0 to 10",
    "strength": "a number from 0 upwards",
    "depth": "an integer from 1 to 9",
    "epochs": "an integer from 1 upwards",
    "kind": "one of plain, fancy",
    "bias": "true or false",
    "hidden": "integers separated by commas, each from 1 to 4096",
}
BAD: list[tuple[str, Any]] = [
    *(("rate", value) for value in (-0.1, 1.1, float("nan"), float("inf"), "much", None, True, [0.1])),
    *(("pace", value) for value in (0, 0.0, -1, 11)),
    *(("strength", value) for value in (-1e-9, float("inf"), float("-inf"))),
    *(("depth", value) for value in (0, 10, 1.5, "two", None, True, float("nan"), float("inf"))),
    *(("kind", value) for value in ("Plain", "", None, 3, ["plain"])),
    *(("bias", value) for value in (None, 2, "maybe", 0.0)),
    *(("hidden", value) for value in ((0,), (64, 4097), ("a",), (1.5,), None, "64;32", (True,), ((8,),))),
]


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{n}={v!r}" for n, v in BAD])
def test_what_is_out_of_bounds_is_refused_by_its_rule(name: str, value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        Toy(**{name: value})
    assert str(caught.value).startswith(f"{name} must be {RULES[name]}. Given: {spec.show(value)}.")
    assert f"For example: {name}={spec.show(spec.default(Toy, name))}." in str(caught.value)


UNREADABLE = [(n, v) for n, v in BAD if v is not True and v != (True,)]  # which read as 1


@pytest.mark.parametrize(("name", "value"), UNREADABLE, ids=[f"{n}={v!r}" for n, v in UNREADABLE])
def test_reading_refuses_the_same(name: str, value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        spec.read(Toy, name, value)
    assert str(caught.value).startswith(f"{name} must be {RULES[name]}.")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate", "0.25", 0.25),
        ("rate", "1e-2", 0.01),
        ("rate", 0, 0.0),
        ("depth", "3", 3),
        ("depth", 3.0, 3),
        ("epochs", "1e3", 1000),
        ("kind", "fancy", "fancy"),
        ("bias", "false", False),
        ("bias", "Yes", True),
        ("bias", True, True),
        ("hidden", "128,64", (128, 64)),
        ("hidden", "(128, 64)", (128, 64)),
        ("hidden", [128, 64.0], (128, 64)),
        ("hidden", "128", (128,)),
        ("hidden", 128, (128,)),
        ("hidden", "128,", (128,)),
        ("hidden", (), ()),
    ],
)
def test_reading_makes_the_fields_type(name: str, text: Any, value: Any) -> None:
    made = spec.read(Toy, name, text)
    assert made == value
    assert type(made) is type(value)


def test_a_misspelt_choice_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        SpecError, match=r"kind must be one of plain, fancy\. Given: fany\. Did you mean fancy\?"
    ):
        spec.read(Toy, "kind", "fany")
    assert spec.nearest("relo", ("relu", "tanh")) == "relu"
    assert spec.nearest("zzz", ("relu", "tanh")) is None


@quick
@given(
    rate=st.floats(0, 1),
    depth=st.integers(1, 9),
    hidden=st.lists(st.integers(1, 4096), max_size=5).map(tuple),
    bias=st.booleans(),
)
def test_what_is_within_bounds_is_taken_and_comes_back(
    rate: float, depth: int, hidden: tuple[int, ...], bias: bool
) -> None:
    toy = Toy(rate=rate, depth=depth, hidden=hidden, bias=bias)
    assert Toy(**{name: spec.read(Toy, name, value) for name, value in toy.values().items()}) == toy
    for name in ("depth", "hidden", "bias"):
        assert spec.read(Toy, name, spec.show(getattr(toy, name))) == getattr(toy, name)


@quick
@given(u=st.floats(0, 1, exclude_max=True))
def test_searches_draw_what_is_allowed_and_can_be_printed(u: float) -> None:
    for name, hyper in spec.hypers(Toy).items():
        if hyper.search is not None:
            value = hyper.search.draw(u)
            assert hyper.allows(value)
            assert spec.read(Toy, name, spec.show(value)) == value


def test_searches_reach_their_ends_and_scales() -> None:
    assert [spec.log(1e-4, 1.0).draw(u) for u in (0, 0.25, 0.5, 0.75)] == [1e-4, 1e-3, 1e-2, 1e-1]
    assert [spec.linear(2, 4).draw(u) for u in (0, 0.25, 0.5)] == [2.0, 2.5, 3.0]
    assert [spec.options("a", "b", "c").draw(u) for u in (0, 0.34, 0.67, 0.999999)] == ["a", "b", "c", "c"]
    shown = [str(search) for search in (spec.log(1e-4, 0.1), spec.linear(0, 0.5), spec.options((8,), True))]
    assert shown == ["0.0001 … 0.1 (log)", "0 … 0.5", "8 | true"]


def test_numbers_are_stacked_and_the_rest_is_structure() -> None:
    toy = Toy()
    assert toy.numbers() == {"rate": 0.1, "pace": 1e-3, "strength": 1.0, "epochs": 5.0}
    assert list(toy.values()) == list(RULES)
    assert Toy(rate=0.7, pace=2.0, strength=3.0, epochs=9).structure() == toy.structure()
    others: dict[str, Any] = {"depth": 3, "kind": "fancy", "bias": False, "hidden": (64,), "rate": 0.0}
    structures = [Toy(**{name: value}).structure() for name, value in others.items()]
    assert len({toy.structure(), *structures}) == len(others) + 1  # hashable, and each of its own


def test_own_declarations_come_first_and_plain_fields_are_not_among_them() -> None:
    @dataclasses.dataclass(frozen=True)
    class More(Toy):
        note: str = ""
        last: float = spec.number(0.5, low=0, help="one more")

    assert list(spec.hypers(More)) == ["last", *RULES]
    assert all(hyper.help for hyper in spec.hypers(More).values())
    assert spec.default(More, "last") == 0.5
    assert [hyper.stacked for hyper in spec.hypers(Toy).values()] == [
        True,
        True,
        True,
        False,
        True,
        *[False] * 3,
    ]


def test_values_are_shown_as_they_are_typed() -> None:
    shown = [spec.show(value) for value in ((64, 32), True, 0.001, 1e-9, 3, "relu", ())]
    assert shown == ["64,32", "true", "0.001", "1e-09", "3", "relu", ""]


def test_specs_are_frozen_and_comparable() -> None:
    assert Toy(rate=0.2) == Toy(rate=0.2) != Toy(rate=0.3)
    assert dataclasses.replace(Toy(), rate=0.2) == Toy(rate=0.2)
    with pytest.raises(SpecError):  # checked again
        dataclasses.replace(Toy(), rate=2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Toy().rate = 0.2  # type: ignore[misc]


# ---- several real numbers ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Told(spec.Spec):
    """Weights that are given."""

    weights: tuple[float, ...] = spec.numbers((1, 0.5), help="given weights")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,-2.5,1e-3", (1.0, -2.5, 0.001)),
        ("(1, 2)", (1.0, 2.0)),
        ("-1", (-1.0,)),
        (3, (3.0,)),
        ([1, 2.5], (1.0, 2.5)),
        ("1,", (1.0,)),
        ("", ()),
        ((), ()),
    ],
)
def test_numbers_are_read_as_numbers(text: Any, value: tuple[float, ...]) -> None:
    made = spec.read(Told, "weights", text)
    assert made == value
    assert all(type(number) is float for number in made)
    assert Told(weights=made).values() == {"weights": value}


@pytest.mark.parametrize("text", ["a", "1;2", "1,nan", "inf", None, ["1", None], [[1, 2]], {"a": 1}])
def test_what_is_no_number_is_refused_by_its_rule(text: Any) -> None:
    with pytest.raises(SpecError) as caught:
        spec.read(Told, "weights", text)
    assert str(caught.value).startswith("weights must be numbers separated by commas. Given: ")
    assert str(caught.value).endswith("For example: weights=1,0.5.")


@pytest.mark.parametrize("value", [[1.0], 1.0, "1", (float("nan"),), (True,), ("1",), None])
def test_fields_of_numbers_hold_tuples_of_finite_ones(value: Any) -> None:
    with pytest.raises(SpecError, match="numbers separated by commas"):
        Told(weights=value)


def test_numbers_are_structure() -> None:
    assert Told().numbers() == {}
    assert Told().structure() == (("weights", (1, 0.5)),)
    assert Told(weights=(1, 2)).structure() != Told(weights=(2, 1)).structure()
    assert spec.hypers(Told)["weights"].search is None


@quick
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=5).map(tuple))
def test_numbers_are_shown_so_that_they_come_back(value: tuple[float, ...]) -> None:
    assert spec.read(Told, "weights", spec.show(Told(weights=value).weights)) == value
