"""Two players: whose weights a loss reaches, members together and alone, averages, classes, learning."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from coterie.errors import SpecError
from coterie.models.draws import Draws
from coterie.models.gan import GAN, WGAN, Adversarial, Game
from coterie.models.rows import Row
from coterie.randomness import fold

POINTS, IMAGES = Row(2, None, 3), Row(35, (1, 5, 7), 3)
SMALL = {"codes": 4, "hidden": (8, 8), "channels": (3, 4)}
GAMES: list[Adversarial] = [
    GAN(**SMALL, conditional=True, smoothing=0.1, blur=0.2),
    GAN(**SMALL, generator_loss="minimax", penalty=0.0),
    WGAN(**SMALL, conditional=True),
]
PLAYERS = ("generator", "discriminator")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def game(family: Adversarial, row: Row, seed: int = 0) -> Game:
    """One member in double precision, set by its rows and with a key of its own."""
    torch.manual_seed(seed)
    body = family.body(row).double()
    assert isinstance(body, Game)
    if body.fits:
        body.fit(*batch(row))
    body.key = torch.tensor(7 + seed)
    return body


def batch(row: Row, rows: int = 6) -> tuple[Tensor, Tensor]:
    return drawn(rows, row.width, seed=5), torch.arange(rows) % 4 - 1  # some of no known class


def fixed(rows: int, key: int = 3) -> Draws:
    return Draws.of_rows(torch.tensor(key), torch.arange(rows), torch.float64)


class Turn(nn.Module):
    """A player's mean loss, as `functional_call` needs it."""

    def __init__(self, body: Game, player: str) -> None:
        super().__init__()
        self.body, self.player = body, player

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.body.losses(x, label, self.player).mean()


@pytest.mark.parametrize("row", [POINTS, IMAGES], ids=["points", "images"])
@pytest.mark.parametrize("family", GAMES, ids=["gan", "minimax", "wgan"])
@pytest.mark.parametrize("player", PLAYERS)
def test_members_together_are_each_as_it_is_alone(family: Adversarial, row: Row, player: str) -> None:
    bodies = [game(family, row, seed) for seed in range(2)]
    x, label = batch(row)
    turn = Turn(copy.deepcopy(bodies[0]), player)
    running = [f"body.{name}" for name, _ in turn.body.named_buffers() if name.startswith("running_")]

    def loss(own: dict[str, Tensor], rest: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        tensors = {f"body.{name}": t for name, t in (own | rest).items()}
        value = functional_call(turn, tensors, (x, label), tie_weights=False)
        return value, {name: tensors[name] for name in running}

    members = [{**dict(b.named_parameters()), **dict(b.named_buffers())} for b in bodies]
    stacked = {name: torch.stack([m[name].detach() for m in members]) for name in members[0]}
    own = {name: t for name, t in stacked.items() if name.startswith(player + ".")}
    rest = {name: t for name, t in stacked.items() if name not in own}
    gradients, (values, moved) = vmap(grad_and_value(loss, has_aux=True))(own, rest)

    for m, body in enumerate(bodies):
        value = Turn(body, player)(x, label)
        mine = [p for name, p in body.named_parameters() if name.startswith(player + ".")]
        found = torch.autograd.grad(value, mine, allow_unused=True, materialize_grads=True)
        torch.testing.assert_close(values[m], value, rtol=1e-9, atol=1e-12)
        for name, alone in zip(own, found, strict=True):
            torch.testing.assert_close(gradients[name][m], alone, rtol=1e-9, atol=1e-12)
        for name in running:
            buffer = body.get_buffer(name.removeprefix("body."))
            torch.testing.assert_close(moved[name][m], buffer, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", GAMES, ids=["gan", "minimax", "wgan"])
def test_every_weight_belongs_to_a_player_and_its_loss_reaches_it(family: Adversarial) -> None:
    body = game(family, IMAGES)
    x, label = batch(IMAGES)
    assert [p.name for p in body.players] == list(PLAYERS)
    for player in PLAYERS:
        body.zero_grad()
        value = body.losses(x, label, player)
        assert value.shape == (len(x),)
        value.mean().backward()
        for name, p in body.named_parameters():
            assert name.split(".")[0] in PLAYERS
            if name.startswith(player):
                still = player == "discriminator" and name.endswith("bias") and p.grad is not None
                assert still or (p.grad is not None and bool((p.grad != 0).any())), name
            elif player == "discriminator":
                assert p.grad is None  # what was made is handed to it as it is


def test_a_row_is_judged_by_itself() -> None:
    for family in GAMES:
        body = game(family, IMAGES)
        x, label = batch(IMAGES)
        torch.testing.assert_close(body.realness(x, label)[2:4], body.realness(x[2:4], label[2:4]))
        made = body.sample(fixed(6), label)
        torch.testing.assert_close(made[:3], body.sample(fixed(3), label[:3]))


def test_steps_of_the_second_player() -> None:
    assert WGAN(discriminator_steps=3).body(POINTS).players[0].every == 3  # type: ignore[union-attr, index]
    assert GAN().body(POINTS).players[0].every == 1  # type: ignore[union-attr, index]


def test_there_is_no_more_noise_than_numbers_to_be_made_of_it() -> None:
    for family in (GAN(codes=16), WGAN(codes=16)):
        assert game(family, POINTS).codes == 2
        assert game(family, POINTS).sample(fixed(5), torch.full((5,), -1)).shape == (5, 2)
        assert game(family, IMAGES).codes == 16


def test_samples_are_of_the_averaged_generator() -> None:
    body = game(GAN(**SMALL, average=0.5), POINTS)
    x, label = batch(POINTS)
    history = []
    for step in range(15):
        with torch.no_grad():
            for p in body.generator.parameters():
                p.add_(0.1 * drawn(*p.shape, seed=step))
        history.append(copy.deepcopy(dict(body.generator.named_parameters())))
        body.losses(x, label, "generator")
        body.losses(x, label, "discriminator")  # moves nothing
    mean = {name: history[0][name].detach() for name in history[0]}
    for step, weights in enumerate(history):
        pace = max(0.5, 10 / (10 + step))
        mean = {name: (1 - pace) * mean[name] + pace * weights[name].detach() for name in mean}
    twin = copy.deepcopy(body)
    twin.generator.load_state_dict(mean)
    noise = fixed(6).normal(0, body.codes)
    torch.testing.assert_close(body.sample(fixed(6), label), twin.made(noise, label))
    assert not torch.allclose(body.sample(fixed(6), label), body.made(noise, label))


def test_images_stay_within_the_range_of_training_pixels() -> None:
    body = game(GAN(**SMALL), IMAGES)
    x = batch(IMAGES)[0]
    with torch.no_grad():
        for p in body.generator.parameters():
            p.mul_(30)
        made = body.made(fixed(200).normal(0, 4), torch.full((200,), -1))
    assert (made >= x.amin(0) - 1e-12).all()
    assert (made <= x.amax(0) + 1e-12).all()
    assert ((made - x.amax(0)).abs() < 1e-3).any()


def test_a_class_that_is_unknown_is_none_and_others_differ() -> None:
    body = game(GAMES[0], POINTS)
    noise, x = drawn(4, body.codes), drawn(4, 2)
    of = [body.made(noise, torch.full((4,), c)) for c in (-1, 0, 1)]
    assert not any(torch.allclose(of[a], of[b]) for a, b in ((0, 1), (1, 2), (0, 2)))
    unknown, known = (body.realness(x, torch.full((4,), c)) for c in (-1, 2))
    found = body.discriminator(x)
    torch.testing.assert_close(unknown, found[:, 0])
    torch.testing.assert_close(known, found[:, 0] + found[:, 3])
    plain = game(GAMES[1], POINTS)
    assert torch.equal(
        plain.made(noise, torch.tensor([0, 1, 2, -1])), plain.made(noise, torch.full((4,), -1))
    )


def test_a_conditional_family_needs_classes() -> None:
    with pytest.raises(SpecError, match="needs a label"):
        GAN(conditional=True).body(Row(2))


def test_numbers_act_through_buffers() -> None:
    x, label = batch(POINTS)
    for family, name in (
        (GAMES[0], "smoothing"),
        (GAMES[0], "blur"),
        (GAMES[0], "penalty"),
        (GAMES[2], "penalty"),
    ):
        body = game(family, POINTS)
        before = body.losses(x, label, "discriminator")
        setattr(body, name, 2 * getattr(body, name))
        assert not torch.allclose(before, body.losses(x, label, "discriminator")), name


@pytest.mark.parametrize("row", [POINTS, IMAGES], ids=["points", "images"])
def test_built_where_nothing_is_computed(row: Row) -> None:
    with torch.device("meta"):
        for family in GAMES:
            body = family.body(row)
            assert all(t.is_meta for t in (*body.parameters(), *body.buffers()))


@pytest.mark.parametrize(
    "family",
    [GAN(codes=4, hidden=(32,), average=0.98), WGAN(codes=4, hidden=(32,), average=0.98)],
    ids=["gan", "wgan"],
)
def test_what_is_made_moves_to_where_the_rows_are(family: Adversarial) -> None:
    torch.manual_seed(0)
    body = family.body(Row(2))
    assert isinstance(body, Game)
    center, spread = torch.tensor([1.5, -1.0]), torch.tensor([0.3, 0.9])
    advice = family.advice("unsupervised")
    second = (family.discriminator_lr, (family.discriminator_beta1, family.discriminator_beta2))
    optimizers = {
        name: torch.optim.Adam(body.get_submodule(name).parameters(), lr, betas)
        for name, lr, betas in (
            ("generator", advice["lr"], (advice["beta1"], advice["beta2"])),
            ("discriminator", *second),
        )
    }
    none = torch.full((64,), -1)
    for step in range(400):
        x = center + spread * torch.randn(64, 2)
        for place, player in enumerate(body.players):
            if step % player.every == 0:
                body.key = torch.tensor(fold(fold(1, step), place))
                optimizers[player.name].zero_grad()
                body.losses(x, none, player.name).mean().backward()
                optimizers[player.name].step()
    with torch.no_grad():
        made = body.sample(Draws(torch.tensor(9), 1000, torch.float32), torch.full((1000,), -1))
    assert ((made.mean(0) - center).abs() < 0.3).all()
    assert ((made.std(0) / spread).log().abs() < 1).all()  # at a rate that does not fall it sways
