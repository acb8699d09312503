"""What a search saves or gains, and what it costs, beside the full search over quasi-random candidates.

    python benchmarks/searching.py                       # successive halving: three tables, 10 seeds
    python benchmarks/searching.py iris --seeds 3
    python benchmarks/searching.py --search tpe --seeds 5   # a sampler of Optuna, as many candidates

Both searches have the same folds and are judged on the same test rows, seed by seed; halving tries the same
candidates, a sampler as many. Printed are the share of all planned epochs of members that the search trained,
the same share of those that the full search trained, which early stopping spares some of, too, seconds of the
processor, the winner's mean validation score, and how much worse its validation and test scores are, in
standard errors of such a test score. Exit status 1 if a bar of halving is missed; samplers have none.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TABLES = ("digits", "breast_cancer", "diabetes")
SHARE, WORSE = 0.25, 0.25  # the bars


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("tables", nargs="*", default=TABLES)
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--search", choices=("halving", "tpe", "gp"), default="halving")
    asked.add_argument("--models", help="families, with commas (default: those that suit)")
    asked.add_argument("--candidates", type=int, help="how many (default: 16)")
    options = asked.parse_args()
    missed = False
    how, name = {"models": options.models, "candidates": options.candidates}, options.search
    print("| table | epochs, of planned | of trained | CPU seconds | validation, full "
          f"| {name} | worse by | test, full | {name} | worse by |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for table in options.tables:
        pairs = [
            (judged(table, seed, "full", how), judged(table, seed, name, how))
            for seed in range(options.seeds)
        ]
        planned, trained, seconds = (
            sum(h[name] for _, h in pairs) / sum(f[other] for f, _ in pairs)
            for name, other in (("epochs", "planned"), ("epochs", "epochs"), ("seconds", "seconds"))
        )
        shares = f"{planned:.3f} | {trained:.2f} | {seconds:.2f}"
        error = statistics.mean(f["error"] for f, _ in pairs)
        told, worse = [], 0.0
        for key in ("validation", "score"):
            full, other = (statistics.mean(pair[i][key] for pair in pairs) for i in (0, 1))
            worse = statistics.mean((h[key] - f[key]) * f["sign"] for f, h in pairs) / error
            told.append(f"{full:.4f} | {other:.4f} | {worse:+.2f}")
        missed |= name == "halving" and (planned > SHARE or worse > WORSE)
        print(f"| {table} | {shares} | {' | '.join(told)} |", flush=True)
    return int(missed)


def judged(table: str, seed: int, search: str, how: dict[str, Any]) -> dict[str, float]:
    """Epochs of all members, seconds, the winner's mean validation score, and its test score by the metric
    that selection goes by, with its standard error."""
    import coterie as ct

    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        study = ct.fit(table, search=search, seed=seed, out=Path(folder) / "study", **how)
        facts: dict[str, Any] = study.facts
        seconds = time.process_time() - start
    score = facts["test"][facts["metric"]["name"]]
    return {
        "epochs": facts["compute"]["epochs"],
        "planned": facts["compute"]["planned"],
        "seconds": seconds,
        "validation": next(c["mean"] for c in facts["candidates"] if c["index"] == facts["winner"]["index"]),
        "score": score["value"],
        "error": (score["high"] - score["low"]) / (2 * 1.96),
        "sign": -1.0 if facts["metric"]["maximise"] else 1.0,
    }


if __name__ == "__main__":
    sys.exit(main())
