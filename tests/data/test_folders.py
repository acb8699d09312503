"""Folders of images and of texts as tables."""

import os
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from coterie.data.folders import files_sha256, read_folder
from coterie.data.roles import assign_roles
from coterie.errors import DataError


def put(root: Path, *names: str) -> Path:
    """Files of these names: images differ, and texts say their names."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jpg"):
            Image.new("L", (4, 4), i).save(path)
        else:
            path.write_text(name, encoding="utf-8")
    return root


def test_class_folders(tmp_path: Path) -> None:
    root = put(tmp_path / "pets", "dogs/b.png", "dogs/a.JPG", "cats/2.png", "cats/10.png")
    table = read_folder(root)
    assert table.frame.to_dict(as_series=False) == {
        "image": ["cats/10.png", "cats/2.png", "dogs/a.JPG", "dogs/b.png"],
        "class": ["cats", "cats", "dogs", "dogs"],
    }
    assert (table.name, table.source, table.target) == ("pets", str(root), ("class",))
    assert table.path == str(root.resolve())
    assert table.notes == ()


def test_official_splits(tmp_path: Path) -> None:
    root = put(
        tmp_path, *(f"{s}/{c}/{i}.png" for s in ("Train", "val", "testing") for c in "ab" for i in (1, 2))
    )
    table = read_folder(root)
    assert table.frame["split"].to_list() == ["train"] * 4 + ["test"] * 4 + ["validation"] * 4
    assert table.frame["class"].to_list() == ["a", "a", "b", "b"] * 3
    roles = assign_roles(table, target=None)
    assert roles.columns["split"] == "split"
    assert roles.target.classes == ("a", "b")


def test_a_flat_folder_has_no_class(tmp_path: Path) -> None:
    table = read_folder(put(tmp_path, "b.png", "a.png"))
    assert table.frame.to_dict(as_series=False) == {"image": ["a.png", "b.png"]}
    assert table.target == ()
    split = read_folder(put(tmp_path / "s", "train/a.png", "test/b.png"))
    assert split.frame.columns == ["image", "split"]


def test_a_test_folder_without_classes(tmp_path: Path) -> None:
    table = read_folder(put(tmp_path, "train/a/1.png", "train/b/2.png", "test/3.png"))
    assert table.frame["class"].to_list() == [None, "a", "b"]
    assert any("1 file is in no class's folder" in note and "test/3.png" in note for note in table.notes)


def test_names_of_splits_alone_are_classes(tmp_path: Path) -> None:
    table = read_folder(put(tmp_path / "a", "test/1.png", "car/2.png"))
    assert table.frame["class"].to_list() == ["car", "test"]
    assert read_folder(put(tmp_path / "b", "train/1.png", "car/2.png")).frame.columns == ["image", "class"]
    with pytest.raises(DataError, match=r"'train'.*1, such as 'car/3\.png'"):
        read_folder(put(tmp_path / "c", "train/1.png", "test/2.png", "car/3.png"))


def test_deeper_folders_do_not_count(tmp_path: Path) -> None:
    table = read_folder(put(tmp_path, "cats/2024/may/1.png", "cats/2.png", "dogs/2024/1.png"))
    assert table.frame["class"].to_list() == ["cats", "cats", "dogs"]
    assert any("2 files are in folders within the class's" in note for note in table.notes)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    root = put(
        tmp_path, "a/1.png", "b/2.png", "a/Thumbs.db", "a/._1.png", "notes.md", ".git/x.png", "__MACOSX/3.png"
    )
    (root / "c" / "deep").mkdir(parents=True)
    table = read_folder(root)
    assert table.frame["image"].to_list() == ["a/1.png", "b/2.png"]
    assert any("3 files are left out" in n and "'notes.md'" in n for n in table.notes)
    assert any(n.startswith("'c' holds no image") for n in table.notes)
    split = put(tmp_path / "s", "train/a/1.png", "train/b/1.png", "test/a/1.png")
    (split / "test" / "b").mkdir()
    assert next(n for n in read_folder(split).notes if "holds no image" in n).startswith("'test/b'")


def test_texts(tmp_path: Path) -> None:
    root = put(tmp_path, "neg/1.txt", "pos/2.txt", "pos/3.txt", "pos/4.txt", "README.md")
    (root / "neg/1.txt").write_bytes("schön\r\nund gut\r".encode("latin-1"))
    (root / "pos/2.txt").write_bytes(b"\xef\xbb\xbf" + "größer".encode())
    (root / "pos/3.txt").write_bytes(b" \n")
    (root / "pos/4.txt").write_bytes("Größe".encode("utf-16"))
    table = read_folder(root)
    assert table.frame["text"].to_list() == ["schön\nund gut\n", "größer", "", "Größe"]
    assert table.frame["class"].to_list() == ["neg", "pos", "pos", "pos"]
    assert any("3 files are not in plain UTF-8, such as 'neg/1.txt'" in n for n in table.notes)
    assert any("1 file is empty: 'pos/3.txt'" in n for n in table.notes)
    (root / "pos/5.txt").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(DataError, match=r"text file must hold text.*pos/5\.txt"):
        read_folder(root)


def test_the_hash_is_of_names_and_contents(tmp_path: Path) -> None:
    root = put(tmp_path / "a", "x/1.png", "y/2.png")
    first = read_folder(root).sha256
    shutil.copytree(root, tmp_path / "b")
    assert read_folder(tmp_path / "b").sha256 == first
    (tmp_path / "b/x/1.png").rename(tmp_path / "b/x/3.png")
    assert read_folder(tmp_path / "b").sha256 != first
    Image.new("L", (4, 4), 99).save(root / "y/2.png")
    assert read_folder(root).sha256 != first
    with pytest.raises(DataError, match="readable"):
        files_sha256(root, ["gone.png"])


def test_folders_that_hold_nothing_to_learn_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="with no file"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match=r"2 of \.md, 1 of no ending"):
        read_folder(put(tmp_path, "a.md", "b.md", "Makefile"))
    with pytest.raises(DataError, match="must exist"):
        read_folder(tmp_path / "gone")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    root = put(tmp_path / "data", "a/1.png", "b/2.png")
    put(tmp_path / "else", "3.png")
    os.symlink(tmp_path / "else", root / "c")
    os.symlink(root, root / "a" / "again")
    assert read_folder(root).frame["image"].to_list() == ["a/1.png", "b/2.png", "c/3.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb"):
        pass
    with pytest.raises(DataError, match="names of files must be text"):
        read_folder(tmp_path)


def test_types_of_columns(tmp_path: Path) -> None:
    frame = read_folder(put(tmp_path, "train/1/1.png", "test/2/1.png")).frame
    assert frame.dtypes == [pl.String] * 3
