"""Texts and sequences of a batch are as long as its longest: padding that none of them needs is not computed.

Lengths are carried with the data; batches are made of rows of like length (`order.py`), and what is handed
to the step is cut to the longest row of the batch, over all members, in steps of 16.

N rows, T steps, B rows of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

PADDED = {"tokens": "tokens", "answer": "answer", "sequence": "length"}  # what tells how long each is
STEP = 16


@dataclass(frozen=True)
class Padding:
    """How long each row's padded inputs are: (N,) by name. Inputs that no cut would shorten are left out."""

    lengths: dict[str, Tensor]

    @classmethod
    def of(cls, inputs: dict[str, Tensor]) -> Padding:
        """inputs: as in a `Dataset`; tokens of 0 are padding."""
        found = {}
        for name, teller in PADDED.items():
            if name in inputs:
                told = inputs[teller]
                lengths = (told > 0).sum(1) if told.ndim == 2 else told
                if len(lengths) and _rounded(int(lengths.min())) < inputs[name].shape[1]:
                    found[name] = lengths
        return cls(found)

    @property
    def total(self) -> Tensor | None:
        """(N,) steps that a row costs; None where all cost the same."""
        return torch.stack(list(self.lengths.values())).sum(0) if self.lengths else None

    def widths(self, rows: Tensor) -> list[dict[str, int]]:
        """What each batch (S, …) of rows is cut to, by name."""
        longest = {n: x[rows.flatten(1)].amax(1).tolist() for n, x in self.lengths.items()}
        return [{n: _rounded(x[s]) for n, x in longest.items()} for s in range(len(rows))]


def cut(data: dict[str, Tensor], widths: dict[str, int]) -> dict[str, Tensor]:
    """The data with what is padded cut to these widths: views, nothing is copied."""
    return {**data, **{name: data[name][:, :width] for name, width in widths.items()}} if widths else data


def _rounded(length: int) -> int:
    return -(-max(length, 1) // STEP) * STEP
