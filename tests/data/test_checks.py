"""Each warning comes when it should and, as important, stays away when it should not."""

import numpy as np
import polars as pl
import pytest
from sklearn import datasets

from coterie.data import describe as describing
from coterie.data.checks import capacity_warning, check, outside_warnings, shared
from coterie.data.describe import describe
from coterie.data.encode import encode
from coterie.data.infer import infer_schema
from coterie.data.roles import Roles, assign_roles
from coterie.data.schema import Schema
from coterie.data.table import Table

RNG = np.random.default_rng(1)
N = 200


def clean(**more: object) -> pl.DataFrame:
    columns = {"a": RNG.normal(size=N), "b": RNG.normal(size=N), "y": RNG.choice(["p", "q"], N)}
    return pl.DataFrame({**columns, **more}, strict=False)


def study(frame: pl.DataFrame, target: object = "y", **given: object) -> tuple[Table, Roles, Schema]:
    table = Table(frame, "t", "a frame", "")
    roles = assign_roles(table, target=target, **given)  # type: ignore[arg-type]
    return table, roles, infer_schema(table, roles, np.flatnonzero(roles.keep))


def warnings(frame: pl.DataFrame, target: object = "y", folds: int = 5, **given: object) -> list[str]:
    table, roles, schema = study(frame, target, **given)
    rows = np.flatnonzero(roles.keep)
    cut = int(0.8 * len(rows))
    return check(table, roles, schema, rows[:cut], rows[cut:], folds)


def test_clean_data_has_no_warnings() -> None:
    assert warnings(clean()) == []


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "iris", "wine", "diabetes"])
def test_no_leak_is_seen_in_well_known_tables(name: str) -> None:
    data = getattr(datasets, f"load_{name}")()
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(data.data.T)}).with_columns(
        y=data.target
    )
    frame = frame.sample(fraction=1.0, shuffle=True, seed=0)
    assert not [w for w in warnings(frame) if "alone predicts" in w or "unbalanced" in w]


def test_duplicates_and_shared_rows() -> None:
    frame = clean()
    got = warnings(pl.concat([frame, frame.head(10)]))
    assert any("10 rows of 210 are the same as an earlier one" in w for w in got)
    assert any("10 test rows of 42 are also among the development rows" in w for w in got)
    tiny = pl.DataFrame(
        {"a": RNG.integers(0, 3, N), "b": RNG.choice(["u", "v"], N), "y": RNG.choice(["p", "q"], N)}
    )
    assert warnings(tiny) == []  # equal rows are only natural here


def test_shared_rows_of_another_table_of_other_types() -> None:
    frame = clean()
    table, _, schema = study(frame)
    other = Table(frame.head(7).cast(pl.String), "later", "", "")
    got = shared(table, schema, np.arange(N), other, np.arange(7))
    assert len(got) == 1
    assert "7 test rows of 7" in got[0]


@pytest.mark.parametrize("kind", ["number", "reversed", "category", "missing", "value"])
def test_leaks(kind: str) -> None:
    frame = clean()
    sick = (frame["y"] == "p").to_numpy()
    target = "y"
    if kind == "number":
        frame = frame.with_columns(leak=pl.Series(np.where(sick, 5.0, 1.0) + RNG.uniform(0, 1, N)))
    elif kind == "reversed":
        frame = frame.with_columns(leak=pl.Series(-1.0 * sick))
    elif kind == "category":
        frame = frame.with_columns(leak=pl.Series(np.where(sick, RNG.choice(["u", "v"], N), "w")))
    elif kind == "missing":
        frame = frame.with_columns(leak=pl.Series(np.where(sick, RNG.normal(size=N), np.nan)))
    else:
        frame = frame.with_columns(leak=pl.Series(3.0 * frame["a"].to_numpy() ** 3 - 2))
        target = "a"
    got = [w for w in warnings(frame, target) if "alone predicts" in w]
    assert len(got) == 1
    assert got[0].startswith("'leak'")


def test_a_strong_but_honest_feature_is_no_leak() -> None:
    sick = RNG.random(N) < 0.5
    frame = clean(y=np.where(sick, "p", "q")).with_columns(
        a=pl.Series(np.where(sick, 3.0, 0.0) + RNG.normal(size=N))
    )
    assert warnings(frame) == []
    rows = [warnings(clean(y=RNG.permutation(["p"] * 196 + ["q"] * 4))) for _ in range(5)]
    assert not any("alone" in w for got in rows for w in got)


def test_identifiers_that_repeat_suggest_a_group() -> None:
    frame = clean(patient_id=RNG.integers(0, 80, N))
    assert any("--group patient_id" in w for w in warnings(frame))
    assert not any("--group" in w for w in warnings(frame, group="patient_id"))
    assert not any("--group" in w for w in warnings(clean(patient_id=RNG.permutation(N) + 7)))


def test_constants_and_classes() -> None:
    assert any("'c'" in w and "constant" in w for w in warnings(clean(c=["x"] * N)))
    rare = RNG.permutation(["p"] * 98 + ["q"] * 99 + ["r"] * 3)
    got = warnings(clean(y=rare))
    assert any("'r'" in w and "than there are folds (5)" in w for w in got)
    assert any("heavily unbalanced" in w for w in got)
    assert not any("folds" in w for w in warnings(clean(y=rare), folds=0))
    labels = clean(l=(np.arange(N) < 4).astype(int), m=RNG.integers(0, 2, N))
    assert any("'l'" in w for w in warnings(labels, ("l", "m")))


def test_few_rows() -> None:
    assert any("16 rows" in w for w in warnings(clean().head(20)))


def test_capacity_does_not_cry_wolf() -> None:
    network = lambda inputs, outputs: inputs * 64 + 64 + 64 * 64 + 64 + 64 * outputs + outputs  # noqa: E731
    for rows, inputs, outputs in [(1437, 64, 10), (455, 30, 2), (120, 4, 3), (353, 10, 1)]:
        assert capacity_warning(network(inputs, outputs), rows) is None
    assert "parameters for 16 rows" in (capacity_warning(network(3, 3), 16) or "")
    assert capacity_warning(network(5000, 2), 500)


def test_values_outside_what_was_trained_on() -> None:
    town = RNG.choice(["Ulm", "Bonn"], N)
    _, _, schema = study(clean(a=np.linspace(0.0, 10.0, N) ** 1.01, town=town))
    high = schema.column("a").high
    assert high is not None
    new = pl.DataFrame(
        {
            "a": [5.0, 2 * high - 0.1, 2 * high + 0.1, -99.0, None],
            "b": 0.0,
            "town": ["Ulm", "Rom", None, "Rom", "Bonn"],
        }
    )
    got = outside_warnings(schema, encode(Table(new, "t", "", ""), schema, with_target=False))
    assert len(got) == 2
    assert got[0].startswith("2 values of 'a' lie far outside")
    assert got[1].startswith("2 values of 'town' were not seen")


def test_describe_counts_missing_as_the_kind_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = clean(
        town=["Ulm", "?", "Bonn", None] * 50, x=["1.5", "2", "oops", "3"] * 2 + ["2.5"] * (N - 8), k=[1] * N
    )
    table, roles, schema = study(frame)
    facts = {fact["name"]: fact for fact in describe(table, roles, schema)}
    monkeypatch.setattr(describing, "SLICE", 7)  # long columns are looked at in slices
    assert describe(table, roles, schema) == list(facts.values())
    assert list(facts) == frame.columns
    assert (facts["town"]["missing"], facts["town"]["distinct"]) == (0.5, 2)
    assert (facts["x"]["missing"], facts["x"]["distinct"]) == (0.01, 4)
    assert (facts["k"]["kind"], facts["k"]["role"]) == ("constant", "left_out")
    assert facts["y"]["role"] == "target"
