"""Operations of a cohort written in several ways: what `coterie/lifting/` has, and what lost against it.

    python benchmarks/lifting.py normalisation     # sums over rows and pixels at once, or pixels first
    python benchmarks/lifting.py pooling           # PyTorch's pooling, or comparisons of neighbours
    python benchmarks/lifting.py convolution       # members as groups, as columns, and in turn
    python benchmarks/lifting.py dropout           # a step of 40 MLPs with dropout 0.2 and without
    python benchmarks/lifting.py heap              # whole steps, memory kept by the C library and given back
    python benchmarks/lifting.py steps             # whole steps of 20 members beside plain PyTorch loops

Batches of 64, one thread; 20 members where nothing else is said. Times are of the processor, in milliseconds:
of operations forward and backward the least of rounds in turn, of whole steps medians of rounds in turn.
`--compiled` adds the same of single operations under `torch.compile`.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.nn import functional as F

from coterie.data.encode import encode
from coterie.data.heap import keep_memory
from coterie.data.infer import infer_schema
from coterie.data.read import read
from coterie.data.roles import assign_roles
from coterie.lifting.normalisation import normalised
from coterie.models.catalogue import FAMILIES
from coterie.training import arena as arena_module
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.plan import Candidate, CohortPlan, Member, member_key
from coterie.training.recipe import Recipe

M, B = 20, 64
EPS = 1e-5
Work = Callable[[], Any]


def least(works: dict[str, Work], rounds: int) -> None:
    """Prints each one's least milliseconds."""
    times = {name: float("inf") for name in works}
    for turn in range(rounds + 2):
        for name, work in works.items():
            start = time.thread_time()
            work()
            if turn > 1:
                times[name] = min(times[name], 1e3 * (time.thread_time() - start))
    for name, milliseconds in times.items():
        print(f"{name:50} {milliseconds:8.2f} ms", flush=True)


def medians(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Each one's median milliseconds; a step of it is taken as often as half a second allows."""
    often, times = {}, {name: list[float]() for name in works}
    for name, work in works.items():
        work()
        start = time.process_time()
        work()
        often[name] = max(1, min(15, round(0.5 / (time.process_time() - start))))
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(often[name]):
                work()
            times[name].append(1e3 * (time.process_time() - start) / often[name])
    return {name: statistics.median(each) for name, each in times.items()}


# ---- single operations -----------------------------------------------------------------------------------


def maps(channels: int, side: int, last: bool) -> Tensor:
    """(M, B, C, H, W) as lifted convolutions leave them, members beside channels.

    last: both behind the pixels, as a compiled step has them.
    """
    axes = (1, 3, 4, 0, 2) if last else (1, 0, 2, 3, 4)
    x = torch.randn(M, B, channels, side, side).permute(axes).contiguous()
    return x.permute(np.argsort(axes).tolist())


def at_once(x: Tensor, present: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Batch normalisation as one would write it: sums over rows and pixels, padding weighed with 0."""
    rows = present[:, None, None, None]
    count = (rows.sum() * x.shape[2] * x.shape[3]).clamp_min(1)
    mean = (x * rows).sum((0, 2, 3)) / count
    var = ((x - mean[:, None, None]).square() * rows).sum((0, 2, 3)) / count
    scale = torch.rsqrt(var + EPS) * weight
    return (x - mean[:, None, None]) * scale[:, None, None] + bias[:, None, None]


def pixels_first(x: Tensor, present: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    before = torch.zeros_like(weight), torch.ones_like(weight)
    return normalised(x, present, before, weight, bias, EPS)[0]


def normalisation(compiled: bool, rounds: int) -> None:
    for channels, side in ((32, 8), (64, 4)):
        print(f"{channels} channels of {side} × {side}, with the ReLU behind")
        weight, bias, present = torch.rand(M, channels) + 0.5, torch.randn(M, channels), torch.ones(M, B)
        works: dict[str, Work] = {}
        for way in (False, True) if compiled else (False,):
            x, g = maps(channels, side, way), maps(channels, side, way)
            for name, norm in {"at once": at_once, "pixels first": pixels_first}.items():

                def loss(own: Any, present: Tensor, g: Tensor, norm: Any = norm) -> Tensor:
                    return (norm(own[0], present, *own[1:]).relu() * g).sum()

                lifted: Any = vmap(grad(loss))
                lifted = torch.compile(lifted, dynamic=False) if way else lifted
                given = (x, weight, bias), present, g
                works[f"{name}{', compiled' if way else ''}"] = lambda f=lifted, a=given: f(*a)
        least(works, rounds)


def neighbours(x: Tensor) -> Tensor:
    """The largest of 2 × 2, the first among equals, by comparisons."""

    def larger(a: Tensor, b: Tensor) -> Tensor:
        return torch.where((b > a) | b.isnan(), b, a)

    return larger(*larger(*x.unflatten(3, (-1, 2)).unbind(4)).unflatten(2, (-1, 2)).unbind(3))


def pooling(compiled: bool, rounds: int) -> None:
    works: dict[str, Work] = {}
    ways = {
        "PyTorch's": lambda x: F.max_pool2d(x, 2),
        "neighbours": neighbours,
        "amax": lambda x: x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).amax((3, 5)),
    }
    for way in (False, True) if compiled else (False,):
        x, g = maps(32, 8, way), maps(32, 4, way)
        for name, pool in ways.items():
            lifted: Any = vmap(grad(lambda x, g, pool=pool: (pool(x) * g).sum()))
            lifted = torch.compile(lifted, dynamic=False) if way else lifted
            works[f"{name}{', compiled' if way else ''}"] = lambda f=lifted, a=(x, g): f(*a)
    least(works, rounds)


def convolution(compiled: bool, rounds: int) -> None:
    for into, out, side in ((32, 32, 8), (32, 64, 4), (64, 64, 4), (16, 16, 8)):
        work = 2 * 9 * into * out * side * side * B * M / 1e6
        print(f"3 × 3, {into} → {out} channels, {side} × {side}: {3 * work:.0f} million operations")
        ones = [(torch.randn(B, c, side, side)) for c in (into, out)]
        weight = torch.randn(out, into, 3, 3)
        wide = [torch.randn(B, M * c, side, side) for c in (into, out)]
        last = [x.contiguous(memory_format=torch.channels_last) for x in wide]

        def both(x: Tensor, g: Tensor, w: Tensor, groups: int) -> None:
            F.conv2d(x, w, padding=1, groups=groups)
            torch.ops.aten.convolution_backward(
                g, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], groups, [True, True, False]
            )

        def columns(x: Tensor, g: Tensor, w: Tensor, side: int) -> None:  # (M, 9·C, B·pixels), and products
            made = F.unfold(x.view(M * B, -1, side, side), 3, padding=1).unflatten(0, (M, B))
            made = made.transpose(1, 2).flatten(2)
            w = w.expand(M, -1, -1, -1, -1).flatten(2)
            g = g.view(M, -1, made.shape[2])
            torch.bmm(w, made)
            torch.bmm(g, made.mT)
            back = torch.bmm(w.mT, g).unflatten(2, (B, -1)).transpose(1, 2).flatten(0, 1)
            F.fold(back, (side, side), 3, padding=1)

        many = weight.repeat(M, 1, 1, 1)
        works: dict[str, Work] = {
            "in turn": lambda o=ones, w=weight: [both(*o, w, 1) for _ in range(M)],
            "groups": lambda o=wide, w=many: both(*o, w, M),
            "groups, channels last": lambda o=last, w=many: both(*o, w, M),
            "columns and products": lambda o=wide, w=weight, s=side: columns(*o, w, s),
        }
        least(works, rounds)


# ---- whole steps -----------------------------------------------------------------------------------------


def cohort(name: str, source: str, members: int = M, **given: Any) -> Cohort:
    table = read(source)
    rows = np.arange(len(table.frame))
    dataset = encode(table, infer_schema(table, assign_roles(table, target=None), rows), rows)
    arena = Arena.of(dataset, ((rows, np.empty(0, dtype=np.int64)),), torch.device("cpu"))
    recipe = Recipe(optimizer="adam", lr=1e-3, weight_decay=0.0, batch_size=B, schedule="constant", warmup=0)
    one = Candidate(0, FAMILIES[name](**given), recipe)
    plan = CohortPlan(0, tuple(Member(one, 0, seed, member_key(0, 0, seed)) for seed in range(members)))
    return Cohort(plan, arena)


def stepping(group: Cohort) -> Work:
    draw = group.draw()

    def step() -> None:
        group.step = group.step % 20
        group.advance(draw)

    return step


class Loop:
    """What one writes by hand: networks, fused Adam, prepared tensors, one network after another."""

    def __init__(self, make: Callable[[], nn.Module], group: Cohort) -> None:
        x = group.arena.data["image"].float()
        self.x, self.y = (x - x.mean()) / x.std(), group.arena.data["target"]
        self.networks = [make() for _ in range(M)]
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=1e-3, fused=True) for n in self.networks]

    def __call__(self) -> None:
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            rows = torch.randint(len(self.x), (B,))
            optimizer.zero_grad()
            F.cross_entropy(network(self.x[rows]), self.y[rows]).backward()
            optimizer.step()


def plain_cnn() -> nn.Module:
    made: list[nn.Module] = []
    for into, out in ((1, 32), (32, 32), (32, 64), (64, 64)):
        made += [nn.MaxPool2d(2)] if (into, out) == (32, 64) else []
        made += [nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*made, nn.Flatten(), nn.Dropout(0.2), nn.Linear(1024, 10))


class PlainLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.LSTM(8, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.layer(x[:, 0])[0][:, -1])


class PlainEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project, self.norm, self.drop = nn.Linear(8, 64), nn.LayerNorm(64), nn.Dropout(0.1)
        self.places, self.out = nn.Parameter(torch.randn(8, 64) * 0.02), nn.Linear(64, 10)
        layer = nn.TransformerEncoderLayer(64, 4, 256, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        steps = self.drop(self.norm(self.project(x[:, 0]) + self.places))
        return self.out(self.encoder(steps).mean(1))


def steps(compiled: bool, rounds: int) -> None:
    for name, plain in {"cnn": plain_cnn, "lstm": PlainLSTM, "bert": PlainEncoder}.items():
        group = cohort(name, "digits-images")
        found = medians({"cohort": stepping(group), "plain loop": Loop(plain, group)}, rounds)
        ratio = found["plain loop"] / found["cohort"]
        print(
            f"{name:12} {found['cohort']:8.1f} ms, plain loop {found['plain loop']:8.1f}: {ratio:.2f} ×",
            flush=True,
        )


def dropout(compiled: bool, rounds: int) -> None:
    for width in (64, 256):
        works = {
            f"{width}-{width}, dropout {rate}": stepping(
                cohort("mlp", "digits", 40, hidden=(width, width), dropout=rate)
            )
            for rate in (0.0, 0.2)
        }
        without, given = medians(works, rounds).values()
        print(
            f"{width}-{width}: {without:.2f} ms without, {given:.2f} with: {given / without:.2f} ×",
            flush=True,
        )


def heap(compiled: bool, rounds: int) -> None:
    """Each in a process of its own, in turn: what was told cannot be taken back."""
    for name in ("cnn", "resnet", "bert", "lstm"):
        found: dict[str, list[float]] = {"kept": [], "given back": []}
        for _ in range(rounds):
            for way, times in found.items():
                command = [sys.executable, __file__, "one", "--family", name, *(["--keep"] * (way == "kept"))]
                times.append(
                    float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
                )
        said = ", ".join(f"{way} {statistics.median(times):.1f} ms" for way, times in found.items())
        print(f"{name:12} {said}", flush=True)


def one(family: str, keep: bool) -> None:
    arena_module.keep_memory = keep_memory if keep else lambda: False
    print(medians({"step": stepping(cohort(family, "digits-images"))}, 5)["step"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    works = {f.__name__: f for f in (normalisation, pooling, convolution, dropout, heap, steps)}
    parser.add_argument("what", choices=(*works, "one"))
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--family", default="cnn", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "one":
        one(options.family, options.keep)
    else:
        if options.what != "heap":
            keep_memory()
        works[options.what](options.compiled, options.rounds)


if __name__ == "__main__":
    main()
