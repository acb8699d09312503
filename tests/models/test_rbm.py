"""Restricted Boltzmann machines: the gradient that they follow, what they say of rows, what they learn."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from coterie.models.draws import Draws
from coterie.models.rbm import RBM, Couplings, ExactMachine, Machine
from coterie.models.rows import Row

F64 = torch.float64


def bars_and_stripes(size: int) -> Tensor:
    """Every picture of which all rows, or all columns, are of one colour."""
    lines = torch.tensor(list(itertools.product((0.0, 1.0), repeat=size)))
    stripes = lines[:, None, :].expand(-1, size, -1).reshape(-1, size * size)
    bars = lines[:, :, None].expand(-1, -1, size).reshape(-1, size * size)
    return torch.cat([bars, stripes]).unique(dim=0)


def built(family: RBM, width: int, seed: int = 0, scale: float = 1.0) -> Machine:
    torch.manual_seed(seed)
    body = family.body(Row(width)).double()
    assert isinstance(body, Machine)
    torch.nn.init.normal_(body.couplings.linear.weight, std=scale)
    return body


def nobody(x: Tensor) -> Tensor:
    return torch.full((len(x),), -1)


def trained(body: Machine, x: Tensor, *, steps: int, lr: float) -> Machine:
    optimizer = torch.optim.Adam(body.parameters(), lr=lr, betas=(0.5, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with torch.no_grad():
        body.fit(x, nobody(x))
    for step in range(steps):
        body.couplings.key = torch.tensor(1000 + step)
        optimizer.zero_grad()
        body.losses(x, nobody(x), "").mean().backward()
        optimizer.step()
        schedule.step()
    return body.eval()


# ---- what it follows -------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("chain", ["data", "persistent"])
def test_its_gradient_is_the_textbooks_statistics(chain: str, steps: int) -> None:
    body = built(RBM(units=5, chain=chain, steps=steps, chains=11), 7)
    v = torch.rand(6, 7, dtype=F64).round()
    couplings = body.couplings
    couplings.key = torch.tensor(99)
    weight, below, above = couplings.linear.weight, couplings.visible, couplings.linear.bias
    # the chain, by hand
    walked = v if chain == "data" else couplings.running_chains
    draws = Draws(couplings.key, len(walked), F64)
    for step in range(steps):
        h = (draws.each(2 * step, 5) < torch.sigmoid(walked @ weight.T + above)).double()
        walked = (draws.each(2 * step + 1, 7) < torch.sigmoid(h @ weight + below)).double()
    gradients = torch.autograd.grad(body.losses(v, nobody(v), "").mean(), [weight, below, above])

    def statistics(rows: Tensor) -> tuple[Tensor, ...]:
        p = torch.sigmoid(rows @ weight.T + above)
        return p.T @ rows / len(rows), rows.mean(0), p.mean(0)

    for gradient, first, last in zip(gradients, statistics(v), statistics(walked), strict=True):
        torch.testing.assert_close(gradient, -(first - last), rtol=1e-13, atol=1e-13)
    if chain == "persistent":
        assert torch.equal(couplings.running_chains, walked)
    else:
        assert not dict(couplings.named_buffers()).keys() & {"running_chains"}


def test_walking_long_enough_reaches_the_machines_own_distribution() -> None:
    body = built(RBM(units=3), 3, seed=4, scale=2.0)
    chain = body.couplings.settled(Draws(torch.tensor(5), 4000, F64), 50)
    v = body.couplings.walk(body.decode(chain).round(), 20, Draws(torch.tensor(6), 4000, F64))
    found = torch.bincount((v @ torch.tensor([4.0, 2.0, 1.0], dtype=F64)).long(), minlength=8).double() / 4000
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)), dtype=F64)
    wanted = body.couplings.log_likelihood(every).exp()
    assert wanted.max() - wanted.min() > 0.1
    torch.testing.assert_close(found, wanted.detach(), rtol=0, atol=4 * 0.5 / math.sqrt(4000))


def test_visible_biases_start_at_the_rows_log_odds() -> None:
    couplings = Couplings(3, 2, 1, 0)
    x = torch.tensor([[0.0, 1.0, 0.5]]).expand(50, 3)
    with torch.no_grad():
        couplings.start(x)
    assert couplings.down(torch.zeros(1, 2)).flatten().tolist() == pytest.approx([0.01, 0.99, 0.5], abs=0.01)


# ---- what it says ----------------------------------------------------------------------------------------


def test_small_machines_know_their_likelihood_and_large_ones_do_not() -> None:
    assert isinstance(built(RBM(units=16), 64), ExactMachine)
    assert isinstance(built(RBM(units=500), 9), ExactMachine)
    for body in (built(RBM(units=17), 64), built(RBM(units=16), 784)):
        assert not hasattr(body, "log_density")
        said = body.judge(
            torch.zeros(2, body.couplings.linear.in_features, dtype=F64), torch.zeros(2), torch.arange(2)
        )
        assert set(said) == {"pseudo_likelihood", "reconstruction_error"}
    body = built(RBM(units=3), 4)
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)), dtype=F64)
    said = body.judge(every, nobody(every), torch.arange(16))
    assert set(said) == {"log_likelihood", "pseudo_likelihood", "reconstruction_error"}
    assert said["log_likelihood"].exp().sum().item() == pytest.approx(1)


def test_of_grey_rows_it_says_less_than_of_their_black_and_white_versions() -> None:
    body = built(RBM(units=3), 4, seed=2)
    grey = torch.tensor([[0.2, 0.9, 0.5, 0.4]], dtype=F64)
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)), dtype=F64)
    chance = (every * grey + (1 - every) * (1 - grey)).prod(1)
    mean = (chance * body.couplings.log_likelihood(every)).sum()
    assert body.couplings.log_likelihood(grey) < mean


def test_pseudo_likelihood_of_wide_rows_is_that_of_all_units_in_the_mean() -> None:
    body = built(RBM(units=20), 128)
    x = torch.rand(1, 128, dtype=F64).round().expand(64, 128)
    some = body.couplings.pseudo_likelihood(x, torch.arange(64))
    each = [divergence_of(body, x[:1], unit) for unit in range(128)]
    assert some.std() > 0
    assert some[:2].mean().item() == pytest.approx(sum(each), rel=1e-9)  # even units, then odd ones


def divergence_of(body: Machine, x: Tensor, unit: int) -> float:
    flipped = x.clone()
    flipped[:, unit] = 1 - x[:, unit]
    return -torch.log1p(torch.exp(body.free_energy(x) - body.free_energy(flipped))).item()


def test_it_is_named_as_a_layer_of_a_perceptron() -> None:
    names = dict(built(RBM(units=6), 4).named_parameters())
    assert {"hidden.0.linear.weight", "hidden.0.linear.bias"} < names.keys()
    assert names["hidden.0.linear.weight"].shape == (6, 4)


# ---- what it learns --------------------------------------------------------------------------------------


def test_it_learns_bars_and_stripes() -> None:
    x = bars_and_stripes(2).double()
    assert len(bars_and_stripes(3)) == 14
    assert len(x) == 6
    body = trained(built(RBM(units=8, chains=256, steps=2), 4, scale=0.01), x, steps=500, lr=0.05)
    said = body.judge(x, nobody(x), torch.arange(6))
    assert said["log_likelihood"].mean().item() > -math.log(6) - 0.15
    assert said["reconstruction_error"].mean() < 0.05
    made = body.sample(Draws(torch.tensor(3), 64, F64), nobody(x)).round()
    real = (torch.cdist(made, x) < 0.1).any(1)
    assert real.double().mean() > 0.8
    assert len(made[real].unique(dim=0)) >= 4
