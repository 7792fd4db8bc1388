"""Probabilistic latent semantic analysis: a user is a mixture of topics.

``p(i | u) = sum_z p(z | u) p(i | z)``, fitted by expectation–maximization. ``theta``
(n_users, n_topics) holds ``p(z | u)``, a row per user that sums to 1; ``phi``
(n_topics, n_items) holds ``p(i | z)``, a row per topic that sums to 1: so ``p(i | u)``
is an entry of ``theta @ phi``. In memory an item's ``K`` numbers lie side by side,
``phi`` being the transpose of an array (n_items, n_topics).

Chapter: 11 PLSA.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import SUMS_IN_ANY_ORDER, ones_like, pair_dots, rows_of
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
def _expected_counts(
    indptr: np.ndarray,
    indices: np.ndarray,
    x: np.ndarray,
    theta: np.ndarray,
    phi_t: np.ndarray,
    with_items: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """How often each user used a topic, and each topic an item: two arrays.

    ``phi_t`` is ``phi.T``, and so is the second array's shape. The responsibilities
    ``q_z = theta_uz phi_zi / sum_z' theta_uz' phi_z'i`` of an entry are used at once
    and forgotten. Without ``with_items`` the second array stays 0.
    """
    of_user, of_item = np.zeros_like(theta), np.zeros_like(phi_t)
    n_topics = theta.shape[1]
    for u in range(len(theta)):
        row, count = theta[u], of_user[u]
        for n in range(indptr[u], indptr[u + 1]):
            column = phi_t[indices[n]]
            p = 0.0
            for z in range(n_topics):
                p += row[z] * column[z]
            weight = x[n] / max(p, TINY)
            for z in range(n_topics):
                count[z] += weight * row[z] * column[z]
            if with_items:
                topic = of_item[indices[n]]
                for z in range(n_topics):
                    topic[z] += weight * row[z] * column[z]
    return of_user, of_item


def em_step(
    X: csr_array, theta: np.ndarray, phi: np.ndarray, beta: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """One E-step and M-step of (tempered) expectation–maximization.

    ``q_ui(z) ∝ (theta_uz phi_zi)^beta``, then ``theta_uz ∝ sum_i x_ui q_ui(z)`` and
    ``phi_zi ∝ sum_u x_ui q_ui(z)`` (chapter 11, eq-plsa-e and eq-plsa-m).
    :func:`free_energy` never rises.

    Parameters
    ----------
    X : (n_users, n_items) csr_array
        How often each user took each item; 0/1 will do.
    theta : (n_users, n_topics) float64
    phi : (n_topics, n_items) float64
    beta : float in (0, 1]
        Inverse temperature; less than 1 keeps the responsibilities soft.

    Returns
    -------
    theta, phi
        New arrays. A user without entries becomes uniform over the topics.

    Raises
    ------
    ValueError
        ``phi`` has not one column per column of ``X``.

    Notes
    -----
    Cost O(nnz · n_topics), memory O((n_users + n_items) · n_topics) beyond ``X``:
    responsibilities are not stored.
    """
    _check_topics(X, phi)
    theta, phi_t = _tempered(theta, beta), _tempered(_by_item(phi), beta)
    of_user, of_item = _expected_counts(
        X.indptr, X.indices, X.data.astype(np.float64), theta, phi_t
    )
    total = np.maximum(of_item.sum(axis=0), TINY)
    return _rows_to_one(of_user), (of_item / total).T


def _check_topics(X: csr_array, phi: np.ndarray) -> None:
    if phi.ndim != 2 or phi.shape[1] != X.shape[1]:
        raise ValueError(
            f"phi must be (n_topics, {X.shape[1]}), one column per column of the "
            f"matrix, got {phi.shape}; an array (n_items, n_topics) is its transpose"
        )


def _by_item(phi: np.ndarray) -> np.ndarray:
    """``phi.T`` with each item's numbers side by side; no copy of what the fit made."""
    return np.ascontiguousarray(phi.T)


def _tempered(shares: np.ndarray, beta: float) -> np.ndarray:
    return shares if beta == 1 else shares**beta


def _rows_to_one(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=1, keepdims=True)
    uniform = np.full_like(counts, 1 / counts.shape[1])
    return np.divide(counts, total, out=uniform, where=total > 0)


def fold_in(
    X: csr_array, phi: np.ndarray, *, beta: float = 1.0, n_epochs: int = 50
) -> np.ndarray:
    """``theta`` of users never seen, the topics ``phi`` held: EM steps of it alone.

    Starts from uniform rows. With ``phi`` fixed the free energy is convex in ``theta``,
    so no local optimum can trap it. Returns (n_rows, n_topics); a row without entries,
    or only with items of no topic, stays uniform.
    """
    _check_topics(X, phi)
    phi_t, x = _tempered(_by_item(phi), beta), X.data.astype(np.float64)
    theta = np.full((X.shape[0], len(phi)), 1 / len(phi))
    for _ in range(n_epochs):
        count, _ = _expected_counts(
            X.indptr, X.indices, x, _tempered(theta, beta), phi_t, with_items=False
        )
        theta = _rows_to_one(count)
    return theta


def log_likelihood(X: csr_array, theta: np.ndarray, phi: np.ndarray) -> float:
    """``sum over entries of x_ui ln sum_z theta_uz phi_zi``, eq-plsa-likelihood.

    ``exp(-log_likelihood / X.sum())`` is the perplexity. Chapter 11.
    """
    return -free_energy(X, theta, phi)


def free_energy(
    X: csr_array, theta: np.ndarray, phi: np.ndarray, beta: float = 1.0
) -> float:
    """``-1/beta · sum over entries of x_ui ln sum_z (theta_uz phi_zi)^beta``.

    What :func:`em_step` lowers; at ``beta`` 1 minus the log-likelihood (chapter
    11, eq-plsa-tempered). Cost O(nnz · n_topics).
    """
    _check_topics(X, phi)
    theta, phi_t = _tempered(theta, beta), _tempered(_by_item(phi), beta)
    p = pair_dots(theta, phi_t, rows_of(X), X.indices)
    return float(-np.sum(X.data * np.log(np.maximum(p, TINY))) / beta)


class PLSA(Recommender):
    """A user as a mixture of topics, a topic as a distribution over items.

    Rule: ``s(u, i) = p(i | u) = sum_z theta_uz phi_zi``; objective
    :func:`free_energy`, which never rises under :func:`em_step`. Values of the ratings
    are ignored: 0/1.

    Attributes
    ----------
    theta_ : (n_users, n_topics) float64, ``p(z | u)``
    phi_ : (n_topics, n_items) float64, ``p(i | z)``

    Notes
    -----
    Cost O(n_epochs · n_ratings · n_topics). Sources: Hofmann (1999, 2004). Chapter 11.
    """

    n_topics: int = param("``K``.", default=32, low=1)
    n_epochs: int = param("Steps of EM.", default=400, low=1)
    beta: float = param(
        "Inverse temperature of the E-step (Hofmann's tempered EM); 1 is plain EM.",
        default=0.8,
        above=0,
        high=1,
    )
    random_state: Seed = param(
        "Draws the start: rows of ``theta`` and of ``phi``, uniform on the simplex.",
        default=0,
    )

    def _fit(self, train: Interactions) -> None:
        rng = np.random.default_rng(self.random_state)
        X = train.binarize().csr
        self.theta_ = rng.dirichlet(np.ones(self.n_topics), train.n_users)
        self.phi_ = rng.dirichlet(np.ones(train.n_items), self.n_topics)
        for _ in range(self.n_epochs):
            self.theta_, self.phi_ = em_step(X, self.theta_, self.phi_, self.beta)
            loss = free_energy(X, self.theta_, self.phi_, self.beta)
            if self._end_epoch(loss):
                break

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.theta_[users] @ self.phi_

    def _item_vectors(self) -> np.ndarray:
        return self.phi_.T

    def _score_history(self, X: csr_array) -> np.ndarray:
        return fold_in(ones_like(X), self.phi_, beta=self.beta) @ self.phi_


# -- the mixture for ratings -----------------------------------------------------------


@njit(fastmath=SUMS_IN_ANY_ORDER)
def _gaussian_counts(
    user: np.ndarray,
    item: np.ndarray,
    value: np.ndarray,
    log_theta: np.ndarray,
    M: np.ndarray,
    variance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Expected counts per user and per item, sums of values, and the log-likelihood."""
    n_topics = M.shape[1]
    of_user, of_item = np.zeros_like(log_theta), np.zeros_like(M)
    total, q = np.zeros_like(M), np.empty(n_topics)
    log_sum = 0.0
    for n in range(len(user)):
        u, i, top = user[n], item[n], -np.inf
        for z in range(n_topics):
            off = value[n] - M[i, z]
            q[z] = log_theta[u, z] - 0.5 * off * off / variance
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


def gaussian_em_step(
    user: np.ndarray, item: np.ndarray, value: np.ndarray, theta: np.ndarray,
    M: np.ndarray, variance: float, *, shrink: float = 0.0, smoothing: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, float, float]:  # fmt: skip
    """One EM step of the mixture ``p(v | u, i) = sum_z theta_uz N(v; m_iz, variance)``.

    With the responsibilities ``q_n(z) ∝ theta_uz N(v_n; m_iz, variance)``::

        theta_uz ∝ smoothing + sum over the user's values of q_n(z)
        m_iz = sum over the item's values of q_n(z) v_n / (shrink + sum of q_n(z))
        variance = (sum of q_n(z) (v_n - m_iz)² + shrink sum of m_iz²) / n

    (chapter 11, eq-plsa-gaussian and eq-plsa-gaussian-m). Never lowers the
    log-likelihood plus ``smoothing · sum of ln theta_uz - shrink / (2 variance) · sum
    of m_iz²``.

    Parameters
    ----------
    user, item : (n,) int64
    value : (n,) float64
    theta : (n_users, n_topics) float64 > 0 where a user has values
    M : (n_items, n_topics) float64
    variance : float > 0
    shrink, smoothing : float

    Returns
    -------
    theta, M, variance, objective
        The first three new; the objective at the **given** values.

    Notes
    -----
    Cost O(n · n_topics).
    """
    log_theta = np.log(np.maximum(theta, TINY))
    of_user, of_item, total, log_sum = _gaussian_counts(
        user, item, value, log_theta, M, variance
    )
    objective = log_sum - 0.5 * len(value) * np.log(2 * np.pi * variance)
    objective += smoothing * log_theta.sum() - 0.5 * shrink * np.sum(M**2) / variance
    M = total / np.maximum(of_item + shrink, TINY)
    # sum q (v - m)², the square written out: each value has shares that sum to 1
    squares = value @ value - 2 * np.sum(M * total) + np.sum(M**2 * of_item)
    variance = max((squares + shrink * np.sum(M**2)) / len(value), 1e-12)
    return _rows_to_one(of_user + smoothing), M, float(variance), float(objective)


class GaussianPLSA(Recommender):
    """Ratings from a mixture: a user is of type ``z``, a type likes an item so much.

    Rule: ``r_hat[u, i] = mu + b_u + b_i + sum_z theta_uz m_iz``, the first three from a
    :class:`~recsys_tutor.baselines.BiasModel`. Objective: minus the penalised
    log-likelihood of :func:`gaussian_em_step`, which never rises.

    Attributes
    ----------
    bias_ : BiasModel
    theta_ : (n_users, n_topics) float64
    M_ : (n_items, n_topics) float64
    variance_ : float

    Notes
    -----
    ``history_`` has the objective before each step. Cost O(n_epochs · n_ratings ·
    n_topics). After Hofmann (2004), who standardises each user's ratings where this
    removes biases. Chapter 11.
    """

    n_topics: int = param("``K``.", default=10, low=1)
    n_epochs: int = param("Steps of EM.", default=200, low=1)
    shrink: float = param(
        "Ratings' worth of belief that a topic's deviation for an item is 0.",
        default=15.0,
        low=0,
    )
    smoothing: float = param(
        "Added to each expected count of a user's topics.", default=0.3, low=0
    )
    reg_u: float = param(
        "Of the bias model: ratings at the mean per user.", default=5.0, low=0
    )
    reg_i: float = param(
        "Of the bias model: ratings at the mean per item.", default=2.0, low=0
    )
    init_scale: float = param(
        "Standard deviation of the first ``m_iz``. Topics that start alike, ``theta`` "
        "and ``M`` both, stay alike; here the rows of ``theta`` start at random.",
        default=0.3,
        above=0,
    )
    random_state: Seed = param("Draws the start.", default=0)

    def _fit(self, train: Interactions) -> None:
        rng = np.random.default_rng(self.random_state)
        self.bias_ = BiasModel(reg_u=self.reg_u, reg_i=self.reg_i).fit(train)
        u, i = train.user, train.item
        value = train.value - self.bias_._predict(u, i)
        self.theta_ = rng.dirichlet(np.full(self.n_topics, 0.5), train.n_users)
        self.M_ = rng.normal(0, self.init_scale, (train.n_items, self.n_topics))
        self.variance_ = max(float(value.var()), 1e-12)
        penalty = {"shrink": self.shrink, "smoothing": self.smoothing}
        for _ in range(self.n_epochs):
            self.theta_, self.M_, self.variance_, objective = gaussian_em_step(
                u, i, value, self.theta_, self.M_, self.variance_, **penalty
            )
            if self._end_epoch(-objective):
                break

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        topics = pair_dots(self.theta_, self.M_, users, items)
        return self.bias_._predict(users, items) + topics

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.bias_._score_users(users) + self.theta_[users] @ self.M_.T

    def _item_vectors(self) -> np.ndarray:
        return self.M_
