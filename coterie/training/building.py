"""Networks as members begin with them: built, initialised, fitted on their own rows; what each learns by."""

from __future__ import annotations

import torch
from torch import Tensor

from coterie.data.dataset import Dataset
from coterie.models.family import Family
from coterie.models.network import Network
from coterie.models.shape import Shape
from coterie.models.unsupervised import Unlabelled
from coterie.objectives.supervised import Supervised
from coterie.objectives.unsupervised import Unsupervised
from coterie.training.arena import Arena
from coterie.training.plan import Member

FITTED = 1_000_000  # training rows that a body sets itself by, at most


def network_of(family: Family, dataset: Dataset) -> Network:
    """A fresh network for the dataset's shape and task."""
    schema = dataset.schema
    assert schema.target is not None
    return family.network(Shape.of(schema), schema.target.task, schema.target.outputs)


def build_networks(members: tuple[Member, ...], arena: Arena) -> list[Network]:
    """Each member's network, initialised under its key, its preparation fitted on its own training rows.

    A body that `fits` (centres, bins) is fitted too, on prepared training rows, a million at most. Where the
    arena has a start, its weights are taken then, those of an earlier member that depends on fold and seed
    alone. Members that differ in their recipe alone begin as the same network, which is built once.
    """
    fitted: dict[int, tuple[dict[str, Tensor], dict[str, Tensor]]] = {}
    built: dict[object, Network] = {}
    for member in members:
        if _beginning(member) not in built:
            built[_beginning(member)] = _built(member, arena, fitted)
    return [built[_beginning(member)] for member in members]


def _beginning(member: Member) -> tuple[object, ...]:
    return (member.candidate.family, member.fold, member.seed, member.key)


def _built(
    member: Member, arena: Arena, fitted: dict[int, tuple[dict[str, Tensor], dict[str, Tensor]]]
) -> Network:
    """fitted: of each fold, preparation and output as they were fitted."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member.key)
        network = network_of(member.candidate.family, arena.dataset)
        network._apply(lambda numbers: placed(numbers, numbers.device, arena.dtype))
        rows = torch.from_numpy(arena.training[member.fold])
        if member.fold not in fitted:  # the same rows and, within a cohort, the same options
            assert arena.dataset.target is not None
            network.prepare.fit(arena.dataset.inputs, rows)
            network.output.fit(arena.dataset.target[rows])
            fitted[member.fold] = (network.prepare.state_dict(), network.output.state_dict())
        prepare, output = fitted[member.fold]
        network.prepare.load_state_dict(prepare)
        network.output.load_state_dict(output)
        if network.fits:
            some = rows[:: -(-len(rows) // FITTED)]  # spread evenly: a table may be sorted
            inputs = {name: x[some] for name, x in arena.dataset.inputs.items()}
            floats = {n: t.to(arena.dtype) if t.is_floating_point() else t for n, t in inputs.items()}
            with torch.no_grad():
                network.fit(network.prepare(floats))
        if arena.start is not None:
            arena.start.put(network, member.seed * len(arena.training) + member.fold)
    return network


def placed(numbers: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """On the device, in the precision of the training; what is kept in double precision stays so."""
    double = numbers.dtype == torch.float64 and device.type != "mps"  # which has none
    return numbers.to(device, None if double or not numbers.is_floating_point() else dtype)


def objective_of(member: Member, network: Network, arena: Arena) -> Supervised | Unsupervised:
    """What the member learns by."""
    recipe = member.candidate.recipe
    if isinstance(network, Unlabelled):
        return Unsupervised(network, recipe.numbers())
    class_weight = None
    if recipe.class_weight == "balanced" and arena.dataset.target is not None:
        target = arena.dataset.target[arena.training[member.fold]]
        assert arena.dataset.schema.target is not None
        target = target[target >= 0]  # steps that are none
        counts = torch.bincount(target, minlength=arena.dataset.schema.target.outputs)
        class_weight = len(target) / (counts.clamp_min(1) * len(counts)).float()
    return Supervised(network, recipe.loss, recipe.numbers(), class_weight)
