"""TabM against a plain perceptron, its networks against each other, its embedding against a plain loop.

E networks in one, F numbers.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from small_cohorts import CPU, cohort_of, member, run, small_recipe
from torch import Tensor, nn

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.models.network import Network
from coterie.models.shape import Shape
from coterie.models.tabm import Heads, Pieces, Shared, TabM
from coterie.training.arena import Arena
from coterie.training.plan import Candidate

SHAPE = Shape(indicator=(False, True, False), cardinality=(4,))
PLAIN = TabM(hidden=(7, 5), ensemble=1, bins=0, dropout=0.0)
SEVERAL = TabM(hidden=(7, 5), ensemble=4, bins=3, embedding=2, dropout=0.0)


def inputs(rows: int = 9) -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    return {
        "numeric": torch.randn(rows, 3, generator=g, dtype=torch.float64),
        "category": torch.randint(0, 4, (rows, 1), generator=g),
    }


def made(family: TabM, task: str = "multiclass", outputs: int = 3) -> Network:
    torch.manual_seed(0)
    network = family.network(SHAPE, task, outputs).double().eval()
    hidden = network.body.hidden
    assert isinstance(hidden, Shared)
    if hidden.embed is not None:
        with torch.no_grad():  # at the start they are 0
            hidden.embed.pieces.copy_(torch.randn_like(hidden.embed.pieces))
    return network


# ---- the ensemble ----------------------------------------------------------------------------------------


def test_one_network_with_signs_of_one_is_a_plain_perceptron() -> None:
    network = made(PLAIN)
    hidden, head = network.body.hidden, network.body.head
    assert isinstance(hidden, Shared)
    assert isinstance(head, Heads)
    with torch.no_grad():
        hidden.signs.fill_(1)
        plain = nn.Sequential(
            nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)
        ).double()
        for ours, theirs in zip(hidden.layers, (plain[0], plain[2]), strict=True):
            assert torch.equal(ours.scale, torch.ones_like(ours.scale))
            theirs.weight.copy_(ours.weight)
            theirs.bias.copy_(ours.bias[0])
        plain[4].weight.copy_(head.weight[0].T)
        plain[4].bias.copy_(head.bias[0])
    x = network.body.columns(network.prepare(inputs()))
    assert x.shape == (9, 8)
    raw, wanted = network.raw(inputs()), plain(x)
    torch.testing.assert_close(raw, wanted[:, None])
    weight = torch.randn_like(wanted)
    mine = torch.autograd.grad((raw[:, 0] * weight).sum(), [hidden.layers[0].weight, head.weight])
    theirs = torch.autograd.grad((wanted * weight).sum(), [plain[0].weight, plain[4].weight])
    torch.testing.assert_close(mine[0], theirs[0])
    torch.testing.assert_close(mine[1][0], theirs[1].T)
    torch.testing.assert_close(network(inputs()), wanted.softmax(-1))


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_the_answer_is_the_mean_of_the_answers(task: str) -> None:
    network = made(SEVERAL, task, 2)
    raw, answer = network.raw(inputs()), network(inputs())
    assert raw.shape == (9, 4, 1 if task == "binary" else 2)
    each = torch.stack([network.output(raw[:, e]) for e in range(4)])
    assert answer.shape == (9, 2)
    torch.testing.assert_close(answer, each.mean(0))


@pytest.mark.parametrize("chosen", [0, 2])
def test_what_is_one_networks_own_changes_no_other(chosen: int) -> None:
    network = made(SEVERAL)
    before = network.raw(inputs()).detach()
    names = [
        n for n, p in network.named_parameters() if n.endswith(("signs", "scale", "bias", "head.weight"))
    ]
    assert len(names) == 1 + 2 + 3 + 1
    for name in names:
        other = made(SEVERAL)
        with torch.no_grad():
            dict(other.named_parameters())[name][chosen].mul_(2).add_(0.5)
            moved = (other.raw(inputs()) - before).abs().amax((0, 2))
        assert moved[chosen] > 1e-6
        assert (moved[[e for e in range(4) if e != chosen]] == 0).all()


def test_what_is_shared_changes_all() -> None:
    before = made(SEVERAL).raw(inputs()).detach()
    for name in ("body.hidden.layers.0.weight", "body.hidden.layers.1.weight", "body.hidden.embed.slope"):
        other = made(SEVERAL)
        with torch.no_grad():
            dict(other.named_parameters())[name].mul_(2)
            moved = (other.raw(inputs()) - before).abs().amax((0, 2))
        assert (moved > 1e-6).all()


def test_the_networks_begin_differently() -> None:
    raw = made(SEVERAL).raw(inputs())
    for e in range(1, 4):
        assert (raw[:, e] - raw[:, 0]).abs().max() > 1e-3
    hidden = made(SEVERAL).body.hidden
    assert set(hidden.signs.unique().tolist()) == {-1.0, 1.0}


def test_each_is_trained_on_its_own_loss() -> None:
    """The loss is the mean of the networks' losses, not the loss of their mean."""
    from coterie.objectives.supervised import Supervised

    network = made(SEVERAL, "regression", 1)
    numbers = {"label_smoothing": 0.0, "huber_delta": 1.0, "l1": 0.0, "l2": 0.0}
    target = torch.randn(9, 1, dtype=torch.float64)
    weight = torch.rand(9, dtype=torch.float64)
    batch = {**inputs(), "target": target, "weight": weight, "present": torch.ones(9)}
    each = (network.raw(inputs())[..., 0] - target).square()
    wanted = (each.mean(1) * weight).sum() / weight.sum()
    torch.testing.assert_close(Supervised(network, "auto", numbers)(batch), wanted)


# ---- pieces ----------------------------------------------------------------------------------------------


def test_pieces_are_those_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    layer = Pieces(2, 3, 4).double()
    with torch.no_grad():
        layer.pieces.copy_(torch.randn_like(layer.pieces))
    layer.edges.copy_(torch.tensor([[-1.0, 0.0, 0.5, 2.0], [0.0, 1.0, 1.0, 3.0]]))
    x = torch.tensor([[-2.0, 2.0], [-0.5, 0.5], [0.5, 1.0], [1.25, 9.0]], dtype=torch.float64)
    made = layer(x).unflatten(1, (2, 4))
    for b in range(4):
        for f in range(2):
            value = float(x[b, f])
            wanted = value * layer.slope[f] + layer.offset[f]
            for t in range(3):
                low, high = layer.edges[f, t].item(), layer.edges[f, t + 1].item()
                if high > low:
                    wanted = wanted + min(1.0, max(0.0, (value - low) / (high - low))) * layer.pieces[f, t]
            torch.testing.assert_close(made[b, f], wanted)


def test_edges_are_quantiles_of_the_training_rows() -> None:
    layer = Pieces(2, 4, 3)
    x = torch.stack([torch.arange(101.0), torch.arange(101.0) ** 2], 1)
    layer.fit(x[torch.randperm(101)])
    assert layer.edges[0].tolist() == [0, 25, 50, 75, 100]
    assert layer.edges[1].tolist() == [0, 625, 2500, 5625, 10000]


def test_pieces_are_continuous_and_begin_as_an_affine_map() -> None:
    torch.manual_seed(0)
    layer = Pieces(1, 5, 3).double()
    layer.fit(torch.randn(200, 1, dtype=torch.float64))
    x = torch.linspace(-3, 3, 50, dtype=torch.float64)[:, None]
    torch.testing.assert_close(layer(x), x * layer.slope + layer.offset)
    with torch.no_grad():
        layer.pieces.normal_()
    for edge in layer.edges[0]:
        close = torch.stack([edge - 1e-9, edge + 1e-9])[:, None]
        below, above = layer(close)
        torch.testing.assert_close(below, above, rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 2, 3, 40])
def test_constant_columns_and_few_rows_are_harmless(rows: int) -> None:
    layer = Pieces(2, 6, 3)
    g = torch.Generator().manual_seed(0)
    layer.fit(torch.stack([torch.randn(rows, generator=g), torch.full((rows,), 4.0)], 1))
    with torch.no_grad():
        layer.pieces.normal_()
    x = torch.tensor([[0.1, 4.0], [9.0, -1e6], [-9.0, 1e6]], requires_grad=True)
    made = layer(x)
    assert made.isfinite().all()
    gradients = torch.autograd.grad(made.square().sum(), [x, *layer.parameters()])
    assert all(g.isfinite().all() for g in gradients)
    assert (gradients[-1][1] == 0).all()  # no bin of the constant ever answers


@pytest.mark.parametrize("bins", [0, 4])
def test_a_table_with_a_constant_column_is_learned(bins: int) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(120, 3, generator=g, dtype=torch.float64)
    x[:, 1] = 7
    y = (x[:, :1] > 0.3).double() * 2 + x[:, 2:]
    columns = [Column(f"x{i}", "numeric", "feature") for i in range(3)] + [Column("y", "numeric", "target")]
    data = Dataset(
        Schema.of(columns, Target(("y",), "regression")),
        {"numeric": x, "category": torch.zeros(120, 0, dtype=torch.int64)},
        y,
        None,
        np.arange(120),
    )
    family = dataclasses.replace(SEVERAL, hidden=(16,), bins=bins)
    recipe = small_recipe(batch_size=32, epochs=40, lr=0.02)
    arena = Arena.of(data, ((np.arange(100), np.arange(100, 120)),), CPU)
    cohort = run(cohort_of([member(Candidate(0, family, recipe))], arena)).cohort
    score = cohort.records[0].score
    assert score is not None
    assert score < 0.3 * float(y.var())
