"""K-means: each row is stood for by the nearest of a few centres.

N rows, B batch, D numbers of a row, K centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.unsupervised import Row, UnsupervisedFamily
from coterie.objectives.players import ALONE
from coterie.spec import choice, integer, options

ROUNDS = 300  # of Lloyd's, at most: it ends when no row changes sides
PART = 2**22  # distances that are held at once


@dataclass(frozen=True)
class KMeans(UnsupervisedFamily):
    """Centres such that the squared distance from each row to the nearest is small.

    lloyd: from rows chosen far apart (k-means++), each centre goes to the mean of the rows that are nearest
    to it, until none changes sides; the best of several starts. All of it happens before training, whose
    epochs find nothing to do. online: centres start in the same way, and then each step of training pulls
    those that are nearest to the batch's rows towards them: stochastic gradient descent on the same error.

    Lloyd, "Least squares quantization in PCM", 1957; MacQueen, 1967; Bottou & Bengio, "Convergence properties
    of the k-means algorithms", 1995; Arthur & Vassilvitskii, "k-means++", 2007.
    """

    name = "kmeans"
    title = "K-means"
    source = "Lloyd 1957; MacQueen 1967; Arthur & Vassilvitskii 2007"
    measures = ("reconstruction_error",)

    centers: int = integer(8, low=1, high=65536, search=options(8, 4, 16, 32), help="centres")
    method: str = choice("lloyd", ("lloyd", "online"), help="all rows at once, or batch by batch")
    starts: int = integer(5, low=1, high=1000, help="of lloyd, the best of which is kept")

    def body(self, row: Row) -> nn.Module:
        return Centers(row.width, self)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"optimizer": "adam", "lr": 0.02, "weight_decay": 0.0, "epochs": 20, "patience": 5}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ()


class Centers(nn.Module):
    """(B, D) rows, each stood for by one of K centres."""

    players = ALONE
    continuous = True
    fits = True

    def __init__(self, width: int, family: KMeans) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.randn(family.centers, width))
        self.online, self.starts = family.method == "online", family.starts

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Sets the centres by training rows (N, D)."""
        if self.online:
            self.center.copy_(far_apart(x, len(self.center)))
        else:
            self.center.copy_(clusters(x, len(self.center), self.starts))

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        error = self._nearest(x)[1] / 2
        return error if self.online else error.detach() + 0 * self.center.sum()

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {"reconstruction_error": self._nearest(x)[1] / x.shape[1]}

    def encode(self, x: Tensor) -> Tensor:
        """Distances to the centres (B, K): the smallest says to which cluster a row belongs."""
        return _squares(x, self.center).sqrt()

    def reconstruct(self, x: Tensor) -> Tensor:
        """The nearest centre (B, D)."""
        return self.center[self._nearest(x)[0]]

    def _nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Which centre (B,), and how far it is, squared: with a gradient for that centre alone."""
        which = _squares(x, self.center).argmin(1)
        return which, (x - self.center[which]).square().sum(1)


def clusters(x: Tensor, count: int, starts: int = 1) -> Tensor:
    """Centres (K, D) of rows (N, D), where Lloyd's rounds end; of several starts the one of least error.

    With fewer different rows than centres every row is one, some of them several times. Draws from PyTorch's
    own generator, seeded by the caller.
    """
    distinct = x.unique(dim=0)
    if len(distinct) <= count:
        return distinct[torch.arange(count) % max(1, len(distinct))]
    found = [_lloyd(x, far_apart(x, count)) for _ in range(starts)]
    return min(found, key=lambda pair: pair[1])[0]


def far_apart(x: Tensor, count: int) -> Tensor:
    """K rows of x (N, D), each drawn with a chance that grows with its squared distance from those before it.

    Of several candidates the one that lowers the error most is taken, as k-means++'s authors did in practice.
    """
    tries = 2 + count.bit_length()
    chosen = [x[int(torch.randint(len(x), ()))]]
    away = _squares(x, chosen[0][None])[:, 0]
    while len(chosen) < count:
        total = away.double().cumsum(0)
        if total[-1] <= 0:  # all rows are centres already
            candidates = torch.randint(len(x), (tries,))
        else:
            drawn = torch.rand(tries, dtype=torch.float64) * total[-1]
            candidates = torch.searchsorted(total, drawn).clamp_max(len(x) - 1)
        closer = torch.minimum(away[:, None], _squares(x, x[candidates]))
        best = int(closer.sum(0).argmin())
        chosen.append(x[candidates[best]])
        away = closer[:, best]
    return torch.stack(chosen)


def _lloyd(x: Tensor, center: Tensor) -> tuple[Tensor, float]:
    """Centres at rest, and their mean squared distance."""
    before = torch.full((len(x),), -1)
    for _ in range(ROUNDS):
        which, away = _assigned(x, center)
        if torch.equal(which, before):
            break
        before = which
        count = torch.bincount(which, minlength=len(center))
        sums = torch.zeros_like(center, dtype=torch.float64).index_add_(0, which, x.double())
        center = (sums / count.clamp_min(1)[:, None]).to(x.dtype)
        empty = (count == 0).nonzero()[:, 0]
        center[empty] = x[away.topk(len(empty)).indices]  # to the rows that are served worst
    return center, float(_assigned(x, center)[1].mean())


def _assigned(x: Tensor, center: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest centre of each row (N,), and its squared distance (N,)."""
    found = [_squares(part, center).min(1) for part in x.split(max(1, PART // len(center)))]
    return torch.cat([f.indices for f in found]), torch.cat([f.values for f in found])


def _squares(x: Tensor, center: Tensor) -> Tensor:
    """Squared distances (B, K)."""
    square = x.square().sum(-1, keepdim=True) - 2 * x @ center.mT + center.square().sum(-1)
    return square.clamp_min(0)
