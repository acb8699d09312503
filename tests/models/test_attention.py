"""Attention and the Transformer's block against PyTorch's own, with its weights copied over.

B rows, T steps that ask, S steps that are looked at, D width, N heads.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.attention import Attention, Block, Kept, Positions, sinusoids

B, T, S, D, N, H = 3, 5, 7, 12, 3, 20
SEEN = torch.arange(S) < torch.tensor([7, 4, 1])[:, None]  # (B, S), True for real steps
OWN = torch.arange(T) < torch.tensor([5, 2, 3])[:, None]  # (B, T)
ALL = torch.ones(B, T, dtype=torch.bool)
Pairs = list[tuple[Tensor, list[Tensor]]]
LATER = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)  # PyTorch's masks are True where nothing is seen


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def unlike(layer: nn.Module) -> None:
    """Random values everywhere, biases and gains too, so that nothing is right by being 0 or 1."""
    with torch.no_grad():
        for place, parameter in enumerate(layer.parameters()):
            parameter.copy_(drawn(*parameter.shape, seed=100 + place) * 0.4)


def told(theirs: nn.MultiheadAttention, ours: Attention) -> Pairs:
    """PyTorch's parameters, and those of ours that they hold one above the other."""
    projections = (ours.query, ours.key, ours.value)
    return [
        (theirs.in_proj_weight, [p.weight for p in projections]),
        (theirs.in_proj_bias, [p.bias for p in projections]),
        (theirs.out_proj.weight, [ours.out.weight]),
        (theirs.out_proj.bias, [ours.out.bias]),
    ]


def copy(pairs: Pairs) -> None:
    with torch.no_grad():
        for theirs, ours in pairs:
            theirs.copy_(torch.cat(ours))


def same_gradients(got: Tensor, wanted: Tensor, inputs: list[Tensor], pairs: Pairs) -> None:
    weight = drawn(*got.shape, seed=9)
    ours = [own for _, several in pairs for own in several]
    mine = torch.autograd.grad((got * weight).sum(), [*inputs, *ours])
    other = torch.autograd.grad((wanted * weight).sum(), [*inputs, *[theirs for theirs, _ in pairs]])
    for a, b in zip(mine, other[: len(inputs)], strict=False):
        close(a, b)
    rest = iter(mine[len(inputs) :])
    for (_, several), b in zip(pairs, other[len(inputs) :], strict=True):
        close(torch.cat([next(rest) for _ in several]), b)


def attentions() -> tuple[Attention, nn.MultiheadAttention]:
    ours = Attention(D, N).double()
    unlike(ours)
    theirs = nn.MultiheadAttention(D, N, batch_first=True).double()
    copy(told(theirs, ours))
    return ours, theirs


# ---- attention -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [False, True])
def test_attention_to_a_memory_is_pytorchs(masked: bool) -> None:
    ours, theirs = attentions()
    x, memory = drawn(B, T, D).requires_grad_(), drawn(B, S, D, seed=1).requires_grad_()
    got, weights = ours.look(x, memory, SEEN if masked else None)
    wanted, their_weights = theirs(
        x, memory, memory, key_padding_mask=~SEEN if masked else None, average_attn_weights=False
    )
    close(got, wanted)
    close(weights, their_weights)
    same_gradients(got, wanted, [x, memory], told(theirs, ours))


@pytest.mark.parametrize("masked", [False, True])
def test_causal_attention_is_pytorchs(masked: bool) -> None:
    ours, theirs = attentions()
    x = drawn(B, T, D).requires_grad_()
    got = ours(x, x, OWN if masked else None, causal=True)
    wanted = theirs(x, x, x, key_padding_mask=~OWN if masked else None, attn_mask=LATER)[0]
    close(got, wanted)
    same_gradients(got, wanted, [x], told(theirs, ours))


def test_fewer_questions_than_steps_are_the_last_ones() -> None:
    ours, _ = attentions()
    x = drawn(B, T, D)
    close(ours(x[:, -2:], x, causal=True), ours(x, x, causal=True)[:, -2:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_with_nothing_to_look_at_is_finite(dtype: torch.dtype) -> None:
    ours = attentions()[0].to(dtype)
    x = drawn(B, T, D).to(dtype).requires_grad_()
    mask = OWN.clone()
    mask[1] = False
    out, weights = ours.look(x, x, mask, causal=True)
    assert (weights[1] == 0).all()
    torch.testing.assert_close(out[1], ours.out.bias.expand(T, D))
    gradients = torch.autograd.grad(out.square().sum(), [x, *ours.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert (gradients[0][1] == 0).all()


def test_weights_are_shares_of_what_may_be_seen() -> None:
    ours, _ = attentions()
    weights = ours.look(drawn(B, T, D), drawn(B, S, D, seed=1), SEEN)[1]
    close(weights.sum(-1), torch.ones(B, N, T, dtype=torch.float64))
    assert (weights * ~SEEN[:, None, None] == 0).all()


def test_dropout_of_weights_averages_to_none() -> None:
    layer = Attention(D, N, dropout=0.5).double()
    unlike(layer)
    x = drawn(1, T, D)
    usual = layer.eval()(x, x)
    layer.train()
    total = torch.zeros_like(usual)
    for key in range(600):
        layer.dropout.key = torch.tensor(key)
        total += layer(x, x) / 600
    assert not torch.equal(layer(x, x), usual)
    torch.testing.assert_close(total, usual, rtol=0, atol=0.12 * usual.abs().max().item())


# ---- blocks ----------------------------------------------------------------------------------------------


def encoders(norm_first: bool, kind: str) -> tuple[Block, nn.TransformerEncoderLayer, Pairs]:
    ours = Block(D, N, H, norm_first=norm_first, activation=kind).double()
    unlike(ours)
    theirs = nn.TransformerEncoderLayer(
        D, N, H, dropout=0.0, activation=kind, batch_first=True, norm_first=norm_first
    ).double()
    pairs = told(theirs.self_attn, ours.attention)
    pairs += affine(theirs.linear1, ours.feed[0]) + affine(theirs.linear2, ours.feed[2])
    pairs += affine(theirs.norm1, ours.attention_norm) + affine(theirs.norm2, ours.feed_norm)
    copy(pairs)
    return ours, theirs, pairs


def affine(theirs: nn.Module, ours: nn.Module) -> Pairs:
    return [(theirs.weight, [ours.weight]), (theirs.bias, [ours.bias])]


def decoders(norm_first: bool) -> tuple[Block, nn.TransformerDecoderLayer, Pairs]:
    ours = Block(D, N, H, norm_first=norm_first, activation="relu", cross=True).double()
    unlike(ours)
    theirs = nn.TransformerDecoderLayer(
        D, N, H, dropout=0.0, activation="relu", batch_first=True, norm_first=norm_first
    ).double()
    assert ours.cross is not None
    pairs = told(theirs.self_attn, ours.attention) + told(theirs.multihead_attn, ours.cross)
    pairs += affine(theirs.linear1, ours.feed[0]) + affine(theirs.linear2, ours.feed[2])
    pairs += affine(theirs.norm1, ours.attention_norm) + affine(theirs.norm2, ours.cross_norm)
    pairs += affine(theirs.norm3, ours.feed_norm)
    copy(pairs)
    return ours, theirs, pairs


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
@pytest.mark.parametrize(("masked", "causal"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("kind", ["gelu", "relu"])
def test_a_block_is_pytorchs_encoder_layer(norm_first: bool, masked: bool, causal: bool, kind: str) -> None:
    ours, theirs, pairs = encoders(norm_first, kind)
    x = drawn(B, T, D).requires_grad_()
    got = ours(x, OWN if masked else None, causal)
    wanted = theirs(x, LATER if causal else None, ~OWN if masked else None)
    close(got, wanted)
    same_gradients(got, wanted, [x], pairs)


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_block_with_a_memory_is_pytorchs_decoder_layer(norm_first: bool, masked: bool) -> None:
    ours, theirs, pairs = decoders(norm_first)
    x, memory = drawn(B, T, D).requires_grad_(), drawn(B, S, D, seed=1).requires_grad_()
    seen = SEEN if masked else None
    got = ours(x, causal=True, memory=memory, memory_mask=seen)
    wanted = theirs(x, memory, LATER, memory_key_padding_mask=~SEEN if masked else None)
    close(got, wanted)
    same_gradients(got, wanted, [x, memory], pairs)


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
def test_where_a_block_looks_is_pytorchs_mean_over_heads(norm_first: bool) -> None:
    ours, theirs, _ = decoders(norm_first)
    x, memory = drawn(B, T, D), drawn(B, S, D, seed=1)
    asked: list[Tensor] = []
    theirs.multihead_attn.register_forward_pre_hook(lambda _, given: asked.append(given[0]))
    theirs(x, memory, LATER, memory_key_padding_mask=~SEEN)
    wanted = theirs.multihead_attn(asked[0], memory, memory, key_padding_mask=~SEEN)[1]
    close(ours.looks(x, memory, SEEN), wanted)


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
@pytest.mark.parametrize("pieces", [(1, 1, 1, 1, 1), (2, 1, 2), (5,)])
def test_step_by_step_equals_all_at_once(norm_first: bool, pieces: tuple[int, ...]) -> None:
    ours, _, _ = decoders(norm_first)
    x, memory = drawn(B, T, D), drawn(B, S, D, seed=1)
    kept: Kept | None = None
    made = []
    for piece in x.split(pieces, dim=1):
        out, kept = ours.continued(piece, kept, memory, SEEN)
        made.append(out)
    close(torch.cat(made, dim=1), ours(x, causal=True, memory=memory, memory_mask=SEEN))
    assert kept is not None
    assert kept[0].shape == kept[1].shape == (B, N, T, D // N)


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
def test_padding_changes_no_real_step(norm_first: bool) -> None:
    ours, _, _ = encoders(norm_first, "gelu")
    x = drawn(B, T, D)
    other = torch.where(OWN[..., None], x, 1e3)
    real = OWN[..., None]
    close(ours(x, OWN) * real, ours(other, OWN) * real)


def test_a_block_lifts_with_its_gradients() -> None:
    ours, _, _ = decoders(True)
    names = [name for name, _ in ours.named_parameters()]
    stacked = {
        n: torch.stack([p.detach() * (1 + m / 5) for m in range(2)]) for n, p in ours.named_parameters()
    }
    x, memory = drawn(2, B, T, D), drawn(2, B, S, D, seed=1)

    def loss(parameters: dict[str, Tensor], x: Tensor, memory: Tensor) -> Tensor:
        given = {"causal": True, "memory": memory, "memory_mask": SEEN}
        return torch.func.functional_call(ours, parameters, (x,), given).square().sum()

    lifted = torch.func.vmap(torch.func.grad(loss))(stacked, x, memory)
    for m in range(2):
        alone = torch.func.grad(loss)({n: stacked[n][m] for n in names}, x[m], memory[m])
        for name in names:
            torch.testing.assert_close(lifted[name][m], alone[name], rtol=1e-9, atol=1e-9)


# ---- places ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [8, 7, 1])
def test_sinusoids_are_the_papers(width: int) -> None:
    made = sinusoids(6, width, drawn(1))
    for place in range(6):
        for i in range(width):
            angle = place / 10000 ** (2 * (i // 2) / width)
            wanted = math.cos(angle) if i % 2 else math.sin(angle)
            assert made[place, i].item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("kind", ["learned", "sinusoidal"])
def test_places_go_on_where_they_ended(kind: str) -> None:
    places = Positions(kind, 10, D).double()
    x = drawn(B, T, D)
    close(torch.cat([places(x[:, :2]), places(x[:, 2:], 2)], dim=1), places(x))
    assert not torch.equal(places(x)[:, 1:], places(x[:, 1:]))


def test_more_steps_than_places_are_refused() -> None:
    places = Positions("learned", 4, D).double()
    assert places(drawn(B, 2, D), 2).shape == (B, 2, D)
    with pytest.raises(SpecError, match="needs a place"):
        places(drawn(B, 2, D), 3)
    assert Positions("sinusoidal", 4, D)(drawn(B, 9, D)).shape == (B, 9, D)
