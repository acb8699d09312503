"""Sums pixels first: PyTorch's batch normalisation, alone and for many members at once.

M members, B rows, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.testing import assert_close

from coterie.lifting.normalisation import normalised

M, B, C = 4, 6, 3
EPS = 1e-5


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X, G = drawn(M, B, C, 4, 5, seed=0) * 3 + 1, drawn(M, B, C, 4, 5, seed=1)
WEIGHT, BIAS = drawn(M, C, seed=2), drawn(M, C, seed=3)
BEFORE = drawn(C, seed=4), drawn(C, seed=5).abs()
PRESENT = torch.ones(M, B, dtype=torch.float64)
PRESENT[1, 4:] = 0  # a last batch that is not full
PRESENT[2, 1:] = 0


def loss(own: tuple[Tensor, Tensor, Tensor], present: Tensor, g: Tensor) -> Tensor:
    out = normalised(own[0], present, BEFORE, *own[1:], EPS)[0]
    return (out * g * present[:, None, None, None]).sum()


def test_every_member_is_pytorchs_batch_norm_of_the_rows_that_are_present() -> None:
    found = vmap(grad(loss))((X, WEIGHT, BIAS), PRESENT, G)
    outs, means, variances, counts = vmap(normalised, in_dims=(0, 0, None, 0, 0, None))(
        X, PRESENT, BEFORE, WEIGHT, BIAS, EPS
    )
    for m in range(M):
        rows = PRESENT[m].bool()
        plain = nn.BatchNorm2d(C, EPS).double()
        plain.weight.data, plain.bias.data = WEIGHT[m].clone(), BIAS[m].clone()
        x = X[m][rows].clone().requires_grad_()
        out = plain(x)
        expected = torch.autograd.grad((out * G[m][rows]).sum(), [x, plain.weight, plain.bias])
        assert_close(outs[m][rows], out, rtol=1e-9, atol=1e-9)
        assert_close(found[0][m][rows], expected[0], rtol=1e-9, atol=1e-9)
        assert (found[0][m][~rows] == 0).all()
        assert_close((found[1][m], found[2][m]), expected[1:], rtol=1e-9, atol=1e-9)
        assert_close(means[m], x.mean((0, 2, 3)), rtol=1e-9, atol=1e-9)
        assert_close(variances[m], x.var((0, 2, 3), correction=0), rtol=1e-9, atol=1e-9)
        assert counts[m] == rows.sum() * 20


def test_a_member_alone_is_the_member_among_others() -> None:
    together = vmap(grad(loss))((X, WEIGHT, BIAS), PRESENT, G)
    for m in range(M):
        alone = grad(loss)((X[m], WEIGHT[m], BIAS[m]), PRESENT[m], G[m])
        assert_close(alone, tuple(t[m] for t in together), rtol=1e-9, atol=1e-9)


def test_without_rows_or_with_one_pixel_what_ran_before_stands_in() -> None:
    nobody = torch.zeros(B, dtype=torch.float64)
    out, _, _, count = normalised(X[0], nobody, BEFORE, WEIGHT[0], BIAS[0], EPS)
    assert count == 0
    assert (out == 0).all()
    pixel = drawn(1, C, 1, 1, seed=6)
    out = normalised(pixel, torch.ones(1, dtype=torch.float64), BEFORE, WEIGHT[0], BIAS[0], EPS)[0]
    expected = (pixel[0, :, 0, 0] - BEFORE[0]) * torch.rsqrt(BEFORE[1] + EPS) * WEIGHT[0] + BIAS[0]
    assert_close(out[0, :, 0, 0], expected, rtol=1e-9, atol=1e-9)


def test_it_can_be_differentiated_twice() -> None:
    def one(x: Tensor) -> Tensor:
        return normalised(x, PRESENT[1], BEFORE, WEIGHT[1], BIAS[1], EPS)[0][PRESENT[1].bool()]

    assert torch.autograd.gradgradcheck(one, X[1, :, :, :2, :2].clone().requires_grad_())
