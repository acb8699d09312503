"""Networks of other libraries as ours: folders in their format and names, made here without those libraries.

The expected outputs are those of a plain forward pass written with PyTorch's own layers and their names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_backbones import DEPTH, HEADS, WORDS, D, bert_folder, bert_tensors
from torch import Tensor
from torch.nn import functional as F

from coterie.data.tokens import Tokenizer
from coterie.errors import ModelError, SpecError
from coterie.models import backbones
from coterie.models.backbones import backbone, download
from coterie.models.bert import BERT, Encoder, Pooler
from coterie.models.resnet import ResNet


def reference(given: dict[str, Tensor], ids: Tensor, distilled: bool) -> Tensor:
    """BERT's last hidden state for one text without padding: (T, D)."""

    def affine(name: str, x: Tensor) -> Tensor:
        return F.linear(x, given[f"{name}.weight"], given[f"{name}.bias"])

    def norm(name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, (D,), given[f"{name}.weight"], given[f"{name}.bias"], 1e-12)

    x = given["embeddings.word_embeddings.weight"][ids]
    x = x + given["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(
        "embeddings.LayerNorm", x if distilled else x + given["embeddings.token_type_embeddings.weight"][0]
    )
    for i in range(DEPTH):
        at = f"transformer.layer.{i}." if distilled else f"encoder.layer.{i}."
        names = (
            "attention.q_lin attention.k_lin attention.v_lin attention.out_lin sa_layer_norm "
            "ffn.lin1 ffn.lin2 output_layer_norm"
            if distilled
            else "attention.self.query attention.self.key attention.self.value attention.output.dense "
            "attention.output.LayerNorm intermediate.dense output.dense output.LayerNorm"
        )
        q, k, v, out, norm1, up, down, norm2 = (at + n for n in names.split())
        heads = [affine(n, x).view(len(ids), HEADS, -1).transpose(0, 1) for n in (q, k, v)]
        looked = F.scaled_dot_product_attention(*heads).transpose(0, 1).flatten(1)
        x = norm(norm1, x + affine(out, looked))
        x = norm(norm2, x + affine(down, F.gelu(affine(up, x))))
    return x


@pytest.mark.parametrize("distilled", [False, True])
@pytest.mark.parametrize("prefix", ["", "own."])
def test_bert_answers_as_its_library_s_network(tmp_path: Path, distilled: bool, prefix: str) -> None:
    prefix = {"": "", "own.": "distilbert." if distilled else "bert."}[prefix]
    found = backbone(bert_folder(tmp_path / "b", distilled, prefix), "b")
    assert found.family == "bert"
    encoder = Encoder(BERT(**found.structure, dropout=0.0), D).eval()
    mine = {n.removeprefix("body.layers."): t for n, t in found.tensors.items() if ".layers." in n}
    encoder.load_state_dict(mine)
    tokenizer = Tokenizer.from_text(found.coding)
    (ids,) = tokenizer.encode(["The cats sat on a mat"], None)
    tokens = ["[CLS]", "the", "cat", "##s", "sat", "on", "[UNK]", "mat", "[SEP]"]
    theirs = torch.tensor([WORDS.index(token) for token in tokens])
    x = found.tensors["body.steps.table.weight"][torch.tensor([ids])]
    mask = torch.ones(1, len(ids), dtype=torch.bool)
    with torch.no_grad():
        steps = encoder(x, mask)
        wanted = reference(bert_tensors(distilled), theirs, distilled)
    torch.testing.assert_close(steps[0], wanted, rtol=1e-4, atol=1e-5)
    if not distilled:
        pooler, given = Pooler(D), bert_tensors(False)
        pooler.load_state_dict({n: found.tensors[f"body.pool.{n}"] for n in ("affine.weight", "affine.bias")})
        pooled = F.linear(wanted[0], given["pooler.dense.weight"], given["pooler.dense.bias"]).tanh()
        torch.testing.assert_close(pooler(steps, mask)[0], pooled, rtol=1e-4, atol=1e-5)


def test_the_tokenizer_has_our_special_tokens_in_front(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_text(backbone(bert_folder(tmp_path / "b"), "b").coding)
    (ids,) = tokenizer.encode(["the cats"], None)
    assert ids == [2, 6, 7, 8, 3]
    assert [tokenizer.entry(i) for i in ids[1:-1]] == ["the", "cat", "##s"]
    assert tokenizer.decode(ids) == "the cats"
    assert tokenizer.encode(["zzz"], None) == [[2, 1, 3]]
    assert len(tokenizer) == len(WORDS)
    assert Tokenizer.from_text(tokenizer.to_text()) == tokenizer


def test_a_tokenizer_json_is_read_as_the_vocabulary_is(tmp_path: Path) -> None:
    first = bert_folder(tmp_path / "a")
    second = bert_folder(tmp_path / "b")
    (second / "tokenizer.json").write_text(backbones._from_vocabulary(second).to_str())
    (second / "vocab.txt").unlink()
    one, other = backbone(first, "a"), backbone(second, "b")
    texts = ["The cat", "[MASK] sat"]
    codings = [Tokenizer.from_text(found.coding).encode(texts, None) for found in (one, other)]
    assert codings[0] == codings[1]
    assert one.tensors["body.steps.table.weight"].equal(other.tensors["body.steps.table.weight"])


# ---- images --------------------------------------------------------------------------------------------


def resnet_tensors(blocks: tuple[int, ...], bottleneck: bool) -> dict[str, Tensor]:
    """Random weights under the names of timm and torchvision, as wide as published."""
    g, made = torch.Generator().manual_seed(1), {}

    def conv(name: str, out: int, channels: int, kernel: int) -> None:
        made[f"{name}.weight"] = torch.randn(out, channels, kernel, kernel, generator=g) * 0.05

    def norm(name: str, width: int) -> None:
        made[f"{name}.weight"], made[f"{name}.bias"] = (
            torch.rand(width, generator=g) + 0.5,
            torch.zeros(width),
        )
        made[f"{name}.running_mean"] = torch.randn(width, generator=g) * 0.1
        made[f"{name}.running_var"] = torch.rand(width, generator=g) + 0.5
        made[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    channels = 64
    for stage, count in enumerate(blocks, 1):
        width = 64 * 2 ** (stage - 1)
        out = 4 * width if bottleneck else width
        for block in range(count):
            at = f"layer{stage}.{block}."
            sizes = [(width, channels, 1), (width, width, 3), (out, width, 1)]
            for i, size in enumerate(sizes if bottleneck else [(width, channels, 3), (width, width, 3)], 1):
                conv(f"{at}conv{i}", *size)
                norm(f"{at}bn{i}", size[0])
            if channels != out:
                conv(f"{at}downsample.0", out, channels, 1)
                norm(f"{at}downsample.1", out)
            channels = out
    made["fc.weight"], made["fc.bias"] = torch.zeros(1000, channels), torch.zeros(1000)
    return made


def resnet_folder(path: Path, depth: str, given: dict[str, Tensor]) -> Path:
    path.mkdir()
    save_file(given, path / "model.safetensors")
    config = {"architecture": f"resnet{depth}", "num_classes": 1000, "pretrained_cfg": {"mean": [0.5] * 3}}
    (path / "config.json").write_text(json.dumps(config))
    return path


def resnet_reference(
    given: dict[str, Tensor], x: Tensor, blocks: tuple[int, ...], bottleneck: bool
) -> Tensor:
    def norm(name: str, x: Tensor) -> Tensor:
        ends = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(given[f"{name}.{end}"] for end in ends))

    def conv(name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, given[f"{name}.weight"], None, stride, padding)

    x = F.max_pool2d(norm("bn1", conv("conv1", x, 2, 3)).relu(), 3, 2, 1)
    for stage, count in enumerate(blocks, 1):
        for block in range(count):
            at, stride = f"layer{stage}.{block}.", 2 if stage > 1 and not block else 1
            beside = x
            if f"{at}downsample.0.weight" in given:
                beside = norm(f"{at}downsample.1", conv(f"{at}downsample.0", x, stride))
            if bottleneck:
                x = norm(f"{at}bn1", conv(f"{at}conv1", x)).relu()
                x = norm(f"{at}bn2", conv(f"{at}conv2", x, stride, 1)).relu()
                x = norm(f"{at}bn3", conv(f"{at}conv3", x))
            else:
                x = norm(f"{at}bn1", conv(f"{at}conv1", x, stride, 1)).relu()
                x = norm(f"{at}bn2", conv(f"{at}conv2", x, 1, 1))
            x = (x + beside).relu()
    return x.mean((2, 3))


@pytest.mark.parametrize(
    ("depth", "blocks", "bottleneck"), [("18", (2, 2, 2, 2), False), ("50", (3, 4, 6, 3), True)]
)
def test_resnet_answers_as_its_library_s_network(
    tmp_path: Path, depth: str, blocks: tuple[int, ...], bottleneck: bool
) -> None:
    given = resnet_tensors(blocks, bottleneck)
    found = backbone(resnet_folder(tmp_path / "r", depth, given), "r")
    assert (found.family, found.structure["depth"]) == ("resnet", depth)
    layers, _ = ResNet(**found.structure).layers((3, 64, 64))
    mine = {n.removeprefix("body.layers."): t for n, t in found.tensors.items() if ".layers." in n}
    layers.load_state_dict(mine)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        made, wanted = layers.eval()(x), resnet_reference(given, x, blocks, bottleneck)
    torch.testing.assert_close(made, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
    assert found.tensors["prepare.image.center"].flatten().tolist() == [127.5] * 3
    assert found.tensors["prepare.image.scale"][1, 0, 0].item() == pytest.approx(255 * 0.224)


# ---- errors --------------------------------------------------------------------------------------------


def test_what_cannot_be_taken_is_named(tmp_path: Path) -> None:
    def folder(name: str, config: str) -> Path:
        path = tmp_path / name
        path.mkdir()
        save_file({"x": torch.zeros(1)}, path / "model.safetensors")
        (path / "config.json").write_text(config)
        return path

    with pytest.raises(ModelError, match="of the kind llama"):
        backbone(folder("llama", '{"model_type": "llama"}'), "llama")
    with pytest.raises(ModelError, match="of the kind vit_tiny"):
        backbone(folder("vit", '{"architecture": "vit_tiny"}'), "vit")
    with pytest.raises(ModelError, match="embeddings"):
        backbone(folder("hollow", '{"model_type": "bert"}'), "hollow")
    with pytest.raises(ModelError, match=r"holds config\.json and model\.safetensors"):
        backbone(folder("spoilt", "{"), "spoilt")
    with pytest.raises(ModelError, match="activation relu"):
        backbone(bert_folder(tmp_path / "relu", hidden_act="relu"), "relu")
    path = bert_folder(tmp_path / "short")
    (path / "vocab.txt").write_text("\n".join([*WORDS, "one", "more"]))
    with pytest.raises(ModelError, match="vocabulary that does not fit"):
        backbone(path, "short")


def test_a_name_needs_the_package_that_fetches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(SpecError, match=r"coterie\[hub\]"):
        download("owner/name")


def test_a_name_is_fetched_without_weights_of_other_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked: dict[str, Any] = {}

    def fetched(name: str, allow_patterns: list[str]) -> str:
        asked.update(name=name, files=allow_patterns)
        if name == "owner/none":
            raise OSError("404: no such model")
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", fetched)
    assert download("owner/name") == tmp_path
    assert asked["name"] == "owner/name"
    assert not any(name.endswith((".bin", ".py", ".pkl")) for name in asked["files"])
    with pytest.raises(ModelError, match="404: no such model"):
        download("owner/none")
