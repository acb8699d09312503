"""Recurrent layers against PyTorch's own, with weights copied over and lengths packed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from coterie.models.cells import Recurrence
from coterie.models.recurrent import GRU, LSTM, RNN, Stack

B, T, W, H = 5, 7, 3, 4
LENGTHS = torch.tensor([7, 1, 4, 7, 2])
MASK = torch.arange(T) < LENGTHS[:, None]
KINDS = [(RNN, nn.RNN), (LSTM, nn.LSTM), (GRU, nn.GRU)]


@pytest.fixture(params=[True, False], ids=["fused", "written"])
def fused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PyTorch's fused kernel, as for a group of one, and as it is lifted."""
    if not request.param:
        monkeypatch.setattr("coterie.models.cells.at_once", lambda: False)


@pytest.mark.usefixtures("fused")
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("family", "theirs"), KINDS, ids=["rnn", "lstm", "gru"])
def test_values_and_gradients_are_pytorchs(family: type, theirs: type, bidirectional: bool) -> None:
    torch.manual_seed(0)
    own = Stack(family(hidden=H, depth=2, bidirectional=bidirectional), W).double()
    other = theirs(W, H, 2, batch_first=True, bidirectional=bidirectional).double()
    for layer, ways in enumerate(own.layers):
        for way, end in zip(ways, ("", "_reverse"), strict=False):
            for name, parameter in way.named_parameters():
                getattr(other, f"{name}_l{layer}{end}").data.copy_(parameter.data)
    x = torch.randn(B, T, W, dtype=torch.float64, requires_grad=True)
    packed = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    wanted, _ = nn.utils.rnn.pad_packed_sequence(other(packed)[0], batch_first=True)
    got = own(x, MASK)
    real = MASK[..., None]
    torch.testing.assert_close(got * real, wanted * real, rtol=1e-9, atol=1e-12)
    weight = torch.randn(*got.shape, dtype=torch.float64) * real
    mine = torch.autograd.grad((got * weight).sum(), [x, *own.parameters()])
    (their_x,) = torch.autograd.grad((wanted * weight).sum(), [x], retain_graph=True)
    torch.testing.assert_close(mine[0], their_x, rtol=1e-9, atol=1e-12)
    first = other.weight_hh_l0
    (theirs_first,) = torch.autograd.grad((wanted * weight).sum(), [first])
    place = [n for n, _ in own.named_parameters()].index("layers.0.0.weight_hh")
    torch.testing.assert_close(mine[1 + place], theirs_first, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_alone_is_as_lifted(
    backward: bool, kind: str, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every step, padding and rows without steps too, and with no padding at all."""
    torch.manual_seed(0)
    layer = Recurrence(kind, W, H, backward, activation).double()
    x, none, weight = torch.randn(B, T, W).double(), MASK.clone(), torch.randn(B, T, H).double()
    none[1] = False
    for mask in (none, torch.ones_like(MASK)):
        found = []
        for at_once in (True, False):
            monkeypatch.setattr("coterie.models.cells.at_once", lambda at_once=at_once: at_once)
            made = layer(x, mask)
            found.append([made, *torch.autograd.grad((made * weight).sum(), list(layer.parameters()))])
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("family", "_"), KINDS, ids=["rnn", "lstm", "gru"])
def test_padding_and_rows_without_steps(family: type, _: type) -> None:
    torch.manual_seed(0)
    for bidirectional in (False, True):
        made = family(hidden=H, bidirectional=bidirectional)
        stack, pool = Stack(made, W), made.pool("sequence")
        x, mask = torch.randn(B, T, W), MASK.clone()
        mask[1] = False

        def answer(x: Tensor, mask: Tensor, stack: nn.Module = stack, pool: nn.Module = pool) -> Tensor:
            return pool(stack(x, mask), mask)

        short = answer(x, mask)
        longer = answer(nn.functional.pad(x, (0, 0, 0, 3), value=9.0), nn.functional.pad(mask, (0, 3)))
        torch.testing.assert_close(short, longer)
        assert short.isfinite().all()
        torch.testing.assert_close(short[2:3], answer(x[2:3, :4], mask[2:3, :4]))


def test_the_forget_gate_begins_by_remembering() -> None:
    torch.manual_seed(0)
    usual = LSTM(forget_bias=0.0, hidden=H).recurrence(W, False)
    torch.manual_seed(0)
    keeps = LSTM(forget_bias=2.0, hidden=H).recurrence(W, False)
    added = torch.tensor([0.0] * H + [2.0] * H + [0.0] * 2 * H)
    torch.testing.assert_close(keeps.bias_ih - usual.bias_ih, added)


def test_the_states_own_matrices_are_orthogonal() -> None:
    for gate in GRU(hidden=H).recurrence(W, False).weight_hh.chunk(3):
        torch.testing.assert_close(gate @ gate.T, torch.eye(H), rtol=1e-5, atol=1e-6)
