"""Members of the same structure, their parameters stacked on a leading axis, as they stand in training.

A cohort is plan + tensors: `tensors()` and `facts()` are all of its state, and `restore` puts them back, so
a checkpoint at any step continues to the same numbers. Arrays of the living are compacted when members
retire; what each leaves (best weights, score) is kept at its place in the plan.

A living members of the M planned, P parameters of one, n rows of a fold's training part, S steps an epoch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from coterie.models.shape import Shape
from coterie.objectives.players import Player
from coterie.randomness import fold as fold_in
from coterie.training.arena import Arena
from coterie.training.building import build_networks, objective_of, placed
from coterie.training.captured import Captured, captured
from coterie.training.compiled import Program, Unsuited
from coterie.training.cost import cost_of
from coterie.training.draw import Draw, draw
from coterie.training.events import MemberId
from coterie.training.given import Given
from coterie.training.groups import in_groups
from coterie.training.layout import Layout
from coterie.training.optimizers import OPTIMIZERS
from coterie.training.order import padded
from coterie.training.outputs import outputs
from coterie.training.padding import cut
from coterie.training.plan import CohortPlan, Member
from coterie.training.programs import key_of, program_of
from coterie.training.start import Pace
from coterie.training.step import Step
from coterie.training.streaming import brought
from coterie.training.turn import Turn

T = TypeVar("T")


@dataclass
class Record:
    """What is known of one member; score: the best validation score so far, None where there is none."""

    status: str = "alive"
    epochs: int = 0
    best_epoch: int = 0
    score: float | None = None
    waits: int = 0  # epochs since the best
    stale: int = 0  # epochs since the best or the last drop of the learning rate
    drops: int = 0


class Cohort:
    """The members of one plan, all at the same step of the same epoch."""

    def __init__(self, plan: CohortPlan, arena: Arena) -> None:
        """Builds every member on the CPU under its own key and fits its preparation on its own rows."""
        self.plan, self.arena = plan, (arena := arena.suited(plan.family))
        networks = build_networks(plan.members, arena)
        objectives = [objective_of(m, n, arena) for m, n in zip(plan.members, networks, strict=True)]
        self.layout = Layout.of(networks[0])
        taken = arena.start.taken(networks[0]) if arena.start else ()
        self.pace = Pace.of(networks[0], self.layout, taken, arena.device) if taken else None
        refreshed = ("key", "present")
        names = [n for n, _ in objectives[0].named_buffers() if n.rpartition(".")[2] not in refreshed]
        each = [dict(o.named_buffers()) for o in objectives]
        self.buffers = {n: self._place(torch.stack([b[n] for b in each])) for n in names}
        flats = [self.layout.flat({k: p.detach() for k, p in n.named_parameters()}) for n in networks]
        self.flat = self.own(self._place(torch.stack(flats)))
        self.alive = list(range(len(plan.members)))
        self.records = [Record() for _ in plan.members]
        self.epoch = self.step = 0
        self.slots = {s: torch.zeros_like(self.flat) for s in self._slot_names()}
        self.loss_sum = torch.zeros(len(self.alive), dtype=arena.dtype, device=arena.device)
        self.best = self.flat.clone()
        self.best_buffers = {n: b.clone() for n, b in self.buffers.items()}
        target = arena.dataset.schema.target
        assert target is not None
        cost = cost_of(plan.family, Shape.of(arena.dataset.schema), target.task, target.outputs)
        self.steps = Step(
            objectives[0],
            self.layout,
            cost.widest,
            plan.recipe.recompute,
            plan.recipe.precision == "bfloat16",
        )
        self.plainly()
        # what is drawn goes by place: a member that may have neighbours must not be cut as these are
        self.cuts = not self.steps.keyed or not plan.family.lifts(Shape.of(arena.dataset.schema))
        self.folds, self.validation = (
            padded(rows, arena.device) for rows in (arena.training, arena.validation)
        )
        self.validation_counts = torch.tensor([len(rows) for rows in arena.validation], device=arena.device)
        self._index()

    # ---- the living ------------------------------------------------------------------------------------

    @property
    def members(self) -> list[Member]:
        return [self.plan.members[i] for i in self.alive]

    @property
    def ids(self) -> tuple[MemberId, ...]:
        return tuple(member_id(m) for m in self.members)

    def _index(self) -> None:
        """What follows from who is alive: hyperparameters, keys, fold and row counts."""
        members, device, dtype = self.members, self.arena.device, self.arena.dtype
        numbers = [m.candidate.numbers() for m in members]
        self.hyper = {
            n: torch.tensor([v[n] for v in numbers], dtype=dtype, device=device) for n in numbers[0]
        }
        self.columns = {p.name: self._settings(p) for p in self.steps.players}
        self.keys = torch.tensor([m.key for m in members], dtype=torch.int64, device=device)
        self.fold_of = torch.tensor([m.fold for m in members], device=device)
        self.counts = np.array([len(self.arena.training[m.fold]) for m in members])
        self.batch = min(self.plan.recipe.batch_size, max(len(rows) for rows in self.arena.training))
        self.epoch_steps = -(-self.counts // self.batch)
        rounds = {p.name: -(-self.epoch_steps[:, None] // p.every) for p in self.steps.players}
        self.rounds = {n: torch.tensor(each, dtype=dtype, device=device) for n, each in rounds.items()}
        self.scratch = self.flat.new_empty(len(members), self.layout.parameters)

    def _settings(self, player: Player) -> dict[str, Tensor]:
        """The recipe's numbers (A, 1) for a player: the family may declare its own, as `player_lr`."""
        own = {}
        for name in self.hyper:
            declared = f"{player.name}_{name}"
            if player.name and hasattr(self.plan.family, declared):
                values = [getattr(m.candidate.family, declared) for m in self.members]
                own[name] = torch.tensor(values, dtype=self.arena.dtype, device=self.arena.device)
        return {name: h[:, None] for name, h in (self.hyper | own).items()}

    def retire(self, done: dict[int, str]) -> None:
        """Takes members (place among the living → status) out, and compacts the arrays of those who stay."""
        for place, status in done.items():
            self.records[self.alive[place]].status = status
        stay = [p for p in range(len(self.alive)) if p not in done]
        keep = torch.tensor(stay, dtype=torch.int64, device=self.arena.device)
        self.alive = [self.alive[p] for p in stay]
        self.steps.forget()  # a group of one: the row that it leaves
        self.flat = self.flat[keep]
        self.buffers = {n: b[keep] for n, b in self.buffers.items()}
        self.slots = {n: s[keep] for n, s in self.slots.items()}
        self.loss_sum = self.loss_sum[keep]
        if stay:
            self._index()

    def keep_best(self, places: list[int]) -> None:
        """Copies the present weights of these living members to where the best are kept."""
        if places:
            here = torch.tensor(places, device=self.arena.device)
            there = torch.tensor([self.alive[p] for p in places], device=self.arena.device)
            self.best[there] = self.flat[here]
            for name, buffer in self.best_buffers.items():
                buffer[there] = self.buffers[name][here]

    # ---- an epoch --------------------------------------------------------------------------------------

    def draw(self) -> Draw:
        """This epoch's batches, keys and learning rates."""
        return draw(self)

    def advance(self, draw: Draw) -> None:
        """One step of every living member; those whose epoch is over idle."""
        s = self.step
        idle = draw.idle[s]
        saved = None if idle is None else self._copy(idle)
        turns = [player for player in self.steps.players if s % player.every == 0]
        self.steps.full = len(self.alive) == 1 and (s + 1) * self.batch <= self.counts[0]  # see `BatchNorm`
        for player in turns:
            given = self.given(draw, player, s)
            loss, running = in_groups(self.turns[player.name], given, self.scratch, self.size)
            self.buffers |= running
            # of several players the last one's loss is what is told
            if player is turns[-1]:
                self.loss_sum.addcmul_(loss, draw.counts[s])
        if idle is not None and saved is not None:
            self._put_back(idle, saved)
        self.step += 1

    def given(self, draw: Draw, player: Player, s: int) -> Given:
        """What a player's turn in step s of the epoch works on."""
        place = self.steps.players.index(player)
        keys = fold_in(draw.keys[s], place) if place else draw.keys[s]
        known = None if draw.known is None else draw.known[s]
        rows, data = brought(draw.rows[s], cut(self.arena.data, draw.widths[s]), known=known)
        hyper = self.columns[player.name]
        lr = hyper["lr"] * draw.factor[s]
        if draw.pace is not None:
            lr = lr * draw.pace[:, self.layout.part(player.name).place]
        t = draw.t[s]
        if player.every > 1:  # its own steps, those of earlier epochs among them
            t = self.epoch * self.rounds[player.name] + (s // player.every + 1)
        return Given(
            self.flat, self.slots, self.buffers, rows, draw.present[s], keys, data, hyper | {"lr": lr}, t
        )

    # ---- compiled --------------------------------------------------------------------------------------

    def plainly(self) -> None:
        """From now on turns run operation by operation."""
        self.turns: dict[str, Turn | Program | Captured] = captured(self.plain_turns(), self.arena.device)
        self.size = 0  # how many members a turn takes at once, 0: all

    def compiled(self) -> None:
        """From now on turns run as compiled programs, which differ by rounding; raises `Unsuited` if they
        cannot. What is not in the cache is made first, which takes its time."""
        made = {name: program_of(key, turn, given) for name, (key, turn, given) in self._programs().items()}
        self.turns = captured(made, self.arena.device)
        self.size = 0

    def programs(self) -> tuple[str, ...]:
        """The names of its compiled programs in the cache; raises `Unsuited` where there can be none."""
        return tuple(key for key, _, _ in self._programs().values())

    def _programs(self) -> dict[str, tuple[str, Turn, Given]]:
        if self.arena.device.type not in ("cpu", "cuda"):
            raise Unsuited(f"nothing is compiled for {self.arena.device.type}")
        if self.plan.recipe.recompute:
            raise Unsuited("a compiler would keep what is to be computed again")
        draw, self.steps.full = self.draw(), False
        if any(draw.widths):
            raise Unsuited("its rows are of different lengths, and batches are cut to the longest")
        schema = self.arena.dataset.schema
        assert schema.target is not None
        answer = (schema.target.task, schema.target.outputs)
        structure = (self.plan.members[0].candidate.structure(), Shape.of(schema), answer)
        found = {}
        for player, turn in zip(self.steps.players, self.plain_turns().values(), strict=True):
            given = self.given(draw, player, 0)
            found[player.name] = (key_of(turn, given, structure), turn, given)
        return found

    def plain_turns(self) -> dict[str, Turn]:
        """The players' turns as they are written."""
        return {p.name: Turn(self.steps, self.plan.recipe, p.name) for p in self.steps.players}

    def end_epoch(self, draw: Draw) -> list[float | None]:
        """Closes the epoch, whole or not; returns each living member's mean training loss."""
        seen = draw.counts[: self.step].sum(0)
        losses: list[float | None] = (self.loss_sum / seen).tolist()
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum.zero_()
        return losses

    def _copy(self, at: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        running = {n: self.buffers[n][at] for n in self.steps.running}
        return self.flat[at], {n: s[at] for n, s in self.slots.items()}, running

    def _put_back(self, at: Tensor, saved: tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]) -> None:
        self.flat[at] = saved[0]
        for name, slot in saved[1].items():
            self.slots[name][at] = slot
        for name, buffer in saved[2].items():
            self.buffers[name][at] = buffer

    # ---- what may be shared between processes: see `sharded.py` -------------------------------------------

    def own(self, whole: Tensor) -> Tensor:
        """What this process keeps of (A, P)."""
        return whole

    def finite(self) -> list[bool]:
        """Whether each living member's parameters are numbers."""
        return self.flat.isfinite().all(1).tolist()

    def agreed(self, value: T) -> T:
        """What all processes go by."""
        return value

    def outputs(self, rows: Tensor, view: str) -> Tensor:
        """The living members' outputs (A, v, K) for rows (A, v) of their own; view: as in `Step.output`."""
        return outputs(self.steps, self.flat, self.buffers, rows, self.arena.inputs, view)

    # ---- state -----------------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor that training changes, by name; see `facts` for the rest."""
        return self.held()

    def held(self) -> dict[str, Tensor]:
        """The same as this process holds them."""
        return {
            "flat": self.flat,
            "best": self.best,
            "loss_sum": self.loss_sum,
            **{f"slot.{n}": s for n, s in self.slots.items()},
            **{f"buffer.{n}": b for n, b in self.buffers.items()},
            **{f"best.{n}": b for n, b in self.best_buffers.items()},
        }

    def facts(self) -> dict[str, Any]:
        """The state that is not tensors, as JSON-able data."""
        records = [asdict(r) for r in self.records]
        return {"alive": self.alive, "epoch": self.epoch, "step": self.step, "records": records}

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Puts `tensors()` and `facts()` of an equal plan back; ValueError, KeyError for another's."""
        for name, tensor in self.held().items():
            living = name != "best" and not name.startswith("best.")
            wanted = (len(facts["alive"]), *tensor.shape[1:]) if living else tuple(tensor.shape)
            if tuple(tensors[name].shape) != wanted:
                raise ValueError(f"{name} of shape {tuple(tensors[name].shape)}, not {wanted}")
        placed = {name: t.to(self.arena.device) for name, t in tensors.items()}
        self.flat, self.best, self.loss_sum = placed["flat"], placed["best"], placed["loss_sum"]
        self.slots = {n: placed[f"slot.{n}"] for n in self.slots}
        self.buffers = {n: placed[f"buffer.{n}"] for n in self.buffers}
        self.best_buffers = {n: placed[f"best.{n}"] for n in self.best_buffers}
        self.alive = list(facts["alive"])
        self.epoch, self.step = facts["epoch"], facts["step"]
        self.records = [Record(**r) for r in facts["records"]]
        if self.alive:
            self._index()

    # ---- building --------------------------------------------------------------------------------------

    def _slot_names(self) -> tuple[str, ...]:
        optimizer = OPTIMIZERS.get(self.plan.recipe.optimizer)
        return optimizer.slots if optimizer else ()

    def _place(self, tensor: Tensor) -> Tensor:
        return placed(tensor, self.arena.device, self.arena.dtype)


def member_id(member: Member) -> MemberId:
    return (member.candidate.index, member.fold, member.seed)
