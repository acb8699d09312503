"""Preparation: whatever comes in, finite numbers of ordinary size go out, by the training rows alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from coterie.models import preparation
from coterie.models.preparation import CLIP, TablePreparation
from coterie.models.shape import Shape

values = st.floats(width=32, allow_nan=True, allow_infinity=True)
columns = st.lists(values, min_size=0, max_size=30)
constants = st.tuples(values, st.integers(1, 20)).map(lambda one: [one[0]] * one[1])
spoilt = st.tuples(st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=20), values).map(
    lambda one: [*one[0], one[1]]
)
any_column = st.one_of(columns, constants, spoilt)
imputes = st.sampled_from(["median", "mean"])
quick = settings(max_examples=200, deadline=None)


def inputs(column: list[float] | Tensor) -> dict[str, Tensor]:
    numeric = torch.as_tensor(column, dtype=torch.float32).reshape(-1, 1)
    return {"numeric": numeric, "category": torch.zeros(len(numeric), 1, dtype=torch.int64)}


def fitted(column: list[float], impute: str = "median", indicator: bool = True) -> TablePreparation:
    prepare = TablePreparation((indicator,), impute)
    prepare.fit(inputs(column))
    return prepare


@quick
@given(train=any_column, new=any_column, impute=imputes)
def test_the_answer_is_always_finite_and_held(train: list[float], new: list[float], impute: str) -> None:
    prepare = fitted(train, impute)
    assert prepare.center.isfinite().all()
    assert prepare.scale.isfinite().all()
    assert (prepare.scale > 0).all()
    out = prepare(inputs(new))["numeric"]
    assert out.shape == (len(new), 2)
    assert out.isfinite().all()
    assert (out[:, 0].abs() <= CLIP).all()
    missing = inputs(new)["numeric"][:, 0].isnan()
    assert torch.equal(out[:, 1], missing.float())
    assert (out[missing, 0] == 0).all()


@quick
@given(train=any_column, new=columns, impute=imputes)
def test_a_larger_number_is_never_prepared_to_a_smaller_one(
    train: list[float], new: list[float], impute: str
) -> None:
    ordered = sorted(v for v in new if v == v)
    out = fitted(train, impute)(inputs(ordered))["numeric"][:, 0]
    assert (out.diff() >= 0).all()


@quick
@given(train=any_column, extra=any_column, impute=imputes)
def test_only_the_given_rows_are_fitted(train: list[float], extra: list[float], impute: str) -> None:
    """Their order, missing values among them, and other rows seen in between change nothing."""
    prepare = fitted(train, impute)
    center, scale = prepare.center.clone(), prepare.scale.clone()
    prepare.train()(inputs(extra))
    assert torch.equal(prepare.center, center)
    assert torch.equal(prepare.scale, scale)
    again = fitted([float("nan"), *reversed(train), float("nan"), float("inf")], impute)
    torch.testing.assert_close(again.center, center, rtol=1e-6, atol=0)
    torch.testing.assert_close(again.scale, scale, rtol=1e-6, atol=0)


@pytest.mark.parametrize("impute", ["mean", "median"])
def test_ordinary_numbers_are_scaled_as_scikit_learn_scales_them(impute: str) -> None:
    x = np.random.default_rng(0).normal(50, 7, (200, 1)).astype(np.float32)
    theirs = StandardScaler().fit(x)
    ours = fitted(x.tolist(), impute)
    center = theirs.mean_ if impute == "mean" else np.median(x, axis=0)
    np.testing.assert_allclose(ours.center.numpy(), center, rtol=1e-6)
    np.testing.assert_allclose(ours.scale.numpy(), theirs.scale_, rtol=1e-5)
    out = ours(inputs(x))["numeric"][:, 0].numpy()
    np.testing.assert_allclose(out, (x[:, 0] - center) / theirs.scale_, rtol=1e-4, atol=1e-4)


def test_one_mistyped_number_does_not_flatten_its_column() -> None:
    clean = [float(v) for v in range(100)]
    ours = fitted([*clean, 1e30])
    assert ours.scale.item() < 3 * fitted(clean).scale.item()
    out = ours(inputs([*clean, 1e30]))["numeric"][:, 0]
    assert out[:100].std() > 0.3
    assert out[100] == CLIP


@pytest.mark.parametrize("value", [0.0, 7.0, 1e30, -3e38, 1e-40])
def test_a_constant_becomes_zero(value: float) -> None:
    ours = fitted([value] * 5)
    assert ours.scale.item() == 1.0
    assert ours(inputs([value]))["numeric"][0, 0] == 0


@pytest.mark.parametrize("column", [[], [float("nan")] * 3, [float("inf"), float("nan")]], ids=str)
def test_a_column_without_numbers_is_left_as_it_is(column: list[float]) -> None:
    ours = fitted(column)
    assert (ours.center.item(), ours.scale.item()) == (0.0, 1.0)


def test_the_quartiles_are_numpys() -> None:
    """Seen in what is held: ten interquartile ranges about the median."""
    for n in (4, 5, 6, 7, 30):
        x = np.random.default_rng(n).exponential(2, n).astype(np.float32)
        x[0] = 1e6
        low, middle, high = np.quantile(x.astype(np.float64), (0.25, 0.5, 0.75))
        held = x.astype(np.float64).clip(middle - 10 * (high - low), middle + 10 * (high - low))
        ours = fitted(x.tolist(), "mean")
        assert ours.center.item() == pytest.approx(held.mean(), rel=1e-5)
        assert ours.scale.item() == pytest.approx(held.std(), rel=1e-5)


def test_indicators_follow_the_numbers_of_their_columns() -> None:
    prepare = TablePreparation((True, False, True), "median")
    assert prepare.width == 5
    numeric = torch.tensor([[1.0, torch.nan, 3.0], [torch.nan, 2.0, torch.nan]])
    category = torch.tensor([[1], [2]])
    prepare.fit({"numeric": numeric, "category": category})
    out = prepare({"numeric": numeric, "category": category})
    assert torch.equal(out["category"], category)
    assert torch.equal(out["numeric"][:, 3:], torch.tensor([[0.0, 0.0], [1.0, 1.0]]))


def test_it_keeps_the_dtype_it_is_given() -> None:
    prepare = fitted([1.0, 2.0, float("nan")]).double()
    out = prepare({"numeric": torch.tensor([[1.5], [torch.nan]], dtype=torch.float64), "category": None})
    assert out["numeric"].dtype == torch.float64


def test_no_columns_at_all() -> None:
    prepare, nothing = TablePreparation((), "median"), torch.zeros(3, 0)
    prepare.fit({"numeric": nothing, "category": nothing.long()})
    assert prepare({"numeric": nothing, "category": nothing.long()})["numeric"].shape == (3, 0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_images_are_looked_at_some_at_a_time(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.randint(0, 256, (40, 3, 4, 5), generator=torch.Generator().manual_seed(0)).to(dtype)
    rows = torch.tensor([*range(30, 3, -1), 39])
    kept, wanted = preparation.ImagePreparation(3), images[rows].double()
    largest, double = [0], torch.Tensor.double
    monkeypatch.setattr(preparation, "AT_ONCE", 7 * 60)
    monkeypatch.setattr(
        torch.Tensor, "double", lambda x: largest.append(len(x) if x.ndim == 4 else 0) or double(x)
    )
    kept.fit(images, rows)
    assert max(largest) == 7
    assert torch.allclose(kept.center.flatten(), wanted.mean((0, 2, 3)).float())
    assert torch.allclose(
        kept.scale.flatten(), wanted.transpose(0, 1).flatten(1).std(1, correction=0).float()
    )
    copied = preparation.ImagePreparation(3)
    copied.fit(images[rows])
    assert torch.equal(copied.center, kept.center)
    assert torch.equal(copied.scale, kept.scale)


def test_rows_are_taken_as_if_they_were_all() -> None:
    drawn = torch.Generator().manual_seed(0)
    inputs = {
        "numeric": torch.randn(20, 2, generator=drawn).double(),
        "category": torch.zeros(20, 0, dtype=torch.int64),
        "image": torch.rand(20, 1, 3, 3, generator=drawn),
        "sequence": torch.randn(20, 4, 2, generator=drawn).double(),
        "length": torch.randint(1, 5, (20,), generator=drawn),
    }
    rows = torch.tensor([3, 19, 4, 4, 0])
    shape = Shape(indicator=(False, False), image=(1, 3, 3), sequence=(4, 2))
    some, all_of_them = (preparation.prepare_for(shape) for _ in range(2))
    some.fit(inputs, rows)
    all_of_them.fit({name: column[rows] for name, column in inputs.items()})
    for mine, theirs in zip(some.buffers(), all_of_them.buffers(), strict=True):
        assert torch.equal(mine, theirs)
    assert len(list(some.buffers())) == 6
