"""Walks on the graph of users and items: where do three random steps lead?

Chapter: 04 Collaborative filtering.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.data import Interactions
from recsys_tutor.kernels import ones_like
from recsys_tutor.neighbors import FEWER_ITEMS, ItemToItem
from recsys_tutor.parameters import param
from recsys_tutor.similarity import check_similarities, keep_neighbors

__all__ = ["RP3beta", "walk_weights"]


def walk_weights(X: csr_array, *, alpha: float = 1.0, beta: float = 0.0) -> np.ndarray:
    """``T[j, i]``: from item ``j`` to one of its users, and on to one of their items.

    ``T[j, i] = sum over users v of j and i of (1 / n_j · 1 / |I_v|)^alpha / n_i^beta``
    (chapter 04, eq-walk). With ``alpha = 1, beta = 0`` these are probabilities: the
    rows sum to 1. ``alpha < 1`` evens them out, ``beta > 0`` holds popular items back.

    Parameters
    ----------
    X : (n_users, n_items) csr_array
        Values are ignored.

    Returns
    -------
    (n_items, n_items) float64
        0 for an item without users. Cost ``O(sum of |I_u|²)``, memory O(n_items²).
    """
    M = ones_like(X)
    n_u = np.maximum(np.diff(M.indptr), 1).astype(float)
    n_i = np.maximum(np.bincount(M.indices, minlength=M.shape[1]), 1).astype(float)
    step = M.multiply(n_u[:, None] ** -alpha).tocsr()
    return (M.T @ step).toarray() * n_i[:, None] ** -alpha * n_i**-beta


class RP3beta(ItemToItem):
    """Score of an item = chance that three random steps from the user end there.

    Rule: ``s(u, i) = sum over j in I_u of T[j, i]``, with ``T`` of
    :func:`walk_weights`, of which each item ``i`` keeps the ``n_neighbors`` largest.
    With ``alpha = 1, beta = 0`` it is proportional to the probability of the walk
    user → item → user → item.

    Attributes
    ----------
    S_ : (n_items, n_items) float64
        Row ``j`` is what was liked, column ``i`` what is scored.

    Notes
    -----
    Fit ``O(sum of |I_u|² + n_items²)``, memory ``O(n_items²)``. Sources: Cooper et al.
    (2014) for ``alpha``, Paudel et al. (2017) for ``beta``. Chapter 04, eq-walk.
    """

    n_neighbors: int = param(
        "Items from which the walk may arrive at an item.", default=200, low=1
    )
    alpha: float = param("Exponent of the steps' probabilities.", default=0.6, low=0)
    beta: float = param("Exponent of the popularity at the end.", default=0.4, low=0)

    def _fit(self, train: Interactions) -> None:
        n = train.n_items
        check_similarities(
            n,
            f"RP3beta keeps walks between {n:,} items: {n:,} x {n:,} numbers, four "
            "times",
            f"Take ImplicitALS, or {FEWER_ITEMS}",
        )
        self._keep(train)
        T = walk_weights(self.X_, alpha=self.alpha, beta=self.beta)
        self.S_ = keep_neighbors(T, self.n_neighbors)

    def _item_weights(self) -> np.ndarray:
        return self.S_
