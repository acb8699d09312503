"""What agents keep of play and learn from: minibatches, a memory, exploration, the copy."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from small_agents import TINY, body_of, turn
from torch import Tensor

from coterie.models.dqn import DQN, Chooser
from coterie.models.ppo import PPO, Actor


def test_minibatches_go_over_all_that_was_played():
    body: Actor = body_of(PPO(environments=4, stretch=6, minibatches=3, passes=2, hidden=(6,)))
    turn(body, 5)
    rows = [tuple(row.tolist()) for row in body.running_rollout]
    passes = [[tuple(row.tolist()) for _ in range(3) for row in body._part()] for _ in range(2)]
    assert all(sorted(one) == sorted(rows) for one in passes)
    assert passes[0] != passes[1] != rows


def test_a_memory_holds_the_latest_transitions():
    body: Chooser = body_of(DQN(environments=4, stretch=10, ahead=1, memory=100, hidden=(6,), steps=10**5))
    for k in range(3):
        before = body.running_memory.clone()
        turn(body, k)
        assert torch.equal(body.running_memory[:-40], before[40:])
        seen, then, action, reward, terminated, discount = (
            body.running_memory[-40:].view(10, 4, 12).split((4, 4, 1, 1, 1, 1), -1)
        )
        same = (seen[1:] == then[:-1]).all(-1)
        assert torch.equal(same, terminated[:-1, :, 0] == 0), "what then was seen, but where it ended"
    assert (reward == 1).all()
    torch.testing.assert_close(discount, torch.full_like(discount, 0.99))
    assert {*action.unique().tolist()} == {0.0, 1.0}
    assert int(body.running_taken) == 120


def test_it_explores_less_and_less():
    family = DQN(environments=50, stretch=20, exploration=0.5, least=0.1, steps=10_000, hidden=(6,))
    body: Chooser = body_of(family)
    for taken, often in ((0, 0.91), (2500, 0.46), (9000, 0.1)):
        body.running_taken = torch.tensor(taken)
        drawn = body.draws(torch.tensor(taken))
        assert float((drawn >= 0).float().mean()) == pytest.approx(often, abs=0.06)
        assert float(drawn[drawn >= 0].float().mean()) == pytest.approx(0.5, abs=0.1)


def test_the_copy_is_renewed_now_and_then():
    body: Chooser = body_of(dataclasses.replace(TINY["dqn"], renewal=2))
    turn(body, 0)

    def learned() -> Tensor:
        body.losses(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1), "agent")
        with torch.no_grad():
            for parameter in body.agent.parameters():
                parameter.add_(1.0)
        return body.running_copy

    before = torch.cat([p.detach().flatten() for p in body.agent.parameters()])
    copies = torch.stack([learned() for _ in range(4)])
    torch.testing.assert_close(copies, before + torch.tensor([0.0, 0.0, 2.0, 2.0])[:, None])
    named = body._copied()
    assert [*named] == [name for name, _ in body.agent.named_parameters()]
    torch.testing.assert_close(named["0.weight"], body.agent[0].weight.detach() - 2)


def test_what_is_kept_of_several_steps_may_be_kept_of_one_at_a_time():
    bodies = [body_of(DQN(environments=3, stretch=12, ahead=n, memory=36, hidden=(6,))) for n in (1, 4)]
    for body in bodies:
        turn(body, 5)
    one, four = (body.running_memory.view(12, 3, 12).unbind(-1) for body in bodies)
    assert torch.equal(torch.stack(one[:4]), torch.stack(four[:4]))
    worth, over = torch.zeros(12, 3), one[-2] > 0
    for t in range(12):
        for e in range(3):
            last = next((k for k in range(t, min(t + 3, 11)) if over[k, e]), min(t + 3, 11))
            worth[t, e] = sum(0.99**k for k in range(last - t + 1))
            assert float(four[4][t, e]) == float(one[4][last, e])
    torch.testing.assert_close(four[-3], worth)
