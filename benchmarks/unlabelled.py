"""Bars of families that learn without labels: rows said again, and densities. Samples: `samples.py`.

Labels, where the data have them, judge codes, and nothing is learned from them.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from learning import Bar, learned, spread

EVERYTHING: dict[str, Any] = {"test_size": 0, "folds": 0}  # all rows to learn from
IMAGES = "digits-images"
PUBLISHED = {2: 13.42, 8: 6.12, 16: 2.83}  # of principal components: squared error a pixel, by codes


def pixels(images: Any) -> Any:
    """(N, D) float64, of a frame or an array of images."""
    import numpy as np

    images = images if isinstance(images, np.ndarray) else images["image"].to_numpy()
    return images.reshape(len(images), -1).astype(np.float64)


def error(made: Any, truth: Any) -> float:
    """Mean squared error a number."""
    import numpy as np

    return float(np.square(made - truth).mean())


def components(rows: Any, codes: int) -> tuple[Any, Any]:
    """The mean (D,) and the principal axes (codes, D) of rows (N, D), by singular values."""
    import numpy as np

    centre = rows.mean(0)
    return centre, np.linalg.svd(rows - centre, full_matrices=False)[2][:codes]


# ---- rows said again ----------------------------------------------------------------------------------


def autoencoders(seeds: int, work: Path) -> Iterator[Bar]:
    """Linear: principal components, and their subspace, of all rows. Curved: below them on other rows."""
    import numpy as np

    from coterie.data.read import read

    every = read(IMAGES).frame
    x = pixels(every)
    for solution in ("exact", "gradient"):
        for codes, published in PUBLISHED.items():
            fix: dict[str, Any] = {"codes": codes, "solution": solution}
            made = learned(IMAGES, "linear_autoencoder", seeds, fix, **EVERYTHING)
            errors = [error(pixels(model.reconstruct(every)), x) for model in made.models]
            _, axes = components(x, codes)
            cosines = []
            for model in made.models:
                still, *moved = pixels(model.decode(np.concatenate([np.zeros((1, codes)), np.eye(codes)])))
                own = np.linalg.qr((np.array(moved) - still).T)[0]
                cosines.append(float(np.linalg.svd(axes @ own, compute_uv=False).min()))
            angle = max(math.degrees(math.acos(min(1.0, cosine))) for cosine in cosines)
            what = f"linear autoencoder ({solution}), {codes} codes: squared error a pixel"
            print(f"  {what}: {spread(errors)}", flush=True)
            mean = statistics.mean(errors)
            yield (
                f"{what} {mean:.4f}, by that of principal components {published}",
                mean / published,
                "≤",
                1.01,
            )
            yield "  largest angle between its subspace and theirs, of any seed: degrees", angle, "≤", 5
    made = learned(IMAGES, "autoencoder", seeds, {"codes": 8})
    curved, theirs = [], []
    for model, known, test in zip(made.models, made.known, made.tests, strict=True):
        centre, axes = components(pixels(known), 8)
        rows = pixels(test)
        curved.append(error(pixels(model.reconstruct(test)), rows))
        theirs.append(error(centre + (rows - centre) @ axes.T @ axes, rows))
    print(f"  autoencoder: {spread(curved)}; principal components: {spread(theirs)}", flush=True)
    ratio = statistics.mean(curved) / statistics.mean(theirs)
    what = f"autoencoder, 8 codes, other rows: squared error a pixel {statistics.mean(curved):.2f}"
    yield f"{what}, by that of principal components {statistics.mean(theirs):.2f}", ratio, "≤", 1


def spoiled(seeds: int, work: Path) -> Iterator[Bar]:
    """Clean digits from noisy ones that were not learned from; and how often sparse codes are on."""
    import numpy as np
    import torch

    made = learned(IMAGES, "denoising_autoencoder", seeds)
    found: dict[str, list[float]] = {"noisy": [], "own": [], "components": []}
    for seed, (model, known, test) in enumerate(zip(made.models, made.known, made.tests, strict=True)):
        clean, rows = pixels(test), pixels(known)
        noise = np.random.default_rng(seed).normal(size=clean.shape)
        noisy = clean + model.family.amount * rows.std() * noise
        data = model.dataset(test)
        image = torch.from_numpy(noisy).float().view(data.inputs["image"].shape)
        data = dataclasses.replace(data, inputs={**data.inputs, "image": image})
        centre, axes = components(rows, model.family.codes)
        found["noisy"].append(error(noisy, clean))
        found["own"].append(error(pixels(model.reconstruct(data)), clean))
        found["components"].append(error(centre + (noisy - centre) @ axes.T @ axes, clean))
    for arm, errors in found.items():
        print(f"  squared error a pixel, {arm}: {spread(errors)}", flush=True)
    noisy_error, own, components_error = (statistics.mean(errors) for errors in found.values())
    what = f"denoising autoencoder: squared error a pixel {own:.2f}"
    yield f"{what}, by that of the noisy input {noisy_error:.2f}", own / noisy_error, "≤", 1
    ratio = own / components_error
    yield f"{what}, by that of as many principal components {components_error:.2f}", ratio, "≤", 1

    made = learned(IMAGES, "sparse_autoencoder", seeds)
    codes = [model.encode(test) for model, test in zip(made.models, made.tests, strict=True)]
    target = made.models[0].family.target
    means = [float(code.mean()) for code in codes]
    print(f"  mean activity on other rows: {spread(means)}; target {target:g}", flush=True)
    every = np.stack([code.mean(0) for code in codes])
    print(f"  of single codes from {every.min():.3g} to {every.max():.3g}", flush=True)
    off = statistics.mean(abs(mean / target - 1) for mean in means)
    yield "sparse autoencoder: mean activity, share by which it misses its target", off, "≤", 0.2


# ---- densities ----------------------------------------------------------------------------------------


def bounds(seeds: int, work: Path) -> Iterator[Bar]:
    """What codes are worth to a variational autoencoder; labels by the neighbours of two codes."""
    import numpy as np

    from coterie.metrics.likeness import neighbour_accuracy

    made = learned(IMAGES, "vae", seeds)
    own, without = [], []
    for model, known, test in zip(made.models, made.known, made.tests, strict=True):
        own.append(float(model.predict_table(test)["evidence bound"].mean()))
        rows, other = pixels(known), pixels(test)
        variance = error(rows, rows.mean(0))  # of a deviation that all pixels share
        misfit = np.square(other - rows.mean(0)) / variance
        without.append(float(-0.5 * (misfit + math.log(2 * math.pi * variance)).sum(1).mean()))
    print(f"  nats an image, other rows: {spread(own)}; without codes: {spread(without)}", flush=True)
    gain = statistics.mean(own) - statistics.mean(without)
    what = f"vae: evidence bound {statistics.mean(own):.2f} nats an image, above a decoder without codes"
    yield f"{what} ({statistics.mean(without):.2f}) by", gain, "≥", 10

    made = learned(IMAGES, "vae", seeds, {"codes": 2})
    found = []
    for model, known, test in zip(made.models, made.known, made.tests, strict=True):
        labels, truth = known["digit"].to_numpy(), test["digit"].to_numpy()
        found.append(neighbour_accuracy(model.encode(known), labels, model.encode(test), truth))
    print(f"  accuracy of 10 neighbours: {spread(found)}", flush=True)
    yield "vae, 2 codes: 10 nearest neighbours, accuracy on other rows", statistics.mean(found), "≥", 0.75


def machines(seeds: int, work: Path) -> Iterator[Bar]:
    """Fourteen patterns, each as probable: nobody can do better than −ln 14."""
    from coterie.data.read import read

    made = learned("bars", "rbm", seeds, {"units": 16}, **EVERYTHING)
    rows = read("bars").frame
    found = [float(model.score_samples(rows).mean()) for model in made.models]
    print(f"  nats a pattern: {spread(found)}", flush=True)
    mean, best = statistics.mean(found), -math.log(14)
    what = f"rbm, 16 hidden units, bars and stripes: {mean:.4f} nats, by the best possible {best:.4f}"
    yield what, mean / best, "≤", 1.05


def flows(seeds: int, work: Path) -> Iterator[Bar]:
    """The density of two moons at 5,000 new points, against kernels as wide as other points ask for."""
    import numpy as np
    import polars as pl
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KernelDensity

    from coterie.data import synthetic

    columns, _, _ = synthetic.moons(5000, seed=1)
    new = pl.DataFrame(columns)
    points = new.select("x1", "x2").to_numpy()
    made = learned("moons", "flow", seeds)
    own, kernels = [], []
    for model, known in zip(made.models, made.known, strict=True):
        own.append(float(model.score_samples(new).mean()))
        widths = {"bandwidth": np.geomspace(0.03, 1, 40)}
        rows = known.select("x1", "x2").to_numpy()
        rows = rows[np.random.default_rng(0).permutation(len(rows))]
        kernels.append(GridSearchCV(KernelDensity(), widths, cv=10).fit(rows).score(points) / len(points))
    print(f"  flow: {spread(own)}; kernels: {spread(kernels)}", flush=True)
    what = f"flow on moons: {statistics.mean(own):.4f} nats a new point, minus kernel density's"
    gain = statistics.mean(own) - statistics.mean(kernels)
    yield f"{what} {statistics.mean(kernels):.4f}", gain, "≥", -0.1
