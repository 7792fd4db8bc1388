"""Metrics: pure functions of arrays, defined as trec_eval defines them.

Ranking metrics take the boolean matrix of hits, ``hits[b, r]`` = "the item in place
``r`` of list ``b`` is relevant" (see :func:`hit_matrix`), and the number of relevant
items of each user. They return one number per user; average them last. The cut-off
``k`` is the width of ``hits``. A user without relevant items gets NaN where the metric
divides by their number.

Every argument is checked, because a metric fed with the wrong array returns a number
all the same. Each function raises ``ValueError``, naming the argument, for

- ``hits`` that are no (B, k) matrix with k >= 1, or hold anything but True and False (0
  and 1 are taken for them): grades belong to :func:`graded_ndcg`;
- ``n_relevant`` that is not one whole number per list, or lies below the number of hits
  in the list;
- ``items`` that are no whole numbers, are outside of the catalogue (-1 is padding) or
  stand twice in one list;
- NaN, and infinite values where they mean nothing; text; ragged lists; masked entries.

Chapter: 02 Evaluation, which computes each of them by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse

from recsys_tutor.checks import (
    check_array,
    check_feature_matrix,
    check_number,
    check_numbers,
    check_same_index,
)

__all__ = [
    "ap",
    "auc",
    "coverage",
    "diversity",
    "gini",
    "graded_ndcg",
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
    """Root mean squared error over all ratings, ``sqrt(mean((r - r_hat)²))``.

    Both arguments are finite and of one shape; two Series also of one index.
    """
    rating, prediction = _pair("rating", rating, "prediction", prediction)
    largest = max(np.abs(rating).max(), np.abs(prediction).max())
    scale = largest if largest > 1e150 else 1.0  # squares must not overflow
    return float(scale * np.sqrt(np.mean((rating / scale - prediction / scale) ** 2)))


def mae(rating: np.ndarray, prediction: np.ndarray) -> float:
    """Mean absolute error, ``mean(|r - r_hat|)``, over all ratings at once.

    Arguments as in :func:`rmse`.
    """
    rating, prediction = _pair("rating", rating, "prediction", prediction)
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
    relevant = _as_csr("relevant", relevant)
    items = _check_lists(items, relevant.shape[1])
    if len(items) != relevant.shape[0]:
        raise ValueError(f"{len(items)} lists, {relevant.shape[0]} relevant rows")
    return _stored(relevant, items)[0]


def precision(hits: np.ndarray) -> np.ndarray:
    """Hits / k. A short list keeps its empty places in the denominator."""
    return _check_hits(hits).mean(axis=1)


def recall(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Hits / number of relevant items (not truncated at k)."""
    hits, n_relevant = _check_counted(hits, n_relevant)
    return _divide(hits.sum(axis=1), n_relevant)


def hit(hits: np.ndarray) -> np.ndarray:
    """1.0 if the list holds at least one relevant item, else 0.0."""
    return _check_hits(hits).any(axis=1).astype(float)


def mrr(hits: np.ndarray) -> np.ndarray:
    """Reciprocal rank: 1 / place of the first hit, 0 without a hit."""
    hits = _check_hits(hits)
    first = np.argmax(hits, axis=1)
    return hits.any(axis=1) / (first + 1.0)


def ap(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Average precision: sum of the precisions at the hits / number of relevant items.

    Its mean over users is MAP. trec_eval divides by *all* relevant items; some
    libraries divide by ``min(k, n_relevant)`` and get larger numbers.
    """
    hits, n_relevant = _check_counted(hits, n_relevant)
    place = np.arange(1, hits.shape[1] + 1)
    return _divide((hits * np.cumsum(hits, axis=1) / place).sum(axis=1), n_relevant)


def ndcg(hits: np.ndarray, n_relevant: np.ndarray) -> np.ndarray:
    """Normalised discounted cumulative gain with binary gains and log2 discounts.

    ``DCG = sum over hits of 1 / log2(place + 1)``, divided by the DCG of the ideal
    list, which starts with ``min(k, n_relevant)`` hits (chapter 02,
    eq-evaluation-ndcg). For grades see :func:`graded_ndcg`.
    """
    hits, n_relevant = _check_counted(hits, n_relevant)
    discount = _discount(hits.shape[1])
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    return _divide(hits @ discount, ideal[np.minimum(n_relevant, hits.shape[1])])


def graded_ndcg(
    items: np.ndarray, grades: csr_array, k: int | None = None, *, gain: str = "exp2"
) -> np.ndarray:
    """NDCG where some items are more relevant than others.

    ``DCG = sum over places up to k of gain(grade of the item) / log2(place + 1)``,
    divided by the DCG of the ideal list: the user's items by falling grade, ``k`` of
    them. A perfect list has 1, a list without graded items 0. For grades of 0 and 1
    both gains equal :func:`ndcg`.

    Parameters
    ----------
    items : (B, k) int
        Ranked lists; -1 is padding.
    grades : (B, n_items) csr_array
        Grade of each item for each user, finite and not negative; what is not stored
        has grade 0. A cell stored twice is refused.
    k : int, optional
        Places that count; default: the width of ``items``.
    gain : {"exp2", "linear"}
        "exp2" is ``2^grade - 1`` (Burges et al., 2005; common in learning to rank),
        "linear" is the grade itself (Järvelin and Kekäläinen, 2002; trec_eval's
        ``ndcg_cut``). The two disagree, so say which you report.

    Returns
    -------
    (B,) float
        In [0, 1]; NaN for a user without a positive grade.

    Notes
    -----
    Cost O(nnz · log nnz + B · k · log nnz). Gains are divided by the user's largest, so
    that no grade overflows.
    """
    if gain not in ("exp2", "linear"):
        raise ValueError(f"gain must be 'exp2' or 'linear', got {gain!r}")
    grades = _check_grades(grades)
    items = _check_lists(items, grades.shape[1])
    if len(items) != grades.shape[0]:
        raise ValueError(f"{len(items)} lists, {grades.shape[0]} rows of grades")
    k = items.shape[1] if k is None else k
    check_number("k", k, low=1, whole=True)
    row = _rows(grades)
    best = np.zeros(len(items))
    np.maximum.at(best, row, grades.data)
    value = _gains(grades.data, best[row], gain)
    found, at = _stored(grades, items[:, :k])
    listed = np.where(found, np.append(value, 0.0)[at], 0.0)
    dcg = listed @ _discount(listed.shape[1])
    order = np.lexsort((-value, row))  # the ideal lists, one after the other
    place = np.arange(len(row)) - grades.indptr[row]
    kept = place < k
    weight = _discount(int(place[kept].max(initial=-1)) + 1)[place[kept]]
    ideal = np.bincount(row[kept], value[order][kept] * weight, len(items))
    return np.minimum(_divide(dcg, ideal), 1.0)


def auc(
    scores: np.ndarray, relevant: csr_array, excluded: csr_array | None = None
) -> np.ndarray:
    """Probability that a relevant item scores above another candidate; ties count half.

    Parameters
    ----------
    scores : (B, n_items)
        Without NaN; infinite scores are compared like others.
    relevant, excluded : (B, n_items) csr_array
        Stored entries are the positives, and the items that are no candidates.

    Returns
    -------
    (B,) float
        NaN for a user without positives or without negatives.

    Notes
    -----
    Equals the Mann-Whitney statistic (chapter 02, eq-evaluation-auc). Cost
    O(B · n_items · log n_items): one sort.
    """
    scores = check_numbers("scores", scores, finite=False)
    if scores.ndim != 2 or np.isnan(scores).any():
        raise ValueError(
            f"scores must be (B, n_items) without NaN, got shape {scores.shape} with "
            f"{int(np.isnan(scores).sum())} NaN"
        )
    relevant = _as_csr("relevant", relevant, scores.shape)
    ordered = np.array(scores)
    n_users, n_items = scores.shape
    row, column = _rows(relevant), relevant.indices
    n_excluded = np.zeros(n_users, dtype=np.int64)
    if excluded is not None:
        excluded = _as_csr("excluded", excluded, scores.shape)
        n_excluded = np.diff(excluded.indptr)
        ordered[_rows(excluded), excluded.indices] = -np.inf
        free = ~np.isin(_keys(relevant), _keys(excluded), assume_unique=True)
        row, column = row[free], column[free]
    ordered.sort(axis=1)
    positive = np.split(scores[row, column], np.cumsum(np.bincount(row, None, n_users)))
    result = np.full(n_users, np.nan)
    for u in range(n_users):
        n_pos = len(positive[u])
        n_neg = n_items - n_excluded[u] - n_pos
        if n_pos == 0 or n_neg == 0:
            continue
        x = np.sort(positive[u])
        below = _below(ordered[u, n_excluded[u] :], x) - _below(x, x)
        result[u] = below.sum() / (n_pos * n_neg)
    return result


def novelty(items: np.ndarray, counts: np.ndarray, n_users: int) -> np.ndarray:
    """Mean self-information of the listed items, ``-log2(share of users who know it)``.

    Parameters
    ----------
    items : (B, k) int
        -1 is padding and left out; an empty list gets 0.
    counts : (n_items,) int
        Training users per item, 0 to ``n_users``. An item nobody has seen counts as
        seen once.
    n_users : int

    Returns
    -------
    (B,) float, in bits
    """
    check_number("n_users", n_users, low=1, whole=True)
    counts = check_numbers("counts", counts)
    bad = (counts < 0) | (counts > n_users)
    if counts.ndim != 1 or len(counts) == 0 or bad.any():
        raise ValueError(
            f"counts must be one number per item, from 0 to n_users = {n_users}, got "
            f"shape {counts.shape}, counts" + _span(counts)
        )
    items = _check_lists(items, len(counts))
    surprise = -np.log2(np.maximum(counts, 1) / n_users)
    listed = items >= 0
    total = np.where(listed, np.append(surprise, 0.0)[items], 0.0).sum(axis=1)
    return total / np.maximum(listed.sum(axis=1), 1)


def diversity(items: np.ndarray, features: csr_array | ArrayLike) -> np.ndarray:
    """Intra-list diversity: mean of ``1 - cosine`` over the pairs of a list.

    Parameters
    ----------
    items : (B, k) int
        -1 is padding; a list with fewer than two items gets 0.
    features : (n_items, d) array or sparse array
        What items are compared by (genres, say), finite. A zero row has cosine 0 to
        all.

    Notes
    -----
    With unit rows ``x_i``, the cosines of a list's pairs sum to ``|sum x_i|² - sum
    |x_i|²``. Cost O(B · k · d); sparse features stay sparse.
    """
    unit = _unit_rows(check_feature_matrix(features))
    items = _check_lists(items, unit.shape[0])
    listed = items >= 0
    n = listed.sum(axis=1)
    start = np.concatenate([[0], np.cumsum(n)])
    member = csr_array(
        (np.ones(start[-1]), items[listed], start), shape=(len(items), unit.shape[0])
    )
    total = member @ unit  # (B, d)
    own = member @ (np.diff(unit.indptr) > 0).astype(float)
    pairs = n * (n - 1)
    similar = (total**2).sum(axis=1) - own
    return np.where(pairs > 0, 1 - similar / np.maximum(pairs, 1), 0.0)


# -- metrics of all lists together -------------------------------------------------


def coverage(items: np.ndarray, n_items: int) -> float:
    """Share of the catalogue that appears in at least one list.

    ``items`` may have any shape and repeat: all lists together; -1 is padding.
    """
    items = _check_items(items, n_items)
    return len(np.unique(items[items >= 0])) / n_items


def gini(items: np.ndarray, n_items: int) -> float:
    """Gini coefficient of how often items are listed: 0 = equally, 1 = one item only.

    ``sum_i (2 i - n - 1) x_(i) / (n sum x)`` with the counts in ascending order.
    ``items`` as in :func:`coverage`.
    """
    items = _check_items(items, n_items)
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items))
    if counts.sum() == 0:
        return 0.0
    place = np.arange(1, n_items + 1)
    return float(((2 * place - n_items - 1) @ counts) / (n_items * counts.sum()))


# -- helpers ---------------------------------------------------------------------------


def _divide(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    denominator = np.asarray(denominator, dtype=float)
    empty = np.full(denominator.shape, np.nan)
    return np.divide(numerator, denominator, out=empty, where=denominator > 0)


def _discount(k: int) -> np.ndarray:
    return 1 / np.log2(np.arange(2, k + 2))


def _below(ordered: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How many entries of ``ordered`` lie below each ``x``, ties counted half."""
    left = np.searchsorted(ordered, x, side="left")
    right = np.searchsorted(ordered, x, side="right")
    return (left + right) / 2


def _rows(matrix: csr_array) -> np.ndarray:
    """Row of each stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _keys(matrix: csr_array) -> np.ndarray:
    """One number per stored entry, ascending."""
    return _rows(matrix) * matrix.shape[1] + matrix.indices


def _stored(matrix: csr_array, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, k) bool: is the cell (b, items[b, r]) stored, and (B, k) int: where."""
    keys = _keys(matrix)
    wanted = np.arange(len(items))[:, None] * matrix.shape[1] + items
    at = np.searchsorted(keys, wanted)
    return (np.append(keys, -1)[at] == wanted) & (items >= 0), at


def _gains(grade: np.ndarray, best: np.ndarray, gain: str) -> np.ndarray:
    """Gains over the gain of ``best``, up to a factor per user."""
    if gain == "linear":
        return np.divide(grade, best, out=np.zeros(len(grade)), where=best > 0)
    return np.exp2(grade - best) * -np.expm1(-grade * np.log(2))


def _unit_rows(features: csr_array) -> csr_array:
    """Rows of length 1 (zero rows stay zero), no stored zeros."""
    unit = csr_array(features, copy=True)
    unit.sum_duplicates()
    unit.eliminate_zeros()
    row = _rows(unit)
    largest = np.zeros(unit.shape[0])
    np.maximum.at(largest, row, np.abs(unit.data))
    unit.data /= largest[row]  # so that no square overflows
    unit.data /= np.sqrt(np.bincount(row, unit.data**2, unit.shape[0]))[row]
    return unit


# -- checks of arguments ---------------------------------------------------------------


def _whole_numbers(name: str, values: Any) -> np.ndarray:
    """int64 array; whole numbers stored as floats are taken, booleans are not."""
    array = check_array(name, values)
    if array.dtype == bool:
        raise ValueError(f"{name} must be whole numbers, got booleans")
    if array.dtype.kind not in "iu" or array.dtype == np.uint64:
        array = check_numbers(name, array)
        if (array != np.floor(array)).any() or (np.abs(array) >= 2.0**63).any():
            raise ValueError(f"{name} must be whole numbers, got some" + _span(array))
    return array.astype(np.int64, copy=False)


def _span(array: np.ndarray) -> str:
    return f" from {array.min():g} to {array.max():g}" if array.size else ""


def _check_items(items: Any, n_items: int) -> np.ndarray:
    """Item indices of any shape, -1 or below ``n_items``."""
    check_number("n_items", n_items, low=1, whole=True)
    items = _whole_numbers("items", items)
    bad = (items < -1) | (items >= n_items)
    if bad.any():
        raise ValueError(
            f"items must be indices 0..{n_items - 1} (-1 is padding), got "
            f"{int(items[bad][0])}; {int(bad.sum())} lie outside of the catalogue"
        )
    return items


def _check_lists(items: Any, n_items: int) -> np.ndarray:
    """(B, k) lists of item indices, no item twice in a list."""
    items = _check_items(items, max(n_items, 1))
    if items.ndim != 2 or items.shape[1] == 0:
        raise ValueError(
            f"items must be lists, (B, k) with k >= 1, got shape {items.shape}; pass "
            "the field .items of what recommend returns"
        )
    ordered = np.sort(items, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        b, r = np.argwhere(twice)[0]
        raise ValueError(
            f"items holds item {int(ordered[b, r])} twice in list {int(b)}; an item "
            "counts once"
        )
    return items


def _check_hits(hits: Any) -> np.ndarray:
    """(B, k) bool, k >= 1."""
    hits = check_array("hits", hits)
    if hits.ndim != 2 or hits.shape[1] == 0:
        raise ValueError(
            f"hits must be a (B, k) array with k >= 1, got shape {hits.shape}; make it "
            "with hit_matrix"
        )
    if hits.dtype == bool:
        return hits
    values = check_numbers("hits", hits)
    if not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"hits must be True or False, got numbers{_span(values)}; for grades use "
            "graded_ndcg(items, grades)"
        )
    return values == 1


def _check_counted(hits: Any, n_relevant: Any) -> tuple[np.ndarray, np.ndarray]:
    """(B, k) bool and (B,) int64, at least the hits of each list."""
    hits = _check_hits(hits)
    n_relevant = _whole_numbers("n_relevant", n_relevant)
    if n_relevant.shape != (len(hits),):
        raise ValueError(
            f"n_relevant must be one number per list, shape {(len(hits),)}, got shape "
            f"{n_relevant.shape}"
        )
    short = n_relevant < hits.sum(axis=1)
    if short.any():
        b = int(np.argmax(short))
        raise ValueError(
            f"n_relevant is {int(n_relevant[b])} for list {b}, which has "
            f"{int(hits[b].sum())} hits; it counts all relevant items of the user"
        )
    return hits, n_relevant


def _as_csr(name: str, matrix: Any, shape: tuple[int, int] | None = None) -> csr_array:
    """Sorted rows, each cell stored once; a copy only where that is not so already."""
    if not issparse(matrix):
        raise ValueError(
            f"{name} must be a csr_array whose stored entries count, got "
            f"{type(matrix).__name__}; from a 0/1 array make csr_array(array)"
        )
    if matrix.ndim != 2 or (shape is not None and matrix.shape != shape):
        raise ValueError(
            f"{name} has shape {matrix.shape}, expected {shape or '(B, n_items)'}"
        )
    csr = csr_array(matrix)
    if not csr.has_canonical_format:
        csr = csr.copy() if csr is matrix or matrix.format == "csr" else csr
        csr.sum_duplicates()
    return csr


def _check_grades(grades: Any) -> csr_array:
    csr = _as_csr("grades", grades)
    if csr.nnz != grades.nnz:
        raise ValueError(
            f"grades stores {grades.nnz - csr.nnz} cells twice; a grade must be one"
        )
    data = check_numbers("grades", csr.data)
    if (data < 0).any():
        raise ValueError(f"grades must not be negative, got some{_span(data)}")
    return csr_array((data, csr.indices, csr.indptr), shape=csr.shape)


def _pair(name_a: str, a: Any, name_b: str, b: Any) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of numbers whose entries belong together."""
    check_same_index(name_a, a, name_b, b)
    a, b = check_numbers(name_a, a), check_numbers(name_b, b)
    if a.shape != b.shape or a.size == 0:
        raise ValueError(
            f"{name_a} and {name_b} need one common, non-empty shape, got "
            f"{a.shape} and {b.shape}"
        )
    return a, b
