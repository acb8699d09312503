"""Simple models of rows beside networks that learn without labels: a mean, principal components, densities.

Each says of rows what a network says, in the same scaling, which is fitted on the same training rows; what it
has no measure for is NaN. N rows, D numbers of a row, K numbers of a code, S measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from coterie.data.dataset import Dataset
from coterie.metrics.unsupervised import MEASURES
from coterie.models.rows import Rows
from coterie.models.shape import Shape
from coterie.models.unsupervised import NATS, with_bits
from coterie.objectives.diffusing import plain_error
from coterie.study.baseline import Baseline

DENSE = 20  # numbers of a row up to which a kernel density is worth its while
MOST_ROWS = 5000  # that it is made of

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Said:
    """What a fitted baseline says of rows x (N, D): measures by name, and the rows that it would draw."""

    judge: Callable[[np.ndarray], Columns]
    sample: Callable[[int, np.random.Generator], np.ndarray] | None = None


def fit_row_baselines(
    dataset: Dataset,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    development: np.ndarray,
    test: np.ndarray,
    *,
    scaling: str,
    codes: int,
    samples: bool,
    continuous: bool,
    noisy: bool,
    seed: int,
) -> Iterator[Baseline]:
    """Yields one finished baseline at a time, the simplest first.

    scaling: of the network's rows; codes: K, 0 where it has none; samples: whether it is judged by samples;
    continuous: whether its likelihoods are densities, in the data's unit; noisy: whether its denoising error
    is of noise that it guesses, as that of diffusion is.
    """
    if not len(test) and not any(len(validation) for _, validation in folds):
        return
    parts = tuple(folds) or ((development, development[:0]),)
    shape = Shape.of(dataset.schema)
    kinds: list[tuple[str, str, str, Callable[[np.ndarray], Said]]] = [
        ("dummy", "each number on its own", "The mean and the spread of every number, as if they had nothing "
         "to do with one another.", lambda x: _independent(x, scaling == "unit", continuous, noisy)),
    ]  # fmt: skip
    if codes:
        kinds.append(("pca", f"principal components ({codes})", "As many as a code has numbers.",
                      lambda x: _components(x, codes)))  # fmt: skip
    if continuous:
        kinds.append(
            ("gaussian", "one Gaussian", "Mean and covariance, shrunk after Ledoit and Wolf.", _gaussian)
        )
    if continuous and shape.prepared <= DENSE and not shape.image and not shape.sequence:
        kinds.append(("kernel_density", "kernel density", "A Gaussian around every training row, its width "
                      "by cross-validation.", _kernels))  # fmt: skip
    for name, label, note, fit in kinds:
        validation: list[torch.Tensor] = []
        on_test: list[torch.Tensor] = []
        for training, rows in parts:
            prepare = Rows(shape, scaling).double()
            prepare.fit(dataset.inputs, torch.from_numpy(training))
            said = fit(_vectors(prepare, dataset, training))
            shift = float(prepare.log_scale()) if continuous else 0.0
            for at, found in ((rows, validation), (test, on_test)):
                if len(at):
                    found.append(_output(said, _vectors(prepare, dataset, at), shift, samples, seed))
        mean = torch.stack(on_test).mean(0) if on_test else None
        yield Baseline(name, label, tuple(validation) if folds else (), mean, note)


def _some(dataset: Dataset, at: np.ndarray) -> dict[str, torch.Tensor]:
    return {name: column[torch.from_numpy(at)] for name, column in dataset.inputs.items()}


def _vectors(prepare: Rows, dataset: Dataset, at: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return prepare(_some(dataset, at))["x"].double().numpy()


def _output(said: Said, x: np.ndarray, shift: float, samples: bool, seed: int) -> torch.Tensor:
    """(N, S), or (N, S + 2D) with samples; log-densities in the data's unit."""
    found = {n: v - shift if n in NATS else v for n, v in said.judge(x).items()}
    found = with_bits(found, x.shape[1])
    columns = [torch.from_numpy(found.get(name, np.full(len(x), math.nan))) for name in MEASURES]
    judged = torch.stack(columns, 1)
    if not samples:
        return judged
    drawn = np.full_like(x, math.nan)
    if said.sample is not None:
        drawn = said.sample(len(x), np.random.Generator(np.random.PCG64(seed)))
    return torch.cat([judged, torch.from_numpy(drawn), torch.from_numpy(x)], 1)


def _independent(x: np.ndarray, unit: bool, continuous: bool, noisy: bool) -> Said:
    mean, variance = x.mean(0), x.var(0)
    # one more row of the usual variance: a column that is constant here may not be so elsewhere
    spread = np.maximum(np.sqrt((len(x) * variance + variance.mean()) / (len(x) + 1)), 1e-3)

    def judge(z: np.ndarray) -> Columns:
        if continuous:
            nats = -0.5 * (((z - mean) / spread) ** 2 + np.log(2 * math.pi * spread**2))
        elif unit:  # each number the share of a coin's heads
            share = np.clip(mean, 1e-3, 1 - 1e-3)
            nats = z * np.log(share) + (1 - z) * np.log(1 - share)
        else:
            nats = np.full_like(z, math.nan)
        total = nats.sum(1)
        error = ((z - mean) ** 2).mean(1)
        noise = {"denoising_error": plain_error(z, mean, spread)} if noisy else {}
        return noise | {
            "reconstruction_error": error,
            "log_likelihood": total,
            "evidence_bound": total,
            "pseudo_likelihood": total,
        }

    def sample(n: int, draw: np.random.Generator) -> np.ndarray:
        return mean + spread * draw.standard_normal((n, len(mean)))

    return Said(judge, sample)


def _components(x: np.ndarray, codes: int) -> Said:
    pca = PCA(min(codes, *x.shape)).fit(x)

    def judge(z: np.ndarray) -> Columns:
        return {"reconstruction_error": ((pca.inverse_transform(pca.transform(z)) - z) ** 2).mean(1)}

    return Said(judge)


def _gaussian(x: np.ndarray) -> Said:
    fitted = LedoitWolf().fit(x)
    mean, covariance = fitted.location_, fitted.covariance_ + 1e-6 * np.eye(x.shape[1])
    root = np.linalg.cholesky(covariance)

    def judge(z: np.ndarray) -> Columns:
        white = np.linalg.solve(root, (z - mean).T)
        nats = (
            -0.5 * (white**2).sum(0) - np.log(np.diag(root)).sum() - 0.5 * len(mean) * math.log(2 * math.pi)
        )
        return {"log_likelihood": nats, "evidence_bound": nats}

    def sample(n: int, draw: np.random.Generator) -> np.ndarray:
        return mean + draw.standard_normal((n, len(mean))) @ root.T

    return Said(judge, sample)


def _kernels(x: np.ndarray) -> Said:
    x = x[np.linspace(0, len(x) - 1, min(len(x), MOST_ROWS)).round().astype(int)]
    widths = {"bandwidth": np.geomspace(0.03, 1.0, 10)}
    fitted: KernelDensity = GridSearchCV(KernelDensity(), widths, cv=min(5, len(x))).fit(x).best_estimator_

    def judge(z: np.ndarray) -> Columns:
        nats = fitted.score_samples(z)
        return {"log_likelihood": nats, "evidence_bound": nats}

    def sample(n: int, draw: np.random.Generator) -> np.ndarray:
        return np.asarray(fitted.sample(n, random_state=int(draw.integers(1 << 31))))

    return Said(judge, sample)
