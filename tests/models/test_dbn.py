"""Deep belief networks: who learns when, and that their weights are those of a perceptron."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from coterie.models.dbn import DBN, BeliefNetwork
from coterie.models.draws import Draws
from coterie.models.mlp import MLP
from coterie.models.rbm import RBM, Machine
from coterie.models.rows import Row
from coterie.models.shape import Shape

ROWS, BATCH = 40, 16  # three steps an epoch


def built(width: int = 9, **given: object) -> BeliefNetwork:
    torch.manual_seed(0)
    body = DBN(**{"hidden": (6, 5, 4), **given}).body(Row(width))  # type: ignore[arg-type]
    assert isinstance(body, BeliefNetwork)
    with torch.no_grad():
        body.fit(rows(width), torch.zeros(ROWS))
    return body


def rows(width: int = 9) -> Tensor:
    """Two kinds of rows and a little noise."""
    g = torch.Generator().manual_seed(1)
    kind = torch.arange(ROWS)[:, None] % 2 == torch.arange(width) % 2
    return (kind ^ (torch.rand(ROWS, width, generator=g) < 0.05)).float()


def learning(body: BeliefNetwork, step: int) -> list[bool]:
    """Which layers have a gradient at this step."""
    body.running_step = torch.tensor(step)
    for p in body.parameters():
        p.grad = None
    body.losses(rows()[:BATCH], torch.zeros(BATCH), "").mean().backward()
    assert body.running_step == step + 1
    return [bool(layer.linear.weight.grad.abs().sum() > 0) for layer in body.layers]  # type: ignore[union-attr]


def test_layers_learn_one_after_the_other() -> None:
    body = built(greedy=2)
    turns = [learning(body, step) for step in (0, 5, 6, 11, 12, 500)]
    first, second, third = ([place == layer for layer in range(3)] for place in range(3))
    assert turns == [first, first, second, second, third, third]


def test_or_all_at_once() -> None:
    body = built(greedy=0)
    assert learning(body, 0) == learning(body, 100) == [True] * 3


def test_the_lowest_layer_learns_as_a_machine_of_its_own() -> None:
    body, x = built(greedy=3), rows()[:BATCH]
    torch.manual_seed(0)
    alone = RBM(units=6, chain="data", steps=1).body(Row(9))
    assert isinstance(alone, Machine)
    alone.couplings.load_state_dict(body.layers[0].state_dict())
    body.losses(x, torch.zeros(BATCH), "").mean().backward()
    alone.losses(x, torch.zeros(BATCH), "").mean().backward()
    gradient = body.layers[0].linear.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0
    torch.testing.assert_close(gradient, alone.couplings.linear.weight.grad)


def test_what_it_learns_comes_back() -> None:
    body, x = built(greedy=100, hidden=(8, 4)), rows()
    before = body.judge(x, torch.zeros(ROWS), torch.arange(ROWS))["reconstruction_error"].mean()
    optimizer = torch.optim.Adam(body.parameters(), lr=0.05)
    for step in range(300):
        for layer in body.layers:
            layer.key = torch.tensor(step)
        optimizer.zero_grad()
        body.losses(x, torch.zeros(ROWS), "").mean().backward()
        optimizer.step()
    body.eval()
    after = body.judge(x, torch.zeros(ROWS), torch.arange(ROWS))["reconstruction_error"].mean()
    assert after < 0.12 < 0.2 < before  # 0.05 is noise that nobody can guess
    codes = body.encode(x)
    assert codes.shape == (ROWS, 4)
    torch.testing.assert_close(body.decode(codes), body.reconstruct(x))
    made = body.sample(Draws(torch.tensor(2), 30, torch.float32), torch.zeros(30))
    patterns = torch.stack([torch.arange(9) % 2 == 0, torch.arange(9) % 2 == 1]).float()
    assert (torch.cdist(made.round(), patterns).min(1).values < 1.5).float().mean() > 0.8


@pytest.mark.parametrize("family", [DBN(hidden=(6, 5)), RBM(units=6)])
def test_a_perceptron_of_sigmoid_units_computes_the_same(family: DBN | RBM) -> None:
    body = family.body(Row(3))
    hidden = family.hidden if isinstance(family, DBN) else (family.units,)
    network = MLP(hidden=hidden, activation="sigmoid", dropout=0.0).network(
        Shape((False,) * 3, ()), "regression", 1
    )
    theirs = {f"body.{name}": p for name, p in body.named_parameters()}
    fit = {name: p for name, p in network.named_parameters() if not name.startswith("body.head.")}
    assert {name: p.shape for name, p in fit.items()}.items() <= {
        n: p.shape for n, p in theirs.items()
    }.items()
    network.load_state_dict(theirs, strict=False)
    x = torch.rand(5, 3)
    prepared = {"numeric": x, "category": torch.zeros(5, 0, dtype=torch.int64)}
    torch.testing.assert_close(network.body.features(prepared), body.encode(x))  # type: ignore[operator]
