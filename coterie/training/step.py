"""One member's gradient and prediction, and their lifting over the members of a cohort.

This is the only file that lifts over members. What is written here is written for one: gather the batch,
compute the loss, differentiate. `torch.func.vmap` makes it the program of all M; a group of one is
differentiated directly, without what lifting costs. The update that follows is elementwise and needs none
(`optimizers.py`).

M members, P parameters of one, N rows of data, B batch, K outputs, S sites that draw random numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.autograd.graph import _engine_run_backward
from torch.func import functional_call, grad_and_value, vmap

from coterie.models.layers import Keyed, Masked, itself
from coterie.objectives.players import ALONE, Player
from coterie.randomness import Portion, site
from coterie.training.given import Given
from coterie.training.layout import Layout
from coterie.training.parts import WHOLE, Parts
from coterie.training.places import Places
from coterie.training.recompute import recompute

NETWORK = "network."  # where an objective keeps its network
WEIGHT = "weight"  # of a part's rows: told beside the running buffers
# which axis of what is given is that of the members, for `vmap`: a gradient asks for no more than these
OF_A_MEMBER = Given(0, None, 0, 0, 0, 0, None, None, None)  # type: ignore[arg-type]


class Step:
    """The lifted functions of one structure.

    objective: a module with a `network`, used only for its structure: parameters and buffers are handed
    in at every call, each with a leading axis M (those of a group of one stay in place from call to call).
    widest: the most numbers that one layer makes of a row.
    again: whether blocks compute their activations again instead of keeping them; see `recompute.py`.
    half: whether products are computed in bfloat16 in training (PyTorch's autocast).
    """

    def __init__(
        self,
        objective: nn.Module,
        layout: Layout,
        widest: int = 1,
        again: bool = False,
        half: bool = False,
    ) -> None:
        self.widest = max([widest, *(max(shape, default=1) for shape in layout.shapes)])
        self.objective, self.half = objective.to("meta"), half
        if again:
            recompute(self.objective.get_submodule("network"))
        self.views = {
            what: View(objective.get_submodule("network"), what) for what in ("forward", "features", "raw")
        }
        self.layout = layout
        self.each_step = bool(getattr(objective.get_submodule("network"), "each_step", False))
        modules = list(objective.named_modules())
        self.keyed = [f"{name}.key" for name, module in modules if isinstance(module, Keyed)]
        self.drawing = [module for _, module in modules if isinstance(module, Keyed)]
        self.counting = [module for _, module in modules if isinstance(module, Masked)]
        self.masked = [f"{name}.present" for name, module in modules if isinstance(module, Masked)]
        self.sites = torch.tensor([site(name) for name in self.keyed], dtype=torch.int64)
        self.full = False  # whether all rows of a batch are known to be there: then layers are told of none
        # buffers that a forward pass in training moves on, such as running statistics
        self.running = [
            f"{name}.{buffer}"
            for name, module in modules
            for buffer, _ in module.named_buffers(recurse=False)
            if buffer.startswith("running_")
        ]
        self.players: tuple[Player, ...] = getattr(objective, "players", ALONE)
        self.owned = {player.name: layout.part(player.name).names for player in self.players}
        self.layouts = {name: layout.only(owned) for name, owned in self.owned.items()}
        self.places = Places(self.objective)
        self.bare = {name: self.places[name] for name in self.places.at}
        self.forget()
        self._all_gradients = vmap(self._gradient, in_dims=(OF_A_MEMBER, None, None))
        self._all_own_rows = vmap(self._output, in_dims=(0, 0, 0, None, None))
        self._all_same_rows = vmap(self._output, in_dims=(0, 0, None, None, None))

    def gradients(
        self, given: Given, player: str = "", parts: Parts = WHOLE, sums: dict[str, Tensor] | None = None
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """Every member's gradients (M, …) by name, of the player's loss; of a group of one (…).

        parts: in which the batch is gone through (of several processes each gets what its own parts add);
        sums: zeros (M, …) by name to which theirs are added.
        Beside them the losses (M,) and the running buffers as the forward pass left them.
        """
        self._mode(training=True)
        if parts.of > 1:
            return self._in_parts(given, player, parts, sums or {})
        return self._differentiated(given, player, False)

    def _in_parts(
        self, given: Given, player: str, parts: Parts, sums: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """As `gradients`: each part's times what its rows weigh, over what all weigh."""
        totals = given.present.new_zeros(2, given.members)  # losses times weights, and weights
        first: dict[str, Tensor] = {}
        apart: dict[str, Tensor] = {}
        seen = totals.new_zeros(given.members)  # rows
        portions = parts.portions(given.rows.shape[1])
        rows, present = parts.filled(given.rows, given.present)
        for portion in portions:
            at = slice(portion.start, portion.start + portion.rows)
            part = given._replace(rows=rows[:, at], present=present[:, at])
            self._stand(portion, parts.total)
            try:
                grads, loss, running = self._differentiated(part, player, True)
            finally:
                self._stand(None, itself)
            weight = running.pop(WEIGHT)
            totals += torch.stack([loss, weight])
            for name, grad in grads.items():
                sums[name].add_(grad)
            # each part starts with the buffers as they were; where they end differently, rows are averaged
            count, first = part.present.sum(1), first or running
            seen += count
            for name, buffer in running.items():
                if buffer.is_floating_point():
                    more = (buffer - first[name]) * along(count, buffer)
                    apart[name] = apart[name] + more if name in apart else more
        loss, weight = parts.summed(totals)
        for total in sums.values():
            total.div_(along(weight, total))
        seen.clamp_min_(1)  # a process may have nothing but padding
        return sums, loss / weight, first | {n: first[n] + t / along(seen, t) for n, t in apart.items()}

    def _differentiated(
        self, given: Given, player: str, weighed: bool
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """Every member's gradients (M, …) by name, losses (M,) and running buffers; of a group of one its
        gradients (…).

        weighed: losses are multiplied by what the rows weigh, which is told as WEIGHT beside the buffers.
        """
        if given.members > 1:
            return self._all_gradients(given, player, weighed)
        grads, loss, running = self._gradient_alone(given, player, weighed)
        return grads, loss[None], {name: buffer[None] for name, buffer in running.items()}

    def _stand(self, portion: Portion | None, total: Callable[[Tensor], Tensor]) -> None:
        """Tells the layers that draw which rows of a batch come next, and those that count how to sum."""
        for drawing in self.drawing:
            drawing.portion = portion
        for counting in self.counting:
            counting.total = total

    def output(
        self,
        flat: Tensor,
        buffers: dict[str, Tensor],
        rows: Tensor,
        data: dict[str, Tensor],
        what: str = "forward",
    ) -> Tensor:
        """Every member's outputs (M, B, K): rows (M, B) of its own, or (B,) the same for all.

        what: "forward" for answers, "raw" for what these are made from, "features" for what the last layer is
        given (M, B, D).
        """
        self._mode(training=False)
        with torch.no_grad():
            if len(flat) == 1:
                mine = {name: b[0] for name, b in buffers.items()}
                return self._output(flat[0], mine, rows[0] if rows.ndim == 2 else rows, data, what)[None]
            lifted = self._all_own_rows if rows.ndim == 2 else self._all_same_rows
            return lifted(flat, buffers, rows, data, what)

    def _mode(self, training: bool) -> None:
        if self.objective.training != training:  # walking the modules at every step costs more than it seems
            self.objective.train(training)

    # ---- one member ------------------------------------------------------------------------------------

    def _loss(
        self, parameters: dict[str, Tensor], given: Given, player: str, weighed: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and the running buffers, of tensors that are handed in and taken out again."""
        tensors = {NETWORK + name: p for name, p in parameters.items()} | given.buffers
        tensors |= self._drawn(given.keys, given.present, weighed)
        batch = {name: column[given.rows] for name, column in given.data.items()}
        before = self.places.put(tensors)
        try:
            return self._called(batch | {"present": given.present}, player, weighed)
        finally:
            self.places.put(before)

    def _drawn(self, keys: Tensor, present: Tensor, weighed: bool) -> dict[str, Tensor]:
        """What differs a step and reaches layers through buffers."""
        present = present.new_ones(()) if self.full and not weighed else present
        return dict(zip(self.keyed, keys.unbind(), strict=True)) | dict.fromkeys(self.masked, present)

    def _called(
        self, batch: dict[str, Tensor], player: str, weighed: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch and the running buffers, by the tensors that are in place."""
        if self.half:
            with torch.autocast(batch["present"].device.type, torch.bfloat16):
                loss = self.objective(batch, player, weighed)
        else:
            loss = self.objective(batch, player, weighed)
        running = {name: self.places[name].detach() for name in self.running}
        if not weighed:
            return loss, running
        return loss[0] * loss[1], running | {WEIGHT: loss[1].detach()}

    def _gradient(
        self, given: Given, player: str, weighed: bool
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        every = self.layout.views(given.flat)
        own = {name: every[name] for name in self.owned[player]}
        if not own:
            loss, running = self._loss(every, given, player, weighed)
            return own, loss, running

        def of(own: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
            return self._loss(every | own, given, player, weighed)

        grads, (loss, running) = grad_and_value(of, has_aux=True)(own)
        return grads, loss, running

    # ---- a group of one --------------------------------------------------------------------------------

    def forget(self) -> None:
        """Lets go of what a group of one was given."""
        self.places.put(self.bare)
        self._flat: Tensor | None = None
        self._leaves: list[Tensor] = []  # what the player learns
        self._learner: str | None = None
        self._buffers: dict[str, Tensor] = {}

    def _gradient_alone(
        self, given: Given, player: str, weighed: bool
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """As `_gradient`, of what has a leading 1."""
        self._stay(given, player)
        rows, present = given.rows[0], given.present[0]
        self.places.put(self._drawn(given.keys[0], present, weighed))
        # the same as by indexing, which is faster where it is lifted, and takes ten times as long for images
        batch = {name: column.index_select(0, rows) for name, column in given.data.items()}
        batch["present"] = present
        with torch.set_grad_enabled(bool(self._leaves)):
            loss, running = self._called(batch, player, weighed)
        if not self._leaves:
            return {}, loss, running
        # as `torch.autograd.grad`, whose looking at what it is given takes as long as a small layer
        ones, leaves = torch.ones_like(loss), tuple(self._leaves)
        grads = _engine_run_backward((loss,), (ones,), False, False, leaves, True, accumulate_grad=False)
        found = (torch.zeros_like(a) if g is None else g for a, g in zip(leaves, grads, strict=True))
        return dict(zip(self.owned[player], found, strict=True)), loss.detach(), running

    def _stay(self, given: Given, player: str) -> None:
        """Parameters, as views of the one row, and buffers stay in the modules until others are given:
        handing them in at every step takes as long as a small network's arithmetic."""
        if self._flat is not given.flat:
            self._flat, self._learner, self._leaves = given.flat, None, []
            views = self.layout.views(given.flat)
            self.places.put({NETWORK + name: view[0].detach() for name, view in views.items()})
        if self._learner != player:
            for leaf in self._leaves:
                leaf.requires_grad_(False)
            self._learner = player
            self._leaves = [self.places[NETWORK + n].requires_grad_() for n in self.owned[player]]
        fresh = {n: b for n, b in given.buffers.items() if self._buffers.get(n) is not b}
        self.places.put({name: buffer[0] for name, buffer in fresh.items()})
        # those that a forward pass moves on are to be handed in again
        self._buffers |= {n: b for n, b in fresh.items() if n not in self.running}

    def _output(
        self, flat: Tensor, buffers: dict[str, Tensor], rows: Tensor, data: dict[str, Tensor], what: str
    ) -> Tensor:
        batch = {name: column[rows] for name, column in data.items()}
        tensors = {NETWORK + name: p for name, p in self.layout.views(flat).items()} | buffers
        tensors = {name: t for name, t in tensors.items() if name.startswith(NETWORK)}
        # nothing refreshes these outside training: a key of 0, and no row is padding
        tensors |= dict.fromkeys(self.keyed, torch.zeros((), dtype=torch.int64, device=flat.device))
        tensors |= dict.fromkeys(self.masked, flat.new_ones(()))
        return functional_call(self.views[what], tensors, (batch,), tie_weights=False)


def along(numbers: Tensor, like: Tensor) -> Tensor:
    """Members' numbers (M,) as (M, 1, …), to go with (M, …)."""
    return numbers.view(-1, *[1] * (like.ndim - 1))


class View(nn.Module):
    """A network seen through one of its methods, because `functional_call` calls `forward` alone."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, inputs: dict[str, Tensor], **how: object) -> Tensor:
        return getattr(self.network, self.method)(inputs, **how)
