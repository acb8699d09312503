"""A cohort of 40 members against a hand-written PyTorch loop over the same 40 networks.

    python benchmarks/cohort_vs_loop.py [--members 40] [--rounds 9] [--threads 2]

Both train a 64-64 MLP on digits with batches of 64 and Adam, uncompiled, on the same data. The loop is what
a careful person writes: inputs standardised beforehand and held as tensors, fused Adam, no data loader.
The cohort does its whole step: batch by hashed order, preparation as a layer, loss, gradient, update.
Rounds of one epoch are interleaved; printed are the medians and the median of the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn

from coterie.data.encode import encode
from coterie.data.infer import infer_schema
from coterie.data.read import read
from coterie.data.roles import assign_roles
from coterie.models.mlp import MLP
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.plan import Candidate, CohortPlan, Member, member_key
from coterie.training.recipe import Recipe

BATCH, LR = 64, 1e-3


def make_cohort(members: int, width: int = 64, dropout: float = 0.0) -> Cohort:
    table = read("digits")
    roles = assign_roles(table, target=None)
    rows = np.arange(len(table.frame))
    dataset = encode(table, infer_schema(table, roles, rows), rows)
    arena = Arena.of(dataset, ((rows, np.empty(0, dtype=np.int64)),), torch.device("cpu"))
    recipe = Recipe(
        optimizer="adam", lr=LR, weight_decay=0.0, batch_size=BATCH, schedule="constant", warmup=0.0
    )
    candidate = Candidate(0, MLP(hidden=(width, width), dropout=dropout), recipe)
    return Cohort(
        CohortPlan(0, tuple(Member(candidate, 0, s, member_key(0, 0, s)) for s in range(members))), arena
    )


class Loop:
    """The plain loop: networks, optimizers and tensors, one network after another."""

    def __init__(self, cohort: Cohort) -> None:
        data = cohort.arena.data
        x = data["numeric"]
        self.x = (x - x.mean(0)) / x.std(0)
        self.y = data["target"]
        inputs, outputs = x.shape[1], int(self.y.max()) + 1
        self.networks = [
            nn.Sequential(
                nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs)
            )
            for _ in cohort.alive
        ]
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=LR, fused=True) for n in self.networks]

    def epoch(self) -> None:
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            order = torch.randperm(len(self.x))
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(self.x[rows]), self.y[rows]).backward()
                optimizer.step()


def cohort_epoch(cohort: Cohort) -> None:
    draw = cohort.draw()
    for _ in range(int(draw.busy.max())):
        cohort.advance(draw)
    cohort.end_epoch(draw)


def timed(work: object, *args: object) -> float:
    start = time.perf_counter()
    work(*args)  # type: ignore[operator]
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--members", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cohort = make_cohort(options.members)
    loop = Loop(cohort)
    cohort_epoch(cohort)
    loop.epoch()
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(timed(cohort_epoch, cohort))
        theirs.append(timed(loop.epoch))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    print(f"{options.members} members, batch {BATCH}, {options.threads} threads, {options.rounds} rounds")
    print(f"plain PyTorch loop   {statistics.median(theirs):8.3f} s an epoch (median)")
    print(f"cohort               {statistics.median(ours):8.3f} s an epoch (median)")
    print(f"ratio                {statistics.median(ratios):8.2f} × ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
