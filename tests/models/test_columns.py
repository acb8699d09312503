"""A row's columns as one vector: one-hot and learned categories, and images and steps laid in a row."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from coterie.models.columns import Columns
from coterie.models.shape import Shape


def plain(count: int, cardinality: tuple[int, ...]) -> Shape:
    return Shape(indicator=(False,) * count, cardinality=cardinality)


def columns(
    embed_above: float, cardinality: tuple[int, ...] = (4, 20, 6)
) -> tuple[Columns, dict[str, Tensor]]:
    g = torch.Generator().manual_seed(0)
    codes = torch.stack([torch.randint(c, (9,), generator=g) for c in cardinality], dim=1)
    return Columns(plain(3, cardinality), embed_above), {"numeric": torch.randn(9, 3), "category": codes}


def test_one_hot() -> None:
    layer, inputs = columns(float("inf"))
    out = layer(inputs)
    assert out.shape == (9, layer.width) == (9, 3 + 30)
    hot = [F.one_hot(inputs["category"][:, c], codes) for c, codes in enumerate((4, 20, 6))]
    assert torch.equal(out, torch.cat([inputs["numeric"], *(h.float() for h in hot)], dim=1))
    assert not list(layer.parameters())


def test_embedded_by_size() -> None:
    layer, inputs = columns(12)
    (table,) = layer.embeddings
    assert layer.width == 3 + 4 + 6 + table.embedding_dim
    out = layer(inputs)
    assert out.shape == (9, layer.width)
    assert torch.equal(out[:, 3:7], F.one_hot(inputs["category"][:, 0], 4).float())
    assert torch.equal(out[:, 7:13], F.one_hot(inputs["category"][:, 2], 6).float())
    assert torch.equal(out[:, 13:], table(inputs["category"][:, 1]))


def test_all_embedded() -> None:
    layer, inputs = columns(0)
    assert [table.num_embeddings for table in layer.embeddings] == [4, 20, 6]
    assert layer(inputs).shape == (9, layer.width)
    assert all(1 <= table.embedding_dim <= 32 for table in Columns(plain(0, (1, 2, 3, 10**4)), 0).embeddings)


def test_a_table_of_numbers_or_of_categories_alone() -> None:
    numbers, inputs = (
        Columns(plain(3, ()), 12),
        {"category": torch.zeros(9, 0, dtype=torch.int64), "numeric": torch.randn(9, 3)},
    )
    assert torch.equal(numbers(inputs), inputs["numeric"])
    categories, inputs = (
        Columns(plain(0, (4,)), 12),
        {"category": torch.tensor([[3], [0]]), "numeric": torch.zeros(2, 0)},
    )
    assert torch.equal(categories(inputs), torch.tensor([[0.0, 0, 0, 1], [1, 0, 0, 0]]))


def test_pixels_and_steps_are_laid_in_a_row_and_short_batches_padded() -> None:
    shape = Shape(indicator=(False,), image=(1, 2, 2), sequence=(3, 2))
    join = Columns(shape, 12)
    inputs = {
        "numeric": torch.tensor([[9.0]]),
        "category": torch.zeros(1, 0, dtype=torch.int64),
        "image": torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]),
        "sequence": torch.tensor([[[5.0, 6.0]]]),
    }
    assert join.width == 1 + 4 + 6
    assert join(inputs).tolist() == [[9, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0]]


def test_columns_are_joined_to_the_features_of_every_step() -> None:
    join = Columns(plain(2, ()), 12)
    inputs = {"numeric": torch.tensor([[1.0, 2.0]]), "category": torch.zeros(1, 0, dtype=torch.int64)}
    assert join.join(torch.zeros(1, 1), inputs).tolist() == [[0, 1, 2]]
    assert join.join(torch.zeros(1, 2, 1), inputs).tolist() == [[[0, 1, 2], [0, 1, 2]]]
    assert Columns(Shape(), 12).join(torch.ones(1, 3), inputs).tolist() == [[1, 1, 1]]
