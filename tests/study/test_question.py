"""A question: to study.json and back, and as the command line that asks the same."""

import dataclasses
import json
import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.cli.commands import _data, _given, _options
from coterie.cli.options import parse
from coterie.errors import CoterieError, SpecError, StudyError
from coterie.study.question import Question

COLUMN = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
PATH = COLUMN.filter(lambda text: not text.startswith("-"))
NAMES = st.lists(COLUMN, max_size=3, unique=True).map(tuple)
MAYBE = st.none() | COLUMN
HYPER = st.dictionaries(
    st.sampled_from(["lr", "hidden", "epochs"]), st.sampled_from(["1e-3", "64,64", "9"]), max_size=2
)
QUESTIONS = st.builds(
    Question,
    source=PATH,
    target=NAMES,
    test=MAYBE,
    test_size=st.sampled_from([0.2, 0.0, 0.35, 0, 50]),
    folds=st.none() | st.integers(0, 20),
    seeds=st.integers(1, 5),
    seed=st.integers(0, 2**40),
    candidates=st.integers(1, 99),
    models=st.sampled_from([(), ("mlp",), ("mlp", "linear")]),
    metric=st.none() | st.just("accuracy"),
    fix=HYPER,
    grid=HYPER.map(lambda values: {f"l{name}": (value, "2") for name, value in values.items()}),
    weight=MAYBE,
    group=MAYBE,
    time=MAYBE,
    ignore=NAMES,
    kinds=st.dictionaries(COLUMN, st.sampled_from(["numeric", "category"]), max_size=2),
    task=st.none() | st.just("binary"),
    positive=MAYBE,
    prefer=st.sampled_from(["best", "simple"]),
    refit=st.booleans(),
    by=NAMES,
    rows=st.booleans(),
    time_limit=st.none() | st.sampled_from([90.0, 0.5, 1e6]),
    device=st.sampled_from(["auto", "cpu"]),
)


def as_asked(command):
    """The question that a command line asks, by the parser that a person's would meet."""
    words = shlex.split(command)
    assert words[:2] == ["coterie", "fit"]
    given = _given(parse(words[1:]))
    data, out = _data(given), given.pop("out", None)
    target, test = given.pop("target", ()), given.pop("test", None)
    return Question(data, target=tuple(target), test=test, **_options(given)), out


@settings(max_examples=150, deadline=None)
@given(QUESTIONS)
def test_to_json_and_back(question):
    assert Question.from_dict(json.loads(json.dumps(question.to_dict()))) == question


@settings(max_examples=150, deadline=None)
@given(QUESTIONS, st.none() | COLUMN)
def test_its_command_asks_the_same(question, out):
    again, where = as_asked(question.command(out))
    assert again == question
    assert where == out


@pytest.mark.parametrize(
    "name", ["height, cm", "a b", "it's", "$HOME", "日本", "a;b", "100%", "(x)", "*", "#1", "~", "a&b", "-x"]
)
def test_odd_names_survive_the_shell(name):
    question = Question(
        f"{name}.csv".removeprefix("-"), target=(name,), ignore=("plain", name), by=(name,), group=name
    )
    assert as_asked(question.command())[0] == question


def test_what_is_the_default_is_not_said():
    assert Question("iris").command() == "coterie fit iris"
    assert Question("iris", rows=False, refit=True).command() == "coterie fit iris --refit --no-rows"


def test_values_from_python_are_said_as_typed():
    question = Question(
        "iris", fix={"hidden": (64, 32), "lr": 1e-3, "residual": True}, grid={"l2": (0.1, 1.0)}
    )
    asked, _ = as_asked(question.command())
    assert asked.fix == {"hidden": "64,32", "lr": "0.001", "residual": "true"}
    assert asked.grid == {"l2": ("0.1", "1")}


def test_numbers_keep_their_digits():
    """Six digits would be another question: another learning rate, another share, another seed's split."""
    question = Question("iris", fix={"lr": 0.0012345678}, test_size=0.123456789, time_limit=1234567.5)
    asked, _ = as_asked(question.command())
    assert float(asked.fix["lr"]) == question.fix["lr"]
    assert asked.test_size == question.test_size
    assert asked.time_limit == question.time_limit


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"folds": -1}, "folds must be a whole number from 0"),
        ({"folds": 2.5}, "folds must be"),
        ({"folds": True}, "folds must be"),
        ({"seeds": 0}, "seeds must be"),
        ({"seed": -1}, "seed must be"),
        ({"candidates": 0}, "candidates must be"),
        ({"prefer": "worst"}, "prefer must be"),
        ({"time_limit": 0}, "time_limit must be"),
        ({"time_limit": float("nan")}, "time_limit must be"),
        ({"test_size": -0.1}, "test_size must be"),
        ({"test_size": float("nan")}, "test_size must be"),
        ({"test_size": True}, "test_size must be"),
    ],
)
def test_refused_in_words(wrong, said):
    with pytest.raises(SpecError, match=said):
        Question("iris", **wrong)


@pytest.mark.parametrize("data", [None, 3, [], {}, {"source": "iris", "widht": 3}, {"target": []}])
def test_what_is_no_question(data):
    with pytest.raises(StudyError):
        Question.from_dict(data)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Question)])
@pytest.mark.parametrize("value", [3, "x", [7], {"a": 1}, -1, True, [], {}, {"a": "b"}])
def test_a_changed_question_is_a_question_or_an_error(field, value):
    try:
        question = Question.from_dict({**Question("iris").to_dict(), field: value})
    except CoterieError:
        return
    assert question.command()
