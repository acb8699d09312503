"""The metrics by name: which a task has, and what is meant by another name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from torch import Tensor

from coterie.errors import SpecError
from coterie.metrics.classification import TOP
from coterie.metrics.records import METRICS, Metric
from coterie.metrics.sample import Rows, Sample
from coterie.metrics.unsupervised import Appraised

__all__ = [
    "ALIASES",
    "METRICS",
    "Metric",
    "default_metric",
    "metric_named",
    "metrics_for",
    "rows_for",
    "scores",
    "scores_of",
    "told",
]

ALIASES: dict[str, str] = {
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "rocauc": "roc_auc",
    "area_under_the_curve": "roc_auc",
    "acc": "accuracy",
    "hamming_accuracy": "accuracy",
    "subset_accuracy": "exact_match",
    "top3": "top_3_accuracy",
    "top_3": "top_3_accuracy",
    "top3_accuracy": "top_3_accuracy",
    "bacc": "balanced_accuracy",
    "balanced": "balanced_accuracy",
    "sensitivity": "recall",
    "power": "recall",
    "tpr": "recall",
    "true_positive_rate": "recall",
    "hit_rate": "recall",
    "tnr": "specificity",
    "true_negative_rate": "specificity",
    "selectivity": "specificity",
    "ppv": "precision",
    "positive_predictive_value": "precision",
    "npv": "negative_predictive_value",
    "fpr": "false_positive_rate",
    "false_alarm": "false_positive_rate",
    "false_alarm_rate": "false_positive_rate",
    "fallout": "false_positive_rate",
    "fnr": "miss_rate",
    "false_negative_rate": "miss_rate",
    "miss": "miss_rate",
    "ap": "average_precision",
    "pr": "average_precision",
    "pr_auc": "average_precision",
    "prauc": "average_precision",
    "auprc": "average_precision",
    "map": "average_precision",
    "f1_score": "f1",
    "f_score": "f1",
    "f_measure": "f1",
    "mcc": "matthews",
    "matthews_corrcoef": "matthews",
    "logloss": "log_loss",
    "nll": "log_loss",
    "cross_entropy": "log_loss",
    "brier_score": "brier",
    "ece": "calibration_error",
    "expected_calibration_error": "calibration_error",
    "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse",
    "mean_absolute_error": "mae",
    "median_absolute_error": "median_ae",
    "medae": "median_ae",
    "r_2": "r2",
    "r²": "r2",
    "r_squared": "r2",
    "r2_score": "r2",
    "mean_absolute_percentage_error": "mape",
}


def metrics_for(task: str, outputs: int | None = None) -> list[Metric]:
    """The metrics of a task, the headline first. outputs: K; top-3 accuracy is left out below K = 4."""
    metrics = [metric for metric in METRICS.values() if task in metric.tasks]
    if outputs is not None and outputs <= TOP:
        metrics = [metric for metric in metrics if metric.name != "top_3_accuracy"]
    return metrics


def metric_named(name: str, task: str) -> Metric:
    """A task's metric by its name or a common other name; SpecError with the nearest names if there is none.

    >>> metric_named("AUC", "binary").name
    'roc_auc'
    """
    key = "_".join(name.strip().lower().replace("-", " ").split())
    metric = METRICS.get(ALIASES.get(key, key))
    if metric is None:
        own = [known.name for known in metrics_for(task)]
        others = [alias for alias, meant in ALIASES.items() if meant in own]
        near = get_close_matches(key, own + others, n=3, cutoff=0.6)
        meant = list(dict.fromkeys(ALIASES.get(found, found) for found in near))
        fix = f"Did you mean {' or '.join(meant)}?" if meant else f"Choose one of: {', '.join(own)}."
        raise SpecError(f"The metric must be one that {task} has.", given=f"'{name}'", fix=fix)
    if task not in metric.tasks:
        own = [known.name for known in metrics_for(task)]
        raise SpecError(
            f"The metric must be one that {task} has.",
            given=f"'{name}', which is for {' and '.join(metric.tasks)}",
            fix=f"Choose one of: {', '.join(own)}.",
        )
    return metric


def default_metric(task: str, measures: Mapping[str, Sequence[str]] | None = None) -> Metric:
    """What selection goes by if nothing else is asked: log loss for classes and labels, RMSE for values.

    Without labels the first measure of the first family that all have; measures: of each family, by its
    name. SpecError where they have none in common.
    """
    if task == "unsupervised":
        first, *others = list((measures or {"": ("reconstruction_error",)}).values())
        shared = [name for name in first if all(name in own for own in others)]
        if not shared:
            raise SpecError(
                "Families can be compared by a measure that all of them have.",
                given=told(measures or {}),
                fix="Fit them in studies of their own.",
            )
        return METRICS[shared[0]]
    return METRICS["rmse" if task == "regression" else "log_loss"]


def told(measures: Mapping[str, Sequence[str]]) -> str:
    """What each family can be judged by: "vae has evidence_bound, mmd; kmeans has reconstruction_error"."""
    return "; ".join(f"{family} has {', '.join(own)}" for family, own in measures.items())


def scores(output: Tensor, target: Tensor, weight: Tensor | None, task: str) -> dict[str, Tensor]:
    """All metrics of a task at once, {name: (…)}, sharing their counts and orders."""
    return scores_of(Sample(rows_for(task)(output, target), weight), task)


def rows_for(task: str) -> type[Rows]:
    """What outputs and targets of a task are made to."""
    return Appraised if task == "unsupervised" else Rows


def scores_of(sample: Sample, task: str, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """All metrics of a task, or those of these names, of a sample that may be shared further.

    Without labels those that the family has.
    """
    metrics = [m for m in metrics_for(task, sample.rows.outputs) if names is None or m.name in names]
    found = {metric.name: metric.function.of(sample) for metric in metrics}
    if task == "unsupervised" and names is None:
        found = {name: score for name, score in found.items() if not bool(score.isnan().all())}
    return found
