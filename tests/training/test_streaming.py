"""What is brought to the device is what was asked for."""

import pytest
import torch

from coterie.training.streaming import brought, gathered, resident

DRAWN = torch.Generator().manual_seed(0)
DATA = {
    "image": torch.randint(0, 256, (50, 3, 4, 5), generator=DRAWN).to(torch.uint8),
    "numeric": torch.randn(50, 2, generator=DRAWN),
    "target": torch.randint(0, 3, (50,), generator=DRAWN),
}


@pytest.mark.parametrize("shape", [(4, 8), (30,), (1, 1), (3, 0)])
def test_rows_are_the_same_and_each_is_brought_once(shape: tuple[int, ...]) -> None:
    rows = torch.randint(0, 50, shape, generator=DRAWN)
    places, data = gathered(rows, DATA, ["image"])
    assert places.shape == rows.shape
    assert {len(column) for column in data.values()} == {len(rows.unique())}
    for name, column in data.items():
        assert column.dtype == DATA[name].dtype
        assert torch.equal(column[places], DATA[name][rows])


def test_where_all_is_at_hand_nothing_is_copied() -> None:
    rows = torch.tensor([[3, 1]])
    places, data = brought(rows, DATA)
    assert places is rows
    assert data is DATA
    assert resident(DATA["image"], torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_images_left_behind_are_brought_to_a_gpu() -> None:
    near = {name: column if name == "image" else column.cuda() for name, column in DATA.items()}
    rows = torch.randint(0, 50, (4, 8), generator=DRAWN)
    places, data = brought(rows.cuda(), near)
    assert all(column.is_cuda for column in (places, *data.values()))
    for name, column in data.items():
        assert torch.equal(column[places].cpu(), DATA[name][rows])
