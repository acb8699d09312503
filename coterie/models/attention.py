"""Attention, and the Transformer's blocks, as tensor operations that lift.

Written out as product, softmax, product: PyTorch's fused operation has no lifting rule for masks. It serves
one network by itself on a GPU. B batch, T steps that ask, S steps that are looked at, D width, N heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coterie.errors import SpecError
from coterie.lifting.alone import alone_on_gpu
from coterie.models.activations import ACTIVATIONS
from coterie.models.layers import Dropout

Kept = tuple[Tensor, Tensor]  # of earlier steps, keys and values (B, N, S, D/N)


class Attention(nn.Module):
    """Scaled dot-product attention of several heads (Vaswani et al., 2017): (B, T, D), (B, S, D) → (B, T, D).

    A step that may look at nothing gets zeros. With `causal`, step t looks at steps up to t + S − T.
    `look` also returns the weights (B, N, T, S).
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.out.bias)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """mask: (B, S), True where there is something to look at."""
        return self.attend(self.split(self.query(x)), *self.keys_and_values(memory), mask, causal)

    def look(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The answer and its weights; where nothing may be looked at these are 0."""
        key, value = self.keys_and_values(memory)
        weights, some = self._weights(self.split(self.query(x)), key, mask, causal)
        return self._joined(weights, value, some), weights if some is None else weights * some

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, S, D/N) both: what a generator keeps of earlier steps."""
        return self.split(self.key(memory)), self.split(self.value(memory))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """The answer (B, T, D) from split queries, keys and values."""
        drops = self.training and isinstance(self.dropout, Dropout)  # of weights, by hash
        if alone_on_gpu(query) and not drops:
            return self._fused(query, key, value, mask, causal)
        weights, some = self._weights(query, key, mask, causal)
        return self._joined(weights, value, some)

    def _weights(
        self, query: Tensor, key: Tensor, mask: Tensor | None, causal: bool
    ) -> tuple[Tensor, Tensor | None]:
        """(B, N, T, S), and of which steps they mean something where that may be none: (B, 1, T or 1, 1).

        Scores are many, so each pass over them counts, also in the gradient: the queries are scaled instead,
        what is forbidden is a sum, and steps that may look at nothing are left to `_joined`.
        """
        scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
        floor, some = _floor(scores, mask, causal)
        return (scores if floor is None else scores + floor).softmax(-1), some

    def _joined(self, weights: Tensor, value: Tensor, some: Tensor | None) -> Tensor:
        """(B, T, D); zeros, before the output layer, for steps that may look at nothing."""
        return self._out(self.dropout(weights) @ value, some)

    def _fused(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        """As `attend`, by PyTorch's own operation, which keeps no weights: flash attention where it can."""
        if mask is None and (not causal or query.shape[-2] == key.shape[-2]):
            return self._out(F.scaled_dot_product_attention(query, key, value, is_causal=causal), None)
        scores = query.new_empty(()).expand(*query.shape[:-1], key.shape[-2])  # for its shape alone
        floor, some = _floor(scores, mask, causal)
        return self._out(F.scaled_dot_product_attention(query, key, value, attn_mask=floor), some)

    def _out(self, joined: Tensor, some: Tensor | None) -> Tensor:
        if some is not None:
            joined = torch.where(some, joined, 0.0)
        return self.out(joined.transpose(1, 2).flatten(2))

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, N, T, D/N)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def _floor(scores: Tensor, mask: Tensor | None, causal: bool) -> tuple[Tensor | None, Tensor | None]:
    """What is added to scores (B, N, T, S), 0 or far below any; and of which steps these mean something where
    that may be none."""
    steps, seen = scores.shape[-2:]
    allowed = None if mask is None else mask[:, None, None]
    if causal:
        at = torch.arange(steps, device=scores.device)[:, None] + (seen - steps)
        behind = torch.arange(seen, device=scores.device) <= at
        allowed = behind if allowed is None else behind & allowed
    if allowed is None:
        return None, None
    # finite and not −∞: where nothing is allowed the softmax must stay finite
    floor = torch.where(allowed, scores.new_zeros(()), -1e30)
    return floor, None if mask is None else allowed.any(-1, keepdim=True)


class Block(nn.Module):
    """A Transformer block: self-attention, attention to a memory if there is one, two affine layers.

    norm_first: layer normalisation before each part (pre-norm), not behind its addition (post-norm).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: str = "gelu",
        cross: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.attention = Attention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.cross = Attention(width, heads, dropout) if cross else None
        self.cross_norm = nn.LayerNorm(width, eps) if cross else None
        self.feed = nn.Sequential(
            nn.Linear(width, hidden), ACTIVATIONS[activation](), nn.Linear(hidden, width)
        )
        self.feed_norm = nn.LayerNorm(width, eps)
        drops = [Dropout(dropout) if dropout else nn.Identity() for _ in range(3)]
        self.drop_attention, self.drop_cross, self.drop_feed = drops

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        causal: bool = False,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """x (B, T, D), mask (B, T); memory (B, S, D) with its mask, for a block that looks at one."""
        x = self._own(x, lambda own: self.attention(own, own, mask, causal))
        return self._rest(x, memory, memory_mask)

    def continued(
        self, x: Tensor, kept: Kept | None, memory: Tensor | None = None, memory_mask: Tensor | None = None
    ) -> tuple[Tensor, Kept]:
        """x (B, t, D) behind steps of which keys and values were kept; with all of them to be kept."""
        now: list[Kept] = []

        def attend(own: Tensor) -> Tensor:
            new = self.attention.keys_and_values(own)
            both = [torch.cat(pair, dim=2) for pair in zip(kept, new, strict=True)] if kept else list(new)
            now.append((both[0], both[1]))
            query = self.attention.split(self.attention.query(own))
            return self.attention.attend(query, both[0], both[1], None, causal=True)

        x = self._own(x, attend)
        return self._rest(x, memory, memory_mask), now[0]

    def looks(self, x: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """(B, T, S): where a causal block looks at its memory, the mean of its heads."""
        assert self.cross is not None
        assert self.cross_norm is not None
        x = self._own(x, lambda own: self.attention(own, own, None, causal=True))
        own = self.cross_norm(x) if self.norm_first else x
        return self.cross.look(own, memory, memory_mask)[1].mean(1)

    def _own(self, x: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
        own = self.attention_norm(x) if self.norm_first else x
        x = x + self.drop_attention(attend(own))
        return x if self.norm_first else self.attention_norm(x)

    def _rest(self, x: Tensor, memory: Tensor | None, memory_mask: Tensor | None) -> Tensor:
        if self.cross is not None and self.cross_norm is not None:
            assert memory is not None
            own = self.cross_norm(x) if self.norm_first else x
            x = x + self.drop_cross(self.cross(own, memory, memory_mask))
            x = x if self.norm_first else self.cross_norm(x)
        own = self.feed_norm(x) if self.norm_first else x
        x = x + self.drop_feed(self.feed(own))
        return x if self.norm_first else self.feed_norm(x)


def sinusoids(steps: int, width: int, like: Tensor) -> Tensor:
    """(T, D): sines and cosines of geometrically spaced wavelengths (Vaswani et al., 2017)."""
    place = torch.arange(steps, device=like.device, dtype=like.dtype)[:, None]
    pair = torch.arange(0, width, 2, device=like.device, dtype=like.dtype)
    angle = place * torch.exp(-math.log(10000.0) * pair / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


class Positions(nn.Module):
    """Adds to each step what tells its place: learned vectors, or sinusoids."""

    def __init__(self, kind: str, longest: int, width: int) -> None:
        super().__init__()
        self.learned = nn.Parameter(torch.randn(longest, width) * 0.02) if kind == "learned" else None

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        end = start + x.shape[1]
        if self.learned is not None and end > len(self.learned):
            raise SpecError(
                "Every step needs a place.",
                given=f"{end:,} steps and places for {len(self.learned):,}",
                fix=f"Use longest={end}, positions=sinusoidal, or shorter inputs (--longest, for texts).",
            )
        if self.learned is not None:
            return x + self.learned[start:end]
        return x + sinusoids(end, x.shape[2], x)[start:]
