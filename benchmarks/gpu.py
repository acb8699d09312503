"""What the engine makes of a GPU: three bars, each one command.

    python benchmarks/gpu.py digits                   # 256 small networks against a plain PyTorch loop
    python benchmarks/gpu.py gpt2                     # GPT-2 small: share of the measured bf16 matmul rate
    python benchmarks/gpu.py resnet50                 # ResNet-50 against a hand-tuned loop
    python benchmarks/gpu.py digits --device cpu --small      # the same code on any machine

digits: 256 members of a 64-64 MLP on digits, batch 64, Adam, against a loop over such networks whose data lie
on the device, standardised, with fused Adam; the loop trains some of them (`--loop`), and its time is
multiplied. Bar: 200 times as fast.
gpt2: 12 blocks of width 768, 12 heads, sequences of 1,024 tokens of 50,304 (50,257, and some that never
occur, so that products have even sizes), AdamW, clipping, bf16 autocast. Operations are those of products of
matrices, forward and backward: 6 × weights × tokens, and half of 12 × depth × width × steps × tokens for
attention, of which the other half lies behind the causal mask. They are set against products of large
matrices in bf16, measured beside. Bar: half of that rate.
resnet50: images of 224 × 224 × 3 bytes that lie on the device, 1,000 classes, SGD with momentum, bf16. The
loop is PyTorch's own layers with channels last, autocast, cuDNN's search for algorithms and fused updates;
with `--tuned` its network goes through `torch.compile`. Bar: 0.9 of its speed. (To make the program takes
minutes; it is kept.)

The engine does whole epochs: order by hash, preparation as a layer, loss, gradient, update; operation by
operation (on a GPU recorded as a graph) and as a compiled program, which is made first if need be. Rounds of
an epoch each are interleaved after two to warm up, and end when the device is done; medians are told.
`COTERIE_CAPTURE=off` leaves graphs out.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.data.dataset import Dataset
from coterie.data.encode import encode
from coterie.data.infer import infer_schema
from coterie.data.read import read
from coterie.data.roles import assign_roles
from coterie.data.schema import Column, Schema, Target
from coterie.models.family import Family
from coterie.models.gpt import GPT
from coterie.models.mlp import MLP
from coterie.models.resnet import ResNet
from coterie.training.arena import Arena
from coterie.training.captured import why_not
from coterie.training.cohort import Cohort
from coterie.training.compiled import Unsuited
from coterie.training.plan import Candidate, CohortPlan, Member, member_key
from coterie.training.recipe import Recipe

WARM = 2
STEADY = {"schedule": "constant", "warmup": 0.0, "patience": 0, "epochs": 1_000_000}


@dataclass(frozen=True)
class Sizes:
    """What is trained: as the bars have it, or small enough for any machine."""

    members: int = 256
    looped: int = 8
    batch: int = 64
    epochs: int = 5  # of digits a round
    width: int = 768
    depth: int = 12
    heads: int = 12
    steps: int = 1024
    words: int = 50_304
    texts: int = 16
    pixels: int = 224
    classes: int = 1000
    share: int = 100  # of ResNet's channels, percent
    images: int = 128
    batches: int = 16  # of texts or images, an epoch
    matrix: int = 8192


SMALL = Sizes(8, 2, 64, 1, 32, 2, 2, 32, 96, 4, 64, 10, 12, 4, 2, 256)


# ---- the engine --------------------------------------------------------------------------------------------


class Engine:
    """Members of one candidate on all rows, trained by the engine an epoch at a time."""

    def __init__(
        self, dataset: Dataset, family: Family, recipe: Recipe, members: int, device: torch.device
    ) -> None:
        rows = np.arange(len(dataset))
        arena = Arena.of(dataset, ((rows, np.empty(0, dtype=np.int64)),), device)
        candidate = Candidate(0, family, recipe)
        each = tuple(Member(candidate, 0, seed, member_key(0, 0, seed)) for seed in range(members))
        self.cohort = Cohort(CohortPlan(0, each), arena)

    def epoch(self) -> None:
        draw = self.cohort.draw()
        for _ in range(int(draw.busy.max())):
            self.cohort.advance(draw)
        self.cohort.end_epoch(draw)


def digits(sizes: Sizes, device: torch.device) -> Engine:
    table = read("digits")
    rows = np.arange(len(table.frame))
    dataset = encode(table, infer_schema(table, assign_roles(table, target=None), rows), rows)
    recipe = Recipe(optimizer="adam", lr=1e-3, weight_decay=0.0, batch_size=sizes.batch, **STEADY)
    return Engine(dataset, MLP(hidden=(64, 64), dropout=0.0), recipe, sizes.members, device)


def texts(sizes: Sizes, device: torch.device) -> Engine:
    drawn = torch.Generator().manual_seed(0)
    count = sizes.texts * sizes.batches
    answer = torch.randint(5, sizes.words, (count, sizes.steps + 1), generator=drawn)
    said = Target(("y",), "text", each_step=True, shape=(sizes.steps + 1, sizes.words))
    schema = Schema.of([Column("y", "numeric", "target")], said)
    dataset = Dataset(schema, {**nothing(count), "answer": answer}, answer[:, 1:], None, np.arange(count))
    family = GPT(
        width=sizes.width, depth=sizes.depth, heads=sizes.heads, context=sizes.steps + 1, dropout=0.0
    )
    more = {"optimizer": "adamw", "lr": 6e-4, "weight_decay": 0.1, "clip": 1.0, "precision": "bfloat16"}
    return Engine(dataset, family, Recipe(batch_size=sizes.texts, **more, **STEADY), 1, device)


def images(sizes: Sizes, device: torch.device) -> Engine:
    drawn = torch.Generator().manual_seed(0)
    count, shape = sizes.images * sizes.batches, (3, sizes.pixels, sizes.pixels)
    pixels = torch.randint(0, 256, (count, *shape), generator=drawn, dtype=torch.uint8)
    target = torch.randint(0, sizes.classes, (count,), generator=drawn)
    classes = tuple(map(str, range(sizes.classes)))
    schema = Schema.of(
        [Column("rich", "image", "feature", shape=shape), Column("y", "numeric", "target")],
        Target(("y",), "multiclass", classes),
    )
    dataset = Dataset(schema, {**nothing(count), "image": pixels}, target, None, np.arange(count))
    more = {"optimizer": "momentum", "momentum": 0.9, "lr": 0.1, "weight_decay": 1e-4, "clip": 0.0}
    recipe = Recipe(batch_size=sizes.images, precision="bfloat16", **more, **STEADY)
    return Engine(dataset, ResNet(depth="50", share=sizes.share), recipe, 1, device)


def nothing(rows: int) -> dict[str, Tensor]:
    """No columns beside."""
    return {"numeric": torch.zeros(rows, 0), "category": torch.zeros(rows, 0, dtype=torch.int64)}


# ---- the loops, as one writes them -------------------------------------------------------------------------


class PlainLoop:
    """MLPs in turn, their data at hand and standardised."""

    def __init__(self, engine: Engine, sizes: Sizes) -> None:
        data, self.batch = engine.cohort.arena.data, sizes.batch
        x = data["numeric"]
        spread = x.std(0)
        self.x, self.y = (x - x.mean(0)) / torch.where(spread > 0, spread, 1.0), data["target"]
        sides = [x.shape[1], 64, 64, 10]
        self.networks = [
            nn.Sequential(
                nn.Linear(sides[0], sides[1]),
                nn.ReLU(),
                nn.Linear(sides[1], sides[2]),
                nn.ReLU(),
                nn.Linear(sides[2], sides[3]),
            ).to(x.device)
            for _ in range(sizes.looped)
        ]
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=1e-3, fused=True) for n in self.networks]

    def epoch(self) -> None:
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            for rows in torch.randperm(len(self.x), device=self.x.device).split(self.batch):
                optimizer.zero_grad()
                F.cross_entropy(network(self.x[rows]), self.y[rows]).backward()
                optimizer.step()


class Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()

        def conv(a: int, b: int, kernel: int, stride: int = 1) -> list[nn.Module]:
            return [nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(b)]

        relu, out = nn.ReLU(inplace=True), 4 * width
        self.path = nn.Sequential(
            *conv(channels, width, 1), relu, *conv(width, width, 3, stride), relu, *conv(width, out, 1)
        )
        kept = stride == 1 and channels == out
        self.shortcut = nn.Identity() if kept else nn.Sequential(*conv(channels, out, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.path(x) + self.shortcut(x), inplace=True)


def resnet50(first: int, classes: int) -> nn.Sequential:
    """ResNet-50 in PyTorch's own layers; first: channels of its first layer, 64 as published."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, first, 7, 2, 3, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    channels = first
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for place in range(blocks):
            width = first * 2**stage
            layers.append(Bottleneck(channels, width, 2 if stage and not place else 1))
            channels = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class TunedLoop:
    """One ResNet-50, with what is known to make it fast."""

    def __init__(self, engine: Engine, sizes: Sizes, tuned: bool) -> None:
        data = engine.cohort.arena.data
        self.device, self.batch = data["target"].device, sizes.images
        self.x, self.y = data["image"].contiguous(memory_format=torch.channels_last), data["target"]
        network = resnet50(round(64 * sizes.share / 100), sizes.classes)
        network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parameters = sum(p.numel() for p in network.parameters())
        self.network: Callable[[Tensor], Tensor] = torch.compile(network) if tuned else network
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True
        )

    def epoch(self) -> None:
        searches, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
        for rows in torch.randperm(len(self.x), device=self.device).split(self.batch):
            self.optimizer.zero_grad(set_to_none=True)
            x = ((self.x[rows].float() - 127.5) / 74.0).contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16):
                loss = F.cross_entropy(self.network(x), self.y[rows])
            loss.backward()
            self.optimizer.step()
        torch.backends.cudnn.benchmark = searches


# ---- measuring ---------------------------------------------------------------------------------------------


def done(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    done(device)
    start = time.perf_counter()
    work()
    done(device)
    return time.perf_counter() - start


def interleaved(
    works: dict[str, Callable[[], object]], rounds: int, device: torch.device
) -> dict[str, list[float]]:
    for work in works.values():
        for _ in range(WARM):
            work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work, device))
    return times


def engines(made: Callable[[], Engine], compiles: bool) -> dict[str, Engine]:
    """The engine operation by operation, and compiled if that goes."""
    found = {"plain": made()}
    if compiles:
        try:
            program = made()
            program.cohort.compiled()
            found["compiled"] = program
        except Unsuited as error:
            print(f"not compiled: {error}", flush=True)
    return found


def multiply_adds(sizes: Sizes) -> float:
    """Of a step of GPT-2's products, forward and backward; of attention what lies before the causal mask."""
    tokens, d = sizes.texts * sizes.steps, sizes.width
    weights = sizes.depth * 12 * d * d + sizes.words * d
    return 3 * tokens * (weights + sizes.depth * d * sizes.steps)


def products(sizes: Sizes, device: torch.device) -> Callable[[], object]:
    a, b = (torch.randn(sizes.matrix, sizes.matrix, device=device).bfloat16() for _ in range(2))
    return lambda: torch.mm(a, b)


def told(name: str, ours: list[float], ratios: list[float], bar: float, unit: str) -> None:
    ratio = statistics.median(ratios)
    said = "met" if ratio >= bar else "missed"
    print(
        f"| {name} | {1e3 * statistics.median(ours):.3f} | {ratio:.3g} {unit} "
        f"({min(ratios):.3g} to {max(ratios):.3g}) | {bar:g} | {said} |",
        flush=True,
    )


def run(what: str, sizes: Sizes, device: torch.device, rounds: int, compiles: bool, tuned: bool) -> None:
    made = {"digits": digits, "gpt2": texts, "resnet50": images}[what]
    ours = engines(lambda: made(sizes, device), compiles)
    first = ours["plain"]
    works: dict[str, Callable[[], object]] = {name: engine.epoch for name, engine in ours.items()}
    times = sizes.epochs if what == "digits" else 1
    if what == "gpt2":
        works["other"] = products(sizes, device)
    else:
        loop = PlainLoop(first, sizes) if what == "digits" else TunedLoop(first, sizes, tuned)
        works["other"] = loop.epoch
    if times > 1:
        works |= {name: repeated(works[name], times) for name in ours}
    taken = interleaved(works, rounds, device)
    steps = times * int(first.cohort.epoch_steps.max())
    print(f"{what}: {len(first.cohort.alive)} × {first.cohort.layout.parameters:,} parameters")
    print("| engine | ms a step | ratio (range) | bar | |\n|---|---|---|---|---|")
    for name, engine in ours.items():
        paces = [t / steps for t in taken[name]]
        if what == "gpt2":
            rates = [2 * sizes.matrix**3 / t for t in taken["other"]]
            shares = [2 * multiply_adds(sizes) / p / r for p, r in zip(paces, rates, strict=True)]
            told(name, paces, shares, 0.5, "of the matmul rate")
        else:
            scale = sizes.members / sizes.looped if what == "digits" else 1.0
            theirs = [t * scale * times / steps for t in taken["other"]]
            ratios = [b / a for a, b in zip(paces, theirs, strict=True)]
            told(name, paces, ratios, 200 if what == "digits" else 0.9, "× the loop")
        if why := why_not(engine.cohort.turns):
            print(f"not recorded as a graph: {why}")
    other = statistics.median(taken["other"])
    if what == "gpt2":
        print(f"products of {sizes.matrix:,}²: {2e-12 * sizes.matrix**3 / other:.4g} TFLOP/s in bf16")
        print(f"a step: {2e-12 * multiply_adds(sizes):.4g} TFLOP of products")
    else:
        trained = f"{sizes.looped} of {sizes.members} networks" if what == "digits" else "one network"
        print(f"loop: {1e3 * other * times / steps:.3f} ms a step of {trained}")


def repeated(work: Callable[[], object], times: int) -> Callable[[], None]:
    def several() -> None:
        for _ in range(times):
            work()

    return several


def name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "the processor"


def main(given: list[str] | None = None) -> int:
    asked: Any = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("what", choices=("digits", "gpt2", "resnet50"))
    asked.add_argument("--device", default="cuda", help="cuda (default) or cpu")
    asked.add_argument("--small", action="store_true", help="sizes that any machine has time for")
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--loop", type=int, help="networks that the loop of digits trains (default: 8)")
    asked.add_argument("--batch", type=int, help="texts or images a step (default: 16, 128)")
    asked.add_argument("--tuned", action="store_true", help="compile the loop's ResNet-50")
    asked.add_argument(
        "--compiled",
        action=argparse.BooleanOptionalAction,
        help="also as a compiled program (default: on a GPU)",
    )
    options = asked.parse_args(given)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        asked.error("there is no CUDA device here: run it where there is one, or --device cpu --small")
    sizes = SMALL if options.small else Sizes()
    changes = {"looped": options.loop, "texts": options.batch, "images": options.batch}
    sizes = Sizes(**{**vars(sizes), **{name: n for name, n in changes.items() if n}})
    compiles = device.type == "cuda" if options.compiled is None else options.compiled
    print(f"{name_of(device)}, PyTorch {torch.__version__}, {options.rounds} rounds")
    run(options.what, sizes, device, options.rounds, compiles, options.tuned)
    return 0


if __name__ == "__main__":
    sys.exit(main())
