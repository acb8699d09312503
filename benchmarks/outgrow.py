"""A table that memory is to have no room for: how much memory its fit takes, and that nothing else changes.

    python benchmarks/bars.py outgrow

20,000,000 rows of 30 numbers and a category as Parquet, one mlp, one epoch, no folds. Memory is what no file
backs (RssAnon of /proc, so Linux alone): of a mapped file the system keeps what there is room for.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from learning import Bar

ROWS, PART = 20_000_000, 1_000_000
FEW = 120_000  # more than are encoded at once: these, too, are mapped
ON_DISK = (
    "from coterie.data import scanned; scanned.budget = lambda: {budget}; from coterie.cli import main; "
)
ASKED = (
    "--target",
    "y",
    "--models",
    "mlp",
    "--folds",
    "0",
    "--epochs",
    "1",
    "--batch-size",
    "4096",
    "--quiet",
)


def outgrow(seeds: int, work: Path) -> Iterator[Bar]:
    """Peak of memory beside what the table takes as a frame alone; a dataset of it takes more again."""
    import polars as pl

    path = work / "large.parquet"
    make(path, ROWS)
    frame = pl.scan_parquet(path).head(PART).collect()
    as_frame = frame.estimated_size() / PART * ROWS / (1 << 30)
    as_numbers = 8 * (frame.width - 1) * ROWS / (1 << 30)
    del frame
    begin = time.perf_counter()
    peak = fit(path, work / "large", 0)
    print(
        f"  {time.perf_counter() - begin:.0f} s; {as_frame:.1f} GiB as a frame, {as_numbers:.1f} as a dataset"
    )
    yield f"{ROWS:,} × 31 table: peak memory, GiB", peak, "≤", as_frame
    small = work / "small.parquet"
    make(small, FEW)
    fit(small, work / "streamed", 0)
    fit(small, work / "resident", 1 << 60)
    left = [(work / name / "model" / "model.safetensors").read_bytes() for name in ("streamed", "resident")]
    yield f"{FEW:,} rows streamed and in memory: models that differ", float(left[0] != left[1]), "≤", 0


def make(path: Path, rows: int) -> None:
    """Numbers that a class follows from, some missing, and a word."""
    import numpy as np
    import polars as pl

    parts = path.with_suffix(".parts")
    parts.mkdir()
    for begin in range(0, rows, PART):
        draw = np.random.default_rng(begin)
        count = min(PART, rows - begin)
        x = draw.normal(size=(count, 30)).astype("float32")
        x[draw.random(count) < 0.02, 3] = np.nan
        city = draw.integers(0, 40, count)
        y = x[:, 0] + x[:, 1] * x[:, 2] + 0.1 * (city % 7) + draw.normal(size=count) > 0.3
        columns = {f"x{i}": x[:, i] for i in range(30)}
        columns |= {"city": [f"city{c}" for c in city.tolist()], "y": np.where(y, "yes", "no")}
        pl.DataFrame(columns).write_parquet(parts / f"{begin:010}.parquet")
    pl.scan_parquet(sorted(parts.glob("*.parquet"))).sink_parquet(path)


def fit(path: Path, out: Path, budget: int) -> float:
    """Fits in a process of its own; GiB of its memory at most that no file backs."""
    code = ON_DISK.format(budget=budget) + "raise SystemExit(main())"
    process = subprocess.Popen([sys.executable, "-c", code, "fit", path, *ASKED, "--out", out])
    peak = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"RssAnon:\s+(\d+)", status)
        peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"coterie fit ended with {process.returncode}")
    return peak / (1 << 20)
