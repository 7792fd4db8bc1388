"""Similarities of the columns of a matrix, and which of them to keep.

Every sum over the users that two items share is an entry of some ``A.T @ B`` of sparse
matrices, so all similarities are sparse products. Compare users with ``R.T``.

Chapter: 04 Collaborative filtering.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.checks import check_memory, square_matrix_bytes
from recsys_tutor.kernels import group_mean, ones_like, unit_scale

__all__ = [
    "ROUNDING",
    "asymmetric_cosine",
    "check_similarities",
    "co_counts",
    "co_rated_cosine",
    "keep_neighbors",
    "pearson",
    "shrink_similarity",
]

#: Similarities this close, relatively, are equal: which of two equal ones comes out
#: larger in the last digits depends on the processor.
ROUNDING = 1e-12


def co_counts(X: csr_array) -> np.ndarray:
    """How many rows have entries in both columns (on the diagonal: in the column).

    Returns (n, n) float64. Cost O(sum over rows of (entries in the row)²).
    """
    check_similarities(X.shape[1])
    M = ones_like(X)
    return (M.T @ M).toarray()


def asymmetric_cosine(X: csr_array, *, alpha: float = 0.5) -> np.ndarray:
    """``s[j, i] = x_j · x_i / (|x_j|^(2 alpha) |x_i|^(2 - 2 alpha))``, zeros included.

    ``alpha = 1/2`` is the cosine. On 0/1 data ``alpha = 1`` is the share of the users
    of ``j`` who also have ``i``, which favours popular ``i``. Right for data where
    absence means "did not"; for ratings see :func:`co_rated_cosine`.

    Returns (n, n) float64: row ``j`` is what was liked, column ``i`` what is scored; 0
    for an empty column. Source: Aiolli (2013). Chapter 04, eq-knn-asymmetric.
    """
    check_similarities(X.shape[1])
    product = (X.T @ X).toarray()
    square = np.maximum(np.diag(product), np.finfo(float).tiny)
    return product * square[:, None] ** -alpha * square ** (alpha - 1.0)


def co_rated_cosine(R: csr_array) -> np.ndarray:
    """``sum x y / sqrt(sum x² · sum y²)``, all sums over the rows that have **both**.

    On raw ratings this is scikit-surprise's ``cosine``; on ratings minus user means the
    adjusted cosine; on residuals of the bias model its ``pearson_baseline`` without
    shrinkage. Stored zeros count as values.

    Returns (n, n) float64, symmetric; 0 where nothing is shared. Cost as
    :func:`co_counts`. Chapter 04, eq-knn-cosine.
    """
    check_similarities(R.shape[1])
    R = R / unit_scale(R.data)
    M, square = ones_like(R), R.copy()
    square.data **= 2
    norm = (square.T @ M).toarray()  # norm[j, i] = sum of x_j² over rows with i
    return ratio((R.T @ R).toarray(), norm * norm.T)


def pearson(R: csr_array) -> np.ndarray:
    """Correlation over the rows that have both columns, with the means of those rows.

    ``(n Σxy - Σx Σy) / sqrt((n Σx² - (Σx)²)(n Σy² - (Σy)²))`` for ``n`` shared rows; 0
    where one of the two does not vary (among them ``n = 1``). A correlation does not
    know where zero is: each column is shifted by its mean first, so that the sums do
    not lose what varies in what is common.

    Returns (n, n) float64, symmetric. Chapter 04, eq-knn-pearson.
    """
    check_similarities(R.shape[1])
    R = R / unit_scale(R.data)
    M = ones_like(R)
    mean = group_mean(R.data, R.indices, R.shape[1])[R.indices]
    off = R.data - mean
    off[np.abs(off) <= 4 * np.finfo(float).eps * np.abs(mean)] = 0.0  # rounding
    R = csr_array((off, R.indices, R.indptr), shape=R.shape)
    R = R / unit_scale(off)
    square = R.copy()
    square.data **= 2
    n = (M.T @ M).toarray()
    total = (R.T @ M).toarray()  # total[j, i] = sum of x_j over rows with i
    raw = n * (square.T @ M).toarray()
    spread = raw - total**2
    spread[spread < 1e-10 * raw] = 0.0  # rounding, not spread
    return ratio(n * (R.T @ R).toarray() - total * total.T, spread * spread.T)


def shrink_similarity(S: np.ndarray, n: np.ndarray, shrink: float) -> np.ndarray:
    """``s · n / (n + shrink)``: believe a similarity in proportion to its evidence.

    ``n`` is the number of shared rows (:func:`co_counts`); a pair without any gets 0.
    Chapter 04, eq-knn-shrink.
    """
    return S * np.divide(n, n + shrink, out=np.zeros_like(S), where=n > 0)


def keep_neighbors(S: np.ndarray, k: int) -> np.ndarray:
    """Keep the ``k`` largest positive entries of each **column**, off the diagonal.

    Everything else becomes 0. All that tie with the ``k``-th are kept, where a relative
    difference of 1e-12 is rounding and counts as a tie. Cost O(n²).
    """
    S = np.maximum(S, 0.0)
    np.fill_diagonal(S, 0.0)
    if k < len(S):
        kth = np.partition(S, len(S) - k, axis=0)[len(S) - k]
        S[S < kth * (1 - ROUNDING)] = 0.0
    return S


def check_similarities(n: int, what: str = "", advice: str = "") -> None:
    """MemoryError, before any work, if ``n`` x ``n`` similarities cannot be held.

    Four matrices at a time: sums, counts, squares, and their product.
    """
    check_memory(
        square_matrix_bytes(n, 4),
        what or f"similarities of {n:,} columns need {n:,} x {n:,} numbers four times",
        advice or "Compare fewer columns",
    )


def ratio(product: np.ndarray, squares: np.ndarray) -> np.ndarray:
    out = np.zeros(product.shape)
    return np.divide(product, np.sqrt(squares), out=out, where=squares > 0)
