"""Targets, tasks and positive classes; weights, groups, times and splits; and what is refused."""

import numpy as np
import polars as pl
import pytest

from coterie.data.roles import Roles, assign_roles, name_parts
from coterie.data.table import Table
from coterie.errors import DataError


def table(target: tuple[str, ...] = (), **columns: object) -> Table:
    return Table(pl.DataFrame(columns, strict=False), "t", "a frame", "", (), target)


def roles(y: list, **given: object) -> Roles:
    return assign_roles(table(y=y, x=list(range(len(y)))), target="y", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("y", "task", "classes", "dtype"),
    [
        (["b", "a", "c"] * 3, "multiclass", ("a", "b", "c"), "str"),
        (["2", "10", "1"] * 5, "multiclass", ("1", "2", "10"), "int"),
        ([0, 1, 1, 0], "binary", ("0", "1"), "int"),
        ([1, 2, 1, 2], "binary", ("1", "2"), "int"),
        ([1.0, 2.0, None, 2.0, 1.0], "binary", ("1", "2"), "int"),
        ([True, False], "binary", ("False", "True"), "bool"),
        (["yes", "no"], "binary", ("no", "yes"), "str"),
        (["benign", "malignant"], "binary", ("benign", "malignant"), "str"),
        (["alive", "Dead"], "binary", ("alive", "Dead"), "str"),
        (["+", "-"], "binary", ("-", "+"), "str"),
        (["unwell", "healthy"], "binary", ("healthy", "unwell"), "str"),
        (["none", "mild", "none"], "binary", ("none", "mild"), "str"),
        (["01", "02", "01"], "binary", ("01", "02"), "str"),
        ([0.5, 1.5, 2.5, 3.5], "regression", (), "float"),
        ([1, 2, 3, 4, 5], "regression", (), "int"),
        (["1.5", "2.5", "NA"], "regression", (), "float"),
        (list(range(25)) * 10, "regression", (), "int"),
        (list(range(20)) * 5, "multiclass", tuple(map(str, range(20))), "int"),
    ],
)
def test_task_classes_and_their_order(y: list, task: str, classes: tuple, dtype: str) -> None:
    target = roles(y).target
    assert (target.task, target.classes, target.dtype) == (task, classes, dtype)


def test_y_is_the_index_of_the_class_and_missing_rows_are_not_kept() -> None:
    got = roles(["yes", "", "no", "NA", "yes"])
    assert got.y.tolist() == [1, -1, 0, -1, 1]
    assert got.y.dtype == np.int64
    assert got.keep.tolist() == [True, False, True, False, True]
    assert any("2 of 5 rows" in note for note in got.notes)


def test_regression_keeps_double_precision_and_leaves_infinity_out() -> None:
    got = roles([0.1, 1 / 3, float("inf"), 1e300, 2.0])
    assert got.y[:2, 0].tolist() == [0.1, 1 / 3]
    assert got.keep.tolist() == [True, True, False, False, True]
    assert any("2 values" in warning for warning in got.warnings)


def test_explicit_task() -> None:
    assert roles([1, 2, 3, 1, 2, 3] * 4, task="regression").target.task == "regression"
    assert roles([1.5, 2.5, 1.5], task="classification").target.classes == ("1.5", "2.5")
    assert roles(list(range(30)), kinds={"y": "category"}).target.task == "multiclass"
    with pytest.raises(DataError, match="numbers in the target"):
        roles(["a", "b"], task="regression")
    with pytest.raises(DataError, match="two classes"):
        roles(["a", "b", "c"], task="binary")
    with pytest.raises(DataError, match="'regression'"):
        roles([1.0, 2.0], task="regresion")


def test_positive() -> None:
    assert roles(["yes", "no"], positive="no").target.classes == ("yes", "no")
    assert roles([0, 1, 0, 1], positive=0).target.classes == ("1", "0")
    assert roles([True, False], positive=False).target.classes == ("True", "False")
    with pytest.raises(DataError, match="Did you mean 'malignant'"):
        roles(["benign", "malignant"], positive="malignat")
    with pytest.raises(DataError, match="two classes"):
        roles(["a", "b", "c"], positive="a")


def test_several_targets() -> None:
    data = table(a=[0, 1, 1], b=["no", "yes", ""], c=[0.5, 2.0, 1.0], d=["u", "v", "w"], x=[1, 2, 3])
    labels = assign_roles(data, target=("a", "b"))
    assert labels.target.task == "multilabel"
    assert labels.keep.tolist() == [True, True, False]
    assert labels.y[:2].tolist() == [[0, 0], [1, 1]]
    assert assign_roles(data, target=["a", "c"]).target.task == "regression"
    with pytest.raises(DataError, match="'d'"):
        assign_roles(data, target=("a", "d"))


@pytest.mark.parametrize("y", [["a", "a"], [1, 1], [1.5, 1.5, 1.5], [None, "a"], ["", "b", "b"]])
def test_nothing_to_learn(y: list) -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        roles(y)


@pytest.mark.parametrize("y", [["", None, "NA"], [None, None]])
def test_no_target_at_all(y: list) -> None:
    with pytest.raises(DataError, match="needs values"):
        roles(y)


def test_no_rows() -> None:
    with pytest.raises(DataError, match="needs rows"):
        assign_roles(table(y=[], x=[]), target="y")


def test_the_target_must_be_named_or_the_tables_own() -> None:
    assert assign_roles(table(("y",), x=[1, 2], y=["a", "b"]), target=None).target.names == ("y",)
    with pytest.raises(DataError, match="--target outcome"):
        assign_roles(table(x=[1, 2], outcome=["a", "b"]), target=None)
    with pytest.raises(DataError, match="--target NAME"):
        assign_roles(table(x=[1, 2]), target=None)


@pytest.mark.parametrize("role", ["target", "weight", "group", "time", "ignore", "kinds"])
def test_unknown_names_get_suggestions(role: str) -> None:
    given = {"target": "disease", role: "diseese"}
    given |= {"ignore": ["diseese"]} if role == "ignore" else {}
    given |= {"kinds": {"diseese": "numeric"}} if role == "kinds" else {}
    with pytest.raises(DataError, match="Did you mean 'disease'"):
        assign_roles(table(disease=["a", "b"], x=[1, 2]), **given)  # type: ignore[arg-type]


def test_one_role_a_column() -> None:
    with pytest.raises(DataError, match="one role"):
        assign_roles(table(y=["a", "b"], x=[1, 2]), target="y", ignore=["y"])


def test_weights() -> None:
    data = table(y=["a", "b", None], w=[2.0, 0.0, None], bad=[1.0, -1.0, 1.0], nil=[0, 0, 0], x=[1, 2, 3])
    got = assign_roles(data, target="y", weight="w")
    assert got.weight is not None
    assert got.weight.tolist() == [2.0, 0.0, 0.0]  # a row that is not kept needs no weight
    assert got.columns["w"] == "weight"
    for name in ("bad", "nil"):
        with pytest.raises(DataError, match="Weights"):
            assign_roles(data, target="y", weight=name)


def test_groups_are_codes_and_missing_ones_are_alone() -> None:
    got = assign_roles(table(y=["a", "b"] * 3, g=["p", "", "q", None, "p", "q"]), target="y", group="g")
    codes = got.group
    assert codes is not None
    assert codes[0] == codes[4] != codes[2] == codes[5]
    assert len(set(codes.tolist())) == 4


def test_time_is_seconds_or_the_number_itself() -> None:
    data = table(y=["a", "b", "a"], t=["1970-01-02", "", "1970-01-03"], n=[3, 1, 2], w=["u", "v", "w"])
    got = assign_roles(data, target="y", time="t")
    assert got.time is not None
    assert got.time[[0, 2]].tolist() == [86400.0, 172800.0]
    assert got.keep.tolist() == [True, False, True]
    again = assign_roles(data, target="y", time="n").time
    assert again is not None
    assert again.tolist() == [3.0, 1.0, 2.0]
    with pytest.raises(DataError, match="dates, times or numbers"):
        assign_roles(data, target="y", time="w")


def test_a_column_that_says_the_split() -> None:
    words = ["Train", "training", "val", "TEST"]
    got = assign_roles(table(y=["a", "b", "a", "b"], data_split=words), target="y")
    assert got.split is not None
    assert got.split.tolist() == ["train", "train", "validation", "test"]
    assert got.columns["data_split"] == "split"
    for name, column in [("split", ["train", "test", "other", "test"]), ("vehicle", words)]:
        other = assign_roles(table(y=["a", "b", "a", "b"], **{name: column}), target="y")
        assert other.split is None


def test_words_in_a_name() -> None:
    assert name_parts("patientID_no2") == ["patient", "id", "no", "2"]
    assert name_parts("Grid size") == ["grid", "size"]
