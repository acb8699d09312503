"""The page's figures: which are drawn for a study, each with its title, a caption in words and a text
alternative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from coterie.report import figures
from coterie.report.drawing import as_array, to_svg
from coterie.report.numbers import listed, percent, significant
from coterie.report.over_training import told
from coterie.report.words import acts, confusions, left_early

MOST_TARGETS = 4


@dataclass(frozen=True)
class Plate:
    """A figure as the page shows it."""

    title: str
    svg: Markup
    caption: str = ""


@dataclass(frozen=True)
class Mosaic:
    """A figure of embedded pictures: (what it is, PNG in base64, text alternative) each; lined: one below the
    other, each with what it is beside it."""

    title: str
    panels: tuple[tuple[str, str, str], ...]
    caption: str = ""
    lined: bool = False


class Album:
    """Makes plates, each with ids of its own, so that many can stand in one document."""

    def __init__(self) -> None:
        self._count = 0

    def plate(self, title: str, ax: Axes, caption: str = "", alt: str = "") -> Plate:
        self._count += 1
        return Plate(title, Markup(to_svg(ax, f"{title}. {alt or caption}", f"f{self._count}")), caption)


def of_baselines(
    album: Album, rows: list[dict[str, Any]], label: str, maximise: bool, where: str
) -> list[Plate]:
    """The winner's score with its interval above those of the baselines."""
    if len([r for r in rows if r["value"] is not None]) < 2:
        return []
    ax = figures.score_intervals(rows, metric=label, maximise=maximise)
    said = "; ".join(f"{r['label']} {significant(r['value'])}" for r in rows)
    caption = (
        f"Each dot is a score {where}; the line is its "
        f"{'95 % interval' if 'test' in where else 'standard error'}."
    )
    return [
        album.plate(
            f"{_capital(label)} beside the baselines", ax, caption, f"{_capital(label)} {where}: {said}"
        )
    ]


def of_training(album: Album, facts: dict[str, Any], curves: Sequence[dict[str, Any]]) -> list[Plate]:
    """Learning curves of all candidates, and the winner's own on training and validation rows."""
    if not curves or not facts["winner"]:
        return []
    winner = facts["winner"]["index"]
    if acts(facts):
        return [_of_returns(album, facts, curves)]
    label = facts["metric"]["label"] if facts["task"] == "unsupervised" else "loss"
    plates = [
        album.plate(
            "All candidates",
            figures.learning_curves(curves, winner, label=label),
            "The wildest values are cut off so that the rest can be read. The mean counts a member that "
            "ended early by its last value."
            + (" Lines that end together are of candidates that were pruned." if left_early(facts) else ""),
            f"{_capital(label)} by epoch of {len(curves)} networks, the winner's mean bold.",
        )
    ]
    # a bound, a return or a discrepancy is no loss: both in one figure would not be of one thing
    metric = facts["metric"]
    other = facts["task"] == "unsupervised" and (metric["maximise"] or metric["name"] == "mmd")
    if not other and any(v is not None for c in curves if c["candidate"] == winner for v in c["validation"]):
        plates.append(
            album.plate(
                "The winner, training against validation",
                figures.winner_curves(curves, winner),
                "Thin lines are its members. A validation curve that rises while training still falls is "
                "overfitting; "
                "each member keeps the weights of its best epoch.",
            )
        )
    if facts["compute"] and len(facts["compute"].get("sampler", {}).get("batches", ())) > 1:
        plates.append(_of_batches(album, facts))
    if facts["compute"] and facts["compute"].get("rates"):
        plates.append(_of_rates(album, facts))
    if told(curves, winner, "realness") and told(curves, winner, "sample_realness"):
        plates.append(_of_game(album, facts, curves))
    return plates


def _of_batches(album: Album, facts: dict[str, Any]) -> Plate:
    """What each batch of a search came to."""
    label, maximise = facts["metric"]["label"], facts["metric"]["maximise"]
    ax = figures.batch_scores(
        facts["candidates"],
        facts["compute"]["sampler"]["batches"],
        facts["winner"]["index"],
        metric=label,
        maximise=maximise,
    )
    caption = (
        f"Mean {label} on validation rows; {'higher' if maximise else 'lower'} is better. If later batches "
        "are no better than the first, choosing by scores gained nothing here."
    )
    return album.plate("Batch by batch", ax, caption)


def _of_rates(album: Album, facts: dict[str, Any]) -> Plate:
    """What each learning rate came to before training."""
    ax = figures.range_curves(facts["compute"]["rates"], facts["winner"]["index"])
    caption = (
        "Before training, networks of many rates learned for a hundred steps, all together. The rate that is "
        "used is a third of the one that came to the lowest loss."
    )
    return album.plate("Learning rates", ax, caption)


def _of_returns(album: Album, facts: dict[str, Any], curves: Sequence[dict[str, Any]]) -> Plate:
    """An agent's return while it learned."""
    pace, index = (facts["closeup"] or {}).get("pace", {}), facts["winner"]["index"]
    most = pace.get("most", np.inf)
    ax = figures.return_curve(curves, index, steps=pace.get("steps", 0), most=most)
    members = len([c for c in curves if c["candidate"] == index])
    caption = "Of episodes played greedily, from starts that were not learned from."
    if members > 1:
        caption += f" Thin lines are its {members} members; the band says how well their mean is known."
    return album.plate("The return over training", ax, caption)


def _of_game(album: Album, facts: dict[str, Any], curves: Sequence[dict[str, Any]]) -> Plate:
    """Both players, by what the second one says."""
    probability = facts["winner"]["family"] != "wgan"
    ax = figures.game_curves(curves, facts["winner"]["index"], probability=probability)
    caption = (
        "How probable the discriminator holds it that rows it has not learned from, and samples, are real. "
        "Lines that meet at one half mean that it cannot tell them apart: so well are samples made, or so "
        "badly did it learn. Lines far apart mean that it has won, and the generator is told little."
        if probability
        else "The critic’s mean value of rows that it has not learned from, and of samples. The distance "
        "between the lines estimates how far samples are from rows; their height means nothing."
    )
    return album.plate("The game", ax, caption)


def of_search(album: Album, facts: dict[str, Any]) -> list[tuple[str, list[Plate]]]:
    """For each family, one small panel a searched hyperparameter."""
    winner = facts["winner"]["index"] if facts["winner"] else None
    groups = []
    for family, names in facts["searched"].items():
        rows = [c for c in facts["candidates"] if c["family"] == family]
        if not names or len(rows) < 2:
            continue
        label = facts["metric"]["label"]
        plates = [
            album.plate(
                name,
                figures.hyperparameter_scores(rows, name, winner, metric=label),
                "",
                f"Mean validation {label} of {len(rows)} {family} candidates against {name}.",
            )
            for name in names[:24]
        ]
        groups.append((family, plates))
    return groups


def of_folds(album: Album, facts: dict[str, Any]) -> list[Plate]:
    """Every candidate's score on every fold."""
    candidates = [c for c in facts["candidates"] if c["scores"]]
    if not candidates or not facts["validation"]:
        return []
    limit = 20
    ax = figures.fold_scores(
        candidates,
        facts["winner"]["index"] if facts["winner"] else None,
        metric=facts["metric"]["label"],
        maximise=facts["metric"]["maximise"],
        limit=limit,
    )
    some = f"The best {limit} of {len(candidates)} candidates. " if len(candidates) > limit else ""
    return [
        album.plate(
            "Fold by fold",
            ax,
            f"{some}Each dot is one network on the rows left out of its training; the bar is the mean ± its "
            "standard "
            "error, corrected for folds that share training rows (Nadeau and Bengio)."
            + (" Who was pruned is judged as it stood then." if left_early(facts) else ""),
            f"{some}Validation scores of each candidate on each fold, best candidate first.",
        )
    ]


def of_predictions(album: Album, facts: dict[str, Any], arrays: dict[str, Any]) -> list[Plate]:
    """What suits the task: confusion, ROC, precision-recall and calibration; or predicted against true and
    residuals.
    """
    plates: list[Plate] = []
    classes = [str(c) for c in facts["classes"] or facts["target"]]
    if facts["confusion"] is not None and len(facts["confusion"]):
        said = confusions(facts["confusion"], classes)
        plates.append(
            album.plate(
                "Confusion matrix",
                figures.confusion_matrix(facts["confusion"], classes),
                f"{said} Rows are the truth, columns the answer; shading is the share of the row.",
            )
        )
    part = "test" if arrays.get("test_output") is not None and len(arrays["test_output"]) else "oof"
    output, target = arrays.get(f"{part}_output"), arrays.get(f"{part}_target")
    if output is None or target is None or not len(output) or facts["task"] in ("text", "unsupervised"):
        return plates
    output, target, weight = as_array(output), as_array(target), arrays.get(f"{part}_weight")
    if facts["task"] == "regression":
        return plates + _of_values(
            album, facts, output.reshape(len(output), -1), target.reshape(len(target), -1)
        )
    absent = _absent(target, classes)
    note = (
        f" Left out, because it does not occur in these rows or nothing else does: {listed(absent)}."
        if absent
        else ""
    )
    one = facts["task"] == "binary" and len(classes) == 2
    each = (
        f"Positive is “{classes[1]}”."
        if one
        else "Each class against the rest."
        if facts["classes"]
        else "One curve a label."
    )
    drawings: list[tuple[str, Callable[..., Axes], str]] = [
        (
            "ROC curve",
            figures.roc_curve,
            f"{each} The nearer to the top left the better; the dashed line is guessing.{note}",
        ),
        (
            "Precision against recall",
            figures.precision_recall_curve,
            f"{each} The nearer to the top right the better."
            + (" The dashed line is guessing." if one else note),
        ),
        (
            "Calibration",
            figures.calibration_curve,
            "Does it mean what it says? Below the dashed line things happen less often than it states, above "
            "more often. "
            "Bars are 95 % intervals; the grey foot counts the predictions.",
        ),
    ]
    for title, draw, caption in drawings:
        plates.append(album.plate(title, draw(output, target, classes, weight=weight), caption))
    return plates


def of_thresholds(album: Album, facts: dict[str, Any]) -> list[Plate]:
    """What each threshold trades for what."""
    if not facts["thresholds"]:
        return []
    chosen = facts["threshold"]["value"] if facts["threshold"] else None
    caption = "A lower threshold finds more of the positive rows and raises more false alarms."
    return [
        album.plate("Choosing a threshold", figures.threshold_curve(facts["thresholds"], chosen), caption)
    ]


def of_learnt(album: Album, facts: dict[str, Any]) -> list[Plate]:
    """The fitted curve or the regions, where there are one or two features; and the permutation
    importance.
    """
    plates: list[Plate] = []
    response, target = facts["response"], ", ".join(facts["target"])
    if response and response["kind"] == "curve":
        seen = f"probability of {facts['classes'][-1]}" if facts["task"] == "binary" else target
        caption = "The network’s answer over its one feature, and the rows it was judged by."
        plates.append(album.plate("Fitted curve", figures.fitted_curve(response, target=seen), caption))
    elif response and response["kind"] == "regions":
        caption = "The network’s answer over its two features. Dots are rows, in the colour of their truth."
        plates.append(
            album.plate("What it answers where", figures.decision_regions(response, target=target), caption)
        )
    if facts["importance"]:
        shown, label = facts["importance"][:15], facts["metric"]["label"]
        some = (
            f"The first 15 of {len(facts['importance'])} features. " if len(facts["importance"]) > 15 else ""
        )
        plates.append(
            album.plate(
                "Permutation importance",
                figures.permutation_importance(shown, metric=label),
                f"{some}How much worse the {label} gets when one feature’s values are shuffled among the "
                "rows. Grey: its "
                "range reaches zero. Features that say the same share their importance, and can each look "
                "dispensable.",
                f"{some}Most important: {listed([str(i['feature']) for i in shown[:3]])}.",
            )
        )
    return plates


def _of_values(album: Album, facts: dict[str, Any], output: np.ndarray, target: np.ndarray) -> list[Plate]:
    plates = []
    found = facts["intervals"] or {}
    for k, name in list(enumerate(facts["target"]))[:MOST_TARGETS]:
        half = found["half_width"][k] if found else None
        level = found.get("level", 0.9)
        caption = "On the dashed line a prediction is exact."
        if found and found.get("coverage") is not None:
            caption += (
                f" The {percent(level)} prediction interval is ± {significant(half)}; it held for "
                f"{percent(found['coverage'][k])} of these rows."
            )
        pair = {"name": name, "half_width": half, "level": level}
        prefix = f"{name}: " if len(facts["target"]) > 1 else ""
        first = figures.predicted_against_true(output[:, k], target[:, k], **pair)
        second = figures.residuals(output[:, k], target[:, k], **pair)
        plates.append(album.plate(_capital(f"{prefix}predicted against true"), first, caption))
        plates.append(
            album.plate(
                _capital(f"{prefix}what is left over"),
                second,
                "A good model leaves no pattern here. A bent median is a shape it has not learnt; a funnel "
                "means that "
                "its errors grow with the value.",
            )
        )
    return plates


def _absent(target: np.ndarray, classes: list[str]) -> list[str]:
    if target.ndim == 2:
        share = target.mean(0)
        return [c for c, s in zip(classes, share, strict=False) if s in (0, 1)]
    present = set(np.unique(target).tolist())
    return [c for i, c in enumerate(classes) if i not in present]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
