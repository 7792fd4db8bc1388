"""A film hidden in its list, to be guessed from both sides: the cloze of BERT4Rec.

Chapter: 14 Sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from recsys_tutor import extra
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import param
from recsys_tutor.sampling import minibatches
from recsys_tutor.sequential import SASRec, SASRecNetwork, pad

with extra("deep"):
    import torch
    from torch import Tensor, nn

__all__ = ["BERT4Rec", "BERT4RecNetwork", "HIDDEN", "hide"]

#: What stands in a sequence for an item that is to be guessed.
HIDDEN = -1


class BERT4RecNetwork(SASRecNetwork):
    """The blocks of SASRec without the causal mask; one vector for all hidden items.

    Every position sees every other one but the padding (0). Chapter 14, eq-attention
    with all positions of the list in both sums.
    """

    def __init__(
        self,
        n_items: int,
        n_factors: int,
        max_length: int,
        n_blocks: int,
        n_heads: int,
        dropout: float,
    ) -> None:
        super().__init__(n_items, n_factors, max_length, n_blocks, n_heads, dropout)
        self.hidden = nn.Parameter(torch.empty(n_factors))
        nn.init.normal_(self.hidden, std=0.02)

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.items(sequence.clamp(min=0))  # (B, L, f)
        x = torch.where((sequence == HIDDEN).unsqueeze(2), self.hidden, x)
        x = self.dropout(x + self.positions.weight[: sequence.shape[1]])
        real = (sequence != 0)[:, None, None, :]  # (B, 1, 1, L), for all heads, queries
        for block in self.blocks:
            x = block(x, real)  # (B, L, f)
        return self.norm(x)  # (B, L, f)


def hide(
    items: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hide each item of padded rows with a probability, and one of each row at least.

    Parameters
    ----------
    items : (B, L) int64
        Item indices plus one, 0 after the end; no row is empty.
    share : float
        A row of which nothing is drawn has its last item hidden.
    rng : numpy Generator

    Returns
    -------
    inputs : (B, L) int64, :data:`HIDDEN` where an item is hidden
    targets : (B, L) int64, the hidden items, 0 elsewhere

    Notes
    -----
    Cost O(B · L).
    """
    hidden = (rng.random(items.shape) < share) & (items > 0)
    untouched = np.flatnonzero(~hidden.any(axis=1))
    hidden[untouched, np.count_nonzero(items[untouched], axis=1) - 1] = True
    return np.where(hidden, HIDDEN, items), np.where(hidden, items, 0)


class BERT4Rec(SASRec):
    """SASRec that looks both ways and guesses hidden items instead of next ones.

    Rule: ``s(u, i) = h_u · e_i`` with the vector ``h_u`` at a hidden item after the
    user's last ``max_length - 1``. Objective: at each hidden position that of
    :class:`~recsys_tutor.sequential.SASRec`. A list is cut into pieces of
    ``max_length`` items, the first cut at random, and other items are hidden in each
    epoch.

    Notes
    -----
    An epoch asks about ``mask_share`` of the items only, so it takes more epochs than
    SASRec (Petrov and Macdonald, 2022). Cost of an epoch O(n_ratings · f · (f +
    max_length + mask_share · n_items)). Source: Sun et al. (2019). Chapter 14,
    eq-sequence-loss.
    """

    max_length: int = param(
        "Items of a piece; at serving the last is the hidden one.", default=50, low=2
    )
    mask_share: float = param(
        "Probability that an item is hidden.", default=0.3, above=0, high=1
    )
    n_epochs: int = 100

    def _network(self, train: Interactions) -> BERT4RecNetwork:
        return BERT4RecNetwork(
            train.n_items,
            n_factors=self.n_factors,
            max_length=self.max_length,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            dropout=self.dropout,
        )

    def _prepare(
        self, train: Interactions, rng: np.random.Generator
    ) -> list[np.ndarray]:
        sequences = super()._prepare(train, rng)
        last = [items[1 - self.max_length :] for items in sequences]
        self.sequences_ = pad(last, self.max_length)
        self.lengths_ = np.array([len(items) + 1 for items in last])
        self.sequences_[np.arange(len(last)), self.lengths_ - 1] = HIDDEN
        return sequences

    def _batches(
        self, data: list[np.ndarray], rng: np.random.Generator
    ) -> Iterator[tuple]:
        pieces = []
        offsets = rng.integers(1, self.max_length + 1, len(data))
        for items, offset in zip(data, offsets, strict=True):
            cuts = [0, *range(offset, len(items), self.max_length), len(items)]
            pieces += [items[a:b] for a, b in pairwise(cuts) if b > a]
        for rows in minibatches(len(pieces), self.batch_size, rng):
            items = pad([pieces[n] for n in rows], self.max_length)
            batch: tuple[np.ndarray, ...] = hide(items, self.mask_share, rng)
            if self.n_negatives:
                shape = *items.shape, self.n_negatives
                batch = *batch, rng.integers(1, self.n_items_ + 1, shape)
            yield batch
