"""How a table whose rows are steps becomes one whose rows are examples: a record, asked for and settled."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from coterie.errors import DataError


@dataclass(frozen=True)
class Arrangement:
    """How a table of steps becomes a table of examples; plain data, stored with a study and its model.

    Asked: `sequence`, the column that names the sequence of a row (long format), or `horizon`, how many steps
    to forecast from the last `window` ones; `time`, the column that says the order (none: the rows' own);
    `group`, in forecasting the column that names the series; `target`. 0 and None are the same.

    Settled by `settle` (`steps` is None before): `steps`, the columns that become sequences of numbers;
    `scalars`, those that stay one value a row; `each_step`, whether the target is a list, an answer for every
    step; `form`, how times are written; `moment`, the column that a forecast's origin has its time in;
    `notes`, a sentence on whatever was left out.
    """

    sequence: str | None = None
    time: str | None = None
    horizon: int | None = None
    window: int | None = None
    group: str | None = None
    target: tuple[str, ...] = ()
    steps: tuple[str, ...] | None = None
    scalars: tuple[str, ...] = ()
    each_step: bool = False
    form: str = ""
    moment: str | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.sequence) == bool(self.horizon):
            raise DataError(
                "A table is arranged by sequence or by horizon.",
                given="both" if self.sequence else "neither",
                fix="To forecast several series, name the column that tells them apart with --group.",
            )
        if self.window and not self.horizon:
            raise DataError("A window belongs to a horizon.", given=self.window, fix="Add --horizon.")
        for name, value in (("horizon", self.horizon), ("window", self.window)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise DataError(f"The {name} is a whole number of steps.", given=repr(value))

    @property
    def answers(self) -> tuple[str, ...]:
        """The target's columns in the arranged table."""
        if not self.horizon:
            return self.target
        return tuple(name for t in self.target for name in answer_names(t, self.horizon))

    @property
    def gap(self) -> int:
        """How many origins of each series must lie unused between training rows and later ones.

        The answers of origin t reach to t + horizon: those of the horizon − 1 origins before a later row are
        among its answers, and would not yet be known when its forecast is made.
        """
        return self.horizon - 1 if self.horizon else 0

    def to_dict(self) -> dict[str, Any]:
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Any) -> Arrangement:
        if not isinstance(data, dict) or not set(data) <= {field.name for field in fields(cls)}:
            raise DataError("An arrangement must be as Coterie wrote it.", given="one that cannot be read")
        made: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in data.items()}
        return cls(**made)


def answer_names(name: str, horizon: int) -> list[str]:
    """What the answers are called.

    >>> answer_names("sales", 3)
    ['sales+1', 'sales+2', 'sales+3']
    """
    return [f"{name}+{step}" for step in range(1, horizon + 1)]
