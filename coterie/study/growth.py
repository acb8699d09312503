"""How what a network draws comes about in training: samples of the same noise at a few epochs.

Of each candidate the first member is asked: at epochs whose numbers grow by one factor, and for its best
weights when it is done. What it draws goes to the event log, as a small picture or as points, so that a
study which was stopped and resumed has the same ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from coterie.data.schema import Schema
from coterie.model import Model
from coterie.models.skeleton import skeleton
from coterie.models.unsupervised import Unlabelled
from coterie.study.folder import Folder
from coterie.study.pictures import Pictures
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort, member_id
from coterie.training.events import CohortEnd, EpochEnd, Event, MemberId
from coterie.training.plan import CohortPlan
from coterie.training.spread import Spread

LOOKS = 5  # epochs, the last one not among them: that is what the best weights are for
IMAGES, POINTS = 10, 300  # samples of each look


class Growth:
    """What of a cohort's members is to be looked at, and when."""

    def __init__(self, plan: CohortPlan, arena: Arena) -> None:
        schema = arena.dataset.schema
        self.plan, self.schema = plan, schema
        self.due: dict[MemberId, list[int]] = {}
        self.pictures: Pictures | None = None
        self.model: Model | None = None
        assert schema.target is not None
        if schema.target.task != "unsupervised" or schema.of_kind("text"):
            return
        network = skeleton(plan.family, schema)
        if not isinstance(network, Unlabelled) or not network.has("sample"):
            return
        self.pictures = Pictures.of(arena.dataset)
        if self.pictures or plane(schema):
            for member in plan.members:
                if (member.fold, member.seed) == (0, 0):
                    self.due[member_id(member)] = looks(member.candidate.recipe.epochs)

    def lines(self, cohort: Cohort | Spread, event: Event) -> list[dict[str, Any]]:
        """The log's lines for an event: of each member that is due then."""
        if isinstance(event, EpochEnd):
            places = {member: place for place, member in enumerate(cohort.ids)}
            now = [m for m in event.members if m in places and event.epoch in self.due.get(m, ())]
            return [self._line(m, event.epoch, cohort.flat, cohort.buffers, places[m]) for m in now]
        if isinstance(event, CohortEnd):
            found = []
            for place, member in enumerate(self.plan.members):
                record = cohort.records[place]
                if member_id(member) in self.due and (
                    record.status != "diverged" or record.score is not None
                ):
                    at = (cohort.best, cohort.best_buffers, place)
                    found.append(self._line(member_id(member), record.best_epoch, *at))
            return found
        return []

    def _line(
        self,
        member: MemberId,
        epoch: int,
        flat: torch.Tensor,
        buffers: dict[str, torch.Tensor],
        place: int,
    ) -> dict[str, Any]:
        weights = flat[place : place + 1].cpu()
        own = {name: buffer[place : place + 1].cpu() for name, buffer in buffers.items()}
        if self.model is None:  # one for all: members of a cohort differ in weights and buffers alone
            self.model = Model(self.schema, self.plan.family, weights, own, [{"fold": 0, "seed": 0}], {})
        model = self.model.holding(weights, own)
        rows = torch.arange(IMAGES if self.pictures else POINTS)
        given = {"place": rows, "key": torch.tensor(0), "label": torch.full_like(rows, -1)}
        made = model.call("sample", given, 0)
        line = {"event": "samples", "cohort": self.plan.index, "member": list(member), "epoch": epoch}
        if self.pictures:
            return line | {"image": self.pictures.sheet(made, IMAGES)}
        points = made["numeric"].double()
        points = points[points.isfinite().all(1)]
        return line | {"points": [[float(f"{v:.4g}") for v in row] for row in points.tolist()]}


def plane(schema: Schema) -> bool:
    """Whether rows are points of a plane."""
    return [column.kind for column in schema.features] == ["numeric", "numeric"]


def looks(epochs: int) -> list[int]:
    """Epochs from the first on, each as many times the one before; the last is left to the best weights."""
    return np.unique(np.geomspace(1, max(epochs, 1), LOOKS + 1).round().astype(int))[:-1].tolist()


def growth_of(folder: Folder, candidate: int) -> list[dict[str, Any]]:
    """What was drawn by a candidate's first member, {"epoch", "image" or "points"} each, in order.

    Where it was trained again on all rows, then.
    """
    lines = [e for e in folder.events() if e["event"] == "samples" and e["member"][0] == candidate]
    last = max((line["cohort"] for line in lines), default=0)
    told = ("epoch", "image", "points")
    return [{n: line[n] for n in told if n in line} for line in lines if line["cohort"] == last]
