"""Processes that work on one study, joined by PyTorch's distributed engine: `torchrun -m coterie fit …`.

The first process has the study, its folder and its clock, and decides everything; the others hold members of
its cohorts and do as they are told (`spread.py`). What they tell each other are Python objects, small but for
states that are saved.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # before processes join, see `leave`

from coterie.errors import StudyError


@dataclass
class Ranks:
    """rank: this process among the `world` that were started together; known: the data that all have."""

    rank: int
    world: int
    known: Any = None

    def broadcast(self, value: Any = None) -> Any:
        """What the first process gives, in every process; StudyError where one of them is gone."""
        box = [value]
        try:
            dist.broadcast_object_list(box, 0)
        except RuntimeError as error:
            raise gone() from error
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, in the first process; [] in the others."""
        box = [None] * self.world if self.rank == 0 else None
        try:
            dist.gather_object(value, box, 0)
        except RuntimeError as error:
            raise gone() from error
        return box or []

    def device(self, kind: str) -> torch.device:
        """The device of this process: of several accelerators its own."""
        if kind != "cuda":
            return torch.device(kind)
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)) % torch.cuda.device_count())

    def near(self, device: torch.device) -> bool:
        """Whether processes can exchange tensors that lie on such devices without a way around."""
        return device.type == "cpu" or (device.type == "cuda" and "nccl" in dist.get_backend_config())


@cache
def ranks() -> Ranks | None:
    """The processes that torchrun started, joined now; None where this one is alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world < 2 or "RANK" not in os.environ:
        return None
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if _one_each(world) else "gloo")
    return Ranks(dist.get_rank(), world)


def _one_each(world: int) -> bool:
    """Whether every process has an accelerator to itself."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world))
    return torch.cuda.is_available() and dist.is_nccl_available() and torch.cuda.device_count() >= here


def leave() -> None:
    """Parts from the other processes: the group's threads end here.

    They must end before the interpreter does: one of them may still have to let go of the last tensor that
    was sent, for which it waits for Python's lock, and a thread that waits for it while Python ends takes the
    whole process down. A group ends when nobody holds it, and `torch.distributed.nn.functional` holds for
    good, as default arguments, the one that it finds when it is imported. PyTorch imports it at a gradient,
    so it is imported here before any group is there.
    """
    if dist.is_initialized():
        dist.destroy_process_group()
    ranks.cache_clear()


def gone() -> StudyError:
    """What to say where another process does not answer."""
    return StudyError(
        "All processes that torchrun started must stay at work.",
        given="one of them is gone",
        fix="What was saved last is kept: coterie resume FOLDER goes on, with any number of processes.",
    )
