"""Training steps of the engine against the loop that a careful person writes in plain PyTorch.

    python benchmarks/loops.py alone                  # one network: mlp, cnn, lstm, bert, gpt of 4 × 128
    python benchmarks/loops.py together               # twenty: mlp, cnn, lstm, bert
    python benchmarks/loops.py alone lstm gpt --rounds 15 --threads 1

Both train the same layers on the same rows, in batches of 64, with Adam at a constant rate, forward, backward
and update, and take the same number of steps. The loop is what PyTorch offers: `nn.LSTM`,
`nn.TransformerEncoderLayer`, `scaled_dot_product_attention`, `nn.BatchNorm2d`, fused Adam, no data loader,
tensors at hand and standardised beforehand; of twenty networks it trains one after the other. The engine does
its whole epoch, with its order by hash, preparation as a layer and events.

The engine's turns run operation by operation, and as compiled programs, which are made first if need be.
Rounds of an epoch each are interleaved, after some to warm up. Printed are medians of milliseconds for a step
of all members, and the median, least and largest ratio of a round; also that of processor seconds, which
other work on the machine disturbs less, but which count threads that only wait.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.data.read import read
from coterie.study.planning import candidates_of
from coterie.study.problem import pose
from coterie.study.question import Question
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.events import EpochEnd
from coterie.training.loop import train
from coterie.training.plan import CohortPlan, Member, member_key

BATCH, LR = 64, 1e-3
RECIPE = {
    "optimizer": "adam",
    "lr": LR,
    "schedule": "constant",
    "warmup": 0.0,
    "weight_decay": 0.0,
    "clip": 0.0,
    "batch_size": BATCH,
    "epochs": 1_000_000,
    "patience": 0,
}


# ---- the networks, as one writes them ----------------------------------------------------------------------


def mlp(x: Tensor, outputs: int) -> nn.Module:
    hidden = [nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


def cnn(x: Tensor, outputs: int) -> nn.Module:
    def conv(channels: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, out, 3, padding="same", bias=False), nn.BatchNorm2d(out), nn.ReLU()]

    stages = [*conv(x.shape[1], 32), *conv(32, 32), nn.MaxPool2d(2), *conv(32, 64), *conv(64, 64)]
    places = (x.shape[2] // 2) * (x.shape[3] // 2)
    return nn.Sequential(*stages, nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * places, outputs))


class LSTM(nn.Module):
    def __init__(self, x: Tensor, outputs: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(x.shape[2], 64, batch_first=True)
        self.head = nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Encoder(nn.Module):
    def __init__(self, x: Tensor, outputs: int) -> None:
        super().__init__()
        self.project = nn.Linear(x.shape[2], 64)
        self.places = nn.Parameter(0.02 * torch.randn(x.shape[1], 64))
        self.norm = nn.LayerNorm(64)
        layer = nn.TransformerEncoderLayer(
            64, 4, 256, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(64, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.norm(self.project(x) + self.places)).mean(1))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.first(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        joined = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        x = x + self.out(joined)
        return x + self.feed(self.second(x))


class GPT(nn.Module):
    def __init__(self, x: Tensor, outputs: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(int(x.max()) + 1, 128)
        self.places = nn.Parameter(0.02 * torch.randn(x.shape[1] - 1, 128))
        self.blocks = nn.Sequential(*(Block(128, 4) for _ in range(4)))
        self.norm = nn.LayerNorm(128)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.tokens(x[:, :-1]) + self.places
        return F.linear(self.norm(self.blocks(x)), self.tokens.weight)


# ---- the cases ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A family of the zoo at some settings, and the same layers by hand, of inputs as `given` makes them."""

    data: str
    build: Callable[[Tensor, int], nn.Module]
    given: Callable[[dict[str, Tensor]], Tensor]
    fix: dict[str, Any] = field(default_factory=dict)
    rows: int = 1437
    asked: dict[str, Any] = field(default_factory=dict)


def standard(x: Tensor) -> Tensor:
    spread = x.std(0)
    return (x - x.mean(0)) / torch.where(spread > 0, spread, 1.0)


def pixels(data: dict[str, Tensor]) -> Tensor:
    x = data["image"].float()
    return (x - x.mean()) / x.std()


CASES = {
    "mlp": Case("digits", mlp, lambda data: standard(data["numeric"]), {"hidden": (64, 64), "dropout": 0.0}),
    "cnn": Case("digits-images", cnn, pixels, {"dropout": 0.2}),
    "lstm": Case("digits-images", LSTM, lambda data: pixels(data).squeeze(1)),
    "bert": Case("digits-images", Encoder, lambda data: pixels(data).squeeze(1), {"longest": 8}),
    "gpt": Case(
        "markov-text",
        GPT,
        lambda data: data["answer"],
        {"depth": 4, "width": 128, "heads": 4, "context": 66},
        rows=320,
        asked={"tokenizer": "characters"},
    ),
}
TOGETHER = {"mlp": None, "cnn": 2.5, "lstm": 6.0, "bert": 2.5}  # the bars, of twenty members
MEMBERS = 20


class Engine:
    """Members of one candidate, trained by the engine as a study would."""

    def __init__(self, name: str, members: int, compiled: bool = False) -> None:
        case = CASES[name]
        table = read(case.data)
        fix = {**case.fix, **RECIPE}
        question = Question(table.source, (), models=(name,), candidates=1, folds=1, fix=fix, **case.asked)
        problem = pose(question, table)
        (candidate,) = candidates_of(question, problem)
        self.rows = problem.development[: case.rows]
        fold = (self.rows, np.empty(0, dtype=np.int64))
        self.arena = Arena.of(problem.dataset, (fold,), torch.device("cpu"))
        each = [Member(candidate, 0, seed, member_key(0, 0, seed)) for seed in range(members)]
        cohort = Cohort(CohortPlan(0, tuple(each)), self.arena)
        if compiled:
            cohort.compiled()
        self.parameters = cohort.layout.parameters
        self.events = train(cohort, nothing, maximise=True)

    def epoch(self) -> None:
        for event in self.events:
            if isinstance(event, EpochEnd):
                return


def nothing(*given: Tensor) -> Tensor:
    raise AssertionError("there are no validation rows")


class Loop:
    """The same networks in a plain loop."""

    def __init__(self, name: str, members: int, engine: Engine) -> None:
        case = CASES[name]
        rows = torch.from_numpy(engine.rows)
        data = {n: column[rows] for n, column in engine.arena.data.items()}
        self.x, self.y = case.given(data), data["target"]
        if name == "gpt":
            self.y = self.x[:, 1:]
        outputs = int(self.y.max()) + 1
        self.networks = [case.build(self.x, outputs) for _ in range(members)]
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=LR, fused=True) for n in self.networks]
        self.parameters = sum(p.numel() for p in self.networks[0].parameters())

    def epoch(self) -> None:
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            for rows in torch.randperm(len(self.x)).split(BATCH):
                optimizer.zero_grad()
                F.cross_entropy(network(self.x[rows]).flatten(0, -2), self.y[rows].flatten()).backward()
                optimizer.step()


# ---- measuring ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Times:
    """Seconds of each round, by the clock and of the processor."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def take(self, work: Callable[[], None]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def interleaved(contenders: list[Any], rounds: int, warm: int) -> list[Times]:
    for contender in contenders:
        for _ in range(warm):
            contender.epoch()
    times = [Times() for _ in contenders]
    for _ in range(rounds):
        for contender, own in zip(contenders, times, strict=True):
            own.take(contender.epoch)
    return times


def told(label: str, plain: Times, compiled: Times, theirs: Times, steps: int, bar: float) -> str:
    cells = [label, *(f"{1e3 * statistics.median(t.wall) / steps:.2f}" for t in (plain, compiled, theirs))]
    for ours in (plain, compiled):
        ratios = [b / a for a, b in zip(ours.wall, theirs.wall, strict=True)]
        cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    cpu = statistics.median(b / a for a, b in zip(compiled.cpu, theirs.cpu, strict=True))
    return f"| {' | '.join(cells)} | {cpu:.2f} | {bar} |"


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("what", choices=("alone", "together"))
    asked.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(CASES))
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--warm", type=int, default=3, help="epochs before the first round")
    asked.add_argument("--threads", type=int, default=2)
    options = asked.parse_args()
    torch.set_num_threads(options.threads)
    if unknown := set(options.families) - set(CASES):
        asked.error(f"a family is one of {', '.join(CASES)}; not {', '.join(sorted(unknown))}")
    print("| | plain, ms a step | compiled | loop | loop by plain | by compiled | by CPU | bar |")
    print("|---|---|---|---|---|---|---|---|")
    members = 1 if options.what == "alone" else MEMBERS
    for name in options.families or (CASES if options.what == "alone" else TOGETHER):
        engine, compiled = Engine(name, members), Engine(name, members, compiled=True)
        loop = Loop(name, members, engine)
        times = interleaved([engine, compiled, loop], options.rounds, options.warm)
        bar = 1.0 if members == 1 else TOGETHER[name]
        steps = -(-len(loop.x) // BATCH)
        label = f"{name} ({engine.parameters:,} weights, {loop.parameters:,})"
        print(told(label, *times, steps, bar), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
