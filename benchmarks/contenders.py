"""The search of `peers.py`, as each library does it: 16 candidates × 5 folds of an MLP on digits.

Each contender takes arrays X (N, 64) and y (N,), the folds, and the (candidate, fold) pairs that it is to
train (those that search by themselves train all), and returns every accuracy on the validation rows.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

RATES, DECAYS = (3e-4, 1e-3, 3e-3, 1e-2), (1e-5, 1e-4, 1e-3, 1e-2)
GRID = list(itertools.product(RATES, DECAYS))
WIDTH, EPOCHS, BATCH, FOLDS, THREADS = 64, 30, 64, 5, 2
SPLIT = ("sklearn", "skorch", "optuna-2")  # two processes, of one thread each
SINGLE = ("optuna", "keras", "lightning")  # one process

Folds = list[tuple[Any, Any]]
Scores = dict[tuple[int, int], float]  # accuracy by (candidate, fold)
Jobs = list[tuple[int, int]]


def coterie(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    import numpy as np
    import torch

    from coterie.data.encode import encode
    from coterie.data.infer import infer_schema
    from coterie.data.read import read
    from coterie.data.roles import assign_roles
    from coterie.metrics.catalogue import metric_named
    from coterie.models.mlp import MLP
    from coterie.training.arena import Arena
    from coterie.training.cohort import Cohort
    from coterie.training.loop import train
    from coterie.training.plan import Candidate, make_plan
    from coterie.training.recipe import Recipe

    table = read((x, y.astype(str)))
    roles, rows = assign_roles(table, target=("y",)), np.arange(len(x))
    dataset = encode(table, infer_schema(table, roles, rows), rows)
    arena = Arena.of(dataset, tuple(folds), torch.device("cpu"))
    family = MLP(**FAMILY)
    candidates = [
        Candidate(i, family, Recipe(lr=lr, weight_decay=decay, **RECIPE))
        for i, (lr, decay) in enumerate(GRID)
    ]
    (plan,) = make_plan(candidates, len(folds), seeds=1, seed=0, room=lambda c: len(jobs))
    cohort, metric = Cohort(plan, arena), metric_named("accuracy", "multiclass")
    cohort.compiled()
    for _ in train(cohort, metric.function, metric.maximise, metric.view):
        pass
    records = zip(plan.members, cohort.records, strict=True)
    return {(m.candidate.index, m.fold): float(record.score or 0) for m, record in records}


def coterie_fit(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    import coterie as ct

    with tempfile.TemporaryDirectory() as folder:
        study = ct.fit(
            (x, y.astype(str)),
            models="mlp",
            fix={**FAMILY, **RECIPE},
            grid={"lr": RATES, "weight_decay": DECAYS},
            folds=FOLDS,
            test_size=0,
            metric="accuracy",
            out=Path(folder) / "study",
        )
        best = study.facts["validation"]["accuracy"]["mean"]
    return dict.fromkeys(((0, fold) for fold in range(FOLDS)), best)


FAMILY: dict[str, Any] = {"hidden": (WIDTH, WIDTH), "dropout": 0.0}
RECIPE: dict[str, Any] = {
    "optimizer": "adam",
    "schedule": "constant",
    "warmup": 0.0,
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "patience": 0,
}


def sklearn(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        (WIDTH, WIDTH), batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=EPOCHS, tol=0.0, random_state=0
    )
    grid = [{"net__learning_rate_init": [lr], "net__alpha": [BATCH * decay]} for lr, decay in GRID]
    return searched(network, grid, x, y, folds)


def skorch(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    import torch
    from skorch import NeuralNetClassifier
    from torch import nn

    network = NeuralNetClassifier(
        layers,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        max_epochs=EPOCHS,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    )
    grid = [{"net__lr": [lr], "net__optimizer__weight_decay": [decay]} for lr, decay in GRID]
    return searched(network, grid, x, y, folds)


def searched(network: Any, grid: list[dict[str, list[float]]], x: Any, y: Any, folds: Folds) -> Scores:
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = Pipeline([("scale", StandardScaler()), ("net", network)])
    search = GridSearchCV(pipeline, grid, cv=folds, n_jobs=THREADS, refit=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 30 epochs are few
        search.fit(x, y)
    split = [search.cv_results_[f"split{fold}_test_score"] for fold in range(FOLDS)]
    return {(c, f): float(split[f][c]) for c in range(len(GRID)) for f in range(FOLDS)}


def optuna(x: Any, y: Any, folds: Folds, jobs: Jobs, processes: int = 1) -> Scores:
    import joblib
    import optuna as tuner

    tuner.logging.set_verbosity(tuner.logging.ERROR)
    scores: Scores = {}

    def objective(trial: Any) -> float:
        lr = trial.suggest_categorical("lr", RATES)
        decay = trial.suggest_categorical("decay", DECAYS)
        if processes == 1:
            found = [plain_loop(x, y, rows, lr, decay) for rows in folds]
        else:
            found = pool(joblib.delayed(plain_loop)(x, y, rows, lr, decay) for rows in folds)
        scores.update({(trial.number, fold): score for fold, score in enumerate(found)})
        return statistics.mean(found)

    with joblib.Parallel(n_jobs=processes) as pool:
        sampler = tuner.samplers.GridSampler({"lr": RATES, "decay": DECAYS}, seed=0)
        tuner.create_study(direction="maximize", sampler=sampler).optimize(objective, n_trials=len(GRID))
    return scores


def optuna_2(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    return optuna(x, y, folds, jobs, processes=THREADS)


def plain_loop(x: Any, y: Any, rows: tuple[Any, Any], lr: float, decay: float) -> float:
    import torch
    from torch import nn

    x_train, y_train, x_valid, y_valid = map(torch.from_numpy, scaled(x, y, rows))
    network = layers()
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, weight_decay=decay, fused=True)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x_train))
        for batch in order.split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x_train[batch]), y_train[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((network(x_valid).argmax(1) == y_valid).float().mean())


def keras(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k

    scores = {}
    for candidate, fold in jobs:
        lr, decay = GRID[candidate]
        x_train, y_train, x_valid, y_valid = scaled(x, y, folds[fold])
        dense = [k.layers.Dense(WIDTH, "relu"), k.layers.Dense(WIDTH, "relu"), k.layers.Dense(10)]
        network = k.Sequential([k.Input((x.shape[1],)), *dense])
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(k.optimizers.Adam(lr, weight_decay=decay), loss)
        network.fit(x_train, y_train, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        said = network.predict(x_valid, batch_size=len(x_valid), verbose=0)
        scores[candidate, fold] = float((said.argmax(1) == y_valid).mean())
        k.utils.clear_session()
    return scores


def lightning(x: Any, y: Any, folds: Folds, jobs: Jobs) -> Scores:
    import logging

    import lightning as pl
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # that data could be loaded by more processes

    class Network(pl.LightningModule):
        def __init__(self, lr: float, decay: float) -> None:
            super().__init__()
            self.network, self.lr, self.decay = layers(), lr, decay

        def training_step(self, batch: Any, index: int) -> Any:
            return nn.functional.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=self.lr, weight_decay=self.decay, fused=True)

    scores = {}
    for candidate, fold in jobs:
        x_train, y_train, x_valid, y_valid = map(torch.from_numpy, scaled(x, y, folds[fold]))
        network = Network(*GRID[candidate])
        trainer = pl.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        trainer.fit(network, DataLoader(TensorDataset(x_train, y_train), batch_size=BATCH, shuffle=True))
        with torch.no_grad():
            right = network.network(x_valid).argmax(1) == y_valid
        scores[candidate, fold] = float(right.float().mean())
    return scores


def layers() -> Any:
    from torch import nn

    hidden = [nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, 10))


def scaled(x: Any, y: Any, rows: tuple[Any, Any]) -> tuple[Any, Any, Any, Any]:
    """Training and validation rows, standardised by the training rows."""
    from sklearn.preprocessing import StandardScaler

    train, valid = rows
    scaler = StandardScaler().fit(x[train])
    return scaler.transform(x[train]), y[train], scaler.transform(x[valid]), y[valid]


CONTENDERS: dict[str, Callable[[Any, Any, Folds, Jobs], Scores]] = {
    "coterie": coterie,
    "coterie-fit": coterie_fit,
    "sklearn": sklearn,
    "skorch": skorch,
    "optuna": optuna,
    "optuna-2": optuna_2,
    "keras": keras,
    "lightning": lightning,
}
