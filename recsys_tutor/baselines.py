"""Baselines: the first rows of every table.

Chapter: 03 Baselines.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_squares
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import overflow_to_inf, rows_of
from recsys_tutor.parameters import Seed, param

__all__ = ["BiasModel", "Popularity", "Random", "bias_half_step", "bias_objective"]


class Random(Recommender):
    """Scores drawn uniformly from [0, 1): the floor of every metric.

    The scores of a user depend on the seed and the user only, so asking for one user or
    for all gives the same lists. As a rating model it reads the score as a quantile of
    the training ratings: a rating drawn at random from those it was shown.

    Cost O(B · n_items).

    Attributes
    ----------
    seed_ : int
    ratings_ : (n_rows,) float64
        Training ratings in ascending order.
    """

    _data_attributes = ("ratings_",)

    random_state: Seed = param("Draws the scores.", default=0)

    def _fit(self, train: Interactions) -> None:
        rng = np.random.default_rng(self.random_state)
        self.seed_ = int(rng.integers(2**63))
        self.ratings_ = np.sort(train.value)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        scores = np.empty((len(users), self.n_items_))
        for row, u in enumerate(users):
            scores[row] = np.random.default_rng([self.seed_, u]).random(self.n_items_)
        return scores

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        quantile = self._predict_from_scores(users, items)
        return self.ratings_[(quantile * len(self.ratings_)).astype(np.int64)]


class Popularity(Recommender):
    """Score of an item = number of its training rows; the same list for everybody.

    Attributes
    ----------
    counts_ : (n_items,) float64
    """

    def _fit(self, train: Interactions) -> None:
        self.counts_ = np.bincount(train.item, minlength=train.n_items).astype(float)

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return np.tile(self.counts_, (len(users), 1))

    def _score_history(self, X: csr_array) -> np.ndarray:
        return np.tile(self.counts_, (X.shape[0], 1))


def bias_half_step(
    residual: np.ndarray, index: np.ndarray, n: int, reg: float
) -> np.ndarray:
    """Best biases of one side with the other side fixed.

    ``b[j] = sum of residual[index == j] / (reg + count of j)``, the minimiser of
    ``sum_n (residual[n] - b[index[n]])² + reg · sum_j b[j]²``
    (chapter 03, equation eq-bias-step).

    Parameters
    ----------
    residual : (n_rows,) float64
        Rating minus everything else the model predicts.
    index : (n_rows,) int64
        Which user (or item) each row belongs to.
    n : int
        Number of users (or items).
    reg : float
        Must be positive unless every index occurs; an index without rows gets 0.

    Returns
    -------
    (n,) float64
    """
    total = np.bincount(index, weights=residual, minlength=n)
    count = np.bincount(index, minlength=n)
    return total / np.maximum(count + reg, np.finfo(float).tiny)


@overflow_to_inf
def bias_objective(
    rating: np.ndarray,
    prediction: np.ndarray,
    b_u: np.ndarray,
    b_i: np.ndarray,
    reg_u: float,
    reg_i: float,
) -> float:
    """``sum (r - r_hat)² + reg_u · |b_u|² + reg_i · |b_i|²`` (eq-bias-objective)."""
    error = np.sum((rating - prediction) ** 2)
    return float(error + reg_u * np.sum(b_u**2) + reg_i * np.sum(b_i**2))


class BiasModel(Recommender):
    """Rating = global mean + user bias + item bias.

    Rule: ``r_hat[u, i] = mu + b_u[u] + b_i[i]`` (chapter 03, eq-bias-rule).

    Objective: ``sum over ratings (r - r_hat)² + reg_u · |b_u|² + reg_i · |b_i|²``, with
    ``mu`` fixed at the mean training rating. It falls with every half step: first all
    item biases in closed form, then all user biases (:func:`bias_half_step`).

    Attributes
    ----------
    mu_ : float
    b_u_ : (n_users,) float64
    b_i_ : (n_items,) float64
        Zero for users and items without training rows.

    Notes
    -----
    Cost O(n_epochs · n_ratings). As a ranker it sorts all users' lists by ``b_i``.
    Source: Koren, Bell and Volinsky (2009), "Matrix factorization techniques for
    recommender systems", equation 3. Chapter 03.
    """

    reg_u: float = param(
        '"Ratings at the mean" that a user is given in advance.', default=5.0, low=0
    )
    reg_i: float = param("The same for an item.", default=2.0, low=0)
    n_epochs: int = param(
        "Pairs of half steps. The loss is flat along one direction (user biases up, "
        "item biases\ndown), so the last digits of the minimum take a few hundred; the "
        "predictions settle within ten.",
        default=20,
        low=1,
    )

    def _fit(self, train: Interactions) -> None:
        u, i, r = train.user, train.item, train.value
        check_squares("ratings", r)
        self.mu_ = float(r.mean())
        self.b_u_ = np.zeros(train.n_users)
        self.b_i_ = np.zeros(train.n_items)
        for _ in range(self.n_epochs):
            rest = r - self.mu_ - self.b_u_[u]
            self.b_i_ = bias_half_step(rest, i, train.n_items, self.reg_i)
            rest = r - self.mu_ - self.b_i_[i]
            self.b_u_ = bias_half_step(rest, u, train.n_users, self.reg_u)
            loss = bias_objective(
                r, self._predict(u, i), self.b_u_, self.b_i_, self.reg_u, self.reg_i
            )
            if self._end_epoch(loss):
                break

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.mu_ + self.b_u_[users] + self.b_i_[items]

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.mu_ + self.b_u_[users, None] + self.b_i_

    def _score_history(self, X: csr_array) -> np.ndarray:
        rest = X.data - self.mu_ - self.b_i_[X.indices]
        b_u = bias_half_step(rest, rows_of(X), X.shape[0], self.reg_u)
        return self.mu_ + b_u[:, None] + self.b_i_
