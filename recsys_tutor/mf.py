"""Matrix factorization for ratings: SVD, stochastic gradient descent, least squares.

A rating is predicted by ``mu + b_u + b_i + p_u · q_i``: row ``u`` of ``P`` (n_users, f)
and row ``i`` of ``Q`` (n_items, f), so that ``R`` is approximated by ``P @ Q.T``.

Chapters: 07 Matrix factorization (the mathematics), 08 (the practice).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numba import njit
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel
from recsys_tutor.checks import check_factors, check_squares
from recsys_tutor.data import Interactions
from recsys_tutor.kernels import (
    SUMS_IN_ANY_ORDER,
    group_mean,
    overflow_to_inf,
    pair_dots,
    rows_of,
    solve_ridges,
    unit_scale,
)
from recsys_tutor.parameters import Seed, param

__all__ = [
    "BiasedMF",
    "ExplicitALS",
    "FunkSVD",
    "SVDpp",
    "TruncatedSVD",
    "als_half_step",
    "als_objective",
    "sgd_epoch",
    "sgd_objective",
    "svdpp_epoch",
    "svdpp_objective",
    "svdpp_user_factors",
]


# -- singular value decomposition -----------------------------------------------------


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
    Cost: a Lanczos step (ARPACK) takes O(n_ratings), and O((n_users + n_items) ·
    n_factors) to stay orthogonal to the earlier ones; a few times n_factors steps are
    needed. Memory O((n_users + n_items) · n_factors). With ``fill="zero"`` a fair
    ranker, called PureSVD by Cremonesi, Koren and Turrin (2010), and a useless
    predictor of ratings.
    """

    n_factors: int = param(
        "Less than the number of users and of items.", default=12, low=1
    )
    fill: Literal["zero", "mean"] = param(
        "What a hole is taken for: 0, or the item's mean rating (the global mean for "
        "an item without ratings).",
        default="zero",
    )

    def _fit(self, train: Interactions) -> None:
        if self.n_factors >= min(train.shape):
            raise ValueError(
                "n_factors must be less than the number of users and of items, "
                f"{train.n_users} and {train.n_items}: at most "
                f"{min(train.shape) - 1}, got {self.n_factors}"
            )
        check_squares("ratings", train.value, most=1e300)
        self.fill_ = np.zeros(train.n_items)
        if self.fill == "mean":
            mean = train.value.mean()
            self.fill_ = group_mean(train.value, train.item, train.n_items, empty=mean)
        values = train.value - self.fill_[train.item]
        R = csr_array((values, (train.user, train.item)), shape=train.shape)
        U, self.singular_values_, Vt = _largest_singular(R, self.n_factors)
        self.P_, self.Q_ = U * self.singular_values_, Vt.T

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return self.fill_[items] + pair_dots(self.P_, self.Q_, users, items)

    def _kept(self) -> Sequence:
        return self.fill_, self.P_, self.Q_

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.fill_ + self.P_[users] @ self.Q_.T

    def _score_history(self, X: csr_array) -> np.ndarray:
        residual = X.data - self.fill_[X.indices]
        E = csr_array((residual, X.indices, X.indptr), shape=X.shape)
        return self.fill_ + (E @ self.Q_) @ self.Q_.T

    def _item_vectors(self) -> np.ndarray:
        return self.Q_

    def _explain(self, user: int, item: int) -> tuple[np.ndarray, np.ndarray, float]:
        row = self.train_.csr[[user]]  # p_u is the sum of (r - fill) q over the items
        parts = (row.data - self.fill_[row.indices]) * (
            self.Q_[row.indices] @ self.Q_[item]
        )
        return row.indices, parts, self.fill_[item]


def _largest_singular(
    R: csr_array, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``k`` largest singular values, falling, and their vectors: U, s, V.T."""
    n, m = R.shape
    scale = unit_scale(R.data)
    if not R.data.any():  # Lanczos cannot start: any orthogonal vectors will do
        return np.eye(n, k), np.zeros(k), np.eye(k, m)
    start = np.random.default_rng(0).normal(size=min(n, m))
    U, s, Vt = svds(R / scale, k=k, v0=start)
    order = np.argsort(-s, kind="stable")
    return U[:, order], s[order] * scale, Vt[order]


# -- stochastic gradient descent ----------------------------------------------------


@njit(fastmath=SUMS_IN_ANY_ORDER)
def sgd_epoch(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, order: np.ndarray,
    mu: float, b_u: np.ndarray, b_i: np.ndarray, P: np.ndarray, Q: np.ndarray,
    learning_rate: float, reg: float, biased: bool = True,
) -> float:  # fmt: skip
    """One pass of stochastic gradient descent; changes ``b_u, b_i, P, Q`` in place.

    For each rating of ``order``, with ``e = r - mu - b_u - b_i - p_u · q_i``::

        b_u += learning_rate * (e - reg * b_u)         b_i likewise
        p_u += learning_rate * (e * q_i - reg * p_u)   q_i likewise, from the old p_u

    the gradient step on ``½ (e² + reg (b_u² + b_i² + |p_u|² + |q_i|²))``, the share of
    one rating in :func:`sgd_objective` (chapter 07, eq-mf-sgd).

    Parameters
    ----------
    user, item : (n,) int64
    rating : (n,) float64
    order : (m,) int64
        Which ratings, in which order.
    mu : float
    b_u, b_i, P, Q : (n_users,), (n_items,), (n_users, f), (n_items, f) float64
    learning_rate, reg : float
    biased : bool
        False leaves ``b_u`` and ``b_i`` as they are.

    Returns
    -------
    float
        Sum of ``e²``, each taken before its step.

    Notes
    -----
    Cost O(len(order) · f).
    """
    total = 0.0
    for n in order:
        u, i = user[n], item[n]
        p, q = P[u], Q[i]
        dot = 0.0
        for f in range(len(p)):
            dot += p[f] * q[f]
        e = rating[n] - mu - b_u[u] - b_i[i] - dot
        total += e * e
        if biased:
            b_u[u] += learning_rate * (e - reg * b_u[u])
            b_i[i] += learning_rate * (e - reg * b_i[i])
        for f in range(len(p)):
            p_old, q_old = p[f], q[f]
            p[f] = p_old + learning_rate * (e * q_old - reg * p_old)
            q[f] = q_old + learning_rate * (e * p_old - reg * q_old)
    return total


@overflow_to_inf
def sgd_objective(
    user: np.ndarray, item: np.ndarray, rating: np.ndarray, mu: float, b_u: np.ndarray,
    b_i: np.ndarray, P: np.ndarray, Q: np.ndarray, reg: float,
) -> float:  # fmt: skip
    """``½ sum over ratings of e² + reg (b_u² + b_i² + |p_u|² + |q_i|²)``.

    The penalty is paid once per **rating**, so a user with many ratings is held by
    ``reg`` times as many (chapter 07, eq-mf-sgd-objective).
    """
    e = rating - mu - b_u[user] - b_i[item] - pair_dots(P, Q, user, item)
    size = _size_per_rating(user, item, b_u, b_i, P, Q)
    return float(0.5 * np.sum(e**2) + 0.5 * reg * size)  # e @ e would start threads


def _size_per_rating(
    user: np.ndarray,
    item: np.ndarray,
    b_u: np.ndarray,
    b_i: np.ndarray,
    P: np.ndarray,
    Q: np.ndarray,
) -> np.ndarray:
    """``sum over ratings of b_u² + b_i² + |p_u|² + |q_i|²``."""
    size_u = b_u**2 + np.einsum("uf,uf->u", P, P)
    size_i = b_i**2 + np.einsum("if,if->i", Q, Q)
    size = np.bincount(user, minlength=len(P)) @ size_u
    return size + np.bincount(item, minlength=len(Q)) @ size_i


class BiasedMF(Recommender):
    """Biases and factors by stochastic gradient descent.

    Rule: ``r_hat[u, i] = mu + b_u + b_i + p_u · q_i``; objective
    :func:`sgd_objective`; update :func:`sgd_epoch` over the ratings in a new random
    order each epoch. ``mu`` is the mean training rating.

    Attributes
    ----------
    mu_, b_u_, b_i_ : float, (n_users,), (n_items,)
    P_, Q_ : (n_users, n_factors), (n_items, n_factors) float64

    Notes
    -----
    Cost O(n_epochs · n_ratings · n_factors). A user or item without ratings keeps its
    initial factors and bias 0. Source: Koren, Bell and Volinsky (2009), equation 5.
    Chapters 07 and 08.
    """

    _biased = True

    n_factors: int = param("Length of the vectors.", default=100, low=1)
    n_epochs: int = param("Passes over the ratings.", default=60, low=1)
    learning_rate: float = param("Of a step.", default=0.007, above=0)
    reg: float = param(
        "Penalty of the squares, paid once per rating.", default=0.1, low=0
    )
    init_scale: float = param(
        "Standard deviation of the initial factors; biases start at 0.",
        default=0.03,
        above=0,
    )
    random_state: Seed = param("Draws the initial factors and the orders.", default=0)

    def _fit(self, train: Interactions) -> None:
        check_squares("ratings", train.value)
        rng = np.random.default_rng(self.random_state)
        self._draw_factors(train, rng)
        self._run_epochs(train, rng)

    def _draw_factors(self, train: Interactions, rng: np.random.Generator) -> None:
        size = self.init_scale
        self.mu_ = float(train.value.mean()) if self._biased else 0.0
        self.b_u_, self.b_i_ = np.zeros(train.n_users), np.zeros(train.n_items)
        self.P_ = rng.normal(0, size, (train.n_users, self.n_factors))
        self.Q_ = rng.normal(0, size, (train.n_items, self.n_factors))

    def _run_epochs(self, train: Interactions, rng: np.random.Generator) -> None:
        ratings = train.user, train.item, train.value
        parameters = self.mu_, self.b_u_, self.b_i_, self.P_, self.Q_
        known = (*ratings, *parameters)
        for _ in range(self.n_epochs):
            order = rng.permutation(len(train))
            sgd_epoch(
                *ratings,
                order,
                *parameters,
                learning_rate=self.learning_rate,
                reg=self.reg,
                biased=self._biased,
            )
            if self._end_epoch(sgd_objective(*known, self.reg)):
                break

    def _user_vectors(self) -> np.ndarray:
        """(n_users, n_factors): what meets the item factors in a prediction."""
        return self.P_

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        factors = pair_dots(self._user_vectors(), self.Q_, users, items)
        return self.mu_ + self.b_u_[users] + self.b_i_[items] + factors

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        bias = self.mu_ + self.b_u_[users, None] + self.b_i_
        return bias + self._user_vectors()[users] @ self.Q_.T

    def _item_vectors(self) -> np.ndarray:
        return self.Q_


class FunkSVD(BiasedMF):
    """Factors only: ``r_hat[u, i] = p_u · q_i``, no mean, no biases.

    The plain factorization of chapter 07, called after Funk (2006), whose own program
    trained one factor after the other. Objective and update are those of
    :class:`BiasedMF` with ``mu = b_u = b_i = 0`` throughout. Start small: the first
    epochs find the product that reaches the mean, and a large start is noise that
    stays (chapter 08).
    """

    _biased = False

    n_factors: int = 20
    init_scale: float = 0.05


# -- SVD++ --------------------------------------------------------------------------


@njit(fastmath=SUMS_IN_ANY_ORDER)
def svdpp_epoch(
    users: np.ndarray, indptr: np.ndarray, item: np.ndarray, rating: np.ndarray,
    mu: float, b_u: np.ndarray, b_i: np.ndarray, P: np.ndarray, Q: np.ndarray,
    Y: np.ndarray, learning_rate: float, reg: float, reg_y: float,
) -> float:  # fmt: skip
    """One pass of SVD++, user by user; changes ``b_u, b_i, P, Q, Y`` in place.

    With ``z_u = p_u + |I_u|^-½ sum over I_u of y_j`` the rule is
    ``r_hat = mu + b_u + b_i + z_u · q_i``. Biases, ``p_u`` and ``q_i`` take a step per
    rating as in :func:`sgd_epoch`, with ``z_u`` for ``p_u`` in the step of ``q_i``. The
    ``y_j`` are held while a user's ratings are visited; then each takes the sum of its
    steps at once::

        y_j += learning_rate * (|I_u|^-½ sum of e q_i - |I_u| reg_y y_j)

    so an epoch costs O(n_ratings · f), not ``O(sum of |I_u|² · f)`` (chapter 08,
    eq-mf-svdpp and eq-svdpp-visit).

    Parameters
    ----------
    users : (n,) int64
        Users in the order of their visits.
    indptr, item, rating : the csr arrays of the ratings
        Entries of a row in the order of their visits.
    mu, b_u, b_i, P, Q : as in :func:`sgd_epoch`
    Y : (n_items, f) float64
    learning_rate, reg, reg_y : float

    Returns
    -------
    float
        Sum of ``e²``, each taken before its step.
    """
    n_factors = P.shape[1]
    implicit, gradient = np.empty(n_factors), np.empty(n_factors)
    total = 0.0
    for u in users:
        start, end = indptr[u], indptr[u + 1]
        if start == end:
            continue
        scale = 1.0 / np.sqrt(end - start)
        implicit[:], gradient[:] = 0.0, 0.0
        for n in range(start, end):
            y = Y[item[n]]
            for f in range(n_factors):
                implicit[f] += scale * y[f]
        p = P[u]
        for n in range(start, end):
            i = item[n]
            q = Q[i]
            dot = 0.0
            for f in range(n_factors):
                dot += (p[f] + implicit[f]) * q[f]
            e = rating[n] - mu - b_u[u] - b_i[i] - dot
            total += e * e
            b_u[u] += learning_rate * (e - reg * b_u[u])
            b_i[i] += learning_rate * (e - reg * b_i[i])
            for f in range(n_factors):
                p_old, q_old, z = p[f], q[f], p[f] + implicit[f]
                gradient[f] += e * q_old
                p[f] = p_old + learning_rate * (e * q_old - reg * p_old)
                q[f] = q_old + learning_rate * (e * z - reg * q_old)
        shrink = 1.0 - learning_rate * reg_y * (end - start)
        for n in range(start, end):
            y = Y[item[n]]
            for f in range(n_factors):
                y[f] = shrink * y[f] + learning_rate * scale * gradient[f]
    return total


@overflow_to_inf
def svdpp_user_factors(X: csr_array, P: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """``z_u = p_u + |I_u|^-½ sum over I_u of y_j``, (n_users, f)."""
    count = np.diff(X.indptr)
    scale = 1 / np.sqrt(np.maximum(count, 1))
    mask = csr_array((np.repeat(scale, count), X.indices, X.indptr), shape=X.shape)
    return P + mask @ Y


@overflow_to_inf
def svdpp_objective(
    R: csr_array, mu: float, b_u: np.ndarray, b_i: np.ndarray, P: np.ndarray,
    Q: np.ndarray, Y: np.ndarray, reg: float, reg_y: float,
) -> float:  # fmt: skip
    """What :func:`svdpp_epoch` lowers: a sum over the ratings of ``R``.

    ``½ sum over ratings of e² + reg (b_u² + b_i² + |p_u|² + |q_i|²) + reg_y sum over
    I_u of |y_j|²`` with ``e = r - mu - b_u - b_i - z_u · q_i`` (chapter 08,
    eq-svdpp-objective). Cost O(n_ratings · f).

    Parameters
    ----------
    R : (n_users, n_items) csr_array
        Ratings; the stored entries of a row are ``I_u``.
    mu, b_u, b_i, P, Q, Y, reg, reg_y : as in :func:`svdpp_epoch`
    """
    user, item = rows_of(R), R.indices
    z_q = pair_dots(svdpp_user_factors(R, P, Y), Q, user, item)
    e = R.data - mu - b_u[user] - b_i[item] - z_q
    size = _size_per_rating(user, item, b_u, b_i, P, Q)
    count = np.diff(R.indptr)  # y_j is paid once per rating of a user who has j
    size_y = count[user] @ np.einsum("if,if->i", Y, Y)[item]
    return float(0.5 * np.sum(e**2) + 0.5 * (reg * size + reg_y * size_y))


class SVDpp(BiasedMF):
    """Factors plus what the **set** of rated items says about a user.

    Rule: ``r_hat[u, i] = mu + b_u + b_i + (p_u + |I_u|^-½ sum over I_u of y_j) · q_i``.
    ``I_u`` are the items of the *training* ratings, nothing else: a test item never
    enters it. Objective :func:`svdpp_objective`, update :func:`svdpp_epoch`.

    Attributes
    ----------
    Y_ : (n_items, n_factors) float64
    Z_ : (n_users, n_factors) float64
        The user factors ``z_u`` used in predictions.

    Notes
    -----
    Cost O(n_epochs · n_ratings · n_factors). Source: Koren (2008), equation 15.
    Chapter 08, eq-svdpp-objective.
    """

    n_epochs: int = 70
    learning_rate: float = 0.005
    reg_y: float = param("Penalty of the ``y_j``.", default=0.01, low=0)

    def _draw_factors(self, train: Interactions, rng: np.random.Generator) -> None:
        super()._draw_factors(train, rng)
        self.Y_ = np.zeros_like(self.Q_)

    def _run_epochs(self, train: Interactions, rng: np.random.Generator) -> None:
        R = train.csr
        row = rows_of(R)
        parameters = self.mu_, self.b_u_, self.b_i_, self.P_, self.Q_, self.Y_
        for _ in range(self.n_epochs):
            order = np.lexsort((rng.random(R.nnz), row))  # shuffled within users
            users = rng.permutation(train.n_users)
            svdpp_epoch(
                users,
                R.indptr,
                R.indices[order],
                R.data[order],
                *parameters,
                learning_rate=self.learning_rate,
                reg=self.reg,
                reg_y=self.reg_y,
            )
            self.Z_ = svdpp_user_factors(R, self.P_, self.Y_)
            loss = svdpp_objective(R, *parameters, reg=self.reg, reg_y=self.reg_y)
            if self._end_epoch(loss):
                break

    def _kept(self) -> Sequence:  # Z_ has what P_ and Y_ give
        return self.mu_, self.b_u_, self.b_i_, self.Z_, self.Q_

    def _user_vectors(self) -> np.ndarray:
        return self.Z_


# -- alternating least squares -------------------------------------------------------


def als_half_step(R: csr_array, Q: np.ndarray, reg: float) -> np.ndarray:
    """The best row factors for fixed column factors: one ridge regression per row.

    ``p_u = (Q_u.T Q_u + reg · I)⁻¹ Q_u.T r_u`` with the rows ``Q_u`` of ``Q`` that
    belong to the stored entries of row ``u`` (chapter 07, eq-als-step).

    Parameters
    ----------
    R : (n_rows, n_cols) csr_array
    Q : (n_cols, f) float64
    reg : float > 0

    Returns
    -------
    P : (n_rows, f) float64
        Zero for a row without entries.

    Raises
    ------
    ValueError
        ``Q`` has not one row per column of ``R``, or ``reg`` is nothing beside it.

    Notes
    -----
    Cost O(nnz · f² + n_rows · f³).
    """
    check_factors(R, Q)
    n_rows, n_factors = R.shape[0], Q.shape[1]
    base, ones = np.zeros((n_factors, n_factors)), np.ones(R.nnz)
    penalty = np.full(n_rows, float(reg))
    return solve_ridges(R.indptr, R.indices, ones, R.data, Q, base, penalty)


@overflow_to_inf
def als_objective(R: csr_array, P: np.ndarray, Q: np.ndarray, reg: float) -> float:
    """``sum over entries (r - p_u · q_i)² + reg (|P|² + |Q|²)`` (eq-mf-objective)."""
    e = R.data - pair_dots(P, Q, rows_of(R), R.indices)
    return float(np.sum(e**2) + reg * (np.sum(P**2) + np.sum(Q**2)))


class ExplicitALS(Recommender):
    """Factors of the residuals of a bias model by alternating least squares.

    Rule: ``r_hat[u, i] = mu + b_u + b_i + p_u · q_i`` with the first three from a
    :class:`~recsys_tutor.baselines.BiasModel`. Objective: :func:`als_objective` of the
    residual matrix; it falls with every :func:`als_half_step`, users first.

    Attributes
    ----------
    bias_ : BiasModel
    P_, Q_ : (n_users, n_factors), (n_items, n_factors) float64

    Notes
    -----
    Cost O(n_epochs · (n_ratings f² + (n_users + n_items) f³)). After Zhou et al.
    (2008), whose penalty grows with the number of ratings. Chapter 07.
    """

    n_factors: int = param("Length of the vectors.", default=10, low=1)
    n_epochs: int = param("Pairs of half steps.", default=20, low=1)
    reg: float = param(
        "Paid once per factor vector, not per rating as in :class:`BiasedMF`.",
        default=12.0,
        above=0,
    )
    reg_u: float = param(
        "Of the bias model: ratings at the mean per user.", default=5.0, low=0
    )
    reg_i: float = param(
        "Of the bias model: ratings at the mean per item.", default=2.0, low=0
    )
    init_scale: float = param(
        "Standard deviation of the initial item factors.", default=0.1, above=0
    )
    random_state: Seed = param("Draws the initial factors.", default=0)

    def _fit(self, train: Interactions) -> None:
        rng = np.random.default_rng(self.random_state)
        self.bias_ = BiasModel(reg_u=self.reg_u, reg_i=self.reg_i).fit(train)
        u, i = train.user, train.item
        residual = train.value - self.bias_._predict(u, i)
        E = csr_array((residual, (u, i)), shape=train.shape)
        Et = E.T.tocsr()
        self.Q_ = rng.normal(0, self.init_scale, (train.n_items, self.n_factors))
        for _ in range(self.n_epochs):
            self.P_ = als_half_step(E, self.Q_, self.reg)
            self.Q_ = als_half_step(Et, self.P_, self.reg)
            loss = als_objective(E, self.P_, self.Q_, self.reg)
            if self._end_epoch(loss):
                break

    def _predict(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        factors = pair_dots(self.P_, self.Q_, users, items)
        return self.bias_._predict(users, items) + factors

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        return self.bias_._score_users(users) + self.P_[users] @ self.Q_.T

    def _item_vectors(self) -> np.ndarray:
        return self.Q_

    def _score_history(self, X: csr_array) -> np.ndarray:
        base = self.bias_._score_history(X)
        residual = X.data - base[rows_of(X), X.indices]
        E = csr_array((residual, X.indices, X.indptr), shape=X.shape)
        return base + als_half_step(E, self.Q_, self.reg) @ self.Q_.T
