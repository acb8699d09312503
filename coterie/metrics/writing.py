"""How well a text was written: token by token against the truth, and whole texts against references.

Token by token a model's output is (…, N, 2): the probability that it gave to the true token, and 1.0 where
its own choice was right. Letters: N tokens, or texts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from coterie.metrics.probability import log_loss
from coterie.metrics.sample import Measure, Sample

Words = Sequence[str] | Sequence[int]


@Measure
def token_accuracy(sample: Sample) -> Tensor:
    """The share of tokens of which the most probable one was the truth, the true ones before being given."""
    return sample.mean(sample.rows.output[..., 1])


@Measure
def perplexity(sample: Sample) -> Tensor:
    """exp(mean negative log probability of the true token): as sure as a guess among so many."""
    return torch.exp(log_loss.of(sample))


def exact_match(written: Sequence[Words], wanted: Sequence[Words]) -> float:
    """The share of texts that are their reference word for word; NaN for none.

    >>> exact_match([[1, 2], [3]], [[1, 2], [4]])
    0.5
    """
    if not wanted:
        return math.nan
    return sum(list(a) == list(b) for a, b in zip(written, wanted, strict=True)) / len(wanted)


def word_error_rate(written: Sequence[Words], wanted: Sequence[Words]) -> float:
    """Insertions, deletions and substitutions that make the written texts the wanted ones, a wanted word.

    Levenshtein's distance (1966), summed over the texts; NaN where no word is wanted.

    >>> word_error_rate(["a b d".split()], ["a b c".split()])  # doctest: +ELLIPSIS
    0.333...
    """
    words = sum(len(text) for text in wanted)
    if not words:
        return math.nan
    return sum(edits(a, b) for a, b in zip(written, wanted, strict=True)) / words


def edits(a: Words, b: Words) -> int:
    """Levenshtein's distance: the fewest words put in, left out or changed that make a of b."""
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (one != other))
    return row[-1]


def bleu(written: Sequence[Words], wanted: Sequence[Words], longest: int = 4) -> float:
    """BLEU of a whole set (Papineni et al., 2002), from 0 to 1; one reference a text, no smoothing.

    The geometric mean of clipped n-gram precisions, n = 1…4 (as far as any text has n words), times the
    penalty exp(1 − wanted/written) for texts that are too short. NaN for none.
    """
    if not wanted:
        return math.nan
    length, reference = sum(map(len, written)), sum(map(len, wanted))
    if not length:
        return 0.0
    logs = []
    for n in range(1, longest + 1):
        hits = total = 0
        for a, b in zip(written, wanted, strict=True):
            said, known = _grams(a, n), _grams(b, n)
            hits += sum(min(count, known[gram]) for gram, count in said.items())
            total += sum(said.values())
        if not total:
            break
        if not hits:
            return 0.0
        logs.append(math.log(hits / total))
    return math.exp(min(0.0, 1 - reference / length) + sum(logs) / len(logs))


def _grams(text: Words, n: int) -> Counter[tuple[object, ...]]:
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
