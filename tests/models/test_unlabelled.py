"""What follows from a family's measures: bits for each number of a row, and what a second player believes."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from coterie.metrics.unsupervised import MEASURES
from coterie.models.draws import Draws
from coterie.models.output import Output
from coterie.models.rows import Rows
from coterie.models.shape import Shape
from coterie.models.unsupervised import Unlabelled, with_bits


class Standard(nn.Module):
    """A standard normal density; it samples zeros, and believes in the sum of a row."""

    continuous = True

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {"log_likelihood": -0.5 * (x.square() + math.log(2 * math.pi)).sum(1)}

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        return torch.zeros(len(label), 3, dtype=torch.float64)

    def belief(self, x: Tensor, label: Tensor) -> Tensor:
        return x.sum(1)


def raw(name: str, output: Tensor) -> Tensor:
    return output[:, MEASURES.index(name)]


def test_bits_are_nats_of_a_number_in_the_unit_of_the_data():
    rng = np.random.default_rng(0)
    numbers = torch.from_numpy(rng.normal(100, 40, (50, 3)))
    shape = Shape((False,) * 3, (), 0)
    prepare = Rows(shape, "standard").double()
    inputs = {"numeric": numbers, "category": torch.zeros(50, 0, dtype=torch.int64)}
    inputs |= {"label": torch.full((50,), -1), "place": torch.arange(50)}
    prepare.fit(inputs)
    network = Unlabelled(prepare, Standard(), Output("unsupervised", 0), ("log_likelihood", "mmd"))
    output = network(inputs)
    nats = torch.distributions.Normal(prepare.center, prepare.scale).log_prob(numbers)
    torch.testing.assert_close(raw("log_likelihood", output), nats.sum(1))
    torch.testing.assert_close(raw("bits_per_dimension", output), -nats.mean(1) / math.log(2))
    torch.testing.assert_close(raw("bits_per_dimension", network.raw(inputs)), -nats.mean(1) / math.log(2))
    torch.testing.assert_close(raw("realness", output), network.vectors(inputs).sum(1))
    assert (raw("sample_realness", output) == 0).all()
    assert raw("sample_realness", network.raw(inputs)).isnan().all()


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"log_likelihood": -8 * math.log(2), "evidence_bound": -99.0}, 2.0),
        ({"evidence_bound": -4 * math.log(2)}, 1.0),
        ({"pseudo_likelihood": -4.0}, None),
    ],
)
def test_an_exact_likelihood_comes_before_a_bound(found, wanted):
    said = with_bits(found, 4)
    assert said.get("bits_per_dimension") == (None if wanted is None else pytest.approx(wanted))
    assert found.items() <= said.items()
