"""SimCLR: members together as alone, views by the row alone, and layers that a supervised family has too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from coterie.errors import SpecError
from coterie.models.rows import Row
from coterie.models.shape import Shape
from coterie.models.simclr import SimCLR

IMAGE, TABLE = Row(64, (1, 8, 8)), Row(7)
NARROW: dict[str, Any] = {"channels": (4,), "hidden": (8, 6), "projection": 5}


def body(row: Row, seed: int = 0, **given: Any) -> Any:
    torch.manual_seed(seed)
    made = SimCLR(**{**NARROW, **given}).body(row).double()
    made.fit(numbers(row, 20, 9), torch.zeros(20))  # type: ignore[operator]
    return made


def numbers(row: Row, count: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(count, row.width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def keys(made: nn.Module, key: int) -> dict[str, Tensor]:
    names = [n for n, _ in made.named_buffers() if n.rpartition(".")[2] == "key"]
    return {name: torch.tensor(1000 * key + i) for i, name in enumerate(names)}


class Loss(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return self.body.losses(x, torch.zeros(len(x)), "").mean()  # type: ignore[operator]


@pytest.mark.parametrize("row", [IMAGE, TABLE], ids=["image", "table"])
@pytest.mark.parametrize("backbone", ["cnn", "resnet"])
def test_members_together_are_as_each_alone(row: Row, backbone: str) -> None:
    if row is TABLE and backbone == "resnet":
        pytest.skip("a table has one backbone")
    bodies = [Loss(body(row, s, backbone=backbone, temperature=0.2 + 0.3 * s, noise=0.1 + s)) for s in (0, 1)]
    x = torch.stack([numbers(row, seed=1), numbers(row, seed=2)])
    parameters, buffers = stack_module_state(bodies)  # type: ignore[arg-type]
    refreshed = [keys(b, m + 1) for m, b in enumerate(bodies)]
    buffers |= {n: torch.stack([k[n] for k in refreshed]) for n in refreshed[0]}
    present = torch.ones(9, dtype=torch.float64)
    present[-2:] = 0
    buffers |= {n: torch.stack([present] * 2) for n in buffers if n.rpartition(".")[2] == "present"}

    def loss(p: Any, b: Any, x: Tensor) -> Tensor:
        return functional_call(bodies[0], {**p, **b}, (x,))

    together = vmap(grad(loss))(parameters, buffers, x)
    for m in (0, 1):
        alone = grad(loss)(
            {n: p[m] for n, p in parameters.items()}, {n: b[m] for n, b in buffers.items()}, x[m]
        )
        for name, one in alone.items():
            torch.testing.assert_close(together[name][m], one, rtol=1e-9, atol=1e-12)
    assert any(bool(g.detach().any()) for g in together.values())


@pytest.mark.parametrize("row", [IMAGE, TABLE], ids=["image", "table"])
def test_a_row_is_judged_alike_in_any_batch(row: Row) -> None:
    made, x = body(row).eval(), numbers(row)
    place = torch.arange(100, 109)
    judged = made.judge(x, place, place)["contrastive_loss"]
    some = made.judge(x[4:6], place[4:6], place[4:6])["contrastive_loss"]
    torch.testing.assert_close(judged[4:6], some)
    assert judged.shape == (9,)
    assert len({round(v, 9) for v in judged.tolist()}) == 9
    elsewhere = made.judge(x, place, place + 1)["contrastive_loss"]
    assert not torch.allclose(judged, elsewhere)  # its views are drawn by its number


@pytest.mark.parametrize("row", [IMAGE, TABLE], ids=["image", "table"])
def test_views_differ_from_the_row_from_each_other_and_from_step_to_step(row: Row) -> None:
    made, x = body(row), numbers(row)
    steps = []
    for key in (1, 2):
        for name, value in keys(made, key).items():
            made.get_buffer(name).copy_(value)
        first, second = made.views(x)
        assert not first.equal(second)
        assert first.shape == second.shape == x.shape
        steps.append(second)
    assert not steps[0].equal(steps[1])


def test_a_corrupted_row_has_numbers_of_training_rows_in_their_column() -> None:
    made, x = body(TABLE, corrupt=0.5), numbers(TABLE, 200)
    _, other = made.views(x)
    changed = other != x
    assert 0.4 < float(changed.double().mean()) < 0.6
    for column in range(TABLE.width):
        assert set(other[changed[:, column], column].tolist()) <= set(made.reference[:, column].tolist())


@pytest.mark.parametrize("backbone", ["cnn", "resnet"])
def test_layers_have_the_names_of_the_supervised_family(backbone: str) -> None:
    family = SimCLR(backbone=backbone, **NARROW)
    heir = family.supervised(image=True).network(Shape(image=(1, 8, 8)), "binary", 2)
    theirs = {n: p.shape for n, p in heir.body.named_parameters() if n.startswith("layers.")}
    mine = {n: p.shape for n, p in family.body(IMAGE).named_parameters() if n.startswith("layers.")}
    assert mine == theirs
    table = family.supervised(image=False).network(Shape(indicator=(False,) * 7), "binary", 2)
    rows = family.body(TABLE)
    assert {n for n, _ in table.body.named_parameters() if n.startswith("hidden.")} == {
        n for n, _ in rows.named_parameters() if n.startswith("hidden.")
    }


def test_features_are_those_of_the_backbone_and_few_rows_are_kept_of_large_images() -> None:
    assert body(IMAGE).encode(numbers(IMAGE)).shape == (9, 4)
    assert body(IMAGE, end="flatten").encode(numbers(IMAGE)).shape == (9, 4 * 8 * 8)
    assert body(TABLE).encode(numbers(TABLE)).shape == (9, 6)
    with torch.device("meta"):
        large = SimCLR(backbone="resnet").body(Row(3 * 224 * 224, (3, 224, 224)))
    assert large.reference.numel() <= 2**21


def test_mixed_views_are_refused() -> None:
    with pytest.raises(SpecError, match="one row alone"):
        SimCLR(mixup=0.2)
    assert SimCLR().flip == 0
