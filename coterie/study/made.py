"""What a model that learned without labels makes of rows and by itself, and what its codes are worth.

Rows that are shown and judged are test rows, or else rows that the first member was not trained on; the
label, where the data have one, is used here and nowhere before.

N rows, K numbers of a code, D numbers of a row, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from coterie import making
from coterie.data.synthetic import MODE, grid_centres, ring_centres
from coterie.metrics import likeness
from coterie.model import Model
from coterie.models.unsupervised import Unlabelled
from coterie.study.cells import text
from coterie.study.growth import plane
from coterie.study.pictures import Pictures
from coterie.study.problem import Problem

SHOWN, SAMPLES, STEPS = 10, 64, 9  # rows beside their reconstructions; samples; steps of a walk or a chain
WALKS = 8  # codes that are walked along
FROM, TO = -2.0, 2.0  # deviations of a code
JUDGED = 1000  # rows, and samples, that comparisons look at
DOTS = 1500  # of a plane
TABLE, COLUMNS = 8, 8  # rows and columns of a table that are shown
NEAR = 3  # deviations of a mode within which a sample is of it
CENTRES = {"ring": ring_centres, "grid": grid_centres}  # sets whose modes are known

Facts = dict[str, Any]


def made(
    problem: Problem, model: Model, positions: np.ndarray, training: np.ndarray, rows: bool, seed: int
) -> tuple[Facts, dict[str, Any]]:
    """Facts by name, and arrays for figures; {} for a model that learned from labels or from texts.

    positions: rows to show and judge by; training: those of the first member; rows: whether single rows may
    be shown.
    """
    network = model.skeleton()
    if not isinstance(network, Unlabelled) or model.schema.of_kind("text") or not len(positions):
        return {}, {}
    look = _Look(problem, model, network, positions, training, seed)
    facts: Facts = {}
    arrays: dict[str, Any] = {}
    if network.has("encode"):
        facts["codes"], arrays = look.codes()
    if network.has("free_energy"):
        facts["energy"] = look.energy()
    if network.has("decode") and network.has("encode") and look.pictures:
        facts["walk"] = look.walk(look.pictures)
    if network.has("reconstruct") and rows:
        facts["reconstructions"] = look.reconstructions()
    if network.has("sample"):
        facts["samples"], cloud = look.samples(rows)
        arrays |= cloud
    if network.has("chain") and look.pictures:
        facts["chain"] = look.chain(look.pictures)
    return {name: value for name, value in facts.items() if value}, arrays


class _Look:
    """One look at a model: rows as raw inputs, as vectors, and how they are shown."""

    def __init__(
        self,
        problem: Problem,
        model: Model,
        network: Unlabelled,
        positions: np.ndarray,
        training: np.ndarray,
        seed: int,
    ) -> None:
        self.problem, self.model, self.network, self.seed = problem, model, network, seed
        self.positions, self.training = _spread(positions, JUDGED), _spread(training, 5 * JUDGED)
        self.pictures = Pictures.of(problem.dataset)
        self.columns = [column.name for column in model.schema.features]
        if not self.pictures and len(self.columns) > COLUMNS:
            self.columns = _liveliest(making.presented(model.schema, self.inputs(self.training)))

    def inputs(self, positions: np.ndarray) -> dict[str, Tensor]:
        at = torch.from_numpy(positions)
        found = {name: column[at] for name, column in self.problem.dataset.inputs.items()}
        return {n: t.to(self.model.flat.dtype) if t.is_floating_point() else t for n, t in found.items()}

    def vectors(self, inputs: dict[str, Tensor]) -> np.ndarray:
        """(N, D) as the network sees them."""
        return np.asarray(self.model.call("vectors", inputs, 0).double().numpy())

    def table(self, rows: dict[str, Tensor]) -> Any:
        """Raw inputs as a table of those columns that are shown."""
        return making.presented(self.model.schema, rows).select(self.columns)  # type: ignore[union-attr]

    def left_out(self) -> Facts:
        every = len(self.model.schema.features)
        return {"columns": every} if len(self.columns) < every else {}

    def codes(self) -> tuple[Facts, dict[str, Any]]:
        """What a label says of the codes, and the plane in which they vary most."""
        train, judged = self.inputs(self.training), self.inputs(self.positions)
        known, asked = (self.model.call("features", part, 0).double().numpy() for part in (train, judged))
        facts: Facts = {"width": known.shape[1], "rows": len(asked)}
        if not (np.isfinite(known).all() and np.isfinite(asked).all()):
            return facts, {}
        labels, truth = train["label"].numpy(), judged["label"].numpy()
        told, right = labels >= 0, truth >= 0
        classes = self.model.target.classes
        if classes and told.sum() > 10 and right.sum() > 10:
            sides = (known[told], labels[told], asked[right], truth[right])
            facts |= {"label": self.model.target.names[0], "classes": list(classes)}
            facts["neighbours"] = likeness.neighbour_accuracy(*sides)
            facts["probe"] = likeness.probe_accuracy(*sides)
            facts["clusters"] = _clusters(asked[right], truth[right], len(classes), self.seed)
        center = known.mean(0)
        axes = np.linalg.svd(known - center, full_matrices=False)[2][:2]
        plane = asked if asked.shape[1] <= 2 else (asked - center) @ axes.T
        at = _spread(np.arange(len(plane)), DOTS)
        facts["flat"] = asked.shape[1] > 2
        return facts, {"plane": plane[at].astype(np.float32), "plane_label": truth[at]}

    def energy(self) -> Facts:
        """The mean free energy of rows that were trained on and of others, in nats, and the gap between them
        (Hinton, "A practical guide to training restricted Boltzmann machines", 2012, §6)."""
        sides = (self.training, self.positions)
        known, other = (
            float(self.model.call("free_energy", self.inputs(side), 0).double().mean()) for side in sides
        )
        return {"training": known, "held_out": other, "gap": other - known}

    def walk(self, pictures: Pictures) -> Facts:
        """Along each of a few codes, from one end of its spread to the other, the others at their means."""
        codes = self.model.call("features", self.inputs(self.training), 0)
        center, spread = codes.mean(0), codes.std(0)
        order = spread.argsort(descending=True)[:WALKS]
        steps = torch.linspace(FROM, TO, STEPS, dtype=codes.dtype)
        walks = center.repeat(len(order), STEPS, 1)
        for place, code in enumerate(order.tolist()):
            walks[place, :, code] += steps * spread[code]
        made = self.model.call("decode", {"codes": walks.flatten(0, 1)}, 0)
        return {"image": pictures.sheet(made, STEPS), "codes": len(order), "low": FROM, "high": TO}

    def reconstructions(self) -> Facts:
        some = self.positions[: SHOWN if self.pictures else TABLE]
        inputs = self.inputs(some)
        made = self.model.call("reconstruct", inputs, 0)
        if self.pictures:
            return {"image": self.pictures.below(inputs, made), "rows": len(some)}
        return {"table": _beside(self.table(inputs), self.table(made)), "rows": len(some), **self.left_out()}

    def samples(self, rows: bool) -> tuple[Facts, dict[str, Any]]:
        """Samples, and how they compare with rows that were not trained on."""
        number = len(self.positions)
        place = torch.arange(max(number, SAMPLES))
        given = {"place": place, "key": torch.tensor(self.seed), "label": torch.full_like(place, -1)}
        drawn = self.model.call("sample", given, 0)
        some = {name: part[:SAMPLES] for name, part in drawn.items()}
        every = drawn | {"label": given["label"], "place": place}
        made, real = self.vectors(every)[:number], self.vectors(self.inputs(self.positions))
        known = self.vectors(self.inputs(self.training))
        apart, far = likeness.two_sample_score(real, made), likeness.discrepancy(real, made)
        copies = likeness.copying(made, known, real)
        facts: Facts = {
            "told_apart": {"accuracy": apart.accuracy, "judged": apart.judged},
            "discrepancy": {"value": far.value, "limit": far.limit},
            "copying": {"samples": copies.samples, "held_out": copies.held_out, "ratio": copies.ratio},
        }
        arrays: dict[str, Any] = {}
        if self.pictures:
            facts |= {"image": self.pictures.sheet(some, 8), "count": SAMPLES}
            if rows:
                near = self.inputs(self.training[copies.nearest[:SHOWN]])
                first = {name: part[:SHOWN] for name, part in some.items()}
                facts["nearest"] = {"image": self.pictures.below(first, near)}
        else:
            if not plane(self.model.schema):
                shown = self.table({n: part[:TABLE] for n, part in drawn.items()})
                facts["table"] = [
                    {n: text(cell) for n, cell in row.items()} for row in shown.rows(named=True)
                ]
                facts |= self.left_out()
            else:
                at = _spread(np.arange(number), DOTS)
                both = self.inputs(self.positions)["numeric"], drawn["numeric"][:number]
                arrays = {
                    n: part.float().numpy()[at]
                    for n, part in zip(("cloud_real", "cloud_made"), both, strict=True)
                }
                facts["axes"] = self.columns
                if self.problem.table.source in CENTRES:
                    points = drawn["numeric"].double().numpy()
                    facts["modes"] = _modes(points, CENTRES[self.problem.table.source]())
        return facts, arrays

    def chain(self, pictures: Pictures) -> Facts:
        place = torch.arange(4)
        given = {"place": place, "key": torch.tensor(self.seed), "label": torch.full_like(place, -1)}
        states = self.model.call("chain", given, 0, shown=STEPS)
        return {"image": pictures.sheet(states, STEPS), "rows": len(place), "steps": STEPS}


def _modes(points: np.ndarray, centres: np.ndarray) -> Facts:
    """Of data whose modes are known, how many have samples: a tenth of a fair share of them, at least."""
    fair = len(points) / len(centres)
    found = likeness.mode_coverage(points, centres, NEAR * MODE, fewest=max(1, round(fair / 10)))
    return {"covered": found.covered, "modes": found.modes, "near": found.near, "deviations": NEAR}


def _clusters(codes: np.ndarray, labels: np.ndarray, groups: int, seed: int) -> Facts:
    """How well as many clusters of the codes as there are classes agree with these."""
    from sklearn.cluster import KMeans

    found = KMeans(min(groups, len(codes)), n_init=10, random_state=seed).fit_predict(codes)
    agreement = likeness.cluster_agreement(found, labels)
    return {"adjusted_rand": agreement.adjusted_rand, "information": agreement.information}


def _liveliest(table: Any) -> list[str]:
    """Of very many columns those with the most different values, in their order."""
    different = {name: table[name].n_unique() for name in table.columns}
    chosen = sorted(table.columns, key=lambda name: -different[name])[:COLUMNS]
    return [name for name in table.columns if name in chosen]


def _beside(before: Any, after: Any) -> list[dict[str, list[str]]]:
    """Of each row the cells as they were and as they came back, by column."""
    pairs = zip(before.rows(named=True), after.rows(named=True), strict=True)
    return [{name: [text(a[name]), text(b[name])] for name in a} for a, b in pairs]


def _spread(positions: np.ndarray, most: int) -> np.ndarray:
    """At most so many of them, evenly from first to last."""
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).round().astype(int)]
