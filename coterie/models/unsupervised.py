"""Families that learn without labels: a row is a vector, and what is learned is the rows themselves.

Their networks say of each row how well it was done, by every measure that the family has: that is what is
selected by, assessed and shown, as answers are where there are labels. A family that samples puts beside
this a row of its own making, so that samples are judged against real rows.

B batch, D numbers of a row, K numbers of a code, S measures.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from coterie.metrics.unsupervised import MEASURES
from coterie.models.draws import Draws
from coterie.models.family import Family
from coterie.models.network import Network
from coterie.models.output import Output
from coterie.models.rows import Row, Rows
from coterie.models.shape import Shape
from coterie.objectives.players import ALONE, Player

NATS = ("log_likelihood", "evidence_bound")  # measures that are log-densities where the body is continuous
BIT = math.log(2)  # nats
KEY = 0x5A4D504C  # of samples that rows are judged against


@dataclass(frozen=True)
class UnsupervisedFamily(Family):
    """A family that is given rows as vectors, and no labels (it may be told them, to go by)."""

    reads: ClassVar[tuple[str, ...]] = ("table", "image", "sequence")
    tasks: ClassVar[tuple[str, ...]] = ("unsupervised",)
    measures: ClassVar[tuple[str, ...]]  # what it can be judged by; selection goes by the first

    @abstractmethod
    def body(self, row: Row) -> nn.Module:
        """What learns: `losses`, `judge`, and of `encode`, `decode`, `reconstruct`, `sample`,
        `log_density` those that the family has; see `Unlabelled`."""

    def scaled(self) -> str:
        """How numbers are scaled: see `Rows`."""
        return "standard"

    def network(self, shape: Shape, task: str, outputs: int) -> Unlabelled:
        self._must_suit(shape, task)
        rows = Rows(shape, self.scaled())
        body = self.body(Row(rows.row.width, rows.row.image, outputs))
        return Unlabelled(rows, body, Output(task, outputs), self.measures)


class Unlabelled(Network):
    """Rows in, what is made and said of them out.

    forward: (B, S + 2·D): the family's measures in the order of `MEASURES`, NaN where it has none; behind,
    if it is judged by samples, one drawn for the row and the row itself, scaled.
    """

    prepare: Any  # `Rows`, or of texts `Texts`

    def __init__(
        self, prepare: nn.Module, body: nn.Module, output: Output, measures: tuple[str, ...]
    ) -> None:
        super().__init__(prepare, body, output)  # type: ignore[arg-type]
        self.measures = measures

    @property
    def players(self) -> tuple[Player, ...]:
        return getattr(self.body, "players", ALONE)

    @property
    def continuous(self) -> bool:
        """Whether likelihoods are densities of x, which are told in the data's own unit."""
        return bool(getattr(self.body, "continuous", False))

    def fit(self, prepared: dict[str, Tensor]) -> None:
        self.body.fit(prepared["x"], prepared["label"])  # type: ignore[attr-defined]

    def losses(self, inputs: dict[str, Tensor], player: str) -> Tensor:
        """A player's loss of each row: (B,)."""
        prepared = self.prepare(inputs)
        return self._part("losses")(prepared["x"], prepared["label"], player)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        prepared = self.prepare(inputs)
        found = self._judged(prepared)
        if "mmd" not in self.measures:
            return self._columns(found, prepared["x"])
        x, label = prepared["x"], prepared["label"]
        key = torch.full((), KEY, dtype=torch.int64, device=x.device)
        draws = Draws.of_rows(key, prepared["place"], x.dtype)
        made = self._part("sample")(draws, label)
        if self.has("belief"):
            found["sample_realness"] = self._part("belief")(made, label)
        return torch.cat([self._columns(found, x), made, x], 1)

    def raw(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B, S): the measures that need no sample."""
        prepared = self.prepare(inputs)
        return self._columns(self._judged(prepared), prepared["x"])

    def _judged(self, prepared: dict[str, Tensor]) -> dict[str, Tensor]:
        found = self._part("judge")(prepared["x"], prepared["label"], prepared["place"])
        if self.continuous:
            found = {n: v - self.prepare.log_scale() if n in NATS else v for n, v in found.items()}
        if self.has("belief"):
            found["realness"] = self._part("belief")(prepared["x"], prepared["label"])
        return with_bits(found, prepared["x"].shape[1])

    def _columns(self, found: dict[str, Tensor], x: Tensor) -> Tensor:
        some = next(iter(found.values()), x[:, 0])
        none = torch.full_like(some, torch.nan)
        return torch.stack([found.get(name, none) for name in MEASURES], 1)

    def features(self, inputs: dict[str, Tensor]) -> Tensor:
        """Codes (B, K)."""
        return self._part("encode")(self.prepare(inputs)["x"])

    def has(self, what: str) -> bool:
        """Whether the family can do this: "encode", "decode", "reconstruct", "sample", "log_density"."""
        return hasattr(self.body, what)

    def vectors(self, inputs: dict[str, Tensor]) -> Tensor:
        """Rows as the body is given them: (B, D)."""
        return self.prepare(inputs)["x"]

    def reconstruct(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Raw inputs, as they come back from their codes."""
        return self.prepare.inverse(self._part("reconstruct")(self.prepare(inputs)["x"]))

    def decode(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Raw inputs of codes (B, K) in inputs["codes"]."""
        return self.prepare.inverse(self._part("decode")(inputs["codes"]))

    def sample(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Raw inputs of rows of its own, one for each of inputs["place"] and "label" (B,); "key" ()."""
        draws = Draws.of_rows(inputs["key"], inputs["place"], self.prepare.center.dtype)
        return self.prepare.inverse(self._part("sample")(draws, inputs["label"]))

    def chain(self, inputs: dict[str, Tensor], shown: int) -> dict[str, Tensor]:
        """How samples come about, `shown` stages of each, one sample after the other; else as `sample`."""
        draws = Draws.of_rows(inputs["key"], inputs["place"], self.prepare.center.dtype)
        states = self._part("chain")(draws, inputs["label"], shown)
        return self.prepare.inverse(states.transpose(0, 1).flatten(0, 1))

    def log_density(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B,) nats, in the data's own unit where rows are continuous."""
        found = self._part("log_density")(self.prepare(inputs)["x"])
        return found - self.prepare.log_scale() if self.continuous else found

    def free_energy(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B,) −log of a probability but for a constant that all rows share."""
        return self._part("free_energy")(self.prepare(inputs)["x"])

    def _part(self, name: str) -> Callable[..., Any]:
        return getattr(self.body, name)


def with_bits(found: dict[str, Any], numbers: int) -> dict[str, Any]:
    """Measures of rows (arrays or tensors), and bits for each of a row's numbers where a likelihood is known,
    or else where a bound of it is."""
    nats = next((found[name] for name in NATS if name in found), None)
    return found if nats is None else {**found, "bits_per_dimension": nats / (-numbers * BIT)}
