"""The report of an agent: its return while it learned, and an episode that it plays."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from small_studies import tiny

import coterie as ct
from coterie.study.fitting import curves_of
from coterie.study.folder import Folder

pytestmark = pytest.mark.usefixtures("without_pages")

WAY = {"steps": 2000, "environments": 4, "stretch": 20, "hidden": "8", "epochs": 2}


@pytest.fixture(scope="module", params=["gridworld", "CartPole-v1"])
def agent(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("agent") / "s"
    return tiny(request.param, out=out, models=["ppo"], candidates=1, folds=2, fix=WAY)


def test_the_episode_is_the_one_that_it_is_judged_by(agent):
    found = agent.facts["closeup"]["episode"]
    said = agent.model.predict_table({"episode": [found["episode"]]})["return"][0]
    assert found["return"] == pytest.approx(said, abs=1e-4)
    assert found["shown"][0] == 0
    assert found["shown"][-1] == found["steps"]
    film = Image.open(io.BytesIO(base64.b64decode(found["image"])))
    assert film.width > film.height
    assert ("path" in found) == (agent.facts["name"] == "gridworld")


def test_the_steps_of_play_are_those_that_the_agent_counted(agent):
    pace = agent.facts["closeup"]["pace"]
    rows, batch = agent.facts["data"]["development"] // 2, agent.model.hyperparameters["batch_size"]
    steps, passes = int(np.ceil(rows / batch)), agent.model.family.passes * agent.model.family.minibatches
    assert pace == {"steps": int(np.ceil(steps / passes)) * 80, "most": 2000}
    assert max(curve["epoch"][-1] for curve in curves_of(Folder(agent.folder))) == 2


def test_it_can_be_typed_again_and_taken_up_again(agent):
    assert agent.facts["reproduce"]["command"].startswith(f"coterie fit {agent.facts['name']} ")
    assert not (agent.folder / "data.parquet").exists()
    again = ct.open_study(agent.folder)
    assert again.problem.dataset.inputs["episode"].equal(agent.problem.dataset.inputs["episode"])


def test_the_page_is_about_an_agent(agent, tmp_path):
    page = agent.report(tmp_path / "page.html").read_text(encoding="utf-8")
    for wanted in ("learning by reward", "The return over training", "How it plays", "moment by moment"):
        assert wanted in page, wanted
    for unwanted in ("The rows it did worst", "The table has", "What it makes", "learning without labels"):
        assert unwanted not in page, unwanted
    assert ("The way it took" in page) == (agent.facts["name"] == "gridworld")
    assert "reinforcement-learning" in (agent.folder / "model" / "README.md").read_text(encoding="utf-8")
