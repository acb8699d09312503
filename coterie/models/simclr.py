"""SimCLR: a network that finds a row's other view among the views of other rows.

What it learns is what views of a row have in common and other rows have not. Its layers are those of a
supervised family, and start one (`--init`).

B batch, N rows, D numbers of a row, R reference rows, F features, K numbers of a projection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.augmentation import AugmentImages, ImageAugmentation, coloured, erased, moved, noisy
from coterie.models.cnn import CNN
from coterie.models.draws import Draws
from coterie.models.family import Family, ImageFamily
from coterie.models.layers import Keyed, Masked
from coterie.models.mlp import MLP, Block
from coterie.models.resnet import ResNet
from coterie.models.rows import Row
from coterie.models.shape import Shape
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.objectives.contrastive import found_among, nt_xent
from coterie.objectives.players import ALONE
from coterie.spec import choice, integer, log, number, options, widths

KEPT = 128, 1 << 20  # reference rows, and numbers of them together, at most
BETWEEN = 256  # units between features and projection
FIRST, SECOND, OTHERS = range(3)  # keys of the views by which rows are judged
WHICH, FROM = range(2)  # words of what a corrupted row draws


@dataclass(frozen=True)
class SimCLR(UnsupervisedFamily, ImageAugmentation):
    """Two views of every row, and a loss that draws them together and all others apart.

    Views of images are augmentations, so that what these change is not learned and what they leave is: turn
    on what makes no difference to you (mirrored digits are others, mirrored cats are not). The last map is
    averaged over its places, as in the paper: where something stands is not to matter. Of other rows one
    view is the row itself, the other has a share of its numbers replaced by those of other rows. Features
    are what lies before the projection, on which the loss is: the projection forgets too much.

    It is judged by the loss on two views that depend on the row alone, against views of the same training
    rows always, so that the score of a row is the same in whatever batch it comes. Scores compare networks
    of one setting: with harder views or another temperature the loss is of something else.

    Chen et al., "A simple framework for contrastive learning of visual representations", 2020; tables: Bahri
    et al., "SCARF: self-supervised contrastive learning using random feature corruption", 2022.
    """

    name = "simclr"
    title = "Contrastive learning (SimCLR)"
    source = "Chen, Kornblith, Norouzi & Hinton 2020; Bahri et al. 2022"
    measures = ("contrastive_loss",)

    backbone: str = choice("cnn", ("cnn", "resnet"), help="the family whose layers learn, for images")
    channels: tuple[int, ...] = widths(
        (16, 32, 64), high=4096, search=options((16, 32, 64), (32, 64, 128)), help="of a cnn's stages"
    )
    end: str = choice("mean", ("mean", "flatten"), help="of a cnn: the last map averaged, or every place")
    depth: str = choice("8", ("8", "20", "32", "18"), help="of a resnet: layers with weights")
    hidden: tuple[int, ...] = widths(
        (128, 128), high=65536, help="units of each layer, for rows that are no images"
    )
    projection: int = integer(64, low=1, high=65536, help="numbers on which views are compared")
    temperature: float = number(
        0.2, low=0, high=10, above=True, search=log(0.1, 1), help="below 1, near neighbours count more"
    )
    corrupt: float = number(
        0.6, low=0, high=1, help="share of numbers replaced in a view of rows that are no images"
    )
    rotate: float = number(15.0, low=0, high=180, switch=True, help="most that images turn, in degrees")
    shift: float = number(
        0.15, low=0, high=1, switch=True, help="most that images move, as a share of a side"
    )
    zoom: float = number(
        0.2, low=0, high=4, switch=True, help="most that sizes change: 0.25 is from 1/1.25 to 1.25 times"
    )
    erase: float = number(
        0.3, low=0, high=0.9, switch=True, help="most of an image that a rectangle covers, as a share"
    )
    noise: float = number(
        0.3, low=0, high=10, switch=True, help="normal noise on pixels, in their standard deviations"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mixup or self.cutmix:
            raise SpecError(
                "A view is of one row alone.",
                given=f"mixup={self.mixup:g} and cutmix={self.cutmix:g}",
                fix="Leave both at 0.",
            )

    def lifts(self, shape: Shape) -> bool:
        return shape.kinds != ("image",) or CNN().lifts(shape)

    def supervised(self, image: bool) -> Family:
        """The family whose layers these are, and which can start from them."""
        if not image:
            return MLP(hidden=self.hidden, categories="onehot", impute="mean")
        if self.backbone == "resnet":
            return ResNet(depth=self.depth)
        return CNN(channels=self.channels, end=self.end)

    def body(self, row: Row) -> nn.Module:
        return ImageContrast(self, row) if row.image else RowContrast(self, row)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        # many rows in a batch, as the others are what a row is told apart from
        return {"lr": 3e-3, "batch_size": 128, "epochs": 120, "weight_decay": 1e-4, "patience": 0}


class Contrast(Masked):
    """What all rows share: a projection, the loss, and training rows to be told apart from in judging."""

    players = ALONE
    fits = True
    temperature: Tensor
    reference: Tensor

    def __init__(self, family: SimCLR, row: Row, features: int) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(features, BETWEEN), nn.ReLU(), nn.Linear(BETWEEN, family.projection)
        )
        self.register_buffer("temperature", torch.tensor(float(family.temperature)))
        kept = max(8, min(KEPT[0], KEPT[1] // max(1, row.width)))
        self.register_buffer("reference", torch.zeros(kept, row.width))

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Keeps training rows of x (N, D), evenly spaced; some twice where there are too few."""
        kept = len(self.reference)
        self.reference.copy_(x[torch.arange(kept) * len(x) // kept])

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        first, second = (self.project(self.encode(view)) for view in self.views(x))
        return nt_xent(first, second, self.temperature, self.present.expand(len(first)))

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        there = torch.arange(len(self.reference), device=x.device)
        views = [
            self.view(x, place, FIRST),
            self.view(x, place, SECOND),
            self.view(self.reference, there, OTHERS),
        ]
        first, second, others = (self.project(self.encode(view)) for view in views)
        return {"contrastive_loss": found_among(first, second, others, self.temperature)}

    def encode(self, x: Tensor) -> Tensor:
        """Features (B, F)."""
        raise NotImplementedError

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Two views (B, D) of each row for this step."""
        raise NotImplementedError

    def view(self, x: Tensor, place: Tensor, key: int) -> Tensor:
        """The view (B, D) of each row by its number alone."""
        raise NotImplementedError


class ImageContrast(Contrast):
    """Images under a family's own layers, named as in a network of that family; views by augmentation."""

    def __init__(self, family: SimCLR, row: Row) -> None:
        assert row.image is not None
        backbone = family.supervised(image=True)
        assert isinstance(backbone, ImageFamily)
        layers, features = replace(backbone, **_undropped(backbone)).layers(row.image)
        super().__init__(family, row, features)
        self.layers = layers
        self.image = row.image
        augment = family.augment(row.image)
        on = augment.on if isinstance(augment, AugmentImages) else ()
        strengths = {name: float(getattr(family, name)) for name in on}
        self.first, self.second = View(strengths), View(strengths)

    def encode(self, x: Tensor) -> Tensor:
        return self.layers(x.view(len(x), *self.image))

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        image = x.view(len(x), *self.image)
        first, second = (
            view.of(image, Draws(view.key, len(x), x.dtype, before=view.before)).flatten(1)
            for view in (self.first, self.second)
        )
        return first, second

    def view(self, x: Tensor, place: Tensor, key: int) -> Tensor:
        draws = Draws.of_rows(torch.full_like(self.first.key, key), place, x.dtype)
        return self.first.of(x.view(len(x), *self.image), draws).flatten(1)


class View(AugmentImages):
    """An augmentation that is a view in evaluation too, drawn as it is told."""

    def of(self, image: Tensor, draws: Draws) -> Tensor:
        """(B, C, H, W) → the same."""
        on: dict[str, Tensor] = {name: getattr(self, name) for name in self.on}
        return noisy(erased(coloured(moved(image, on, draws), on, draws), on, draws), on, draws)


class RowContrast(Contrast):
    """Other rows under the hidden layers of an `mlp`, named as there; one view has numbers of other rows."""

    def __init__(self, family: SimCLR, row: Row) -> None:
        super().__init__(family, row, family.hidden[-1])
        sizes = (row.width, *family.hidden)
        backbone = family.supervised(image=False)
        assert isinstance(backbone, MLP)
        plain = replace(backbone, dropout=0.0)
        self.hidden = nn.Sequential(*[Block(a, b, plain) for a, b in pairwise(sizes)])
        self.other = Corrupted(family.corrupt)

    def encode(self, x: Tensor) -> Tensor:
        return self.hidden(x)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        draws = Draws(self.other.key, len(x), x.dtype, before=self.other.before)
        return x, self.other(x, self.reference, draws)

    def view(self, x: Tensor, place: Tensor, key: int) -> Tensor:
        if key != SECOND:
            return x
        return self.other(x, self.reference, Draws.of_rows(torch.zeros_like(self.other.key), place, x.dtype))


class Corrupted(Keyed):
    """Rows (B, D) with a share of their numbers replaced, each by that of a training row of its own.

    So what stands there is always likely of its column, and what is lost is how columns go together.
    """

    share: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.register_buffer("share", torch.tensor(float(share)))

    def forward(self, x: Tensor, reference: Tensor, draws: Draws) -> Tensor:
        """reference: (R, D)."""
        rows = (draws.each(FROM, x.shape[1]) * len(reference)).long()
        return torch.where(draws.each(WHICH, x.shape[1]) < self.share, reference.gather(0, rows), x)


def _undropped(backbone: ImageFamily) -> dict[str, Any]:
    """Views are noise enough: the layers without dropout, which has no weights."""
    return {"dropout": 0.0} if isinstance(backbone, CNN) else {}
