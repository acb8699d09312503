"""Baselines: right numbers, no leaks, and no table that stops a study."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from coterie.data.dataset import Dataset
from coterie.data.schema import Schema
from coterie.study import baselines as module
from coterie.study.baseline_kinds import ALPHAS, Size, kinds_for
from coterie.study.baselines import Baseline, fit_baselines

EMPTY = Schema.of([], None)


def made(numeric, target, category=None, weight=None) -> Dataset:
    numeric = np.asarray(numeric, dtype=np.float32)
    n = len(target)
    codes = np.zeros((n, 0), dtype=np.int64) if category is None else np.asarray(category, dtype=np.int64)
    target = torch.as_tensor(np.asarray(target))
    return Dataset(
        EMPTY,
        {"numeric": torch.from_numpy(numeric), "category": torch.from_numpy(codes)},
        target.float() if target.ndim == 2 else target.long(),
        None if weight is None else torch.as_tensor(weight, dtype=torch.float32),
        np.arange(n),
    )


def parts(n: int, folds: int = 3, test: int = 20):
    rng = np.random.default_rng(3)
    order = rng.permutation(n)
    held, development = np.sort(order[:test]), np.sort(order[test:])
    cut = [np.sort(part) for part in np.array_split(rng.permutation(development), folds)] if folds else []
    return tuple((np.setdiff1d(development, part), part) for part in cut), development, held


def fitted(dataset: Dataset, task: str, outputs: int, folds: int = 3, test: int = 20) -> dict[str, Baseline]:
    split, development, held = parts(len(dataset), folds, test)
    return {
        b.name: b
        for b in fit_baselines(dataset, split, development, held, task=task, outputs=outputs, seed=0)
    }


def blobs(n: int = 120, classes: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    x = rng.normal(size=(n, 4))
    x[:, 0] += 3.0 * y
    return x, y


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_every_task_has_its_baselines(task):
    x, y = blobs(classes=2 if task == "binary" else 3)
    outputs = {"binary": 2, "multiclass": 3, "multilabel": 2, "regression": 2}[task]
    if task == "multilabel":
        y = np.stack([y > 0, y > 1], axis=1).astype(float)
    elif task == "regression":
        y = np.stack([y * 1000.0, -x[:, 1]], axis=1)
    found = fitted(made(x, y), task, outputs)
    linear = "ridge" if task == "regression" else "logistic"
    assert list(found) == ["dummy", linear, "hist_gradient_boosting", "support_vectors"]
    split, _, held = parts(len(x))
    for baseline in found.values():
        assert not baseline.failed, baseline.note
        assert baseline.label
        assert [p.shape for p in baseline.validation] == [(len(v), outputs) for _, v in split]
        assert baseline.test is not None
        assert baseline.test.shape == (len(held), outputs)
        if task in ("binary", "multiclass"):
            torch.testing.assert_close(baseline.test.sum(1), torch.ones(len(held), dtype=torch.float64))
        if task != "regression":
            assert ((baseline.test >= 0) & (baseline.test <= 1)).all()
    truth = torch.as_tensor(np.eye(3)[y] if y.ndim == 1 and outputs == 3 else y)[held]
    if truth.ndim == 2:
        error = {n: float((b.test - truth).abs().mean()) for n, b in found.items()}
        assert max(v for n, v in error.items() if n != "dummy") < 0.6 * error["dummy"], error


def test_linear_baselines_are_what_scikit_learn_gives():
    x, y = blobs(classes=2)
    x[::7, 1] = np.nan
    split, _, held = parts(len(x))
    x = x.astype(np.float32).astype(np.float64)

    def by_hand(model, target, ask):
        inputs = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
        fits = [make_pipeline(inputs, model).fit(x[a], target[a]) for a, _ in split[:1]]
        return ask(fits[0], x[split[0][1]])

    found = fitted(made(x, y), "binary", 2)["logistic"].validation[0]
    expected = by_hand(LogisticRegression(max_iter=300), y, lambda m, z: m.predict_proba(z))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)

    values = x[:, 0] * 5 + 100
    values = values.astype(np.float32).astype(np.float64)
    found = fitted(made(x, values[:, None]), "regression", 1)["ridge"].validation[0]
    expected = by_hand(RidgeCV(alphas=ALPHAS), values, lambda m, z: m.predict(z))
    np.testing.assert_allclose(found.numpy()[:, 0], expected, rtol=1e-5)
    assert len(held)


def test_the_test_prediction_is_the_average_of_the_folds():
    x, y = blobs()
    split, development, held = parts(len(x))
    whole = {
        b.name: b
        for b in fit_baselines(made(x, y), split, development, held, task="multiclass", outputs=3, seed=0)
    }
    single = []
    for one in split:
        found = fit_baselines(made(x, y), [one], development, held, task="multiclass", outputs=3, seed=0)
        single.append({b.name: b.test for b in found})
    for name in ("dummy", "logistic"):
        mean = torch.stack([s[name] for s in single]).mean(0)
        torch.testing.assert_close(whole[name].test, mean)


def test_without_folds_there_is_one_fit_and_without_rows_to_predict_none():
    x, y = blobs()
    found = fitted(made(x, y), "multiclass", 3, folds=0)
    assert all(b.validation == () and b.test is not None for b in found.values())
    assert fitted(made(x, y), "multiclass", 3, folds=0, test=0) == {}
    assert all(b.test is None for b in fitted(made(x, y), "multiclass", 3, test=0).values())


def test_a_class_that_a_fold_lacks_has_probability_zero():
    x, y = blobs(n=90)
    y[:] = np.arange(90) % 2
    split, development, held = parts(90)
    y[split[0][1][0]] = 2  # one row of class 2, and fold 0 does not train on it
    for b in fit_baselines(made(x, y), split, development, held, task="multiclass", outputs=4, seed=0):
        assert not b.failed, b.note
        assert (b.validation[0][:, 2:] == 0).all()
        assert (b.test[:, 3] == 0).all()
        torch.testing.assert_close(b.test.sum(1), torch.ones(len(held), dtype=torch.float64))


def test_training_rows_of_one_class_give_that_class():
    x, _ = blobs(n=60)
    y = np.zeros(60, dtype=int)
    split, development, held = parts(60)
    y[held] = 1
    for b in fit_baselines(made(x, y), split, development, held, task="binary", outputs=2, seed=0):
        assert not b.failed, b.note
        assert (b.test[:, 0] == 1).all()


def test_rows_of_weight_zero_do_not_exist():
    x, y = blobs()
    _, _, held = parts(len(x))
    weight = np.ones(len(x))
    weight[::4] = 0
    spoilt = x.copy()
    spoilt[::4] = np.where(np.isin(np.arange(len(x))[::4], held)[:, None], x[::4], 1e6)
    first = fitted(made(x, y, weight=weight), "multiclass", 3)
    second = fitted(made(spoilt, np.where(weight == 0, 0, y), weight=weight), "multiclass", 3)
    for name in first:
        torch.testing.assert_close(first[name].test, second[name].test)


def test_weights_count():
    y = np.arange(100) % 2
    found = fitted(made(np.zeros((100, 1)), y, weight=np.where(y == 1, 3.0, 1.0)), "binary", 2)
    assert found["dummy"].test is not None
    assert abs(float(found["dummy"].test[0, 1]) - 0.75) < 0.05


def test_no_row_that_is_judged_is_learnt_from():
    x, y = blobs()
    split, _, held = parts(len(x))
    other_x, other_y = x.copy(), y.copy()
    other_x[held], other_y[held] = 99.0, 0
    first, second = fitted(made(x, y), "multiclass", 3), fitted(made(other_x, other_y), "multiclass", 3)
    for name in first:
        for a, b in zip(first[name].validation, second[name].validation, strict=True):
            assert torch.equal(a, b)
    rows = split[0][1]
    other_y = y.copy()
    other_y[rows] = (y[rows] + 1) % 3
    second = fitted(made(x, other_y), "multiclass", 3)
    for name in first:
        assert torch.equal(first[name].validation[0], second[name].validation[0])


def test_odd_columns_stop_nothing():
    x, y = blobs(n=400)
    rng = np.random.default_rng(1)
    x[:, 1] = np.nan  # missing in every row
    x[:, 2] = 7.0  # constant
    x[::3, 3] = np.nan
    x[5, 0] = 1e30
    codes = np.stack([np.arange(400), rng.integers(0, 3, 400), np.full(400, 4)], axis=1)
    for b in fitted(made(x, y, codes), "multiclass", 3).values():
        assert not b.failed, b.note
    for b in fitted(made(np.zeros((400, 0)), y, codes), "multiclass", 3).values():
        assert not b.failed, b.note
    assert list(fitted(made(np.zeros((400, 0)), y), "multiclass", 3)) == ["dummy"]


def test_a_target_that_is_constant_in_a_fold_is_predicted_as_it_is():
    x, _ = blobs(n=60)
    for b in fitted(made(x, np.full((60, 1), 5.0)), "regression", 1).values():
        assert not b.failed, b.note
        assert (b.test == 5).all()


def test_what_cannot_be_fitted_is_a_note():
    x, _ = blobs(n=60)
    y = np.full((60, 1), np.nan)
    found = fitted(made(x, y), "regression", 1)
    assert len(found) == 4
    for b in found.values():
        assert b.failed
        assert b.note.startswith("It could not be fitted: ")
        assert b.validation == ()
        assert b.test is None


def test_large_tables_are_sampled_and_have_no_support_vectors(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 40)
    x, y = blobs()
    found = fitted(made(x, y), "multiclass", 3)
    assert "Fitted on 40 of 67 training rows" in found["logistic"].note
    assert (found["logistic"].drawn, found["dummy"].drawn) == ((40, 67), None)
    assert "Fitted on" not in found["dummy"].note

    def names(rows: int, columns: int, development: int) -> list[str]:
        return [kind.name for kind in kinds_for("binary", Size(rows, columns, 0, 2), development)]

    assert "support_vectors" in names(7_999, 20, 9_999)
    assert "support_vectors" not in names(8_000, 20, 10_000)
    assert "support_vectors" not in names(8_000, 5_000, 9_999)


def test_many_rows_calibrate_support_vectors_on_a_part():
    x, y = blobs(n=2_600, classes=2)
    baseline = fitted(made(x, y), "binary", 2, folds=0, test=300)["support_vectors"]
    assert "two thirds" in baseline.note
    held = parts(2_600, 0, 300)[2]
    assert baseline.test is not None
    assert ((baseline.test[:, 1] > 0.5).numpy() == y[held]).mean() > 0.9


def test_the_same_seed_gives_the_same_numbers():
    x, y = blobs()
    first, second = fitted(made(x, y), "multiclass", 3), fitted(made(x, y), "multiclass", 3)
    assert all(torch.equal(first[name].test, second[name].test) for name in first)
