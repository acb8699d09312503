"""The restricted Boltzmann machine: two layers of binary units that explain each other.

B batch, V visible units, H hidden units, C chains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from coterie.models.draws import Draws
from coterie.models.layers import Keyed
from coterie.models.unsupervised import Row, UnsupervisedFamily
from coterie.objectives import divergence
from coterie.objectives.players import ALONE
from coterie.spec import choice, integer, options

EXACT_UNITS = 16  # the smaller layer of a machine whose states are enumerated
EXACT_WORK = 2**23  # and its states times the units of the larger layer: about a tenth of a second
SETTLING = 500  # Gibbs steps from a blank start to a sample
LOOKED_AT = 64  # visible units of each row that the pseudo-likelihood tries


@dataclass(frozen=True)
class RBM(UnsupervisedFamily):
    """Binary visible units, each coupled to each binary hidden unit; p(v) = exp(−F(v)) / Z.

    It learns to give rows low free energy F and everything else high: the gradient of the log-likelihood is
    ⟨vh⟩ over the rows minus ⟨vh⟩ over the machine's own fantasies. Fantasies come from a few Gibbs steps that
    start at the rows (contrastive divergence) or go on from where they were (persistent chains: slower per
    fantasy to forget, but nearer to the likelihood). Values are scaled into [0, 1] and taken as probabilities
    of a visible unit being 1: for such rows the log-likelihood said is a lower bound of the mean over black
    and white versions of them, because −F is convex.

    Where a layer has at most 16 units Z is summed exactly, and the log-likelihood is exact; larger machines
    are judged by the pseudo-likelihood, which knows how well each unit is guessed from all others, but not
    whether the machine also believes in rows that do not exist.

    Smolensky 1986; Hinton, "Training products of experts by minimizing contrastive divergence", 2002;
    Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient", 2008.
    """

    name = "rbm"
    title = "Restricted Boltzmann machine"
    source = "Smolensky 1986; Hinton 2002; Tieleman 2008"
    measures = ("pseudo_likelihood", "log_likelihood", "reconstruction_error")

    units: int = integer(64, low=1, high=65536, search=options(64, 16, 128, 256), help="hidden units")
    chain: str = choice(
        "persistent",
        ("persistent", "data"),
        help="where fantasies start: go on from the last step's, or at the rows (contrastive divergence)",
    )
    steps: int = integer(5, low=1, high=1000, help="Gibbs steps of a fantasy at each step")
    chains: int = integer(256, low=1, high=65536, help="persistent chains")

    def scaled(self) -> str:
        return "unit"

    def body(self, row: Row) -> nn.Module:
        small = min(row.width, self.units)
        work = 2**small * max(row.width, self.units) if small <= EXACT_UNITS else 2 * EXACT_WORK
        body = ExactMachine if work <= EXACT_WORK else Machine
        return body(row.width, self)

    @classmethod
    def advice(cls, task: str) -> dict[str, Any]:
        return {"lr": 0.02, "beta1": 0.5, "weight_decay": 0.0, "epochs": 100, "patience": 0}

    @classmethod
    def searched(cls, task: str) -> tuple[str, ...]:
        return ("lr",)


class Machine(nn.Module):
    """One machine, its parameters named as the first hidden layer of an `mlp`, which can start from them."""

    players = ALONE
    continuous = False
    fits = True

    def __init__(self, width: int, family: RBM) -> None:
        super().__init__()
        chains = family.chains if family.chain == "persistent" else 0
        self.hidden = nn.ModuleList([Couplings(width, family.units, family.steps, chains)])

    @property
    def couplings(self) -> Couplings:
        layer = self.hidden[0]
        assert isinstance(layer, Couplings)
        return layer

    def fit(self, x: Tensor, label: Tensor) -> None:
        """Starts the visible biases at the log-odds of the training rows (N, V)."""
        self.couplings.start(x)

    def losses(self, x: Tensor, label: Tensor, player: str) -> Tensor:
        return self.couplings.divergence(x)

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {
            "pseudo_likelihood": self.couplings.pseudo_likelihood(x, place),
            "reconstruction_error": (self.reconstruct(x) - x).square().mean(1),
        }

    def free_energy(self, x: Tensor) -> Tensor:
        """F (B,): −log of the unnormalised probability. Held-out rows far above training rows: overfitted."""
        return self.couplings.free_energy(x)

    def encode(self, x: Tensor) -> Tensor:
        """Probabilities of the hidden units (B, H)."""
        return self.couplings.up(x)

    def decode(self, codes: Tensor) -> Tensor:
        """Probabilities of the visible units (B, V)."""
        return self.couplings.down(codes)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def sample(self, draws: Draws, label: Tensor) -> Tensor:
        """Probabilities (B, V) of the visible units at the end of a Gibbs chain."""
        return self.couplings.down(self.couplings.settled(draws, SETTLING))


class ExactMachine(Machine):
    """A machine so small that its partition function can be summed."""

    def judge(self, x: Tensor, label: Tensor, place: Tensor) -> dict[str, Tensor]:
        return {"log_likelihood": self.log_density(x), **super().judge(x, label, place)}

    def log_density(self, x: Tensor) -> Tensor:
        """log p(x) in nats (B,): a probability of binary rows, not a density."""
        return self.couplings.log_likelihood(x)


class Couplings(Keyed):
    """Weights between a layer (B, V) and the one above (B, H), with the biases of both and their own chains.

    linear: what a layer of a perceptron has; visible: the biases below. steps: Gibbs steps of a fantasy;
    chains: how many are kept between steps, 0: fantasies start at the rows.
    """

    running_chains: Tensor

    def __init__(self, width: int, units: int, steps: int, chains: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, units)
        nn.init.normal_(self.linear.weight, std=0.01)
        nn.init.zeros_(self.linear.bias)
        self.visible = nn.Parameter(torch.zeros(width))
        self.steps, self.chains = steps, chains
        if chains:
            self.register_buffer("running_chains", torch.rand(chains, width).round())

    def start(self, x: Tensor) -> None:
        mean = (x.sum(0) + 0.5) / (len(x) + 1)
        self.visible.copy_(torch.logit(mean.clamp(0.01, 0.99)))

    # ---- what is known of a state ----------------------------------------------------------------------

    @property
    def _all(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.linear.weight, self.visible, self.linear.bias

    def up(self, v: Tensor) -> Tensor:
        return divergence.hidden_probability(v, self.linear.weight, self.linear.bias)

    def down(self, h: Tensor) -> Tensor:
        return divergence.visible_probability(h, self.linear.weight, self.visible)

    def free_energy(self, v: Tensor) -> Tensor:
        return divergence.free_energy(v, *self._all)

    def log_likelihood(self, v: Tensor) -> Tensor:
        return -self.free_energy(v) - divergence.log_partition(*self._all)

    def pseudo_likelihood(self, v: Tensor, place: Tensor) -> Tensor:
        """Σ log p(v_i | the others), (B,); of wide rows by 64 units, others for the next row."""
        width = v.shape[1]
        tried = [i * width // min(width, LOOKED_AT) for i in range(min(width, LOOKED_AT))]
        each = [divergence.conditional_likelihood(v, (place + i) % width, *self._all) for i in tried]
        return torch.stack(each).mean(0) * width

    # ---- fantasies -------------------------------------------------------------------------------------

    def divergence(self, v: Tensor) -> Tensor:
        """F of each row minus F of a fantasy (B,), whose gradient is −(⟨vh⟩ of rows − ⟨vh⟩ of fantasies)."""
        start = self.running_chains.to(v.dtype) if self.chains else v
        draws = Draws(self.key, len(start), v.dtype, before=0 if self.chains else self.before)
        fantasy = self.walk(start, self.steps, draws).detach()
        if not self.chains:
            return self.free_energy(v) - self.free_energy(fantasy)
        self.running_chains = fantasy
        return self.free_energy(v) - self.free_energy(fantasy).mean()

    def walk(self, v: Tensor, steps: int, draws: Draws) -> Tensor:
        """Gibbs steps from visible states (B, V) to others: all hidden units, then all visible ones."""
        for step in range(steps):
            v = divergence.tossed(
                self.down(self.hidden_of(v, draws, 2 * step)), self._coins(draws, 2 * step + 1)
            )
        return v

    def settled(self, draws: Draws, steps: int) -> Tensor:
        """Hidden states (B, H) at the end of a chain that starts at coins of the visible biases."""
        blank = torch.sigmoid(self.visible).expand(draws.rows, -1)
        v = self.walk(divergence.tossed(blank, self._coins(draws, 2 * steps)), steps, draws)
        return self.hidden_of(v, draws, 2 * steps + 1)

    def hidden_of(self, v: Tensor, draws: Draws, word: int) -> Tensor:
        return divergence.tossed(self.up(v), draws.each(word, len(self.linear.bias)))

    def _coins(self, draws: Draws, word: int) -> Tensor:
        return draws.each(word, len(self.visible))
