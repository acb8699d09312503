"""What all cohorts of a study share: the data on their device, and the folds as rows of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.models.family import Family
from coterie.training.padding import Padding
from coterie.training.start import Start
from coterie.training.streaming import resident


@dataclass(frozen=True)
class Arena:
    """What all cohorts of a study share: the data on their device, and the folds as rows of it."""

    dataset: Dataset
    data: dict[str, Tensor]  # inputs, "target", "weight": (N, …)
    training: tuple[np.ndarray, ...]  # rows of each fold
    validation: tuple[np.ndarray, ...]  # rows of each fold; empty arrays where there is none
    device: torch.device
    dtype: torch.dtype = torch.float32
    start: Start | None = None  # weights that members begin with, instead of drawn ones
    padding: Padding = field(default_factory=lambda: Padding({}))

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        folds: tuple[tuple[np.ndarray, np.ndarray], ...],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        start: Start | None = None,
    ) -> Arena:
        """folds: (training rows, validation rows) into the dataset, at least one pair."""
        assert dataset.target is not None
        weight = torch.ones(len(dataset)) if dataset.weight is None else dataset.weight
        data = {**dataset.inputs, "target": dataset.target, "weight": weight}
        data = {  # images are cast when they are prepared, and stay where they are if they are too many
            n: t.to(device, dtype if t.is_floating_point() else None) if n != "image" else t
            for n, t in data.items()
        }
        if "image" in data and resident(data["image"], device):
            data["image"] = data["image"].to(device)
        training, validation = tuple(f[0] for f in folds), tuple(f[1] for f in folds)
        padding = Padding.of({name: data[name] for name in dataset.inputs})
        return cls(dataset, data, training, validation, device, dtype, start, padding)

    @property
    def inputs(self) -> dict[str, Tensor]:
        return {name: self.data[name] for name in self.dataset.inputs}

    def suited(self, family: Family) -> Arena:
        """The same in the precision that the family needs."""
        if family.precision == "single" or self.dtype == torch.float64:
            return self
        folds = tuple(zip(self.training, self.validation, strict=True))
        return Arena.of(self.dataset, folds, self.device, torch.float64, self.start)
