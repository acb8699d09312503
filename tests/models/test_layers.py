"""Layers against PyTorch's own, and what they owe the engine: padding stays out, keys decide masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coterie.models.layers import BatchNorm, Dropout
from coterie.randomness import fold


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---- batch normalisation ---------------------------------------------------------------------------------


def pair(features: int = 5, momentum: float = 0.1, eps: float = 1e-5) -> tuple[BatchNorm, nn.BatchNorm1d]:
    """Ours and PyTorch's with the same gains."""
    ours = BatchNorm(features, momentum, eps).double()
    theirs = nn.BatchNorm1d(features, eps, momentum).double()
    with torch.no_grad():
        for one in (ours, theirs):
            one.weight.copy_(drawn(features, seed=1))
            one.bias.copy_(drawn(features, seed=2))
    return ours, theirs


def gradients(layer: nn.Module, x: Tensor, weight: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    return list(torch.autograd.grad((layer(x) * weight).sum(), [x, layer.weight, layer.bias]))


@pytest.fixture(params=[True, False], ids=["fused", "written"])
def fused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PyTorch's fused kernel, as for a group of one, and as it is lifted."""
    if not request.param:
        monkeypatch.setattr("coterie.models.layers.at_once", lambda: False)


@pytest.mark.usefixtures("fused")
@pytest.mark.parametrize(("momentum", "eps"), [(0.1, 1e-5), (0.7, 1e-2)])
def test_batch_norm_is_pytorchs(momentum: float, eps: float) -> None:
    ours, theirs = pair(5, momentum, eps)
    for batch in range(4):
        x = drawn(7 + batch, 5, seed=batch) * 10 + 3
        weight = drawn(7 + batch, 5, seed=99)
        torch.testing.assert_close(ours(x), theirs(x))
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)
        for a, b in zip(gradients(ours, x, weight), gradients(theirs, x, weight), strict=True):
            torch.testing.assert_close(a, b)
    ours.eval()
    theirs.eval()
    x = drawn(6, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x[:1]), theirs(x)[:1])


def test_padding_enters_neither_statistics_nor_gradients() -> None:
    ours, theirs = pair()
    x, weight = drawn(9, 5), drawn(9, 5, seed=3)
    present = torch.tensor([1, 0, 1, 1, 0, 1, 1, 0, 1.0], dtype=torch.float64)
    real = present.bool()
    x[~real] = 1e6
    ours.present = present
    wanted = theirs(x[real])
    torch.testing.assert_close(ours(x)[real], wanted)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    found = gradients(ours, x, weight * present[:, None])  # a padded row's output enters no loss
    wanted_gradients = gradients(theirs, x[real], weight[real])
    torch.testing.assert_close(found[0][real], wanted_gradients[0])
    assert (found[0][~real] == 0).all()
    torch.testing.assert_close(found[1], wanted_gradients[1])
    torch.testing.assert_close(found[2], wanted_gradients[2])


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_for_a_variance_leave_the_statistics_alone(rows: int) -> None:
    ours, _ = pair()
    ours(drawn(8, 5) * 4 + 1)
    mean, var = ours.running_mean.clone(), ours.running_var.clone()
    x = drawn(3, 5, seed=7)
    ours.present = (torch.arange(3) < rows).double()
    out = ours(x)
    assert torch.equal(ours.running_mean, mean)
    assert torch.equal(ours.running_var, var)
    ours.eval()
    torch.testing.assert_close(out, ours(x))
    found = gradients(ours.train(), x, torch.ones(3, 5))
    assert all(g.isfinite().all() for g in found)


def test_a_constant_feature_is_finite() -> None:
    ours, theirs = pair()
    x = torch.full((6, 5), 3.0, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))
    assert all(g.isfinite().all() for g in gradients(ours, x, drawn(6, 5)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_norm_keeps_the_dtype(dtype: torch.dtype) -> None:
    layer = BatchNorm(3).to(dtype)
    assert layer(torch.randn(4, 3, dtype=dtype)).dtype == dtype
    assert layer.running_mean.dtype == layer.running_var.dtype == dtype


# ---- dropout ---------------------------------------------------------------------------------------------


def dropped(rate: float, key: int, shape: tuple[int, ...] = (200, 50)) -> Tensor:
    layer = Dropout(rate)
    layer.key = torch.tensor(fold(5, key))
    return layer(torch.ones(shape))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_that_share_and_keeps_the_mean(rate: float) -> None:
    out = torch.stack([dropped(rate, key) for key in range(20)])
    kept = (out != 0).double()
    n = kept.numel()
    assert abs(kept.mean().item() - (1 - rate)) < 5 * (rate * (1 - rate) / n) ** 0.5
    torch.testing.assert_close(out[out != 0], torch.full_like(out[out != 0], 1 / (1 - rate)))
    by_row, by_column = kept.mean((0, 2)), kept.mean((0, 1))  # no row, column or key is favoured
    for share, count in ((by_row, 1000), (by_column, 4000), (kept.mean((1, 2)), 10000)):
        assert (share - (1 - rate)).abs().max() < 6 * (rate * (1 - rate) / count) ** 0.5


def test_masks_of_two_keys_are_independent() -> None:
    masks = torch.stack([dropped(0.5, key).flatten() for key in range(8)]).sign() * 2 - 1
    correlation = torch.corrcoef(masks) - torch.eye(8)
    assert correlation.abs().max() < 5 / 10000**0.5
    shifted = torch.corrcoef(torch.stack([masks[0, 1:], masks[0, :-1]]))[0, 1]
    assert abs(shifted) < 5 / 10000**0.5
    halves = torch.corrcoef(torch.stack([masks[0, :5000], masks[0, 5000:]]))[0, 1]  # of one hash each
    assert abs(halves) < 5 / 5000**0.5


def test_the_key_decides_the_mask() -> None:
    assert torch.equal(dropped(0.3, 1), dropped(0.3, 1))
    assert not torch.equal(dropped(0.3, 1), dropped(0.3, 2))


def test_dropout_has_its_gradient_and_rests_in_use() -> None:
    layer, x = Dropout(0.4), torch.randn(30, 4, requires_grad=True)
    out = layer(x)
    (gradient,) = torch.autograd.grad(out.sum(), [x])
    torch.testing.assert_close(gradient, torch.where(out != 0, 1 / 0.6, 0.0))
    assert torch.equal(layer.eval()(x), x)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_odd_sizes(size: int) -> None:
    assert dropped(0.5, 1, (size,)).shape == (size,)
