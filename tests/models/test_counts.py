"""Parameters of the published architectures at their published input sizes, counted without any memory."""

from __future__ import annotations

import pytest
import torch

from coterie.models.alexnet import AlexNet
from coterie.models.bert import BERT
from coterie.models.family import Family
from coterie.models.googlenet import GoogLeNet
from coterie.models.gpt import GPT
from coterie.models.lenet import LeNet
from coterie.models.resnet import ResNet
from coterie.models.shape import Shape
from coterie.models.vgg import VGG
from coterie.models.vit import ViT

IMAGENET = Shape(image=(3, 224, 224))
CIFAR = Shape(image=(3, 32, 32))


def count(family: Family, shape: Shape, task: str, outputs: int) -> int:
    """Parameters on the meta device, where a tensor is only its shape."""
    with torch.device("meta"):
        network = family.network(shape, task, outputs)
    parameters = list(network.parameters())
    assert all(p.is_meta for p in parameters)
    return sum(p.numel() for p in parameters)


PUBLISHED: list[tuple[Family, int]] = [
    (AlexNet(), 61_100_840),
    (VGG(depth="11", batch_norm=False), 132_863_336),
    (VGG(depth="13", batch_norm=False), 133_047_848),
    (VGG(depth="16", batch_norm=False), 138_357_544),
    (VGG(depth="19", batch_norm=False), 143_667_240),
    (VGG(depth="16", batch_norm=True), 138_365_992),
    (GoogLeNet(), 6_624_904),
    (ResNet(depth="18"), 11_689_512),
    (ResNet(depth="34"), 21_797_672),
    (ResNet(depth="50"), 25_557_032),
    (ResNet(depth="101"), 44_549_160),
    (ResNet(depth="152"), 60_192_808),
    (
        ViT(patch=16, width=768, depth=12, heads=12, hidden=3072, pooling="class"),
        86_567_656,
    ),
]


@pytest.mark.parametrize(("family", "published"), PUBLISHED, ids=lambda value: getattr(value, "name", value))
def test_networks_for_imagenet_have_their_published_sizes(family: Family, published: int) -> None:
    assert count(family, IMAGENET, "multiclass", 1000) == published


def test_lenet_has_61706_parameters() -> None:
    assert count(LeNet(), Shape(image=(1, 32, 32)), "multiclass", 10) == 61_706
    assert count(LeNet(), Shape(image=(1, 28, 28)), "multiclass", 10) == 61_706


@pytest.mark.parametrize("depth", [8, 20, 32, 56, 110])
def test_small_resnets_have_6n_plus_2_layers(depth: int) -> None:
    n = (depth - 2) // 6
    convolution = 3 * 9 * 16
    norms = 2 * 16
    before = 16
    for width in (16, 32, 64):
        for block in range(n):
            convolution += 9 * before * width + 9 * width * width
            norms += 2 * 2 * width
            if block == 0 and before != width:  # projected where size and channels change
                convolution += before * width
                norms += 2 * width
            before = width
    affine = 64 * 10 + 10
    assert count(ResNet(depth=str(depth)), CIFAR, "multiclass", 10) == convolution + norms + affine


def test_without_residuals_the_projections_go_and_nothing_else() -> None:
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    with_them = count(ResNet(depth="20"), CIFAR, "multiclass", 10)
    assert with_them - count(ResNet(depth="20", residual=False), CIFAR, "multiclass", 10) == projections


def test_bert_base_has_its_published_size() -> None:
    family = BERT(width=768, depth=12, heads=12, hidden=3072, longest=512, norm_first=False)
    output_layer = 768 * 2 + 2
    made = count(family, Shape(tokens=(512, 30_522)), "multiclass", 2)
    assert made - output_layer == 109_482_240


def test_gpt2_small_has_its_published_size() -> None:
    family = GPT(width=768, depth=12, heads=12, context=1024)
    assert count(family, Shape(answer=(1024, 50_257)), "text", 50_257) == 124_439_808
