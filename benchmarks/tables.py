"""The table families against histogram gradient boosting on every bundled table, 5-fold, on the same folds.

    python benchmarks/tables.py                    # tabm and mlp on all six
    python benchmarks/tables.py iris wine --families tabm

Of each fold's training rows a family makes what `coterie fit --candidates 1` makes: five networks, each
stopped by a fifth of those rows, averaged. On digits, the largest table, it makes what `--folds 1` makes, one
network, which takes minutes where five take a quarter of an hour. `HistGradientBoosting` is scikit-learn's
at its default settings. Printed: mean ± standard error over the five folds, and the mean of the differences
(family minus boosting, turned so that less is better for the family) ± its standard error. Met: the
difference is at most one standard error. Regression is in deviations of the target, several targets averaged.
Exit status 1 if tabm misses on any table by log loss or RMSE.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import polars as pl
from learning import learned
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.multioutput import MultiOutputRegressor

from coterie.data.bundled import read_bundled

TABLES = ("digits", "breast_cancer", "iris", "wine", "diabetes", "linnerud")
VALUES = ("diabetes", "linnerud")
FOLDS = {"digits": 1}  # of the rows that a family learns from; of the others the default, five
Scores = dict[str, float]


def of_classes(chances: np.ndarray, truth: np.ndarray) -> Scores:
    """chances (N, K), truth (N,) from 0 to K − 1."""
    own = np.clip(chances[np.arange(len(truth)), truth], 1e-15, 1)
    return {"log loss": float(-np.log(own).mean()), "accuracy": float((chances.argmax(1) == truth).mean())}


def of_values(said: np.ndarray, truth: np.ndarray, unit: np.ndarray) -> Scores:
    """said, truth (N, K); unit (K,): the deviations of all rows' targets."""
    square = ((said - truth) ** 2).mean(0)
    r2 = 1 - square / ((truth - truth.mean(0)) ** 2).mean(0)
    return {"RMSE": float(np.mean(np.sqrt(square) / unit)), "R²": float(np.mean(r2))}


def compared(name: str, families: list[str]) -> dict[str, list[Scores]]:
    """The scores of "boosting" and of each family, fold by fold."""
    table = read_bundled(name)
    target = list(table.target)
    x = table.frame.drop(target).to_numpy().astype(float)
    y = table.frame.select(target).to_numpy()
    values = name in VALUES
    if not values:
        y = np.unique(y[:, 0], return_inverse=True)[1]
    folds = (KFold if values else StratifiedKFold)(5, shuffle=True, random_state=0)
    unit = y.std(0) if values else np.ones(1)
    found: dict[str, list[Scores]] = {}
    for training, test in folds.split(x, y if not values else None):
        said: dict[str, Any] = {}
        if values:
            boosting = MultiOutputRegressor(HistGradientBoostingRegressor(random_state=0))
            said["boosting"] = boosting.fit(x[training], y[training]).predict(x[test])
        else:
            boosting = HistGradientBoostingClassifier(random_state=0)
            said["boosting"] = boosting.fit(x[training], y[training]).predict_proba(x[test])
        for family in families:
            rows: pl.DataFrame = table.frame[training]
            asked: dict[str, Any] = {"target": tuple(target), "folds": FOLDS.get(name), "test_size": 0}
            made = learned(rows, family, 1, quiet=True, **asked)
            said[family] = made.model.output(table.frame[test]).numpy()
        for label, answer in said.items():
            scores = of_values(answer, y[test], unit) if values else of_classes(answer, y[test])
            found.setdefault(label, []).append(scores)
    return found


def mean_and_error(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=", ".join(TABLES))
    parser.add_argument("--families", nargs="+", default=["tabm", "mlp"])
    options = parser.parse_args()
    missed = 0
    for name in options.tables or TABLES:
        start = time.perf_counter()
        found = compared(name, options.families)
        for metric in found["boosting"][0]:
            boosting = [scores[metric] for scores in found["boosting"]]
            mean, error = mean_and_error(boosting)
            print(f"{name:14} {metric:9} boosting {mean:8.4f} ± {error:.4f}")
            for family in options.families:
                own = [scores[metric] for scores in found[family]]
                sign = 1 if metric in ("log loss", "RMSE") else -1
                mean, error = mean_and_error(own)
                gap, doubt = mean_and_error([sign * (a - b) for a, b in zip(own, boosting, strict=True)])
                met = gap <= doubt
                missed += family == "tabm" and not met and sign == 1
                print(
                    f"{name:14} {metric:9} {family:8} {mean:8.4f} ± {error:.4f}   "
                    f"behind by {gap:+.4f} ± {doubt:.4f}   {'met' if met else 'MISSED'}"
                )
        print(f"  {time.perf_counter() - start:.0f} s", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
