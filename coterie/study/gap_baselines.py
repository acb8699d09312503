"""A simple model beside networks that fill gaps in texts: how frequent each token is, wherever it stands.

N rows, T tokens, V entries of a vocabulary, S measures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from coterie.data.dataset import Dataset
from coterie.data.tokens import SPECIAL
from coterie.metrics.unsupervised import MEASURES
from coterie.models.masked import hidden_of, judging
from coterie.study.baseline import Baseline


def fit_gap_baselines(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    development: np.ndarray,
    test: np.ndarray,
) -> Iterator[Baseline]:
    """Always the shares of tokens in a fold's training rows, for the tokens that a network is asked for."""
    if not len(test) and not any(len(validation) for _, validation in folds):
        return
    parts = tuple(folds) or ((development, development[:0]),)
    shares = [_shares(dataset, training) for training, _ in parts]
    validation = tuple(
        _said(dataset, rows, own) for own, (_, rows) in zip(shares, parts, strict=True) if len(rows)
    )
    on_test = torch.stack([_said(dataset, test, own) for own in shares]).mean(0) if len(test) else None
    yield Baseline("dummy", "always the shares of tokens", validation if folds else (), on_test, "")


def _tokens(dataset: Dataset, rows: np.ndarray) -> torch.Tensor:
    return dataset.inputs["tokens"][torch.from_numpy(rows)]


def _shares(dataset: Dataset, training: np.ndarray) -> torch.Tensor:
    """(V,): how frequent each token is, one more of each counted; 0 for the special ones but the unknown."""
    size = dataset.schema.of_kind("text")[0].shape[1]
    counts = torch.bincount(_tokens(dataset, training).flatten(), minlength=size).double() + 1
    unknown = counts[1].clone()
    counts[: len(SPECIAL)] = 0
    counts[1] = unknown
    return counts / counts.sum()


def _said(dataset: Dataset, rows: np.ndarray, shares: torch.Tensor) -> torch.Tensor:
    """(N, S): the mean log loss of a row's hidden tokens, and NaN for all that is not measured."""
    tokens, place = _tokens(dataset, rows), dataset.inputs["place"][torch.from_numpy(rows)]
    hidden = hidden_of(tokens, judging(place.new_zeros(()), place))
    surprise = torch.where(hidden, -shares[tokens].clamp_min(1e-300).log(), 0.0)
    judged = shares.new_full((len(tokens), len(MEASURES)), math.nan)
    judged[:, MEASURES.index("masked_loss")] = surprise.sum(1) / hidden.sum(1).clamp_min(1)
    return judged
