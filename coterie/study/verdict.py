"""Whether the network is worth it, in one plain sentence; and which measure to look at for these data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coterie.metrics.catalogue import METRICS, Metric, default_metric
from coterie.metrics.intervals import Interval, paired_difference
from coterie.report.numbers import percent, rounded
from coterie.study.scores import RESAMPLES, Judged, affordable

RARE = 0.2  # share of rows below which a class is rare
UNEVEN = 0.4  # and below which two classes are uneven
OVERLAP = 0.25  # of what guessing gets wrong, the least that decisions must put right to be of use
FAR = 8.0  # robust deviations from the median at which a value is wild
SAME_KIND = {"linear": ("logistic", "ridge")}
SIMPLER_THAN_BASELINE = {"linear": ("hist_gradient_boosting", "support_vectors")}


@dataclass(frozen=True)
class Comparison:
    """The network against a baseline by one metric, both on the same rows.

    difference: network minus baseline, with its paired interval. by_validation: the baseline is the best
    by validation (else, for want of folds, the best on these very rows). drawn: as of `Baseline`.
    """

    name: str
    label: str
    metric: Metric
    network: float
    baseline: float
    difference: Interval
    on: str
    rows: int
    by_validation: bool = True
    drawn: tuple[int, int] | None = None

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        d = self.difference
        return {
            "baseline": self.name,
            "metric": self.metric.name,
            "difference": d.value,
            "low": d.low,
            "high": d.high,
            "on": self.on,
        }

    @property
    def outcome(self) -> str:
        """ "win", "tie", "loss" of the network, or "unknown" where no interval could be made."""
        sign = 1.0 if self.metric.maximise else -1.0
        low, high = sorted((sign * self.difference.low, sign * self.difference.high))
        if math.isnan(low) or math.isnan(high):
            return "unknown"
        return "win" if low > 0 else "loss" if high < 0 else "tie"


def compare(
    network: Judged, baseline: Judged, name: str, label: str, metric: Metric, seed: int, by_validation: bool
) -> Comparison:
    """Both judged on the same rows, in the same order."""
    assert np.array_equal(network.positions, baseline.positions)
    difference = paired_difference(
        metric.function,
        network.output,
        baseline.output,
        network.target,
        weight=network.weight,
        seed=seed,
        resamples=affordable(RESAMPLES, network, "multiclass"),
        together=network.together,
    )
    ours, theirs = (float(metric.function(j.output, j.target, j.weight)) for j in (network, baseline))
    return Comparison(name, label, metric, ours, theirs, difference, network.on, network.rows, by_validation)


def verdict(
    comparison: Comparison | None,
    *,
    family: str,
    test: bool,
    folds: bool,
    metric: Metric | None = None,
    score: Interval | None = None,
) -> str:
    """One sentence: is the network worth it? When a baseline wins, that comes first.

    family: of the winner, which decides who is the simpler. test, folds: whether there are such rows.
    score, metric: the network's own, told where there is nothing to compare it with.
    """
    if comparison is None:
        return _without_baseline(test, folds, metric, score)
    c = comparison
    # A digit more than the interval supports, so that the difference of the two is seen to be what is told.
    width = (c.difference.low / 4, c.difference.high / 4)
    ours, theirs = rounded(c.network, *width), rounded(c.baseline, *width)
    row = "episode" if c.metric.name == "episode_return" else "row"
    rows = f"{c.rows:,} {'test' if c.on == 'test' else 'validation'} {row}{'' if c.rows == 1 else 's'}"
    alone = c.metric.tasks == ("unsupervised",)  # there is no answer that rows could be given
    label, rival = c.metric.label, c.label if alone else _the(c.name, c.label)
    gap = f"difference {rounded(c.difference.value, *width)}, 95 % interval "
    gap += f"{rounded(c.difference.low, *width)} to {rounded(c.difference.high, *width)}"
    outcome = c.outcome
    if c.name == "dummy" and outcome in ("tie", "loss"):
        does = "does worse than" if outcome == "loss" else "cannot be told from"
        text = (
            f"Do not use the network: it {does} {f'taking {c.label}' if alone else rival}, "
            f"with {label} {ours} against {theirs} on {rows} ({gap})"
        )
    elif outcome == "win":
        text = (
            f"The network is worth it: its {label} on {rows} is {ours}, against {theirs} for {rival}, the "
            f"best baseline, which is more than chance explains ({gap})"
        )
    elif outcome == "loss":
        text = (
            f"{_capital(rival)} does better than the network, so use that: its {label} on {rows} is "
            f"{theirs}, against {ours} for the network, which is more than chance explains ({gap})"
        )
    elif outcome == "tie":
        text = (
            f"The network and {rival} cannot be told apart on {rows} ({label} {ours} and {theirs}; {gap}): "
            f"{_advice(family, c.name, rival)}"
        )
    else:
        text = (
            f"Whether the network is worth it is not known: on {rows} its {label} is {ours}, against "
            f"{theirs} for {rival}, and they are too few to tell chance from skill"
        )
    return text + _caveat(c, folds) + "."


def _without_baseline(test: bool, folds: bool, metric: Metric | None, score: Interval | None) -> str:
    own = ""
    if metric is not None and score is not None and math.isfinite(score.value):
        own = f"Its {metric.label} is {rounded(*score)}, but w"
    if not test and not folds:
        return (
            "Nobody knows yet whether the network is worth it: it was trained on all rows, and none were "
            "kept to judge it or a baseline by."
        )
    return f"{own or 'W'}hether the network is worth it is not known: no baseline could be fitted beside it."


def _advice(family: str, baseline: str, rival: str) -> str:
    if baseline in SAME_KIND.get(family, ()):
        return "take either, they are the same kind of model"
    if baseline in SIMPLER_THAN_BASELINE.get(family, ()):
        return f"use this network, which is of the {family} family and the simpler of the two"
    return f"use {rival}, which is simpler"


def _caveat(c: Comparison, folds: bool) -> str:
    if c.on != "test":
        said = "; but the network was chosen by these rows, and no test rows were kept to confirm it"
    else:
        said = "" if c.by_validation else "; without folds, that baseline was picked by these same rows"
    if c.drawn:
        said += f"; that baseline was fitted on {c.drawn[0]:,} of {c.drawn[1]:,} training rows"
    return said


def _the(name: str, label: str) -> str:
    """The label as a sentence has it."""
    if name == "dummy":
        return f"giving every row the same answer ({label})"
    return f"the {label}" if name == "support_vectors" else label


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---- which measure to look at --------------------------------------------------------------------------


def look_at(
    task: str,
    target: np.ndarray,
    *,
    classes: Sequence[str],
    metric: Metric,
    accuracy: float = math.nan,
) -> dict[str, str]:
    """The measure that tells most about these data, and why: {"name", "label", "why"}.

    target: of the development rows, (N,) class index or (N, K); metric: what selection went by, which is
    kept if it was asked for; accuracy: of the winner on rows it was not trained on, NaN if there are none.
    """
    if task == "regression":
        name, why = _for_values(target)
    elif task == "multilabel":
        name, why = _for_labels(target)
    elif task == "unsupervised":
        name, why = metric.name, "It is what was selected by."
    elif task == "text":
        name, why = "perplexity", "Among how many tokens the model still hesitates, whatever their number."
    else:
        target = target[target >= 0]  # steps that are none
        shares = np.bincount(target, minlength=len(classes)) / max(1, len(target))
        name, why = _for_classes(shares, classes, accuracy)
    if task == "unsupervised":
        return {"name": name, "label": METRICS[name].label, "why": why}
    misleading = metric.name == "accuracy" and name in ("average_precision", "balanced_accuracy")
    if metric.name not in (default_metric(task).name, name) and not misleading:
        name, why = metric.name, "It is the measure that you chose to select by."
    return {"name": name, "label": METRICS[name].label, "why": why}


def _for_classes(shares: np.ndarray, classes: Sequence[str], accuracy: float) -> tuple[str, str]:
    smallest = float(shares.min())
    largest, common = float(shares.max()), str(classes[int(shares.argmax())])
    if len(shares) == 2 and shares[1] < RARE:
        return "average_precision", (
            f"Only {percent(shares[1])} of the rows are “{classes[1]}”: never saying so would already be "
            f"right in {percent(shares[0])}, so accuracy flatters. This one asks how many of the rows that "
            "the model puts on top truly are."
        )
    if (len(shares) == 2 and smallest < RARE) or (len(shares) > 2 and smallest < largest / 3):
        return "balanced_accuracy", (
            f"The classes are of very different size: always saying “{common}” would already be right in "
            f"{percent(largest)} of the rows. Here every class counts the same."
        )
    if math.isfinite(accuracy) and accuracy < largest + OVERLAP * (1 - largest):
        return "log_loss", (
            f"The classes overlap: the model's decisions are right in {percent(accuracy)} of the rows, and "
            f"always saying “{common}” in {percent(largest)}. What helps then is a good probability, which "
            "this one judges."
        )
    if len(shares) == 2 and smallest < UNEVEN:
        return "roc_auc", (
            f"“{common}” makes up {percent(largest)} of the rows. This one depends neither on that share nor "
            "on the threshold at which a row is called positive."
        )
    return "accuracy", (
        "The classes are about equally frequent, so the share of right answers says what it seems to say."
    )


def _for_labels(target: np.ndarray) -> tuple[str, str]:
    share = float(np.mean(target))
    if share < UNEVEN:
        return "average_precision", (
            f"A row has {percent(share)} of the labels on average, so saying “none” would look accurate. "
            "This one asks how well the rows that have a label are put on top."
        )
    return "accuracy", "Labels are about as often present as absent, so the share of right answers is fair."


def _for_values(target: np.ndarray) -> tuple[str, str]:
    values = np.asarray(target, dtype=np.float64).reshape(len(target), -1)
    spread = values.std(axis=0)
    if values.shape[1] > 1 and spread.max() > 3 * max(float(spread.min()), 1e-300):
        return "r2", (
            "The targets differ much in size, and errors in one cannot be added to errors in another. "
            "R² measures each by its own spread."
        )
    middle = np.median(values, axis=0)
    deviation = np.median(np.abs(values - middle), axis=0) * 1.4826
    wild = float((np.abs(values - middle) > FAR * np.maximum(deviation, 1e-12 * spread.max())).mean())
    if 0 < wild < 0.2 and (deviation > 0).all():
        return "mae", (
            f"{_capital(percent(wild))} of the values lie far from all others, and an error there would "
            "outweigh hundreds elsewhere if it were squared. The mean absolute error counts each as it is."
        )
    return "rmse", "It is in the target's own unit, and large errors, which hurt most, weigh most."
