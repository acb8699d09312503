"""Autoencoders: networks that are to say again what they read, through codes that make it hard.

What makes it hard tells them apart: few codes, and nothing curved (`linear_autoencoder`) or something
(`autoencoder`); noise on what is read (`denoising_autoencoder`); codes that are seldom on
(`sparse_autoencoder`).

B batch, N rows, D numbers of a row, K codes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.coders import Coders, Decoder, Encoder
from coterie.models.draws import Draws
from coterie.models.layers import Keyed, Masked
from coterie.models.rows import Row
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.objectives.losses import squared
from coterie.objectives.players import ALONE, Player
from coterie.objectives.variational import absolute_activity, activity_divergence, mean_activity
from coterie.spec import choice, flag, integer, number

SCALINGS = ("standard", "common", "unit")
SCALING_HELP = "standard: every column (an image's channel) alike; common: centred only; unit: into 0 to 1"


@dataclass(frozen=True)
class Autoencoder(UnsupervisedFamily, Coders):
    """An encoder to a few codes and a decoder back, trained on the squared error of what comes back.

    Rumelhart, Hinton & Williams, 1986 (the encoder problem); Hinton & Salakhutdinov, "Reducing the
    dimensionality of data with neural networks", 2006.
    """

    name = "autoencoder"
    title = "Autoencoder"
    source = "Hinton & Salakhutdinov 2006"
    measures = ("reconstruction_error",)

    codes: int = integer(8, low=1, high=65536, help="numbers that a row is reduced to")
    tied: bool = flag(False, help="the decoder has the encoder's weights, transposed")
    scaling: str = choice("standard", SCALINGS, help=SCALING_HELP)

    def scaled(self) -> str:
        return self.scaling

    def body(self, row: Row) -> nn.Module:
        return Autoencoding(*self.coders(row, self.codes, self.tied))

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 3e-3, "weight_decay": 1e-4, "epochs": 120}


@dataclass(frozen=True)
class LinearAutoencoder(UnsupervisedFamily):
    """Affine to a few codes and affine back: principal component analysis, as a network.

    The least squared error that such a network can have is that of the principal components, and every
    other minimum has the same subspace. `exact` sets it there by eigenvectors, codes along the components
    in order, and training leaves it; `gradient` shows that a network finds its way there from anywhere
    (without the order: any basis of the subspace is as good). With scaling=common components are those of
    the data in its own units, with scaling=standard those of the correlations.

    Pearson, 1901; Baldi & Hornik, "Neural networks and principal component analysis", 1989.
    """

    name = "linear_autoencoder"
    title = "Linear autoencoder (PCA)"
    source = "Pearson 1901; Baldi & Hornik 1989"
    measures = ("reconstruction_error",)

    codes: int = integer(8, low=1, high=65536, help="numbers that a row is reduced to")
    solution: str = choice("exact", ("exact", "gradient"), help="by eigenvectors, or learned")
    tied: bool = flag(False, help="the decoder has the encoder's weights, transposed")
    scaling: str = choice("standard", SCALINGS, help=SCALING_HELP)

    def scaled(self) -> str:
        return self.scaling

    def body(self, row: Row) -> nn.Module:
        return LinearAutoencoding(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 2e-2, "weight_decay": 0.0, "epochs": 120}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ()  # however it gets there, the solution is the same

    def settles(self) -> dict[str, Any]:
        return {"epochs": 1} if self.solution == "exact" else {}  # no pass moves the eigenvectors


@dataclass(frozen=True)
class DenoisingAutoencoder(UnsupervisedFamily, Coders):
    """An autoencoder that reads a spoiled row and is to say the clean one.

    So it cannot merely copy, and may have many codes. It is judged on rows spoiled in the same way, always
    by the same noise.

    Vincent et al., "Extracting and composing robust features with denoising autoencoders", 2008.
    """

    name = "denoising_autoencoder"
    title = "Denoising autoencoder"
    source = "Vincent, Larochelle, Bengio & Manzagol 2008"
    measures = ("denoising_error", "reconstruction_error")

    codes: int = integer(32, low=1, high=65536, help="numbers that a row is reduced to")
    noise: str = choice(
        "gaussian",
        ("gaussian", "masking", "salt_and_pepper"),
        help="normal noise; numbers that become 0, the mean; numbers that become their lowest or highest",
    )
    amount: float = number(
        0.5, low=0, high=10, help="of noise: its deviation in the numbers' own, or a share of the numbers"
    )
    tied: bool = flag(False, help="the decoder has the encoder's weights, transposed")
    scaling: str = choice("standard", SCALINGS, help=SCALING_HELP)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise != "gaussian" and self.amount > 1:
            raise SpecError(
                f"With {self.noise} noise, amount is a share of the numbers, at most 1.",
                given=f"amount={self.amount:g}",
                fix="For example: amount=0.3.",
            )

    def scaled(self) -> str:
        return self.scaling

    def body(self, row: Row) -> nn.Module:
        return Denoising(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 3e-3, "weight_decay": 1e-4, "epochs": 120}


@dataclass(frozen=True)
class SparseAutoencoder(UnsupervisedFamily, Coders):
    """An autoencoder with many codes between 0 and 1 (or above 0), of which few are on at a time.

    `kl` draws the mean activity of every code over rows to `target`; `l1` charges for every activity, and
    there are as many as are worth it.

    Olshausen & Field, 1996 (sparse coding); Ng, "Sparse autoencoder", 2011.
    """

    name = "sparse_autoencoder"
    title = "Sparse autoencoder"
    source = "Olshausen & Field 1996; Ng 2011"
    measures = ("reconstruction_error",)

    codes: int = integer(64, low=1, high=65536, help="numbers that a row becomes, more than are on at once")
    penalty: str = choice("kl", ("kl", "l1"), help="mean activity drawn to a target, or every activity dear")
    target: float = number(0.05, low=0, high=0.9, above=True, help="mean activity of every code, for kl")
    weight: float = number(3.0, low=0, help="of the penalty beside the squared error")
    tied: bool = flag(False, help="the decoder has the encoder's weights, transposed")
    scaling: str = choice("standard", SCALINGS, help=SCALING_HELP)

    def scaled(self) -> str:
        return self.scaling

    def body(self, row: Row) -> nn.Module:
        return Sparse(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 3e-3, "weight_decay": 1e-4, "epochs": 120}


class Autoencoding(nn.Module):
    """Encoder and decoder, and the squared error between what goes in and what comes out."""

    players: tuple[Player, ...] = ALONE

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, codes: Tensor) -> Tensor:
        return self.decoder(codes, self.encoder.weights() if self.decoder.tied else None)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        return squared(self.reconstruct(x), x)

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {"reconstruction_error": squared(self.reconstruct(x), x)}


class Denoising(Autoencoding):
    """An autoencoder that is given a spoiled row in training, and is compared with the clean one."""

    def __init__(self, family: DenoisingAutoencoder, row: Row) -> None:
        super().__init__(*family.coders(row, family.codes, family.tied))
        self.spoil = Spoiled(family.noise, family.amount, row)
        self.fits = family.noise == "salt_and_pepper"

    def fit(self, x: Tensor, label: Tensor) -> None:
        self.spoil.fit(x)

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        spoiled = self.spoil(x, Draws(self.spoil.key, len(x), x.dtype, before=self.spoil.before))
        return squared(self.reconstruct(spoiled), x)

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        spoiled = self.spoil(x, Draws.of_rows(torch.zeros_like(self.spoil.key), place, x.dtype))
        return {
            "denoising_error": squared(self.reconstruct(spoiled), x),
            "reconstruction_error": squared(self.reconstruct(x), x),
        }


class Spoiled(Keyed):
    """Rows (B, D) → the same with noise; what is drawn is given.

    low, high (D,): the least and the greatest of the training rows, of a column or of an image's channel.
    """

    amount: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, kind: str, amount: float, row: Row) -> None:
        super().__init__()
        self.kind, self.image = kind, row.image
        self.register_buffer("amount", torch.tensor(float(amount)))
        self.register_buffer("low", torch.zeros(row.width))
        self.register_buffer("high", torch.ones(row.width))

    def fit(self, x: Tensor) -> None:
        for buffer, ends in ((self.low, x.amin(0)), (self.high, x.amax(0))):
            if self.image is not None:
                channel = ends.view(self.image[0], -1)
                end = channel.amin(1) if buffer is self.low else channel.amax(1)
                ends = end[:, None].expand_as(channel).flatten()
            buffer.copy_(ends)

    def forward(self, x: Tensor, draws: Draws) -> Tensor:
        if self.kind == "gaussian":
            return x + self.amount * draws.normal(0, x.shape[1])
        u = draws.each(0, x.shape[1])
        if self.kind == "masking":
            return torch.where(u < self.amount, 0.0, x)
        x = torch.where(u < self.amount / 2, self.low, x)
        return torch.where(u > 1 - self.amount / 2, self.high, x)


class Sparse(Autoencoding, Masked):
    """An autoencoder whose codes are activities: between 0 and 1 for `kl`, from 0 upwards for `l1`."""

    target: Tensor
    weight: Tensor

    def __init__(self, family: SparseAutoencoder, row: Row) -> None:
        super().__init__(*family.coders(row, family.codes, family.tied))
        self.penalty = family.penalty
        self.activity = nn.Sigmoid() if family.penalty == "kl" else nn.ReLU()
        self.register_buffer("target", torch.tensor(float(family.target)))
        self.register_buffer("weight", torch.tensor(float(family.weight)))

    def encode(self, x: Tensor) -> Tensor:
        return self.activity(self.encoder(x))

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        activity = self.encode(x)
        if self.penalty == "kl":
            present = self.present.to(x.dtype).expand(len(x))
            dear = activity_divergence(mean_activity(activity, present), self.target)
        else:
            dear = absolute_activity(activity)
        return squared(self.decode(activity), x) + self.weight * dear


class LinearAutoencoding(nn.Module):
    """Codes W(x − c) and back Vᵀ·codes + c, with c the mean of the training rows; W and V (K, D).

    For `exact` both are the principal axes, and stay so; else they start near 0, where each direction is
    found by itself, those of most variance first (Baldi & Hornik: there is no false minimum on the way).
    """

    players: tuple[Player, ...] = ALONE
    fits = True
    center: Tensor

    def __init__(self, family: LinearAutoencoder, row: Row) -> None:
        super().__init__()
        self.exact, self.tied = family.solution == "exact", family.tied
        self.register_buffer("center", torch.zeros(row.width))
        start = 0.15 / math.sqrt(row.width)
        self.reads = nn.Parameter(start * torch.randn(family.codes, row.width))
        if not self.tied:
            self.writes = nn.Parameter(start * torch.randn(family.codes, row.width))

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Takes the mean of training rows (N, D), and their principal axes for `exact`."""
        center, axes = principal(x, len(self.reads))
        self.center.copy_(center)
        if self.exact:
            for weight in self.parameters():
                weight.copy_(axes)

    def encode(self, x: Tensor) -> Tensor:
        return (x - self.center) @ self.reads.T

    def decode(self, codes: Tensor) -> Tensor:
        return codes @ (self.reads if self.tied else self.writes) + self.center

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        error = squared(self.reconstruct(x), x)
        return error.detach() + 0 * error if self.exact else error  # a batch alone would draw it away

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {"reconstruction_error": squared(self.reconstruct(x), x)}


def principal(x: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """The mean (D,) of rows (N, D) and their principal axes (K, D), unit vectors, most variance first.

    By eigenvectors of the smaller of the two products of the centred rows, in double precision. The largest
    number of an axis is positive. Axes beyond the rank are 0.
    """
    rows = x.double()
    center = rows.mean(0)
    rows = rows - center
    count, width = rows.shape
    values, vectors = torch.linalg.eigh(rows.T @ rows if width <= count else rows @ rows.T)
    values, vectors = values.flip(0)[:components], vectors.flip(1)[:, :components]
    real = values > 1e-12 * values[:1].clamp_min(1e-300)
    if width > count:
        vectors = rows.T @ (vectors / torch.where(real, values, 1.0).sqrt())
    axes = torch.where(real, vectors, 0.0).T
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    axes = torch.where(largest < 0, -axes, axes)
    full = axes.new_zeros(components, width)
    full[: len(axes)] = axes
    return center.to(x.dtype), full.to(x.dtype)
