"""Time as a feature of a sequence: the pause before a film, and the pause after it.

Chapter: 14 Sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from recsys_tutor import extra
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import param
from recsys_tutor.sequential import SASRec, SASRecNetwork, pad

with extra("deep"):
    import torch
    from torch import Tensor, nn

__all__ = ["PAUSES", "TimedNetwork", "TimedSASRec", "pause_class"]

#: Number of classes of a pause; 0: there is none, or it is not known.
PAUSES = 33


def pause_class(seconds: np.ndarray) -> np.ndarray:
    """``1 + floor(log2(1 + seconds))``: 1 within a second, one more for each doubling.

    Negative pauses count as none (1), those from 2³¹ seconds on as the last class (32).
    """
    doublings = np.floor(np.log2(1 + np.maximum(seconds, 0)))
    return np.minimum(1 + doublings, PAUSES - 1).astype(np.int64)


class TimedNetwork(SASRecNetwork):
    """SASRec with two more vectors added to an item's: the pauses on its two sides.

    Reads (B, L, 3): the item, the class of the pause before it and of that after it
    (:func:`pause_class`); the vector of class 0 is 0.
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
        self.before = nn.Embedding(PAUSES, n_factors, padding_idx=0)
        self.after = nn.Embedding(PAUSES, n_factors, padding_idx=0)
        for table in (self.before, self.after):
            nn.init.normal_(table.weight[1:], std=0.02)

    def forward(self, sequence: Tensor) -> Tensor:
        item, before, after = sequence.unbind(dim=2)  # each (B, L)
        L = item.shape[1]
        x = self.items(item) + self.positions.weight[:L]
        x = self.dropout(x + self.before(before) + self.after(after))  # (B, L, f)
        causal = torch.ones(L, L, dtype=torch.bool, device=x.device).tril()
        for block in self.blocks:
            x = block(x, causal)  # (B, L, f)
        return self.norm(x)  # (B, L, f)


class TimedSASRec(SASRec):
    """SASRec that knows how long each pause between two items was.

    With ``asked`` it also knows, at each position, how long it is until the item that
    is to be guessed; at serving that is the time from the user's last item to
    ``asked``. Where ``asked`` is the timestamp of the test item itself the scores say
    what they would be *if the time of the answer were known beforehand*. Rule and
    objective else as :class:`~recsys_tutor.sequential.SASRec`.

    Notes
    -----
    Cost as SASRec. Chapter 14, eq-sequence-loss.
    """

    asked: np.ndarray | None = param(
        "When each user's list is asked for: (n_users,) seconds on the data's clock. "
        "None: not known, and not used.",
        default=None,
    )

    def _network(self, train: Interactions) -> TimedNetwork:
        return TimedNetwork(
            train.n_items,
            n_factors=self.n_factors,
            max_length=self.max_length,
            n_blocks=self.n_blocks,
            n_heads=self.n_heads,
            dropout=self.dropout,
        )

    def _prepare(self, train: Interactions, rng: np.random.Generator) -> Any:
        """What is read at each rating, and each user's ratings as places in it."""
        order = train.timeline()
        rated = train.subset(order)
        steps = np.zeros((len(rated) + 1, 3), dtype=np.int64)  # row 0 is the padding
        steps[1:, 0] = rated.item + 1
        ends = np.searchsorted(rated.user, np.arange(train.n_users + 1))
        after = self._until_next(rated, ends)
        steps[2:, 1] = np.where(np.diff(rated.user) == 0, after[:-1], 0)
        if self.asked is not None:
            steps[1:, 2] = after
        places = np.arange(len(rated))
        lists = [places[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)]
        last = [found[-self.max_length :] for found in lists]
        self.sequences_ = steps[pad(last, self.max_length)]
        self.lengths_ = np.array([len(found) for found in last])
        return steps, lists

    def _until_next(self, rated: Interactions, ends: np.ndarray) -> np.ndarray:
        """Class of the pause after each rating, up to ``asked`` after the last ones."""
        assert rated.time is not None  # its timeline was asked for
        following = np.append(rated.time[1:], 0)
        some = ends[1:] > ends[:-1]
        if self.asked is not None:
            following[ends[1:][some] - 1] = self._asked_times(rated.n_users)[some]
        return pause_class(following - rated.time)

    def _asked_times(self, n_users: int) -> np.ndarray:
        asked = np.asarray(self.asked)
        if asked.shape != (n_users,) or asked.dtype.kind not in "iuf":
            raise ValueError(
                f"asked must be {n_users} times, one per user, got an array of shape "
                f"{asked.shape} and type {asked.dtype}"
            )
        if not np.isfinite(asked).all():
            raise ValueError("asked must be finite times, got one that is not")
        return asked

    def _batches(self, data: Any, rng: np.random.Generator) -> Iterator[tuple]:
        steps, lists = data
        for inputs, targets, *drawn in super()._batches(lists, rng):
            yield steps[inputs], steps[targets][..., 0], *drawn
