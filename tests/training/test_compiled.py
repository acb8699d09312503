"""The graph of a turn, traced with sizes that stand for any, does what the turn does, for any number of
members. What is made of it by the compiler is tried in `tests/study/test_compiling.py`."""

import os
from types import SimpleNamespace

import pytest
import torch
from small_cohorts import (
    FAMILIES,
    arena_of,
    cohort_of,
    four_members,
    small,
    small_data,
    small_recipe,
    steady,
    targets_of,
)
from torch import nn
from torch.export import Dim
from torch.func import grad_and_value, vmap
from torch.nn.functional import conv1d

from coterie.training import programs
from coterie.training.compiled import (
    Program,
    _check_free,
    any_number_of_groups,
    build,
    compiler,
    leaves,
    suited,
    traced,
)
from coterie.training.given import Given
from coterie.training.layout import Layout


def cohort(name, members=4, **given):
    family = small(FAMILIES[name])
    arena = arena_of(small_data(family, targets_of(FAMILIES[name])[-4:][0]), dtype=torch.float64)
    recipe = small_recipe(**{**steady(family), **given})
    return cohort_of(four_members(family, recipe)[:members], arena)


def turns(cohort, step):
    draw = cohort.draw()
    for player in cohort.steps.players:
        yield cohort.turns[player.name], cohort.given(draw, player, step)


def inputs(turn, given):
    return leaves(suited(given, turn.step.layout))


@pytest.mark.parametrize("name", ["mlp", "lstm", "cnn", "vit", "gan", "rbm", "tabm", "kmeans"])
def test_the_graph_serves_every_number_of_members_and_every_step(name):
    serves_every_number_of_members_and_every_step(name)


@pytest.mark.parametrize("name", ["mlp", "gan", "kmeans"])
@pytest.mark.parametrize("how", [{"clip": 0.01}, {"optimizer": "adamw", "accumulate": 2}])
def test_and_so_it_does_with_clipping_decay_and_parts(name, how):
    serves_every_number_of_members_and_every_step(name, weight_decay=0.1, **how)


def serves_every_number_of_members_and_every_step(name, **how):
    four, two = cohort(name, **how), cohort(name, members=2, **how)
    graphs = [traced(turn, given) for turn, given in turns(four, 0)]
    for one, step in ((four, 0), (four, 1), (two, 1)):
        for graph, (turn, given) in zip(graphs, turns(one, step), strict=True):
            before = [tensor.clone() for tensor in inputs(turn, given)]
            loss, running = turn(given)
            found = graph(*before)  # writes what the turn has written
            for ours, theirs in zip(before, inputs(turn, given), strict=True):
                torch.testing.assert_close(ours, theirs, equal_nan=True)
            torch.testing.assert_close(found[0], loss)
            for ours, theirs in zip(found[1:], running.values(), strict=True):
                torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_a_group_of_one_is_traced_as_it_is_differentiated():
    alone = cohort("mlp", members=1)
    (turn, given), *_ = turns(alone, 0)
    before = [tensor.clone() for tensor in inputs(turn, given)]
    found = traced(turn, given)(*before)
    loss, _ = turn(given)
    torch.testing.assert_close(found[0], loss)
    for ours, theirs in zip(before, inputs(turn, given), strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


def test_programs_that_round_less_than_half_precision_agree_with_it():
    one = cohort("cnn", precision="bfloat16")
    (turn, given), *_ = turns(one, 0)

    def rounding_less(given):
        turn.step.half = False
        try:
            return turn(given)
        finally:
            turn.step.half = True

    def doing_nothing(given):
        loss, running = rounding_less(given._replace(flat=given.flat.clone()))
        return loss, running

    before = one.flat.clone()
    assert programs.agree(turn, rounding_less, given)
    assert not programs.agree(turn, doing_nothing, given)
    assert torch.equal(one.flat, before)
    assert turn.step.half
    (turn, given), *_ = turns(cohort("mlp"), 0)
    assert programs.agree(turn, lambda given: turn(given), given)
    assert not programs.agree(turn, lambda given: (2 * turn(given)[0], {}), given)


def test_programs_are_told_apart_by_what_is_structural():
    keys = [
        cohort("mlp", **given).programs()
        for given in ({}, {"lr": 0.5}, {"optimizer": "sgd"}, {"clip": 1.0}, {"batch_size": 3})
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4
    assert cohort("mlp", members=2).programs() == keys[0]
    assert cohort("mlp", members=1).programs() != keys[0]


def test_the_cache_keeps_what_was_used_last(tmp_path, monkeypatch):
    monkeypatch.setenv("COTERIE_CACHE", str(tmp_path))
    monkeypatch.setattr(programs, "KEPT", 2)
    programs.cache_folder().mkdir()
    for age, key in enumerate(("old", "older", "oldest")):
        programs.path_of(key).write_bytes(b"")
        os.utime(programs.path_of(key), (1e9 - age, 1e9 - age))
        programs.note(key, cost=1.0)
    programs._tidy()
    assert {path.stem for path in programs.cache_folder().iterdir()} == {"old", "older"}
    assert programs.usual().cost == 1.0


class Convolving:
    """A turn of one layer that convolves (N, 5) with a filter of 3: w ← w − its gradient."""

    player, layout = "", Layout(("w",), (torch.Size((1, 1, 3)),), (3,))
    step = SimpleNamespace(layout=layout, running=[], half=False)

    def in_pieces(self, given):
        def loss(w, rows):
            return conv1d(given.data["x"][rows][:, None], w).square().mean()

        w = given.flat["w"]
        gradient, told = vmap(grad_and_value(loss))(w.view(-1, 1, 1, 3), given.rows)
        w.sub_(gradient.flatten(1))
        return told, {}

    def __call__(self, given):
        return self.in_pieces(given.in_pieces(self.layout))


def convolving(members):
    torch.manual_seed(members)
    flat, rows, x = torch.randn(members, 3), torch.randint(7, (members, 4)), torch.randn(7, 5)
    return Given(flat, {}, {}, rows, {}, {}, {"x": x}, {"lr": torch.ones(members, 1)}, {})


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
def test_a_program_of_convolutions_serves_any_number_of_members(tmp_path):
    """A compiler that takes the number which it sees for the only one writes beyond the ends of arrays."""
    turn, path = Convolving(), tmp_path / "program.pt2"
    build(turn, convolving(4), path)
    program = Program(path, torch.device("cpu"), turn.step)
    for members in (4, 2, 5, 1):
        assert programs.agree(turn, program, convolving(members))


def test_what_a_compilation_registers_stays_and_convolutions_are_as_before():
    from torch._inductor.lowering import lowerings  # takes a second to import

    before = dict(lowerings)
    with any_number_of_groups():
        assert lowerings[torch.ops.aten.convolution] is not before[torch.ops.aten.convolution]
        lowerings["registered"] = before
    assert lowerings.pop("registered") is before
    assert lowerings == before


def test_sizes_that_a_compiler_has_fixed_are_noticed():
    exported = torch.export.export(nn.Identity(), (torch.ones(4, 2),), dynamic_shapes=({0: Dim("M")},))
    _check_free(exported, [{0: None}])
    (given,) = (node for node in exported.graph.nodes if node.op == "placeholder")
    int(given.meta["val"].shape[0])  # asked for a number, it is that one from now on
    with pytest.raises(ValueError, match="arrays of 4 alone"):
        _check_free(exported, [{0: None}])
