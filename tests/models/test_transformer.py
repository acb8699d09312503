"""The Transformer as it was published: what it writes it would also choose, and padding is not read."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from coterie.data.tokens import END, MASK, PADDING, START, UNKNOWN
from coterie.errors import SpecError
from coterie.models.attention import Block
from coterie.models.network import Writer
from coterie.models.shape import Shape
from coterie.models.transformer import EncoderDecoder, Transformer

B, S, T, V, W = 6, 7, 8, 11, 9  # rows, source steps, written tokens, their vocabulary, the source's
LENGTH = torch.tensor([7, 1, 4, 2, 7, 3])
SHAPE = Shape(tokens=(S, W), answer=(T, V))
TINY = Transformer(width=12, depth=2, heads=3, longest=20)
EVERY = [
    dataclasses.replace(TINY, norm_first=first, positions=positions)
    for first in (True, False)
    for positions in ("learned", "sinusoidal")
]


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def label(family: Transformer) -> str:
    return f"{'pre' if family.norm_first else 'post'}-{family.positions}"


def made(family: Transformer, shape: Shape = SHAPE) -> Writer:
    """A network with weights so large that its words differ."""
    torch.manual_seed(0)
    network = family.network(shape, "text", V).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
        network.body.words.weight.mul_(3)
        network.body.head.bias.zero_()
    assert isinstance(network, Writer)
    return network


def inputs(answer: Tensor | None = None) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    tokens = torch.randint(MASK + 1, W, (B, S), generator=g)
    tokens = torch.where(torch.arange(S) < LENGTH[:, None], tokens, PADDING)
    if answer is None:
        answer = torch.randint(MASK + 1, V, (B, T), generator=g)
        answer[:, 0] = START
    none = {"numeric": torch.zeros(B, 0).double(), "category": torch.zeros(B, 0, dtype=torch.int64)}
    return {"tokens": tokens, "answer": answer, **none}


def choices(logits: Tensor, ends: bool) -> Tensor:
    """The words that would be said: all but those that never are."""
    logits = logits.clone()
    logits[..., [PADDING, START, UNKNOWN, MASK] + ([] if ends else [END])] = -torch.inf
    return logits.argmax(-1)


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("family", EVERY, ids=label)
def test_what_it_writes_it_would_also_choose_when_told(family: Transformer, ends: bool) -> None:
    """Which also says that kept keys and values are those of all steps read at once."""
    network = made(family)
    with torch.no_grad():
        said = network.write(inputs(), ends=ends)
        assert said.shape[1] <= T
        assert ends or said.shape == (B, T)
        assert len(said[:, 1:].unique()) > 1
        told = choices(network.raw(inputs(said)), ends)
    real = said[:, 1:] != PADDING
    assert torch.equal(told[real], said[:, 1:][real])


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_later_words_change_nothing_before(family: Transformer) -> None:
    network, one = made(family), inputs()
    for changed in (1, 4, T - 2):
        other = one["answer"].clone()
        other[:, changed] = (other[:, changed] - 4) % 6 + 5
        with torch.no_grad():
            a, b = network.raw(one), network.raw(inputs(other))
        assert a.shape == (B, T - 1, V)
        torch.testing.assert_close(a[:, :changed], b[:, :changed], rtol=0, atol=1e-12)
        assert (a[:, changed:] - b[:, changed:]).abs().amax(-1).min() > 1e-9


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_padding_of_the_source_changes_nothing(family: Transformer) -> None:
    network, one = made(family), inputs()
    longer = {**one, "tokens": nn.functional.pad(one["tokens"], (0, 5))}
    with torch.no_grad():
        torch.testing.assert_close(network.raw(longer), network.raw(one), rtol=1e-9, atol=1e-11)
        for row in range(B):  # each alone, without any padding
            alone = {name: x[row : row + 1] for name, x in one.items()}
            alone["tokens"] = alone["tokens"][:, : LENGTH[row]]
            torch.testing.assert_close(network.raw(alone)[0], network.raw(one)[row], rtol=1e-9, atol=1e-11)
        looks = network.attention(longer)
        torch.testing.assert_close(looks[..., :S], network.attention(one))
    assert (looks[..., S:] == 0).all()


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_every_step_of_the_source_is_read_in_its_order(family: Transformer) -> None:
    network, one = made(family), inputs()
    with torch.no_grad():
        usual = network.raw(one)[0]
        for place in range(S):
            tokens = one["tokens"].clone()
            tokens[0, place] = (tokens[0, place] - 4) % 4 + 5
            assert (network.raw({**one, "tokens": tokens})[0] - usual).abs().max() > 1e-9
        swapped = {**one, "tokens": one["tokens"].flip(1)}
        assert (network.raw(swapped)[0] - usual).abs().max() > 1e-9


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_attention_is_shares_of_real_steps(family: Transformer) -> None:
    network = made(family)
    with torch.no_grad():
        looks = network.attention(inputs())
    assert looks.shape == (B, T - 1, S)
    torch.testing.assert_close(looks.sum(-1), torch.ones(B, T - 1, dtype=torch.float64))
    real = torch.arange(S) < LENGTH[:, None]
    assert (looks * ~real[:, None] == 0).all()
    assert looks[0].std(0).max() > 1e-3  # different words look at different steps


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_the_attention_told_is_the_last_blocks_own(family: Transformer) -> None:
    network, one = made(family), inputs()
    body = network.body
    assert isinstance(body, EncoderDecoder)
    last = body.decoder[-1]
    assert isinstance(last, Block)
    assert last.cross is not None
    asked: list[tuple[Tensor, ...]] = []
    last.cross.register_forward_pre_hook(lambda _, given: asked.append(given))
    with torch.no_grad():
        network.raw(one)
        wanted = last.cross.look(*asked[0])[1].mean(1)
        torch.testing.assert_close(network.attention(one), wanted)


def test_an_empty_source_is_finite() -> None:
    network, one = made(TINY), inputs()
    one["tokens"] = torch.zeros_like(one["tokens"])
    raw = network.raw(one)
    assert raw.isfinite().all()
    gradients = torch.autograd.grad(raw.square().sum(), list(network.parameters()), allow_unused=True)
    assert all(g is None or g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("norm_first", [True, False], ids=["pre", "post"])
def test_with_pytorchs_blocks_it_says_the_same(norm_first: bool) -> None:
    network = made(dataclasses.replace(TINY, norm_first=norm_first, depth=1))
    body = network.body
    assert isinstance(body, EncoderDecoder)
    kind = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": norm_first}
    reader = nn.TransformerEncoderLayer(12, 3, 48, **kind).double()
    writer = nn.TransformerDecoderLayer(12, 3, 48, **kind).double()
    names = {
        "self_attn.out_proj": "attention.out",
        "multihead_attn.out_proj": "cross.out",
        "linear1": "feed.0",
        "linear2": "feed.2",
    }
    norms = {
        reader: {"norm1": "attention_norm", "norm2": "feed_norm"},
        writer: {"norm1": "attention_norm", "norm2": "cross_norm", "norm3": "feed_norm"},
    }
    for theirs, ours in ((reader, body.encoder[0]), (writer, body.decoder[0])):
        own = ours.state_dict()
        state = {}
        for name in theirs.state_dict():
            module, _, kind_of = name.rpartition(".")
            if kind_of.startswith("in_proj"):
                at = {"self_attn": "attention", "multihead_attn": "cross"}[module]
                end = kind_of.removeprefix("in_proj_")
                state[name] = torch.cat([own[f"{at}.{part}.{end}"] for part in ("query", "key", "value")])
            else:
                state[name] = own[f"{(names | norms[theirs])[module]}.{kind_of}"]
        theirs.load_state_dict(state)
    one = inputs()
    later = torch.triu(torch.ones(T - 1, T - 1, dtype=torch.bool), 1)
    empty = one["tokens"] == PADDING
    x, _ = body.steps(network.prepare(one))
    memory = body.encoder_norm(reader(body.places(x), src_key_padding_mask=empty))
    words = body.word_places(body.words(one["answer"][:, :-1]))
    out = body.decoder_norm(writer(words, memory, later, memory_key_padding_mask=empty))
    torch.testing.assert_close(body.head(out), network.raw(one), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        (Shape(sequence=(5, 2)), {"sequence": drawn(B, 5, 2), "length": LENGTH.clamp_max(5)}),
        (Shape(image=(1, 4, 3)), {"image": drawn(B, 1, 4, 3)}),
        (Shape(indicator=(False, True, False)), {"numeric": drawn(B, 3)}),
    ],
    ids=["sequence", "image", "table"],
)
def test_it_writes_of_whatever_is_given(shape: Shape, more: dict[str, Tensor]) -> None:
    network = made(TINY, dataclasses.replace(shape, answer=(T, V)))
    one = inputs() | more
    del one["tokens"]
    with torch.no_grad():
        assert network.raw(one).shape == (B, T - 1, V)
        said = network.write(one, ends=False)
        assert torch.equal(choices(network.raw({**one, "answer": said}), False), said[:, 1:])


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_a_source_longer_than_its_places(positions: str) -> None:
    """With learned places it must be refused when the network is built; sinusoids go on for ever."""
    family = dataclasses.replace(TINY, longest=4, positions=positions)
    if positions == "learned":
        with pytest.raises(SpecError, match="longest"):
            family.network(SHAPE, "text", V)
    else:
        assert made(family).raw(inputs()).shape == (B, T - 1, V)


def test_data_without_a_source_or_an_answer_are_refused() -> None:
    with pytest.raises(SpecError, match="learns to write one text from another"):
        TINY.network(Shape(answer=(T, V)), "text", V)
    with pytest.raises(SpecError, match="texts to be written"):
        TINY.network(Shape(tokens=(S, W)), "binary", 2)
    with pytest.raises(SpecError, match="multiple of the heads"):
        Transformer(width=10, heads=4)
