"""Asking one of Optuna's samplers for candidates, a batch at a time.

Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", 2019; of its samplers TPE
(Bergstra et al., "Algorithms for hyper-parameter optimization", 2011) and Gaussian processes.

What is asked for is a pure function of what was tried so far and of a seed: every batch begins with a fresh
sampler that is told all scores. So a search that was resumed asks for what it would have asked for, and no
state of Optuna is kept.

Optuna is imported when it is needed, and not before.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from coterie.errors import CoterieError, SpecError
from coterie.models.family import Family
from coterie.study.space import Choice, Space
from coterie.training.recipe import Recipe

PATIENCE = 10  # asks for each candidate that is wanted, before the space counts as used up


@dataclass(frozen=True)
class Told:
    """What a choice came to: its mean validation score; nan if it has none, None if it is not known yet."""

    choice: Choice
    score: float | None


def ask(
    space: Space,
    told: Sequence[Told],
    count: int,
    *,
    search: str,
    maximise: bool,
    seed: int,
    tried: Sequence[tuple[Family, Recipe]] = (),
    build: Callable[[Family], object] = lambda family: None,
) -> list[tuple[Family, Recipe]]:
    """So many new candidates, or fewer where nothing new is found; none of them is among those `tried`, and
    none is such that `build` raises.

    They differ in structure in at most ⌊√count⌋ ways, so that they fill cohorts: the first are chosen freely,
    and the others take over their structures in turn.
    """
    known, found, structures = {*tried}, list[tuple[Family, Recipe]](), list[Choice]()
    with optuna_for(search) as optuna:
        study = optuna.create_study(
            sampler=_sampler(optuna, search, seed), direction="maximize" if maximise else "minimize"
        )
        for one in told:
            study.add_trial(trial_of(optuna, space, one.choice, _bounded(one.score, told, maximise)))
        free = True
        for _ in range(PATIENCE * count):
            if len(found) == count:
                break
            turn = len(found) % math.isqrt(count)
            if turn < len(structures) and not free:
                study.enqueue_trial(structures[turn])
            trial = study.ask()
            candidate = _chosen(trial, space, build)
            if candidate is None or candidate in known:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                free = True  # of that structure there may be nothing new
                continue
            known.add(candidate)
            found.append(candidate)
            free = False
            if turn == len(structures):
                structures.append(space.structure(space.choice(*candidate)))
    return found


def trial_of(
    optuna: Any,
    space: Space,
    choice: Choice,
    score: float | None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """A choice as a trial of Optuna: complete, running where the score is None, pruned where it is nan."""
    states = optuna.trial.TrialState
    state = states.RUNNING if score is None else states.PRUNED if math.isnan(score) else states.COMPLETE
    distributions: dict[str, Any] = {}

    def option(key: str, words: list[str]) -> str:
        distributions[key] = optuna.distributions.CategoricalDistribution(words)
        return str(choice[key])

    def number(key: str, low: float, high: float, log: bool) -> float:
        distributions[key] = optuna.distributions.FloatDistribution(low, high, log=log)
        return float(choice[key])

    space.choose(option, number)
    return optuna.trial.create_trial(
        state=state,
        params={key: choice[key] for key in distributions},
        distributions=distributions,
        value=score if state == states.COMPLETE else None,
        user_attrs=dict(attributes or {}),
    )


def require(search: str) -> None:
    """`SpecError` where a search could not be gone on with."""
    with optuna_for(search):
        pass


@contextmanager
def optuna_for(search: str) -> Iterator[Any]:
    """The package, saying no more than errors while it is used; `SpecError` where it is missing."""
    try:
        import optuna
    except ImportError as error:
        raise SpecError(
            "Samplers are those of the package optuna.",
            given=f"search={search} without it",
            fix='Install it: pip install "coterie[optuna]". Or leave the search out.',
        ) from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def _sampler(optuna: Any, search: str, seed: int) -> Any:
    """None of them draws at random first: the first batch is there to begin with."""
    if search == "gp":
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=0, warn_independent_sampling=False)
    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=0,
        multivariate=True,  # what belongs together is chosen together, …
        group=True,  # … for each family by itself
        constant_liar=True,  # keeps away from what the same batch, or another process, tries just now
    )


def _chosen(trial: Any, space: Space, build: Callable[[Family], object]) -> tuple[Family, Recipe] | None:
    """What a trial chooses; None of what cannot be, in itself or with these data."""
    try:
        family, recipe = space.choose(
            lambda key, words: str(trial.suggest_categorical(key, words)),
            lambda key, low, high, log: float(trial.suggest_float(key, low, high, log=log)),
        )
        build(family)
    except CoterieError:
        return None
    return family, recipe


def _bounded(score: float | None, told: Sequence[Told], maximise: bool) -> float | None:
    """A score as it is told: what diverged was as bad as the worst that did not."""
    if score is None or math.isfinite(score):
        return score
    known = [one.score for one in told if one.score is not None and math.isfinite(one.score)]
    return math.nan if not known else min(known) if maximise else max(known)
