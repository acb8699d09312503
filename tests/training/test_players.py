"""Several players in one step: each moves what is its own, at its own pace."""

from dataclasses import dataclass

import pytest
import torch
from small_cohorts import arena_of, cohort_of, member, run, small_recipe, small_table
from torch import nn

from coterie.models.unsupervised import UnsupervisedFamily
from coterie.objectives.players import Player
from coterie.spec import integer, number
from coterie.training.plan import Candidate

ROWS = small_table("unsupervised")
# 4, 4 and 2 steps of 8 rows
FOLDS = tuple((torch.arange(n).numpy(), torch.arange(50, 60).numpy()) for n in (32, 25, 16))


class Duel(nn.Module):
    """Two maps of a row that draw together, and a third player that only counts its turns."""

    def __init__(self, family: "Duellists", width: int) -> None:
        super().__init__()
        self.left = nn.Linear(width, 3)
        self.right = nn.Linear(width, 3)
        turns = {"left": Player("left", family.left_every), "right": Player("right")}
        chosen = turns if family.who == 0 else {"": turns["left" if family.who == 1 else "right"]}
        self.players = (*chosen.values(), Player("nobody", 2))
        self.register_buffer("running_turns", torch.zeros(()))

    def losses(self, x, label, player):
        if player == "nobody":
            self.running_turns = self.running_turns + 1
        return (self.left(x) - self.right(x) - 1).square().sum(1)

    def judge(self, x, label, place):
        return {"reconstruction_error": self.losses(x, label, "")}


@dataclass(frozen=True)
class Duellists(UnsupervisedFamily):
    name = "duel"
    title = "two players"
    source = "none"
    measures = ("reconstruction_error",)

    left_every: int = integer(1, low=1, high=9, help="turns of the left one")
    who: int = integer(0, low=0, high=2, help="0: both; 1: the left one alone; 2: the right one alone")
    right_lr: float = number(0.02, low=0, high=1, help="of the right one")

    def body(self, row):
        return Duel(self, row.width)


def trained(*members, epochs=1, **recipe):
    arena = arena_of(ROWS, FOLDS, torch.float64)
    recipe = small_recipe(**{"epochs": epochs, "schedule": "constant", "warmup": 0.0} | recipe)
    own = [member(Candidate(k, family, recipe), fold) for k, (family, fold) in enumerate(members)]
    cohort = cohort_of(own, arena)
    before = cohort.flat.clone()
    ran = run(cohort)
    return ran, cohort.layout.views(ran.flat - before)


def moved(change, part, place=0):
    return bool(change[f"body.{part}.weight"][place].abs().max() > 0)


@pytest.mark.parametrize(("who", "left", "right"), [(0, True, True), (1, True, False), (2, False, True)])
def test_a_loss_moves_its_own_players_parameters_alone(who, left, right):
    _, change = trained((Duellists(who=who), 0), weight_decay=0.1)
    assert moved(change, "left") == left
    assert moved(change, "right") == right


def test_a_turn_comes_at_every_kth_step_of_an_epoch():
    plain = {"optimizer": "sgd", "weight_decay": 0.0, "lr": 1e-9, "clip": 0.0}
    steps = {}
    for every in (1, 2, 3):
        family = Duellists(left_every=every, who=1)
        _, change = trained((family, 0), **plain)
        steps[every] = float(change["body.left.bias"][0].norm())
    # at so small a rate every step is as long as the first: 4, 2 and 2 of 4 steps
    assert steps[2] / steps[1] == pytest.approx(0.5, rel=0.2)
    assert steps[3] / steps[1] == pytest.approx(0.5, rel=0.2)


def test_a_player_that_owns_nothing_only_moves_buffers():
    ran, change = trained((Duellists(who=1), 0), epochs=3)
    assert float(ran.buffers["network.body.running_turns"][0]) == 6  # at 2 of 4 steps of 3 epochs
    assert not moved(change, "right")


def test_a_player_may_have_a_learning_rate_of_its_own():
    _, still = trained((Duellists(right_lr=0.0), 0), lr=0.01)
    assert moved(still, "left")
    assert not moved(still, "right")
    adam = {"optimizer": "adam", "weight_decay": 0.0, "lr": 1e-5}
    _, change = trained((Duellists(right_lr=1e-4), 0), **adam)
    left, right = (float(change[f"body.{part}.bias"][0].norm()) for part in ("left", "right"))
    assert right / left == pytest.approx(10, rel=0.05)


def test_a_rate_of_its_own_may_differ_between_members():
    _, change = trained((Duellists(right_lr=0.0), 0), (Duellists(right_lr=0.1), 0))
    assert not moved(change, "right", 0)
    assert moved(change, "right", 1)


def test_a_cohort_of_3_equals_each_alone():
    families = [Duellists(left_every=2, right_lr=lr) for lr in (0.01, 0.03, 0.1)]
    together, _ = trained(*zip(families, range(3), strict=True), epochs=2)
    for place, family in enumerate(families):
        arena = arena_of(ROWS, FOLDS, torch.float64)
        recipe = small_recipe(epochs=2, schedule="constant", warmup=0.0)
        alone = cohort_of([member(Candidate(0, family, recipe), place)], arena)
        ran = run(alone)
        assert torch.allclose(together.flat[place], ran.flat[0], rtol=1e-9, atol=1e-12)
