"""The user's own history, read with the candidate in view: attention as in DIN.

Chapter: 13 Features and two towers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor import extra
from recsys_tutor.crosses import FieldsClassifier
from recsys_tutor.data import Interactions
from recsys_tutor.neural import Pairs, mlp
from recsys_tutor.parameters import Sizes, param
from recsys_tutor.sampling import minibatches, sample_negatives
from recsys_tutor.towers import FieldEmbedding

with extra("deep"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F

__all__ = ["ActivationUnit", "DIN", "InterestNetwork", "last_items"]


def last_items(train: Interactions, length: int) -> np.ndarray:
    """Each user's latest items, the latest first, -1 behind them: (n_users, length).

    Ties in time: the later row is the later event (:meth:`.Interactions.timeline`).
    """
    order = train.timeline()[::-1]  # users descending, within a user the latest first
    user = train.user[order]
    first = np.flatnonzero(np.diff(user, prepend=-1))
    place = np.arange(len(user)) - np.repeat(first, np.diff([*first, len(user)]))
    kept = place < length
    out = np.full((train.n_users, length), -1, dtype=np.int64)
    out[user[kept], place[kept]] = train.item[order][kept]
    return out


class ActivationUnit(nn.Module):
    """How much an item of the history says about the candidate: (B, H) weights.

    ``a(h, c) = w · relu(W [e_h ; e_c ; e_h * e_c] + b) + b'`` (chapter 13, eq-din-unit)
    for e_h (B, H, f) and e_c (B, f). The three blocks of W are three linear maps, so
    that ``e_c`` is mapped once and not H times.
    """

    def __init__(self, n_factors: int, width: int) -> None:
        super().__init__()
        self.of_history = nn.Linear(n_factors, width)
        self.of_candidate = nn.Linear(n_factors, width, bias=False)
        self.of_both = nn.Linear(n_factors, width, bias=False)
        self.out = nn.Linear(width, 1)

    def forward(self, e_h: Tensor, e_c: Tensor) -> Tensor:
        candidate = e_c.unsqueeze(1)  # (B, 1, f)
        z = self.of_history(e_h) + self.of_both(e_h * candidate)  # (B, H, width)
        return self.out(F.relu(z + self.of_candidate(candidate))).squeeze(2)  # (B, H)


class InterestNetwork(nn.Module):
    """Fields and an attended history through one perceptron: logits (B,).

    ``b + sum_j w_j x_j + mlp([v_1 ; v_2 ; ... ; sum_h a(h, c) e_h])``, the sum over the
    user's ``history`` (n_users, H), -1 for padding. Weights are not normalised; without
    ``attend`` they are all ``1 / H``. Chapter 13, eq-din.
    """

    history: Tensor  # a buffer

    def __init__(
        self,
        user_fields: Sequence[csr_array],
        item_fields: Sequence[csr_array],
        history: Tensor,
        *,
        n_factors: int,
        unit: int,
        hidden: Sizes,
        dropout: float,
        attend: bool = True,
    ) -> None:
        super().__init__()
        sides = user_fields, item_fields
        self.bias = nn.Parameter(torch.zeros(1))
        self.w = nn.ModuleList(FieldEmbedding(f, 1, 0.0) for f in sides)
        self.v = nn.ModuleList(FieldEmbedding(f, n_factors) for f in sides)
        self.register_buffer("history", history)
        self.unit = ActivationUnit(n_factors, unit) if attend else None
        sizes = ((len(user_fields) + len(item_fields) + 1) * n_factors, *hidden)
        self.deep = nn.Sequential(mlp(sizes, dropout), nn.Linear(sizes[-1], 1))

    def forward(
        self, user: Tensor, item: Tensor, left_out: Tensor | None = None
    ) -> Tensor:
        """Pairs (B,), (B,); without ``left_out`` (B,), the candidate is left out."""
        w, v = (  # (B, fields, 1), (B, fields, f)
            torch.cat([s(rows) for s, rows in zip(sides, (user, item), strict=True)], 1)
            for sides in (self.w, self.v)
        )
        interest = self.interest(user, item, item if left_out is None else left_out)
        deep = self.deep(torch.cat([v.flatten(1), interest], dim=1))  # (B, 1)
        return self.bias + w.sum(dim=(1, 2)) + deep.squeeze(1)  # (B,)

    def item_table(self) -> Tensor:
        """The vectors of the items' ids: (n_items, f)."""
        return self.v[1].get_parameter("tables.0.weight")

    def interest(self, user: Tensor, item: Tensor, left_out: Tensor) -> Tensor:
        """The weighted sum of the history's vectors: (B, f)."""
        history = self.history[user]  # (B, H)
        real = (history >= 0) & (history != left_out.unsqueeze(1))  # (B, H)
        E = self.item_table()
        e_h = F.embedding(history.clamp(min=0), E)  # (B, H, f)
        if self.unit is None:
            weight = torch.full_like(e_h[..., 0], 1 / history.shape[1])
        else:
            weight = self.unit(e_h, F.embedding(item, E))  # (B, H)
        return ((weight * real).unsqueeze(1) @ e_h).squeeze(1)  # (B, f)


class DIN(FieldsClassifier[InterestNetwork]):
    """Deep interest network: the history, weighted anew for each candidate.

    Rule: the logit of :class:`InterestNetwork`; objective:
    :class:`~recsys_tutor.neural.PairClassifier`'s. An item is never in its own history,
    because an item that is recommended will not be in it either: in training a positive
    and its negatives all see the history *without the positive*. If the positive alone
    went without, the length of the history would tell the label.

    Notes
    -----
    Cost of an epoch O((1 + n_negatives) · n_ratings · (n_history · f · unit +
    perceptron)), of ``score`` O(n_items · the same) for a user, by parts of
    ``SCORED`` users. Needs times. Source: Zhou et al. (2018), with ReLU for their Dice,
    the element-wise product for their outer one, and the linear weights of
    :class:`~recsys_tutor.towers.DeepFM`. Chapter 13.
    """

    n_history: int = param("Latest items of a user that are read.", default=20, low=1)
    unit: int = param("Hidden units of the activation unit.", default=8, low=1)
    attend: bool = param("Without: all weights 1 / n_history.", default=True)

    def _network(self, train: Interactions) -> InterestNetwork:
        return InterestNetwork(
            *self._sides(train),
            torch.from_numpy(last_items(train, self.n_history)),
            n_factors=self.n_factors,
            unit=self.unit,
            hidden=tuple(self.hidden),
            dropout=self.dropout,
            attend=self.attend,
        )

    def _batches(self, data: Pairs, rng: np.random.Generator) -> Iterator[tuple]:
        negative = sample_negatives(rng, data.drawing, data.X)
        users = np.append(data.user, data.drawing)
        items = np.append(data.item, negative)
        labels = np.append(np.ones(len(data.user)), np.zeros(len(negative)))
        lacks = np.diff(data.X.indptr)[data.user] < data.X.shape[1]
        beside = np.repeat(data.item[lacks], self.n_negatives)  # each one's positive
        left_out = np.append(data.item, beside)
        for rows in minibatches(len(users), self.batch_size, rng):
            yield users[rows], items[rows], labels[rows], left_out[rows]

    def _loss(
        self,
        network: nn.Module,
        user: Tensor,
        item: Tensor,
        label: Tensor,
        left_out: Tensor | None = None,
    ) -> Tensor:
        logits = network(user, item, left_out)
        return F.binary_cross_entropy_with_logits(logits, label)

    @torch.no_grad()
    def _score_users(self, users: np.ndarray) -> np.ndarray:
        out = np.empty((len(users), self.n_items_), dtype=np.float32)
        items = self._tensor(np.arange(self.n_items_))
        for start in range(0, len(users), SCORED):
            part = self._tensor(users[start : start + SCORED])
            pairs = part.repeat_interleave(len(items)), items.repeat(len(part))
            scores = self.network_(*pairs).reshape(len(part), -1)
            out[start : start + SCORED] = scores.cpu().numpy()
        return out

    def _item_vectors(self) -> np.ndarray:
        return self.network_.item_table().detach().cpu().numpy()


#: Users whose pairs with all items are scored at once: 8 · 1,682 · 20 · 16 floats are
#: 17 MB.
SCORED = 8
