"""Recurrent cells as tensor operations, since PyTorch's own layers do not lift.

Parameters are named, shaped and initialised as in `torch.nn.RNN`, `LSTM` and `GRU`, so that weights can be
copied over. B batch, T steps, W numbers a step, H hidden units, G gates.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Recurrence(nn.Module):
    """One layer in one direction: (x (B, T, W), mask (B, T)) → (B, T, H).

    Where the mask is False the state stays as it is: the backward direction begins at the last real step.
    kind: "rnn", "lstm" or "gru". forget: added to the LSTM's forget gate at the start, so that it begins by
    remembering (Jozefowicz et al., 2015). orthogonal: the state's own matrices start so (Saxe et al., 2014).
    """

    def __init__(
        self,
        kind: str,
        width: int,
        hidden: int,
        backward: bool = False,
        activation: str = "tanh",
        forget: float = 0.0,
        orthogonal: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.hidden, self.backward, self.activation = kind, hidden, backward, activation
        gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
        bound = 1 / math.sqrt(hidden)
        self.weight_ih = nn.Parameter(torch.empty(gates * hidden, width).uniform_(-bound, bound))
        self.weight_hh = nn.Parameter(torch.empty(gates * hidden, hidden).uniform_(-bound, bound))
        self.bias_ih = nn.Parameter(torch.empty(gates * hidden).uniform_(-bound, bound))
        self.bias_hh = nn.Parameter(torch.empty(gates * hidden).uniform_(-bound, bound))
        with torch.no_grad():
            if orthogonal:
                for gate in self.weight_hh.chunk(gates):
                    nn.init.orthogonal_(gate)
            if kind == "lstm":
                self.bias_ih[hidden : 2 * hidden] += forget

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        # all steps at once, then apart: `unbind` joins gradients once, where indexing would at every step
        given = self.given(x).unbind(1)
        h = torch.zeros_like(given[0][:, : self.hidden])
        c = h
        kept = mask[..., None].unbind(1)
        made: list[Tensor] = []
        for t in reversed(range(len(given))) if self.backward else range(len(given)):
            new_h, new_c = self.step(given[t], h, c)
            h = torch.where(kept[t], new_h, h)
            c = torch.where(kept[t], new_c, c) if self.kind == "lstm" else c
            made.append(h)
        return torch.stack(made[::-1] if self.backward else made, dim=1)

    def given(self, x: Tensor) -> Tensor:
        """What inputs (…, W) add to the gates (…, G·H), and every bias that need not wait for the state."""
        state: Tensor = self.bias_hh
        if self.kind == "gru":  # that of the candidate state is within the product with the reset gate
            state = nn.functional.pad(state[: 2 * self.hidden], (0, self.hidden))
        return nn.functional.linear(x, self.weight_ih, self.bias_ih + state)

    def step(self, given: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The state (B, H) after one more step; given (B, G·H): see `given`."""
        own = h @ self.weight_hh.mT
        if self.kind == "rnn":
            total = given + own
            return (total.tanh() if self.activation == "tanh" else total.relu()), c
        if self.kind == "gru":
            reset, update, new = given.chunk(3, -1)
            own_reset, own_update, own_new = own.chunk(3, -1)
            own_new = own_new + self.bias_hh[2 * self.hidden :]
            candidate = (new + (reset + own_reset).sigmoid() * own_new).tanh()
            return torch.lerp(candidate, h, (update + own_update).sigmoid()), c
        into, forget, cell, out = (given + own).chunk(4, -1)
        c = forget.sigmoid() * c + into.sigmoid() * cell.tanh()
        return out.sigmoid() * c.tanh(), c


class Ends(nn.Module):
    """The state at each direction's end: forward at the last real step, backward at the first."""

    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.bidirectional = bidirectional

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        at = (mask.sum(1) - 1).clamp_min(0)
        last = steps.gather(1, at[:, None, None].expand(-1, 1, steps.shape[2])).squeeze(1)
        if not self.bidirectional:
            return last
        half = steps.shape[2] // 2
        return torch.cat([last[:, :half], steps[:, 0, half:]], dim=-1)
