"""Agents: what they play is what the environment does, they learn from training starts alone, members of a
cohort are as they are alone, and a study that stopped anywhere goes on to the same bits."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from small_agents import TINY, body_of, network_of, rows_of, turn
from torch import Tensor

from coterie.data.bundled import BUILT_IN, environment_of, is_environment, read_environment
from coterie.data.encode import encode
from coterie.data.environments import ENVIRONMENTS, Grid, environment, optimal_return
from coterie.data.infer import infer_schema
from coterie.data.read import read
from coterie.data.roles import assign_roles
from coterie.data.schema import Schema
from coterie.errors import DataError, SpecError
from coterie.metrics.unsupervised import MEASURES
from coterie.models.agents import JUDGED, LEARNED, Agent, AgentFamily, start_key
from coterie.models.outline import outline
from coterie.models.ppo import PPO, Actor
from coterie.models.shape import Shape
from coterie.randomness import fold
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.cost import cost_of
from coterie.training.outputs import outputs
from coterie.training.plan import Candidate, CohortPlan, Member, member_key
from coterie.training.recipe import Recipe

RETURN = MEASURES.index("episode_return")
RECIPE = Recipe(optimizer="adam", lr=0.01, weight_decay=0.0, batch_size=2, epochs=2, patience=0)
MOVED = ("_state", "_ended", "_taken", "_rollout", "_memory", "_copy")  # by play
FAMILIES = pytest.mark.parametrize("name", TINY)
WORLDS = pytest.mark.parametrize("world", BUILT_IN)


def cohort_of(
    families: list[AgentFamily],
    world: str = "CartPole-v1",
    dtype: torch.dtype = torch.float64,
    episodes: Any = range(12),
    seeds: int = 1,
) -> Cohort:
    """Rows 1 … 7 are trained on, so that an epoch ends in a batch that is padded with row 0."""
    folds = ((np.arange(1, 8), np.arange(0)),)
    arena = Arena.of(rows_of(world, list(episodes)), folds, torch.device("cpu"), dtype)
    recipes = [dataclasses.replace(RECIPE, lr=0.01 / (1 + place)) for place in range(len(families))]
    candidates = [Candidate(i, f, r) for i, (f, r) in enumerate(zip(families, recipes, strict=True))]
    members = [Member(c, 0, s, member_key(3, 0, s)) for c in candidates for s in range(seeds)]
    return Cohort(CohortPlan(0, tuple(members)), arena)


def go_on(cohort: Cohort, steps: int) -> Cohort:
    """So many steps, over the ends of epochs."""
    draw = cohort.draw()
    for _ in range(steps):
        if cohort.step == int(draw.busy.max()):
            cohort.end_epoch(draw)
            draw = cohort.draw()
        cohort.advance(draw)
    return cohort


# ---- in a cohort ---------------------------------------------------------------------------------------


@FAMILIES
@WORLDS
def test_members_together_are_as_they_are_alone(name: str, world: str):
    other: dict[str, Any] = {"gamma": 0.9, "steps": 200}
    other |= {"reach": 0.1, "trace": 0.5} if name == "ppo" else {"least": 0.2, "first": 25}
    families = [TINY[name], dataclasses.replace(TINY[name], **other)]
    together = go_on(cohort_of(families, world, seeds=2), 7)
    places = [(family, seed) for family in (0, 1) for seed in (0, 1)]
    for place, (index, seed) in enumerate(places):
        whole = cohort_of(families, world, seeds=2).plan.members
        alone = Cohort(CohortPlan(0, (whole[place],)), together.arena)
        go_on(alone, 7)
        torch.testing.assert_close(alone.flat[0], together.flat[place], rtol=1e-9, atol=1e-12)
        for buffer, value in alone.buffers.items():
            torch.testing.assert_close(value[0], together.buffers[buffer][place], rtol=1e-9, atol=1e-9)
        assert seed == alone.members[0].seed
        assert index == alone.members[0].candidate.index
    assert len({tuple(row.tolist()) for row in together.flat}) == 4


@FAMILIES
def test_what_was_stopped_goes_on_to_the_same_bits(name: str):
    whole = go_on(cohort_of([TINY[name]], dtype=torch.float32, seeds=2), 9)
    for stop in (1, 6):
        first = go_on(cohort_of([TINY[name]], dtype=torch.float32, seeds=2), stop)
        tensors, facts = {n: t.clone() for n, t in first.tensors().items()}, first.facts()
        second = cohort_of([TINY[name]], dtype=torch.float32, seeds=2)
        second.restore(tensors, facts)
        go_on(second, 9 - stop)
        assert torch.equal(second.flat, whole.flat)
        assert all(torch.equal(b, whole.buffers[n]) for n, b in second.buffers.items())


@FAMILIES
def test_other_starts_teach_nothing(name: str):
    """Validation and test rows may be any episodes, row 0 too, with which the engine fills batches up."""
    one = go_on(cohort_of([TINY[name]]), 8)
    other = [900, *range(1, 8), *range(901, 905)]
    assert torch.equal(go_on(cohort_of([TINY[name]], episodes=other), 8).flat, one.flat)
    own = [0, *range(21, 28), *range(8, 12)]
    assert not torch.equal(go_on(cohort_of([TINY[name]], episodes=own), 8).flat, one.flat)


@FAMILIES
def test_when_its_steps_are_over_it_plays_and_learns_no_more(name: str):
    family = dataclasses.replace(TINY[name], steps=40)
    cohort = go_on(cohort_of([family]), 24)
    assert cohort.buffers["network.body.running_taken"].tolist() == [30]
    before = {n: b.clone() for n, b in cohort.buffers.items()}
    draw = cohort.draw()
    cohort.step = 0
    own = next(player for player in cohort.steps.players if player.name == "agent")
    cohort.turns["agent"](cohort.given(draw, own, 0), cohort.scratch)
    assert not cohort.scratch.any(), "there is no gradient"
    go_on(cohort, 8)
    assert all(torch.equal(b, before[n]) for n, b in cohort.buffers.items() if n.endswith(MOVED))


def test_a_cohort_learns_the_shortest_ways():
    """The start beside the goal is learned in no time: the return of the best policy is known."""
    ways = Grid(("G...",))
    best = optimal_return(ways)
    family = PPO(environments=8, stretch=16, passes=8, hidden=(16,), gamma=0.9)
    body = grid_body(family, ways)
    optimizer = torch.optim.Adam(body.agent.parameters(), 0.02)
    for k in range(12):
        turn(body, k, tuple(range(40)))
        for _ in range(family.passes):
            optimizer.zero_grad()
            body.losses(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1), "agent").mean().backward()
            optimizer.step()
    with torch.no_grad():
        found = judged(body, torch.arange(500, 900))
    assert float(found.mean()) == pytest.approx(best, abs=0.003)


def grid_body(family: AgentFamily, grid: Grid) -> Any:
    """A body that plays on another map than the built-in one."""
    patch = pytest.MonkeyPatch()
    patch.setitem(ENVIRONMENTS, "gridworld", lambda: _gridworld(grid))
    try:
        return body_of(family, "gridworld")
    finally:
        patch.undo()


def _gridworld(grid: Grid) -> Any:
    from coterie.data.environments import gridworld

    return gridworld(grid)


# ---- what was played -----------------------------------------------------------------------------------


def judged(body: Agent, episodes: Tensor) -> Tensor:
    nothing = torch.full_like(episodes, -1)
    return body.eval().judge(episodes[:, None], nothing, torch.arange(len(episodes)))["episode_return"]


@WORLDS
def test_it_is_judged_by_a_greedy_episode_from_the_start_of_each_row(world: str):
    body = body_of(TINY["dqn"], world)
    episodes = torch.tensor([3, 8, 2**31, 5])
    with torch.no_grad():
        found = judged(body, episodes)
        torch.testing.assert_close(judged(body, episodes.flip(0)), found.flip(0))  # a row is its number's
        own = environment(world)
        for row, episode in enumerate(episodes):
            key, total = start_key(JUDGED, episode), 0.0
            state = own.reset(key)
            for t in range(own.longest):
                action = body.preferences(own.observe(state)).argmax(-1)
                state, _, reward, terminated, truncated = own.step(state, action, fold(key, t + 1))
                total += float(reward)
                if terminated or truncated:
                    break
            assert float(found[row]) == pytest.approx(total, rel=1e-5)
    assert not torch.equal(start_key(JUDGED, episodes), start_key(LEARNED, episodes)), (
        "starts of training are others"
    )


def test_the_best_policy_has_the_best_return():
    """With what dynamic programming found as its weights, an agent gets what dynamic programming promises."""
    grid, width = Grid(), len(Grid().map[0])
    goal = grid.cells == "G"
    value = np.zeros(len(goal))
    for _ in range(grid.longest):
        there = (goal + np.where(goal, 0, value))[grid.leads] - grid.cost
        value = there.max(1)
    body = body_of(dataclasses.replace(TINY["dqn"], hidden=(), standardise=False), "gridworld")
    with torch.no_grad():
        body.agent[0].weight.copy_(torch.from_numpy(there.T))
        body.agent[0].bias.zero_()
        found = judged(body, torch.arange(4000))
    assert width * len(grid.map) == len(goal)
    assert float(found.mean()) == pytest.approx(optimal_return(), abs=0.004)


def test_a_rollout_tells_what_the_environment_did():
    body: Actor = body_of(PPO(environments=4, stretch=40, minibatches=1, hidden=(6,)))
    with torch.no_grad():
        turn(body, 5)
        seen, action, log_p, gained, returned = body.running_rollout.view(40, 4, 8).split((4, 1, 1, 1, 1), -1)
        own = body.preferences(seen).log_softmax(-1)
        torch.testing.assert_close(own.gather(-1, action.long()), log_p)
        torch.testing.assert_close(
            returned - gained, body.agent.value(body.scaled(seen)), rtol=1e-4, atol=1e-4
        )
    # the angle's speed a step later is what the equations of motion say, but where a new episode began
    place, speed = seen[..., 0], seen[..., 1]
    follows = (place[:-1] + 0.02 * speed[:-1] - place[1:]).abs() < 1e-6
    begun = (~follows).sum(0)
    assert ((begun > 0) & (begun < 8)).all()
    starts = environment("CartPole-v1").reset(start_key(LEARNED, torch.tensor([4, 9])))[:, :4].float()
    new = torch.cat([seen[:1], seen[1:]])[torch.cat([torch.ones_like(follows[:1]), ~follows])]
    assert all(bool((starts - one).abs().amax(1).min() < 1e-6) for one in new), "of these rows, and no other"
    assert 0.2 < float(action.mean()) < 0.8


@FAMILIES
def test_observations_are_told_by_all_that_were_seen(name: str):
    body = body_of(dataclasses.replace(TINY[name], environments=8, stretch=20, standardise=True))
    seen = []
    for k in range(3):
        turn(body, k)
        kept = body.running_memory[-160:] if name == "dqn" else body.running_rollout
        seen.append(kept[:, :4])
        all_of_them = torch.cat(seen)
        torch.testing.assert_close(body.running_center, all_of_them.mean(0), rtol=1e-4, atol=1e-5)
        spread = all_of_them.std(0, correction=0).clamp_min(0.01)
        torch.testing.assert_close(body.running_spread, spread, rtol=1e-4, atol=1e-5)
    told = body.scaled(all_of_them)
    torch.testing.assert_close(told.mean(0), torch.zeros(4), rtol=0, atol=1e-4)
    plain = body_of(dataclasses.replace(TINY[name], standardise=False))
    assert plain.scaled(told) is told


# ---- as data -------------------------------------------------------------------------------------------


def test_an_environment_is_a_table_of_episodes():
    assert set(BUILT_IN) == set(ENVIRONMENTS)
    table = read("CartPole-v1")
    assert (table.frame.columns, table.name, table.source) == (["episode"], "CartPole-v1", "CartPole-v1")
    assert environment_of(table) == "CartPole-v1"
    roles = assign_roles(table, target=None, task="unsupervised")
    schema = infer_schema(table, roles, np.arange(100))
    assert schema.environment == "CartPole-v1"
    assert Schema.from_dict(schema.to_dict()) == schema
    shape = Shape.of(schema)
    assert (shape.kinds, str(shape)) == (("episode",), "episodes of CartPole-v1")
    inputs = encode(table, schema, np.array([7, 3])).inputs
    assert inputs["episode"].tolist() == [7, 3]
    later = read({"episode": ["12", "4"]})
    assert environment_of(later) == ""
    assert encode(later, schema).inputs["episode"].tolist() == [12, 4]


@pytest.mark.parametrize("wrong", [[-1, 2], [0.5, 1], [None, 1], [2**32, 1]])
def test_episodes_are_whole_numbers(wrong: list[Any]):
    schema = rows_of("gridworld", [0]).schema
    with pytest.raises(DataError, match="whole numbers"):
        encode(read({"episode": wrong}), schema)


def test_other_names_and_other_data():
    assert is_environment("ALE/Pong-v5")
    assert not is_environment("digits")
    with pytest.raises(DataError, match="Did you mean 'gridworld'"):
        read("grid_world")
    with pytest.raises(SpecError, match="episodes of an environment"):
        PPO().network(Shape(indicator=(False,)), "unsupervised", 0)
    named = read_environment("gridworld")
    plain = dataclasses.replace(named, source="a frame")
    assert environment_of(plain) == ""


@FAMILIES
@WORLDS
def test_its_structure_is_known_without_playing(name: str, world: str):
    shape = Shape(environment=world)
    family = TINY[name]
    lines = outline(family, shape, "unsupervised", 0)
    parameters = sum(p.numel() for p in network_of(family, world).parameters())
    cost = cost_of(family, shape, "unsupervised", 0)
    assert sum(line.parameters * line.repeat for line in lines if not line.depth) == parameters
    assert cost.parameters == parameters
    assert cost.multiply_adds > 0


@FAMILIES
def test_chunks_of_any_size_are_judged_alike(name: str):
    cohort = cohort_of([TINY[name]], "gridworld", torch.float32, seeds=2)
    inputs = cohort.arena.inputs
    whole = outputs(cohort.steps, cohort.flat, cohort.buffers, torch.arange(12), inputs)
    parts = [
        outputs(cohort.steps, cohort.flat, cohort.buffers, rows, inputs) for rows in torch.arange(12).split(5)
    ]
    torch.testing.assert_close(torch.cat(parts, 1)[..., RETURN], whole[..., RETURN])
    assert whole[..., :RETURN].isnan().all()
