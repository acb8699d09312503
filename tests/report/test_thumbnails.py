"""Embedded pictures hold the very numbers that they were made of."""

import base64
import io
import math
import re

import numpy as np
import pytest
from PIL import Image

from coterie.report.thumbnails import ACROSS, SIDE, line, mosaic, picture, tones


def opened(png):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_a_picture_is_one_pixel_a_number():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    low, high = tones(image)
    assert (low, high) == (0.0, 15.0)
    shown = opened(picture(image, low, high))
    assert shown.tolist() == (image[0] * 17).tolist()
    assert picture(image, low, high) == picture(image, low, high)


def test_three_channels_are_colours_and_others_their_mean():
    colour = np.zeros((3, 2, 2))
    colour[0] = 1.0
    assert opened(picture(colour, 0, 1))[0, 0].tolist() == [255, 0, 0]
    assert opened(picture(np.stack([np.zeros((2, 2)), np.ones((2, 2))]), 0, 1)).tolist() == [[128] * 2] * 2


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([[3, 200]], dtype=np.uint8), (0, 255)),
        (np.array([[0, 16]], dtype=np.uint8), (0, 16)),
        (np.array([[0.2, 0.9]]), (0, 1)),
        (np.array([[-2.0, 4.0]]), (-2, 4)),
        (np.array([[7.0, 7.0]]), (7, 8)),
        (np.zeros((0, 1)), (0, 1)),
    ],
)
def test_black_and_white(images, expected):
    assert tones(images) == expected


def test_a_large_picture_is_averaged_down():
    image = np.indices((400, 300)).sum(0)[None] % 2 * 1.0
    shown = opened(picture(image, 0, 1))
    assert shown.shape == (SIDE, SIDE * 3 // 4)
    assert abs(shown.astype(float).mean() - 127.5) < 3


def test_a_mosaic_has_every_map_in_its_place_and_nothing_between():
    maps = np.zeros((ACROSS + 1, 3, 3))
    maps[:, 1, 1] = np.arange(ACROSS + 1) + 1.0
    shown = opened(mosaic(maps))
    assert shown.shape == (7, 4 * ACROSS - 1, 4)
    assert shown[1, 1::4, 0].tolist() == [255] * ACROSS  # each in the shades of its own range
    assert shown[5, 1, 0] == 255
    assert (shown[:, 3::4, 3] == 0).all()
    assert (shown[4:, 3:, 3] == 0).all()


def test_signs_of_weights_are_told_apart_on_one_scale():
    shown = opened(mosaic(np.array([[[1.0]], [[-1.0]], [[0.0]], [[0.1]]]), signed=True)).astype(int)
    warm, cold, zero, small = (shown[0, 2 * k, :3] for k in range(4))
    assert warm[0] > warm[2]
    assert cold[2] > cold[0]
    assert zero.tolist() == [247, 247, 247]
    assert np.abs(small - zero).max() < 30


def test_a_line_leaves_gaps_and_names_its_size():
    steps = np.array([[0.0], [1.0], [math.nan], [0.5], [0.5]])
    drawn = str(line(steps))
    assert 'aria-label="5 steps"' in drawn
    assert drawn.count("<polyline") == 2
    first = re.search(r'points="([^"]*)"', drawn)[1]
    assert first == "1.0,28.0 30.5,2.0"
    assert "polyline" not in str(line(np.zeros((0, 1))))
    assert str(line(np.ones((1, 6)))).count("<polyline") == 4
