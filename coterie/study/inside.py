"""Inside one member's network: filters of its first convolution, what they make of an image, attention.

Networks are asked with a member's weights put in, through any function of them, so that what no method
returns can be seen by hooks. B batch, C channels, H height, W width, K filters, T written, S read steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from coterie.data.dataset import Dataset
from coterie.data.tokens import END, Tokenizer
from coterie.model import Model
from coterie.models.attention import Attention
from coterie.models.bert import Pooler
from coterie.models.layers import Keyed, Masked
from coterie.models.network import Network
from coterie.models.skeleton import skeleton
from coterie.randomness import site
from coterie.training.step import NETWORK


class _Asked(nn.Module):
    """Hands its network to a function, because `functional_call` calls `forward` alone."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, what: Callable[[Network], Any]) -> Any:
        return what(self.network)


def ask(model: Model, what: Callable[[Network], Any], *, member: int = 0, rows: int = 0, key: int = 0) -> Any:
    """what(network), where the network has the weights of one member.

    rows: of the batch that a network in training is given; key: of its random numbers.
    """
    network = skeleton(model.family, model.schema)
    tensors = {NETWORK + n: p[member] for n, p in model.layout.views(model.flat).items()}
    tensors |= {n: b[member] for n, b in model.buffers.items()}
    for name, module in network.named_modules():
        if isinstance(module, Keyed):
            tensors[f"{NETWORK}{name}.key"] = torch.tensor(key ^ site(name))
        if isinstance(module, Masked):
            tensors[f"{NETWORK}{name}.present"] = model.flat.new_ones(rows)
    with torch.no_grad():
        return functional_call(_Asked(network).eval(), tensors, (what,), tie_weights=False)


def inputs_of(model: Model, dataset: Dataset, positions: np.ndarray) -> dict[str, Tensor]:
    """Some rows as a batch, in the model's precision."""
    at = torch.from_numpy(np.asarray(positions, dtype=np.int64))
    batch = {name: column[at] for name, column in dataset.inputs.items()}
    return {n: t.to(model.flat.dtype) if t.is_floating_point() else t for n, t in batch.items()}


@dataclass(frozen=True)
class Convolution:
    """The first convolution of a network: its name there, its filters (K, C/groups, h, w), and what it made
    of one image (K, H, W).
    """

    name: str
    filters: Tensor
    maps: Tensor


def first_convolution(model: Model, dataset: Dataset, position: int) -> Convolution | None:
    """Of the first member; the image of one row. None for a network without convolutions of images."""
    inputs = inputs_of(model, dataset, np.array([position]))

    def look(network: Network) -> Convolution | None:
        found = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
        if not found:
            return None
        (name, layer), made = found[0], []
        hook = layer.register_forward_hook(lambda _module, _given, out: made.append(out))
        network(inputs)
        hook.remove()
        return Convolution(name, layer.weight.clone(), made[0][0].clone())

    found: Convolution | None = ask(model, look)
    return found


def attention_maps(model: Model, dataset: Dataset, positions: np.ndarray) -> list[dict[str, Any]]:
    """Of each row {"position", "down": what is written, "across": what is read, "weights" (T, S)}.

    The true text is given word by word, as in training. [] for a family that does not look back.
    """
    if getattr(model.family, "attention", "") == "none" or "answer" not in dataset.inputs:
        return []
    inputs = inputs_of(model, dataset, positions)

    def look(network: Network) -> Tensor | None:
        return network.attention(inputs) if hasattr(network.body, "attention") else None  # type: ignore[operator]

    weights = ask(model, look)
    if weights is None:
        return []
    written = Tokenizer.from_text(model.target.coding)
    found = []
    for i, position in enumerate(positions.tolist()):
        answer = inputs["answer"][i, 1:]
        down = [written.entry(t) for t in answer[: _until_end(answer)].tolist()]
        across = _read_steps(model, inputs, i, weights.shape[2])
        found.append(
            {
                "position": position,
                "down": down,
                "across": across,
                "weights": weights[i, : len(down), : len(across)].double().numpy().round(3),
            }
        )
    return found


def looks_of_start(model: Model, dataset: Dataset, positions: np.ndarray) -> list[dict[str, Any]]:
    """Of each row {"position", "tokens", "weights" (T,)}: how much the first token looked at each one.

    In the last block, the mean of all heads. [] unless answers are made from the first token's state.
    """
    texts = model.schema.of_kind("text")
    if not texts or model.task == "text" or not len(positions):
        return []
    inputs = inputs_of(model, dataset, positions)

    def look(network: Network) -> Tensor | None:
        if not isinstance(getattr(network.body, "pool", None), Pooler):
            return None
        last = [module for module in network.modules() if isinstance(module, Attention)][-1]
        given: list[tuple[Any, ...]] = []
        hook = last.register_forward_hook(lambda _module, args, _out: given.append(args))
        network(inputs)
        hook.remove()
        return last.look(*given[-1])[1].mean(1)[:, 0]

    weights = ask(model, look)
    if weights is None:
        return []
    tokenizer = Tokenizer.from_text(texts[0].coding)
    found = []
    for i, position in enumerate(positions.tolist()):
        tokens = [tokenizer.entry(t) for t in inputs["tokens"][i].tolist() if t > 0]
        shares = weights[i, : len(tokens)].double().numpy().round(4)
        found.append({"position": position, "tokens": tokens, "weights": shares})
    return found


def _read_steps(model: Model, inputs: dict[str, Tensor], row: int, steps: int) -> list[str]:
    """What the steps of a row's source are called: tokens, or their numbers from 1."""
    texts = model.schema.of_kind("text")
    if "sequence" in inputs:
        steps = int(inputs["length"][row])
    elif texts:
        tokenizer = Tokenizer.from_text(texts[0].coding)
        return [tokenizer.entry(t) for t in inputs["tokens"][row].tolist() if t > 0]
    elif "image" not in inputs:
        return list(model.schema.numeric)
    return [str(step + 1) for step in range(steps)]


def _until_end(tokens: Tensor) -> int:
    """How many tokens there are up to the end, or to the padding."""
    ends = (tokens == END).nonzero()
    return int(ends[0]) + 1 if len(ends) else int((tokens > 0).sum())


def augmented(model: Model, dataset: Dataset, positions: np.ndarray, seed: int) -> dict[str, Tensor] | None:
    """Prepared inputs of rows before and after augmentation, {"KIND before", "KIND after"}; None without.

    KIND: image, sequence or tokens. Padding behind a sequence's end is NaN.
    """
    inputs = inputs_of(model, dataset, positions)

    def look(network: Network) -> dict[str, Tensor] | None:
        if network.augment is None:
            return None
        before = network.prepare(inputs)
        network.train()
        after = network.augment(before)
        found: dict[str, Tensor] = {}
        for kind in ("image", "sequence", "tokens"):
            if kind in before:
                found[f"{kind} before"], found[f"{kind} after"] = before[kind], after[kind]
                if kind == "sequence":
                    for when, batch in (("before", before), ("after", after)):
                        x = batch["sequence"]
                        real = torch.arange(x.shape[1]) < batch["length"][:, None]
                        found[f"sequence {when}"] = torch.where(real[..., None], x, torch.nan)
        return found or None

    made: dict[str, Tensor] | None = ask(model, look, rows=len(positions), key=seed)
    return made
