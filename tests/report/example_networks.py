"""Data, networks and scores of the example studies, all scikit-learn's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn import datasets, metrics
from sklearn.neural_network import MLPClassifier, MLPRegressor

FOLDS = 3


def load(task: str) -> tuple[str, np.ndarray, np.ndarray, list[str], list[str], list[str]]:
    """name, X, y, features, target names, classes"""
    if task == "binary":
        bunch = datasets.load_breast_cancer()
        return (
            "breast_cancer",
            bunch.data,
            1 - bunch.target,
            list(bunch.feature_names),
            ["diagnosis"],
            ["benign", "malignant"],
        )
    if task == "multiclass":
        bunch = datasets.load_digits()
        return "digits", bunch.data, bunch.target, list(bunch.feature_names), ["digit"], list("0123456789")
    if task == "multilabel":
        x, y = datasets.make_multilabel_classification(500, 12, n_classes=5, n_labels=2, random_state=3)
        return (
            "topics",
            x,
            y,
            [f"word_{i}" for i in range(12)],
            ["art", "law", "music", "science", "sport"],
            [],
        )
    bunch = datasets.load_diabetes(scaled=False)
    return "diabetes", bunch.data, bunch.target[:, None], list(bunch.feature_names), ["progression"], []


def network(
    family: str, setting: dict[str, Any], seed: int, regression: bool
) -> MLPClassifier | MLPRegressor:
    kind = MLPRegressor if regression else MLPClassifier
    return kind(
        hidden_layer_sizes=tuple(setting.get("hidden", ())),
        activation=setting.get("activation", "identity"),
        learning_rate_init=setting["lr"],
        alpha=setting["weight_decay"],
        random_state=seed,
        batch_size=64,
    )


def output_of(model: Any, x: np.ndarray) -> np.ndarray:
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(x)).reshape(len(x), -1)
    proba = model.predict_proba(x)
    if isinstance(proba, list):
        proba = np.stack([p[:, -1] if p.shape[1] > 1 else np.zeros(len(x)) for p in proba], 1)
    return proba


def primary(task: str, output: np.ndarray, target: np.ndarray) -> float:
    if task == "regression":
        return float(np.sqrt(((output - target) ** 2).mean()))
    safe = np.clip(output, 1e-7, 1 - 1e-7)
    if task == "multilabel":
        return float(-(target * np.log(safe) + (1 - target) * np.log(1 - safe)).mean())
    return float(-np.log(safe[np.arange(len(target)), target]).mean())


def scores_of(task: str, output: np.ndarray, target: np.ndarray) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # undefined for one class
        if task == "regression":
            return {
                "rmse": metrics.root_mean_squared_error(target, output),
                "mae": metrics.mean_absolute_error(target, output),
                "r2": metrics.r2_score(target, output),
                "mape": metrics.mean_absolute_percentage_error(target, output),
            }
        safe = np.clip(output, 1e-7, 1 - 1e-7)
        if task == "multilabel":
            hard = (output > 0.5).astype(int)
            return {
                "log_loss": primary(task, output, target),
                "accuracy": (hard == target).mean(),
                "exact_match": (hard == target).all(1).mean(),
                "roc_auc": metrics.roc_auc_score(target, output, average="macro"),
                "average_precision": metrics.average_precision_score(target, output),
                "f1": metrics.f1_score(target, hard, average="macro", zero_division=0),
            }
        hard = output.argmax(1)
        k = output.shape[1]
        average = "binary" if k == 2 else "macro"
        score = output[:, 1] if k == 2 else output
        found = {
            "log_loss": metrics.log_loss(target, safe / safe.sum(1, keepdims=True), labels=np.arange(k)),
            "accuracy": (hard == target).mean(),
            "balanced_accuracy": metrics.recall_score(target, hard, average="macro", zero_division=0),
            "precision": metrics.precision_score(target, hard, average=average, zero_division=0),
            "recall": metrics.recall_score(target, hard, average=average, zero_division=0),
            "f1": metrics.f1_score(target, hard, average=average, zero_division=0),
            "matthews": metrics.matthews_corrcoef(target, hard),
        }
        if len(np.unique(target)) == k:
            found["roc_auc"] = metrics.roc_auc_score(target, score, multi_class="ovr")
            found["average_precision"] = metrics.average_precision_score(
                target if k == 2 else np.eye(k)[target], score
            )
        return found


def intervals_of(task: str, output: np.ndarray, target: np.ndarray) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(target), len(target)) for _ in range(25)]
    found = [scores_of(task, output[d], target[d]) for d in draws]
    result = {}
    for name, value in scores_of(task, output, target).items():
        many = [f[name] for f in found if name in f]
        low, high = np.quantile(many, [0.025, 0.975])
        result[name] = {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}
    return result


def mean_of(task: str, parts: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    spread = np.sqrt(1 / FOLDS + 1 / (FOLDS - 1))
    names = [n for n in parts[0] if all(n in p for p in parts)]
    return {
        n: {
            "mean": float(np.mean([p[n] for p in parts])),
            "se": float(spread * np.std([p[n] for p in parts], ddof=1)),
        }
        for n in names
    }
