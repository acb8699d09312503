"""A whole member: preparation, the family's own network, and the output layer."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from coterie.models.output import Output


class Prepare(Protocol):
    """A preparation: a module with buffers, fitted on training rows."""

    def fit(self, inputs: dict[str, Tensor], rows: Tensor | None = None) -> None: ...

    def __call__(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]: ...

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> object: ...


class Body(Protocol):
    """A family's own part: from prepared inputs to features, and on to raw outputs.

    One with an attribute `fits` that is true sets itself by training rows: `fit(prepared)`.
    """

    def features(self, prepared: dict[str, Tensor]) -> Tensor: ...

    def __call__(self, prepared: dict[str, Tensor]) -> Tensor: ...


class Network(nn.Module):
    """Raw inputs of a batch in, answers out; `raw` stops before the output layer, for losses.

    inputs: a dict of tensors with a leading batch axis; out: see `Output`.
    """

    prepare: Prepare
    body: Body
    output: Output

    def __init__(
        self, prepare: Prepare, body: Body, output: Output, augment: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.prepare = prepare
        self.body = body
        self.output = output
        self.augment = augment

    @property
    def fits(self) -> bool:
        """Whether the body sets itself by training rows."""
        return bool(getattr(self.body, "fits", False))

    def fit(self, prepared: dict[str, Tensor]) -> None:
        """Hands the body prepared training rows to set itself by: centres, ranges, bins."""
        self.body.fit(prepared)  # type: ignore[attr-defined]

    @property
    def task(self) -> str:
        return self.output.task

    @property
    def each_step(self) -> bool:
        return self.output.each_step

    def raw(self, inputs: dict[str, Tensor]) -> Tensor:
        """Logits, or standardised values: (B, K), (B, 1) for binary; (B, T, K) where every step answers."""
        return self.body(self.prepared(inputs))

    def prepared(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the body is given; in training also augmented.

        Where rows were mixed (mixup, cutmix) there are "partner" (B,), the row that each was mixed with,
        and "share" (B,), how much of it is the row's own.
        """
        prepared = self.prepare(inputs)
        return self.augment(prepared) if self.training and self.augment is not None else prepared

    def features(self, inputs: dict[str, Tensor]) -> Tensor:
        """What the last layer is given: (B, D)."""
        return self.body.features(self.prepare(inputs))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.output(self.raw(inputs))

    def decided(self, raw: Tensor) -> Tensor:
        return self.output.decided(raw)

    def standardise(self, target: Tensor) -> Tensor:
        return self.output.standardise(target)


class Writer(Network):
    """A network that writes a text: raw are the logits (B, T, V) of every next token.

    In use it says of given texts (inputs["answer"], start … end) how probable each true token was, and
    whether it would have been the choice: (B, T, 2). `write` makes texts of its own.
    """

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        logits = self.raw(inputs)
        truth = inputs["answer"][:, 1 : logits.shape[1] + 1]
        given = logits.log_softmax(-1).gather(-1, truth[..., None]).squeeze(-1).exp()
        right = (logits.argmax(-1) == truth).to(given.dtype)
        return torch.stack([given, right], dim=-1)

    def write(self, inputs: dict[str, Tensor], **how: Any) -> Tensor:
        """Texts of its own, (B, T) tokens from the start on, with 0 behind the end.

        inputs: as for `raw`, "answer" being what a text begins with where the family goes on from it; how:
        of `decoding.decode`.
        """
        body: Any = self.body
        return body.write(self.prepare(inputs), **how)

    def attention(self, inputs: dict[str, Tensor]) -> Tensor:
        """(B, T, S): how much each written token looked at each step of the source."""
        body: Any = self.body
        return body.attention(self.prepare(inputs))
