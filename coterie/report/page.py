"""The page: facts in, one self-contained HTML file out; no network, no script, the same bytes each time.

Everything a user's table says (column names, values, classes) passes through jinja2's escaping; only the
figures' SVG and our own style sheet are inserted as they are, and the page forbids itself any request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from coterie.report import illustrations as drawn
from coterie.report import made, numbers, words
from coterie.report.candidates import ranking
from coterie.report.closeups import allowed, cell, gallery, inside, of_episode, of_network, of_sequences
from coterie.report.completing import complete
from coterie.report.telling import telling

MOST_COLUMNS, MOST_CANDIDATES, MOST_CLASSES, MOST_SUBGROUPS, MOST_VALUES = 300, 100, 100, 200, 80
MOST_WORST = 50


def render(facts: dict[str, Any], arrays: dict[str, Any], curves: Sequence[dict[str, Any]]) -> str:
    """The report of a study as one HTML document.

    facts: the study's assessment ("task" and "metric" at least; what is missing is left out of the page).
    arrays: "test_output" (N, K) and "test_target" (N,) or (N, K), or the same of "oof"; tensors or arrays;
    may be {}. curves: one record a member, {"candidate", "fold", "seed", "epoch", "train", "validation"};
    may be [].
    """
    facts = complete(facts)
    album = drawn.Album()
    beside, where = _beside(facts)
    closeup = allowed(facts)
    shown = {
        "facts": facts,
        "style": Markup(_resource("style.css")),
        "words": words,
        "n": numbers,
        "title": f"{facts['name']}: {words.task_of(facts)}",
        "headlines": _headlines(facts),
        "baseline": _best_baseline(facts),
        "scores": _all_scores(facts),
        "beside": beside,
        "where": where,
        "fitted": max((b["drawn"][0] for b in facts["baselines"] if b.get("drawn")), default=0),
        "ranked": ranking(facts["candidates"], facts["metric"]["maximise"])[:MOST_CANDIDATES],
        "batches": (facts["compute"] or {}).get("sampler"),
        "columns": facts["data"]["columns"][:MOST_COLUMNS],
        "per_class": _weakest(facts["per_class"]) if facts["task"] != "text" else [],
        "class_keys": _class_keys(facts["per_class"]),
        "subgroups": facts["subgroups"][:MOST_SUBGROUPS],
        "subgroup_keys": _subgroup_keys(facts),
        "thresholds": _with_chosen(facts),
        "most_values": MOST_VALUES,
        "closeup": closeup,
        "inside": inside(closeup),
        "telling": telling(closeup.get("made", {})),
        "steps": _steps(facts, arrays),
        "cell": cell,
        "worst": [] if words.acts(facts) else facts["worst"],  # of starts that end alike there is none
        "gallery": gallery(facts["worst"][:MOST_WORST]),
        "most_worst": MOST_WORST,
        "plates": {
            "baselines": drawn.of_baselines(album, *_forest(facts, where)),
            "training": drawn.of_training(album, facts, curves),
            "search": drawn.of_search(album, facts),
            "folds": drawn.of_folds(album, facts),
            "predictions": drawn.of_predictions(album, facts, arrays),
            "thresholds": drawn.of_thresholds(album, facts),
            "learnt": drawn.of_learnt(album, facts),
            "network": of_network(closeup),
            "played": of_episode(closeup),
            "made": made.mosaics(closeup.get("made", {}), closeup.get("part", "")),
            "codes": made.plates(album, closeup.get("made", {}), arrays),
            "sequences": of_sequences(album, closeup, arrays),
        },
    }
    return _template().render(shown)


@cache
def _template() -> Template:
    """Compiled once a process: that takes as long as several figures."""
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return page.from_string(_resource("template.html"))


def _steps(facts: dict[str, Any], arrays: dict[str, Any]) -> int:
    """How many steps the figures are of, where every step of a row has an answer; else 0."""
    part, rows = ("test", "judged") if facts["test"] else ("oof", "development")
    judged = arrays.get(f"{part}_target")
    return len(judged) if judged is not None and len(judged) > facts["data"][rows] else 0


def _resource(name: str) -> str:
    return files("coterie.report").joinpath(name).read_text(encoding="utf-8")


def _names_first(facts: dict[str, Any]) -> list[str]:
    """The measures that matter for these data, the one to look at first."""
    look, own = facts["look_at"], [facts["metric"]["name"], *words.HEADLINES[facts["task"]]]
    return list(dict.fromkeys(([look["name"]] if look else []) + own))


def _label(facts: dict[str, Any], name: str) -> str:
    for known in (facts["metric"], facts["look_at"]):
        if known and known["name"] == name:
            return str(known["label"])
    return words.measure(name)


def _best_baseline(facts: dict[str, Any]) -> dict[str, Any] | None:
    """The baseline that validation prefers: the one compared with, if the study says which."""
    named = facts["comparison"]["baseline"] if facts["comparison"] else None
    for baseline in facts["baselines"]:
        if baseline["name"] == named:
            return dict(baseline)
    ranked: list[dict[str, Any]] = sorted(facts["baselines"], key=_order(facts))
    return ranked[0] if ranked else None


def _order(facts: dict[str, Any]) -> Callable[[dict[str, Any]], float]:
    """A key that sorts baselines by their validation score (test score without one), the best first."""
    name, sign = facts["metric"]["name"], -1 if facts["metric"]["maximise"] else 1

    def key(baseline: dict[str, Any]) -> float:
        value = numbers.number(baseline["validation"].get(name, {}).get("mean"))
        if math.isnan(value) and not facts["validation"]:
            value = numbers.number(baseline["test"].get(name, {}).get("value"))
        return math.inf if math.isnan(value) else sign * value

    return key


def _cell(scores: dict[str, Any], name: str) -> dict[str, str] | None:
    """One score as text: a test score with its interval, or a validation mean with its error."""
    score = scores.get(name)
    if score is None:
        return None
    if "value" in score:
        return {
            "value": numbers.rounded(score["value"], score.get("low"), score.get("high")),
            "interval": numbers.interval(score),
        }
    return {"value": numbers.mean_and_error(score["mean"], score.get("se")), "interval": ""}


def _headlines(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The four scores on top of the page, each with that of the best baseline."""
    kind = "test" if facts["test"] else "validation"
    baseline = _best_baseline(facts)
    chosen = [name for name in _names_first(facts) if name in facts[kind]][:4]
    return [
        {
            "label": _label(facts, name),
            "name": name,
            "score": _cell(facts[kind], name),
            "baseline": _cell(baseline[kind], name) if baseline else None,
            "marked": bool(facts["look_at"]) and facts["look_at"]["name"] == name,
        }
        for name in chosen
    ]


def _all_scores(facts: dict[str, Any]) -> list[dict[str, Any]]:
    baseline = _best_baseline(facts)
    known = list(dict.fromkeys([*_names_first(facts), *facts["test"], *facts["validation"]]))
    return [
        {
            "label": _label(facts, name),
            "meaning": words.meaning(name),
            "direction": "lower is better" if words.lower_is_better(name) else "",
            "test": _cell(facts["test"], name),
            "validation": _cell(facts["validation"], name),
            "baseline": _cell(baseline["test"], name) if baseline and facts["test"] else None,
        }
        for name in known
        if name in facts["test"] or name in facts["validation"]
    ]


def _beside(facts: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The winner and the baselines as rows of scores by the measures that matter; and where they were
    scored.
    """
    kind = "test" if facts["test"] and any(b["test"] for b in facts["baselines"]) else "validation"
    names = [name for name in _names_first(facts) if name in facts[kind]][:4]
    winner = facts["winner"]
    models = [
        {
            "label": f"the network ({winner['family']})" if winner else "the network",
            "winner": True,
            kind: facts[kind],
        }
    ]
    models += [
        {"label": b["label"], "winner": False, kind: b[kind]}
        for b in sorted(facts["baselines"], key=_order(facts))
    ]
    rows = [
        {
            "label": m["label"],
            "winner": m["winner"],
            "cells": [{"name": _label(facts, n), "score": _cell(m[kind], n)} for n in names],
        }
        for m in models
    ]
    return rows if facts["baselines"] and names else [], kind


def _forest(facts: dict[str, Any], kind: str) -> tuple[list[dict[str, Any]], str, bool, str]:
    """Rows of the figure that sets the winner beside the baselines by the measure that chose."""
    name, label = facts["metric"]["name"], facts["metric"]["label"]

    def row(text: str, score: dict[str, Any] | None, winner: bool) -> dict[str, Any]:
        score = score or {}
        value, se = score.get("value", score.get("mean")), numbers.number(score.get("se"))
        low, high = score.get("low"), score.get("high")
        if "mean" in score and value is not None:
            low, high = value - se, value + se
        return {"label": text, "value": value, "low": low, "high": high, "winner": winner}

    rows = [row("the network", facts[kind].get(name), True)]
    others = [
        row(b["label"], b[kind].get(name), False) for b in sorted(facts["baselines"], key=_order(facts))
    ]
    where = f"on {'the test' if kind == 'test' else 'validation'} {words.row_of(facts)}s"
    return (rows + others if rows[0]["value"] is not None else []), label, facts["metric"]["maximise"], where


def _weakest(per_class: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All classes in their order, or when they are too many those with the lowest F1."""
    if len(per_class) <= MOST_CLASSES:
        return per_class
    return sorted(per_class, key=lambda row: numbers.number(row.get("f1")))[:MOST_CLASSES]


def _class_keys(per_class: list[dict[str, Any]]) -> list[str]:
    wanted = ("precision", "recall", "specificity", "f1", "roc_auc", "average_precision")
    return [key for key in wanted if per_class and key in per_class[0]]


def _subgroup_keys(facts: dict[str, Any]) -> list[str]:
    have = list(dict.fromkeys(name for group in facts["subgroups"] for name in group["scores"]))
    first = [name for name in _names_first(facts) if name in have]
    return list(dict.fromkeys(first + have))[:3]


def _with_chosen(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The threshold table, the row nearest to the chosen threshold marked."""
    rows = [dict(row) for row in facts["thresholds"]]
    if rows and facts["threshold"]:
        chosen = numbers.number(facts["threshold"]["value"])
        nearest = min(rows, key=lambda row: abs(numbers.number(row["threshold"]) - chosen))
        nearest["chosen"] = True
    return rows
