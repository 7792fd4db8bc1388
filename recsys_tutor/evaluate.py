"""Evaluation: one row per user first, averages and intervals last.

``evaluate`` ranks the whole catalogue for every user with test rows, ``compare`` puts
models side by side with paired intervals; ``..._ratings`` do so for predicted stars.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys_tutor import metrics
from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_number, check_random_state
from recsys_tutor.data import Interactions, Split
from recsys_tutor.parts import (
    check_fitted_model,
    check_model,
    check_ranking,
    check_same_ids,
    check_split,
    clip_range,
    kind_of,
)
from recsys_tutor.ranking import batches, mask_items, top_k

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

_PER_USER = ("precision", "recall", "ndcg", "ap", "mrr", "hit", "auc", "novelty")
_ERRORS = {"rmse": metrics.rmse, "mae": metrics.mae}


def evaluate(
    model: Recommender,
    test: Interactions,
    *,
    k: int = 10,
    exclude="seen",
    threshold: float | None = None,
    item_features=None,
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
        part, items = _rank(model, batch, relevant[batch], rows, k)
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


def _rank(model, users, relevant, excluded, k) -> tuple[dict, np.ndarray]:
    """The metrics of some users, one array each, and their lists."""
    scores = model.score(users)
    masked = scores if excluded is None else mask_items(scores, excluded)
    items = top_k(masked, k).items
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
    titles = np.asarray(titles, dtype=object)
    if titles.ndim != 1:
        raise ValueError(
            f"titles must be one title per item, got shape {titles.shape}; of a frame "
            "pass one column"
        )
    if len(titles) != model.n_items_:
        raise ValueError(f"got {len(titles)} titles for {model.n_items_} items")
    users = np.asarray(users)
    if users.ndim == 1 and len(np.unique(users)) < len(users):
        raise ValueError(f"users must be given once each, got {users.tolist()}")
    lists = model.recommend(users, k).items
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

    ``values`` (n,) are finite; NaN (users without AUC) is refused, because leaving
    users out is a decision to state. One value gives an interval of width 0.
    ``random_state`` is an int or a Generator. Cost O(n_boot · n), in blocks of bounded
    memory.
    """
    values = metrics._numbers("values", values, finite=False)
    bad = ~np.isfinite(values)
    if values.ndim != 1 or len(values) == 0 or bad.any():
        raise ValueError(
            "values must be finite, 1-D and not empty, got shape "
            f"{values.shape} with {int(bad.sum())} not finite; leave users without a "
            "value out first, and say so"
        )
    check_number("n_boot", n_boot, low=1, whole=True)
    check_number("level", level, above=0, below=1)
    check_random_state(random_state)
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
    """Interval of ``mean(a - b)``; ``a[n]`` and ``b[n]`` belong to the same user.

    Two Series must have one index, so that the same users stand in the same rows.
    ``options`` as in :func:`bootstrap`.
    """
    metrics._check_index_pair("a", a, "b", b)
    a = metrics._numbers("a", a, finite=False)
    b = metrics._numbers("b", b, finite=False)
    if a.shape != b.shape:
        raise ValueError(f"a and b must pair up, got shapes {a.shape} and {b.shape}")
    return bootstrap(a - b, **options)


def compare(
    models: Mapping[str, Recommender],
    splits: Split | Sequence[Split],
    *,
    reference: str | None = None,
    by: str = "ndcg",
    columns: Sequence[str] | None = None,
    k: int = 10,
    n_boot: int = 2000,
    random_state: int = 0,
    progress: bool = False,
    **options,
) -> pd.DataFrame:
    """Fit every model on every split and put the test scores side by side.

    Parameters
    ----------
    models : dict of name -> Recommender
        Cloned before fitting; those given are left alone.
    splits : Split or sequence of Split
        One split: ``±`` is half the 95 % bootstrap interval over its users. Several:
        ``±`` is the standard deviation of the means over the splits.
    reference : str, optional
        Model that the differences refer to; default: the first.
    by : str
        Metric of the ``±`` and the difference columns: a column of :func:`evaluate`.
    columns : sequence of str, optional
        Metric columns of the table, in this order; default: all that :func:`evaluate`
        gives, coverage and gini. "fit_seconds", the mean wall time of a fit, is there
        only if named, because it is another number in every run.
    random_state : int
        Seed of the bootstrap; the same resamples for every model.
    progress : bool
        Draw a bar over models x splits (on stderr).
    options
        Passed to :func:`evaluate`: exclude, threshold, item_features, batch_size.

    Returns
    -------
    DataFrame
        A row per model in the given order; a column per metric (mean over splits),
        then ``±``, ``difference`` (to the reference, same users), ``low`` and ``high``
        (its paired 95 % bootstrap interval; a user's differences are averaged over the
        splits first). A user without the metric ``by`` (AUC can be undefined) for any
        of the models is left out of these four; ``attrs["n_users"]`` and
        ``attrs["n_users_undefined"]`` count both kinds.

    Raises
    ------
    TypeError, ValueError, KeyError
        Before anything is fitted: for what :func:`evaluate` would refuse, an unknown
        metric, option or reference, models or splits of another kind.
    """
    splits = _check_comparison("compare", models, splits)
    reference = _reference(models, reference)
    _check_options(splits, k, by, columns, options)
    check_number("n_boot", n_boot, low=1, whole=True)
    check_number("random_state", random_state, low=0, whole=True)
    means, per_user = {}, {}
    for name, fits in _fits(models, splits, progress):
        means[name], per_user[name] = _over_splits(fits, by, k, options)
    per_user = pd.DataFrame(per_user)
    kept = per_user.dropna()
    if kept.empty:
        raise ValueError(f"by={by!r}: no user has this metric for every model")
    if columns is None:
        columns = means[reference].columns.drop("fit_seconds")
    settings = {"n_boot": n_boot, "random_state": random_state}
    table = {
        name: {
            **means[name][list(columns)].mean(),
            "±": _spread(means[name][by], kept[name], settings),
            **_gap(kept[name], kept[reference], settings),
        }
        for name in models
    }
    table = pd.DataFrame.from_dict(table, orient="index")
    table.attrs = {"by": by, "k": k, "n_users": len(kept)}
    table.attrs["n_users_undefined"] = len(per_user) - len(kept)
    return table


def _over_splits(fits, by, k, options) -> tuple[pd.DataFrame, pd.Series]:
    """Means of all metrics, a row per split; and the metric ``by`` of every user."""
    rows, per_user = [], []
    for model, split, seconds in fits:
        frame = evaluate(model, split.test, k=k, **options)
        rows.append({**summarize(frame), "fit_seconds": seconds})
        per_user.append(frame[by])
    return pd.DataFrame(rows), pd.concat(per_user).groupby("user").mean()


def _spread(means, values, settings) -> float:
    """Standard deviation over splits; of one split, half the interval over users."""
    if len(means) > 1:
        return means.std()
    interval = bootstrap(values, **settings)
    return (interval.high - interval.low) / 2


def _gap(values, reference, settings) -> dict:
    gap = paired_bootstrap(values, reference, **settings)
    return {"difference": gap.mean, "low": gap.low, "high": gap.high}


def compare_ratings(
    models: Mapping[str, Recommender],
    folds: Split | Sequence[Split],
    *,
    reference: str | None = None,
    clip: str | tuple[float, float] | None = "train",
    progress: bool = False,
) -> pd.DataFrame:
    """Cross-validated rating error of several models on the same folds.

    Parameters
    ----------
    models, folds, reference, progress
        As in :func:`compare`.
    clip : "train", None or (low, high)
        As in :func:`evaluate_ratings`; "train" is the range of each fold's own training
        part, the same for all models.

    Returns
    -------
    DataFrame
        A row per model: ``rmse``, ``mae`` (means over the folds), ``±`` (standard
        deviation of the RMSE over the folds), ``difference`` (mean paired difference of
        the RMSE to the reference) and ``± difference`` (its standard deviation).
        ``attrs["clip"]`` lists the range used in each fold.
    """
    folds = _check_comparison("compare_ratings", models, folds)
    reference = _reference(models, reference)
    for n, fold in enumerate(folds):
        if len(fold.test) == 0:
            raise ValueError(f"the test part of fold {n} has no rows")
    ranges = [clip_range(clip, fold.train) for fold in folds]
    scores = {}
    for name, fits in _fits(models, folds, progress):
        rows = []
        for model, fold, _ in fits:
            f = evaluate_ratings(model, fold.test, clip=clip)
            errors = [error(f.rating, f.prediction) for error in _ERRORS.values()]
            rows.append(errors)
        scores[name] = pd.DataFrame(rows, columns=list(_ERRORS))
    rows = {}
    for name, score in scores.items():
        gap = score.rmse - scores[reference].rmse
        rows[name] = {
            **score.mean(),
            "±": score.rmse.std(),
            "difference": gap.mean(),
            "± difference": gap.std(),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs = {"clip": ranges}
    return table


def _fits(models, splits, progress):
    """``(name, iterator of (fitted clone, split, seconds))`` for every model."""
    bar = None
    if progress:
        from tqdm.auto import tqdm

        bar = tqdm(total=len(models) * len(splits), unit="fit")

    def fit_each(name, model):
        for split in splits:
            if bar is not None:
                bar.set_postfix_str(str(name))
            started = perf_counter()
            fitted = model.clone().fit(split.train)
            yield fitted, split, perf_counter() - started
            if bar is not None:
                bar.update()

    try:
        for name, model in models.items():
            yield name, fit_each(name, model)
    finally:
        if bar is not None:
            bar.close()


# -- checks of arguments ---------------------------------------------------------------


def _check_comparison(function, models, splits) -> list[Split]:
    """Named models and splits whose parts belong together, as a list of splits."""
    if not isinstance(models, Mapping):
        raise TypeError(
            f"{function} expects models as a dict of name -> model, got "
            f"{kind_of(models)}"
        )
    for name, model in models.items():
        if not isinstance(model, Recommender):
            raise TypeError(
                f"models[{name!r}] must be a Recommender, to be cloned and fitted, got "
                f"{kind_of(model)}"
            )
    if isinstance(splits, Split) or not isinstance(splits, Iterable):
        splits = [splits]
    splits = list(splits)
    if not splits:
        raise ValueError(f"{function} needs at least one split")
    for split in splits:
        check_split(function, split, "train", "test")
        check_same_ids(split.train, split.test)
    return splits


def _check_options(splits, k, by, columns, options) -> None:
    """What :func:`evaluate` would refuse, before the first fit."""
    defaults = {
        name: p.default
        for name, p in signature(evaluate).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }
    unknown = [name for name in options if name not in defaults]
    if unknown:
        raise TypeError(
            f"compare knows no option {unknown[0]!r}; evaluate takes {list(defaults)}"
        )
    per_user = list(_PER_USER)
    if options.get("item_features") is not None:
        per_user.append("diversity")
    if by not in per_user:
        raise ValueError(f"by must be one of {per_user}, got {by!r}")
    shown = [*per_user, "coverage", "gini", "fit_seconds"]
    if columns is not None:
        bad = isinstance(columns, str) or [c for c in columns if c not in shown]
        if bad or len(set(columns)) < len(columns):
            raise ValueError(
                f"columns must be a list of some of {shown}, got {columns!r}"
            )
    for split in splits:
        check_ranking(split.train, split.test, **{**defaults, **options, "k": k})


def _reference(models, reference):
    if not models:
        raise ValueError("compare needs at least one model")
    reference = next(iter(models)) if reference is None else reference
    if reference not in models:
        raise KeyError(f"reference {reference!r} is not among {list(models)}")
    return reference
