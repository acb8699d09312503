"""The bar of transfer learning: with few labels, weights of a related task beat drawn ones.

    python benchmarks/transfer.py                       # 10 seeds, 10 labels a class: the bar
    python benchmarks/transfer.py --model cnn           # another family
    python benchmarks/transfer.py --labels 2,5,10,20,40 --figure transfer.png

A network, by default a Vision Transformer, learns the digits 0–4: five of them, by folds. The digits 5–9 are
then learned from a few labelled examples of each, from those weights and from drawn ones, with the same
(default) settings and seeds; both are judged on all other rows of 5–9. With so few nothing is held out to
stop by (`--folds 0`): all passes are made. The seed is of the choice of examples and of all that is random
in learning from them. Exit status 1 if the bar is missed.

The family of the bar was chosen after others were seen: see README.md for what each gains, or does not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from learning import Bar, learned, spread

FAMILY, LABELS, NEEDED = "vit", 10, 0.9  # of the seeds
ARMS = ("from scratch", "transferred")
TARGET = ("digit",)


def transfer(seeds: int, work: Path, family: str = FAMILY) -> Iterator[Bar]:
    """From 0–4 to 5–9 with ten labelled examples of each: one network a seed, no search, no ensemble."""
    scratch, moved = compared(family, seeds, [LABELS])[LABELS]
    what = f"5–9 from {LABELS} labels a class: {family}"
    yield f"{what} from scratch, accuracy (mean of {seeds} seeds)", sum(scratch) / seeds, "", 0
    yield f"{what} transferred from 0–4", sum(moved) / seeds, "", 0
    better = sum(b > a for a, b in zip(scratch, moved, strict=True))
    yield f"{what} transferred is better on so many of {seeds} seeds", better, "≥", NEEDED * seeds


def compared(family: str, seeds: int, labels: list[int]) -> dict[int, tuple[list[float], list[float]]]:
    """By number of labels a class: every seed's accuracy on the rest of 5–9, from scratch and transferred."""
    earlier = learned(digits(range(5)), family, 1, folds=None, target=TARGET)
    (accuracy,) = accuracies(earlier)
    print(f"  {family} on 0–4: test accuracy {accuracy:.4f}", flush=True)
    high = digits(range(5, 10))
    found = {}
    for n in labels:
        same: dict[str, Any] = {"folds": 0, "test_size": len(high) - 5 * n, "target": TARGET}
        scratch = accuracies(learned(high, family, seeds, **same))
        moved = accuracies(learned(high, family, seeds, earlier=earlier.model, **same))
        for arm, values in zip(ARMS, (scratch, moved), strict=True):
            print(f"  {family}, {n} labels a class, {arm}: {spread(values)}", flush=True)
        found[n] = (scratch, moved)
    return found


def digits(which: Iterable[int]) -> Any:
    """The rows of digits-images with these digits."""
    import polars as pl

    from coterie.data.read import read

    return read("digits-images").frame.filter(pl.col("digit").cast(pl.Int64).is_in(list(which)))


def accuracies(made: Any) -> list[float]:
    """Each seed's model on its own test rows."""
    pairs = zip(made.models, made.tests, strict=True)
    return [float((model.predict(test) == test[TARGET[0]].to_numpy()).mean()) for model, test in pairs]


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--model", default=FAMILY)
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--labels", default=str(LABELS), help="labelled examples of each class, with commas")
    asked.add_argument("--figure", type=Path, metavar="FILE", help="draw the curves: .svg, .png or .pdf")
    options = asked.parse_args()
    labels = [int(n) for n in options.labels.split(",")]
    start = time.perf_counter()
    found = compared(options.model, options.seeds, labels)
    missed = False
    for n, (scratch, moved) in found.items():
        better = sum(b > a for a, b in zip(scratch, moved, strict=True))
        missed |= n == LABELS and better < NEEDED * options.seeds
        print(
            f"{options.model}, {n:3} labels a class: from scratch {sum(scratch) / len(scratch):.4f}, "
            f"transferred {sum(moved) / len(moved):.4f}, better on {better} of {options.seeds} seeds"
        )
    if options.figure:
        from matplotlib.figure import Figure

        from coterie.report.figures import transfer_curves

        scores = {arm: [found[n][place] for n in labels] for place, arm in enumerate(ARMS)}
        ax = transfer_curves(labels, scores, "accuracy on the other rows")
        assert isinstance(ax.figure, Figure)
        ax.figure.savefig(options.figure, bbox_inches="tight", dpi=150)
    print(
        f"bar at {LABELS} labels a class: {'MISSED' if missed else 'met' if LABELS in labels else 'not run'}"
    )
    print(f"  {time.perf_counter() - start:.0f} s")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
