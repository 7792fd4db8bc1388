"""Probabilistic latent semantic analysis: a user is a mixture of topics.

``p(i | u) = sum_z p(z | u) p(i | z)``, fitted by expectation–maximization. ``A`` holds
``p(z | u)``, a row per user that sums to 1; ``B`` holds ``p(i | z)``, a column per
topic that sums to 1.

Chapter: 11 PLSA.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel
from recsys_tutor.kernels import SUMS_IN_ANY_ORDER, check_factors, pair_dots
from recsys_tutor.parameters import Seed, param

__all__ = [
    "GaussianPLSA",
    "PLSA",
    "em_step",
    "fold_in",
    "free_energy",
    "gaussian_em_step",
    "log_likelihood",
]

TINY = 1e-300


# -- the mixture of topics -------------------------------------------------------------


@njit(fastmath=SUMS_IN_ANY_ORDER)
def _expected_counts(indptr, indices, x, A, B, update_items):
    """How often each user used a topic, and each topic an item: (A's, B's shape).

    The responsibilities ``q_z = a_uz b_iz / sum_z' a_uz' b_iz'`` of an entry are used
    at once and forgotten.
    """
    of_user, of_item = np.zeros_like(A), np.zeros_like(B)
    n_topics = A.shape[1]
    for u in range(len(A)):
        a, count = A[u], of_user[u]
        for n in range(indptr[u], indptr[u + 1]):
            b = B[indices[n]]
            p = 0.0
            for z in range(n_topics):
                p += a[z] * b[z]
            weight = x[n] / max(p, TINY)
            for z in range(n_topics):
                count[z] += weight * a[z] * b[z]
            if update_items:
                topic = of_item[indices[n]]
                for z in range(n_topics):
                    topic[z] += weight * a[z] * b[z]
    return of_user, of_item


def em_step(
    X: csr_array, A: np.ndarray, B: np.ndarray, beta: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """One E-step and M-step of (tempered) expectation–maximization.

    ``q_ui(z) ∝ (a_uz b_iz)^beta``, then ``a_uz ∝ sum_i x_ui q_ui(z)`` and ``b_iz ∝
    sum_u x_ui q_ui(z)`` (chapter 11, eq-plsa-e and eq-plsa-m). :func:`free_energy`
    never rises.

    Parameters
    ----------
    X : (n_users, n_items) csr_array
        How often each user took each item; 0/1 will do.
    A : (n_users, n_topics) float64
    B : (n_items, n_topics) float64
    beta : float in (0, 1]
        Inverse temperature; less than 1 keeps the responsibilities soft.

    Returns
    -------
    A, B
        New arrays. A user without entries becomes uniform over the topics.

    Notes
    -----
    Cost O(nnz · n_topics), memory O((n_users + n_items) · n_topics) beyond ``X``:
    responsibilities are not stored.
    """
    check_factors(X, B)
    of_user, of_item = _counts(X, A, B, beta, True)
    return _rows_to_one(of_user), of_item / np.maximum(of_item.sum(axis=0), TINY)


def _counts(X, A, B, beta, update_items):
    if beta != 1.0:
        A, B = A**beta, B**beta
    x = X.data.astype(np.float64)
    return _expected_counts(X.indptr, X.indices, x, A, B, update_items)


def _rows_to_one(counts):
    total = counts.sum(axis=1, keepdims=True)
    uniform = np.full_like(counts, 1 / counts.shape[1])
    return np.divide(counts, total, out=uniform, where=total > 0)


def fold_in(
    X: csr_array, B: np.ndarray, *, beta: float = 1.0, n_epochs: int = 50
) -> np.ndarray:
    """``A`` of users never seen, the topics ``B`` held: EM steps of ``A`` alone.

    Starts from uniform rows. With ``B`` fixed the free energy is convex in ``A``, so no
    local optimum can trap it. Returns (n_rows, n_topics); a row without entries, or
    only with items of no topic, stays uniform.
    """
    check_factors(X, B)
    A = np.full((X.shape[0], B.shape[1]), 1 / B.shape[1])
    for _ in range(n_epochs):
        A = _rows_to_one(_counts(X, A, B, beta, False)[0])
    return A


def log_likelihood(X: csr_array, A: np.ndarray, B: np.ndarray) -> float:
    """``sum over entries of x_ui ln sum_z a_uz b_iz`` (chapter 11, eq-plsa-likelihood).

    ``exp(-log_likelihood / X.sum())`` is the perplexity.
    """
    return -free_energy(X, A, B)


def free_energy(X: csr_array, A, B, beta: float = 1.0) -> float:
    """``-1/beta · sum over entries of x_ui ln sum_z (a_uz b_iz)^beta``.

    What :func:`em_step` lowers; at ``beta`` 1 minus the log-likelihood (chapter
    11, eq-plsa-tempered). Cost O(nnz · n_topics).
    """
    row = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    p = pair_dots(A**beta, B**beta, row, X.indices)
    return float(-np.sum(X.data * np.log(np.maximum(p, TINY))) / beta)


class PLSA(Recommender):
    """A user as a mixture of topics, a topic as a distribution over items.

    Rule: ``s(u, i) = p(i | u) = sum_z a_uz b_iz``; objective :func:`free_energy`, which
    never rises under :func:`em_step`. Values of the ratings are ignored: 0/1.

    Attributes
    ----------
    A_ : (n_users, n_topics) float64, ``p(z | u)``
    B_ : (n_items, n_topics) float64, ``p(i | z)``

    Notes
    -----
    Cost O(n_epochs · n_ratings · n_topics). Sources: Hofmann (1999, 2004). Chapter 11.
    """

    n_topics: int = param(32, "``K``.", low=1)
    n_epochs: int = param(400, "Steps of EM.", low=1)
    beta: float = param(
        0.8,
        "Inverse temperature of the E-step (Hofmann's tempered EM); 1 is plain EM.",
        above=0,
        high=1,
    )
    random_state: Seed = param(
        0,
        "Draws the start: rows of ``A`` and columns of ``B``, uniform on the simplex.",
    )

    def _fit(self, train):
        rng = np.random.default_rng(self.random_state)
        X = train.binarize().csr
        ones = np.ones(self.n_topics)
        self.A_ = rng.dirichlet(ones, train.n_users)
        start = rng.dirichlet(np.ones(train.n_items), self.n_topics)
        self.B_ = np.ascontiguousarray(start.T)
        for _ in range(self.n_epochs):
            self.A_, self.B_ = em_step(X, self.A_, self.B_, self.beta)
            loss = free_energy(X, self.A_, self.B_, self.beta)
            if self._end_epoch(loss):
                break

    def _score_users(self, users):
        return self.A_[users] @ self.B_.T

    def _item_vectors(self):
        return self.B_

    def _score_history(self, X):
        ones = csr_array((np.ones(X.nnz), X.indices, X.indptr), shape=X.shape)
        return fold_in(ones, self.B_, beta=self.beta) @ self.B_.T


# -- the mixture for ratings -----------------------------------------------------------


@njit(fastmath=SUMS_IN_ANY_ORDER)
def _gaussian_counts(user, item, value, log_A, M, variance):
    """Expected counts per user and per item, sums of values, and the log-likelihood."""
    n_topics = M.shape[1]
    of_user, of_item = np.zeros_like(log_A), np.zeros_like(M)
    total, q = np.zeros_like(M), np.empty(n_topics)
    log_sum = 0.0
    for n in range(len(user)):
        u, i, top = user[n], item[n], -np.inf
        for z in range(n_topics):
            off = value[n] - M[i, z]
            q[z] = log_A[u, z] - 0.5 * off * off / variance
            top = max(top, q[z])
        s = 0.0
        for z in range(n_topics):
            q[z] = np.exp(q[z] - top)
            s += q[z]
        log_sum += top + np.log(s)
        for z in range(n_topics):
            share = q[z] / s
            of_user[u, z] += share
            of_item[i, z] += share
            total[i, z] += share * value[n]
    return of_user, of_item, total, log_sum


def gaussian_em_step(user, item, value, A, M, variance, *, shrink=0.0, smoothing=0.0):
    """One EM step of the mixture ``p(v | u, i) = sum_z a_uz N(v; m_iz, variance)``.

    With the responsibilities ``q_n(z) ∝ a_uz N(v_n; m_iz, variance)``::

        a_uz ∝ smoothing + sum over the user's values of q_n(z)
        m_iz = sum over the item's values of q_n(z) v_n / (shrink + sum of q_n(z))
        variance = (sum of q_n(z) (v_n - m_iz)² + shrink sum of m_iz²) / n

    (chapter 11, eq-plsa-gaussian and eq-plsa-gaussian-m). Never lowers the
    log-likelihood plus ``smoothing · sum of ln a_uz - shrink / (2 variance) · sum of
    m_iz²``.

    Parameters
    ----------
    user, item : (n,) int64
    value : (n,) float64
    A : (n_users, n_topics) float64 > 0 where a user has values
    M : (n_items, n_topics) float64
    variance : float > 0
    shrink, smoothing : float

    Returns
    -------
    A, M, variance, objective
        The first three new; the objective at the **given** values.

    Notes
    -----
    Cost O(n · n_topics).
    """
    log_A = np.log(np.maximum(A, TINY))
    of_user, of_item, total, log_sum = _gaussian_counts(
        user, item, value, log_A, M, variance
    )
    objective = log_sum - 0.5 * len(value) * np.log(2 * np.pi * variance)
    objective += smoothing * log_A.sum() - 0.5 * shrink * np.sum(M**2) / variance
    M = total / np.maximum(of_item + shrink, TINY)
    # sum q (v - m)², the square written out: each value has shares that sum to 1
    squares = value @ value - 2 * np.sum(M * total) + np.sum(M**2 * of_item)
    variance = max((squares + shrink * np.sum(M**2)) / len(value), 1e-12)
    return _rows_to_one(of_user + smoothing), M, float(variance), float(objective)


class GaussianPLSA(Recommender):
    """Ratings from a mixture: a user is of type ``z``, a type likes an item so much.

    Rule: ``r_hat[u, i] = mu + b_u + b_i + sum_z a_uz m_iz``, the first three from a
    :class:`~recsys_tutor.baselines.BiasModel`. Objective: minus the penalised
    log-likelihood of :func:`gaussian_em_step`, which never rises.

    Attributes
    ----------
    bias_ : BiasModel
    A_ : (n_users, n_topics) float64
    M_ : (n_items, n_topics) float64
    variance_ : float

    Notes
    -----
    ``history_`` has the objective before each step. Cost O(n_epochs · n_ratings ·
    n_topics). After Hofmann (2004), who standardises each user's ratings where this
    removes biases. Chapter 11.
    """

    n_topics: int = param(10, "``K``.", low=1)
    n_epochs: int = param(200, "Steps of EM.", low=1)
    shrink: float = param(
        15.0,
        "Ratings' worth of belief that a topic's deviation for an item is 0.",
        low=0,
    )
    smoothing: float = param(
        0.3, "Added to each expected count of a user's topics.", low=0
    )
    reg_u: float = param(5.0, "Of the bias model: ratings at the mean per user.", low=0)
    reg_i: float = param(2.0, "Of the bias model: ratings at the mean per item.", low=0)
    init_scale: float = param(
        0.3,
        "Standard deviation of the first ``m_iz``. Topics that start alike, ``A`` and "
        "``M`` both, stay alike; here the rows of ``A`` start at random.",
        above=0,
    )
    random_state: Seed = param(0, "Draws the start.")

    def _fit(self, train):
        rng = np.random.default_rng(self.random_state)
        self.bias_ = BiasModel(reg_u=self.reg_u, reg_i=self.reg_i).fit(train)
        u, i = train.user, train.item
        value = train.value - self.bias_._predict(u, i)
        self.A_ = rng.dirichlet(np.full(self.n_topics, 0.5), train.n_users)
        self.M_ = rng.normal(0, self.init_scale, (train.n_items, self.n_topics))
        self.variance_ = max(float(value.var()), 1e-12)
        penalty = {"shrink": self.shrink, "smoothing": self.smoothing}
        for _ in range(self.n_epochs):
            self.A_, self.M_, self.variance_, objective = gaussian_em_step(
                u, i, value, self.A_, self.M_, self.variance_, **penalty
            )
            if self._end_epoch(-objective):
                break

    def _predict(self, users, items):
        topics = pair_dots(self.A_, self.M_, users, items)
        return self.bias_._predict(users, items) + topics

    def _score_users(self, users):
        return self.bias_._score_users(users) + self.A_[users] @ self.M_.T

    def _item_vectors(self):
        return self.M_
