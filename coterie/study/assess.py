"""The assessment of a finished training: everything the report says, as plain data.

Choices were made on validation rows before this; the test rows are scored here, once. N rows, K outputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from coterie.data.describe import describe
from coterie.metrics.catalogue import Metric
from coterie.metrics.intervals import Interval
from coterie.model import Model
from coterie.study.baseline import Baseline
from coterie.study.importance import permutation_importance
from coterie.study.judging import drawn, most, said_of
from coterie.study.later import score_table
from coterie.study.looking import response, worst_rows
from coterie.study.problem import Problem
from coterie.study.question import Question
from coterie.study.scores import (
    BASELINE_RESAMPLES,
    RESAMPLES,
    Judged,
    affordable,
    best_by,
    class_table,
    confusion,
    fold_scores,
    interval_scores,
    judge,
    plain,
    pooled,
    prediction_intervals,
    subgroups,
    thresholds,
)
from coterie.study.selection import Scored
from coterie.study.verdict import Comparison, compare, look_at, verdict

__all__ = ["assess", "member_validation", "score_table"]

Facts = dict[str, Any]


def assess(
    problem: Problem,
    model: Model,
    *,
    winner: Scored,
    ranked: Sequence[Scored],
    oof: Tensor,
    oof_positions: np.ndarray,
    baselines: Sequence[Baseline],
    metric: Metric,
    question: Question,
    context: Mapping[str, Any],
    members: Sequence[Judged] | None = None,
) -> tuple[Facts, dict[str, Any]]:
    """The facts that the report is made of, JSON-able (NaN and infinities are None), and arrays for figures.

    model: the ensemble that is kept. oof (n, K): the winner's out-of-fold outputs, at these positions of the
    dataset. members: each fold member on its own validation rows (`member_validation`); without it the
    validation scores are those of `oof`, fold by fold. context: name, folder, command, searched, finished,
    warnings, compute, versions.
    """
    task, seed = problem.roles.target.task, question.seed
    classes = () if task == "unsupervised" else problem.roles.target.classes
    unseen = judge("validation", problem.dataset, oof_positions, oof) if len(oof_positions) else None
    test = score_test_rows(problem, model)
    on = test if test is not None else unseen
    parts = list(members) if members is not None else _by_fold(problem, unseen)
    validation = fold_scores(parts, task, problem.split.folds)
    test_scores = interval_scores(test, task, seed) if test is not None else {}
    beside = [baseline_facts(problem, baseline, seed) for baseline in baselines]
    comparison = best_comparison(problem, on, baselines, beside, metric, seed)
    accuracy = validation.get("accuracy", {}).get("mean", math.nan)
    intervals = prediction_intervals(unseen, test) if unseen and task == "regression" else None
    judged = on if on is not None else _seen(problem, model, seed)
    rows = problem.dataset.rows[judged.positions]
    worth, note = permutation_importance(
        model,
        problem.dataset,
        metric,
        parameters=winner.parameters * len(model.members),
        seed=seed,
        at=np.unique(judged.positions),  # once, where every step is judged
    )
    table = problem.table.frame
    groups, small = subgroups(on, table, rows, question.by, task, seed) if on is not None else ([], [])
    table_of_thresholds, threshold = thresholds(unseen) if unseen and task == "binary" else ([], None)
    score = test_scores.get(metric.name)
    facts: Facts = {
        "name": context["name"],
        "folder": context["folder"],
        "task": task,
        "target": list(problem.roles.target.names),
        "classes": list(classes),
        "finished": context["finished"],
        "verdict": verdict(
            comparison,
            family=winner.candidate.family.name,
            test=test is not None,
            folds=bool(problem.folds),
            metric=metric,
            score=None if score is None else Interval(**score),
        ),
        "metric": {"name": metric.name, "label": metric.label, "maximise": metric.maximise},
        "look_at": look_at(
            task,
            _target(problem).numpy(),
            classes=classes,
            metric=metric,
            accuracy=accuracy,
        ),
        "warnings": [*context["warnings"], *_failures(baselines), *small],
        "data": data_facts(problem),
        "test": test_scores,
        "resamples": affordable(RESAMPLES, test, task) if test is not None else 0,
        "validation": validation,
        "per_class": []
        if on is None or task in ("regression", "unsupervised")
        else class_table(on, model.classes),
        "winner": winner.facts(list(winner.candidate.values())) | {"members": len(model.members)},
        "candidates": [candidate_facts(one, context["searched"]) for one in ranked],
        "searched": context["searched"],
        "baselines": beside,
        "comparison": None if comparison is None else comparison.facts(),
        "confusion": confusion(on) if on is not None and classes else None,
        "thresholds": table_of_thresholds,
        "threshold": threshold,
        "intervals": intervals,
        "importance": worth,
        "importance_note": note,
        "worst": worst_rows(on, table, problem.dataset) if on is not None and question.rows else [],
        "rows_left_out": not question.rows,
        "response": response(
            model, problem.dataset, judged, intervals["half_width"] if intervals else None, question.rows
        ),
        "subgroups": groups,
        "test_scored": int(test is not None),
        "compute": dict(context["compute"]),
        "reproduce": {
            "command": context["command"],
            "config": f"coterie fit --config {context['folder']}/study.json",
            "versions": dict(context["versions"]),
            "seed": seed,
            "sha256": problem.table.sha256,
        },
    }
    for key in ("mean", "se", "scores"):
        facts["winner"].pop(key, None)
    return plain(facts), arrays_of(test, unseen)


def score_test_rows(problem: Problem, model: Model) -> Judged | None:
    """The model's outputs for the test rows beside their truth; None when there are none.

    The one place where a study asks its model about test rows to score it, called once.
    """
    if not len(problem.test):
        return None
    return judge("test", problem.dataset, problem.test, model.output(problem.dataset, problem.test))


def member_validation(problem: Problem, model: Model) -> list[Judged]:
    """Each member of an ensemble of fold members on the validation rows of its own fold."""
    found = []
    for place, member in enumerate(model.members):
        _, rows = problem.folds[member["fold"]] if problem.folds else ((), problem.development[:0])
        if len(rows):
            output = model.subset([place]).output(problem.dataset, rows)
            found.append(judge("validation", problem.dataset, rows, output))
    return found


def _by_fold(problem: Problem, unseen: Judged | None) -> list[Judged]:
    """Out-of-fold outputs, cut into the folds' validation parts again."""
    if unseen is None:
        return []
    parts = [unseen.part(np.isin(unseen.positions, validation)) for _, validation in problem.folds]
    return [part for part in parts if len(part)]


def _seen(problem: Problem, model: Model, seed: int) -> Judged:
    """Development rows, for what says how a model works and not how good it is."""
    at = drawn(problem.development, most(problem.schema), seed)
    return judge("development", problem.dataset, at, model.output(problem.dataset, at))


def _target(problem: Problem) -> Tensor:
    assert problem.dataset.target is not None
    return problem.dataset.target[torch.from_numpy(problem.development)]


# ---- baselines -----------------------------------------------------------------------------------------


def baseline_facts(problem: Problem, baseline: Baseline, seed: int) -> Facts:
    """A baseline's scores, made as the network's are."""
    task = problem.roles.target.task
    test = _baseline_on_test(problem, baseline)
    return {
        "name": baseline.name,
        "label": baseline.label,
        "note": baseline.note,
        "drawn": baseline.drawn,
        "validation": fold_scores(_baseline_parts(problem, baseline), task, problem.split.folds),
        "test": {} if test is None else interval_scores(test, task, seed, BASELINE_RESAMPLES),
    }


def best_comparison(
    problem: Problem,
    network: Judged | None,
    baselines: Sequence[Baseline],
    beside: Sequence[Facts],
    metric: Metric,
    seed: int,
) -> Comparison | None:
    """The network against the baseline that is best by validation, on test rows, or else out of fold.

    Without folds the best on the test rows is taken, which favours the baseline. None without rows that
    the network has not seen, or without a baseline.
    """
    if network is None:
        return None
    validated = bool(problem.folds)
    key = ("validation", "mean") if validated else ("test", "value")
    name = best_by({b["name"]: b[key[0]] for b in beside}, metric.name, metric.maximise, key[1])
    if name is None:
        return None
    baseline = next(b for b in baselines if b.name == name)
    other = _baseline_on_test(problem, baseline)
    if network.on != "test":
        other = pooled(_baseline_parts(problem, baseline))
        other = other.part(np.isin(other.positions, network.positions))
    assert other is not None
    found = compare(network, other, name, baseline.label, metric, seed, validated)
    return replace(found, drawn=baseline.drawn)


def _baseline_on_test(problem: Problem, baseline: Baseline) -> Judged | None:
    return None if baseline.test is None else judge("test", problem.dataset, problem.test, baseline.test)


def _baseline_parts(problem: Problem, baseline: Baseline) -> list[Judged]:
    if not baseline.validation:
        return []
    pairs = zip(problem.folds, baseline.validation, strict=True)
    return [judge("validation", problem.dataset, rows, output) for (_, rows), output in pairs if len(rows)]


def _failures(baselines: Sequence[Baseline]) -> list[str]:
    return [f"The baseline {b.label} is missing from the comparison. {b.note}" for b in baselines if b.failed]


# ---- plain data ----------------------------------------------------------------------------------------


def data_facts(problem: Problem) -> Facts:
    """What the data were and what each part was for."""
    return {
        "source": problem.table.source,
        "sha256": problem.table.sha256,
        "notes": [*problem.notes, *said_of(problem)],
        "rows": problem.table.frame.height,
        "unusable_rows": int((~problem.roles.keep).sum()),
        "development": len(problem.development),
        "test": len(problem.split.test),
        "judged": len(problem.test),
        "split": problem.split.kind,
        "folds": len(problem.folds),
        "columns": describe(problem.table, problem.roles, problem.schema),
    }


def candidate_facts(scored: Scored, searched: Mapping[str, Sequence[str]]) -> Facts:
    """A candidate with its family's own hyperparameters and whatever differs between any two candidates."""
    differing = [name for names in searched.values() for name in names]
    own = scored.candidate.family.values()
    return scored.facts(list(dict.fromkeys([*differing, *own])))


def arrays_of(test: Judged | None, unseen: Judged | None) -> dict[str, Any]:
    """test_output, test_target, test_weight and the same of oof, for the report's figures."""
    found: dict[str, Any] = {}
    for name, judged in (("test", test), ("oof", unseen)):
        if judged is not None:
            found |= {f"{name}_output": judged.output, f"{name}_target": judged.target}
            if judged.weight is not None:
                found[f"{name}_weight"] = judged.weight
    return found
