"""Metrics by name."""

import pytest

from coterie.errors import SpecError
from coterie.metrics.catalogue import ALIASES, METRICS, default_metric, metric_named, metrics_for


def test_records_agree_with_their_keys() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.help.endswith(".")
        assert metric.tasks
    assert set(ALIASES.values()) <= set(METRICS)
    assert not set(ALIASES) & set(METRICS)


@pytest.mark.parametrize(
    ("name", "task", "meant"),
    [
        ("AUC", "binary", "roc_auc"),
        ("auroc", "multiclass", "roc_auc"),
        ("acc", "multilabel", "accuracy"),
        ("Sensitivity", "binary", "recall"),
        ("PR AUC", "binary", "average_precision"),
        ("log-loss", "binary", "log_loss"),
        ("mcc", "binary", "matthews"),
        ("ppv", "binary", "precision"),
        ("fpr", "binary", "false_positive_rate"),
        ("fnr", "binary", "miss_rate"),
        ("R²", "regression", "r2"),
    ],
)
def test_other_names(name: str, task: str, meant: str) -> None:
    assert metric_named(name, task).name == meant


def test_errors_help() -> None:
    with pytest.raises(SpecError, match="Did you mean accuracy"):
        metric_named("acuracy", "binary")
    with pytest.raises(SpecError, match=r"which is for regression.*log_loss"):
        metric_named("rmse", "binary")
    with pytest.raises(SpecError, match="Choose one of: rmse"):
        metric_named("xyzzy", "regression")
    with pytest.raises(SpecError, match="recall"):
        metric_named("sensitivty", "binary")


def test_which_metrics_a_task_has() -> None:
    names = [metric.name for metric in metrics_for("multiclass", 4)]
    assert "top_3_accuracy" in names
    assert "top_3_accuracy" not in [metric.name for metric in metrics_for("multiclass", 3)]
    assert "exact_match" not in names
    assert default_metric("binary").name == names[0] == "log_loss"
    assert default_metric("regression").name == "rmse"
    assert not default_metric("regression").maximise


def test_families_without_a_measure_in_common_are_told_apart_in_the_error():
    common = {"vae": ("evidence_bound", "mmd"), "gan": ("mmd",)}
    assert default_metric("unsupervised", common).name == "mmd"
    with pytest.raises(SpecError, match="gan has mmd; kmeans has reconstruction_error"):
        default_metric("unsupervised", {"gan": ("mmd",), "kmeans": ("reconstruction_error",)})
