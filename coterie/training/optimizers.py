"""Optimizers, simplest first, for many members at once: each hyperparameter may differ by member.

Each updates the parameters of all members in place, as `torch.optim` would update each alone (tested
member by member). Everything is elementwise, so nothing needs lifting: hyperparameters of shape (M, 1)
broadcast against parameters of shape (M, P). The gradient is consumed: it serves as scratch memory,
because allocating arrays of this size costs more than the arithmetic.

M members, P parameters of one member, in one row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from coterie.lifting.alone import at_once

Slots = dict[str, Tensor]
Hyper = dict[str, Tensor]
Update = Callable[[Tensor, Tensor, Slots, Hyper, Tensor], None]


@dataclass(frozen=True)
class Optimizer:
    """update(parameters, gradient, slots, hyper, t): t (M, 1) counts this step from 1."""

    update: Update
    slots: tuple[str, ...] = ()
    decoupled: bool = False  # weight decay shrinks the weights directly, not through the gradient


def sgd(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """p ← p − lr·g. Robbins & Monro, 1951."""
    p.sub_(g.mul_(hyper["lr"]))


def momentum(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """v ← μv + g, p ← p − lr·v. Polyak, 1964."""
    v = slots["velocity"].mul_(hyper["momentum"]).add_(g)
    p.sub_(torch.mul(v, hyper["lr"], out=g))


def nesterov(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """v ← μv + g, p ← p − lr·(g + μv). Nesterov, 1983; Sutskever et al., 2013."""
    v = slots["velocity"].mul_(hyper["momentum"]).add_(g)
    p.sub_(g.add_(v * hyper["momentum"]).mul_(hyper["lr"]))


def adagrad(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """s ← s + g², p ← p − lr·g/(√s + ε). Duchi, Hazan & Singer, 2011."""
    s = slots["square"].add_(g.square())
    p.sub_(g.div_(s.sqrt().add_(hyper["eps"])).mul_(hyper["lr"]))


def adadelta(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """Steps in the unit of the parameters: Δ = √(d + ε)/√(s + ε)·g, d following Δ². Zeiler, 2012."""
    rho, eps = hyper["rho"], hyper["eps"]
    s = slots["square"].mul_(rho).add_(g.square().mul_(1 - rho))
    delta = g.mul_((slots["delta"] + eps).sqrt_().div_((s + eps).sqrt_()))
    slots["delta"].mul_(rho).add_(delta.square().mul_(1 - rho))
    p.sub_(delta.mul_(hyper["lr"]))


def rmsprop(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """s ← ρs + (1−ρ)g², p ← p − lr·g/(√s + ε). Hinton, lecture 6e, 2012."""
    s = slots["square"].mul_(hyper["rho"]).add_(g.square().mul_(1 - hyper["rho"]))
    p.sub_(g.div_(s.sqrt().add_(hyper["eps"])).mul_(hyper["lr"]))


def adam(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """Momentum over a running root mean square, both corrected for their start at 0. Kingma & Ba, 2015."""
    if len(p) == 1 and p.device.type == "cpu" and hyper["lr"].numel() == 1 and at_once():
        _adam_alone(p, g, slots, hyper, t)
        return
    beta1, beta2 = hyper["beta1"], hyper["beta2"]
    mean = slots["mean"].lerp_(g, 1 - beta1)
    square = slots["square"].mul_(beta2).add_(g.square_().mul_(1 - beta2))
    scale = torch.sqrt(square, out=g).div_((1 - beta2**t).sqrt_()).add_(hyper["eps"])
    p.sub_(torch.div(mean, scale, out=g).mul_(hyper["lr"] / (1 - beta1**t)))


def _adam_alone(p: Tensor, g: Tensor, slots: Slots, hyper: Hyper, t: Tensor) -> None:
    """The same of one member, in one pass over memory instead of ten; to rounding."""
    torch._fused_adam_(
        [p],
        [g],
        [slots["mean"]],
        [slots["square"]],
        [],
        [t],
        lr=hyper["lr"].item(),
        beta1=hyper["beta1"].item(),
        beta2=hyper["beta2"].item(),
        eps=hyper["eps"].item(),
        weight_decay=0.0,  # is done already
        amsgrad=False,
        maximize=False,
    )


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(sgd),
    "momentum": Optimizer(momentum, ("velocity",)),
    "nesterov": Optimizer(nesterov, ("velocity",)),
    "adagrad": Optimizer(adagrad, ("square",)),
    "adadelta": Optimizer(adadelta, ("square", "delta")),
    "rmsprop": Optimizer(rmsprop, ("square",)),
    "adam": Optimizer(adam, ("mean", "square")),
    "adamw": Optimizer(adam, ("mean", "square"), decoupled=True),  # Loshchilov & Hutter, 2019
}


def clip(g: Tensor, most: Tensor, norm: Tensor) -> None:
    """Makes gradients (M, P) of norm (M, 1) at most so long, as `torch.nn.utils.clip_grad_norm_` would."""
    g.mul_((most / (norm + 1e-6)).clamp_max(1.0))  # never enlarges; 1e-6 keeps a zero gradient defined


def update(
    name: str,
    p: Tensor,
    g: Tensor,
    slots: Slots,
    hyper: Hyper,
    t: Tensor,
    weights: slice,
    *,
    clips: bool,
    decays: bool,
) -> None:
    """One step of all members: clip, decay, then the optimizer's own rule.

    p, g, slots (M, P); hyper (M, 1), or "lr" (M, P) where layers learn at rates of their own; t (M, 1);
    weights: where in P weight decay acts.
    clips, decays: whether members do, which is structural: what is off is not computed.
    """
    optimizer = OPTIMIZERS[name]
    if clips:
        clip(g, hyper["clip"], g.norm(dim=-1, keepdim=True))
    if decays and optimizer.decoupled:
        lr = hyper["lr"]
        lr = lr if lr.shape[1] == 1 else lr[:, weights]
        p[:, weights].mul_(1 - lr * hyper["weight_decay"])
    elif decays:
        g[:, weights].addcmul_(p[:, weights], hyper["weight_decay"])
    optimizer.update(p, g, slots, hyper, t)
