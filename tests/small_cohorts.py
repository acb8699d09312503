"""One small mixed table, its ragged folds, and members on them: what tests of the engine are made of.

The table has missing numbers, unseen and missing categories, a constant and row weights. Its folds differ
in size, so that in a cohort the members of smaller ones idle, and one ends in a batch of a single row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from coterie import spec
from coterie.data.dataset import Dataset
from coterie.data.schema import Column, Schema, Target
from coterie.metrics.unsupervised import MEASURES
from coterie.models.augmentation import ImageAugmentation, SequenceAugmentation
from coterie.models.catalogue import FAMILIES as ZOO
from coterie.models.coders import Coders
from coterie.models.family import Family
from coterie.training.arena import Arena
from coterie.training.cohort import Cohort
from coterie.training.events import EpochEnd, Event, Retire, StepEnd
from coterie.training.loop import train
from coterie.training.outputs import outputs
from coterie.training.plan import Candidate, CohortPlan, Member, member_key
from coterie.training.recipe import Recipe

CPU = torch.device("cpu")
# agents play instead of reading rows: what they owe is tested in tests/models/test_agents.py
FAMILIES = {name: family for name, family in ZOO.items() if "episode" not in family.reads}
TARGETS = {
    "binary": Target(("y",), "binary", ("no", "yes")),
    "multiclass": Target(("y",), "multiclass", ("a", "b", "c")),
    "multilabel": Target(("y", "z"), "multilabel"),
    "regression": Target(("y",), "regression"),
    "two targets": Target(("y", "z"), "regression"),
    "text": Target(("y",), "text", each_step=True, shape=(0, 0)),  # of writers alone
    "unsupervised": Target(("y",), "unsupervised", ("a", "b", "c")),
}
IMAGE, STEPS, WORDS = (1, 9, 6), 6, 12
# what makes a family small; widths are narrowed anyway
SMALL: dict[str, dict[str, Any]] = {
    "threshold": {"scaling": "standard"},
    "perceptron": {"scaling": "standard"},
    "rbf": {"units": 6},
    "tabm": {"ensemble": 3, "bins": 4, "embedding": 3},
    "lenet": {"pooling": "average"},
    "alexnet": {"share": 3, "hidden": 6},
    "vgg": {"share": 3, "hidden": 6},
    "googlenet": {"share": 8},
    "resnet": {"share": 20},
    "vit": {"width": 8, "heads": 2, "depth": 1},
    "bert": {"width": 8, "heads": 2, "depth": 1},
    "gpt": {"width": 8, "heads": 2, "depth": 1},
    "transformer": {"width": 8, "heads": 2, "depth": 1},
    "seq2seq": {"hidden": 5, "embedding": 4},
    "tcn": {"channels": 5, "depth": 2},
    "rnn": {"hidden": 5},
    "lstm": {"hidden": 5},
    "gru": {"hidden": 5},
    "bag": {"embedding": 7},
    "autoencoder": {"codes": 3},
    "linear_autoencoder": {"codes": 3},
    "denoising_autoencoder": {"codes": 5},
    "sparse_autoencoder": {"codes": 7},
    "vae": {"codes": 3},
    "rbm": {"units": 5, "chains": 7, "steps": 2},
    "dbn": {"greedy": 1},
    "flow": {"layers": 2},
    "kmeans": {"centers": 3},
    "gan": {"codes": 3},
    "wgan": {"codes": 3},
    "diffusion": {"width": 8, "depth": 2, "channels": (4, 8), "steps": 20, "sampling_steps": 5},
}
# beside other settings, these leave too little to see: units that are all alike, no gradient, no guidance
ALONE = (("initialisation", "zeros"), ("activation", "step"), ("conditional", False))
CORE = ("perceptron", "linear", "mlp", "tabm", "cnn", "lstm", "bert", "seq2seq")  # one of each kind
ROWS = 60
BATCH = 8
_SHUFFLED = np.random.default_rng(5).permutation(ROWS)
TEST = _SHUFFLED[48:]  # row 0, with which the engine pads, is one of them
# 5, 3 and 5 steps of 8 rows; the last ends in a batch of one row
FOLDS = (
    (_SHUFFLED[:36], _SHUFFLED[36:48]),
    (_SHUFFLED[20:41], _SHUFFLED[:7]),
    (_SHUFFLED[15:48], _SHUFFLED[3:8]),
)
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


def small_table(target: str, rows: int = ROWS) -> Dataset:
    """rows × (4 numbers, 2 of them with an indicator; 2 categories, one of them large)."""
    g = torch.Generator().manual_seed(11)
    words = {"colour": 3, "town": 14}
    columns = [
        Column("height", "numeric", "feature"),
        Column("age", "numeric", "feature", has_missing=True),
        Column("income", "numeric", "feature", has_missing=True),
        Column("always", "numeric", "feature"),
        *(Column(n, "category", "feature", vocabulary=tuple(map(str, range(k)))) for n, k in words.items()),
        *(Column(n, "numeric", "target") for n in TARGETS[target].names),
    ]
    numeric = torch.randn(rows, 4, generator=g) * torch.tensor([1.0, 15.0, 3e4, 0.0])
    numeric += torch.tensor([170.0, 50.0, 1e5, 7.0])
    signal = numeric[:, 0] - 170 + (numeric[:, 1] - 50) / 15
    numeric[:, 1:3][torch.rand(rows, 2, generator=g) < 0.2] = torch.nan
    category = torch.stack([torch.randint(k + 2, (rows,), generator=g) for k in words.values()], dim=1)
    noise = torch.randn(rows, 2, generator=g)
    values = torch.stack([signal, (category[:, 0] - 2) * 1.0], dim=1) + 0.3 * noise
    y = {
        "binary": (values[:, 0] > 0).long(),
        "multiclass": (values[:, 0] > -1).long() + (values[:, 0] > 0.5),
        "multilabel": (values > 0).float(),
        "regression": values[:, :1] * 40 + 300,
        "two targets": values * torch.tensor([40.0, 0.01]),
        "unsupervised": (values[:, 0] > -1).long() + (values[:, 0] > 0.5),
    }[target]
    weight = 0.5 + torch.rand(rows, generator=g)
    schema = Schema.of(columns, TARGETS[target])
    inputs = {"numeric": numeric, "category": category}
    if target == "unsupervised":
        inputs |= {"label": y, "place": torch.arange(rows)}
    return Dataset(schema, inputs, y, weight, np.arange(rows))


def small_data(family: Family, target: str) -> Dataset:
    """The table, and beside it what the family reads: images, ragged sequences, texts, or a text to write."""
    dataset = small_table("binary" if target == "text" else target)
    kind, g = family.reads[0], torch.Generator().manual_seed(7)
    kind = "text" if target == "unsupervised" and "text" in family.reads else kind
    if kind == "table":
        return dataset
    rows, y = len(dataset), dataset.target
    assert y is not None
    signal = (y if y.ndim == 1 else y[:, 0]).float()
    signal = (signal - signal.mean()) / signal.std()
    if kind == "image":
        shape: tuple[int, ...] = IMAGE
        pixels = torch.randn(rows, *IMAGE, generator=g) + 0.5 * signal[:, None, None, None]
        more = {"image": (pixels * 40 + 120).clamp(0, 255).to(torch.uint8)}
    elif kind == "sequence":
        shape, length = (STEPS, 2), torch.randint(0, STEPS + 1, (rows,), generator=g)
        steps = torch.randn(rows, STEPS, 2, generator=g) + 0.5 * signal[:, None, None]
        steps[:, :, 1][torch.rand(rows, STEPS, generator=g) < 0.1] = torch.nan
        real = torch.arange(STEPS) < length[:, None]
        more = {"sequence": torch.where(real[..., None], steps, 0.0), "length": length}
    else:
        shape, length = (STEPS, WORDS), torch.randint(2, STEPS + 1, (rows,), generator=g)
        tokens = torch.randint(5, WORDS, (rows, STEPS), generator=g)
        tokens = torch.where(signal[:, None] > 0, tokens, (tokens + 5) // 2)
        tokens[:, 0] = 2
        real = torch.arange(STEPS) < length[:, None]
        more = {"answer" if target == "text" else "tokens": torch.where(real, tokens, 0)}
        if target == "text" and family.reads != ("text",):  # one that writes from something else
            more["tokens"] = more["answer"].flip(0)
    columns = list(dataset.schema.columns)
    if target == "text":
        said = dataclasses.replace(TARGETS["text"], shape=shape)
        y = torch.where(more["answer"] > 0, more["answer"], -1)[:, 1:]
        columns = [c for c in columns if c.role == "target"]
        if "tokens" in more:
            columns.append(Column("source", kind, "feature", shape=shape))
        schema = Schema.of(columns, said)
        inputs = {
            "numeric": torch.zeros(rows, 0),
            "category": torch.zeros(rows, 0, dtype=torch.int64),
        }
        return dataclasses.replace(dataset, schema=schema, inputs=inputs | more, target=y)
    schema = Schema.of([*columns, Column("rich", kind, "feature", shape=shape)], dataset.schema.target)
    return dataclasses.replace(dataset, schema=schema, inputs=dataset.inputs | more)


def targets_of(cls: type[Family]) -> tuple[str, ...]:
    """The kinds of target that a family can learn: all of them with one family of each kind, else two."""
    known = [name for name, target in TARGETS.items() if target.task in cls.tasks]
    if cls.name == "googlenet":  # a step of it takes longest by far
        return ("multiclass",)
    return tuple(known if cls.name in CORE or len(known) == 1 else known[1::2])


def arena_of(dataset: Dataset, folds: Folds = FOLDS, dtype: torch.dtype = torch.float32) -> Arena:
    return Arena.of(dataset, tuple(folds), CPU, dtype)


def small(cls: type[Family], **given: Any) -> Family:
    """A family with its defaults, but few and narrow layers."""
    narrow = {
        name: tuple(max(6, int(hyper.low)) for _ in spec.default(cls, name))
        for name, hyper in spec.hypers(cls).items()
        if hyper.kind == "widths"
    }
    return cls(**narrow | SMALL.get(cls.name, {}) | given)


def variants(cls: type[Family]) -> dict[str, Family]:
    """Settings that between them try every structural option that the family declares.

    The defaults; then every option at its first other value (of a choice; a flag turned; a switch on or off),
    then all that have one at their second, and so on. What would hide the rest is tried alone.
    """
    found = {"default": small(cls)}
    if cls.name == "googlenet":  # its one switch is dropout, which others try; a step of it takes long
        return found
    shared: set[str] = set()  # augmentation is the same layer in all families: three of them try it;
    if cls.name not in ("cnn", "lstm", "bag"):
        shared |= {*spec.hypers(ImageAugmentation), *spec.hypers(SequenceAugmentation)}
    if cls.name not in ("linear", "mlp"):  # so are the columns
        shared |= {"impute", "categories"}
    if issubclass(cls, Coders):  # and encoders and decoders, with the mlp's activations
        shared |= {"activation"} if cls.name == "autoencoder" else {*spec.hypers(Coders), "scaling"}
    options: dict[str, list[Any]] = {}
    for name, hyper in spec.hypers(cls).items():
        if name in shared:
            continue
        usual = getattr(found["default"], name)
        if hyper.kind == "choice" and name != "depth":
            others: list[Any] = [value for value in hyper.choices if value != usual]
        elif hyper.kind == "flag":
            others = [not usual]
        elif hyper.switch:
            others = [0.0] if usual > 0 else [number(hyper, 0.5)]
        else:
            others = []
        options[name] = [value for value in others if (name, value) not in ALONE]
        found |= {f"{n}={v}": small(cls, **{n: v}) for n, v in ALONE if n == name and v in others}
    for turn in range(max(map(len, options.values()), default=0)):
        found[f"others-{turn}"] = small(cls, **{n: o[turn] for n, o in options.items() if turn < len(o)})
    return found


def number(hyper: spec.Hyper, u: float) -> float:
    """A value from where a search would look, or between the bounds."""
    if hyper.search is not None:
        return hyper.search.draw(u)
    return hyper.low + u * (min(hyper.high, hyper.low + 1) - hyper.low)


VARIANTS = [
    (f"{name}-{label}", family) for name in FAMILIES for label, family in variants(FAMILIES[name]).items()
]
# each family's defaults on every kind of target; its other variants take turns
PAIRED = [
    (f"{label}-{target}", family, target)
    for place, (label, family) in enumerate(VARIANTS)
    for turn, target in enumerate(targets_of(type(family)))
    if label.endswith("-default") or turn == place % len(targets_of(type(family)))
]
# each family once, with its defaults and where it has batch statistics: for what is the engine's doing
PLAIN = [(label, f) for label, f in VARIANTS if label.endswith("-default")]
PLAIN.append(("mlp-norm=batch", small(FAMILIES["mlp"], norm="batch")))
# the same with the targets taking turns
TURNS = [
    (f"{label}-{target}", family, target)
    for place, (label, family) in enumerate(PLAIN)
    if family.name != "googlenet"
    for target in (targets_of(type(family))[place % len(targets_of(type(family)))],)
]
# of these one of each kind, for what no family has a say in
ONCE = [turn for turn in TURNS if turn[1].name in (*CORE, "vae", "rbm", "kmeans", "gan", "diffusion")]
NAMED = [(name, target) for name in FAMILIES for target in targets_of(FAMILIES[name])]


def other_numbers(family: Family) -> Family:
    """The same structure with other stacked numbers, so that it shares a cohort with the first."""
    changed = {
        name: number(hyper, 0.7)
        for name, hyper in spec.hypers(type(family)).items()
        if hyper.stacked and hyper.kind == "number" and (not hyper.switch or getattr(family, name) > 0)
    }
    other = dataclasses.replace(family, **changed)
    assert other.structure() == family.structure()
    return other


def steady(family: Family) -> dict[str, Any]:
    """What keeps rounding small: each of many normalisations in a row makes it larger, step by step."""
    return {"lr": 1e-4, "eps": 1e-2} if family.name == "googlenet" else {}


def small_recipe(**given: Any) -> Recipe:
    """Few epochs of few rows a step, without early stopping."""
    return Recipe(**{"batch_size": BATCH, "epochs": 2, "patience": 0, "lr": 0.02} | given)


def member(candidate: Candidate, fold: int = 0, seed: int = 0) -> Member:
    return Member(candidate, fold, seed, member_key(3, fold, seed))


def four_members(family: Family, recipe: Recipe, **differing: Any) -> tuple[Member, ...]:
    """Two candidates of one structure on three folds; differing: the second's other recipe numbers."""
    first = Candidate(0, family, recipe)
    second = Candidate(
        1, other_numbers(family), dataclasses.replace(recipe, **{"lr": recipe.lr / 2} | differing)
    )
    assert first.structure() == second.structure()
    return member(first, 0), member(second, 1), member(first, 2, 1), member(second, 2)


def cohort_of(members: Sequence[Member], arena: Arena) -> Cohort:
    return Cohort(CohortPlan(0, tuple(members)), arena)


def distance(output: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """A smooth score for any task, less being better: weighted mean square of output − truth.

    Without labels the sum of what there is of a row, its sample's distance from it among that.
    """
    if output.shape[-1] >= len(MEASURES) and output[..., : len(MEASURES)].isnan().any():
        said, (made, real) = output[..., : len(MEASURES)], output[..., len(MEASURES) :].chunk(2, -1)
        square = said.nan_to_num(0.0).sum(-1) + (made - real).square().sum(-1)
        return (torch.where(weight > 0, square, 0.0) * weight).sum(-1) / weight.sum(-1)
    if not target.is_floating_point():
        target = torch.nn.functional.one_hot(target, output.shape[-1]).to(output.dtype)
    square = (output - target).square().mean(-1)
    return (square * weight).sum(-1) / weight.sum(-1)


@dataclasses.dataclass
class Ran:
    """A finished cohort; flat (M, P) and buffers: as they stood when last all members were alive."""

    cohort: Cohort
    events: list[Event]
    flat: Tensor
    buffers: dict[str, Tensor]

    @property
    def epochs(self) -> list[EpochEnd]:
        return [event for event in self.events if isinstance(event, EpochEnd)]


def run(cohort: Cohort, commands: dict[tuple[int, int], Retire] | None = None) -> Ran:
    """Trains to the end; commands: what to answer to the `StepEnd` of (epoch, step)."""
    ran = Ran(cohort, [], cohort.flat.clone(), dict(cohort.buffers))
    loop = train(cohort, distance, maximise=False)
    event, all_of_them = next(loop), len(cohort.alive)
    while True:
        ran.events.append(event)
        command = None
        if isinstance(event, StepEnd):
            command = (commands or {}).get((event.epoch, event.step))
            if event.alive == all_of_them:
                ran.flat, ran.buffers = cohort.flat.clone(), {n: b.clone() for n, b in cohort.buffers.items()}
        try:
            event = loop.send(command)
        except StopIteration:
            return ran


def same_training(one: Ran, other: Ran, rtol: float, atol: float) -> None:
    """Weights and buffers of all members, and their training losses."""
    torch.testing.assert_close(one.flat, other.flat, rtol=rtol, atol=atol)
    for name, buffer in other.buffers.items():
        torch.testing.assert_close(one.buffers[name], buffer, rtol=rtol, atol=atol)
    for mine, theirs in zip(one.epochs, other.epochs, strict=True):
        assert mine.train == pytest.approx(theirs.train, rel=1e-9)


def answers(cohort: Cohort) -> Tensor:
    """What the best weights say of every row: (M, N, K)."""
    rows = torch.arange(len(cohort.arena.dataset))
    return outputs(cohort.steps, cohort.best, cohort.best_buffers, rows, cohort.arena.inputs)
