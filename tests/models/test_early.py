"""The first neurons: the perceptron's published trace, networks set by hand, least mean squares."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from small_cohorts import CPU, cohort_of, member
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.data.synthetic import blobs, celsius
from coterie.errors import SpecError
from coterie.models.adaline import Adaline
from coterie.models.family import Family
from coterie.models.perceptron import Perceptron
from coterie.models.shape import Shape
from coterie.models.threshold import Threshold
from coterie.study.search import advice
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.outputs import outputs
from coterie.training.plan import Candidate
from coterie.training.recipe import Recipe

BITS = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2)), dtype=torch.float64)
AND, OR, XOR = (0, 0, 0, 1), (0, 1, 1, 1), (0, 1, 1, 0)
NONE = np.array([], dtype=np.int64)


def dataset_of(x: Tensor, y: Tensor, target: Target) -> Dataset:
    columns = [Column(f"x{i + 1}", "numeric", "feature") for i in range(x.shape[1])]
    columns += [Column(name, "numeric", "target") for name in target.names]
    inputs = {"numeric": x, "category": torch.zeros(len(x), 0, dtype=torch.int64)}
    return Dataset(Schema.of(columns, target), inputs, y, None, np.arange(len(x)))


def bits(truth: tuple[int, ...], order: tuple[int, ...] = (0, 1, 2, 3)) -> Dataset:
    at = list(order)
    return dataset_of(BITS[at], torch.tensor(truth)[at], Target(("y",), "binary", ("0", "1")))


def cohort(family: Family, dataset: Dataset, **more: Any) -> Cohort:
    """One member on all rows, with the recipe that a study would give it."""
    settings = {**advice(len(dataset)), **family.advice(dataset.task), **more}
    made = Candidate(0, family, Recipe(**settings))
    return cohort_of(
        [member(made)], Arena.of(dataset, ((np.arange(len(dataset)), NONE),), CPU, torch.float64)
    )


def weights(one: Cohort) -> Tensor:
    """(K, 1 + F): every neuron's bias and weights."""
    views = one.layout.views(one.flat)
    return torch.cat([views["body.head.bias"][0][:, None], views["body.head.weight"][0]], dim=1)


def trained(one: Cohort, epochs: int) -> int:
    """Trains until an epoch has no mistake; returns how many epochs it took, one more if it never was so."""
    for epoch in range(epochs):
        draw = one.draw()
        for _ in range(int(draw.busy.max())):
            one.advance(draw)
        if sum(loss or 0.0 for loss in one.end_epoch(draw)) == 0:
            return epoch + 1
    return epochs + 1


def answers(one: Cohort) -> Tensor:
    """(N, K) what it says of every row."""
    rows = torch.arange(len(one.arena.dataset))
    return outputs(one.steps, one.flat, one.buffers, rows, one.arena.inputs)[0]


def says(family: Family, x: Tensor, task: str = "binary", outputs: int = 2) -> list[int]:
    network = family.network(Shape(indicator=(False,) * x.shape[1]), task, outputs).to(x.dtype)
    inputs = {"numeric": x, "category": torch.zeros(len(x), 0, dtype=torch.int64)}
    return network(inputs).argmax(-1).tolist()


# ---- the perceptron --------------------------------------------------------------------------------------


def test_the_first_steps_on_and_are_those_of_the_book() -> None:
    one = cohort(Perceptron(), bits(AND, (3, 2)), epochs=1)
    assert weights(one).tolist() == [[0, 0, 0]]
    draw = one.draw()
    one.advance(draw)  # (1, 1) → 1, but a sum of 0 does not fire
    assert weights(one).tolist() == [[1, 1, 1]]
    one.advance(draw)  # (1, 0) → 0, but 2 fires
    assert weights(one).tolist() == [[0, 0, 1]]


def by_hand(x: Tensor, y: tuple[int, ...], epochs: int, at_zero: int) -> Tensor:
    """The rule as Rosenblatt's readers know it: bias and weights (1 + F,) after so many epochs."""
    w = torch.zeros(x.shape[1] + 1, dtype=torch.float64)
    for _ in range(epochs):
        for row, truth in zip(x, y, strict=True):
            given = torch.cat([row.new_ones(1), row])
            z = float(w @ given)
            said = at_zero if z == 0 else int(z > 0)
            w = w + (truth - said) * given
    return w


@pytest.mark.parametrize("at_zero", ["0", "1"])
@pytest.mark.parametrize("truth", [AND, OR, XOR], ids=["and", "or", "xor"])
def test_every_epoch_is_that_of_the_rule_written_out(truth: tuple[int, ...], at_zero: str) -> None:
    one = cohort(Perceptron(at_zero=at_zero), bits(truth))
    for epoch in range(6):
        draw = one.draw()
        for _ in range(4):
            one.advance(draw)
        one.end_epoch(draw)
        assert torch.equal(weights(one)[0], by_hand(BITS, truth, epoch + 1, int(at_zero)))


@pytest.mark.parametrize("at_zero", ["0", "1"])
@pytest.mark.parametrize("truth", [AND, OR], ids=["and", "or"])
def test_it_finds_and_and_or_within_ten_epochs(truth: tuple[int, ...], at_zero: str) -> None:
    one = cohort(Perceptron(at_zero=at_zero), bits(truth))
    assert trained(one, 10) <= 10
    assert answers(one).argmax(-1).tolist() == list(truth)


def test_it_never_finds_xor() -> None:
    one = cohort(Perceptron(), bits(XOR))
    assert trained(one, 100) == 101
    assert answers(one).argmax(-1).tolist() != list(XOR)


def test_what_it_says_at_zero_decides_the_first_step() -> None:
    for at_zero, after in (("0", [1, 1, 1]), ("1", [0, 0, 0])):
        one = cohort(Perceptron(at_zero=at_zero), bits(AND, (3, 0)))
        draw = one.draw()
        one.advance(draw)
        assert weights(one)[0].tolist() == after
    assert says(Perceptron(at_zero="0"), BITS) == [0, 0, 0, 0]
    assert says(Perceptron(at_zero="1"), BITS) == [1, 1, 1, 1]


def test_of_several_classes_the_true_one_gains_and_the_wrong_winner_loses() -> None:
    x = torch.tensor([[2.0, 0.0], [0.0, 2.0], [-1.0, -1.0]], dtype=torch.float64)
    target = Target(("y",), "multiclass", ("a", "b", "c"))
    one = cohort(Perceptron(), dataset_of(x, torch.tensor([1, 2, 0]), target))
    draw = one.draw()
    one.advance(draw)  # all sums are 0: the first class wins, the second is true
    assert weights(one).tolist() == [[-1, -2, 0], [1, 2, 0], [0, 0, 0]]
    one.advance(draw)  # sums −1, 1, 0: the second wins, the third is true
    assert weights(one).tolist() == [[-1, -2, 0], [0, 2, -2], [1, 0, 2]]
    one.advance(draw)
    one.end_epoch(draw)
    assert trained(one, 20) <= 20
    assert answers(one).argmax(-1).tolist() == [1, 2, 0]
    torch.testing.assert_close(answers(one).sum(-1), torch.ones(3, dtype=torch.float64))


def test_three_separable_clouds_are_told_apart() -> None:
    columns, _, _ = blobs(60, seed=3)
    x = torch.tensor(np.stack([columns["x1"], columns["x2"]], 1))
    label = torch.tensor([["a", "b", "c"].index(c) for c in columns["class"]])
    centres = torch.stack([x[label == k].mean(0) for k in range(3)])
    x = centres[label] + 0.3 * (x - centres[label])
    one = cohort(Perceptron(), dataset_of(x, label, Target(("y",), "multiclass", ("a", "b", "c"))))
    assert trained(one, 200) <= 200
    assert torch.equal(answers(one).argmax(-1), label)


def test_labels_are_a_neuron_each() -> None:
    y = torch.tensor([AND, OR], dtype=torch.float64).T
    one = cohort(Perceptron(), dataset_of(BITS, y, Target(("and", "or"), "multilabel")))
    assert trained(one, 12) <= 12
    assert torch.equal((answers(one) > 0.5).double(), y)
    for place, truth in enumerate((AND, OR)):
        both = cohort(Perceptron(), dataset_of(BITS, y, Target(("and", "or"), "multilabel")))
        trained(both, 1)
        assert torch.equal(weights(both)[place], by_hand(BITS, truth, 1, 0))


# ---- threshold neurons -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "limit", "truth"),
    [((1, 1), 2, AND), ((1, 1), 1, OR), ((-1, -1), 0, (1, 0, 0, 0)), ((-1, -1), -1, (1, 1, 1, 0))],
    ids=["and", "or", "nor", "nand"],
)
def test_neurons_set_by_hand(given: tuple[float, ...], limit: float, truth: tuple[int, ...]) -> None:
    assert says(Threshold(weights=given, thresholds=(limit,)), BITS) == list(truth)


def test_not_has_one_input() -> None:
    assert says(Threshold(weights=(-1,), thresholds=(0,)), torch.tensor([[0.0], [1.0]])) == [1, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_xor_set_by_hand(dtype: torch.dtype) -> None:
    assert says(Threshold.xor(), BITS.to(dtype)) == list(XOR)


def test_several_neurons_and_layers_read_their_weights_in_order() -> None:
    x = torch.tensor(list(itertools.product((0.0, 1.0), repeat=3)))
    family = Threshold(
        hidden=(2, 1), weights=(1, 1, 0, 0, 0, 1, 1, -1, 1), thresholds=(2, 1, 1, 1)
    )  # x1 and x2; x3 → the first and not the second → the same
    wanted = [int(a and b and not c) for a, b, c in x.tolist()]
    assert says(family, x) == wanted
    labels = Threshold(weights=(1, 1, 0, 0, 1, 1), thresholds=(2, 1))
    network = labels.network(Shape(indicator=(False,) * 3), "multilabel", 2)
    said = network({"numeric": x, "category": torch.zeros(8, 0, dtype=torch.int64)})
    assert (said > 0.5).tolist() == [[a + b >= 2, b + c >= 1] for a, b, c in x.tolist()]


@pytest.mark.parametrize("family", [Threshold.xor(), Threshold(weights=(3, -2), thresholds=(0.5,))])
def test_training_changes_no_weight_that_was_given(family: Threshold) -> None:
    one = cohort(family, bits(AND))
    before, buffers = one.flat.clone(), {n: b.clone() for n, b in one.buffers.items()}
    said = answers(one)
    trained(one, 5)
    assert torch.equal(one.flat, before)
    assert all(torch.equal(one.buffers[n], b) for n, b in buffers.items())
    assert torch.equal(answers(one), said)


def test_weights_that_are_not_given_are_found() -> None:
    one = cohort(Threshold(), bits(AND))
    assert trained(one, 10) <= 10
    assert answers(one).argmax(-1).tolist() == list(AND)


def test_hidden_neurons_keep_their_random_weights_and_the_last_one_learns() -> None:
    one = cohort(Threshold(hidden=(30,)), bits(XOR))
    fixed = {n: b.clone() for n, b in one.buffers.items() if "hidden" in n}
    assert len(fixed) == 2
    assert trained(one, 100) <= 100  # with enough of them XOR is separable (Rosenblatt's association units)
    assert answers(one).argmax(-1).tolist() == list(XOR)
    assert all(torch.equal(one.buffers[n], b) for n, b in fixed.items())


@pytest.mark.parametrize(
    ("hidden", "given", "limits"),
    [
        ((), (1, 1, 1), (1,)),
        ((), (1,), (1,)),
        ((), (1, 1), (1, 1)),
        ((2,), (1, 1, 1, 1, 1), (1, 2, 1)),
        ((2,), (1, 1, 1, 1, 1, -1), (1, 2)),
        ((2,), (1, 1, 1, 1, 1, -1, 1), (1, 2, 1)),
        ((2,), (1, 1, 1, 1, 1, -1), (1, 2, 1, 1)),
        ((3,), (1, 1, 1, 1, 1, -1), (1, 2, 1)),
        ((1,), (1, 1), (1, 1)),
    ],
)
def test_wrong_numbers_of_weights_are_refused(
    hidden: tuple[int, ...], given: tuple[float, ...], limits: tuple[float, ...]
) -> None:
    family = Threshold(hidden=hidden, weights=given, thresholds=limits)
    with pytest.raises(SpecError, match="a weight for every input of every neuron"):
        family.network(Shape(indicator=(False, False)), "binary", 2)


def test_weights_without_thresholds_are_refused() -> None:
    with pytest.raises(SpecError, match="given together"):
        Threshold(weights=(1, 1))
    with pytest.raises(SpecError, match="given together"):
        Threshold(thresholds=(1,))


# ---- adaline ---------------------------------------------------------------------------------------------


def told(one: Cohort) -> tuple[float, float]:
    """Weight and bias in the unit of the data, of one number and one target."""
    buffers = {n.rpartition("network.")[2]: b[0] for n, b in one.buffers.items()}
    bias, weight = weights(one)[0].tolist()
    center, scale = buffers["prepare.center"].item(), buffers["prepare.scale"].item()
    unit = buffers["output.scale"].item()
    slope = weight * unit / scale
    return slope, bias * unit + buffers["output.center"].item() - slope * center


def test_it_learns_fahrenheit_from_celsius() -> None:
    columns, _, _ = celsius()
    x, y = (torch.tensor(columns[name])[:, None] for name in ("celsius", "fahrenheit"))
    one = cohort(Adaline(), dataset_of(x, y, Target(("fahrenheit",), "regression")))
    for _ in range(one.plan.recipe.epochs):
        draw = one.draw()
        for _ in range(int(draw.busy.max())):
            one.advance(draw)
        one.end_epoch(draw)
    slope, bias = told(one)
    assert slope == pytest.approx(1.8, abs=1e-3)
    assert bias == pytest.approx(32, abs=1e-3)


def test_its_steps_are_widrow_and_hoffs() -> None:
    """w ← w + 2·lr·(y − w·x)·x, y being +1 and −1, one row at a time."""
    x = torch.tensor([[1.0, 2.0], [-1.0, 0.5], [0.5, -1.0], [2.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([1, 0, 0, 1])
    data = dataset_of(x, y, Target(("y",), "binary", ("no", "yes")))
    settings = {"optimizer": "sgd", "batch_size": 1, "order": "rows", "schedule": "constant"}
    one = cohort(Adaline(scaling="none"), data, warmup=0.0, lr=0.05, **settings)
    w = torch.zeros(3, dtype=torch.float64)
    for _ in range(3):
        draw = one.draw()
        for row, truth in zip(x, y, strict=True):
            one.advance(draw)
            given = torch.cat([row.new_ones(1), row])
            w = w + 2 * 0.05 * (2 * int(truth) - 1 - w @ given) * given
            torch.testing.assert_close(weights(one)[0], w)
        one.end_epoch(draw)


def test_adalines_limit_is_the_least_squares_line() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=g, dtype=torch.float64)
    y = (x @ torch.tensor([1.0, -2.0, 0.5]).double() > 0.3).long()
    data = dataset_of(x, y, Target(("y",), "binary", ("no", "yes")))
    one = cohort(Adaline(scaling="none"), data, batch_size=40, schedule="constant", warmup=0.0, lr=0.2)
    for _ in range(300):
        draw = one.draw()
        one.advance(draw)
        one.end_epoch(draw)
    design = torch.cat([torch.ones(40, 1).double(), x], 1)
    best = torch.linalg.lstsq(design, (2 * y - 1).double()[:, None]).solution[:, 0]
    torch.testing.assert_close(weights(one)[0], best, rtol=1e-6, atol=1e-8)
