"""Losses per row of two players: one makes rows, the other tells them from real ones.

D is a raw number of a row: in the game of probabilities the logit of "it is real", in Wasserstein's the
critic's value. Every function gives a loss per row, so that padding can be left out by whoever averages.

B batch, D numbers of a row. real: D(x) and fake: D(G(z)), both (B,).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad
from torch.nn import functional as F


def discriminator(real: Tensor, fake: Tensor, smoothing: Tensor) -> Tensor:
    """−(1−ε)·log σ(D(x)) − ε·log(1−σ(D(x))) − log(1−σ(D(G(z)))); ε () of 0 to 1. Returns (B,).

    Goodfellow et al., "Generative adversarial nets", 2014. Smoothing is one-sided, of real rows alone
    (Salimans et al., "Improved techniques for training GANs", 2016).
    """
    return F.softplus(-real) + smoothing * real + F.softplus(fake)


def minimax(fake: Tensor) -> Tensor:
    """log(1−σ(D(G(z)))), the discriminator's own loss turned round: flat where D is sure. Returns (B,)."""
    return -F.softplus(fake)


def nonsaturating(fake: Tensor) -> Tensor:
    """−log σ(D(G(z))): comes to rest where `minimax` does, and is steep where D is sure. Returns (B,)."""
    return F.softplus(-fake)


def critic(real: Tensor, fake: Tensor) -> Tensor:
    """D(G(z)) − D(x): at its least, −1 times the earth mover's distance, if D changes by no more than its
    inputs do (Arjovsky, Chintala & Bottou, "Wasserstein GAN", 2017). Returns (B,).
    """
    return fake - real


def wasserstein(fake: Tensor) -> Tensor:
    """−D(G(z)): what a generator makes small against a critic. Returns (B,)."""
    return -fake


def squared_slope(judge: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∇D‖² at each row of x (B, D): (B,), to be differentiated in its turn.

    judge: (B, D) → (B,), every row by itself. `torch.func` differentiates it, so that this may stand inside
    anything that lifts or differentiates the loss.
    """
    return grad(lambda rows: judge(rows).sum())(x).square().sum(1)


def two_sided(square: Tensor) -> Tensor:
    """(‖∇D‖ − 1)² of ‖∇D‖² (B,): keeps a critic's slope near 1. Returns (B,).

    Gulrajani et al., "Improved training of Wasserstein GANs", 2017, at rows that are `between` real and made.
    """
    return (torch.sqrt(square + 1e-12) - 1).square()  # the root of 0 has no gradient


def zero_centred(square: Tensor) -> Tensor:
    """½‖∇D‖² of ‖∇D‖² (B,), at real rows: lets two players come to rest instead of circling. Returns (B,).

    Mescheder, Geiger & Nowozin, "Which training methods for GANs do actually converge?", 2018.
    """
    return square / 2


def between(real: Tensor, made: Tensor, share: Tensor) -> Tensor:
    """Rows on the way from made ones to real ones, (B, D) all; share (B,) of the way, 0 to 1."""
    return torch.lerp(made, real, share[:, None])
