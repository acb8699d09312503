"""A bag of embeddings: a text as the mean of what its words mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from coterie.models.family import SequenceFamily
from coterie.models.layers import Dropout
from coterie.models.steps import Mean
from coterie.spec import linear, number


@dataclass(frozen=True)
class Bag(SequenceFamily):
    """The mean of learned vectors, one a token, behind it nothing but the output layer.

    The order of words is lost. Hard to beat for its price where single words decide, as in topics.

    Joulin et al., "Bag of tricks for efficient text classification" (fastText), 2017.
    """

    name = "bag"
    title = "Bag of embeddings"
    source = "Joulin et al. 2017"
    reads = ("text",)

    dropout: float = number(
        0.3, low=0, high=0.95, switch=True, search=linear(0.1, 0.7), help="share of features dropped"
    )

    def layers(self, width: int, each_step: bool) -> tuple[nn.Module, int]:
        return Dropped(self.dropout), width

    def pool(self, kind: str) -> nn.Module:
        return Mean()

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 5e-3}


class Dropped(nn.Module):
    """Steps as they are, but for dropout."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.dropout = Dropout(rate) if rate else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.dropout(x)
