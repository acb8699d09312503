"""Bars of families that make rows of their own: every mode, digits that are digits and no copies, points.

Labels, where the data have them, judge samples; `diffusion`, which is told classes by default, is told them
here, too.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learning import Bar, learned, spread
from unlabelled import EVERYTHING, IMAGES, pixels

SURE = 0.9  # of the classifier that judges samples of digits
AGAIN = 4  # samples of each model whose MMD is taken


def modes(seeds: int, work: Path) -> Iterator[Bar]:
    """Every mode of a ring and of a grid. One is found if it has a tenth of its share of samples."""
    from coterie.data import synthetic
    from coterie.metrics.likeness import mode_coverage

    for name, family, centres, needed in (
        ("ring", "gan", synthetic.ring_centres(), 8),
        ("grid", "wgan", synthetic.grid_centres(), 23),
    ):
        made = learned(name, family, seeds, **EVERYTHING)
        count = 100 * len(centres)
        samples = [model.sample(count).select("x1", "x2").to_numpy() for model in made.models]
        found = [mode_coverage(rows, centres, 3 * synthetic.MODE, fewest=10) for rows in samples]
        covered, near = [float(c.covered) for c in found], [c.near for c in found]
        print(f"  modes: {spread(covered)}; within 3σ: {spread(near)}", flush=True)
        what = f"{family} on the {name}"
        mean = statistics.mean(covered)
        yield f"{what}: modes found, of {len(centres)} (mean of {seeds} seeds)", mean, "≥", needed
        bar = ("≥", 0.9) if name == "ring" else ("", 0.0)
        yield f"{what}: samples within 3σ of a mode", statistics.mean(near), *bar


def gan_digits(seeds: int, work: Path) -> Iterator[Bar]:
    """Digits by a GAN."""
    yield from made_digits("gan", seeds, 0.8)


def diffusion_digits(seeds: int, work: Path) -> Iterator[Bar]:
    """Digits by diffusion."""
    yield from made_digits("diffusion", seeds, 0.9)


def made_digits(family: str, seeds: int, needed: float) -> Iterator[Bar]:
    """360 samples of each seed, judged by a convolutional network of real digits; and are they copies?"""
    import numpy as np
    import polars as pl

    from coterie.metrics.likeness import copying

    judge = learned(IMAGES, "cnn", 1)
    real = judge.model.predict_proba(judge.tests[0])
    print(
        f"  of real digits it did not learn from, it is sure of {(real.max(1) > SURE).mean():.3f}", flush=True
    )
    made = learned(IMAGES, family, seeds)
    sure, classes, ratios = [], [], []
    for model, known, test in zip(made.models, made.known, made.tests, strict=True):
        images = model.sample(len(test))
        bytes_ = np.clip(np.rint(images), 0, 16).astype(np.uint8)
        said = judge.model.predict_proba(pl.DataFrame({"image": pl.Series(bytes_)}))
        told = said.max(1) > SURE
        sure.append(float(told.mean()))
        classes.append(len(np.unique(said.argmax(1)[told])))
        ratios.append(copying(pixels(images), pixels(known), pixels(test)).ratio)
    print(f"  recognised: {spread(sure)}; classes: {classes}; distance: {spread(ratios)}", flush=True)
    what = f"digits by {family}"
    yield f"{what}: share that a classifier is surer of than {SURE}", statistics.mean(sure), "≥", needed
    yield f"{what}: classes among these, fewest of any seed", min(classes), "≥", 10
    what += ": median distance to the nearest training image, by that of other digits"
    yield what, statistics.mean(ratios), "≥", 0.9


def diffused(seeds: int, work: Path) -> Iterator[Bar]:
    """Points by diffusion against as many new real ones: is it further than two real samples are?"""
    import numpy as np

    from coterie.data import synthetic
    from coterie.metrics.unsupervised import LOOKED_AT

    for name, make in (("spirals", synthetic.spirals), ("ring", synthetic.ring)):

        def real(seed: int, make: Any = make) -> Any:
            columns = make(LOOKED_AT, seed=seed)[0]
            return np.stack([columns["x1"], columns["x2"]], 1)

        chance = [square(real(1000 + i), real(2000 + i)) for i in range(200)]
        limit = float(np.quantile(chance, 0.95))
        made = learned(name, "diffusion", seeds, **EVERYTHING)
        squares: dict[str, list[float]] = {}
        roots: dict[str, list[float]] = {}
        for sampler, fix in (
            ("ddpm", {"sampler": "ddpm"}),
            ("ddim", {"sampler": "ddim", "sampling_steps": 20}),
        ):
            for seed, model in enumerate(made.models):
                # the mean of several, as chance is as large as what is judged
                rows = [resampled(model, fix).sample(LOOKED_AT, seed=i).to_numpy() for i in range(AGAIN)]
                pairs = [(real(10 + AGAIN * seed + i), one) for i, one in enumerate(rows)]
                found = [square(*pair) for pair in pairs]
                squares.setdefault(sampler, []).append(statistics.mean(found))
                roots.setdefault(sampler, []).append(statistics.mean(apart(*pair) for pair in pairs))
            print(
                f"  {name}, {sampler}: squared MMD {spread(squares[sampler])}; limit {limit:.3g}", flush=True
            )
            mean = statistics.mean(squares[sampler])
            what = (
                f"diffusion on {name}, {sampler}: squared MMD, by the 95 % limit of real samples {limit:.3g}"
            )
            yield what, mean / limit, "≤" if sampler == "ddpm" else "", 1
        ratio = statistics.mean(roots["ddim"]) / statistics.mean(roots["ddpm"])
        yield f"diffusion on {name}: MMD of ddim in 20 steps, by that of ddpm", ratio, "≤", 1.2


def square(real: Any, made: Any) -> float:
    """The squared MMD without bias, as the metric `mmd` has it and reports show it."""
    import torch

    from coterie.metrics.unsupervised import pair_differences

    pairs = pair_differences(torch.from_numpy(real).double(), torch.from_numpy(made).double())
    return float(pairs.sum()) / (len(real) * (len(real) - 1))


def apart(real: Any, made: Any) -> float:
    """MMD as it is never below 0, every row being compared with itself, too: of two samples of one kind it is
    about √(2/N), and has a ratio to another. The kernels are those of `square`."""
    import numpy as np
    from scipy.spatial.distance import cdist, pdist

    width = 2 * np.median(pdist(real, "sqeuclidean"))
    pairs = ((real, real, 1), (made, made, 1), (real, made, -2))
    total = 0.0
    for a, b, sign in pairs:
        squares = cdist(a, b, "sqeuclidean") / width
        total += sign * np.mean([np.exp(-squares * 4**i).mean() for i in range(4)])
    return float(np.sqrt(total))


def resampled(model: Any, fix: dict[str, Any]) -> Any:
    """The model with another way of making rows."""
    from coterie.model import Model

    family = dataclasses.replace(model.family, **fix)
    return Model(model.schema, family, model.flat, model.buffers, model.members, model.about)
