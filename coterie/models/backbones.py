"""Networks trained elsewhere, as Coterie's own: their weights under our names, for our families.

A folder as Hugging Face's libraries write it (config.json, model.safetensors, for texts a tokenizer) is read
without those libraries, and runs no code. `transformers`: BERT and DistilBERT become `bert`; `timm` and
torchvision: ResNet-18 to -152 become `resnet`. The output layer stays behind: a new task has a new one.

V vocabulary, D width.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from coterie.data.tokens import Tokenizer
from coterie.errors import ModelError, SpecError
from coterie.models.resnet import BOTTLENECK, LARGE

WEIGHTS = "model.safetensors"
FILES = ["config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json", "vocab.txt"]
KNOWN = "BERT, DistilBERT (transformers) and ResNet-18, -34, -50, -101, -152 (timm)"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels


@dataclass(frozen=True)
class Backbone:
    """tensors by our names, of one network; structure: the family's hyperparameters; coding: a tokenizer."""

    family: str
    structure: dict[str, Any]
    tensors: dict[str, Tensor]
    coding: str = ""


def download(name: str) -> Path:
    """The folder of a model of the Hugging Face hub, from its cache if it is there."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise SpecError(
            "Models of the Hugging Face hub are fetched by the package huggingface_hub.",
            given=f"hf:{name}",
            fix="Install it: pip install 'coterie[hub]'.",
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=FILES))
    except Exception as error:  # of the network, of the hub, of the name: many kinds
        raise ModelError(
            "hf:NAME names a model of the Hugging Face hub.",
            given=f"hf:{name} ({type(error).__name__}: {str(error).splitlines()[0][:120]})",
            fix="See huggingface.co/models, and the connection; or name a local folder.",
        ) from error


def backbone(folder: Path, source: str) -> Backbone:
    """The network in a folder. `ModelError` for one that is none of those known."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(
            f"A model folder holds config.json and {WEIGHTS}.",
            given=f"'{source}' ({error})",
            fix="Save it with save_pretrained(…), which writes safetensors.",
        ) from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    architecture = str(config.get("architecture", "")) if isinstance(config, dict) else ""
    try:
        if kind in ("bert", "distilbert"):
            return _bert(config, tensors, folder, distilled=kind == "distilbert")
        if architecture.partition(".")[0].removeprefix("resnet") in LARGE:
            return _resnet(config, tensors, architecture.partition(".")[0].removeprefix("resnet"))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            "A model's weights must be those that its config.json names.",
            given=f"'{source}' ({error})",
            fix="Use an unchanged copy.",
        ) from error
    raise ModelError(
        f"Of models of other libraries Coterie can start from {KNOWN}.",
        given=f"'{source}', of the kind {kind or architecture or 'unknown'}",
    )


# ---- texts ---------------------------------------------------------------------------------------------


def _bert(config: dict[str, Any], given: dict[str, Tensor], folder: Path, distilled: bool) -> Backbone:
    """The encoder under the names of our `bert`, its vocabulary with our special tokens in front."""
    activation = config.get("activation" if distilled else "hidden_act", "gelu")
    if activation != "gelu":
        raise ValueError(f"activation {activation}, where gelu is known")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError("positions that are not absolute")
    given = {n.removeprefix("bert.").removeprefix("distilbert."): t for n, t in given.items()}
    given = {n.replace("LayerNorm.gamma", "LayerNorm.weight"): t for n, t in given.items()}
    given = {n.replace("LayerNorm.beta", "LayerNorm.bias"): t for n, t in given.items()}
    words = given["embeddings.word_embeddings.weight"]
    tokenizer, order = _tokenizer(folder, len(words))
    width = words.shape[1]
    made = {
        "body.steps.table.weight": words[order],
        "body.layers.positions.learned": given["embeddings.position_embeddings.weight"],
        "body.layers.types": torch.zeros(2, width)
        if distilled
        else given["embeddings.token_type_embeddings.weight"][[0, -1]],
    }
    pairs = {"body.layers.norm": "embeddings.LayerNorm"}
    depth = int(config["n_layers" if distilled else "num_hidden_layers"])
    parts = DISTILLED if distilled else ORIGINAL
    for block in range(depth):
        before = f"transformer.layer.{block}." if distilled else f"encoder.layer.{block}."
        pairs |= {f"body.layers.blocks.{block}.{ours}": before + theirs for ours, theirs in parts.items()}
    if "pooler.dense.weight" in given:
        pairs["body.pool.affine"] = "pooler.dense"
    made |= {f"{a}.{end}": given[f"{b}.{end}"] for a, b in pairs.items() for end in ("weight", "bias")}
    structure = {
        "width": width,
        "depth": depth,
        "heads": int(config["n_heads" if distilled else "num_attention_heads"]),
        "hidden": int(config["hidden_dim" if distilled else "intermediate_size"]),
        "norm_first": False,
        "positions": "learned",
        "longest": len(made["body.layers.positions.learned"]),
    }
    return Backbone("bert", structure, _plain(made), tokenizer.to_text())


ORIGINAL = {  # ours: theirs, of a block
    "attention.query": "attention.self.query",
    "attention.key": "attention.self.key",
    "attention.value": "attention.self.value",
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "feed.0": "intermediate.dense",
    "feed.2": "output.dense",
    "feed_norm": "output.LayerNorm",
}
DISTILLED = {
    "attention.query": "attention.q_lin",
    "attention.key": "attention.k_lin",
    "attention.value": "attention.v_lin",
    "attention.out": "attention.out_lin",
    "attention_norm": "sa_layer_norm",
    "feed.0": "ffn.lin1",
    "feed.2": "ffn.lin2",
    "feed_norm": "output_layer_norm",
}
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # in the order of ours


def _tokenizer(folder: Path, entries: int) -> tuple[Tokenizer, Tensor]:
    """The folder's word pieces with ids in our order, and for each of our ids theirs (V,)."""
    from tokenizers import Tokenizer as Pieces

    if (folder / "tokenizer.json").is_file():
        state = json.loads((folder / "tokenizer.json").read_bytes())
    else:
        state = json.loads(_from_vocabulary(folder).to_str())
    ids: dict[str, int] = dict(state["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in state.get("added_tokens", [])}
    lacking = [token for token in SPECIALS if token not in ids]
    if lacking or max(ids.values()) >= entries:
        raise ValueError(f"a vocabulary that does not fit the weights: {lacking or len(ids)}")
    rest = sorted((token for token in ids if token not in SPECIALS), key=ids.__getitem__)
    ours = {token: place for place, token in enumerate([*SPECIALS, *rest])}
    state["model"]["vocab"] = {token: ours[token] for token in state["model"]["vocab"]}
    for token in state.get("added_tokens", []):
        token["id"] = ours[token["content"]]
    state.update(post_processor=None, padding=None, truncation=None)
    pieces = Pieces.from_str(json.dumps(state)).to_str()
    return Tokenizer("file", tuple(rest), pieces), torch.tensor([ids[token] for token in ours])


def _from_vocabulary(folder: Path) -> Any:
    """BERT's own rule for a folder that holds no more than vocab.txt."""
    from tokenizers import Tokenizer as Pieces
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    known = folder / "tokenizer_config.json"
    settings = json.loads(known.read_bytes()) if known.is_file() else {}
    pieces = Pieces(models.WordPiece({line: i for i, line in enumerate(lines)}, unk_token=SPECIALS[1]))
    pieces.normalizer = normalizers.BertNormalizer(lowercase=settings.get("do_lower_case", True))
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.decoder = decoders.WordPiece()
    pieces.add_special_tokens(list(SPECIALS))
    return pieces


# ---- images --------------------------------------------------------------------------------------------


def _resnet(config: dict[str, Any], given: dict[str, Tensor], depth: str) -> Backbone:
    """The layers under the names of our `resnet`, and the centre and scale of pixels of 0 to 255."""
    made = _norm("body.layers.0.1", "bn1", given)
    made["body.layers.0.0.weight"] = given["conv1.weight"]
    place = 2  # behind the stem and its pooling
    convolutions = ["path.0.0", "path.1.0", "path.2"] if depth in BOTTLENECK else ["path.0.0", "path.1"]
    norms = ["path.0.1", "path.1.1", "path.3"] if depth in BOTTLENECK else ["path.0.1", "path.2"]
    for stage, blocks in enumerate(LARGE[depth], 1):
        for block in range(blocks):
            theirs, ours = f"layer{stage}.{block}.", f"body.layers.{place}."
            for i, (conv, norm) in enumerate(zip(convolutions, norms, strict=True), 1):
                made[f"{ours}{conv}.weight"] = given[f"{theirs}conv{i}.weight"]
                made |= _norm(ours + norm, f"{theirs}bn{i}", given)
            if f"{theirs}downsample.0.weight" in given:
                made[f"{ours}shortcut.0.weight"] = given[f"{theirs}downsample.0.weight"]
                made |= _norm(f"{ours}shortcut.1", f"{theirs}downsample.1", given)
            place += 1
    told = config.get("pretrained_cfg") or {}
    mean, std = (torch.tensor(told.get(n) or usual) for n, usual in (("mean", MEAN), ("std", STD)))
    if made["body.layers.0.0.weight"].shape[1] == len(mean):
        made["prepare.image.center"], made["prepare.image.scale"] = (
            255 * numbers.double()[:, None, None] for numbers in (mean, std)
        )
    return Backbone("resnet", {"depth": depth, "residual": True, "share": 100}, _plain(made))


def _norm(ours: str, theirs: str, given: dict[str, Tensor]) -> dict[str, Tensor]:
    ends = ("weight", "bias", "running_mean", "running_var")
    return {f"{ours}.{end}": given[f"{theirs}.{end}"] for end in ends}


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """In single precision, whatever they were saved in."""
    return {name: tensor.float().contiguous() for name, tensor in tensors.items()}
