"""The output layer: probabilities that are some, and values in the target's own unit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.models.output import Output

raws = st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=3, max_size=3)
quick = settings(max_examples=200, deadline=None)


@quick
@given(raw=raws, task=st.sampled_from(["binary", "multiclass", "multilabel"]))
def test_probabilities_are_probabilities_at_any_size(raw: list[float], task: str) -> None:
    given_raw = torch.tensor(raw)[:, None] if task == "binary" else torch.tensor([raw])
    outputs = 2 if task == "binary" else 3
    out = Output(task, outputs)(given_raw)
    assert out.shape == (len(given_raw), outputs)
    assert out.isfinite().all()
    assert ((out >= 0) & (out <= 1)).all()
    if task != "multilabel":
        torch.testing.assert_close(out.sum(-1), torch.ones(len(given_raw)))


def test_the_positive_class_is_second_and_small_probabilities_are_not_lost() -> None:
    out = Output("binary", 2)(torch.tensor([[40.0], [-40.0], [0.0]]))
    assert out[0, 1] > 0.99
    assert 0 < out[0, 0] < 1e-16  # 1 − p would be 0
    assert 0 < out[1, 1] < 1e-16
    assert torch.equal(out[2], torch.tensor([0.5, 0.5]))


def test_multiclass_and_multilabel_are_softmax_and_sigmoids() -> None:
    raw = torch.randn(5, 4)
    torch.testing.assert_close(Output("multiclass", 4)(raw), raw.exp() / raw.exp().sum(1, keepdim=True))
    torch.testing.assert_close(Output("multilabel", 4)(raw), 1 / (1 + (-raw).exp()))


def test_values_go_to_their_unit_and_back() -> None:
    target = torch.randn(50, 3) * torch.tensor([1e-6, 1.0, 1e9]) + torch.tensor([1e-5, 5.0, -3e9])
    output = Output("regression", 3)
    output.fit(target)
    standard = output.standardise(target)
    torch.testing.assert_close(standard.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(output(standard), target, rtol=1e-5, atol=1e-10)
    torch.testing.assert_close(output(torch.zeros(1, 3))[0], target.double().mean(0).float())


@pytest.mark.parametrize("value", [0.0, 3.0, -1e30, 1e-38])
def test_a_constant_target_has_unit_scale(value: float) -> None:
    output = Output("regression", 1)
    output.fit(torch.full((4, 1), value))
    assert output.scale.item() == 1.0
    assert output(torch.zeros(1, 1)).item() == pytest.approx(value)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_classes_have_nothing_to_fit(task: str) -> None:
    output = Output(task, 2)
    output.fit(torch.ones(3))
    assert not output.state_dict()
