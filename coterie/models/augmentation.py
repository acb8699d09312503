"""Augmentation: what makes other examples of the ones there are, in training only, drawn by hash.

B batch, C channels, H height, W width, T steps, F variables.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from coterie.spec import Spec


@dataclass(frozen=True)
class ImageAugmentation(Spec):
    """The hyperparameters of every family that reads images; each is off at 0."""

    def augment(self, image: tuple[int, int, int]) -> nn.Module | None:
        """The layer that augments prepared inputs, or None when all is off; image: (C, H, W)."""
        return None


@dataclass(frozen=True)
class SequenceAugmentation(Spec):
    """The hyperparameters of every family that reads steps; each is off at 0."""

    def augment(self) -> nn.Module | None:
        """The layer that augments prepared inputs, or None when all is off."""
        return None
