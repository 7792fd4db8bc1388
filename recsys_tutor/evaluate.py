"""Evaluation: one row per user first, averages and intervals last.

``evaluate`` ranks the whole catalogue for every user who has test items; ``compare``
puts models side by side with paired bootstrap intervals. ``evaluate_ratings`` and
``compare_ratings`` do the same for predicted stars.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys_tutor import metrics
from recsys_tutor.base import Recommender, check_number, mask_items, top_k
from recsys_tutor.data import Interactions, Split

__all__ = [
    "Interval",
    "bootstrap",
    "compare",
    "compare_ratings",
    "evaluate",
    "evaluate_ratings",
    "paired_bootstrap",
    "summarize",
    "title_lists",
]

_CELLS_PER_BATCH = 2**23  # 64 MB per float64 array of scores


def evaluate(
    model: Recommender,
    test: Interactions,
    *,
    k: int = 10,
    exclude="seen",
    threshold: float | None = None,
    item_features: np.ndarray | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Rank all items for every user with test rows.

    Parameters
    ----------
    model : Recommender
        Fitted; its training data give the popularity for ``novelty``.
    test : Interactions
        Same shape as the training data.
    k : int
        Length of the lists.
    exclude : "seen", None or csr_array
        As in :meth:`~recsys_tutor.base.Recommender.recommend`.
    threshold : float, optional
        Only test rows with ``value >= threshold`` are relevant; default: every row.
    item_features : (n_items, d) array, optional
        Adds the column ``diversity``.
    batch_size : int, optional
        Users scored at once; the default keeps one score array at 64 MB.

    Returns
    -------
    DataFrame
        Indexed by user index. Columns precision, recall, ndcg, ap, mrr, hit, auc,
        novelty, (diversity,) n_relevant. A user without recommendations counts as 0.
        ``attrs`` holds what concerns all lists together: coverage, gini, k,
        ``n_users_without_test`` (users left out because they have nothing relevant).

    Raises
    ------
    ValueError
        ``test`` has another shape than the training data, or nothing is relevant.
    """
    _check_test(model, test)
    if batch_size is not None:
        check_number("batch_size", batch_size, low=1, whole=True)
    relevant = test.binarize(threshold).csr
    n_relevant = np.diff(relevant.indptr)
    users = np.flatnonzero(n_relevant)
    if len(users) == 0:
        raise ValueError("no test row is relevant; lower the threshold")
    excluded = model.excluded(exclude)
    counts = np.bincount(model.train_.item, minlength=model.n_items_)
    batch_size = batch_size or max(1, _CELLS_PER_BATCH // model.n_items_)
    parts, lists = [], []
    for start in range(0, len(users), batch_size):
        batch = users[start : start + batch_size]
        scores = model.score(batch)
        rows = None if excluded is None else excluded[batch]
        items = top_k(scores if rows is None else mask_items(scores, rows), k).items
        hits = metrics.hit_matrix(items, relevant[batch])
        part = {
            "precision": metrics.precision(hits),
            "recall": metrics.recall(hits, n_relevant[batch]),
            "ndcg": metrics.ndcg(hits, n_relevant[batch]),
            "ap": metrics.ap(hits, n_relevant[batch]),
            "mrr": metrics.mrr(hits),
            "hit": metrics.hit(hits),
            "auc": metrics.auc(scores, relevant[batch], rows),
            "novelty": metrics.novelty(items, counts, model.n_users_),
        }
        if item_features is not None:
            part["diversity"] = metrics.diversity(items, item_features)
        parts.append(pd.DataFrame(part, index=batch))
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


def summarize(per_user: pd.DataFrame) -> pd.Series:
    """Mean over users of each metric, with coverage and gini of all lists."""
    means = per_user.drop(columns="n_relevant").mean()
    return pd.concat([means, pd.Series(per_user.attrs)[["coverage", "gini"]]])


def evaluate_ratings(
    model: Recommender,
    test: Interactions,
    *,
    clip: tuple[float, float] | None = (1.0, 5.0),
    own_time: bool = False,
) -> pd.DataFrame:
    """Predicted and true ratings, one row per test rating.

    ``own_time`` tells a model that uses it when each test rating was given: more than
    is known when a prediction is asked for (chapter 10).

    Returns
    -------
    DataFrame
        Columns user, item (indices), rating, prediction (clipped unless ``clip`` is
        None). ``metrics.rmse(f.rating, f.prediction)`` is the RMSE of the book: over
        all ratings at once, never a mean of batch or user RMSEs.
    """
    _check_test(model, test)
    if own_time and test.time is None:
        raise ValueError("own_time=True needs the times of the test ratings, got none")
    time = test.time if own_time else None
    prediction = model.predict(test.user, test.item, time=time)
    if clip is not None:
        prediction = np.clip(prediction, *clip)
    columns = {"user": test.user, "item": test.item, "rating": test.value}
    return pd.DataFrame({**columns, "prediction": prediction})


def title_lists(
    model: Recommender, users: Sequence[int], titles: Sequence[str], *, k: int = 10
) -> pd.DataFrame:
    """The ``k`` recommended titles of some users side by side, best first.

    Parameters
    ----------
    users : user indices
    titles : (n_items,) titles in the order of item indices

    Returns
    -------
    DataFrame
        Index "place" 1..k; one column per user, named by the user's id.
    """
    titles = np.asarray(titles, dtype=object)
    lists = model.recommend(np.asarray(users), k).items
    if len(titles) != model.n_items_:
        raise ValueError(f"got {len(titles)} titles for {model.n_items_} items")
    columns = {
        model.train_.user_ids[u]: np.where(row >= 0, titles[row], "")
        for u, row in zip(users, lists, strict=True)
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, k + 1, name="place"))


class Interval(NamedTuple):
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    values: np.ndarray,
    *,
    n_boot: int = 2000,
    level: float = 0.95,
    random_state: int = 0,
) -> Interval:
    """Percentile bootstrap of a mean: resample the entries (users) with replacement.

    Cost O(n_boot · n), in blocks of bounded memory.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"values must be finite, 1-D and not empty, got shape {values.shape}"
        )
    check_number("n_boot", n_boot, low=1, whole=True)
    check_number("level", level, low=0, high=1, strict=True)
    rng = np.random.default_rng(random_state)
    block = max(1, 2**22 // len(values))
    means = []
    for start in range(0, n_boot, block):
        size = (min(block, n_boot - start), len(values))
        means.append(values[rng.integers(0, len(values), size)].mean(axis=1))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def paired_bootstrap(a: np.ndarray, b: np.ndarray, **options) -> Interval:
    """Interval of ``mean(a - b)``; ``a[n]`` and ``b[n]`` belong to the same user."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        raise ValueError(f"a and b must pair up, got shapes {a.shape} and {b.shape}")
    return bootstrap(a - b, **options)


def compare(
    models: Mapping[str, Recommender],
    splits: Split | Sequence[Split],
    *,
    reference: str | None = None,
    by: str = "ndcg",
    k: int = 10,
    n_boot: int = 2000,
    random_state: int = 0,
    **options,
) -> pd.DataFrame:
    """Fit every model on every split and put the test scores side by side.

    Parameters
    ----------
    models : dict of name -> unfitted Recommender
        Cloned before fitting.
    splits : Split or sequence of Split
        One split: ``±`` is half the 95 % bootstrap interval over its users. Several:
        ``±`` is the standard deviation of the means over the splits.
    reference : str, optional
        Model that the differences refer to; default: the first.
    by : str
        Metric of the ``±`` and the difference columns.
    options
        Passed to :func:`evaluate`.

    Returns
    -------
    DataFrame
        A row per model in the given order; a column per metric (mean over splits),
        then ``±``, ``difference`` (to the reference, same users), ``low`` and ``high``
        (its paired 95 % bootstrap interval; a user's differences are averaged over the
        splits first).
    """
    splits = [splits] if isinstance(splits, Split) else list(splits)
    reference = _reference(models, reference)
    means, per_user = {}, {}
    for name, model in models.items():
        frames = [
            evaluate(model.clone().fit(s.train), s.test, k=k, **options) for s in splits
        ]
        means[name] = pd.DataFrame([summarize(frame) for frame in frames])
        per_user[name] = (
            pd.concat([frame[by] for frame in frames]).groupby("user").mean()
        )
    rows = {}
    for name in models:
        settings = {"n_boot": n_boot, "random_state": random_state}
        if len(splits) > 1:
            spread = means[name][by].std()
        else:
            interval = bootstrap(per_user[name], **settings)
            spread = (interval.high - interval.low) / 2
        gap = paired_bootstrap(per_user[name], per_user[reference], **settings)
        rows[name] = {
            **means[name].mean(),
            "±": spread,
            "difference": gap.mean,
            "low": gap.low,
            "high": gap.high,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def compare_ratings(
    models: Mapping[str, Recommender],
    folds: Split | Sequence[Split],
    *,
    reference: str | None = None,
    clip: tuple[float, float] | None = (1.0, 5.0),
) -> pd.DataFrame:
    """Cross-validated rating error of several models on the same folds.

    Returns
    -------
    DataFrame
        A row per model: ``rmse``, ``mae`` (means over the folds), ``±`` (standard
        deviation of the RMSE over the folds), ``difference`` (mean paired difference of
        the RMSE to the reference) and ``± difference`` (its standard deviation).
    """
    folds = [folds] if isinstance(folds, Split) else list(folds)
    reference = _reference(models, reference)
    scores = {}
    for name, model in models.items():
        frames = [
            evaluate_ratings(model.clone().fit(f.train), f.test, clip=clip)
            for f in folds
        ]
        scores[name] = pd.DataFrame(
            {
                "rmse": [metrics.rmse(f.rating, f.prediction) for f in frames],
                "mae": [metrics.mae(f.rating, f.prediction) for f in frames],
            }
        )
    rows = {}
    for name, score in scores.items():
        gap = score.rmse - scores[reference].rmse
        rows[name] = {
            **score.mean(),
            "±": score.rmse.std(),
            "difference": gap.mean(),
            "± difference": gap.std(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _check_test(model, test) -> None:
    model._check_fitted()
    shape = (model.n_users_, model.n_items_)
    if test.shape != shape:
        raise ValueError(
            f"test has shape {test.shape}, the model was trained on {shape}; split "
            "with recsys_tutor.splits or Interactions.subset, which keep the shape"
        )


def _reference(models, reference):
    if not models:
        raise ValueError("compare needs at least one model")
    reference = next(iter(models)) if reference is None else reference
    if reference not in models:
        raise KeyError(f"reference {reference!r} is not among {list(models)}")
    return reference
