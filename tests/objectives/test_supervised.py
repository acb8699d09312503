"""Supervised learning: how losses a row become one number: weights, classes, padding and penalties."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.objectives.supervised import Supervised

B = 12


class Toy(nn.Module):
    """A network that is one affine layer; targets are halved to stand for a unit."""

    def __init__(self, task: str, outputs: int) -> None:
        super().__init__()
        self.task = task
        self.linear = nn.Linear(3, outputs)

    each_step = False

    def raw(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.body(self.prepared(inputs))

    def prepared(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: inputs[name] for name in ("x", "partner", "share") if name in inputs}

    def body(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.linear(prepared["x"])

    def standardise(self, target: Tensor) -> Tensor:
        return target / 2


def objective(
    task: str, outputs: int, loss: str = "auto", class_weight: Any = None, **numbers: float
) -> Supervised:
    numbers = {"label_smoothing": 0.0, "huber_delta": 1.0, "l1": 0.0, "l2": 0.0} | numbers
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Supervised(Toy(task, outputs), loss, numbers, class_weight)


def batch(target: Tensor, present: Tensor | None = None, weight: Tensor | None = None) -> dict[str, Tensor]:
    ones = torch.ones(B)
    x = torch.randn(B, 3, generator=torch.Generator().manual_seed(1))
    return {
        "x": x,
        "target": target,
        "weight": ones if weight is None else weight,
        "present": ones if present is None else present,
    }


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


WEIGHT = torch.linspace(0.1, 3, B)
CLASSES = torch.arange(B) % 3


def test_each_task_has_its_loss() -> None:
    binary, many = objective("binary", 1), objective("multiclass", 3)
    given = batch(CLASSES)
    torch.testing.assert_close(many(given), F.cross_entropy(many.network.raw(given), CLASSES))
    given = batch(CLASSES % 2)
    wanted = F.binary_cross_entropy_with_logits(binary.network.raw(given)[:, 0], (CLASSES % 2).float())
    torch.testing.assert_close(binary(given), wanted)
    several = objective("multilabel", 4)
    given = batch((values(B, 4) > 0).float())
    wanted = F.binary_cross_entropy_with_logits(several.network.raw(given), given["target"])
    torch.testing.assert_close(several(given), wanted)


@pytest.mark.parametrize(
    ("loss", "function"),
    [("auto", F.mse_loss), ("mse", F.mse_loss), ("mae", F.l1_loss), ("huber", F.huber_loss)],
)
def test_values_are_judged_in_their_unit(loss: str, function: Any) -> None:
    one = objective("regression", 2, loss)
    given = batch(values(B, 2) * 4)
    torch.testing.assert_close(one(given), function(one.network.raw(given), given["target"] / 2))


def test_rows_weigh_what_they_weigh() -> None:
    """A weight of 2 is a row given twice."""
    one = objective("multiclass", 3)
    given = batch(CLASSES, weight=WEIGHT)
    rows = F.cross_entropy(one.network.raw(given), CLASSES, reduction="none")
    torch.testing.assert_close(one(given), (rows * WEIGHT).sum() / WEIGHT.sum())


def test_class_weights_are_pytorchs() -> None:
    by_class = torch.tensor([0.5, 2.0, 1.0])
    one = objective("multiclass", 3, class_weight=by_class)
    given = batch(CLASSES)
    wanted = F.cross_entropy(one.network.raw(given), CLASSES, weight=by_class)
    torch.testing.assert_close(one(given), wanted)


def test_padding_enters_neither_loss_nor_gradient_whatever_it_holds() -> None:
    one, present = objective("regression", 1), (torch.arange(B) < 7).float()
    full = batch(values(B, 1), present, WEIGHT)
    full["x"][7:] = 1e30  # its squared error is infinite
    cut = {name: column[:7] for name, column in full.items()}
    for a, b in ((one(full), one(cut)),):
        torch.testing.assert_close(a, b)
    parameters = list(one.parameters())
    for a, b in zip(
        torch.autograd.grad(one(full), parameters), torch.autograd.grad(one(cut), parameters), strict=True
    ):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b)


def test_a_batch_of_padding_alone_costs_nothing() -> None:
    one = objective("multiclass", 3)
    loss = one(batch(CLASSES, torch.zeros(B)))
    assert loss.item() == 0
    assert all((g == 0).all() for g in torch.autograd.grad(loss, list(one.parameters())))


def test_penalties_are_on_weights_alone() -> None:
    bare, one = objective("binary", 1), objective("binary", 1, l1=0.3, l2=0.05)
    given = batch(CLASSES % 2)
    weight = one.network.linear.weight
    wanted = bare(given) + 0.3 * weight.abs().sum() + 0.05 * weight.square().sum()
    torch.testing.assert_close(one(given), wanted)
    gradient = torch.autograd.grad(one(given), [one.network.linear.bias])[0]
    torch.testing.assert_close(gradient, torch.autograd.grad(bare(given), [bare.network.linear.bias])[0])


def test_label_smoothing_is_pytorchs() -> None:
    one = objective("multiclass", 3, label_smoothing=0.2)
    given = batch(CLASSES)
    wanted = F.cross_entropy(one.network.raw(given), CLASSES, label_smoothing=0.2)
    torch.testing.assert_close(one(given), wanted)


def test_a_mixed_row_has_a_share_of_either_loss() -> None:
    one, given = objective("multiclass", 4), batch(CLASSES)
    partner, share = torch.arange(B).roll(1), torch.linspace(0, 1, B)
    mixed = one({**given, "partner": partner, "share": share})
    rows = F.cross_entropy(one.network.raw(given), CLASSES, reduction="none")
    others = F.cross_entropy(one.network.raw(given), CLASSES[partner], reduction="none")
    torch.testing.assert_close(mixed, (share * rows + (1 - share) * others).mean())


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_where_every_step_answers_missing_steps_count_nothing(task: str) -> None:
    one = objective(task, 4)
    one.network.each_step = True
    x, real = torch.randn(B, 5, 3), torch.rand(B, 5) < 0.7
    target = torch.randint(4, (B, 5)) if task == "multiclass" else torch.randn(B, 5, 4)
    empty = -1 if task == "multiclass" else torch.nan
    hidden = torch.where(real if task == "multiclass" else real[..., None], target, empty)
    present = torch.ones(B)
    present[-1] = 0
    counted = real[:-1].flatten()
    x_rows, y = x[:-1].flatten(0, 1)[counted], target[:-1].flatten(0, 1)[counted]
    one_row_each = {"x": x_rows, "target": y, "weight": torch.ones(len(y)), "present": torch.ones(len(y))}
    one.network.each_step = False
    wanted = one(one_row_each)
    one.network.each_step = True
    got = one({"x": x, "target": hidden, "weight": torch.ones(B), "present": present})
    torch.testing.assert_close(got, wanted)
    assert torch.autograd.grad(got, [one.network.linear.weight])[0].isfinite().all()


def test_networks_that_share_weights_are_each_judged() -> None:
    one = objective("multiclass", 4)
    x = torch.randn(B, 3, 3)  # three networks a row
    got = one({**batch(CLASSES), "x": x})
    each = [F.cross_entropy(one.network.linear(x[:, k]), CLASSES) for k in range(3)]
    torch.testing.assert_close(got, torch.stack(each).mean())
