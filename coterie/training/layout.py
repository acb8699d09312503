"""Where each parameter lies in a member's one flat row, so that updates touch one array, not dozens.

A player's parameters lie together, its weights before its biases: weight decay then acts on one slice. With a
slice for each weight compiled steps took 1.3 times as long (64-64 MLP, 80 members), longer with more layers.

M members, P parameters of one member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coterie.objectives.players import ALONE

Pieces = dict[str, Tensor]


@dataclass(frozen=True)
class Part:
    """Parameters that lie together: their names, where in P, and where in that part weights lie."""

    names: tuple[str, ...]
    place: slice
    weights: slice


@dataclass(frozen=True)
class Layout:
    """Names, shapes and sizes of a network's parameters, in order."""

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, network: nn.Module) -> Layout:
        players = [player.name for player in getattr(network, "players", ALONE)]

        def place(named: tuple[str, Tensor]) -> tuple[int, bool]:
            name, parameter = named
            owner = [at for at, player in enumerate(players) if player and name.startswith(f"body.{player}.")]
            return (owner[0] if owner else len(players), not is_weight(parameter.shape))

        named = dict(sorted(network.named_parameters(), key=place))
        return cls(
            tuple(named), tuple(p.shape for p in named.values()), tuple(p.numel() for p in named.values())
        )

    @property
    def parameters(self) -> int:
        return sum(self.sizes)

    def views(self, flat: Tensor | Pieces) -> dict[str, Tensor]:
        """The parameters (…, *shape) by name, as views of flat (…, P) or of its pieces."""
        if isinstance(flat, dict):
            parts = [part for run in self.runs for part in flat[run.names[0]].split(run.sizes, dim=-1)]
        else:
            parts = list(flat.split(self.sizes, dim=-1))
        return {
            n: part.view((*part.shape[:-1], *shape))
            for n, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    @property
    def runs(self) -> list[Layout]:
        """What compiled code moves at once: each weight by itself, biases and scales that lie together."""
        runs: list[list[str]] = []
        beside = False
        for name, shape in zip(self.names, self.shapes, strict=True):
            if beside and not is_weight(shape):
                runs[-1].append(name)
            else:
                runs.append([name])
            beside = not is_weight(shape)
        return [self.only(run) for run in runs]

    def pieces(self, flat: Tensor) -> Pieces:
        """The numbers (…, size) of each run by its first name, as views of flat (…, P)."""
        runs = self.runs
        parts = flat.split([run.parameters for run in runs], dim=-1)
        return {run.names[0]: part for run, part in zip(runs, parts, strict=True)}

    def flat(self, tensors: dict[str, Tensor], lead: int = 0, out: Tensor | None = None) -> Tensor:
        """The inverse of `views`: tensors with `lead` leading axes, joined into (…, P)."""
        parts = [
            tensors[name].flatten(lead) if tensors[name].ndim > lead else tensors[name][..., None]
            for name in self.names
        ]
        return torch.cat(parts, dim=-1, out=out)

    def part(self, player: str) -> Part:
        """What a player owns: the parameters of the body's part of this name; "": all of them."""
        if not player:
            return Part(self.names, slice(0, self.parameters), self.weights)
        mine = [i for i, name in enumerate(self.names) if name.startswith(f"body.{player}.")]
        start = sum(self.sizes[: mine[0]]) if mine else 0
        assert not mine or mine == list(range(mine[0], mine[-1] + 1)), "a player's parameters lie together"
        own = self.only([self.names[i] for i in mine])
        return Part(own.names, slice(start, start + own.parameters), own.weights)

    def only(self, names: Sequence[str]) -> Layout:
        """The layout of some of the parameters alone."""
        mine = [i for i, name in enumerate(self.names) if name in set(names)]
        return Layout(
            tuple(self.names[i] for i in mine),
            tuple(self.shapes[i] for i in mine),
            tuple(self.sizes[i] for i in mine),
        )

    @property
    def weights(self) -> slice:
        """Where weights lie, on which weight decay acts: biases and scales are free."""
        sizes = [s for s, shape in zip(self.sizes, self.shapes, strict=True) if is_weight(shape)]
        return slice(0, sum(sizes))


def is_weight(shape: torch.Size) -> bool:
    """Parameters of two or more axes are weights."""
    return len(shape) > 1
