"""What one network on a GPU computes otherwise is the same to rounding. Here the CPU is taken for one.

B rows, T steps that ask, S steps that are looked at, D width, N heads.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    arena_of,
    cohort_of,
    four_members,
    small,
    small_data,
    small_recipe,
    targets_of,
)
from torch import Tensor
from torch.nn import functional as F

from coterie.lifting import alone
from coterie.models import attention, layers
from coterie.models.attention import Attention
from coterie.training.cohort import Cohort

B, T, S, D, N = 3, 5, 7, 12, 3
SEEN = torch.arange(S) < torch.tensor([7, 4, 0])[:, None]  # the last row has nothing to look at


def drawn(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def pretend(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The CPU is a GPU, outside of transforms; returns what PyTorch's attention is asked then."""
    asked: list[Any] = []

    def here(x: Tensor) -> bool:
        return x.device.type == "cpu" and torch._C._functorch.peek_interpreter_stack() is None

    def fused(*given: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        asked.append((attn_mask is not None, is_causal))
        return plainly(*given, attn_mask=attn_mask, is_causal=is_causal)

    plainly = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", fused)
    monkeypatch.setattr(alone, "alone_on_gpu", here)
    monkeypatch.setattr(attention, "alone_on_gpu", here)
    monkeypatch.setattr(layers, "alone_on_gpu", here)
    return asked


@pytest.mark.parametrize(
    ("steps", "masked", "causal", "asks"),
    [
        (T, False, False, (False, False)),
        (S, False, True, (False, True)),  # for which there is flash attention
        (T, False, True, (True, False)),  # the last T of S steps
        (1, False, True, (True, False)),
        (T, True, False, (True, False)),
        (S, True, True, (True, False)),
    ],
)
def test_fused_attention_is_what_is_written_out(
    steps: int, masked: bool, causal: bool, asks: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = Attention(D, N).double()
    x, memory, weight = drawn(B, steps, D, seed=1), drawn(B, S, D, seed=2), drawn(B, steps, D, seed=3)
    given = (x, memory, SEEN if masked else None, causal)
    wanted = layer(*given)
    gradients = torch.autograd.grad((wanted * weight).sum(), [x, memory, *layer.parameters()])
    asked = pretend(monkeypatch)
    got = layer(*given)
    assert asked == [asks]
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)
    again = torch.autograd.grad((got * weight).sum(), [x, memory, *layer.parameters()])
    for ours, theirs in zip(again, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_weights_that_are_dropped_by_hash_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Attention(D, N, dropout=0.5).double()
    x = drawn(B, T, D, seed=1)
    asked = pretend(monkeypatch)
    layer(x, x)
    assert not asked
    layer.eval()(x, x)
    assert asked


def trained(name: str, members: int, *, asked: list[Any] | None = None, **given: Any) -> Cohort:
    """After three whole batches; asked: what they ask for."""
    family = small(FAMILIES[name], **given)
    arena = arena_of(small_data(family, targets_of(type(family))[-4:][0]), dtype=torch.float64)
    cohort = cohort_of(four_members(family, small_recipe(lr=1e-3, eps=1e-2))[:members], arena)
    draw = cohort.draw()
    if asked is not None:
        asked.clear()  # what building it asked
    for _ in range(3):
        cohort.advance(draw)
    return cohort


@pytest.mark.parametrize("name", ["bert", "gpt", "transformer", "vit", "diffusion"])
def test_a_network_alone_learns_the_same_with_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {} if name == "diffusion" else {"dropout": 0.0}
    plain = trained(name, 1, **settings)
    asked = pretend(monkeypatch)
    fused = trained(name, 1, asked=asked, **settings)
    assert asked or name == "diffusion"  # of a table it looks at nothing
    torch.testing.assert_close(fused.flat, plain.flat, rtol=1e-8, atol=1e-10)


def test_members_together_are_lifted_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = trained("bert", 3, dropout=0.0)
    asked = pretend(monkeypatch)
    assert torch.equal(trained("bert", 3, asked=asked, dropout=0.0).flat, plain.flat)
    assert not asked


@pytest.mark.parametrize("name", ["cnn", "lenet", "alexnet", "vgg", "googlenet", "resnet", "vit"])
def test_maps_with_channels_last_give_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = trained(name, 1)
    pretend(monkeypatch)
    beside = trained(name, 1)
    torch.testing.assert_close(beside.flat, plain.flat, rtol=1e-8, atol=1e-9)
    for key, buffer in plain.buffers.items():
        torch.testing.assert_close(beside.buffers[key], buffer, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("name", "norm"), [("mlp", "batch"), ("cnn", "batch"), ("resnet", "")])
def test_batch_statistics_without_padding_are_pytorchs(
    name: str, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"norm": norm} if norm else {}
    with monkeypatch.context() as patch:
        patch.setattr(layers, "at_once", lambda: False)
        plain = trained(name, 1, **settings)
    asked: list[Any] = []
    plainly = F.batch_norm
    monkeypatch.setattr(F, "batch_norm", lambda *given: asked.append(given) or plainly(*given))
    fused = trained(name, 1, **settings)
    assert asked
    torch.testing.assert_close(fused.flat, plain.flat, rtol=1e-8, atol=1e-9)
    for key, buffer in plain.buffers.items():
        torch.testing.assert_close(fused.buffers[key], buffer, rtol=1e-8, atol=1e-9)


def test_a_batch_may_be_padded_unless_it_is_known_to_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = layers.BatchNorm(3), torch.randn(4, 3)
    before = layer(x)
    layer.present = torch.ones(4)
    monkeypatch.setattr(F, "batch_norm", None)
    torch.testing.assert_close(layer(x), before)


def test_maps_are_arranged_on_a_gpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(2, 3, 4, 5)
    assert not alone.alone_on_gpu(x)
    assert alone.arranged(x) is x
    pretend(monkeypatch)
    assert alone.arranged(x).is_contiguous(memory_format=torch.channels_last)
