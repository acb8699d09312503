"""Nasty files by the dozen: what people, spreadsheets and accidents really write.

`odd_tables(seed)` yields the same kinds of table for every seed, of other sizes and contents; a kind is
readable or not, and only reading it tells. Used by the readers' tests and by the fuzz of the whole program.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

WORDS = ["red", "green", "blue", "Größe", "naïve", "日本", "", "NA", "?", "a b", "-", "x'y", "O’Brien", "😀"]


class OddTable(NamedTuple):
    """A kind of table: `write(folder)` makes the file; target is a column to predict, or None."""

    label: str
    write: Callable[[Path], Path]
    target: str | None


def odd_tables(seed: int) -> Iterator[OddTable]:
    """Every kind of odd table once, its contents drawn from `seed`."""
    rng = random.Random(seed)
    rows = rng.choice([2, 3, 5, 12, 40, 120])
    for label, ending, data, target in [*_sizes(rng, rows), *_contents(rng, rows), *_forms(rng, rows)]:
        yield OddTable(label, _writer(f"{label.replace(' ', '_')}_{seed}{ending}", data), target)


def _writer(name: str, data: str | bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return write


Kind = tuple[str, str, str | bytes, str | None]


def _number(rng: random.Random) -> str:
    return f"{rng.gauss(0, 10):.{rng.randint(0, 6)}f}"


def _table(names: list[str], rows: list[list[str]], separator: str = ",", end: str = "\n") -> str:
    return "".join(separator.join(row) + end for row in [names, *rows])


def _plain(rng: random.Random, rows: int) -> list[list[str]]:
    """Two numbers and a class."""
    return [[_number(rng), _number(rng), rng.choice(["yes", "no"])] for _ in range(rows)]


def _sizes(rng: random.Random, rows: int) -> list[Kind]:
    wide = [f"c{i}" for i in range(5000)]
    lone = [[rng.choice("ab")] for _ in range(rows)]
    return [
        ("empty", ".csv", "", None),
        ("blank lines only", ".csv", "\n" * rng.randint(1, 9), None),
        ("header only", ".csv", "a,b,y\n", "y"),
        ("header without its line end", ".csv", "a,b,y", "y"),
        ("one row", ".csv", _table(["a", "b", "y"], _plain(rng, 1)), "y"),
        ("two rows", ".csv", _table(["a", "b", "y"], _plain(rng, 2)), "y"),
        ("one column", ".csv", _table(["y"], lone), "y"),
        ("five thousand columns", ".csv", _table([*wide, "y"], [
            [*[str(rng.randint(0, 99)) for _ in wide], rng.choice("ab")] for _ in range(min(rows, 9))]), "y"),
        ("a long cell", ".csv", f"a,b,y\n1,{'x' * 200_000},no\n2,z,yes\n", "y"),
        ("bytes", ".csv", rng.randbytes(rng.randint(1, 5000)), None),
        ("bytes named parquet", ".parquet", b"PAR1" + rng.randbytes(300) + b"PAR1", None),
        ("bytes named xlsx", ".xlsx", b"PK\x03\x04" + rng.randbytes(300), None),
    ]  # fmt: skip


def _contents(rng: random.Random, rows: int) -> list[Kind]:
    names, plain = ["a", "b", "y"], _plain(rng, rows)

    def column(*values: str) -> str:
        return _table(names, [[row[0], rng.choice(values), row[2]] for row in plain])

    mixed = [[rng.choice([_number(rng), "x", "", "2020-01-01", "true"]), row[1], row[2]] for row in plain]
    huge = ["1e300", "-1e300", "inf", "-inf", "nan", "1e400", "1e-320", "9" * 40, "0x1F", "1_000", "-0.0"]
    classes = [[row[0], row[1], "rare" if i == 0 else "common"] for i, row in enumerate(plain)]
    dates = [f"{rng.randint(1, 28):02}.{rng.randint(1, 12):02}.{rng.randint(1969, 2031)}" for _ in range(9)]
    days = [f"{rng.randint(1, 2200):04}-{rng.randint(0, 14):02}-{rng.randint(0, 33):02}" for _ in range(9)]
    return [
        ("all missing", ".csv", _table(names, [["", "", ""] for _ in plain]), "y"),
        ("column all missing", ".csv", column(""), "y"),
        ("target all missing", ".csv", _table(names, [[*row[:2], ""] for row in plain]), "y"),
        ("constant target", ".csv", _table(names, [[*row[:2], "3.5"] for row in plain]), "y"),
        ("one class", ".csv", _table(names, [[*row[:2], "yes"] for row in plain]), "y"),
        ("class of one", ".csv", _table(names, classes), "y"),
        ("a class each", ".csv", _table(names, [[*r[:2], f"k{i}"] for i, r in enumerate(plain)]), "y"),
        ("constant column", ".csv", column("7"), "y"),
        ("mixed types", ".csv", _table(names, mixed), "y"),
        ("huge and infinite", ".csv", column(*huge), "y"),
        ("huge target", ".csv", _table(names, [[*r[:2], rng.choice(huge)] for r in plain]), "y"),
        ("numbers to predict", ".csv", _table(names, [[*r[:2], _number(rng)] for r in plain]), "y"),
        ("codes for missing", ".csv", column("-999", "?", "n/a", "NULL", ".", "1", "2.5"), "y"),
        ("words", ".csv", column(*WORDS), "y"),
        ("leading zeros", ".csv", column("00123", "01234", "00001"), "y"),
        ("dates", ".csv", column(*dates), "y"),
        ("impossible dates", ".csv", column(*days, "0000-00-00"), "y"),
        ("booleans", ".csv", column("true", "false", "TRUE", ""), "y"),
        ("identifiers", ".csv", _table(["id", *names], [[f"p{i}", *r] for i, r in enumerate(plain)]), "y"),
        ("duplicate rows", ".csv", _table(names, plain[:1] * rows), "y"),
        ("spaces around values", ".csv", _table([" a", "b ", " y "], [
            [f" {v} " for v in row] for row in plain]), "y"),
        ("absent target", ".csv", _table(names, plain), "disease"),
        ("free text", ".csv", column(*(" ".join(rng.choices(WORDS, k=30)) for _ in range(9))), "y"),
    ]  # fmt: skip


def _forms(rng: random.Random, rows: int) -> list[Kind]:
    names, plain = ["a", "b", "y"], _plain(rng, rows)
    text = _table(names, plain)
    accents = _table(["âge", "b", "y"], [[r[0], rng.choice(["é", "ü", "ñ"]), r[2]] for r in plain])
    commas = [[row[0].replace(".", ","), f"{rng.randint(1, 999)}.{rng.randint(0, 999):03},5", row[2]]
              for row in plain]  # fmt: skip
    quoted = [[r[0], rng.choice(['"a,b"', '"a ""b"""', '"a\nb"', '"a\r\nb"', '5" tube', '""']), r[2]]
              for r in plain]  # fmt: skip
    short = [row[: rng.randint(1, 3)] for row in plain]
    lines = [f'{{"a": {r[0]}, "b": {rng.choice([r[1], "null", "[1, 2]"])}, "y": "{r[2]}"}}\n' for r in plain]
    return [
        ("semicolons and decimal commas", ".csv", _table(names, commas, ";"), "y"),
        ("tabs", rng.choice([".tsv", ".txt", ".csv"]), _table(names, plain, "\t"), "y"),
        ("bars", ".txt", _table(names, plain, "|"), "y"),
        ("carriage returns and line feeds", ".csv", _table(names, plain, end="\r\n"), "y"),
        ("carriage returns alone", ".csv", _table(names, plain, end="\r"), "y"),
        ("quotes", ".csv", _table(names, quoted), "y"),
        ("a quote left open", ".csv", _table(names, [*plain, ["1", '"2', "no"], *plain]), "y"),
        ("byte-order mark", ".csv", "\ufeff" + text, "y"),
        ("utf-16", ".csv", text.encode("utf-16"), "y"),
        ("latin-1", ".csv", accents.encode("latin-1"), "y"),
        ("windows-1252", ".csv", (accents + "1,€,no\n").encode("cp1252"), "y"),
        ("unicode names", ".csv", _table(["Größe ✓", "日本", "y"], plain), "y"),
        ("damaged utf-8", ".csv", accents.encode() * 3 + b"1,\xff,no\n", "y"),
        ("short rows", ".csv", _table(names, short), "y"),
        ("a long row", ".csv", text + "1,2,no,4,5\n" + text, "y"),
        ("separators at line ends", ".csv", _table([*names, ""], [[*row, ""] for row in plain]), "y"),
        ("blank lines between", ".csv", text.replace("\n", "\n\n"), "y"),
        ("blank lines before", ".csv", "\n\n" + text, "y"),
        ("a title line", ".csv", "Measurements of 2024\n" + text, "y"),
        ("the separator declared", ".csv", "sep=;\n" + _table(names, plain, ";"), "y"),
        ("duplicate names", ".csv", _table(["a", "a", "a"], plain), "a_3"),
        ("blank names", ".csv", _table(["", " ", "y"], plain), "y"),
        ("no names", ".csv", _table([_number(rng) for _ in range(3)], [
            [_number(rng) for _ in range(3)] for _ in plain]), "x2"),
        ("packed", ".csv.gz", gzip.compress(text.encode()), "y"),
        ("packed and cut short", ".csv.gz", gzip.compress(text.encode() * 9)[: rng.randint(3, 30)], "y"),
        ("json lines", ".jsonl", "".join(lines), "y"),
        ("json lines cut short", ".jsonl", "".join(lines)[:-4], "y"),
        ("a list of records", ".json", f"[{','.join(lines)}]", "y"),
        ("a web page", ".csv", "<!DOCTYPE html><html><body>Not found</body></html>", None),
        ("text named parquet", ".parquet", text, "y"),
    ]  # fmt: skip
