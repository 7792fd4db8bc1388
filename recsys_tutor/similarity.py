"""Similarities of the columns of a matrix, and which of them to keep.

Every sum over the users that two items share is an entry of some ``A.T @ B`` of sparse
matrices, so all similarities are sparse products. Compare users with ``R.T``.

Chapter: 04 Collaborative filtering.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.checks import check_memory, square_matrix_bytes
from recsys_tutor.kernels import group_mean, ones_like, rows_of, unit_scale

__all__ = [
    "ROUNDING",
    "asymmetric_cosine",
    "bm25",
    "check_similarities",
    "co_counts",
    "co_rated_cosine",
    "jaccard",
    "keep_neighbors",
    "log_likelihood_ratio",
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


def jaccard(X: csr_array) -> np.ndarray:
    """Users of both columns as a share of the users of at least one.

    ``n_ji / (n_j + n_i - n_ji)``; values are ignored, 0 for an empty column.

    Returns (n, n) float64, symmetric. Chapter 04, eq-knn-jaccard.
    """
    both = co_counts(X)
    count = np.diag(both)
    either = count[:, None] + count - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def log_likelihood_ratio(X: csr_array) -> np.ndarray:
    """How surprising the number of common users is, if the two were independent.

    ``G² = 2 · sum over the four cells of observed · ln(observed / expected)`` of the
    table "has j or not" by "has i or not" over the rows of ``X``; 0 where there are
    fewer common users than independence expects. Values are ignored.

    Returns (n, n) float64, symmetric; it grows with the number of users. Source:
    Dunning (1993). Chapter 04, eq-knn-llr.
    """
    both = co_counts(X)
    n, count = float(X.shape[0]), np.diag(both).copy()
    surprise = np.zeros_like(both)
    for have_j in (True, False):
        side_j = (count if have_j else n - count)[:, None]
        with_i = both if have_j else count - both
        for have_i in (True, False):
            side_i = count if have_i else n - count
            seen = with_i if have_i else side_j - with_i
            expected = side_j * side_i / max(n, 1.0)
            share = np.divide(seen, expected, out=np.ones_like(seen), where=seen > 0)
            surprise += 2 * seen * np.log(share)
    together = both * n > np.outer(count, count)
    return np.where(together, np.maximum(surprise, 0.0), 0.0)


def bm25(X: csr_array, *, k1: float = 1.2, b: float = 0.75) -> csr_array:
    """Weights of words in documents, for items in histories.

    ``idf_i · (k1 + 1) x_ui / (k1 (1 - b + b |I_u| / mean |I|) + x_ui)`` with ``idf_i =
    ln(1 + (m - n_i + 1/2) / (n_i + 1/2))``: what many have says little, what stands in
    a long history says less, and the second play of an item adds less than the first.

    Parameters
    ----------
    X : (n_users, n_items) csr_array
        Counts, or 0/1.

    Returns
    -------
    csr_array with the places of ``X``. Source: Robertson and Zaragoza (2009). Chapter
    04, eq-knn-bm25.
    """
    length = np.diff(X.indptr).astype(float)
    count = np.bincount(X.indices, minlength=X.shape[1])
    idf = np.log1p((X.shape[0] - count + 0.5) / (count + 0.5))
    long = length / max(length.mean(), np.finfo(float).tiny)
    slack = k1 * (1 - b + b * long)[rows_of(X)]
    weight = idf[X.indices] * (k1 + 1) * X.data / (slack + X.data)
    return csr_array((weight, X.indices, X.indptr), shape=X.shape)


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
