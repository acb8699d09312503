"""The page holds what it must for each task, escapes what is hostile, asks the network for nothing, never
changes.
"""

import copy
import html
import itertools
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from example_facts import TASKS, example

from coterie.report.page import render

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Balanced(HTMLParser):
    """Fails on tags that do not match; collects tags, attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(page):
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    ids = [value for key, value in parser.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    for key, value in parser.attributes:
        if key in ("href", "src"):
            assert value.startswith(("#", "data:image/png;base64,")), value
            if value.startswith("#"):
                assert value[1:] in ids
    assert not {"script", "link", "iframe", "object"} & parser.tags
    assert not any(key.startswith("on") for key, _ in parser.attributes)
    return parser


def light(task):
    """An example without what takes long to draw."""
    facts, arrays, _ = example(task)
    facts.update(searched={}, importance=[], thresholds=[], threshold=None, confusion=None)
    return facts, arrays, []


def words(page):
    return re.sub(r"\s+", " ", " ".join(read(page).text))


@pytest.fixture(scope="module")
def pages():
    return {task: render(*example(task)) for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_page_of_each_task(pages, task):
    facts, _, _ = example(task)
    page, text = pages[task], words(pages[task])
    assert "stopped early" not in text
    assert html.unescape(re.search("<h1>(.*?)</h1>", page, re.S)[1]) == facts["verdict"]
    assert facts["look_at"]["why"] in text
    assert (
        page.index("<h1>")
        < page.index("look at this one")
        < page.index('id="data"')
        < page.index('id="again"')
    )
    assert "test rows scored once" in text
    for wanted in (
        "Fold by fold",
        "All candidates",
        "Permutation importance",
        facts["data"]["sha256"],
        "once",
    ):
        assert wanted in text
    for column in facts["data"]["columns"]:
        assert column["name"] in text
    for baseline in facts["baselines"]:
        assert baseline["label"] in text
    for command in (facts["reproduce"]["command"], facts["reproduce"]["config"]):
        assert command in text
    drawn = {
        "binary": (
            "Confusion matrix",
            "ROC curve",
            "Precision against recall",
            "Calibration",
            "Choosing a threshold",
        ),
        "multiclass": (
            "Confusion matrix",
            "ROC curve",
            "Precision against recall",
            "Calibration",
            "Class by class",
        ),
        "multilabel": ("ROC curve", "Precision against recall", "Calibration", "Label by label"),
        "regression": ("Predicted against true", "What is left over", "prediction interval"),
    }[task]
    for title in drawn:
        assert title in text
    assert len(page) < 600_000
    figures = page.count("<svg ")
    assert figures == len(re.findall(r'role="img" aria-label="[^"]{8,}"', page)) >= 9


@pytest.mark.parametrize("task", TASKS)
def test_no_address_anywhere(pages, task):
    assert not re.search(r"https?:|//[a-z]+\.", re.sub(r"base64,[^\"]*", "", pages[task]))
    assert "default-src 'none'" in pages[task]


def test_same_facts_same_bytes_and_facts_are_left_alone():
    facts, arrays, curves = light("binary")
    before = copy.deepcopy(facts)
    assert render(facts, arrays, curves) == render(*light("binary"))
    assert facts == before


POISONS = (
    "<script>alert(1)</script>",
    "</style></svg><img src=x onerror=alert(1)>",
    "{{ 7 * 6 }}{% raw %}",
    "$x^{$ & \" ' \x00",
)


def _spoil(value, poisons):
    """Every string that a table could have put there, replaced by the next of the poisons."""
    if isinstance(value, dict):
        keep = {"task", "name", "kind", "status", "baseline", "metric", "on"}
        return {k: v if k in keep else _spoil(v, poisons) for k, v in value.items()}
    if isinstance(value, list):
        return [_spoil(v, poisons) for v in value]
    return next(poisons) if isinstance(value, str) else value


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_hostile_text_is_only_text(task):
    facts, arrays, curves = example(task)
    poisons = itertools.cycle(POISONS)
    facts = _spoil(facts, poisons) | {"name": next(poisons)}
    for column in facts["data"]["columns"]:
        column["name"] = next(poisons)
    for row in facts["worst"]:
        row["values"] = {next(poisons): next(poisons) for _ in range(3)}
    facts["winner"]["hyperparameters"] = {p: p for p in POISONS}
    facts["candidates"][0]["hyperparameters"] = {p: p for p in POISONS}
    facts["searched"] = {POISONS[0]: [POISONS[0]], "mlp": list(POISONS)}
    for candidate in facts["candidates"]:
        candidate["family"] = "mlp"
    page = render(facts, arrays, curves)
    parser = read(page)
    assert "script" not in parser.tags
    for poison in POISONS[:3]:
        assert poison in words(page)


def test_without_test_rows_it_says_so():
    facts, arrays, curves = light("multiclass")
    facts["test"], facts["data"]["test"], facts["comparison"] = {}, 0, None
    facts["data"]["development"] = facts["data"]["rows"]
    facts["test_scored"] = 0
    for baseline in facts["baselines"]:
        baseline["test"] = {}
    page = render(facts, {k: v for k, v in arrays.items() if k.startswith("oof")}, curves)
    text = words(page)
    assert "only validation scores exist" in text
    assert "slightly optimistic" in text
    assert "out-of-fold predictions" in text
    assert "95 % interval 0" not in text
    assert "ROC curve" in text
    assert "test rows scored never" in text


def test_without_test_rows_or_folds_there_is_no_honest_score():
    facts, _, curves = example("regression")
    facts.update(
        test={}, validation={}, baselines=[], comparison=None, importance=[], worst=[], intervals=None
    )
    facts["data"].update(test=0, folds=0, development=442)
    facts["candidates"] = [facts["candidates"][0] | {"mean": None, "se": None, "scores": []}]
    facts["winner"]["index"] = 0
    for curve in curves:
        curve["validation"] = [None] * len(curve["epoch"])
    text = words(render(facts, {}, curves[:1]))
    assert "No honest score exists" in text
    assert "look at this one" not in text


def test_stopped_early():
    facts, arrays, curves = light("binary")
    facts["finished"] = False
    text = words(render(facts, arrays, curves))
    assert "stopped early" in text
    assert "coterie resume runs/breast_cancer-1" in text


def test_rows_left_out():
    facts, arrays, curves = light("binary")
    values = list(facts["worst"][0]["values"].values())
    text = words(render(facts, arrays, curves))
    assert all(v in text for v in values)
    facts["rows_left_out"], facts["worst"] = True, []
    text = words(render(facts, arrays, curves))
    assert "left out of this page, as was asked" in text
    assert "Look at these first" not in text


def test_test_rows_scored_again():
    facts, arrays, curves = light("binary")
    facts["test_scored"] = 3
    assert "scored 3 times" in words(render(facts, arrays, curves))


def test_barest_facts_make_a_page():
    text = words(
        render(
            {"task": "binary", "metric": {"name": "log_loss", "label": "log loss", "maximise": False}}, {}, []
        )
    )
    assert "No verdict yet." in text
    assert "No honest score exists" in text


def test_one_candidate_no_baselines():
    facts, arrays, curves = light("multiclass")
    facts.update(
        candidates=[c for c in facts["candidates"] if c["index"] == facts["winner"]["index"]], baselines=[]
    )
    facts.update(searched={}, comparison=None)
    text = words(render(facts, arrays, curves))
    assert "No baseline was trained" in text
    assert "1 candidate" in text


def test_a_class_absent_from_the_test_rows_is_named():
    facts, arrays, curves = light("multiclass")
    keep = arrays["test_target"] != 3
    arrays = {"test_output": arrays["test_output"][keep], "test_target": arrays["test_target"][keep]}
    assert "does not occur in these rows or nothing else does: 3." in words(render(facts, arrays, curves))


def test_scores_that_are_not_numbers():
    facts, arrays, curves = example("binary")
    facts["test"]["roc_auc"] = {"value": math.nan, "low": math.nan, "high": None}
    facts["candidates"][1].update(mean=None, se=math.nan)
    facts["candidates"][1]["scores"][0].update(value=None, status="diverged")
    facts["baselines"][0]["validation"] = {}
    facts["baselines"][1]["test"] = {}
    facts["comparison"].update(low=None, high=None)
    for curve in curves[:3]:
        curve["validation"][5:] = [math.nan] * len(curve["validation"][5:])
    arrays["test_output"][0] = np.nan
    text = words(render(facts, arrays, curves))
    assert not re.search(r"\bnan\b", text.lower())
    assert "1 diverged" in text


def test_fifty_classes_and_two_hundred_candidates_stay_small():
    rng = np.random.default_rng(0)
    facts, _, curves = example("multiclass")
    target = np.arange(5000) % 50
    output = np.eye(50)[target] + rng.random((5000, 50)) * 1.5
    output /= output.sum(1, keepdims=True)
    facts["classes"] = [f"class <{i}>" for i in range(50)]
    facts["confusion"] = [[int(n) for n in row] for row in rng.integers(0, 30, (50, 50))]
    facts["per_class"] = [facts["per_class"][0] | {"class": name} for name in facts["classes"]]
    facts["candidates"] = [facts["candidates"][i % 7] | {"index": i} for i in range(200)]
    curves = [c | {"candidate": i} for i in range(200) for c in curves[:3]]
    facts["data"]["columns"] = [facts["data"]["columns"][0] | {"name": f"c{i}"} for i in range(5000)]
    page = render(facts, {"test_output": output, "test_target": target}, curves)
    assert len(page) < 1_500_000
    text = words(page)
    assert "The best 20 of 200 candidates" in text
    assert "5,000 columns" in text


def test_a_hundred_thousand_rows_stay_small():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(100_000, 1))
    facts, _, curves = light("regression")
    page = render(facts, {"test_output": true + rng.normal(size=true.shape), "test_target": true}, curves)
    assert len(page) < 1_500_000
    score = rng.random(100_000)
    facts, _, curves = light("binary")
    arrays = {
        "test_output": np.stack([1 - score, score], 1),
        "test_target": (rng.random(100_000) < score).astype(int),
    }
    assert len(render(facts, arrays, curves)) < 1_500_000


@pytest.mark.parametrize("kind", ["curve", "regions"])
def test_response(kind):
    facts, arrays, curves = light("binary")
    facts["response"] = {
        "curve": {"kind": "curve", "feature": "age", "x": [0, 1], "y": [0.1, 0.9], "low": None, "high": None,
                  "points_x": [0.2, 0.7], "points_y": [0, 1]},
        "regions": {"kind": "regions", "features": ["a", "b"], "x": [0, 1], "y": [0, 1],
                    "z": [[0, 1], [1, 0]],
                    "points": [[0.1, 0.2, "benign"], [0.4, 0.4, 1]], "classes": ["benign", "malignant"]},
    }[kind]  # fmt: skip
    assert {"curve": "Fitted curve", "regions": "What it answers where"}[kind] in words(
        render(facts, arrays, curves)
    )


def test_difference_is_read_in_the_right_direction():
    facts, _, _ = light("binary")
    facts["comparison"].update(metric="log_loss", difference=-0.1, low=-0.15, high=-0.05)
    assert "in the network’s favour" in words(render(facts, {}, []))
    facts["comparison"].update(metric="roc_auc")
    assert "in the baseline’s favour" in words(render(facts, {}, []))
    facts["comparison"].update(low=-0.15, high=0.05)
    assert "chance alone could explain it" in words(render(facts, {}, []))
