"""Figures of what is told over training: they say what their numbers say."""

import numpy as np
import pytest

from coterie.report.over_training import game_curves, growth_clouds, interval_of_mean, return_curve, told


def curve(candidate, fold, values, **beside):
    epochs = list(range(1, len(values) + 1))
    return {"candidate": candidate, "fold": fold, "seed": 0, "epoch": epochs, "train": [None] * len(values),
            "validation": values, "beside": beside}  # fmt: skip


GAME = [
    curve(0, 0, [0.1, 0.2, 0.3], realness=[0.9, 0.7, 0.5], sample_realness=[0.1, 0.3, 0.5]),
    curve(0, 1, [0.1, 0.2, 0.3], realness=[0.7, 0.7, 0.7], sample_realness=[0.3, None, 0.3]),
    curve(1, 0, [0.1, 0.2, 0.3]),
]


def bold(ax):
    return [line for line in ax.lines if line.get_linewidth() > 2]


def test_both_players_are_drawn_by_their_means():
    ax = game_curves(GAME, 0)
    rows, samples = bold(ax)
    assert rows.get_ydata().tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert samples.get_ydata().tolist() == pytest.approx([0.2, 0.3, 0.4])  # the last is kept
    assert any(line.get_ydata()[0] == 0.5 for line in ax.lines if len(line.get_ydata()) == 2)
    assert ax.get_ylim() == (-0.02, 1.02)
    critic = game_curves(GAME, 0, probability=False)
    assert "critic" in critic.get_ylabel()
    assert critic.get_ylim() != (-0.02, 1.02)
    assert "No curve" in game_curves(GAME, 1).texts[0].get_text()


def test_what_was_told_is_known():
    assert told(GAME, 0, "realness")
    assert not told(GAME, 1, "realness")
    assert not told([{**GAME[0], "beside": {"realness": [None]}}], 0, "realness")


def test_a_return_has_an_interval_over_members_and_counts_play():
    curves = [curve(0, fold, values) for fold, values in enumerate([[10, 20], [30, 60], [20, 40]])]
    low, high = interval_of_mean([(np.array([1, 2]), np.array(c["validation"], float)) for c in curves])
    assert ((low + high) / 2).tolist() == pytest.approx([20, 40])
    assert high[0] - 20 == pytest.approx(4.3027 * 10 / 3**0.5, rel=1e-4)  # of few members little is known
    curves[0]["epoch"].append(3)
    curves[0]["validation"].append(99)  # when its steps are over
    ax = return_curve([*curves, curve(1, 0, [5, 5])], 0, steps=100, most=150)
    (mean,) = bold(ax)
    assert mean.get_xdata().tolist() == [100, 150]
    assert mean.get_ydata().tolist() == [20, 40]
    assert ax.get_xlabel() == "steps of play"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["mean", "95 % interval of the mean", "the others"]
    alone = return_curve([curves[0]], 0)
    assert alone.get_xlabel() == "epoch"
    assert len(alone.get_legend().get_texts()) == 1


def test_each_look_at_samples_has_a_cell_and_wild_ones_stay_out_of_it():
    real = np.random.default_rng(0).normal(size=(100, 2))
    looks = [{"epoch": e, "points": [[0.0, 0.0], [1e6, 0.0]]} for e in (1, 4, 9, 20)]
    ax = growth_clouds(looks, real, names=("a", "b"))
    assert [text.get_text() for text in ax.texts] == ["epoch 1", "epoch 4", "epoch 9", "epoch 20 (kept)"]
    assert [len(cloud.get_offsets()) for cloud in ax.collections[1::2]] == [1] * 4
    assert "no samples" in growth_clouds([], real).texts[0].get_text()
