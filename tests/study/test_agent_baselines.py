"""Beside an agent: what acting at random gains in the same episodes; and episodes that it plays."""

import io

import polars as pl
import pytest
import torch
from small_studies import tiny

import coterie as ct
from coterie.cli import main
from coterie.cli.summary import summary_lines
from coterie.data.environments import environment
from coterie.errors import ModelError
from coterie.models.agents import JUDGED, played_out, start_key

pytestmark = pytest.mark.usefixtures("without_pages")

WAY = {"steps": 2000, "environments": 4, "stretch": 20, "hidden": "8", "epochs": 2}


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    out = tmp_path_factory.mktemp("agent") / "s"
    return tiny("CartPole-v1", out=out, models=["ppo"], candidates=1, folds=1, fix=WAY)


def test_a_random_policy_falls_after_some_twenty_steps(agent):
    (found,) = agent.facts["baselines"]
    score = found["test"]["episode_return"]
    assert 18 < score["low"] < score["value"] < score["high"] < 28
    assert 18 < found["validation"]["episode_return"]["mean"] < 28
    assert "a random policy" in agent.facts["verdict"]


def test_an_episode_is_over_when_the_world_says_so():
    key = start_key(JUDGED, torch.arange(200))
    found, steps = played_out(environment("gridworld"), key, lambda seen, key: torch.full_like(key, 2))
    assert {*steps.tolist()} == {1, 2, 3, 100}, "down leads to the goal from the three cells above it alone"
    torch.testing.assert_close(found, (steps < 100).double() - 0.01 * steps.double(), rtol=0, atol=1e-5)


def test_it_plays_episodes_of_its_own(agent):
    model = agent.model
    made = model.sample(6, seed=3)
    assert made.columns == ["episode", "return", "steps"]
    assert (made["return"] == made["steps"]).all()  # a pole is worth 1 a step
    assert ct.load(agent.folder).sample(3, seed=3).equals(made[:3])
    assert not model.sample(3, seed=4)["episode"].equals(made["episode"][:3])
    said = model.predict_table(made.select("episode"))["return"]
    assert said.to_list() == made["return"].to_list()
    with pytest.raises(ModelError, match="sample"):
        model.predict(made)


def test_the_verbs_of_an_agent(agent, capsys):
    end = summary_lines(agent.facts, {"study": str(agent.folder), "report": "r", "model": "m"})[-1]
    assert f"coterie sample {agent.folder} -n 5" in end
    assert main(["sample", str(agent.folder), "-n", "5"]) == 0
    assert pl.read_csv(io.StringIO(capsys.readouterr().out)).shape == (5, 3)
    assert main(["predict", str(agent.folder), "CartPole-v1", "--quiet"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1001
    for verb in ("encode", "reconstruct"):
        assert main([verb, str(agent.folder), "CartPole-v1"]) != 0
        assert "It has sample." in capsys.readouterr().err, verb
