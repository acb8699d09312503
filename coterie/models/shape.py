"""What of the data fixes the shapes of a network: known once a study, from its schema."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coterie.data.schema import Schema


@dataclass(frozen=True)
class Shape:
    """Sizes of a row's inputs; None where the data have none of a kind.

    indicator: for each numeric input, whether a missing indicator goes with it; cardinality: codes of each
    category input; image: (C, H, W); sequence: (T, F), steps of the longest and variables; tokens: (T, V),
    the longest text and entries of the vocabulary; answer: the same of the text to be written, for
    sequence to sequence. each_step: an answer for every step, not one a row. environment: its name, where a
    row is an episode.
    """

    indicator: tuple[bool, ...] = ()
    cardinality: tuple[int, ...] = ()
    image: tuple[int, int, int] | None = None
    sequence: tuple[int, int] | None = None
    tokens: tuple[int, int] | None = None
    answer: tuple[int, int] | None = None
    each_step: bool = False
    environment: str = ""

    @classmethod
    def of(cls, schema: Schema) -> Shape:
        return cls(
            schema.indicator,
            schema.cardinality,
            schema.image,
            schema.sequence,
            schema.tokens,
            schema.answer,
            schema.target is not None and schema.target.each_step,
            schema.environment,
        )

    @property
    def prepared(self) -> int:
        """Numbers of a row's columns after preparation."""
        return len(self.indicator) + sum(self.indicator)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is of "image", "sequence", "text", "table", "episode"."""
        there = {
            "image": self.image,
            "sequence": self.sequence,
            "text": self.tokens or self.answer,
            "table": self.indicator or self.cardinality,
            "episode": self.environment,
        }
        return tuple(kind for kind, what in there.items() if what)

    def __str__(self) -> str:
        """What a network is given, in words."""
        if self.environment:
            return f"episodes of {self.environment}"
        columns = len(self.indicator) + len(self.cardinality)
        said = []
        if self.image:
            said.append("images of " + " × ".join(map(str, self.image)))
        if self.sequence:
            said.append(f"sequences of {self.sequence[0]:,} steps at most")
        if self.tokens:
            said.append(f"texts of {self.tokens[0]:,} tokens at most")
        if columns or not (said or self.answer):
            said.append(f"{columns:,} input" + ("" if columns == 1 else "s"))
        return " and ".join(said) or f"texts of {(self.answer or (0,))[0]:,} tokens at most"

    def beside(self, read: str) -> Shape:
        """The columns that are joined later to what a family reads: categories, and numbers unless read."""
        plain = replace(self, image=None, sequence=None, tokens=None)
        return replace(plain, indicator=()) if read == "table" else plain
