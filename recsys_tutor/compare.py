"""Comparison: several models on the same splits, with paired intervals.

:func:`compare` fits and ranks, :func:`compare_ratings` does so for predicted stars; the
intervals (:func:`bootstrap`, :func:`paired_bootstrap`) take any numbers per user.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import signature
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recsys_tutor.base import Recommender
from recsys_tutor.checks import (
    check_number,
    check_numbers,
    check_random_state,
    check_same_index,
)
from recsys_tutor.data import Split
from recsys_tutor.evaluate import PER_USER, evaluate, evaluate_ratings, summarize
from recsys_tutor.metrics import mae, rmse
from recsys_tutor.parts import (
    check_ranking,
    check_same_ids,
    check_split,
    clip_range,
    kind_of,
)

__all__ = ["Interval", "bootstrap", "compare", "compare_ratings", "paired_bootstrap"]

_ERRORS = {"rmse": rmse, "mae": mae}
#: A fitted model, the split it was fitted on, the seconds it took.
Fit = tuple[Recommender, Split, float]


# -- intervals ------------------------------------------------------------------------


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
    values = check_numbers("values", values, finite=False)
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


def paired_bootstrap(a: np.ndarray, b: np.ndarray, **options: Any) -> Interval:
    """Interval of ``mean(a - b)``; ``a[n]`` and ``b[n]`` belong to the same user.

    Two Series must have one index, so that the same users stand in the same rows.
    ``options`` as in :func:`bootstrap`.
    """
    check_same_index("a", a, "b", b)
    a = check_numbers("a", a, finite=False)
    b = check_numbers("b", b, finite=False)
    if a.shape != b.shape:
        raise ValueError(f"a and b must pair up, got shapes {a.shape} and {b.shape}")
    return bootstrap(a - b, **options)


# -- models side by side ---------------------------------------------------------------


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
    **options: Any,
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
        Metric of the ``±`` and the difference columns: a column of
        :func:`.evaluate.evaluate`.
    columns : sequence of str, optional
        Metric columns of the table, in this order; default: all that
        :func:`.evaluate.evaluate` gives, coverage and gini. "fit_seconds", the mean
        wall time of a fit, is there only if named, because it is another number in
        every run.
    random_state : int
        Seed of the bootstrap; the same resamples for every model.
    progress : bool
        Draw a bar over models x splits (on stderr).
    options
        Passed to :func:`.evaluate.evaluate`: exclude, threshold, item_features,
        batch_size.

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
        Before anything is fitted: for what :func:`.evaluate.evaluate` would refuse, an
        unknown metric, option or reference, models or splits of another kind.
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


def _over_splits(
    fits: Iterable[Fit], by: str, k: int, options: dict
) -> tuple[pd.DataFrame, pd.Series]:
    """Means of all metrics, a row per split; and the metric ``by`` of every user."""
    rows, per_user = [], []
    for model, split, seconds in fits:
        frame = evaluate(model, split.test, k=k, **options)
        rows.append({**summarize(frame), "fit_seconds": seconds})
        per_user.append(frame[by])
    return pd.DataFrame(rows), pd.concat(per_user).groupby("user").mean()


def _spread(means: pd.Series, values: pd.Series, settings: dict) -> float:
    """Standard deviation over splits; of one split, half the interval over users."""
    if len(means) > 1:
        return means.std()
    interval = bootstrap(values, **settings)
    return (interval.high - interval.low) / 2


def _gap(values: pd.Series, reference: pd.Series, settings: dict) -> dict:
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
        As in :func:`.evaluate_ratings`; "train" is the range of each fold's own
        training part, the same for all models.

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
            rows.append({k: e(f.rating, f.prediction) for k, e in _ERRORS.items()})
        scores[name] = pd.DataFrame(rows)
    found = {}
    for name, score in scores.items():
        gap = score.rmse - scores[reference].rmse
        found[name] = {
            **score.mean(),
            "±": score.rmse.std(),
            "difference": gap.mean(),
            "± difference": gap.std(),
        }
    table = pd.DataFrame.from_dict(found, orient="index")
    table.attrs = {"clip": ranges}
    return table


def _fits(
    models: Mapping[str, Recommender], splits: Sequence[Split], progress: bool
) -> Iterator[tuple[str, Iterator[Fit]]]:
    """``(name, iterator of (fitted clone, split, seconds))`` for every model."""
    from tqdm.auto import tqdm

    bar = tqdm(total=len(models) * len(splits), unit="fit", disable=not progress)

    def fit_each(name: str, model: Recommender) -> Iterator[Fit]:
        for split in splits:
            bar.set_postfix_str(str(name))
            started = perf_counter()
            fitted = model.clone().fit(split.train)
            yield fitted, split, perf_counter() - started
            bar.update()

    with bar:
        for name, model in models.items():
            yield name, fit_each(name, model)


# -- checks of arguments ---------------------------------------------------------------


def _check_comparison(function: str, models: Any, splits: Any) -> list[Split]:
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


def _check_options(
    splits: Sequence[Split],
    k: int,
    by: str,
    columns: Sequence[str] | None,
    options: dict,
) -> None:
    """What :func:`.evaluate.evaluate` would refuse, before the first fit."""
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
    per_user = list(PER_USER)
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


def _reference(models: Mapping[str, Recommender], reference: str | None) -> str:
    if not models:
        raise ValueError("compare needs at least one model")
    reference = next(iter(models)) if reference is None else reference
    if reference not in models:
        raise KeyError(f"reference {reference!r} is not among {list(models)}")
    return reference
