"""What the measures are called and what they mean, in plain words for someone who meets them for the first
time.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from coterie.report.batches import about_sampler
from coterie.report.numbers import count, duration, number, percent, rounded

# name: (label, what it means). "Positive" is the class one looks for; with more classes it is their mean.
MEASURES: dict[str, tuple[str, str]] = {
    "accuracy": ("accuracy", "The share of answers that are right. It flatters when one class is common."),
    "top_3_accuracy": ("top-3 accuracy", "The share of rows whose class is among the three most probable "
                                         "answers."),
    "balanced_accuracy": (
        "balanced accuracy",
        "The recall of each class, averaged, so that rare classes count as much as common ones.",
    ),
    "precision": ("precision", "Of the rows called positive, the share that are: how far an alarm can be "
                               "believed."),
    "npv": ("negative predictive value", "Of the rows called negative, the share that are: how far an "
                                         "all-clear can be believed."),
    "recall": (
        "recall",
        "Of the rows that are positive, the share that are found. Also called sensitivity, or power.",
    ),
    "specificity": ("specificity", "Of the rows that are negative, the share that are left in peace."),
    "false_positive_rate": ("false alarm rate", "Of the rows that are negative, the share called positive by "
                                                "mistake."),
    "miss_rate": ("miss rate", "Of the rows that are positive, the share that are overlooked."),
    "f1": ("F1", "The harmonic mean of precision and recall: high only when both are."),
    "matthews": (
        "Matthews correlation",
        "The correlation of prediction and truth: 1 is perfect, 0 is guessing, whatever the class sizes.",
    ),
    "roc_auc": (
        "ROC AUC",
        "How often a positive row gets a higher score than a negative one: 0.5 is guessing, 1 a perfect "
        "order.",
    ),
    "average_precision": (
        "average precision",
        "Precision averaged over all recalls (the area under the precision-recall curve). Guessing gives the "
        "share "
        "of positive rows, so it tells models apart when positives are rare.",
    ),
    "log_loss": (
        "log loss",
        "How surprised the probabilities are by the truth: 0 is certain and right. Confident mistakes cost "
        "the most.",
    ),
    "brier": ("Brier score", "The mean squared distance of the stated probabilities from what happened: 0 is "
                             "perfect."),
    "calibration_error": (
        "calibration error",
        "How far the stated probabilities are from the observed shares: of things called 70 % likely, 70 % "
        "should happen.",
    ),
    "exact_match": ("exact match", "The share of rows on which every label is right."),
    "token_accuracy": (
        "token accuracy",
        "The share of tokens of which the most probable one was the truth, the true ones before it being "
        "given.",
    ),
    "perplexity": (
        "perplexity",
        "How many equally likely tokens it is as unsure as a choice among: 1 is certain and right. Compare "
        "on the same text cut into the same tokens; how a text of its own reads, it does not say.",
    ),
    "mse": ("mean squared error", "The mean of the squared errors, in squared units; large errors count the "
                                  "most."),
    "rmse": ("RMSE", "The root of the mean squared error: a typical error in the target's own units, large "
                     "ones weighing most."),
    "mae": ("mean absolute error", "The average size of an error, in the target's own units."),
    "median_ae": ("median absolute error", "Half of the errors are smaller than this; a few wild ones do not "
                                           "change it."),
    "r2": ("R²", "The share of the target's variance that is explained: 1 is perfect, 0 is no better than "
                 "the mean."),
    "reconstruction_error": (
        "reconstruction error",
        "The mean squared error of a number that went through its code, scaled as the network sees it. A "
        "longer code always lowers it: compare codes of one length. It does not say what they are good for.",
    ),
    "log_likelihood": (
        "log-likelihood",
        "How probable rows are that the model has not seen, in nats a row. Of numbers it is a density, which "
        "depends on their unit: compare on the same data only. It says nothing of how samples look.",
    ),
    "evidence_bound": (
        "evidence bound",
        "A number that the log-likelihood is not below, in nats a row; how far below it lies is not known.",
    ),
    "pseudo_likelihood": (
        "pseudo-likelihood",
        "How well each number of a row is told from all its others, in nats a row. It is no likelihood of "
        "the row: samples may be poor none the less.",
    ),
    "denoising_error": (
        "denoising error",
        "The mean squared error with which noise, or what lies under it, is found: it is not yet the quality "
        "of samples.",
    ),
    "contrastive_loss": (
        "contrastive loss",
        "How hard a row's other view is to find among those of other rows. What codes are worth, a probe "
        "tells.",
    ),
    "masked_loss": (
        "loss of hidden tokens",
        "How surprised the model is by tokens that were hidden from it, in nats a token.",
    ),
    "mmd": (
        "discrepancy of samples (MMD²)",
        "How far samples lie from real rows as a whole; about 0 where its kernels see no difference. It "
        "does not see copying: look at the nearest rows of training.",
    ),
    "bits_per_dimension": (
        "bits per dimension",
        "The log-likelihood, or its bound, in bits for each number of a row: what it takes to write one down "
        "to a step of 1 in the data’s own unit (of a pixel, a shade of grey). Below 0 where that step is "
        "coarse.",
    ),
    "realness": (
        "D(x), rows",
        "What the second player of the game says of rows that it has not learned from: a discriminator how "
        "probably they are real, a critic a value without a scale.",
    ),
    "sample_realness": (
        "D(G(z)), samples",
        "What it says of samples: where this is as for rows, it cannot tell them apart. Another one might.",
    ),
    "episode_return": (
        "return",
        "The sum of the rewards of an episode, on average over starts that were not learned from. It says "
        "nothing of worlds that differ from this one.",
    ),
    "mape": ("mean percentage error", "The average error as a share of the true value; unreliable when true "
                                      "values are near 0."),
}  # fmt: skip

LOWER_IS_BETTER = frozenset(
    {
        "false_positive_rate", "miss_rate", "log_loss", "brier", "calibration_error",
        "mse", "rmse", "mae", "median_ae", "mape", "perplexity",
        "reconstruction_error", "denoising_error", "contrastive_loss", "masked_loss", "mmd",
        "bits_per_dimension",
    }
)  # fmt: skip

HEADLINES = {
    "binary": ("roc_auc", "average_precision", "accuracy", "recall", "precision"),
    "multiclass": ("accuracy", "balanced_accuracy", "log_loss", "f1"),
    "multilabel": ("average_precision", "roc_auc", "f1", "exact_match"),
    "regression": ("rmse", "mae", "r2"),
    "text": ("log_loss", "token_accuracy", "perplexity"),
    "unsupervised": (
        *("episode_return", "log_likelihood", "evidence_bound", "bits_per_dimension", "mmd"),
        *("reconstruction_error", "denoising_error", "contrastive_loss", "masked_loss", "pseudo_likelihood"),
        *("realness", "sample_realness"),
    ),
}

TASKS = {
    "binary": "telling two classes apart",
    "multiclass": "telling classes apart",
    "multilabel": "saying which labels apply",
    "regression": "predicting a value",
    "text": "writing a text",
    "unsupervised": "learning without labels",
}

SPLITS = {
    "stratified": "with each class in its share",
    "plain": "at random",
    "grouped": "with groups kept whole",
    "forward in time": "forward in time: always trained on earlier rows than it is judged on",
    "as the table says": "as the table's own split column says",
}


def acts(facts: Mapping[str, Any]) -> bool:
    """Whether it is of an agent that learned by reward: its rows are starts of episodes."""
    return bool(facts["metric"]["name"] == "episode_return")


def row_of(facts: Mapping[str, Any]) -> str:
    """What one of the rows that it is judged by is called."""
    return "episode" if acts(facts) else "row"


def task_of(facts: Mapping[str, Any]) -> str:
    """What was learned, in a few words."""
    return "learning by reward" if acts(facts) else TASKS[facts["task"]]


def measure(name: str, label: str | None = None) -> str:
    """The label of a measure, its macro or micro average spelt out: "recall (micro average)"."""
    if label:
        return label
    if name in MEASURES:
        return MEASURES[name][0]
    for kind in ("macro", "micro"):
        rest = name.removesuffix(f"_{kind}").removeprefix(f"{kind}_")
        if rest != name:
            return f"{measure(rest)} ({kind} average)"
    return name.replace("_", " ")


def meaning(name: str) -> str:
    """A measure in plain words, "" when it is none of ours."""
    if name in MEASURES:
        return MEASURES[name][1]
    for kind, what in (
        ("macro", "every class counting the same"),
        ("micro", "every decision counting the same"),
    ):
        rest = name.removesuffix(f"_{kind}").removeprefix(f"{kind}_")
        if rest != name and meaning(rest):
            return f"{meaning(rest)} Averaged with {what}."
    return ""


def lower_is_better(name: str) -> bool:
    """Whether a small score is the good one."""
    return name.removesuffix("_macro").removesuffix("_micro") in LOWER_IS_BETTER


def tested(facts: Mapping[str, Any]) -> str:
    """The test rows that scores are of; of very many some were drawn."""
    data = facts["data"]
    judged = data.get("judged") or data["test"]
    few = f", drawn from {data['test']:,}" if judged < data["test"] else ""
    return count(judged, f"test {row_of(facts)}") + few


def honesty(facts: dict[str, Any]) -> str:
    """What the scores on the page are worth: scored on a test set, on validation rows only, or on nothing."""
    scored = int(number(facts["test_scored"]) if facts["test_scored"] is not None else 0)
    if facts["test"]:
        row = row_of(facts)
        what = "whose starts were" if acts(facts) else "that were"
        kept = (
            f"Scores are on {tested(facts)} {what} set aside before anything was looked at. "
            f"A range in small print is a 95 % interval: with other test {row}s of the same kind, a score "
            "somewhere in it would be no surprise."
        )
        if scored > 1:
            kept += (
                f" These rows have now been scored {scored} times. Each time a choice is made after looking, "
                "they "
                "become a little less of a test."
            )
        return kept
    if facts["validation"]:
        return (
            "There is no test set, so only validation scores exist. They are slightly optimistic, because "
            "the winner "
            "was chosen by them. Score it on rows it has never seen before relying on it."
        )
    return (
        "No honest score exists: the network was trained on all rows, and none were kept to judge it by. "
        "Anything "
        "measured on these rows would only say how well it remembers them. Score it on new rows before "
        "relying on it."
    )


def unfinished(facts: dict[str, Any]) -> str:
    """The sentence for a study that stopped early, else ""."""
    if facts["finished"]:
        return ""
    return (
        "The study stopped early (its time ran out, or it was interrupted). This page shows the best so far; "
        f"“coterie resume {facts['folder']}” goes on from here."
    )


def about_data(facts: dict[str, Any]) -> str:
    """How many rows there are and what each is for, as one paragraph."""
    data = facts["data"]
    row = "start" if acts(facts) else "row"
    if acts(facts):
        parts = [f"Episodes begin in {count(data['rows'], 'way')}."]
    else:
        parts = [f"The table has {count(data['rows'], 'row')}."]
    if data["unusable_rows"]:
        parts.append(
            f"{count(data['unusable_rows'], 'row')} could not be used because the target is missing."
        )
    how = SPLITS.get(data["split"], data["split"])
    if data["test"]:
        parts.append(
            f"{count(data['test'], row)} "
            f"({percent(data['test'] / max(data['test'] + data['development'], 1))}) were set "
            f"aside as the test set, {how}; the other {data['development']:,} were for training and choosing."
        )
    else:
        parts.append(
            f"All {data['development']:,} usable {row}s were for training and choosing; none were set aside "
            "as a test set."
        )
    if data["folds"] > 1:
        parts.append(
            f"Those were cut into {data['folds']} folds, and every candidate was trained {data['folds']} "
            "times, each time "
            "judged on the fold left out."
        )
    elif data["folds"] == 1:
        parts.append("One part of them was held out for validation: every candidate was judged on that.")
    else:
        parts.append("No validation rows were held out (folds 0), so candidates could not be compared.")
    return " ".join(parts)


def about_training(facts: dict[str, Any]) -> str:
    """How many networks were trained, in how long, on what."""
    compute, n = facts["compute"], len(facts["candidates"])
    if not compute:
        return f"{count(n, 'candidate')} took part."
    groups = (
        f" in {count(compute['cohorts'], 'group')} of the same structure" if compute["cohorts"] > 1 else ""
    )
    said = (
        f"{count(compute['members'], 'network')} ({count(n, 'candidate')} on every fold and seed) were "
        "trained "
        f"together{groups}, in {duration(compute['seconds'])} on {compute['device']}."
    )
    if compute.get("compiled"):
        said += " Steps ran compiled, which changes numbers by rounding; choices.json says from which on."
    if compute.get("sampler"):
        return f"{said} {about_sampler(compute['sampler'])}"
    if not compute.get("rounds"):
        return said
    if not left_early(facts):
        return f"{said} Successive halving pruned nobody before its last epoch."
    steps = [
        f"after {Fraction(until)} of their epochs the best {left if left > 1 else 'one'} went on"
        for until, left in compute["rounds"]
    ]
    share = percent(compute["epochs"] / max(1, compute["planned"]))
    return (
        f"{said} By successive halving: {', '.join(steps)}, and the others were pruned. So {share} of all "
        "epochs were trained."
    )


def left_early(facts: dict[str, Any]) -> bool:
    """Whether some candidates were pruned: their curves end, and their scores are those of that time."""
    return any(score["status"] == "pruned" for c in facts["candidates"] for score in c["scores"])


def about_comparison(facts: dict[str, Any]) -> str:
    """The paired difference between the winner and the baseline that validation prefers, as a sentence."""
    found = facts["comparison"]
    if not found:
        return ""
    low, high = number(found["low"]), number(found["high"])
    name = next((b["label"] for b in facts["baselines"] if b["name"] == found["baseline"]), found["baseline"])
    label, lower = measure(found["metric"]), lower_is_better(found["metric"])
    if found["metric"] == facts["metric"]["name"]:
        label, lower = facts["metric"]["label"], not facts["metric"]["maximise"]
    values = [rounded(v, low, high) for v in (found["difference"], low, high)]
    where = f"on the same {'test' if found['on'] == 'test' else 'validation'} {row_of(facts)}s"
    text = f"Network minus {name}, {where}: {values[0]} {label}"
    if low == low and high == high:
        text += f" (95 % interval {values[1]} to {values[2]})"
        better = high < 0 if lower else low > 0
        worse = low > 0 if lower else high < 0
        end = (
            "that is more than chance explains, in the network’s favour."
            if better
            else "that is more than chance explains, in the baseline’s favour."
            if worse
            else "the interval holds zero, so chance alone could explain it."
        )
        return f"{text}; {'lower' if lower else 'higher'} is better, and {end}"
    return f"{text}; {'lower' if lower else 'higher'} is better."


def confusions(counts: list[list[float]], classes: list[str]) -> str:
    """The mistakes made most often, as a sentence."""
    found = [
        (number(n), classes[i], classes[j])
        for i, row in enumerate(counts)
        for j, n in enumerate(row)
        if i != j and number(n) > 0
    ]
    if not found:
        return "There was no mistake among these rows."
    found.sort(key=lambda item: -item[0])
    if len(found) > 3 and found[0][0] <= 1:
        return "No mistake was made twice."
    worst = [f"“{a}” taken for “{b}” ({n:,.0f} ×)" for n, a, b in found[:3] if n == found[0][0] or n > 1]
    total = sum(n for n, _, _ in found)
    return (
        f"{total:,.0f} mistakes. Most frequent: {', '.join(worst)}."
        if total > 1
        else f"One mistake: {worst[0]}."
    )
