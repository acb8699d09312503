"""Activations that are computed again: the same numbers, and less that is kept."""

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    SMALL,
    TURNS,
    arena_of,
    cohort_of,
    four_members,
    run,
    same_training,
    small,
    small_data,
    small_recipe,
)

import coterie as ct
from coterie.errors import SpecError
from coterie.training.building import network_of
from coterie.training.recompute import blocks_of

DOUBLE = torch.float64


def made_of_blocks(family, target):
    with torch.device("meta"):
        return any(blocks_of(network_of(family, small_data(family, target))))


BLOCKS = [turn for turn in TURNS if made_of_blocks(*turn[1:])]


def test_who_has_blocks():
    known = {family.name for _, family, _ in BLOCKS}
    assert {"mlp", "resnet", "vit", "bert", "gpt", "transformer", "tcn", "lstm"} <= known
    assert "linear" not in known
    network = network_of(small(FAMILIES["gpt"], depth=3), small_data(FAMILIES["gpt"](), "text"))
    assert len(list(blocks_of(network))) == 3


@pytest.mark.parametrize(("family", "target"), [b[1:] for b in BLOCKS], ids=[b[0] for b in BLOCKS])
def test_the_same_numbers(family, target):
    """With running statistics, masks and batches of a single row; of the one alone that it is for."""
    arena = arena_of(small_data(family, target), dtype=DOUBLE)
    kept, again = (
        run(cohort_of(four_members(family, small_recipe(epochs=1, recompute=on))[:1], arena))
        for on in (False, True)
    )
    same_training(again, kept, rtol=1e-9, atol=1e-12)


def test_with_dropout_in_parts_and_in_a_group():
    family = small(FAMILIES["mlp"], dropout=0.3, norm="batch")
    arena = arena_of(small_data(family, "multiclass"), dtype=DOUBLE)
    for count, times in ((1, 2), (4, 1)):
        kept, again = (
            run(cohort_of(four_members(family, small_recipe(recompute=on, accumulate=times))[:count], arena))
            for on in (False, True)
        )
        torch.testing.assert_close(again.flat, kept.flat, rtol=1e-9, atol=1e-12)


def kept_bytes(**settings):
    """What autograd keeps at most in one step of a small GPT."""
    family = FAMILIES["gpt"](**SMALL["gpt"] | {"width": 32, "depth": 6, "dropout": 0.1})
    arena = arena_of(small_data(family, "text"))
    cohort = cohort_of(four_members(family, small_recipe(batch_size=32, **settings))[:1], arena)
    own = cohort.flat.untyped_storage().data_ptr()
    alive, most = {}, 0

    class Kept:
        def __init__(self, tensor):
            self.tensor = tensor
            storage = tensor.untyped_storage()
            self.place = storage.data_ptr()
            if self.place != own:
                count, size = alive.get(self.place, (0, storage.nbytes()))
                alive[self.place] = (count + 1, size)
                nonlocal most
                most = max(most, sum(size for _, size in alive.values()))

        def __del__(self):
            if self.place in alive:
                count, size = alive.pop(self.place)
                if count > 1:
                    alive[self.place] = (count - 1, size)

    draw = cohort.draw()
    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        cohort.advance(draw)
    return most


def test_less_is_kept():
    """Measured: what lives between the forward and the backward pass, each piece of memory once."""
    usual = kept_bytes()
    assert kept_bytes(recompute=True) < usual / 3
    assert kept_bytes(accumulate=4) < usual / 3
    assert kept_bytes(recompute=True, accumulate=4) < usual / 10


def test_what_has_no_blocks_says_so(tmp_path):
    asked = {"fix": {"recompute": True}, "out": tmp_path / "one", "epochs": 1, "candidates": 1}
    with pytest.raises(SpecError, match="made of blocks"):
        ct.fit("iris", models="linear", **asked)
