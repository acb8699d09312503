"""Texts as numbers: cut into bytes, characters, words or learned pieces, each an entry of a vocabulary.

A tokenizer is fitted once a study, on development texts alone, and is plain data from then on.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from coterie.errors import DataError, ModelError

KINDS = ("bytes", "characters", "words", "bpe")
PIECES = ("bpe", "file")  # what `tokenizers` cuts; "file": as another model's tokenizer.json says
SPECIAL = ("[padding]", "[unknown]", "[start]", "[end]", "[mask]")
PADDING, UNKNOWN, START, END, MASK = range(5)
# tokens of a text, unless asked for
LONGEST = {"bytes": 1024, "characters": 1024, "words": 256, "bpe": 256, "file": 256}
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
LOOKED_AT = 1000  # texts by which the kind is chosen


@dataclass(frozen=True)
class Tokenizer:
    """kind: one of KINDS; vocabulary: the entries after the special ones, in the order of their ids.

    Ids: 0 padding, 1 unknown, 2 start, 3 end, 4 mask, then the vocabulary. Words are in small letters: runs
    of letters and digits (with apostrophes inside), and every other mark by itself. pieces: the state of
    byte-pair encoding (Sennrich et al., 2016) as `tokenizers` writes it, or of another model's pieces (kind
    "file"), with these ids; "" for the other kinds.

    >>> cut = Tokenizer.fit(["to be or not to be"], "words", 100)
    >>> cut.encode(["To be!"], None)
    [[2, 6, 5, 1, 3]]
    >>> cut.decode([2, 6, 5, 3])
    'to be'
    """

    kind: str
    vocabulary: tuple[str, ...]
    pieces: str = ""

    def __len__(self) -> int:
        return len(SPECIAL) + len(self.vocabulary)

    @classmethod
    def fit(cls, texts: Sequence[str], kind: str, size: int) -> Tokenizer:
        """The tokenizer of at most `size` entries, the most frequent; of equals the alphabetically first.

        DataError for a kind that is not known, or when no text has anything in it.
        """
        if kind not in KINDS:
            raise DataError(f"A tokenizer must be one of {', '.join(KINDS)}.", given=repr(kind))
        if not any(text.strip() for text in texts):
            raise DataError("Texts need words to learn from.", given=f"{len(texts)} texts, all empty")
        if kind == "bytes":
            return cls(kind, tuple(chr(b) for b in range(256)))
        if kind == "bpe":
            return _byte_pairs(texts, size)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_cut(text, kind))
        frequent = sorted(counts, key=lambda entry: (-counts[entry], entry))[: max(1, size - len(SPECIAL))]
        return cls(kind, tuple(frequent))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {entry: len(SPECIAL) + i for i, entry in enumerate(self.vocabulary)}

    @cached_property
    def _pairs(self) -> Any:
        from tokenizers import Tokenizer as Pieces

        pieces = Pieces.from_str(self.pieces)
        pieces.encode_special_tokens = True  # "[end]" in a text is a word of it, not its end
        return pieces

    def encode(self, texts: Iterable[str], longest: int | None) -> list[list[int]]:
        """The ids of each text between start and end; cut to `longest` ids, start and end among them."""
        room = None if longest is None else max(0, longest - 2)
        if self.kind == "bytes":
            found = [[len(SPECIAL) + b for b in text.encode()] for text in texts]
        elif self.kind in PIECES:
            found = [one.ids for one in self._pairs.encode_batch(list(texts), add_special_tokens=False)]
        else:
            get = self._ids.get
            found = [[get(entry, UNKNOWN) for entry in _cut(text, self.kind)] for text in texts]
        return [[START, *ids[:room], END] for ids in found]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; special ones are left out, but an unknown one is shown as such."""
        known = [int(i) for i in ids]
        known = known[: known.index(END)] if END in known else known
        if self.kind == "bytes":
            return bytes(i - len(SPECIAL) for i in known if i >= len(SPECIAL)).decode(errors="replace")
        if self.kind in PIECES:
            return str(self._pairs.decode([i for i in known if i >= len(SPECIAL)]))
        entries = [self.entry(i) for i in known if i == UNKNOWN or i >= len(SPECIAL)]
        return ("" if self.kind == "characters" else " ").join(entries)

    def entry(self, i: int) -> str:
        """What one id stands for."""
        return SPECIAL[i] if i < len(SPECIAL) else self.vocabulary[i - len(SPECIAL)]

    def to_text(self) -> str:
        """All of it as JSON; `from_text` gives back an equal tokenizer."""
        return json.dumps({"kind": self.kind, "vocabulary": self.vocabulary, "pieces": self.pieces})

    @classmethod
    def from_text(cls, text: str) -> Tokenizer:
        """What `to_text` wrote; ModelError for anything else."""
        try:
            data = json.loads(text)
            made = cls(data["kind"], tuple(data["vocabulary"]), data["pieces"])
            if made.kind not in (*KINDS, "file") or not all(isinstance(e, str) for e in made.vocabulary):
                raise ValueError(made.kind)
            if made.kind in PIECES:
                made.encode([""], None)
        except Exception as error:  # `tokenizers` raises bare Exceptions
            raise ModelError(
                "A tokenizer must be as Coterie wrote it.",
                given=repr(text[:60]),
                fix="Use an unchanged copy.",
            ) from error
        return made


def choose(texts: Sequence[str]) -> tuple[str, dict[str, int]]:
    """The kind of tokenizer that suits the texts, and the most tokens of a text by kind.

    Words, unless most texts have no space within them (codes, genomes, Chinese): then characters.
    """
    seen = [text.strip() for text in texts[:LOOKED_AT] if text.strip()]
    spaced = sum(" " in text or "\n" in text for text in seen)
    return "words" if not seen or spaced * 2 > len(seen) else "characters", LONGEST


def padded(lists: Sequence[Sequence[int]]) -> np.ndarray:
    """(N, T) int64, T the longest and at least 1: rows filled up with 0."""
    length = np.array([len(ids) for ids in lists], dtype=np.int64)
    rows = np.zeros((len(lists), max(1, int(length.max(initial=0)))), dtype=np.int64)
    flat = np.fromiter((i for ids in lists for i in ids), dtype=np.int64, count=int(length.sum()))
    rows[np.arange(rows.shape[1]) < length[:, None]] = flat
    return rows


def _cut(text: str, kind: str) -> Iterable[str]:
    return text if kind == "characters" else WORD.findall(text.lower())


def _byte_pairs(texts: Sequence[str], size: int) -> Tokenizer:
    from tokenizers import Tokenizer as Pieces
    from tokenizers import decoders, models, pre_tokenizers, trainers

    pieces = Pieces(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, len(SPECIAL) + 256),  # every byte is an entry: nothing is unknown
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pieces.train_from_iterator(texts, trainer)
    ids = pieces.get_vocab()
    entries = sorted((entry for entry in ids if ids[entry] >= len(SPECIAL)), key=ids.__getitem__)
    return Tokenizer("bpe", tuple(entries), pieces.to_str())
