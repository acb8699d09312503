"""Recurrent cells as tensor operations, since PyTorch's own layers do not lift; these where nothing does.

Parameters are named, shaped and initialised as in `torch.nn.RNN`, `LSTM` and `GRU`, so that weights can be
copied over. B batch, T steps, W numbers a step, H hidden units, G gates.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from coterie.lifting.alone import at_once


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
        if x.device.type == "cpu" and x.dtype == self.weight_ih.dtype and not halved(x) and at_once():
            return self._fused(x, mask)
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

    def _fused(self, x: Tensor, mask: Tensor) -> Tensor:
        """The same to rounding, by PyTorch's own layer: an LSTM of 64 rows of 8 steps takes half as long.

        That knows no mask, so what it makes of padding is replaced. Backward it is given the real steps in
        reverse order: padding then comes last as well.
        """
        if bool(mask.all()):
            return self._run(x.flip(1)).flip(1) if self.backward else self._run(x)
        steps, length = torch.arange(x.shape[1]), mask.sum(1, keepdim=True)
        if self.backward:
            x = taken(x, (length - 1 - steps).clamp_min(0))
        # before the first step stands the state that a row without steps keeps
        made = nn.functional.pad(self._run(x), (0, 0, 1, 0))
        return taken(made, (length - steps).clamp_min(0) if self.backward else length.minimum(steps + 1))

    def _run(self, x: Tensor) -> Tensor:
        """PyTorch's layer of one direction: (B, T, W) → (B, T, H)."""
        plain = torch.rnn_tanh if self.activation == "tanh" else torch.rnn_relu
        run: Any = {"rnn": plain, "lstm": torch.lstm, "gru": torch.gru}[self.kind]
        start = x.new_zeros(1, len(x), self.hidden)
        begin = (start, start) if self.kind == "lstm" else start
        weights = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh]
        # with biases, one layer, no dropout; to be differentiated or not; in one direction, batch first
        made: Tensor = run(x, begin, weights, True, 1, 0.0, torch.is_grad_enabled(), False, True)[0]
        return made

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


def taken(x: Tensor, places: Tensor) -> Tensor:
    """Steps (B, S, D) of x (B, T, D) at places (B, S)."""
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))


def halved(x: Tensor) -> bool:
    """Whether products are computed in half precision."""
    return torch.is_autocast_enabled(x.device.type)


class Ends(nn.Module):
    """The state at each direction's end: forward at the last step, since it is kept over padding."""

    def __init__(self, bidirectional: bool) -> None:
        super().__init__()
        self.bidirectional = bidirectional

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        if not self.bidirectional:
            return steps[:, -1]
        half = steps.shape[2] // 2
        return torch.cat([steps[:, -1, :half], steps[:, 0, half:]], dim=-1)
