"""What happens in a study besides training: the records that follow and surround `training/events.py`."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.training.events import Event


@dataclass(frozen=True)
class Planned:
    """What will be trained; estimate_seconds is a guess from the arithmetic, for before a long start."""

    members: int
    cohorts: int
    candidates: int
    families: tuple[str, ...]
    parameters: int  # of the largest member
    metric: str  # by which validation scores and selection go
    maximise: bool
    estimate_seconds: float
    batches: int = 1  # in which the candidates come; cohorts: of the first


@dataclass(frozen=True)
class RoundStart:
    """A round of a search begins, in which some candidates learn on; see `halving.py`.

    start, end: shares of their epochs; before, part: shares of all planned steps that earlier rounds have
    taken, and that this one takes.
    """

    number: int
    rounds: int
    candidates: int
    start: float
    end: float
    before: float
    part: float


@dataclass(frozen=True)
class BatchStart:
    """A batch of candidates that a sampler was asked for begins; see `batches.py`.

    first: the number of its first cohort; before: members of earlier batches, all of which are done.
    """

    number: int
    batches: int
    candidates: int
    first: int
    cohorts: int
    before: int


@dataclass(frozen=True)
class Phase:
    """A part of the work begins: "rates", "training", "refitting", "baselines", "assessing" or "report".

    detail: which, of several; of "training" why its steps run otherwise than they might.
    """

    name: str
    detail: str = ""


@dataclass(frozen=True)
class Saved:
    """A checkpoint is on disk: a kill from here on loses nothing before it."""

    path: str


@dataclass(frozen=True)
class Finished:
    """Model and report are written."""

    folder: str
    seconds: float


class Stopped(Exception):
    """Raised out of a study's events after `stop()`, when all is saved."""


StudyEvent = Event | Planned | RoundStart | BatchStart | Phase | Saved | Finished
