"""Losses of two players against the formulas, PyTorch's cross-entropy, and slopes that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from coterie.objectives import adversarial


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


REAL, FAKE = 3 * drawn(9, seed=1), 3 * drawn(9, seed=2)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_discriminator_has_cross_entropy(smoothing: float) -> None:
    def entropy(logit: Tensor, target: float) -> Tensor:
        return F.binary_cross_entropy_with_logits(logit, torch.full_like(logit, target), reduction="none")

    expected = entropy(REAL, 1 - smoothing) + entropy(FAKE, 0.0)
    found = adversarial.discriminator(REAL, FAKE, torch.tensor(smoothing, dtype=torch.float64))
    torch.testing.assert_close(found, expected)


def test_generators_against_the_formulas() -> None:
    torch.testing.assert_close(adversarial.minimax(FAKE), torch.log(1 - torch.sigmoid(FAKE)))
    torch.testing.assert_close(adversarial.nonsaturating(FAKE), -torch.log(torch.sigmoid(FAKE)))
    torch.testing.assert_close(adversarial.wasserstein(FAKE), -FAKE)


def test_the_critic_and_its_generator_play_for_zero() -> None:
    turned = adversarial.critic(torch.zeros_like(FAKE), FAKE) + adversarial.wasserstein(FAKE)
    assert torch.equal(turned, torch.zeros_like(FAKE))


def test_only_the_nonsaturating_loss_is_steep_where_the_discriminator_is_sure() -> None:
    sure = torch.tensor(-20.0, dtype=torch.float64)  # "this was made"
    assert abs(grad(adversarial.minimax)(sure)) < 1e-8
    assert abs(grad(adversarial.nonsaturating)(sure) + 1) < 1e-8


def test_losses_stay_finite_for_wild_numbers() -> None:
    wild = torch.tensor([-1e4, 1e4])
    for loss in (adversarial.minimax(wild), adversarial.nonsaturating(wild)):
        assert loss.isfinite().all()
    assert adversarial.discriminator(wild, wild.flip(0), torch.tensor(0.1)).isfinite().all()


def test_slopes_of_an_affine_judge_are_its_weights() -> None:
    weight, x = drawn(5), drawn(7, 5, seed=3)
    found = adversarial.squared_slope(lambda rows: rows @ weight + 2, x)
    torch.testing.assert_close(found, weight.square().sum().expand(7))
    torch.testing.assert_close(adversarial.two_sided(found), (weight.norm() - 1).square().expand(7))
    torch.testing.assert_close(adversarial.zero_centred(found), weight.square().sum().expand(7) / 2)


def test_slopes_are_of_each_row_by_itself() -> None:
    x = drawn(6, 3, seed=4)
    found = adversarial.squared_slope(lambda rows: rows.square().sum(1), x)  # ∇ = 2x
    torch.testing.assert_close(found, 4 * x.square().sum(1))


def test_no_slope_at_all_can_be_differentiated() -> None:
    def of(weight: Tensor) -> Tensor:
        slope = adversarial.squared_slope(lambda rows: rows @ weight, drawn(4, 3))
        return adversarial.two_sided(slope).sum()

    assert grad(of)(torch.zeros(3, dtype=torch.float64)).isfinite().all()


def test_places_between_are_on_the_line() -> None:
    real, made, share = drawn(5, 2), drawn(5, 2, seed=1), torch.tensor([0.0, 1.0, 0.5, 0.25, 0.75]).double()
    found = adversarial.between(real, made, share)
    assert torch.equal(found[0], made[0])
    assert torch.equal(found[1], real[1])
    torch.testing.assert_close(found[3], 0.25 * real[3] + 0.75 * made[3])


def test_a_penalty_is_differentiated_the_same_lifted_plain_and_by_two_backward_passes() -> None:
    judge = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)).double()
    x = drawn(6, 3, seed=5)

    def loss(weights: dict[str, Tensor]) -> Tensor:
        slope = adversarial.squared_slope(lambda rows: functional_call(judge, weights, rows)[:, 0], x)
        return adversarial.two_sided(slope).mean()

    weights = {name: p.detach() for name, p in judge.named_parameters()}
    inputs = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(judge(inputs).sum(), inputs, create_graph=True)
    expected = torch.autograd.grad(
        (slope.norm(dim=1) - 1).square().mean(), list(judge.parameters()), allow_unused=True
    )

    leaves = {name: p.clone().requires_grad_() for name, p in weights.items()}
    alone = torch.autograd.grad(
        loss(leaves), list(leaves.values()), allow_unused=True, materialize_grads=True
    )
    lifted = vmap(grad(loss))({name: torch.stack([p, 2 * p]) for name, p in weights.items()})
    for name, one, other in zip(weights, expected, alone, strict=True):
        wanted = torch.zeros_like(other) if one is None else one  # the last bias moves no slope
        torch.testing.assert_close(other, wanted)
        torch.testing.assert_close(lifted[name][0], wanted)
