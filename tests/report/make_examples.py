"""Makes examples/*.json: four small studies, one a task, of scikit-learn networks trained on scikit-learn's
data.

Run it when the shape of a study's facts changes: `python tests/report/make_examples.py`. The numbers are
real ones; they are stored because training takes longer than the tests should.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import Any

import numpy as np
from example_networks import FOLDS, intervals_of, load, mean_of, network, output_of, primary, scores_of
from sklearn import metrics
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.preprocessing import StandardScaler

TASKS = ("binary", "multiclass", "multilabel", "regression")
EPOCHS, ROWS = 30, 450
SETTINGS = [  # one weak, one wild: what a real search has too
    ("mlp", {"hidden": [16], "lr": 0.01, "activation": "relu", "weight_decay": 1e-4}),
    ("mlp", {"hidden": [32, 16], "lr": 0.004, "activation": "tanh", "weight_decay": 1e-3}),
    ("mlp", {"hidden": [16], "lr": 0.0003, "activation": "relu", "weight_decay": 1e-2}),
    ("mlp", {"hidden": [32, 16], "lr": 0.15, "activation": "relu", "weight_decay": 1e-5}),
    ("mlp", {"hidden": [16], "lr": 0.03, "activation": "tanh", "weight_decay": 3e-3}),
    ("linear", {"lr": 0.02, "weight_decay": 1e-3}),
    ("linear", {"lr": 0.001, "weight_decay": 1e-2}),
]
LABELS = {
    "log_loss": "log loss",
    "roc_auc": "ROC AUC",
    "rmse": "RMSE",
    "average_precision": "average precision",
}


def build(task: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    name, x, y, features, target_names, classes = load(task)
    regression = task == "regression"
    metric = "rmse" if regression else "log_loss"
    order = np.random.default_rng(1).permutation(len(x))
    order = order[:ROWS]
    held = len(order) // 3
    test, dev = np.sort(order[:held]), np.sort(order[held:])
    folds = list(KFold(FOLDS, shuffle=True, random_state=0).split(dev))
    shape = (len(dev), y.shape[1] if y.ndim == 2 else len(classes))
    curves, candidates, kept, oof = [], [], {}, {}
    for index, (family, setting) in enumerate(SETTINGS):
        oof[index], members, scores, parts = np.zeros(shape), [], [], []
        for fold, (a, b) in enumerate(folds):
            scale = StandardScaler().fit(x[dev[a]])
            xa, xb = scale.transform(x[dev[a]]), scale.transform(x[dev[b]])
            shift, unit = (y[dev[a]].mean(0), y[dev[a]].std(0)) if regression else (0, 1)
            ya, yb = y[dev[a]], y[dev[b]]
            net = network(family, setting, fold, regression)
            curve = {"candidate": index, "fold": fold, "seed": 0, "epoch": [], "train": [], "validation": []}
            best, best_output, best_epoch = np.inf, None, 0
            for epoch in range(1, EPOCHS + 1):
                if regression:
                    net.partial_fit(xa, ((ya - shift) / unit).ravel())
                else:
                    net.partial_fit(xa, ya, classes=np.arange(len(classes) or ya.shape[1]))
                out_b = output_of(net, xb) * unit + shift if regression else output_of(net, xb)
                out_a = output_of(net, xa) * unit + shift if regression else output_of(net, xa)
                value = primary(task, out_b, yb)
                curve["epoch"].append(epoch)
                curve["train"].append(primary(task, out_a, ya))
                curve["validation"].append(value)
                if value < best:
                    best, best_output, best_epoch = value, out_b, epoch
            curves.append(curve)
            oof[index][b] = best_output
            members.append((scale, net, shift, unit))
            parts.append(scores_of(task, best_output, yb))
            scores.append(
                {"fold": fold, "seed": 0, "value": best, "best_epoch": best_epoch, "status": "finished"}
            )
        mean = mean_of(task, parts)
        parameters = sum(w.size for w in net.coefs_) + sum(w.size for w in net.intercepts_)
        kept[index] = (members, mean)
        candidates.append({
            "index": index, "family": family, "hyperparameters": dict(setting), "parameters": parameters,
            **mean[metric], "scores": scores,
        })  # fmt: skip
    winner = min(candidates, key=lambda c: c["mean"])
    members, validation = kept[winner["index"]]

    def predict(rows: np.ndarray) -> np.ndarray:
        return np.mean([
            output_of(net, scale.transform(rows)) * unit + shift
            for scale, net, shift, unit in members
        ], 0)  # fmt: skip

    test_output, truth = predict(x[test]), y[test]
    result = intervals_of(task, test_output, truth)
    baselines = [
        _baseline(task, key, label, make, x, y, dev, test, folds) for key, label, make in _makers(task)
    ]
    best = min(baselines, key=lambda b: b["validation"][metric]["mean"])
    facts: dict[str, Any] = {
        "name": name, "folder": f"runs/{name}-1", "task": task, "target": target_names, "classes": classes,
        "finished": True, "warnings": _warnings(task),
        "verdict": _verdict(result[metric], best),
        "metric": {"name": metric, "label": LABELS[metric], "maximise": False},
        "look_at": _look_at(task),
        "data": {
            "source": name, "sha256": hashlib.sha256(x.tobytes()).hexdigest(),
            "notes": ["Bundled with scikit-learn."], "rows": len(order), "unusable_rows": 0,
            "development": len(dev), "test": len(test),
            "split": "plain" if regression or task == "multilabel" else "stratified", "folds": FOLDS,
            "columns": [
                {"name": f, "kind": "numeric", "role": "feature", "note": "", "missing": 0.0,
                 "distinct": len(np.unique(x[:, i]))}
                for i, f in enumerate(features)
            ] + [
                {"name": t, "kind": "numeric" if regression else "category", "role": "target", "note": "",
                 "missing": 0.0, "distinct": len(np.unique(y))} for t in target_names
            ],
        },
        "test": result, "validation": validation,
        "per_class": _per_class(task, test_output, truth, classes or target_names),
        "winner": {key: winner[key] for key in ("index", "family", "hyperparameters", "parameters")}
        | {"members": FOLDS},
        "candidates": candidates,
        "searched": {"mlp": ["lr", "hidden", "activation", "weight_decay"], "linear": ["lr", "weight_decay"]},
        "baselines": baselines,
        "comparison": {
            "baseline": best["name"], "metric": metric, "on": "test",
            "difference": result[metric]["value"] - best["test"][metric]["value"],
            "low": result[metric]["low"] - best["test"][metric]["value"],
            "high": result[metric]["high"] - best["test"][metric]["value"],
        },
        "confusion": None, "thresholds": [], "threshold": None, "intervals": None,
        "importance": _importance(task, predict, x[test], truth, features),
        "worst": _worst(task, test_output, truth, x, test, features, classes), "rows_left_out": False,
        "response": None, "subgroups": [], "test_scored": 1,
        "compute": {"members": len(curves), "cohorts": 3, "seconds": 21.3, "device": "cpu"},
        "reproduce": {
            "command": f"coterie fit {name}", "config": f"coterie fit --config runs/{name}-1/study.json",
            "versions": {"coterie": "0.1.0", "torch": "2.13.0", "python": "3.11.9"}, "seed": 0,
        },
    }  # fmt: skip
    if task in ("binary", "multiclass"):
        facts["confusion"] = metrics.confusion_matrix(truth, test_output.argmax(1)).tolist()
    if task == "binary":
        facts["thresholds"] = [_threshold(test_output[:, 1], truth, t / 20) for t in range(1, 20)]
        facts["threshold"] = {"value": 0.37, "chosen_by": "Youden's J on out-of-fold predictions"}
        group = x[test][:, 0] > np.median(x[:, 0])
        facts["subgroups"] = [
            {
                "column": "tumour size",
                "value": word,
                "rows": int(g.sum()),
                "scores": intervals_of(task, test_output[g], truth[g]),
            }
            for word, g in (("small", ~group), ("large", group))
        ]
    if regression:
        half = float(np.quantile(np.abs(oof[winner["index"]] - y[dev]), 0.9))
        held_in = float((np.abs(test_output - truth) <= half).mean())
        facts["intervals"] = {"level": 0.9, "half_width": [half], "coverage": [held_in]}
    arrays = {
        "test_output": test_output,
        "test_target": truth,
        "oof_output": oof[winner["index"]],
        "oof_target": y[dev],
    }
    return facts, arrays, curves


def _makers(task: str) -> list[tuple[str, str, Any]]:
    if task == "regression":
        return [
            ("dummy", "the mean", lambda: DummyRegressor()),
            ("ridge", "ridge regression", lambda: RidgeCV()),
            ("hist_gradient_boosting", "gradient boosting",
             lambda: MultiOutputRegressor(HistGradientBoostingRegressor(max_iter=40))),
        ]  # fmt: skip
    wrap = MultiOutputClassifier if task == "multilabel" else (lambda m: m)
    return [
        ("dummy", "class shares", lambda: wrap(DummyClassifier())),
        ("logistic", "logistic regression", lambda: wrap(LogisticRegression(max_iter=500))),
        ("hist_gradient_boosting", "gradient boosting",
         lambda: wrap(HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=8))),
    ]  # fmt: skip


def _baseline(
    task: str,
    key: str,
    label: str,
    make: Any,
    x: np.ndarray,
    y: np.ndarray,
    dev: np.ndarray,
    test: np.ndarray,
    folds: Any,
) -> dict[str, Any]:
    parts = []
    for a, b in folds:
        scale = StandardScaler().fit(x[dev[a]])
        model = make().fit(scale.transform(x[dev[a]]), y[dev[a]])
        parts.append(scores_of(task, output_of(model, scale.transform(x[dev[b]])), y[dev[b]]))
    scale = StandardScaler().fit(x[dev])
    model = make().fit(scale.transform(x[dev]), y[dev])
    scored = intervals_of(task, output_of(model, scale.transform(x[test])), y[test])
    return {"name": key, "label": label, "validation": mean_of(task, parts), "test": scored}


def _verdict(ours: dict[str, float], best: dict[str, Any]) -> str:
    theirs = next(iter(best["test"].values()))
    if ours["high"] < theirs["value"]:
        return (
            f"The network is worth it: it is better than the best baseline, {best['label']}, on rows "
            "neither has seen."
        )
    if ours["low"] > theirs["value"]:
        return f"The network is not worth it: {best['label']} does better on rows neither has seen."
    return (
        f"The network and {best['label']} cannot be told apart on these test rows; the simpler one is "
        "the "
        "safer choice."
    )


def _look_at(task: str) -> dict[str, str]:
    return {
        "binary": {
            "name": "average_precision", "label": "average precision",
            "why": "37 % of the rows are positive and missing one matters: it follows how clean the positive "
                   "calls stay "
            "as more of the positive rows are found.",
        },
        "multiclass": {
            "name": "accuracy", "label": "accuracy",
            "why": "The ten classes are about equally frequent, so the share of right answers says what it "
                   "seems to say.",
        },
        "multilabel": {
            "name": "average_precision", "label": "average precision",
            "why": "Labels differ in frequency, and most rows lack most labels: accuracy would look good for "
                   "saying no.",
        },
        "regression": {
            "name": "rmse", "label": "RMSE", "why": "It is in the target's own units, and large errors count "
                                                    "the most.",
        },
    }[task]  # fmt: skip


def _warnings(task: str) -> list[str]:
    if task == "binary":
        return ["Columns 'mean radius' and 'mean perimeter' say nearly the same (correlation 0.998)."]
    return []


def _per_class(task: str, output: np.ndarray, truth: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    if task == "regression":
        return []
    positive = truth if truth.ndim == 2 else np.eye(len(names), dtype=int)[truth]
    hard = (output > 0.5).astype(int) if truth.ndim == 2 else np.eye(len(names), dtype=int)[output.argmax(1)]
    return [
        {
            "class": label, "support": int(positive[:, i].sum()),
            "precision": metrics.precision_score(positive[:, i], hard[:, i], zero_division=0),
            "recall": metrics.recall_score(positive[:, i], hard[:, i]),
            "specificity": metrics.recall_score(1 - positive[:, i], 1 - hard[:, i]),
            "f1": metrics.f1_score(positive[:, i], hard[:, i], zero_division=0),
            "roc_auc": metrics.roc_auc_score(positive[:, i], output[:, i]),
            "average_precision": metrics.average_precision_score(positive[:, i], output[:, i]),
        }
        for i, label in enumerate(names)
    ]  # fmt: skip


def _threshold(score: np.ndarray, truth: np.ndarray, at: float) -> dict[str, float]:
    said = (score >= at).astype(int)
    tn, fp, fn, tp = metrics.confusion_matrix(truth, said, labels=[0, 1]).ravel()
    return {
        "threshold": at, "sensitivity": tp / (tp + fn), "specificity": tn / (tn + fp),
        "precision": tp / max(tp + fp, 1),
        "npv": tn / max(tn + fn, 1), "f1": 2 * tp / max(2 * tp + fp + fn, 1),
        "accuracy": (tp + tn) / len(truth),
        "flagged": float(said.mean()),
    }  # fmt: skip


def _importance(
    task: str, predict: Any, x: np.ndarray, truth: np.ndarray, names: list[str]
) -> list[dict[str, Any]]:
    rng, base, found = np.random.default_rng(2), primary(task, predict(x), truth), []
    for i, name in enumerate(names[:30]):
        worse = []
        for _ in range(3):
            mixed = x.copy()
            mixed[:, i] = rng.permutation(mixed[:, i])
            worse.append(primary(task, predict(mixed), truth) - base)
        found.append({"feature": name, "mean": float(np.mean(worse)), "low": min(worse), "high": max(worse)})
    return sorted(found, key=lambda item: -item["mean"])


def _worst(
    task: str,
    output: np.ndarray,
    truth: np.ndarray,
    x: np.ndarray,
    test: np.ndarray,
    names: list[str],
    classes: list[str],
) -> list[dict[str, Any]]:
    safe = np.clip(output, 1e-7, 1 - 1e-7)
    if task == "regression":
        loss = np.abs(output - truth).sum(1)
    elif task == "multilabel":
        loss = -(truth * np.log(safe) + (1 - truth) * np.log(1 - safe)).mean(1)
    else:
        loss = -np.log(safe[np.arange(len(truth)), truth])
    found = []
    for i in np.argsort(-loss)[:10]:
        if classes:
            said = int(output[i].argmax())
            true, prediction = classes[truth[i]], f"{classes[said]} ({output[i, said]:.2f})"
        else:
            true, prediction = (", ".join(f"{v:.3g}" for v in row[i]) for row in (truth, output))
        values = {name: f"{value:.4g}" for name, value in zip(names, x[test[i]], strict=True)}
        found.append(
            {
                "row": int(test[i]),
                "values": values,
                "truth": true,
                "prediction": prediction,
                "loss": float(loss[i]),
            }
        )
    return found


def _short(value: Any) -> Any:
    """The value with five significant digits, arrays as lists."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_short(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent / "examples"
    folder.mkdir(exist_ok=True)
    for task in TASKS:
        facts, arrays, curves = build(task)
        text = json.dumps(_short({"facts": facts, "arrays": arrays, "curves": curves}), separators=(",", ":"))
        (folder / f"{task}.json").write_text(text + "\n", encoding="utf-8")
