"""Models of families without labels that were fitted to nothing but the scale of their rows."""

from __future__ import annotations

from typing import Any

import torch

from coterie.data.read import read
from coterie.model import Model
from coterie.models.catalogue import FAMILIES
from coterie.models.shape import Shape
from coterie.study.problem import pose
from coterie.study.question import Question
from coterie.training.layout import Layout
from coterie.training.step import NETWORK


def drawn(name: str, data: Any, target: str = "", **settings: Any) -> Model:
    """A model with the weights that it would begin with; target: a label that it may be told."""
    table = read(data)
    names = (target,) if target else ()
    question = Question(table.source, target=names, task="unsupervised", models=(name,))
    problem = pose(question, table, None)
    schema, family = problem.schema, FAMILIES[name](**settings)
    assert schema.target is not None
    torch.manual_seed(0)
    network = family.network(Shape.of(schema), schema.target.task, schema.target.outputs)
    network.prepare.fit(problem.dataset.inputs)
    flat = Layout.of(network).flat({n: p.detach() for n, p in network.named_parameters()})[None]
    buffers = {NETWORK + n: b[None] for n, b in network.named_buffers()}
    return Model(schema, family, flat, buffers, [{"fold": 0, "seed": 0}], {})
