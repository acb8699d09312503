"""Generative adversarial networks: one makes rows out of noise, the other learns to tell them from real ones.

B batch, D numbers of a row, K numbers of noise, L classes of a label.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from coterie.models.activations import ACTIVATIONS
from coterie.models.coders import Coders, Mirrored
from coterie.models.draws import Draws
from coterie.models.layers import Keyed
from coterie.models.rows import Row
from coterie.models.shape import Shape
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.objectives import adversarial
from coterie.objectives.players import Player
from coterie.spec import choice, flag, integer, log, number, options, widths

LEAK = 0.2  # slope of the discriminator's rectifiers below 0: it is to say "which way" wherever a row lies
NOISE, SHARE, BLUR_MADE, BLUR_REAL, CLASS = range(5)  # what is drawn in a step
# a game has no loss that falls: it is played to its end, at a rate that falls to 0
ADVICE = {"optimizer": "adam", "weight_decay": 0.0, "batch_size": 128, "patience": 0}


@dataclass(frozen=True)
class Adversarial(UnsupervisedFamily, Coders):
    """What the families of two players share: their networks, and the second player's own learning rates.

    The recipe's `lr`, `beta1` and `beta2` are the generator's. Both networks are dense for tables and
    convolutional for images, one the mirror image of the other, without normalisation by batch: a row is
    then judged by itself, which penalties on its slope need, and averaged weights stay consistent.
    """

    measures: ClassVar[tuple[str, ...]] = ("mmd",)
    lasts = 8000
    lengthy = True

    codes: int = integer(
        16,
        low=1,
        high=65536,
        search=options(16, 4, 64),
        help="numbers of noise to a row, at most as many as the row has itself",
    )
    hidden: tuple[int, ...] = widths(
        (128, 128),
        high=65536,
        search=options((128, 128), (64, 64), (256, 256)),
        help="units of the discriminator's dense layers; the generator has them in reverse",
    )
    channels: tuple[int, ...] = widths(
        (32, 64), high=4096, help="channels of the discriminator's convolutions; each halves the map"
    )
    activation: str = choice(
        "relu",
        tuple(ACTIVATIONS),
        help="what follows the generator's hidden layers; the discriminator has leaky rectifiers",
    )
    conditional: bool = flag(False, help="both are told the row's class, and rows of a class can be drawn")
    average: float = number(
        0.998,
        low=0,
        high=0.99999,
        help="share that the averaged generator, which makes the samples, keeps of itself at a step",
    )
    discriminator_lr: float = number(
        3e-3, low=0, high=100, search=log(5e-4, 1e-2), help="learning rate of the discriminator"
    )
    discriminator_beta1: float = number(
        0.5, low=0, high=0.99999, help="Adam, discriminator: pace of the mean gradient"
    )
    discriminator_beta2: float = number(
        0.99, low=0, high=0.999999, help="Adam, discriminator: pace of the mean squared gradient"
    )
    discriminator_steps: int = integer(
        1, low=1, high=1000, help="steps of the discriminator to one of the generator"
    )

    def body(self, row: Row) -> nn.Module:
        if self.conditional:
            row.require_classes()
        return self.game(row)

    def lifts(self, shape: Shape) -> bool:
        """Lifted convolutions are grouped ones, which gain on small maps alone."""
        if self.layers == "dense" or shape.kinds != ("image",) or shape.image is None:
            return True
        return math.prod(shape.image[1:]) <= 256

    @abstractmethod
    def game(self, row: Row) -> Game:
        """Both networks, and what each is to make small."""

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


@dataclass(frozen=True)
class GAN(Adversarial):
    """The discriminator says how probable it is that a row is real, and the generator is to deceive it.

    Against the best discriminator, the generator of least loss makes rows of the data's own distribution. To
    get there `penalty` keeps the discriminator flat at real rows. On images this is a DCGAN, but for batch
    normalisation. Samples come from an average of the generator over its last steps.

    Goodfellow et al., "Generative adversarial nets", 2014; Radford, Metz & Chintala, "Unsupervised
    representation learning with deep convolutional GANs", 2016; Mirza & Osindero, 2014, and Miyato & Koyama,
    "cGANs with projection discriminator", 2018 (conditional); Mescheder et al., 2018 (penalty); Yazici et
    al., "The unusual effectiveness of averaging in GAN training", 2019.
    """

    name = "gan"
    title = "Generative adversarial network"
    source = "Goodfellow et al. 2014; Radford, Metz & Chintala 2016"

    generator_loss: str = choice(
        "nonsaturating",
        ("nonsaturating", "minimax"),
        help="−log of what it hopes for, or log of what it fears",
    )
    penalty: float = number(
        0.01,
        low=0,
        switch=True,
        search=log(1e-3, 1.0),
        help="on the discriminator's squared slope at real rows",
    )
    smoothing: float = number(0.0, low=0, high=0.5, help="share of certainty taken from real rows' label")
    blur: float = number(
        0.0,
        low=0,
        switch=True,
        help="deviation of noise added to all that the discriminator sees, real or made",
    )

    def game(self, row: Row) -> Game:
        return Deception(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {**ADVICE, "lr": 3e-3, "beta1": 0.5, "beta2": 0.99}


@dataclass(frozen=True)
class WGAN(Adversarial):
    """The second player is a critic, whose mean difference between real and made rows measures how far apart
    they are: what it would cost to carry the ones to where the others lie.

    For that its slope must be 1 at most; `penalty` sees to it, at rows between real and made ones (10 in the
    paper, and 0.1 in its authors' code for points). Its loss tells how well training goes. In the paper the
    critic has five steps to one of the generator; with averaged weights one does, and training is shorter.

    Arjovsky, Chintala & Bottou, "Wasserstein generative adversarial networks", 2017; Gulrajani et al.,
    "Improved training of Wasserstein GANs", 2017; Yazici et al., 2019 (averaged weights).
    """

    name = "wgan"
    title = "Wasserstein GAN (gradient penalty)"
    source = "Arjovsky, Chintala & Bottou 2017; Gulrajani et al. 2017"

    penalty: float = number(
        0.03,
        low=0,
        search=log(0.03, 10.0),
        help="on slopes of the critic other than 1, at rows between real and made ones",
    )
    discriminator_lr: float = number(
        5e-3, low=0, high=100, search=log(5e-4, 1e-2), help="learning rate of the critic"
    )
    discriminator_beta1: float = number(
        0.0, low=0, high=0.99999, help="Adam, critic: pace of the mean gradient"
    )
    discriminator_beta2: float = number(
        0.99, low=0, high=0.999999, help="Adam, critic: pace of the mean squared gradient"
    )
    discriminator_steps: int = integer(
        1, low=1, high=1000, search=options(1, 2, 5), help="steps of the critic to one of the generator"
    )

    def game(self, row: Row) -> Game:
        return Transport(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {**ADVICE, "lr": 5e-3, "beta1": 0.0, "beta2": 0.99}


class Game(Keyed):
    """Generator (B, K) → (B, D), discriminator (B, D) → (B,), and the average of the former's weights."""

    average: Tensor
    low: Tensor
    high: Tensor
    running_steps: Tensor

    def __init__(self, family: Adversarial, row: Row) -> None:
        super().__init__()
        # the discriminator is last, and so it is its loss that a person sees
        self.players = (Player("generator", family.discriminator_steps), Player("discriminator"))
        # more noise than there are numbers to be made of it only has to be folded away again
        self.codes, self.width = min(family.codes, row.width), row.width
        self.classes = row.classes if family.conditional else 0
        self.generator = family.decoder(row, self.codes + self.classes)
        self.discriminator = family.encoder(row, 1 + self.classes)
        self.discriminator.activation = nn.LeakyReLU(LEAK)
        for layer in self.discriminator.affine:
            assert isinstance(layer, nn.Linear)
            _start(layer, layer.in_features, layer is self.discriminator.affine[-1])
        for mirrored in self.generator.layers:
            assert isinstance(mirrored, Mirrored)
            _start(mirrored, mirrored.inputs_each, mirrored is self.generator.layers[-1])
        self.register_buffer("average", torch.tensor(float(family.average)))
        self.register_buffer("running_steps", torch.zeros(()))
        self.averaged = {name: "running_" + name.replace(".", "_") for name in self._weights()}
        for name, weight in self._weights().items():
            self.register_buffer(self.averaged[name], weight.detach().clone())
        self.fits = row.image is not None
        if self.fits:  # pixels have a least and a largest value
            self.register_buffer("low", torch.zeros(row.width))
            self.register_buffer("high", torch.ones(row.width))

    def fit(self, x: Tensor, label: Tensor) -> None:
        """The range of each pixel, which no sample leaves."""
        self.low, self.high = x.amin(0), x.amax(0)

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        draws = Draws(self.key, len(x), x.dtype, before=self.before)
        noise = draws.normal(NOISE, self.codes)
        if player == "generator":
            self._follow()
            return self.generator_loss(self.made(noise, label), label, draws)
        return self.discriminator_loss(x, self.made(noise, label).detach(), label, draws)

    def generator_loss(self, made: Tensor, label: Tensor, draws: Draws) -> Tensor:
        """Of each row that it made, (B, D) → (B,)."""
        raise NotImplementedError

    def discriminator_loss(self, x: Tensor, made: Tensor, label: Tensor, draws: Draws) -> Tensor:
        """Of each real row and one that was made, (B, D) both → (B,)."""
        raise NotImplementedError

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {}  # a row alone says nothing of a game: samples are compared with all of them

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        """(B, D) rows of the averaged generator, of the classes label (B,) if it is conditional."""
        weights = {name: getattr(self, own) for name, own in self.averaged.items()}
        if self.classes:  # of any class where none is asked for: it was trained on no row without one
            label = torch.where(label < 0, (draws.uniform(CLASS) * self.classes).long(), label)
        return self.made(draws.normal(NOISE, self.codes), label, weights)

    def realness(self, x: Tensor, label: Tensor) -> Tensor:
        """(B,): how real the discriminator takes rows (B, D) to be: a logit, or a critic's value."""
        found = self.discriminator(x)
        # one number for any class, and one more for each (Miyato & Koyama's projection)
        return found[:, 0] + (found[:, 1:] * self._hot(label, x.dtype)).sum(1)

    def belief(self, x: Tensor, label: Tensor) -> Tensor:
        """(B,): the same as a person is told it over training: D(x), a critic's value or a probability."""
        return self.realness(x, label)

    def made(self, noise: Tensor, label: Tensor, weights: dict[str, Tensor] | None = None) -> Tensor:
        """(B, D) rows out of noise (B, K)."""
        inputs = torch.cat([noise, self._hot(label, noise.dtype)], 1)
        rows = self.generator(inputs) if weights is None else functional_call(self.generator, weights, inputs)
        return self.low + (self.high - self.low) * torch.sigmoid(rows) if self.fits else rows

    def _follow(self) -> None:
        """One step of the averaged weights; at first they look back over a tenth of the steps so far."""
        self.running_steps = self.running_steps + 1
        pace = torch.maximum(1 - self.average, 10 / (9 + self.running_steps))
        for name, weight in self._weights().items():
            own = self.averaged[name]
            setattr(self, own, torch.lerp(getattr(self, own), weight.detach(), pace))

    def _weights(self) -> dict[str, Tensor]:
        return dict(self.generator.named_parameters())

    def _hot(self, label: Tensor, dtype: torch.dtype) -> Tensor:
        """(B, L) of 0 and 1; all 0 where the class is unknown, L = 0 if nothing is told."""
        return (label[:, None] == torch.arange(self.classes, device=label.device)).to(dtype)


def _start(layer: nn.Module, inputs: float, last: bool) -> None:
    """Biases that spread: with those of 0 all bends of a dense network go through the centre at first, and it
    is blind to what lies around. The last layer starts small, so that neither player begins with convictions.
    """
    for tensor in (layer.bias, layer.weight) if last else (layer.bias,):
        assert isinstance(tensor, Tensor)
        nn.init.uniform_(tensor, -(inputs**-0.5), inputs**-0.5)


class Deception(Game):
    """The game of `GAN`."""

    smoothing: Tensor
    penalty: Tensor
    blur: Tensor

    def __init__(self, family: GAN, row: Row) -> None:
        super().__init__(family, row)
        self.deceive = {"nonsaturating": adversarial.nonsaturating, "minimax": adversarial.minimax}[
            family.generator_loss
        ]
        self.penalised, self.blurred = family.penalty > 0, family.blur > 0
        self.register_buffer("smoothing", torch.tensor(float(family.smoothing)))
        self.register_buffer("penalty", torch.tensor(float(family.penalty)))
        self.register_buffer("blur", torch.tensor(float(family.blur)))

    def belief(self, x: Tensor, label: Tensor) -> Tensor:
        return self.realness(x, label).sigmoid()

    def generator_loss(self, made: Tensor, label: Tensor, draws: Draws) -> Tensor:
        return self.deceive(self.realness(self._blurred(made, draws, BLUR_MADE), label))

    def discriminator_loss(self, x: Tensor, made: Tensor, label: Tensor, draws: Draws) -> Tensor:
        x, made = self._blurred(x, draws, BLUR_REAL), self._blurred(made, draws, BLUR_MADE)
        real, fake = self.realness(x, label), self.realness(made, label)
        loss = adversarial.discriminator(real, fake, self.smoothing)
        if self.penalised:
            slope = adversarial.squared_slope(lambda rows: self.realness(rows, label), x)
            loss = loss + self.penalty * adversarial.zero_centred(slope)
        return loss

    def _blurred(self, rows: Tensor, draws: Draws, word: int) -> Tensor:
        return rows + self.blur * draws.normal(word, self.width) if self.blurred else rows


class Transport(Game):
    """The game of `WGAN`."""

    penalty: Tensor

    def __init__(self, family: WGAN, row: Row) -> None:
        super().__init__(family, row)
        self.register_buffer("penalty", torch.tensor(float(family.penalty)))

    def generator_loss(self, made: Tensor, label: Tensor, draws: Draws) -> Tensor:
        return adversarial.wasserstein(self.realness(made, label))

    def discriminator_loss(self, x: Tensor, made: Tensor, label: Tensor, draws: Draws) -> Tensor:
        places = adversarial.between(x, made, draws.uniform(SHARE))
        slope = adversarial.squared_slope(lambda rows: self.realness(rows, label), places)
        loss = adversarial.critic(self.realness(x, label), self.realness(made, label))
        return loss + self.penalty * adversarial.two_sided(slope)
