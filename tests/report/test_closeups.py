"""The page shows what suits the kind of the data, escapes it, and leaves single rows out when asked."""

import copy
import re

import numpy as np
import pytest
from example_facts import example
from test_page import POISONS, read, words

from coterie.report.card import model_card
from coterie.report.closeups import OF_ROWS
from coterie.report.page import render
from coterie.report.thumbnails import mosaic, picture

PNG = picture(np.eye(4)[None], 0, 1)
SIZES = {"count": 6, "shown": 6, "height": 3, "width": 3}
EXTRAS = {
    "part": "test",
    "filters": {"image": mosaic(np.ones((6, 3, 3)), signed=True), "channels": 1, **SIZES},
    "maps": {"row": 17, "original": PNG, "image": PNG, **SIZES},
    "attention": [{"row": 4, "down": ["b", "[end]"], "across": ["a", "b"], "weights": [[0, 1], [1, 0]]}],
    "highlights": [{"row": 5, "tokens": [["[start]", 0.1], ["remarkable", 1.0]]}],
    "writings": {
        "rows": 2, "exact": 0.5, "word_error_rate": 0.25, "bleu": 0.6, "unit": "word",
        "lines": [
            {"row": 8, "values": {"source": "a b"}, "truth": "b a", "said": "b a", "exact": True},
            {"row": 9, "values": {"source": "c d"}, "truth": "d c", "said": "d dd", "exact": False},
        ],
    },
    "samples": ["once upon a time"],
    "forecasts": {
        "name": "sales", "time": [0, 1, 2], "truth": [1.0, 2.0, 1.5],
        "origins": [{"time": 0, "values": [2.1, 1.4]}], "half_width": None,
    },
    "augmented": {"kind": "text", "texts": [["a fine film", "a [unknown] film"]]},
    "coefficients": [{"output": "y", "term": "celsius", "mean": 1.8, "low": 1.79, "high": 1.81}],
}  # fmt: skip
OF_SINGLE_ROWS = ("row 17", "remarkable", "d dd", "once upon", "Forecasts", "unknown", "Where it looks")


def light():
    facts, _, _ = example("multiclass")
    facts.update(searched={}, importance=[], confusion=None, candidates=[], closeup=copy.deepcopy(EXTRAS))
    return facts


def text_task():
    facts = light()
    facts.update(task="text", classes=[], per_class=[{"class": "written", "support": 3}], worst=[])
    facts["metric"] = {"name": "log_loss", "label": "log loss", "maximise": False}
    facts["test"] = {"log_loss": {"value": 0.5, "low": 0.4, "high": 0.6}, "perplexity": {"value": 1.6}}
    facts.update(validation={}, baselines=[], comparison=None, look_at=None)
    return facts


def test_everything_is_shown():
    page = render(light(), {}, [])
    text = words(page)
    for wanted in (*OF_SINGLE_ROWS, "6 filters", "celsius", "1.8", "50 %", "25 %", "the same"):
        assert wanted.lower() in text.lower(), wanted
    images = re.findall(r'<img class="pixels" src="data:image/png;base64,[^"]+" alt="([^"]+)">', page)
    assert len(images) == 3
    assert "first feature" not in text
    assert page == render(light(), {}, [])


def test_without_a_closeup_there_is_no_section():
    facts = light()
    del facts["closeup"]
    text = words(render(facts, {}, []))
    assert "A look inside" not in text
    assert "What it writes" not in text


def test_no_single_rows_when_they_are_left_out():
    facts = light()
    facts.update(rows_left_out=True, worst=[])
    page = render(facts, {}, [])
    text = words(page)
    for unwanted in OF_SINGLE_ROWS:
        assert unwanted.lower() not in text.lower(), unwanted
    assert page.count("<img") == 1
    assert "celsius" in text
    assert set(OF_ROWS) | {"part", "filters", "coefficients"} == set(EXTRAS)


def test_hostile_tokens_are_only_text():
    facts = light()
    found = facts["closeup"]
    found["samples"] = list(POISONS)
    found["highlights"][0]["tokens"] = [[p, 0.5] for p in POISONS]
    found["attention"][0].update(down=list(POISONS[:2]), across=list(POISONS[2:]))
    found["writings"]["lines"][1].update(values={POISONS[0]: POISONS[1]}, truth=POISONS[2], said=POISONS[3])
    found["writings"]["lines"][0]["values"] = {POISONS[0]: POISONS[1]}
    found["augmented"]["texts"] = [list(POISONS[:2])]
    found["coefficients"][0].update(term=POISONS[0], output=POISONS[1])
    found["forecasts"]["name"] = POISONS[1]
    facts["worst"] = [
        {"row": 1, "values": {POISONS[0]: {"sequence": [[1.0], [None]]}, "b": POISONS[1]},
         "truth": POISONS[2], "prediction": POISONS[3], "loss": 1.0},
    ]  # fmt: skip
    page = render(facts, {}, [])
    for poison in POISONS[:3]:
        assert poison in words(page)
    assert "script" not in read(page).tags


def test_images_that_are_most_wrong_are_a_gallery():
    facts = light()
    row = {"row": 3, "truth": "cat", "prediction": "dog (0.93)", "loss": 2.7}
    facts.update(worst=[{**row, "values": {"image": {"image": PNG}}} for _ in range(2)], closeup={})
    page = render(facts, {}, [])
    assert page.count('class="gallery"') == 1
    assert page.count("<img") == 2
    assert "said dog (0.93)" in words(page)
    facts["worst"][0]["values"]["age"] = "41"
    facts["worst"][1]["values"]["age"] = "42"
    page = render(facts, {}, [])
    assert 'class="gallery"' not in page
    assert page.count("<img") == 2
    assert "41" in words(page)


@pytest.mark.parametrize("kind", ["image", "sequence"])
def test_augmented_examples_are_drawn(kind):
    facts = light()
    shape = (3, 1, 4, 4) if kind == "image" else (3, 9, 1)
    values = np.random.default_rng(0).normal(size=shape)
    if kind == "sequence":
        values[0, 8, 0] = np.nan  # behind its end
    facts["closeup"] = {"part": "test", "augmented": {"kind": kind}}
    arrays = {"augmented_before": values, "augmented_after": values}
    assert "What training made of examples" in words(render(facts, arrays, []))
    facts["rows_left_out"] = True
    assert "What training made of examples" not in words(render(facts, arrays, []))


def test_page_and_card_of_a_task_of_writing():
    facts = text_task()
    outputs = {"test_output": np.array([[0.5, 1.0]] * 3), "test_target": np.zeros(3, dtype=int)}
    text = words(render(facts, outputs, []))
    assert "writing a text" in text
    assert "What it writes" in text
    assert "ROC" not in text
    assert "Class by class" not in text
    card = model_card(facts)
    assert "pipeline_tag: text-generation" in card
    assert "predict_proba" not in card
    facts["data"]["columns"] = [{"name": "text", "kind": "text", "role": "target"}]
    assert "model.write(" in model_card(facts)


def test_card_of_images():
    facts = light()
    facts["data"]["columns"] = [{"name": "photo", "kind": "image", "role": "feature"}]
    card = model_card(facts)
    assert "pipeline_tag: image-classification" in card
    assert "type: image\n" in card
