"""Texts that a model writes: beside the truth where it reads something, else of its own accord."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from coterie.data.tokens import Tokenizer
from coterie.metrics.writing import bleu, exact_match, word_error_rate
from coterie.model import Model
from coterie.study.cells import shown, text
from coterie.study.fitted import rows_of
from coterie.study.problem import Problem

JUDGED, SHOWN = 200, 10  # rows that are written for, and those of them that are shown
SAMPLED = 8  # texts drawn at once
TOKENS = 300  # of all that are shown


def writings(model: Model, problem: Problem, positions: np.ndarray) -> dict[str, Any]:
    """Greedy texts for rows beside their truth, and how near they come: exact, word error rate, BLEU.

    Of the first member; `positions` in the problem's dataset, of which the first 200 are written for.
    """
    dataset, frame = problem.dataset, problem.table.frame
    positions = positions[:JUDGED]
    part = rows_of(dataset, positions)
    tokenizer = Tokenizer.from_text(model.target.coding)
    said = model.write(part)
    true = [tokenizer.decode(ids) for ids in part.inputs["answer"].tolist()]  # as the tokenizer leaves it
    words, wanted = [_words(t, tokenizer) for t in said], [_words(t, tokenizer) for t in true]
    cells = shown(dataset, frame, positions[:SHOWN], part.rows[:SHOWN], 3)
    lines = [
        {
            "row": int(part.rows[i]), "values": cells[i], "truth": text(true[i]), "said": text(said[i]),
            "exact": said[i] == true[i],
        }
        for i in range(len(cells))
    ]  # fmt: skip
    return {
        "rows": len(said),
        "exact": exact_match(words, wanted),
        "word_error_rate": word_error_rate(words, wanted),
        "bleu": bleu(words, wanted),
        "unit": "character" if tokenizer.kind == "characters" else "word",
        "lines": lines,
    }


def samples(model: Model, seed: int) -> list[str]:
    """Texts drawn token by token from the probabilities (temperature 1), about 300 tokens in all."""
    tokenizer = Tokenizer.from_text(model.target.coding)
    found: list[str] = []
    room = TOKENS
    for draw in range(SAMPLED):
        said = model.write(longest=0, temperature=1.0, seed=seed + draw)[0]
        (ids,) = tokenizer.encode([said], room + 2)
        found.append(_plain(said if len(ids) < room + 2 else tokenizer.decode(ids) + "…"))
        room -= len(ids) - 2
        if room <= 0:
            break
    return found


def _plain(said: str) -> str:
    """A text without the bytes that no page may hold, which a network that has learned little may write."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in said)


def _words(said: str, tokenizer: Tokenizer) -> list[str]:
    """A text in the units that errors are counted in: characters where the tokens are, else words."""
    return list(said) if tokenizer.kind == "characters" else re.findall(r"\S+", said)
