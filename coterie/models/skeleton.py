"""Networks without numbers: only their structure, on PyTorch's meta device, where nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from coterie.data.schema import Schema
from coterie.models.family import Family
from coterie.models.network import Network
from coterie.models.shape import Shape


def skeleton(family: Family, schema: Schema) -> Network:
    """The family's network for data of this schema, its parameters without numbers."""
    assert schema.target is not None
    with shapes_only():
        return family.network(Shape.of(schema), schema.target.task, schema.target.outputs)


@contextmanager
def shapes_only() -> Iterator[None]:
    """What is made within has a shape and a type alone."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    """Nothing is drawn: for normal numbers on this device PyTorch would import its compiler, a second."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func.__name__.endswith("normal_"):  # a tensor's, and those of `torch.nn.init`
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))
