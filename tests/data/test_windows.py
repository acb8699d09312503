"""Forecasting: windows and answers against a plain loop, and that no window holds its own answers."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.data import windows
from coterie.data.arrange import Arrangement, arrange, settle
from coterie.data.encode import encode
from coterie.data.infer import infer_schema
from coterie.data.roles import assign_roles
from coterie.data.table import Table
from coterie.errors import DataError


def table(**columns: object) -> Table:
    return Table(pl.DataFrame(columns, strict=False), "sales", "sales.csv", "abc")


def ramp(rows: int) -> np.ndarray:
    """Values that rise by 1, and are no row numbers."""
    return np.arange(rows) + 0.5


def asked(**more: object) -> Arrangement:
    return Arrangement(**{"horizon": 2, "window": 3, "target": ("y",)} | more)  # type: ignore[arg-type]


def test_each_row_is_an_origin_with_its_past_and_what_followed() -> None:
    made = arrange(table(y=[10.5, 11, 12, 13, 14, 15], x=[1, 2, 1, 2, 1, None]), asked())
    assert made.frame.to_dict(as_series=False) == {
        "y": [[10.5, 11.0, 12.0], [11.0, 12.0, 13.0]],
        "x": [[1.0, 2.0, 1.0], [2.0, 1.0, 2.0]],
        "origin": [2, 3],
        "y+1": [13.0, 14.0],
        "y+2": [14.0, 15.0],
    }
    assert made.frame.schema["y"] == pl.Array(pl.Float64, 3)
    assert made.target == asked().answers == ("y+1", "y+2")
    assert any("2 forecasts of 1 series, 1 to 2 steps ahead" in note for note in made.notes)


def test_to_predict_there_is_the_last_window_of_each_series() -> None:
    data = table(y=[1.5, 2, 3, 4, 5, 6, 7], shop=["a", "b"] * 3 + ["a"], t=[3, 1, 2, 2, 1, 3, 4])
    long = table(y=ramp(40), shop=["a", "b"] * 20, t=np.arange(40) // 2)
    arrangement = settle(long, asked(time="t", group="shop"))
    made = arrange(data, arrangement, with_target=False)
    assert made.frame.to_dict(as_series=False) == {
        "y": [[3.0, 1.5, 7.0], [2.0, 4.0, 6.0]],
        "shop": ["a", "b"],
        "t": [4, 3],
    }
    assert made.target == ()


def test_several_series_and_targets_and_an_order_by_date() -> None:
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(days=d) for d in range(5)]
    data = table(
        when=[str(d) for d in reversed(days)] * 2,
        shop=["n"] * 5 + ["s"] * 5,
        y=["5", "4", "3", "2", "1.5", "50", "40", "30", "20", "10"],
        z=["0.5", "0.4", "NA", "0.2", "0.1"] * 2,
    )
    arrangement = settle(data, asked(time="when", group="shop", target=("y", "z"), horizon=1, window=2))
    made = arrange(data, arrangement)
    assert arrangement.answers == ("y+1", "z+1")
    assert made.frame["y"].to_list()[:3] == [[1.5, 2.0], [2.0, 3.0], [3.0, 4.0]]
    assert made.frame["z"].to_list()[:3] == [[0.1, 0.2], [0.2, None], [None, 0.4]]
    assert made.frame["y+1"].to_list() == [3.0, 4.0, 5.0, 30.0, 40.0, 50.0]
    assert made.frame["z+1"].to_list() == [None, 0.4, 0.5] * 2
    assert made.frame["when"].to_list() == [str(d) for d in days[1:4]] * 2
    assert arrangement.moment == "when"


def test_split_by_its_moment_with_the_gap_no_answer_is_shared() -> None:
    data = table(y=ramp(50))
    arrangement = settle(data, asked(horizon=4, window=6))
    made = arrange(data, arrangement).frame
    assert arrangement.moment is not None
    cut = 30
    training = made.filter(pl.col(arrangement.moment) < cut - arrangement.gap)
    later = made.filter(pl.col(arrangement.moment) >= cut)
    answers = list(arrangement.answers)
    shared = set(training.select(answers).to_numpy().ravel()) & set(later.select(answers).to_numpy().ravel())
    assert not shared
    closer = made.filter(pl.col(arrangement.moment) < cut - arrangement.gap + 1)
    assert set(closer.select(answers).to_numpy().ravel()) & set(later.select(answers).to_numpy().ravel())
    assert settle(data, asked(horizon=1)).gap == 0


def test_the_usual_window_is_settled_once() -> None:
    data = table(y=ramp(100))
    assert settle(data, asked(window=0)).window == 8
    assert settle(data, asked(window=None, horizon=5)).window == 20
    assert settle(data, asked(window=None, horizon=20)).window == 33
    assert settle(table(y=ramp(9000)), asked(window=0, horizon=90)).window == 256
    arrangement = settle(data, asked(window=0))
    assert arrange(table(y=ramp(10)), arrangement, with_target=False).frame["y"].dtype == pl.Array(
        pl.Float64, 8
    )


def test_what_is_not_a_number_is_left_out_with_a_note() -> None:
    data = table(y=ramp(13), row=range(13), weather=["sun", "rain"] * 6 + ["sun"], none=[None] * 13)
    made = arrange(data, asked())
    assert made.frame.columns == ["y", "origin", "y+1", "y+2"]
    said = " ".join(made.notes)
    for name in ("row", "weather", "none"):
        assert f"'{name}'" in said


def test_a_column_called_origin_is_not_lost() -> None:
    arrangement = settle(table(y=ramp(13), origin=np.arange(13) * 0.5), asked())
    assert arrangement.moment == "origin_2"


def test_steps_of_unequal_length_are_noted() -> None:
    months = [datetime.date(2024 + m // 12, m % 12 + 1, 1) for m in range(20)]
    even = arrange(table(y=ramp(20), t=months), asked(time="t"))
    odd = arrange(table(y=ramp(20), t=[*months[:-1], datetime.date(2030, 1, 1)]), asked(time="t"))
    assert not any("equally long" in note for note in even.notes)
    assert any("equally long" in note for note in odd.notes)


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        ({"y": [1.5, 2, 3, 4]}, {}, "4 rows"),
        ({"y": [1.5, 2, 3, 4, 5, 6], "s": list("aaaaab")}, {"group": "s"}, "where 's' is 'b'"),
        ({"y": list("abcdefgh")}, {}, "forecast is of numbers"),
        ({"y": ramp(9), "y+1": ramp(9)}, {}, "called as a forecast"),
        ({"y": ramp(9), "t": [1] * 9}, {"time": "t"}, "one row for each time"),
        ({"y": ramp(9)}, {"group": "shop"}, "must be a column"),
        ({"y": ramp(9)}, {"target": ("x",)}, "must be a column"),
    ],
)
def test_what_is_refused(columns: dict, more: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        arrange(table(**columns), asked(**more))


def test_a_series_shorter_than_its_window_cannot_be_forecast() -> None:
    arrangement = settle(table(y=ramp(21)), asked())
    assert arrange(table(y=[1, 2, 3]), arrangement, with_target=False).frame["y"].to_list() == [[1, 2, 3]]
    with pytest.raises(DataError, match="the 3 rows that a forecast is made from"):
        arrange(table(y=[1, 2]), arrangement, with_target=False)


def test_windows_that_would_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "NUMBERS", 50)
    with pytest.raises(DataError, match="46 windows of 3 values of 1 columns"):
        arrange(table(y=ramp(50)), asked())


def test_what_comes_out_can_be_learned_from() -> None:
    rng = np.random.default_rng(0)
    made = arrange(table(y=rng.normal(size=60), x=rng.normal(size=60)), asked(window=5))
    roles = assign_roles(made, target=made.target, task="regression", time="origin")
    schema = infer_schema(made, roles, np.arange(40))
    data = encode(made, schema)
    assert schema.sequence == (5, 2)
    assert data.inputs["sequence"].shape == (54, 5, 2)
    assert roles.time is not None
    assert roles.time.tolist() == list(range(4, 58))


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    window=st.integers(1, 5),
    horizon=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_as_a_plain_loop_does_and_never_its_own_answers(
    lengths: list[int], window: int, horizon: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shop = np.repeat(np.arange(len(lengths)), lengths)
    t = np.concatenate([np.arange(n) for n in lengths])
    y = rng.permutation(len(shop)) + 0.5  # every value occurs once
    x = np.where(rng.uniform(size=len(y)) < 0.2, np.nan, y + 1000)
    order = rng.permutation(len(y))
    data = table(shop=shop[order], t=t[order], y=y[order], x=x[order])
    arrangement = asked(time="t", group="shop", window=window, horizon=horizon)
    if min(lengths) < window + horizon:
        with pytest.raises(DataError, match="Each series must hold"):
            arrange(data, arrangement)
        return
    expected = []
    for s in dict.fromkeys(shop[order].tolist()):
        own, beside = y[shop == s], x[shop == s]
        for o in range(window - 1, len(own) - horizon):
            past = own[o - window + 1 : o + 1].tolist()
            other = [None if np.isnan(v) else v for v in beside[o - window + 1 : o + 1].tolist()]
            expected.append((s, o, past, other, *own[o + 1 : o + 1 + horizon].tolist()))
    frame = arrange(data, arrangement).frame
    missing = "x" not in frame.columns  # it has no value at all
    wanted = [row[:3] + row[4:] if missing else row for row in expected]
    assert [tuple(_plain(cell) for cell in row) for row in frame.rows()] == wanted
    for row in frame.select("y", *arrangement.answers).rows():
        assert not set(row[0]) & set(row[1:])


def _plain(cell: object) -> object:
    return list(cell) if isinstance(cell, (list, pl.Series)) else cell
