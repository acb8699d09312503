"""Bars of families that learn by reward: ten seeds as one cohort on the pole, judged on other starts.

    python benchmarks/agents.py               # both families; or: ppo, dqn
    python benchmarks/agents.py dqn whole     # nobody stops before all steps are over; the last is kept

A seed counts if 20 greedy episodes of its network, from test starts, have that return on average: the network
that is kept, which had the best return on validation starts, and beside it the one that training ended with.
Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from learning import Bar, spread

POLE = "CartPole-v1"
STEPS = 100_000  # of environments that a network learns from
EPISODES = 20  # that it is judged by
SEEDS = 10
BARS = {"ppo": (475, 8), "dqn": (400, 7)}  # the return that counts, and how many seeds have it


@dataclass(frozen=True)
class Played:
    """Mean returns of every seed: of the network that is kept, and of the one at the end of training."""

    kept: list[float]
    last: list[float]
    steps: int  # that were learned from
    seconds: float  # of computing


def agents(
    seeds: int, work: Path, families: tuple[str, ...] = tuple(BARS), whole: bool = False
) -> Iterator[Bar]:
    """How many of the seeds learn to balance the pole, at least ten unless asked for more."""
    seeds = max(seeds, SEEDS)
    for family in families:
        enough, many = BARS[family]
        found = played(family, seeds, whole)
        print(f"  {family}: {found.steps:,} steps, {found.seconds:.0f} s of computing; {spread(found.kept)}")
        kept, last = (sum(r >= enough for r in returns) for returns in (found.kept, found.last))
        yield f"{family}: of {seeds} seeds, those of {enough} or more", kept, "≥", many * seeds / SEEDS
        yield f"{family}: the same of networks at the end of training", last, "", 0
        yield f"{family}: steps of environments", found.steps, "≤", STEPS
        yield f"{family}: seconds of computing", found.seconds, "≤", 600


def played(family: str, seeds: int, whole: bool) -> Played:
    """The members of `coterie fit CartPole-v1 --models FAMILY --candidates 1 --folds 1 --seeds SEEDS`.

    whole: with `--fix patience=0`.
    """
    import torch

    from coterie.data.read import read
    from coterie.metrics.unsupervised import MEASURES
    from coterie.study.initial import posed
    from coterie.study.question import Question
    from coterie.training.arena import Arena
    from coterie.training.cohort import Cohort
    from coterie.training.events import StepEnd
    from coterie.training.loop import train
    from coterie.training.outputs import outputs
    from coterie.training.plan import CohortPlan, Member, member_key

    start = time.process_time()
    place = MEASURES.index("episode_return")
    fix = {"patience": 0} if whole else {}
    question = Question(POLE, models=(family,), candidates=1, folds=1, seeds=seeds, fix=fix)
    asked = posed(question, read(POLE), None, None)
    problem, (candidate,) = asked.problem, asked.candidates
    members = tuple(Member(candidate, 0, seed, member_key(0, 0, seed)) for seed in range(seeds))
    cohort = Cohort(CohortPlan(0, members), Arena.of(problem.dataset, problem.folds, torch.device("cpu")))
    rows = torch.from_numpy(problem.test[:EPISODES])

    def returns(flat: torch.Tensor, buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return outputs(cohort.steps, flat, buffers, rows, cohort.arena.inputs)[..., place].mean(1)

    def score(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return (output[..., place] * weight).sum(-1) / weight.sum(-1)

    last, steps = torch.zeros(seeds), 0
    for event in train(cohort, score, True, "raw"):
        if isinstance(event, StepEnd) and event.step == event.steps:  # some may leave now
            last[list(cohort.alive)] = returns(cohort.flat, cohort.buffers)
            steps = max(steps, int(cohort.buffers["network.body.running_taken"].max()))
    kept = returns(cohort.best, cohort.best_buffers)
    return Played(kept.tolist(), last.tolist(), steps, time.process_time() - start)


if __name__ == "__main__":
    missed = False
    asked_for = tuple(word for word in sys.argv[1:] if word in BARS) or tuple(BARS)
    whole = "whole" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for what, figure, sign, bar in agents(SEEDS, Path(folder), asked_for, whole):
            met = {"≥": figure >= bar, "≤": figure <= bar, "": True}[sign]
            missed |= not met
            said = f" ({sign} {bar:g}: {'met' if met else 'MISSED'})" if sign else ""
            print(f"{what}: {figure:g}{said}", flush=True)
    sys.exit(missed)
