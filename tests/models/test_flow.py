"""The normalizing flow: an exact inverse and volume, a density that sums to 1, columns of few values."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from coterie.models.draws import Draws
from coterie.models.flow import Flow, RealNVP, gaps, masks
from coterie.models.rows import Row

F64 = torch.float64


def built(width: int, seed: int = 0, spread: float = 0.3, **given: object) -> RealNVP:
    """A flow away from its start, which is the identity."""
    torch.manual_seed(seed)
    body = Flow(**{"layers": 5, "hidden": (8,), **given}).body(Row(width)).to(F64)  # type: ignore[arg-type]
    assert isinstance(body, RealNVP)
    with torch.no_grad():
        for p in body.parameters():
            p.add_(spread * torch.randn_like(p))
    return body


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize("width", [1, 2, 3, 10])
def test_what_goes_in_comes_back(width: int) -> None:
    body, x = built(width), normal(6, width)
    z = body.encode(x)
    assert (z - x).abs().max() > 0.1
    torch.testing.assert_close(body.decode(z), x, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_volume_is_the_jacobians(width: int) -> None:
    body, x = built(width), normal(4, width)
    _, volume = body(x)
    for row, said in zip(x, volume, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda r: body.encode(r[None])[0], row)
        torch.testing.assert_close(said, torch.linalg.slogdet(jacobian).logabsdet)


def test_the_density_sums_to_one() -> None:
    body = built(2, spread=0.2)
    axis = torch.linspace(-12, 12, 241, dtype=F64)
    density = body.log_density(torch.cartesian_prod(axis, axis)).exp().sum() * 0.1**2
    assert density.item() == pytest.approx(1, abs=0.01)


def test_it_starts_as_the_standard_normal_density() -> None:
    torch.manual_seed(0)
    body = Flow().body(Row(3))
    x = torch.randn(5, 3)
    wanted = torch.distributions.Normal(0, 1).log_prob(x).sum(1)
    torch.testing.assert_close(body.log_density(x), wanted)  # type: ignore[operator]


@pytest.mark.parametrize("width", [2, 3, 7])
def test_every_column_is_moved_by_two_layers_on_end(width: int) -> None:
    found = masks(width, 6)
    for first, second in zip(found[::2], found[1::2], strict=True):
        assert torch.equal(first + second, torch.ones(width))
        assert 0 < first.sum() < width
    assert torch.equal(masks(1, 3)[1], torch.zeros(1))


def test_gaps_of_steps_and_none_of_continuous_columns() -> None:
    g = torch.Generator().manual_seed(0)
    hot = (torch.arange(90) % 3 == 1).float()
    halves = torch.randint(0, 9, (90,), generator=g) / 2
    x = torch.stack([hot, halves, torch.randn(90, generator=g), torch.full((90,), 7.0)], 1)
    torch.testing.assert_close(gaps(x), torch.tensor([1.0, 0.5, 0.0, 1.0]))


def test_steps_are_judged_as_probabilities() -> None:
    """Rows of a die: no density is too high, and what is said is a bound of the true log-probability."""
    torch.manual_seed(0)
    body = Flow(layers=4, hidden=(16,), noise=0.0).body(Row(1))
    assert isinstance(body, RealNVP)
    x = (torch.arange(600) % 6).float()[:, None] - 2.5
    none, place = torch.zeros(600), torch.arange(600)
    with torch.no_grad():
        body.fit(x, none)
    optimizer = torch.optim.Adam(body.parameters(), lr=0.02)
    for step in range(150):
        body.key = torch.tensor(step)
        optimizer.zero_grad()
        body.losses(x, none, "").mean().backward()
        optimizer.step()
    said = body.judge(x, none, place)["log_likelihood"].mean().item()
    assert -math.log(6) - 0.5 < said < -math.log(6) + 0.05


def test_what_is_said_of_a_row_is_the_same_in_any_batch() -> None:
    body = built(3)
    x, place = normal(8, 3), torch.arange(8) + 50
    body.gap.copy_(torch.tensor([0.0, 1.0, 0.5]))
    whole = body.judge(x, place, place)["log_likelihood"]
    assert not torch.allclose(whole, body.log_density(x))
    torch.testing.assert_close(body.judge(x[5:], place[5:], place[5:])["log_likelihood"], whole[5:])


def test_noise_differs_by_step_and_is_as_large_as_said() -> None:
    torch.manual_seed(0)
    body, x = Flow(noise=0.5).body(Row(2)), torch.zeros(4000, 2)
    first, again, other = (losses(body, x, key) for key in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    # of the standard normal density: ½·(0.5² + 0.5²) more than at 0
    assert first.mean().item() == pytest.approx(math.log(2 * math.pi) + 0.25, abs=0.02)


def losses(body: torch.nn.Module, x: Tensor, key: int) -> Tensor:
    body.key = torch.tensor(key)
    return body.losses(x, x[:, 0], "").detach()  # type: ignore[operator]


def test_it_learns_a_curve_and_samples_it() -> None:
    g = torch.Generator().manual_seed(0)
    bend = torch.randn(600, generator=g)
    x = torch.stack([bend, bend.square() - 1 + 0.2 * torch.randn(600, generator=g)], 1)
    torch.manual_seed(0)
    body = Flow(layers=4, hidden=(24,), noise=0.0).body(Row(2))
    assert isinstance(body, RealNVP)
    optimizer = torch.optim.Adam(body.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        body.losses(x, bend, "").mean().backward()
        optimizer.step()
    truth = 0.5 * (1 + math.log(2 * math.pi)) + 0.5 * (1 + math.log(2 * math.pi * 0.04))
    assert -body.log_density(x).mean().item() < truth + 0.25
    made = body.sample(Draws(torch.tensor(1), 500, torch.float32), torch.zeros(500))
    away = made[:, 1] - (made[:, 0].square() - 1)
    assert away.abs().median() < 0.3  # of a normal density it would be about 1
