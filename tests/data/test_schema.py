"""The schema's plan: inputs follow from columns, and JSON gives back what was written or is refused."""

import copy
import json

import pytest

from coterie.data.schema import Column, Schema, Target
from coterie.errors import ModelError

SCHEMA = Schema.of(
    [
        Column("age", "numeric", "feature", missing=("-999",), has_missing=True, low=0.1, high=1e300),
        Column(
            "day",
            "datetime",
            "feature",
            has_missing=True,
            format="%Y-%m-%d",
            origin=0.1 + 0.2,
            parts=("elapsed", "month_sin", "month_cos"),
        ),
        Column("town", "category", "feature", vocabulary=("Ulm", "Łódź")),
        Column("smokes", "boolean", "feature", vocabulary=("no", "yes")),
        Column("id", "identifier", "left_out", note="It names rows."),
        Column("sick", "category", "target"),
    ],
    Target(("sick",), "binary", ("no", "yes")),
)


def test_inputs_follow_from_columns() -> None:
    assert SCHEMA.numeric == ("age", "day·elapsed", "day·month_sin", "day·month_cos", "smokes")
    assert SCHEMA.indicator == (True, True, False, False, False)
    assert SCHEMA.category == ("town",)
    assert SCHEMA.cardinality == (4,)


def test_round_trip_through_json_is_exact() -> None:
    assert Schema.from_dict(json.loads(json.dumps(SCHEMA.to_dict()))) == SCHEMA
    assert Schema.from_dict(SCHEMA.to_dict()) == SCHEMA


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("numeric",), ["age"]),
        (("cardinality",), [99]),
        (("indicator",), None),
        (("columns",), "age"),
        (("columns", 0, "kind"), "number"),
        (("columns", 0, "role"), "boss"),
        (("columns", 0, "low"), float("nan")),
        (("columns", 0, "low"), "0"),
        (("columns", 0, "name"), 3),
        (("columns", 0, "name"), "town"),
        (("columns", 0, "missing"), "-999"),
        (("columns", 1, "parts"), ["elapsed", "century"]),
        (("columns", 1, "origin"), None),
        (("columns", 2, "vocabulary"), ["Ulm", "Ulm"]),
        (("columns", 3, "has_missing"), 1),
        (("columns", 0), {"name": "age"}),
        (("columns", 0), None),
        (("target", "task"), "guess"),
        (("target", "task"), "regression"),
        (("target", "classes"), ["yes"]),
        (("target", "classes"), ["yes", "yes"]),
        (("target", "names"), ["nobody"]),
        (("target", "names"), []),
        (("target", "more"), 1),
        (("target",), 7),
        (("extra",), 1),
    ],
)
def test_nonsense_is_refused(path: tuple, value: object) -> None:
    data = json.loads(json.dumps(SCHEMA.to_dict()))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ModelError, match="schema"):
        Schema.from_dict(data)


@pytest.mark.parametrize("data", [None, [], "schema", {}, {"columns": []}])
def test_what_is_no_schema_is_refused(data: object) -> None:
    with pytest.raises(ModelError):
        Schema.from_dict(copy.deepcopy(data))  # type: ignore[arg-type]


def test_labels_come_back_in_their_own_type() -> None:
    assert Target(("y",), "binary", ("0", "1"), "int").label(1) == 1
    assert Target(("y",), "binary", ("False", "True"), "bool").label(0) is False
    assert Target(("y",), "binary", ("a", "b")).label(0) == "a"
    assert Target(("y", "z"), "regression").outputs == 2
