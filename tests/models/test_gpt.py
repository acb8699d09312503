"""The decoder that writes: it sees nothing of what is to come, and what it keeps changes nothing it says."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from coterie.data.tokens import END, MASK, PADDING, START, UNKNOWN
from coterie.errors import SpecError
from coterie.models.decoding import decode
from coterie.models.gpt import GPT, Decoder
from coterie.models.network import Writer
from coterie.models.shape import Shape

V, LONGEST = 14, 9
TINY = GPT(width=12, depth=2, heads=3, context=LONGEST)


def made(family: GPT = TINY, longest: int = LONGEST, seed: int = 0) -> Writer:
    """A network with weights so large that its words differ."""
    torch.manual_seed(seed)
    network = family.network(Shape(answer=(longest, V)), "text", V).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    assert isinstance(network, Writer)
    return network


def inputs(answer: Tensor) -> dict[str, Tensor]:
    rows = len(answer)
    none = {"numeric": torch.zeros(rows, 0).double(), "category": torch.zeros(rows, 0, dtype=torch.int64)}
    return {"answer": answer, **none}


def texts(rows: int = 4, length: int = LONGEST, seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(MASK + 1, V, (rows, length), generator=g)
    tokens[:, 0] = START
    return tokens


def greedy(network: Writer, begun: Tensor, longest: int, ends: bool = True) -> Tensor:
    """Word by word, all of it read anew each time: what writing with kept keys and values must equal."""
    said = begun
    while said.shape[1] < longest:
        padded = torch.nn.functional.pad(said, (0, 1))  # `raw` foretells the last from all before it
        logits = network.raw(inputs(padded))[:, -1]
        logits[:, [PADDING, START, UNKNOWN, MASK] + ([] if ends else [END])] = -torch.inf
        word = logits.argmax(-1, keepdim=True)
        over = (said[:, begun.shape[1] :] == END).any(1, keepdim=True)
        said = torch.cat([said, torch.where(over, PADDING, word)], dim=1)
    return said


@pytest.mark.parametrize("changed", range(1, LONGEST - 1))
def test_what_comes_later_changes_nothing_before(changed: int) -> None:
    network, one = made(), texts()
    other = one.clone()
    other[:, changed:] = texts(seed=1)[:, changed:] % 7 + 5
    other[:, changed] = (one[:, changed] - 4) % 9 + 5  # for certain another
    a, b = network.raw(inputs(one)), network.raw(inputs(other))
    assert a.shape == (4, LONGEST - 1, V)
    torch.testing.assert_close(a[:, :changed], b[:, :changed], rtol=0, atol=1e-12)
    assert (a[:, changed:] - b[:, changed:]).abs().amax(-1).min() > 1e-6


def test_no_gradient_reaches_what_is_foretold() -> None:
    network = made()
    body = network.body
    assert isinstance(body, Decoder)
    vectors = torch.randn(1, LONGEST - 1, 12, dtype=torch.float64, requires_grad=True)
    x = body.positions(vectors)
    for block in body.blocks:
        x = block(x, causal=True)
    for t in range(LONGEST - 1):
        (gradient,) = torch.autograd.grad(x[0, t].square().sum(), vectors, retain_graph=True)
        assert (gradient[0, t + 1 :] == 0).all()
        assert (gradient[0, : t + 1].abs().amax(-1) > 0).all()


@pytest.mark.parametrize("begun", [1, 3])
@pytest.mark.parametrize("ends", [True, False])
def test_writing_with_what_was_kept_equals_reading_all_anew(begun: int, ends: bool) -> None:
    for seed in range(3):
        network = made(seed=seed)
        start = texts(6, begun)
        with torch.no_grad():
            said = network.write(inputs(start), ends=ends)
            wanted = greedy(network, start, LONGEST, ends)
        assert torch.equal(said, wanted[:, : said.shape[1]])
        assert (wanted[:, said.shape[1] :] == PADDING).all()
        assert ends or said.shape == (6, LONGEST)


def test_steps_give_the_logits_of_the_whole() -> None:
    network, answer = made(), texts()
    body = network.body
    assert isinstance(body, Decoder)
    kept, parts = None, []
    for piece in answer[:, :-1].split((1, 3, 1, 3), dim=1):
        logits, kept = body.step(piece, kept)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), network.raw(inputs(answer)), rtol=1e-9, atol=1e-11)


def test_it_writes_on_beyond_its_context() -> None:
    network = made()
    start = texts(3, 2)
    with torch.no_grad():
        long = network.write(inputs(start), longest=4 * LONGEST, ends=False)
        assert long.shape == (3, 4 * LONGEST)
        assert torch.equal(long[:, :LONGEST], network.write(inputs(start), ends=False))
    assert torch.equal(long[:, :2], start)
    assert ((long[:, 2:] > MASK) & (long[:, 2:] < V)).all()


def test_beyond_its_context_each_word_follows_the_last_ones() -> None:
    family = dataclasses.replace(TINY, context=6)
    network = made(family, 6)
    body = network.body
    assert isinstance(body, Decoder)
    start = texts(2, 1)
    with torch.no_grad():
        said = network.write(inputs(start), longest=20, ends=False)
        for t in range(6, 20):
            found = []
            for seen in range(1, 7):  # how many of the last words it was told anew
                logits = body.step(said[:, t - seen : t], None)[0][:, -1]
                logits[:, : MASK + 1] = -torch.inf
                found.append(torch.equal(logits.argmax(-1), said[:, t]))
            assert any(found[2:])
    assert len(said.unique()) > 3


def test_places_that_no_text_had_are_not_used_in_writing() -> None:
    """There is room for them, but nothing was learned of them."""
    family = dataclasses.replace(TINY, context=40)
    network, start = made(family, 8), texts(3, 1)
    body = network.body
    assert isinstance(body, Decoder)
    with torch.no_grad():
        said = network.write(inputs(start), longest=30, ends=False)
        body.positions.learned[7:] = torch.nan
        assert torch.equal(network.write(inputs(start), longest=30, ends=False), said)
    assert said.shape == (3, 30)


def test_a_start_longer_than_the_context_is_gone_on_from() -> None:
    network = made()
    start = texts(2, LONGEST + 5)
    with torch.no_grad():
        said = network.write(inputs(start), longest=LONGEST + 9, ends=False)
    assert said.shape == (2, LONGEST + 9)
    assert torch.equal(said[:, : LONGEST + 5], start)


def test_drawn_words_repeat_with_their_seed() -> None:
    network, start = made(), texts(5, 1)

    def drawn(seed: int, temperature: float = 1.5) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return network.write(inputs(start), temperature=temperature, generator=g, ends=False)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    with torch.no_grad():
        assert torch.equal(drawn(1, 1e-6), network.write(inputs(start), ends=False))


def test_behind_an_end_there_is_only_padding() -> None:
    words = torch.tensor([[START, 7, END, 0, 0], [START, 6, 7, 8, END]])

    def step(tokens: Tensor, memory: int | None) -> tuple[Tensor, int]:
        place = (memory or 0) + tokens.shape[1]
        logits = torch.zeros(2, 1, V)
        logits[0, 0, int(words[0, min(place, 4)]) or 9] = 3  # would go on with 9
        logits[1, 0, int(words[1, min(place, 4)])] = 3
        return logits, place

    start = torch.full((2, 1), START)
    assert torch.equal(decode(step, start, 20), words)
    assert torch.equal(decode(step, start, 3), words[:, :3])


def test_what_is_never_said() -> None:
    def step(tokens: Tensor, memory: None) -> tuple[Tensor, None]:
        logits = torch.zeros(len(tokens), 1, V)
        logits[..., [PADDING, UNKNOWN, START, MASK]] = 50
        return logits, None

    g = torch.Generator().manual_seed(0)
    said = decode(step, torch.full((50, 1), START), 30, 1.0, g, ends=False)[:, 1:]
    assert set(said.flatten().tolist()) == set(range(MASK + 1, V))
    with_ends = decode(step, torch.full((50, 1), START), 30, 1.0, g)
    assert (with_ends == END).any()


def test_drawn_words_are_as_frequent_as_their_probabilities() -> None:
    chances = torch.tensor([0.1, 0.2, 0.7]).double()

    def step(tokens: Tensor, memory: None) -> tuple[Tensor, None]:
        logits = torch.full((len(tokens), 1, V), -torch.inf).double()
        logits[..., 5:8] = chances.log()
        return logits, None

    g = torch.Generator().manual_seed(0)
    start = torch.full((4000, 1), START)
    for temperature, power in ((1.0, 1.0), (0.5, 2.0), (2.0, 0.5)):
        wanted = chances**power / (chances**power).sum()
        said = decode(step, start, 2, temperature, g, ends=False)[:, 1]
        share = torch.bincount(said, minlength=V)[5:8] / 4000
        torch.testing.assert_close(share.double(), wanted, rtol=0, atol=0.03)


def test_its_answer_is_how_probable_the_truth_was() -> None:
    network, answer = made(), texts()
    answer[1, 5:] = PADDING
    with torch.no_grad():
        told, logits = network(inputs(answer)), network.raw(inputs(answer))
    assert told.shape == (4, LONGEST - 1, 2)
    for b in range(4):
        for t in range(LONGEST - 1):
            chance = logits[b, t].softmax(0)[answer[b, t + 1]]
            assert told[b, t, 0].item() == pytest.approx(chance.item())
            assert told[b, t, 1].item() == float(logits[b, t].argmax() == answer[b, t + 1])


def test_it_begins_near_the_loss_of_a_guess() -> None:
    torch.manual_seed(0)
    network = GPT(width=32, depth=3, context=64).network(Shape(answer=(64, 100)), "text", 100).eval()
    answer = torch.randint(5, 100, (20, 64))
    with torch.no_grad():
        logits = network.raw({"answer": answer, "numeric": torch.zeros(20, 0), "category": answer[:, :0]})
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), answer[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(100), abs=0.05)


def test_a_text_beyond_the_context_is_refused() -> None:
    with pytest.raises(SpecError, match="must fit into the context"):
        TINY.network(Shape(answer=(LONGEST + 1, V)), "text", V)
    with pytest.raises(SpecError, match="continue one text"):
        TINY.network(Shape(tokens=(5, V), answer=(5, V)), "text", V)
    with pytest.raises(SpecError, match="multiple of the heads"):
        GPT(width=10, heads=4)
