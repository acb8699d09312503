"""Tables from memory: frames of several libraries, dicts, arrays, tensors."""

import datetime
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.read import read
from coterie.data.table import columns_sha256
from coterie.errors import DataError

DAY = datetime.date(2024, 2, 29)
MIDNIGHT = datetime.datetime(2024, 2, 29)


def columns(data) -> dict[str, list]:
    return read(data).frame.to_dict(as_series=False)


def test_polars_frames_keep_their_types():
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [DAY, None], "d": [[1], []]})
    frame = frame.with_columns(e=pl.Series(["u", "v"], dtype=pl.Categorical), f=pl.Series([None, None]))
    table = read(frame)
    assert table.frame.schema == {**frame.schema, "f": pl.String}
    assert table.frame.rows() == frame.rows()
    assert (table.source, table.name, table.path, table.target) == ("a frame", "frame", None, ())
    assert read(frame.lazy()).frame.equals(table.frame)
    assert read(nw.from_native(frame)).frame.equals(table.frame)


def test_pandas_frames():
    frame = pd.DataFrame(
        {
            "ints": [1, 2, 3],
            "floats": [0.5, None, 2.0],
            "text": ["x", None, "z"],
            "bools": [True, False, True],
            "objects": ["u", 7, np.nan],
            "category": pd.Categorical(["k", None, "l"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "maybe": pd.array([True, None, False], dtype="boolean"),
            "day": pd.to_datetime(["2024-02-29", None, "2024-03-01"]),
            "zoned": pd.to_datetime(["2024-02-29", None, "2024-03-01"]).tz_localize("UTC"),
            "period": pd.period_range("2024-01", periods=3, freq="M"),
        },
        index=[9, 9, 7],
    )
    table = read(frame)
    result = table.frame.to_dict(as_series=False)
    assert np.isnan(result["floats"].pop(1))
    utc = datetime.timezone.utc  # noqa: UP017
    assert result == {
        "ints": [1, 2, 3],
        "floats": [0.5, 2.0],
        "text": ["x", None, "z"],
        "bools": [True, False, True],
        "objects": ["u", "7", None],
        "category": ["k", None, "l"],
        "nullable": [1, None, 3],
        "maybe": [True, None, False],
        "day": [MIDNIGHT, None, datetime.datetime(2024, 3, 1)],
        "zoned": [MIDNIGHT.replace(tzinfo=utc), None, datetime.datetime(2024, 3, 1, tzinfo=utc)],
        "period": ["2024-01", "2024-02", "2024-03"],
    }
    assert table.frame["nullable"].dtype == pl.Int64


def test_pandas_names_that_repeat_or_are_numbers():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", 7])
    table = read(frame)
    assert table.frame.columns == ["a", "a_2", "7"]
    assert "a_2" in table.notes[0]


def test_the_same_content_has_the_same_hash_wherever_it_comes_from():
    data = {"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]}
    hashes = {read(form).sha256 for form in (data, pl.DataFrame(data), pd.DataFrame(data))}
    assert len(hashes) == 1
    assert columns_sha256(read(data).frame) in hashes


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_the_hash_sees_names_types_values_and_their_places(data):
    values = st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=5)
    one, other = data.draw(values), data.draw(values)
    hashes = [columns_sha256(pl.DataFrame({"a": pl.Series(v, dtype=pl.String)})) for v in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)


def test_the_hash_of_every_type():
    base = {"i": [1, 2], "f": [1.0, 2.0], "d": [DAY, DAY], "l": [[1], [2]], "m": [Decimal("1.5"), None],
            "t": [MIDNIGHT, None], "b": [True, None], "n": [b"x", b"y"]}  # fmt: skip
    frame = pl.DataFrame(base)
    first = columns_sha256(frame)
    assert first == columns_sha256(pl.concat([frame[:1], frame[1:]], rechunk=False))
    for name in base:
        changed = frame.with_columns(frame[name].reverse().alias(name))
        assert (columns_sha256(changed) == first) == (frame[name].to_list() == frame[name].to_list()[::-1])
    assert columns_sha256(frame.with_columns(pl.col("i").cast(pl.Int32))) != first
    assert columns_sha256(frame.rename({"i": "j"})) != first


def test_dicts_of_columns():
    table = read({"a": [1, None, 2.5], "b": np.array(["x", "y", "z"]), "c": torch.tensor([True, False, True]),
                  "d": pd.Series([1, 2, 3]), "e": pl.Series([DAY] * 3), 5: range(3)})  # fmt: skip
    assert table.source == "a dict of columns"
    assert table.frame.to_dict(as_series=False) == {
        "a": [1.0, None, 2.5], "b": ["x", "y", "z"], "c": [True, False, True], "d": [1, 2, 3],
        "e": [DAY] * 3, "5": [0, 1, 2],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, True], ["1", "true"]),
        ([True, None, np.bool_(False)], [True, None, False]),
        ([1, "x", None, float("nan")], ["1", "x", None, None]),
        ([1, 2**70], [1.0, 2.0**70]),
        ([10**400, -(10**400), 0.5], [float("inf"), float("-inf"), 0.5]),
        ([Decimal("1.5"), 2], [1.5, 2.0]),
        ([np.float32(0.5), np.int8(3)], [0.5, 3.0]),
        ([MIDNIGHT, None], [MIDNIGHT, None]),
        ([DAY, MIDNIGHT], ["2024-02-29", "2024-02-29 00:00:00"]),
        ([pd.NaT, pd.NA, None], [None, None, None]),
        ([[1, 2], {"k": "é"}], ["[1, 2]", '{"k": "é"}']),
        ([b"x", "y"], ["x", "y"]),
        ([], []),
    ],
)
def test_columns_of_python_values(values, expected):
    assert columns({"a": values}) == {"a": expected}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i1", "u8", ">i4", "?", "g"])
def test_array_types(dtype):
    array = np.array([[0, 1], [1, 0]], dtype=dtype)
    assert read(array).frame.to_numpy().tolist() == array.tolist()


def test_array_times():
    times = np.array(["2024-02-29", "NaT"], dtype="datetime64[s]")
    assert columns({"t": times, "d": times.astype("datetime64[D]")}) == {
        "t": [MIDNIGHT, None],
        "d": [MIDNIGHT, None],
    }


def test_masked_values_are_missing():
    array = np.ma.MaskedArray([1.0, 2.0], mask=[False, True])
    assert columns({"a": array}) == {"a": [1.0, None]}


def test_arrays_and_tensors():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    for data in (x, torch.from_numpy(x).requires_grad_(), torch.from_numpy(x).bfloat16(), x.tolist()):
        table = read(data)
        assert table.frame.columns == ["x0", "x1"]
        assert table.frame.to_numpy().tolist() == x.tolist()
        assert (table.source, table.name) == ("arrays", "arrays")
    assert read(x[:, 0]).frame.columns == ["x0"]
    assert read(np.asfortranarray(x)[::2]).frame["x1"].to_list() == [1.0, 5.0]


def test_pairs():
    x = np.zeros((3, 2))
    table = read((x, ["a", "b", "a"]))
    assert table.frame.columns == ["x0", "x1", "y"]
    assert table.target == ("y",)
    assert read((x, np.zeros((3, 1)))).target == ("y",)
    assert read((torch.from_numpy(x), torch.zeros(3, 2))).target == ("y0", "y1")
    named = read((pd.DataFrame({"a": [1, 2, 3]}), pd.Series([0, 1, 0], name="sick")))
    assert named.frame.columns == ["a", "sick"]
    assert named.target == ("sick",)
    assert read((pl.DataFrame({"a": [1]}), pl.Series([1]))).target == ("y",)


def test_records():
    assert columns([{"a": 1, "b": "x"}, {"a": 2.5}]) == {"a": [1.0, 2.5], "b": ["x", None]}


def test_no_rows_is_a_table():
    assert read({"a": [], "b": []}).frame.shape == (0, 2)
    assert read(np.zeros((0, 3))).frame.shape == (0, 3)
    assert read(pd.DataFrame({"a": []})).frame.shape == (0, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": [1, 2], "b": [1]}, "'b' has 1 values, 'a' 2"),
        ({"a": 3}, "int for column 'a'"),
        ({"a": "text"}, "str for column 'a'"),
        ({"a": np.zeros((2, 2))}, "one dimension"),
        ({"a": np.array([1j])}, "plain values"),
        ({}, "must have a column"),
        (pd.DataFrame(), "must have a column"),
        ([], "must have a column"),
        (np.zeros((2, 3, 4, 5, 6)), "1 to 4 axes"),
        (np.float64(3), "shape"),
        ([[1, 2], [3]], "equally long"),
        ([[1, 2], 3], "single values"),
        ([{"a": 1}, 2], "must be a dict"),
        ((np.zeros((3, 2)), np.zeros(2)), "3 and 2"),
        ((np.zeros((3, 2)), np.zeros(3), np.zeros(3)), "tuple of 3"),
        ((pl.DataFrame({"y": [1]}), [1]), "name of an input"),
        (None, "NoneType"),
        (3, "int"),
        (object(), "object"),
    ],
)
def test_data_that_are_refused(data, words):
    with pytest.raises(DataError, match=words):
        read(data)
