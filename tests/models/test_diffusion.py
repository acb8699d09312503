"""The network that guesses noise, its average, and what is made with it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from coterie.models.diffusion import Diffusion, DiffusionBody
from coterie.models.draws import Draws
from coterie.models.rows import Row
from coterie.models.unet import UNet
from coterie.objectives.diffusing import SAMPLERS, clean, plain_error

POINTS, LABELLED, IMAGES = Row(2), Row(3, None, 3), Row(30, (1, 6, 5), 2)
SMALL: dict[str, Any] = {"width": 8, "depth": 2, "channels": (4, 8), "steps": 20, "sampling_steps": 5}
ROWS = 6
by_row = pytest.mark.parametrize("row", [POINTS, LABELLED, IMAGES], ids=["points", "labelled", "images"])


def body_of(row: Row, seed: int = 0, stirred: bool = True, **settings: Any) -> DiffusionBody:
    """A body with weights everywhere, also where it starts at 0."""
    torch.manual_seed(seed)
    body = DiffusionBody(Diffusion(**{**SMALL, **settings}), row).double()
    if stirred:
        for parameter in body.parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
        body.running_average = flat(body)
    return body


def flat(body: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in body.parameters()])


def rows_of(row: Row, seed: int = 1) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(ROWS, row.width, dtype=torch.float64, generator=g)
    return x, torch.randint(-1, max(1, row.classes), (ROWS,), generator=g)


def draws_of(key: int = 3, rows: int = ROWS) -> Draws:
    return Draws(torch.tensor(key), rows, torch.float64)


class Called(nn.Module):
    """A body seen through one of its methods."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, method: str, *given: Any) -> Any:
        return getattr(self.body, method)(*given)


@by_row
def test_members_learn_together_as_alone(row: Row) -> None:
    bodies = [body_of(row, seed) for seed in (0, 1)]
    inputs = [rows_of(row, seed) for seed in (5, 6)]
    program = Called(body_of(row))

    def gradient(parameters: Any, buffers: Any, key: Tensor, x: Tensor, label: Tensor) -> Any:
        def loss(parameters: Any) -> Any:
            tensors = parameters | buffers | {"body.key": key}
            value = functional_call(program, tensors, ("losses", x, label, ""), tie_weights=False).mean()
            return value, tensors["body.running_average"]

        return grad_and_value(loss, has_aux=True)(parameters)

    def tensors_of(named: Any) -> Any:
        return {f"body.{name}": t.detach() for name, t in named}

    alone = [
        gradient(
            tensors_of(body.named_parameters()), tensors_of(body.named_buffers()), torch.tensor(key), *given
        )
        for body, given, key in zip(bodies, inputs, (8, 9), strict=True)
    ]
    parameters, buffers = (
        {name: torch.stack([one[name], other[name]]) for name in one}
        for one, other in (
            [tensors_of(getattr(body, named)()) for body in bodies]
            for named in ("named_parameters", "named_buffers")
        )
    )
    x, label = (torch.stack(parts) for parts in zip(*inputs, strict=True))
    grads, (losses, averages) = vmap(gradient)(parameters, buffers, torch.tensor([8, 9]), x, label)
    for member, (own, (loss, average)) in enumerate(alone):
        torch.testing.assert_close(losses[member], loss, rtol=1e-9, atol=0)
        torch.testing.assert_close(averages[member], average, rtol=1e-9, atol=0)
        for name in own:
            torch.testing.assert_close(grads[name][member], own[name], rtol=1e-9, atol=1e-12)


@by_row
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_members_sample_together_as_alone(row: Row, sampler: str) -> None:
    bodies = [body_of(row, seed, sampler=sampler) for seed in (0, 1)]
    _, label = rows_of(row)
    program = Called(body_of(row, sampler=sampler))

    def made(average: Tensor, key: Tensor) -> Tensor:
        tensors = {"body.running_average": average}
        return functional_call(
            program, tensors, ("sample", Draws(key, ROWS, torch.float64), label), tie_weights=False
        )

    together = vmap(made)(torch.stack([b.running_average for b in bodies]), torch.tensor([4, 5]))
    assert not together.requires_grad
    for member, body in enumerate(bodies):
        alone = body.sample(draws_of(4 + member), label)
        assert alone.grad_fn is None
        torch.testing.assert_close(together[member], alone, rtol=1e-9, atol=1e-12)


@by_row
def test_gradients_reach_every_parameter(row: Row) -> None:
    body = body_of(row)
    x, label = rows_of(row)
    label[:2] = torch.tensor([-1, 0])
    body.losses(x, label, "").sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in body.parameters())


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_untrained_it_makes_standard_normal_rows(schedule: str, sampler: str) -> None:
    """Before training the guess is exact for rows that are noise themselves: they must come back as such."""
    settings = {"noise_schedule": schedule, "sampler": sampler, "steps": 100, "sampling_steps": 100}
    body = body_of(POINTS, stirred=False, **settings)
    made = body.sample(draws_of(rows=2000), torch.full((2000,), -1))
    assert made.mean(0).abs().max() < 0.08
    assert (made.var(0) - 1).abs().max() < 0.12


def test_few_strides_of_ddim_keep_the_deviation() -> None:
    body = body_of(POINTS, stirred=False, sampler="ddim", steps=500, sampling_steps=20)
    made = body.sample(draws_of(rows=20_000), torch.full((20_000,), -1))
    assert (made.std(0) - 1).abs().max() < 0.02  # 0.94 if the noise that it starts from were not wider


@by_row
def test_chain_ends_in_the_sample(row: Row) -> None:
    body = body_of(row)
    _, label = rows_of(row)
    chain = body.chain(draws_of(), label, 4)
    assert chain.shape == (4, ROWS, row.width)
    torch.testing.assert_close(chain[0], draws_of().normal(1, row.width))
    torch.testing.assert_close(chain[-1], body.sample(draws_of(), label))
    assert body.chain(draws_of(), label, 9).shape == (9, ROWS, row.width)
    torch.testing.assert_close(body.chain(draws_of(), label, 1)[0], chain[0])


def test_what_is_made_stays_within_the_training_rows() -> None:
    body = body_of(POINTS)
    x = torch.tensor([[-0.1, 0.2], [0.1, 0.3]], dtype=torch.float64)
    body.fit(x, torch.full((2,), -1))
    made = body.sample(draws_of(rows=50), torch.full((50,), -1))
    assert (made >= x.min(0).values).all()
    assert (made <= x.max(0).values).all()


@by_row
def test_rows_are_judged_one_by_one_and_always_alike(row: Row) -> None:
    body = body_of(row).eval()
    x, label = rows_of(row)
    place = torch.arange(ROWS)
    judged = body.judge(x, label, place)
    assert set(judged) <= set(Diffusion.measures)
    body.key += 1
    single = [body.judge(x[i : i + 1], label[i : i + 1], place[i : i + 1]) for i in range(ROWS)]
    torch.testing.assert_close(
        torch.cat([one["denoising_error"] for one in single]), judged["denoising_error"]
    )


def test_the_average_starts_with_the_weights_and_lags_behind_them() -> None:
    body = body_of(POINTS, average=0.5)
    x, label = rows_of(POINTS)
    body.running_average = torch.zeros_like(body.running_average)
    seen, expected = [], torch.zeros(())
    for step in range(14):
        seen.append(flat(body))
        body.losses(x, label, "")
        pace = min(0.5, step / (step + 10))
        expected = pace * expected + (1 - pace) * seen[-1]
        torch.testing.assert_close(body.running_average, expected)
        for parameter in body.parameters():
            parameter.data += 0.1
    assert body.running_steps == 14


def test_rows_are_judged_and_made_by_the_average() -> None:
    body = body_of(POINTS)
    x, label = rows_of(POINTS)
    before = body.judge(x, label, label)["denoising_error"], body.sample(draws_of(), label)
    for parameter in body.parameters():
        parameter.data += 1
    torch.testing.assert_close(body.judge(x, label, label)["denoising_error"], before[0])
    torch.testing.assert_close(body.sample(draws_of(), label), before[1])
    body.running_average = flat(body)
    assert not torch.allclose(body.sample(draws_of(), label), before[1])


def test_labels_are_told_unless_dropped() -> None:
    x, _ = rows_of(LABELLED)
    first, second = torch.zeros(ROWS, dtype=torch.int64), torch.ones(ROWS, dtype=torch.int64)
    for drop, same in ((0.0, False), (1.0, True)):
        body = body_of(LABELLED, drop=drop)
        assert torch.equal(body.losses(x, first, ""), body.losses(x, second, "")) == same
    body = body_of(LABELLED, conditional=False)
    assert torch.equal(body.losses(x, first, ""), body.losses(x, second, ""))


def test_guidance_acts_by_its_weight_where_a_class_is_asked_for() -> None:
    label, none = torch.ones(ROWS, dtype=torch.int64), torch.full((ROWS,), -1)
    plain, guided = body_of(LABELLED), body_of(LABELLED, guidance=2.0)
    assert not torch.allclose(plain.sample(draws_of(), label), guided.sample(draws_of(), label))
    torch.testing.assert_close(plain.sample(draws_of(), none), guided.sample(draws_of(), none))
    guided.guidance.zero_()
    torch.testing.assert_close(plain.sample(draws_of(), label), guided.sample(draws_of(), label))


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 9, 13), (1, 28, 28), (2, 1, 40)])
def test_unet_takes_images_of_any_size(image: tuple[int, int, int]) -> None:
    net = UNet(image, (4, 6), told=5)
    x, told = torch.randn(2, *image), torch.randn(2, 5)
    assert torch.equal(net(x, told), torch.zeros_like(x))
    for parameter in net.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    made = net(x, told)
    assert made.shape == x.shape
    made[:, :, 0, 0].sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert max(image[1:]) / 2 ** (len(net.down) - 1) <= 8 or len(net.down) == 2


def test_every_place_of_an_image_matters_for_every_other() -> None:
    torch.manual_seed(0)
    net = UNet((1, 8, 8), (4, 8), told=4).double()
    for parameter in net.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    net(x, torch.zeros(1, 4, dtype=torch.float64))[0, 0, 7, 7].backward()
    assert x.grad is not None
    assert (x.grad != 0).all()


@by_row
def test_it_can_be_outlined_without_numbers(row: Row) -> None:
    with torch.device("meta"):
        body = DiffusionBody(Diffusion(**SMALL), row)
        x, label = torch.zeros(ROWS, row.width), torch.zeros(ROWS, dtype=torch.int64)
        assert body.losses(x, label, "").shape == (ROWS,)
        assert body.sample(Draws(torch.zeros((), dtype=torch.int64), ROWS, x.dtype), label).shape == x.shape


def test_it_learns_two_spots() -> None:
    torch.manual_seed(0)
    x = torch.where(torch.arange(64)[:, None] % 2 == 0, 1.0, -1.0).expand(64, 2) + 0.05 * torch.randn(64, 2)
    label = torch.arange(64) % 2
    body = DiffusionBody(Diffusion(width=32, waves=1, steps=50, sampling_steps=20), Row(2, None, 2))
    body.fit(x, label)
    before = body.judge(x, label, label)["denoising_error"].mean()
    optimizer = torch.optim.Adam(body.parameters(), 5e-3)
    for step in range(150):
        body.key = torch.tensor(step)
        optimizer.zero_grad()
        body.losses(x, label, "").mean().backward()
        optimizer.step()
    assert body.judge(x, label, label)["denoising_error"].mean() < 0.5 * before
    wanted = torch.arange(200) % 2
    made = body.sample(Draws(torch.tensor(5), 200, torch.float32), wanted)
    spot = torch.where(wanted[:, None] == 0, 1.0, -1.0)
    assert ((made - spot).norm(dim=1) < 0.4).float().mean() > 0.95


def test_rows_of_any_class_are_as_common_as_in_training() -> None:
    body = body_of(LABELLED, guidance=1.0)
    x, any_class = torch.randn(8, 3, dtype=torch.float64), torch.full((400,), -1)
    body.fit(x, torch.tensor([2, 2, 2, 2, -1, -1, -1, -1]))
    torch.testing.assert_close(
        body.sample(draws_of(rows=400), any_class), body.sample(draws_of(rows=400), torch.full((400,), 2))
    )
    body.fit(x, torch.tensor([0, 2, 2, 2, 0, 2, 2, 2]))
    made = body.sample(draws_of(rows=400), any_class)
    of_class = [body.sample(draws_of(rows=400), torch.full((400,), k)) for k in range(3)]
    shares = [(made == rows).all(1).double().mean().item() for rows in of_class]
    assert shares == pytest.approx([0.25, 0.0, 0.75], abs=0.08)
    assert shares[0] + shares[2] == 1


def test_untrained_it_is_judged_as_what_knows_mean_and_deviation_alone() -> None:
    body = body_of(POINTS, stirred=False)
    x = torch.randn(4000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    judged = body.judge(x, torch.full((4000,), -1), torch.arange(4000))["denoising_error"]
    assert judged.mean() == pytest.approx(plain_error(x, 0.0, 1.0).mean().item(), rel=0.02)
    again = body.judge(x[5:7], torch.full((2,), -1), torch.arange(5, 7))["denoising_error"]
    torch.testing.assert_close(again, judged[5:7])  # the noises of a row are its own


@by_row
def test_where_all_is_noise_the_guess_amounts_to_the_mean(row: Row) -> None:
    body = body_of(row)
    x, label = rows_of(row)
    body.fit(x, label)
    noise, share = torch.randn_like(x), 1e-10
    guess = body.denoiser(noise, torch.full((ROWS,), share, dtype=torch.float64), label)
    made = clean(noise, guess, share)
    torch.testing.assert_close(made, x.mean(0).expand_as(x), rtol=0, atol=1e-3)
