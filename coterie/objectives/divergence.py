"""The formulas of restricted Boltzmann machines: energies, conditional probabilities, likelihoods.

A machine of binary units has the energy E(v, h) = −v·b − h·c − h·W·v and gives every state the probability
exp(−E) / Z. Nothing connects units of the same layer, so each layer given the other is independent coins, and
the hidden layer can be summed out: p(v) = exp(−F(v)) / Z with the free energy F.

Smolensky, "Information processing in dynamical systems: harmony theory", 1986; Hinton, "Training products of
experts by minimizing contrastive divergence", 2002.

B batch, V visible units, H hidden units: weight W (H, V), visible biases b (V,), hidden biases c (H,).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 10  # log₂ of the states that are enumerated at once


def free_energy(v: Tensor, weight: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
    """F(v) = −v·b − Σ log(1 + exp(c + W·v)), (B,); v (B, V).

    Its gradient is what learning needs: −∂F/∂W = p(h|v)·vᵀ, −∂F/∂b = v, −∂F/∂c = p(h|v).
    """
    return -(v @ visible) - _softplus(F.linear(v, weight, hidden)).sum(-1)


def hidden_probability(v: Tensor, weight: Tensor, hidden: Tensor) -> Tensor:
    """Of each hidden unit being 1, given the visible ones: (B, V) → (B, H)."""
    return torch.sigmoid(F.linear(v, weight, hidden))


def visible_probability(h: Tensor, weight: Tensor, visible: Tensor) -> Tensor:
    """Of each visible unit being 1, given the hidden ones: (B, H) → (B, V)."""
    return torch.sigmoid(F.linear(h, weight.mT, visible))


def tossed(probability: Tensor, uniform: Tensor) -> Tensor:
    """Coins: 1 with the given probability, else 0; uniform: random numbers between 0 and 1, same shape."""
    return (uniform < probability).to(probability.dtype)


def log_partition(weight: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
    """log Z, (), by enumerating the 2ⁿ states of the smaller layer of n units; the other is summed out.

    Time grows with 2ⁿ, memory is bounded: for n up to about 20.
    """
    if weight.shape[0] < weight.shape[1]:  # the energy is the same with the layers exchanged
        weight, visible, hidden = weight.mT, hidden, visible
    units = weight.shape[1]
    low = min(units, BLOCK)
    inner = _states(low, weight)
    field = F.linear(inner, weight[:, :low], hidden)  # (2^low, larger layer)
    parts = []
    for outer in _states(units - low, weight):
        energies = _softplus(field + weight[:, low:] @ outer).sum(-1) + inner @ visible[:low]
        parts.append(energies.logsumexp(0) + outer @ visible[low:])
    return torch.stack(parts).logsumexp(0)


def conditional_likelihood(
    v: Tensor, unit: Tensor, weight: Tensor, visible: Tensor, hidden: Tensor
) -> Tensor:
    """log p(v_i | all other visible units), (B,), for one unit i of each row; v (B, V), unit (B,) int64.

    Their sum over all units is the pseudo-likelihood (Besag, "Statistical analysis of non-lattice data",
    1975).
    A value between 0 and 1 counts as that share of a 1.
    """
    value = v.gather(1, unit[:, None]).squeeze(1)
    couplings = weight.mT[unit]  # (B, H)
    without = F.linear(v, weight, hidden) - value[:, None] * couplings
    logit = visible[unit] + (_softplus(without + couplings) - _softplus(without)).sum(-1)
    return value * logit - _softplus(logit)


def _states(units: int, like: Tensor) -> Tensor:
    """All states of binary units: (2ⁿ, n) of 0 and 1."""
    number = torch.arange(2**units, device=like.device)[:, None]
    return (number >> torch.arange(units, device=like.device) & 1).to(like.dtype)


def _softplus(x: Tensor) -> Tensor:
    # PyTorch's own turns into x above 20, which is e⁻²⁰ off: seen in double precision
    return F.softplus(x, threshold=40.0)
