"""Autoencoders: mirrored coders, principal components, noise, sparsity; members together as each alone."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from coterie.errors import SpecError
from coterie.models.autoencoder import (
    Autoencoder,
    DenoisingAutoencoder,
    LinearAutoencoder,
    SparseAutoencoder,
    principal,
)
from coterie.models.draws import Draws
from coterie.models.rows import Row
from coterie.models.unsupervised import UnsupervisedFamily
from coterie.models.vae import VAE

F64 = torch.float64
IMAGE = Row(64, (1, 8, 8), 3)
TABLE = Row(10, None, 3)
FAMILIES: dict[str, UnsupervisedFamily] = {
    "plain": Autoencoder(activation="tanh"),
    "convolutional": Autoencoder(layers="convolutional"),
    "tied": Autoencoder(layers="convolutional", tied=True),
    "linear": LinearAutoencoder(solution="gradient"),
    "linear tied": LinearAutoencoder(solution="gradient", tied=True),
    "gaussian": DenoisingAutoencoder(),
    "masking": DenoisingAutoencoder(noise="masking", amount=0.3),
    "salt and pepper": DenoisingAutoencoder(noise="salt_and_pepper", amount=0.3),
    "sparse": SparseAutoencoder(),
    "sparse l1": SparseAutoencoder(penalty="l1"),
    "vae": VAE(warm_up=10),
    "vae bernoulli": VAE(likelihood="bernoulli"),
    "vae conditional": VAE(conditional=True, deviation="each"),
}


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def built(family: UnsupervisedFamily, row: Row, seed: int = 0, rows: Tensor | None = None) -> Any:
    torch.manual_seed(seed)
    body: Any = family.body(row).to(F64)
    if getattr(body, "fits", False):
        with torch.no_grad():
            body.fit(uniform(40, row.width, seed=9) if rows is None else rows, torch.zeros(40).long())
    return body


def trained(body: Any, x: Tensor, *, steps: int, lr: float) -> Any:
    """Whole-batch Adam, whose rate falls to 0; random layers get a fresh key a step."""
    optimizer = torch.optim.Adam(body.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    label = torch.full((len(x),), -1)
    for step in range(steps):
        for module in body.modules():
            if hasattr(module, "key"):
                module.key = torch.tensor(1000 + step)
        optimizer.zero_grad()
        body.losses(x, label, "").mean().backward()
        optimizer.step()
        schedule.step()
    return body.eval()


class Loss(nn.Module):
    """A body's mean loss as a forward pass."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body: Any = body

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.body.losses(x, label, "").mean()


# ---- members together and alone ----------------------------------------------------------------------------


@pytest.mark.parametrize("row", [IMAGE, TABLE], ids=["image", "table"])
@pytest.mark.parametrize("name", FAMILIES)
def test_members_together_have_the_gradients_of_each_alone(name: str, row: Row) -> None:
    losses = [Loss(built(FAMILIES[name], row, seed)) for seed in (0, 1)]
    parameters, buffers = stack_module_state(losses)
    for n in buffers:
        if n.endswith("key"):
            buffers[n] = torch.tensor([3, 4])
        if n.endswith("present"):
            buffers[n] = torch.tensor([[1.0, 1, 1, 0, 1]] * 2, dtype=F64)
    x, label = uniform(2, 5, row.width), torch.tensor([[0, 1, 2, -1, 0], [2, 2, 1, 0, -1]])

    def loss(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor, label: Tensor) -> Tensor:
        return functional_call(losses[0], (p, b), (x, label))

    together = vmap(grad(loss))(parameters, buffers, x, label)
    for m in range(2):
        own, held = ({n: t[m] for n, t in part.items()} for part in (parameters, buffers))
        alone = grad(loss)(own, held, x[m], label[m])
        for n, found in alone.items():
            torch.testing.assert_close(together[n][m], found, rtol=1e-9, atol=1e-13)
            assert found.abs().sum() > 0, n


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_are_judged_alike_in_whatever_batch_they_come(name: str) -> None:
    body, x = built(FAMILIES[name], IMAGE).eval(), uniform(6, 64)
    label, place = torch.tensor([0, 1, 2, -1, 0, 1]), torch.tensor([5, 900, 7, 0, 31, 2])
    with torch.no_grad():
        whole = body.judge(x, label, place)
        parts = [body.judge(x[s], label[s], place[s]) for s in (slice(0, 1), slice(1, 6))]
    assert set(whole) == set(FAMILIES[name].measures) - {"mmd"}
    for measure, found in whole.items():
        torch.testing.assert_close(found, torch.cat([part[measure] for part in parts]), rtol=1e-9, atol=0)
        assert found.shape == (6,)
        assert found.isfinite().all()


# ---- coders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("image", [(1, 8, 8), (3, 7, 9), (2, 1, 5), (1, 33, 18), (1, 1, 1)], ids=str)
def test_images_of_any_size_come_back_in_their_size(image: tuple[int, int, int], tied: bool) -> None:
    row = Row(math.prod(image), image)
    body = built(Autoencoder(tied=tied, layers="convolutional"), row)
    x = uniform(2, row.width)
    assert body.encode(x).shape == (2, 8)
    assert body.reconstruct(x).shape == x.shape
    with torch.device("meta"):
        Autoencoder(tied=tied, layers="convolutional").body(row)


def test_every_pixel_reaches_the_codes_and_is_reached_by_them() -> None:
    row = Row(3 * 7 * 9, (3, 7, 9))
    body = built(Autoencoder(layers="convolutional"), row)
    jacobian = torch.autograd.functional.jacobian(body.encode, uniform(1, row.width))
    assert (jacobian[0, :, 0].abs().sum(0) > 0).all()
    jacobian = torch.autograd.functional.jacobian(body.decode, uniform(1, 8))
    assert (jacobian[0, :, 0].abs().sum(1) > 0).all()


def test_large_maps_are_halved_until_few_places_are_left() -> None:
    body: Any = Autoencoder(channels=(4, 6)).body(Row(64 * 48, (1, 64, 48)))
    assert body.encoder.affine[0].in_features == 6 * 8 * 6
    assert [c.out_channels for c in body.encoder.convolutions] == [4, 6, 6]


@pytest.mark.parametrize("row", [IMAGE, TABLE], ids=["image", "table"])
def test_a_tied_decoder_is_the_transpose_of_its_encoder(row: Row) -> None:
    family = Autoencoder(tied=True, hidden=(6, 5), layers="convolutional")
    body = built(family, row)
    for layers in (body.encoder, body.decoder):
        layers.activation = nn.Identity()
    zero = torch.zeros(1, row.width, dtype=F64)
    encoder = torch.autograd.functional.jacobian(lambda x: body.encode(x)[0], zero)[:, 0]
    none = torch.zeros(1, 8, dtype=F64)
    decoder = torch.autograd.functional.jacobian(lambda c: body.decode(c)[0], none)[:, 0]
    torch.testing.assert_close(decoder, encoder.T)
    weights = sum(p.numel() for n, p in body.named_parameters() if n.endswith("weight"))
    free = built(dataclasses.replace(family, tied=False), row)
    assert 2 * weights == sum(p.numel() for n, p in free.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize(
    ("layers", "row", "convolutions"),
    [
        ("auto", IMAGE, 0),
        ("auto", Row(243, (3, 9, 9)), 2),
        ("dense", Row(243, (3, 9, 9)), 0),
        ("convolutional", IMAGE, 2),
        ("convolutional", TABLE, 0),
    ],
)
def test_layers_are_convolutional_for_images_that_are_not_small(
    layers: str, row: Row, convolutions: int
) -> None:
    body: Any = Autoencoder(layers=layers).body(row)
    assert len(body.encoder.convolutions) == convolutions


# ---- principal components ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(30, 6), (6, 30)], ids=["tall", "wide"])
def test_principal_axes_are_scikit_learns(shape: tuple[int, int]) -> None:
    from sklearn.decomposition import PCA

    x = uniform(*shape) * torch.linspace(0.2, 3, shape[1], dtype=F64) + 5
    center, axes = principal(x, 4)
    known = PCA(4, svd_solver="full").fit(x.numpy())
    torch.testing.assert_close(center, torch.from_numpy(known.mean_))
    alike = (axes @ torch.from_numpy(known.components_).T).abs()
    torch.testing.assert_close(alike, torch.eye(4, dtype=F64), rtol=0, atol=1e-9)
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_axes_beyond_the_rank_are_0() -> None:
    x = uniform(20, 2) @ uniform(2, 5, seed=1)
    _, axes = principal(x, 7)
    assert axes.shape == (7, 5)
    assert (axes[2:] == 0).all()
    assert (axes[:2].norm(dim=1) - 1).abs().max() < 1e-9
    assert (principal(torch.ones(3, 4), 2)[1] == 0).all()


@pytest.mark.parametrize("tied", [False, True])
def test_the_exact_linear_autoencoder_is_pca_and_training_leaves_it(tied: bool) -> None:
    x = uniform(50, 12, seed=3) @ uniform(12, 12, seed=4)
    body = built(LinearAutoencoder(codes=3, tied=tied), Row(12), rows=x)
    singular = torch.linalg.svdvals(x - x.mean(0))
    best = singular[3:].square().sum() / x.numel()
    before = [p.clone() for p in body.parameters()]
    loss = body.losses(x, torch.zeros(50).long(), "").mean()
    torch.testing.assert_close(loss, best)
    trained(body, x[:7], steps=5, lr=0.1)
    assert all(torch.equal(a, b) for a, b in zip(before, body.parameters(), strict=True))
    codes = body.encode(x)
    torch.testing.assert_close(codes.norm(dim=0), singular[:3])  # in order, and uncorrelated
    assert (codes.T @ codes).fill_diagonal_(0).abs().max() < 1e-9


@pytest.mark.parametrize("tied", [False, True])
def test_the_linear_autoencoder_finds_the_principal_subspace_by_gradient(tied: bool) -> None:
    x = uniform(60, 8, seed=3) * torch.tensor([3, 2.5, 2, 1, 0.8, 0.5, 0.4, 0.3], dtype=F64) + 4
    body = built(LinearAutoencoder(codes=3, tied=tied, solution="gradient"), Row(8), rows=x)
    trained(body, x, steps=600, lr=0.02)
    best = torch.linalg.svdvals(x - x.mean(0))[3:].square().sum() / x.numel()
    error = body.judge(x, None, None)["reconstruction_error"].mean()
    assert error < 1.001 * best
    found = torch.linalg.qr((body.reads if tied else body.writes).detach().T).Q
    assert torch.linalg.svdvals(principal(x, 3)[1] @ found).min() > 0.999


def test_something_curved_is_told_in_fewer_numbers_than_by_principal_components() -> None:
    t = 2 * uniform(200, 1) - 1
    x = torch.cat([t, 3 * t.square(), 3 * t**3], 1)
    center, axes = principal(x, 1)
    flat = (x - center - (x - center) @ axes.T @ axes).square().mean()
    body = built(Autoencoder(codes=1, hidden=(16,)), Row(3))
    trained(body, x, steps=300, lr=0.02)
    assert body.judge(x, None, None)["reconstruction_error"].mean() < 0.5 * flat


# ---- noise -----------------------------------------------------------------------------------------------


def test_each_noise_does_what_it_says() -> None:
    x = 1 + uniform(2000, 5)
    rows = torch.cat([torch.full((1, 5), -3.0), torch.full((1, 5), 7.0)]).to(F64)
    found = {}
    for noise in ("gaussian", "masking", "salt_and_pepper"):
        body = built(DenoisingAutoencoder(noise=noise, amount=0.4), Row(5), rows=rows)
        found[noise] = body.spoil(x, Draws(torch.tensor(5), len(x), F64))
    away = found["gaussian"] - x
    assert abs(away.mean()) < 0.02
    assert abs(away.std() - 0.4) < 0.02
    masked = found["masking"] == 0
    assert abs(masked.double().mean() - 0.4) < 0.02
    assert torch.equal(found["masking"][~masked], x[~masked])
    low, high = found["salt_and_pepper"] == -3, found["salt_and_pepper"] == 7
    assert abs(low.double().mean() - 0.2) < 0.02
    assert abs(high.double().mean() - 0.2) < 0.02
    assert torch.equal(found["salt_and_pepper"][~(low | high)], x[~(low | high)])


def test_salt_and_pepper_of_an_image_is_its_channels() -> None:
    row = Row(8, (2, 2, 2))
    rows = torch.tensor([[0.0, 1, 2, 3, 10, 11, 12, 13]], dtype=F64)
    body = built(DenoisingAutoencoder(noise="salt_and_pepper"), row, rows=rows)
    assert body.spoil.low.tolist() == [0] * 4 + [10] * 4
    assert body.spoil.high.tolist() == [3] * 4 + [13] * 4


def test_training_noise_is_fresh_and_that_of_judging_is_not() -> None:
    body, x = built(DenoisingAutoencoder(), TABLE), uniform(4, 10)
    label, place = torch.zeros(4).long(), torch.arange(4)
    first = body.losses(x, label, "")
    body.spoil.key = torch.tensor(77)
    assert not torch.equal(first, body.losses(x, label, ""))
    judged = body.judge(x, label, place)["denoising_error"]
    body.spoil.key = torch.tensor(78)
    assert torch.equal(judged, body.judge(x, label, place)["denoising_error"])


def test_a_denoising_autoencoder_takes_noise_away() -> None:
    line = uniform(300, 1, seed=2)
    x = (4 * line - 2) * torch.linspace(0.5, 1.5, 10, dtype=F64)
    body = built(DenoisingAutoencoder(amount=0.5, codes=4), TABLE)
    trained(body, x, steps=200, lr=0.01)
    error = body.judge(x, None, torch.arange(300))["denoising_error"].mean()
    assert error < 0.4 * 0.5**2


def test_a_share_of_noise_is_at_most_1() -> None:
    assert DenoisingAutoencoder(amount=2.0).amount == 2
    with pytest.raises(SpecError, match="at most 1"):
        DenoisingAutoencoder(noise="masking", amount=2.0)


# ---- sparsity --------------------------------------------------------------------------------------------


def test_mean_activity_comes_to_its_target() -> None:
    x = uniform(200, 10, seed=5) - 0.5
    for target in (0.1, 0.3):
        body = built(SparseAutoencoder(codes=20, target=target, hidden=(32,)), TABLE)
        trained(body, x, steps=200, lr=0.02)
        codes = body.encode(x)
        assert codes.min() >= 0
        assert codes.max() <= 1
        assert abs(codes.mean() / target - 1) < 0.2


def test_an_l1_penalty_turns_codes_off() -> None:
    x = uniform(200, 10, seed=5) - 0.5
    share = {}
    for weight in (0.0, 1.0):
        family = SparseAutoencoder(codes=20, penalty="l1", weight=weight, hidden=(32,))
        codes = trained(built(family, TABLE), x, steps=200, lr=0.01).encode(x)
        share[weight] = (codes > 0).double().mean()
    assert share[1.0] < 0.5 * share[0.0]


def test_padding_enters_no_mean_activity() -> None:
    body, x = built(SparseAutoencoder(), TABLE), uniform(6, 10)
    label = torch.zeros(6).long()
    body.present = torch.tensor([1.0, 1, 1, 1, 0, 0], dtype=F64)
    padded = body.losses(x, label, "")[:4]
    body.present = torch.ones(4, dtype=F64)
    torch.testing.assert_close(padded, body.losses(x[:4], label[:4], ""))
