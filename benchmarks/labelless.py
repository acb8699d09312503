"""The bars of learning without labels for the sake of labels: few of them go further on what was learned.

    python benchmarks/labelless.py                   # both, 5 seeds
    python benchmarks/labelless.py contrast --seeds 2

contrast: SimCLR learns images of digits without their labels; on its features a logistic regression learns
from 50 labelled digits, five of each. The same layers with the same augmentation learn from these 50 alone.
masking: a Transformer fills gaps in lines of two sources that nobody labelled; then the same network is shown
50 labelled lines, or begins with those 50. All are at the families' defaults, but for a smaller Transformer
that knows places by waves, and fills gaps without dropout. Each seed has its own test rows, which nothing was
learned from, and its own 50. Exit status 1 if a bar is missed.
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
LAYERS = ("channels", "end")
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the probe's weights, by cross-validation on the 50
LINES = {"rows": 3000, "length": 16}
BUILT = {"width": 32, "heads": 2, "positions": "sinusoidal"}  # both Transformers
FILLED = {**BUILT, "dropout": 0.0}  # hidden tokens are noise enough


def contrast(seeds: int, work: Path) -> Iterator[Bar]:
    """Features learned without labels, and a linear probe, against the network taught from the start."""
    from coterie.models.catalogue import family_named

    simclr: Any = family_named("simclr")()
    same = {name: getattr(simclr, name) for name in (*VIEWS, *LAYERS)}
    found: dict[str, list[float]] = {"probe": [], "taught": []}
    for seed in range(seeds):
        few, rest, test = parted("digits-images", "digit", seed)
        begun = {"folds": 0, "test_size": 0, "first": seed}
        model = learned(few.vstack(rest).drop("digit"), "simclr", 1, **begun).model
        taught = learned(few, "cnn", 1, same, target=("digit",), **begun).model
        found["probe"].append(probed(model, few, test, "digit"))
        found["taught"].append(right(taught, test, "digit"))
    for name, values in found.items():
        print(f"  {name}: {spread(values)}", flush=True)
    probe, taught_alone = (sum(values) / seeds for values in found.values())
    yield f"digits from {LABELS} labels: cnn, accuracy (mean of {seeds} seeds)", taught_alone, "", 0
    yield "digits from the same labels: linear probe of simclr", probe, "", 0
    yield "the probe is better by", probe - taught_alone, "≥", 0.03


def masking(seeds: int, work: Path) -> Iterator[Bar]:
    """Two sources told apart by a Transformer that has filled gaps before, and by one that has not."""
    import numpy as np
    import polars as pl

    from coterie.data.synthetic import source_evidence, two_sources

    found: dict[str, list[float]] = {"from the start": [], "having filled gaps": [], "best possible": []}
    for seed in range(seeds):
        lines = pl.DataFrame(two_sources(**LINES, seed=seed)[0])
        few, rest, test = parted(lines, "source", seed)
        text: dict[str, Any] = {"kinds": {"text": "text"}, "folds": 0, "test_size": 0, "first": seed}
        cut: dict[str, Any] = {**text, "tokenizer": "characters"}
        model = learned(few.vstack(rest).drop("source"), "bert", 1, FILLED, **cut).model
        scratch = learned(few, "bert", 1, BUILT, target=("source",), **cut).model
        begun = learned(few, "bert", 1, target=("source",), earlier=model, **text).model
        forward = test["source"].to_numpy() == "forward"
        likelier = np.array([source_evidence(line) > 0 for line in test["text"]])
        for name, share in zip(
            found,
            (right(scratch, test, "source"), right(begun, test, "source"), (likelier == forward).mean()),
            strict=True,
        ):
            found[name].append(float(share))
    for name, values in found.items():
        print(f"  {name}: {spread(values)}", flush=True)
    scratch_alone, begun_there, best = (sum(values) / seeds for values in found.values())
    yield "two sources, by their true likelihoods: accuracy, the best possible", best, "", 0
    yield f"two sources from {LABELS} lines: bert (mean of {seeds} seeds)", scratch_alone, "", 0
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


def right(model: Any, test: Any, target: str) -> float:
    """Test accuracy of what a model predicts."""
    import numpy as np

    return float((np.asarray(model.predict(test)) == test[target].to_numpy()).mean())


def probed(model: Any, few: Any, test: Any, target: str) -> float:
    """Test accuracy of logistic regression on a model's features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    probe = GridSearchCV(LogisticRegression(max_iter=5000), {"C": STRENGTHS}, cv=5, scoring="neg_log_loss")
    probe.fit(model.encode(few), few[target].to_numpy())
    said = probe.predict(model.encode(test))
    return float((said == test[target].to_numpy()).mean())


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
        start = time.process_time()
        with tempfile.TemporaryDirectory() as work:
            for what, figure, sign, bar in BARS[name](options.seeds, Path(work)):
                missed += bool(sign) and not figure >= bar
                verdict = "met   " if sign and figure >= bar else "MISSED" if sign else "      "
                print(f"{verdict} {what}: {figure:.4g}{f' ({sign} {bar:g})' if sign else ''}", flush=True)
        print(f"  {name}: {time.process_time() - start:.0f} s of processor time", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
