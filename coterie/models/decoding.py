"""Texts from a network that foretells tokens: the most probable next one, or a drawn one, again and again.

B texts, t tokens given at once, V vocabulary. A network's `step`: (tokens (B, t), memory) → (logits
(B, t, V), memory), where memory is whatever it keeps of the tokens before; None at first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coterie.data.tokens import END, MASK, PADDING, START, UNKNOWN

Advance = Callable[[Tensor, Any], tuple[Tensor, Any]]


def decode(
    step: Advance,
    start: Tensor,
    longest: int,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    ends: bool = True,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Tensor:
    """Tokens (B, T) from start (B, t), at most `longest` in all; behind an end everything is padding.

    temperature: 0 takes the most probable token; else drawn from the probabilities with logits divided by
    it, top_k: of the so many most probable alone (0: of all), top_p: of the most probable that together have
    this share (Holtzman et al., "The curious case of neural text degeneration", 2020).
    Padding, start, mask and unknown are never said; ends: whether the end may be, and then ends the text.
    """
    said, last, memory = [start], start, None
    over = torch.zeros_like(start[:, :1], dtype=torch.bool)
    never = [PADDING, START, UNKNOWN, MASK] + ([] if ends else [END])
    while sum(part.shape[1] for part in said) < longest and not bool(over.all()):
        logits, memory = step(last, memory)
        logits = logits[:, -1].double()
        logits[:, never] = -torch.inf
        if temperature:
            chances = _likely((logits / temperature).softmax(-1), top_k, top_p)
            last = torch.multinomial(chances, 1, generator=generator)
        else:
            last = logits.argmax(-1, keepdim=True)
        last = torch.where(over, PADDING, last)
        over = over | (last == END)
        said.append(last)
    return torch.cat(said, dim=1)


def _likely(chances: Tensor, top_k: int, top_p: float) -> Tensor:
    """Probabilities (B, V) with those that may not be drawn at 0; they need not add up to 1 then."""
    order = chances.sort(-1, descending=True)
    before = order.values.cumsum(-1) - order.values
    drop = before >= top_p  # the most probable one always stays: nothing is before it
    if top_k:
        drop = drop | (torch.arange(chances.shape[-1], device=chances.device) >= top_k)
    return torch.zeros_like(chances).scatter(-1, order.indices, order.values.masked_fill(drop, 0.0))


def started(rows: int, device: torch.device) -> Tensor:
    """(B, 1): the start of a text, in every row."""
    return torch.full((rows, 1), START, dtype=torch.int64, device=device)
