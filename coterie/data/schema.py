"""What the columns of a table are: the plan, as plain data, by which any later table is encoded.

A `Schema` is made once a study from development rows alone (`infer.py`), is written to study.json and
to the model's folder, and is all that `encode.py` needs: nothing is ever decided again at predict time.

F numeric inputs, C category inputs, K outputs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, get_args

from coterie.errors import ModelError

Task = Literal["binary", "multiclass", "multilabel", "regression", "text", "unsupervised"]
TASKS: tuple[str, ...] = get_args(Task)

KINDS = (
    *("numeric", "category", "boolean", "datetime", "identifier", "constant", "text", "image", "sequence"),
    "episode",
)
ROLES = ("feature", "target", "weight", "group", "time", "split", "ignore", "left_out")
LABELS = ("str", "int", "float", "bool")
PARTS = ("elapsed", "month_sin", "month_cos", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos")

PART_OF = "·"  # between a date's name and a feature made from it: "admitted·month_sin"


@dataclass(frozen=True)
class Target:
    """What is predicted: K classes, K labels, K values, or a text that is written token by token.

    Of the task "unsupervised" nothing is: names is the column of a label, if there is one, that rows can be
    told apart by, and classes what it says.

    classes: labels as text in index order (binary: the positive class last); () for multilabel and
    regression. dtype says how labels are given back: "str", "int", "float" or "bool". each_step: every step
    of a sequence has an answer of its own (classes, values, the next token), not the row. coding, shape:
    of a text its tokenizer, and (T, V), the most tokens that are written and entries of the vocabulary.
    """

    names: tuple[str, ...]
    task: Task
    classes: tuple[str, ...] = ()
    dtype: str = "str"
    each_step: bool = False
    coding: str = ""
    shape: tuple[int, ...] = ()

    @property
    def outputs(self) -> int:
        """K: how many numbers a model puts out for a row, or for a step."""
        if self.task == "text":
            return self.shape[1]
        if self.task == "unsupervised":
            return len(self.classes)
        return len(self.classes) if self.classes else len(self.names)

    def label(self, index: int) -> str | int | float | bool:
        """Class `index` in the user's own type, for predictions.

        >>> Target(("dead",), "binary", ("0", "1"), "int").label(1)
        1
        """
        text = self.classes[index]
        if self.dtype == "int":
            return int(text)
        if self.dtype == "float":
            return float(text)
        return text == "True" if self.dtype == "bool" else text


@dataclass(frozen=True)
class Column:
    """One column of the table: its kind, its role, and what encoding it needs to know.

    missing     codes that stand for missing here, as seen: ("-999", "?").
    vocabulary  category: known values in index order; unseen → len(vocabulary), missing → one more.
                boolean: the words for 0 and for 1.
    has_missing missing values occurred in the development rows: the preparation adds an indicator.
    format      datetime: strptime format ("" for true dates); category: "number" when values are compared
                as numbers (so 3, 3.0 and "3" are the same), "" when as text.
    origin      datetime: seconds since 1970 of the earliest development value.
    parts       datetime: the features made from it, a subset of `PARTS` in that order.
    low, high   numeric: range over the development rows; datetime: of the elapsed days.
    shape       image: (C, H, W); sequence: (T, F), the longest development row and its variables;
                text: (T, V), the most tokens of a row and entries of the vocabulary.
    coding      text: how it is cut into tokens (`tokens.Tokenizer`); image: how sizes are made equal;
                episode: the environment that is played.
    note        what was decided and why, a sentence; "" when there is nothing to say.
    """

    name: str
    kind: str
    role: str
    missing: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    has_missing: bool = False
    format: str = ""
    origin: float | None = None
    parts: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    note: str = ""
    shape: tuple[int, ...] = ()
    coding: str = ""

    @property
    def numeric_inputs(self) -> tuple[str, ...]:
        """Names of the numeric inputs that this column becomes."""
        if self.role != "feature":
            return ()
        if self.kind == "datetime":
            return tuple(f"{self.name}{PART_OF}{part}" for part in self.parts)
        return (self.name,) if self.kind in ("numeric", "boolean") else ()


@dataclass(frozen=True)
class Schema:
    """All columns in the table's order, the target, and the inputs that the features become.

    numeric      names of the F numeric inputs (numbers, booleans, parts of dates), in order.
    category     names of the C category inputs, in order.
    indicator    for each numeric input, whether a missing indicator goes with it.
    cardinality  for each category input, len(vocabulary) + 2: known values, unseen, missing.

    Make one with `Schema.of`, which works out the inputs.
    """

    columns: tuple[Column, ...]
    target: Target | None
    numeric: tuple[str, ...]
    category: tuple[str, ...]
    indicator: tuple[bool, ...]
    cardinality: tuple[int, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], target: Target | None) -> "Schema":
        """The schema of these columns.

        >>> Schema.of([Column("age", "numeric", "feature", has_missing=True)], None).indicator
        (True,)
        """
        numeric, indicator, category, cardinality = [], [], [], []
        for column in columns:
            for place, name in enumerate(column.numeric_inputs):
                numeric.append(name)
                indicator.append(column.has_missing and place == 0)  # one indicator tells all of a date
            if column.role == "feature" and column.kind == "category":
                category.append(column.name)
                cardinality.append(len(column.vocabulary) + 2)
        return cls(
            columns=tuple(columns),
            target=target,
            numeric=tuple(numeric),
            category=tuple(category),
            indicator=tuple(indicator),
            cardinality=tuple(cardinality),
        )

    def of_kind(self, kind: str) -> tuple[Column, ...]:
        """The features of a kind."""
        return tuple(column for column in self.features if column.kind == kind)

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the image of a row, if rows have one."""
        for column in self.of_kind("image"):
            c, h, w = column.shape
            return c, h, w
        return None

    @property
    def sequence(self) -> tuple[int, int] | None:
        """(T, F): steps of the longest sequence and variables of all, if rows have any."""
        found = [column.shape for column in self.of_kind("sequence")]
        return (max(t for t, _ in found), sum(f for _, f in found)) if found else None

    @property
    def said(self) -> int:
        """How many numbers a model says of a row: K, of each step where every step has an answer."""
        assert self.target is not None
        if self.target.task == "text":  # of each token how probable it was, and whether it was said
            return 2 * self.target.shape[0]
        steps = self.sequence[0] if self.target.each_step and self.sequence else 1
        return max(1, steps * self.target.outputs)

    @property
    def tokens(self) -> tuple[int, int] | None:
        """(T, V): the most tokens of a row and entries of the vocabulary, if rows have text."""
        for column in self.of_kind("text"):
            return column.shape[0], column.shape[1]
        return None

    @property
    def environment(self) -> str:
        """The name of the environment whose episodes rows are; "" of any other data."""
        return next((column.coding for column in self.of_kind("episode")), "")

    @property
    def answer(self) -> tuple[int, int] | None:
        """(T, V) of the text that is to be written, if there is one."""
        if self.target is None or self.target.task != "text":
            return None
        return self.target.shape[0], self.target.shape[1]

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that a model sees, in the table's order."""
        return tuple(column for column in self.columns if column.role == "feature")

    def column(self, name: str) -> Column:
        """The column of this name; it must exist."""
        return next(column for column in self.columns if column.name == name)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; `from_dict` gives back an equal schema."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Schema":
        """The schema that `to_dict` wrote, from JSON or not.

        Raises ModelError when the data are not such a schema: a field missing, unknown or of a wrong
        type, or inputs that do not follow from the columns.
        """
        wanted = [field.name for field in fields(cls)]
        if not isinstance(data, Mapping) or sorted(data) != sorted(wanted):
            raise _nonsense(f"fields {sorted(data) if isinstance(data, Mapping) else data!r}")
        if not isinstance(data["columns"], list | tuple):
            raise _nonsense("columns that are no list")
        columns = [_column(item) for item in data["columns"]]
        schema = cls.of(columns, None if data["target"] is None else _target(data["target"]))
        names = [column.name for column in columns]
        if len(set(names)) != len(names):
            raise _nonsense("two columns of one name")
        for field in ("numeric", "category", "indicator", "cardinality"):
            if not isinstance(data[field], list | tuple) or tuple(data[field]) != getattr(schema, field):
                raise _nonsense(f"'{field}' that does not follow from the columns")
        if schema.target and not set(schema.target.names) <= set(names):
            raise _nonsense(f"the target {schema.target.names}, which is no column")
        return schema


def _nonsense(given: str) -> ModelError:
    return ModelError(
        "A schema must be what Coterie wrote.",
        given=given,
        fix="The file was changed or comes from another program: use an unchanged copy.",
    )


def _target(data: Any) -> Target:
    target = Target(**_fields(Target, data))
    if target.task not in TASKS or target.dtype not in LABELS:
        raise _nonsense(f"target {data!r}")
    if target.task == "unsupervised":
        return target
    if not target.names:
        raise _nonsense(f"target {data!r}")
    by_class = target.task in ("binary", "multiclass")
    if by_class != bool(target.classes) or (target.task == "binary" and len(target.classes) != 2):
        raise _nonsense(f"{len(target.classes)} classes for the task '{target.task}'")
    if by_class and (len(target.names) != 1 or len(set(target.classes)) != len(target.classes)):
        raise _nonsense(f"target {data!r}")
    return target


def _column(data: Any) -> Column:
    column = Column(**_fields(Column, data))
    if column.kind not in KINDS or column.role not in ROLES or not set(column.parts) <= set(PARTS):
        raise _nonsense(f"column {data!r}")
    if column.role == "feature" and column.kind == "datetime" and (column.origin is None or not column.parts):
        raise _nonsense(f"the date '{column.name}' without origin or parts")
    if len(set(column.vocabulary)) != len(column.vocabulary):
        raise _nonsense(f"a vocabulary of '{column.name}' that repeats itself")
    return column


_TYPES: dict[Any, type | tuple[type, ...]] = {str: str, bool: bool, Task: str}


def _fields(record: type, data: Any) -> dict[str, Any]:
    """The fields of a record as its constructor takes them, each checked for its type."""
    known = {field.name: field for field in fields(record)}
    required = {name for name, field in known.items() if field.default is MISSING}
    if not isinstance(data, Mapping) or not required <= set(data) <= set(known):
        raise _nonsense(f"{record.__name__.lower()} {data!r}")
    values: dict[str, Any] = {}
    for name, value in data.items():
        kind = known[name].type
        if kind in (tuple[str, ...], tuple[int, ...]):
            item_type = str if kind == tuple[str, ...] else int
            good = isinstance(value, list | tuple) and all(type(item) is item_type for item in value)
            value = tuple(value) if good else value
        elif kind == float | None:
            good = value is None or (
                isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            )
        else:
            good = isinstance(value, _TYPES[kind])
        if not good:
            raise _nonsense(f"{record.__name__.lower()} with {name} = {value!r}")
        values[name] = value
    return values
