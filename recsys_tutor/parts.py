"""Do they belong together? Checks of data, parts, models and options.

Shared by :mod:`recsys_tutor.splits` and :mod:`recsys_tutor.evaluate`. Each raises an
error that names the argument and says what to do.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_feature_matrix, check_number
from recsys_tutor.data import Interactions, Split

__all__ = [
    "check_data",
    "check_fitted_model",
    "check_model",
    "check_ranking",
    "check_same_ids",
    "check_seed",
    "check_split",
    "clip_range",
    "kind_of",
]


def check_data(function: str, data: Any, argument: str = "data") -> None:
    """TypeError unless ``data`` is Interactions."""
    if not isinstance(data, Interactions):
        raise TypeError(
            f"{function} expects Interactions as {argument}, got {kind_of(data)}; make "
            "them with Interactions.from_frame(df) or pass dataset.interactions"
        )


def check_split(function: str, split: Any, *parts: str) -> None:
    """A Split whose named parts are there."""
    if not isinstance(split, Split):
        raise TypeError(
            f"{function} expects a Split, got {kind_of(split)}; make one with "
            "recsys_tutor.splits or Split(train, valid, test)"
        )
    for part in parts:
        check_data(function, getattr(split, part), f"split.{part}")


def check_seed(random_state: Any) -> None:
    """ValueError unless it is a seed of the legacy generator."""
    try:
        check_number("", random_state, low=0, high=2**32 - 1, whole=True)
    except ValueError:
        raise ValueError(
            "random_state of a split must be a whole number from 0 to 2**32 - 1, got "
            f"{random_state!r}"
        ) from None


def check_same_ids(train: Interactions, test: Interactions, name: str = "test") -> None:
    """Both parts must number the same users and items in the same way."""
    for axis in ("user", "item"):
        a, b = getattr(train, f"{axis}_ids"), getattr(test, f"{axis}_ids")
        where = _first_difference(a, b)
        if where is None:
            continue
        what = f"{name} has shape {test.shape} and train {train.shape}"
        if len(a) > where < len(b):
            what = (
                f"{axis} index {where} is {_show(b[where])} in {name} but "
                f"{_show(a[where])} in train"
            )
        raise ValueError(
            f"{name} and train do not number the same {axis}s: {what}. Split one "
            "Interactions with recsys_tutor.splits or subset, or number both parts "
            "alike: Interactions.from_frame(df, user_ids=train.user_ids, "
            "item_ids=train.item_ids)"
        )


def _first_difference(a: np.ndarray, b: np.ndarray) -> int | None:
    """First index where the ids differ in value or kind (1 is not "1"); None: nowhere.

    Cost O(n).
    """
    if a is b or (a.dtype.kind == b.dtype.kind and np.array_equal(a, b)):
        return None  # ids are whole numbers or text, and 1 is not "1"
    n = min(len(a), len(b))
    for index, (x, y) in enumerate(zip(a[:n].tolist(), b[:n].tolist(), strict=True)):
        if x is not y and (_plain(x) != _plain(y)):
            return index
    return None if len(a) == len(b) else n


def _plain(x: Any) -> tuple:
    """An id with its kind: text, whole number, ... of numpy or of Python alike."""
    x = x.item() if isinstance(x, np.generic) else x
    return (str if isinstance(x, str) else type(x)), x


def _show(x: Any) -> str:
    return repr(_plain(x)[1])


def kind_of(value: Any) -> str:
    """What a wrong value is, for a message."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "None" if value is None else type(value).__name__


def check_fitted_model(model: Any, function: str) -> None:
    """TypeError unless it is a Recommender, NotFittedError unless it is fitted."""
    if not isinstance(model, Recommender):
        raise TypeError(
            f"{function} expects a fitted Recommender as model, got {kind_of(model)}"
        )
    model._check_fitted()


def check_model(model: Any, test: Any, function: str) -> None:
    """A fitted model and a test part of the same users and items."""
    check_fitted_model(model, function)
    check_data(function, test, "test")
    check_same_ids(model.train_, test)


def check_ranking(
    train: Interactions,
    test: Interactions,
    k: int,
    exclude: str | csr_array | None,
    threshold: float | None,
    item_features: csr_array | ArrayLike | None,
    batch_size: int | None,
) -> tuple[csr_array, csr_array | None]:
    """The matrix of relevant cells and the item features, all arguments checked."""
    check_number("k", k, low=1, whole=True)
    if threshold is not None:
        check_number("threshold", threshold)
    if batch_size is not None:
        check_number("batch_size", batch_size, low=1, whole=True)
    if item_features is not None:
        item_features = check_feature_matrix(
            item_features, train.n_items, "item_features"
        )
    chosen = test.binarize(threshold)
    if len(chosen) == 0:
        raise ValueError(
            "no test row is relevant; lower the threshold"
            if len(test)
            else "no test row is relevant: test has no rows"
        )
    if isinstance(exclude, str) and exclude == "seen":
        _check_disjoint(train, chosen)
    return chosen.csr, item_features


def _check_disjoint(train: Interactions, test: Interactions) -> None:
    keys = [part.user * part.n_items + part.item for part in (train, test)]
    both = int(np.isin(keys[1], keys[0]).sum())
    if both:
        raise ValueError(
            f"{both} of {len(test)} relevant test rows are training rows too; with "
            "exclude='seen' they can never be recommended. Mend the split, or pass "
            "exclude=None to rank the training items as well"
        )


def clip_range(clip: Any, train: Interactions) -> tuple[float, float] | None:
    """The bounds that ``clip`` stands for: the training range, none or its own."""
    if clip is None:
        return None
    if isinstance(clip, str) and clip == "train":
        return float(train.value.min()), float(train.value.max())
    bounds: Any = None if isinstance(clip, str) else clip
    try:
        low, high = bounds
        check_number("low", low)
        check_number("high", high)
        good = low < high
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            "clip must be 'train', None or two finite numbers (low, high) with low < "
            f"high, got {clip!r}"
        )
    return float(low), float(high)
