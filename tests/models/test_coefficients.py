"""Coefficients: the sum of value · term, in the units of the data, is what the network computes.

M members, N rows, F numbers, K outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

import coterie as ct
from coterie.data.schema import Column, Schema, Target
from coterie.errors import ModelError
from coterie.models.adaline import Adaline
from coterie.models.catalogue import FAMILIES
from coterie.models.coefficients import coefficients
from coterie.models.family import Family
from coterie.models.linear import Linear
from coterie.models.perceptron import Perceptron
from coterie.models.polynomial import Polynomial
from coterie.models.shape import Shape
from coterie.models.threshold import Threshold

M, N = 2, 40
COLOURS = ("blue", "red")
TARGETS = {
    "binary": Target(("y",), "binary", ("no", "yes")),
    "multiclass": Target(("y",), "multiclass", ("a", "b", "c")),
    "multilabel": Target(("y", "z"), "multilabel"),
    "regression": Target(("y",), "regression"),
    "two targets": Target(("y", "z"), "regression"),
}
ROWS = {"binary": ["yes"], "multiclass": ["a", "b", "c"], "regression": ["y"]}


def schema(target: str = "regression", *more: Column) -> Schema:
    columns = [
        Column("height", "numeric", "feature"),
        Column("colour", "category", "feature", vocabulary=COLOURS),
        Column("age", "numeric", "feature", has_missing=True),
        *more,
    ]
    return Schema.of(columns, TARGETS[target])


def rows() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(3)
    numeric = torch.randn(N, 2, generator=g, dtype=torch.float64) * torch.tensor([8.0, 20.0])
    numeric = numeric + torch.tensor([170.0, 40.0])
    numeric[::5, 1] = torch.nan
    category = torch.arange(N).remainder(4)[:, None]  # blue, red, unseen, missing
    return {"numeric": numeric, "category": category}


def members(family: Family, made: Schema) -> tuple[list[Any], dict[str, Tensor], dict[str, Tensor]]:
    """Fitted networks with random weights, and these and their buffers stacked, as a model holds them."""
    assert made.target is not None
    networks = []
    for seed in range(M):
        torch.manual_seed(seed)
        network = family.network(Shape.of(made), made.target.task, made.target.outputs).double().eval()
        own = {name: x[seed * 10 :] for name, x in rows().items()}  # each has training rows of its own
        network.prepare.fit(own)
        if getattr(network.body, "fits", False):
            network.body.fit(network.prepare(own))
        if made.target.task == "regression":
            network.output.fit(torch.randn(N, made.target.outputs, dtype=torch.float64) * 30 + 5 * seed)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
        networks.append(network)
    parameters = {n: torch.stack([dict(w.named_parameters())[n].detach() for w in networks])
                  for n, _ in networks[0].named_parameters()}  # fmt: skip
    buffers = {f"network.{n}": torch.stack([dict(w.named_buffers())[n] for w in networks])
               for n, _ in networks[0].named_buffers()}  # fmt: skip
    return networks, parameters, buffers


def terms(network: Any) -> Iterator[tuple[str, Tensor]]:
    """Every term that a table of coefficients may name, for all rows: what is missing has the centre."""
    inputs = rows()
    for place, name in enumerate(("height", "age")):
        raw = inputs["numeric"][:, place]
        x = torch.where(raw.isnan(), network.prepare.center[place], raw)
        yield name, x
        for power in range(2, 10):
            yield f"{name}^{power}", x**power
    yield "age is missing", inputs["numeric"][:, 1].isnan().double()
    for code, name in enumerate((*COLOURS, "unseen", "missing")):
        yield f"colour = {name}", (inputs["category"][:, 0] == code).double()
    yield "bias", torch.ones(N, dtype=torch.float64)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "family",
    [
        Linear(),
        Adaline(),
        Adaline(scaling="none"),
        Perceptron(),
        Perceptron(scaling="standard"),
        Threshold(),
        Polynomial(degree=3),
        Polynomial(degree=1),
    ],
    ids=lambda f: f"{f.name} {getattr(f, 'scaling', getattr(f, 'degree', ''))}",
)
def test_the_sum_of_terms_is_what_the_network_computes(family: Family, target: str) -> None:
    made = schema(target)
    task = TARGETS[target].task
    if task not in family.tasks:
        return
    networks, parameters, buffers = members(family, made)
    table = coefficients(family, made, parameters, buffers)
    assert table.columns == ["member", "output", "term", "value"]
    assert table["member"].unique().to_list() == list(range(M))
    wanted = ROWS.get(target, ["y", "z"])
    assert table["output"].unique(maintain_order=True).to_list() == wanted
    for m, network in enumerate(networks):
        said = network(rows()) if task == "regression" else network.raw(rows())
        known = dict(terms(network))
        for k, name in enumerate(wanted):
            own = table.filter((pl.col("member") == m) & (pl.col("output") == name))
            assert own["term"].is_unique().all()
            total = sum(value * known[term] for term, value in own.select("term", "value").rows())
            torch.testing.assert_close(total, said[:, k].detach(), rtol=1e-6, atol=1e-6)


def test_terms_are_named_in_order_of_what_they_are() -> None:
    made = schema()
    _, parameters, buffers = members(Polynomial(degree=2), made)
    table = coefficients(Polynomial(degree=2), made, parameters, buffers)
    wanted = ["bias", "height", "height^2", "age", "age^2", "age is missing"]
    wanted += [f"colour = {c}" for c in (*COLOURS, "unseen", "missing")]
    assert table.filter(pl.col("member") == 0)["term"].to_list() == wanted


def test_degrees_within_a_cohort_differ() -> None:
    """A cohort holds the degree as a number of each member; terms above it are not named."""
    made = schema()
    _, parameters, buffers = members(Polynomial(degree=4), made)
    buffers["network.body.hidden.degree"] = torch.tensor([0.0, 2.0])
    table = coefficients(Polynomial(degree=4), made, parameters, buffers)
    powers = [table.filter(pl.col("member") == m)["term"].to_list() for m in range(M)]
    assert not [t for t in powers[0] if t.startswith("height")]
    assert [t for t in powers[1] if t.startswith("height")] == ["height", "height^2"]


REFUSED: list[tuple[Family, Schema]] = [
    *((FAMILIES[name](), schema()) for name in ("mlp", "rbf", "tabm")),
    (Polynomial(basis="gaussian"), schema()),
    (Threshold(hidden=(2,)), schema("binary")),
    (Linear(categories="embedding"), schema()),
    (Linear(), schema("regression", Column("i", "image", "feature", shape=(1, 2, 2)))),
    (Linear(), schema("regression", Column("s", "sequence", "feature", shape=(3, 1)))),
]


@pytest.mark.parametrize(("family", "made"), REFUSED, ids=lambda v: getattr(v, "name", ""))
def test_weights_that_are_of_no_single_input_are_refused(family: Family, made: Schema) -> None:
    assert made.target is not None
    network = family.network(Shape.of(made), made.target.task, made.target.outputs)
    parameters = {n: p.detach()[None] for n, p in network.named_parameters()}
    buffers = {f"network.{n}": b[None] for n, b in network.named_buffers()}
    with pytest.raises(ModelError, match=rf"linear in the columns.*family {family.name}\."):
        coefficients(family, made, parameters, buffers)


def test_of_a_trained_model(tmp_path: Any) -> None:
    study = ct.fit("celsius", models="linear", test_size=0, folds=0, candidates=1, out=tmp_path / "s",
                   fix={"l2": 0.0})  # fmt: skip
    table = study.model.coefficients()
    assert table["output"].to_list() == ["fahrenheit"] * 2
    found = dict(zip(table["term"].to_list(), table["value"].to_list(), strict=True))
    assert found["celsius"] == pytest.approx(1.8, abs=1e-5)
    assert found["bias"] == pytest.approx(32, abs=1e-4)
    x = np.array([-5.0, 100.0])
    np.testing.assert_allclose(
        study.model.predict({"celsius": x.tolist()}), found["celsius"] * x + found["bias"], rtol=1e-4
    )
