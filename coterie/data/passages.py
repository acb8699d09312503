"""Plain text → a table of its passages: a book, verses, a list of names. It has no columns but one.

A passage is as much as a network reads at once. Paragraphs that blank lines part are run together, or cut
behind a sentence, until they are of about that size; a text without blank lines is taken line by line,
since there a line is likely a text of its own (a name, a message), unless lines are cut.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import polars as pl

from coterie.data.delimited import NUMBER, SEPARATORS, parsed
from coterie.data.text import Text
from coterie.errors import DataError

ENDINGS = (".txt", ".text")
PASSAGE = 512  # characters, at most
LOOKED_AT = 1 << 16  # bytes of the beginning, by which prose is told from a table
AGREE = 0.9  # share of lines that have equally many fields, from which a text is a table
COLUMN = "text"
BREAK = re.compile(r"\n[ \t\f\v]*\n\s*")
STOP = re.compile(r"[.!?…:;]['\")»”’\]]*\s|\n")
FEWEST = 20  # passages that there must be to learn from


def is_prose(text: Text) -> bool:
    """Whether a text is prose and no table: its lines have no columns in common, and not only numbers."""
    lines = [line for line in text.beginning(LOOKED_AT).splitlines() if line.strip()]
    if text.size > LOOKED_AT:
        lines = lines[:-1] or lines  # the last may be cut
    sample = "\n".join(lines)
    for separator in SEPARATORS:
        rows = parsed(sample, separator)
        ((fields, agree),) = Counter(map(len, rows)).most_common(1) or [(0, 0)]
        if fields > 1 and agree >= AGREE * len(rows) and not _sentences(rows, separator):
            return False
    numbers = sum(all(NUMBER.fullmatch(word) for word in line.split()) for line in lines)
    return numbers * 2 < len(lines)


def read_passages(text: Text, source: str) -> tuple[pl.DataFrame, list[str]]:
    """The passages as one column, and a note of how they came about. DataError where there are too few."""
    with text.stream() as stream:
        whole = stream.read().replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    lines = [line.rstrip() for line in whole.split("\n")]
    whole = "\n".join(lines)
    if BREAK.search(whole) or max(map(len, lines)) > PASSAGE:
        found = list(passages(whole))
        how = f"{len(found):,} passages of at most {PASSAGE} characters"
    else:
        found = [line for line in lines if line.strip()]
        how = f"{len(found):,} texts, one a line"
    if len(found) < FEWEST:
        raise DataError(
            "A plain text needs some length to be learned from.",
            given=f"{source}, which is {len(whole):,} characters or {len(found)} passages",
            fix="Give a longer one; if it is a table, name its columns in the first line and save it as CSV.",
        )
    notes = [*text.notes, f"It was read as plain text: {how}. A table should end in .csv."]
    return pl.DataFrame({COLUMN: pl.Series(found, dtype=pl.String)}), notes


def passages(whole: str) -> Iterator[str]:
    """Consecutive parts of at most PASSAGE characters, cut between paragraphs, else behind a sentence or a
    line, else behind a word.

    >>> [len(part) for part in passages("word " * 120 + "end.\\n\\nNew paragraph.")]
    [509, 110]
    """
    while whole := whole.lstrip("\n "):
        if len(whole) <= PASSAGE:
            yield whole.rstrip()
            return
        room = whole[: PASSAGE + 1]
        ends = [found.start() for found in BREAK.finditer(room)] or [0]
        if ends[-1] < PASSAGE // 2:
            ends = [found.end() for found in STOP.finditer(room)] or [0]
        if ends[-1] < PASSAGE // 2:
            ends = [room.rfind(" ")]
        cut = min(ends[-1], PASSAGE) if ends[-1] > 0 else PASSAGE
        yield whole[:cut].rstrip()
        whole = whole[cut:]


def _sentences(rows: list[list[str]], separator: str) -> bool:
    """Whether fields are rather clauses: of several words, with a blank before them."""
    if separator not in ",;":
        return False
    later = [cell for row in rows for cell in row[1:] if cell.strip()]
    spaced = sum(cell.startswith(" ") and " " in cell.strip() for cell in later)
    return bool(later) and spaced > 0.5 * len(later)
