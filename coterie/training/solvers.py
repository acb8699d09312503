"""Closed forms: models that need no gradient, solved for all members of a cohort at once.

A living members, B rows of a chunk, D features of the output layer, K outputs.
"""

from __future__ import annotations

import torch
from torch import nn

from coterie.errors import SpecError
from coterie.training.cohort import Cohort
from coterie.training.step import NETWORK
from coterie.training.streaming import brought

CHUNK = 1 << 22  # numbers of one chunk of features, over all members


def solve_ridge(cohort: Cohort) -> None:
    """Sets every living member's output layer to the exact minimiser of its penalised squared error.

    Minimises over w, b: mean squared error (over rows, by their weights, and over the K targets)
    + λ‖w‖², the bias b free, with the member's own λ = `l2`; features and targets are standardised by the
    member's preparation. λ = 0 gives least squares, of least norm where it is not unique.

    Other conventions: scikit-learn's Ridge minimises the *sum* of squares + α‖w‖², so α = n·λ for one
    target; Bishop's ½·sum + (λ'/2)‖w‖² has λ' = n·λ too, both halves cancelling.

    Solved in float64 by orthogonal factors alone, which do not square the condition of the problem: a QR
    factor of the rows, chunk by chunk so that memory does not grow with the table (Golub, 1965), and the
    singular values of its part behind the column of ones (Hoerl & Kennard, 1970).
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
    members, width = len(cohort.alive), 1 + features + outputs
    center = cohort.buffers[NETWORK + "output.center"].double()[:, None]
    scale = cohort.buffers[NETWORK + "output.scale"].double()[:, None]
    chunk = max(2 * width, CHUNK // (members * width))
    counts = torch.from_numpy(cohort.counts).to(cohort.arena.device)
    factor = torch.zeros(members, 0, width, dtype=torch.float64, device=cohort.arena.device)
    total = factor.new_zeros(members)
    for start in range(0, int(cohort.counts.max()), chunk):
        rows = cohort.folds[cohort.fold_of, start : start + chunk]
        place = torch.arange(start, start + rows.shape[1], device=rows.device)
        weight = cohort.arena.data["weight"][rows].double() * (place < counts[:, None])
        near, inputs = brought(rows, cohort.arena.inputs)
        phi = cohort.steps.output(cohort.flat, cohort.buffers, near, inputs, "features").double()
        target = (cohort.arena.data["target"][rows].double() - center) / scale
        ones = torch.ones(*rows.shape, 1, dtype=torch.float64, device=rows.device)
        joint = torch.cat([ones, phi, target], dim=-1) * weight.sqrt()[..., None]
        factor = torch.linalg.qr(torch.cat([factor, joint], dim=1), mode="r").R
        total += weight.sum(1)
    factor = nn.functional.pad(factor, (0, 0, 0, max(0, width - factor.shape[1])))
    one, inner = factor[:, :1], factor[:, 1 : 1 + features]  # behind the ones the columns are centred
    u, values, v = torch.linalg.svd(inner[:, :, 1 : 1 + features])
    penalty = (outputs * cohort.hyper["l2"].double() * total)[:, None]
    largest = max(features, int(cohort.counts.max())) * torch.finfo(torch.float64).eps  # NumPy's rank rule
    noise = largest * (values[:, :1] if features else 0.0)
    small = (values <= noise) & (penalty == 0)
    inverse = torch.where(small, 0.0, values / torch.where(small, 1.0, values.square() + penalty))
    weights = v.mT @ (inverse[..., None] * (u.mT @ inner[:, :, 1 + features :]))
    left = one[:, 0, 1 + features :] - (one[:, :, 1 : 1 + features] @ weights).squeeze(1)
    bias = left / one[:, :1, 0]
    solved = {
        "body.head.weight": weights.mT.to(cohort.arena.dtype),
        "body.head.bias": bias.to(cohort.arena.dtype),
    }
    cohort.flat = cohort.layout.flat(solved, lead=1)
