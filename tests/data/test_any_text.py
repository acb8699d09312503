"""Properties of readers: text comes back as it was written, and anything else is read or refused."""

import contextlib
import csv
import io
import string
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.data.read import read
from coterie.data.table import tidy_names
from coterie.errors import DataError

sys.path.insert(0, str(Path(__file__).parent))
from odd_tables import odd_tables

ONE_FOLDER = [HealthCheck.function_scoped_fixture]  # every example writes its file anew

CELL = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " ,;|\t\"'\n\r.éß€-+"), max_size=8
)  # fmt: skip
NAME = st.text(st.sampled_from(string.ascii_letters + "é_ ,;"), min_size=1, max_size=6)


@st.composite
def frames(draw, cell=CELL):
    width = draw(st.integers(2, 5))
    names = [f"{draw(NAME)}{i}".strip() for i in range(width)]
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=8))
    return names, rows


def encoded(names, rows, separator, encoding, quoting, end) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


@settings(max_examples=150, deadline=None, suppress_health_check=ONE_FOLDER)
@given(
    frames(),
    st.sampled_from(",;|\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_text_comes_back_as_it_was_written(tmp_path, frame, separator, encoding, quoting, end):
    names, rows = frame
    # Other separators, and commas that could be decimal, are the sniffer's and the number reader's tests.
    if separator != ",":
        rows = [[cell.replace(",", "") for cell in row] for row in rows]
    # Python's writer leaves a carriage return bare where it ends no line: two rows to any reader.
    if quoting == csv.QUOTE_MINIMAL and end == "\n":
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    # A separator inside every name would be another way of reading the header.
    names = ["n" + "".join(c for c in name if c not in ",;|\t") for name in names]
    path = tmp_path / "t.csv"
    path.write_bytes(encoded(names, rows, separator, encoding, quoting, end))
    result = read(path)
    expected = [[cell or None for cell in row] for row in rows]
    assert result.frame.columns == tidy_names(names)[0]
    assert [list(row) for row in result.frame.rows()] == expected
    assert all(dtype == pl.String for dtype in result.frame.dtypes)


@settings(max_examples=60, deadline=None, suppress_health_check=ONE_FOLDER)
@given(st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=8), st.randoms())
def test_unquoted_junk_is_read_or_refused(tmp_path, rows, random):
    """Text that no writer quoted: an answer or a DataError, nothing else."""
    text = "a,b,c\n" + "\n".join(random.choice(",;").join(row) for row in rows)
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    try:
        result = read(path)
    except DataError as error:
        told = str(error)
    else:
        told = result.source
    assert "t.csv" in told


@settings(max_examples=60, deadline=None, suppress_health_check=ONE_FOLDER)
@given(st.binary(max_size=400), st.sampled_from([".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ""]))
def test_any_bytes_are_read_or_refused(tmp_path, data, ending):
    path = tmp_path / f"t{ending}"
    path.write_bytes(data)
    with contextlib.suppress(DataError):
        assert read(path).frame.width


@settings(max_examples=60, deadline=None, suppress_health_check=ONE_FOLDER)
@given(st.lists(st.lists(st.sampled_from(["1", "", "x y", "é"]), min_size=0, max_size=3), max_size=9),
       st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_the_fast_reader_mends_as_the_slow_one(tmp_path, rows, end):
    """A quote somewhere makes Python's reader do the work: the table must be the same."""
    text = "".join(",".join(row) + end for row in [["a", "b", "c"], *rows])
    path = tmp_path / "t.csv"
    path.write_text(text + f"q,q,q{end}", newline="")
    fast = read(path)
    path.write_text(text + f'"q",q,q{end}', newline="")
    slow = read(path)
    assert fast.frame.equals(slow.frame)
    assert fast.notes == slow.notes


@pytest.mark.parametrize("seed", range(3))
def test_odd_tables_are_read_or_refused(tmp_path, seed):
    outcomes = {}
    for label, write, _ in odd_tables(seed):
        try:
            outcomes[label] = read(write(tmp_path)).frame.shape
        except DataError:
            outcomes[label] = None
    refused = {label for label, shape in outcomes.items() if shape is None}
    assert {"empty", "blank lines only", "a long row", "a quote left open", "a web page"} <= refused
    assert refused <= {
        "empty", "blank lines only", "a long row", "a quote left open", "a web page", "bytes", "a title line",
        "bytes named parquet", "bytes named xlsx", "text named parquet", "packed and cut short",
        "json lines cut short",
    }  # fmt: skip
    assert outcomes["five thousand columns"][1] == 5001


@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None, suppress_health_check=ONE_FOLDER)
def test_decimal_commas_give_the_same_numbers(tmp_path, values):
    path = tmp_path / "t.csv"
    path.write_text("a;b\n" + "".join(f"{str(v).replace('.', ',')};{v}\n" for v in values))
    frame = read(path).frame
    assert frame["a"].cast(pl.Float64).to_list() == frame["b"].cast(pl.Float64).to_list() == values
