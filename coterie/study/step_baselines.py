"""Simple models where every step has an answer, or a text is written: shares, pairs, a step alone.

N rows, T steps, K outputs, V entries of a vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor
from torch.nn import functional as F

from coterie.data.dataset import Dataset
from coterie.study.baseline import Baseline

MOST_STEPS = 100_000  # a linear baseline is fitted on so many training steps, drawn at random, at most
PAIRS = 4000  # entries of a vocabulary beyond which pairs of tokens are not counted

Answer = Callable[[np.ndarray], Tensor]  # positions (n,) → (n, T, K)
Part = tuple[np.ndarray, np.ndarray]


def fit_step_baselines(dataset: Dataset, folds: Sequence[Part], test: np.ndarray) -> Iterator[Baseline]:
    """Yields one finished baseline at a time. folds: (training rows, validation rows), at least one pair.

    Of a text: always the shares of tokens; the shares behind the token before, mixed with the former by how
    often that was seen (Witten & Bell, 1991). Of other answers: always their mean or shares; a ridge or
    logistic regression on the step's own values. Sample weights are used; one that cannot be fitted is
    yielded with the reason as its note.
    """
    task = dataset.task
    kinds: list[tuple[str, str, str, Callable[[Dataset, np.ndarray], Answer]]]
    if task == "text":
        kinds = [("dummy", "always the shares of tokens", "", _shares_of_tokens)]
        if dataset.schema.target is not None and dataset.schema.target.outputs <= PAIRS:
            kinds.append(("bigram", "pairs of tokens", "Each token foretold from the one before.", _pairs))
    else:
        said = "always the mean" if task == "regression" else "always the class shares"
        kinds = [("dummy", said, "", _constant)]
        if "sequence" in dataset.inputs and task != "multilabel":
            values = task == "regression"
            name, label = ("ridge", "ridge regression") if values else ("logistic", "logistic regression")
            kinds.append((name, f"{label} of each step", "From the step's own values alone.", _linear))
    for name, label, note, make in kinds:
        try:
            with warnings.catch_warnings():  # convergence: the score tells
                warnings.simplefilter("ignore")
                answers = [(make(dataset, _counted(dataset, rows)), later) for rows, later in folds]
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            reason = " ".join(str(error).split())[:200]
            yield Baseline(name, label, (), None, f"It could not be fitted: {reason}", True)
            continue
        validation = tuple(answer(rows) for answer, rows in answers if len(rows))
        on_test = torch.stack([answer(test) for answer, _ in answers]).mean(0) if len(test) else None
        yield Baseline(name, label, validation, on_test, note)


def _counted(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """The rows that weigh something."""
    return rows if dataset.weight is None else rows[dataset.weight[torch.from_numpy(rows)].numpy() > 0]


def _weights(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """(n,): what each row counts, 1 on average."""
    if dataset.weight is None:
        return np.ones(len(rows))
    weight = dataset.weight[torch.from_numpy(rows)].numpy().astype(np.float64)
    return weight / weight.mean()


# ---- texts ---------------------------------------------------------------------------------------------


def _tokens(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    return dataset.inputs["answer"][torch.from_numpy(rows)].numpy()


def _shares(tokens: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """(V,): how often each token follows another one, one more of each counted."""
    real = tokens[:, 1:] > 0
    each = np.broadcast_to(weight[:, None], real.shape)[real]
    counts = np.bincount(tokens[:, 1:][real], each, minlength=size) + 1.0
    counts[0] = 0
    return counts / counts.sum()


def _said(probability: np.ndarray, right: np.ndarray) -> Tensor:
    """(n, T, 2): the probability of the true token, and whether it is the most probable one."""
    return torch.from_numpy(np.stack([probability, right.astype(np.float64)], axis=-1))


def _size(dataset: Dataset) -> int:
    assert dataset.schema.target is not None
    return dataset.schema.target.outputs


def _shares_of_tokens(dataset: Dataset, training: np.ndarray) -> Answer:
    shares = _shares(_tokens(dataset, training), _weights(dataset, training), _size(dataset))

    def answer(rows: np.ndarray) -> Tensor:
        truth = _tokens(dataset, rows)[:, 1:]
        return _said(shares[truth], truth == shares.argmax())

    return answer


def _pairs(dataset: Dataset, training: np.ndarray) -> Answer:
    tokens, size, weight = _tokens(dataset, training), _size(dataset), _weights(dataset, training)
    shares = _shares(tokens, weight, size)
    before, after = tokens[:, :-1], tokens[:, 1:]
    real = after > 0
    table = np.zeros((size, size))
    np.add.at(table, (before[real], after[real]), np.broadcast_to(weight[:, None], real.shape)[real])
    seen, kinds = table.sum(1, keepdims=True), (table > 0).sum(1, keepdims=True)
    trusted = np.divide(seen, seen + kinds, out=np.zeros_like(seen), where=seen > 0)
    table = (
        trusted * np.divide(table, seen, out=np.zeros_like(table), where=seen > 0) + (1 - trusted) * shares
    )
    best = table.argmax(1)

    def answer(rows: np.ndarray) -> Tensor:
        given = _tokens(dataset, rows)
        last, truth = given[:, :-1], given[:, 1:]
        return _said(table[last, truth], best[last] == truth)

    return answer


# ---- answers of steps ----------------------------------------------------------------------------------


def _steps(dataset: Dataset, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of the real steps (S, F), their answers (S,) or (S, K), and which of (n, T) are real."""
    assert dataset.target is not None
    target = dataset.target[torch.from_numpy(rows)].numpy()
    real = ~np.isnan(target).any(-1) if target.dtype.kind == "f" else target >= 0
    x = np.zeros((*real.shape, 0))
    if "sequence" in dataset.inputs:
        x = _own(dataset, rows)[:, : real.shape[1]]
    return x[real], target[real], real


def _own(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    at = torch.from_numpy(rows)
    x = dataset.inputs["sequence"][at].double()
    missing = dataset.target.shape[1] - x.shape[1] if dataset.target is not None else 0
    return F.pad(x, (0, 0, 0, max(0, missing))).nan_to_num().numpy()


def _spread(value: np.ndarray, dataset: Dataset, rows: np.ndarray) -> Tensor:
    assert dataset.target is not None
    return torch.from_numpy(np.broadcast_to(value, (len(rows), dataset.target.shape[1], len(value))).copy())


def _constant(dataset: Dataset, training: np.ndarray) -> Answer:
    _, y, real = _steps(dataset, training)
    weight = np.broadcast_to(_weights(dataset, training)[:, None], real.shape)[real]
    if y.ndim == 2:
        value = np.average(y, axis=0, weights=weight)
    else:
        value = np.bincount(y, weight, minlength=_size(dataset)) / weight.sum()
    return lambda rows: _spread(value, dataset, rows)


def _linear(dataset: Dataset, training: np.ndarray) -> Answer:
    x, y, real = _steps(dataset, training)
    weight = np.broadcast_to(_weights(dataset, training)[:, None], real.shape)[real]
    if len(x) > MOST_STEPS:
        drawn = np.random.Generator(np.random.PCG64(0)).choice(len(x), MOST_STEPS, replace=False)
        x, y, weight = x[drawn], y[drawn], weight[drawn]
    center, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    if y.ndim == 1 and len(np.unique(y)) < 2:
        return _constant(dataset, training)
    model = Ridge() if y.ndim == 2 else LogisticRegression(max_iter=300)
    model.fit((x - center) / scale, y, sample_weight=weight)

    def answer(rows: np.ndarray) -> Tensor:
        given = (_own(dataset, rows) - center) / scale
        flat = given.reshape(-1, given.shape[-1])
        if y.ndim == 2:
            said = np.asarray(model.predict(flat)).reshape(len(flat), -1)
        else:
            said = np.zeros((len(flat), _size(dataset)))
            said[:, model.classes_] = model.predict_proba(flat)
        made = said.reshape(*given.shape[:2], -1)
        assert dataset.target is not None
        return torch.from_numpy(made[:, : dataset.target.shape[1]].copy())

    return answer
