"""Long format: rows of one id become one row, in both directions of time, types and what is refused."""

import datetime
import json
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data.arrange import Arrangement, arrange, settle
from coterie.data.encode import encode
from coterie.data.infer import infer_schema
from coterie.data.roles import assign_roles
from coterie.data.table import Table
from coterie.errors import DataError


def table(**columns: object) -> Table:
    return Table(pl.DataFrame(columns, strict=False), "visits", "visits.csv", "abc", ("Read.",))


def visits(**more: object) -> Table:
    """Two patients whose visits are mixed, and not in order of time."""
    columns: dict[str, object] = {
        "patient": ["b", "a", "b", "a", "b"],
        "day": [30, 5, 10, 1, 20],
        "pulse": [63.0, 75.0, None, 71.0, 62.0],
        "sex": ["f", "m", "f", "m", "f"],
        "age": [50, 61, 50, 61, 50],
        "ill": ["yes", "no", "yes", "no", "yes"],
    }
    return table(**columns | more)


LONG = Arrangement(sequence="patient", time="day", target=("ill",))


def test_a_row_for_each_id_in_order_of_appearance_with_steps_in_order_of_time() -> None:
    made = arrange(visits(), LONG)
    assert made.frame.to_dict(as_series=False) == {
        "patient": ["b", "a"],
        "day": [[0.0, 10.0, 20.0], [0.0, 4.0]],
        "pulse": [[None, 62.0, 63.0], [71.0, 75.0]],
        "sex": ["f", "m"],
        "age": [50, 61],
        "ill": ["yes", "no"],
    }
    assert made.frame.schema["pulse"] == pl.List(pl.Float64)
    assert made.target == ("ill",)
    assert (made.name, made.source) == ("visits", "visits.csv")
    assert made.notes[0] == "Read."
    assert any("5 rows are 2 sequences of 2 to 3 steps" in note for note in made.notes)


def test_without_a_time_the_rows_order_counts() -> None:
    made = arrange(visits(), Arrangement(sequence="patient", target=("ill",)))
    assert made.frame["day"].to_list() == [[30.0, 10.0, 20.0], [5.0, 1.0]]


@pytest.mark.parametrize(
    "days",
    [
        ["2024-02-01", "2024-01-05", "2024-01-10", "2024-01-01", "2024-01-20"],
        ["01/02/2024", "05/01/2024", "10/01/2024", "01/01/2024", "20/01/2024"],  # day-first: there is a 20
        [datetime.date(2024, 2, 1), *(datetime.date(2024, 1, d) for d in (5, 10, 1, 20))],
    ],
)
def test_dates_become_elapsed_seconds(days: list) -> None:
    made = arrange(visits(day=days), LONG)
    assert made.frame["day"].to_list() == [[0.0, 10 * 86400.0, 22 * 86400.0], [0.0, 4 * 86400.0]]
    assert made.frame["pulse"].to_list() == [[None, 62.0, 63.0], [71.0, 75.0]]


def test_text_of_a_csv_is_read_as_what_it_says() -> None:
    columns = {n: [None if v is None else str(v) for v in c] for n, c in visits().frame.to_dict().items()}
    plain, text = arrange(visits(), LONG).frame, arrange(table(**columns), LONG).frame
    assert text["pulse"].to_list() == plain["pulse"].to_list()
    assert text["day"].to_list() == plain["day"].to_list()


def test_yes_and_no_and_durations_and_words_for_missing() -> None:
    made = arrange(
        visits(
            awake=["yes", "no", "no", "?", "yes"],
            flag=[True, False, None, True, False],
            rest=[datetime.timedelta(seconds=s) for s in (5, 4, 3, 2, 1)],
            pulse=["63", "75", "n/a", "71", "62"],
        ),
        LONG,
    )
    assert made.frame["awake"].to_list() == [[0.0, 1.0, 1.0], [None, 0.0]]
    assert made.frame["flag"].to_list() == [[None, 0.0, 1.0], [1.0, 0.0]]
    assert made.frame["rest"].to_list() == [[3.0, 1.0, 5.0], [2.0, 4.0]]
    assert made.frame["pulse"].to_list() == [[None, 62.0, 63.0], [71.0, 75.0]]


def test_a_target_that_changes_is_an_answer_for_every_step() -> None:
    stages = ["deep", "light", None, "deep", "light"]
    arrangement = settle(visits(ill=stages), LONG)
    assert arrangement.each_step
    made = arrange(visits(ill=stages), arrangement)
    assert made.frame["ill"].to_list() == [[None, "light", "deep"], ["deep", "light"]]
    assert made.frame.schema["ill"] == pl.List(pl.String)
    roles = assign_roles(made, target=made.target, ignore=("patient",))
    assert roles.y.tolist() == [[-1, 1, 0], [0, 1, -1]]
    # A later table in which it happens not to change is arranged in the same way.
    later = arrange(visits(ill=["deep"] * 5), arrangement)
    assert later.frame["ill"].to_list() == [["deep"] * 3, ["deep"] * 2]


def test_a_target_known_in_one_row_of_a_sequence_is_the_sequences() -> None:
    made = arrange(visits(ill=[None, "no", "yes", "", "yes"]), LONG)
    assert made.frame["ill"].to_list() == ["yes", "no"]


def test_what_was_settled_holds_for_later_tables() -> None:
    arrangement = Arrangement.from_dict(json.loads(json.dumps(settle(visits(), LONG).to_dict())))
    assert arrangement == settle(visits(), LONG)
    assert settle(table(patient=[1]), arrangement) is arrangement
    one = table(patient=["c"], day=[7], pulse=["80"], sex=["f"], age=[3], extra=[1.5])
    made = arrange(one, arrangement, with_target=False).frame
    assert made.to_dict(as_series=False) == {
        "patient": ["c"],
        "day": [[0.0]],
        "pulse": [[80.0]],
        "sex": ["f"],
        "age": [3],
    }
    strange = arrange(visits(age=[50, 61, 51, 61, 50]), arrangement)
    assert strange.frame["age"].to_list() == [51, 61]
    assert any("'age'" in note and "changes in 1" in note for note in strange.notes)
    assert "ill" not in arrange(visits(), arrangement, with_target=False).frame.columns
    with pytest.raises(DataError, match="target"):
        arrange(one, arrangement)


def test_the_way_dates_are_written_is_settled() -> None:
    arrangement = settle(visits(day=["13/02/2024", "05/01/2024", "10/01/2024", "01/01/2024", ""]), LONG)
    later = table(patient=[1, 1], day=["02/03/2024", "01/04/2024"], pulse=[1.0, 2.0])
    made = arrange(later, arrangement, with_target=False).frame
    assert made["day"].to_list() == [[0.0, 30 * 86400.0]]  # March to April, and not January to February


def test_the_hash_is_that_of_the_table_and_the_arrangement() -> None:
    made = arrange(visits(), LONG)
    assert made.sha256 == arrange(visits(), settle(visits(), LONG)).sha256 != "abc"
    others = [
        arrange(visits(), Arrangement(sequence="patient", target=("ill",))),
        arrange(visits(), LONG, with_target=False),
        arrange(Table(visits().frame, "visits", "visits.csv", "abd"), LONG),
    ]
    assert len({made.sha256, *(other.sha256 for other in others)}) == 4


def test_what_cannot_be_read_is_left_out_with_a_note() -> None:
    made = arrange(
        visits(
            remark=["well", "tired", "ill", "well", "well"],
            code=["007", "001", "002", "003", "004"],
            row=[0, 1, 2, 3, 4],
            scan=[[1.0], [2.0], [3.0], [4.0], [5.0]],
        ),
        LONG,
    )
    assert not {"remark", "code", "row", "scan"} & set(made.frame.columns)
    said = " ".join(made.notes)
    for name in ("remark", "code", "row", "scan"):
        assert f"'{name}'" in said


def test_rows_without_an_id_or_a_time_are_left_out_and_that_is_said() -> None:
    made = arrange(visits(patient=["b", "a", "", "a", "b"], day=[30, None, 10, 1, 20]), LONG)
    assert made.frame["pulse"].to_list() == [[62.0, 63.0], [71.0]]
    assert any("1 rows have no 'patient'" in note for note in made.notes)
    assert any("1 rows have no usable time in 'day'" in note for note in made.notes)


def test_equal_times_keep_their_order_and_are_noted() -> None:
    made = arrange(visits(day=[1, 1, 1, 1, 1]), LONG)
    assert made.frame["pulse"].to_list() == [[63.0, None, 62.0], [75.0, 71.0]]
    assert any("3 rows have the 'day' of another row of their 'patient'" in note for note in made.notes)


def test_a_column_that_counts_rows_is_read_when_there_is_nothing_else() -> None:
    made = arrange(
        table(id=[1, 1, 2, 2], x=[0, 1, 2, 3], y=["a", "a", "b", "b"]),
        Arrangement(sequence="id", target=("y",)),
    )
    assert made.frame["x"].to_list() == [[0.0, 1.0], [2.0, 3.0]]


@pytest.mark.parametrize(
    ("changed", "arrangement", "message"),
    [
        ({}, {"sequence": "pateint"}, "Did you mean 'patient'"),
        ({}, {"time": "days"}, "Did you mean 'day'"),
        ({}, {"target": ("il",)}, "Did you mean 'ill'"),
        ({}, {"time": "ill"}, "one role only"),
        ({}, {"target": ()}, "target column must be named"),
        ({}, {"group": "pulse"}, "of one group"),
        ({"patient": [1, 2, 3, 4, 5]}, {}, "share its id"),
        ({"patient": [None] * 5}, {}, "need an id"),
        ({"day": ["soon", "later", "?", "now", "3"]}, {}, "must hold dates, times or numbers"),
        ({"pulse": [1, 2, 1, 2, 1], "day": [1] * 5}, {"time": None}, "numbers that changes within it"),
        ({"sex": ["f", "m", "m", "f", "m"]}, {"target": ("ill", "sex")}, "same throughout each sequence"),
    ],
)
def test_what_is_refused(changed: dict, arrangement: dict, message: str) -> None:
    asked = {"sequence": "patient", "time": "day", "target": ("ill",)} | arrangement
    with pytest.raises(DataError, match=message):
        arrange(visits(**changed), Arrangement(**asked))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"sequence": "a", "horizon": 3},
        {"sequence": "a", "window": 3},
        {"horizon": -1},
        {"horizon": 2.5},
        {"horizon": 2, "window": True},
    ],
)
def test_an_arrangement_that_makes_no_sense_is_refused(asked: dict) -> None:
    with pytest.raises(DataError):
        Arrangement(**asked)


def test_a_record_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(DataError, match="as Coterie wrote it"):
        Arrangement.from_dict({"sequence": "a", "shape": 3})


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="needs rows"):
        arrange(table(id=[], x=[], y=[]), Arrangement(sequence="id", target=("y",)))


def test_what_comes_out_can_be_learned_from() -> None:
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(30), rng.integers(2, 6, 30))
    steps = table(id=ids, x=rng.normal(size=len(ids)), z=rng.normal(size=len(ids)), y=ids % 2)
    made = arrange(steps, Arrangement(sequence="id", target=("y",)))
    roles = assign_roles(made, target=made.target, ignore=("id",))
    schema = infer_schema(made, roles, np.arange(30))
    data = encode(made, schema)
    assert schema.sequence == (int(np.bincount(ids).max()), 2)
    assert data.inputs["length"].tolist() == np.bincount(ids).tolist()
    first = data.inputs["sequence"][7, : np.bincount(ids)[7], 0].numpy()
    np.testing.assert_allclose(first, steps.frame["x"].to_numpy()[ids == 7], rtol=1e-6)


cells = st.one_of(st.none(), st.floats(-100, 100, allow_nan=False))
row = st.tuples(
    st.sampled_from(["a", "b", "c", ""]),
    st.one_of(st.none(), st.integers(-3, 3)),
    cells,
    st.sampled_from(["u", "v", None]),
)


def plain_loop(rows: list[tuple]) -> Iterator[tuple]:
    """The same in plain Python: id, elapsed times, values, labels of each sequence."""
    for name in dict.fromkeys(r[0] for r in rows if r[0]):
        own = sorted((r for r in rows if r[0] == name and r[1] is not None), key=lambda r: r[1])
        if own:
            yield name, [float(r[1] - own[0][1]) for r in own], [r[2] for r in own], [r[3] for r in own]


@settings(max_examples=150, deadline=None)
@given(st.lists(row, min_size=1, max_size=14))
def test_as_a_plain_loop_does(rows: list[tuple]) -> None:
    # Two sequences that are always there settle what varies; the rest is drawn.
    fixed = [("p", 1, 1.5, "u"), ("p", 2, None, "v"), ("q", 1, 3.0, "v"), ("q", 0, 9.5, "u")] * 4
    rows = [*fixed, *rows]
    names, times, values, labels = zip(*rows, strict=True)
    made = arrange(
        table(id=names, t=times, x=values, y=labels), Arrangement(sequence="id", time="t", target=("y",))
    )
    # A group is placed by its first row, usable or not.
    assert made.frame.rows() == list(plain_loop(rows))
