"""What a process other than the first does in a test: imported in each of them, so it imports little."""

import contextlib
from datetime import timedelta

import torch.distributed as dist

from coterie.errors import StudyError
from coterie.training.ranks import Ranks
from coterie.training.spread import serve

SECONDS = timedelta(seconds=60)


def other(rank: int, world: int, store: str) -> None:
    """Joins the others, and is at the first one's service."""
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=SECONDS)
    with contextlib.suppress(StudyError):
        serve(Ranks(rank, world))
