"""What a network costs, whichever way it is found."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from small_cohorts import small, small_data
from torch.utils.flop_counter import FlopCounterMode

from coterie.models.catalogue import FAMILIES
from coterie.models.outline import one_row
from coterie.models.shape import Shape
from coterie.training import cost


@pytest.mark.parametrize(
    ("name", "target"), [("mlp", "multiclass"), ("cnn", "binary"), ("lstm", "regression"), ("gpt", "text")]
)
def test_a_row_that_is_computed_costs_what_its_shapes_say(name: str, target: str, monkeypatch) -> None:
    family = small(FAMILIES[name])
    schema = small_data(family, target).schema
    asked = (family, Shape.of(schema), schema.target.task, schema.target.outputs)
    computed = cost.cost_of(*asked)
    monkeypatch.setattr(cost, "SMALL", 0)
    assert cost.cost_of(*asked) == computed
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        family.network(*asked[1:]).eval().raw(one_row(asked[1]))
    assert computed.multiply_adds == counter.get_total_flops() // 2 > 0


def test_nothing_is_drawn_from_the_stream_that_is_in_use() -> None:
    family = small(FAMILIES["mlp"])
    schema = small_data(family, "binary").schema
    torch.manual_seed(3)
    cost.cost_of(family, Shape.of(schema), schema.target.task, schema.target.outputs)
    first = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(2), first)


def test_what_a_small_network_costs_needs_no_compiler() -> None:
    """PyTorch takes a second to import it, which is a good part of a short fit."""
    code = (
        "import sys; from coterie.models.mlp import MLP; from coterie.models.shape import Shape;"
        "from coterie.training.cost import cost_of;"
        "cost_of(MLP(), Shape(indicator=(False,) * 4), 'binary', 2);"
        "print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
