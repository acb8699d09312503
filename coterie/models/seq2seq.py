"""Sequence to sequence: a recurrent encoder reads, a recurrent decoder writes, attention looks back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.errors import SpecError
from coterie.models.cells import Ends, Recurrence
from coterie.models.decoding import decode, started
from coterie.models.family import Family
from coterie.models.layers import Dropout, Keyed
from coterie.models.network import Network, Writer
from coterie.models.output import Output
from coterie.models.preparation import prepare_for
from coterie.models.shape import Shape
from coterie.models.steps import Steps
from coterie.randomness import keep_mask
from coterie.spec import choice, flag, integer, number, options

State = tuple[Tensor, Tensor, Tensor]  # h and c (B, H), and the last context (B, D)


@dataclass(frozen=True)
class Seq2Seq(Family):
    """An LSTM or GRU reads the source; its end is the beginning of another that writes, word by word.

    attention: none, all that is known of the source is in that one state (Sutskever, Vinyals & Le, 2014);
    additive, each word first looks at the source's states by a small network of the last state (Bahdanau,
    Cho & Bengio, 2015); dot, it looks behind the new state by products (Luong, Pham & Manning, 2015).
    In training the decoder hears the true last word (teacher forcing), or, at a share `own_words` of
    the steps, its own (scheduled sampling; Bengio et al., 2015). The source may be a text, a sequence, an
    image's rows, or the numbers of a table's row.
    """

    name = "seq2seq"
    title = "Recurrent encoder–decoder"
    source = "Sutskever, Vinyals & Le 2014; Bahdanau, Cho & Bengio 2015"
    reads = ("text", "sequence", "image", "table")
    tasks = ("text",)

    cell: str = choice("gru", ("gru", "lstm"), help="of encoder and decoder")
    attention: str = choice("additive", ("additive", "dot", "none"), help="how the decoder looks back")
    hidden: int = integer(64, low=1, high=65536, search=options(64, 128), help="units of the states")
    embedding: int = integer(32, low=1, high=65536, help="width of learned token vectors")
    bidirectional: bool = flag(True, help="read the source from the end as well")
    dropout: float = number(0.0, low=0, high=0.95, switch=True, help="share dropped of token vectors")
    own_words: float = number(
        0.0, low=0, high=1, switch=True, help="share of steps that hear the own last word, not the true one"
    )

    def network(self, shape: Shape, task: str, outputs: int) -> Network:
        return writer(self, shape, task, outputs, EncoderDecoder)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 5e-3, "clip": 1.0, "weight_decay": 0.0}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


def writer(family: Any, shape: Shape, task: str, outputs: int, body: Any) -> Writer:
    """The network of a family that reads one thing and writes a text."""
    read = dataclasses.replace(shape, answer=None)
    if task in family.tasks and (shape.answer is None or not read.kinds):
        raise SpecError(
            f"The family {family.name} learns to write one text from another, or from whatever is given.",
            given=f"{task} from {' and '.join(read.kinds) or 'nothing'}",
            fix="Name a text column as the target beside a column to read; for one text alone choose gpt.",
        )
    family._must_suit(read, task)
    assert shape.answer is not None
    return Writer(prepare_for(shape), body(family, read, shape.answer), Output(task, outputs, each_step=True))


class EncoderDecoder(nn.Module):
    """{the source, "answer": (B, T + 1)} → logits (B, T, V) of the answer's tokens 1 … T."""

    def __init__(self, family: Seq2Seq, read: Shape, answer: tuple[int, int]) -> None:
        super().__init__()
        self.longest, vocabulary = answer
        self.kind, hidden = family.attention, family.hidden
        self.steps = Steps(read, family.embedding)
        ways = (False, True) if family.bidirectional else (False,)
        made = [Recurrence(family.cell, self.steps.width, hidden, back, orthogonal=True) for back in ways]
        self.encoder = nn.ModuleList(made)
        self.ends, seen = Ends(family.bidirectional), hidden * len(ways)
        self.begin = nn.Linear(seen, hidden)
        self.words = nn.Embedding(vocabulary, family.embedding)
        self.dropout = Dropout(family.dropout) if family.dropout else nn.Identity()
        given = family.embedding + (seen if self.kind == "additive" else 0)
        self.decoder = Recurrence(family.cell, given, hidden, orthogonal=True)
        if self.kind == "additive":
            self.look_from, self.look_at = nn.Linear(hidden, hidden), nn.Linear(seen, hidden, bias=False)
            self.look = nn.Linear(hidden, 1, bias=False)
        elif self.kind == "dot":
            self.look_at = nn.Linear(seen, hidden, bias=False)
        looks = self.kind != "none"
        self.readout = nn.Linear(hidden + (seen if looks else 0) + family.embedding, hidden)
        self.head = nn.Linear(hidden, vocabulary)
        self.mixing = OwnWords(family.own_words) if family.own_words else None

    def encode(self, prepared: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, State]:
        """Source states (B, S, D), what is looked at of them, their mask, and the decoder's first state."""
        x, mask = self.steps(prepared)
        states = torch.cat([way(self.dropout(x), mask) for way in self.encoder], dim=-1)
        first = self.begin(self.ends(states, mask)).tanh()
        keys = self.look_at(states) if self.kind != "none" else states
        return states, keys, mask, (first, torch.zeros_like(first), torch.zeros_like(states[:, 0]))

    def say(
        self, word: Tensor, state: State, source: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, State, Tensor]:
        """One step: a token (B,) and the state before it → features (B, H), the state, weights (B, S)."""
        states, keys, mask = source
        h, c, context = state
        vector = self.dropout(self.words(word))
        weights = mask.to(vector.dtype)
        if self.kind == "additive":
            energy = self.look((self.look_from(h)[:, None] + keys).tanh()).squeeze(-1)
            context, weights = attended(energy, states, mask)
        given = torch.cat([vector, context], dim=-1) if self.kind == "additive" else vector
        cell = self.decoder
        h, c = cell.step(cell.given(given), h, c)
        if self.kind == "dot":
            context, weights = attended((keys @ h[..., None]).squeeze(-1), states, mask)
        parts = [h, vector] if self.kind == "none" else [h, context, vector]
        return self.readout(torch.cat(parts, dim=-1)).tanh(), (h, c, context), weights

    def unrolled(self, prepared: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Features (B, T, H) and attention (B, T, S) where the decoder hears the true words."""
        answer = prepared["answer"]
        states, keys, mask, state = self.encode(prepared)
        features: list[Tensor] = []
        looks: list[Tensor] = []
        for t in range(answer.shape[1] - 1):
            word = answer[:, t]
            if self.mixing is not None and t:
                word = self.mixing(word, self.head(features[-1]).argmax(-1), t)
            made, state, weights = self.say(word, state, (states, keys, mask))
            features.append(made)
            looks.append(weights)
        return torch.stack(features, dim=1), torch.stack(looks, dim=1)

    def features(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.unrolled(prepared)[0]

    def forward(self, prepared: dict[str, Tensor]) -> Tensor:
        return self.head(self.features(prepared))

    def attention(self, prepared: dict[str, Tensor]) -> Tensor:
        """(B, T, S): how much each written token looked at each step of the source."""
        return self.unrolled(prepared)[1]

    def write(self, prepared: dict[str, Tensor], **how: Any) -> Tensor:
        states, keys, mask, first = self.encode(prepared)

        def step(tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
            made, state, _ = self.say(tokens[:, -1], state or first, (states, keys, mask))
            return self.head(made)[:, None], state

        return decode(step, started(len(first[0]), first[0].device), self.longest, **how)


class OwnWords(Keyed):
    """In training the own word (B,) instead of the true one, at a share of places; at step t."""

    share: Tensor

    def __init__(self, share: float) -> None:
        super().__init__()
        self.register_buffer("share", torch.tensor(float(share)))

    def forward(self, true: Tensor, own: Tensor, t: int) -> Tensor:
        if not self.training:
            return true
        keep = keep_mask(self.key + 7919 * t, tuple(true.shape), self.share, self.portion) > 0
        return torch.where(keep | (true == 0), true, own)


def attended(energy: Tensor, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (B, S) → the mean of states (B, D) by their softmax over real steps, and that (B, S)."""
    weights = torch.where(mask, torch.where(mask, energy, -1e30).softmax(-1), 0.0)
    return (weights[:, None] @ states).squeeze(1), weights
