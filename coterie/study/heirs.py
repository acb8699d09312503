"""Which family learns a target on top of what was learned without one, and by which names it has the weights.

An encoder's hidden layers, or those of Boltzmann machines, are the hidden layers of an `mlp`; the layers of
`simclr` are those of the family that it was built of. Rows are prepared as they were there, every number
with its centre and scale, so that the layers are given what they know.

E earlier members, O units, D numbers of a row, F numeric inputs, I of them with a missing indicator.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from coterie.models.family import Family
from coterie.models.mlp import MLP
from coterie.models.shape import Shape
from coterie.models.simclr import SimCLR
from coterie.models.unsupervised import UnsupervisedFamily

AFFINE = ("body.encoder.affine.%d.%s", "body.hidden.%d.linear.%s")  # an encoder's layers, a machine's
CONVOLUTIONS, FIRST = "body.encoder.convolutions.0.weight", "body.hidden.0.linear.weight"


def heir_of(family: Family, tensors: Mapping[str, Tensor], shape: Shape) -> Family | None:
    """The family, as it must be built, that can start from a model without labels; None where none can.

    Of an encoder the last layer makes codes, which are affine: an output layer stands in its place, unless
    there is no other. Convolutions of an encoder are those of no family.
    """
    if not isinstance(family, UnsupervisedFamily):
        return None
    if isinstance(family, SimCLR):
        return family.supervised(shape.kinds == ("image",))
    widths = [weight.shape[1] for weight, _ in _affine(tensors)]
    if not widths:
        return None
    encoder = AFFINE[0] % (0, "weight") in tensors
    hidden = widths[:-1] if encoder and len(widths) > 1 else widths
    # the units of Boltzmann machines are sigmoid
    activation = getattr(family, "activation", "sigmoid")
    return MLP(hidden=tuple(hidden), activation=activation, categories="onehot")


def inherited(tensors: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """A model's tensors by the names that they have in its heir."""
    layers = {name: tensor for name, tensor in tensors.items() if name.startswith("body.")}
    for i, (weight, bias) in enumerate(_affine(tensors)):
        layers |= {f"body.hidden.{i}.linear.weight": weight, f"body.hidden.{i}.linear.bias": bias}
    if FIRST in layers:
        layers[FIRST] = _with_indicators(layers[FIRST], tensors, shape)
    return layers | _prepared(tensors, shape)


def _affine(tensors: Mapping[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Weights (E, O, D) and biases (E, O) of what reads a row, by the layer, if all layers are affine."""
    for form in AFFINE:
        found: list[tuple[Tensor, Tensor]] = []
        while form % (len(found), "weight") in tensors:
            at = len(found)
            found.append((tensors[form % (at, "weight")], tensors[form % (at, "bias")]))
        if found:
            return [] if CONVOLUTIONS in tensors else found
    return []


def _with_indicators(weight: Tensor, tensors: Mapping[str, Tensor], shape: Shape) -> Tensor:
    """A first layer (E, O, D) for rows that also say which numbers are missing: (E, O, D + I).

    A missing number was its column's mean there, and is 0 here: the indicator's weight makes that good.
    """
    numbers = len(shape.indicator)
    center, scale = (tensors[f"prepare.{name}"][:, :numbers] for name in ("center", "scale"))
    told = [i for i, indicated in enumerate(shape.indicator) if indicated]
    stood = ((tensors["prepare.filled.center"] - center) / scale)[:, told]
    own = weight[..., :numbers][..., told] * stood[:, None]
    return torch.cat([weight[..., :numbers], own, weight[..., numbers:]], 2)


def _prepared(tensors: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Centres and scales of rows (E, D) as a supervised network has them: a column, a channel, a variable."""
    made = {}
    numbers = len(shape.indicator)
    table = "prepare" if shape.kinds == ("table",) else "prepare.table"
    for name in ("center", "scale"):
        row = tensors[f"prepare.{name}"]
        made[f"{table}.{name}"] = row[:, :numbers]
        start = numbers + sum(shape.cardinality)
        if shape.image:
            channels, height, width = shape.image
            places = torch.arange(channels) * height * width + start
            made[f"prepare.image.{name}"] = row[:, places, None, None]
            start += channels * height * width
        if shape.sequence:
            made[f"prepare.sequence.{name}"] = row[:, start : start + shape.sequence[1]]
    return made
