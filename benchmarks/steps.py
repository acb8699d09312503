"""Bars of families that read or write steps: the adding problem, reversal, text of known entropy rate."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from learning import Bar, learned, side_by_side, spread

# passes over the rows, of which the default is 60: enough, and five seeds in less than five minutes
FEWER = {"adding": {"epochs": 8}, "reversal": {"epochs": 20}, "language": {"epochs": 8}}


def adding(seeds: int, work: Path) -> Iterator[Bar]:
    """The adding problem over 100 steps: what is found in the first half must be kept to the end."""
    families = ("lstm", "gru", "rnn")
    each = side_by_side(adding_of, [(family, seeds) for family in families])
    for family, errors in zip(families, each, strict=True):
        print(f"  {family}: {spread(errors)}")
        what = f"adding, 100 steps: {family} mean squared error (mean of {seeds} seeds)"
        yield what, statistics.mean(errors), "≤" if family != "rnn" else "", 0.01


def adding_of(family: str, seeds: int) -> list[float]:
    """Mean squared error, seed by seed."""
    import numpy as np

    made = learned("adding", family, seeds, FEWER["adding"])
    pairs = zip(made.models, made.tests, strict=True)
    return [float(np.mean((m.predict(test).squeeze() - test["sum"].to_numpy()) ** 2)) for m, test in pairs]


def reversal(seeds: int, work: Path) -> Iterator[Bar]:
    """Ten of twenty symbols written from the end to the beginning; where attention looks as it writes."""
    families = ("seq2seq", "transformer")
    each = side_by_side(reversal_of, [(family, seeds) for family in families])
    for family, (exact, shares) in zip(families, each, strict=True):
        print(f"  {family}: {spread(exact)}")
        what = f"reversal: {family} exact match, written greedily (mean of {seeds} seeds)"
        yield what, statistics.mean(exact), "≥", 0.99
        if shares:
            print(f"  {family}, attention: {spread(shares)}")
            what = f"reversal: additive attention's arg-max on the anti-diagonal (mean of {seeds} seeds)"
            yield what, statistics.mean(shares), "≥", 0.95


def reversal_of(family: str, seeds: int) -> tuple[list[float], list[float]]:
    """Exact match, and of seq2seq where its attention looks, seed by seed."""
    made = learned("reversal", family, seeds, FEWER["reversal"])
    exact, shares = [], []
    for model, test in zip(made.models, made.tests, strict=True):
        said, truth = model.write(test), test["written"].to_list()
        exact.append(sum(a == b for a, b in zip(said, truth, strict=True)) / len(truth))
        if family == "seq2seq":
            shares.append(on_the_antidiagonal(model.attention(test)))
    return exact, shares


def on_the_antidiagonal(looks: object, symbols: int = 10) -> float:
    """Share of written symbols t whose strongest look is at source step c − t, with the best constant c.

    looks: (N, T, S), the end that is written last left out.
    """
    import numpy as np

    at = np.asarray(looks)[:, :symbols].argmax(-1) + np.arange(symbols)
    return float(max(np.mean(at == c) for c in range(2 * symbols + 2)))


def language(seeds: int, work: Path) -> Iterator[Bar]:
    """Markov text: loss on new texts against the entropy rate, and pairs of letters in texts of its own.

    Characters 2 to 64 of each text are judged: the chain's entropy rate is of a letter after a known one,
    while the first has none before it, and the end, always behind letter 64, is not part of the chain.
    New texts are 5,000 of another seed, so that their own chance is small: the source's own loss on them is
    printed beside the rate.
    """
    import numpy as np
    import polars as pl

    from coterie.data.encode import encode
    from coterie.data.read import read
    from coterie.data.synthetic import LETTERS, markov_chain, markov_entropy_rate, markov_text

    chain, rate = markov_chain(), markov_entropy_rate()
    columns, _, _ = markov_text(5000, seed=1)
    codes = np.array([[LETTERS.index(c) for c in text] for text in columns["text"]])
    own = -np.log(chain[codes[:, :-1], codes[:, 1:]]).mean()
    print(f"  entropy rate {rate:.4f} nats; the source's own loss on the new texts {own:.4f}")
    made = learned("markov-text", "gpt", seeds, FEWER["language"], tokenizer="characters")
    new = encode(read(pl.DataFrame(columns)), made.problem.schema)
    given = made.model.member_output(new)[:, :, 1:64, 0].double()  # of each true letter, 2 to 64
    losses = (-given.log()).mean((1, 2)).tolist()
    print(f"  gpt: {spread(losses)}")
    what = f"markov-text: gpt's loss a letter minus the entropy rate (mean of {seeds} seeds)"
    yield what, statistics.mean(losses) - rate, "≤", 0.01
    values, vectors = np.linalg.eig(chain.T)
    start = np.real(vectors[:, np.argmax(np.real(values))])
    pairs = (start / start.sum())[:, None] * chain
    distances = []
    for seed, model in enumerate(made.models):
        said = model.write({"row": list(range(4000))}, longest=65, temperature=1.0, seed=seed)
        counts = Counter(a + b for text in said for a, b in pairwise(text))
        total = sum(counts.values())
        found = np.array([[counts[a + b] / total for b in LETTERS] for a in LETTERS])
        distances.append(float(abs(found - pairs).sum() / 2))
    print(f"  gpt, pairs: {spread(distances)}")
    what = f"markov-text: total variation of sampled pairs of letters (mean of {seeds} seeds)"
    yield what, statistics.mean(distances), "≤", 0.02
