"""Learning by telling rows apart: two views of a row are to be nearer to each other than to other rows.

B batch, R reference rows, K numbers of a projected view.
"""

from __future__ import annotations

import torch
from torch import Tensor


def nt_xent(first: Tensor, second: Tensor, temperature: Tensor, present: Tensor | None = None) -> Tensor:
    """The normalised, temperature-scaled cross-entropy of each row: (B,).

    first, second: (B, K), two views of the same rows; temperature: (). present: (B,) of 0 and 1, rows that
    are no padding; only these are told apart from others. For each of a row's two views, the log loss of
    finding the other one among all other views of the batch, by softmax(cosine / temperature); their mean.

    Sohn, "Improved deep metric learning with multi-class N-pair loss objective", 2016; Chen et al., "A simple
    framework for contrastive learning of visual representations", 2020, equation 1.
    """
    first, second = unit(first), unit(second)
    rows = len(first)
    here = first.new_ones(rows, dtype=torch.bool) if present is None else present.expand(rows) > 0
    itself = torch.eye(rows, dtype=torch.bool, device=first.device)
    across = first @ second.T / temperature  # [i, j]: first view of i, second of j
    absent = ~here & ~itself
    across_first = across.masked_fill(absent, -torch.inf)
    across_second = across.T.masked_fill(absent, -torch.inf)
    alike = [(v @ v.T / temperature).masked_fill(itself | ~here, -torch.inf) for v in (first, second)]
    total = sum(
        torch.cat([other, own], 1).logsumexp(1)
        for other, own in zip((across_first, across_second), alike, strict=True)
    )
    return total / 2 - across.diagonal()


def found_among(first: Tensor, second: Tensor, others: Tensor, temperature: Tensor) -> Tensor:
    """The same with others (R, K) in the place of the batch's other rows, the same for every row: (B,).

    What it says of a row depends on that row alone, so that rows may be judged in any batches.
    """
    first, second, others = unit(first), unit(second), unit(others)
    pair = (first * second).sum(1, keepdim=True) / temperature
    total = sum(torch.cat([pair, view @ others.T / temperature], 1).logsumexp(1) for view in (first, second))
    return total / 2 - pair.squeeze(1)


def unit(x: Tensor) -> Tensor:
    """Vectors (B, K) of length 1; one that is 0 stays so, with a gradient that is finite."""
    return x * torch.rsqrt(x.square().sum(1, keepdim=True).clamp_min(1e-16))
