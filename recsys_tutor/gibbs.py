"""One Gibbs sweep over a factorization machine, and what an ordered probit adds.

The rule is ``r_hat = w0 + sum_j w_j x_j + sum over j < l of (v_j · v_l) x_j x_l``, with
the features of a rating in blocks: its user's, its item's, its day's.

Chapter: 10 Bayesian factorization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.sparse import csc_array, csr_array
from scipy.special import ndtr, ndtri

from recsys_tutor.kernels import SUMS_IN_ANY_ORDER

__all__ = [
    "Block",
    "HyperPrior",
    "State",
    "block_values",
    "gibbs_factor",
    "gibbs_sweep",
    "gibbs_weights",
    "log_ordinal",
    "sample_cutpoints",
    "sample_hyper",
    "sample_latent",
]


# -- the design in blocks ------------------------------------------------------------


class Block(NamedTuple):
    """Features that depend on one key of a rating: its user, its item or its day.

    Attributes
    ----------
    row : (n_ratings,) int64
        Which row of ``X`` each rating has.
    X : (n_rows, n_features) csc_array of float64
    group : (n_features,) int64
        Features of a group share their prior.

    Notes
    -----
    The full design has ``n_ratings`` rows; a block stores each distinct row once, so a
    user's set of 200 items is walked once per sweep and not once per rating.
    """

    row: np.ndarray
    X: csc_array
    group: np.ndarray


class HyperPrior(NamedTuple):
    """``alpha`` and each ``lambda`` are Gamma(shape, rate) a priori, and
    ``mu | lambda`` is N(0, 1 / (strength · lambda)); ``w0`` is N(center, 1).
    """

    shape: float = 0.5
    rate: float = 0.5
    strength: float = 1.0
    center: float = 0.0


PRIOR = HyperPrior()


@dataclass
class State:
    """One draw of everything unknown.

    ``theta[b]`` is (1 + f, n_features): row 0 the weights ``w`` of block ``b``, the
    others its factors. ``mean[b]`` and ``precision[b]`` are (1 + f, n_groups): the
    normal priors of those rows. ``e`` (n_ratings,) is what the rule leaves over.
    """

    w0: float
    alpha: float
    theta: list[np.ndarray]
    mean: list[np.ndarray]
    precision: list[np.ndarray]
    e: np.ndarray


def block_values(X: csc_array, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a block's rows add by themselves, and their sums of factors.

    Returns
    -------
    a : (n_rows,)
        ``sum_j w_j x_j`` plus the pairs within the row,
        ``½ sum_f ((sum_j v_jf x_j)² - sum_j v_jf² x_j²)``.
    Q : (n_rows, f)
        ``sum_j v_jf x_j``: rows of two blocks meet in their dot product.
    """
    Q = X @ theta[1:].T
    a = X @ theta[0] + 0.5 * np.sum(Q**2 - X.power(2) @ theta[1:].T ** 2, axis=1)
    return a, Q


# -- one sweep -----------------------------------------------------------------------


def sample_hyper(
    rng: np.random.Generator,
    theta: np.ndarray,
    group: np.ndarray,
    n_groups: int,
    prior: HyperPrior = PRIOR,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and precision of each row and group of ``theta`` from their conditional.

    Normal–Gamma: with the ``n`` values of a group, their mean ``t`` and ``s`` the
    strength, ``lambda ~ Gamma(shape + n/2, rate + ½ sum (theta - t)² + ½ s n t² /
    (s + n))`` and ``mu ~ N(n t / (s + n), 1 / ((s + n) lambda))`` (chapter 10,
    eq-bayes-hyper).

    Returns
    -------
    mean, precision : (1 + f, n_groups)
    """
    member = csr_array(
        (np.ones(len(group)), (group, np.arange(len(group)))), (n_groups, len(group))
    )
    n = np.bincount(group, minlength=n_groups)
    total, squares = (member @ theta.T).T, (member @ (theta**2).T).T
    t = total / n
    spread = squares - n * t**2 + prior.strength * n * t**2 / (prior.strength + n)
    rate = prior.rate + 0.5 * np.maximum(spread, 0)
    precision = rng.gamma(prior.shape + n / 2, 1 / rate)
    weight = prior.strength + n
    mean = rng.normal(total / weight, 1 / np.sqrt(weight * precision))
    return mean, precision


@njit(fastmath=SUMS_IN_ANY_ORDER)
def gibbs_weights(
    row: np.ndarray, e: np.ndarray, count: np.ndarray, indptr: np.ndarray,
    rows: np.ndarray, x: np.ndarray, w: np.ndarray, mean: np.ndarray,
    precision: np.ndarray, alpha: float, z: np.ndarray,
) -> None:  # fmt: skip
    """Draw each weight of a block given all else; changes ``w`` and ``e`` in place.

    A weight's derivative is ``h = x``, so with ``H = sum h²`` and ``B = sum h (e + w
    h)`` over the ratings, ``w ~ N((alpha B + lambda mu) / (alpha H + lambda), 1 /
    (alpha H + lambda))`` (chapter 10, eq-bayes-conditional).

    Parameters
    ----------
    row, e : (n_ratings,)
    count : (n_rows,) float64
        Ratings per row.
    indptr, rows, x : the csc arrays of the block
    w, mean, precision, z : (n_features,)
        ``z`` are standard normal draws.
    alpha : float

    Notes
    -----
    Cost O(n_ratings + nnz).
    """
    error, change = np.zeros(len(count)), np.zeros(len(count))
    for n in range(len(row)):
        error[row[n]] += e[n]
    for j in range(len(w)):
        H, B = 0.0, 0.0
        for c in range(indptr[j], indptr[j + 1]):
            H += x[c] * x[c] * count[rows[c]]
            B += x[c] * error[rows[c]]
        variance = 1.0 / (alpha * H + precision[j])
        center = variance * (alpha * (B + w[j] * H) + precision[j] * mean[j])
        new = center + np.sqrt(variance) * z[j]
        for c in range(indptr[j], indptr[j + 1]):
            error[rows[c]] -= (new - w[j]) * x[c] * count[rows[c]]
            change[rows[c]] += (new - w[j]) * x[c]
        w[j] = new
    for n in range(len(row)):
        e[n] -= change[row[n]]


@njit(fastmath=SUMS_IN_ANY_ORDER)
def gibbs_factor(
    row: np.ndarray, e: np.ndarray, q_all: np.ndarray, q: np.ndarray, count: np.ndarray,
    indptr: np.ndarray, rows: np.ndarray, x: np.ndarray, v: np.ndarray,
    mean: np.ndarray, precision: np.ndarray, alpha: float, z: np.ndarray,
) -> None:  # fmt: skip
    """Draw one factor of each feature of a block; changes ``e, q_all, q, v`` in place.

    With ``q`` the block's sums ``sum_j v_j x_j`` and ``q_all`` those of all blocks per
    rating, the derivative for ``v_j`` is ``h = x (a + rest)``: ``a = q - v_j x`` from
    the same row, ``rest = q_all - q`` from the other blocks. Per row, ``sum h²`` and
    ``sum h e`` need only ``count`` and four sums over its ratings (``rest``, ``rest²``,
    ``e``, ``e · rest``), which stay valid through the whole block (chapter 10,
    eq-bayes-block).

    Parameters
    ----------
    q_all : (n_ratings,)
    q : (n_rows,)
    v, mean, precision, z : (n_features,)
    Others
        As in :func:`gibbs_weights`.

    Notes
    -----
    Cost O(n_ratings + nnz).
    """
    sums, own = np.zeros((len(count), 4)), np.zeros(len(count))
    for n in range(len(row)):
        s, rest = sums[row[n]], q_all[n] - q[row[n]]
        s[0] += rest
        s[1] += rest * rest
        s[2] += e[n]
        s[3] += e[n] * rest
    q_old = q.copy()
    for j in range(len(v)):
        H, B = 0.0, 0.0
        for c in range(indptr[j], indptr[j + 1]):
            r = rows[c]
            s, a = sums[r], q[r] - v[j] * x[c]
            H += x[c] * x[c] * (count[r] * a * a + 2 * a * s[0] + s[1])
            B += x[c] * (a * s[2] + s[3])
        variance = 1.0 / (alpha * H + precision[j])
        center = variance * (alpha * (B + v[j] * H) + precision[j] * mean[j])
        step = center + np.sqrt(variance) * z[j] - v[j]
        for c in range(indptr[j], indptr[j + 1]):
            r = rows[c]
            s, a = sums[r], q[r] - v[j] * x[c]
            s[2] -= step * x[c] * (count[r] * a + s[0])
            s[3] -= step * x[c] * (a * s[0] + s[1])
            own[r] += step * x[c] * a
            q[r] += step * x[c]
        v[j] += step
    for n in range(len(row)):
        r = row[n]
        change = q[r] - q_old[r]
        e[n] -= change * (q_all[n] - q_old[r]) + own[r]
        q_all[n] += change


def gibbs_sweep(
    blocks: Sequence[Block],
    state: State,
    rng: np.random.Generator,
    *,
    prior: HyperPrior = PRIOR,
    gaussian: bool = True,
) -> None:
    """Draw every unknown once, each given all others; changes ``state`` in place.

    Order: noise precision ``alpha`` and ``w0`` (``gaussian`` only; a probit keeps 1 and
    0), then per block the priors and the weights, then factor by factor all blocks.

    Notes
    -----
    Cost O(f · (n_blocks · n_ratings + nnz of the blocks)).
    """
    if gaussian:
        _sweep_noise(state, rng, prior)
    counts, sums = [], []
    for b, block in enumerate(blocks):
        X, theta = block.X, state.theta[b]
        counts.append(np.bincount(block.row, minlength=X.shape[0]).astype(float))
        state.mean[b], state.precision[b] = sample_hyper(
            rng, theta, block.group, state.mean[b].shape[1], prior
        )
        _sweep_weights(b, block, state, rng, counts[b])
        sums.append(np.ascontiguousarray((X @ theta[1:].T).T))
    for f in range(1, len(state.theta[0])):
        q_all = np.zeros(len(state.e))
        for block, Q in zip(blocks, sums, strict=True):
            q_all += Q[f - 1][block.row]
        for b, block in enumerate(blocks):
            _sweep_factor(f, b, block, state, rng, counts[b], q_all, sums[b][f - 1])


def _sweep_noise(state: State, rng: np.random.Generator, prior: HyperPrior) -> None:
    """Draw ``alpha``, then ``w0``."""
    e, n = state.e, len(state.e)
    state.alpha = rng.gamma(prior.shape + n / 2, 1 / (prior.rate + e @ e / 2))
    total = state.alpha * (e.sum() + n * state.w0) + prior.center
    variance = 1 / (state.alpha * n + 1)
    w0 = rng.normal(variance * total, np.sqrt(variance))
    e -= w0 - state.w0
    state.w0 = w0


def _sweep_weights(
    b: int, block: Block, state: State, rng: np.random.Generator, count: np.ndarray
) -> None:
    """Draw all weights of block ``b``."""
    X = block.X
    gibbs_weights(
        block.row,
        state.e,
        count,
        X.indptr,
        X.indices,
        X.data,
        state.theta[b][0],
        state.mean[b][0][block.group],
        state.precision[b][0][block.group],
        state.alpha,
        rng.normal(size=X.shape[1]),
    )


def _sweep_factor(
    f: int, b: int, block: Block, state: State, rng: np.random.Generator,
    count: np.ndarray, q_all: np.ndarray, q: np.ndarray,
) -> None:  # fmt: skip
    """Draw factor ``f`` of all features of block ``b``."""
    X = block.X
    gibbs_factor(
        block.row,
        state.e,
        q_all,
        q,
        count,
        X.indptr,
        X.indices,
        X.data,
        state.theta[b][f],
        state.mean[b][f][block.group],
        state.precision[b][f][block.group],
        state.alpha,
        rng.normal(size=X.shape[1]),
    )


# -- ordered probit ------------------------------------------------------------------


def sample_latent(
    rng: np.random.Generator,
    level: np.ndarray,
    y_hat: np.ndarray,
    cutpoints: np.ndarray,
) -> np.ndarray:
    """Latent ``y ~ N(y_hat, 1)`` given that it fell between its level's cutpoints.

    ``level`` (n,) in 0..L-1; ``cutpoints`` (L + 1,) from -inf to inf. Drawn by the
    inverse of the normal distribution function (chapter 10, eq-bayes-latent).
    """
    low, high = ndtr(cutpoints[level] - y_hat), ndtr(cutpoints[level + 1] - y_hat)
    share = low + rng.random(len(level)) * (high - low)
    return y_hat + ndtri(np.clip(share, 1e-15, 1 - 1e-15))


def log_ordinal(level: np.ndarray, y_hat: np.ndarray, cutpoints: np.ndarray) -> float:
    """Log-probability of the levels, the latent values integrated out."""
    p = ndtr(cutpoints[level + 1] - y_hat) - ndtr(cutpoints[level] - y_hat)
    return float(np.sum(np.log(np.maximum(p, 1e-300))))


def sample_cutpoints(
    rng: np.random.Generator,
    level: np.ndarray,
    y_hat: np.ndarray,
    cutpoints: np.ndarray,
    step: float,
) -> tuple[np.ndarray, bool]:
    """One Metropolis step for the cutpoints under a flat prior: (cutpoints, moved).

    Normal proposals of standard deviation ``step``; an order that breaks is refused.
    """
    proposal = cutpoints.copy()
    proposal[1:-1] += rng.normal(0, step, len(cutpoints) - 2)
    if not (np.diff(proposal[1:-1]) > 0).all():
        return cutpoints, False
    gain = log_ordinal(level, y_hat, proposal) - log_ordinal(level, y_hat, cutpoints)
    moved = np.log(rng.random()) < gain
    return (proposal if moved else cutpoints), bool(moved)
