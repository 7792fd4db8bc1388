"""Metrics: pure functions of arrays, defined as trec_eval defines them.

Ranking metrics take the boolean matrix of hits, ``hits[b, r]`` = "the item in place
``r`` of list ``b`` is relevant" (see :func:`hit_matrix`), and the number of relevant
items of each user. They return one number per user; average them last. The cut-off
``k`` is the width of ``hits``. A user without relevant items gets NaN where the metric
divides by their number.

Chapter: 02 Evaluation, which computes each of them by hand.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

__all__ = [
    "ap",
    "auc",
    "coverage",
    "diversity",
    "gini",
    "hit",
    "hit_matrix",
    "mae",
    "mrr",
    "ndcg",
    "novelty",
    "precision",
    "recall",
    "rmse",
]


# -- rating metrics -----------------------------------------------------------------


def rmse(rating: np.ndarray, prediction: np.ndarray) -> float:
    """Root mean squared error over all ratings, ``sqrt(mean((r - r_hat)²))``."""
    rating, prediction = _pair(rating, prediction)
    return float(np.sqrt(np.mean((rating - prediction) ** 2)))


def mae(rating: np.ndarray, prediction: np.ndarray) -> float:
    """Mean absolute error, ``mean(|r - r_hat|)``, over all ratings at once."""
    rating, prediction = _pair(rating, prediction)
    return float(np.mean(np.abs(rating - prediction)))


# -- ranking metrics, one number per user ----------------------------------------------


def hit_matrix(items: np.ndarray, relevant: csr_array) -> np.ndarray:
    """(B, k) bool: is the item in each place of each list relevant?

    Parameters
    ----------
    items : (B, k) int
        Ranked lists; -1 is padding and never a hit.
    relevant : (B, n_items) csr_array
        Stored entries of row ``b`` are the relevant items of list ``b``.
    """
    if items.shape[0] != relevant.shape[0]:
        raise ValueError(f"{items.shape[0]} lists, {relevant.shape[0]} relevant rows")
    n_items = relevant.shape[1]
    row = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
    listed = np.arange(items.shape[0])[:, None] * n_items + items
    return np.isin(listed, row * n_items + relevant.indices) & (items >= 0)


def precision(hits: np.ndarray) -> np.ndarray:
    """Hits / k. A short list keeps its empty places in the denominator."""
    return hits.mean(axis=1)


def recall(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Hits / number of relevant items (not truncated at k)."""
    return _divide(hits.sum(axis=1), n_relevant)


def hit(hits: np.ndarray) -> np.ndarray:
    """1.0 if the list holds at least one relevant item, else 0.0."""
    return hits.any(axis=1).astype(float)


def mrr(hits: np.ndarray) -> np.ndarray:
    """Reciprocal rank: 1 / place of the first hit, 0 without a hit."""
    first = np.argmax(hits, axis=1)
    return hits.any(axis=1) / (first + 1.0)


def ap(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Average precision: sum of the precisions at the hits / number of relevant items.

    Its mean over users is MAP. trec_eval divides by *all* relevant items; some
    libraries divide by ``min(k, n_relevant)`` and get larger numbers.
    """
    place = np.arange(1, hits.shape[1] + 1)
    return _divide((hits * np.cumsum(hits, axis=1) / place).sum(axis=1), n_relevant)


def ndcg(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Normalised discounted cumulative gain with binary gains and log2 discounts.

    ``DCG = sum over hits of 1 / log2(place + 1)``, divided by the DCG of the ideal
    list, which starts with ``min(k, n_relevant)`` hits.
    """
    discount = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    return _divide(hits @ discount, ideal[np.minimum(n_relevant, hits.shape[1])])


def auc(
    scores: np.ndarray, relevant: csr_array, excluded: csr_array | None = None
) -> np.ndarray:
    """Probability that a relevant item scores above another candidate; ties count half.

    Parameters
    ----------
    scores : (B, n_items)
    relevant, excluded : (B, n_items) csr_array
        Stored entries are the positives, and the items that are no candidates.

    Returns
    -------
    (B,) float
        NaN for a user without positives or without negatives.

    Notes
    -----
    Equals the Mann-Whitney statistic. Cost O(B · n_items · log n_items): one sort.
    """
    n_users, n_items = scores.shape
    ordered = np.array(scores, dtype=float)
    n_excluded = np.zeros(n_users, dtype=np.int64)
    if excluded is not None:
        n_excluded = np.diff(excluded.indptr)
        row = np.repeat(np.arange(n_users), n_excluded)
        ordered[row, excluded.indices] = -np.inf
    ordered.sort(axis=1)
    result = np.full(n_users, np.nan)
    for u in range(n_users):
        positive = relevant.indices[relevant.indptr[u] : relevant.indptr[u + 1]]
        if excluded is not None:
            seen = excluded.indices[excluded.indptr[u] : excluded.indptr[u + 1]]
            positive = positive[~np.isin(positive, seen)]
        n_pos = len(positive)
        n_neg = n_items - n_excluded[u] - n_pos
        if n_pos == 0 or n_neg == 0:
            continue
        x = np.sort(scores[u, positive])
        below = _below(ordered[u], x) - n_excluded[u] - _below(x, x)
        result[u] = below.sum() / (n_pos * n_neg)
    return result


def novelty(items: np.ndarray, counts: np.ndarray, n_users: int) -> np.ndarray:
    """Mean self-information of the listed items, ``-log2(share of users who know it)``.

    Parameters
    ----------
    items : (B, k) int
        -1 is padding and left out; an empty list gets 0.
    counts : (n_items,) int
        Training users per item. An item nobody has seen counts as seen once.
    n_users : int

    Returns
    -------
    (B,) float, in bits
    """
    surprise = -np.log2(np.maximum(counts, 1) / n_users)
    listed = items >= 0
    total = np.where(listed, surprise[items], 0.0).sum(axis=1)
    return total / np.maximum(listed.sum(axis=1), 1)


def diversity(items: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Intra-list diversity: mean of ``1 - cosine`` over the pairs of a list.

    Parameters
    ----------
    items : (B, k) int
        -1 is padding; a list with fewer than two items gets 0.
    features : (n_items, d) array
        What items are compared by (genres, say). A zero row has cosine 0 to all.
    """
    features = np.asarray(features, dtype=float)
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, norm, out=np.zeros_like(features), where=norm > 0)
    listed = items >= 0
    rows = np.where(listed[:, :, None], unit[items], 0.0)  # (B, k, d)
    similar = (rows.sum(axis=1) ** 2).sum(axis=1) - (rows**2).sum(axis=(1, 2))
    n = listed.sum(axis=1)
    pairs = n * (n - 1)
    return np.where(pairs > 0, 1 - similar / np.maximum(pairs, 1), 0.0)


# -- metrics of all lists together -------------------------------------------------


def coverage(items: np.ndarray, n_items: int) -> float:
    """Share of the catalogue that appears in at least one list."""
    return len(np.unique(items[items >= 0])) / n_items


def gini(items: np.ndarray, n_items: int) -> float:
    """Gini coefficient of how often items are listed: 0 = equally, 1 = one item only.

    ``sum_i (2 i - n - 1) x_(i) / (n sum x)`` with the counts in ascending order.
    """
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items))
    if counts.sum() == 0:
        return 0.0
    place = np.arange(1, n_items + 1)
    return float(((2 * place - n_items - 1) @ counts) / (n_items * counts.sum()))


# -- helpers ---------------------------------------------------------------------------


def _pair(rating, prediction):
    rating, prediction = np.asarray(rating, float), np.asarray(prediction, float)
    if rating.shape != prediction.shape or rating.size == 0:
        raise ValueError(
            "rating and prediction need one common, non-empty shape, got "
            f"{rating.shape} and {prediction.shape}"
        )
    return rating, prediction


def _divide(numerator, denominator):
    denominator = np.asarray(denominator, dtype=float)
    return np.divide(
        numerator,
        denominator,
        out=np.full(denominator.shape, np.nan),
        where=denominator > 0,
    )


def _below(ordered, x):
    """How many entries of ``ordered`` lie below each ``x``, ties counted half."""
    left = np.searchsorted(ordered, x, side="left")
    right = np.searchsorted(ordered, x, side="right")
    return (left + right) / 2
