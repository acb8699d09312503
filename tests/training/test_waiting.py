"""A step reads no number on the host, and brings nothing to the device: no accelerator is ever waited for.

There is none here, but a device on which nothing can be read: PyTorch's meta device, which has shapes alone.
A cohort whose epoch was drawn on the CPU takes its steps there, under a mode that refuses what would wait.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from small_agents import TINY, rows_of
from small_cohorts import (
    FAMILIES,
    arena_of,
    cohort_of,
    four_members,
    member,
    small,
    small_data,
    small_recipe,
    targets_of,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from coterie.training import padding
from coterie.training.cohort import Cohort
from coterie.training.draw import Draw
from coterie.training.plan import Candidate
from coterie.training.streaming import gathered

META = torch.device("meta")
# what returns a number, or a tensor of a size that only its numbers tell
READING = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "_unique2", "unique_dim"}


class Waits(Exception):
    """An operation for which a GPU or its host would wait."""


class Refusing(TorchDispatchMode):
    """Lets through what an accelerator does without its host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = func.overloadpacket.__name__, tree_leaves((args, kwargs))
        tensors = [each for each in given if isinstance(each, torch.Tensor)]
        if name in READING and any(each.is_meta for each in tensors):
            raise Waits(name)
        if name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            each.dtype in (torch.bool, torch.uint8) for each in args[1] if each is not None
        ):
            raise Waits(f"{name} by a mask")
        result = func(*args, **(kwargs or {}))
        made = [each for each in tree_leaves(result) if isinstance(each, torch.Tensor)]
        if any(each.is_meta for each in made):
            if any(not each.is_meta and each.ndim for each in tensors):
                raise Waits(f"{name} of what lies on the host")
            if name in ("_to_copy", "copy_", "_copy_from") and any(not each.is_meta for each in tensors):
                raise Waits(f"{name} from the host")
        return result


class Making(TorchFunctionMode):
    """Refuses tensors that are made of the host's numbers: dispatch does not see them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor)
        if made and torch.device(kwargs.get("device") or "cpu") == META:
            raise Waits("a tensor made of numbers of the host")
        return func(*args, **kwargs)


def moved(what: Any) -> Any:
    """Everything within that is a tensor, or holds some, on the meta device."""
    if isinstance(what, torch.Tensor):
        return what.to(META)
    if isinstance(what, dict):
        return {name: moved(each) for name, each in what.items()}
    if type(what) in (list, tuple):
        return type(what)(moved(each) for each in what)
    if isinstance(what, Draw):
        return dataclasses.replace(
            what, **{f.name: moved(getattr(what, f.name)) for f in dataclasses.fields(what)}
        )
    return what


@contextmanager
def there(cohort: Cohort, draw: Draw) -> Iterator[Draw]:
    """The cohort as it would be on an accelerator, in the middle of an epoch."""
    cohort.arena = dataclasses.replace(cohort.arena, data=moved(cohort.arena.data), device=META)
    vars(cohort).update({n: moved(each) for n, each in vars(cohort).items() if n not in ("arena", "plan")})
    there = moved(draw)
    with Making(), Refusing():
        yield there


def cohort(name: str, **given: Any) -> Cohort:
    """Four members, those of smaller folds idle at an epoch's end."""
    recipe = small_recipe(clip=1.0, weight_decay=0.1, schedule="cosine")
    if name in TINY:
        arena = arena_of(rows_of("CartPole-v1", range(40)), ((np.arange(30), np.arange(30, 40)),))
        return cohort_of([member(Candidate(0, TINY[name], recipe), 0, seed) for seed in range(2)], arena)
    family = small(FAMILIES[name], **given)
    arena = arena_of(small_data(family, targets_of(type(family))[0]))
    return cohort_of(four_members(family, recipe), arena)


CASES: dict[str, dict[str, Any]] = {
    "mlp": {"norm": "batch", "dropout": 0.2},
    "tabm": {},
    "cnn": {"norm": "batch"},
    "vit": {},
    "lstm": {},
    "bert": {},
    "gpt": {"dropout": 0.1},
    "gan": {},
    "rbm": {},
    "kmeans": {},
    "diffusion": {},
    "ppo": {},
    "dqn": {},
}


@pytest.mark.parametrize("name", CASES)
def test_a_step_waits_for_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *given, **how: nullcontext())  # it knows no meta device
    monkeypatch.setattr(padding, "STEP", 2)  # so that batches are cut
    one = cohort(name, **CASES[name])
    draw = one.draw()
    assert name in TINY or any(each is not None for each in draw.idle)
    assert name != "lstm" or any(draw.widths)
    with there(one, draw) as moved:
        for _ in range(min(6, int(draw.busy.max()))):
            one.advance(moved)


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: torch.equal(x, x),
        lambda x: x.masked_select(x > 0),
        lambda x: x + torch.tensor([1.0, 2.0, 3.0], device=x.device),
        lambda x: x + torch.ones(3).to(x.device),
        lambda x: x[torch.tensor([0, 1])],
        lambda x: x.copy_(torch.ones(2, 3)),
    ],
)
def test_what_would_be_waited_for_is_refused(work: Callable[[torch.Tensor], Any]) -> None:
    with pytest.raises(Waits), Making(), Refusing():
        work(torch.ones(2, 3, device=META))


def test_what_lies_on_the_host_is_brought_without_asking_the_device_which() -> None:
    rows = torch.tensor([[7, 2, 2], [0, 7, 5]])
    data = {"image": torch.arange(40).view(10, 4)}
    places, found = gathered(rows.to(META), data, ["image"], known=rows)
    assert places.is_meta
    assert found["image"].shape == (4, 4)
    again, near = gathered(rows, data, ["image"], known=rows)
    assert torch.equal(near["image"][again], data["image"][rows])
