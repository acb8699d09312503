"""The bars of learning without labels for the sake of labels: few of them go further on what was learned.

    python benchmarks/labelless.py                   # both, 5 seeds
    python benchmarks/labelless.py contrast --seeds 2

contrast: SimCLR learns images of digits without their labels; on its features a logistic regression learns
from 50 labelled digits, five of each. The same layers with the same augmentation learn from these 50 alone.
masking: a Transformer fills gaps in lines of two sources that nobody labelled; then the same network is shown
50 labelled lines, or begins with those 50. Each seed has its own test rows, which nothing was learned from,
and its own 50. Exit status 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learning import Bar, Bars, learned, spread

LABELS = 50
VIEWS = ("rotate", "shift", "zoom", "erase", "noise")  # that SimCLR has, for the network beside it
STRENGTHS = (0.01, 0.1, 1.0)  # of the probe's regularisation, by cross-validation on the 50
# what both Transformers are built as, and how both learn from labels
BUILT = {"width": 32, "heads": 2, "positions": "sinusoidal"}
TAUGHT = {"lr": 3e-3, "dropout": 0.1}
FILLED = {**BUILT, "epochs": 110, "lr": 5e-3, "dropout": 0.0}
LINES = {"rows": 3000, "length": 32}


def contrast(seeds: int, work: Path) -> Iterator[Bar]:
    """Features learned without labels, and a linear probe, against the network taught from the start."""
    import coterie as ct
    from coterie.models.catalogue import family_named

    simclr: Any = family_named("simclr")()
    same = {name: getattr(simclr, name) for name in VIEWS}
    found: dict[str, list[float]] = {"probe": [], "taught": []}
    for seed in range(seeds):
        few, rest, test = parted("digits-images", "digit", seed)
        unlabelled = few.vstack(rest).drop("digit")
        model = learned(unlabelled, "simclr", 1, folds=0, test_size=0).model
        found["probe"].append(probed(model, few, test, "digit"))
        taught = ct.fit(
            few, "digit", test=test, models="cnn", folds=0, seed=seed, fix=same, out=work / f"cnn-{seed}"
        )
        found["taught"].append(taught.facts["test"]["accuracy"]["value"])
        print(f"  {seed}: {found['probe'][-1]:.4f} and {found['taught'][-1]:.4f}", flush=True)
    probe, taught_alone = (sum(values) / seeds for values in found.values())
    yield f"digits from {LABELS} labels: cnn, accuracy (mean of {seeds} seeds)", taught_alone, "", 0
    yield "digits from the same labels: linear probe of simclr", probe, "", 0
    yield "the probe is better by", probe - taught_alone, "≥", 0.03


def masking(seeds: int, work: Path) -> Iterator[Bar]:
    """Two sources told apart by a Transformer that has filled gaps before, and by one that has not."""
    import polars as pl

    import coterie as ct
    from coterie.data.synthetic import two_sources

    found: dict[str, list[float]] = {"scratch": [], "begun": []}
    for seed in range(seeds):
        lines = pl.DataFrame(two_sources(**LINES, seed=seed)[0])
        few, rest, test = parted(lines, "source", seed)
        unlabelled = few.vstack(rest).drop("source")
        text: dict[str, Any] = {"kinds": {"text": "text"}}
        cut: dict[str, Any] = {**text, "tokenizer": "characters"}
        model = learned(unlabelled, "bert", 1, fix=FILLED, folds=0, test_size=0, **cut).model
        how: dict[str, Any] = {"test": test, "models": "bert", "folds": 0, "seed": seed}
        scratch = ct.fit(few, "source", **how, **cut, fix=TAUGHT | BUILT, out=work / f"scratch-{seed}")
        begun = ct.fit(few, "source", **how, **text, fix=TAUGHT, init=model, out=work / f"begun-{seed}")
        for name, study in (("scratch", scratch), ("begun", begun)):
            found[name].append(study.facts["test"]["accuracy"]["value"])
    for name, values in found.items():
        print(f"  {name}: {spread(values)}")
    scratch_alone, begun_there = (sum(values) / seeds for values in found.values())
    yield f"two sources from {LABELS} lines: bert, accuracy (mean of {seeds} seeds)", scratch_alone, "", 0
    yield "two sources from the same lines: bert that filled gaps before", begun_there, "", 0
    yield "having filled gaps is better by", begun_there - scratch_alone, "≥", 0.05


def parted(data: Any, target: str, seed: int) -> tuple[Any, Any, Any]:
    """50 labelled rows, as many of each class, the rest, and a fifth of all as test rows; all by the seed."""
    import numpy as np
    import polars as pl

    from coterie.data.read import read

    frame = read(data).frame if isinstance(data, str) else data
    order = np.random.default_rng(seed).permutation(len(frame))
    test, rest = frame[order[: len(frame) // 5]], frame[order[len(frame) // 5 :]].with_row_index("row")
    each = LABELS // rest[target].n_unique()
    few = pl.concat([part.head(each) for part in rest.partition_by(target, maintain_order=True)])
    rest = rest.filter(~pl.col("row").is_in(few["row"].to_list()))
    return few.drop("row"), rest.drop("row"), test


def probed(model: Any, few: Any, test: Any, target: str) -> float:
    """Test accuracy of logistic regression on a model's features."""
    from sklearn.linear_model import LogisticRegressionCV

    probe = LogisticRegressionCV(Cs=STRENGTHS, cv=5, max_iter=5000)
    probe.fit(model.encode(few), few[target].to_numpy())
    return float(probe.score(model.encode(test), test[target].to_numpy()))


BARS: dict[str, Bars] = {"contrast": contrast, "masking": masking}


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("bars", nargs="*", metavar="BAR", help=", ".join(BARS))
    asked.add_argument("--seeds", type=int, default=5)
    options = asked.parse_args()
    missed = 0
    for name in options.bars or BARS:
        if name not in BARS:
            asked.error(f"a bar must be one of {', '.join(BARS)}; given: {name}")
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as work:
            for what, figure, sign, bar in BARS[name](options.seeds, Path(work)):
                missed += bool(sign) and not figure >= bar
                verdict = "met   " if sign and figure >= bar else "MISSED" if sign else "      "
                print(f"{verdict} {what}: {figure:.4g}{f' ({sign} {bar:g})' if sign else ''}", flush=True)
        print(f"  {name}: {time.perf_counter() - start:.0f} s", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
