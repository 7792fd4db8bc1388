"""Content-based recommendation: what an item is, instead of who liked it.

An item is a bag of terms (its genres, its years, the people who made it), weighted by
TF-IDF; a user is what their items have in common. Nothing here looks at other users, so
an item without a single rating can be ranked.

Chapter: 05 Content-based filtering.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel
from recsys_tutor.checks import (
    check_feature_matrix,
    check_index,
    check_memory,
    check_squares,
    square_matrix_bytes,
)
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import (
    group_mean,
    rows_of,
)
from recsys_tutor.parameters import param
from recsys_tutor.ranking import TopK, top_k

__all__ = [
    "ContentBased",
    "ContentRidge",
    "explain",
    "similar_items",
]


def similar_items(features: csr_array, items: ArrayLike, k: int = 10) -> TopK:
    """The ``k`` items with the largest dot product with each of ``items``."""
    features = csr_array(features)
    items = check_index("items", items, features.shape[0])
    scores = (features[items] @ features.T).toarray()
    scores[np.arange(len(items)), items] = -np.inf
    return top_k(scores, k)


def explain(
    features: csr_array,
    liked: ArrayLike,
    item: int,
    terms: Sequence[str],
    *,
    n: int = 3,
) -> pd.DataFrame:
    """Why ``item`` fits: the liked items it resembles most, and the shared terms.

    The score of :class:`ContentBased` is a mean of dot products, one per liked item,
    and each dot product is a sum over shared terms: the explanation *is* the
    computation. Parts that are equal up to rounding (12 decimals) keep their order: of
    ``liked``, and of the columns.

    Parameters
    ----------
    features : (n_items, n_terms) csr_array
    liked : (n_liked,) item indices
    item : int
    terms : names of the columns
    n : number of liked items, and of terms for each

    Returns
    -------
    DataFrame
        Columns item (index), share (its part of the score), because (shared terms, the
        heaviest first).
    """
    features = csr_array(features)
    liked = check_index("items", liked, features.shape[0])
    check_index("items", [item], features.shape[0])
    product = features[liked].multiply(features[[item]]).tocsr()  # (n_liked, n_terms)
    total = product.sum(axis=1)
    best = np.argsort(-total.round(12), kind="stable")[:n]
    rows = []
    for row in best[total[best] > 0]:
        part = product[[row]]
        part.sort_indices()
        heaviest = part.indices[np.argsort(-part.data.round(12), kind="stable")[:n]]
        because = ", ".join(terms[t] for t in heaviest)
        rows.append((liked[row], total[row] / total.sum(), because))
    return pd.DataFrame(rows, columns=["item", "share", "because"])


class ContentBased(Recommender):
    """Rank items by their resemblance to what the user has.

    Profile: ``p_u = sum over i in I_u of w_ui x_i / sum of |w_ui|``. Rule:
    ``s(u, i) = p_u · x_i`` (chapter 05, eq-content-profile).

    Attributes
    ----------
    profiles_ : (n_users, d) csr_array

    Notes
    -----
    Cost O(entries of the features of all rated items) to fit, O(B · entries of the
    features) to score. Source: Lops, de Gemmis and Semeraro (2011). Chapter 05.
    """

    _data_attributes = ("F_",)

    features: csr_array | np.ndarray = param(
        "(n_items, d): rows ``x_i``, of unit length for a cosine-like score."
    )
    weighting: Literal["count", "rating"] = param(
        "``w_ui = 1``, or the rating minus the user's mean, so that disliked items "
        "push the profile away.",
        default="count",
    )

    def _fit(self, train: Interactions) -> None:
        check_squares("ratings", train.value)
        self.F_ = check_feature_matrix(self.features, train.n_items)
        self.profiles_ = self._profile(train.csr)

    def _profile(self, X: csr_array) -> csr_array:
        return self._weights(X) @ self.F_

    def _weights(self, X: csr_array) -> csr_array:
        """``w_ui / sum of |w_ui|`` in the places of the users' items."""
        row, weight = rows_of(X), np.ones(X.nnz)
        if self.weighting == "rating":
            mean = group_mean(X.data, row, X.shape[0])[row]
            weight = X.data - mean
            weight[np.abs(weight) < 1e-12 * np.abs(mean)] = 0.0  # rounding
        size = np.bincount(row, np.abs(weight), X.shape[0])
        weight = np.divide(weight, size[row], out=weight, where=size[row] > 0)
        return csr_array((weight, X.indices, X.indptr), shape=X.shape)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return (self.profiles_[users] @ self.F_.T).toarray()

    def _score_history(self, X: csr_array) -> np.ndarray:
        return (self._profile(X) @ self.F_.T).toarray()

    def _item_vectors(self) -> csr_array:
        return self.F_

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        row = self._weights(self.train_.csr[[user]])
        similar = (self.F_[row.indices] @ self.F_[[item]].T).toarray()[:, 0]
        return row.indices, row.data * similar, 0.0


class ContentRidge(Recommender):
    """One ridge regression per user: which features do they like, which not?

    Rule: ``r_hat[u, i] = mu + b_u + b_i + p_u · x_i``, the first three from a
    :class:`~recsys_tutor.baselines.BiasModel`. Objective of user ``u``:
    ``sum over I_u of (e_ui - p_u · x_i)² + reg · |p_u|²`` with its residuals ``e_ui``
    (eq-content-ridge). Solved in the dual (chapter 05, eq-content-dual): with ``S
    = F F.T`` and ``F_u`` the rated rows, ``p_u = F_u.T w_u`` and ``(S_uu + reg · I) w_u
    = e_u``: a system of size ``|I_u|``, however many features there are.

    Attributes
    ----------
    X_ : (n_users, n_items) csr_array
        Row ``u`` holds ``w_u`` in the places of the user's items; ``p_u`` is
        ``X_[u] @ features``.
    S_ : (n_items, n_items) float64
    bias_ : BiasModel

    Notes
    -----
    Fit ``O(sum of |I_u|³)``, memory O(n_items²) for ``S``. Source: Pazzani and Billsus
    (2007) for the task; the regression is standard. Chapter 05.
    """

    features: csr_array | np.ndarray = param("(n_items, d): rows ``x_i``.")
    reg: float = param("Penalty of the squared weights.", default=0.5, above=0)
    reg_u: float = param(
        "Of the bias model: ratings at the mean per user.", default=5.0, low=0
    )
    reg_i: float = param(
        "Of the bias model: ratings at the mean per item.", default=2.0, low=0
    )

    def _fit(self, train: Interactions) -> None:
        F = check_feature_matrix(self.features, train.n_items)
        check_memory(
            square_matrix_bytes(train.n_items, 2),
            f"ContentRidge compares {train.n_items:,} items with each other: "
            f"{train.n_items:,} x {train.n_items:,} numbers, twice",
            "Take ContentBased, or keep fewer items with "
            "Interactions.at_least(item=...)",
        )
        self.S_ = (F @ F.T).toarray()  # (n_items, n_items)
        self.bias_ = BiasModel(reg_u=self.reg_u, reg_i=self.reg_i).fit(train)
        X = train.csr
        self.X_ = self._weights(X, X.data - self.bias_._predict(rows_of(X), X.indices))

    def _weights(self, X: csr_array, residual: np.ndarray) -> csr_array:
        """Csr matrix whose row ``u`` holds ``w_u`` in the places of the rated items."""
        a = np.zeros(X.nnz)
        for start, end in zip(X.indptr[:-1], X.indptr[1:], strict=True):
            if end > start:
                rated = X.indices[start:end]
                A = self.S_[np.ix_(rated, rated)]
                A[np.diag_indices_from(A)] += self.reg
                a[start:end] = _solve(A, residual[start:end])
        return csr_array((a, X.indices, X.indptr), shape=X.shape)

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._predict_from_scores(users, items)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.bias_._score_users(users) + self.X_[users] @ self.S_

    def _score_history(self, X: csr_array) -> np.ndarray:
        base = self.bias_._score_history(X)
        return base + self._weights(X, X.data - base[rows_of(X), X.indices]) @ self.S_

    def _similarities(self, items: np.ndarray) -> np.ndarray:
        """Cosines of the features: their dot products are in ``S_``."""
        norm = np.sqrt(np.maximum(self.S_.diagonal(), np.finfo(float).tiny))
        return self.S_[items] / norm[items, None] / norm

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        row = self.X_[[user]]
        rest = self.bias_._predict(np.array([user]), np.array([item]))[0]
        return row.indices, row.data * self.S_[row.indices, item], rest


def _solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """``A⁻¹ b`` for a positive definite ``A``, or a ValueError with advice."""
    try:
        return linalg.solve(A, b, assume_a="pos")
    except linalg.LinAlgError as error:
        raise ValueError(
            "reg is nothing beside the squares of the features: try a larger reg, or "
            "divide the features by a constant"
        ) from error
