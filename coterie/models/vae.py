"""The variational autoencoder: codes with a known distribution, so that rows can be drawn by drawing codes.

B batch, D numbers of a row, K codes, L classes of a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.coders import Coders
from coterie.models.draws import Draws
from coterie.models.layers import Keyed
from coterie.models.rows import Row
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.objectives.losses import squared
from coterie.objectives.players import ALONE, Player
from coterie.objectives.variational import (
    bernoulli_log_likelihood,
    gaussian_divergence,
    gaussian_log_likelihood,
    warm_up,
)
from coterie.spec import choice, flag, integer, number, options

PAIRS = 4  # of draws z and −z with which a bound is estimated
UNLABELLED = 0.1  # share of rows whose label is hidden in training, so that codes can be read without one
LEAST_DEVIATION = 1e-3  # of a decoder's noise, in the scaled numbers: else a constant column has no bound


@dataclass(frozen=True)
class VAE(UnsupervisedFamily, Coders):
    """A row is thought of as decoded from codes that are standard normal; an encoder guesses the codes.

    The encoder gives each row a normal distribution of codes. Trained is the evidence bound: the
    log-likelihood of the row under codes drawn from there, minus the divergence of that distribution from
    the standard normal one, which `beta` weighs (1 is the bound itself; more gives codes that vary one by
    one, less gives better reconstructions).

    Kingma & Welling, "Auto-encoding variational Bayes", 2014; Higgins et al., "β-VAE", 2017; Bowman et al.,
    2016 (warm-up); Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021 (a
    learned deviation); Sohn et al., 2015 (conditional).
    """

    name = "vae"
    title = "Variational autoencoder"
    source = "Kingma & Welling 2014"
    measures = ("evidence_bound", "reconstruction_error", "mmd")

    codes: int = integer(8, low=1, high=65536, search=options(8, 4, 16), help="numbers that a row comes from")
    likelihood: str = choice(
        "gaussian",
        ("gaussian", "bernoulli"),
        help="what the decoder says of each number: normal, or one of 0 and 1 (greys count as shares)",
    )
    deviation: str = choice(
        "shared",
        ("shared", "each", "one"),
        help="of a normal decoder's noise: learned for all numbers together, for each, or fixed at 1",
    )
    beta: float = number(1.0, low=0, help="weight of the divergence of the codes")
    warm_up: int = integer(0, low=0, stacked=True, help="steps in which that weight grows from 0")
    conditional: bool = flag(False, help="the decoder is told the row's class, and draws rows of a class")

    def scaled(self) -> str:
        return "unit" if self.likelihood == "bernoulli" else "standard"

    def body(self, row: Row) -> nn.Module:
        if self.conditional:
            row.require_classes()
        return VariationalBody(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 2e-3, "weight_decay": 1e-4, "epochs": 120}


class VariationalBody(Keyed):
    """Encoder (B, D) → means and log-variances (B, 2K); decoder (B, K), and the class → (B, D)."""

    players: tuple[Player, ...] = ALONE
    beta: Tensor
    warm_up: Tensor
    running_step: Tensor
    log_deviation: Tensor

    def __init__(self, family: VAE, row: Row) -> None:
        super().__init__()
        self.codes = family.codes
        self.classes = row.classes if family.conditional else 0
        self.encoder = family.encoder(row, 2 * family.codes)
        self.decoder = family.decoder(row, family.codes + self.classes)
        self.bernoulli = family.likelihood == "bernoulli"
        self.continuous = not self.bernoulli
        self.register_buffer("beta", torch.tensor(float(family.beta)))
        self.register_buffer("warm_up", torch.tensor(float(family.warm_up)))
        self.register_buffer("running_step", torch.zeros(()))
        start = torch.zeros(row.width if family.deviation == "each" else ())
        learned = not self.bernoulli and family.deviation != "one"
        if learned:
            self.log_deviation = nn.Parameter(start)
        else:
            self.register_buffer("log_deviation", start)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log-variances (B, K) of the codes of rows."""
        mean, log_variance = self.encoder(x).chunk(2, 1)
        return mean, log_variance.clamp(-20, 10)  # a wild start must not overflow

    def log_likelihood(self, x: Tensor, codes: Tensor, label: Tensor) -> Tensor:
        """(B,) log p(x | codes, class)."""
        made = self._decoded(codes, label)
        if self.bernoulli:
            return bernoulli_log_likelihood(x, made)
        return gaussian_log_likelihood(x, made, _floored(self.log_deviation))

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        mean, log_variance = self.posterior(x)
        draws = Draws(self.key, len(x), x.dtype, before=self.before)
        codes = mean + torch.exp(0.5 * log_variance) * draws.normal(0, self.codes)
        if self.classes:
            label = torch.where(draws.uniform(1) < UNLABELLED, -1, label)
        weight = self.beta * warm_up(self.running_step, self.warm_up)
        self.running_step = self.running_step + 1
        return weight * gaussian_divergence(mean, log_variance) - self.log_likelihood(x, codes, label)

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        mean, log_variance = self.posterior(x)
        draws = Draws.of_rows(torch.zeros_like(self.key), place, x.dtype)
        likelihood = torch.zeros_like(x[:, 0])
        for word in range(PAIRS):
            away = torch.exp(0.5 * log_variance) * draws.normal(word, self.codes)
            for codes in (mean + away, mean - away):
                likelihood = likelihood + self.log_likelihood(x, codes, label) / (2 * PAIRS)
        return {
            "evidence_bound": likelihood - gaussian_divergence(mean, log_variance),
            "reconstruction_error": squared(self._said(self._decoded(mean, label)), x),
        }

    def encode(self, x: Tensor) -> Tensor:
        """(B, K): the means of the codes."""
        return self.posterior(x)[0]

    def decode(self, codes: Tensor) -> Tensor:
        """(B, D): the means of the rows, of no class in particular."""
        return self._said(self._decoded(codes, None))

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        """(B, D): the decoder's means for codes drawn from the standard normal distribution."""
        return self._said(self._decoded(draws.normal(0, self.codes), label))

    def _decoded(self, codes: Tensor, label: Tensor | None) -> Tensor:
        if self.classes:
            if label is None:
                label = torch.full_like(codes[:, 0], -1, dtype=torch.int64)
            known = torch.arange(self.classes, device=codes.device) == label[:, None]
            codes = torch.cat([codes, known.to(codes.dtype)], 1)
        return self.decoder(codes)

    def _said(self, made: Tensor) -> Tensor:
        return torch.sigmoid(made) if self.bernoulli else made


def _floored(log_deviation: Tensor) -> Tensor:
    """A deviation that cannot fall below the least."""
    return torch.log(torch.exp(log_deviation) + LEAST_DEVIATION)
