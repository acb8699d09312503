"""A small BERT in the folder format and under the names of `transformers`, made without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WORDS = ["[PAD]", "[unused0]", "the", "cat", "##s", "[UNK]", "[CLS]", "sat", "[SEP]", "[MASK]", "on", "mat"]
D, HEADS, HIDDEN, DEPTH, PLACES = 8, 2, 12, 2, 10


def bert_tensors(distilled: bool) -> dict[str, Tensor]:
    """Random weights of a small BERT under the names of `transformers`."""
    g = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {"embeddings.word_embeddings.weight": (len(WORDS), D)}
    shapes["embeddings.position_embeddings.weight"] = (PLACES, D)
    if not distilled:
        shapes["embeddings.token_type_embeddings.weight"] = (2, D)
    affine = {"pooler.dense": (D, D)} if not distilled else {}
    norms = ["embeddings.LayerNorm"]
    for i in range(DEPTH):
        if distilled:
            at = f"transformer.layer.{i}."
            affine |= {f"{at}attention.{n}_lin": (D, D) for n in ("q", "k", "v", "out")}
            affine |= {f"{at}ffn.lin1": (HIDDEN, D), f"{at}ffn.lin2": (D, HIDDEN)}
            norms += [f"{at}sa_layer_norm", f"{at}output_layer_norm"]
        else:
            at = f"encoder.layer.{i}."
            affine |= {f"{at}attention.self.{n}": (D, D) for n in ("query", "key", "value")}
            affine |= {f"{at}attention.output.dense": (D, D)}
            affine |= {f"{at}intermediate.dense": (HIDDEN, D), f"{at}output.dense": (D, HIDDEN)}
            norms += [f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"]
    for name, shape in affine.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (D,), f"{name}.bias": (D,)}
    return {name: torch.randn(shape, generator=g) for name, shape in shapes.items()}


def bert_folder(path: Path, distilled: bool = False, prefix: str = "", **changed: Any) -> Path:
    path.mkdir()
    tensors = {prefix + n: t for n, t in bert_tensors(distilled).items()}
    save_file(tensors | {"classifier.weight": torch.zeros(2, D)}, path / "model.safetensors")
    names = (
        {"n_layers": DEPTH, "n_heads": HEADS, "hidden_dim": HIDDEN, "activation": "gelu"}
        if distilled
        else {"num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "intermediate_size": HIDDEN}
    )
    config = {"model_type": "distilbert" if distilled else "bert", **names, **changed}
    (path / "config.json").write_text(json.dumps(config))
    (path / "vocab.txt").write_text("\n".join(WORDS))
    return path
