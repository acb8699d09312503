"""What happened in a study, as tidy frames: a row for every member and epoch, or every weight and step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from coterie.data.dataset import Dataset
from coterie.study.fitting import curves_of, traces_of
from coterie.study.folder import Folder
from coterie.training.building import network_of
from coterie.training.layout import Layout
from coterie.training.plan import Candidate

MEMBER = {"candidate": pl.Int64, "fold": pl.Int64, "seed": pl.Int64}


def epoch_frame(folder: Folder, metric: str) -> pl.DataFrame:
    """candidate, fold, seed, epoch, metric ("training_loss", the study's, others of a row), value."""
    schema = {**MEMBER, "epoch": pl.Int64, "metric": pl.String, "value": pl.Float64}
    parts = [pl.DataFrame(schema=schema)]
    for curve in curves_of(folder):
        told = {**curve["beside"], "training_loss": curve["train"], metric: curve["validation"]}
        for name, values in told.items():
            frame = pl.DataFrame(
                {"epoch": curve["epoch"], "value": values}, schema={"epoch": pl.Int64, "value": pl.Float64}
            )
            member = {n: pl.lit(curve[n], pl.Int64) for n in MEMBER}
            parts.append(frame.with_columns(metric=pl.lit(name), **member).select(schema.keys()))
    return pl.concat(parts).drop_nulls("value")


def weight_frame(folder: Folder, candidates: Sequence[Candidate], dataset: Dataset) -> pl.DataFrame:
    """candidate, fold, seed, step (0: the start), name, value, of these candidates' members if traced."""
    rows = []
    names: dict[int, list[str]] = {}
    known = {candidate.index: candidate for candidate in candidates}
    for (index, fold, seed), trace in traces_of(folder).items():
        if index not in known:
            continue
        if index not in names:
            layout = Layout.of(network_of(known[index].family, dataset))
            names[index] = [
                f"{name.removeprefix('body.')}{list(place)}"
                for name, shape in zip(layout.names, layout.shapes, strict=True)
                for place in np.ndindex(*shape)
            ]
        for step, now in enumerate(trace):
            rows += [(index, fold, seed, step, n, v) for n, v in zip(names[index], now, strict=True)]
    schema = {**MEMBER, "step": pl.Int64, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
