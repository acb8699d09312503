"""The variational autoencoder: its bound against the truth where that is known, its settings, its samples."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from coterie.errors import SpecError
from coterie.models.draws import Draws
from coterie.models.rows import Row
from coterie.models.vae import VAE

F64 = torch.float64
NONE = torch.full((1,), -1)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def built(family: VAE, row: Row, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return family.body(row).to(F64)


def trained(body: Any, x: Tensor, label: Tensor, *, steps: int, lr: float) -> Any:
    """Whole-batch Adam, whose rate falls to 0, with a fresh key a step."""
    optimizer = torch.optim.Adam(body.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        body.key = torch.tensor(1000 + step)
        optimizer.zero_grad()
        body.losses(x, label, "").mean().backward()
        optimizer.step()
        schedule.step()
    return body.eval()


def judged(body: Any, x: Tensor, label: Tensor | None = None) -> dict[str, Any]:
    label = NONE.expand(len(x)) if label is None else label
    with torch.no_grad():
        return {name: t.mean().item() for name, t in body.judge(x, label, torch.arange(len(x))).items()}


def linear_body(deviation: str = "shared") -> tuple[Any, Tensor, Tensor]:
    """x = W z + noise of deviation 0.5, with the posterior that follows from it; W, and the covariance."""
    body = built(VAE(codes=2, hidden=(), deviation=deviation), Row(4))
    weight, variance = normal(4, 2, seed=3), 0.25
    precise = torch.linalg.inv(weight.T @ weight / variance + torch.eye(2, dtype=F64))
    # axes of the codes along which the posterior is independent, as the encoder's is
    rotation = torch.linalg.eigh(precise).eigenvectors
    weight = weight @ rotation
    precise = torch.linalg.inv(weight.T @ weight / variance + torch.eye(2, dtype=F64))
    with torch.no_grad():
        body.decoder.layers[0].weight.copy_(weight.T)
        reader = body.encoder.affine[0]
        reader.weight.zero_()
        reader.weight[:2] = precise @ weight.T / variance
        reader.bias[:2] = 0
        reader.bias[2:] = precise.diagonal().log()
        body.log_deviation.fill_(math.log(0.5 - 1e-3))
    return body, weight, weight @ weight.T + variance * torch.eye(4, dtype=F64)


def test_with_the_true_posterior_the_bound_is_the_log_likelihood() -> None:
    for deviation in ("shared", "each"):
        body, _, covariance = linear_body(deviation)
        x = normal(400, 4, seed=5) @ torch.linalg.cholesky(covariance).T
        exact = torch.distributions.MultivariateNormal(torch.zeros(4, dtype=F64), covariance).log_prob(x)
        found = body.judge(x, NONE.expand(400), torch.arange(400))["evidence_bound"]
        assert abs(found.mean() - exact.mean()) < 0.05  # of noise: eight draws a row
        assert abs((found - exact).mean()) < 4 * (found - exact).std() / 20 + 1e-9


def test_with_another_posterior_the_bound_lies_below() -> None:
    body, _, covariance = linear_body()
    x = normal(400, 4, seed=5) @ torch.linalg.cholesky(covariance).T
    best = judged(body, x)["evidence_bound"]
    with torch.no_grad():
        body.encoder.affine[0].bias[:2] += 0.3
    assert judged(body, x)["evidence_bound"] < best - 0.1


def test_training_minimises_minus_the_bound() -> None:
    body, _, covariance = linear_body()
    x = normal(400, 4, seed=5) @ torch.linalg.cholesky(covariance).T
    body.key = torch.tensor(9)
    loss = body.losses(x, NONE.expand(400), "").mean().item()
    assert abs(loss + judged(body, x)["evidence_bound"]) < 0.3


def test_codes_beat_independent_numbers_by_10_nats() -> None:
    """A row of 30 bits that say one thing: 30·log 2 nats without codes, a few with them."""
    x = (normal(200, 1, seed=1) > 0).to(F64).expand(200, 30).contiguous()
    body = built(VAE(codes=2, likelihood="bernoulli", hidden=(16,)), Row(30))
    trained(body, x, NONE.expand(200), steps=150, lr=0.02)
    found = judged(body, x)
    assert found["evidence_bound"] > -30 * math.log(2) + 10
    assert found["reconstruction_error"] < 0.01
    assert body.reconstruct(x).min() >= 0
    assert body.reconstruct(x).max() <= 1


def test_the_deviation_is_learned_and_has_a_floor() -> None:
    x = torch.cat([0.3 * normal(300, 1, seed=2), torch.zeros(300, 1, dtype=F64)], 1)
    body = built(VAE(codes=1, deviation="each", hidden=(), beta=20.0), Row(2))
    trained(body, x, NONE.expand(300), steps=300, lr=0.05)
    found = body.log_deviation.exp()
    assert abs(found[0] - 0.3) < 0.05
    assert found[1] < 0.02
    assert judged(body, x)["evidence_bound"] < 10  # finite, though a column never changes
    fixed = built(VAE(deviation="one"), Row(2))
    assert "log_deviation" not in dict(fixed.named_parameters())


def test_beta_weighs_the_divergence_which_warms_up() -> None:
    x, label = normal(8, 4), NONE.expand(8)
    losses: dict[tuple[float, int], list[float]] = {}
    for beta, steps in ((0.0, 0), (1.0, 0), (3.0, 0), (3.0, 4)):
        body = built(VAE(beta=beta, warm_up=steps), Row(4))
        losses[beta, steps] = [body.losses(x, label, "").sum().item() for _ in range(6)]
        assert body.running_step.item() == 6
    divergence = losses[1.0, 0][0] - losses[0.0, 0][0]
    assert divergence > 0
    for step, share in enumerate((0.25, 0.5, 0.75, 1, 1, 1)):
        assert math.isclose(losses[3.0, 0][step], losses[0.0, 0][0] + 3 * divergence)
        assert math.isclose(losses[3.0, 4][step], losses[0.0, 0][0] + 3 * share * divergence)


def test_beta_is_not_in_the_bound_by_which_families_are_compared() -> None:
    x = normal(8, 4)
    assert judged(built(VAE(beta=0.1), Row(4)), x) == judged(built(VAE(beta=9.0), Row(4)), x)


def test_a_conditional_one_draws_rows_of_a_class() -> None:
    label = torch.arange(300) % 3
    x = 3 * torch.nn.functional.one_hot(label, 3).to(F64) + 0.3 * normal(300, 3)
    body = built(VAE(codes=2, conditional=True, hidden=(16,)), Row(3, None, 3))
    trained(body, x, label, steps=150, lr=0.02)
    draws = Draws(torch.tensor(4), 300, F64)
    assert (body.sample(draws, label).argmax(1) == label).double().mean() > 0.95
    told, untold = judged(body, x, label), judged(body, x)
    assert told["evidence_bound"] > untold["evidence_bound"]
    # without a class it still makes rows, from codes that say too little of which
    assert body.sample(draws, NONE.expand(300)).isfinite().all()
    assert body.reconstruct(x).shape == x.shape


def test_samples_differ_by_key_and_are_spread_as_the_rows_are() -> None:
    body, weight, _ = linear_body()
    first = body.sample(Draws(torch.tensor(1), 4000, F64), NONE)
    assert not torch.equal(first, body.sample(Draws(torch.tensor(2), 4000, F64), NONE))
    torch.testing.assert_close(first.T.cov(), weight @ weight.T, rtol=0.1, atol=0.1)


def test_codes_are_the_posterior_means() -> None:
    body, weight, _ = linear_body()
    x = normal(5, 4)
    precise = torch.linalg.inv(weight.T @ weight / 0.25 + torch.eye(2, dtype=F64))
    torch.testing.assert_close(body.encode(x), x @ weight @ precise / 0.25)
    torch.testing.assert_close(body.decode(body.encode(x)), body.reconstruct(x))


def test_numbers_are_scaled_as_the_likelihood_needs() -> None:
    assert VAE().scaled() == "standard"
    assert VAE(likelihood="bernoulli").scaled() == "unit"
    assert built(VAE(), Row(4)).continuous
    assert not built(VAE(likelihood="bernoulli"), Row(4)).continuous


def test_a_conditional_one_needs_classes() -> None:
    with pytest.raises(SpecError, match="needs a label"):
        VAE(conditional=True).body(Row(4))
