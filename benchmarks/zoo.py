"""Twenty members of each family as one program, against the same twenty one after the other.

    python benchmarks/zoo.py                       # every family
    python benchmarks/zoo.py lstm gru --rounds 7   # some
    python benchmarks/zoo.py --all                 # also lifted where the engine would train singly

Both take whole training steps of the engine, uncompiled, on the same data at the families' defaults: batch,
preparation, loss, gradient, update. One after the other is twenty cohorts of one. Rounds are interleaved;
printed are medians of milliseconds for a step of all members, and the median of the ratios. A family that
gains nothing on such data (`Family.lifts`), or of which only one fits into a cohort's memory, is trained
singly by the engine and listed as such. Exit status 1 if a bar is missed: 1.3 for those in FASTER, and
nothing slower than 1.05 times its time alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np
import polars as pl
import torch

from coterie.data.read import read
from coterie.models.catalogue import FAMILIES
from coterie.models.shape import Shape
from coterie.study.planning import ROOM, candidates_of, costs_of
from coterie.study.problem import Problem, pose
from coterie.study.question import Question
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.plan import Candidate, CohortPlan, Member, member_key

MEMBERS = 20
FASTER = ("mlp", "rbf", "lstm", "gru", "bert")
NEURONS = ("threshold", "perceptron", "adaline")
IMAGES = ("cnn", "lenet", "alexnet", "vgg", "googlenet", "resnet", "vit")
SETS = {
    "tables": ("digits", (*NEURONS, "polynomial", "rbf", "linear", "mlp", "tabm")),
    "narrow tables": ("breast_cancer", ("tabm",)),
    "small images": ("digits-images", IMAGES),
    "images": ("shapes", IMAGES),
    "sequences": ("signals", ("cnn1d", "tcn", "rnn", "lstm", "gru")),
    "short texts": ("words", ("bag", "bert")),
    "texts": ("many words", ("bag", "bert")),
    "texts to write": ("markov-text", ("gpt",)),
    "texts to read and write": ("reversal", ("transformer", "seq2seq")),
}


def words(rows: int, longest: int) -> pl.DataFrame:
    """Random words, at most `longest` a text, and two classes: what they say changes no step's time."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(longest // 2, longest + 1, rows)
    texts = [" ".join(f"w{k}" for k in rng.integers(0, 500, length)) for length in lengths]
    return pl.DataFrame({"text": texts, "y": [str(k % 2) for k in range(rows)]})


MADE = {"words": (800, 10), "many words": (2000, 40)}


def posed(name: str, family: str) -> tuple[Problem, Candidate, int]:
    """What the family is given, at its defaults, and how many members a cohort's memory would hold."""
    table = read(words(*MADE[name]) if name in MADE else name)
    target = ("y",) if name in MADE else ()
    options: dict[str, Any] = {"tokenizer": "characters"} if name == "markov-text" else {}
    if family in NEURONS:  # one row a step would measure the loop alone
        options["fix"] = {"batch_size": 64, "order": "shuffled"}
    question = Question(table.source, target, models=(family,), candidates=1, folds=1, **options)
    problem = pose(question, table)
    (candidate,) = candidates_of(question, problem)
    cost = costs_of((candidate,), problem)[0]
    numbers = 8 * cost.parameters + 2 * candidate.recipe.batch_size * cost.activations
    return problem, candidate, max(1, ROOM // (4 * numbers))


class Steps:
    """Cohorts that take steps in turn."""

    def __init__(self, groups: list[tuple[Member, ...]], arena: Arena) -> None:
        self.cohorts = [Cohort(CohortPlan(0, members), arena) for members in groups]
        self.draws = [cohort.draw() for cohort in self.cohorts]

    def take(self, steps: int) -> float:
        """Seconds for so many steps of all members."""
        start = time.perf_counter()
        for cohort, draw in zip(self.cohorts, self.draws, strict=True):
            cohort.step = 0
            for _ in range(steps):
                cohort.advance(draw)
        return time.perf_counter() - start


def compared(
    problem: Problem, candidate: Candidate, together: int, rounds: int
) -> tuple[float, float, float]:
    """Milliseconds a step of 20 members together, and one after the other; the median of their ratios."""
    arena = Arena.of(problem.dataset, problem.folds, torch.device("cpu"))
    members = [Member(candidate, 0, seed, member_key(0, 0, seed)) for seed in range(MEMBERS)]
    as_one = Steps([tuple(members[i : i + together]) for i in range(0, MEMBERS, together)], arena)
    singly = Steps([(member,) for member in members], arena)
    as_one.take(1)
    least = singly.take(1)
    most = int(as_one.draws[0].busy.max())
    steps = max(1, min(most, round(0.5 / least)))
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(as_one.take(steps) / steps)
        theirs.append(singly.take(steps) / steps)
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return 1e3 * statistics.median(ours), 1e3 * statistics.median(theirs), statistics.median(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(FAMILIES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--all", action="store_true", help="lift what the engine would train singly, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{MEMBERS} members, {options.threads} threads, {options.rounds} rounds; ms a step of all members")
    print(f"{'family':12} {'on':24} {'at once':>7} {'together':>9} {'in turn':>9} {'ratio':>6}")
    missed = 0
    for kind, (name, families) in SETS.items():
        for family in families:
            if options.families and family not in options.families:
                continue
            problem, candidate, room = posed(name, family)
            lifts = candidate.family.lifts(Shape.of(problem.schema))
            together = min(MEMBERS, room)
            label = f"{family:12} {kind:24}"
            if together == 1 or not (lifts or options.all):
                print(f"{label} singly, {'by its size' if lifts else 'as it gains nothing'}", flush=True)
                continue
            ours, theirs, ratio = compared(problem, candidate, together, options.rounds)
            bar = 1.3 if family in FASTER else 1 / 1.05
            missed += lifts and ratio < bar
            verdict = "(singly)" if not lifts else "" if ratio >= bar else f"MISSED (≥ {bar:.2f})"
            print(f"{label} {together:7} {ours:9.1f} {theirs:9.1f} {ratio:6.2f} {verdict}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
