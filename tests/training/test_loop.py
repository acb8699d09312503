"""The loop: which epoch is kept, who is retired and when, and what it says meanwhile.

Scores are scripted here: member i gets `script[i][epoch − 1]`, whatever it learned.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from small_cohorts import (
    FOLDS,
    arena_of,
    cohort_of,
    distance,
    member,
    run,
    small_recipe,
    small_table,
)
from torch import Tensor
from torch.optim.lr_scheduler import ReduceLROnPlateau

from coterie.models.linear import Linear
from coterie.training.cohort import Cohort, member_id
from coterie.training.events import CohortEnd, CohortStart, EpochEnd, Event, Retire, Retired, StepEnd
from coterie.training.loop import steps_left, train, validate
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

NO_ROWS = np.empty(0, dtype=np.int64)
NAN = float("nan")


def recipe(**given: Any) -> Recipe:
    usual = {"optimizer": "sgd", "schedule": "constant", "warmup": 0.0, "patience": 99}
    return small_recipe(**usual | given)


def linear_cohort(*recipes: Recipe, target: str = "regression", folds: Any = FOLDS) -> Cohort:
    """One member a recipe, all on the first fold."""
    members = [member(Candidate(i, Linear(), one)) for i, one in enumerate(recipes)]
    return cohort_of(members, arena_of(small_table(target), folds))


def scripted(cohort: Cohort, *script: Sequence[float]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def score(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        return torch.tensor([script[i][cohort.epoch - 1] for i in cohort.alive])

    return score


@dataclasses.dataclass
class Seen:
    events: list[Event]
    weights: dict[tuple[int, int], Tensor]  # by place in the plan and epoch, as the epoch left them

    @property
    def epochs(self) -> list[EpochEnd]:
        return [e for e in self.events if isinstance(e, EpochEnd)]

    @property
    def retired(self) -> list[Retired]:
        return [r for e in self.epochs for r in e.retired]


def follow(
    cohort: Cohort,
    score: Callable[[Tensor, Tensor, Tensor], Tensor],
    maximise: bool = True,
    answer: Callable[[Event], Retire | None] = lambda event: None,
) -> Seen:
    seen = Seen([], {})
    loop = train(cohort, score, maximise)
    event: Event | None = next(loop)
    while event is not None:
        seen.events.append(event)
        if isinstance(event, StepEnd) and event.step == event.steps:
            seen.weights |= {(i, event.epoch + 1): cohort.flat[p].clone() for p, i in enumerate(cohort.alive)}
        try:
            event = loop.send(answer(event))
        except StopIteration:
            event = None
    return seen


# ---- the best epoch, and stopping early ------------------------------------------------------------------


@pytest.mark.parametrize(("maximise", "sign"), [(True, 1), (False, -1)], ids=["maximise", "minimise"])
def test_the_best_epoch_is_kept(maximise: bool, sign: int) -> None:
    cohort = linear_cohort(recipe(epochs=5), recipe(epochs=4))
    script = ([1, 3, 2, 3, 0], [1, 2, 3, 4])  # a tie goes to the earlier
    seen = follow(cohort, scripted(cohort, *([sign * v for v in one] for one in script)), maximise)
    assert [(r.best_epoch, r.score, r.epochs) for r in cohort.records] == [(2, 3 * sign, 5), (4, 4 * sign, 4)]
    assert torch.equal(cohort.best[0], seen.weights[0, 2])
    assert torch.equal(cohort.best[1], seen.weights[1, 4])
    assert not torch.equal(cohort.best[0], seen.weights[0, 4])


def test_patience_counts_epochs_since_the_best() -> None:
    recipes = [recipe(epochs=8, patience=patience) for patience in (1, 2, 3, 0)]
    cohort = linear_cohort(*recipes)
    seen = follow(cohort, scripted(cohort, *[[5, 4, 6, 1, 1, 1, 1, 7]] * 4))
    found = [(r.status, r.epochs, r.best_epoch) for r in cohort.records]
    assert found == [("converged", 2, 1), ("converged", 5, 3), ("converged", 6, 3), ("finished", 8, 8)]
    assert torch.equal(cohort.best[2], seen.weights[2, 3])
    ends = [(r.member, r.status, r.epochs, r.best_epoch, r.score) for r in seen.retired]
    assert ends == [
        ((0, 0, 0), "converged", 2, 1, 5.0),
        ((1, 0, 0), "converged", 5, 3, 6.0),
        ((2, 0, 0), "converged", 6, 3, 6.0),
        ((3, 0, 0), "finished", 8, 8, 7.0),
    ]


def test_an_undefined_score_is_never_the_best() -> None:
    cohort = linear_cohort(recipe(epochs=3), recipe(epochs=3))
    seen = follow(cohort, scripted(cohort, [NAN, 1, NAN], [NAN, NAN, NAN]))
    assert [(r.score, r.best_epoch) for r in cohort.records] == [(1, 2), (None, 3)]
    assert torch.equal(cohort.best[0], seen.weights[0, 2])
    assert torch.equal(cohort.best[1], seen.weights[1, 3])  # nothing to choose by: the last


def test_without_validation_rows_all_epochs_are_trained() -> None:
    cohort = linear_cohort(recipe(epochs=4, patience=1), folds=((FOLDS[0][0], NO_ROWS),))
    seen = follow(cohort, distance)
    assert cohort.records[0].status == "finished"
    assert (cohort.records[0].score, cohort.records[0].epochs, cohort.records[0].best_epoch) == (None, 4, 4)
    assert torch.equal(cohort.best[0], seen.weights[0, 4])
    assert all(end.validation == (None,) for end in seen.epochs)


def test_a_fold_without_validation_rows_beside_one_with_them() -> None:
    arena = arena_of(small_table("regression"), (FOLDS[0], (FOLDS[1][0], NO_ROWS)))
    candidate = Candidate(0, Linear(), recipe(epochs=3, patience=1))
    cohort = cohort_of([member(candidate, 0), member(candidate, 1)], arena)
    assert validate(cohort, distance)[0][1] is None
    follow(cohort, distance, maximise=False)
    assert (cohort.records[1].status, cohort.records[1].epochs) == ("finished", 3)


def test_validation_scores_are_those_of_the_members_own_rows() -> None:
    arena = arena_of(small_table("binary"))
    candidate = Candidate(0, Linear(), recipe())
    cohort = cohort_of([member(candidate, fold) for fold in range(3)], arena)
    run(cohort)
    cohort = cohort_of([member(candidate, fold) for fold in range(3)], arena)
    for place, value in enumerate(validate(cohort, distance)[0]):
        rows = torch.from_numpy(FOLDS[place][1])
        output = cohort.steps.output(cohort.flat, cohort.buffers, rows, arena.inputs)[place]
        wanted = distance(output, arena.data["target"][rows], arena.data["weight"][rows])
        assert value == pytest.approx(wanted.item(), rel=1e-6)


# ---- plateau ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plateau", [1, 2, 3])
def test_plateau_drops_as_pytorchs_does(plateau: int) -> None:
    script = [5.0, 4, 4, 4, 6, 5, 5, 5, 5, 5, 5, 7, 1]
    one = dataclasses.replace(
        recipe(epochs=len(script), lr=0.1), schedule="plateau", plateau=plateau, decay=0.5
    )
    cohort = linear_cohort(one)
    rates = []

    def note(event: Event) -> None:
        if isinstance(event, (CohortStart, EpochEnd)) and cohort.alive:
            rates.append(0.1 * cohort.draw().factor[0][0].item())

    follow(cohort, scripted(cohort, script), answer=note)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = ReduceLROnPlateau(optimizer, "max", factor=0.5, patience=plateau - 1, threshold=0)
    wanted = []
    for value in script:
        wanted.append(optimizer.param_groups[0]["lr"])
        theirs.step(value)
    assert rates == pytest.approx(wanted)
    assert cohort.records[0].drops >= 2


# ---- divergence ------------------------------------------------------------------------------------------


def test_a_diverged_member_is_retired_and_keeps_its_best() -> None:
    cohort = linear_cohort(recipe(epochs=4), recipe(epochs=4))
    kept: list[Tensor] = []

    def spoil(event: Event) -> None:
        if isinstance(event, EpochEnd) and event.epoch == 2:
            kept.append(cohort.best[1].clone())
            cohort.flat[1, 0] = torch.inf

    seen = follow(cohort, scripted(cohort, [1, 2, 3, 4], [1, 2, 3, 4]), answer=spoil)
    assert [r.status for r in cohort.records] == ["finished", "diverged"]
    assert (cohort.records[1].epochs, cohort.records[1].best_epoch, cohort.records[1].score) == (3, 2, 2.0)
    assert torch.equal(cohort.best[1], kept[0])
    assert torch.equal(kept[0], seen.weights[1, 2])
    assert cohort.best.isfinite().all()


def test_one_that_diverges_at_once_keeps_its_first_weights() -> None:
    cohort = linear_cohort(recipe(epochs=4), recipe(epochs=4))
    cohort.arena.data["weight"][:] = 1.0
    cohort.flat[1] = torch.nan
    first = cohort.best[1].clone()
    follow(cohort, scripted(cohort, [1, 2, 3, 4], [1, 2, 3, 4]))
    assert (cohort.records[1].status, cohort.records[1].score) == ("diverged", None)
    assert torch.equal(cohort.best[1], first)


# ---- commands --------------------------------------------------------------------------------------------


def at(epoch: int, step: int, command: Retire) -> Callable[[Event], Retire | None]:
    def answer(event: Event) -> Retire | None:
        hit = isinstance(event, StepEnd) and (event.epoch, event.step) == (epoch, step)
        return command if hit else None

    return answer


def test_retiring_all_ends_the_epoch_where_it_stands() -> None:
    for command in (Retire(), Retire(((0, 0, 0), (1, 0, 0)))):
        cohort = linear_cohort(recipe(epochs=4), recipe(epochs=4))
        seen = follow(cohort, scripted(cohort, [1, 2, 3, 4], [5, 1, 1, 1]), answer=at(1, 2, command))
        kinds = [type(event) for event in seen.events]
        assert kinds == [CohortStart, *[StepEnd] * 5, EpochEnd, *[StepEnd] * 2, EpochEnd, CohortEnd]
        assert [(r.status, r.epochs, r.best_epoch) for r in cohort.records] == [
            ("stopped", 2, 2),
            ("stopped", 2, 1),
        ]
        assert torch.equal(cohort.best[1], seen.weights[1, 1])
        assert all(loss is not None and loss == loss for loss in seen.epochs[-1].train)


def test_retiring_some_lets_the_others_finish() -> None:
    cohort = linear_cohort(recipe(epochs=3), recipe(epochs=3))
    seen = follow(cohort, scripted(cohort, [1, 2, 3], [1, 2, 3]), answer=at(1, 2, Retire(((1, 0, 0),))))
    assert [end.epoch for end in seen.epochs] == [1, 2, 3]
    assert [e.alive for e in seen.events if isinstance(e, StepEnd)] == [2] * 10 + [1] * 5
    assert [(r.status, r.epochs) for r in cohort.records] == [("finished", 3), ("stopped", 2)]


@pytest.mark.parametrize("scored", [True, False], ids=["scored", "without validation"])
def test_retiring_between_two_epochs_keeps_what_was_learned(scored: bool) -> None:
    folds = FOLDS if scored else ((FOLDS[0][0], NO_ROWS),)
    cohort = linear_cohort(recipe(epochs=9), recipe(epochs=9), folds=folds)

    def answer(event: Event) -> Retire | None:
        return Retire() if isinstance(event, EpochEnd) and event.epoch == 2 else None

    seen = follow(cohort, scripted(cohort, [1, 2], [2, 1]), answer=answer)
    assert [r.status for r in cohort.records] == ["stopped", "stopped"]
    assert [r.epochs for r in cohort.records] == [2, 2]
    assert [r.best_epoch for r in cohort.records] == ([2, 1] if scored else [2, 2])
    for place, record in enumerate(cohort.records):
        assert torch.equal(cohort.best[place], seen.weights[place, record.best_epoch])
    assert len(seen.retired) == 2
    assert isinstance(seen.events[-1], CohortEnd)


def test_retiring_one_between_two_epochs_leaves_the_others_alone() -> None:
    def answer(event: Event) -> Retire | None:
        return Retire(((0, 0, 0),)) if isinstance(event, EpochEnd) and event.epoch == 1 else None

    whole, cut = (linear_cohort(recipe(epochs=3), recipe(epochs=3)) for _ in range(2))
    follow(whole, scripted(whole, [1, 2, 3], [1, 2, 3]))
    follow(cut, scripted(cut, [1, 2, 3], [1, 2, 3]), answer=answer)
    assert [(r.status, r.epochs) for r in cut.records] == [("stopped", 1), ("finished", 3)]
    torch.testing.assert_close(cut.best[1], whole.best[1])


def test_an_unknown_member_is_nobody() -> None:
    cohort = linear_cohort(recipe(epochs=2))
    follow(cohort, scripted(cohort, [1, 2]), answer=at(0, 1, Retire(((9, 9, 9),))))
    assert cohort.records[0].status == "finished"


# ---- events, order and count of steps --------------------------------------------------------------------


def test_the_sequence_of_events() -> None:
    arena = arena_of(small_table("regression"))
    candidate = Candidate(4, Linear(), recipe(epochs=2))
    cohort = cohort_of([member(candidate, 1), member(candidate, 0)], arena)  # 3 and 5 steps an epoch
    events = follow(cohort, distance, maximise=False).events
    size = cohort.layout.parameters
    assert events[0] == CohortStart(cohort=0, members=2, parameters=size, steps=10)
    assert events[1:6] == [StepEnd(0, 0, step, 5, 2) for step in range(1, 6)]
    assert isinstance(events[6], EpochEnd)
    assert (events[6].epoch, events[6].members, events[6].retired) == (1, ((4, 1, 0), (4, 0, 0)), ())
    assert events[7:12] == [StepEnd(0, 1, step, 5, 2) for step in range(1, 6)]
    assert isinstance(events[12], EpochEnd)
    assert [r.member for r in events[12].retired] == [(4, 1, 0), (4, 0, 0)]
    assert events[13:] == [CohortEnd(0)]


def test_the_training_loss_is_the_mean_over_the_epochs_rows() -> None:
    """With a learning rate of 0 it is the loss of the first weights over the whole fold, batch by batch."""
    dataset = dataclasses.replace(small_table("regression"), weight=None)
    candidate = Candidate(0, Linear(), recipe(epochs=1, lr=0.0, weight_decay=0.0))
    cohort = cohort_of([member(candidate, fold) for fold in range(3)], arena_of(dataset))
    assert dataset.target is not None
    for place, loss in enumerate(follow(cohort, distance).epochs[0].train):
        target = dataset.target[torch.from_numpy(FOLDS[place][0])]
        assert target.var(correction=0) > 0
        assert loss == pytest.approx(1.0, rel=1e-5)  # of 0 about standardised targets


def test_rows_in_order_when_asked() -> None:
    cohort = linear_cohort(recipe(epochs=2, order="rows"))
    for _ in range(2):
        draw = cohort.draw()
        batches = zip(draw.rows, draw.present, strict=True)
        seen = torch.cat([rows[0][present[0].bool()] for rows, present in batches])
        assert seen.tolist() == FOLDS[0][0].tolist()
        cohort.end_epoch(draw)


def test_the_exact_optimizer_takes_one_epoch_without_steps() -> None:
    one = small_recipe(optimizer="exact", l2=0.1, epochs=50)
    cohort = linear_cohort(one, dataclasses.replace(one, l2=1.0))
    assert steps_left(cohort) == 1
    seen = follow(cohort, distance, maximise=False)
    assert [type(event) for event in seen.events] == [CohortStart, EpochEnd, CohortEnd]
    assert seen.epochs[0].train == (None, None)
    assert [(r.status, r.epochs, r.best_epoch) for r in cohort.records] == [("finished", 1, 1)] * 2
    assert cohort.records[0].score == seen.epochs[0].validation[0]


def test_steps_left_counts_down_to_nothing() -> None:
    cohort = linear_cohort(recipe(epochs=2), recipe(epochs=3))
    left = [steps_left(cohort)]

    def note(event: Event) -> None:
        if isinstance(event, StepEnd):
            left.append(steps_left(cohort))

    follow(cohort, distance, maximise=False, answer=note)
    assert left == list(range(15, -1, -1))


def test_members_keep_their_place_in_the_plan() -> None:
    cohort = linear_cohort(recipe(epochs=3), recipe(epochs=1), recipe(epochs=2))
    ids = [member_id(m) for m in cohort.plan.members]
    seen = follow(cohort, distance, maximise=False)
    assert [end.members for end in seen.epochs] == [tuple(ids), (ids[0], ids[2]), (ids[0],)]
    assert [r.epochs for r in cohort.records] == [3, 1, 2]
    assert [r.member for r in seen.retired] == [ids[1], ids[2], ids[0]]


def test_without_early_stopping_the_last_weights_are_kept_whatever_their_score() -> None:
    cohort = linear_cohort(recipe(epochs=3, patience=0), recipe(epochs=3, patience=3))
    seen = follow(cohort, scripted(cohort, *[[5, 9, 1]] * 2))
    found = [(r.status, r.best_epoch, r.score) for r in cohort.records]
    assert found == [("finished", 3, 1.0), ("finished", 2, 9.0)]
    assert torch.equal(cohort.best[0], seen.weights[0, 3])
    assert torch.equal(cohort.best[1], seen.weights[1, 2])
