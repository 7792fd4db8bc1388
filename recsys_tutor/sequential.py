"""The next item from the order of the last ones: recurrence and attention.

Sequences are right-padded: position 0 is the oldest, items are shifted by one so that 0
is padding, and what stands after a sequence's end can never reach back into it.

Chapter: 14 Sequences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

import numpy as np

from recsys_tutor import extra
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import param
from recsys_tutor.sampling import minibatches, windows
from recsys_tutor.sequence_losses import (
    binary,
    calibrated_power,
    powered_binary,
    sampled_softmax,
)
from recsys_tutor.training import NetworkModel

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

__all__ = [
    "GRU4Rec",
    "GRUNetwork",
    "SASRec",
    "SASRecNetwork",
    "attention",
    "pad",
]


def pad(sequences: Sequence[np.ndarray | Sequence[int]], length: int) -> np.ndarray:
    """Rows of item indices plus one, 0 after the end: (n, length) int64."""
    out = np.zeros((len(sequences), length), dtype=np.int64)
    for row, items in zip(out, sequences, strict=True):
        row[: len(items)] = np.asarray(items) + 1
    return out


# -- networks --------------------------------------------------------------------------


class GRUNetwork(nn.Module):
    """Hidden states of a gated recurrent unit as vectors to compare items with.

    Chapter 14, eq-gru.
    """

    def __init__(self, n_items: int, n_factors: int, dropout: float) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, n_factors, padding_idx=0)
        self.dropout = nn.Dropout(dropout)
        self.gru = nn.GRU(n_factors, n_factors, batch_first=True)
        _init_items(self.items)

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.dropout(self.items(sequence))  # (B, L, f)
        h, _ = self.gru(x)  # (B, L, f)
        return self.dropout(h)  # (B, L, f)


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """``softmax(q k.T / sqrt(d), where mask) v`` (chapter 14, eq-attention).

    Parameters
    ----------
    q, k, v : (..., L, d) float
    mask : (L, L) bool
        ``mask[s, t]``: position ``s`` may look at ``t``; each row allows one at least.

    Returns
    -------
    (..., L, d) float

    Notes
    -----
    Cost O(L² d) per sequence.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (..., L, L)
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1) @ v


class _Block(nn.Module):
    """Self-attention, then a position-wise perceptron, each added to its input."""

    def __init__(self, n_factors: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_1, self.norm_2 = nn.LayerNorm(n_factors), nn.LayerNorm(n_factors)
        self.qkv = nn.Linear(n_factors, 3 * n_factors)
        self.out = nn.Linear(n_factors, n_factors)
        self.mlp = nn.Sequential(
            nn.Linear(n_factors, n_factors), nn.ReLU(), nn.Linear(n_factors, n_factors)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        B, L, f = x.shape
        qkv = self.qkv(self.norm_1(x)).view(B, L, 3, self.n_heads, f // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, L, f / heads)
        a = attention(q, k, v, mask).transpose(1, 2).reshape(B, L, f)
        x = x + self.dropout(self.out(a))  # (B, L, f)
        return x + self.dropout(self.mlp(self.norm_2(x)))  # (B, L, f)


class SASRecNetwork(nn.Module):
    """Causal self-attention over items and positions; the output at each position."""

    def __init__(
        self,
        n_items: int,
        n_factors: int,
        max_length: int,
        n_blocks: int,
        n_heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, n_factors, padding_idx=0)
        self.positions = nn.Embedding(max_length, n_factors)
        self.dropout = nn.Dropout(dropout)
        blocks = [_Block(n_factors, n_heads, dropout) for _ in range(n_blocks)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(n_factors)
        _init_items(self.items)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, sequence: Tensor) -> Tensor:
        L = sequence.shape[1]
        x = self.items(sequence) + self.positions.weight[:L]  # (B, L, f)
        x = self.dropout(x)
        causal = torch.ones(L, L, dtype=torch.bool, device=x.device).tril()  # (L, L)
        for block in self.blocks:
            x = block(x, causal)  # (B, L, f)
        return self.norm(x)  # (B, L, f)


def _init_items(items: nn.Embedding) -> None:
    """Vectors of length about 1; that of the padding, 0."""
    with torch.no_grad():
        items.weight.normal_(std=1 / math.sqrt(items.embedding_dim))
        items.weight[0] = 0.0


#: A network that reads sequences, and whose table of items has the padding first.
Reader = TypeVar("Reader", bound="GRUNetwork | SASRecNetwork")


# -- models ----------------------------------------------------------------------------


class SequenceModel(NetworkModel[Reader]):
    """Base of the models whose network turns (B, L) items into (B, L, f) vectors.

    Rule: ``s(u, i) = h_u · e_i`` with the item's input embedding ``e_i`` and the vector
    ``h_u`` at the user's last position. Objective: at each position, the cross-entropy
    of the next item among all items, or with ``n_negatives`` a ``loss`` of the next
    item and of that many items drawn uniformly
    (:mod:`~recsys_tutor.sequence_losses`). ``history_`` weighs a batch's mean over its
    positions by its number of pieces (:func:`~recsys_tutor.sampling.windows`).
    """

    n_factors: int = param("Of items and hidden states.", default=64, low=1)
    max_length: int = param(
        "Steps it is trained over, and last items it reads.", default=50, low=1
    )
    n_negatives: int = param(
        "Items drawn per position; 0: cross-entropy over all items.", default=0, low=0
    )
    loss: Literal["softmax", "bce", "gbce"] = param(
        "Cross-entropy, or with ``n_negatives`` the binary one, plain or with the "
        "power that makes up for the sampling.",
        default="softmax",
    )
    dropout: float = param("Of embeddings and states.", default=0.5, low=0, below=1)
    n_epochs: int = 40
    batch_size: int = 64

    _data_attributes = ("sequences_", "lengths_")

    def _check(self) -> None:
        super()._check()
        if self.loss != "softmax" and not self.n_negatives:
            raise ValueError(
                f"loss={self.loss!r} compares with items that are drawn: n_negatives "
                "must be >= 1, got 0"
            )

    def _prepare(
        self, train: Interactions, rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Each user's items in the order of time; the last ones are stored, too."""
        order = train.timeline()
        ends = np.searchsorted(train.user[order], np.arange(train.n_users + 1))
        item = train.item[order]
        sequences = [item[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
        last = [items[-self.max_length :] for items in sequences]
        self.sequences_ = pad(last, self.max_length)
        self.lengths_ = np.array([len(items) for items in last])
        return sequences

    def _batches(
        self, data: list[np.ndarray], rng: np.random.Generator
    ) -> Iterator[tuple]:
        pieces = []
        offsets = rng.integers(1, self.max_length + 1, len(data))
        for items, offset in zip(data, offsets, strict=True):
            pieces += windows(items, self.max_length, offset)
        for rows in minibatches(len(pieces), self.batch_size, rng):
            chosen = [pieces[n] for n in rows]
            inputs = pad([p[:-1] for p in chosen], self.max_length)
            targets = pad([p[1:] for p in chosen], self.max_length)
            batch: tuple[np.ndarray, ...] = inputs, targets
            if self.n_negatives:
                shape = *inputs.shape, self.n_negatives
                batch = *batch, rng.integers(1, self.n_items_ + 1, shape)
            yield batch

    def _loss(
        self,
        network: Reader,
        inputs: Tensor,
        targets: Tensor,
        negatives: Tensor | None = None,
    ) -> Tensor:
        real = targets > 0  # (B, L)
        h, target = network(inputs)[real], targets[real]  # (N, f), (N,)
        E = network.items.weight
        if negatives is None:
            return F.cross_entropy(h @ E[1:].T, target - 1)
        yes = (h * E[target]).sum(dim=1)  # (N,)
        no = _scores_of(negatives[real], h, E)  # (N, n_negatives)
        if self.loss == "softmax":
            return sampled_softmax(yes, no)
        if self.loss == "bce":
            return binary(yes, no)
        power = calibrated_power(self.n_negatives, self.n_items_)
        return powered_binary(yes, no, power)

    @torch.no_grad()
    def _score_users(self, users: np.ndarray) -> np.ndarray:
        """A user without items is read as one padded position."""
        sequence = self._tensor(self.sequences_[users])
        last = self._tensor(np.maximum(self.lengths_[users] - 1, 0))
        h = self.network_(sequence)[torch.arange(len(last)), last]  # (B, f)
        return (h @ self.network_.items.weight[1:].T).cpu().numpy()

    def _item_vectors(self) -> np.ndarray:
        return self.network_.items.weight[1:].detach().cpu().numpy()


def _scores_of(items: Tensor, h: Tensor, E: Tensor) -> Tensor:
    """Products of each ``h`` (N, f) with the rows of ``E`` that it drew (N, n).

    A few items are looked up; many cost less as a part of one product with all.
    """
    if 16 * items.shape[1] < len(E):
        return (E[items] @ h.unsqueeze(2)).squeeze(2)
    return (h @ E.T).gather(1, items)


class GRU4Rec(SequenceModel[GRUNetwork]):
    """A gated recurrent unit reads the user's items in order.

    Notes
    -----
    Cost of an epoch O(n_ratings · f · (f + n_items)). Sources: Hidasi et al. (2016);
    the loss over all items from Hidasi and Karatzoglou (2018). Chapter 14,
    eq-sequence-loss.
    """

    learning_rate: float = 0.005

    def _network(self, train: Interactions) -> GRUNetwork:
        return GRUNetwork(train.n_items, self.n_factors, self.dropout)


class SASRec(SequenceModel[SASRecNetwork]):
    """Self-attention reads the user's items, each position looking back.

    Notes
    -----
    Cost of an epoch O(n_ratings · f · (f + max_length + n_items)). Source: Kang and
    McAuley (2018), who use ``n_negatives=1, loss="bce"``. Chapter 14, eq-sequence-loss.
    """

    n_blocks: int = param(
        "Attention and perceptron, one after the other.", default=2, low=1
    )
    n_heads: int = param(
        "Attentions side by side; ``n_factors`` is a multiple of it.", default=1, low=1
    )
    dropout: float = 0.3

    def _check(self) -> None:
        super()._check()
        if self.n_factors % self.n_heads:
            raise ValueError(
                f"n_factors must be a multiple of n_heads, got {self.n_factors} and "
                f"{self.n_heads}"
            )

    def _network(self, train: Interactions) -> SASRecNetwork:
        return SASRecNetwork(
            train.n_items,
            n_factors=self.n_factors,
            max_length=self.max_length,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            dropout=self.dropout,
        )
