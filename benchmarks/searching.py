"""What successive halving saves, and what it costs: the same search with it and without it.

    python benchmarks/searching.py                       # three tables, 10 seeds
    python benchmarks/searching.py iris --seeds 3

Both searches try the same candidates on the same folds and are judged on the same test rows, seed by seed.
Printed are the share of all planned epochs of members that halving trained, the same share of those that the
full search trained, which early stopping spares some of, too, and how much worse the winner's test score is,
in standard errors of such a score. Exit status 1 if a bar is missed.
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
    options = asked.parse_args()
    missed = False
    print("| table | epochs, of planned | of trained | seconds | full | halving | worse by |")
    print("|---|---|---|---|---|---|---|")
    for table in options.tables:
        pairs = [
            (judged(table, seed, "full"), judged(table, seed, "halving")) for seed in range(options.seeds)
        ]
        planned, trained, seconds = (
            sum(h[name] for _, h in pairs) / sum(f[other] for f, _ in pairs)
            for name, other in (("epochs", "planned"), ("epochs", "epochs"), ("seconds", "seconds"))
        )
        full, halving = (statistics.mean(pair[i]["score"] for pair in pairs) for i in (0, 1))
        error = statistics.mean(f["error"] for f, _ in pairs)
        worse = statistics.mean((h["score"] - f["score"]) * f["sign"] for f, h in pairs) / error
        missed |= planned > SHARE or worse > WORSE
        shares = f"{planned:.3f} | {trained:.2f} | {seconds:.2f}"
        print(f"| {table} | {shares} | {full:.4f} | {halving:.4f} | {worse:+.2f} |", flush=True)
    return int(missed)


def judged(table: str, seed: int, search: str) -> dict[str, float]:
    """Epochs of all members, seconds, and the test score that selection goes by, with its standard error."""
    import coterie as ct

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        study = ct.fit(table, search=search, seed=seed, out=Path(folder) / "study")
        facts: dict[str, Any] = study.facts
        seconds = time.perf_counter() - start
    score = facts["test"][facts["metric"]["name"]]
    return {
        "epochs": facts["compute"]["epochs"],
        "planned": facts["compute"]["planned"],
        "seconds": seconds,
        "score": score["value"],
        "error": (score["high"] - score["low"]) / (2 * 1.96),
        "sign": -1.0 if facts["metric"]["maximise"] else 1.0,
    }


if __name__ == "__main__":
    sys.exit(main())
