"""Processes that part: their group ends with it, not some time before or after the interpreter."""

import subprocess
import sys

PARTS = """
import sys, weakref
import torch.distributed as dist
from coterie.training.ranks import Ranks, leave

dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", rank=0, world_size=1)
group = weakref.ref(dist.group.WORLD)
assert Ranks(0, 1).broadcast("a word") == "a word"
import torch._dynamo  # as any gradient of a cohort does
assert group() is not None
leave()
assert group() is None, "something holds the group: its threads would go on"
"""


def test_nobody_holds_the_group_of_processes_that_parted(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", PARTS, tmp_path / "store"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
