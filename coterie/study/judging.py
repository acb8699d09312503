"""Which rows judge a model: all that were set aside, or, of very many, a random sample.

A million rows give a share to a thousandth; more take memory and minutes in every figure and interval, and
change little that is read. The report says how many were drawn, and intervals are those of the sample.

N rows, T steps, K outputs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coterie.data.schema import Schema
from coterie.study.problem import Problem

ROWS = 1_000_000  # that judge at most …
NUMBERS = 5_000_000  # … or fewer, where each has several outputs, but …
FEWEST = 50_000  # … not fewer than these


def most(schema: Schema) -> int:
    """How many rows judge at most."""
    return min(ROWS, max(FEWEST, NUMBERS // schema.said))


def drawn(rows: np.ndarray, number: int, seed: int) -> np.ndarray:
    """(N,) the rows, or so many of them, in the same order."""
    if len(rows) <= number:
        return rows
    generator = np.random.Generator(np.random.PCG64(seed))
    return rows[np.sort(generator.choice(len(rows), number, replace=False))]


def judging(problem: Problem, seed: int) -> Problem:
    """The problem with no more test and validation rows than judge; `split` still has them all."""
    number = most(problem.schema)
    each = max(1, number // max(1, len(problem.folds)))
    return replace(
        problem,
        test=drawn(problem.test, number, seed),
        folds=tuple((training, drawn(validation, each, seed)) for training, validation in problem.folds),
    )


def said_of(problem: Problem) -> list[str]:
    """A sentence on what was drawn; problem: of `judging`."""
    pairs = [("test", len(problem.test), len(problem.split.test))]
    sizes = [sum(len(rows) for _, rows in folds) for folds in (problem.folds, problem.split.folds)]
    pairs.append(("validation", sizes[0], sizes[1]))
    parts = [f"{few:,} of {every:,} {part} rows" for part, few, every in pairs if few < every]
    if not parts:
        return []
    return [f"Scores, figures and baselines are of {' and '.join(parts)}, drawn at random."]
