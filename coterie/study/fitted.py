"""From trained members to scores of candidates, out-of-fold outputs and the model that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.model import Model
from coterie.study.fitting import Trained
from coterie.study.problem import Problem
from coterie.study.selection import MemberScore, Scored, scored
from coterie.training.plan import Candidate, Member


def score_candidates(
    candidates: Sequence[Candidate], done: Sequence[Trained], problem: Problem
) -> list[Scored]:
    """Every candidate that was trained, with its members' scores; those not reached in time are left out."""
    scores: dict[int, list[MemberScore]] = {}
    parameters: dict[int, int] = {}
    for trained in done:
        for member, r in zip(trained.plan.members, trained.records, strict=True):
            index = member.candidate.index
            parameters[index] = trained.parameters
            scores.setdefault(index, []).append(
                MemberScore(member.fold, member.seed, r.score, r.best_epoch, r.epochs, r.status)
            )
    sizes = [(len(t), len(v)) for t, v in problem.split.folds] or [(len(problem.development), 0)]
    n_train, n_validation = (round(float(np.mean(part))) for part in zip(*sizes, strict=True))
    return [
        scored(
            c,
            parameters[c.index],
            sorted(scores[c.index], key=lambda s: (s.seed, s.fold)),
            n_train,
            n_validation,
        )
        for c in candidates
        if c.index in scores
    ]


def assemble(problem: Problem, candidate: Candidate, done: Sequence[Trained], about: dict[str, Any]) -> Model:
    """The ensemble of a candidate's members; a diverged one that never had a good epoch is left out."""
    found: list[tuple[Member, Tensor, dict[str, Tensor]]] = []
    for trained in done:
        for place, (member, record) in enumerate(zip(trained.plan.members, trained.records, strict=True)):
            lost = record.status == "diverged" and record.score is None
            if member.candidate.index == candidate.index and not lost:
                buffers = {name: b[place] for name, b in trained.buffers.items()}
                found.append((member, trained.flat[place], buffers))
    found.sort(key=lambda item: (item[0].seed, item[0].fold))
    flat = torch.stack([f for _, f, _ in found])
    buffers = {name: torch.stack([b[name] for _, _, b in found]) for name in found[0][2]}
    members = [{"fold": m.fold, "seed": m.seed} for m, _, _ in found]
    return Model(problem.schema, candidate.family, flat, buffers, members, about)


def best_member(winner: Scored, model: Model, maximise: bool) -> int:
    """The place in the model of the member with the best validation score; the first where there is none."""
    scores = {(s.fold, s.seed): s.value for s in winner.scores}
    values = [scores.get((m["fold"], m["seed"])) for m in model.members]
    known = [p for p, value in enumerate(values) if value is not None and value == value]
    sign = -1 if maximise else 1
    return min(known, key=lambda p: sign * (values[p] or 0.0), default=0)


def out_of_fold(problem: Problem, model: Model) -> tuple[np.ndarray, Tensor]:
    """Positions in the dataset, and the outputs (n, K), (n, T, K) there of those members that never saw them.

    Averaged over seeds, and over folds where a row is in several validation parts.
    """
    parts = []
    for fold, (_, validation) in enumerate(problem.folds):
        places = [p for p, member in enumerate(model.members) if member["fold"] == fold]
        if places and len(validation):
            parts.append((validation, model.subset(places).output(problem.dataset, validation)))
    if not parts:
        return np.empty(0, dtype=np.int64), torch.zeros(0, model.target.outputs, dtype=torch.float64)
    positions = np.unique(np.concatenate([validation for validation, _ in parts]))
    total = torch.zeros(len(positions), *parts[0][1].shape[1:], dtype=parts[0][1].dtype)
    seen = torch.zeros(len(positions), dtype=torch.float64)
    for validation, output in parts:
        at = torch.from_numpy(np.searchsorted(positions, validation))
        total[at] += output
        seen[at] += 1
    return positions, total / seen.view(-1, *[1] * (total.ndim - 1))


def rows_of(dataset: Dataset, positions: np.ndarray) -> Dataset:
    """Some rows of a dataset, in the order of their positions."""
    at = torch.from_numpy(np.asarray(positions, dtype=np.int64))
    return Dataset(
        dataset.schema,
        {name: column[at] for name, column in dataset.inputs.items()},
        None if dataset.target is None else dataset.target[at],
        None if dataset.weight is None else dataset.weight[at],
        dataset.rows[positions],
    )
