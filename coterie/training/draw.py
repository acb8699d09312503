"""An epoch's batches, keys and learning rates: a function of each member's key and of the epoch alone.

A living members, S steps of the epoch, B batch, P parameters of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from coterie.randomness import fold as fold_in
from coterie.randomness import site
from coterie.training.order import idlers, in_buckets, shuffled
from coterie.training.schedules import factors
from coterie.training.streaming import far_from

if TYPE_CHECKING:
    from coterie.training.cohort import Cohort

SITES = site("sites")


@dataclass(frozen=True)
class Draw:
    """One epoch's batches, of each step: rows and present (A, B), keys (A, sites), lr's factor and t (A, 1).
    counts: (S, A) rows that are present."""

    rows: tuple[Tensor, ...]
    present: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    factor: tuple[Tensor, ...]
    t: tuple[Tensor, ...]
    counts: Tensor
    busy: np.ndarray  # (A,) steps in which each member has rows
    widths: list[dict[str, int]]  # of each step, how long its longest padded inputs are
    idle: list[Tensor | None]  # of each step, places of members whose epoch is over; None: nobody's is
    known: tuple[Tensor, ...] | None = None  # rows as the host knows them, where data lie there
    pace: Tensor | None = None  # (A, P) factors of the learning rate, where layers differ in it


def draw(cohort: Cohort) -> Draw:
    """This epoch's batches, keys and learning rates, as a function of each member's key and epoch.
    What the host has to know of a step, or to bring to the device, it learns and brings here."""
    device, steps = cohort.arena.device, int(cohort.epoch_steps.max())
    size, width = steps * cohort.batch, cohort.folds.shape[1]
    counts = torch.from_numpy(cohort.counts).to(device)
    folds = cohort.folds[cohort.fold_of]
    if cohort.plan.recipe.order == "rows":
        places = torch.arange(width, device=device).expand(len(cohort.alive), width)
    else:
        places = shuffled(cohort.keys, cohort.epoch, counts, width)
        lengths = cohort.arena.padding.total
        if lengths is not None:
            lengths = lengths[folds.gather(1, places)]
            places = in_buckets(places, lengths, cohort.epoch, counts, cohort.batch)
    rows = folds.gather(1, places[:, : min(size, width)])
    rows = nn.functional.pad(rows, (0, size - rows.shape[1]))
    present = (torch.arange(size, device=device) < counts[:, None]).to(cohort.arena.dtype)
    rows, present = (
        each.view(len(each), steps, cohort.batch).transpose(0, 1).contiguous() for each in (rows, present)
    )
    own = torch.from_numpy(cohort.epoch_steps).to(device)
    t = cohort.epoch * own + torch.minimum(torch.arange(steps, device=device)[:, None], own - 1)
    sites = cohort.steps.sites.to(device)
    keys = fold_in(fold_in(fold_in(cohort.keys, SITES), t)[..., None], sites)
    drops = [cohort.records[i].drops for i in cohort.alive]
    factor = factors(
        cohort.plan.recipe.schedule,
        t.to(cohort.arena.dtype),
        cohort.epoch,
        cohort.hyper["epochs"] * own,
        cohort.hyper,
        torch.tensor(drops, dtype=cohort.arena.dtype, device=device),
    )
    pace = cohort.pace.factors(cohort.epoch, cohort.hyper) if cohort.pace else None
    widths = cohort.arena.padding.widths(rows) if cohort.cuts else [{}] * steps
    t = t.to(cohort.arena.dtype) + 1
    idle = idlers(cohort.epoch_steps, device)
    known = rows.cpu().unbind() if far_from(rows.device, cohort.arena.data) else None
    return Draw(
        rows.unbind(),
        present.unbind(),
        keys.unbind(),
        factor[..., None].unbind(),
        t[..., None].unbind(),
        present.sum(2),
        cohort.epoch_steps,
        widths,
        idle,
        known,
        pace,
    )
