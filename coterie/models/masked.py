"""Learning a language by filling gaps: some tokens of a text are hidden, and told from all the others.

What is learned reads labelled texts afterwards: steps and layers have the names that they have in a
classifier of the same family (`--init`).

B batch, T tokens, V vocabulary, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from coterie.data.tokens import END, MASK, SPECIAL, START
from coterie.models.draws import Draws
from coterie.models.layers import Keyed
from coterie.models.steps import Steps

HIDDEN = 0.15  # share of a text's tokens that are to be told
ASIDE = 0.8, 0.9  # of these, so many show the mask, and up to here another token; the rest show themselves


class Texts(nn.Module):
    """Raw inputs → {"x": tokens (B, T), "label" (B,), "place" (B,)}; nothing is fitted."""

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None:
        """Nothing: tokens are what they are."""

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"x": inputs["tokens"], "label": inputs["label"], "place": inputs["place"]}


class Masked(Keyed):
    """Token vectors, the family's layers, and from every step the logits of the token that stands there.

    Devlin et al., "BERT", 2019: of the tokens 15 % are to be told; of these 8 in 10 are shown as the mask,
    one as another token, one as itself, so that every token's state must be of use.
    """

    def __init__(self, steps: Steps, layers: nn.Module, width: int, vocabulary: int) -> None:
        super().__init__()
        self.steps = steps
        self.layers = layers
        self.vocabulary = vocabulary
        self.words = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, vocabulary)
        )

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        """(B,) the mean log loss of a row's hidden tokens; 0 where none is hidden."""
        return self._loss(x, Draws(self.key, len(x), torch.float32, before=self.before))

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        """The same with tokens that are hidden by the row's number alone."""
        return {"masked_loss": self._loss(x, judging(self.key, place))}

    def encode(self, x: Tensor) -> Tensor:
        """(B, D): the mean state of a text's tokens."""
        states, mask = self._states(x)
        real = mask[..., None].to(states.dtype)
        return (states * real).sum(1) / real.sum(1).clamp_min(1)

    def _states(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        steps, mask = self.steps({"tokens": tokens})
        return self.layers(steps, mask), mask

    def _loss(self, tokens: Tensor, draws: Draws) -> Tensor:
        length, hidden = tokens.shape[1], hidden_of(tokens, draws)
        how = draws.each(1, length)
        other = len(SPECIAL) + (draws.each(2, length) * (self.vocabulary - len(SPECIAL))).long()
        shown = torch.where(how < ASIDE[0], MASK, torch.where(how < ASIDE[1], other, tokens))
        states, _ = self._states(torch.where(hidden, shown, tokens))
        surprise = -self.words(states).log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
        count = hidden.sum(1)
        return torch.where(hidden, surprise, 0.0).sum(1) / count.clamp_min(1)


def hidden_of(tokens: Tensor, draws: Draws) -> Tensor:
    """(B, T) bool: the tokens that are to be told, one at least of each text that has any."""
    drawn = torch.where(
        (tokens > 0) & (tokens != START) & (tokens != END), draws.each(0, tokens.shape[1]), 2.0
    )
    return (drawn < HIDDEN) | ((drawn == drawn.amin(1, keepdim=True)) & (drawn < 1))


def judging(key: Tensor, place: Tensor) -> Draws:
    """The draws by which texts are judged: by their rows' numbers alone."""
    return Draws.of_rows(torch.zeros_like(key), place, torch.float32)
