"""Random numbers: a pure function, the same eager and compiled, in Python and in tensors; and random."""

from __future__ import annotations

import itertools
import math
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from coterie.randomness import MASK, bits, fold, keep_mask, mix, permutation, site

words = st.integers(0, MASK)
quick = settings(max_examples=100, deadline=None)
ODD_SIZES = (1, 2, 3, 5, 7, 8, 9, 15, 17, 31, 33, 63, 65, 127, 129, 255, 257, 1000, 1023, 4097)
SURE = 1e-6  # how unlikely a failure by chance is, of true randomness; the draws are fixed


def keys(n: int, start: int = 0) -> Tensor:
    """n keys (n, 1) as the engine makes them."""
    return fold(torch.full((n, 1), 7), torch.arange(start, start + n)[:, None])


# ---- one function everywhere -----------------------------------------------------------------------------


@quick
@given(key=words, word=words)
def test_python_integers_and_tensors_agree(key: int, word: int) -> None:
    assert mix(torch.tensor(key)).item() == mix(key)
    assert fold(torch.tensor(key), torch.tensor(word)).item() == fold(key, word)
    assert fold(torch.tensor(key), word).item() == fold(key, word)
    assert 0 <= mix(key) <= MASK
    assert 0 <= fold(key, word) <= MASK


def reference_bits(key: int, position: int) -> int:
    """`bits` once more in Python integers, which do not overflow."""
    x = position ^ key
    x ^= x >> 16
    x = x * 0x21F0AAAD & MASK
    x ^= (x >> 15) ^ key
    x = x * 0x735A2D97 & MASK
    return x ^ (x >> 15)


@quick
@given(key=words)
def test_bits_are_those_of_unbounded_integers(key: int) -> None:
    assert bits(torch.tensor(key), 9).tolist() == [reference_bits(key, i) for i in range(9)]


def test_a_position_has_its_number_whatever_the_size_and_the_company() -> None:
    many = bits(keys(5), 1000)
    for i, key in enumerate(keys(5)):
        for size in ODD_SIZES[:17]:
            assert torch.equal(bits(key, size), many[i, :size])
    assert torch.equal(torch.func.vmap(lambda key: bits(key, 33))(keys(5)[:, 0]), many[:, :33])


def everything(key: Tensor, drop: Tensor) -> list[Tensor]:
    """All that is drawn, at sizes that leave odd rests to vectors and threads, as one graph."""
    drawn = [fold(key, 12345)]
    for size in (1, 17, 255, 1023):
        drawn += [bits(key, size), keep_mask(key[0, 0], (size,), drop)]
    return drawn


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="there is no C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own, as it is imported
def test_compiled_gives_the_same_bits_at_every_size() -> None:
    given = keys(3, start=2**31), torch.tensor(0.3)
    compiled = torch.compile(everything, dynamic=False)(*given)
    for a, b in zip(everything(*given), compiled, strict=True):
        assert torch.equal(a, b)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_gives_the_same_bits() -> None:
    given = keys(3, start=2**31), torch.tensor(0.3)
    there = [t.cuda() for t in given]
    for a, b in zip(everything(*given), everything(*there), strict=True):
        assert torch.equal(a, b.cpu())


def test_the_numbers_stay_what_they_are() -> None:
    """A change here changes every result of every seed: it needs a reason, and a word in the changelog."""
    assert (mix(1), fold(7, 1), site("dropout")) == (2261973619, 1510917243, 1732184158)
    drawn = bits(torch.tensor(fold(7, 1)), 4)
    assert drawn.tolist() == [4148136725, 1979411242, 901130260, 1311248068]
    assert permutation(torch.tensor(5), 8, 8).tolist() == [2, 4, 5, 6, 7, 0, 3, 1]


# ---- folding ---------------------------------------------------------------------------------------------


def test_mix_is_one_to_one_and_stirs() -> None:
    small = torch.arange(2**16)
    large = torch.randint(2**32, (2**16,), generator=torch.Generator().manual_seed(0)).unique()
    for x in (small, large):
        assert mix(x).unique().numel() == x.numel()
        for bit in range(32):  # flipping one bit of the input flips each of the output half the time
            changed = mix(x) ^ mix(x ^ (1 << bit))
            share = torch.stack([(changed >> i & 1).double().mean() for i in range(32)])
            assert (share - 0.5).abs().max() < 0.02, bit


@quick
@given(key=words, one=words, other=words)
def test_words_give_distinct_keys_and_order_matters(key: int, one: int, other: int) -> None:
    assert (fold(key, one) == fold(key, other)) == (one == other)
    if one != other:
        assert fold(fold(key, one), other) != fold(fold(key, other), one)


def test_sites_are_distinct_words() -> None:
    names = [f"network.body.hidden.{i}.{what}" for i in range(500) for what in ("dropout.key", "noise.key")]
    drawn = {site(name) for name in (*names, "", "a", "aa", "order", "sites")}
    assert len(drawn) == len(names) + 5
    assert all(0 <= word <= MASK for word in drawn)


# ---- masks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (5, 7, 3)])
def test_masks_have_any_shape(shape: tuple[int, ...]) -> None:
    mask = keep_mask(torch.tensor(99), shape, torch.tensor(0.5))
    assert mask.shape == shape
    assert mask.dtype == torch.float32
    assert set(mask.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("drop", [0.0, 0.01, 0.3, 0.5, 0.95])
def test_masks_drop_their_share(drop: float) -> None:
    n = 400_001
    kept = int(keep_mask(torch.tensor(fold(1, 2)), (n,), torch.tensor(drop)).sum())
    exact = int(drop * 65536) / 65536  # to within 2⁻¹⁶, as promised
    assert stats.binomtest(n - kept, n, exact).pvalue > SURE if drop else kept == n


# ---- permutations ----------------------------------------------------------------------------------------


@quick
@given(key=words, n=st.integers(0, 40), padding=st.integers(0, 9))
def test_a_permutation_is_one_and_does_not_know_its_padding(key: int, n: int, padding: int) -> None:
    order = permutation(torch.tensor(key), n, n)
    assert sorted(order.tolist()) == list(range(n))
    padded = permutation(torch.tensor([[key]]), torch.tensor([[n]]), n + padding)[0]
    assert padded.tolist() == [*order.tolist(), *range(n, n + padding)]


def test_members_of_other_sizes_are_permuted_as_alone() -> None:
    sizes = torch.tensor([[5], [17], [9]])
    together = permutation(keys(3), sizes, 17)
    for i, n in enumerate(sizes[:, 0].tolist()):
        assert torch.equal(together[i, :n], permutation(keys(3)[i], n, n))


def test_all_orders_are_equally_likely() -> None:
    n, draws = 5, 60_000
    orders = permutation(keys(draws), torch.tensor(n), n)
    code = (orders * torch.tensor([n**i for i in range(n)])).sum(1)
    counts = torch.tensor(
        [
            int((code == sum(p * n**i for i, p in enumerate(o))).sum())
            for o in itertools.permutations(range(n))
        ]
    )
    assert counts.sum() == draws
    assert stats.chisquare(counts.numpy()).pvalue > SURE


# ---- uniformity ------------------------------------------------------------------------------------------


def check_uniform(drawn: Tensor) -> None:
    """Each byte of 32-bit numbers, alone and with its successor."""
    for shift in (0, 8, 16, 24):
        byte = (drawn >> shift & 0xFF).numpy()
        assert stats.chisquare(np.bincount(byte, minlength=256)).pvalue > SURE
        pairs = (byte[:-1] >> 4) * 16 + (byte[1:] >> 4)
        assert stats.chisquare(np.bincount(pairs[::2], minlength=256)).pvalue > SURE


def test_along_positions_of_one_key_they_are_uniform() -> None:
    for key in (0, 1, MASK, fold(3, 4)):
        check_uniform(bits(torch.tensor(key), 2**16))


def test_along_keys_of_one_position_they_are_uniform() -> None:
    for position in (0, 1, 63):
        check_uniform(bits(keys(2**14), 64)[:, position])


def test_keys_and_positions_are_uncorrelated() -> None:
    drawn = bits(keys(40), 10_000).double() / 2**32
    correlation = torch.corrcoef(drawn) - torch.eye(40)
    assert correlation.abs().max() < stats.norm.isf(SURE) / math.sqrt(10_000)
    for lag in (1, 2, 16, 64):
        ahead = torch.corrcoef(torch.stack([drawn[:, lag:].flatten(), drawn[:, :-lag].flatten()]))[0, 1]
        assert abs(ahead) < stats.norm.isf(SURE) / math.sqrt(drawn.numel())


def test_two_keys_do_not_give_the_same_numbers_reordered() -> None:
    sets = [frozenset(bits(key, 256).tolist()) for key in keys(50)]
    assert max(len(a & b) for a, b in itertools.combinations(sets, 2)) <= 2
