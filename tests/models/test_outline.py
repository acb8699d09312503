"""The structure of a network as lines: all of its parameters, in the order of the calculation."""

from __future__ import annotations

import itertools

import pytest
import torch
from small_cohorts import SMALL
from torch import Tensor, nn

from coterie.models import outline as outlining
from coterie.models.catalogue import FAMILIES
from coterie.models.family import Family
from coterie.models.gpt import GPT
from coterie.models.mlp import MLP
from coterie.models.outline import Line, outline
from coterie.models.recurrent import LSTM
from coterie.models.resnet import ResNet
from coterie.models.seq2seq import Seq2Seq
from coterie.models.shape import Shape
from coterie.models.vit import ViT
from coterie.training import cost
from coterie.training.cost import cost_of

TABLE = Shape(indicator=(False,) * 8)
SHAPES = {
    "table": Shape(indicator=(False, True, False), cardinality=(3, 40)),
    "image": Shape(image=(1, 9, 6)),
    "sequence": Shape(sequence=(6, 2)),
    "text": Shape(tokens=(6, 12)),
    "episode": Shape(environment="CartPole-v1"),
}


def of(name: str) -> tuple[Family, Shape, str, int]:
    """A small member of every family, and data that it reads."""
    cls = FAMILIES[name]
    family = cls(**SMALL.get(name, {}))
    if cls.tasks == ("unsupervised",):
        return family, SHAPES[cls.reads[0]], "unsupervised", 0
    if cls.tasks != ("text",):
        return family, SHAPES[cls.reads[0]], "multiclass", 3
    tokens = None if name == "gpt" else (6, 12)
    return family, Shape(tokens=tokens, answer=(6, 12)), "text", 12


def drawn(lines: tuple[Line, ...]) -> list[tuple[int, str, str, int]]:
    return [(line.depth, line.name, line.kind, line.repeat) for line in lines]


@pytest.mark.parametrize("name", FAMILIES)
def test_all_parameters_are_in_it(name):
    family, shape, task, outputs = of(name)
    lines = outline(family, shape, task, outputs)
    total = cost_of(family, shape, task, outputs).parameters
    assert sum(line.parameters * line.repeat for line in lines if line.depth == 0) == total
    assert lines[0].depth == 0
    for before, after in itertools.pairwise(lines):
        assert after.depth <= before.depth + 1
    inside: list[int] = []  # what a block has is at least what its layers have
    for line in reversed(lines):
        inside = [*inside, *[0] * (line.depth + 2 - len(inside))]
        assert inside[line.depth + 1] <= line.parameters
        inside[line.depth] += line.parameters * line.repeat
        inside = inside[: line.depth + 1]


def test_blocks_that_are_equal_are_one_line():
    lines = outline(MLP(hidden=(8, 8, 8), dropout=0.0), TABLE, "regression", 1)
    assert drawn(lines) == [
        (0, "columns", "Columns", 1),
        (0, "hidden", "Block", 3),
        (1, "linear", "Linear", 1),
        (1, "activation", "ReLU", 1),
        (0, "head", "Linear", 1),
    ]
    assert [line.shape for line in lines] == [(8,), (8,), (8,), (8,), (1,)]
    assert [line.parameters for line in lines] == [0, 72, 72, 0, 9]


def test_blocks_that_differ_in_size_alone_are_drawn_once():
    lines = outline(MLP(hidden=(8, 4), dropout=0.0), TABLE, "regression", 1)
    blocks = [line for line in lines if line.kind == "Block"]
    assert [(line.shape, line.parameters, line.again) for line in blocks] == [
        ((8,), 72, False),
        ((4,), 36, True),
    ]
    assert sum(line.kind == "Linear" for line in lines) == 2  # the first block's and the head
    norm = outline(MLP(hidden=(8, 4), dropout=0.0, norm="batch"), TABLE, "regression", 1)
    assert "BatchNorm" in {line.kind for line in norm}


def test_a_row_of_a_convolution_and_what_follows_is_one_line():
    lines = outline(ResNet(depth="50"), Shape(image=(3, 224, 224)), "multiclass", 1000)
    assert drawn(lines)[1] == (1, "", "Conv2d 7 × 7, stride 2 → BatchNorm2d → ReLU", 1)
    assert lines[1].shape == (64, 112, 112)
    assert lines[1].parameters == 64 * 3 * 49 + 2 * 64
    blocks = [line for line in lines if line.kind == "Bottleneck"]
    assert sum(line.repeat for line in blocks) == 3 + 4 + 6 + 3
    assert [line.shape for line in blocks][::2] == [
        (256, 56, 56),
        (512, 28, 28),
        (1024, 14, 14),
        (2048, 7, 7),
    ]
    assert sum(line.parameters * line.repeat for line in lines if line.depth == 0) == 25_557_032
    assert len(lines) < 40


def test_a_layer_that_is_used_at_every_step_is_one_line():
    lines = outline(
        Seq2Seq(cell="gru", hidden=5, embedding=4), Shape(tokens=(7, 12), answer=(6, 12)), "text", 12
    )
    by_name = {line.name: line for line in lines}
    assert by_name["words"].calls == by_name["readout"].calls == 5
    assert by_name["head"].calls == 1
    decoder = by_name["decoder"]  # its weights are used, but it is never called as a whole
    assert (decoder.kind, decoder.shape, decoder.parameters) == ("Recurrence gru", (), 3 * 5 * (14 + 5 + 2))
    names = [line.name for line in lines]
    assert names.index("words") < names.index("decoder") < names.index("readout")
    assert [line.kind for line in lines if line.name == "encoder"] == [
        "Recurrence gru",
        "Recurrence gru backward",
    ]


def test_layers_of_a_block_that_is_repeated_keep_their_own_count():
    lines = outline(ViT(width=8, heads=2, depth=3, dropout=0.0), Shape(image=(1, 14, 14)), "binary", 2)
    block = next(line for line in lines if line.kind == "Block")
    assert (block.name, block.repeat, block.shape) == ("blocks", 3, (49, 8))
    assert "Attention of 2 heads" in {line.kind for line in lines}
    assert {line.calls for line in lines} == {1}


def test_layers_of_equal_form_that_stand_in_a_list_are_folded():
    lines = outline(LSTM(hidden=4, depth=3), Shape(sequence=(6, 4)), "binary", 2)
    stack = [line for line in lines if line.kind == "Recurrence lstm"]
    assert [(line.depth, line.name, line.repeat, line.shape) for line in stack] == [(1, "layers", 3, (6, 4))]


def test_a_layer_that_stands_twice_in_a_row_is_two():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            halve = nn.MaxPool2d(2)
            self.body = nn.Sequential(halve, nn.Conv2d(1, 1, 1), halve)

        def raw(self, inputs: dict[str, Tensor]) -> Tensor:
            return self.body(self.body(inputs["image"]))  # and the whole row twice

    called = outlining._trace(Twice(), {"image": torch.zeros(1, 1, 16, 16)})
    row = called.inner[0]
    assert [type(call.module).__name__ for call in row.inner] == ["MaxPool2d", "Conv2d", "MaxPool2d"]
    assert [call.count for call in row.inner] == [2, 2, 2]


def test_nothing_is_computed_and_nothing_is_drawn_at_random():
    before = torch.get_rng_state()
    lines = outline(GPT(width=8192, depth=24, heads=64), Shape(answer=(1024, 50257)), "text", 50257)
    assert sum(line.parameters * line.repeat for line in lines if line.depth == 0) > 19e9
    assert torch.equal(before, torch.get_rng_state())


def test_one_row_is_what_costs_are_measured_on():
    shape = Shape((False, True), (3,), (1, 4, 4), (5, 2), (6, 9), (7, 9))
    mine, theirs = outlining.one_row(shape), cost.one_row(shape)
    assert {name: (x.shape, x.dtype) for name, x in mine.items()} == {
        name: (x.shape, x.dtype) for name, x in theirs.items()
    }
