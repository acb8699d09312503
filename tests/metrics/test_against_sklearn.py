"""Every metric against scikit-learn's, with weights, ties and absent classes."""

import numpy as np
import pytest
import sklearn.metrics as sk
import torch

from coterie.metrics.catalogue import METRICS, scores
from coterie.metrics.classes import averaged, per_class
from coterie.metrics.classification import confusion_matrix
from coterie.metrics.curves import calibration_curve, precision_recall_curve, roc_curve


def close(ours: object, theirs: object) -> None:
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-9, atol=1e-12)


def weights(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "none":
        return np.ones(n)
    if kind == "counts":
        return rng.integers(0, 3, n).astype(float)
    return rng.random(n)


def probabilities(rng: np.random.Generator, n: int, k: int, ties: bool) -> np.ndarray:
    raw = rng.integers(1, 4, (n, k)).astype(float) if ties else rng.random((n, k))
    return raw / raw.sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["none", "counts", "real"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_binary(seed: int, ties: bool, kind: str) -> None:
    rng = np.random.default_rng(seed)
    p, y = probabilities(rng, 60, 2, ties), rng.integers(0, 2, 60)
    w = weights(kind, 60, rng)
    ours = scores(torch.tensor(p), torch.tensor(y), torch.tensor(w), "binary")
    score, said = p[:, 1], p.argmax(1)
    matrix = sk.confusion_matrix(y, said, sample_weight=w)
    (tn, fp), (fn, tp) = matrix
    expected = {
        "accuracy": sk.accuracy_score(y, said, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(y, said, sample_weight=w),
        "precision": sk.precision_score(y, said, sample_weight=w),
        "negative_predictive_value": tn / (tn + fn),
        "recall": sk.recall_score(y, said, sample_weight=w),
        "specificity": tn / (tn + fp),
        "false_positive_rate": fp / (tn + fp),
        "miss_rate": fn / (fn + tp),
        "f1": sk.f1_score(y, said, sample_weight=w),
        "matthews": sk.matthews_corrcoef(y, said, sample_weight=w),
        "roc_auc": sk.roc_auc_score(y, score, sample_weight=w),
        "average_precision": sk.average_precision_score(y, score, sample_weight=w),
        "log_loss": sk.log_loss(y, p, sample_weight=w),
        "brier": sk.brier_score_loss(y, score, sample_weight=w),
        "calibration_error": slow_calibration_error(score, y == 1, w),
    }
    assert set(ours) == set(expected)
    for name, value in expected.items():
        close(ours[name], value)
    tensors = torch.tensor(p), torch.tensor(y), torch.tensor(w)
    close(confusion_matrix(*tensors), matrix)
    keep = w > 0
    fpr, tpr, _ = sk.roc_curve(y[keep], score[keep], sample_weight=w[keep], drop_intermediate=False)
    ours_fpr, ours_tpr, _ = roc_curve(tensors[0][:, 1], tensors[1], tensors[2])
    close(ours_fpr, fpr)
    close(ours_tpr, tpr)
    precision, recall, threshold = sk.precision_recall_curve(y[keep], score[keep], sample_weight=w[keep])
    ours_precision, ours_recall, ours_threshold = precision_recall_curve(
        tensors[0][:, 1], tensors[1], tensors[2]
    )
    close(ours_precision, precision[:-1][::-1])
    close(ours_recall, recall[:-1][::-1])
    close(ours_threshold, threshold[::-1])


def slow_calibration_error(stated: np.ndarray, happened: np.ndarray, w: np.ndarray) -> float:
    total = 0.0
    for b in range(15):
        inside = (stated >= b / 15) & ((stated < (b + 1) / 15) | (b == 14)) & (w > 0)
        if inside.any():
            gap = np.average(stated[inside], weights=w[inside]) - np.average(
                happened[inside], weights=w[inside]
            )
            total += w[inside].sum() * abs(gap)
    return total / w.sum()


@pytest.mark.parametrize("kind", ["none", "counts", "real"])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("seed", range(2))
def test_multiclass(seed: int, absent: bool, ties: bool, kind: str) -> None:
    rng = np.random.default_rng(seed)
    n, k = 80, 5
    p = probabilities(rng, n, k, ties)
    y = rng.integers(0, k - 1 if absent else k, n)
    w = weights(kind, n, rng)
    ours = scores(torch.tensor(p), torch.tensor(y), torch.tensor(w), "multiclass")
    said, labels = p.argmax(1), np.arange(k)
    keep = w > 0
    present = np.unique(y[keep])
    aucs = [sk.roc_auc_score(y == c, p[:, c], sample_weight=w) for c in present]
    precisions = [sk.average_precision_score(y == c, p[:, c], sample_weight=w) for c in present]
    tables = sk.multilabel_confusion_matrix(y, said, sample_weight=w, labels=labels)
    tn, fp, fn, tp = tables[:, 0, 0], tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1]
    top = np.array([y[i] in np.argsort(-p[i], kind="stable")[:3] for i in range(n)])
    onehot = np.eye(k)[y]
    keywords = {"sample_weight": w, "average": "macro", "zero_division": np.nan}
    expected = {
        "accuracy": sk.accuracy_score(y, said, sample_weight=w),
        "top_3_accuracy": np.average(top, weights=w),
        "balanced_accuracy": np.nanmean(
            sk.recall_score(y, said, sample_weight=w, average=None, labels=labels, zero_division=np.nan)
        ),
        "precision": sk.precision_score(y, said, sample_weight=w, average="macro", zero_division=0),
        "negative_predictive_value": np.mean(tn / (tn + fn)),
        "recall": sk.recall_score(y, said, labels=labels, **keywords),
        "specificity": np.mean(tn / (tn + fp)),
        "false_positive_rate": np.mean(fp / (tn + fp)),
        "miss_rate": np.mean(fn[present] / (fn + tp)[present]),
        "f1": sk.f1_score(y, said, sample_weight=w, average="macro"),
        "matthews": sk.matthews_corrcoef(y, said, sample_weight=w),
        "roc_auc": np.mean(aucs),
        "average_precision": np.mean(precisions),
        "log_loss": sk.log_loss(y, p, sample_weight=w, labels=labels),
        "brier": np.average(((p - onehot) ** 2).sum(1), weights=w),
        "calibration_error": slow_calibration_error(p.max(1), said == y, w),
    }
    assert set(ours) == set(expected)
    for name, value in expected.items():
        close(ours[name], value)
    if not absent:
        close(ours["brier"], sk.brier_score_loss(y, p, sample_weight=w, labels=labels))
    tensors = torch.tensor(p), torch.tensor(y), torch.tensor(w)
    close(confusion_matrix(*tensors), sk.confusion_matrix(y, said, sample_weight=w, labels=labels))
    micro = averaged(*tensors, average="micro")
    close(micro["roc_auc"], sk.roc_auc_score(onehot, p, sample_weight=w, average="micro"))
    close(micro["average_precision"], sk.average_precision_score(onehot, p, sample_weight=w, average="micro"))
    for name, function in (
        ("precision", sk.precision_score),
        ("recall", sk.recall_score),
        ("f1", sk.f1_score),
    ):
        close(micro[name], function(y, said, sample_weight=w, average="micro"))
    close(micro["specificity"], tn.sum() / (tn.sum() + fp.sum()))
    macro, classes = averaged(*tensors, average="macro"), per_class(*tensors)
    for name, value in macro.items():
        close(value, ours[name])
        close(np.nanmean(classes[name]), value)
    close(classes["support"], [w[y == c].sum() for c in labels])


@pytest.mark.parametrize("kind", ["none", "counts", "real"])
@pytest.mark.parametrize("ties", [False, True])
def test_multilabel(ties: bool, kind: str) -> None:
    rng = np.random.default_rng(5)
    n, k = 70, 4
    p = rng.integers(0, 5, (n, k)) / 4 if ties else rng.random((n, k))
    y = (rng.random((n, k)) < p).astype(int)
    w = weights(kind, n, rng)
    ours = scores(torch.tensor(p), torch.tensor(y, dtype=torch.float32), torch.tensor(w), "multilabel")
    said = (p > 0.5).astype(int)
    keywords = {"sample_weight": w, "average": "macro"}
    each = range(k)
    clipped = np.clip(p, np.finfo(np.float32).eps, 1 - np.finfo(np.float32).eps)
    tables = sk.multilabel_confusion_matrix(y, said, sample_weight=w)
    tn, fp, fn = tables[:, 0, 0], tables[:, 0, 1], tables[:, 1, 0]

    def mean(function: object, predicted: np.ndarray) -> float:
        return np.mean([function(y[:, c], predicted[:, c], sample_weight=w) for c in each])  # type: ignore[operator]

    expected = {
        "accuracy": mean(sk.accuracy_score, said),
        "exact_match": sk.accuracy_score(y, said, sample_weight=w),
        "top_3_accuracy": None,
        "balanced_accuracy": mean(sk.balanced_accuracy_score, said),
        "precision": sk.precision_score(y, said, **keywords),
        "negative_predictive_value": np.mean(tn / (tn + fn)),
        "recall": sk.recall_score(y, said, **keywords),
        "specificity": np.mean(tn / (tn + fp)),
        "false_positive_rate": np.mean(fp / (tn + fp)),
        "miss_rate": 1 - sk.recall_score(y, said, **keywords),
        "f1": sk.f1_score(y, said, **keywords),
        "matthews": mean(sk.matthews_corrcoef, said),
        "roc_auc": sk.roc_auc_score(y, p, **keywords),
        "average_precision": sk.average_precision_score(y, p, **keywords),
        "log_loss": mean(sk.log_loss, clipped),
        "brier": mean(sk.brier_score_loss, p),
        "calibration_error": np.mean([slow_calibration_error(p[:, c], y[:, c] == 1, w) for c in each]),
    }
    del expected["top_3_accuracy"]
    assert set(ours) == set(expected)
    for name, value in expected.items():
        close(ours[name], value)
    tensors = torch.tensor(p), torch.tensor(y, dtype=torch.float32), torch.tensor(w)
    close(confusion_matrix(*tensors), tables)
    micro = averaged(*tensors, average="micro")
    close(micro["f1"], sk.f1_score(y, said, sample_weight=w, average="micro"))
    close(micro["roc_auc"], sk.roc_auc_score(y, p, sample_weight=w, average="micro"))


@pytest.mark.parametrize("kind", ["none", "counts", "real"])
@pytest.mark.parametrize("n", [1, 2, 50, 51])
def test_regression(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    y = rng.normal(size=(n, 3)) + 1e4
    p = y + rng.normal(size=(n, 3))
    w = weights(kind, n, rng)
    w[0] = max(w[0], 1.0)
    ours = scores(torch.tensor(p), torch.tensor(y), torch.tensor(w), "regression")
    close(ours["mse"], sk.mean_squared_error(y, p, sample_weight=w))
    close(ours["rmse"], sk.root_mean_squared_error(y, p, sample_weight=w))
    close(ours["mae"], sk.mean_absolute_error(y, p, sample_weight=w))
    close(ours["mape"], sk.mean_absolute_percentage_error(y, p, sample_weight=w))
    close(ours["median_ae"], sk.median_absolute_error(y, p, sample_weight=w))
    if n > 2:
        np.testing.assert_allclose(ours["r2"], sk.r2_score(y, p, sample_weight=w), rtol=1e-6)
    assert set(ours) == {name for name, metric in METRICS.items() if "regression" in metric.tasks}


def test_log_loss_clips_as_sklearn_does_for_float32() -> None:
    p = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
    y = torch.tensor([1, 1, 0])
    theirs = sk.log_loss(y.numpy(), p.numpy())
    for dtype in (torch.float32, torch.float64):
        np.testing.assert_allclose(METRICS["log_loss"].function(p.to(dtype), y, None), theirs, rtol=1e-6)


def test_calibration_curve() -> None:
    from sklearn.calibration import calibration_curve as theirs

    rng = np.random.default_rng(0)
    p, y = rng.random(200), rng.integers(0, 2, 200)
    stated, observed, weight = calibration_curve(torch.tensor(p), torch.tensor(y), bins=10)
    happened, said = theirs(y, p, n_bins=10)
    close(stated, said)
    close(observed, happened)
    assert weight.sum() == 200
