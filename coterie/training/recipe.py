"""How to train: loss, optimizer, schedule, regularizers, batches, epochs, stopping, as one frozen record."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.errors import SpecError
from coterie.objectives.losses import LOSSES
from coterie.spec import Spec, choice, flag, integer, log, number
from coterie.training.optimizers import OPTIMIZERS
from coterie.training.schedules import SCHEDULES


@dataclass(frozen=True)
class Recipe(Spec):
    """The settings of training. Stacked ones may differ between the members of one program."""

    loss: str = choice("auto", LOSSES, help="auto: cross-entropy for classes, squared error for values")
    optimizer: str = choice(
        "adamw",
        (*OPTIMIZERS, "exact"),
        help="the update rule; exact: the closed form of least squares and ridge",
    )
    lr: float = number(
        2e-3, low=0, high=100, search=log(5e-4, 1e-2), help="learning rate; --fix lr=auto: by a range test"
    )
    momentum: float = number(0.9, low=0, high=1, help="momentum of `momentum` and `nesterov`")
    beta1: float = number(0.9, low=0, high=0.99999, help="Adam: pace of the mean gradient")
    beta2: float = number(0.999, low=0, high=0.999999, help="Adam: pace of the mean squared gradient")
    rho: float = number(
        0.9, low=0, high=0.999999, help="RMSProp, AdaDelta: pace of the mean squared gradient"
    )
    eps: float = number(1e-8, low=0, high=1, help="added to denominators of adaptive optimizers")
    weight_decay: float = number(
        1e-2,
        low=0,
        high=100,
        switch=True,
        search=log(1e-4, 0.3),
        help="the optimizer's own, on weights: decoupled in adamw, added to the gradient elsewhere",
    )
    l1: float = number(0.0, low=0, high=1e6, switch=True, help="L1 penalty: l1·Σ|w| in the loss, biases free")
    l2: float = number(
        0.0,
        low=0,
        high=1e6,
        switch=True,
        search=log(1e-5, 1.0),
        help="L2 penalty: l2·Σw² in the loss, biases free",
    )
    clip: float = number(
        0.0, low=0, high=1e6, switch=True, help="largest norm of a member's gradient; 0: no clipping"
    )
    label_smoothing: float = number(
        0.0, low=0, high=0.9, switch=True, help="share of certainty spread over all classes"
    )
    huber_delta: float = number(
        1.0, low=0, high=1e6, above=True, help="where huber turns linear, in target deviations"
    )
    class_weight: str = choice(
        "none",
        ("none", "balanced"),
        help="balanced: rows weigh by the rarity of their class in the training rows",
    )
    schedule: str = choice("cosine", SCHEDULES, help="how the learning rate changes")
    warmup: float = number(
        0.05, low=0, high=0.9, help="share of all steps over which the learning rate rises from 0"
    )
    decay: float = number(0.3, low=0, high=1, above=True, help="factor of the schedules step and plateau")
    decay_every: int = integer(20, low=1, stacked=True, help="epochs between the drops of the schedule step")
    plateau: int = integer(
        5, low=1, stacked=True, help="epochs without improvement before plateau drops the rate"
    )
    batch_size: int = integer(64, low=1, help="rows a step")
    accumulate: int = integer(
        1,
        low=1,
        help="parts that a batch goes through the network in, one after the other, in that much less memory: "
        "the same step, but that batch normalisation takes the statistics of a part",
    )
    recompute: bool = flag(
        False,
        help="activations inside a network's blocks are computed again in the backward pass instead of kept "
        "(activation checkpointing): the same numbers in less memory, for half as much time again; networks "
        "are trained one after the other",
    )
    precision: str = choice(
        "single",
        ("single", "bfloat16"),
        help="of products in training: bfloat16 is faster on accelerators, and rounds to 3 digits (autocast)",
    )
    order: str = choice(
        "shuffled", ("shuffled", "rows"), help="batches drawn at random, or in the rows' order"
    )
    epochs: int = integer(60, low=1, stacked=True, help="passes over the training rows, at most")
    patience: int = integer(
        15, low=0, stacked=True, help="epochs without improvement before stopping; 0: never"
    )
    freeze: int = integer(
        0,
        low=0,
        stacked=True,
        help="with --init: epochs in which only new layers learn, and the output layer",
    )
    thaw: int = integer(
        0,
        low=0,
        stacked=True,
        help="with --init: epochs between the thawing of a layer and of the one below it; 0: all at once",
    )
    discount: float = number(
        1.0,
        low=0,
        high=1,
        above=True,
        help="with --init: factor of the learning rate from a layer to the one below",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accumulate > self.batch_size:
            raise SpecError(
                "accumulate must be at most batch_size.",
                given=f"accumulate={self.accumulate} and batch_size={self.batch_size}",
                fix="Divide a batch into fewer parts.",
            )
        if self.optimizer == "exact" and self.loss not in ("auto", "mse"):
            raise SpecError(
                "The exact optimizer minimises squared error.",
                given=f"loss={self.loss}",
                fix="Use loss=mse, or adam.",
            )
