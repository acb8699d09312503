"""Kinds of columns, one case each; and the property that only development rows are looked at."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.infer import infer_schema
from coterie.data.roles import assign_roles
from coterie.data.schema import Column, Schema
from coterie.data.table import Table
from coterie.errors import DataError

RNG = np.random.default_rng(0)


def infer(name: str, values: object, kinds: dict[str, str] | None = None, rows: object = None) -> Column:
    series = values if isinstance(values, pl.Series) else pl.Series(name, values, strict=False)
    n = len(series)
    frame = pl.DataFrame(
        {name: series, "extra": np.linspace(0, 1, n) ** 2, "y": ["a", "b"] * (n // 2) + ["a"] * (n % 2)}
    )
    table = Table(frame, "t", "a frame", "")
    places = np.arange(n) if rows is None else np.asarray(rows)
    return infer_schema(table, assign_roles(table, target="y"), places, kinds).column(name)


def texts(values: object) -> list[str]:
    return [str(v) for v in values]  # type: ignore[attr-defined]


KINDS = [
    ("floats", RNG.normal(size=60), "numeric"),
    ("floats all different as text", texts(RNG.normal(size=60)), "numeric"),
    ("pixel", RNG.integers(0, 17, 200), "numeric"),
    ("pixel", texts(RNG.integers(0, 17, 200)), "numeric"),
    ("amount", RNG.permutation(1000)[:60], "numeric"),  # all different, but nothing says identifier
    ("dose", RNG.choice([0, 50, 100, 500, 1000], 300), "numeric"),
    ("year", RNG.choice([1990, 1995, 2003, 2011, 2020], 300), "numeric"),
    ("number_of_children", RNG.integers(0, 5, 60), "numeric"),
    ("number_of_cells", RNG.permutation(1000)[:60], "numeric"),
    ("seconds", [timedelta(seconds=int(v)) for v in RNG.integers(0, 99, 60)], "numeric"),
    ("patient_id", RNG.permutation(1000)[:60], "identifier"),
    ("patientId", texts(RNG.permutation(1000)[:60]), "identifier"),
    ("patient_id", RNG.integers(0, 100, 300), "identifier"),
    ("whatever", np.arange(60), "identifier"),
    ("whatever", texts(range(1, 61)), "identifier"),
    ("sample number", RNG.permutation(1000)[:60], "identifier"),
    ("name", [f"person {i}" for i in range(60)], "identifier"),
    ("account", [f"{i:08d}" for i in range(17, 77)], "identifier"),
    ("zip", [f"{i:05d}" for i in RNG.integers(501, 509, 60)], "category"),
    ("site_id", RNG.integers(0, 5, 100), "category"),
    ("zipcode", RNG.choice([10115, 20095, 80331], 60), "category"),
    ("discharge_type", RNG.integers(1, 6, 100), "category"),
    ("branch", RNG.choice([101, 257, 330, 412, 978], 300), "category"),
    ("town", ["Ulm", "Köln", "Bonn"] * 20, "category"),
    ("grade", pl.Series("grade", ["1", "2", "3"] * 20, dtype=pl.Categorical), "category"),
    ("grade", pl.Series("grade", ["1", "2", "3"] * 20, dtype=pl.Enum(["3", "2", "1"])), "category"),
    ("only some", ["X", None] * 30, "category"),
    ("smokes", ["Yes", "no"] * 30, "boolean"),
    ("smokes", ["y", "n", ""] * 20, "boolean"),
    ("smokes", [True, False] * 30, "boolean"),
    ("smokes", ["0", "1"] * 30, "boolean"),
    ("smokes", [0.0, 1.0, None] * 20, "boolean"),
    ("sex", [1, 2] * 30, "numeric"),
    ("when", [date(2020, 1, 1) + timedelta(days=3 * i) for i in range(60)], "datetime"),
    ("when", [datetime(2020, 1, 1) + timedelta(hours=7 * i) for i in range(60)], "datetime"),
    ("when", texts(date(2020, 1, 1) + timedelta(days=9 * i) for i in range(60)), "datetime"),
    ("when", [(date(2020, 1, 1) + timedelta(days=9 * i)).strftime("%Y%m%d") for i in range(60)], "datetime"),
    (
        "when",
        [(date(2020, 1, 1) + timedelta(days=9 * i)).strftime("%d %B %Y") for i in range(60)],
        "datetime",
    ),
    ("same", ["x"] * 60, "constant"),
    ("same", ["4.50"] * 60, "constant"),
    ("same", [7] * 60, "constant"),
    ("empty", ["", None, "n/a"] * 20, "constant"),
    ("empty", [None] * 60, "constant"),
    ("empty", [float("inf")] * 60, "constant"),
    ("review", [f"I rather liked this film number {i} a lot" for i in range(30)], "text"),
    ("list", [[1, 2], [3]] * 30, "sequence"),
    ("words", [["a", "b"], ["c"]] * 30, "text"),
]


@pytest.mark.parametrize(("name", "values", "kind"), KINDS)
def test_kind(name: str, values: object, kind: str) -> None:
    column = infer(name, values)
    assert column.kind == kind, column
    left_out = kind in ("identifier", "constant", "text")
    assert column.role == ("left_out" if left_out else "feature")
    assert column.note or not left_out


def test_a_few_words_among_numbers_are_missing_and_counted() -> None:
    column = infer("x", [*texts(RNG.normal(size=97)), "high", "?", "N/A"])
    assert column.kind == "numeric"
    assert column.has_missing
    assert column.missing == ("?", "N/A")
    assert "1 values that are no numbers, such as 'high'" in column.note
    assert infer("x", [*texts(RNG.normal(size=80)), *["high"] * 20]).kind != "numeric"


@pytest.mark.parametrize(
    ("rest", "code", "found"),
    [
        (RNG.uniform(0, 300, 100), -999, True),
        (RNG.uniform(-5, 5, 100), -99, True),
        (RNG.uniform(0, 60, 100), 999, True),
        (RNG.uniform(-2000, 2000, 100), -999, False),
        (RNG.uniform(0, 1000, 100), 999, False),
        (RNG.uniform(0, 80, 100), 99, False),
        (RNG.uniform(0, 9, 100), 12, False),
    ],
)
def test_codes_for_missing_need_evidence(rest: np.ndarray, code: int, found: bool) -> None:
    column = infer("x", [*texts(rest.round(2)), *[str(code)] * 4])
    assert (str(code) in column.missing) == found == column.has_missing
    assert (str(code) in column.note) == found
    if found:
        assert column.low == rest.round(2).min()
        assert column.high == rest.round(2).max()
    assert str(code) not in infer("x", [*texts(rest.round(2)), str(code)]).missing  # once is no evidence


def test_infinite_and_huge_numbers() -> None:
    column = infer("x", [1.0, 2.5, float("inf"), float("-inf"), 1e300, -3.0, float("nan"), 0.1])
    assert (column.low, column.high) == (-3.0, 1e30)
    assert "2 infinite" in column.note
    assert "1e30" in column.note


def test_day_first_or_month_first_by_evidence() -> None:
    assert infer("d", ["01/02/2020", "13/02/2020"] * 5).format == "%d/%m/%Y"
    assert infer("d", ["01/02/2020", "02/13/2020"] * 5).format == "%m/%d/%Y"
    # every value allows both readings, but only month-first is in order of time
    rising = infer("d", ["01/12/2020", "02/01/2020", "02/11/2020", "03/02/2020"])
    assert rising.format == "%m/%d/%Y"
    assert "in order of time" in rising.note
    unclear = infer("d", ["05/06/2020", "01/02/2020", "07/03/2020", "02/09/2020"])
    assert "could be day-first or month-first" in unclear.note


def test_parts_of_dates_are_those_that_vary() -> None:
    days = [date(2020, 1, 1) + timedelta(days=i) for i in range(20)]
    assert infer("d", days).parts == ("elapsed", "weekday_sin", "weekday_cos")
    hours = [datetime(2020, 1, 1) + timedelta(hours=i) for i in range(20)]
    assert infer("d", hours).parts == ("elapsed", "hour_sin", "hour_cos")
    assert infer("d", days).origin == 1577836800.0


def test_vocabulary() -> None:
    assert infer("town", ["b", "a", "?", " a ", "B"] * 5).vocabulary == ("B", "a", "b")
    assert infer("zip", [10, 9, 100] * 9).vocabulary == ("9", "10", "100")
    many = infer("town", [f"t{i}" for i in range(1500) for _ in range(2 + (i < 1000))])
    assert many.vocabulary == tuple(sorted(f"t{i}" for i in range(1000)))
    assert "500 rarer ones (1,000 rows)" in many.note
    rhesus = infer("rhesus", ["+", "-", ""] * 9)
    assert rhesus.vocabulary == ("+", "-")


def test_kinds_are_obeyed_or_refused() -> None:
    assert infer("size", [1, 2, 3] * 9, {"size": "category"}).vocabulary == ("1", "2", "3")
    assert infer("zip", [1, 2, 3] * 9, {"zip": "numeric"}).kind == "numeric"
    assert infer("x", np.arange(60), {"x": "numeric"}).kind == "numeric"
    assert infer("x", ["1", "a", "b"] * 9, {"x": "numeric"}).role == "feature"
    assert infer("x", ["1", "0"] * 9, {"x": "text"}).shape == (3, 7)  # start, a word, end; 2 words known
    assert infer("x", ["1", "2"] * 9, {"x": "identifier"}).kind == "identifier"
    for kind in ("numeric", "datetime", "boolean"):
        with pytest.raises(DataError, match=kind):
            infer("x", ["u", "v"] * 9, {"x": kind})
    with pytest.raises(DataError, match="Did you mean 'numeric'"):
        infer("x", [1, 2] * 9, {"x": "numerical"})
    with pytest.raises(DataError, match="Did you mean 'x1'"):
        infer("x1", [1, 2] * 9, {"X1": "numeric"})


def test_the_only_feature_is_used_even_if_it_counts_rows() -> None:
    table = Table(pl.DataFrame({"t": range(40), "y": np.sin(np.arange(40.0))}), "t", "a frame", "")
    column = infer_schema(table, assign_roles(table, target="y"), np.arange(40)).column("t")
    assert (column.kind, column.role) == ("numeric", "feature")
    assert "only column" in column.note


def test_no_feature_left() -> None:
    table = Table(pl.DataFrame({"id": [5, 3, 9, 7], "c": 1, "y": ["a", "b"] * 2}), "t", "a frame", "")
    with pytest.raises(DataError, match="At least one column"):
        infer_schema(table, assign_roles(table, target="y"), np.arange(4))


CELLS = st.one_of(
    st.sampled_from(
        ["", "NA", "-999", "0", "1", "yes", "no", "2020-01-31", "31/01/2020", "007", "inf", "a b c d e"]
    ),
    st.floats(allow_nan=True).map(str),
    st.integers(-5, 5).map(str),
    st.text(max_size=5),
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_only_development_rows_are_looked_at(data: st.DataObject) -> None:
    n = data.draw(st.integers(6, 30))
    columns = {f"c{i}": data.draw(st.lists(CELLS, min_size=n, max_size=n)) for i in range(3)}
    sure = [str(v) for v in np.linspace(0.5, 2, n)]
    others = {name: data.draw(st.lists(CELLS, min_size=n, max_size=n)) for name in columns}
    seen = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n))) | (np.arange(n) < 3)
    rows = np.flatnonzero(seen)
    y = ["a", "b"] * (n // 2) + ["a"] * (n % 2)

    def schema(changed: bool) -> Schema:
        def cell(i: int, own: str, other: str) -> str:
            return other if changed and not seen[i] else own

        made = {k: [cell(i, v, others[k][i]) for i, v in enumerate(vs)] for k, vs in columns.items()}
        made["sure"] = [cell(i, v, "odd") for i, v in enumerate(sure)]
        frame = pl.DataFrame({**made, "y": y}, schema_overrides=dict.fromkeys(made, pl.String))
        table = Table(frame, "t", "a frame", "")
        return infer_schema(table, assign_roles(table, target="y"), rows)

    first = schema(changed=False)
    assert schema(changed=True) == first
    assert Schema.from_dict(first.to_dict()) == first
