"""From a question and a table to what is fixed before training: rows, roles, split, schema, tensors."""

import numpy as np
import polars as pl
import pytest
import torch
from small_studies import patients, posed

from coterie.errors import CoterieError, DataError


def frame(rows=60, **columns):
    return pl.DataFrame({**patients(rows), **columns})


def parts(problem):
    return [problem.development, problem.test, *(p for fold in problem.folds for p in fold)]


def test_every_usable_row_is_in_one_place():
    problem = posed(frame(), target="ill")
    assert np.array_equal(np.sort(np.concatenate(parts(problem)[:2])), np.arange(60))
    assert len(problem.folds) == 5
    for training, validation in problem.folds:
        assert np.array_equal(np.sort(np.concatenate([training, validation])), problem.development)
    assert problem.split.kind == "stratified"
    assert problem.training_rows == min(len(t) for t, _ in problem.folds)


def test_rows_without_a_target_are_left_out_and_positions_follow():
    data = frame().with_columns(
        ill=pl.Series(["" if i % 5 == 0 else v for i, v in enumerate(patients()["ill"])])
    )
    problem = posed(data.with_columns(pl.col("ill").replace("", None)), target="ill")
    assert len(problem.dataset) == 48
    assert not (problem.dataset.rows % 5 == 0).any()
    assert max(p.max() for p in parts(problem)) < 48
    whole = dict(zip(range(60), patients()["dose"], strict=True))
    dose = problem.schema.numeric.index("dose")
    got = problem.dataset.inputs["numeric"][:, dose].numpy()
    np.testing.assert_allclose(got, [whole[r] for r in problem.dataset.rows], rtol=1e-6)


def test_a_test_table_is_the_test_set():
    problem = posed(frame(), frame(20).with_columns(extra=pl.lit(1)), target="ill")
    assert np.array_equal(problem.development, np.arange(60))
    assert np.array_equal(problem.test, np.arange(60, 80))
    assert "extra" not in problem.schema.numeric
    assert len(problem.folds) == 5


def test_the_columns_of_a_test_table_may_come_in_another_order_and_type(tmp_path):
    frame().write_csv(tmp_path / "a.csv")
    frame(20).select("ill", "ward", "dose", "age").write_parquet(tmp_path / "b.parquet")
    problem = posed(tmp_path / "a.csv", tmp_path / "b.parquet", target="ill")
    assert problem.schema.numeric == ("age", "dose")
    dose = problem.schema.numeric.index("dose")
    assert torch.allclose(
        problem.dataset.inputs["numeric"][60:, dose],
        torch.tensor(frame(20)["dose"].to_list()).double(),
        rtol=1e-5,
    )


def test_a_test_table_that_lacks_a_column():
    with pytest.raises(DataError, match=r"without 'ward'.*'wards'"):
        posed(frame(), frame(20).rename({"ward": "wards"}), target="ill")


def test_a_category_only_of_the_test_table_is_unseen():
    problem = posed(frame(), frame(20).with_columns(ward=pl.lit("cellar")), target="ill")
    column = problem.schema.column("ward")
    assert "cellar" not in column.vocabulary
    codes = problem.dataset.inputs["category"][:, problem.schema.category.index("ward")]
    assert set(codes[60:].tolist()) == {len(column.vocabulary)}


def test_rows_shared_with_the_test_table_are_told():
    problem = posed(frame(), frame(60)[:10], target="ill")
    assert any("test" in warning for warning in problem.warnings)


def test_a_column_of_train_validation_and_test_is_followed():
    names = np.array(["train", "validation", "test"])[np.arange(60) % 3]
    problem = posed(frame(split=names.tolist()), target="ill")
    assert np.array_equal(problem.test, np.flatnonzero(names == "test"))
    ((training, validation),) = problem.folds
    assert np.array_equal(training, np.flatnonzero(names == "train"))
    assert np.array_equal(validation, np.flatnonzero(names == "validation"))
    assert problem.split.kind == "as the table says"
    assert "split" not in problem.schema.numeric + problem.schema.category


def test_weights_come_through():
    problem = posed(frame(w=[float(i % 4 + 1) for i in range(60)]), target="ill", weight="w")
    assert torch.equal(problem.dataset.weight, torch.arange(60).remainder(4).float() + 1)
    assert "w" not in problem.schema.numeric


def test_groups_stay_together():
    who = [f"p{i // 4}" for i in range(60)]
    problem = posed(frame(who=who), target="ill", group="who")
    who = np.array(who)
    assert problem.split.kind == "grouped"
    assert not set(who[problem.development]) & set(who[problem.test])
    for training, validation in problem.folds:
        assert not set(who[training]) & set(who[validation])
    assert "who" not in problem.schema.numeric + problem.schema.category


def test_time_goes_forward():
    days = np.random.default_rng(0).permutation(60)
    data = frame(day=[f"2024-{1 + d // 28:02}-{1 + d % 28:02}" for d in days])
    problem = posed(data, target="ill", time="day")
    assert problem.split.kind == "forward in time"
    assert days[problem.test].min() >= days[problem.development].max()
    for training, validation in problem.folds:
        assert days[training].max() <= days[validation].min()


def test_the_split_depends_on_the_seed_and_not_on_the_features():
    one, other = posed(frame(), target="ill"), posed(frame().with_columns(dose=0.5, age=1), target="ill")
    assert all(np.array_equal(a, b) for a, b in zip(parts(one), parts(other), strict=True))
    third = posed(frame(), target="ill", seed=1)
    assert not np.array_equal(one.test, third.test)


@pytest.mark.parametrize(("rows", "folds"), [(100_001, 1), (100_000, 5), (60, 5), (15, 5), (12, 4), (6, 2)])
def test_how_many_folds_by_default(rows, folds):
    from coterie.study.problem import _default_folds

    assert _default_folds(rows) == folds


def test_one_fold_is_a_validation_part_and_none_is_none():
    assert len(posed(frame(), target="ill", folds=1).folds) == 1
    problem = posed(frame(), target="ill", folds=0, test_size=0)
    assert problem.folds == ()
    assert len(problem.test) == 0
    assert problem.training_rows == 60


def test_a_number_of_test_rows():
    assert len(posed(frame(), target="ill", test_size=7).test) == 7


def test_kinds_are_obeyed():
    problem = posed(frame(code=[i % 40 for i in range(60)]), target="ill", kinds={"code": "category"})
    assert "code" in problem.schema.category


def test_the_default_target_of_a_bundled_set():
    assert posed("iris").roles.target.names == ("species",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "il"}, "'ill'"),
        ({"target": "ill", "weight": "wieght"}, "weight"),
        ({"target": "ill", "group": "wart"}, "'ward'"),
        ({"target": "ill", "by": ("wart",)}, "Did you mean 'ward'"),
        ({"target": "ill", "ignore": ("wart",)}, "'ward'"),
        ({"target": "ill", "folds": 100}, "100"),
        ({"target": "ill", "test_size": 60}, "test"),
        ({"target": "ill", "task": "regresion"}, "regression"),
        ({"target": "ill", "positive": "maybe"}, "maybe"),
        ({"target": "ill", "kinds": {"dose": "categroy"}}, "category"),
        ({"target": "ill", "kinds": {"dos": "category"}}, "'dose'"),
    ],
)
def test_what_cannot_be_posed_is_said(options, said):
    with pytest.raises(CoterieError, match=said):
        posed(frame(), **options)
