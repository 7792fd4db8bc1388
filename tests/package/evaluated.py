"""Models and data whose evaluation can be counted by hand."""

import math

import numpy as np
import oracles
import pandas as pd

from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions, Split

METRICS = ["precision", "recall", "ndcg", "ap", "mrr", "hit"]
COLUMNS = [*METRICS, "auc", "novelty", "n_relevant"]


class Fixed(Recommender):
    """Scores given in the constructor: what is evaluated is known."""

    def __init__(self, *, scores=None):
        self.scores = scores

    def _fit(self, train):
        pass

    def _score_users(self, users):
        return np.asarray(self.scores, dtype=float)[users]

    def _predict(self, users, items):
        return np.asarray(self.scores, dtype=float)[users, items]


def data_of(cells, n_users, n_items, value=None):
    user, item = np.array(cells, dtype=int).reshape(-1, 2).T
    return Interactions(
        user=user,
        item=item,
        value=np.ones(len(user)) if value is None else value,
        time=np.arange(len(user)),
        user_ids=[f"u{n}" for n in range(n_users)],
        item_ids=[f"i{n}" for n in range(n_items)],
    )


def literal_evaluation(scores, train, test, k, excluded):
    """One dict per user with test rows, by plain loops."""
    counts = [0] * train.n_items
    for i in train.item.tolist():
        counts[i] += 1
    positives = {}
    for u, i in zip(test.user.tolist(), test.item.tolist(), strict=True):
        positives.setdefault(u, set()).add(i)
    result, shown = {}, [0] * train.n_items
    for u in sorted(positives):
        banned = [excluded[u, i] for i in range(train.n_items)]
        items = oracles.ranked_list(scores[u], banned, k)
        row = oracles.list_metrics(items, positives[u], k)
        good = [i for i in positives[u] if not banned[i]]
        bad = [
            i for i in range(train.n_items) if not banned[i] and i not in positives[u]
        ]
        row["auc"] = oracles.auc(scores[u], good, bad) if good and bad else math.nan
        row["novelty"] = oracles.novelty(items, counts, train.n_users)
        row["n_relevant"] = len(positives[u])
        result[u] = row
        for i in items:
            if i >= 0:
                shown[i] += 1
    return pd.DataFrame.from_dict(result, orient="index"), shown


def halves(n_users=4, n_items=5, user_ids=None, item_ids=None, value=None):
    """A train and a test part of every other cell."""
    user, item = np.indices((n_users, n_items)).reshape(2, -1)
    value = 1 + (user + item) % 5 if value is None else np.resize(value, len(user))
    data = Interactions(
        user=user,
        item=item,
        value=value,
        time=None,
        user_ids=range(n_users) if user_ids is None else user_ids,
        item_ids=range(n_items) if item_ids is None else item_ids,
    )
    held = (user + item) % 2 == 1
    return Split(data.subset(~held), None, data.subset(held))


class Never(Recommender):
    """A model that no check may reach."""

    def _fit(self, train):
        raise AssertionError("fitted before the arguments were checked")
