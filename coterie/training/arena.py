"""What all cohorts of a study share: the data on their device, and the folds as rows of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.heap import keep_memory
from coterie.data.store import filled
from coterie.models.family import Family
from coterie.training.padding import Padding
from coterie.training.start import Start
from coterie.training.streaming import resident

AT_ONCE = 1 << 22  # numbers of a large table that are cast at once


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
        if device.type == "cpu" and not dataset.mapped:
            keep_memory()
        weight = torch.ones(len(dataset)) if dataset.weight is None else dataset.weight
        data = {**dataset.inputs, "target": dataset.target, "weight": weight}
        for name, column in data.items():
            # images are cast when they are prepared; they, and large tables, stay where they are if too many
            if name != "image" and column.is_floating_point():
                column = cast(column, dtype, dataset.mapped)
            large = name == "image" or dataset.mapped
            if large and not resident(column, device):
                data[name] = column
            else:  # row by row, as compiled code wants it
                data[name] = column.to(device).contiguous()
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


def cast(column: Tensor, dtype: torch.dtype, mapped: bool) -> Tensor:
    """The column (N, …) in this precision; of a table that lies in a file, in another file."""
    if not mapped or column.dtype == dtype or not column.numel():
        return column.to(dtype)
    parts = (part.to(dtype).numpy() for part in column.split(max(1, AT_ONCE // column[0].numel())))
    numbers = torch.empty(0, dtype=dtype).numpy().dtype.type
    return torch.from_numpy(filled(parts, tuple(column.shape), numbers, 0))
