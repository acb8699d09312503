"""--init from what was learned without labels: which family starts, and that it sees what was learned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from small_studies import patients
from torch import Tensor
from untrained import images, problem_of

import coterie as ct
from coterie.errors import CoterieError
from coterie.model import Model
from coterie.models.catalogue import FAMILIES
from coterie.models.network import Network
from coterie.models.shape import Shape
from coterie.models.simclr import SimCLR
from coterie.study.study import Study
from coterie.training.arena import Arena
from coterie.training.building import build_networks
from coterie.training.layout import Layout
from coterie.training.plan import make_plan

pytestmark = pytest.mark.usefixtures("without_pages", "one_baseline")

SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"hidden": (7, 5), "codes": 3},
    "sparse_autoencoder": {"hidden": (7,), "codes": 6, "activation": "tanh"},
    "vae": {"hidden": (7, 5), "codes": 2},
    "dbn": {"hidden": (7, 5)},
    "rbm": {"units": 6},
    "simclr": {"channels": (4,), "hidden": (7, 5), "projection": 5},
}
CODED = ("autoencoder", "sparse_autoencoder", "vae")  # an affine layer makes codes of what is taken


def steps(rows: int = 24) -> dict[str, Any]:
    """Sequences of one length: behind shorter ones the two preparations have different numbers."""
    waves = np.random.default_rng(0).normal(3.0, 2.0, (rows, 6))
    return {"wave": waves.tolist(), "kind": ["a", "b"] * (rows // 2)}


DATA = {
    "table": (patients, "ill"),
    "image": (images, "kind"),
    "sequence": (steps, "kind"),
}


@pytest.fixture(autouse=True)
def zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "simclr", SimCLR)


def earlier(data: dict[str, Any], target: str, family: str, **more: Any) -> tuple[Model, dict[str, Tensor]]:
    """A model without labels, its weights as drawn but far from small, and the rows it was prepared by."""
    problem, _ = problem_of(data, target, family, task="unsupervised")
    made, known = FAMILIES[family](**{**SMALL[family], **more}), problem.schema.target
    assert known is not None
    rows = torch.from_numpy(problem.development)
    inputs = {name: column[rows] for name, column in problem.dataset.inputs.items()}
    inputs = {
        name: column.float() if column.is_floating_point() else column for name, column in inputs.items()
    }
    times = 50 if family in ("dbn", "rbm") else 2  # machines start near 0
    flats, buffers = [], []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = made.network(Shape.of(problem.schema), known.task, known.outputs)
        network.prepare.fit(inputs)
        with torch.no_grad():
            if network.fits:
                network.fit(network.prepare(inputs))
            flats.append(Layout.of(network).flat(dict(network.named_parameters())) * times + 0.01)
        buffers.append({f"network.{n}": b.clone() for n, b in network.named_buffers()})
    stacked = {n: torch.stack([b[n] for b in buffers]) for n in buffers[0]}
    places = [{"fold": fold, "seed": 0} for fold in (0, 1)]
    return Model(problem.schema, made, torch.stack(flats), stacked, places, {}), inputs


def begins(study: Study) -> list[Network]:
    """The networks that a study's first candidate begins with."""
    posed = study._posed()
    folds = posed.problem.folds
    arena = Arena.of(posed.problem.dataset, folds, torch.device("cpu"), start=posed.start)
    (plan, *_) = make_plan(posed.candidates[:1], len(folds), 1, 0, lambda _: 99)
    return [network.eval() for network in build_networks(plan.members, arena)]


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("family", SMALL)
def test_features_before_training_are_those_that_were_learned(family: str, kind: str, tmp_path: Path) -> None:
    make, target = DATA[kind]
    data = make()
    old, inputs = earlier(data, target, family)
    study = ct.fit(data, target, init=old, out=tmp_path / "s", folds=2, candidates=1, run=False)
    heir = "cnn" if (family, kind) == ("simclr", "image") else "mlp"
    assert study.question.models == (heir,)
    assert any(f"Networks start from a model in memory ({heir})" in n for n in study.problem.notes)
    with torch.no_grad():
        for member, network in enumerate(begins(study)):
            found = network.features(inputs)
            wanted = old.call("features", inputs, member)
            if family in CODED:
                last = old.layout.views(old.flat)
                at = max(int(n.split(".")[3]) for n in last if n.startswith("body.encoder.affine."))
                found = torch.nn.functional.linear(
                    found,
                    last[f"body.encoder.affine.{at}.weight"][member],
                    last[f"body.encoder.affine.{at}.bias"][member],
                )
                found = found[:, : wanted.shape[1]]  # of a vae means come first
                if family == "sparse_autoencoder":
                    found = found.sigmoid()
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
            assert float(found.std(0).max()) > 1e-3


def test_a_resumed_study_starts_alike_without_the_earlier_folder(tmp_path: Path) -> None:
    old, _ = earlier(images(), "kind", "simclr")
    old.save(tmp_path / "old")
    given: dict[str, Any] = {"init": tmp_path / "old", "folds": 2, "candidates": 1}
    study = ct.fit(images(), "kind", out=tmp_path / "s", run=False, **given)
    shutil.rmtree(tmp_path / "old")
    weights = old.layout.views(old.flat)["body.layers.0.weight"]
    for network, weight in zip(begins(ct.open_study(study.folder)), weights, strict=True):
        assert dict(network.named_parameters())["body.layers.0.weight"].equal(weight)


def test_without_a_target_it_goes_on_learning_without(tmp_path: Path) -> None:
    old, _ = earlier(images(), "kind", "autoencoder")
    frame = {"image": images()["image"]}
    study = ct.fit(frame, init=old, out=tmp_path / "s", folds=2, candidates=1, run=False)
    assert study.question.models == ("autoencoder",)
    named = ct.fit(
        images(), "kind", init=old, models="autoencoder", out=tmp_path / "n", folds=2, candidates=1, run=False
    )
    assert named.problem.roles.target.task == "unsupervised"


def test_codes_are_taken_too_where_there_is_a_layer_for_them(tmp_path: Path) -> None:
    old, _ = earlier(images(), "kind", "autoencoder")
    study = ct.fit(
        images(),
        "kind",
        init=old,
        out=tmp_path / "s",
        folds=2,
        candidates=1,
        fix={"hidden": "7,5,3"},
        run=False,
    )
    codes = old.layout.views(old.flat)["body.encoder.affine.2.weight"]
    for member, network in enumerate(begins(study)):
        assert dict(network.named_parameters())["body.hidden.2.linear.weight"].equal(codes[member])


def test_what_no_family_can_start_from_says_so(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((24, 1, 12, 12)).astype(np.float32)
    data = {"image": pl.Series(pixels), "kind": ["a", "b"] * 12}
    old, _ = earlier(data, "kind", "autoencoder", layers="convolutional")
    for given in ({}, {"models": "mlp"}, {"models": "cnn"}):
        with pytest.raises(CoterieError, match="learned without labels"):
            ct.fit(data, "kind", init=old, out=tmp_path / "s", folds=2, run=False, **given)
    dense, _ = earlier(data, "kind", "autoencoder", layers="dense")
    with pytest.raises(CoterieError, match="or mlp"):
        ct.fit(data, "kind", init=dense, models="cnn", out=tmp_path / "s", folds=2, run=False)
