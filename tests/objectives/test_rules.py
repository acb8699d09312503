"""The losses of the first neurons: their gradients are the rules by which those learned."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from coterie.objectives.losses import least_mean_squares, mistakes

B, F, K = 12, 3, 4
DOUBLE = torch.float64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def labels(seed: int = 1) -> Tensor:
    return torch.randint(2, (B, K), generator=torch.Generator().manual_seed(seed))


def test_a_mistake_is_one_and_no_mistake_is_none() -> None:
    sums = normal(B, K)
    fired = (sums > 0).to(DOUBLE)
    assert mistakes(sums, fired.long(), fired).tolist() == [0] * B
    wrong = fired.clone()
    wrong[::3, 1] = 1 - wrong[::3, 1]
    wrong[0] = 1 - wrong[0]  # several errors of a row are one mistake
    assert mistakes(sums, wrong.long(), fired).tolist() == [float(i % 3 == 0) for i in range(B)]


def test_the_gradient_is_what_was_said_less_what_is_true() -> None:
    sums, target = normal(B, K).requires_grad_(), labels()
    fired = (sums.detach() > 0).to(DOUBLE)
    (slope,) = torch.autograd.grad(mistakes(sums, target, fired).sum(), [sums])
    assert torch.equal(slope, fired - target)


def test_a_step_of_gradient_descent_is_rosenblatts_rule() -> None:
    """w + (y − said) · x, with a rate of 1 and one row."""
    for seed in range(6):
        x, w = normal(1, F, seed=seed), normal(1, F, seed=seed + 50)
        for truth in (0, 1):
            weight = w.clone().requires_grad_()
            z = x @ weight.T
            said = (z.detach() > 0).to(DOUBLE)
            (slope,) = torch.autograd.grad(mistakes(z, torch.tensor([[truth]]), said).sum(), [weight])
            torch.testing.assert_close(w - slope, w + (truth - said) * x, rtol=0, atol=0)


def test_of_several_classes_one_is_strengthened_and_one_weakened() -> None:
    sums = torch.tensor([[1.0, 3.0, 2.0], [5.0, 1.0, 0.0]], dtype=DOUBLE, requires_grad=True)
    target = torch.tensor([[0, 0, 1], [1, 0, 0]])
    winners = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=DOUBLE)
    loss = mistakes(sums, target, winners)
    assert loss.tolist() == [1, 0]
    (slope,) = torch.autograd.grad(loss.sum(), [sums])
    assert slope.tolist() == [[0, 1, -1], [0, 0, 0]]


def test_least_mean_squares_is_the_squared_error_of_plus_and_minus_one() -> None:
    sums, target = normal(B, K).requires_grad_(), labels()
    signs = torch.where(target == 1, 1.0, -1.0).to(DOUBLE)
    loss = least_mean_squares(sums, target)
    torch.testing.assert_close(loss, (sums - signs).square().mean(-1))
    (slope,) = torch.autograd.grad(loss.sum(), [sums])
    torch.testing.assert_close(slope, 2 * (sums - signs).detach() / K)  # also of rows that are right


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [torch.int64, torch.float32, torch.bool])
def test_losses_have_the_precision_of_the_sums(dtype: torch.dtype, kind: torch.dtype) -> None:
    sums, target = normal(B, K).to(dtype), labels().to(kind)
    for loss in (least_mean_squares(sums, target), mistakes(sums, target, (sums > 0).to(dtype))):
        assert loss.shape == (B,)
        assert loss.dtype == dtype


def test_a_lifted_loss_is_each_members_own() -> None:
    sums, target = normal(5, B, K), labels()
    fired = (sums > 0).to(DOUBLE)
    together = torch.func.vmap(mistakes, (0, None, 0))(sums, target, fired)
    alone = torch.stack([mistakes(s, target, f) for s, f in zip(sums, fired, strict=True)])
    assert torch.equal(together, alone)
