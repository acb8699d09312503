"""What is left of a simple model that stands beside the network.

Apart from what fits it: that brings scikit-learn, which takes a second to import, and which neither a model
in use nor a study in training needs.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Baseline:
    """A finished baseline.

    name, label: as stored and as read. validation: (n_val, K) for each fold, in the order of the fold's
    validation positions; () without folds. test: (n_test, K), or None without test rows. Probabilities or
    values, as a model's output; with a T before K where every step has an answer. note: what was used;
    where `failed`, why, and there are no predictions. drawn: on how many training rows it was fitted, and of
    how many these were drawn; None if on all.
    """

    name: str
    label: str
    validation: tuple[Tensor, ...]
    test: Tensor | None
    note: str
    failed: bool = False
    drawn: tuple[int, int] | None = None
