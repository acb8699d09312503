"""The model card: front matter that parses, text that cannot break out, no row of the data."""

import json
import subprocess
import sys

import pytest
from example_facts import TASKS, example

from coterie.report.card import model_card
from coterie.report.notebook import model_html, study_html


def _front(card):
    """The front matter as (indent and key, value) lines; every quoted value must be a JSON (so a YAML)
    string.
    """
    start, front, body = card.split("---\n", 2)
    assert start == ""
    pairs = []
    for line in front.splitlines():
        key, _, value = line.partition(": ") if ": " in line else (line.rstrip(":"), "", "")
        text = value or (line[2:] if line.startswith("- ") else "")
        if text.startswith('"'):
            json.loads(text)
        pairs.append((key.strip(), value))
    return pairs, body


@pytest.mark.parametrize("task", TASKS)
def test_card(task):
    facts, _, _ = example(task)
    pairs, body = _front(model_card(facts))
    keys = [key for key, _ in pairs]
    assert {"library_name", "pipeline_tag", "tags", "metrics", "model-index"} <= set(keys)
    assert (
        "pipeline_tag",
        "tabular-regression" if task == "regression" else "tabular-classification",
    ) in pairs
    values = [float(value) for key, value in pairs if key == "value"]
    assert values == [pytest.approx(score["value"], rel=1e-5) for score in facts["test"].values()]
    assert facts["verdict"] in body
    assert facts["data"]["sha256"] in body
    assert "ct.load(" in body
    assert ("predict_proba" in body) == (task != "regression")
    for row in facts["worst"]:
        assert f"| {row['row']} |" not in body
    assert model_card(facts) == model_card(facts)


def test_card_without_test_rows():
    facts, _, _ = example("binary")
    facts["test"] = {}
    pairs, body = _front(model_card(facts))
    assert "model-index" not in [key for key, _ in pairs]
    assert "only validation scores exist" in body
    facts["validation"] = {}
    assert "No honest score exists" in model_card(facts)


@pytest.mark.parametrize(
    "poison", ["a | b\n---\nlicense: x", "<script>alert(1)</script>", "`x` [y](z) *w*", '": {"\\']
)
def test_hostile_names_stay_names(poison):
    facts, _, _ = example("binary")
    facts["name"], facts["classes"] = poison, ["no", poison]
    facts["data"]["columns"][0]["name"] = poison
    facts["warnings"] = [poison]
    card = model_card(facts)
    assert card.count("\n---\n") == 1
    assert "<script>" not in card
    _front(card)
    table = [line for line in card.split("## Inputs")[1].splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") == 3 for line in table)


@pytest.mark.parametrize("task", TASKS)
def test_study_in_a_notebook(task):
    facts, _, _ = example(task)
    snippet = study_html(facts)
    assert facts["verdict"] in snippet
    assert f"{facts['folder']}/report.html" in snippet
    assert len(snippet) < 4000
    assert "http" not in snippet
    assert "<script" not in study_html(facts | {"verdict": "<script>", "folder": "<script>"})


def test_study_that_has_just_begun():
    facts = {
        "name": "x",
        "task": "regression",
        "metric": {"name": "rmse", "label": "RMSE", "maximise": False},
    }
    assert "x: no verdict yet." in study_html(facts)


def test_model_in_a_notebook():
    summary = {
        "family": "mlp",
        "task": "binary",
        "members": 5,
        "classes": ["no", "<b>"],
        "hyperparameters": {"lr": 0.00123},
    }
    snippet = model_html(summary)
    for wanted in ("mlp", "telling two classes apart", "no and &lt;b&gt;", "lr 0.0012", ">5<"):
        assert wanted in snippet
    assert model_html({})


def test_card_and_notebook_do_not_load_matplotlib_or_torch():
    code = (
        "import sys, coterie.report.card, coterie.report.notebook\n"
        "assert not {'matplotlib', 'torch', 'sklearn', 'polars', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
