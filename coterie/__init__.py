"""Coterie trains every fold, seed and hyperparameter together, and says honestly which network to trust.

>>> import coterie as ct
>>> study = ct.fit("heart.csv", target="disease")  # doctest: +SKIP
>>> study.model.predict({"age": [63]})  # doctest: +SKIP

What is named in `__all__` is loaded when it is first used: importing this package imports no PyTorch.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# PyTorch's OpenMP threads spin for milliseconds while they wait for each other. Where other programs want the
# cores too, that made steps of microseconds 20 times slower; a short spin costs nothing measurable.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__version__ = "0.1.0"

_HOMES = {
    "fit": "coterie.verbs",
    "inspect": "coterie.verbs",
    "load": "coterie.verbs",
    "open_study": "coterie.verbs",
    "repeat": "coterie.verbs",
    "zoo": "coterie.verbs",
    "Codes": "coterie.estimators",
    "Study": "coterie.study.study",
    "Model": "coterie.model",
    "CoterieError": "coterie.errors",
}

__all__ = ["Codes", "CoterieError", "Model", "Study", "fit", "inspect", "load", "open_study", "repeat", "zoo"]

if TYPE_CHECKING:
    from coterie.errors import CoterieError
    from coterie.estimators import Codes
    from coterie.model import Model
    from coterie.study.study import Study
    from coterie.verbs import fit, inspect, load, open_study, repeat, zoo


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'coterie' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
