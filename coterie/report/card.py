"""The model card: README.md of a model's folder, in Hugging Face's layout (YAML front matter, then Markdown).

What a user's table says is quoted: as JSON strings in the front matter (every JSON string is a YAML one),
and with Markdown's and HTML's special characters escaped in the text.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from coterie.report import words
from coterie.report.completing import complete
from coterie.report.numbers import count, interval, listed, mean_and_error, number, rounded, setting

_MOST_COLUMNS = 60


def model_card(facts: dict[str, Any]) -> str:
    """The model card of a study's winner, as the text of its README.md.

    It holds no row of the data: names of columns and classes, scores and settings alone.
    """
    facts = complete(facts)
    parts = [_front_matter(facts), f"# {_text(facts['name'])}", _text(facts["verdict"])]
    for extra in (words.unfinished(facts), "" if facts["test"] else words.honesty(facts)):
        if extra:
            parts.append(f"> {_text(extra)}")
    parts += [
        _what(facts),
        _use(facts),
        _scores(facts),
        _limits(facts),
        _inputs(facts),
        _training(facts),
        _again(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: dict[str, Any]) -> str:
    kind = _pipeline(facts)
    family = facts["winner"]["family"] if facts["winner"] else "network"
    lines = ["---", "library_name: coterie", f"pipeline_tag: {kind}", "tags:"]
    lines += [f"- {_quoted(tag)}" for tag in ("coterie", kind, family)]
    scored = {name: number(score["value"]) for name, score in facts["test"].items()}
    scored = {name: value for name, value in scored.items() if math.isfinite(value)}
    if scored:
        lines += ["metrics:", *(f"- {_quoted(name)}" for name in scored)]
        lines += [
            "model-index:",
            f"- name: {_quoted(facts['name'])}",
            "  results:",
            "  - task:",
            f"      type: {kind}",
        ]
        lines += [
            "    dataset:",
            f"      name: {_quoted(facts['name'])}",
            f"      type: {_of_data(facts)}",
            "      split: test",
            "    metrics:",
        ]
        for name, value in scored.items():
            lines += [
                f"    - type: {_quoted(name)}",
                f"      name: {_quoted(words.measure(name))}",
                f"      value: {value:.6g}",
            ]
    return "\n".join([*lines, "---"])


def _pipeline(facts: dict[str, Any]) -> str:
    """What Hugging Face calls the task, as near as its names come."""
    if facts["task"] == "text":
        return "text-generation"
    if words.acts(facts):
        return "reinforcement-learning"
    if facts["task"] == "unsupervised":
        made = (facts["closeup"] or {}).get("made", {}).get("samples", {})
        return "unconditional-image-generation" if "image" in made else "feature-extraction"
    kinds = {column["kind"] for column in facts["data"]["columns"] if column["role"] == "feature"}
    what = "regression" if facts["task"] == "regression" else "classification"
    if what == "classification":
        for kind in ("image", "text"):
            if kind in kinds:
                return f"{kind}-classification"
    return f"tabular-{what}"


def _of_data(facts: dict[str, Any]) -> str:
    """What the data are of, as the names of tasks there begin."""
    if facts["task"] != "unsupervised":
        return _pipeline(facts).split("-")[0]
    kinds = [column["kind"] for column in facts["data"]["columns"] if column["role"] == "feature"]
    return (
        "environment" if words.acts(facts) else next((k for k in ("image", "text") if k in kinds), "tabular")
    )


def _what(facts: dict[str, Any]) -> str:
    winner, target = facts["winner"], listed([_text(t) for t in facts["target"]])
    learned = words.task_of(facts).removeprefix("learning ")
    kind = f"that learned {learned}" if facts["task"] == "unsupervised" else f"for {learned}"
    told = target and facts["task"] != "unsupervised"  # a label that it was not given is no target
    about = f"A model {kind}" + (f": {target}." if told else ".")
    if winner:
        many = winner["members"] > 1
        about += (
            f" It is {count(winner['members'], 'network')} of the family `{winner['family']}`"
            f" with {count(winner['parameters'], 'parameter')}"
            f"{' each, whose answers are averaged' if many else ''}."
        )
    if winner and not words.acts(facts):
        about += (
            " Missing values, unseen categories and scaling are dealt with inside it: give it rows as they "
            "are."
        )
    if facts["classes"]:
        labels = listed([f"“{_text(c)}”" for c in facts["classes"]], 20)
        about += f"\n\nClasses: {labels}."
        if facts["task"] == "binary" and len(facts["classes"]) == 2:
            about += f" The positive class is “{_text(facts['classes'][1])}”."
    return about


def _use(facts: dict[str, Any]) -> str:
    more = "" if facts["task"] in ("regression", "text") else "\nmodel.predict_proba(frame)  # probabilities"
    if facts["task"] == "text" and not any(c["role"] == "feature" for c in facts["data"]["columns"]):
        return (
            "## How to use it\n\n```python\nimport coterie as ct\n\n"
            'model = ct.load("path/to/this/folder")\n'
            'model.write(temperature=1.0)  # a text of its own; begin="…" to go on from one\n```'
        )
    if facts["task"] == "unsupervised":
        made = (facts["closeup"] or {}).get("made", {})
        verbs = {
            "codes": "model.encode(frame)  # codes of rows",
            "samples": "model.sample(16)  # rows of its own",
        }
        able = [line for name, line in verbs.items() if name in made]
        if words.acts(facts):
            able = ["model.sample(5)  # episodes that it plays"]
        return (
            "## How to use it\n\n```python\nimport coterie as ct\n\n"
            'model = ct.load("path/to/this/folder")\n'
            + "".join(f"{line}\n" for line in able)
            + "model.predict_table(frame)  # how well each row is done\n```"
        )
    return (
        "## How to use it\n\n```python\nimport coterie as ct\n\n"
        'model = ct.load("path/to/this/folder")\n'
        f"model.predict(frame)  # a frame, a dict of columns, or arrays{more}\n```"
    )


def _scores(facts: dict[str, Any]) -> str:
    kind = "test" if facts["test"] else "validation"
    if not facts[kind]:
        return ""
    best = next(
        (
            b
            for b in facts["baselines"]
            if facts["comparison"] and b["name"] == facts["comparison"]["baseline"]
        ),
        None,
    )
    head = ["measure", "test" if kind == "test" else "validation (mean ± standard error)"]
    head += ["95 % interval"] if kind == "test" else []
    head += [_text(best["label"])] if best else []
    lines = ["## Scores", "", _row(head), _row(["---"] + ["---:"] * (len(head) - 1))]
    for name, score in facts[kind].items():
        cells = [words.measure(name) + (" (lower is better)" if words.lower_is_better(name) else "")]
        cells += [_score(score)] + ([interval(score) or "–"] if kind == "test" else [])
        cells += [_score(best[kind][name]) if name in best[kind] else "–"] if best else []
        lines.append(_row(cells))
    if facts["test"]:
        lines += [
            "",
            _text(words.honesty(facts).replace("A range in small print", "The range beside a score")),
        ]
    if facts["look_at"]:
        lines += [
            "",
            f"The measure to look at is **{_text(facts['look_at']['label'])}**. "
            f"{_text(facts['look_at']['why'])} {words.meaning(facts['look_at']['name'])}".rstrip(),
        ]
    comparison = words.about_comparison(facts)
    return "\n".join([*lines, "", _text(comparison)] if comparison else lines)


def _score(score: dict[str, Any]) -> str:
    if "value" in score:
        return rounded(score["value"], score.get("low"), score.get("high"))
    return mean_and_error(score["mean"], score.get("se"))


def _limits(facts: dict[str, Any]) -> str:
    lines = [
        "## What to mind",
        "",
        "- The scores hold for rows of the same kind as those it was trained on. Score it again where "
        "people, devices "
        "or years differ.",
        "- It has learnt what goes together, not what causes what.",
    ]
    return "\n".join(lines + [f"- {_text(warning)}" for warning in facts["warnings"]])


def _inputs(facts: dict[str, Any]) -> str:
    features = [c for c in facts["data"]["columns"] if c["role"] == "feature"]
    if not features:
        return ""
    lines = ["## Inputs", "", _row(["column", "kind"]), _row(["---", "---"])]
    lines += [_row([_text(c["name"]), _text(c["kind"])]) for c in features[:_MOST_COLUMNS]]
    if len(features) > _MOST_COLUMNS:
        lines += [
            "",
            f"and {count(len(features) - _MOST_COLUMNS, 'more column', 'more columns')}; all are in "
            "`config.json`.",
        ]
    return "\n".join(lines)


def _training(facts: dict[str, Any]) -> str:
    text = f"## Training\n\n{_text(words.about_data(facts))} {words.about_training(facts)}"
    if facts["winner"] and facts["winner"]["hyperparameters"]:
        pairs = [
            f"`{key}` {_text(setting(value))}" for key, value in facts["winner"]["hyperparameters"].items()
        ]
        text += "\n\nHyperparameters: " + ", ".join(pairs) + "."
    return text


def _again(facts: dict[str, Any]) -> str:
    again, data = facts["reproduce"], facts["data"]
    if not again:
        return ""
    lines = ["## Do it again", ""]
    lines += [f"    {_line(again[key])}" for key in ("command", "config") if again.get(key)]
    versions = ", ".join(f"{name} {version}" for name, version in again.get("versions", {}).items())
    sentence = f"Seed {again['seed']}. " if "seed" in again else ""
    sentence += (
        f"Data: {_text(data['source'])}, SHA-256 `{_line(data['sha256'])}`. " if data["sha256"] else ""
    )
    return "\n".join([*lines, "", sentence + (f"Versions: {_text(versions)}." if versions else "")])


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _line(text: object) -> str:
    """One line of printable characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def _text(text: object) -> str:
    """Text that Markdown and HTML take literally."""
    clean = _line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    clean = re.sub(r"([\\`*\[\]|$~])", r"\\\1", clean)
    clean = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", clean)
    return re.sub(r"^([#+-]|\d+[.)])(?=\s)", r"\\\1", clean)


def _quoted(text: object) -> str:
    return json.dumps(_line(text), ensure_ascii=False).replace("<", "\\u003c")
