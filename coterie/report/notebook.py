"""How a study and a model show themselves in a notebook: small HTML that takes on the notebook's own
colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from coterie.report import words
from coterie.report.completing import complete
from coterie.report.numbers import count, interval, listed, mean_and_error, rounded, setting, significant

_BOX = (
    "max-width:44em;padding:.7em 1em;border:1px solid rgba(128,128,128,.4);border-radius:8px;line-height:1.45"
)
_QUIET = "opacity:.7;font-size:.9em"
_RIGHT = "text-align:right;padding:.15em .9em .15em 0;font-variant-numeric:tabular-nums"
_LEFT = "text-align:left;padding:.15em 1.2em .15em 0;font-weight:normal"


def study_html(facts: dict[str, Any]) -> str:
    """A study in a few lines: the verdict, the scores that matter beside the best baseline, and where the
    page is.

    facts: those of the report; a study that has just begun may lack most of them.
    """
    facts = complete(facts)
    kind = "test" if facts["test"] else "validation"
    named = facts["comparison"]["baseline"] if facts["comparison"] else None
    baseline = next((b for b in facts["baselines"] if b["name"] == named), None)
    look = [facts["look_at"]["name"]] if facts["look_at"] else []
    names = dict.fromkeys([*look, facts["metric"]["name"], *words.HEADLINES[facts["task"]]])
    rows = [
        _score_row(name, facts[kind], baseline[kind] if baseline else None)
        for name in names
        if name in facts[kind]
    ]
    body = _html("<b>{}</b>", facts["verdict"] or f"{facts['name']}: no verdict yet.")
    if words.unfinished(facts):
        body += _html("<div>{}</div>", words.unfinished(facts))
    if rows:
        head = _html(
            '<tr style="{0}"><th style="{1}">on {2} rows</th><th style="{3}">network</th>'
            '<th style="{3}"></th>',
            _QUIET, _LEFT, kind, _RIGHT,
        )  # fmt: skip
        head += _html('<th style="{}">{}</th></tr>', _RIGHT, baseline["label"] if baseline else "")
        body += (
            Markup('<table style="border-collapse:collapse;margin:.5em 0">')
            + head
            + Markup("").join(rows[:4])
            + Markup("</table>")
        )
    if not facts["test"]:
        body += _html('<div style="{}">{}</div>', _QUIET, words.honesty(facts))
    if facts["winner"]:
        winner = facts["winner"]
        body += _html(
            "<div>{} {}{}</div>", winner["family"], winner["index"], _settings(winner["hyperparameters"])
        )
    where = f"{facts['folder']}/report.html" if facts["folder"] else ""
    body += _html('<div style="{}">{}</div>', _QUIET, f"The whole report: {where}") if where else Markup("")
    return str(_html('<div style="{}">{}</div>', _BOX, body))


def model_html(summary: Mapping[str, Any]) -> str:
    """A model in a few lines: a title from "name", "family" and "task", then every other entry of the
    summary.

    Numbers are rounded, lists shortened; a dict becomes its "key value" pairs.

    >>> "median" in model_html({"family": "mlp", "task": "regression", "imputation": "median"})
    True
    """
    rest = {
        key: value
        for key, value in summary.items()
        if key not in ("name", "family", "task") and value not in (None, [], ())
    }
    task = words.TASKS.get(str(summary.get("task")), str(summary.get("task", "")))
    title = " · ".join(str(part) for part in (summary.get("name"), summary.get("family"), task) if part)
    rows = Markup("").join(
        _html(
            '<tr><th style="{};opacity:.7">{}</th><td style="text-align:left">{}</td></tr>',
            _LEFT,
            key.replace("_", " "),
            _value(value),
        )
        for key, value in rest.items()
    )
    table = (
        Markup('<table style="border-collapse:collapse;margin:.4em 0 0">') + rows + Markup("</table>")
        if rest
        else Markup("")
    )
    return str(_html('<div style="{}"><b>{}</b>{}</div>', _BOX, title or "model", table))


def _html(template: str, *values: object) -> Markup:
    """Our own template with the values escaped into it."""
    return Markup(template).format(*values)


def _score_row(name: str, ours: dict[str, Any], theirs: dict[str, Any] | None) -> Markup:
    better = " (lower is better)" if words.lower_is_better(name) else ""
    cells = [
        _plain(ours[name]),
        interval(ours[name]),
        _plain(theirs[name]) if theirs and name in theirs else "",
    ]
    return _html('<tr><th style="{}">{}</th>', _LEFT, words.measure(name) + better) + _html(
        '<td style="{0}"><b>{1}</b></td><td style="{0};{2}">{3}</td><td style="{0}">{4}</td></tr>',
        _RIGHT, cells[0], _QUIET, cells[1], cells[2],
    )  # fmt: skip


def _plain(score: dict[str, Any]) -> str:
    if "value" in score:
        return rounded(score["value"], score.get("low"), score.get("high"))
    return mean_and_error(score["mean"], score.get("se"))


def _settings(values: Mapping[str, Any]) -> str:
    return " · " + "; ".join(f"{key} {setting(value)}" for key, value in values.items()) if values else ""


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {setting(item)}" for key, item in list(value.items())[:20])
    if isinstance(value, list | tuple):
        return f"{listed([setting(item) for item in value], 12)}" + (
            f" ({count(len(value), 'in all', 'in all')})" if len(value) > 12 else ""
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return significant(value)
    return setting(value)
