"""Several studies that search together: each tells the others, through a storage of Optuna, what it tries.

A study asks for batches of its own and trains them in its own folder. What others have told by then counts as
tried when it asks. Studies find each other by what they have in common: data, question and search space. So
the same command, in another process or on another machine, with the same storage, joins the search.

Each trial says whose it is, so that telling again, after a kill, changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coterie.errors import StudyError
from coterie.study.sampling import Told, optuna_for, trial_of
from coterie.study.space import Choice, Space

# of a question, what may differ between studies that search together
OWN = ("source", "test", "init", "search", "storage", "candidates", "prefer", "refit", "by", "rows",
       "time_limit", "device", "compile")  # fmt: skip

TRIES, PAUSE = 6, 0.25  # seconds


def common_name(asked: Mapping[str, Any], space: Space) -> str:
    """What the search of a study is called in a storage. asked: its study.json."""
    question = {name: value for name, value in asked["question"].items() if name not in OWN}
    initial = asked.get("initial", {}).get("sha256")
    facts = [question, asked["sha256"], asked["metric"], initial, space.to_dict()]
    found = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return f"{asked['name']}-{found[:12]}"


def placed(storage: str) -> str:
    """A storage named from where the person stands, as it can be named from anywhere."""
    if "://" not in storage:
        return str(Path(storage).absolute())
    kind, _, path = storage.partition(":///")
    if kind == "sqlite" and path and not path.startswith(("/", "file:", ":memory:")):
        return f"sqlite:///{Path(path).absolute()}"
    return storage


@contextmanager
def reached(storage: str, search: str) -> Iterator[Any]:
    """Optuna; whatever goes wrong in the storage is one clear error."""
    with optuna_for(search) as optuna:
        from sqlalchemy.exc import SQLAlchemyError

        kinds = (SQLAlchemyError, optuna.exceptions.OptunaError, ImportError, OSError, ValueError)
        try:
            yield optuna
        except kinds as error:  # of databases and their drivers, files and networks
            why = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
            raise StudyError(
                "A shared search needs a storage that Optuna can open.",
                given=f"{storage} ({why})",
                fix="Name another, such as sqlite:///trials.db or a file on a shared disk. A study that was "
                "begun is kept: once the storage is there again, `coterie resume` goes on.",
            ) from error


def check_storage(storage: str, search: str) -> None:
    """`StudyError` for a storage that cannot be opened."""
    with reached(storage, search) as optuna:
        _opened(optuna, storage)


def _opened(optuna: Any, storage: str) -> Any:
    """Studies that begin together all make the tables of a new database: who comes second tries again."""
    if "://" not in storage:
        backend = optuna.storages.journal.JournalFileBackend(storage)
        return optuna.storages.JournalStorage(backend)
    from sqlalchemy.exc import DatabaseError

    for _ in range(TRIES - 1):
        try:
            return optuna.storages.RDBStorage(storage)
        except DatabaseError:
            time.sleep(PAUSE)
    return optuna.storages.RDBStorage(storage)


class Shared:
    """One study's part in a search. mine: what tells it from the others."""

    def __init__(self, storage: str, search: str, name: str, mine: str, maximise: bool) -> None:
        self.storage, self.search, self.mine = storage, search, mine
        with reached(self.storage, self.search) as optuna:
            self._study = optuna.create_study(
                storage=_opened(optuna, storage),
                study_name=name,
                direction="maximize" if maximise else "minimize",
                load_if_exists=True,
            )

    def others(self) -> list[Told]:
        """What others try or have tried, in the order of their trials."""
        with reached(self.storage, self.search) as optuna:
            found = []
            for trial in self._study.get_trials(deepcopy=False):
                if trial.user_attrs.get("study") in (None, self.mine):
                    continue
                if trial.state == optuna.trial.TrialState.RUNNING:
                    found.append(Told(dict(trial.params), None))
                elif trial.state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED):
                    score = math.nan if trial.value is None else float(trial.value)
                    found.append(Told(dict(trial.params), score))
            return found

    def announce(self, space: Space, batch: int, choices: Mapping[int, Choice], folder: str) -> None:
        """Says what is being tried, by the candidate's index. What is known is not said again."""
        with reached(self.storage, self.search) as optuna:
            known = self._own()
            for place, choice in choices.items():
                if place not in known:
                    told = {"study": self.mine, "candidate": place, "batch": batch, "folder": folder}
                    self._study.add_trial(trial_of(optuna, space, choice, None, told))

    def tell(self, scores: Mapping[int, float]) -> None:
        """Says what candidates came to, by their index; nan: they have no score."""
        with reached(self.storage, self.search) as optuna:
            known = self._own()
            for place, score in scores.items():
                if place in known and known[place].state == optuna.trial.TrialState.RUNNING:
                    if math.isfinite(score):
                        self._study.tell(known[place].number, score)
                    else:
                        self._study.tell(known[place].number, state=optuna.trial.TrialState.PRUNED)

    def _own(self) -> dict[int, Any]:
        trials = self._study.get_trials(deepcopy=False)
        return {t.user_attrs["candidate"]: t for t in trials if t.user_attrs.get("study") == self.mine}
