"""Baselines where every step answers, or a text is written: numbers by hand, and no leaks.

N rows, T steps, K outputs, V entries of a vocabulary.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.data.tokens import END, START, padded
from coterie.study import step_baselines as module
from coterie.study.baseline import Baseline
from coterie.study.baselines import fit_baselines
from coterie.study.scores import Judged, judge, pooled

A, B, C = 5, 6, 7
V = 8
RNG = np.random.default_rng(0)


def fitted(dataset: Dataset, folds: list, test: list[int]) -> dict[str, Baseline]:
    assert dataset.schema.target is not None
    parts = [(np.array(a), np.array(b)) for a, b in folds]
    rest = np.setdiff1d(np.arange(len(dataset)), test)
    found = fit_baselines(
        dataset, parts, rest, np.array(test, dtype=np.int64),
        task=dataset.task, outputs=dataset.schema.target.outputs, seed=0,
    )  # fmt: skip
    return {baseline.name: baseline for baseline in found}


# ---- texts ---------------------------------------------------------------------------------------------


def texts(*rows: list[int], weight: list[float] | None = None) -> Dataset:
    answer = torch.from_numpy(padded([[START, *row, END] for row in rows]))
    target = Target(("t",), "text", each_step=True, shape=(answer.shape[1], V))
    return Dataset(
        Schema.of([], target),
        {
            "answer": answer,
            "numeric": torch.zeros(len(rows), 0),
            "category": torch.zeros(len(rows), 0).long(),
        },
        torch.where(answer > 0, answer, -1)[:, 1:],
        None if weight is None else torch.tensor(weight),
        np.arange(len(rows)),
    )


def test_shares_of_tokens_by_hand() -> None:
    data = texts([A, A, B], [A], [C, B])
    dummy = fitted(data, [([0, 1], [2])], [])["dummy"]
    # seen behind another: A A B end A end; one more of each of the seven that are no padding
    shares = {A: 4 / 13, B: 2 / 13, END: 3 / 13, C: 1 / 13}
    (said,) = dummy.validation
    assert said.shape == (1, 4, 2)
    assert said[0, :3, 0].tolist() == pytest.approx([shares[C], shares[B], shares[END]])
    assert said[0, :3, 1].tolist() == [0, 0, 0]
    right = fitted(data, [([0, 2], [1])], [])["dummy"].validation[0][0, :2]
    assert right.tolist() == [[pytest.approx(3 / 14), 0], [pytest.approx(3 / 14), 1]]  # of equals the first


def test_pairs_of_tokens_by_hand() -> None:
    """Witten and Bell: seen n times with k kinds of followers, a pair's own share counts n / (n + k)."""
    data = texts([A, B], [A, C], [A, B, A])
    pairs = fitted(data, [([0, 1], [2])], [])["bigram"]
    shares = (np.bincount([A, B, END, A, C, END], minlength=V) + 1.0) / (6 + V - 1)
    after_start = 2 / 3 + 1 / 3 * shares[A]  # twice seen, one kind
    after_a = 1 / 2 * 1 / 2 + 1 / 2 * shares[B]  # twice seen, two kinds
    after_b = 1 / 2 * 0 + 1 / 2 * shares[A]  # once seen, one kind, another
    (said,) = pairs.validation
    assert said[0, :3, 0].tolist() == pytest.approx([after_start, after_a, after_b])
    assert said[0, 0, 1] == 1
    assert said[0, 2, 1] == 0


def test_what_follows_any_token_adds_up_to_one() -> None:
    rows = [[int(x) for x in RNG.integers(5, V, RNG.integers(0, 6))] for _ in range(20)]
    every = [[token] for token in range(5, V)]
    data = texts(*rows, *every, [])
    held = list(range(20, len(data)))
    for name in ("dummy", "bigram"):
        said = fitted(data, [(list(range(20)), held)], [])[name].validation[0]
        total = said[:, 0, 0].sum()  # what can follow a start: each token, or the end at once
        assert 0 < total < 1  # start, unknown and mask have the rest
        assert (1 - total) < 0.1


def test_a_vocabulary_too_large_has_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAIRS", V - 1)
    assert set(fitted(texts([A], [B]), [([0], [1])], [])) == {"dummy"}


# ---- steps ---------------------------------------------------------------------------------------------


def steps(task: str, rows: int = 24, longest: int = 6, weight: Tensor | None = None) -> Dataset:
    """Ragged sequences of two variables; the answer of a step follows from its own values."""
    rng = np.random.default_rng(1)
    length = rng.integers(1, longest + 1, rows)
    length[0] = longest
    x = rng.normal(size=(rows, longest, 2))
    real = np.arange(longest) < length[:, None]
    x[~real] = 0
    x[1, 0, 0] = np.nan
    score = np.nan_to_num(x[..., 0]) - x[..., 1]
    target = Target(("y",), "regression", each_step=True)
    if task == "regression":
        y = np.where(
            real[..., None], 3 * score[..., None] + 1 + rng.normal(size=score.shape)[..., None], np.nan
        )
    else:
        target = Target(("y",), "multiclass", ("a", "b", "c"), each_step=True)
        y = np.where(real, (score > -1).astype(int) + (score > 0.5), -1)
    columns = [Column("s", "sequence", "feature", shape=(longest, 2))]
    inputs = {
        "sequence": torch.from_numpy(x),
        "length": torch.from_numpy(length),
        "numeric": torch.zeros(rows, 0),
        "category": torch.zeros(rows, 0).long(),
    }
    return Dataset(Schema.of(columns, target), inputs, torch.from_numpy(y), weight, np.arange(rows))


FOLDS = [(list(range(10)), list(range(10, 20))), (list(range(10, 20)), list(range(10)))]
TEST = [20, 21, 22, 23]


def flat(data: Dataset, rows: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert data.target is not None
    y = data.target[rows].numpy()
    real = ~np.isnan(y[..., 0]) if y.ndim == 3 else y >= 0
    return data.inputs["sequence"][rows].nan_to_num().numpy()[real], y[real], real


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_they_are_what_scikit_learn_gives_of_all_steps(task: str) -> None:
    data = steps(task)
    found = fitted(data, FOLDS, TEST)
    assert list(found) == ["dummy", "logistic" if task == "multiclass" else "ridge"]
    constants, on_test = [], []
    for fold, (training, validation) in enumerate(FOLDS):
        x, y, _ = flat(data, training)
        center, scale = x.mean(0), x.std(0)
        model = (LogisticRegression(max_iter=300) if task == "multiclass" else Ridge()).fit(
            (x - center) / scale, y
        )
        ask = model.predict_proba if task == "multiclass" else model.predict
        later, _, real = flat(data, validation)
        wanted = np.asarray(ask((later - center) / scale)).reshape(len(later), -1)
        said = list(found.values())[1].validation[fold].numpy()
        assert said.shape == (10, 6, wanted.shape[1])
        np.testing.assert_allclose(said[real], wanted, atol=1e-4)
        later, _, on = flat(data, TEST)
        on_test.append(np.asarray(ask((later - center) / scale)).reshape(len(later), -1))
        constants.append(np.bincount(y, minlength=3) / len(y) if task == "multiclass" else y.mean(0))
        said = found["dummy"].validation[fold].numpy()
        np.testing.assert_allclose(said, np.broadcast_to(constants[-1], said.shape))
    made = list(found.values())[1].test
    assert made is not None
    np.testing.assert_allclose(made.numpy()[on], np.mean(on_test, 0), atol=1e-4)
    assert found["dummy"].test is not None
    np.testing.assert_allclose(found["dummy"].test[0, 0], np.mean(constants, 0))


def test_no_row_that_is_judged_is_learnt_from() -> None:
    data = steps("regression")
    before = fitted(data, FOLDS, TEST)
    assert data.target is not None
    data.target[TEST] += 1e6
    data.target[:10] += 100.0
    after = fitted(data, FOLDS, TEST)
    for name in before:
        assert torch.equal(before[name].validation[1], after[name].validation[1]), name
        assert not torch.equal(before[name].validation[0], after[name].validation[0]), name
        moved = (after[name].test - before[name].test).nan_to_num()  # type: ignore[operator]
        assert moved.abs().max() < 1000, name


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_weights_count_and_rows_of_weight_zero_do_not_exist(task: str) -> None:
    weight = torch.ones(24)
    weight[[2, 5]] = 0
    weight[3] = 3
    some = fitted(steps(task, weight=weight), FOLDS[:1], TEST)
    again = [i for i in range(10) if i not in (2, 5)] + [3, 3]
    by_hand = fitted(steps(task), [(again, FOLDS[0][1])], TEST)
    for name, baseline in some.items():
        if name == "dummy":
            torch.testing.assert_close(baseline.validation[0], by_hand[name].validation[0])
        else:  # the standardisation is of rows as they are, so that a penalty differs a little
            torch.testing.assert_close(
                baseline.validation[0], by_hand[name].validation[0], atol=0.2, rtol=0.1
            )
    none = fitted(steps(task), FOLDS[:1], TEST)
    assert not torch.allclose(none["dummy"].validation[0], some["dummy"].validation[0])


def test_texts_weigh_what_they_weigh() -> None:
    rows = [[A, A, B], [A], [C, B], [B]]
    some = fitted(texts(*rows, weight=[1.0, 0.0, 1.0, 1.0]), [([0, 1, 2], [3])], [])
    none = fitted(texts(*rows), [([0, 2], [3])], [])
    for name in ("dummy", "bigram"):
        torch.testing.assert_close(some[name].validation[0], none[name].validation[0])
    twice = fitted(texts(*rows, weight=[2.0, 2.0, 2.0, 2.0]), [([0, 1, 2], [3])], [])
    plain = fitted(texts(*rows), [([0, 1, 2], [3])], [])
    torch.testing.assert_close(twice["bigram"].validation[0], plain["bigram"].validation[0])


def test_steps_of_one_class_give_that_class() -> None:
    data = steps("multiclass")
    assert data.target is not None
    data.target[:10] = torch.where(data.target[:10] >= 0, 1, -1)
    found = fitted(data, [FOLDS[0]], TEST)
    for baseline in found.values():
        assert baseline.validation[0].argmax(-1).unique().tolist() == [1]


def test_a_class_that_a_fold_lacks_has_probability_zero() -> None:
    data = steps("multiclass")
    assert data.target is not None
    data.target[:10] = torch.where(data.target[:10] == 2, 1, data.target[:10])
    said = fitted(data, [FOLDS[0]], TEST)["logistic"].validation[0]
    assert (said[..., 2] == 0).all()
    torch.testing.assert_close(said.sum(-1), torch.ones_like(said[..., 0]))


def test_answers_longer_than_what_is_read_are_answered_all_the_same() -> None:
    """Forecasts and generation: the answer may go on where nothing is read any more."""
    data = steps("regression")
    assert data.target is not None
    short = {**data.inputs, "sequence": data.inputs["sequence"][:, :4]}
    found = fitted(Dataset(data.schema, short, data.target, None, data.rows), FOLDS, TEST)
    for baseline in found.values():
        assert baseline.validation[0].shape == (10, 6, 1)
        assert baseline.validation[0].isfinite().all()


def test_without_folds_there_is_one_fit_on_all_development_rows() -> None:
    found = fitted(steps("multiclass"), [], TEST)
    for baseline in found.values():
        assert baseline.validation == ()
        assert baseline.test is not None
        assert baseline.test.shape == (4, 6, 3)


def test_without_a_sequence_there_are_shares_alone() -> None:
    data = steps("multiclass")
    inputs = {n: x for n, x in data.inputs.items() if n != "sequence"}
    assert set(fitted(Dataset(data.schema, inputs, data.target, None, data.rows), FOLDS, TEST)) == {"dummy"}


def test_very_many_steps_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(steps("regression"), FOLDS, TEST)["ridge"].validation[0]
    monkeypatch.setattr(module, "MOST_STEPS", 20)
    once, again = (fitted(steps("regression"), FOLDS, TEST)["ridge"].validation[0] for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, whole)
    assert (once - whole).abs().mean() < 1


def test_what_cannot_be_fitted_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no\n good")

    monkeypatch.setattr(module, "_linear", fail)
    found = fitted(steps("multiclass"), FOLDS, TEST)
    assert found["logistic"].failed
    assert found["logistic"].note == "It could not be fitted: no good"
    assert not found["dummy"].failed


# ---- judged step by step -------------------------------------------------------------------------------


def test_steps_are_judged_as_rows_of_their_own() -> None:
    """Positions repeat for the steps of a row; padding and missing answers are not judged."""
    data = steps("multiclass", weight=torch.arange(24.0) + 1)
    assert data.target is not None
    data.target[0, 2] = -1
    positions = np.array([3, 0, 7])
    output = torch.rand(3, 6, 3)
    judged = judge("validation", data, positions, output)
    real = data.target[positions] >= 0
    assert len(judged) == int(real.sum())
    assert judged.rows == 3
    assert torch.equal(judged.output, output[real])
    assert torch.equal(judged.target, data.target[positions][real])
    assert judged.positions.tolist() == np.repeat(positions, real.sum(1).numpy()).tolist()
    assert judged.weight is not None
    assert judged.weight.tolist() == (judged.positions + 1).tolist()
    assert judged.together is not None
    assert judged.together.tolist() == judged.positions.tolist()


def test_a_text_is_judged_by_what_its_true_tokens_had() -> None:
    data = texts([A, B], [C])
    output = torch.rand(2, 3, 2)
    judged = judge("test", data, np.array([0, 1]), output)
    assert judged.positions.tolist() == [0, 0, 0, 1, 1]
    assert (judged.target == 0).all()
    assert torch.equal(judged.output, torch.cat([output[0], output[1, :2]]))


def parted(data: Dataset, rows: list[int], seed: int) -> tuple[Judged, Tensor]:
    output = torch.rand(len(rows), 6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return judge("validation", data, np.array(rows), output), output


def test_pooled_steps_are_the_mean_of_the_same_step_in_every_part() -> None:
    data = steps("multiclass")
    one, a = parted(data, [4, 0, 9], 0)
    other, b = parted(data, [9, 2, 4], 1)
    joined = pooled([one, other])
    assert data.target is not None
    wanted = {0: a[1], 2: b[1], 4: (a[0] + b[2]) / 2, 9: (a[2] + b[0]) / 2}
    real = {row: data.target[row] >= 0 for row in wanted}
    torch.testing.assert_close(joined.output, torch.cat([wanted[row][real[row]] for row in sorted(wanted)]))
    assert torch.equal(joined.target, torch.cat([data.target[row][real[row]] for row in sorted(wanted)]))
    assert joined.positions.tolist() == [row for row in sorted(wanted) for _ in range(int(real[row].sum()))]
    assert joined.rows == 4


def test_pooled_rows_without_steps_are_as_before() -> None:
    target = torch.tensor([0, 1, 1])
    output = torch.rand(3, 2, dtype=torch.float64)
    first = Judged("validation", output[[0, 2]], target[[0, 2]], None, np.array([0, 2]))
    second = Judged("validation", output[[1, 0]], target[[1, 0]], None, np.array([1, 0]))
    joined = pooled([second, first])
    torch.testing.assert_close(joined.output, output)
    assert joined.target.tolist() == target.tolist()
    assert joined.positions.tolist() == [0, 1, 2]
    assert joined.together is None


def test_one_part_pooled_is_itself_in_order() -> None:
    one, _ = parted(steps("multiclass"), [1, 5], 0)
    joined = pooled([one])
    torch.testing.assert_close(joined.output, one.output)
    assert joined.positions.tolist() == one.positions.tolist()
