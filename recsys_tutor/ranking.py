"""Ranked lists from scores: higher score first, then lower index.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse

from recsys_tutor.checks import check_number

__all__ = ["TopK", "batches", "cosines", "mask_items", "rank", "top_k"]


class TopK(NamedTuple):
    """Ranked lists. ``items`` (B, k) int64, ``scores`` (B, k) float, best first.

    A list shorter than ``k`` is padded with item -1 and score -inf.
    """

    items: np.ndarray
    scores: np.ndarray


def top_k(scores: np.ndarray, k: int) -> TopK:
    """The ``k`` largest scores of each row: higher score first, then lower index.

    Parameters
    ----------
    scores : (B, n_items) float
        -inf marks an item that must not appear.
    k : int
        Length of the lists; may exceed ``n_items``.

    Notes
    -----
    Cost O(B · n_items) to find each row's k-th value, plus a sort of the k candidates
    that are left: of the items tied with the k-th, the first ones by index. The result
    equals a full stable sort. NaN raises ``ValueError``.
    """
    check_number("k", k, low=1, whole=True)
    scores = _as_float(scores)
    if scores.ndim != 2:
        raise ValueError(f"scores must be (B, n_items), got shape {scores.shape}")
    n_rows, n_items = scores.shape
    items = np.full((n_rows, k), -1, dtype=np.int64)
    best = np.full((n_rows, k), -np.inf, dtype=scores.dtype)
    m = min(k, n_items)
    if n_rows == 0 or m == 0:
        return TopK(items, best)
    top = np.partition(scores, n_items - m, axis=1)[:, n_items - m :]  # (B, m)
    if np.isnan(top).any():  # NaN sorts behind everything, so it would be among them
        raise ValueError("scores must not be NaN; -inf marks an item to leave out")
    kth = top[:, 0]
    wanted = (scores >= kth[:, None]) & (scores > -np.inf)
    for b in np.flatnonzero(wanted.sum(axis=1) > m):  # more ties than places
        tied = np.flatnonzero(scores[b] == kth[b])
        wanted[b, tied[m - (top[b] > kth[b]).sum() :]] = False
    row, col = np.nonzero(wanted)
    value = scores[row, col]
    order = np.lexsort((col, -value, row))
    row, col, value = row[order], col[order], value[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    items[row, rank], best[row, rank] = col, value
    return TopK(items, best)


CELLS_PER_BATCH = 2**23  # 64 MB per float64 array of scores


def batches(n_rows: int, n_columns: int, size: int | None = None) -> Iterator[slice]:
    """Slices of ``range(n_rows)``: ``size`` rows, by default 64 MB of scores, each."""
    size = size or max(1, CELLS_PER_BATCH // max(1, n_columns))
    for start in range(0, n_rows, size):
        yield slice(start, start + size)


def mask_items(scores: np.ndarray, excluded: csr_array) -> np.ndarray:
    """A copy of ``scores`` (B, n_items), -inf at the stored entries of ``excluded``."""
    masked = np.array(_as_float(scores))
    row = np.repeat(np.arange(excluded.shape[0]), np.diff(excluded.indptr))
    masked[row, excluded.indices] = -np.inf
    return masked


def cosines(V: csr_array | np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosine of the chosen rows of ``V`` (n, d), dense or sparse, with all: (B, n).

    A row of zeros has cosine 0 with all. float64, whatever ``V`` is; rounded to 12
    decimals, so that equal ones tie whatever the order of a sum.
    """
    V = V.astype(np.float64) if issparse(V) else np.asarray(V, dtype=np.float64)
    norm = np.sqrt((V * V).sum(axis=1))
    scale = np.divide(1.0, norm, out=np.zeros(len(norm)), where=norm > 0)
    product = V[rows] @ V.T
    product = product.toarray() if issparse(product) else product
    return np.round(product * scale[rows, None] * scale, 12)


def _as_float(scores: ArrayLike) -> np.ndarray:
    """Floating point, so that -inf fits; float32 stays float32."""
    scores = np.asarray(scores)
    return scores if scores.dtype.kind == "f" else scores.astype(np.float64)


def rank(
    scores: np.ndarray,
    excluded: csr_array | None,
    items: np.ndarray | None,
    k: int,
) -> TopK:
    """The ``k`` best of the items that are neither excluded nor no candidates.

    Parameters
    ----------
    scores : (B, n_items) float
    excluded : (B, n_items) csr_array or None
        Stored entries are left out.
    items : (n,) int64, distinct and ascending, or None
        The candidates; None: all.
    k : int
    """
    if excluded is not None:
        scores = mask_items(scores, excluded)
    if items is None:
        return top_k(scores, k)
    best = top_k(scores[:, items], k)
    return TopK(np.append(items, -1)[best.items], best.scores)  # -1 stays -1
