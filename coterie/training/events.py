"""What happens while members train, as plain records; and what a listener may answer.

The loop yields these and calls nobody. Progress, checkpoints, time limits and trackers read them; a
listener may send back a `Retire`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MemberId = tuple[int, int, int]  # candidate, fold, seed


@dataclass(frozen=True)
class CohortStart:
    """A cohort begins, or goes on after a resume."""

    cohort: int
    members: int
    parameters: int  # of one member
    steps: int  # the most that are left, if no member stops early


@dataclass(frozen=True)
class StepEnd:
    """One step of all living members is done: the finest point at which a study can be stopped."""

    cohort: int
    epoch: int
    step: int
    steps: int  # in this epoch
    alive: int


@dataclass(frozen=True)
class Retired:
    """A member is done; `status`: finished (all epochs), converged (stopped early), diverged, or what a
    `Retire` says: stopped, pruned."""

    member: MemberId
    status: str
    epochs: int
    best_epoch: int
    score: float | None


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is done: for each member that was alive, its training loss and validation score.

    A score is None without validation rows, nan where the metric is undefined; a loss is None for closed
    forms. `retired` are those whose last epoch it was; the cohort is already compacted. A `Retire` sent in
    answer is answered by another `EpochEnd`, of the same epoch and without members, that names who left.
    beside: what else was found of the validation rows, one value a member by name.
    """

    cohort: int
    epoch: int
    members: tuple[MemberId, ...]
    train: tuple[float | None, ...]
    validation: tuple[float | None, ...]
    retired: tuple[Retired, ...]
    beside: dict[str, tuple[float | None, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CohortEnd:
    """Every member of the cohort is retired."""

    cohort: int


@dataclass(frozen=True)
class Retire:
    """A command: retire these members, keeping their best weights; None: all that live.

    Sent for all that live, it ends the epoch where it stands; for some, they leave when it is over. status:
    why they leave, stopped (time ran out) or pruned (others are ahead).
    """

    members: tuple[MemberId, ...] | None = None
    status: str = "stopped"


Event = CohortStart | StepEnd | EpochEnd | CohortEnd
