"""What follows what: counts of transitions, the baseline of every sequence model.

Chapter: 14 Sequences.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions
from recsys_tutor.parameters import param

__all__ = ["Transitions", "recency_weights", "transition_counts"]


def transition_counts(
    user: np.ndarray,
    item: np.ndarray,
    n_items: int,
    *,
    window: int = 1,
    decay: float = 1.0,
) -> csr_array:
    """How often ``j`` came within ``window`` steps after ``i``: (n_items, n_items).

    A pair ``d`` steps apart counts ``decay ** (d - 1)`` (chapter 14,
    eq-transition-counts). ``user, item`` are in the order of
    :meth:`.Interactions.timeline`. Cost O(n · window).
    """
    C = csr_array((n_items, n_items))
    for d in range(1, min(window, len(user) - 1) + 1):
        same = user[d:] == user[:-d]
        weight = np.full(int(same.sum()), decay ** (d - 1))
        pairs = item[:-d][same], item[d:][same]
        C = C + csr_array((weight, pairs), shape=C.shape)
    return C


def recency_weights(
    user: np.ndarray, item: np.ndarray, shape: tuple[int, int], recency: float
) -> csr_array:
    """``recency ** age`` of each user's items, the last one's age being 0.

    ``user, item`` as in :func:`transition_counts`; ``shape`` is (n_users, n_items).
    """
    last = np.searchsorted(user, user, side="right") - 1
    age = last - np.arange(len(user))
    return csr_array((np.power(float(recency), age), (user, item)), shape=shape)


class Transitions(Recommender):
    """Items that followed what the user took last.

    Rule: ``s(u, j) = sum over items i of u of recency^age(i) · T_ij`` with ``T_ij =
    (C_ij + backward · C_ji) / (n_i · n_j^damping)``, ``C`` the
    :func:`transition_counts` and ``n`` the counts of the items (at least 1): chapter
    14, eq-transition-score. No training but counting. ``window=1,
    recency=0, backward=0, damping=0`` is the first-order Markov chain: the share of
    ``i``'s transitions that went to ``j``.

    Attributes
    ----------
    T_ : (n_items, n_items) csr_array
    W_ : (n_users, n_items) csr_array
        Recency weights.

    Notes
    -----
    Cost O(n_ratings · window). Chapter 14.
    """

    _data_attributes = ("W_",)

    window: int = param("Steps apart that still count.", default=20, low=1)
    decay: float = param("Per step of distance.", default=0.9, above=0, high=1)
    recency: float = param(
        "Per step of age of the user's items; 0 looks at the last item only.",
        default=0.8,
        low=0,
        high=1,
    )
    backward: float = param(
        "Weight of the transitions against the order: 1 forgets the direction.",
        default=0.5,
        low=0,
    )
    damping: float = param("Holds popular targets back.", default=0.3, low=0)

    def _fit(self, train: Interactions) -> None:
        order = train.timeline()
        user, item = train.user[order], train.item[order]
        C = transition_counts(
            user, item, train.n_items, window=self.window, decay=self.decay
        )
        n = np.maximum(np.bincount(item, minlength=train.n_items), 1).astype(float)
        C = (C + self.backward * C.T).tocoo()
        i, j = C.coords
        values = C.data / (n[i] * n[j] ** self.damping)
        self.T_ = csr_array((values, (i, j)), shape=C.shape)
        self.W_ = recency_weights(user, item, train.shape, self.recency)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return (self.W_[users] @ self.T_).toarray()

    def _similarities(self, items: np.ndarray) -> np.ndarray:
        return self.T_[items].toarray()

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        row = self.W_[[user]]
        into = self.T_[:, [item]].toarray()[:, 0]  # from each item to this one
        return row.indices, row.data * into[row.indices], 0.0
