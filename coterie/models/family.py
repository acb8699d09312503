"""What every family of models declares: its hyperparameters, where it comes from, and how it is built.

Three abstract kinds lie between `Family` and the zoo, by what a network is given: one vector a row
(`TableFamily`), an image (`ImageFamily`), a row of steps (`SequenceFamily`). What else a row has — the
columns of a table beside an image or a text — is joined to the features before the output layer.

B batch, D features, T steps, W numbers a step, K outputs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.lifting.alone import arranged
from coterie.models.augmentation import ImageAugmentation, SequenceAugmentation
from coterie.models.columns import Columns
from coterie.models.network import Network
from coterie.models.output import Output
from coterie.models.preparation import prepare_for
from coterie.models.shape import Shape
from coterie.models.steps import Joined, Steps
from coterie.spec import Spec, choice, integer


@dataclass(frozen=True)
class Family(Spec, ABC):
    """A kind of model: a frozen, typed set of hyperparameters and a way to build the network.

    A new family is one file with one subclass and one line in `catalogue.py`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    reads: ClassVar[tuple[str, ...]]  # of "table", "image", "sequence", "text", "episode": what it is given
    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "multilabel", "regression")  # or ("text",)
    stepwise: ClassVar[bool] = False  # whether it can answer for every step of a sequence
    lasts: ClassVar[int] = 0  # steps that its training takes, however many rows there are; 0: by epochs alone
    lengthy: ClassVar[bool] = False  # whether a network takes minutes, even of a small table
    precision: ClassVar[str] = "single"  # or "double", where numbers of very different size must cancel

    @abstractmethod
    def network(self, shape: Shape, task: str, outputs: int) -> Network:
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

    def settles(self) -> dict[str, Any]:
        """Settings of the recipe that follow from these hyperparameters, where nobody asks for others."""
        return {}

    def head(self, width: int, outputs: int) -> nn.Module:
        """The output layer, affine unless a family says otherwise."""
        return nn.Linear(width, outputs)

    def lifts(self, shape: Shape) -> bool:
        """Whether members trained as one program gain over one after the other; see `benchmarks/zoo.py`."""
        return True

    def _must_suit(self, shape: Shape, task: str) -> None:
        if task not in self.tasks:
            raise SpecError(
                f"The family {self.name} learns {' or '.join(LEARNS[task] for task in self.tasks)}.",
                given="data without a target" if task == "unsupervised" else f"a target of {LEARNS[task]}",
                fix="Choose another with --models; `coterie models` lists them.",
            )
        if not set(self.reads) & set(shape.kinds):
            raise SpecError(
                f"The family {self.name} needs {' or '.join(NEEDS[kind] for kind in self.reads)}.",
                given=f"data of {' and '.join(NEEDS[kind] for kind in shape.kinds)}",
                fix="Name an environment as the data, or choose another family with --models."
                if self.reads == ("episode",)
                else "Choose another with --models (`coterie models` lists them), or say what a column is: "
                f"--kind NAME={self.reads[0] if self.reads[0] != 'table' else 'numeric'}.",
            )
        if shape.each_step and task != "text" and not (self.stepwise and shape.sequence):
            raise SpecError(
                "Answers for every step need sequences, and a family that reads them step by step.",
                given=f"the family {self.name} and data of {' and '.join(NEEDS[k] for k in shape.kinds)}",
                fix="Choose rnn, lstm, gru, tcn, cnn1d or bert for sequences, or give one answer a row.",
            )


LEARNS = {
    "binary": "two classes",
    "multiclass": "several classes",
    "multilabel": "several labels",
    "regression": "values",
    "text": "texts to be written",
    "unsupervised": "rows without a target",
}
NEEDS = {
    "table": "columns of a table",
    "image": "images",
    "sequence": "sequences",
    "text": "texts",
    "episode": "episodes of an environment, such as CartPole-v1",
}


@dataclass(frozen=True)
class TableFamily(Family):
    """A family that is given one vector a row: a table's columns, an image's pixels, all steps in a row."""

    reads: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")

    impute: str = choice(
        "median", ("median", "mean"), help="what stands for a missing number, and the centre"
    )
    categories: str = choice(
        "auto",
        ("auto", "onehot", "embedding"),
        help="categories as one-hot vectors, as learned ones, or by size: learned above 12 codes",
    )

    @abstractmethod
    def layers(self, columns: Columns) -> tuple[nn.Module, int]:
        """The layers from (B, columns.width) to the features of the output layer (B, D), and D."""

    def scaled(self) -> str:
        """How numbers are scaled: "standard", or "none" for a family whose weights are of x itself."""
        return "standard"

    def output(self, task: str, outputs: int) -> Output:
        """What makes answers of the output layer's numbers."""
        return Output(task, outputs)

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        self._must_suit(shape, task)
        embed_above = {"auto": 12, "onehot": math.inf, "embedding": 0}[self.categories]
        columns = Columns(shape, embed_above)
        hidden, width = self.layers(columns)
        head = self.head(width, 1 if task == "binary" else outputs)
        prepare = prepare_for(shape, self.impute, self.scaled())
        return Network(prepare, TableBody(columns, hidden, head), self.output(task, outputs))


class TableBody(nn.Module):
    """Columns joined into a vector, the family's hidden part, and an affine output layer."""

    def __init__(self, columns: Columns, hidden: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.columns = columns
        self.hidden = hidden
        self.head = head
        self.fits = hasattr(hidden, "fit")

    def fit(self, prepared: dict[str, Tensor]) -> None:
        """Hands the hidden part the training rows, if it sets itself by them: centres, ranges, bins."""
        self.hidden.fit(self.columns(prepared))  # type: ignore[operator]

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.hidden(self.columns(prepared))

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(prepared))


@dataclass(frozen=True)
class ImageFamily(Family, ImageAugmentation):
    """A family that is given an image a row, and the columns beside it if there are any."""

    reads = ("image",)

    def lifts(self, shape: Shape) -> bool:
        """Lifted convolutions are grouped ones, which gain on small maps alone."""
        return shape.image is not None and shape.image[1] * shape.image[2] <= 256

    @abstractmethod
    def layers(self, image: tuple[int, int, int]) -> tuple[nn.Module, int]:
        """The layers from images (B, C, H, W) to features (B, D), and D; image: (C, H, W)."""

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        self._must_suit(shape, task)
        assert shape.image is not None
        layers, width = self.layers(shape.image)
        beside = Columns(shape.beside("image"), 12)
        head = self.head(width + beside.width, 1 if task == "binary" else outputs)
        body = ImageBody(layers, beside, head)
        return Network(prepare_for(shape), body, Output(task, outputs), self.augment(shape.image))


class ImageBody(nn.Module):
    """An image's features joined with those of the columns beside it, and the output layer."""

    def __init__(self, layers: nn.Module, beside: Columns, head: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.beside = beside
        self.head = head

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.beside.join(self.layers(arranged(prepared["image"])), prepared)

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(prepared))


@dataclass(frozen=True)
class SequenceFamily(Family, SequenceAugmentation):
    """A family that is given steps: of a sequence, tokens of a text, rows of an image, columns of a table.

    For one answer a row it is pooled by `pool`; for an answer a step it is not.
    """

    stepwise = True
    reads: ClassVar[tuple[str, ...]] = ("sequence", "text", "image", "table")

    embedding: int = integer(64, low=1, high=65536, help="width of learned token vectors, for texts")

    @abstractmethod
    def layers(self, width: int, each_step: bool) -> tuple[nn.Module, int]:
        """The layers (x (B, T, width), mask (B, T) bool) → (B, T, D), and D; mask: True for real steps."""

    @abstractmethod
    def pool(self, kind: str) -> nn.Module:
        """(steps (B, T, D), mask (B, T)) → features (B, D); see `steps.py`. kind: what the steps are."""

    def token_width(self) -> int:
        """The width of learned token vectors."""
        return self.embedding

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        self._must_suit(shape, task)
        steps = Steps(shape, self.token_width())
        layers, width = self.layers(steps.width, shape.each_step)
        beside = Columns(shape.beside(steps.kind), 12)
        head = self.head(width + beside.width, 1 if task == "binary" else outputs)
        pool = None if shape.each_step else self.pool(steps.kind)
        body = Joined(steps, layers, pool, beside, head)
        return Network(
            prepare_for(shape), body, Output(task, outputs, shape.each_step), self.augment(shape.each_step)
        )
