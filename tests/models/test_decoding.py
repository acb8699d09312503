"""Decoding: the most probable token or a drawn one, until an end or the longest text.

The networks' own tests decode with them (`test_gpt.py`, `test_seq2seq.py`); here a step is a table.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from coterie.data.tokens import END, MASK, PADDING, START, UNKNOWN
from coterie.models.decoding import decode, started

V = 9
A, B, C, D = range(5, 9)


class Chain:
    """After token i comes `follows[i]`; memory counts the calls, and what it was given is kept."""

    def __init__(self, follows: dict[int, int]) -> None:
        self.table = torch.full((V, V), -9.0)
        for before, after in follows.items():
            self.table[before, after] = 9.0
        self.given: list[tuple[int, int | None]] = []

    def __call__(self, tokens: Tensor, memory: int | None) -> tuple[Tensor, int]:
        self.given.append((tokens.shape[1], memory))
        return self.table[tokens], (memory or 0) + 1


def begun(rows: int = 1) -> Tensor:
    return started(rows, torch.device("cpu"))


def test_every_text_starts_with_the_start() -> None:
    assert begun(3).tolist() == [[START]] * 3
    assert begun(0).shape == (0, 1)
    assert begun().dtype == torch.int64


def test_the_most_probable_token_again_and_again() -> None:
    step = Chain({START: A, A: B, B: C, C: END})
    assert decode(step, begun(2), 10).tolist() == [[START, A, B, C, END]] * 2
    assert step.given == [(1, None), (1, 1), (1, 2), (1, 3)]  # one token at a time, with its memory


def test_it_stops_at_the_longest() -> None:
    step = Chain({START: A, A: B, B: A})
    assert decode(step, begun(), 4).tolist() == [[START, A, B, A]]
    assert decode(step, begun(), 1).tolist() == [[START]]


def test_it_goes_on_from_what_is_given() -> None:
    step = Chain({A: B, B: C, C: END})
    start = torch.tensor([[START, D, A]])
    assert decode(step, start, 10).tolist() == [[START, D, A, B, C, END]]
    assert step.given[0] == (3, None)
    assert decode(step, start, 3).tolist() == start.tolist()


def test_behind_the_end_of_one_text_the_others_go_on() -> None:
    step = Chain({A: END, B: C, C: D, D: END, PADDING: A})
    start = torch.tensor([[START, A], [START, B]])
    assert decode(step, start, 10).tolist() == [
        [START, A, END, PADDING, PADDING],
        [START, B, C, D, END],
    ]


def test_a_text_that_may_not_end_goes_on() -> None:
    step = Chain({START: END, A: END})
    step.table[:, A] = 1.0  # the second best
    assert decode(step, begun(), 5, ends=False).tolist() == [[START, A, A, A, A]]
    assert decode(step, begun(), 5).tolist() == [[START, END]]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("token", [PADDING, START, UNKNOWN])
def test_what_is_never_said(token: int, temperature: float) -> None:
    step = Chain(dict.fromkeys(range(V), token))
    said = decode(step, begun(20), 8, temperature, torch.Generator().manual_seed(0))
    real = said[:, 1:][(said[:, 1:] != PADDING)]
    assert set(real.tolist()) <= {END, MASK, A, B, C, D}


def test_no_text_at_all() -> None:
    assert decode(Chain({}), begun(0), 5).shape[0] == 0


def shares(temperature: float, seed: int = 0) -> Tensor:
    def step(tokens: Tensor, memory: Any) -> tuple[Tensor, Any]:
        logits = torch.full((len(tokens), 1, V), -torch.inf)
        logits[..., A], logits[..., B] = 0.0, 1.0
        return logits, None

    said = decode(step, begun(4000), 2, temperature, torch.Generator().manual_seed(seed))[:, 1]
    return torch.bincount(said, minlength=V)[[A, B]] / 4000


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_temperature_divides_the_logits(temperature: float) -> None:
    wanted = torch.tensor([0.0, 1 / temperature]).softmax(-1)
    torch.testing.assert_close(shares(temperature), wanted, atol=0.03, rtol=0)
    assert shares(0.0).tolist() == [0, 1]


def test_a_seed_draws_the_same() -> None:
    assert torch.equal(shares(1.0, 3), shares(1.0, 3))
    assert not torch.equal(shares(1.0, 3), shares(1.0, 4))
