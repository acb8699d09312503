"""The bytes of a text file, in whatever encoding, as UTF-8.

A file that is UTF-8 already is never copied: its bytes stay on disk and are looked through in pieces.
Others are decoded whole.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from coterie.errors import DataError

CHUNK = 4 << 20  # bytes looked at together
SAMPLE = 1 << 16  # bytes that tell text from anything else
BOMS = (  # longest first: UTF-32's mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte-order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))  # bytes that no text has


Raw = Path | bytes  # a file that is not packed, or unpacked bytes


@dataclass(frozen=True)
class Text:
    """Text as UTF-8 bytes: the file that holds just these bytes, or the bytes themselves."""

    raw: Raw
    notes: tuple[str, ...] = ()
    _counts: dict[bytes, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.raw) if isinstance(self.raw, bytes) else self.raw.stat().st_size

    def count(self, pattern: bytes) -> int:
        """How often one byte occurs."""
        assert len(pattern) == 1
        if pattern not in self._counts:
            self._counts[pattern] = sum(chunk.count(pattern) for chunk in chunks(self.raw))
        return self._counts[pattern]

    def lone_returns(self) -> bool:
        """Whether a carriage return stands anywhere without its line feed, as on old Macs."""
        if not self.count(b"\r"):
            return False
        ended = False
        for chunk in chunks(self.raw):
            if ended and not chunk.startswith(b"\n"):
                return True
            ended = chunk.endswith(b"\r")
            if chunk.count(b"\r") - chunk.count(b"\r\n") > ended:
                return True
        return ended

    def stream(self) -> io.TextIOWrapper:
        """The text from its beginning, its line ends as they are."""
        return io.TextIOWrapper(open_raw(self.raw), encoding="utf-8-sig", newline="")

    def beginning(self, size: int) -> str:
        """About the first `size` bytes as text, whole characters only."""
        return codecs.getincrementaldecoder("utf-8-sig")().decode(first_bytes(self.raw, size))


def open_raw(raw: Raw) -> BinaryIO:
    """The bytes as an open file."""
    return io.BytesIO(raw) if isinstance(raw, bytes) else raw.open("rb")


def first_bytes(raw: Raw, size: int) -> bytes:
    """The first `size` bytes."""
    with open_raw(raw) as file:
        return file.read(size)


def all_bytes(raw: Raw) -> bytes:
    """Every byte, in memory."""
    return raw if isinstance(raw, bytes) else raw.read_bytes()


def chunks(raw: Raw) -> Iterator[bytes]:
    """The bytes in pieces that fit the memory."""
    with open_raw(raw) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def text_of(raw: Raw, source: str) -> Text:
    """Find out the encoding, say it if it is not plain UTF-8, and give the text as UTF-8.

    Raises DataError for bytes that are no text.
    """
    sample = first_bytes(raw, SAMPLE)
    for mark, encoding, label in BOMS:
        if sample.startswith(mark):
            if encoding == "utf-8-sig":
                text = _utf8(raw, (f"The text is {label}.",))
                return _checked(text or _damaged(all_bytes(raw)), source)
            return _checked(_decoded(all_bytes(raw), encoding, label, source), source)
    if (wide := _utf16_without_mark(sample)) is not None:
        return _checked(_decoded(all_bytes(raw), wide, "UTF-16", source), source)
    return _checked(_utf8(raw, ()) or _single_byte(all_bytes(raw)), source)


def _utf8(raw: Raw, notes: tuple[str, ...]) -> Text | None:
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for chunk in chunks(raw):
            if decoder.getstate()[0] or not chunk.isascii():
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    return Text(raw, notes)


def _utf16_without_mark(sample: bytes) -> str | None:
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if odd > 0.3 * half and odd > 4 * even:
        return "utf-16-le"
    if even > 0.3 * half and even > 4 * odd:
        return "utf-16-be"
    return None


def _decoded(data: bytes, encoding: str, label: str, source: str) -> Text:
    try:
        return Text(data.decode(encoding).encode(), (f"The text is {label}.",))
    except UnicodeError as error:
        raise DataError(
            f"A text that begins as {label} must be {label} to its end.",
            given=f"{source}, {getattr(error, 'reason', error)}",
            fix="Save it again as UTF-8.",
        ) from None


def _single_byte(data: bytes) -> Text:
    """Not UTF-8: a little damage in much UTF-8 is mended; anything else is one byte a character."""
    high = len(data) - len(data.translate(None, bytes(range(128, 256))))
    if data.decode("utf-8", errors="replace").count("\ufffd") <= 0.1 * high:
        return _damaged(data)
    try:
        text = data.decode("cp1252")
        label = "Windows-1252 (Latin-1)"
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        label = "Latin-1 (ISO 8859-1)"
    return Text(text.encode(), (f"The text is {label}.",))


def _damaged(data: bytes) -> Text:
    text = data.decode("utf-8-sig", errors="replace")
    count = text.count("\ufffd")
    return Text(text.encode(), (f"Damaged characters in UTF-8 text now read '\ufffd': {count:,}.",))


def _checked(text: Text, source: str) -> Text:
    """The text, unless it is bytes of some other kind or there is none."""
    sample = first_bytes(text.raw, SAMPLE)
    control = len(sample) - len(sample.translate(None, CONTROL))
    if text.count(b"\0") or control > 0.005 * len(sample):
        raise DataError(
            "A file must hold text, Parquet or a workbook.",
            given=f"{source}, which holds bytes that no text has",
            fix="Save the table as CSV or Parquet.",
        )
    if text.size <= SAMPLE and not sample.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError("A file must hold a table.", given=f"{source}, which is empty",
                        fix="A table has at least a line of column names.")  # fmt: skip
    return text
