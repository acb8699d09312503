"""Files of every kind, and what is wrong with them."""

import bz2
import datetime
import gzip
import hashlib
import lzma
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbooks import workbook

from coterie.data.read import read
from coterie.data.table import Table, tidy_names
from coterie.errors import DataError


@pytest.fixture
def table(tmp_path):
    def write_and_read(data: str | bytes, name: str = "t.csv") -> Table:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return read(path)

    return write_and_read


def columns(table: Table) -> dict[str, list]:
    return table.frame.to_dict(as_series=False)


def said(table: Table, words: str) -> bool:
    return any(words in note for note in table.notes)


# --- separators, headers, rows -----------------------------------------------------------------------


@pytest.mark.parametrize(("separator", "word"), [(";", "';'"), ("\t", "tabs"), ("|", "'|'")])
def test_separators_are_found_out_and_said(table, separator, word):
    result = table(f"a{separator}b\n1{separator}x, y\n", "t.txt")
    assert columns(result) == {"a": ["1"], "b": ["x, y"]}
    assert said(result, f"Columns are separated by {word}.")


def test_what_is_expected_is_not_said(table):
    assert table("a,b\n1,2\n").notes == ()
    assert table("a\tb\n1\t2\n", "t.tsv").notes == ()


def test_excels_declared_separator(table):
    assert columns(table("sep=|\r\na|b;c\r\n1|2;3\r\n")) == {"a": ["1"], "b;c": ["2;3"]}


def test_short_rows_are_filled_and_said(table):
    result = table("a,b,c\n1,2,3\n4\n5,6\n")
    assert columns(result) == {"a": ["1", "4", "5"], "b": ["2", None, "6"], "c": ["3", None, None]}
    assert said(result, "2 rows have fewer fields than the header (first on line 3)")


def test_an_empty_last_field_is_not_a_short_row(table):
    assert table("a,b\n1,\n2,3\n").notes == ()
    assert table('a,b\n"1",\n2,3\n').notes == ()


def test_long_rows_are_refused_by_line(table):
    with pytest.raises(DataError, match=r"line 4 has 3 fields and the header 2.*quotes"):
        table('a,b\n1,"x\ny"\n1,2,3\n')


def test_empty_fields_beyond_the_header_are_left_out(table):
    result = table("a,b\n1,2,\n3,4\n")
    assert columns(result) == {"a": ["1", "3"], "b": ["2", "4"]}
    assert said(result, "1 row has empty fields beyond the header")


def test_blank_lines_are_skipped_but_rows_of_nothing_are_kept(table):
    result = table("a,b\n1,2\n\n,\n3,4\n\n")
    assert columns(result) == {"a": ["1", None, "3"], "b": ["2", None, "4"]}
    assert said(result, "2 blank lines were skipped.")
    assert columns(table("a\n1\n\n2\n")) == {"a": ["1", None, "2"]}  # in one column nothing else is missing


def test_quotes_newlines_and_carriage_returns(table):
    result = table('a,b\r\n"x, ""y""","two\r\nlines"\r\n5" tube,"c" d\r\n')
    assert columns(result) == {"a": ['x, "y"', '5" tube'], "b": ["two\r\nlines", "c d"]}
    assert columns(table("a,b\r1,2\r3,4\r")) == {"a": ["1", "3"], "b": ["2", "4"]}
    assert columns(table('a, b\n1, "x, y"\n')) == {"a": ["1"], "b": ["x, y"]}


def test_an_open_quote_is_refused_where_it_opens(table):
    with pytest.raises(DataError, match="row of line 3 runs to the end"):
        table('a,b\n1,2\n3,"4\n5,6\n')


def test_header_only_is_a_table_without_rows(table):
    assert table("a,b\n").frame.shape == (0, 2)
    assert table("a,b").frame.shape == (0, 2)


def test_names_are_made_whole(table):
    result = table("age,,age, sex \n1,2,3,4\n")
    assert result.frame.columns == ["age", "column_2", "age_2", "sex"]
    assert said(result, "column_2")
    assert said(result, "age_2")


@given(st.lists(st.sampled_from(["a", "a_2", "", " a", "column_1", "column_2", "b"]), max_size=9))
def test_tidy_names_differ_and_keep_what_can_be_kept(names):
    tidy, notes = tidy_names(names)
    assert len(set(tidy)) == len(tidy) == len(names)
    assert all(tidy)
    first = {name.strip(): i for i, name in reversed(list(enumerate(names))) if name.strip()}
    assert all(tidy[i] == name for name, i in first.items())
    assert bool(notes) == (tidy != [name.strip() for name in names])


def test_a_first_row_of_numbers_is_data(table):
    result = table("1.5,2\n3,-4e2\n")
    assert columns(result) == {"x0": ["1.5", "3"], "x1": ["2", "-4e2"]}
    assert said(result, "called x0 to x1")
    assert table("0,1,2\n5,6,7\n").frame.columns == ["0", "1", "2"]  # as a frame without names writes
    assert table("1,b\n3,4\n").frame.columns == ["1", "b"]


def test_a_nameless_empty_column_is_left_out(table):
    result = table("a,b,\n1,2,\n3,4,\n")
    assert result.frame.columns == ["a", "b"]
    assert said(result, "neither a name nor a value")


def test_five_thousand_columns(table):
    names = [f"a rather long column name {i}" for i in range(5000)]
    line = ",".join(map(str, range(5000)))
    result = table(",".join(names) + "\n" + f"{line}\n" * 3)
    assert result.frame.shape == (3, 5000)
    assert result.frame.columns[-1] == "a rather long column name 4999"
    assert result.frame.row(0)[-1] == "4999"


def test_more_than_one_piece(tmp_path):
    """Larger than what is looked at together, with its only oddities at the end."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\r\n" + b"1234567,7654321\r\n" * 300_000 + b"\xe9,\r\n\r\n9\r\n")
    result = read(path)
    assert result.frame.height == 300_002
    assert result.frame.row(-2) == ("é", None)
    assert said(result, "1 row has fewer fields than the header (first on line 300,004)")
    assert said(result, "1 blank line")
    assert said(result, "Latin-1")


# --- decimals ----------------------------------------------------------------------------------------


def test_decimal_commas_and_thousands_dots(table):
    result = table("a;b;c;d\n1,5;1.234,5;1.234;x,y\n-2;12;5;z\nNA;,5e3;?;1,5\n")
    assert columns(result) == {
        "a": ["1.5", "-2", "NA"],
        "b": ["1234.5", "12", ".5e3"],
        "c": ["1234", "5", "?"],
        "d": ["x,y", "z", "1,5"],
    }
    assert said(result, "Decimal commas in columns 'a', 'b'")
    assert said(result, "Dots between thousands in column 'c'")


def test_numbers_that_are_not_decimal_commas(table):
    assert columns(table('a,b\n"1,5",2\n'))["a"] == ["1,5"]  # the comma is taken: no guess
    assert columns(table("a;b\n1.234;x\n"))["a"] == ["1.234"]  # no decimal comma in the file
    assert columns(table("a\tb\n1,234\tx\n12,345,678\ty\n"))["a"] == ["1234", "12345678"]
    assert columns(table("a\tb\n1,234\tx\n0,5\ty\n"))["a"] == ["1.234", "0.5"]


# --- encodings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "label"),
    [("utf-8-sig", "byte-order mark"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"),
     ("utf-32", "UTF-32"), ("latin-1", "Latin-1"), ("cp1252", "Windows-1252")],
)  # fmt: skip
def test_encodings_are_found_out_and_said(table, encoding, label):
    result = table("größe,b\n1,é\n2,ß\n".encode(encoding))
    assert columns(result) == {"größe": ["1", "2"], "b": ["é", "ß"]}
    assert said(result, label)


def test_a_little_damage_in_utf8_spoils_no_other_letter(table):
    result = table("größe,b\n1,é\n".encode() * 10 + b"2,\xff\n")
    assert result.frame.row(0) == ("1", "é")
    assert result.frame.row(-1) == ("2", "\ufffd")
    assert said(result, "now read '\ufffd': 1.")


# --- other formats -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_packed_files(table, ending, pack):
    data = pack.compress(b"a;b\n1;2\n")
    result = table(data, f"patients.csv{ending}")
    assert columns(result) == {"a": ["1"], "b": ["2"]}
    assert result.name == "patients"
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    with pytest.raises(DataError, match="must unpack"):
        table(data[:-9], f"patients.csv{ending}")
    with pytest.raises(DataError, match="must unpack"):
        table(b"a,b\n1,2\n", f"patients.csv{ending}")


def test_parquet_keeps_its_types(tmp_path):
    frame = pl.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", None], " d": [True, False]})
    frame.write_parquet(tmp_path / "t.parquet")
    result = read(tmp_path / "t.parquet")
    assert result.frame.equals(frame.rename({" d": "d"}))
    packed = tmp_path / "t.parquet.gz"
    packed.write_bytes(gzip.compress((tmp_path / "t.parquet").read_bytes()))
    assert read(packed).frame.equals(result.frame)


def test_json_lines(table):
    result = table('{"a": 1, "b": "x"}\n\n{"a": 2.5, "c": [1]}\n{"b": null, "a": 1e400}\n', "t.jsonl")
    assert columns(result) == {
        "a": [1.0, 2.5, float("inf")],
        "b": ["x", None, None],
        "c": [None, [1], None],
    }


def test_json_late_values_are_not_lost(table):
    lines = '{"a": 1}\n' * 10_001
    result = table(lines + '{"a": "x", "z": true}\n', "t.ndjson")
    assert result.frame["a"][-1] == "x"
    assert result.frame["a"][0] == "1"
    assert result.frame["z"].to_list() == [None] * 10_001 + [True]


def test_other_json(table):
    assert columns(table('[{"a": 1}, {"a": null}]', "t.json")) == {"a": [1, None]}
    assert columns(table('{"a": [1, 2],\n "b": ["x", "y"]}', "t.json")) == {"a": [1, 2], "b": ["x", "y"]}
    assert columns(table('{"a": 1}\n{"a": 2}', "t.json")) == {"a": [1, 2]}


@pytest.mark.parametrize(
    "data", ["[1, 2]", '{"a": 1', '{"a": 1}\n2\n', '{"a": [1], "b": [1, 2]\n}', "{}", "x"]
)
def test_json_that_is_no_table(table, data):
    with pytest.raises(DataError, match=r"t\.json"):
        table(data, "t.json")


def test_workbooks(table, capfd):
    rows = [["id", "id", None, "big"], [1, 0.5, "x", 1e300], [2, None, "7", None], [3, 2.5, None, 5]]
    result = table(workbook({"Notes": [], "Data": rows}), "t.xlsx")
    assert columns(result) == {
        "id": [1, 2, 3], "id_2": [0.5, None, 2.5], "column_3": ["x", "7", None], "big": [1e300, None, 5.0],
    }  # fmt: skip
    assert result.frame["id"].dtype == pl.Int64
    assert said(result, "'Data' was read")
    headless = table(workbook({"S": [[1, 2.5], [3, 4]]}), "t.xlsx")
    assert columns(headless) == {"x0": [1, 3], "x1": [2.5, 4.0]}
    assert table(workbook({"S": [["a", "b"]]}), "t.xlsx").frame.shape == (0, 2)
    assert capfd.readouterr() == ("", "")


def test_workbooks_that_are_none(table):
    whole = workbook({"S": [["a"], [1]]})
    for data in (whole[:200], whole[:-30], b"PK\x03\x04 nothing"):
        with pytest.raises(DataError, match="workbook must be whole"):
            table(data, "t.xlsx")
    with pytest.raises(DataError, match="no cells"):
        table(workbook({"S": []}), "t.xlsx")


# --- what is wrong with a file -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("t.csv", b"", "empty"),
        ("t.csv", b"\xef\xbb\xbf \r\n", "empty"),
        ("t.csv", bytes(range(256)) * 9, "bytes that no text has"),
        ("t.csv", b"a,b\n1,\0\n", "bytes that no text has"),
        ("t.csv", b"PAR1...", "holds Parquet.*ending .parquet"),
        ("t.csv", b"\x1f\x8b...", "holds gzip.*ending .gz"),
        ("t.csv", b"<!DOCTYPE html>", "a web page"),
        ("t.parquet", b"a,b\n1,2\n", "does not begin as a .parquet"),
        ("t.parquet", b"PAR1PAR1", "Parquet file must be whole"),
        ("t.xlsx", b"a,b\n1,2\n", "does not begin as a .xlsx"),
        ("t.docx", b"PK\x03\x04", "ending must say a format"),
        ("t.parqet", b"PAR1", r"Did you mean '.parquet'"),
        ("t.csv", b"\xff\xfea\x00,\x00\n", "UTF-16 to its end"),
    ],
)
def test_files_that_are_refused(table, name, data, words):
    with pytest.raises(DataError, match=words) as caught:
        table(data, name)
    assert name in str(caught.value)


def test_paths_that_are_refused(tmp_path, monkeypatch):
    (tmp_path / "hearts.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"must exist.*Did you mean 'hearts.csv'"):
        read("heart.csv")
    with pytest.raises(DataError, match="folder"):
        read(tmp_path)
    with pytest.raises(DataError, match="Did you mean 'iris'"):
        read("irris")
    for wrong in ("", "no\0name", "x" * 5000, "x" * 5000 + ".csv", "https://example.org/a.csv"):
        with pytest.raises(DataError):
            read(wrong)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("a\n1\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"must be readable.*Permission denied"):
        read(path)


def test_a_file_wins_over_a_bundled_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read("iris").frame.height == 150
    (tmp_path / "iris").write_text("a,b\n1,2\n")
    assert read("iris").frame.height == 1


def test_the_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my [odd] *folder"
    folder.mkdir()
    (folder / "heart.2024.csv").write_bytes(b"a,b\n1,2\n")
    result = read("my [odd] *folder/heart.2024.csv")
    assert result.name == "heart.2024"
    assert result.source == "my [odd] *folder/heart.2024.csv"
    assert result.path == str(folder / "heart.2024.csv")
    assert result.sha256 == hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    assert result.target == ()


def test_dates_in_parquet_stay_dates(tmp_path):
    day = datetime.date(2020, 2, 29)
    pl.DataFrame({"d": [day], "x": np.array([1.0], dtype=np.float32)}).write_parquet(tmp_path / "t.pq")
    assert read(tmp_path / "t.pq").frame.row(0) == (day, 1.0)
