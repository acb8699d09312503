"""Rows as vectors and back: what is scaled how, and that nothing is lost on the way."""

import math

import pytest
import torch

from coterie.models.rows import SCALINGS, Rows
from coterie.models.shape import Shape

TABLE = Shape(indicator=(False, True, False), cardinality=(5, 3))
WORDS = (5, 3)  # codes of each category; its last two are "unseen" and "missing"


def table(rows: int = 40) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    numeric = torch.randn(rows, 3, generator=g) * torch.tensor([1.0, 200.0, 0.0])
    numeric += torch.tensor([10.0, -500.0, 7.0])  # the third is a constant
    category = torch.stack([torch.randint(k - 2, (rows,), generator=g) for k in WORDS], 1)
    return with_place({"numeric": numeric, "category": category})


def with_place(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    rows = len(inputs["numeric"])
    return inputs | {"label": torch.zeros(rows, dtype=torch.int64), "place": torch.arange(rows)}


def images(rows: int = 30) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(4)
    pixels = torch.randn(rows, 2, 4, 3, generator=g) * torch.tensor([1.0, 50.0])[:, None, None]
    empty = torch.zeros(rows, 0)
    return with_place({"numeric": empty, "category": empty.long(), "image": pixels + 100})


def fitted(shape: Shape, scaling: str, inputs: dict[str, torch.Tensor]) -> Rows:
    rows = Rows(shape, scaling).double()
    rows.fit(inputs)
    return rows


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_table_comes_back_as_it_was(scaling):
    given = table()
    rows = fitted(TABLE, scaling, given)
    back = rows.inverse(rows(given)["x"])
    assert rows.width == 3 + sum(WORDS)
    assert torch.allclose(back["numeric"], given["numeric"].double(), rtol=1e-5)
    assert torch.equal(back["category"], given["category"])


@pytest.mark.parametrize("scaling", SCALINGS)
def test_images_and_sequences_come_back_as_they_were(scaling):
    given = images()
    shape = Shape(image=(2, 4, 3), sequence=(5, 2))
    given["sequence"] = torch.randn(30, 5, 2, generator=torch.Generator().manual_seed(5))
    rows = fitted(shape, scaling, given)
    back = rows.inverse(rows(given)["x"])
    for name in ("image", "sequence"):
        assert torch.allclose(back[name], given[name].double(), rtol=1e-4, atol=1e-4), name


def test_standard_is_mean_0_and_deviation_1_of_a_column():
    given = table()
    x = fitted(TABLE, "standard", given)(given)["x"][:, :2]
    assert torch.allclose(x.mean(0), torch.zeros(2, dtype=x.dtype), atol=1e-6)
    assert torch.allclose(x.std(0, correction=0), torch.ones(2, dtype=x.dtype), atol=1e-5)


def test_standard_is_by_channel_of_images_and_by_variable_of_sequences():
    given = images()
    rows = fitted(Shape(image=(2, 4, 3)), "standard", given)
    scale = rows.scale.view(2, -1)
    assert (scale == scale[:, :1]).all()
    assert scale[1, 0] > 10 * scale[0, 0]
    steps = with_place({"numeric": torch.zeros(9, 0), "category": torch.zeros(9, 0).long()})
    steps["sequence"] = torch.randn(9, 4, 2) * torch.tensor([1.0, 30.0])
    scale = fitted(Shape(sequence=(4, 2)), "standard", steps).scale.view(4, 2)
    assert (scale == scale[:1]).all()
    assert scale[0, 1] > 5 * scale[0, 0]


def test_common_has_one_scale_for_all_numbers_and_keeps_their_proportions():
    given = table()
    rows = fitted(TABLE, "common", given)
    assert len(rows.scale[:3].unique()) == 1
    x = rows(given)["x"][:, :2]
    ratio = given["numeric"][:, 1].std() / given["numeric"][:, 0].std()
    assert x[:, 1].std() / x[:, 0].std() == pytest.approx(float(ratio), rel=1e-4)
    assert x.mean(0).abs().max() < 1e-6


def test_unit_lies_within_0_and_1_and_holds_later_rows_there():
    given = table()
    rows = fitted(TABLE, "unit", given)
    x = rows(given)["x"][:, :2]
    assert torch.allclose(x.amin(0), torch.zeros(2).double(), atol=1e-6)
    assert torch.allclose(x.amax(0), torch.ones(2).double(), atol=1e-6)
    later = given | {"numeric": given["numeric"] * 100}
    assert rows(later)["x"].min() == 0
    assert rows(later)["x"].max() == 1
    pixels = images()
    scale = fitted(Shape(image=(2, 4, 3)), "unit", pixels).scale
    assert len(scale.unique()) == 1  # all channels share one


@pytest.mark.parametrize("scaling", SCALINGS)
def test_categories_stay_0_and_1_and_a_constant_becomes_0(scaling):
    given = table()
    rows = fitted(TABLE, scaling, given)
    x = rows(given)["x"]
    hot = x[:, rows.hot]
    assert hot.shape[1] == sum(WORDS)
    assert set(hot.unique().tolist()) == {0.0, 1.0}
    assert (hot.sum(1) == len(WORDS)).all()
    assert (x[:, 2] == 0).all()


def test_what_is_made_is_never_an_unseen_or_a_missing_category():
    rows = fitted(TABLE, "standard", table())
    x = torch.zeros(1, rows.width, dtype=torch.float64)
    start = rows.numbers
    x[0, start + 3] = 9.0  # "unseen" of the first; of the second "missing"
    x[0, start + 5 + 2] = 9.0
    assert rows.inverse(x)["category"].tolist() == [[0, 0]]


def test_a_missing_number_is_the_centre_of_the_training_rows():
    given = table()
    rows = fitted(TABLE, "standard", given)
    given["numeric"] = given["numeric"].clone()
    given["numeric"][0, 1] = math.nan
    assert rows(given)["x"][0, 1].abs() < 1e-5


def test_only_training_rows_set_the_scale():
    given = table()
    rows, some = Rows(TABLE, "standard"), torch.arange(10)
    rows.fit(given, some)
    alone = Rows(TABLE, "standard")
    alone.fit({name: t[some] for name, t in given.items()})
    assert torch.equal(rows.center, alone.center)
    assert torch.equal(rows.scale, alone.scale)


def test_log_scale_is_what_a_density_loses_in_the_unit_of_the_data():
    given = table()
    rows = fitted(TABLE, "standard", given)
    wide = {**given, "numeric": given["numeric"] * torch.tensor([10.0, 1.0, 1.0])}
    gained = fitted(TABLE, "standard", wide).log_scale() - rows.log_scale()
    assert float(gained) == pytest.approx(math.log(10), rel=1e-5)


def test_a_row_is_an_image_only_if_it_is_nothing_else():
    assert Rows(Shape(image=(1, 3, 3)), "standard").row.image == (1, 3, 3)
    assert Rows(Shape(indicator=(False,), image=(1, 3, 3)), "standard").row.image is None
