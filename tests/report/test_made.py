"""What a page shows of a model that learned without labels: what suits the facts, escaped, no single rows."""

import copy

import numpy as np
from test_closeups import PNG, light
from test_page import POISONS, read, words

from coterie.report.card import model_card
from coterie.report.made import mosaics
from coterie.report.page import render
from coterie.report.planes import clouds, code_plane
from coterie.report.telling import telling

SAMPLES = {
    "told_apart": {"accuracy": 0.61, "judged": 120},
    "discrepancy": {"value": 0.0021, "limit": 0.0093},
    "copying": {"samples": 1.2, "held_out": 1.1, "ratio": 1.09},
}
CODES = {
    "width": 4, "rows": 60, "flat": True, "label": "digit", "classes": ["0", "1"], "neighbours": 0.93,
    "probe": 0.88, "clusters": {"adjusted_rand": 0.55, "information": 0.6},
}  # fmt: skip
MADE = {
    "samples": {**SAMPLES, "image": PNG, "count": 64, "nearest": {"image": PNG}},
    "codes": CODES,
    "reconstructions": {"image": PNG, "rows": 10},
    "walk": {"image": PNG, "codes": 4, "low": -2.0, "high": 2.0},
    "growth": [{"epoch": 1, "image": PNG}, {"epoch": 40, "image": PNG}],
    "chain": {"image": PNG, "rows": 4, "steps": 9},
}
POINTS = np.random.default_rng(0).normal(size=(30, 2))


def unlabelled(made, **arrays):
    facts = light()
    facts.update(task="unsupervised", classes=[], per_class=[], worst=[], target=[], look_at=None)
    facts.update(baselines=[], comparison=None, validation={})
    facts["metric"] = {"name": "evidence_bound", "label": "evidence bound", "maximise": True}
    facts["test"] = {
        "evidence_bound": {"value": -120.4, "low": -122.0, "high": -118.9},
        "bits_per_dimension": {"value": 2.85, "low": 2.81, "high": 2.9},
    }
    facts["closeup"] = {"part": "test", "made": copy.deepcopy(made)}
    return facts, arrays


def test_pictures_of_all_that_it_makes():
    facts, arrays = unlabelled(MADE, plane=POINTS, plane_label=np.arange(30) % 2)
    page = render(facts, arrays, [])
    text = words(page)
    for wanted in (
        "Rows and what comes back", "Samples over training", "epoch 1", "epoch 40 (kept)", "Are they copies?",
        "A walk through the codes", "From noise to a sample", "The codes", "bits per dimension", "61 %",
        "distance to training rows", "neighbours and probe",
    ):  # fmt: skip
        assert wanted.lower() in text.lower(), wanted
    assert "modes" not in dict(telling(MADE))
    assert page.count('class="mosaic lined"') == 1
    read(page)


def test_points_of_a_plane_are_drawn_and_known_modes_counted():
    made = {"samples": {**SAMPLES, "axes": ["x1", "x2"],
                        "modes": {"covered": 7, "modes": 8, "near": 0.934, "deviations": 3}},
            "growth": [{"epoch": 1, "points": POINTS.tolist()}, {"epoch": 9, "points": []}]}  # fmt: skip
    facts, arrays = unlabelled(made, cloud_real=POINTS, cloud_made=POINTS + 1)
    text = words(render(facts, arrays, []))
    assert "7 of 8 modes have samples, and 93 % of the samples lie within 3 deviations" in " ".join(
        text.split()
    )
    assert "Samples over training" in text
    assert "Samples beside rows" in text


def test_no_single_rows_where_they_are_left_out():
    facts, arrays = unlabelled(MADE)
    facts["rows_left_out"] = True
    text = words(render(facts, arrays, []))
    assert "Rows and what comes back" not in text
    assert "Are they copies?" not in text
    assert "Samples over training" in text


def test_of_many_columns_a_few_are_shown_and_that_is_said():
    rows = [{"a": ["1", "1.1"], POISONS[0]: [POISONS[1], "x"]}]
    made = {"reconstructions": {"table": rows, "rows": 1, "columns": 61},
            "samples": {**SAMPLES, "table": [{"a": "1", POISONS[0]: POISONS[1]}], "columns": 61}}  # fmt: skip
    page = render(*unlabelled(made), [])
    assert words(page).count("2 of 61 columns") == 2
    assert "script" not in read(page).tags


def test_the_card_says_what_can_be_done_with_it():
    card = model_card(unlabelled(MADE)[0] | {"target": ["digit"]})
    for wanted in ("learned without labels.", "model.encode(frame)", "model.sample(16)", "predict_table",
                   "unconditional-image-generation"):  # fmt: skip
        assert wanted in card, wanted
    assert "predict_proba" not in card
    assert "model.predict(" not in card


def test_every_picture_has_words_for_those_who_cannot_see_it():
    for figure in mosaics(MADE, "test"):
        assert figure.title
        assert all(alt for _, _, alt in figure.panels)


def test_ten_classes_are_ten_marks_and_the_legend_covers_no_dot():
    labels = np.arange(30) % 10
    ax = code_plane(POINTS, labels, [str(k) for k in range(10)])
    marks = {
        (cloud.get_facecolor()[0].tobytes(), cloud.get_paths()[0].vertices.tobytes())
        for cloud in ax.collections
        if len(cloud.get_offsets())
    }
    assert len(marks) == 10
    for axes in (ax, clouds(POINTS, POINTS)):
        axes.figure.draw_without_rendering()
        legend, plot = axes.get_legend().get_window_extent(), axes.get_window_extent()
        assert legend.x0 >= plot.x1
        assert legend.x1 <= axes.figure.bbox.x1 + 1
