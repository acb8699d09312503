"""The Transformer's decoder, as GPT has it: each token foretold from those before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.attention import Block, Kept, Positions
from coterie.models.bert import FEW, fits
from coterie.models.decoding import decode
from coterie.models.family import Family
from coterie.models.layers import Dropout
from coterie.models.network import Network, Writer
from coterie.models.output import Output
from coterie.models.preparation import prepare_for
from coterie.models.shape import Shape
from coterie.spec import integer, linear, number, options


@dataclass(frozen=True)
class GPT(Family):
    """Token and position vectors, blocks of causal self-attention; the output layer is the token table.

    It learns to write: its target is the text itself, one token ahead. With a vocabulary of 50,257, 1,024
    positions, width 768 and depth 12 it has GPT-2 small's 124,439,808 parameters.

    Radford et al., "Language models are unsupervised multitask learners" (GPT-2), 2019.
    """

    name = "gpt"
    title = "Transformer decoder (GPT)"
    source = "Radford et al. 2018, 2019"
    reads = ("text",)
    tasks = ("text",)

    width: int = integer(64, low=1, high=65536, search=options(64, 128), help="width of every step")
    depth: int = integer(2, low=1, high=128, search=options(2, 3), help="blocks")
    heads: int = integer(4, low=1, high=256, help="heads of attention; they share the width")
    hidden: int = integer(0, low=0, high=262144, help="units between a block's affine layers; 0: 4 × width")
    dropout: float = number(
        0.0, low=0, high=0.95, switch=True, search=linear(0.02, 0.3), help="share dropped"
    )
    context: int = integer(1024, low=1, high=1 << 20, help="tokens that have a place, at most")

    def __post_init__(self) -> None:
        super().__post_init__()
        fits(self.width, self.heads)

    def lifts(self, shape: Shape) -> bool:
        return shape.answer is not None and shape.answer[0] <= FEW

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        if task != "text" or shape.kinds != ("text",) or shape.tokens or not shape.answer:
            raise SpecError(
                "The family gpt learns to continue one text.",
                given=f"{task} from {' and '.join(shape.kinds) or 'nothing'}",
                fix="Keep the text column alone, as the target, or choose seq2seq, transformer, bert or bag.",
            )
        if shape.answer[0] > self.context:
            raise SpecError(
                "A text must fit into the context.",
                given=f"{shape.answer[0]} tokens and context={self.context}",
                fix=f"Use --longest {self.context}, or --fix context={shape.answer[0]}.",
            )
        body = Decoder(self, shape.answer)
        return Writer(prepare_for(shape), body, Output(task, outputs, each_step=True))

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 2e-3, "clip": 1.0, "beta2": 0.95}


class Decoder(nn.Module):
    """{"answer": (B, T + 1) tokens} → logits (B, T, V) of the tokens 1 … T."""

    def __init__(self, family: GPT, answer: tuple[int, int]) -> None:
        super().__init__()
        self.longest, vocabulary = answer
        d, hidden = family.width, family.hidden or 4 * family.width
        self.context = family.context
        self.tokens = nn.Embedding(vocabulary, d)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.positions = Positions("learned", family.context, d)
        self.dropout = Dropout(family.dropout) if family.dropout else nn.Identity()
        drop, kind = family.dropout, "gelu_tanh"
        blocks = [Block(d, family.heads, hidden, drop, activation=kind) for _ in range(family.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(d)
        for block in self.blocks:
            for name, parameter in block.named_parameters():
                if name.endswith("weight") and parameter.ndim == 2:
                    last = name in ("attention.out.weight", "feed.2.weight")
                    nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * family.depth) if last else 0.02)
                elif name.endswith("bias"):
                    nn.init.zeros_(parameter)

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        answer = prepared["answer"]
        x = self.dropout(self.positions(self.tokens(answer[:, :-1])))
        for block in self.blocks:
            x = block(x, causal=True)
        return self.norm(x)

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return nn.functional.linear(self.features(prepared), self.tokens.weight)

    def step(self, tokens: Tensor, kept: list[Kept] | None) -> tuple[Tensor, list[Kept]]:
        """Logits (B, t, V) behind t more tokens (B, t), after what was kept of others."""
        start = kept[0][0].shape[2] if kept else 0
        x, now = self.positions(self.tokens(tokens), start), []
        for place, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            x, own = block.continued(x, kept[place] if kept else None)
            now.append(own)
        return nn.functional.linear(self.norm(x), self.tokens.weight), now

    def write(self, prepared: dict[str, Tensor], longest: int = 0, **how: Any) -> Tensor:
        """Goes on from the beginnings (B, t) in "answer", which start with the start token: (B, T)."""
        begun = prepared["answer"]
        return decode(self._advance, begun, longest or self.longest, **how)

    def _advance(self, tokens: Tensor, memory: Any) -> tuple[Tensor, Any]:
        """`step` for texts longer than those it has learned from, whose places alone have a meaning: memory
        is all tokens so far, and what was kept."""
        reach = min(self.context, max(1, self.longest - 1))
        whole = tokens if memory is None else torch.cat([memory[0], tokens], dim=1)
        kept = None if memory is None else memory[1]
        if kept is not None and kept[0][0].shape[2] + tokens.shape[1] <= reach:
            logits, kept = self.step(tokens, kept)
        else:
            half = whole[:, (-reach // 2) :] if whole.shape[1] > reach else whole
            logits, kept = self.step(half, None)
        return logits, (whole, kept)
