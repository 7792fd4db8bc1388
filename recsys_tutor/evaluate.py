"""Evaluation of one model: a row per user first, averages last.

:func:`evaluate` ranks the whole catalogue for every user with test rows,
:func:`evaluate_ratings` does so for predicted stars. To put models side by side, with
paired intervals, see :mod:`recsys_tutor.compare`.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from recsys_tutor import metrics
from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_number
from recsys_tutor.data import Interactions
from recsys_tutor.parts import (
    check_fitted_model,
    check_model,
    check_ranking,
    clip_range,
    kind_of,
)
from recsys_tutor.ranking import batches, rank

__all__ = ["evaluate", "evaluate_ratings", "summarize", "title_lists"]

#: Metrics that each user has.
PER_USER = ("precision", "recall", "ndcg", "ap", "mrr", "hit", "auc", "novelty")


def evaluate(
    model: Recommender,
    test: Interactions,
    *,
    k: int = 10,
    exclude: str | csr_array | None = "seen",
    threshold: float | None = None,
    item_features: csr_array | ArrayLike | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Rank all items for every user with test rows.

    Parameters
    ----------
    model : Recommender
        Fitted; its training data give the popularity for ``novelty``.
    test : Interactions
        Of the same users and items as the training data, numbered in the same way.
    k : int
        Length of the lists.
    exclude : "seen", None or csr_array
        As in :meth:`~recsys_tutor.base.Recommender.recommend`. A matrix is taken at its
        word: relevant items in it can never be recommended and count as missed.
    threshold : float, optional
        Only test rows with ``value >= threshold`` are relevant; default: every row.
    item_features : (n_items, d) array or sparse array, optional
        Adds the column ``diversity``.
    batch_size : int, optional
        Users scored at once; the default keeps one score array at 64 MB.

    Returns
    -------
    DataFrame
        Indexed by user index. Columns precision, recall, ndcg, ap, mrr, hit, auc,
        novelty, (diversity,) n_relevant. A user without recommendations counts as 0.
        ``auc`` is NaN for a user whose candidates are all relevant, or none of them.
        ``attrs`` holds what concerns all lists together: coverage, gini, k,
        ``n_users_without_test`` (users left out because they have nothing relevant).

    Raises
    ------
    TypeError
        ``model`` is no Recommender or ``test`` no Interactions (``split.valid`` is None
        unless a validation part was carved).
    ValueError
        ``test`` numbers other users or items than the training data; nothing is
        relevant; with ``exclude="seen"``, a relevant test row is a training row too: it
        could never be recommended, and a split gone wrong would pass for a weak model.
        To look at the error on the training part itself say ``exclude=None``. Or
        another argument is out of its range.
    """
    check_model(model, test, "evaluate")
    relevant, item_features = check_ranking(
        model.train_, test, k, exclude, threshold, item_features, batch_size
    )
    n_relevant = np.diff(relevant.indptr)
    users = np.flatnonzero(n_relevant)
    excluded = model.excluded(exclude)
    parts, lists = [], []
    for part in batches(len(users), model.n_items_, batch_size):
        batch = users[part]
        rows = None if excluded is None else excluded[batch]
        measured, items = _measured(model, batch, relevant[batch], rows, k)
        if item_features is not None:
            measured["diversity"] = metrics.diversity(items, item_features)
        parts.append(pd.DataFrame(measured, index=batch))
        lists.append(items)
    result = pd.concat(parts)
    result["n_relevant"] = n_relevant[users]
    result.index.name = "user"
    items = np.concatenate(lists)
    result.attrs = {
        "k": k,
        "coverage": metrics.coverage(items, model.n_items_),
        "gini": metrics.gini(items, model.n_items_),
        "n_users_without_test": int(test.n_users - len(users)),
    }
    return result


def _measured(
    model: Recommender,
    users: np.ndarray,
    relevant: csr_array,
    excluded: csr_array | None,
    k: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The metrics of some users, one array each, and their lists."""
    scores = model.score(users)
    items = rank(scores, excluded, None, k).items
    hits = metrics.hit_matrix(items, relevant)
    n_relevant = np.diff(relevant.indptr)
    counts = np.bincount(model.train_.item, minlength=model.n_items_)
    values = {
        "precision": metrics.precision(hits),
        "recall": metrics.recall(hits, n_relevant),
        "ndcg": metrics.ndcg(hits, n_relevant),
        "ap": metrics.ap(hits, n_relevant),
        "mrr": metrics.mrr(hits),
        "hit": metrics.hit(hits),
        "auc": metrics.auc(scores, relevant, excluded),
        "novelty": metrics.novelty(items, counts, model.n_users_),
    }
    return values, items


def summarize(per_user: pd.DataFrame) -> pd.Series:
    """Mean over users of each metric, with coverage and gini of all lists.

    ``per_user`` is what :func:`evaluate` returns. A user whose AUC is NaN is left out
    of the mean AUC only. Of a frame with fewer rows (some users of it) the means are
    those of its users; coverage and gini stay those of **all** lists, because they
    belong to the lists together and were computed in :func:`evaluate`.
    """
    if not isinstance(per_user, pd.DataFrame):
        raise TypeError(
            f"summarize expects the frame of evaluate, got {kind_of(per_user)}"
        )
    known = "n_relevant" in per_user and {"coverage", "gini"} <= set(per_user.attrs)
    values = per_user.drop(columns="n_relevant", errors="ignore")
    if not known or len(values.select_dtypes("number").columns) < values.shape[1]:
        raise ValueError(
            "summarize expects the frame of evaluate with its attrs; this one has "
            f"columns {list(per_user)} and attrs {sorted(map(str, per_user.attrs))}"
        )
    return pd.concat([values.mean(), pd.Series(per_user.attrs)[["coverage", "gini"]]])


def evaluate_ratings(
    model: Recommender,
    test: Interactions,
    *,
    clip: str | tuple[float, float] | None = "train",
    own_time: bool = False,
) -> pd.DataFrame:
    """Predicted and true ratings, one row per test rating.

    Parameters
    ----------
    model : Recommender
        Fitted, one that predicts ratings.
    test : Interactions
        Of the same users and items as the training data, numbered in the same way.
    clip : "train", None or (low, high)
        Range that predictions are cut to. "train": from the smallest to the largest
        value of the training data, (1, 5) on MovieLens; the test part is not looked at.
        None: predictions as they are. Two numbers, ``low < high``: the known scale.
    own_time : bool
        Tells a model that uses it when each test rating was given: more than is known
        when a prediction is asked for (chapter 10).

    Returns
    -------
    DataFrame
        Columns user, item (indices), rating, prediction. ``metrics.rmse(f.rating,
        f.prediction)`` is the RMSE of the book: over all ratings at once, never a mean
        of batch or user RMSEs. ``attrs["clip"]`` is the range used, (low, high), or
        None.

    Raises
    ------
    TypeError, ValueError
        As :func:`evaluate` for the model and the ids of the test part; ``clip`` is none
        of the three.
    """
    check_model(model, test, "evaluate_ratings")
    clip = clip_range(clip, model.train_)
    if own_time and test.time is None:
        raise ValueError("own_time=True needs the times of the test ratings, got none")
    time = test.time if own_time else None
    prediction = model.predict(test.user, test.item, time=time)
    if clip is not None:
        prediction = np.clip(prediction, *clip)
    columns = {"user": test.user, "item": test.item, "rating": test.value}
    frame = pd.DataFrame({**columns, "prediction": prediction})
    frame.attrs = {"clip": clip}
    return frame


def title_lists(
    model: Recommender, users: Sequence[int], titles: Sequence[str], *, k: int = 10
) -> pd.DataFrame:
    """The ``k`` recommended titles of some users side by side, best first.

    Parameters
    ----------
    users : (B,) int
        User **indices**, each once; ``train.user_index(ids)`` gives them.
    titles : (n_items,) titles in the order of item indices

    Returns
    -------
    DataFrame
        Index "place" 1..k; one column per user, named by the user's id.
    """
    check_fitted_model(model, "title_lists")
    check_number("k", k, low=1, whole=True)
    named = np.asarray(titles, dtype=object)
    if named.ndim != 1:
        raise ValueError(
            f"titles must be one title per item, got shape {named.shape}; of a frame "
            "pass one column"
        )
    if len(named) != model.n_items_:
        raise ValueError(f"got {len(named)} titles for {model.n_items_} items")
    asked = np.asarray(users)
    if asked.ndim == 1 and len(np.unique(asked)) < len(asked):
        raise ValueError(f"users must be given once each, got {asked.tolist()}")
    lists = model.recommend(asked, k).items
    columns = {
        model.train_.user_ids[u]: np.where(row >= 0, named[row], "")
        for u, row in zip(asked, lists, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, k + 1, name="place"))
