"""Texts against references, worked out by hand, and tokens against what was said of them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from coterie.metrics.catalogue import default_metric, metrics_for, scores
from coterie.metrics.writing import bleu, edits, exact_match, word_error_rate

WORDS = st.lists(st.integers(0, 3), max_size=7)


def words(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def test_tokens() -> None:
    said = torch.tensor([[0.5, 1.0], [0.125, 0.0], [0.9, 1.0]])
    found = scores(said, torch.zeros(3, dtype=torch.int64), torch.tensor([1.0, 1.0, 0.0]), "text")
    assert found["log_loss"].item() == pytest.approx(2 * math.log(2), rel=1e-6)
    assert found["perplexity"].item() == pytest.approx(4, rel=1e-6)
    assert found["token_accuracy"].item() == 0.5
    assert [m.name for m in metrics_for("text")] == ["log_loss", "perplexity", "token_accuracy"]
    assert default_metric("text").name == "log_loss"


def test_whole_texts() -> None:
    wanted = words("the cat sat on the mat", "hello there")
    assert exact_match(wanted, wanted) == bleu(wanted, wanted) == 1
    assert word_error_rate(wanted, wanted) == 0
    written = words("the cat sat on mat", "hello")
    assert exact_match(written, wanted) == 0
    assert word_error_rate(written, wanted) == pytest.approx(2 / 8)
    # precisions 6/6, 3/4, 2/3, 1/2 of 6 written words for 8 wanted ones
    assert bleu(written, wanted) == pytest.approx(math.exp(1 - 8 / 6) * (3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    assert bleu(words("a a a"), words("a b")) == 0  # no pair of words is right
    assert bleu([["a"]], [["a"]]) == 1
    assert bleu([[]], [["a"]]) == 0
    assert all(math.isnan(f([], [])) for f in (bleu, exact_match, word_error_rate))


@given(WORDS, WORDS, WORDS)
def test_edits_are_a_distance(a: list[int], b: list[int], c: list[int]) -> None:
    assert edits(a, a) == 0
    assert edits(a, b) == edits(b, a)
    assert (edits(a, b) == 0) == (a == b)
    assert edits(a, c) <= edits(a, b) + edits(b, c)
    assert abs(len(a) - len(b)) <= edits(a, b) <= max(len(a), len(b))
