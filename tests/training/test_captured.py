"""Turns that are recorded and replayed do what they do otherwise, to the bit.

What records here is no GPU but a tape: it keeps every operation with the very tensors it worked on, as a CUDA
graph keeps addresses. Whatever the host computed in between is played again as it was, so what was not handed
in as a tensor would be told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    arena_of,
    cohort_of,
    four_members,
    small,
    small_data,
    small_recipe,
    targets_of,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from coterie.training import captured as module
from coterie.training import padding
from coterie.training.captured import Captured, captured, why_not
from coterie.training.cohort import Cohort
from coterie.training.turn import Turn

CPU = torch.device("cpu")


class Tape(TorchDispatchMode):
    """Records operations as they are done, and takes back what they changed of what was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.own: set[int] = set()  # memory that was taken while recording
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        places = {memory(each) for each in given}
        if func._schema.is_mutable:
            for each in given:
                if memory(each) not in self.own:
                    whole = each.as_strided((each.untyped_storage().nbytes() // each.itemsize,), (1,), 0)
                    self.before.setdefault(memory(each), (whole, whole.clone()))
        result = func(*args, **kwargs)
        made = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        fresh = [each for each in made if memory(each) not in places]
        self.own |= {memory(each) for each in fresh}
        if fresh or func._schema.is_mutable:
            self.done.append(
                (func, args, kwargs, [each if memory(each) not in places else None for each in made])
            )
        return result

    def take_back(self) -> None:
        for now, before in self.before.values():
            now.copy_(before)

    def play(self) -> None:
        with torch.no_grad():
            for func, args, kwargs, made in self.done:
                again = [e for e in tree_leaves(func(*args, **kwargs)) if isinstance(e, Tensor)]
                for ours, theirs in zip(made, again, strict=True):
                    if ours is not None:
                        ours.copy_(theirs)


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Recorder:
    """A stand-in for `Graphs`."""

    def __init__(self) -> None:
        self.recorded = self.played = 0

    def warm(self, work: Callable[[], Any]) -> Any:
        return work()

    def record(self, work: Callable[[], Any], beside: Any) -> Any:
        self.recorded += 1
        with Tape() as tape:
            result = work()
        tape.take_back()

        def play() -> None:
            self.played += 1
            tape.play()

        return result, play


def members_of(name: str, **given: Any) -> Any:
    """Four members of ragged folds, and their data."""
    family = small(FAMILIES[name], **given)
    arena = arena_of(small_data(family, targets_of(FAMILIES[name])[-4:][0]), dtype=torch.float64)
    return four_members(family, small_recipe(clip=1.0, weight_decay=0.1, schedule="cosine")), arena


def recording(cohort: Cohort) -> Recorder:
    recorder = Recorder()
    cohort.turns = {name: Captured(turn, recorder) for name, turn in cohort.plain_turns().items()}
    return recorder


def epochs(cohort: Cohort, count: int, whole: bool = True) -> None:
    for _ in range(count):
        draw = cohort.draw()
        while cohort.step < int(draw.busy.max()) - (not whole):
            cohort.advance(draw)
        if whole:
            cohort.end_epoch(draw)


def assert_same(ours: Cohort, theirs: Cohort, rounding: float = 0.0) -> None:
    for name, tensor in theirs.tensors().items():
        torch.testing.assert_close(ours.tensors()[name], tensor, rtol=rounding, atol=rounding, equal_nan=True)


CASES = {
    "mlp": {"norm": "batch", "dropout": 0.2},
    "cnn": {"norm": "batch"},
    "lstm": {},
    "bert": {},
    "gan": {},
    "rbm": {},
    "kmeans": {},
    "diffusion": {},
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_replayed_is_what_would_have_been_done(name: str) -> None:
    members, arena = members_of(name, **CASES[name])
    plain, ours = cohort_of(members, arena), cohort_of(members, arena)
    recorder = recording(ours)
    for cohort in (plain, ours):
        epochs(cohort, 3)
    assert_same(ours, plain)
    assert not why_not(ours.turns)
    assert recorder.recorded >= len(ours.turns)
    assert recorder.played > 6 * recorder.recorded, "what is recorded once serves all steps"


def test_batches_cut_to_their_longest_row_have_a_graph_for_each_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(padding, "STEP", 2)
    members, arena = members_of("lstm")
    plain, ours = cohort_of(members, arena), cohort_of(members, arena)
    assert len({tuple(width.values()) for width in ours.draw().widths}) > 1
    recorder = recording(ours)
    for cohort in (plain, ours):
        epochs(cohort, 6)
    assert_same(ours, plain)
    assert recorder.recorded > 1


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_after_a_retirement_it_is_recorded_anew_down_to_one_member(name: str) -> None:
    members, arena = members_of(name, **CASES[name])
    plain, ours = cohort_of(members, arena), cohort_of(members, arena)
    recorder = recording(ours)
    for cohort in (plain, ours):
        epochs(cohort, 1)
        cohort.retire({1: "pruned"})
        epochs(cohort, 1)
        cohort.retire({0: "pruned", 2: "pruned"})
        epochs(cohort, 1)
    assert_same(ours, plain, 1e-9)  # one alone that is written down takes no fused kernels
    assert recorder.recorded == 3


def test_a_restored_cohort_goes_on_from_the_middle_of_an_epoch() -> None:
    members, arena = members_of("mlp", norm="batch")
    plain, ours = cohort_of(members, arena), cohort_of(members, arena)
    recorder = recording(ours)
    epochs(plain, 1)
    epochs(plain, 1, whole=False)
    epochs(ours, 1)
    state = {name: tensor.clone() for name, tensor in plain.tensors().items()}
    ours.restore(state, plain.facts())
    for cohort in (plain, ours):
        epochs(cohort, 2)
    assert_same(ours, plain)
    assert recorder.recorded == 2


def test_running_statistics_are_moved_on_in_place() -> None:
    members, arena = members_of("cnn", norm="batch")
    cohort = cohort_of(members, arena)
    recording(cohort)
    (running, *_) = cohort.steps.running
    before, first = cohort.buffers[running], cohort.buffers[running].clone()
    epochs(cohort, 1)
    assert cohort.buffers[running] is before
    assert not torch.equal(before, first)


def test_buffers_that_move_into_one_another_are_not_mixed_up() -> None:
    """A queue: each takes what the one before it held."""
    members, arena = members_of("mlp")
    cohort = cohort_of(members, arena)
    (player,) = cohort.steps.players
    given = cohort.given(cohort.draw(), player, 0)
    a, b = torch.zeros(4, 2), torch.ones(4, 2)
    given = given._replace(buffers={"a": a, "b": b})

    class Queue:
        running = ("a", "b")

        def __call__(self, given: Any, scratch: Any) -> Any:
            return given.flat.sum(1), {"a": given.buffers["b"].view(4, 2), "b": given.buffers["a"].view(4, 2)}

    turn = Captured(Queue(), Recorder())  # type: ignore[arg-type]
    for times in range(1, 6):
        _, running = turn(given)
        assert running["a"] is a
        assert (a[0, 0], b[0, 0]) == ((1, 0) if times % 2 else (0, 1))


class Failing(Recorder):
    """Says no, or leaves what it should not."""

    def __init__(self, how: str, turn: Any) -> None:
        super().__init__()
        self.how, self.turn = how, turn

    def record(self, work: Callable[[], Any], beside: Any) -> Any:
        result, play = super().record(work, beside)
        if self.how == "refuses":
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        if self.how == "scarce":
            self.turn.groups *= 2
        if self.how == "idle":
            return result, lambda: None
        if self.how == "twice":
            return result, lambda: (play(), play())
        return result, play


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("refuses", "operation not permitted when stream is capturing"),
        ("scarce", "memory does not suffice for a graph"),
        ("idle", "its graph gave other numbers than the step it was made of"),
        ("twice", "its graph gave other numbers than the step it was made of"),
    ],
)
def test_where_it_cannot_be_recorded_turns_are_plain_and_nothing_is_lost(how: str, why: str) -> None:
    members, arena = members_of("mlp", norm="batch")
    plain, ours = cohort_of(members, arena), cohort_of(members, arena)
    (turn,) = ours.plain_turns().values()
    ours.turns = {"": Captured(turn, Failing(how, turn))}
    for cohort in (plain, ours):
        epochs(cohort, 2)
    assert_same(ours, plain)
    assert why_not(ours.turns) == why
    assert turn.groups == 1


def test_members_that_diverged_do_not_count_when_numbers_are_compared() -> None:
    members, arena = members_of("mlp")
    cohort = cohort_of(members, arena)
    recorder = recording(cohort)
    cohort.flat[1] = torch.nan
    epochs(cohort, 1)
    assert not why_not(cohort.turns)
    assert recorder.recorded == 1


def test_batches_of_more_forms_than_are_kept_run_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    members, arena = members_of("mlp")
    plain, ours = cohort_of(members, arena), cohort_of(members, arena)
    recorder = recording(ours)
    for cohort in (plain, ours):
        draw = cohort.draw()
        (player,) = cohort.steps.players
        for width in [8, 7, 6, 5] * 4:
            given = cohort.given(draw, player, 0)
            given = given._replace(rows=given.rows[:, :width], present=given.present[:, :width])
            cohort.turns[""](given, cohort.scratch)
    assert torch.equal(ours.flat, plain.flat)
    assert recorder.recorded == 2


def test_only_a_gpu_records_what_it_does_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Graphs", lambda device: Recorder())
    monkeypatch.setattr(module, "HOSTS", [])
    members, arena = members_of("mlp")
    turns = cohort_of(members, arena).plain_turns()
    assert captured(turns, CPU) == turns
    there = torch.device("cuda")
    assert isinstance(captured(turns, there)[""], Captured)

    class Shared(Turn):
        """A turn in which processes talk."""

    (turn,) = turns.values()
    shared = {"": Shared(turn.step, turn.recipe, "")}
    assert captured(shared, there) == shared
    monkeypatch.setenv("COTERIE_CAPTURE", "off")
    assert captured(turns, there) == turns
    monkeypatch.delenv("COTERIE_CAPTURE")
    monkeypatch.setattr(module, "HOSTS", ["an environment"])
    assert captured(turns, there) == turns


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", CASES)
def test_on_a_gpu_graphs_do_what_turns_do(name: str) -> None:
    import dataclasses

    members, arena = members_of(name, **CASES[name])
    folds = tuple(zip(arena.training, arena.validation, strict=True))
    there = type(arena).of(arena.dataset, folds, torch.device("cuda"), torch.float64)
    ours, plain = cohort_of(members, there), cohort_of(members, dataclasses.replace(there))
    plain.turns = {**plain.plain_turns()}
    for cohort in (plain, ours):
        epochs(cohort, 3)
    assert not why_not(ours.turns)
    for key, tensor in plain.tensors().items():
        torch.testing.assert_close(ours.tensors()[key], tensor, equal_nan=True)
