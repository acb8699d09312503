"""Losses against `torch.nn.functional` and scikit-learn, values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss, mean_absolute_error, mean_squared_error
from torch import Tensor
from torch.func import vmap
from torch.nn import functional as F

from coterie.objectives import losses

B, K = 40, 5
DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0, size: float = 3.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE) * size


def classes(k: int = K) -> Tensor:
    return torch.randint(k, (B,), generator=torch.Generator().manual_seed(1))


def labels() -> Tensor:
    return torch.randint(2, (B, K), generator=torch.Generator().manual_seed(2)).to(DOUBLE)


def same(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], at: Tensor) -> None:
    """Values a row, and gradients of a weighted sum of them."""
    weight, results = normal(B, seed=9), []
    for loss in (ours, theirs):
        x = at.clone().requires_grad_()
        rows = loss(x)
        assert rows.shape == (B,)
        results.append((rows.detach(), torch.autograd.grad((rows * weight).sum(), [x])[0]))
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_categorical_cross_entropy(smoothing: float) -> None:
    target = classes()
    same(
        lambda x: losses.categorical_cross_entropy(x, target, torch.tensor(smoothing, dtype=DOUBLE)),
        lambda x: F.cross_entropy(x, target, reduction="none", label_smoothing=smoothing),
        normal(B, K),
    )


def test_without_smoothing_is_smoothing_by_0() -> None:
    """By PyTorch's own kernel, and as it is lifted."""
    target, none = classes(), torch.zeros((), dtype=DOUBLE)
    smoothed = partial(losses.categorical_cross_entropy, target=target, smoothing=none)
    same(lambda x: losses.categorical_cross_entropy(x, target), smoothed, normal(B, K))
    same(lambda x: vmap(losses.categorical_cross_entropy)(x[None], target[None])[0], smoothed, normal(B, K))
    same(
        lambda x: losses.binary_cross_entropy(x, labels()),
        lambda x: losses.binary_cross_entropy(x, labels(), none),
        normal(B, K),
    )


@pytest.mark.parametrize("lifted", [False, True])
def test_the_mean_leaves_out_what_weighs_nothing(lifted: bool) -> None:
    rows, weight = normal(4), torch.tensor([2.0, 0.0, 1.0, 0.0], dtype=DOUBLE)
    rows[1] = torch.inf
    rows.requires_grad_()
    value, total = vmap(losses.mean)(rows[None], weight[None]) if lifted else losses.mean(rows, weight)
    assert total.item() == 3
    torch.testing.assert_close(value.sum(), (2 * rows[0] + rows[2]) / 3)
    (slope,) = torch.autograd.grad(value.sum(), [rows])
    torch.testing.assert_close(slope, weight / 3)
    assert losses.mean(normal(4), torch.zeros(4, dtype=DOUBLE))[0].item() == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy(smoothing: float) -> None:
    target = labels()
    soft = target * (1 - smoothing) + smoothing / 2
    same(
        lambda x: losses.binary_cross_entropy(x, target, torch.tensor(smoothing, dtype=DOUBLE)),
        lambda x: F.binary_cross_entropy_with_logits(x, soft, reduction="none").mean(-1),
        normal(B, K),
    )


def test_two_classes_by_one_logit_or_by_two_are_the_same() -> None:
    logit, target, smoothing = normal(B, 1), classes(2), torch.tensor(0.1, dtype=DOUBLE)
    one = losses.binary_cross_entropy(logit, target[:, None].to(DOUBLE), smoothing)
    two = losses.categorical_cross_entropy(F.pad(logit, (1, 0)), target, smoothing)
    torch.testing.assert_close(one, two)


def test_cross_entropies_are_scikit_learns() -> None:
    none = torch.zeros((), dtype=DOUBLE)
    logits, target = normal(B, K), classes()
    wanted = log_loss(target, logits.softmax(1), labels=range(K))
    assert losses.categorical_cross_entropy(logits, target, none).mean().item() == pytest.approx(wanted)
    target = labels()
    by_label = [log_loss(target[:, k], logits[:, k].sigmoid(), labels=[0, 1]) for k in range(K)]
    assert losses.binary_cross_entropy(logits, target, none).mean().item() == pytest.approx(np.mean(by_label))


def test_squared_and_absolute() -> None:
    x, target = normal(B, K), normal(B, K, seed=3)
    same(lambda v: losses.squared(v, target), lambda v: F.mse_loss(v, target, reduction="none").mean(-1), x)
    same(lambda v: losses.absolute(v, target), lambda v: F.l1_loss(v, target, reduction="none").mean(-1), x)
    assert losses.squared(x, target).mean().item() == pytest.approx(mean_squared_error(target, x))
    assert losses.absolute(x, target).mean().item() == pytest.approx(mean_absolute_error(target, x))


@pytest.mark.parametrize("delta", [0.1, 1.0, 100.0])
def test_huber(delta: float) -> None:
    target = normal(B, K, seed=3)
    same(
        lambda v: losses.huber(v, target, torch.tensor(delta, dtype=DOUBLE)),
        lambda v: F.huber_loss(v, target, reduction="none", delta=delta).mean(-1),
        normal(B, K),
    )


@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_enormous_logits_have_finite_losses_and_gradients(size: float) -> None:
    none = torch.zeros(())
    x = torch.tensor([[size, -size, 0.0]], requires_grad=True)
    for loss in (
        losses.categorical_cross_entropy(x, torch.tensor([1]), none),
        losses.binary_cross_entropy(x, torch.tensor([[0.0, 1.0, 1.0]]), none),
        losses.huber(x, torch.zeros(1, 3), torch.ones(())),
    ):
        assert loss.isfinite().all()
        assert torch.autograd.grad(loss.sum(), [x])[0].isfinite().all()
