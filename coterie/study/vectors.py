"""Rows of any kind as plain vectors, for baselines that know nothing else.

N rows, F numbers, C codes, T steps.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from coterie.data.dataset import Dataset

MOST_PIXELS = 1024  # a channel; larger images are averaged down
MOST_STEPS = 512  # numbers of a sequence; longer ones are described by their statistics
MOST_WORDS = 1000  # of a vocabulary whose entries come by frequency


def plain_numbers(dataset: Dataset) -> np.ndarray:
    """(N, F) float64: the numeric inputs, and all that images, sequences and texts are made to for baselines.

    Pixels, of large images averaged; the steps of short sequences in a row, of long ones the mean,
    deviation, least, largest, first and last of each variable; the logarithm of how often a text has each
    frequent token.
    """
    inputs = dataset.inputs
    parts = [inputs["numeric"].numpy()]
    if "image" in inputs:
        parts.append(_pixels(inputs["image"]))
    if "sequence" in inputs:
        parts.append(_steps(inputs["sequence"], inputs["length"]))
    if "tokens" in inputs:
        parts.append(_words(inputs["tokens"].numpy()))
    return np.concatenate(parts, axis=1).astype(np.float64) if len(parts) > 1 else parts[0]


def _pixels(images: torch.Tensor) -> np.ndarray:
    _, _, height, width = images.shape
    shrink = max(1.0, (height * width / MOST_PIXELS) ** 0.5)
    size = (max(1, round(height / shrink)), max(1, round(width / shrink)))
    at_once = max(1, min(1000, (1 << 24) // max(1, images[:1].numel())))
    parts = [F.adaptive_avg_pool2d(part.float(), size).flatten(1) for part in images.split(at_once)]
    return torch.cat(parts).numpy()


def _steps(sequence: torch.Tensor, length: torch.Tensor) -> np.ndarray:
    real = torch.arange(sequence.shape[1]) < length[:, None]
    x = torch.where(real[..., None], sequence, torch.nan)
    if x[0].numel() <= MOST_STEPS:
        return x.flatten(1).numpy()
    known = x.isfinite()
    count = known.sum(1).clamp_min(1)
    mean = x.nan_to_num().sum(1) / count
    spread = ((x - mean[:, None]).nan_to_num().square().sum(1) / count).sqrt()
    least = torch.where(known, x, torch.inf).amin(1)
    largest = torch.where(known, x, -torch.inf).amax(1)
    last = sequence.gather(1, (length - 1).clamp_min(0)[:, None, None].expand(-1, 1, x.shape[2]))[:, 0]
    found = torch.cat([mean, spread, least, largest, sequence[:, 0], last, length[:, None]], dim=1)
    return torch.where(found.isfinite(), found, torch.nan).numpy()


def _words(tokens: np.ndarray) -> np.ndarray:
    counts = np.zeros((len(tokens), min(MOST_WORDS, int(tokens.max(initial=0)) + 1)), dtype=np.float32)
    rows, places = np.nonzero((tokens > 0) & (tokens < counts.shape[1]))
    np.add.at(counts, (rows, tokens[rows, places]), 1)
    return np.log1p(counts)
