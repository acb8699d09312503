"""The shares of tokens, as a simple model of what stands in a gap."""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl
import torch
from small_studies import posed

from coterie.data.tokens import SPECIAL
from coterie.metrics.unsupervised import MEASURES
from coterie.models.masked import hidden_of, judging
from coterie.study.gap_baselines import fit_gap_baselines

TEXTS = [
    f"{'the ' * (i % 4 + 1)}fox {'was' if i % 3 else 'is'} here and {'there ' * (i % 2)}" for i in range(40)
]
PLACE = MEASURES.index("masked_loss")


def test_it_tells_hidden_tokens_by_their_shares_among_the_training_rows() -> None:
    problem = posed(pl.DataFrame({"text": TEXTS}), models=("bert",), kinds={"text": "text"}, folds=2)
    dataset, test = problem.dataset, problem.test
    (made,) = fit_gap_baselines(dataset, problem.folds, problem.development, test)
    tokens, place = dataset.inputs["tokens"], dataset.inputs["place"]
    hidden = hidden_of(tokens, judging(torch.tensor(0), place))
    assert made.name == "dummy"
    assert made.test is not None
    assert [len(part) for part in made.validation] == [len(rows) for _, rows in problem.folds]
    size = dataset.schema.features[0].shape[1]
    for (training, rows), said in zip(problem.folds, made.validation, strict=True):
        counts = Counter(tokens[training].flatten().tolist())
        weight = {i: counts[i] + 1 for i in (1, *range(len(SPECIAL), size))}
        total = sum(weight.values())
        for row, loss in zip(rows.tolist(), said[:, PLACE].tolist(), strict=True):
            asked = tokens[row][hidden[row]].tolist()
            assert asked
            np.testing.assert_allclose(loss, -np.mean([np.log(weight[i] / total) for i in asked]))
    others = [i for i in range(len(MEASURES)) if i != PLACE]
    assert made.test[:, others].isnan().all()
    assert made.test[:, PLACE].isfinite().all()


def test_without_rows_to_judge_there_is_none() -> None:
    problem = posed(pl.DataFrame({"text": TEXTS}), models=("bert",), kinds={"text": "text"}, folds=2)
    nothing = problem.test[:0]
    assert not list(fit_gap_baselines(problem.dataset, (), problem.development, nothing))
