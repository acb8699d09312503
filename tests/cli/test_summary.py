"""The summary of a study: one screen, whatever there is to say."""

import re

import pytest
from stand_ins import TASKS, facts_of

from coterie.cli.summary import HEIGHT, WIDTH, summary_lines


def crowded(facts: dict) -> dict:
    return {
        **facts,
        "name": "a name " * 30,
        "verdict": "It is a very long story. " * 40,
        "warnings": ["A warning of some length that has to be wrapped to fit a line of the terminal. " * 2]
        * 30,
        "winner": {**facts["winner"], "hyperparameters": {f"setting_{i}": i / 7 for i in range(40)}},
        "finished": False,
    }


def untested(facts: dict) -> dict:
    return {**facts, "test": {}}


def unjudged(facts: dict) -> dict:
    return {**facts, "test": {}, "validation": {}}


def alone(facts: dict) -> dict:
    return {**facts, "baselines": [], "comparison": None, "warnings": []}


FILES = {
    "study": "runs/my study-1",
    "report": "runs/my study-1/report.html",
    "model": "runs/my study-1/model",
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("change", [dict, crowded, untested, unjudged, alone])
def test_the_summary_fits_one_screen(task, change):
    facts = change(facts_of(task))
    lines = summary_lines(facts, FILES)
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH
    text = "\n".join(lines)
    assert " ".join(facts["verdict"].split())[:60] in text
    assert FILES["report"] in text
    assert FILES["model"] in text
    assert 'coterie predict "runs/my study-1" new.csv' in text
    assert facts["winner"]["family"] in text
    if not facts["test"] and not facts["validation"]:
        assert "no honest score" in text
    elif not facts["test"]:
        assert "Without a test set" in text
    assert ("stopped early" in text) == (not facts["finished"])
    if len(facts["warnings"]) > 10:
        assert re.search(r"… and \d+ more in the report", text)


def test_the_summary_leads_with_the_measure_to_look_at():
    facts = facts_of("binary")
    lines = summary_lines(facts, FILES)
    head = next(i for i, line in enumerate(lines) if line.startswith("On 150 test rows"))
    assert "logistic regression" in lines[head]
    assert lines[head + 1].startswith("average precision  0.985  0.972 to 0.999")
    assert lines[head + 2].startswith("log loss")


def test_the_winner_is_told_by_what_differs_from_its_defaults():
    from coterie import spec
    from coterie.models.mlp import MLP

    facts = facts_of("binary")
    usual = {name: spec.default(MLP, name) for name in ("hidden", "activation")}
    usual["hidden"] = list(usual["hidden"])  # as JSON has it
    facts["winner"]["hyperparameters"] = {**usual, "lr": 0.0234, "residual": True}
    line = next(line for line in summary_lines(facts, FILES) if line.startswith("Winner"))
    assert "mlp with lr=0.0234 residual=true;" in line
    facts["winner"]["hyperparameters"] = usual
    assert any("mlp at its defaults" in line for line in summary_lines(facts, FILES))
