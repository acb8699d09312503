"""The same search by Coterie and by what else one would use: 16 candidates × 5 folds of an MLP on digits.

    pip install scikit-learn skorch optuna keras lightning
    python benchmarks/peers.py                                    # everything, three rounds
    python benchmarks/peers.py --only coterie,sklearn --rounds 7  # some
    python benchmarks/peers.py --only coterie,keras,lightning --part 0.2

A 64-64 ReLU network, four learning rates × four decays, five stratified folds that are the same for all,
30 epochs, batches of 64, Adam, no early stopping, single precision, no refit; the winner is the candidate
whose last weights have the best mean accuracy on the validation rows. Each runs in a process of its own
and has two threads, or two processes of one thread; what is one process and gains nothing by a second thread
has one (`--threads 2` shows it). Rounds are interleaved; ratios are medians of those within a round, of a
peer's seconds by those of `coterie`.

coterie      arrays → typed table → a cohort of 80 members, compiled → trained to the end, by the engine
coterie-fit  `coterie.fit(…)` with the same grid, compiled where it pays: also baselines, report, model
sklearn      GridSearchCV(MLPClassifier, n_jobs=2)
skorch       GridSearchCV(NeuralNetClassifier, n_jobs=2)
optuna       GridSampler, one process, a plain PyTorch loop: tensors at hand, no data loader, fused Adam
optuna-2     the same, with the folds of a trial in two processes (joblib)
keras        Keras 3 on its PyTorch backend, `fit` and `predict`, one process
lightning    a Trainer with all that can be switched off off, tensors in a DataLoader, one process

fit: seconds from arrays in memory to a winner; whole: the process from its start, with imports; CPU: seconds
of both cores together. Before the first round `coterie` runs once, so that what it keeps between runs is
there; `--cold` adds a run of it in which nothing is. With --part 0.2 those that take long (SLOW) train every
fifth of the 80 networks and their fit is multiplied; no score is given then.

Decay is what each library calls so: an L2 term in the gradient, but in Keras, whose Adam has the decoupled
one; scikit-learn divides its own by the batch, so it is given 64 times as much.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version

from contenders import CONTENDERS, FOLDS, GRID, SINGLE, SPLIT, THREADS

SLOW = ("keras", "lightning")
BARS = {"sklearn": 4, "skorch": 12, "optuna": 12, "keras": 25, "lightning": 25}


def one(name: str, part: float, threads: int) -> None:
    """Prints seconds of the fit and the winner's mean accuracy (NaN where only a part was trained)."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, y))
    jobs = [(candidate, fold) for candidate in range(len(GRID)) for fold in range(FOLDS)]
    mine = jobs[:: round(1 / part)] if name in SLOW else jobs
    prepared(name, threads)
    start, before = time.perf_counter(), time.process_time()
    scores = CONTENDERS[name](x, y, folds, mine)
    fit, cpu = time.perf_counter() - start, time.process_time() - before
    means = {c: [s for (other, _), s in scores.items() if other == c] for c, _ in scores}
    best = max(map(statistics.mean, means.values())) if len(mine) == len(jobs) else float("nan")
    print(json.dumps({"fit": fit, "cpu": cpu, "score": best, "share": len(mine) / len(jobs)}))


def prepared(name: str, threads: int) -> None:
    """Imports what would otherwise be timed as part of the fit, and sets the threads."""
    if name == "keras":
        os.environ["KERAS_BACKEND"] = "torch"
    needed = {
        "coterie": "coterie.training.loop",
        "coterie-fit": "coterie",
        "sklearn": "sklearn.neural_network",
    }
    for module in ("sklearn.preprocessing", needed.get(name, name.removesuffix("-2"))):
        __import__(module)
    if name != "sklearn":
        import torch

        torch.set_num_threads(threads)


def measured(name: str, options: argparse.Namespace, cache: str | None = None) -> dict[str, float]:
    """One contender in a process of its own. cache: a folder to which compilers' caches are sent."""
    threads = 1 if name in SPLIT else options.threads if name in SINGLE else THREADS
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if cache:
        environment |= {"COTERIE_CACHE": cache, "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor"}
    words = [sys.executable, __file__, "--one", name, "--part", str(options.part), "--threads", str(threads)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    whole, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    told: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    more = 1 / told["share"] - 1  # of the fit alone: imports are the same for a part
    return {
        "fit": told["fit"] * (1 + more),
        "whole": whole + told["fit"] * more,
        "cpu": cpu + told["cpu"] * more,
        "score": told["score"],
    }


def table(rounds: list[dict[str, dict[str, float]]], names: list[str]) -> Iterator[str]:
    yield "| | fit, s | whole, s | CPU, s | accuracy | fit, ratio | whole, ratio | CPU, ratio | bar |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name in names:
        middle = {what: statistics.median(r[name][what] for r in rounds) for what in ("fit", "whole", "cpu")}
        cells = [f"{middle[what]:.1f}" for what in middle]
        score = statistics.mean(r[name]["score"] for r in rounds)
        cells.append("" if score != score else f"{score:.4f}")
        for what in middle:
            ratios = [r[name][what] / r["coterie"][what] for r in rounds] if "coterie" in names else []
            cells.append(f"{statistics.median(ratios):.1f}" if ratios else "")
        yield f"| {name} | {' | '.join(cells)} | {BARS.get(name, '')} |"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--only", default=",".join(CONTENDERS), help="names, joined by commas")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument(
        "--part", type=float, default=1.0, help=f"share of the 80 that {' and '.join(SLOW)} train"
    )
    asked.add_argument("--threads", type=int, default=1, help=f"of {', '.join(SINGLE)}")
    asked.add_argument("--cold", action="store_true", help="also coterie without anything kept between runs")
    asked.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.one:
        one(options.one, options.part, options.threads)
        return
    names = options.only.split(",")
    if unknown := set(names) - set(CONTENDERS):
        asked.error(f"--only takes {', '.join(CONTENDERS)}; not {', '.join(sorted(unknown))}")
    for name in names:
        if name.startswith("coterie"):
            measured(name, options)
    rounds: list[dict[str, dict[str, float]]] = []
    for _ in range(options.rounds):
        rounds.append({})
        for name in names:
            rounds[-1][name] = measured(name, options)
            print(f"{name}: {json.dumps(rounds[-1][name])}", file=sys.stderr, flush=True)
    print("\n".join(table(rounds, names)))
    if options.cold:
        with tempfile.TemporaryDirectory() as cache:
            cold = measured("coterie", options, cache)
        print(f"coterie with empty caches: fit {cold['fit']:.1f} s, whole {cold['whole']:.1f} s")
    said = {
        "torch": "",
        "scikit-learn": "sklearn",
        **{n: n for n in ("skorch", "optuna", "keras", "lightning")},
    }
    used = [f"{p} {version(p)}" for p, name in said.items() if any(n.startswith(name) for n in names)]
    print(f"{options.rounds} rounds; {', '.join(used)}")


if __name__ == "__main__":
    main()
