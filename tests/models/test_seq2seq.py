"""A recurrent reader and writer: what it says it would also choose, and padding is not read."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

from coterie.data.tokens import END, MASK, PADDING, START, UNKNOWN
from coterie.errors import SpecError
from coterie.models.network import Writer
from coterie.models.seq2seq import EncoderDecoder, OwnWords, Seq2Seq
from coterie.models.shape import Shape

B, S, T, V, W = 6, 7, 8, 11, 9  # rows, source steps, written tokens, their vocabulary, the source's
LENGTH = torch.tensor([7, 1, 4, 2, 7, 3])
SHAPE = Shape(tokens=(S, W), answer=(T, V))
EVERY = [
    Seq2Seq(cell=cell, attention=attention, bidirectional=both, hidden=6, embedding=5)
    for cell, attention, both in itertools.product(
        ("gru", "lstm"), ("additive", "dot", "none"), (True, False)
    )
]
KINDS = [Seq2Seq(attention=kind, hidden=6, embedding=5) for kind in ("additive", "dot", "none")]


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def label(family: Seq2Seq) -> str:
    return f"{family.cell}-{family.attention}-{'both' if family.bidirectional else 'one'}"


def made(family: Seq2Seq, shape: Shape = SHAPE, seed: int = 0) -> Writer:
    """A network with weights so large that its words differ."""
    torch.manual_seed(seed)
    network = family.network(shape, "text", V).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter))
    assert isinstance(network, Writer)
    return network


def inputs(answer: Tensor | None = None, seed: int = 0) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
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
def test_what_it_writes_it_would_also_choose_when_told(family: Seq2Seq, ends: bool) -> None:
    various = 0
    for seed in range(8):
        network = made(family, seed=seed)
        with torch.no_grad():
            said = network.write(inputs(), ends=ends)
            assert said.shape[1] <= T
            assert ends or said.shape == (B, T)
            told = choices(network.raw(inputs(said)), ends)
        real = said[:, 1:] != PADDING
        assert torch.equal(told[real], said[:, 1:][real])
        various = max(various, len(said[:, 1:].unique()))
    assert various > 3


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_later_words_change_nothing_before(family: Seq2Seq) -> None:
    network, one = made(family), inputs()
    for changed in (1, 4, T - 2):
        other = one["answer"].clone()
        other[:, changed] = (other[:, changed] - 4) % 6 + 5
        with torch.no_grad():
            a, b = network.raw(one), network.raw(inputs(other))
        assert a.shape == (B, T - 1, V)
        torch.testing.assert_close(a[:, :changed], b[:, :changed], rtol=0, atol=1e-12)
        assert (a[:, changed] - b[:, changed]).abs().amax(-1).min() > 1e-9


@pytest.mark.parametrize("family", EVERY, ids=label)
def test_padding_of_the_source_changes_nothing(family: Seq2Seq) -> None:
    network, one = made(family), inputs()
    longer = {**one, "tokens": torch.nn.functional.pad(one["tokens"], (0, 5))}
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
def test_the_source_is_read_to_its_end(family: Seq2Seq) -> None:
    network, one = made(family), inputs()
    for place in (0, -1):
        tokens = one["tokens"].clone()
        rows = torch.arange(B)
        at = (LENGTH - 1) if place else torch.zeros(B, dtype=torch.int64)
        tokens[rows, at] = (tokens[rows, at] - 4) % 4 + 5
        with torch.no_grad():
            moved = (network.raw({**one, "tokens": tokens}) - network.raw(one)).abs().amax((1, 2))
        assert moved.min() > 1e-9


@pytest.mark.parametrize("family", KINDS[:2], ids=label)
def test_attention_is_shares_of_real_steps(family: Seq2Seq) -> None:
    network = made(family)
    with torch.no_grad():
        looks = network.attention(inputs())
    assert looks.shape == (B, T - 1, S)
    torch.testing.assert_close(looks.sum(-1), torch.ones(B, T - 1, dtype=torch.float64))
    real = torch.arange(S) < LENGTH[:, None]
    assert (looks * ~real[:, None] == 0).all()
    assert (looks[LENGTH == 1][:, :, 0] == 1).all()
    assert looks[0].std(0).max() > 1e-3  # different words look at different steps


def test_without_attention_there_is_one_state_alone() -> None:
    network = made(KINDS[2])
    body = network.body
    assert isinstance(body, EncoderDecoder)
    one = inputs()
    states, keys, mask, first = body.encode(network.prepare(one))
    before = body.say(one["answer"][:, 0], first, (states, keys, mask))[0]
    after = body.say(one["answer"][:, 0], first, (states * 0, keys * 0, mask))[0]
    torch.testing.assert_close(before, after)
    seen = made(KINDS[0])
    body = seen.body
    assert isinstance(body, EncoderDecoder)
    states, keys, mask, first = body.encode(seen.prepare(one))
    before = body.say(one["answer"][:, 0], first, (states, keys, mask))[0]
    after = body.say(one["answer"][:, 0], first, (states * 0, keys * 0, mask))[0]
    assert (before - after).abs().max() > 1e-6


def test_additive_attention_is_bahdanaus() -> None:
    """e_j = v·tanh(W s + U h_j), weights their softmax over real steps, context the weighted mean."""
    network, one = made(KINDS[0]), inputs()
    body = network.body
    assert isinstance(body, EncoderDecoder)
    with torch.no_grad():
        states, _, _, (h, _, _) = body.encode(network.prepare(one))
        looks = network.attention(one)[:, 0]  # the first word's, from the decoder's first state
        w, u, v = body.look_from, body.look_at.weight, body.look.weight[0]
        for row in range(B):
            length = int(LENGTH[row])
            energy = torch.stack(
                [v @ (w.weight @ h[row] + w.bias + u @ states[row, j]).tanh() for j in range(length)]
            )
            torch.testing.assert_close(looks[row, :length], energy.softmax(0))


def test_dot_attention_is_luongs() -> None:
    """Behind the new state: e_j = sᵀ W h_j."""
    network, one = made(KINDS[1]), inputs()
    body = network.body
    assert isinstance(body, EncoderDecoder)
    with torch.no_grad():
        states, keys, mask, first = body.encode(network.prepare(one))
        _, (h, _, context), weights = body.say(one["answer"][:, 0], first, (states, keys, mask))
        for row in range(B):
            length = int(LENGTH[row])
            energy = torch.stack([h[row] @ body.look_at.weight @ states[row, j] for j in range(length)])
            share = energy.softmax(0)
            torch.testing.assert_close(weights[row, :length], share)
            torch.testing.assert_close(context[row], share @ states[row, :length])


def test_scheduled_sampling_hears_its_own_words_in_training_alone() -> None:
    family = dataclasses.replace(KINDS[0], own_words=1.0)
    network, one = made(family), inputs()
    plain = made(KINDS[0])
    plain.load_state_dict({n: v for n, v in network.state_dict().items() if "mixing" not in n})
    with torch.no_grad():
        torch.testing.assert_close(network.raw(one), plain.raw(one))
        heard = network.train().raw(one)
        own = one["answer"].clone()  # what it hears instead of the truth: its own choice at each step
        for t in range(1, T - 1):
            own[:, t] = plain.raw(inputs(own))[:, t - 1].argmax(-1)
        torch.testing.assert_close(heard, plain.raw(inputs(own)))


def test_a_share_of_words_is_its_own() -> None:
    layer = OwnWords(0.3).train()
    true, own = torch.full((4000,), 5), torch.full((4000,), 6)
    layer.key = torch.tensor(17)
    first, second = layer(true, own, 1), layer(true, own, 2)
    assert (first == 6).double().mean().item() == pytest.approx(0.3, abs=0.03)
    both = ((first == 6) & (second == 6)).double().mean().item()
    assert both == pytest.approx(0.09, abs=0.02)  # drawn anew for every step
    assert (layer(true * 0, own, 1) == 0).all()  # padding is never replaced


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        (Shape(sequence=(5, 2)), {"sequence": drawn(B, 5, 2), "length": LENGTH.clamp_max(5)}),
        (Shape(image=(1, 4, 3)), {"image": drawn(B, 1, 4, 3)}),
        (Shape(indicator=(False, True, False)), {"numeric": drawn(B, 3)}),
    ],
    ids=["sequence", "image", "table"],
)
@pytest.mark.parametrize("family", KINDS, ids=label)
def test_it_writes_of_whatever_is_given(family: Seq2Seq, shape: Shape, more: dict[str, Tensor]) -> None:
    network = made(family, dataclasses.replace(shape, answer=(T, V)))
    one = inputs() | more
    del one["tokens"]
    with torch.no_grad():
        assert network.raw(one).shape == (B, T - 1, V)
        said = network.write(one, ends=False)
        assert torch.equal(choices(network.raw({**one, "answer": said}), False), said[:, 1:])


def test_data_without_a_source_or_an_answer_are_refused() -> None:
    with pytest.raises(SpecError, match="learns to write one text from another"):
        Seq2Seq().network(Shape(answer=(T, V)), "text", V)
    with pytest.raises(SpecError, match="texts to be written"):
        Seq2Seq().network(Shape(tokens=(S, W)), "binary", 2)
