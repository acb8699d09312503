"""The affine maps and the look-up that they are for, on images whose every pixel is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from coterie.models import warps


def picture(height: int = 5, width: int = 5, rows: int = 2) -> Tensor:
    return torch.arange(rows * 3 * height * width, dtype=torch.float64).view(rows, 3, height, width)


def each(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2])
@pytest.mark.parametrize("side", [4, 5])
def test_quarter_turns_are_exact_and_counter_clockwise(quarters: int, side: int) -> None:
    image = picture(side, side)
    turned = warps.looked_up(image, warps.rotation(each(90, 90) * quarters))
    torch.testing.assert_close(turned, torch.rot90(image, quarters, (2, 3)))


def test_each_image_has_its_own_map() -> None:
    image = picture()
    turned = warps.looked_up(image, warps.rotation(each(0, 180)))
    torch.testing.assert_close(turned, torch.stack([image[0], image[1].flip(1, 2)]))


def test_shifts_move_to_the_right_and_down_and_repeat_the_border() -> None:
    image = picture(5, 6)
    moved = warps.looked_up(image, warps.shifting(each(2, 0), each(0, -1)))
    torch.testing.assert_close(moved[0, :, :, 2:], image[0, :, :, :-2])
    torch.testing.assert_close(moved[0, :, :, :2], image[0, :, :, :1].expand(3, 5, 2))
    torch.testing.assert_close(moved[1, :, :-1], image[1, :, 1:])
    torch.testing.assert_close(moved[1, :, -1], image[1, :, -1])


def test_half_a_pixel_is_the_mean_of_two() -> None:
    image = picture(4, 4)
    moved = warps.looked_up(image, warps.shifting(each(0.5, 0.5), each(0, 0)))
    torch.testing.assert_close(moved[..., 1:], (image[..., 1:] + image[..., :-1]) / 2)


def test_twice_the_size_shows_the_middle() -> None:
    image = picture(6, 6)
    larger = warps.looked_up(image, warps.scaling(each(3, 3)))
    torch.testing.assert_close(larger[..., 1::3, 1::3], image[..., 2:4, 2:4])
    same = warps.looked_up(image, warps.window(each(1 / 3, 1 / 3), each(0, 0), each(0, 0)))
    torch.testing.assert_close(same, larger)


def test_leaning_to_the_right_moves_the_top_to_the_right() -> None:
    image = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    image[..., 2] = 1  # an upright line
    leant = warps.looked_up(image, warps.shearing(each(45)))
    torch.testing.assert_close(leant[0, 0], torch.eye(5, dtype=torch.float64).flip(1))


def test_maps_are_joined_in_the_order_in_which_places_are_looked_up() -> None:
    image = picture(5, 5)
    turn, move = warps.rotation(each(90, 90)), warps.shifting(each(1, 1), each(0, 0))
    one_by_one = warps.looked_up(warps.looked_up(image, turn), move)
    at_once = warps.looked_up(image, warps.then(move, turn))
    torch.testing.assert_close(at_once[..., 1:], one_by_one[..., 1:])  # but for what came in at the border


def test_flips_are_where_chosen() -> None:
    image = picture()
    flipped = warps.flipped(image, torch.tensor([True, False]), -1)
    assert torch.equal(flipped, torch.stack([image[0].flip(-1), image[1]]))


@pytest.mark.parametrize("place", [0.0, 0.999999])
def test_rectangles_reach_every_border_and_stay_inside(place: float) -> None:
    mask = warps.rectangle(each(2, 0, 99), each(3.4, 3, 99), each(*[place] * 3), each(*[place] * 3), (5, 7))
    assert mask.flatten(1).sum(1).tolist() == [6, 0, 35]
    corner = mask[0, :2, :3] if place == 0 else mask[0, -2:, -3:]
    assert corner.all()
