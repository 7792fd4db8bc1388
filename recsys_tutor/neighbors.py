"""Collaborative filtering by neighbourhoods: user-kNN, item-kNN and EASE.

Every sum over the users that two items share is an entry of some ``A.T @ B`` of sparse
matrices, so all similarities are sparse products. The similarity functions compare the
**columns** of a matrix; compare users with ``R.T``.

Chapter: 04 Collaborative filtering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numba import njit
from scipy import linalg
from scipy.sparse import csc_array, csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel
from recsys_tutor.checks import check_memory, square_matrix_bytes
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import group_mean, ones_like
from recsys_tutor.parameters import param
from recsys_tutor.similarity import (
    ROUNDING,
    asymmetric_cosine,
    bm25,
    check_similarities,
    co_counts,
    co_rated_cosine,
    jaccard,
    keep_neighbors,
    log_likelihood_ratio,
    pearson,
    shrink_similarity,
)

__all__ = [
    "EASE",
    "ItemKNN",
    "RatingKNN",
    "UserKNN",
    "ease_weights",
    "knn_average",
    "recency_weighted",
    "zero_diagonal_regression",
]


FEWER_ITEMS = "keep fewer items with Interactions.at_least(item=...)"


# -- ranking -------------------------------------------------------------------------


class ItemToItem(Recommender):
    """Base of models that add up weights from item to item: ``s = X_ @ W``.

    Rule: ``s(u, i) = sum over j of x_uj W[j, i]``. Row ``j`` of ``W`` is what was
    liked, column ``i`` what is scored. A model's fit keeps the 0/1 matrix with
    :meth:`_keep` and learns weights; :meth:`_item_weights` says which of its attributes
    they are. Chapter 04, eq-knn-item.
    """

    _data_attributes = ("X_",)

    def _keep(self, train: Interactions) -> None:
        self.X_ = train.binarize().csr

    def _item_weights(self) -> np.ndarray:
        """The learned weights, (n_items, n_items) float64."""
        raise NotImplementedError

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.X_[users] @ self._item_weights()

    def _score_history(self, X: csr_array) -> np.ndarray:
        return ones_like(X) @ self._item_weights()

    def _similarities(self, items: np.ndarray) -> np.ndarray:
        return self._item_weights()[items]

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        row = self.X_[[user]]
        return row.indices, row.data * self._item_weights()[row.indices, item], 0.0


class ItemKNN(ItemToItem):
    """Score of an item = sum of its similarities to the user's items.

    Rule: ``s(u, i) = sum over j in I_u of S[j, i]``. Column ``i`` of ``S`` holds the
    ``n_neighbors`` most similar items of ``i``; values of ratings are ignored.

    Attributes
    ----------
    S_ : (n_items, n_items) float64

    Notes
    -----
    Fit ``O(sum of |I_u|² + n_items²)``, memory ``O(n_items²)``. Sources: Sarwar et al.
    (2001); Aiolli (2013). Chapter 04, eq-knn-item.
    """

    n_neighbors: int = param(
        "Most similar items that each item keeps.", default=100, low=1
    )
    similarity: Literal["cosine", "jaccard", "llr", "bm25"] = param(
        "Of the items' columns: :func:`~recsys_tutor.similarity.asymmetric_cosine`, "
        ":func:`~recsys_tutor.similarity.jaccard`, "
        ":func:`~recsys_tutor.similarity.log_likelihood_ratio`, or the asymmetric "
        "cosine of :func:`~recsys_tutor.similarity.bm25`.",
        default="cosine",
    )
    alpha: float = param(
        "Exponent of the asymmetric cosine; jaccard and llr have none.",
        default=0.8,
        low=0,
        high=1,
    )
    shrink: float = param(
        "Of :func:`~recsys_tutor.similarity.shrink_similarity`.", default=5.0, low=0
    )

    def _fit(self, train: Interactions) -> None:
        n = train.n_items
        check_similarities(
            n,
            f"ItemKNN compares {n:,} items with each other: {n:,} x {n:,} numbers, "
            "four times",
            f"Take ImplicitALS, or {FEWER_ITEMS}",
        )
        self._keep(train)
        S = shrink_similarity(self._compare(self.X_), co_counts(self.X_), self.shrink)
        self.S_ = keep_neighbors(S, self.n_neighbors)

    def _compare(self, X: csr_array) -> np.ndarray:
        if self.similarity == "jaccard":
            return jaccard(X)
        if self.similarity == "llr":
            return log_likelihood_ratio(X)
        return asymmetric_cosine(
            bm25(X) if self.similarity == "bm25" else X, alpha=self.alpha
        )

    def _item_weights(self) -> np.ndarray:
        return self.S_


class UserKNN(Recommender):
    """Score of an item = sum of the similarities of the neighbours who have it.

    Rule: ``s(u, i) = sum over v in N(u) of s_uv x_vi``, with ``N(u)`` the
    ``n_neighbors`` users of the largest cosine ``s_uv`` between rows of the 0/1 matrix,
    shrunk by the number of shared items.

    Notes
    -----
    The similarities are computed when asked for: O(B · n_ratings) for ``B`` users.
    Users tied with the last neighbour, up to rounding, all count. With
    ``score_history`` a user who is also in the training data meets their own row among
    the neighbours. Source: Herlocker et al. (1999). Chapter 04, eq-knn-user.
    """

    _data_attributes = ("X_",)

    n_neighbors: int = param("Most similar users that count.", default=80, low=1)
    shrink: float = param(
        "Of :func:`~recsys_tutor.similarity.shrink_similarity`.", default=0.0, low=0
    )

    def _fit(self, train: Interactions) -> None:
        self.X_ = train.binarize().csr

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self._score(self.X_[users], itself=users)

    def _score_history(self, X: csr_array) -> np.ndarray:
        return self._score(ones_like(X))

    def _score(self, X: csr_array, itself: np.ndarray | None = None) -> np.ndarray:
        shared = (X @ self.X_.T).toarray()  # (B, n_users)
        norm = np.sqrt(np.outer(np.diff(X.indptr), np.diff(self.X_.indptr)))
        S = np.divide(shared, norm, out=np.zeros_like(shared), where=norm > 0)
        S = shrink_similarity(S, shared, self.shrink)
        if itself is not None:
            S[np.arange(len(itself)), itself] = 0.0
        if self.n_neighbors < S.shape[1]:
            place = S.shape[1] - self.n_neighbors
            kth = np.partition(S, place, axis=1)[:, place, None]
            S[S < kth * (1 - ROUNDING)] = 0.0
        return S @ self.X_


def ease_weights(X: csr_array, reg: float, count_weight: float = 0.0) -> np.ndarray:
    """Item-to-item weights learned by ridge regression with a zero diagonal.

    Minimises ``|X - X B|² + sum_j d_j |B[j]|²`` subject to ``B[i, i] = 0``, where row
    ``j`` pays ``d_j = reg + count_weight · count of j`` (eq-ease-objective). With
    ``H = (X.T X + diag(d))⁻¹`` the answer is ``B[j, i] = -H[j, i] / H[i, i]``
    (chapter 04, eq-ease-solution).

    Parameters
    ----------
    X : (n_users, n_items) csr_array
    reg : float > 0

    Returns
    -------
    (n_items, n_items) float64
        Scores are ``X @ B`` (not ``X @ B.T``: B is not symmetric).

    Notes
    -----
    Cost O(n_items³), memory O(n_items²). Source: Steck (2019), equation 8.
    """
    G = (X.T @ X).toarray()
    return zero_diagonal_regression(G, reg + count_weight * np.diag(G))


def zero_diagonal_regression(G: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """The matrix ``B`` of :func:`ease_weights` from a Gram matrix and its penalties.

    ``H``, the inverse of ``G + diag(penalty)``, by Cholesky; ``G`` (n, n) float64 is
    overwritten (chapter 04, eq-ease-solution). Cost O(n³).
    """
    G = np.asarray(G, dtype=np.float64)
    G[np.diag_indices_from(G)] += penalty
    try:
        lower = linalg.cholesky(G, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError as error:
        raise linalg.LinAlgError(  # a ValueError
            "the Gram matrix plus its penalty is singular in floating point: try a "
            "larger penalty, or divide the features by a constant"
        ) from error
    H, info = linalg.lapack.dpotri(lower, lower=1, overwrite_c=1)
    if info:
        raise linalg.LinAlgError(f"the Gram matrix cannot be inverted (info {info})")
    H = np.tril(H) + np.tril(H, -1).T
    B = H / -np.diag(H)
    np.fill_diagonal(B, 0.0)
    return B


def recency_weighted(train: Interactions, half_life: float) -> csr_array:
    """0/1 matrix with older entries faded: ``2^(-age / half_life)``.

    The age of an entry is the number of later interactions of the same user (ties in
    time: the later row is the later event). Chapters 04 and 14.
    """
    order = train.timeline()
    counts = np.bincount(train.user, minlength=train.n_users)
    age = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(order))
    entries = (2.0 ** (-age / half_life), (train.user[order], train.item[order]))
    X = csr_array(entries, shape=train.shape)
    X.sort_indices()
    return X


class EASE(ItemToItem):
    """Item-kNN whose weights are learned: ``s(u, i) = sum_j x_uj B[j, i]``.

    Attributes
    ----------
    B_ : (n_items, n_items) float64
        Zero diagonal.
    """

    reg: float = param("Penalty of the squared weights.", default=300.0, above=0)
    count_weight: float = param(
        "Extra penalty on the weights of an item per user it has; see "
        ":func:`ease_weights`.",
        default=2.0,
        low=0,
    )
    half_life: float | None = param(
        "Score from a history that fades (:func:`recency_weighted`); the weights are "
        "learned from the plain 0/1 matrix either way. Needs times; ``score_history``, "
        "which has none, does not fade.",
        default=None,
        above=0,
    )

    def _fit(self, train: Interactions) -> None:
        n = train.n_items
        check_memory(
            square_matrix_bytes(n, 3),
            f"{type(self).__name__} inverts a matrix of {n:,} x {n:,} items and needs "
            "it three times",
            f"Take ImplicitALS, or {FEWER_ITEMS}",
        )
        self._keep(train)
        self.B_ = self._weights(self.X_)
        if self.half_life is not None:
            self.X_ = recency_weighted(train, self.half_life)

    def _weights(self, X: csr_array) -> np.ndarray:
        return ease_weights(X, self.reg, self.count_weight)

    def _item_weights(self) -> np.ndarray:
        return self.B_


# -- ratings -------------------------------------------------------------------------


@njit
def knn_average(
    order: np.ndarray,
    S: np.ndarray,
    indptr: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    n_rows: int,
    k: int,
) -> np.ndarray:
    """Weighted mean over the ``k`` nearest neighbours, for all rows at once.

    ``out[c, n] = sum S[i, j] values[n, j] / sum S[i, j]`` with ``i`` the ``c``-th item
    of ``order``; the sums run over the ``k`` items ``j`` most similar to ``i`` among
    those stored in row ``n``, only ``S[i, j] > 0``; 0 if there is none (chapter 04,
    eq-knn-rating). The neighbours of ``i`` are walked in falling similarity, and each
    row takes what it has until it has ``k``: no row is ever sorted.

    Parameters
    ----------
    order : (n_out, n_items) int64
        Items by falling ``S[i]``, one row per item ``i`` wanted.
    S : (n_out, n_items) float64
        The similarities of the same items ``i``.
    indptr, indices, values : arrays of a csc matrix (n_rows, n_items)
    n_rows, k : int

    Returns
    -------
    (n_out, n_rows) float64

    Notes
    -----
    Cost O(n_out · number of stored values).
    """
    out = np.zeros((len(order), n_rows))
    for c in range(len(order)):
        taken = np.zeros(n_rows, np.int64)
        weight = np.zeros(n_rows)
        for j in order[c]:
            s = S[c, j]
            if s <= 0.0:
                break
            for p in range(indptr[j], indptr[j + 1]):
                n = indices[p]
                if taken[n] < k:
                    taken[n] += 1
                    weight[n] += s
                    out[c, n] += s * values[p]
        for n in range(n_rows):
            if weight[n] > 0.0:
                out[c, n] /= weight[n]
    return out


class RatingKNN(Recommender):
    """Ratings from neighbours, by items or by users.

    Rule (by items): ``r_hat[u, i] = b_ui + sum s_ij (r_uj - b_uj) / sum s_ij`` over the
    ``n_neighbors`` items ``j`` of ``I_u`` with the largest ``s_ij > 0``. By users the
    same with the roles exchanged.

    Attributes
    ----------
    S_ : (n_items, n_items) or (n_users, n_users) float64
    bias_ : BiasModel

    Notes
    -----
    Fit O(sum of squared row lengths + n² log n), memory O(n²) for ``n`` compared items
    (users); all scores of ``B`` users cost O(n_items · their ratings) by items,
    O(B · n_ratings) by users, and predictions are read off the scores. Sources:
    Herlocker et al. (1999); Koren (2010), equation 3. Chapter 04.
    """

    by: Literal["item", "user"] = param("What is compared.", default="item")
    n_neighbors: int = param(
        "Most similar items or users that count.", default=50, low=1
    )
    similarity: Literal["residual", "pearson", "adjusted", "cosine"] = param(
        "Over shared rows, of: residuals of the bias model (cosine); ratings "
        "(correlation); ratings minus the mean of each row (cosine); ratings (cosine).",
        default="residual",
    )
    shrink: float = param(
        "Of :func:`~recsys_tutor.similarity.shrink_similarity`, with ``n - 1`` for "
        "``n``, as scikit-surprise.",
        default=2500.0,
        low=0,
    )
    center: Literal["bias", "mean"] = param(
        "``b_ui``: the bias model's prediction, or the mean of the compared item (by "
        "items) or user (by users); the global mean where there is none.",
        default="bias",
    )
    reg_u: float = param(
        "Of the bias model: ratings at the mean per user.", default=5.0, low=0
    )
    reg_i: float = param(
        "Of the bias model: ratings at the mean per item.", default=2.0, low=0
    )

    def _fit(self, train: Interactions) -> None:
        self._check_size(train)
        u, i, r = train.user, train.item, train.value
        self.bias_ = BiasModel(reg_u=self.reg_u, reg_i=self.reg_i).fit(train)
        self.mean_ = _means(train, self.by)
        R = self._oriented(self._compared(train), u, i, train.shape)
        S = pearson(R) if self.similarity == "pearson" else co_rated_cosine(R)
        S[np.abs(S) < ROUNDING] = 0.0  # a sum that cancels: no likeness
        if self.shrink:
            S = shrink_similarity(S, np.maximum(co_counts(R) - 1, 0), self.shrink)
        np.fill_diagonal(S, 0.0)
        self.S_ = S
        # falling similarity; ties, up to rounding: lower index first
        scale = np.abs(S).max() or 1.0
        self.order_ = np.argsort(-np.round(S / scale, 12), axis=1, kind="stable")
        self.E_ = self._oriented(r - self._center(u, i), u, i, train.shape)

    def _check_size(self, train: Interactions) -> None:
        n = train.n_items if self.by == "item" else train.n_users
        other = "by='item'" if self.by == "user" else "by='user'"
        check_similarities(
            n,
            f"RatingKNN(by={self.by!r}) compares {n:,} {self.by}s with each other: "
            f"{n:,} x {n:,} numbers, four times",
            f"Take {other} if there are fewer of those, BiasedMF, or keep fewer "
            f"{self.by}s with Interactions.at_least({self.by}=...)",
        )

    def _compared(self, train: Interactions) -> csr_array:
        """The numbers of which the similarity is taken, one per rating."""
        if self.similarity == "residual":
            return train.value - self.bias_._predict(train.user, train.item)
        if self.similarity == "adjusted":  # minus the means of the other side
            other = "user" if self.by == "item" else "item"
            return train.value - _means(train, other)[getattr(train, other)]
        return train.value

    def _kept(self) -> Sequence:  # E_ has the users' own ratings
        center = self.bias_ if self.center == "bias" else self.mean_
        return center, self.S_, self.order_

    def _oriented(
        self, values: np.ndarray, u: np.ndarray, i: np.ndarray, shape: tuple[int, int]
    ) -> csr_array:
        """Values as a csr matrix whose columns are what is compared."""
        if self.by == "user":
            u, i, shape = i, u, shape[::-1]
        R = csr_array((values, (u, i)), shape=shape)
        R.sort_indices()
        return R

    def _center(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        if self.center == "bias":
            return self.bias_._predict(users, items)
        side = items if self.by == "item" else users
        return np.broadcast_to(self.mean_[side], np.broadcast(users, items).shape)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        users = np.asarray(users)
        by_item = self.by == "item"
        E = csc_array(self.E_[users] if by_item else self.E_)
        which = slice(None) if by_item else users
        average = knn_average(
            self.order_[which],
            self.S_[which],
            E.indptr,
            E.indices,
            E.data,
            E.shape[0],
            self.n_neighbors,
        )
        center = self._center(users[:, None], np.arange(self.n_items_))
        return center + (average.T if by_item else average)

    def _similarities(self, items: np.ndarray) -> np.ndarray:
        if self.by == "user":
            return self._item_vectors()  # it compares users
        return self.S_[items]

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        if self.by == "user":
            return super()._explain(user, item)
        row = self.E_[[user]]
        similar = self.S_[item, row.indices]
        place = np.argsort(self.order_[item])  # of each item, the nearest first
        nearest = np.argsort(place[row.indices])[: self.n_neighbors]
        nearest = nearest[similar[nearest] > 0]
        weight = similar[nearest] / similar[nearest].sum()  # empty where none is near
        center = self._center(np.array([user]), np.array([item]))[0]
        return row.indices[nearest], weight * row.data[nearest], center

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._predict_from_scores(users, items)


def _means(train: Interactions, side: str) -> np.ndarray:
    """Mean rating of each user or item; the global mean where there is none."""
    index = train.user if side == "user" else train.item
    n = train.n_users if side == "user" else train.n_items
    return group_mean(train.value, index, n, empty=train.value.mean())
