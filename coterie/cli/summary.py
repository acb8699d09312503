"""What is said when a study is finished: one screen, the verdict first.

At most `HEIGHT` lines of `WIDTH` columns; what does not fit is in the report, and that is said.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from coterie import spec
from coterie.cli.values import printable
from coterie.report.numbers import (
    MISSING,
    count,
    duration,
    interval,
    listed,
    mean_and_error,
    rounded,
)
from coterie.report.words import HEADLINES, measure, row_of, task_of

WIDTH, HEIGHT = 80, 23  # a line is left for the prompt
MEASURES = 5
Facts = Mapping[str, Any]


def summary_lines(facts: Facts, summary: Facts) -> list[str]:
    """The lines. facts: the study's assessment; summary: the object of --json, which names the files."""
    top = [*_header(facts), "", *_paragraph(facts["verdict"], 3), "", *_winner(facts), "", *_scores(facts)]
    end = ["", *_files(facts, summary)]
    room = HEIGHT - len(top) - len(end)
    return [*top, *_warnings(facts, room), *end]


def _header(facts: Facts) -> list[str]:
    target = printable(listed(list(facts["target"]), 3))
    of = f" ({_cut(target, 24)})" if target and facts["task"] != "unsupervised" else ""
    compute = facts["compute"]
    did = f"{count(compute['members'], 'member')} in {duration(compute['seconds'])}"
    lines = [_cut(f"{_cut(printable(facts['name']), 24)}: {task_of(facts)}{of}; {did}")]
    return lines if facts["finished"] else [*lines, "It was stopped early: this is the best so far."]


def _winner(facts: Facts) -> list[str]:
    winner = facts["winner"]
    changed = unusual(winner["family"], winner["hyperparameters"], facts["task"])
    searched = facts["searched"].get(winner["family"], [])
    order = sorted(changed, key=lambda name: searched.index(name) if name in searched else len(searched))
    settings = " ".join(f"{name}={spec.show(changed[name])}" for name in order)  # as --fix takes them
    how = f"with {settings}" if settings else "at its defaults"
    says = f"Winner: {winner['family']} {how}; {count(winner['members'], 'member')}"
    return _paragraph(says + (" averaged" if winner["members"] != 1 else ""), 2)


def unusual(family: str, hyperparameters: Mapping[str, Any], task: str) -> dict[str, Any]:
    """The hyperparameters that differ from the family's defaults for the task."""
    from coterie.models.catalogue import family_named
    from coterie.training.recipe import Recipe

    cls = family_named(family)
    advised = cls.advice(task)
    usual = {name: spec.default(Recipe, name) for name in spec.hypers(Recipe)}
    usual |= {name: spec.default(cls, name) for name in spec.hypers(cls)} | advised
    own = {name: hyperparameters[name] for name in spec.hypers(cls) if name in hyperparameters}
    usual |= cls(**{name: spec.read(cls, name, value) for name, value in own.items()}).settles()
    return {
        name: value
        for name, value in hyperparameters.items()
        if name not in usual or spec.show(value) != spec.show(usual[name])
    }


def chosen_measures(facts: Facts, scores: Mapping[str, Any]) -> list[str]:
    """The few measures that matter: the one to look at, the one chosen by, and the task's headlines."""
    wanted = [(facts.get("look_at") or {}).get("name"), (facts.get("metric") or {}).get("name")]
    wanted += HEADLINES[facts["task"]]
    return [name for name in dict.fromkeys(wanted) if name is not None and name in scores][:MEASURES]


def _scores(facts: Facts) -> list[str]:
    test, validation = facts["test"], facts["validation"]
    if not test and not validation:
        return _paragraph("Nothing was set aside, so no honest score exists.", 2)
    rival, row = _rival(facts), row_of(facts)
    names = chosen_measures(facts, test or validation)
    sure = "(95 %)" if test else "(± s.e.)"
    judged = facts["data"].get("judged") or facts["data"]["test"]
    told = [
        [
            f"On {count(judged, f'test {row}')}" if test else f"On validation {row}s",
            *map(measure, names),
        ],
        [f"network {sure}", *_column(test, validation, names)],
    ]
    if rival:
        label = _cut(printable(rival.get("label") or rival["name"]), 28)
        told.append([f"{label} {sure}", *_column(rival["test"], rival["validation"], names)])
    lines = [_cut(line) for line in columns(list(zip(*told, strict=True)))]
    if not test:
        lines += _paragraph("Without a test set: these rows took part in the choice and flatter a little.", 1)
    return lines


def _rival(facts: Facts) -> Facts | None:
    """The baseline that is best by validation."""
    name = (facts.get("comparison") or {}).get("baseline")
    return next((baseline for baseline in facts["baselines"] if baseline["name"] == name), None)


def _column(test: Facts, validation: Facts, names: Sequence[str]) -> list[str]:
    """Scores and how sure they are, aligned below each other."""
    return columns([_score(test, validation, name) for name in names]) if names else []


def _score(test: Facts, validation: Facts, name: str) -> list[str]:
    """A score and how sure it is."""
    if name in test:
        score = test[name]
        return [rounded(score["value"], score["low"], score["high"]), interval(score)]
    if name in validation:
        value, _, error = mean_and_error(validation[name]["mean"], validation[name]["se"]).partition(" ± ")
        return [value, f"± {error}" if error else ""]
    return [MISSING, ""]


def _warnings(facts: Facts, room: int) -> list[str]:
    """As many warnings as there is room for, and how many more there are. Only the first may be cut."""
    warnings = [printable(warning) for warning in facts["warnings"]]
    if not warnings or room < 2:
        return []
    lines, shown = [""], 0
    for at, warning in enumerate(warnings):
        space = room - len(lines) - (at + 1 < len(warnings))
        wrapped = textwrap.wrap(warning, WIDTH, initial_indent="! ", subsequent_indent="  ")
        if at == 0 and 1 <= space < len(wrapped):
            wrapped = textwrap.wrap(
                warning, WIDTH, initial_indent="! ", subsequent_indent="  ", max_lines=space, placeholder=" …"
            )
        if len(wrapped) > space:
            break
        lines += wrapped
        shown += 1
    left = len(warnings) - shown
    if left:
        lines.append(
            f"! {'… and ' if shown else ''}{left} {'more' if shown else _warned(left)} in the report"
        )
    return lines


def _warned(n: int) -> str:
    return "warning is" if n == 1 else "warnings are"


def _files(facts: Facts, summary: Facts) -> list[str]:
    """What was written, and what to do with it. Paths are never cut: they are there to be copied."""
    from coterie.cli.commands import quoted

    folder = quoted(summary["study"])
    use = f"Predict: coterie predict {folder} new.csv -o out.csv"
    if facts["task"] == "unsupervised":
        use = f"Use:     coterie {_verb(facts, folder)}"
    elif facts["task"] == "text" and all(column["role"] != "feature" for column in facts["data"]["columns"]):
        use = f'Go on:   coterie generate {folder} --prompt "Once" --length 400'
    return [f"Report:  {summary['report']}", f"Model:   {summary['model']}", use]


def _verb(facts: Facts, folder: str) -> str:
    """What a model that learned without labels is used for first: its samples, else its codes."""
    if (facts.get("metric") or {}).get("name") == "episode_return":
        return f"sample {folder} -n 5    # episodes that it plays"
    made = (facts.get("closeup") or {}).get("made") or {}
    if "samples" not in made:
        return f"encode {folder} new.csv -o codes.csv"
    return f"sample {folder} -n 64 -o samples.{'png' if 'image' in made['samples'] else 'csv'}"


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows of text as aligned columns, without blanks at the ends of lines."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _paragraph(text: str, most: int) -> list[str]:
    return textwrap.wrap(printable(text), WIDTH, max_lines=most, placeholder=" …")


def _cut(line: str, width: int = WIDTH) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"
