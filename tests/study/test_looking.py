"""The rows that a model got most wrong, of every kind: which they are, and how they are shown."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image
from untrained import images, model_of, problem_of, series, texts, waves

from coterie.metrics.catalogue import METRICS
from coterie.report.thumbnails import tones
from coterie.study.cells import shown, text
from coterie.study.fitted import rows_of
from coterie.study.importance import permutation_importance
from coterie.study.looking import WORST, WORST_IMAGES, response, worst_rows
from coterie.study.scores import judge


def judged_of(problem, model):
    output = model.output(rows_of(problem.dataset, problem.development))
    return judge("validation", problem.dataset, problem.development, output)


def test_images_are_small_pictures_of_the_row():
    problem, _ = problem_of(images(40), "kind", "cnn")
    model = model_of(problem, "cnn")
    worst = worst_rows(judged_of(problem, model), problem.table.frame, problem.dataset)
    assert len(worst) == min(WORST_IMAGES, len(problem.development)) > WORST
    for row in worst:
        png = row["values"]["image"]["image"]
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))
        raw = problem.table.frame["image"][row["row"]].to_numpy().reshape(6, 6)
        assert np.abs(shown / 255 * tones(raw)[1] - raw).max() <= 16 / 255 + 1
        assert row["truth"] == problem.table.frame["kind"][row["row"]]


def test_a_row_of_steps_is_judged_by_the_mean_of_its_steps():
    problem, _ = problem_of(waves(), "up", "gru")
    model = model_of(problem, "gru")
    worst = worst_rows(judged_of(problem, model), problem.table.frame, problem.dataset)
    assert len({row["row"] for row in worst}) == len(worst) == WORST
    for row in worst:
        cells = problem.table.frame["wave"][row["row"]].to_list()
        assert len(row["truth"].split()) == len(row["prediction"].split()) == len(cells)
        assert np.allclose(np.array(row["values"]["wave"]["sequence"])[:, 0], cells, rtol=1e-3)
        position = int(np.flatnonzero(problem.dataset.rows == row["row"])[0])
        output = model.output(rows_of(problem.dataset, np.array([position])))[0, : len(cells)]
        truth = problem.dataset.target[position, : len(cells)]
        loss = -output.gather(1, truth[:, None]).log().mean()
        assert row["loss"] == pytest.approx(float(loss), rel=1e-4)
    assert [r["loss"] for r in worst] == sorted((r["loss"] for r in worst), reverse=True)


def test_texts_that_are_to_be_written():
    columns = texts()
    del columns["kind"]
    problem, _ = problem_of(columns, "written", "seq2seq", kinds={"source": "text"})
    model = model_of(problem, "seq2seq", members=1, hidden=8, embedding=8)
    judged = judged_of(problem, model)
    worst = worst_rows(judged, problem.table.frame, problem.dataset)
    first = worst[0]
    assert first["truth"] == columns["written"][first["row"]]
    assert first["values"] == {"source": columns["source"][first["row"]]}
    tokens = len(first["truth"].split()) + 1
    assert first["prediction"].endswith(f" of {tokens} tokens right")


def test_long_texts_are_cut_and_values_are_short():
    assert text("a" * 300) == "a" * 199 + "…"
    assert text(1 / 3) == "0.333333"
    assert text(None) == ""
    problem, _ = problem_of(series(), "sales+1", "linear")
    at = problem.development[:2]
    cells = shown(problem.dataset, problem.table.frame, at, problem.dataset.rows[at], 10)
    assert cells[0]["now"] == f"{problem.table.frame['now'][int(problem.dataset.rows[at[0]])]:.6g}"


def test_what_says_nothing_of_steps_and_texts_is_left_out():
    problem, _ = problem_of(waves(), "up", "gru")
    model = model_of(problem, "gru")
    judged = judged_of(problem, model)
    assert response(model, problem.dataset, judged, None, True) is None
    found = permutation_importance(model, problem.dataset, METRICS["log_loss"], parameters=1, seed=0)
    assert found == ([], "")
    assert torch.isfinite(judged.output).all()
