"""Each figure returns Axes, on its own Figure or on the one given, for good, small and broken data alike."""

import numpy as np
import pytest
from example_facts import example
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn import metrics

from coterie.report import figures
from coterie.report.classification import precision_recall_points, roc_points
from coterie.report.drawing import MIDDLE, plain, to_svg


def _candidates(n, scores=(0.3, 0.4, 0.5)):
    record = {"seed": 0, "best_epoch": 3, "status": "finished"}
    return [
        {
            "index": i, "family": "mlp", "parameters": 10, "se": 0.05,
            "mean": None if None in scores else float(np.mean(scores)) + i / 1000,
            "hyperparameters": {"lr": 10.0 ** -(1 + i % 4), "hidden": [8] * (1 + i % 3), "norm": i % 2 == 0},
            "scores": [{"fold": f, "value": v} | record for f, v in enumerate(scores)],
        }
        for i in range(n)
    ]  # fmt: skip


def _curves(candidates, folds=2, epochs=20):
    line = [1 / (e + 1) for e in range(epochs)]
    return [
        {"candidate": c, "fold": f, "seed": 0, "epoch": list(range(1, epochs + 1)), "train": line,
         "validation": [v + 0.1 + 0.01 * c for v in line]}
        for c in range(candidates) for f in range(folds)
    ]  # fmt: skip


def _calls():
    """Every public figure with data that suits it."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 60)
    output = np.eye(3)[y] * 0.5 + 1 / 6
    few = _candidates(4)
    curve = {"feature": "age", "x": [0, 1, 2], "y": [1, 2, 2], "low": [0, 1, 1], "high": [2, 3, 3],
             "points_x": [0.5, 1.5], "points_y": [1.0, 2.0]}  # fmt: skip
    regions = {"features": ["a", "b"], "x": [0, 1], "y": [0, 1, 2], "z": [[0, 1], [1, 1], [0, 0]],
               "points": [[0.5, 0.5, 0], [0.2, 1.0, 1]], "classes": ["no", "yes"]}  # fmt: skip
    classes = ["a", "b", "c"]
    origins = [{"time": 0, "values": [2.0, 1.0]}]
    return {
        "attention_map": lambda ax: figures.attention_map(np.eye(3), classes, classes, ax=ax),
        "transfer_curves": lambda ax: figures.transfer_curves([5, 10], {"a": [[0.6], [0.8]]}, ax=ax),
        "clouds": lambda ax: figures.clouds(np.eye(2), np.ones((3, 2)), ax=ax),
        "game_curves": lambda ax: figures.game_curves(
            [{**c, "beside": {"realness": c["train"], "sample_realness": c["train"]}} for c in _curves(2)],
            1,
            ax=ax,
        ),
        "growth_clouds": lambda ax: figures.growth_clouds(
            [{"epoch": 1, "points": np.eye(2)}, {"epoch": 5, "points": np.ones((3, 2))}], np.eye(2), ax=ax
        ),
        "return_curve": lambda ax: figures.return_curve(_curves(2), 1, steps=100, ax=ax),
        "code_plane": lambda ax: figures.code_plane(np.eye(3)[:, :2], [0, 1, -1], classes, ax=ax),
        "augmented": lambda ax: figures.augmented(
            np.full((2, 1, 4, 4), 0.5), np.ones((2, 1, 4, 4)), ax=ax
        ),
        "forecast_lines": lambda ax: figures.forecast_lines([1, 2, 3], origins, ax=ax),
        "learning_curves": lambda ax: figures.learning_curves(_curves(4), 1, ax=ax),
        "winner_curves": lambda ax: figures.winner_curves(_curves(4), 1, ax=ax),
        "hyperparameter_scores": lambda ax: figures.hyperparameter_scores(few, "lr", 0, ax=ax),
        "fold_scores": lambda ax: figures.fold_scores(few, 0, ax=ax),
        "batch_scores": lambda ax: figures.batch_scores(few, [1, len(few) - 1], 0, ax=ax),
        "score_intervals": lambda ax: figures.score_intervals(
            [{"label": "us", "value": 0.3, "low": 0.2, "high": 0.4, "winner": True}], ax=ax
        ),
        "confusion_matrix": lambda ax: figures.confusion_matrix(np.eye(3) * 5, classes, ax=ax),
        "roc_curve": lambda ax: figures.roc_curve(output, y, classes, ax=ax),
        "precision_recall_curve": lambda ax: figures.precision_recall_curve(output, y, classes, ax=ax),
        "calibration_curve": lambda ax: figures.calibration_curve(output, y, classes, ax=ax),
        "threshold_curve": lambda ax: figures.threshold_curve(
            [{"threshold": t, "sensitivity": 1 - t, "specificity": t, "precision": 0.5} for t in (0.1, 0.9)],
            0.5, ax=ax,
        ),
        "predicted_against_true": lambda ax: figures.predicted_against_true(y, y, half_width=0.5, ax=ax),
        "range_curves": lambda ax: figures.range_curves(
            [{"candidates": [0, 2], "rates": [0.1, 1.0, 10.0], "losses": [2, 1, None], "lr": 0.3}], 2, ax=ax
        ),
        "residuals": lambda ax: figures.residuals(y + 0.1, y, half_width=0.5, ax=ax),
        "fitted_curve": lambda ax: figures.fitted_curve(curve, ax=ax),
        "decision_regions": lambda ax: figures.decision_regions(regions, ax=ax),
        "permutation_importance": lambda ax: figures.permutation_importance(
            [{"feature": "a", "mean": 0.2, "low": 0.1, "high": 0.3}], ax=ax
        ),
    }  # fmt: skip


def test_every_public_figure_is_tried_here():
    assert set(_calls()) == set(figures.__all__)


@pytest.mark.parametrize("name", figures.__all__)
def test_returns_axes_and_draws_the_same_bytes(name):
    draw = _calls()[name]
    made = draw(None)
    assert isinstance(made, Axes)
    assert to_svg(made, "alt", "k") == to_svg(draw(None), "alt", "k")
    given = Figure().add_subplot()
    assert draw(given) is given


@pytest.mark.parametrize(
    "call",
    [
        lambda: figures.learning_curves([], 0),
        lambda: figures.learning_curves(_curves(1, folds=1, epochs=1), 0),
        lambda: figures.learning_curves([_curves(1)[0] | {"train": [None], "validation": [np.nan]}], 0),
        lambda: figures.learning_curves(_curves(200, folds=5), 7),
        lambda: figures.winner_curves(_curves(2), 9),
        lambda: figures.hyperparameter_scores(_candidates(1), "hidden", 0),
        lambda: figures.hyperparameter_scores(_candidates(1), "absent", 0),
        lambda: figures.hyperparameter_scores(_candidates(200), "norm", 3),
        lambda: figures.fold_scores(_candidates(200), 150),
        lambda: figures.batch_scores(_candidates(200), [50, 50, 50, 50], 150, maximise=True),
        lambda: figures.batch_scores(_candidates(1, scores=(None,)), [1], None),
        lambda: figures.fold_scores(_candidates(2, scores=(0.1, None, float("nan"))), 0),
        lambda: figures.fold_scores(_candidates(1, scores=(None,)), None),
        lambda: figures.fold_scores(_candidates(3, scores=(0.5, 0.5, 1e12)), 0),
        lambda: figures.score_intervals([]),
        lambda: figures.score_intervals([{"label": "a", "value": None, "low": 0, "high": 1, "winner": True}]),
        lambda: figures.confusion_matrix(np.zeros((2, 2)), ["a", "b"]),
        lambda: figures.confusion_matrix(np.arange(2500).reshape(50, 50), [f"kind {i}" for i in range(50)]),
        lambda: figures.roc_curve([[0.3, 0.7]], [1], ["a", "b"]),
        lambda: figures.precision_recall_curve([[0.3, 0.7]], [0], ["a", "b"]),
        lambda: figures.calibration_curve(np.full((5, 2), np.nan), np.zeros(5, int), ["a", "b"]),
        lambda: figures.calibration_curve(np.full((5, 2), 0.5), np.zeros(5, int), ["a", "b"]),
        lambda: figures.calibration_curve(np.full((9, 3), 1 / 3), np.arange(9) % 3, list("abc"), one=2),
        lambda: figures.threshold_curve([]),
        lambda: figures.predicted_against_true([], []),
        lambda: figures.predicted_against_true([np.nan, 1.0], [1.0, 1.0]),
        lambda: figures.residuals([1.0], [2.0]),
        lambda: figures.permutation_importance([]),
        lambda: figures.permutation_importance([{"feature": "x", "mean": None, "low": None, "high": None}]),
    ],
)  # fmt: skip
def test_edges_draw_something(call):
    svg = to_svg(call(), "alt", "k")
    assert svg.startswith("<svg ")
    assert len(svg) < 400_000


def test_many_classes_show_the_weakest_by_name():
    rng = np.random.default_rng(1)
    y = np.arange(600) % 12
    output = np.eye(12)[y] + rng.random((600, 12)) * 0.8
    output[y == 7] = rng.random((50, 12))
    ax = figures.roc_curve(output / output.sum(1, keepdims=True), y, [f"kind {i}" for i in range(12)])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "mean of all"
    assert any("kind 7" in label for label in labels)


def test_curves_equal_scikit_learns():
    rng = np.random.default_rng(2)
    positive = rng.random(300) < 0.3
    score = np.round(positive * 0.3 + rng.random(300), 2)  # ties
    weight = rng.random(300)
    x, y = roc_points(score, positive, weight)
    fpr, tpr, _ = metrics.roc_curve(positive, score, sample_weight=weight, drop_intermediate=False)
    np.testing.assert_allclose(x, fpr)
    np.testing.assert_allclose(y, tpr)
    recall, precision = precision_recall_points(score, positive, weight)
    theirs_p, theirs_r, _ = metrics.precision_recall_curve(positive, score, sample_weight=weight)
    np.testing.assert_allclose(recall, theirs_r[::-1])
    np.testing.assert_allclose(precision[1:], theirs_p[::-1][1:])
    average = np.sum(np.diff(recall) * precision[1:])
    np.testing.assert_allclose(
        average, metrics.average_precision_score(positive, score, sample_weight=weight)
    )


def test_calibration_of_a_calibrated_model_lies_on_the_line():
    rng = np.random.default_rng(3)
    p = rng.random(20_000)
    ax = figures.calibration_curve(
        np.stack([1 - p, p], 1), (rng.random(20_000) < p).astype(int), ["no", "yes"]
    )
    x, y = ax.lines[-1].get_data()
    assert len(x) == 10
    np.testing.assert_allclose(x, y, atol=0.03)


def test_winner_has_the_accent_colour_and_is_shown_even_when_last():
    ax = figures.fold_scores(_candidates(40), 39, limit=10)
    labels = [tick.get_text() for tick in ax.get_yticklabels()]
    assert len(labels) == 10
    assert labels[0] == "mlp 0"
    assert labels[-1] == "mlp 39"
    assert ax.get_yticklabels()[-1].get_color() != ax.get_yticklabels()[0].get_color()


def test_a_diverged_member_does_not_stretch_the_axis():
    curves = _curves(6)
    curves[-1]["validation"] = [10.0**k for k in range(20)]
    low, high = figures.learning_curves(curves, 0).get_ylim()
    assert high < 10
    assert low > 0


def test_log_axis_only_for_ranges():
    wide = [c | {"hyperparameters": {"lr": 10.0 ** -c["index"]}} for c in _candidates(4)]
    near = [c | {"hyperparameters": {"lr": 1.0 + c["index"]}} for c in _candidates(4)]
    assert figures.hyperparameter_scores(wide, "lr").get_xscale() == "log"
    assert figures.hyperparameter_scores(near, "lr").get_xscale() == "linear"


@pytest.mark.parametrize(
    "text", ["$\\frac$", "_hidden", "<b>&", "a\x00b\n", "\u202eabc", "漢字 🙂", "\ud800", "", "x" * 500]
)
def test_any_text_can_be_a_label(text):
    assert len(plain(text)) < 60
    ax = figures.confusion_matrix([[1, 0], [2, 3]], [text, "b"])
    svg = to_svg(
        figures.permutation_importance([{"feature": text, "mean": 1, "low": 0, "high": 2}]), text[:50], "k"
    )
    assert "<b>" not in svg
    assert to_svg(ax, "alt", "k")


def test_figures_follow_the_pages_colours_and_ask_for_nothing():
    svg = to_svg(_calls()["roc_curve"](None), 'say "hello" <now>', "f7")
    assert "var(--accent)" in svg
    assert "http" not in svg
    assert "<now>" not in svg
    assert "DejaVu" not in svg
    assert 'href="#f7-' in svg or "url(#f7-" in svg


def test_many_rows_become_pixels():
    rng = np.random.default_rng(4)
    true = rng.normal(size=100_000)
    svg = to_svg(figures.predicted_against_true(true + rng.normal(size=100_000), true), "alt", "k")
    assert "data:image/png;base64," in svg
    assert len(svg) < 300_000


def test_nothing_of_matplotlibs_settings_is_left_changed():
    import matplotlib

    before = dict(matplotlib.rcParams)
    facts, arrays, curves = example("binary")
    to_svg(figures.roc_curve(arrays["test_output"], arrays["test_target"], facts["classes"]), "alt", "k")
    figures.learning_curves(curves, 0)
    assert dict(matplotlib.rcParams) == before
    assert MIDDLE


def test_regions_of_values_have_a_scale():
    response = {"features": ["a", "b"], "x": [0, 1], "y": [0, 1], "z": [[0.0, 1.0], [2.0, 3.0]],
                "points": [[0.5, 0.5, 1.2]], "classes": []}  # fmt: skip
    ax = figures.decision_regions(response, target="price")
    assert len(ax.get_figure().axes) == 2
    assert to_svg(ax, "alt", "k")


@pytest.mark.parametrize("epochs", [1, 2])
def test_no_tick_stands_between_two_epochs(epochs):
    curves = _curves(1, epochs=epochs)
    for ax in (figures.learning_curves(curves, 0), figures.winner_curves(curves, 0)):
        ticks = ax.get_xticks()
        assert (ticks == ticks.round()).all()
