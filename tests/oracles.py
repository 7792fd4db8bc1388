"""Literal, slow, independent implementations that the package is compared with.

Nothing here imports the package's formulas: loops over plain Python numbers, written
from the definitions. ``LiteralEASE`` borrows only the contract of the base class.
"""

import math
from fractions import Fraction

import numpy as np

from recsys_tutor.base import Recommender

# -- ranking ----------------------------------------------------------------------


def ranked_list(scores, excluded, k):
    """Items of one user: higher score first, then lower index; padded with -1."""
    allowed = [i for i in range(len(scores)) if not excluded[i]]
    allowed.sort(key=lambda i: (-scores[i], i))
    return (allowed + [-1] * k)[:k]


def list_metrics(items, relevant, k):
    """Metrics of one list by their definitions; ``relevant`` is a non-empty set."""
    hits, precisions, gain, first = 0, 0.0, 0.0, None
    for place in range(1, k + 1):
        if items[place - 1] in relevant:
            hits += 1
            precisions += hits / place
            gain += 1 / math.log(place + 1, 2)
            first = place if first is None else first
    best = sum(1 / math.log(p + 1, 2) for p in range(1, min(k, len(relevant)) + 1))
    return {
        "precision": hits / k,
        "recall": hits / len(relevant),
        "ndcg": gain / best,
        "ap": precisions / len(relevant),
        "mrr": 0.0 if first is None else 1 / first,
        "hit": float(hits > 0),
    }


def auc(scores, positives, negatives):
    """Share of (positive, negative) pairs in the right order; a tie is half."""
    won = Fraction(0)
    for p in positives:
        for n in negatives:
            won += Fraction(int(scores[p] > scores[n]))
            won += Fraction(int(scores[p] == scores[n]), 2)
    return float(won / (len(positives) * len(negatives)))


def gini(counts):
    """Mean absolute difference of all pairs over twice the mean."""
    n, mean = len(counts), sum(counts) / len(counts)
    apart = sum(abs(a - b) for a in counts for b in counts)
    return apart / (2 * n * n * mean)


def novelty(items, counts, n_users):
    bits = [-math.log(max(counts[i], 1) / n_users, 2) for i in items if i >= 0]
    return sum(bits) / len(bits) if bits else 0.0


def diversity(items, features):
    listed = [i for i in items if i >= 0]
    apart = []
    for a in range(len(listed)):
        for b in range(a + 1, len(listed)):
            x, y = features[listed[a]], features[listed[b]]
            dot = sum(p * q for p, q in zip(x, y, strict=True))
            size = math.sqrt(sum(p * p for p in x)) * math.sqrt(sum(q * q for q in y))
            apart.append(1 - (dot / size if size else 0.0))
    return sum(apart) / len(apart) if apart else 0.0


# -- splits -----------------------------------------------------------------------


def stratified_train_rows(group, ratio, seed):
    """Row numbers that train: the rule of the main protocol, a group at a time."""
    key = np.random.RandomState(seed).rand(len(group))
    rows_of = {}
    for row, g in enumerate(group):
        rows_of.setdefault(int(g), []).append(row)
    train = set()
    for rows in rows_of.values():
        rows.sort(key=lambda row: key[row])
        train.update(rows[: round(ratio * len(rows))])  # Python rounds half to even
    return train


def last_rows(user, time, n_last, needed):
    """Per user with ``needed`` rows: the ``n_last`` latest, latest first.

    A later row of the file is the later event where the times tie.
    """
    rows_of = {}
    for row, u in enumerate(user):
        rows_of.setdefault(int(u), []).append(row)
    latest = {}
    for u, rows in rows_of.items():
        if len(rows) >= needed:
            by_time = sorted(rows, key=lambda row: (time[row], row))
            latest[u] = by_time[::-1][:n_last]
    return latest


# -- models -----------------------------------------------------------------------


class LiteralEASE(Recommender):
    """Steck (2019), Algorithm 1, line by line."""

    def __init__(self, *, reg=300.0):
        self.reg = reg

    def _fit(self, train, callback):
        X = (train.csr.toarray() > 0).astype(float)
        G = X.T @ X
        G[np.diag_indices(len(G))] += self.reg
        P = np.linalg.inv(G)
        B = P / -np.diag(P)
        B[np.diag_indices(len(B))] = 0
        self.scores_ = X @ B

    def _score_users(self, users):
        return self.scores_[users]


def ridge_biases(user, item, rating, n_users, n_items, reg_u, reg_i):
    """Biases that minimise the ridge objective, by dense least squares.

    The penalty enters as extra rows ``sqrt(reg) · b = 0``. Returns (b_u, b_i).
    """
    n = len(rating)
    A = np.zeros((n + n_users + n_items, n_users + n_items))
    A[np.arange(n), user] = 1
    A[np.arange(n), n_users + item] = 1
    for u in range(n_users):
        A[n + u, u] = math.sqrt(reg_u)
    for i in range(n_items):
        A[n + n_users + i, n_users + i] = math.sqrt(reg_i)
    y = np.concatenate([rating - np.mean(rating), np.zeros(n_users + n_items)])
    b = np.linalg.lstsq(A, y, rcond=None)[0]
    return b[:n_users], b[n_users:]
