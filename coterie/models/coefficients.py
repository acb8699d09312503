"""The weights of models that are linear in them, in the units of the data: preparation folded in.

M members, F numeric inputs, K outputs, R functions an input.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from torch import Tensor

from coterie.data.schema import Schema
from coterie.errors import ModelError
from coterie.models.family import Family
from coterie.models.polynomial import Polynomial
from coterie.models.shape import Shape

HEAD = "body.head."


def coefficients(
    family: Family, schema: Schema, parameters: dict[str, Tensor], buffers: dict[str, Tensor]
) -> pl.DataFrame:
    """member, output, term, value: the output (before a sigmoid or softmax) is the sum of value · term.

    Terms are "bias", the numeric columns, "NAME is missing", "NAME = code", and powers "NAME^2", … of
    polynomials. parameters and buffers: stacked, by name in the network. ModelError for a family whose
    weights are not about single inputs.

    >>> ct.fit("celsius", models="adaline", test_size=0, folds=0).model.coefficients()  # doctest: +SKIP
    """
    target = schema.target
    assert target is not None
    powers = isinstance(family, Polynomial) and family.basis == "powers"
    linear = all(n.startswith(HEAD) for n in parameters) and not getattr(family, "hidden", ())
    plain = set(Shape.of(schema).kinds) <= {"table"} and (linear and "body.head.weight" in parameters)
    if not plain or (isinstance(family, Polynomial) and not powers):
        raise ModelError(
            "Coefficients are of models that are linear in the columns of a table, or in their powers.",
            given=f"a model of the family {family.name}",
            fix="Use linear, adaline, perceptron, or polynomial with basis=powers.",
        )
    weight = parameters["body.head.weight"].double().numpy()
    bias = parameters["body.head.bias"].double().numpy()
    held = {n.removeprefix("network."): b.double().numpy() for n, b in buffers.items()}
    members, outputs = bias.shape
    numbers = len(schema.numeric)
    center, scale = held["prepare.center"], held["prepare.scale"]
    if getattr(family, "scaling", "standard") == "none":
        center, scale = np.zeros_like(center), np.ones_like(scale)
    names, rest = list(schema.numeric), _others(schema)
    rows: list[tuple[int, str, str, float]] = []
    unit = held.get("output.scale", np.ones((members, outputs)))
    start = held.get("output.center", np.zeros((members, outputs)))
    labels = list(target.names if target.task in ("regression", "multilabel") else target.classes)
    labels = labels[1:] if target.task == "binary" else labels
    for m in range(members):
        for k in range(outputs):
            room = family.room if isinstance(family, Polynomial) else 1
            own = weight[m, k, : numbers * room].reshape(numbers, room)
            total, found = bias[m, k], []
            for f, name in enumerate(names):
                if isinstance(family, Polynomial):
                    middle = center[m, f] + scale[m, f] * held["body.hidden.center"][m, f]
                    reach = scale[m, f] * held["body.hidden.reach"][m, f]
                    degree = int(held["body.hidden.degree"][m])
                    series = np.polynomial.Chebyshev(
                        [0.0, *own[f, :degree]], domain=[middle - reach, middle + reach]
                    )
                    found_here = series.convert(kind=np.polynomial.Polynomial, domain=[-1, 1]).coef
                    total += found_here[0]
                    found += [(_power(name, j), v) for j, v in enumerate(found_here[1:], 1)]
                else:
                    slope = own[f, 0] / scale[m, f]
                    total -= slope * center[m, f]
                    found.append((name, slope))
            found += list(zip(rest, weight[m, k, numbers * room :], strict=True))
            rows.append((m, labels[k], "bias", float(total * unit[m, k] + start[m, k])))
            rows += [(m, labels[k], term, float(value * unit[m, k])) for term, value in found]
    return pl.DataFrame(rows, schema=["member", "output", "term", "value"], orient="row")


def _power(name: str, exponent: int) -> str:
    return name if exponent == 1 else f"{name}^{exponent}"


def _others(schema: Schema) -> list[str]:
    """What the columns behind the numbers are called, in the order of `Columns`."""
    shape = Shape.of(schema)
    found = [f"{n} is missing" for n, wanted in zip(schema.numeric, shape.indicator, strict=True) if wanted]
    known = {column.name: column.vocabulary for column in schema.columns}
    for name in schema.category:
        found += [f"{name} = {code}" for code in (*known[name], "unseen", "missing")]
    return found
