"""Compiled loops that several factorizations share: no model, no choice, only work.

Chapters: 07 and 08 Matrix factorization, 09 Implicit feedback.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from threading import Lock, Thread
from typing import Any, TypeVar

import numba
import numpy as np
from numba import njit, prange
from scipy.sparse import csr_array
from threadpoolctl import ThreadpoolController

__all__ = [
    "SUMS_IN_ANY_ORDER",
    "group_mean",
    "in_forked_process",
    "is_stored",
    "one_blas_thread",
    "ones_like",
    "overflow_to_inf",
    "pair_dots",
    "parallel",
    "parallel_if_long",
    "ridge_rows",
    "rows_of",
    "solve_ridges",
    "unit_scale",
]

#: Sums may be taken in another order, so that several products are added at once.
SUMS_IN_ANY_ORDER = {"reassoc", "contract"}
EPS = np.finfo(np.float64).eps
Function = TypeVar("Function", bound=Callable)


# -- threads and processes -----------------------------------------------------------


class _Threads:
    """What this process knows of its threads.

    A forked child inherits the libraries that ran threads but not their threads: a
    parallel loop would end the child or wait for ever. So it runs all loops serially.
    """

    def __init__(self, *, forked: bool) -> None:
        self.forked = forked
        self.started = False  # numba's
        self.in_use = Lock()  # held while a loop runs in parallel
        self.blas = Lock()  # guards the two below
        self.blas_users = 0
        self.blas_limit: Any = None


# A worker of multiprocessing that was forked before this module was imported.
_threads = _Threads(
    forked=type(multiprocessing.current_process()).__name__ == "ForkProcess"
)


def _after_fork() -> None:
    """In the child: locks may be held by threads that are not here."""
    global _threads
    limit = _threads.blas_limit
    _threads = _Threads(forked=True)
    if limit is not None:
        limit.restore_original_limits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def in_forked_process() -> bool:
    """Whether this process was forked, and so must not use threads of its parent's."""
    return _threads.forked


@contextmanager
def _numba_threads() -> Iterator[bool]:
    """Yields True where a loop may run in parallel now: its threads are then reserved.

    One loop at a time: a second one from another thread had better run serially, and
    must where numba has only its own threads, which serve one caller.
    """
    if _threads.forked or not _threads.in_use.acquire(blocking=False):
        yield False
        return
    try:
        if not _threads.started:
            # Numba's start sets OpenMP's number of threads, which is also torch's, for
            # the thread that starts it: a small network would then wait for a second
            # thread at every step. So that is another thread than this one.
            starter = Thread(target=numba.get_num_threads)
            starter.start()
            starter.join()
            _threads.started = True
        yield True
    finally:
        _threads.in_use.release()


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looking for them takes a millisecond


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context in which BLAS uses one thread: for loops over small matrices.

    More threads make a small product slower, and fight with the rows that
    :func:`ridge_rows` already solves in parallel. The number is the process's: the
    first of several threads within sets it, the last one sets it back.
    """
    threads = _threads
    with threads.blas:
        if not threads.blas_users:
            threads.blas_limit = _libraries().limit(limits=1, user_api="blas")
        threads.blas_users += 1
    try:
        yield
    finally:
        with threads.blas:
            threads.blas_users -= 1
            if not threads.blas_users:
                threads.blas_limit.restore_original_limits()
                threads.blas_limit = None


# -- numbers -------------------------------------------------------------------------


def unit_scale(values: np.ndarray) -> float:
    """A power of two: divided by it, the largest of ``values`` is about 1.

    The division is exact, so what does not depend on the scale stays the same to the
    last bit, and no square overflows or vanishes. 1 for zeros.
    """
    _, exponent = np.frexp(np.abs(values).max(initial=0.0))
    return float(np.ldexp(1.0, min(int(exponent), 1023)))


# -- sparse rows and groups -----------------------------------------------------------


def rows_of(X: csr_array) -> np.ndarray:
    """The row of each stored entry, (nnz,) int64; the column is ``X.indices``."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))


def ones_like(X: csr_array) -> csr_array:
    """1 at every stored entry of ``X``."""
    return csr_array((np.ones(X.nnz), X.indices, X.indptr), shape=X.shape)


def group_mean(
    values: np.ndarray, index: np.ndarray, n: int, empty: float = 0.0
) -> np.ndarray:
    """Mean of the values of each group ``0 .. n - 1``; ``empty`` where there is none.

    ``index`` says which group each of ``values`` belongs to. Returns (n,) float64.
    """
    count = np.bincount(index, minlength=n)
    total = np.bincount(index, weights=values, minlength=n)
    return np.where(count > 0, total / np.maximum(count, 1), empty)


# -- compiled loops ------------------------------------------------------------------


def overflow_to_inf(function: Function) -> Function:
    """The same function, silent where a number overflows: the result says it.

    For objectives: a loss that is not finite ends a fit, with advice.
    """
    return np.errstate(over="ignore", invalid="ignore")(function)


# Turns of a loop below which starting threads costs more than it saves.
LONG = 20_000


def parallel(loop: Callable | None = None, *, at_least: int = 0) -> Any:
    """Compile a ``prange`` loop with and without threads, and choose at each call.

    Each turn of the loop writes only its own entry of the result: so both give the same
    numbers. The loop runs in parallel if it has ``at_least`` as many turns (counted
    by its last argument, which has one entry per turn), no other loop does so at that
    moment, and the process was not forked.
    """
    if loop is None:
        return lambda loop: parallel(loop, at_least=at_least)
    alone = njit(fastmath=SUMS_IN_ANY_ORDER)(loop)
    together = njit(parallel=True, fastmath=SUMS_IN_ANY_ORDER)(loop)

    @wraps(loop)
    def run(*arguments: np.ndarray) -> np.ndarray:
        if len(arguments[-1]) < at_least:
            return alone(*arguments)
        with _numba_threads() as free:
            return (together if free else alone)(*arguments)

    run.__dict__["py_func"] = loop
    return run


#: :func:`parallel` for loops over the entries of a large matrix.
parallel_if_long = parallel(at_least=LONG)


@parallel_if_long
def pair_dots(
    P: np.ndarray, Q: np.ndarray, user: np.ndarray, item: np.ndarray
) -> np.ndarray:
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
def is_stored(
    indptr: np.ndarray, indices: np.ndarray, user: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """Whether each cell (user[n], item[n]) is an entry of a csr matrix: (n,) bool.

    ``indices`` must be sorted within rows. Cost O(n log of the row's length).
    """
    found = np.zeros(len(user), dtype=np.bool_)
    for n in prange(len(user)):
        row = indices[indptr[user[n]] : indptr[user[n] + 1]]
        place = np.searchsorted(row, item[n])
        found[n] = place < len(row) and row[place] == item[n]
    return found


@parallel
def ridge_rows(
    indptr: np.ndarray,
    indices: np.ndarray,
    weight: np.ndarray,
    target: np.ndarray,
    Q: np.ndarray,
    base: np.ndarray,
    reg: np.ndarray,
) -> np.ndarray:
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
        Zero for a row without entries, NaN where the matrix is singular when rounded.

    Notes
    -----
    Cost O(nnz · f² + n_rows · f³); memory per thread O(longest row · f). Call it within
    :func:`one_blas_thread`, or :func:`solve_ridges`.
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
        trace = 0.0
        for f in range(n_factors):
            trace += A[f, f]
        if reg[u] > 8 * n_factors * EPS * trace:  # positive definite when rounded, too
            _solve_cholesky(np.linalg.cholesky(A), x)
        else:  # an exception would leave a parallel loop undefined
            _solve_cholesky(_cholesky_or_nan(A), x)
    return P


@njit
def _cholesky_or_nan(A: np.ndarray) -> np.ndarray:
    """The lower Cholesky factor of ``A``, NaN where it has none."""
    L = np.zeros_like(A)
    for f in range(len(A)):
        for g in range(f + 1):
            rest = A[f, g]
            for h in range(g):
                rest -= L[f, h] * L[g, h]
            if f > g:
                L[f, g] = rest / L[g, g]
            else:
                L[f, f] = np.sqrt(rest) if rest > 0 else np.nan
    return L


def solve_ridges(*arguments: np.ndarray) -> np.ndarray:
    """:func:`ridge_rows` of the same arguments, with one BLAS thread.

    Raises
    ------
    ValueError
        A system is singular to working precision.
    """
    with one_blas_thread():
        P = ridge_rows(*arguments)
    if not np.isfinite(P).all():
        raise ValueError(
            "a ridge regression has no solution in floating point: the penalty "
            "vanishes beside the squares of the factors. Try a larger reg, or divide "
            "the values by a constant"
        )
    return P


@njit(fastmath=SUMS_IN_ANY_ORDER)
def _solve_cholesky(L: np.ndarray, x: np.ndarray) -> None:
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
