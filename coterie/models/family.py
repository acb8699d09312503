"""What every family of models declares: its hyperparameters, where it comes from, and how it is built."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from coterie.models.layers import Columns
from coterie.models.network import Network
from coterie.models.output import Output
from coterie.models.preparation import TablePreparation
from coterie.spec import Spec, choice


@dataclass(frozen=True)
class TableShape:
    """What of a table fixes shapes: which numeric inputs have an indicator, codes per category input."""

    indicator: tuple[bool, ...]
    cardinality: tuple[int, ...]

    @property
    def prepared(self) -> int:
        """Numbers a row after preparation."""
        return len(self.indicator) + sum(self.indicator)


@dataclass(frozen=True)
class Family(Spec, ABC):
    """A kind of model: a frozen, typed set of hyperparameters and a way to build the network.

    A new family is one file with one subclass and one line in `catalogue.py`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    @abstractmethod
    def network(self, shape: TableShape, task: str, outputs: int) -> Network:
        """A fresh network with initial weights, drawn from PyTorch's own generator (seeded by the caller).

        outputs: classes (2 for binary), labels or targets.
        """

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        """Settings of the recipe that suit this family better than the recipe's own defaults."""
        return {}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        """The settings of the recipe that a search over this family varies, beside the family's own."""
        return ("lr", "weight_decay")


@dataclass(frozen=True)
class TableFamily(Family):
    """A family for tables: it is given one vector a row and needs to say no more than what follows."""

    impute: str = choice(
        "median", ("median", "mean"), help="what stands for a missing number, and the centre"
    )
    categories: str = choice(
        "auto",
        ("auto", "onehot", "embedding"),
        help="categories as one-hot vectors, as learned ones, or by size: learned above 12 codes",
    )

    @abstractmethod
    def layers(self, width: int) -> tuple[nn.Module, int]:
        """The layers from (B, width) to the features of the output layer (B, D), and D."""

    def head(self, width: int, outputs: int) -> nn.Linear:
        """The affine output layer."""
        return nn.Linear(width, outputs)

    def network(self, shape: TableShape, task: str, outputs: int) -> Network:
        embed_above = {"auto": 12, "onehot": math.inf, "embedding": 0}[self.categories]
        columns = Columns(shape.prepared, shape.cardinality, embed_above)
        hidden, width = self.layers(columns.width)
        head = self.head(width, 1 if task == "binary" else outputs)
        prepare = TablePreparation(shape.indicator, self.impute)
        return Network(prepare, TableBody(columns, hidden, head), Output(task, outputs))


class TableBody(nn.Module):
    """Columns joined into a vector, the family's hidden part, and an affine output layer."""

    def __init__(self, columns: Columns, hidden: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.columns = columns
        self.hidden = hidden
        self.head = head

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.hidden(self.columns(prepared))

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(prepared))
