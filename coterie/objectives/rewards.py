"""What acting is learned from: returns, advantages, and the losses of a policy or of values of actions.

Pure functions. Rewards r, `terminated` (nothing can follow, so nothing is expected of it) and `ended` (the
episode is over, also where only its time was up) are of steps in their order, the first axis.

T steps, … environments, N steps in any order, A actions.
"""

from __future__ import annotations

import torch
from torch import Tensor


def discounted_returns(reward: Tensor, ended: Tensor, after: Tensor, discount: Tensor) -> Tensor:
    """rₜ + γ·rₜ₊₁ + γ²·rₜ₊₂ + … to the episode's end: (T, …) each, returns (T, …).

    after (…): what is expected of what follows the last step; discount: ().

    >>> ended = torch.tensor([False, True, False])
    >>> discounted_returns(torch.ones(3), ended, torch.tensor(4.0), torch.tensor(0.5))
    tensor([1.5000, 1.0000, 3.0000])
    """
    found: list[Tensor] = []
    for r, over in zip(reward.flip(0).unbind(0), ended.flip(0).unbind(0), strict=True):
        after = r + torch.where(over, 0.0, discount * after)
        found.append(after)
    return torch.stack(found[::-1])


def advantages(
    reward: Tensor,
    value: Tensor,
    following: Tensor,
    terminated: Tensor,
    ended: Tensor,
    discount: Tensor,
    trace: Tensor,
) -> Tensor:
    """How much better than expected each step turned out: (T, …) each, returns (T, …).

    The sum of (γλ)ᵏ·δₜ₊ₖ to the episode's end, δ = r + γ·V(s′) − V(s), V(s′) being 0 where it terminated;
    value, following: V(s) and V(s′), s′ what a step led to and not where the next episode begins;
    discount γ, trace λ: (). With λ = 1 it is the return less V(s), with λ = 0 it is δ.

    Schulman et al., "High-dimensional continuous control using generalized advantage estimation", 2016.
    """
    delta = temporal_difference_target(reward, following, terminated, discount) - value
    return discounted_returns(delta, ended, torch.zeros_like(delta[0]), discount * trace)


def clipped_surrogate(log_p: Tensor, before: Tensor, advantage: Tensor, clip: Tensor) -> Tensor:
    """−min(ρA, clip(ρ, 1 ± ε)·A), ρ the ratio of the probabilities of what was done: (N,) each, clip ().

    Its gradient is 0 where ρ has gone beyond 1 ± ε in the direction that the advantage wants.
    Schulman et al., "Proximal policy optimization algorithms", 2017.

    >>> log_p, advantage = torch.tensor([1.0, -1.0]), torch.tensor([1.0, 1.0])
    >>> clipped_surrogate(log_p, torch.zeros(2), advantage, torch.tensor(0.2))
    tensor([-1.2000, -0.3679])
    """
    ratio = torch.exp(log_p - before)
    held = torch.maximum(torch.minimum(ratio, 1 + clip), 1 - clip)
    return -torch.minimum(ratio * advantage, held * advantage)


def entropy(log_p: Tensor) -> Tensor:
    """−Σ p log p of choices with log-probabilities (…, A), in nats; (…)."""
    return -(log_p.exp() * log_p).sum(-1)


def standardised(values: Tensor) -> Tensor:
    """(N,) numbers less their mean, in units of their deviation; 0 where all are equal."""
    apart = values - values.mean()
    return apart / (apart.square().mean().sqrt() + 1e-8)


def temporal_difference_target(
    reward: Tensor, following: Tensor, terminated: Tensor, discount: Tensor
) -> Tensor:
    """r + γ·V(s′), or r where it terminated; (…) each, discount (…) or () (Sutton, 1988)."""
    return reward + torch.where(terminated, 0.0, discount * following)


def several_steps(
    reward: Tensor, then: Tensor, terminated: Tensor, ended: Tensor, discount: Tensor, n: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What n steps bring together: reward, terminated, ended (T, …), then (T, …, O); discount () of one step.

    Returns (rₜ + γ·rₜ₊₁ + …, then, terminated, γᵐ): of m = n steps, or of those that are left until the
    episode is over or what was played ends. News of a reward travels n steps at a time that way; but the
    larger n, the more it tells of what a former policy did (Watkins, 1989).

    >>> over, then = torch.tensor([False, True, False]), torch.tensor([[1.0], [2.0], [4.0]])
    >>> gained = several_steps(torch.ones(3), then, over, over, torch.tensor(0.5), 2)
    >>> gained[0], gained[1].squeeze(1), gained[3]
    (tensor([1.5000, 1.0000, 1.0000]), tensor([2., 2., 4.]), tensor([0.2500, 0.5000, 0.5000]))
    """
    found = reward, then, terminated, discount.expand(reward.shape)
    for _ in range(1, min(n, len(reward))):
        gained, last, over, share = (torch.cat([x[1:], x[-1:]]) for x in found)
        on = ~ended
        on = torch.cat([on[:-1], torch.zeros_like(on[-1:])])
        found = (
            torch.where(on, reward + discount * gained, reward),
            torch.where(on.unsqueeze(-1), last, then),
            torch.where(on, over, terminated),
            torch.where(on, discount * share, discount),
        )
    return found


def greedy_value(target: Tensor) -> Tensor:
    """max Q′(s′, ·) of values (…, A): what Q-learning expects to follow (Watkins, 1989); (…)."""
    return target.amax(-1)


def double_value(online: Tensor, target: Tensor) -> Tensor:
    """Q′(s′, argmax Q(s′, ·)): one network chooses and the other says what it is worth; (…, A) both → (…).

    The largest of several uncertain numbers is larger than what it estimates, and this is not so.
    van Hasselt, Guez & Silver, "Deep reinforcement learning with double Q-learning", 2016.

    >>> double_value(torch.tensor([1.0, 2.0]), torch.tensor([9.0, 3.0]))
    tensor(3.)
    """
    return target.gather(-1, online.argmax(-1, keepdim=True)).squeeze(-1)


def huber_error(error: Tensor) -> Tensor:
    """½e² up to 1 and |e| − ½ beyond, so that no error pulls harder than 1 (Huber, 1964); (…)."""
    size = error.abs()
    near = size.clamp_max(1.0)
    return near * (size - near / 2)
