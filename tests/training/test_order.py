"""Batches of rows of like length: which rows they hold, and that nothing but time depends on it."""

import dataclasses

import numpy as np
import pytest
import torch
from small_cohorts import arena_of, cohort_of, member, run, small, small_data, small_recipe

from coterie.models.catalogue import FAMILIES
from coterie.training.order import POOL, in_buckets, shuffled
from coterie.training.padding import STEP, Padding, cut
from coterie.training.plan import Candidate

COUNTS, BATCH = torch.tensor([100, 100, 61]), 8


def drawn(epoch: int = 0, counts: torch.Tensor = COUNTS, batch: int = BATCH):
    """Places and lengths (A, W), shuffled alone and in buckets."""
    g = torch.Generator().manual_seed(2)
    length = torch.randint(1, 200, (int(counts.max()),), generator=g)
    keys = torch.arange(len(counts)) + 5
    places = shuffled(keys, epoch, counts, int(counts.max()))
    return places, in_buckets(places, length[places], epoch, counts, batch), length


def spread(length: torch.Tensor, places: torch.Tensor, counts: torch.Tensor) -> list[float]:
    """The range of lengths within each full batch of each member."""
    found = []
    for own, count in zip(places, counts.tolist(), strict=True):
        full = length[own[: count // BATCH * BATCH]].view(-1, BATCH)
        found += (full.amax(1) - full.amin(1)).tolist()
    return found


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_row_comes_once_an_epoch(epoch):
    _, places, _ = drawn(epoch)
    for own, count in zip(places, COUNTS.tolist(), strict=True):
        assert sorted(own[:count].tolist()) == list(range(count))


def test_batches_are_of_like_length():
    plain, buckets, length = drawn()
    assert np.mean(spread(length, buckets, COUNTS)) < 0.25 * np.mean(spread(length, plain, COUNTS))


def test_epochs_differ_in_who_meets_whom():
    counts = torch.tensor([BATCH * POOL * 2])
    batches = []
    for epoch in (0, 1):
        _, places, _ = drawn(epoch, counts)
        batches.append({frozenset(batch) for batch in places[0].view(-1, BATCH).tolist()})
    assert not batches[0] & batches[1]


def test_what_fills_no_batch_stays_at_the_end():
    plain, buckets, _ = drawn()
    for before, after, count in zip(plain, buckets, COUNTS.tolist(), strict=True):
        full = count // BATCH * BATCH
        assert before[full:count].tolist() == after[full:count].tolist()


def test_a_member_has_the_same_order_whoever_is_beside_it():
    _, beside, length = drawn()
    alone = shuffled(torch.tensor([7]), 0, torch.tensor([61]), 61)
    alone = in_buckets(alone, length[alone], 0, torch.tensor([61]), BATCH)
    full = 61 // BATCH * BATCH
    assert {frozenset(b) for b in beside[2, :full].view(-1, BATCH).tolist()} == {
        frozenset(b) for b in alone[0, :full].view(-1, BATCH).tolist()
    }
    assert beside[2, :61].tolist() == alone[0].tolist()


def test_batches_of_a_step_are_of_like_length_over_members():
    counts = torch.tensor([256, 256])
    _, places, length = drawn(0, counts)
    means = length[places].view(2, -1, BATCH).double().mean(-1)
    apart = (means[0] - means[1]).abs().mean()
    by_chance = (means[0] - means[1].roll(5)).abs().mean()
    assert apart < 0.3 * by_chance
    assert means[0].tolist() != sorted(means[0].tolist())  # and not from short to long


def test_widths_are_those_of_the_longest_row_in_steps_of_16():
    tokens = torch.zeros(4, 100, dtype=torch.int64)
    for row, length in enumerate((3, 16, 17, 90)):
        tokens[row, :length] = 5
    padding = Padding.of({"tokens": tokens})
    widths = padding.widths(torch.tensor([[[0, 1]], [[1, 2]], [[3, 0]]]))
    assert [step["tokens"] for step in widths] == [STEP, 2 * STEP, 96]
    assert cut({"tokens": tokens}, widths[0])["tokens"].shape == (4, STEP)
    assert cut({"tokens": tokens}, {})["tokens"].shape == (4, 100)


def test_inputs_that_no_cut_shortens_are_left_out():
    assert not Padding.of({"tokens": torch.ones(3, 40, dtype=torch.int64)}).lengths
    assert Padding.of({"numeric": torch.ones(3, 40)}).total is None


def long_texts():
    """The texts of the small cohorts, each token eight times: enough for more than one width."""
    dataset = small_data(FAMILIES["bag"](), "binary")
    tokens = dataset.inputs["tokens"].repeat_interleave(8, 1)
    columns = [
        dataclasses.replace(c, shape=(tokens.shape[1], c.shape[1])) if c.kind == "text" else c
        for c in dataset.schema.columns
    ]
    schema = dataclasses.replace(dataset.schema, columns=tuple(columns))
    return dataclasses.replace(dataset, schema=schema, inputs=dataset.inputs | {"tokens": tokens})


@pytest.mark.parametrize("name", ["bag", "gru", "bert"])
def test_results_are_those_of_padding_everything(name, monkeypatch):
    dataset = long_texts()
    family = small(FAMILIES[name], dropout=0.0)  # what is dropped goes by the place in a batch
    members = [member(Candidate(0, family, small_recipe(epochs=1)), fold) for fold in range(2)]
    arena = arena_of(dataset, dtype=torch.float64)
    assert arena.padding.total is not None
    narrow = cohort_of(members, arena)
    seen = []
    widths = Padding.widths
    monkeypatch.setattr(
        Padding, "widths", lambda self, rows: seen.extend(found := widths(self, rows)) or found
    )
    short = run(narrow)
    assert {step["tokens"] for step in seen} != {dataset.inputs["tokens"].shape[1]}
    wide = dataset.inputs["tokens"].shape[1]
    monkeypatch.setattr(Padding, "widths", lambda self, rows: [{"tokens": wide} for _ in range(len(rows))])
    padded = run(cohort_of(members, arena))
    assert torch.allclose(short.flat, padded.flat, rtol=1e-9, atol=1e-12)
