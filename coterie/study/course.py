"""The course of a study: plan, train, select, baselines, assess, report.

What training left is on disk; whatever follows it is a pure function of that, and is simply done again.
"""

from __future__ import annotations

import dataclasses
import shutil
import statistics
from collections.abc import Generator, Iterator, Mapping
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from coterie.making import able, codes_of
from coterie.model import Model
from coterie.models.agents import AgentFamily
from coterie.models.diffusion import Diffusion
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.report.card import model_card
from coterie.study.agent_baselines import fit_agent_baselines
from coterie.study.assess import assess, member_validation
from coterie.study.baseline import Baseline
from coterie.study.batches import Batches
from coterie.study.closeup import closeup
from coterie.study.compiling import choices_of, ends_compiled
from coterie.study.events import Finished, Phase, StudyEvent
from coterie.study.fitted import assemble, best_member, out_of_fold
from coterie.study.fitting import Clock, curves_of, fit_cohorts, read_trained
from coterie.study.folder import ASSESSMENT, CHECKPOINT, MODEL, PREDICTIONS, REPORT, Folder
from coterie.study.frames import weight_frame
from coterie.study.gap_baselines import fit_gap_baselines
from coterie.study.growth import growth_of
from coterie.study.halving import rounds_of
from coterie.study.initial import Posed
from coterie.study.judging import judging
from coterie.study.planning import device_of, metric_of
from coterie.study.problem import Problem
from coterie.study.question import Question
from coterie.study.remarks import about_model, cut_short, remarks, searched_names, versions
from coterie.study.selection import Scored, choose
from coterie.study.trying import try_all
from coterie.training.arena import Arena
from coterie.training.plan import CohortPlan, Member, member_key


def course(
    folder: Folder, asked: Mapping[str, Any], question: Question, everything: Posed, clock: Clock
) -> Iterator[StudyEvent]:
    """All that is left to do of a study, event by event.

    folder: the study's, locked by this process; asked: its study.json; everything: what is fixed before
    training; clock: its time, by which it is stopped too. Of very many rows only some validate and test.
    """
    problem, start = judging(everything.problem, question.seed), everything.start
    metric, device = metric_of(question, problem), device_of(question.device)
    all_rows = ((problem.development, np.empty(0, dtype=np.int64)),)
    arena = Arena.of(problem.dataset, problem.folds or all_rows, device, start=start)
    batches = Batches(folder, asked, question, everything, metric)
    tried = yield from try_all(folder, question, problem, batches, arena, metric, clock)
    ranked, trained = tried.ranked, tried.trained
    winner = choose(ranked, metric.maximise, question.prefer)
    about = about_model(asked, winner, metric, problem.arrangement)
    ensemble = assemble(problem, winner.candidate, trained, about)
    positions, oof = out_of_fold(problem, ensemble)
    judged = member_validation(problem, ensemble)
    if question.refit and problem.folds:
        yield Phase("refitting", "the winner on all training rows")
        ensemble = yield from _refit(folder, question, everything, clock, winner, len(tried.plans), about)
    if ensemble.task in ("text", "unsupervised"):  # texts, codes and samples cannot be averaged
        ensemble = ensemble.subset([best_member(winner, ensemble, metric.maximise)])
    yield Phase("baselines")
    baselines: list[Baseline] = []
    for baseline in _baselines(problem, ensemble, question.seed):
        baselines.append(baseline)
        yield Phase("baselines", baseline.label)
    yield Phase("assessing")
    facts, arrays = assess(
        problem,
        ensemble,
        winner=winner,
        ranked=ranked,
        oof=oof,
        oof_positions=positions,
        baselines=baselines,
        members=judged,
        metric=metric,
        question=question,
        context={
            "name": asked["name"],
            "command": asked["command"],
            "folder": str(folder.path),
            "searched": searched_names(tried.candidates, ensemble.task),
            "finished": len(ranked) == tried.meant and not cut_short(trained),
            "warnings": [*problem.warnings, *remarks(problem, winner, ranked, tried.meant)],
            "compute": {
                "members": sum(len(t.plan.members) for t in trained),
                "cohorts": len(trained),
                "seconds": clock.seconds,
                "device": str(device),
                "compiled": [int(i) for i, one in choices_of(folder).items() if ends_compiled(one)],
                "epochs": sum(r.epochs for t in trained for r in t.records),
                "planned": sum(m.candidate.recipe.epochs for t in trained for m in t.plan.members),
                "rates": [test.facts() for test in tried.tests],
                "rounds": rounds_of(question.search, len(tried.candidates)),
                **batches.facts(tried.batches),
            },
            "versions": versions(batches.sampled),
        },
    )
    for one in facts["candidates"] if batches.sampled else ():
        one["batch"] = sum(one["index"] >= end for end in accumulate(tried.batches))
    ensemble.about.update(threshold=facts["threshold"], intervals=facts["intervals"])
    traced = weight_frame(folder, [winner.candidate], problem.dataset)
    facts["closeup"], examples = closeup(
        problem, ensemble, question, traced, growth_of(folder, winner.candidate.index)
    )
    arrays |= examples
    yield Phase("report")
    _write(folder, facts, arrays, ensemble)
    yield Finished(str(folder.path), facts["compute"]["seconds"])


def _baselines(problem: Problem, model: Model, seed: int) -> Iterator[Baseline]:
    """The simple models that suit what the model does, one finished at a time."""
    from coterie.study.baselines import fit_baselines  # scikit-learn: see baseline.py
    from coterie.study.row_baselines import fit_row_baselines

    parts = (problem.dataset, problem.folds, problem.development, problem.test)
    if model.task != "unsupervised":
        return fit_baselines(*parts, task=model.task, outputs=model.target.outputs, seed=seed)
    if isinstance(model.family, AgentFamily):
        return fit_agent_baselines(problem.dataset, problem.folds, problem.test, seed=seed)
    if not isinstance(model.family, UnsupervisedFamily):
        return fit_gap_baselines(*parts)
    return fit_row_baselines(
        *parts,
        scaling=model.family.scaled(),
        codes=(codes_of(model) or 0) if "decode" in able(model) else 0,  # not of the nearest of some centres
        samples="mmd" in model.family.measures,
        continuous=model.skeleton().continuous,
        noisy=isinstance(model.family, Diffusion),
        seed=seed,
    )


def _refit(
    folder: Folder,
    question: Question,
    everything: Posed,
    clock: Clock,
    winner: Scored,
    index: int,
    about: dict[str, Any],
) -> Generator[StudyEvent, None, Model]:
    """The winner again on all development rows, for the median of its members' best epochs."""
    problem = everything.problem
    metric, device = metric_of(question, problem), device_of(question.device)
    epochs = max(1, round(statistics.median(s.best_epoch for s in winner.scores)))
    recipe = dataclasses.replace(winner.candidate.recipe, epochs=epochs, patience=0)
    candidate = dataclasses.replace(winner.candidate, recipe=recipe)
    folds = len(problem.folds)
    members = tuple(
        Member(candidate, 0, s, member_key(question.seed, folds, s)) for s in range(question.seeds)
    )
    rows = ((problem.development, np.empty(0, dtype=np.int64)),)
    arena = Arena.of(problem.dataset, rows, device, start=everything.start)
    plan = CohortPlan(index, members)
    unlimited = dataclasses.replace(clock, limit=None)
    for event in fit_cohorts(folder, [plan], arena, metric, unlimited, compiles=question.compile):
        yield event
        unlimited.stop = clock.stop
    return assemble(problem, candidate, read_trained(folder, [plan]), about)


def _write(folder: Folder, facts: dict[str, Any], arrays: dict[str, Any], model: Model) -> None:
    """Model, numbers and page; the checkpoint goes last, so that a kill before that repeats all of it."""
    made = folder / f"{MODEL}.part"
    shutil.rmtree(made, ignore_errors=True)
    try:
        model.save(made, model_card(facts))
        folder.replace(MODEL, made)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    folder.write_tensors(PREDICTIONS, {n: torch.as_tensor(a) for n, a in arrays.items()})
    folder.write_json(ASSESSMENT, facts)
    folder.write(REPORT, page(folder, facts, arrays))
    folder.discard(CHECKPOINT)


def page(folder: Folder, facts: dict[str, Any], arrays: dict[str, Any]) -> str:
    """The report, as HTML."""
    from coterie.report.page import render  # Matplotlib, which nothing needs before

    return render(facts, arrays, curves_of(folder))
