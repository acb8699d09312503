"""A whole member: preparation, the family's own network, and the output layer."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from coterie.models.output import Output


class Prepare(Protocol):
    """A preparation: a module with buffers, fitted on training rows."""

    def fit(self, inputs: dict[str, Tensor]) -> None: ...

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]: ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> object: ...


class Body(Protocol):
    """A family's own part: from prepared inputs to features, and on to raw outputs."""

    def features(self, prepared: dict[str, Tensor]) -> Tensor: ...

    def __call__(self, prepared: dict[str, Tensor]) -> Tensor: ...


class Network(nn.Module):
    """Raw inputs of a batch in, answers out; `raw` stops before the output layer, for losses.

    inputs: a dict of tensors with a leading batch axis; out: see `Output`.
    """

    prepare: Prepare
    body: Body
    output: Output

    def __init__(self, prepare: Prepare, body: Body, output: Output) -> None:
        super().__init__()
        self.prepare = prepare
        self.body = body
        self.output = output

    @property
    def task(self) -> str:
        return self.output.task

    def raw(self, inputs: dict[str, Tensor]) -> Tensor:
        """Logits, or standardised values: (B, K), (B, 1) for binary."""
        return self.body(self.prepare(inputs))

    def features(self, inputs: dict[str, Tensor]) -> Tensor:
        """What the last layer is given: (B, D)."""
        return self.body.features(self.prepare(inputs))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.output(self.raw(inputs))

    def standardise(self, target: Tensor) -> Tensor:
        return self.output.standardise(target)
