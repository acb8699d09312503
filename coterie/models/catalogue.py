"""The zoo: every family by name, simplest first. A new family adds one line here."""

from __future__ import annotations

from coterie.errors import SpecError
from coterie.models.family import Family
from coterie.models.linear import Linear
from coterie.models.mlp import MLP
from coterie.spec import nearest

FAMILIES: dict[str, type[Family]] = {
    "linear": Linear,
    "mlp": MLP,
}


def family_named(name: str) -> type[Family]:
    """The family of that name; `SpecError` with the nearest one if there is none."""
    if name not in FAMILIES:
        near = nearest(name, FAMILIES)
        fix = f"Did you mean {near!r}?" if near else "`coterie models` lists them."
        raise SpecError(f"A family must be one of {', '.join(FAMILIES)}.", given=repr(name), fix=fix)
    return FAMILIES[name]
