"""A large single model: what parts of a batch, recomputed activations and several processes change.

    python benchmarks/large.py memory                 # peak and time of a step
    python benchmarks/large.py processes              # a member shared by 1, 2 and 3 processes

memory: a GPT (6 layers of width 256, 128 steps, batch 32, dropout), each setting in processes of its own: one
for the time of the processor, one for the peak of a step beyond what stood before it, in which memory that is
given back is gone at once (glibc would keep it, and the peak would be that of its scraps).
processes: one thread each, the same GPT and an MLP (2048, 2048, batch 512): the fastest of a few steps by the
clock, which says something only where nothing else is at work; processor seconds of the first process; and
what a process holds of parameters, best parameters and the optimizer's slots.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from typing import Any

ROWS, STEPS, WORDS = 512, 128, 500
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "accumulate=4": {"accumulate": 4},
    "recompute=true": {"recompute": True},
    "both": {"accumulate": 4, "recompute": True},
}
TIMED = 6


def memory() -> None:
    print("| setting | processor seconds a step | peak of a step, MiB |")
    print("|---|---|---|")
    for name in SETTINGS:
        told = []
        for more in ({}, {"MALLOC_MMAP_THRESHOLD_": "65536"}):
            command = [sys.executable, __file__, "setting", "--name", name]
            said = subprocess.run(
                command, check=True, capture_output=True, text=True, env={**os.environ, **more}
            )
            told.append(said.stdout.split())
        step, peak = float(told[0][0]), float(told[1][1])
        print(f"| {name} | {step:.2f} | {peak:.0f} |", flush=True)


def setting(name: str) -> None:
    """Processor seconds a step, and MiB at the peak beyond what stood before."""
    from coterie.training.cohort import Cohort

    cohort = Cohort(*gpt(**SETTINGS[name]))
    draw = cohort.draw()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = [timed(cohort, draw)[1] for _ in range(2)]
    print(min(times), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def processes() -> None:
    print("| network | processes | seconds a step | processor seconds | held by a process, MiB |")
    print("|---|---|---|---|---|")
    for which in ("gpt", "mlp"):
        for count in (1, 2, 3):
            many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
            said = subprocess.run(
                [sys.executable, *(many if count > 1 else []), __file__, "process", "--name", which],
                check=True,
                capture_output=True,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            step, own, held = map(float, said.stdout.split())
            print(f"| {which} | {count} | {step:.2f} | {own:.2f} | {held:.0f} |", flush=True)


def process(which: str) -> None:
    """Seconds a step, of the processor too, and MiB that this process holds; told by the first one."""
    from coterie.training.cohort import Cohort
    from coterie.training.ranks import leave, ranks
    from coterie.training.sharded import Sharded

    plan, arena = {"gpt": gpt, "mlp": mlp}[which]()
    together = ranks()
    cohort = Sharded(plan, arena, together) if together else Cohort(plan, arena)
    draw = cohort.draw()
    times = [timed(cohort, draw) for _ in range(TIMED)]
    held = sum(t.nbytes for t in (cohort.flat, cohort.best, *cohort.slots.values())) / 2**20
    if not together or not together.rank:
        print(min(clock for clock, _ in times), min(own for _, own in times), held)
    leave()


def timed(cohort: Any, draw: Any) -> tuple[float, float]:
    """Seconds of a step, by the clock and of the processor."""
    start, own = time.perf_counter(), time.process_time()
    cohort.advance(draw)
    return time.perf_counter() - start, time.process_time() - own


def gpt(**settings: Any) -> tuple[Any, Any]:
    """Texts of random words: what they say changes nothing of what a step costs."""
    import numpy as np
    import torch

    from coterie.data.dataset import Dataset
    from coterie.data.schema import Column, Schema, Target
    from coterie.models.gpt import GPT

    drawn = torch.Generator().manual_seed(0)
    answer = torch.randint(5, WORDS, (ROWS, STEPS + 1), generator=drawn)
    said = Target(("y",), "text", each_step=True, shape=(STEPS + 1, WORDS))
    schema = Schema.of([Column("y", "numeric", "target")], said)
    inputs = {
        "numeric": torch.zeros(ROWS, 0),
        "category": torch.zeros(ROWS, 0, dtype=torch.int64),
        "answer": answer,
    }
    dataset = Dataset(schema, inputs, answer[:, 1:], None, np.arange(ROWS))
    family = GPT(width=256, depth=6, heads=8, dropout=0.1)
    return planned(dataset, family, batch_size=32, **settings)


def mlp() -> tuple[Any, Any]:
    import numpy as np
    import torch

    from coterie.data.dataset import Dataset
    from coterie.data.schema import Column, Schema, Target
    from coterie.models.mlp import MLP

    rows, drawn = 4096, torch.Generator().manual_seed(0)
    columns = [Column(f"x{i}", "numeric", "feature") for i in range(64)]
    schema = Schema.of(
        [*columns, Column("y", "numeric", "target")], Target(("y",), "multiclass", ("a", "b", "c"))
    )
    inputs = {
        "numeric": torch.randn(rows, 64, generator=drawn),
        "category": torch.zeros(rows, 0, dtype=torch.int64),
    }
    dataset = Dataset(schema, inputs, torch.randint(3, (rows,), generator=drawn), None, np.arange(rows))
    return planned(dataset, MLP(hidden=(2048, 2048), dropout=0.2), batch_size=512)


def planned(dataset: Any, family: Any, **settings: Any) -> tuple[Any, Any]:
    """One member, and the data."""
    import numpy as np
    import torch

    from coterie.training.arena import Arena
    from coterie.training.plan import Candidate, CohortPlan, Member, member_key
    from coterie.training.recipe import Recipe

    member = Member(Candidate(0, family, Recipe(**settings)), 0, 0, member_key(0, 0, 0))
    folds = ((np.arange(len(dataset)), np.empty(0, dtype=np.int64)),)
    return CohortPlan(0, (member,)), Arena.of(dataset, folds, torch.device("cpu"))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("what", choices=("memory", "processes", "setting", "process"))
    asked.add_argument("--name", default="")
    options = asked.parse_args()
    {
        "memory": memory,
        "processes": processes,
        "setting": lambda: setting(options.name),
        "process": lambda: process(options.name),
    }[options.what]()


if __name__ == "__main__":
    main()
