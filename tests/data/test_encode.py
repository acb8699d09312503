"""Encoding by a schema: exact values, tables of other types, and what predict-time tables may lack."""

from datetime import date

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.encode import encode, usable_rows
from coterie.data.infer import infer_schema
from coterie.data.roles import assign_roles
from coterie.data.schema import Column, Schema
from coterie.data.table import Table
from coterie.errors import DataError

NAN = float("nan")


def table(**columns: object) -> Table:
    return Table(pl.DataFrame(columns, strict=False), "t", "a frame", "")


def schema_of(data: Table, target: object = "y", **given: object) -> Schema:
    roles = assign_roles(data, target=target, **given)  # type: ignore[arg-type]
    return infer_schema(data, roles, np.flatnonzero(roles.keep))


CSV = table(
    age=["30", "?", "41.5", " 50 ", "inf", "60"],
    smokes=["yes", "no", "", "yes", "no", "no"],
    town=["Ulm", "Bonn", "Ulm", "NA", "Bonn", "Ulm"],
    zip=["3", "5", "3", "5", "9", "9"],
    seen=["2020-01-01", "2020-01-02", "", "2020-02-01", "2020-01-05", "2020-01-06"],
    w=["1", "2", "0", "1", "1", "1"],
    y=["no", "yes", "no", "yes", "no", "yes"],
)


def check_equal(got: torch.Tensor, want: list) -> None:
    np.testing.assert_array_equal(got.numpy(), np.array(want, dtype=np.float64))


def test_values_are_exact() -> None:
    schema = infer_schema(
        CSV, assign_roles(CSV, target="y", weight="w"), np.arange(6), kinds={"zip": "category"}
    )
    data = encode(CSV, schema)
    numeric = data.inputs["numeric"]
    assert (numeric.dtype, data.inputs["category"].dtype) == (torch.float64, torch.int64)
    assert schema.numeric[:3] == ("age", "smokes", "seen·elapsed")
    check_equal(numeric[:, 0], [30, NAN, 41.5, 50, NAN, 60])
    check_equal(numeric[:, 1], [1, 0, NAN, 1, 0, 0])
    check_equal(numeric[:, 2], [0, 1, NAN, 31, 4, 5])
    place = schema.numeric.index("seen·month_sin")
    check_equal(numeric[:, place], [0, 0, NAN, np.sin(np.pi / 6), 0, 0])
    assert schema.column("town").vocabulary == ("Bonn", "Ulm")
    assert data.inputs["category"].tolist() == [[1, 0], [0, 1], [1, 0], [3, 1], [0, 2], [1, 2]]
    assert data.target is not None
    assert data.target.tolist() == [0, 1, 0, 1, 0, 1]
    assert data.weight is not None
    assert data.weight.tolist() == [1, 2, 0, 1, 1, 1]


def test_the_order_of_rows_is_the_order_asked_for() -> None:
    schema = schema_of(CSV)
    whole, some = encode(CSV, schema), encode(CSV, schema, np.array([4, 0, 3]))
    assert some.rows.tolist() == [4, 0, 3]
    for name, values in whole.inputs.items():
        torch.testing.assert_close(some.inputs[name], values[[4, 0, 3]], rtol=0, atol=0, equal_nan=True)


def test_the_same_values_of_other_types_encode_alike() -> None:
    schema = infer_schema(CSV, assign_roles(CSV, target="y"), np.arange(6), kinds={"zip": "category"})
    typed = table(
        y=["no", "yes", "no", "yes", "no", "yes"],
        seen=[date(2020, 1, 1), date(2020, 1, 2), None, date(2020, 2, 1), date(2020, 1, 5), date(2020, 1, 6)],
        zip=[3.0, 5.0, 3.0, 5.0, 9.0, 9.0],
        more=[1] * 6,
        town=pl.Series(["Ulm", "Bonn", "Ulm", None, "Bonn", "Ulm"], dtype=pl.Categorical),
        smokes=[True, False, None, True, False, False],
        age=[30.0, NAN, 41.5, 50.0, None, 60.0],
        w=[1, 2, 0, 1, 1, 1],
    )
    a, b = encode(CSV, schema), encode(typed, schema)
    for name in a.inputs:
        torch.testing.assert_close(a.inputs[name], b.inputs[name], rtol=0, atol=0, equal_nan=True)


def test_predict_time_tables() -> None:
    schema = schema_of(CSV, weight="w")
    new = table(
        age=["x", "1e300", "-1e300"],
        smokes=["maybe", "TRUE", "0"],
        town=["Rom", "none", "Ulm"],
        zip=["-3", "", "9"],
        seen=["tomorrow", "2019-12-31", "01/01/2020"],
    )
    data = encode(new, schema, with_target=False)
    check_equal(data.inputs["numeric"][:, 0], [NAN, 1e30, -1e30])
    check_equal(data.inputs["numeric"][:, 1], [NAN, 1, 0])
    check_equal(data.inputs["numeric"][:, schema.numeric.index("seen·elapsed")], [NAN, -1, NAN])
    assert data.inputs["category"][:, 0].tolist() == [2, 3, 1]
    assert data.target is None
    assert data.weight is None


def test_missing_columns_are_named() -> None:
    schema = schema_of(CSV)
    with pytest.raises(DataError, match="without 'age', 'town'"):
        encode(Table(CSV.frame.drop("age", "town"), "t", "", ""), schema)
    with pytest.raises(DataError, match="Did you mean 'Age'"):
        encode(Table(CSV.frame.rename({"age": "Age"}), "t", "", ""), schema)
    with pytest.raises(DataError, match="The target"):
        encode(Table(CSV.frame.drop("y"), "t", "", ""), schema)


def test_empty_tables_and_tables_without_numbers() -> None:
    schema = schema_of(CSV)
    data = encode(Table(CSV.frame.head(0), "t", "", ""), schema)
    assert data.inputs["numeric"].shape == (0, len(schema.numeric))
    assert data.inputs["category"].shape == (0, 1)
    assert len(data) == 0
    words = table(a=["u", "v"] * 5, y=["p", "q"] * 5)
    assert encode(words, schema_of(words)).inputs["numeric"].shape == (10, 0)


def test_codes_for_missing_numbers() -> None:
    data = table(x=[*map(str, range(1, 30, 2)), *["-999"] * 3], y=["a", "b"] * 9)
    schema = schema_of(data)
    assert torch.isnan(encode(data, schema).inputs["numeric"][-3:, 0]).all()
    later = encode(table(x=[-999, -998], y=["a", "b"]), schema).inputs["numeric"]
    assert torch.isnan(later[:, 0]).tolist() == [True, False]


def test_targets_of_later_tables() -> None:
    schema = schema_of(CSV)
    later = Table(CSV.frame.with_columns(y=pl.Series(["yes", "", "no", None, "NA", "no"])), "t", "", "")
    rows, notes = usable_rows(later, schema)
    assert rows.tolist() == [0, 2, 5]
    assert "3 of 6" in notes[0]
    target = encode(later, schema, rows).target
    assert target is not None
    assert target.tolist() == [1, 0, 0]
    with pytest.raises(DataError, match="must have its target"):
        encode(later, schema)
    strange = Table(CSV.frame.with_columns(y=pl.lit("dunno")), "t", "", "")
    for use in (lambda: usable_rows(strange, schema), lambda: encode(strange, schema)):
        with pytest.raises(DataError, match="'dunno'"):
            use()


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ([0, 1, 1, 0], ["0", "1.0", "1", "0"]),
        (["true", "false"] * 2, ["true", "false"] * 2),
        ([True, False] * 2, ["true", "False", "1", "0"]),
        (["true", "false"] * 2, [True, False] * 2),
        (["1", "2"] * 3, [1.0, 2.0] * 3),
    ],
)
def test_labels_of_other_types(first: list, later: list) -> None:
    x = np.linspace(0, 1, len(first)) ** 2
    schema = schema_of(table(x=x, y=first))
    a, b = encode(table(x=x, y=first), schema).target, encode(table(x=x, y=later), schema).target
    assert a is not None
    assert b is not None
    assert a.tolist() == b.tolist()


def test_values_and_labels_as_targets() -> None:
    data = table(x=[0.1, 0.5, 0.2], a=[0.1, 2.0, 7.0], b=[1, 2, 3], l=[0, 1, 1], m=["no", "yes", "no"])
    values = encode(data, schema_of(data, ("a", "b"), ignore=["l", "m"])).target
    assert values is not None
    assert values.tolist() == [[0.1, 1.0], [2.0, 2.0], [7.0, 3.0]]
    labels = encode(data, schema_of(data, ("l", "m"), ignore=["a", "b"])).target
    assert labels is not None
    assert (labels.dtype, labels.tolist()) == (torch.float64, [[0, 0], [1, 1], [1, 0]])


TEXT = st.one_of(
    st.none(), st.text(max_size=8), st.floats().map(str), st.sampled_from(["yes", "NA", "1", "2020-01-01"])
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), min_size=6, max_size=25), st.lists(st.tuples(TEXT, TEXT), max_size=9))
def test_any_later_table_encodes(rows: list, later: list) -> None:
    def made(pairs: list) -> Table:
        names = {
            "a": [p[0] for p in pairs],
            "b": [p[1] for p in pairs],
            "sure": [0.5 * i for i in range(len(pairs))],
        }
        types = {"a": pl.String, "b": pl.String, "sure": pl.Float64}
        return Table(pl.DataFrame(names, schema=types), "t", "a frame", "")

    first = made(rows)
    known = Table(first.frame.with_columns(y=pl.Series(np.arange(len(rows)) % 2)), "t", "a frame", "")
    schema = schema_of(known)
    for data in (encode(first, schema, with_target=False), encode(made(later), schema, with_target=False)):
        numeric, category = data.inputs["numeric"], data.inputs["category"]
        assert not torch.isinf(numeric).any()
        for c, cardinality in enumerate(schema.cardinality):
            assert ((category[:, c] >= 0) & (category[:, c] < cardinality)).all()
    restored = Schema.from_dict(schema.to_dict())
    again = encode(first, restored, with_target=False).inputs
    for name, values in encode(first, schema, with_target=False).inputs.items():
        torch.testing.assert_close(values, again[name], rtol=0, atol=0, equal_nan=True)


def test_a_count_that_was_0_or_1_in_development_rows_keeps_its_other_values() -> None:
    schema = Schema.of([Column("stays", "boolean", "feature", vocabulary=("0", "1"))], None)
    table = Table(pl.DataFrame({"stays": ["0", "yes", "2", "?", None]}), "t", "a frame", "")
    values = encode(table, schema).inputs["numeric"][:, 0]
    np.testing.assert_array_equal(values.numpy(), [0, 1, 2, np.nan, np.nan])
