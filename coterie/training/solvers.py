"""Closed forms: models that need no gradient, solved for all members of a cohort at once.

A living members, B rows of a chunk, D features of the output layer, K outputs.
"""

from __future__ import annotations

import torch
from torch import nn

from coterie.errors import SpecError
from coterie.training.cohort import Cohort
from coterie.training.step import NETWORK

CHUNK = 1 << 22  # numbers of one chunk of features, over all members


def solve_ridge(cohort: Cohort) -> None:
    """Sets every living member's output layer to the exact minimiser of its penalised squared error.

    Minimises over w, b: mean squared error (over rows, by their weights, and over the K targets)
    + λ‖w‖², the bias b free, with the member's own λ = `l2`; features and targets are standardised by the
    member's preparation. λ = 0 gives least squares, of least norm where it is not unique.

    Other conventions: scikit-learn's Ridge minimises the *sum* of squares + α‖w‖², so α = n·λ for one
    target; Bishop's ½·sum + (λ'/2)‖w‖² has λ' = n·λ too, both halves cancelling.

    Solved in float64 by the eigenvectors of the (D, D) covariance (Hoerl & Kennard, 1970); Gram matrices
    are summed over chunks of rows, so memory does not grow with the table.
    """
    network = cohort.steps.objective.get_submodule("network")
    head = network.get_submodule("body.head")
    if not isinstance(head, nn.Linear) or cohort.layout.parameters != sum(
        p.numel() for p in head.parameters()
    ):
        raise SpecError(
            "The exact optimizer solves models whose only parameters are an affine output layer.",
            given=f"{cohort.plan.family.name} with {cohort.layout.parameters} parameters",
            fix="Use optimizer=adam, or the family linear with categories=onehot.",
        )
    outputs, features = head.weight.shape
    members, width = len(cohort.alive), features + 1 + outputs
    moments = torch.zeros(members, width, width, dtype=torch.float64, device=cohort.arena.device)
    center = cohort.buffers[NETWORK + "output.center"].double()[:, None]
    scale = cohort.buffers[NETWORK + "output.scale"].double()[:, None]
    chunk = max(1, CHUNK // (members * width))
    counts = torch.from_numpy(cohort.counts).to(cohort.arena.device)
    for start in range(0, int(cohort.counts.max()), chunk):
        rows = cohort.folds[cohort.fold_of, start : start + chunk]
        place = torch.arange(start, start + rows.shape[1], device=rows.device)
        weight = cohort.arena.data["weight"][rows].double() * (place < counts[:, None])
        phi = cohort.steps.output(cohort.flat, cohort.buffers, rows, cohort.arena.inputs, "features").double()
        target = (cohort.arena.data["target"][rows].double() - center) / scale
        ones = torch.ones(*rows.shape, 1, dtype=torch.float64, device=rows.device)
        joint = torch.cat([phi, ones, target], dim=-1)
        moments += (joint * weight[..., None]).mT @ joint
    moments /= moments[:, features, features].clamp_min(1e-300)[:, None, None]
    mean = moments[:, features, :]
    covariance = moments - mean[:, :, None] * mean[:, None, :]
    values, vectors = torch.linalg.eigh(covariance[:, :features, :features])
    values = values.clamp_min(0)
    strength = values + outputs * cohort.hyper["l2"].double()[:, None]
    noise = values.amax(1, keepdim=True) * features * torch.finfo(torch.float64).eps
    inverse = torch.where(strength > noise, 1 / strength, 0.0)
    with_target = covariance[:, :features, features + 1 :]
    weights = vectors @ (inverse[..., None] * (vectors.mT @ with_target))
    bias = mean[:, features + 1 :] - (mean[:, None, :features] @ weights).squeeze(1)
    solved = {
        "body.head.weight": weights.mT.to(cohort.arena.dtype),
        "body.head.bias": bias.to(cohort.arena.dtype),
    }
    cohort.flat = cohort.layout.flat(solved, lead=1)
