"""Compiled loops that several factorizations share: no model, no choice, only work.

Chapters: 07 and 08 Matrix factorization, 09 Implicit feedback.
"""

from __future__ import annotations

from functools import cache, wraps

import numpy as np
from numba import njit, prange
from threadpoolctl import ThreadpoolController

__all__ = [
    "SUMS_IN_ANY_ORDER",
    "check_factors",
    "is_stored",
    "one_blas_thread",
    "pair_dots",
    "parallel_if_long",
    "ridge_rows",
]

# Sums may be taken in another order, so that several products are added at once.
SUMS_IN_ANY_ORDER = {"reassoc", "contract"}


@cache
def _libraries():
    return ThreadpoolController()  # looking for them takes a millisecond


def one_blas_thread():
    """A context in which BLAS uses one thread: for loops over small matrices.

    More threads make a small product slower, and fight with the rows that
    :func:`ridge_rows` already solves in parallel.
    """
    return _libraries().limit(limits=1, user_api="blas")


def check_factors(X, Q):
    """ValueError unless ``Q`` has a row for each column of ``X``.

    Compiled loops do not look: they would read beyond the end of ``Q``.
    """
    if len(Q) != X.shape[1]:
        raise ValueError(
            f"Q must have {X.shape[1]} rows, one per column of the matrix, got "
            f"{len(Q)}; for the item factors pass the transposed matrix and P"
        )


# Turns of a loop below which starting threads costs more than it saves.
LONG = 20_000


def parallel_if_long(loop):
    """Compile a ``prange`` loop with and without threads, and choose at each call.

    The last argument has one entry per turn of the loop, and each turn writes only its
    own entry of the result: so both give the same numbers. From ``LONG`` turns on the
    loop runs in parallel.
    """
    serial = njit(fastmath=SUMS_IN_ANY_ORDER)(loop)
    parallel = njit(parallel=True, fastmath=SUMS_IN_ANY_ORDER)(loop)

    @wraps(loop)
    def run(*arguments):
        return (parallel if len(arguments[-1]) >= LONG else serial)(*arguments)

    run.py_func = loop
    return run


@parallel_if_long
def pair_dots(P, Q, user, item):
    """``p_u · q_i`` for each pair ``(user[n], item[n])``: (n,) float64."""
    out = np.empty(len(user))
    for n in prange(len(user)):
        p, q = P[user[n]], Q[item[n]]
        dot = 0.0
        for f in range(len(p)):
            dot += p[f] * q[f]
        out[n] = dot
    return out


@parallel_if_long
def is_stored(indptr, indices, user, item):
    """Whether each cell (user[n], item[n]) is an entry of a csr matrix: (n,) bool.

    ``indices`` must be sorted within rows. Cost O(n log of the row's length).
    """
    found = np.zeros(len(user), dtype=np.bool_)
    for n in prange(len(user)):
        row = indices[indptr[user[n]] : indptr[user[n] + 1]]
        place = np.searchsorted(row, item[n])
        found[n] = place < len(row) and row[place] == item[n]
    return found


@njit(parallel=True, fastmath=SUMS_IN_ANY_ORDER)
def ridge_rows(indptr, indices, weight, target, Q, base, reg):
    """One weighted ridge regression for each row of a csr matrix, rows in parallel.

    ``p_u = (base + reg_u I + sum of w q q.T)⁻¹ sum of w t q`` over the entries of row
    ``u``: column ``indices[n]`` with its ``q``, ``weight[n]`` and ``target[n]``. The
    matrix is symmetric and positive definite, so it is solved by its Cholesky factor.

    Parameters
    ----------
    indptr, indices : the csr arrays
    weight, target : (nnz,) float64
    Q : (n_cols, f) float64, C-contiguous
    base : (f, f) float64
    reg : (n_rows,) float64

    Returns
    -------
    (n_rows, f) float64
        Zero for a row without entries.

    Notes
    -----
    Cost O(nnz · f² + n_rows · f³); memory per thread O(longest row · f). Call it within
    :func:`one_blas_thread`.
    """
    n_factors = Q.shape[1]
    P = np.zeros((len(indptr) - 1, n_factors))
    for u in prange(len(P)):
        start, end = indptr[u], indptr[u + 1]
        if start == end:
            continue
        plain = np.empty((end - start, n_factors))
        weighted = np.empty((end - start, n_factors))
        x = P[u]
        for n in range(start, end):
            q = Q[indices[n]]
            for f in range(n_factors):
                plain[n - start, f] = q[f]
                weighted[n - start, f] = weight[n] * q[f]
                x[f] += weight[n] * target[n] * q[f]
        A = base + weighted.T @ plain
        for f in range(n_factors):
            A[f, f] += reg[u]
        _solve_cholesky(np.linalg.cholesky(A), x)
    return P


@njit(fastmath=SUMS_IN_ANY_ORDER)
def _solve_cholesky(L, x):
    """Replace ``x`` by the solution of ``L L.T y = x``: forwards, then backwards."""
    for f in range(len(x)):
        dot = 0.0
        for g in range(f):
            dot += L[f, g] * x[g]
        x[f] = (x[f] - dot) / L[f, f]
    for f in range(len(x) - 1, -1, -1):
        x[f] /= L[f, f]
        for g in range(f):
            x[g] -= L[f, g] * x[f]
