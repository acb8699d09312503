"""A folder of images or of texts → Table: a row a file, its class the folder that it lies in.

pictures/cats/1.png              class "cats"
pictures/train/cats/1.png        class "cats", split "train"; train, validation and test stand on top
pictures/cats/2024/may/1.png     class "cats": deeper folders do not count
pictures/1.png                   no class: to predict
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import polars as pl

from coterie.data.roles import SPLIT_WORDS
from coterie.data.table import Table, some
from coterie.data.text import Text, text_of
from coterie.errors import DataError

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
TEXTS = (".txt", ".text")
SYSTEM = ("thumbs.db", "desktop.ini", "__macosx", "icon\r")  # what systems leave in folders
SHOWN = 5  # files that a note or an error names


def read_folder(path: str | Path) -> Table:
    """The table of a folder's images or texts, whichever are more; one row a file, by its path's order.

    Columns: "image", the file's path within the folder, or "text", what the file says; "class", if files lie
    in folders, null for those that lie in none; "split" ("train", "validation" or "test"), if the top folders
    are called so (val, valid, testing, … too) and one is for training. Class is the target. sha256: of paths
    and contents. Hidden and other files are left out, which a note says. DataError if there is no such file.

    >>> read_folder("pictures").frame.columns  # doctest: +SKIP
    ['image', 'class', 'split']
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(
            "A folder of images or texts must exist.", given=repr(str(path)), fix="Check the path."
        )
    files, folders = walk(root)
    kind, chosen = _chosen(files, root)
    parts = _splits(chosen)
    within = [_within(name, bool(parts)) for name in chosen]
    classes = [names[0] if len(names) > 1 else None for names in within]
    notes = [*_left_out(files, chosen, kind), *_notes(chosen, classes, within, kind)]
    notes += _empty(chosen, folders, parts, kind)
    if kind == "image":
        columns = {"image": pl.Series(chosen, dtype=pl.String)}
    else:
        texts, odd = _texts(root, chosen)
        columns, notes = {"text": pl.Series(texts, dtype=pl.String)}, [*notes, *odd]
    target: tuple[str, ...] = ()
    if any(classes):
        columns["class"], target = pl.Series(classes, dtype=pl.String), ("class",)
    if parts:
        columns["split"] = pl.Series([parts[name.split("/")[0]] for name in chosen], dtype=pl.String)
    whole = root.resolve()
    name = whole.name.strip(" .") or "folder"
    digest = files_sha256(root, chosen)
    return Table(pl.DataFrame(columns), name, str(path), digest, tuple(notes), target, str(whole))


def files_sha256(root: Path, names: Sequence[str]) -> str:
    """A hash of the names and contents of these files of a folder, in this order."""

    def of_one(name: str) -> bytes:
        with open(root / name, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    total = hashlib.sha256()
    try:
        with ThreadPoolExecutor() as pool:  # hashing goes on outside Python's lock
            for name, digest in zip(names, pool.map(of_one, names), strict=True):
                total.update(name.encode() + b"\0" + digest)
    except OSError as error:
        raise _unreadable(error, root) from None
    return total.hexdigest()


def walk(root: Path) -> tuple[list[str], list[str]]:
    """The paths of all files and of all folders within the root, sorted, with '/'; links are followed."""
    files: list[str] = []
    folders: list[str] = []
    been: set[str] = set()

    def stop(error: OSError) -> None:
        raise _unreadable(error, root)

    for here, inner, names in os.walk(root, followlinks=True, onerror=stop):
        if (real := os.path.realpath(here)) in been:  # a link back to where we were
            inner.clear()
            continue
        been.add(real)
        inner[:] = sorted(name for name in inner if not _hidden(name))
        within = Path(here).relative_to(root)
        files += [(within / name).as_posix() for name in names]
        folders += [(within / name).as_posix() for name in inner]
    odd = [name for name in [*files, *folders] if not _readable(name)]
    if odd:
        raise DataError("The names of files must be text.", given=ascii(odd[0]), fix="Rename it.")
    return sorted(files), sorted(folders)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEM


def _readable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _chosen(files: list[str], root: Path) -> tuple[str, list[str]]:
    """Which kind of files the folder is of, and these files."""
    seen = [name for name in files if not _hidden(PurePosixPath(name).name)]
    images = [name for name in seen if name.lower().endswith(IMAGES)]
    texts = [name for name in seen if name.lower().endswith(TEXTS)]
    if not images and not texts:
        kinds = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in seen)
        found = ", ".join(f"{n:,} of {ending}" for ending, n in kinds.most_common(SHOWN))
        raise DataError(
            "A folder must hold images, texts or Parquet files.",
            given=f"{str(root)!r} with {f'files, {found}' if found else 'no file'}",
            fix=f"Images end in {', '.join(IMAGES)}; texts in .txt; a table is named by its own file.",
        )
    return ("image", images) if len(images) >= len(texts) else ("text", texts)


def _splits(chosen: list[str]) -> dict[str, str]:
    """{top folder: "train", "validation" or "test"} if that is what the top folders are for, else {}."""
    tops = list(dict.fromkeys(name.split("/")[0] for name in chosen if "/" in name))
    known = {top: SPLIT_WORDS[top.lower()] for top in tops if top.lower() in SPLIT_WORDS}
    if "train" not in known.values() or len(set(known.values())) < 2:
        return {}
    outside = [name for name in chosen if name.split("/")[0] not in known]
    if outside:
        raise DataError(
            f"Beside the folders {_named(known)} there must be no other files to learn from.",
            given=f"{len(outside):,}, such as {outside[0]!r}",
            fix="Move them into one of these folders, or away; or rename these folders if they are classes.",
        )
    return known


def _within(name: str, split: bool) -> list[str]:
    """The parts of a path, without the split's folder."""
    parts = name.split("/")
    return parts[1:] if split else parts


def _left_out(files: list[str], chosen: list[str], kind: str) -> list[str]:
    taken = set(chosen)
    other = [name for name in files if name not in taken]
    if not other:
        return []
    what = f"no {kind} or hidden" if kind == "text" else "no image or hidden"
    return [f"{_files(len(other))} left out, being {what}: {some(other, SHOWN)}."]


def _notes(chosen: list[str], classes: list[str | None], within: list[list[str]], kind: str) -> list[str]:
    notes = []
    free = [name for name, label in zip(chosen, classes, strict=True) if label is None]
    if free and len(free) < len(chosen):
        notes.append(f"{_files(len(free))} in no class's folder, so without a class: {some(free, SHOWN)}.")
    deep = [name for name, names in zip(chosen, within, strict=True) if len(names) > 2]
    if deep:
        notes.append(
            f"{_files(len(deep))} in folders within the class's, such as {deep[0]!r}: the outer is the class."
        )
    return notes


def _empty(chosen: list[str], folders: list[str], parts: dict[str, str], kind: str) -> list[str]:
    """Folders that a class could be named after, but that hold nothing."""
    depth = 2 if parts else 1
    full = {"/".join(name.split("/")[:depth]) for name in chosen}
    found = [
        folder
        for folder in folders
        if folder.count("/") == depth - 1
        and folder not in full
        and (not parts or folder.split("/")[0] in parts)
    ]
    if not found or not any("/" in name for name in full | set(chosen)):
        return []
    verb = "holds" if len(found) == 1 else "hold"
    return [f"{_named(found)} {verb} no {kind}: nothing can be learned of such a class there."]


def _texts(root: Path, chosen: list[str]) -> tuple[list[str], list[str]]:
    """What the files say, line ends as \\n; and notes on encodings."""

    def of_one(name: str) -> tuple[str, tuple[str, ...]]:
        data = (root / name).read_bytes()
        if not data.strip():
            return "", ()
        try:
            text: Text = text_of(data, name)
        except DataError as error:
            raise DataError(
                "A text file must hold text.", given=error.given, fix="Remove it, or save it again as UTF-8."
            ) from None
        with text.stream() as stream:
            return stream.read().replace("\r\n", "\n").replace("\r", "\n"), text.notes

    try:
        with ThreadPoolExecutor() as pool:
            read = list(pool.map(of_one, chosen))
    except OSError as error:
        raise _unreadable(error, root) from None
    texts = [text for text, _ in read]
    notes = []
    odd = [(name, found[0]) for name, (_, found) in zip(chosen, read, strict=True) if found]
    if odd:
        notes.append(f"{_files(len(odd))} not in plain UTF-8, such as {odd[0][0]!r}: {odd[0][1]}")
    blank = [name for name, text in zip(chosen, texts, strict=True) if not text.strip()]
    if blank:
        notes.append(f"{_files(len(blank))} empty: {some(blank, SHOWN)}.")
    return texts, notes


def _unreadable(error: OSError, root: Path) -> DataError:
    given = f"{error.filename or root} ({error.strerror or error})"
    return DataError("Every file of a folder must be readable.", given=given)


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"


def _named(names: Sequence[str] | dict[str, str]) -> str:
    return some(list(names), SHOWN)
