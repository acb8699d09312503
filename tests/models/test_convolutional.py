"""Convolutional networks: their layers against PyTorch's, and images of any size.

B rows, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.errors import SpecError
from coterie.models.alexnet import AlexNet
from coterie.models.cnn import CNN
from coterie.models.family import ImageFamily
from coterie.models.googlenet import GoogLeNet
from coterie.models.images import BatchNorm2d, Global, Pool, Spread
from coterie.models.lenet import LeNet
from coterie.models.resnet import Bottleneck, ResNet
from coterie.models.shape import Shape
from coterie.models.vgg import VGG
from coterie.models.vit import ViT


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def same_with_gradients(
    ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], x: Tensor
) -> None:
    x = x.clone().requires_grad_()
    a, b = ours(x), theirs(x)
    torch.testing.assert_close(a, b)
    weight = drawn(*a.shape, seed=5)
    (one,), (other,) = (torch.autograd.grad((out * weight).sum(), x) for out in (a, b))
    torch.testing.assert_close(one, other)


# ---- pooling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(6, 6), (7, 5), (3, 9), (13, 4)])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ceil"), [(2, 2, 0, False), (3, 2, 0, True), (3, 2, 1, False)]
)
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_is_pytorchs(
    kind: str, kernel: int, stride: int, padding: int, ceil: bool, size: tuple[int, int]
) -> None:
    theirs = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
    other = theirs(kernel, stride, padding, ceil_mode=ceil)
    same_with_gradients(Pool(kind, kernel, stride, padding, ceil), other, drawn(2, 3, *size))


@pytest.mark.parametrize("kind", ["max", "average"])
def test_a_side_shorter_than_the_window_stays(kind: str) -> None:
    x = drawn(2, 3, 1, 8)
    made = Pool(kind, 2, 2)(x)
    pool = F.max_pool1d if kind == "max" else F.avg_pool1d
    torch.testing.assert_close(made[:, :, 0], pool(x[:, :, 0], 2, 2))
    assert torch.equal(Pool(kind, 3, 2, 0)(drawn(1, 1, 2, 2)), drawn(1, 1, 2, 2))
    assert torch.equal(Pool(kind, 3, 2, 1)(drawn(1, 1, 1, 1)), drawn(1, 1, 1, 1))


@pytest.mark.parametrize("size", [1, 2, 5, 7])
@pytest.mark.parametrize("image", [(7, 7), (14, 9), (13, 20), (3, 3), (1, 1), (2, 11)])
def test_spread_is_pytorchs_adaptive_pooling(size: int, image: tuple[int, int]) -> None:
    same_with_gradients(Spread(size), nn.AdaptiveAvgPool2d(size), drawn(2, 3, *image))


def test_global_is_the_mean_of_each_channel() -> None:
    x = drawn(2, 3, 4, 5)
    torch.testing.assert_close(Global()(x), F.adaptive_avg_pool2d(x, 1).flatten(1))


# ---- batch normalisation ---------------------------------------------------------------------------------


def pair(momentum: float = 0.1, eps: float = 1e-5) -> tuple[BatchNorm2d, nn.BatchNorm2d]:
    """Ours and PyTorch's with the same gains."""
    ours = BatchNorm2d(3, momentum, eps).double()
    theirs = nn.BatchNorm2d(3, eps, momentum).double()
    with torch.no_grad():
        for one in (ours, theirs):
            one.weight.copy_(drawn(3, seed=1))
            one.bias.copy_(drawn(3, seed=2))
    return ours, theirs


def gradients(layer: nn.Module, x: Tensor, weight: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    return list(torch.autograd.grad((layer(x) * weight).sum(), [x, layer.weight, layer.bias]))


@pytest.fixture(params=[True, False], ids=["fused", "written"])
def fused(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PyTorch's fused kernel, as for a group of one, and as it is lifted."""
    if not request.param:
        monkeypatch.setattr("coterie.models.layers.at_once", lambda: False)


@pytest.mark.usefixtures("fused")
@pytest.mark.parametrize(("momentum", "eps"), [(0.1, 1e-5), (0.7, 1e-2)])
def test_batch_norm_is_pytorchs(momentum: float, eps: float) -> None:
    ours, theirs = pair(momentum, eps)
    for batch in range(3):
        x, weight = drawn(4 + batch, 3, 5, 2, seed=batch) * 10 + 3, drawn(4 + batch, 3, 5, 2, seed=9)
        torch.testing.assert_close(ours(x), theirs(x))
        torch.testing.assert_close(ours.running_mean, theirs.running_mean)
        torch.testing.assert_close(ours.running_var, theirs.running_var)
        for a, b in zip(gradients(ours, x, weight), gradients(theirs, x, weight), strict=True):
            torch.testing.assert_close(a, b)
    ours.eval()
    theirs.eval()
    same_with_gradients(ours, theirs, drawn(2, 3, 4, 4))


def test_padding_enters_neither_statistics_nor_gradients() -> None:
    ours, theirs = pair()
    x, weight = drawn(6, 3, 4, 5), drawn(6, 3, 4, 5, seed=3)
    ours.present = torch.tensor([1, 0, 1, 1, 0, 1.0], dtype=torch.float64)
    real = ours.present.bool()
    x[~real] = 1e6
    mine = gradients(ours, x, weight * real[:, None, None, None])
    other = gradients(theirs, x[real], weight[real])
    torch.testing.assert_close(mine[0][real], other[0])
    assert (mine[0][~real] == 0).all()
    torch.testing.assert_close(mine[1:], other[1:])
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours(x)[real], theirs(x[real]))


def test_one_row_is_enough_but_one_pixel_is_not() -> None:
    ours, theirs = pair()
    x = drawn(1, 3, 4, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    before = ours.running_mean.clone(), ours.running_var.clone()
    pixel = drawn(1, 3, 1, 1)
    torch.testing.assert_close(ours(pixel), ours.eval()(pixel))  # by what ran before
    assert torch.equal(ours.running_mean, before[0])
    assert torch.equal(ours.running_var, before[1])


# ---- images of any size ----------------------------------------------------------------------------------

SMALL: list[ImageFamily] = [
    CNN(channels=(4, 6)),
    CNN(channels=(4, 6, 8, 8), end="mean", pooling="average", norm="none"),
    LeNet(),
    LeNet(pooling="max"),
    AlexNet(share=4, hidden=8),
    VGG(share=4, hidden=8),
    VGG(share=4, hidden=8, depth="16", batch_norm=False),
    GoogLeNet(share=4),
    ResNet(share=25),
    ResNet(depth="18", share=8),
    ResNet(depth="50", share=4, residual=False),
    ViT(width=8, heads=2, depth=1),
    ViT(width=8, heads=2, depth=1, patch=16, pooling="class"),
]
SIZES = [(1, 1), (1, 7), (2, 3), (5, 5), (28, 28), (33, 47), (47, 1)]


def label(family: ImageFamily) -> str:
    return f"{family.name}-{getattr(family, 'depth', '')}"


def inputs(image: Tensor) -> dict[str, Tensor]:
    rows = len(image)
    return {
        "image": image,
        "numeric": torch.zeros(rows, 0),
        "category": torch.zeros(rows, 0, dtype=torch.int64),
    }


@pytest.mark.parametrize(("channels", "size"), list(zip((1, 3, 5, 3, 1, 5, 3), SIZES, strict=True)), ids=str)
@pytest.mark.parametrize("family", SMALL, ids=label)
def test_every_size_gets_an_answer(family: ImageFamily, channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, channels, *size), dtype=torch.uint8)
    network = family.network(Shape(image=(channels, *size)), "multiclass", 4)
    network.prepare.fit(inputs(image))
    network.train()
    raw = network.raw(inputs(image))
    assert raw.shape == (3, 4)
    gradients = torch.autograd.grad(raw.square().sum(), list(network.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    answer = network.eval()(inputs(image))
    torch.testing.assert_close(answer.sum(1), torch.ones(3))


@pytest.mark.parametrize(
    "family", [AlexNet(share=2, hidden=4), VGG(share=2, hidden=4), GoogLeNet(share=2)], ids=label
)
@pytest.mark.parametrize("size", [(63, 64), (64, 64), (65, 130), (224, 224)], ids=str)
def test_large_images_get_the_published_stem(family: ImageFamily, size: tuple[int, int]) -> None:
    network = family.network(Shape(image=(3, *size)), "binary", 2).eval()
    with torch.no_grad():
        assert network(inputs(torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8))).shape == (1, 2)


@pytest.mark.parametrize("family", SMALL, ids=label)
def test_every_pixel_of_a_small_image_counts(family: ImageFamily) -> None:
    torch.manual_seed(0)
    network = family.network(Shape(image=(1, 9, 6)), "regression", 1).double().eval()
    image = (torch.randn(8, 1, 9, 6, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(network.raw(inputs(image)).sum(), image)
    assert (gradient.abs().sum((0, 1)) > 0).all()


# ---- architecture ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["8", "20", "18", "34", "50"])
def test_without_residuals_there_are_no_more_parameters(depth: str) -> None:
    counts = []
    for residual in (True, False):
        with torch.device("meta"):
            network = ResNet(depth=depth, residual=residual).network(
                Shape(image=(3, 32, 32)), "multiclass", 10
            )
        counts.append(sum(p.numel() for p in network.parameters()))
    assert counts[1] <= counts[0]


def test_a_residual_block_adds_its_input() -> None:
    torch.manual_seed(0)
    block, plain = (Bottleneck(12, 3, 1, residual).double().eval() for residual in (True, False))
    plain.load_state_dict(block.state_dict())
    x = drawn(2, 12, 5, 5)
    torch.testing.assert_close(block(x), (block.path(x) + x).relu())
    torch.testing.assert_close(plain(x), block.path(x).relu())


def test_depth_is_the_number_of_layers_with_weights() -> None:
    """Projections of shortcuts are not counted, as in the paper."""
    for depth in ("8", "20", "18", "34", "50"):
        network = ResNet(depth=depth, share=5, residual=False).network(
            Shape(image=(3, 32, 32)), "multiclass", 9
        )
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == int(depth)
    for depth in ("11", "13", "16", "19"):
        network = VGG(depth=depth, share=5, hidden=4).network(Shape(image=(3, 32, 32)), "multiclass", 9)
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == int(depth)


def test_lenet_sees_a_digit_of_28_as_one_of_32() -> None:
    torch.manual_seed(0)
    small = LeNet().network(Shape(image=(1, 28, 28)), "multiclass", 10).double().eval()
    large = LeNet().network(Shape(image=(1, 32, 32)), "multiclass", 10).double().eval()
    own = {n.replace(".layers.", "."): p for n, p in small.named_parameters()}
    with torch.no_grad():
        for theirs, ours in zip(large.parameters(), own.values(), strict=True):
            theirs.copy_(ours)
    image = drawn(2, 1, 28, 28)
    torch.testing.assert_close(small.raw(inputs(image)), large.raw(inputs(F.pad(image, (2, 2, 2, 2)))))


def test_patches_are_a_convolution_as_wide_as_its_stride() -> None:
    torch.manual_seed(0)
    layers, width = ViT(width=8, heads=2, depth=1, patch=4, dropout=0.0).layers((3, 8, 12))
    assert width == 8
    layers = layers.double()
    seen: list[Tensor] = []
    layers.positions.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = drawn(2, 3, 8, 12)
    layers(image)
    kernel = layers.project.weight.view(8, 3, 4, 4)
    wanted = F.conv2d(image, kernel, layers.project.bias, stride=4).flatten(2).transpose(1, 2)
    torch.testing.assert_close(seen[0], wanted)


def test_other_data_are_refused() -> None:
    with pytest.raises(SpecError, match="needs images"):
        CNN().network(Shape(indicator=(False,)), "binary", 2)
    with pytest.raises(SpecError, match="multiple of the heads"):
        ViT(width=10, heads=4)
