"""Slope One: a rating moved by the mean difference between two items.

Chapter: 04 Collaborative filtering.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_squares
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import group_mean, ones_like, rows_of
from recsys_tutor.neighbors import FEWER_ITEMS
from recsys_tutor.similarity import check_similarities, co_counts

__all__ = ["SlopeOne", "item_differences"]


def item_differences(R: csr_array) -> np.ndarray:
    """``D[j, i] = sum over the users of both of (r_ui - r_uj)``.

    Parameters
    ----------
    R : (n_users, n_items) csr_array
        Stored zeros count as values.

    Returns
    -------
    (n_items, n_items) float64
        Antisymmetric. Divided by the number of these users it is the mean difference
        of the two items. Cost ``O(sum of |I_u|²)``, memory O(n_items²). Chapter 04,
        eq-slope-difference.
    """
    towards = (ones_like(R).T @ R).toarray()  # [j, i] = sum of r_ui over users of both
    return towards - towards.T


class SlopeOne(Recommender):
    """Every item the user rated says what another one will get; a weighted mean.

    Rule: ``r_hat[u, i] = sum_j n_ij (r_uj + d_ji) / sum_j n_ij`` over the items ``j``
    of the user other than ``i``, where ``d_ji`` is the mean of ``r_vi - r_vj`` over the
    ``n_ij`` users ``v`` of both (chapter 04, eq-slope-one). Where no item of the user
    shares a user with ``i``: the user's mean, or the mean of all ratings.

    Attributes
    ----------
    D_ : (n_items, n_items) float64
        :func:`item_differences`, sums.
    N_ : (n_items, n_items) float64
        Users of both, 0 on the diagonal.

    Notes
    -----
    Fit ``O(sum of |I_u|²)``, memory O(n_items²); all scores of one user cost
    O(n_items · their ratings). Source: Lemire and Maclachlan (2005), "weighted Slope
    One".
    """

    _data_attributes = ("R_",)

    def _fit(self, train: Interactions) -> None:
        n = train.n_items
        check_similarities(
            n,
            f"SlopeOne compares {n:,} items with each other: {n:,} x {n:,} numbers, "
            "four times",
            f"Take BiasedMF, or {FEWER_ITEMS}",
        )
        check_squares("ratings", train.value)
        self.R_ = train.csr
        self.mean_ = float(train.value.mean())
        self.D_ = item_differences(self.R_)
        self.N_ = co_counts(self.R_)
        np.fill_diagonal(self.N_, 0.0)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self._score(self.R_[users])

    def _score_history(self, X: csr_array) -> np.ndarray:
        return self._score(X)

    def _score(self, R: csr_array) -> np.ndarray:
        M = ones_like(R)
        weight = M @ self.N_  # (B, n_items)
        total = R @ self.N_ + M @ self.D_
        own = group_mean(R.data, rows_of(R), R.shape[0], empty=self.mean_)
        scores = np.repeat(own[:, None], self.n_items_, axis=1)
        return np.divide(total, weight, out=scores, where=weight > 0)

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self._predict_from_scores(users, items)

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        row = self.R_[[user]]
        weight = self.N_[row.indices, item]
        center = float(row.data.mean()) if row.nnz else self.mean_
        if not weight.any():
            return row.indices, np.zeros(row.nnz), center
        shown = row.data * weight + self.D_[row.indices, item] - center * weight
        return row.indices, shown / weight.sum(), center
