"""Augmented batches: what each strength does to them, with what numbers, lifted and alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from coterie.errors import SpecError
from coterie.models.augmentation import (
    AugmentImages,
    AugmentSteps,
    ImageAugmentation,
    SequenceAugmentation,
)

IMAGE_STRENGTHS = {
    "flip": 0.5, "flip_vertical": 0.3, "crop": 0.4, "rotate": 30.0, "shift": 0.2, "shear": 15.0, "zoom": 0.3,
    "brightness": 0.5, "contrast": 0.4, "colour": 0.3, "erase": 0.4, "noise": 0.2, "mixup": 0.6,
    "cutmix": 1.0,
}  # fmt: skip
STEP_STRENGTHS = {"jitter": 0.3, "scale": 0.4, "crop_steps": 0.5, "token_dropout": 0.3}


def images(rows: int = 6, channels: int = 3, height: int = 7, width: int = 9) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randn(rows, channels, height, width, generator=generator, dtype=torch.float64)
    return {"image": drawn, "numeric": drawn[:, 0, 0, :2].clone()}


def steps(rows: int = 8, longest: int = 10) -> dict[str, Tensor]:
    """Sequences of the numbers 1, 2, …, of lengths 10, 9, …, and texts of as many tokens, 2 at the start."""
    length = longest - torch.arange(rows) % longest
    at = torch.arange(longest)
    real = at < length[:, None]
    count = torch.where(real, at + 1, 0).double()
    tokens = torch.where(real, torch.where(at == 0, 2, at + 5), 0)
    return {"sequence": torch.stack([count, -count], -1), "length": length, "tokens": tokens}


def layer_of(kind: type[nn.Module], key: int = 7, **strengths: float) -> nn.Module:
    layer = kind(strengths).double()
    layer.key = torch.tensor(key)
    return layer


def seen(prepared: dict[str, Tensor], key: int = 7, **strengths: float) -> Tensor:
    return layer_of(AugmentImages, key, **strengths)(prepared)["image"]


# ---- declarations ----------------------------------------------------------------------------------------


def test_all_is_off_unless_asked_for() -> None:
    assert ImageAugmentation().augment((3, 8, 8)) is None
    assert SequenceAugmentation().augment() is None
    assert ImageAugmentation(colour=0.5).augment((1, 8, 8)) is None  # a grey image has no colour
    layer = ImageAugmentation(flip=0.5, noise=0.1).augment((1, 8, 8))
    assert {name for name, _ in layer.named_buffers()} == {"key", "present", "flip", "noise"}
    assert not list(layer.parameters())


def test_steps_with_targets_of_their_own_are_not_cut_away() -> None:
    with pytest.raises(SpecError, match="each has its own target"):
        SequenceAugmentation(crop_steps=0.2).augment(each_step=True)
    assert SequenceAugmentation(jitter=0.2).augment(each_step=True) is not None


def test_every_strength_declared_is_known_here_and_changes_something() -> None:
    assert set(ImageAugmentation().values()) == set(IMAGE_STRENGTHS)
    assert set(SequenceAugmentation().values()) == set(STEP_STRENGTHS)
    for name, strength in IMAGE_STRENGTHS.items():
        assert not torch.equal(seen(images(), **{name: strength}), images()["image"]), name
    for name, strength in STEP_STRENGTHS.items():
        out = layer_of(AugmentSteps, **{name: strength})(steps())
        changed = {k for k, x in steps().items() if not torch.equal(out[k], x)}
        wanted = {"token_dropout": {"tokens"}, "crop_steps": {"sequence", "length"}}
        assert changed == wanted.get(name, {"sequence"}), name


# ---- what every augmentation owes ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AugmentImages, AugmentSteps])
def test_in_use_nothing_is_augmented(kind: type[nn.Module]) -> None:
    given = images() | steps(6)
    layer = layer_of(kind, **(IMAGE_STRENGTHS if kind is AugmentImages else STEP_STRENGTHS)).eval()
    assert all(torch.equal(layer(given)[name], x) for name, x in given.items())


@pytest.mark.parametrize("name", sorted(set(IMAGE_STRENGTHS) - {"mixup", "cutmix", "flip", "flip_vertical"}))
def test_a_tiny_strength_changes_images_by_little(name: str) -> None:
    given = images()
    torch.testing.assert_close(seen(given, **{name: 1e-9}), given["image"], rtol=0, atol=1e-6)


def test_a_key_always_gives_the_same_and_another_gives_others() -> None:
    given = images()
    assert torch.equal(seen(given, **IMAGE_STRENGTHS), seen(given, **IMAGE_STRENGTHS))
    assert not torch.equal(seen(given, **IMAGE_STRENGTHS), seen(given, key=8, **IMAGE_STRENGTHS))


def test_what_was_given_stays_as_it_was() -> None:
    given, untouched = images() | steps(6), images() | steps(6)
    layer_of(AugmentImages, **IMAGE_STRENGTHS)(given)
    layer_of(AugmentSteps, **STEP_STRENGTHS)(given)
    assert given.keys() == untouched.keys()
    assert all(torch.equal(x, untouched[name]) for name, x in given.items())


def test_a_row_does_not_depend_on_rows_behind_it() -> None:
    alone = {name: s for name, s in IMAGE_STRENGTHS.items() if name not in ("mixup", "cutmix")}
    whole, part = images(6), images(6)
    part = {name: x[:4] for name, x in part.items()}
    torch.testing.assert_close(seen(whole, **alone)[:4], seen(part, **alone), rtol=0, atol=0)
    layer = layer_of(AugmentSteps, **STEP_STRENGTHS)
    long, short = layer(steps(8)), layer({name: x[:5] for name, x in steps(8).items()})
    assert all(torch.equal(long[name][:5], short[name]) for name in long)


def test_single_precision_gives_the_same_examples() -> None:
    given = images()
    narrow = AugmentImages(IMAGE_STRENGTHS)
    narrow.key = torch.tensor(7)
    out = narrow({name: x.float() for name, x in given.items()})
    wide = layer_of(AugmentImages, **IMAGE_STRENGTHS)(given)
    assert out["image"].dtype == torch.float32
    assert torch.equal(out["partner"], wide["partner"])
    torch.testing.assert_close(out["image"].double(), wide["image"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [AugmentImages, AugmentSteps])
def test_members_of_different_strengths_equal_those_alone(kind: type[nn.Module]) -> None:
    strengths = IMAGE_STRENGTHS if kind is AugmentImages else STEP_STRENGTHS
    prepared = images() if kind is AugmentImages else steps()
    layer, members = layer_of(kind, **strengths), 3
    share = torch.linspace(0.3, 1, members, dtype=torch.float64)
    buffers = {name: share * strength for name, strength in strengths.items()}
    buffers["key"] = torch.tensor([3, 1 << 31, 12345])
    if kind is AugmentImages:
        buffers["present"] = (torch.arange(6) < torch.tensor([[6], [4], [1]])).double()
    lifted = vmap(lambda own: functional_call(layer, own, (prepared,)))(buffers)
    for m in range(members):
        alone = functional_call(layer, {name: b[m] for name, b in buffers.items()}, (prepared,))
        assert alone.keys() == lifted.keys()
        for name, x in alone.items():
            torch.testing.assert_close(lifted[name][m], x, rtol=1e-12, atol=1e-12)


def test_gradients_of_what_follows_are_the_same_lifted_and_alone() -> None:
    layer, given = layer_of(AugmentImages, **IMAGE_STRENGTHS), images()
    weights = torch.randn(3, 3 * 7 * 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    keys = torch.tensor([1, 2, 3])

    def loss(weight: Tensor, key: Tensor) -> Tensor:
        out = functional_call(layer, {"key": key}, (given,))
        answer = (out["image"].flatten(1) @ weight).square()
        return (out["share"] * answer + (1 - out["share"]) * answer[out["partner"]]).mean()

    lifted = vmap(grad(loss))(weights, keys)
    assert (lifted != 0).all()
    for m in range(3):
        weight = weights[m].clone().requires_grad_()
        (alone,) = torch.autograd.grad(loss(weight, keys[m]), [weight])
        torch.testing.assert_close(lifted[m], alone, rtol=1e-9, atol=1e-12)


# ---- images ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "axis"), [("flip", -1), ("flip_vertical", -2)])
def test_flips_mirror_the_share_asked_for(name: str, axis: int) -> None:
    given = images(2000, 1, 2, 2)
    image = given["image"]
    assert torch.equal(seen(given, **{name: 1.0}), image.flip(axis))
    turned = (seen(given, **{name: 0.3}) == image.flip(axis)).flatten(1).all(1)
    assert torch.equal(seen(given, **{name: 0.3})[~turned], image[~turned])
    assert turned.double().mean().item() == pytest.approx(0.3, abs=0.04)  # four standard errors


def marked(rows: int, side: int = 41) -> dict[str, Tensor]:
    """A ramp to the right in the first channel, a ramp down in the second: pixels say where they are from."""
    ramp = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2).expand(side, side)
    return {"image": torch.stack([ramp, ramp.T]).expand(rows, 2, side, side)}


def source(rows: int = 400, **strengths: float) -> tuple[Tensor, Tensor, Tensor]:
    """From where the middle pixels are: at the centre (B, 2), a step to the right of it, a step below it."""
    image = seen(marked(rows), **strengths)
    middle = image[:, :, 20, 20]
    return middle, image[:, :, 20, 21] - middle, image[:, :, 21, 20] - middle


def test_rotations_keep_lengths_and_reach_the_angle() -> None:
    centre, right, down = source(rotate=50.0)
    torch.testing.assert_close(centre, torch.zeros_like(centre), rtol=0, atol=1e-9)
    torch.testing.assert_close(right.norm(dim=1), torch.ones(400).double(), rtol=1e-9, atol=0)
    torch.testing.assert_close((right * down).sum(1), torch.zeros(400).double(), rtol=0, atol=1e-9)
    angle = torch.rad2deg(torch.atan2(right[:, 1], right[:, 0]))
    assert 48 < angle.max() <= 50
    assert -50 <= angle.min() < -48
    assert angle.mean().abs() < 4 * 50 / math.sqrt(3 * 400)


def test_shifts_move_as_far_as_the_share_of_the_side_and_do_nothing_else() -> None:
    centre, right, down = source(shift=0.25)
    torch.testing.assert_close(right, torch.tensor([1.0, 0.0]).double().expand(400, 2))
    torch.testing.assert_close(down, torch.tensor([0.0, 1.0]).double().expand(400, 2))
    assert 10 < centre.abs().max() <= 0.25 * 41
    assert torch.corrcoef(centre.T)[0, 1].abs() < 0.2  # right and down are drawn apart


def test_zooms_change_sizes_by_up_to_the_factor_either_way() -> None:
    centre, right, down = source(zoom=0.5)
    torch.testing.assert_close(centre, torch.zeros_like(centre), rtol=0, atol=1e-9)
    torch.testing.assert_close(right[:, 0], down[:, 1])
    assert 1.47 < right[:, 0].max() <= 1.5
    assert 1 / 1.5 <= right[:, 0].min() < 1 / 1.47


def test_shears_lean_upright_lines_and_keep_level_ones() -> None:
    _, right, down = source(shear=45.0)
    torch.testing.assert_close(right, torch.tensor([1.0, 0.0]).double().expand(400, 2))
    torch.testing.assert_close(down[:, 1], torch.ones(400).double())
    assert 0.9 < down[:, 0].max() <= 1
    assert -1 <= down[:, 0].min() < -0.9


def test_crops_enlarge_a_part_that_lies_within_the_image() -> None:
    image = seen(marked(400), crop=0.5)
    side = (image[:, 0, 20, 30] - image[:, 0, 20, 10]) / 20
    assert 0.5 <= side.min() < 0.52
    assert 0.98 < side.max() <= 1
    reach = image[:, :, 20, 20].abs() + side[:, None] * 41 / 2  # how far the window goes from the centre
    assert reach.max() <= 41 / 2 + 1e-9


def test_moves_are_done_in_their_order() -> None:
    """Images are turned and then shifted: across, no centre comes from farther than the share of a side."""
    centre, right, _ = source(rotate=180.0, shift=0.25)
    across = (right * centre).sum(1).abs()
    assert 10 < across.max() <= 0.25 * 41 + 1e-9
    assert centre.abs().max() > 11  # before they were turned; shifted first, these two would change places


def test_brightness_and_contrast_change_level_and_spread_alone() -> None:
    given = images(300)
    image = given["image"]
    added = seen(given, brightness=0.5) - image
    torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(added))
    assert 0.47 < added.max() <= 0.5
    assert -0.5 <= added.min() < -0.47
    spread = seen(given, contrast=0.4).std((1, 2, 3)) / image.std((1, 2, 3))
    assert 1.38 < spread.max() <= 1.4 + 1e-9
    assert 0.6 - 1e-9 <= spread.min() < 0.62
    torch.testing.assert_close(seen(given, contrast=0.4).mean((1, 2, 3)), image.mean((1, 2, 3)))


def test_colour_keeps_the_grey_of_every_pixel() -> None:
    given = images(50)
    changed = seen(given, colour=0.8)
    torch.testing.assert_close(changed.mean(1), given["image"].mean(1))
    assert (changed - given["image"]).abs().mean() > 0.1


def test_erasing_covers_one_rectangle_with_the_mean() -> None:
    given = images(500, 1, 20, 20)
    gone = seen(given, erase=0.4)[:, 0] == 0
    tall, wide = gone.any(2).sum(1), gone.any(1).sum(1)
    assert torch.equal(gone.sum((1, 2)), tall * wide)  # a rectangle has that many pixels
    share = gone.double().mean((1, 2))
    assert 0.36 < share.max() <= 0.43  # sides are rounded to whole pixels
    assert share.mean().item() == pytest.approx(0.2, abs=0.02)
    covered = gone.double().mean(0)
    assert covered[0, 0] > 0
    assert covered[19, 19] > 0
    torch.testing.assert_close(covered, covered.flip(0, 1), rtol=0, atol=0.15)


def test_noise_has_its_deviation_and_is_every_pixels_own() -> None:
    given = images(200)
    noise = seen(given, noise=0.3) - given["image"]
    assert noise.std().item() == pytest.approx(0.3, rel=0.02)
    assert noise.mean().abs() < 4 * 0.3 / math.sqrt(noise.numel())
    assert noise.flatten(1).unique(dim=0).shape == (200, 3 * 7 * 9)
    assert torch.corrcoef(noise.flatten(1)[:, :20].T).fill_diagonal_(0).abs().max() < 0.35


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.7, 0.0), (0.0, 0.7), (0.7, 0.7)])
def test_mixed_rows_hold_their_share_of_two(mixup: float, cutmix: float) -> None:
    rows = 400
    level = torch.arange(rows).double()
    given = {"image": level[:, None, None, None].expand(rows, 1, 16, 16), "numeric": level[:, None]}
    on = {name: a for name, a in (("mixup", mixup), ("cutmix", cutmix)) if a}
    out = layer_of(AugmentImages, **on)(given)
    share, partner = out["share"], out["partner"]
    assert share.shape == partner.shape == (rows,)
    assert partner.dtype == torch.int64
    assert (partner != torch.arange(rows)).all()
    assert share.min() >= 0
    assert share.max() <= 1
    wanted = share * level + (1 - share) * level[partner]
    torch.testing.assert_close(out["image"].mean((1, 2, 3)), wanted)
    torch.testing.assert_close(out["numeric"][:, 0], wanted)
    assert share.mean().item() == pytest.approx(0.5, abs=0.08)
    assert share.var().item() == pytest.approx(0.25 / (2 * 0.7 + 1), rel=0.15)  # that of Beta(0.7, 0.7)
    pieces = torch.tensor([len(image.unique()) for image in out["image"].flatten(1)])
    flat = (out["image"].flatten(1).std(1) < 1e-9).double().mean().item()
    assert (pieces <= 2).all()
    if not cutmix:
        assert flat == 1
    else:  # flat are those blended, and those whose piece was all or nothing
        assert (0.45 < flat < 0.8) if mixup else (flat < 0.25)


def test_padding_is_never_mixed_into_a_row() -> None:
    layer = layer_of(AugmentImages, mixup=1.0)
    given = images(6)
    given["image"][4:] = torch.inf
    for real in range(1, 5):
        layer.present = (torch.arange(6) < real).double()
        out = layer(given)
        assert out["image"][:real].isfinite().all()
        assert (out["partner"][:real] < real).all()
    layer.present = torch.zeros(6).double()  # a step in which a member idles
    layer(given)


# ---- sequences and texts ---------------------------------------------------------------------------------


def test_cut_sequences_are_runs_of_their_steps_moved_to_the_front() -> None:
    given = {name: x.repeat(50, 1, 1)[:, :, 0] if x.ndim == 3 else x for name, x in steps(8).items()}
    given = {"sequence": given["sequence"][..., None], "length": steps(8)["length"].repeat(50)}
    out = layer_of(AugmentSteps, crop_steps=0.5)(given)
    for x, length, before in zip(out["sequence"][..., 0], out["length"], given["length"], strict=True):
        assert math.ceil(before / 2) <= length <= before
        assert torch.equal(x[:length].diff(), torch.ones(length - 1).double())  # in order, none left out
        assert x[0] >= 1
        assert x[length - 1] <= before
        assert (x[length:] == 0).all()
    longest = given["length"] == 10
    assert out["length"][longest].unique().tolist() == [6, 7, 8, 9, 10]
    assert out["sequence"][longest, 0, 0].unique().tolist() == [1, 2, 3, 4, 5]


def test_scaling_keeps_form_and_jitter_leaves_padding_at_nothing() -> None:
    given = steps(8)
    factor = layer_of(AugmentSteps, scale=0.4)(given)["sequence"] / given["sequence"]
    for row, length in zip(factor, given["length"], strict=True):
        torch.testing.assert_close(row[:length], row[0, 0].expand(length, 2))
    assert 0.6 <= factor[:, 0].min() < factor[:, 0].max() <= 1.4
    out = layer_of(AugmentSteps, jitter=0.5)(given)
    padding = torch.arange(10) >= given["length"][:, None]
    assert (out["sequence"][padding] == 0).all()
    assert ((out["sequence"] - given["sequence"])[~padding] != 0).all()


def test_the_share_of_tokens_asked_for_becomes_unknown_and_no_special_one() -> None:
    tokens = torch.randint(5, 50, (300, 40), generator=torch.Generator().manual_seed(0))
    tokens[:, 0], tokens[:, 30], tokens[:, 31:] = 2, 3, 0
    out = layer_of(AugmentSteps, token_dropout=0.3)({"tokens": tokens})["tokens"]
    changed = out != tokens
    assert (out[changed] == 1).all()
    assert not changed[tokens < 5].any()
    assert changed[:, 1:30].double().mean().item() == pytest.approx(0.3, abs=0.02)
