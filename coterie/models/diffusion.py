"""Denoising diffusion: a network that guesses the noise in a noisy row, and rows made by taking it away.

B batch, D numbers of a row, E width of what the network is told, P parameters of the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from coterie.models.draws import Draws
from coterie.models.layers import Keyed
from coterie.models.rows import Row
from coterie.models.shape import Shape
from coterie.models.unet import UNet
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.objectives import diffusing
from coterie.objectives.players import ALONE, Player
from coterie.spec import choice, flag, integer, log, number, options, widths

TIME, NOISE, DROP = range(3)  # what a step of training draws, each by its own word


@dataclass(frozen=True)
class Diffusion(UnsupervisedFamily):
    """Rows are drowned in noise, step by step; a network learns to say what the noise was. From noise alone
    it then makes new rows, taking away a little of what it sees at a time.

    The network is a perceptron with residual blocks for points and tables, a U-Net for images. Where rows
    have a label it is told which, except for a share of them: so it makes rows of a class as well as of none,
    and `guidance` tells the difference between the two and exaggerates it. Rows are made, and judged, by an
    exponential average of the weights.

    Members are chosen by how well they guess the noise in rows that are held out: this is less a matter of
    chance than a comparison of samples is, costs less, and copies of the training rows do not please it. With
    few steps ddim's rows lie a little too close together, most of all where they vary least.

    Ho, Jain & Abbeel, "Denoising diffusion probabilistic models", 2020; Song, Meng & Ermon, "Denoising
    diffusion implicit models", 2021; Lu et al., "DPM-Solver++", 2022; Ho & Salimans, "Classifier-free
    diffusion guidance", 2022.
    """

    name = "diffusion"
    title = "Denoising diffusion"
    source = "Ho, Jain & Abbeel 2020; Song, Meng & Ermon 2021"
    measures = ("denoising_error", "mmd")
    lengthy = True

    noise_schedule: str = choice(
        "cosine",
        diffusing.SCHEDULES,
        search=options(*diffusing.SCHEDULES),
        help="how the share of noise grows with the steps",
    )
    steps: int = integer(500, low=2, high=10_000, help="steps from a row to noise")
    sampler: str = choice(
        "ddpm",
        diffusing.SAMPLERS,
        help="how rows are made: ddpm draws at every step, ddim only once, dpm also looks ahead",
    )
    sampling_steps: int = integer(
        50, low=1, high=10_000, help="strides in which rows are made, at most `steps`"
    )
    conditional: bool = flag(True, help="tell the network the label, where rows have one")
    drop: float = number(0.15, low=0, high=1, help="share of rows whose label it is not told, in training")
    guidance: float = number(
        0.0, low=0, high=100, switch=True, help="how far a class's rows are pushed from those of no class"
    )
    width: int = integer(
        128, low=1, high=65536, search=options(128, 256), help="of the blocks for points and tables"
    )
    depth: int = integer(3, low=1, high=100, help="blocks for points and tables")
    waves: int = integer(
        4, low=0, high=16, help="for points and tables: waves of each number, each half as long as the last"
    )
    channels: tuple[int, ...] = widths(
        (24, 48), high=4096, search=options((24, 48), (32, 64)), help="for images: channels of each map"
    )
    attention: bool = flag(True, help="for images: places of the smallest map look at each other")
    average: float = number(
        0.999, low=0, high=0.999999, search=log(0.99, 0.9999), help="pace of the average of the weights"
    )

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 2e-3, "weight_decay": 0.0, "epochs": 60, "patience": 0, "batch_size": 32}

    def lifts(self, shape: Shape) -> bool:
        """Not of images: many convolutions of few channels are slower lifted, on the smallest maps too."""
        return not (shape.kinds == ("image",) and shape.image)

    def body(self, row: Row) -> nn.Module:
        return DiffusionBody(self, row)


class DiffusionBody(Keyed):
    """What guesses the noise, how that is learned, and what is made with it."""

    players: tuple[Player, ...] = ALONE
    fits = True

    low: Tensor
    high: Tensor
    left: Tensor  # ᾱ of every step
    common: Tensor  # how many rows are of this class or one before, as a share
    drop: Tensor
    guidance: Tensor
    pace: Tensor
    running_average: Tensor
    running_steps: Tensor

    def __init__(self, family: Diffusion, row: Row) -> None:
        super().__init__()
        self.width = row.width
        self.classes = row.classes if family.conditional else 0
        self.shares = diffusing.shares(family.noise_schedule, family.steps)
        self.stops = diffusing.stops(self.shares, family.sampling_steps)
        self.sampler = family.sampler
        self.guides = family.guidance > 0 and self.classes > 0
        self.denoiser = Denoiser(family, row, self.classes)
        for name in ("drop", "guidance"):
            self.register_buffer(name, torch.tensor(float(getattr(family, name))))
        self.register_buffer("pace", torch.tensor(float(family.average)))
        for name, bound in (("low", -math.inf), ("high", math.inf)):
            self.register_buffer(name, torch.full((row.width,), bound))
        self.register_buffer("common", torch.zeros(self.classes))
        # by step, where steps are computed: a tensor made of these anew would be waited for
        self.register_buffer("left", torch.tensor(self.shares, dtype=torch.float64))
        start = torch.cat([p.detach().flatten() for p in self.denoiser.parameters()])
        self.register_buffer("running_average", start)
        self.register_buffer("running_steps", torch.zeros(()))

    # ---- learning --------------------------------------------------------------------------------------

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Notes each number's mean and bounds in the training rows (N, D), and how common each label is."""
        self.low.copy_(x.min(0).values)
        self.high.copy_(x.max(0).values)
        self.denoiser.center.copy_(x.mean(0))
        counts = torch.bincount(label + 1, minlength=self.classes + 1)[1 : self.classes + 1]
        self.common.copy_(counts.cumsum(0) / counts.sum().clamp_min(1))

    def losses(self, x: Tensor, label: Tensor, player: str = "") -> Tensor:
        """The error of the noise that is guessed in each row (B,), noised at a time of its own."""
        draws = Draws(self.key, len(x), x.dtype, before=self.before)
        start = Draws(self.key, 1, x.dtype).uniform(TIME)[0]
        time = diffusing.spread_times(start, len(x), len(self.shares), self.before)
        share = self.left.to(x.dtype)[time]
        noise = draws.normal(NOISE, self.width)
        told = torch.where(draws.uniform(DROP) < self.drop, -1, label)
        guess = self.denoiser(diffusing.noised(x, noise, share[:, None]), share, told)
        self._follow()
        return diffusing.noise_error(noise, guess)

    def _follow(self) -> None:
        """Moves the average on; it looks back over a tenth of the steps so far, until `pace` is reached."""
        now = torch.cat([p.detach().flatten() for p in self.denoiser.parameters()])
        pace = torch.minimum(self.pace, self.running_steps / (self.running_steps + 10))
        self.running_average = torch.lerp(now, self.running_average, pace.to(now.dtype))
        self.running_steps = self.running_steps + 1

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        """Of each row (B,), how well noise is guessed in it.

        The noises are the row's own, and as strong whatever the schedule: so members of different schedules
        can be compared.
        """
        draws = Draws.of_rows(torch.zeros((), dtype=torch.int64, device=x.device), place, x.dtype)
        errors = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for level, share in enumerate(diffusing.JUDGED):
            noise = draws.normal(level, self.width)
            guess = self._guess(diffusing.noised(x, noise, share), share, label)
            errors = errors + diffusing.noise_error(noise, guess)
        return {"denoising_error": errors / len(diffusing.JUDGED)}

    # ---- making ----------------------------------------------------------------------------------------

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        """New rows (B, D); label (B,) int64: the class that each shall be of, −1: of any.

        Then a class is drawn, as common as it is in the training rows, and all numbers keep within theirs.
        """
        for x in self._states(draws, label):
            made = x
        return made

    def chain(self, draws: Draws, label: Tensor, shown: int) -> Tensor:
        """How the rows of `sample` come about: (shown, B, D), evenly apart from noise alone to the rows."""
        last = len(self.stops) - 1
        wanted = [round(i * last / max(1, shown - 1)) for i in range(shown)]
        states = {i: x for i, x in enumerate(self._states(draws, label)) if i in wanted}
        return torch.stack([states[i] for i in wanted])

    def _states(self, draws: Draws, label: Tensor) -> Iterator[Tensor]:
        """The rows (B, D) at every stop of the sampler, from noise alone to what is made."""
        drawn = (draws.uniform(0)[:, None] > self.common).sum(1)  # of no class where none is known
        label = torch.where(label < 0, drawn, label)
        left = [(1.0, *self.shares)[stop] for stop in self.stops]
        start = diffusing.ddim_start(left) if self.sampler == "ddim" else 1.0
        x = start * draws.normal(1, self.width)
        yield x
        earlier = x
        for i, (share, next_share) in enumerate(pairwise(left)):
            with torch.no_grad():
                row = diffusing.clean(x, self._guided(x, share, label), share)
                row = torch.minimum(torch.maximum(row, self.low), self.high)
                if self.sampler == "ddpm":
                    x = diffusing.ddpm_step(x, row, share, next_share, draws.normal(2 + i, self.width))
                elif self.sampler == "dpm" and 0 < i < len(left) - 2:
                    ahead = diffusing.extrapolated(row, earlier, (left[i - 1], share, next_share))
                    x = diffusing.ddim_step(x, ahead, share, next_share)
                else:
                    x = diffusing.ddim_step(x, row, share, next_share)
                earlier = row
            yield x

    def _guided(self, x: Tensor, share: float, label: Tensor) -> Tensor:
        given = self._guess(x, share, label)
        if not self.guides:
            return given
        return diffusing.guided(given, self._guess(x, share, torch.full_like(label, -1)), self.guidance)

    def _guess(self, x: Tensor, share: float, label: Tensor) -> Tensor:
        """The noise in x (B, D) as the average of the weights sees it."""
        named = list(self.denoiser.named_parameters())
        parts = self.running_average.to(x.dtype).split([p.numel() for _, p in named])
        weights = {name: part.view(p.shape) for (name, p), part in zip(named, parts, strict=True)}
        told = torch.full(x.shape[:1], share, dtype=x.dtype, device=x.device), label
        return functional_call(self.denoiser, weights, (x, *told), tie_weights=False)


class Denoiser(nn.Module):
    """Noisy rows (B, D), the share ᾱ (B,) that is left of them, and labels (B,) → the noise (B, D).

    It is told the share and not the number of the step, so that it means the same in every schedule. Of rows
    with deviation 1 in every direction the best guess is √(1−ᾱ)·(x − √ᾱ·m), m being their mean; the network
    within adds, times ᾱ, what is to be known beyond that, nothing before training. So the row that a guess
    amounts to is m where all is noise, whatever the network says, although nothing is to be learned there.
    """

    center: Tensor

    def __init__(self, family: Diffusion, row: Row, classes: int) -> None:
        super().__init__()
        self.image, self.classes = row.image, classes
        waves = 32
        told = 4 * family.channels[0] if row.image else family.width
        self.level = nn.Sequential(nn.Linear(waves, told), nn.SiLU(), nn.Linear(told, told))
        self.waves = waves // 2
        self.label = nn.Embedding(classes + 1, told) if classes else None  # the last: of any class
        self.register_buffer("center", torch.zeros(row.width))
        self.inner = (
            UNet(row.image, family.channels, told, family.attention)
            if row.image
            else Perceptron(row.width, family.width, family.depth, told, family.waves)
        )

    def forward(self, x: Tensor, share: Tensor, label: Tensor) -> Tensor:
        ratio = torch.log(share) - torch.log1p(-share)  # of signal to noise
        place = torch.arange(self.waves, dtype=x.dtype, device=x.device)
        angle = ratio[:, None] * (0.05 * 64 ** (place / (self.waves - 1)))
        told = self.level(torch.cat([angle.sin(), angle.cos()], 1))
        if self.label is not None:
            told = told + self.label(torch.where(label < 0, self.classes, label))
        shaped = x.unflatten(1, self.image) if self.image else x
        beyond = self.inner(shaped, F.silu(told)).flatten(1)
        share = share[:, None]
        return (1 - share).sqrt() * (x - share.sqrt() * self.center) + share * beyond


class Perceptron(nn.Module):
    """Residual blocks that are told the same thing each: (B, D), (B, E) → (B, D), 0 before training.

    Beside the numbers they are given sines and cosines of them, with which fine structure is learned sooner
    (Tancik et al., "Fourier features let networks learn high frequency functions", 2020).
    """

    def __init__(self, numbers: int, width: int, depth: int, told: int, waves: int) -> None:
        super().__init__()
        self.waves = waves
        self.first = nn.Linear(numbers * (1 + 2 * waves), width)
        self.inner = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.told = nn.ModuleList([nn.Linear(told, width) for _ in range(depth)])
        self.outer = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.last = nn.Linear(width, numbers)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        angles = [2**wave * x for wave in range(self.waves)]
        x = self.first(torch.cat([x, *map(torch.sin, angles), *map(torch.cos, angles)], 1))
        for inner, tells, outer in zip(self.inner, self.told, self.outer, strict=True):
            x = x + outer(F.silu(inner(F.silu(x)) + tells(told)))
        return self.last(F.silu(x))
