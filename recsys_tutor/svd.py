"""The singular value decomposition of a matrix with its holes filled.

Chapter: 07 Matrix factorization.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_squares
from recsys_tutor.kernels import pair_dots, unit_scale
from recsys_tutor.parameters import param

__all__ = ["TruncatedSVD"]


class TruncatedSVD(Recommender):
    """The best rank-``n_factors`` approximation of the matrix with its holes filled.

    Rule: ``r_hat = (fill + U S V.T)[u, i]`` with the truncated SVD of ``R - fill`` on
    the rated cells and 0 elsewhere. By Eckart and Young it minimises the Frobenius
    distance to that **filled** matrix, holes included (chapter 07, eq-mf-eckart-young).

    Attributes
    ----------
    P_ : (n_users, n_factors) float64, ``U S``
    Q_ : (n_items, n_factors) float64, ``V``
    singular_values_ : (n_factors,) float64, falling
        0 from the rank of the matrix on.

    Notes
    -----
    Cost O(n_ratings · n_factors) per Lanczos step (ARPACK), memory
    O((n_users + n_items) · n_factors). With ``fill="zero"`` a fair ranker, called
    PureSVD by Cremonesi, Koren and Turrin (2010), and a useless predictor of ratings.
    """

    n_factors: int = param(12, "Less than the number of users and of items.", low=1)
    fill: Literal["zero", "mean"] = param(
        "zero",
        "What a hole is taken for: 0, or the item's mean rating (the global mean for "
        "an item without ratings).",
    )

    def _fit(self, train):
        if self.n_factors >= min(train.shape):
            raise ValueError(
                "n_factors must be less than the number of users and of items, "
                f"{train.n_users} and {train.n_items}: at most "
                f"{min(train.shape) - 1}, got {self.n_factors}"
            )
        check_squares("ratings", train.value, most=1e300)
        self.fill_ = np.zeros(train.n_items)
        if self.fill == "mean":
            count = np.bincount(train.item, minlength=train.n_items)
            total = np.bincount(train.item, train.value, train.n_items)
            self.fill_ = np.where(
                count > 0, total / np.maximum(count, 1), train.value.mean()
            )
        values = train.value - self.fill_[train.item]
        R = csr_array((values, (train.user, train.item)), shape=train.shape)
        U, self.singular_values_, Vt = _largest_singular(R, self.n_factors)
        self.P_, self.Q_ = U * self.singular_values_, Vt.T

    def _predict(self, users, items):
        return self.fill_[items] + pair_dots(self.P_, self.Q_, users, items)

    def _kept(self):
        return self.fill_, self.P_, self.Q_

    def _score_users(self, users):
        return self.fill_ + self.P_[users] @ self.Q_.T

    def _score_history(self, X):
        row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        E = csr_array((X.data - self.fill_[X.indices], (row, X.indices)), shape=X.shape)
        return self.fill_ + (E @ self.Q_) @ self.Q_.T

    def _item_vectors(self):
        return self.Q_

    def _explain(self, user, item):
        row = self.train_.csr[[user]]  # p_u is the sum of (r - fill) q over the items
        parts = (row.data - self.fill_[row.indices]) * (
            self.Q_[row.indices] @ self.Q_[item]
        )
        return row.indices, parts, self.fill_[item]


def _largest_singular(R: csr_array, k: int):
    """The ``k`` largest singular values, falling, and their vectors: U, s, V.T."""
    n, m = R.shape
    scale = unit_scale(R.data)
    if not R.data.any():  # Lanczos cannot start: any orthogonal vectors will do
        return np.eye(n, k), np.zeros(k), np.eye(k, m)
    start = np.random.default_rng(0).normal(size=min(n, m))
    U, s, Vt = svds(R / scale, k=k, v0=start)
    order = np.argsort(-s, kind="stable")
    return U[:, order], s[order] * scale, Vt[order]
