"""K-means: its centres against scikit-learn's, odd data, and what training does with them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from coterie.models.kmeans import Centers, KMeans, clusters, far_apart
from coterie.models.rows import Row

CLOUDS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def clouds(rows: int = 200, spread: float = 0.5) -> tuple[Tensor, Tensor]:
    label = torch.arange(rows) % 4
    return CLOUDS[label] + spread * torch.randn(rows, 2, generator=torch.Generator().manual_seed(1)), label


def error(x: Tensor, center: Tensor) -> float:
    return torch.cdist(x, center).min(1).values.square().mean().item()


def built(x: Tensor, seed: int = 0, **given: object) -> Centers:
    torch.manual_seed(seed)
    body = KMeans(**{"centers": 4, **given}).body(Row(x.shape[1]))  # type: ignore[arg-type]
    assert isinstance(body, Centers)
    body.to(x.dtype)
    with torch.no_grad():
        body.fit(x, torch.zeros(len(x)))
    return body


def test_centres_are_where_the_clouds_are() -> None:
    x, label = clouds()
    for seed in range(3):
        body = built(x, seed)
        which = body.encode(x).argmin(1)
        assert all(len(which[label == k].unique()) == 1 for k in range(4))
        means = torch.stack([x[label == k].mean(0) for k in range(4)])
        torch.testing.assert_close(body.reconstruct(x), means[label], rtol=0, atol=1e-5)


def test_as_good_as_scikit_learns() -> None:
    from sklearn.cluster import KMeans as Theirs
    from sklearn.datasets import load_digits

    x = torch.from_numpy(load_digits().data[:200])
    torch.manual_seed(0)
    ours = error(x, clusters(x, 10, 3))
    theirs = error(x, torch.from_numpy(Theirs(10, n_init=3, random_state=0).fit(x.numpy()).cluster_centers_))
    assert ours < 1.02 * theirs


def test_they_are_at_rest() -> None:
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    torch.manual_seed(1)
    center = clusters(x, 7)
    which = torch.cdist(x, center).argmin(1)
    assert len(which.unique()) == 7
    torch.testing.assert_close(center, torch.stack([x[which == k].mean(0) for k in range(7)]))


def test_more_starts_are_never_worse_and_the_same_seed_finds_the_same() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(3))
    found = []
    for starts in (1, 8, 8):
        torch.manual_seed(4)
        found.append(clusters(x, 9, starts))
    assert error(x, found[1]) <= error(x, found[0])
    assert torch.equal(found[1], found[2])


def test_first_centres_are_far_apart() -> None:
    x, _ = clouds(spread=0.1)
    for seed in range(10):
        torch.manual_seed(seed)
        first = far_apart(x, 4)
        assert torch.cdist(first, CLOUDS).argmin(1).unique().numel() == 4


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_few_rows_are_centres_themselves(rows: int) -> None:
    x = torch.randn(rows, 2, generator=torch.Generator().manual_seed(1))
    for method in ("lloyd", "online"):
        body = built(x, method=method)
        torch.testing.assert_close(body.reconstruct(x), x)
        assert body.center.isfinite().all()


def test_rows_that_are_all_the_same() -> None:
    x = torch.full((30, 2), 3.0)
    for method in ("lloyd", "online"):
        assert torch.equal(built(x, method=method).reconstruct(x), x)


def test_what_it_says_of_a_row() -> None:
    x, _ = clouds()
    body = built(x)
    said = body.judge(x, torch.zeros(200), torch.arange(200))["reconstruction_error"]
    torch.testing.assert_close(said, (x - body.reconstruct(x)).square().mean(1))
    torch.testing.assert_close(body.encode(x), torch.cdist(x, body.center), rtol=1e-3, atol=1e-2)


def test_lloyds_centres_have_no_gradient_and_online_ones_macqueens() -> None:
    x, _ = clouds()
    body = built(x)
    (gradient,) = torch.autograd.grad(body.losses(x, torch.zeros(200), "").sum(), [body.center])
    assert torch.equal(gradient, torch.zeros_like(gradient))
    body = built(x, method="online")
    (gradient,) = torch.autograd.grad(body.losses(x, torch.zeros(200), "").sum(), [body.center])
    which = torch.cdist(x, body.center).argmin(1)
    pulls = torch.stack([(body.center[k] - x[which == k]).sum(0) for k in range(4)])
    torch.testing.assert_close(gradient, pulls, rtol=1e-4, atol=1e-4)


def test_online_steps_reach_what_lloyd_finds() -> None:
    x, _ = clouds()
    body = built(x, method="online")
    start = error(x, body.center.detach())
    optimizer = torch.optim.SGD(body.parameters(), lr=0.02)
    for step in range(200):
        part = x[torch.arange(20) + 20 * (step % 10)]
        optimizer.zero_grad()
        body.losses(part, torch.zeros(20), "").sum().backward()
        optimizer.step()
    best = error(x, built(x).center.detach())
    assert error(x, body.center.detach()) < 1.1 * best < start
