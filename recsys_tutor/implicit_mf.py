"""Matrix factorization for ranking: implicit ALS and BPR.

Both learn from the 0/1 matrix ``X`` of who has what, and differ in what a missing cell
says: "probably not" with a small weight for all of them (ALS), or "less than what was
taken" for sampled ones (BPR).

Chapter: 09 Implicit feedback.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_factors
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import (
    SUMS_IN_ANY_ORDER,
    one_blas_thread,
    ones_like,
    overflow_to_inf,
    pair_dots,
    parallel_if_long,
    rows_of,
    solve_ridges,
)
from recsys_tutor.parameters import Seed, param
from recsys_tutor.sampling import sample_negatives

__all__ = [
    "BPR",
    "ImplicitALS",
    "bpr_epoch",
    "bpr_objective",
    "implicit_als_objective",
    "weighted_als_half_step",
]


# -- weighted least squares over all cells --------------------------------------------


def weighted_als_half_step(
    X: csr_array,
    Q: np.ndarray,
    unobserved: float,
    reg: float,
    reg_exponent: float = 1.0,
) -> np.ndarray:
    """The best user factors for fixed item factors, all cells counted.

    ``p_u = (Q_u.T C_u Q_u + unobserved · Q.T Q + reg_u · I)⁻¹ Q_u.T C_u 1`` with the
    confidences ``C_u = diag(x_u)`` of the stored entries, and
    ``reg_u = reg · (|I_u| + unobserved · n_items)^reg_exponent``. The Gram matrix
    ``Q.T Q`` stands in for the sum over all items and is computed once (chapter 09,
    eq-ials-step with eq-ials-reg).

    Parameters
    ----------
    X : (n_users, n_items) csr_array
        Stored entries: confidence on top of ``unobserved``; 1 each for plain 0/1 data.
    Q : (n_items, f) float64
    unobserved : float > 0
        Weight of every cell's pull to 0.
    reg : float
    reg_exponent : float
        1: each vector pays ``reg`` per weight it takes part in; 0: all pay the same.

    Returns
    -------
    P : (n_users, f) float64
        Zero for a user without entries.

    Raises
    ------
    ValueError
        ``Q`` has not one row per column of ``X``.

    Notes
    -----
    Cost O(nnz · f² + n_users · f³ + n_items · f²).
    """
    check_factors(X, Q)
    weight = np.diff(X.indptr) + unobserved * X.shape[1]
    reg_u = reg * weight**reg_exponent
    ones = np.ones(X.nnz)
    with one_blas_thread():
        gram = unobserved * (Q.T @ Q)
    return solve_ridges(X.indptr, X.indices, X.data, ones, Q, gram, reg_u)


@overflow_to_inf
def implicit_als_objective(
    X: csr_array,
    P: np.ndarray,
    Q: np.ndarray,
    unobserved: float,
    reg: float,
    reg_exponent: float = 1.0,
) -> float:
    """What every :func:`weighted_als_half_step` lowers, with ``s_ui = p_u · q_i``.

    ``sum over entries x_ui (1 - s_ui)² + unobserved · sum over all cells s_ui²
    + reg · sum_u (|I_u| + unobserved · n_items)^e |p_u|²
    + reg · sum_i (|U_i| + unobserved · n_users)^e |q_i|²``, ``e = reg_exponent``
    (chapter 09, eq-ials-objective). Cost O(nnz · f + f² · (n_users + n_items)).
    """
    s = pair_dots(P, Q, rows_of(X), X.indices)
    loss = np.sum(X.data * (1 - s) ** 2)
    loss += unobserved * np.sum((P.T @ P) * (Q.T @ Q))
    n_u = np.diff(X.indptr) + unobserved * X.shape[1]
    n_i = np.bincount(X.indices, minlength=X.shape[1]) + unobserved * X.shape[0]
    size = n_u**reg_exponent @ np.sum(P**2, axis=1)
    size += n_i**reg_exponent @ np.sum(Q**2, axis=1)
    loss += reg * size
    return float(loss)


class ImplicitALS(Recommender):
    """Factors of the 0/1 matrix by least squares over **all** its cells.

    Rule: ``s(u, i) = p_u · q_i``; objective :func:`implicit_als_objective`, which falls
    with every :func:`weighted_als_half_step`. A missing cell weighs ``unobserved``, an
    entry ``1 + unobserved``: the confidences 1 and ``1 + alpha`` of Hu, Koren and
    Volinsky (2008) with ``alpha = 1 / unobserved``, times ``unobserved``. Their target
    of an entry is 1, here ``1 / (1 + unobserved)``: with ``1 + alpha`` times the
    penalty, their factors are these times ``sqrt(1 + unobserved)``, and the order of
    items is the same.

    Attributes
    ----------
    P_, Q_ : (n_users, n_factors), (n_items, n_factors) float64

    Notes
    -----
    Cost O(n_epochs · (n_ratings f² + (n_users + n_items) f³)). Sources: Hu, Koren and
    Volinsky (2008); Rendle, Krichene, Zhang and Koren (2022). Chapter 09.
    """

    n_factors: int = param("Length of the vectors.", default=64, low=1)
    n_epochs: int = param("Pairs of half steps.", default=10, low=1)
    unobserved: float = param(
        "Weight ``w_0`` of a pair that was not observed.", default=0.3, above=0
    )
    reg: float = param(
        "Penalty of a factor vector, times the weight it takes part in to the power "
        "``reg_exponent``.",
        default=0.018,
        above=0,
    )
    reg_exponent: float = param(
        "1: ``reg`` counts weights (Rendle's form); 0: one penalty for all vectors "
        "(Hu's).",
        default=1.0,
        low=0,
        high=1,
    )
    init_scale: float = param(
        "Standard deviation of the initial item factors, divided by "
        "``sqrt(n_factors)``.",
        default=0.1,
        above=0,
    )
    random_state: Seed = param("Draws the initial item factors.", default=0)

    def _fit(self, train: Interactions) -> None:
        rng = np.random.default_rng(self.random_state)
        X = train.binarize().csr
        Xt = X.T.tocsr()
        size = self.init_scale / np.sqrt(self.n_factors)
        self.Q_ = rng.normal(0, size, (train.n_items, self.n_factors))
        weights = self.unobserved, self.reg, self.reg_exponent
        for _ in range(self.n_epochs):
            self.P_ = weighted_als_half_step(X, self.Q_, *weights)
            self.Q_ = weighted_als_half_step(Xt, self.P_, *weights)
            if self._end_epoch(implicit_als_objective(X, self.P_, self.Q_, *weights)):
                break

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.P_[users] @ self.Q_.T

    def _item_vectors(self) -> np.ndarray:
        return self.Q_

    def _score_history(self, X: csr_array) -> np.ndarray:
        P = weighted_als_half_step(
            ones_like(X), self.Q_, self.unobserved, self.reg, self.reg_exponent
        )
        return P @ self.Q_.T


# -- Bayesian personalised ranking -----------------------------------------------------


@njit(fastmath=SUMS_IN_ANY_ORDER)
def bpr_epoch(
    user: np.ndarray, positive: np.ndarray, negative: np.ndarray, b: np.ndarray,
    P: np.ndarray, Q: np.ndarray, learning_rate: float, reg: float,
) -> int:  # fmt: skip
    """One pass of BPR over triples; changes ``b, P, Q`` in place.

    With ``x = s(u, i) - s(u, j)`` and ``g = 1 - sigma(x)``, the steps
    ``p_u += lr (g (q_i - q_j) - reg p_u)``, ``q_i += lr (g p_u - reg q_i)``,
    ``q_j += lr (-g p_u - reg q_j)`` and the same for the item biases are gradient steps
    on ``-ln sigma(x) + ½ reg (|p_u|² + |q_i|² + |q_j|² + b_i² + b_j²)`` (chapter 09,
    eq-bpr-step).

    Parameters
    ----------
    user, positive, negative : (n,) int64
    b, P, Q : (n_items,), (n_users, f), (n_items, f) float64

    Returns
    -------
    int
        Triples with ``x > 0`` before their step; their share estimates the AUC.

    Notes
    -----
    Cost O(len(user) · f).
    """
    in_order = 0
    for n in range(len(user)):
        u, i, j = user[n], positive[n], negative[n]
        p, q_i, q_j = P[u], Q[i], Q[j]
        x = b[i] - b[j]
        for f in range(len(p)):
            x += p[f] * (q_i[f] - q_j[f])
        in_order += x > 0
        g = 1.0 / (1.0 + np.exp(x))
        b[i] += learning_rate * (g - reg * b[i])
        b[j] += learning_rate * (-g - reg * b[j])
        for f in range(len(p)):
            p_old, i_old, j_old = p[f], q_i[f], q_j[f]
            p[f] = p_old + learning_rate * (g * (i_old - j_old) - reg * p_old)
            q_i[f] = i_old + learning_rate * (g * p_old - reg * i_old)
            q_j[f] = j_old + learning_rate * (-g * p_old - reg * j_old)
    return in_order


@parallel_if_long
def _triple_losses(
    b: np.ndarray,
    P: np.ndarray,
    Q: np.ndarray,
    user: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
) -> np.ndarray:
    """``-ln sigma(x)`` of each triple, written so that it cannot overflow."""
    out = np.empty(len(user))
    for n in prange(len(user)):
        i, j = positive[n], negative[n]
        p, q_i, q_j = P[user[n]], Q[i], Q[j]
        x = b[i] - b[j]
        for f in range(len(p)):
            x += p[f] * (q_i[f] - q_j[f])
        out[n] = np.log1p(np.exp(-abs(x))) + max(-x, 0.0)
    return out


@overflow_to_inf
def bpr_objective(
    user: np.ndarray,
    positive: np.ndarray,
    negative: np.ndarray,
    b: np.ndarray,
    P: np.ndarray,
    Q: np.ndarray,
    reg: float,
) -> float:
    """Sum over triples of the loss in :func:`bpr_epoch`, penalties included.

    Chapter 09, eq-bpr-objective.
    """
    losses = _triple_losses(b, P, Q, user, positive, negative)
    size_i = b**2 + np.einsum("if,if->i", Q, Q)
    size = np.bincount(user, minlength=len(P)) @ np.einsum("uf,uf->u", P, P)
    size += np.bincount(np.append(positive, negative), minlength=len(Q)) @ size_i
    return float(np.sum(losses) + 0.5 * reg * size)


class BPR(Recommender):
    """Factors trained so that an item a user has scores above one they lack.

    Rule: ``s(u, i) = b_i + p_u · q_i``. Objective: :func:`bpr_objective` over triples
    (user, item they have, item they lack), the last drawn anew each epoch by
    :func:`~recsys_tutor.sampling.sample_negatives`; ``history_`` records it on the
    epoch's own triples, after the epoch.

    Attributes
    ----------
    b_ : (n_items,)
    P_, Q_ : (n_users, n_factors), (n_items, n_factors) float64

    Notes
    -----
    Cost O(n_epochs · n_ratings · n_factors). Source: Rendle et al. (2009). Chapter 09.
    """

    n_factors: int = param("Length of the vectors.", default=128, low=1)
    n_epochs: int = param("Passes over the observed pairs.", default=250, low=1)
    learning_rate: float = param("Of a step.", default=0.01, above=0)
    reg: float = param(
        "Penalty of the squares, paid at each step.", default=0.03, low=0
    )
    popular_negatives: float = param(
        "Negatives are drawn in proportion to ``count^popular_negatives``; 0 draws all "
        "items alike.",
        default=0.0,
        low=0,
    )
    init_scale: float = param(
        "Standard deviation of the initial factors.", default=0.1, above=0
    )
    random_state: Seed = param(
        "Draws the initial factors, orders and negatives.", default=0
    )

    def _fit(self, train: Interactions) -> None:
        rng = np.random.default_rng(self.random_state)
        X = train.binarize().csr
        size = self.init_scale
        self.b_ = np.zeros(train.n_items)
        self.P_ = rng.normal(0, size, (train.n_users, self.n_factors))
        self.Q_ = rng.normal(0, size, (train.n_items, self.n_factors))
        weights = None
        if self.popular_negatives:
            count = np.bincount(train.item, minlength=train.n_items)
            weights = np.maximum(count, 1.0) ** self.popular_negatives
        lacks = np.diff(X.indptr)[train.user] < train.n_items
        for _ in range(self.n_epochs):
            order = rng.permutation(np.flatnonzero(lacks))
            user, positive = train.user[order], train.item[order]
            triples = user, positive, sample_negatives(rng, user, X, weights=weights)
            factors = self.b_, self.P_, self.Q_
            bpr_epoch(*triples, *factors, self.learning_rate, self.reg)
            if self._end_epoch(bpr_objective(*triples, *factors, self.reg)):
                break

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.b_ + self.P_[users] @ self.Q_.T

    def _item_vectors(self) -> np.ndarray:
        return self.Q_
