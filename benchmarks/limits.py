"""How far a cohort's step is from what this machine can do, and what a member costs as members are added.

    python benchmarks/limits.py floor                 # the step, plain and compiled, by its own arithmetic
    python benchmarks/limits.py groups                # the step of 80 members, so many at once
    python benchmarks/limits.py members               # time and memory for 1 … 1024 members

floor: an MLP of two hidden layers on digits, batch 64, Adam. Its floor is the time of its matrix products
alone, run as batched products of the same shapes, and of the bytes that the update moves, at the bandwidth
that a large copy has. Rounds of steps, plain, compiled and compiled with dropout 0.2, and of the parts of
the floor are interleaved; medians are printed, and medians of the ratios of a round.
members: each number of members in a process of its own, whose peak of memory beyond the data is compared
with what `coterie` reckons when it decides how many members train at once.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

BATCH = 64
WIDTHS, MEMBERS, ROUNDS = (64, 128, 256), 40, 15
SIZES = (0, 32, 16, 8, 4)  # members at once, 0: all
COUNTS = tuple(2**k for k in range(11))
STEPS = 10  # of a round


def floor() -> None:
    import torch

    print(
        "| widths | plain, ms | compiled, ms | products, ms | update, ms | compiled by floor | with dropout |"
    )
    print("|---|---|---|---|---|---|---|")
    for width in WIDTHS:
        kinds = [Stepping(cohort_of(MEMBERS, width, dropout)) for dropout in (0.0, 0.0, 0.2)]
        plain, compiled, dropping = kinds
        compiled.cohort.compiled()
        dropping.cohort.compiled()
        products, bandwidth = own_products(plain.cohort, width), copying()
        flat = plain.cohort.flat
        moved = 7 * flat.numel() * flat.element_size()  # 4 arrays read, 3 of them written
        times: list[list[float]] = [[] for _ in range(5)]
        for _ in range(ROUNDS):
            for found, stepping in zip(times, kinds, strict=False):
                found.append(timed(stepping.steps) / STEPS)
            times[3].append(timed(products))
            times[4].append(moved / bandwidth())
        ratios = [c / (p + u) for _, c, _, p, u in zip(*times, strict=True)]
        dropped = [d / c for _, c, d, _, _ in zip(*times, strict=True)]
        a, c, _, p, u = (1e3 * statistics.median(found) for found in times)
        said = f"| {width}, {width} | {a:.2f} | {c:.2f} | {p:.2f} | {u:.2f} "
        print(f"{said}| {statistics.median(ratios):.2f} | {statistics.median(dropped):.2f} |", flush=True)
    print(f"{MEMBERS} members, batch {BATCH}, {torch.get_num_threads()} threads, medians of {ROUNDS} rounds")


def groups() -> None:
    print("| widths | " + " | ".join(f"{size or 'all'} at once" for size in SIZES) + " |")
    print("|---" * (1 + len(SIZES)) + "|")
    for width in WIDTHS:
        for compiled in (True, False):
            stepping = Stepping(cohort_of(2 * MEMBERS, width))
            if compiled:
                stepping.cohort.compiled()
            times: dict[int, list[float]] = {size: [] for size in SIZES}
            for _ in range(ROUNDS):
                for size, found in times.items():
                    stepping.cohort.size = size
                    found.append(1e3 * timed(stepping.steps) / STEPS / (2 * MEMBERS))
            cells = " | ".join(f"{statistics.median(found):.3f}" for found in times.values())
            print(f"| {width}, {width}, {'compiled' if compiled else 'plain'} | {cells} |", flush=True)
    print(f"ms a member-step, {2 * MEMBERS} members, batch {BATCH}, medians of {ROUNDS} rounds")


class Stepping:
    """A cohort and the draw of its epoch."""

    def __init__(self, cohort: Any) -> None:
        self.cohort, self.draw = cohort, cohort.draw()

    def steps(self) -> None:
        if self.cohort.step + STEPS > int(self.draw.busy.max()):
            self.cohort.end_epoch(self.draw)
            self.draw = self.cohort.draw()
        for _ in range(STEPS):
            self.cohort.advance(self.draw)


def own_products(cohort: Any, width: int) -> Callable[[], object]:
    """The matrix products of a step, forward and backward, of tensors that hold anything."""
    import torch

    inputs = cohort.arena.data["numeric"].shape[1]
    sizes = [inputs, width, width, 10]
    layers = [
        (torch.randn(MEMBERS, BATCH, a), torch.randn(MEMBERS, a, b), torch.randn(MEMBERS, BATCH, b))
        for a, b in pairwise(sizes)
    ]

    def run() -> None:
        for place, (x, w, g) in enumerate(layers):
            torch.bmm(x, w)
            torch.bmm(x.mT, g)
            if place:  # nothing is asked of the data's own gradient
                torch.bmm(g, w.mT)

    return run


def copying() -> Callable[[], float]:
    """Bytes a second, read and written, of a copy that no cache holds."""
    import torch

    source, target = torch.zeros(1 << 24), torch.zeros(1 << 24)
    moved = 2 * source.numel() * source.element_size()
    return lambda: moved / timed(lambda: target.copy_(source))


def members() -> None:
    print("| members | ms a member-step | peak, MiB | reckoned, MiB |")
    print("|---|---|---|---|")
    for count in COUNTS:
        said = subprocess.run(
            [sys.executable, __file__, "one", "--members", str(count)],
            check=True,
            capture_output=True,
            text=True,
        )
        step, peak, reckoned = map(float, said.stdout.split())
        print(f"| {count} | {1e3 * step / count:.3f} | {peak:.0f} | {reckoned:.0f} |", flush=True)


def one(count: int) -> None:
    """Seconds a step, MiB at the peak beyond what stood before, and MiB as reckoned."""
    from coterie.models.shape import Shape
    from coterie.training.cost import cost_of

    cohort_of(1, 64)  # libraries and data
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cohort = cohort_of(count, 64)
    draw = cohort.draw()
    times = [timed(lambda: cohort.advance(draw)) for _ in range(int(draw.busy.max()))]
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    schema = cohort.arena.dataset.schema
    cost = cost_of(cohort.plan.family, Shape.of(schema), schema.target.task, schema.target.outputs)
    reckoned = 4 * (8 * cost.parameters + 2 * BATCH * cost.activations) * count / 2**20
    print(statistics.median(times), peak, reckoned)


def cohort_of(count: int, width: int, dropout: float = 0.0) -> Any:
    from cohort_vs_loop import make_cohort

    return make_cohort(count, width, dropout)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("what", choices=("floor", "groups", "members", "one"))
    asked.add_argument("--members", type=int, default=1)
    options = asked.parse_args()
    if options.what == "one":
        one(options.members)
    else:
        {"floor": floor, "groups": groups, "members": members}[options.what]()


if __name__ == "__main__":
    main()
