"""Augmentation: what makes other examples of the ones there are, in training only, drawn by hash.

The families of images and of steps declare the hyperparameters by the two classes here; a family's network
gets one layer that does to a prepared batch whatever is not 0. All of it is on the batch's device and for
the whole batch at once, and the same key gives the same examples.

B batch, C channels, H height, W width, T steps, F variables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from coterie.data.tokens import MASK, UNKNOWN
from coterie.errors import SpecError
from coterie.models import colours, mixing, warps
from coterie.models.draws import Draws
from coterie.models.layers import Keyed, Masked
from coterie.spec import Spec, hypers, number

# what is drawn, each by its own word; a new one is added at the end, so that the others' numbers stay
(
    FLIP, FLIP_VERTICAL, CROP, CROP_RIGHT, CROP_DOWN, ROTATE, SHIFT_RIGHT, SHIFT_DOWN, SHEAR, ZOOM,
    BRIGHTNESS, CONTRAST, SATURATION, TINT, ERASE, ERASE_FORM, ERASE_RIGHT, ERASE_DOWN, NOISE,
    PARTNER, MIXUP, CUTMIX, CUTMIX_RIGHT, CUTMIX_DOWN, EITHER,
    JITTER, SCALE, CROP_STEPS, CROP_START, TOKEN_DROPOUT,
) = range(30)  # fmt: skip
SLIMMEST = 3.0  # an erased rectangle's sides are to each other from 1 : 3 to 3 : 1


@dataclass(frozen=True)
class ImageAugmentation(Spec):
    """The hyperparameters of every family that reads images; each is off at 0."""

    flip: float = number(0.0, low=0, high=1, switch=True, help="share of images with left and right swapped")
    flip_vertical: float = number(
        0.0, low=0, high=1, switch=True, help="share of images with top and bottom swapped"
    )
    crop: float = number(
        0.0,
        low=0,
        high=0.9,
        switch=True,
        help="most that is cut of each side, as a share; the rest is enlarged",
    )
    rotate: float = number(0.0, low=0, high=180, switch=True, help="most that images turn, in degrees")
    shift: float = number(0.0, low=0, high=1, switch=True, help="most that images move, as a share of a side")
    shear: float = number(0.0, low=0, high=60, switch=True, help="most that images lean, in degrees")
    zoom: float = number(
        0.0, low=0, high=4, switch=True, help="most that sizes change: 0.25 is from 1/1.25 to 1.25 times"
    )
    brightness: float = number(
        0.0, low=0, high=10, switch=True, help="most that is added to pixels, in their standard deviations"
    )
    contrast: float = number(
        0.0, low=0, high=1, switch=True, help="most that contrast changes: 0.2 is from 0.8 to 1.2 times"
    )
    colour: float = number(
        0.0,
        low=0,
        high=1,
        switch=True,
        help="most that saturation and each channel change; not of grey images",
    )
    erase: float = number(
        0.0, low=0, high=0.9, switch=True, help="most of an image that a rectangle covers, as a share"
    )
    noise: float = number(
        0.0, low=0, high=10, switch=True, help="normal noise on pixels, in their standard deviations"
    )
    mixup: float = number(
        0.0,
        low=0,
        high=100,
        switch=True,
        help="α of Beta(α, α), the share of a row that is mixed with another",
    )
    cutmix: float = number(
        0.0,
        low=0,
        high=100,
        switch=True,
        help="α of Beta(α, α), the share of an image beside a piece of another",
    )

    def augment(self, image: tuple[int, int, int]) -> nn.Module | None:
        """The layer that augments prepared inputs, or None when all is off; image: (C, H, W)."""
        on = _on(self, ImageAugmentation)
        if image[0] == 1:
            on.pop("colour", None)
        return AugmentImages(on) if on else None


@dataclass(frozen=True)
class SequenceAugmentation(Spec):
    """The hyperparameters of every family that reads steps; each is off at 0.

    All but the last act on sequences, the last on texts; a table's columns and an image's rows stay.
    """

    jitter: float = number(
        0.0, low=0, high=10, switch=True, help="normal noise on a sequence's values, in standard deviations"
    )
    scale: float = number(
        0.0, low=0, high=1, switch=True, help="most that a sequence is scaled: 0.2 is from 0.8 to 1.2 times"
    )
    crop_steps: float = number(
        0.0,
        low=0,
        high=0.9,
        switch=True,
        help="most that is cut of a sequence's ends, as a share of its steps",
    )
    token_dropout: float = number(
        0.0, low=0, high=0.9, switch=True, help="share of a text's tokens that become the unknown one"
    )

    def augment(self, each_step: bool = False) -> nn.Module | None:
        """The layer that augments prepared inputs, or None when all is off.

        each_step: whether every step has an answer of its own; SpecError if steps would then be cut away.
        """
        if each_step and self.crop_steps > 0:
            raise SpecError(
                "Steps cannot be cut away where each has its own target.",
                given=f"crop_steps={self.crop_steps:g}",
                fix="Use crop_steps=0.",
            )
        on = _on(self, SequenceAugmentation)
        return AugmentSteps(on) if on else None


class AugmentImages(Keyed, Masked):
    """Prepared inputs with an "image" (B, C, H, W) → the same with others in their place.

    In this order: mirrored; zoomed, sheared, rotated, shifted and cropped by one look-up; brightness,
    contrast, colour; erased (Zhong et al., "Random erasing data augmentation", 2017: covered with the mean);
    mixed; noise. Mixed by mixup (Zhang et al., "mixup: beyond empirical risk minimization", 2017) or cutmix
    (Yun et al., "CutMix", 2019), a coin deciding for each row where both are on: then there are "partner"
    (B,) int64, another real row, and "share" (B,), how much is the row's own, and the numbers of the
    columns beside the image are mixed by that share. CutMix's piece lies wholly inside the image.

    strengths: those that are on by name, above 0; each becomes a buffer and may differ between members.

    >>> layer = AugmentImages({"flip": 1.0})
    >>> layer({"image": torch.tensor([[[[1.0, 2.0, 3.0]]]])})["image"]
    tensor([[[[3., 2., 1.]]]])
    """

    def __init__(self, strengths: dict[str, float]) -> None:
        super().__init__()
        self.on = tuple(strengths)
        self.divisible = not {"mixup", "cutmix"} & set(self.on)
        for name, strength in strengths.items():
            self.register_buffer(name, torch.tensor(float(strength)))

    def forward(self, prepared: dict[str, Tensor]) -> dict[str, Tensor]:
        if not self.training:
            return prepared
        image = prepared["image"]
        on: dict[str, Tensor] = {name: getattr(self, name) for name in self.on}
        draws = Draws(self.key, len(image), image.dtype, before=self.before)
        out = prepared | {"image": erased(coloured(moved(image, on, draws), on, draws), on, draws)}
        if "mixup" in on or "cutmix" in on:
            out |= _mixed(out, self.present.expand(len(image)), on, draws)
        out["image"] = noisy(out["image"], on, draws)
        return out


class AugmentSteps(Keyed):
    """Prepared inputs with a "sequence" (B, T, F) of "length" (B,), or "tokens" (B, T) → others like them.

    Sequences are cut at both ends, what is left moved to the front, scaled as a whole, and jittered (Um et
    al., "Data augmentation of wearable sensor data", 2017). Of texts every token but the special ones may
    become the unknown one (Iyyer et al., "Deep unordered composition", 2015, drop words likewise).
    """

    def __init__(self, strengths: dict[str, float]) -> None:
        super().__init__()
        self.on = tuple(strengths)
        for name, strength in strengths.items():
            self.register_buffer(name, torch.tensor(float(strength)))

    def forward(self, prepared: dict[str, Tensor]) -> dict[str, Tensor]:
        if not self.training:
            return prepared
        on: dict[str, Tensor] = {name: getattr(self, name) for name in self.on}
        out = dict(prepared)
        if "sequence" in out:
            draws = Draws(self.key, len(out["sequence"]), out["sequence"].dtype, before=self.before)
            out["sequence"], out["length"] = _varied(out["sequence"], out["length"], on, draws)
        if "tokens" in out and "token_dropout" in on:
            tokens, rate = out["tokens"], on["token_dropout"]
            draws = Draws(self.key, len(tokens), rate.dtype, before=self.before)
            dropped = draws.each(TOKEN_DROPOUT, tokens.shape[1]) < rate
            out["tokens"] = torch.where(dropped & (tokens > MASK), UNKNOWN, tokens)
        return out


def _on(spec: Spec, declared: type[Spec]) -> dict[str, float]:
    """The strengths above 0 among those that a class declares."""
    every = {name: float(getattr(spec, name)) for name in hypers(declared)}
    return {name: strength for name, strength in every.items() if strength > 0}


def moved(image: Tensor, on: dict[str, Tensor], draws: Draws) -> Tensor:
    """Every change of place of images (B, C, H, W)."""
    height, width = image.shape[-2:]
    for name, word, axis in (("flip", FLIP, -1), ("flip_vertical", FLIP_VERTICAL, -2)):
        if name in on:
            image = warps.flipped(image, draws.uniform(word) < on[name], axis)
    moves: list[warps.Map] = []  # in the order in which they are done to the image
    if "zoom" in on:
        moves.append(warps.scaling(torch.exp(draws.within(ZOOM, torch.log1p(on["zoom"])))))
    if "shear" in on:
        moves.append(warps.shearing(draws.within(SHEAR, on["shear"])))
    if "rotate" in on:
        moves.append(warps.rotation(draws.within(ROTATE, on["rotate"])))
    if "shift" in on:
        right, down = (draws.within(word, on["shift"]) for word in (SHIFT_RIGHT, SHIFT_DOWN))
        moves.append(warps.shifting(width * right, height * down))
    if "crop" in on:
        cut = on["crop"] * draws.uniform(CROP)
        right, down = (cut * (draws.uniform(word) - 0.5) for word in (CROP_RIGHT, CROP_DOWN))
        moves.append(warps.window(1 - cut, width * right, height * down))
    if not moves:
        return image
    where = moves.pop()
    while moves:  # where to look is found from the last move back to the first
        where = warps.then(where, moves.pop())
    return warps.looked_up(image, where)


def coloured(image: Tensor, on: dict[str, Tensor], draws: Draws) -> Tensor:
    """Every change of the values of images (B, C, H, W)."""
    if "brightness" in on:
        image = colours.brightened(image, draws.within(BRIGHTNESS, on["brightness"]))
    if "contrast" in on:
        image = colours.contrasted(image, 1 + draws.within(CONTRAST, on["contrast"]))
    if "colour" in on:
        image = colours.saturated(image, 1 + draws.within(SATURATION, on["colour"]))
        image = colours.tinted(image, on["colour"] * (2 * draws.each(TINT, image.shape[1]) - 1))
    return image


def erased(image: Tensor, on: dict[str, Tensor], draws: Draws) -> Tensor:
    """Images (B, C, H, W), each with the mean in a rectangle of any form and place, smaller if it is slim."""
    if "erase" not in on:
        return image
    height, width = image.shape[-2:]
    share = on["erase"] * draws.uniform(ERASE)  # of the image
    form = torch.exp(0.5 * math.log(SLIMMEST) * (2 * draws.uniform(ERASE_FORM) - 1))
    tall, wide = height * share.sqrt() * form, width * share.sqrt() / form
    down, right = draws.uniform(ERASE_DOWN), draws.uniform(ERASE_RIGHT)
    mask = warps.rectangle(tall, wide, down, right, (height, width))
    return torch.where(mask[:, None], 0.0, image)


def noisy(image: Tensor, on: dict[str, Tensor], draws: Draws) -> Tensor:
    """Images (B, C, H, W) with normal noise on every pixel."""
    if "noise" not in on:
        return image
    noise = draws.normal(NOISE, math.prod(image.shape[1:])).view(image.shape)
    return image + on["noise"] * noise


def _mixed(
    prepared: dict[str, Tensor], present: Tensor, on: dict[str, Tensor], draws: Draws
) -> dict[str, Tensor]:
    """What mixing changes of prepared inputs: "image", "numeric", and "partner" and "share" (B,)."""
    image = prepared["image"]
    partner = mixing.partners(present, draws.uniform(PARTNER))
    mixed, share = image, torch.ones_like(present, dtype=image.dtype)
    if "cutmix" in on:
        height, width = image.shape[-2:]
        side = torch.sqrt(1 - draws.symmetric_beta(CUTMIX, on["cutmix"]))
        down, right = draws.uniform(CUTMIX_DOWN), draws.uniform(CUTMIX_RIGHT)
        mask = warps.rectangle(height * side, width * side, down, right, (height, width))
        mixed, share = mixing.pasted(image, partner, mask), 1 - mask.to(image.dtype).mean((1, 2))
    if "mixup" in on:
        blend = draws.symmetric_beta(MIXUP, on["mixup"])
        blended = mixing.blended(image, partner, blend)
        if "cutmix" in on:
            pasted = draws.uniform(EITHER) < 0.5
            mixed = torch.where(pasted[:, None, None, None], mixed, blended)
            share = torch.where(pasted, share, blend)
        else:
            mixed, share = blended, blend
    out = {"image": mixed, "partner": partner, "share": share}
    if "numeric" in prepared:
        out["numeric"] = mixing.blended(prepared["numeric"], partner, share)
    return out


def _varied(x: Tensor, length: Tensor, on: dict[str, Tensor], draws: Draws) -> tuple[Tensor, Tensor]:
    """Sequences (B, T, F) and their lengths (B,), cut, scaled and jittered; padding is 0 again."""
    rows, steps, variables = x.shape
    at = torch.arange(steps, device=x.device)
    if "crop_steps" in on:
        share = 1 - on["crop_steps"] * draws.uniform(CROP_STEPS)
        kept = torch.ceil(share * length).to(length.dtype)  # at least one step of a sequence that has any
        start = torch.floor(draws.uniform(CROP_START) * (length - kept + 1)).to(length.dtype)
        source = (start[:, None] + at).clamp_max(steps - 1)
        x, length = x.gather(1, source[..., None].expand(rows, steps, variables)), kept
    if "scale" in on:
        x = x * (1 + draws.within(SCALE, on["scale"]))[:, None, None]
    if "jitter" in on:
        x = x + on["jitter"] * draws.normal(JITTER, steps * variables).view(x.shape)
    return torch.where((at < length[:, None])[..., None], x, 0.0), length
