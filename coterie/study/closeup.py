"""What suits the kind of the data, beside the scores: filters, feature maps, attention, texts, forecasts.

`closeup` finds it all for the model that a study leaves, as plain data for the page. Rows that are shown are
test rows, or else rows that the first member was not trained on, the first ones in order: nothing is chosen
for looking good.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from coterie.data.dataset import Dataset
from coterie.data.tokens import Tokenizer
from coterie.errors import ModelError
from coterie.model import Model
from coterie.report.thumbnails import mosaic, picture
from coterie.study.cells import range_of, text
from coterie.study.episode import episode, pace
from coterie.study.forecasts import forecasts
from coterie.study.inside import attention_maps, augmented, first_convolution, looks_of_start
from coterie.study.made import made
from coterie.study.problem import Problem
from coterie.study.question import Question
from coterie.study.scores import plain
from coterie.study.written import samples, writings

MAPS = 64  # filters and feature maps that are shown
LOOKS = 3  # rows whose attention is shown
WORDS = 40  # tokens along a side of such a map; longer texts are left out
TOKENS = 120  # of a text whose tokens are shaded
EXAMPLES = 16  # rows that are shown augmented
SIDE = 64  # pixels of those; larger ones are thinned out
TERMS = 24  # coefficients that are listed
STEPS = 400  # of a trace of weights that are drawn, at most

Facts = dict[str, Any]


def closeup(
    problem: Problem,
    model: Model,
    question: Question,
    trace: pl.DataFrame | None = None,
    growth: list[Facts] | None = None,
) -> tuple[Facts, dict[str, Any]]:
    """Facts of the page's section, JSON-able, {} where nothing suits; and arrays of its figures by name.

    Without single rows if so asked. trace: the winner's weights step by step, see `frames.weight_frame`.
    growth: what it drew while it learned, see `growth_of`.
    """
    dataset = problem.dataset
    positions, part = rows_to_show(problem, model, question)
    found: Facts = {}
    arrays: dict[str, Any] = {}
    if dataset.schema.image and len(positions):
        found |= _convolution(model, dataset, int(positions[0]), question.rows)
    found["made"], arrays = made(
        problem, model, positions, _trained_on(problem, model, question), question.rows, question.seed
    )
    if growth and found["made"]:
        found["made"]["growth"] = growth
    found["episode"] = episode(problem, model, positions)
    found["pace"] = pace(model, len(_trained_on(problem, model, question)))
    found["coefficients"] = _coefficients(model)
    found["trace"] = {} if trace is None else _trace(trace)
    if question.rows and len(positions):
        if model.task == "text":
            found |= _texts(model, problem, positions, question.seed)
        found["highlights"] = _highlights(model, dataset, positions[:LOOKS])
        found["forecasts"] = forecasts(model, dataset, positions)
        found["augmented"], more = _augmented(model, dataset, _spread(problem.development), question.seed)
        arrays |= more
    found = {name: value for name, value in found.items() if value}
    return (plain({"part": part, **found}) if found else {}), arrays


def _trace(trace: pl.DataFrame) -> Facts:
    """The weights of one traced member, step by step; of many steps some, evenly."""
    if not trace.height:
        return {}
    one = trace.filter((pl.col("fold") == trace["fold"][0]) & (pl.col("seed") == trace["seed"][0]))
    names = one["name"].unique(maintain_order=True).to_list()
    values = one["value"].to_numpy().reshape(-1, len(names))
    keep = np.unique(np.linspace(0, len(values) - 1, STEPS).round().astype(int))
    return {"names": names, "steps": keep.tolist(), "values": values[keep].tolist()}


def rows_to_show(problem: Problem, model: Model, question: Question) -> tuple[np.ndarray, str]:
    """Positions in the dataset, and what kind of rows they are."""
    if len(problem.test):
        return problem.test, "test"
    fold = model.members[0]["fold"]
    if problem.folds and not question.refit and len(problem.folds[fold][1]):
        return problem.folds[fold][1], "validation"
    return problem.development, "training"


def _trained_on(problem: Problem, model: Model, question: Question) -> np.ndarray:
    """Positions of the rows that the first member learned from."""
    if problem.folds and not question.refit:
        return problem.folds[model.members[0]["fold"]][0]
    return problem.development


def _convolution(model: Model, dataset: Dataset, position: int, rows: bool) -> Facts:
    """The filters that see the image itself, and what they make of one image."""
    seen = first_convolution(model, dataset, position)
    if seen is None:
        return {}
    filters = seen.filters.double().numpy()
    k, channels, height, width = filters.shape
    found: Facts = {}
    if max(height, width) > 1:
        shown = filters[:MAPS] if channels == 3 else filters[:MAPS].mean(1)
        found["filters"] = {
            "image": mosaic(shown, signed=channels != 3),
            "count": k, "shown": min(k, MAPS), "height": height, "width": width, "channels": channels,
        }  # fmt: skip
    if rows:
        low, high = range_of(dataset)
        found["maps"] = {
            "row": int(dataset.rows[position]),
            "original": picture(dataset.inputs["image"][position].numpy(), low, high),
            "image": mosaic(seen.maps[:MAPS].double().numpy()),
            "count": k, "shown": min(k, MAPS), "height": seen.maps.shape[1], "width": seen.maps.shape[2],
        }  # fmt: skip
    return found


def _texts(model: Model, problem: Problem, positions: np.ndarray, seed: int) -> Facts:
    dataset = problem.dataset
    looks: list[Facts] = []
    for item in attention_maps(model, dataset, positions[: 4 * LOOKS]):
        if len(item["down"]) <= WORDS and len(item["across"]) <= WORDS and len(looks) < LOOKS:
            looks.append({"row": int(dataset.rows[item.pop("position")]), **item})
    if model.schema.features:
        return {"attention": looks, "writings": writings(model, problem, positions)}
    return {"samples": samples(model, seed)}


def _highlights(model: Model, dataset: Dataset, positions: np.ndarray) -> list[Facts]:
    """Texts with how much each token was looked at, as a share of the one that was looked at most."""
    found = []
    for item in looks_of_start(model, dataset, positions):
        weights = item["weights"][:TOKENS] / max(float(item["weights"].max()), 1e-30)
        pairs = zip(item["tokens"][:TOKENS], weights.round(2).tolist(), strict=True)
        found.append({"row": int(dataset.rows[item["position"]]), "tokens": [list(pair) for pair in pairs]})
    return found


def _spread(positions: np.ndarray) -> np.ndarray:
    """A few of them, evenly from first to last: files of one class often follow one another."""
    return positions[
        np.linspace(0, max(len(positions) - 1, 0), min(EXAMPLES, len(positions))).round().astype(int)
    ]


def _augmented(
    model: Model, dataset: Dataset, positions: np.ndarray, seed: int
) -> tuple[Facts | None, dict[str, Any]]:
    """What training makes of some rows: texts, or arrays "augmented_before" and "augmented_after".

    Images become bytes, from the darkest to the brightest that the originals have. None without augmentation.
    """
    found = augmented(model, dataset, positions, seed)
    if found is None:
        return None, {}
    kind = next(kind for kind in ("image", "sequence", "tokens") if f"{kind} before" in found)
    before, after = (found[f"{kind} {when}"] for when in ("before", "after"))
    if kind == "tokens":
        tokenizer = Tokenizer.from_text(dataset.schema.of_kind("text")[0].coding)
        pairs = zip(before[:5].tolist(), after[:5].tolist(), strict=True)
        return {"kind": "text", "texts": [[text(tokenizer.decode(i)) for i in pair] for pair in pairs]}, {}
    if kind == "image":
        step = -(-max(before.shape[2:]) // SIDE)
        low, high = before.amin((0, 2, 3), keepdim=True), before.amax((0, 2, 3), keepdim=True)
        shares = [((part - low) / (high - low).clamp_min(1e-12)).clamp(0, 1) for part in (before, after)]
        before, after = ((255 * part[:, :, ::step, ::step]).round().byte() for part in shares)
    else:
        before, after = (part[:, :, :1].float() for part in (before, after))
    return {"kind": kind}, {"augmented_before": before.contiguous(), "augmented_after": after.contiguous()}


def _coefficients(model: Model) -> list[Facts]:
    """Of a model that is linear in few terms, each with its range over the members."""
    try:
        table = model.coefficients()
    except ModelError:
        return []
    found = []
    for (output, term), rows in table.group_by("output", "term", maintain_order=True):
        values = rows["value"].to_numpy()
        found.append(
            {
                "output": output, "term": term, "mean": float(values.mean()),
                "low": float(values.min()), "high": float(values.max()),
            }
        )  # fmt: skip
    return found if len(found) <= TERMS else []
