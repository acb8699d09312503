"""One MLP trained by the engine, and by the training loops of skorch, Keras and Lightning.

    pip install skorch keras lightning
    python benchmarks/trainers.py [--rounds 9] [--threads 2]

A 64-64 network on digits, batches of 64, Adam at a constant rate: forward, backward and update, no
validation. Each trains in a process of its own, as one does: a library that leaves threads waiting slows all
others in its process. Rounds of ten epochs each are interleaved, after one to warm up: one process trains
while the others wait. Printed are medians of milliseconds for a step, and the median, least and largest ratio
of a round; also that of processor seconds, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from loops import BATCH, LR, Engine, Loop, Times, mlp, told
from torch import Tensor, nn
from torch.nn import functional as F

OTHERS = ("skorch", "keras", "lightning")
NAMES = ("plain", "compiled", *OTHERS)
EPOCHS = 10  # of a round: one lasts milliseconds
BAR = 2.0


class Rounds:
    """The rounds of this process: each begins with a line that is read, and ends with one that is printed."""

    done = 0  # epochs

    def begin(self) -> None:
        if self.done % EPOCHS:
            return
        if not sys.stdin.readline():
            os._exit(0)
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def end(self) -> None:
        self.done += 1
        if self.done % EPOCHS:
            return
        print(json.dumps([time.perf_counter() - self.wall, time.process_time() - self.cpu]), flush=True)


def train(name: str) -> None:
    """Epochs of one contender, as long as they are asked for."""
    engine, rounds = Engine("mlp", 1, compiled=name == "compiled"), Rounds()
    loop = Loop("mlp", 1, engine)
    print(json.dumps(EPOCHS * -(-len(loop.x) // BATCH)), flush=True)
    if name == "lightning":
        lightning(loop.x, loop.y, rounds)
        return
    epoch = {"skorch": skorch, "keras": keras}[name](loop.x, loop.y) if name in OTHERS else engine.epoch
    while True:
        rounds.begin()
        epoch()
        rounds.end()


def skorch(x: Tensor, y: Tensor) -> Callable[[], object]:
    import skorch

    network = skorch.NeuralNetClassifier(
        mlp,
        module__x=x,
        module__outputs=10,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        optimizer__fused=True,
        lr=LR,
        batch_size=BATCH,
        max_epochs=1,
        iterator_train__shuffle=True,
        train_split=None,
        verbose=0,
    ).initialize()
    rows, answers = x.numpy(), y.numpy()
    return lambda: network.partial_fit(rows, answers)


def keras(x: Tensor, y: Tensor) -> Callable[[], object]:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    dense = [keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
    network = keras.Sequential([keras.Input((x.shape[1],)), *dense])
    network.compile(keras.optimizers.Adam(LR), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rows, answers = x.numpy(), y.numpy()
    return lambda: network.fit(rows, answers, batch_size=BATCH, epochs=1, verbose=0)


def lightning(x: Tensor, y: Tensor, rounds: Rounds) -> None:
    """One `fit` that goes on for ever, an epoch at a time."""
    import logging

    import lightning as pl
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")

    class Network(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = mlp(x, 10)

        def training_step(self, batch: Any, index: int) -> Tensor:
            return F.cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=LR, fused=True)

        def on_train_epoch_start(self) -> None:
            rounds.begin()

        def on_train_epoch_end(self) -> None:
            rounds.end()

    trainer = pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(Network(), DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True))


class Contender:
    """One of those who train, in a process of its own."""

    def __init__(self, name: str, threads: int) -> None:
        words = [sys.executable, __file__, "--one", name, "--threads", str(threads)]
        self.child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.steps = self._told()

    def epoch(self) -> tuple[float, float]:
        """Seconds by the clock and of the processor."""
        assert self.child.stdin is not None
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        wall, cpu = self._told()
        return wall, cpu

    def _told(self) -> Any:
        """The next line that is JSON: libraries print, too."""
        assert self.child.stdout is not None
        for line in self.child.stdout:
            try:
                return json.loads(line)
            except ValueError:
                continue
        raise SystemExit("a contender ended: what it said stands above")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--warm", type=int, default=1, help="rounds before the first that counts")
    asked.add_argument("--threads", type=int, default=2)
    asked.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.one:
        torch.set_num_threads(options.threads)
        train(options.one)
        return 0
    each = {name: Contender(name, options.threads) for name in NAMES}
    times = {name: Times() for name in NAMES}
    for number in range(-options.warm, options.rounds):
        for name, contender in each.items():
            wall, cpu = contender.epoch()
            if number >= 0:
                times[name].wall.append(wall)
                times[name].cpu.append(cpu)
    print("| | plain, ms a step | compiled | trainer | trainer by plain | by compiled | by CPU | bar |")
    print("|---|---|---|---|---|---|---|---|")
    for name in OTHERS:
        ours, steps = (times["plain"], times["compiled"]), each[name].steps
        print(told(f"mlp, {name}", *ours, times[name], steps, BAR))
    for contender in each.values():
        contender.child.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
