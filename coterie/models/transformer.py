"""The Transformer as it was first published: an encoder that reads and a decoder that writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.attention import Block, Positions
from coterie.models.bert import FEW, fits, steps_of
from coterie.models.decoding import decode, started
from coterie.models.family import Family
from coterie.models.layers import Dropout
from coterie.models.network import Network
from coterie.models.seq2seq import writer
from coterie.models.shape import Shape
from coterie.models.steps import Steps
from coterie.spec import choice, flag, integer, linear, number, options


@dataclass(frozen=True)
class Transformer(Family):
    """Blocks of self-attention read the source; blocks that also look at what was read write the answer.

    Each written token looks at those before it alone (a causal mask). When it writes, keys and values of
    earlier tokens are kept.

    Vaswani et al., "Attention is all you need", 2017.
    """

    name = "transformer"
    title = "Transformer encoder–decoder"
    source = "Vaswani et al. 2017"
    reads = ("text", "sequence", "image", "table")
    tasks = ("text",)

    width: int = integer(64, low=1, high=65536, search=options(64, 128), help="width of every step")
    depth: int = integer(2, low=1, high=128, search=options(2, 3), help="blocks of encoder and of decoder")
    heads: int = integer(4, low=1, high=256, help="heads of attention; they share the width")
    hidden: int = integer(0, low=0, high=262144, help="units between a block's affine layers; 0: 4 × width")
    dropout: float = number(
        0.0, low=0, high=0.95, switch=True, search=linear(0.02, 0.3), help="share dropped"
    )
    norm_first: bool = flag(True, help="normalise before each part; false: behind it, as the original")
    positions: str = choice("learned", ("learned", "sinusoidal"), help="how a step knows its place")
    longest: int = integer(1024, low=1, high=1 << 20, help="steps that have a learned place, at most")

    def __post_init__(self) -> None:
        super().__post_init__()
        fits(self.width, self.heads)

    def lifts(self, shape: Shape) -> bool:
        return steps_of(shape) + (shape.answer[0] if shape.answer else 0) <= FEW

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        steps = _longer(shape)
        if self.positions == "learned" and steps > self.longest:
            raise SpecError(
                "Every step must have a learned place.",
                given=f"{steps} steps and longest={self.longest}",
                fix=f"Use --fix longest={steps}, or positions=sinusoidal.",
            )
        return writer(self, shape, task, outputs, EncoderDecoder)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 2e-3, "clip": 1.0, "beta2": 0.98, "weight_decay": 1e-3}


class EncoderDecoder(nn.Module):
    """{the source, "answer": (B, T + 1)} → logits (B, T, V) of the answer's tokens 1 … T."""

    def __init__(self, family: Transformer, read: Shape, answer: tuple[int, int]) -> None:
        super().__init__()
        self.longest, vocabulary = answer
        d, hidden = family.width, family.hidden or 4 * family.width

        def blocks(cross: bool) -> nn.ModuleList:
            return nn.ModuleList(
                Block(d, family.heads, hidden, family.dropout, family.norm_first, cross=cross)
                for _ in range(family.depth)
            )

        def norm() -> nn.Module:
            return nn.LayerNorm(d) if family.norm_first else nn.Identity()

        self.steps = Steps(read, d)
        self.project = nn.Linear(self.steps.width, d) if self.steps.width != d else nn.Identity()
        self.places = Positions(family.positions, family.longest, d)
        self.encoder, self.encoder_norm = blocks(cross=False), norm()
        self.words = nn.Embedding(vocabulary, d)
        nn.init.normal_(self.words.weight, std=0.02)
        self.word_places = Positions(family.positions, family.longest, d)
        self.decoder, self.decoder_norm = blocks(cross=True), norm()
        self.dropout = Dropout(family.dropout) if family.dropout else nn.Identity()
        self.head = nn.Linear(d, vocabulary)

    def encode(self, prepared: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What was read (B, S, D), and its mask (B, S)."""
        x, mask = self.steps(prepared)
        x = self.dropout(self.places(self.project(x)))
        for block in self.encoder:
            x = block(x, mask)
        return self.encoder_norm(x), mask

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        memory, mask = self.encode(prepared)
        x = self.dropout(self.word_places(self.words(prepared["answer"][:, :-1])))
        for block in self.decoder:
            x = block(x, causal=True, memory=memory, memory_mask=mask)
        return self.decoder_norm(x)

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(prepared))

    def attention(self, prepared: dict[str, Tensor]) -> Tensor:
        """(B, T, S): how much each written token looked at each step of the source, the mean of all heads
        of the last block."""
        memory, mask = self.encode(prepared)
        x = self.word_places(self.words(prepared["answer"][:, :-1]))
        for block in self.decoder[:-1]:
            x = block(x, causal=True, memory=memory, memory_mask=mask)
        last = self.decoder[-1]
        assert isinstance(last, Block)
        return last.looks(x, memory, mask)

    def write(self, prepared: dict[str, Tensor], **how: Any) -> Tensor:
        memory, mask = self.encode(prepared)

        def step(tokens: Tensor, kept: Any) -> tuple[Tensor, Any]:
            start = kept[0][0].shape[2] if kept else 0
            x, now = self.word_places(self.words(tokens), start), []
            for place, block in enumerate(self.decoder):
                assert isinstance(block, Block)
                x, own = block.continued(x, kept[place] if kept else None, memory, mask)
                now.append(own)
            return self.head(self.decoder_norm(x)), now

        return decode(step, started(len(memory), memory.device), self.longest, **how)


def _longer(shape: Shape) -> int:
    """Steps of the source or of the answer, whichever has more."""
    return max(steps_of(shape), shape.answer[0] if shape.answer else 0)
