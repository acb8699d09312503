"""The metrics by name: what each is for, which way is better, and in plain words what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from torch import Tensor

from coterie.errors import SpecError
from coterie.metrics import classification, probability, ranking, regression, unsupervised, writing
from coterie.metrics.classification import TOP
from coterie.metrics.sample import Measure, Rows, Sample

LABELLED = ("binary", "multiclass", "multilabel")
VALUES = ("regression",)
WRITTEN = ("text",)
ROWS = ("unsupervised",)


@dataclass(frozen=True)
class Metric:
    """A score: `function(output, target, weight)`, with weight (…, N) or None, gives the leading shape.

    name: as typed and stored; label: as read; tasks: where it has a meaning; maximise: larger is better;
    help: one sentence for somebody who meets it for the first time. view: what of a network it is of: its
    answers ("forward"), or what these are made from ("raw").
    """

    name: str
    label: str
    tasks: tuple[str, ...]
    maximise: bool
    function: Measure
    help: str
    view: str = "forward"


METRICS: dict[str, Metric] = {
    "log_loss": Metric(
        "log_loss",
        "log loss",
        (*LABELLED, *WRITTEN),
        False,
        probability.log_loss,
        "How surprised the model is by the truth: 0 is certain and right; confident mistakes cost most.",
    ),
    "accuracy": Metric(
        "accuracy",
        "accuracy",
        LABELLED,
        True,
        classification.accuracy,
        "The share of decisions that are right.",
    ),
    "exact_match": Metric(
        "exact_match",
        "exact match",
        ("multilabel",),
        True,
        classification.exact_match,
        "The share of rows all of whose labels are right.",
    ),
    "top_3_accuracy": Metric(
        "top_3_accuracy",
        "top-3 accuracy",
        ("multiclass",),
        True,
        classification.top_3_accuracy,
        "The share of rows whose class is among the three most probable.",
    ),
    "balanced_accuracy": Metric(
        "balanced_accuracy",
        "balanced accuracy",
        LABELLED,
        True,
        classification.balanced_accuracy,
        "Accuracy in which every class counts the same, however rare it is.",
    ),
    "roc_auc": Metric(
        "roc_auc",
        "ROC AUC",
        LABELLED,
        True,
        ranking.roc_auc,
        "How often a row with the class gets a higher score than one without; 0.5 is a coin's.",
    ),
    "average_precision": Metric(
        "average_precision",
        "average precision",
        LABELLED,
        True,
        ranking.average_precision,
        "How pure the top of the ranking is; a coin's is the share of rows with the class.",
    ),
    "recall": Metric(
        "recall",
        "recall (sensitivity)",
        LABELLED,
        True,
        classification.recall,
        "Of the rows that have the class, the share that was found. Also called power.",
    ),
    "specificity": Metric(
        "specificity",
        "specificity",
        LABELLED,
        True,
        classification.specificity,
        "Of the rows without the class, the share that was recognised as such.",
    ),
    "precision": Metric(
        "precision",
        "precision",
        LABELLED,
        True,
        classification.precision,
        "Of the rows that were given the class, the share that has it.",
    ),
    "negative_predictive_value": Metric(
        "negative_predictive_value",
        "negative predictive value",
        LABELLED,
        True,
        classification.negative_predictive_value,
        "Of the rows that were not given the class, the share without it.",
    ),
    "false_positive_rate": Metric(
        "false_positive_rate",
        "false positive rate",
        LABELLED,
        False,
        classification.false_positive_rate,
        "False alarms: of the rows without the class, the share that was given it.",
    ),
    "miss_rate": Metric(
        "miss_rate",
        "miss rate",
        LABELLED,
        False,
        classification.miss_rate,
        "Of the rows that have the class, the share that was not found.",
    ),
    "f1": Metric(
        "f1",
        "F1",
        LABELLED,
        True,
        classification.f1,
        "The harmonic mean of precision and recall: high only if both are.",
    ),
    "matthews": Metric(
        "matthews",
        "Matthews correlation",
        LABELLED,
        True,
        classification.matthews,
        "The correlation of decisions with the truth: 1 perfect, 0 no better than chance.",
    ),
    "brier": Metric(
        "brier",
        "Brier score",
        LABELLED,
        False,
        probability.brier,
        "The mean squared distance of the probabilities from what happened.",
    ),
    "calibration_error": Metric(
        "calibration_error",
        "calibration error",
        LABELLED,
        False,
        probability.calibration_error,
        "How far stated probabilities are from observed frequencies, on average.",
    ),
    "rmse": Metric(
        "rmse",
        "RMSE",
        VALUES,
        False,
        regression.rmse,
        "The typical error in the target's unit, in which large errors weigh more.",
    ),
    "mse": Metric(
        "mse",
        "mean squared error",
        VALUES,
        False,
        regression.mse,
        "The mean of the squared errors.",
    ),
    "mae": Metric(
        "mae",
        "mean absolute error",
        VALUES,
        False,
        regression.mae,
        "The mean size of the errors, in the target's unit.",
    ),
    "median_ae": Metric(
        "median_ae",
        "median absolute error",
        VALUES,
        False,
        regression.median_ae,
        "Half of the errors are smaller than this; a few wild ones do not move it.",
    ),
    "r2": Metric(
        "r2",
        "R²",
        VALUES,
        True,
        regression.r2,
        "The share of the target's variance that is explained; 0 is always saying the mean.",
    ),
    "mape": Metric(
        "mape",
        "mean absolute percentage error",
        VALUES,
        False,
        regression.mape,
        "The mean error as a share of the true value; of no use where true values are near zero.",
    ),
    "perplexity": Metric(
        "perplexity",
        "perplexity",
        WRITTEN,
        False,
        writing.perplexity,
        "Among how many equally likely tokens the next one is guessed; 1 is certainty.",
    ),
    "token_accuracy": Metric(
        "token_accuracy",
        "token accuracy",
        WRITTEN,
        True,
        writing.token_accuracy,
        "The share of tokens that were foretold, given the true ones before them.",
    ),
    "reconstruction_error": Metric(
        "reconstruction_error",
        "reconstruction error",
        ROWS,
        False,
        unsupervised.reconstruction_error,
        "The mean squared error of a number that went through its code, as the network sees it: what is "
        "lost. A longer code loses less; whether it is of use, this does not say.",
        "raw",
    ),
    "log_likelihood": Metric(
        "log_likelihood",
        "log-likelihood",
        ROWS,
        True,
        unsupervised.log_likelihood,
        "How likely new rows are to the model, in nats a row; of densities it depends on the unit of the "
        "data, and it says nothing of how samples look.",
        "raw",
    ),
    "evidence_bound": Metric(
        "evidence_bound",
        "evidence bound",
        ROWS,
        True,
        unsupervised.evidence_bound,
        "A number that the log-likelihood is not below, in nats a row: the gap is not known.",
        "raw",
    ),
    "pseudo_likelihood": Metric(
        "pseudo_likelihood",
        "pseudo-likelihood",
        ROWS,
        True,
        unsupervised.pseudo_likelihood,
        "How well each number of a row is told from its others, in nats a row; it says little of the whole.",
        "raw",
    ),
    "denoising_error": Metric(
        "denoising_error",
        "denoising error",
        ROWS,
        False,
        unsupervised.denoising_error,
        "The mean squared error of what was made of noisy rows; it compares models of the same noise, and is "
        "not the quality of samples.",
        "raw",
    ),
    "contrastive_loss": Metric(
        "contrastive_loss",
        "contrastive loss",
        ROWS,
        False,
        unsupervised.contrastive_loss,
        "How hard it is to find a row's other view among those of other rows; what codes are worth, a probe "
        "tells.",
        "raw",
    ),
    "masked_loss": Metric(
        "masked_loss",
        "loss of hidden tokens",
        ROWS,
        False,
        unsupervised.masked_loss,
        "How surprised the model is by tokens that were hidden from it, in nats a token.",
        "raw",
    ),
    "mmd": Metric(
        "mmd",
        "discrepancy of samples (MMD²)",
        ROWS,
        False,
        unsupervised.mmd,
        "How far samples are from real rows as a whole: 0, or by chance a little below, if this kernel sees "
        "no difference. Copies of training rows look perfect to it.",
    ),
    "episode_return": Metric(
        "episode_return",
        "return",
        ROWS,
        True,
        unsupervised.episode_return,
        "The mean sum of rewards of an episode.",
        "raw",
    ),
}

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


def default_metric(task: str, measures: Sequence[Sequence[str]] = ()) -> Metric:
    """What selection goes by if nothing else is asked: log loss for classes and labels, RMSE for values.

    Without labels the first measure of the first family that all have; measures: of each family. SpecError
    where they have none in common.
    """
    if task == "unsupervised":
        shared = [name for name in measures[0] if all(name in own for own in measures)] if measures else []
        if measures and not shared:
            raise SpecError(
                "Families can be compared by a measure that all of them have.",
                given="; ".join(", ".join(own) for own in measures),
                fix="Fit them in studies of their own.",
            )
        return METRICS[shared[0] if shared else "reconstruction_error"]
    return METRICS["rmse" if task == "regression" else "log_loss"]


def scores(output: Tensor, target: Tensor, weight: Tensor | None, task: str) -> dict[str, Tensor]:
    """All metrics of a task at once, {name: (…)}, sharing their counts and orders."""
    return scores_of(Sample(rows_for(task)(output, target), weight), task)


def rows_for(task: str) -> type[Rows]:
    """What outputs and targets of a task are made to."""
    return unsupervised.Appraised if task == "unsupervised" else Rows


def scores_of(sample: Sample, task: str, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """All metrics of a task, or those of these names, of a sample that may be shared further.

    Without labels those that the family has.
    """
    metrics = [m for m in metrics_for(task, sample.rows.outputs) if names is None or m.name in names]
    found = {metric.name: metric.function.of(sample) for metric in metrics}
    if task == "unsupervised" and names is None:
        found = {name: score for name, score in found.items() if not bool(score.isnan().all())}
    return found
