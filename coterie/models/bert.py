"""The Transformer's encoder, as BERT has it: every step looks at every other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.attention import Block, Positions
from coterie.models.family import SequenceFamily
from coterie.models.layers import Dropout
from coterie.models.masked import Masked, Texts
from coterie.models.network import Network
from coterie.models.output import Output
from coterie.models.shape import Shape
from coterie.models.steps import Mean, Steps
from coterie.models.unsupervised import Unlabelled
from coterie.spec import choice, flag, integer, linear, number, options

EPS = 1e-12
FEW = 12  # steps up to which members of attention gain as one program; longer texts fill a core by themselves


@dataclass(frozen=True)
class BERT(SequenceFamily):
    """Token and position vectors, blocks of self-attention, and the first token's state through a tanh.

    At width 768, depth 12, hidden 3072, 512 positions and a vocabulary of 30,522 it has BERT-base's
    109,482,240 parameters (with its pooler, post-norm). Sequences of numbers are read too: each step goes
    through an affine map, and the mean of all steps is the answer's source. Texts without a target are
    learned by filling gaps (`masked.py`), and what was learned starts a classifier (`--init`).

    Vaswani et al., "Attention is all you need", 2017; Devlin et al., "BERT", 2019.
    """

    name = "bert"
    title = "Transformer encoder (BERT)"
    source = "Vaswani et al. 2017; Devlin et al. 2019"
    tasks = (*SequenceFamily.tasks, "unsupervised")
    measures = ("masked_loss",)

    width: int = integer(64, low=1, high=65536, search=options(64, 32, 128), help="width of every step")
    depth: int = integer(2, low=1, high=128, search=options(2, 1, 3), help="blocks")
    heads: int = integer(4, low=1, high=256, help="heads of attention; they share the width")
    hidden: int = integer(0, low=0, high=262144, help="units between a block's affine layers; 0: 4 × width")
    dropout: float = number(
        0.1, low=0, high=0.95, switch=True, search=linear(0.02, 0.3), help="share dropped"
    )
    norm_first: bool = flag(True, help="normalise before each part; false: behind it, as the original")
    positions: str = choice("learned", ("learned", "sinusoidal"), help="how a step knows its place")
    longest: int = integer(1024, low=1, high=1 << 20, help="steps that have a learned place, at most")

    def __post_init__(self) -> None:
        super().__post_init__()
        fits(self.width, self.heads)

    def lifts(self, shape: Shape) -> bool:
        return steps_of(shape) <= FEW

    def token_width(self) -> int:
        return self.width

    def layers(self, width: int, each_step: bool) -> tuple[nn.Module, int]:
        return Encoder(self, width), self.width

    def pool(self, kind: str) -> nn.Module:
        return Pooler(self.width) if kind == "text" else Mean()

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        if task != "unsupervised":
            return super().network(shape, task, outputs)
        self._must_suit(shape, task)
        if not shape.tokens:
            raise SpecError(
                "Without a target bert learns from texts.",
                given=f"data of {' and '.join(shape.kinds) or 'nothing'}",
                fix="Name a target, or a family that learns rows without one, such as autoencoder.",
            )
        steps = Steps(shape, self.token_width())
        layers, width = self.layers(steps.width, each_step=False)
        body = Masked(steps, layers, width, shape.tokens[1])
        return Unlabelled(Texts(), body, Output(task, outputs), self.measures)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 4e-3 if task == "unsupervised" else 1e-3, "clip": 1.0}


class Encoder(nn.Module):
    """(x (B, T, W), mask (B, T)) → (B, T, D)."""

    def __init__(self, family: BERT, width: int) -> None:
        super().__init__()
        d, hidden = family.width, family.hidden or 4 * family.width
        self.project = nn.Linear(width, d) if width != d else nn.Identity()
        self.positions = Positions(family.positions, family.longest, d)
        self.types = nn.Parameter(torch.randn(2, d) * 0.02)  # all texts are of the first type
        self.norm = nn.LayerNorm(d, EPS)
        self.dropout = Dropout(family.dropout) if family.dropout else nn.Identity()
        blocks = [
            Block(d, family.heads, hidden, family.dropout, family.norm_first, eps=EPS)
            for _ in range(family.depth)
        ]
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.dropout(self.norm(self.positions(self.project(x)) + self.types[0]))
        for block in self.blocks:
            x = block(x, mask)
        return x


class Pooler(nn.Module):
    """The first token's state through an affine map and a tanh."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.affine = nn.Linear(width, width)

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        return self.affine(steps[:, 0]).tanh()


def steps_of(shape: Shape) -> int:
    """The most steps that `Steps` makes of what is read."""
    source = shape.sequence or shape.tokens
    if source:
        return source[0]
    return shape.image[1] if shape.image else len(shape.indicator)


def fits(width: int, heads: int) -> None:
    """Refuses heads that cannot share the width."""
    if width % heads:
        raise SpecError(
            "The width must be a multiple of the heads.",
            given=f"width={width} and heads={heads}",
            fix=f"For example: width={-(-width // heads) * heads}.",
        )
