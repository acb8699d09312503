"""Of very many rows a sample judges: the same for network and baselines, and the report says so."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_studies import patients, posed, tiny

from coterie import model as models
from coterie.cli.summary import summary_lines
from coterie.report.completing import complete
from coterie.report.words import honesty
from coterie.study import judging
from coterie.study.fitted import out_of_fold
from coterie.study.judging import drawn, most, said_of
from coterie.study.later import score_table

ROWS = 240


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 20 rows judge."""
    monkeypatch.setattr(judging, "ROWS", 20)


def test_rows_are_drawn_once_each_in_order_and_from_everywhere() -> None:
    rows = np.arange(100, 1100)
    some = drawn(rows, 200, seed=0)
    assert len(np.unique(some)) == 200
    assert (np.diff(some) > 0).all()
    assert set(some) <= set(rows)
    assert 500 < some.mean() < 700
    assert not np.array_equal(some, drawn(rows, 200, seed=1))
    assert drawn(rows, 1000, seed=0) is rows


def test_fewer_rows_judge_where_each_has_many_numbers() -> None:
    problem = posed(patients(), target="ill")
    target = problem.schema.target
    assert target is not None

    def of(classes: int) -> int:
        wide = dataclasses.replace(target, task="multiclass", classes=tuple(map(str, range(classes))))
        return most(dataclasses.replace(problem.schema, target=wide))

    assert most(problem.schema) == judging.ROWS
    assert of(10) * 10 == judging.NUMBERS
    assert of(10_000) == judging.FEWEST


@pytest.mark.usefixtures("few")
def test_validation_rows_are_drawn_over_all_folds() -> None:
    problem = posed(patients(ROWS), target="ill", folds=4)
    part = judging.judging(problem, seed=3)
    assert len(part.test) == 20
    assert [len(rows) for _, rows in part.folds] == [5] * 4
    for (training, validation), (all_training, all_validation) in zip(part.folds, problem.folds, strict=True):
        assert training is all_training
        assert set(validation) <= set(all_validation)
    assert "of 20 of 48 test rows and 20 of 192 validation rows, drawn at random." in said_of(part)[0]
    assert said_of(problem) == []


@pytest.mark.usefixtures("without_pages", "few")
@pytest.mark.parametrize("folds", [1, 3, 0])
def test_a_study_says_how_many_rows_it_is_judged_by(tmp_path: Path, folds: int) -> None:
    more: dict[str, Any] = {} if folds else {"candidates": 1}
    study = tiny(patients(ROWS), "ill", out=tmp_path / "run", folds=folds, models=["mlp"], **more)
    facts = study.facts
    assert facts["data"]["test"] == 48
    assert facts["data"]["judged"] == 20
    assert "drawn at random" in facts["data"]["notes"][-1]
    assert sum(map(sum, facts["confusion"])) == 20
    assert "on 20 test rows" in facts["verdict"]
    if folds:  # what chose is what is told
        chosen = min(candidate["mean"] for candidate in facts["candidates"])
        assert chosen == pytest.approx(facts["validation"]["log_loss"]["mean"], rel=1e-5)
    assert "20 test rows, drawn from 48 that were set aside" in honesty(complete(facts))
    assert any("On 20 test rows" in line for line in summary_lines(facts, study.summary()))
    later = score_table(study.model, patients(90, seed=1))
    assert (later["rows"], later["left_out"]) == (20, 0)
    assert "20 of 90 rows are scored, drawn at random" in later["warnings"][0]
    later = score_table(study.model, {**patients(20, seed=1), "ill": [None] * 5 + ["yes", "no", "no"] * 5})
    assert (later["rows"], later["left_out"]) == (15, 5)


@pytest.mark.usefixtures("without_pages")
def test_outputs_are_averaged_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = tiny(patients(ROWS), "ill", out=tmp_path / "run", models=["mlp"])
    expected = study.model.output(study.problem.dataset)
    monkeypatch.setattr(models, "AT_ONCE", 100)
    assert torch.allclose(study.model.output(study.problem.dataset), expected, rtol=1e-6)
    nothing = study.model.output(study.problem.dataset, np.empty(0, dtype=np.int64))
    assert nothing.shape == (0, 2)


class Says:
    """A model whose member of fold f says f + 1 of each row."""

    def __init__(self, fold: int | None = None) -> None:
        self.fold = fold
        self.members = [{"fold": fold, "seed": 0} for fold in range(3)]

    def subset(self, places: list[int]) -> "Says":
        return Says(places[0])

    def output(self, dataset: Any, rows: np.ndarray) -> torch.Tensor:
        assert self.fold is not None
        return torch.full((len(rows), 2), self.fold + 1.0, dtype=torch.float64)


def test_a_row_that_is_in_two_validation_parts_has_the_mean() -> None:
    problem = posed(patients(), target="ill", folds=3)
    parts = (np.array([4, 7]), np.array([2, 7]), np.array([7, 9]))
    folds = tuple((training, rows) for (training, _), rows in zip(problem.folds, parts, strict=True))
    positions, output = out_of_fold(dataclasses.replace(problem, folds=folds), Says())  # type: ignore[arg-type]
    assert positions.tolist() == [2, 4, 7, 9]
    assert output[:, 0].tolist() == [2, 1, 2, 3]
