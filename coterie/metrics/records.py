"""The metrics one by one: what each is for, which way is better, and in plain words what it says."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.metrics import classification, probability, ranking, regression, unsupervised, writing
from coterie.metrics.sample import Measure

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
        "How far samples are from real rows as a whole: 0, or by chance a little below, if its kernels see "
        "no difference. Copies of training rows look perfect to it.",
    ),
    "bits_per_dimension": Metric(
        "bits_per_dimension",
        "bits per dimension",
        ROWS,
        False,
        unsupervised.bits_per_dimension,
        "The log-likelihood, or its bound, in bits for each number of a row: what it takes to write one down "
        "to a step of 1 in the data's own unit.",
        "raw",
    ),
    "realness": Metric(
        "realness",
        "D(x), rows",
        ROWS,
        True,
        unsupervised.realness,
        "How real a game's second player takes new rows to be: a probability, or a critic's value.",
    ),
    "sample_realness": Metric(
        "sample_realness",
        "D(G(z)), samples",
        ROWS,
        True,
        unsupervised.sample_realness,
        "How real it takes samples to be: where it is as for rows, it cannot tell them apart.",
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
