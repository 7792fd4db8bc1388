"""Splits: which rows a model may learn from and which it is judged by.

Every splitter takes :class:`~recsys_tutor.data.Interactions` and returns parts that
keep both id maps and the shape. Rows keep the order of the input, unless said.

Every splitter raises ``TypeError`` for anything but Interactions (of a Dataset pass
``dataset.interactions``) and ``ValueError``, naming the argument, for a share outside
of (0, 1), a count that is no whole number and a ``random_state`` that is no whole
number from 0 to 2**32 - 1. Randomness is numpy's legacy generator, whose streams the
public benchmarks were made with; it needs a seed, so that a split can be made again.

Chapter: 02 Evaluation.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from recsys_tutor.checks import check_number
from recsys_tutor.data import Interactions, Split
from recsys_tutor.parts import (
    check_data,
    check_same_ids,
    check_seed,
    check_split,
)

__all__ = [
    "NewUsers",
    "carve_validation",
    "cold_items",
    "contiguous_folds",
    "fold",
    "global_time",
    "item_stratified",
    "k_fold",
    "leave_last_out",
    "new_users",
    "user_holdout",
    "warm_users",
]


def item_stratified(
    data: Interactions, *, ratio: float = 0.75, random_state: int = 42
) -> Split:
    """The book's main protocol: of every item's rows, the share ``ratio`` trains.

    One uniform key per row, drawn in file order; rows are sorted by (item, key); of an
    item's ``n`` rows the first ``round(ratio · n)`` (half to even) train. With seed 42
    on MovieLens 100K this is the split of the Microsoft Recommenders benchmark: 75,066
    and 24,934 rows.

    Parameters
    ----------
    data : Interactions
    ratio : float in (0, 1)
    random_state : int
        Seed of ``numpy.random.RandomState`` (the legacy generator, for comparability).
    """
    check_data("item_stratified", data)
    return _stratified(data, data.item, data.n_items, ratio, random_state)


def user_holdout(
    data: Interactions, *, ratio: float = 0.75, random_state: int = 42
) -> Split:
    """Of every user's rows, a random share ``ratio`` trains (same rule, by user)."""
    check_data("user_holdout", data)
    return _stratified(data, data.user, data.n_users, ratio, random_state)


def carve_validation(
    split: Split, *, ratio: float = 0.75, random_state: int = 42
) -> Split:
    """Cut a validation part out of ``split.train`` by the rule of the main protocol.

    Returns train (smaller), valid, test (untouched). Choose hyper-parameters on
    ``valid``, refit on ``split.train``, then score ``split.test`` once.
    A ``split.valid`` that is there already is replaced.
    """
    check_split("carve_validation", split, "train")
    inner = item_stratified(split.train, ratio=ratio, random_state=random_state)
    return Split(inner.train, inner.test, split.test)


def k_fold(
    data: Interactions, *, n_folds: int = 5, random_state: int | None = 0
) -> list[Split]:
    """Random cross-validation folds, equal to scikit-surprise's ``KFold``.

    Row numbers in file order are shuffled by ``RandomState(random_state)``; contiguous
    parts of the shuffled list are the tests. Rows keep the *shuffled* order, as they do
    in Surprise: it moves SGD scores by about 0.003 RMSE.

    ``random_state=None`` does not shuffle: see :func:`contiguous_folds`.
    """
    check_data("k_fold", data)
    _check_folds(data, n_folds)
    one = partial(fold, data, n_folds=n_folds, random_state=random_state)
    return [one(n) for n in range(n_folds)]


def fold(
    data: Interactions, n: int, *, n_folds: int = 5, random_state: int | None = 0
) -> Split:
    """``k_fold(...)[n]`` without the other folds; ``n`` counts from 0."""
    check_data("fold", data)
    _check_folds(data, n_folds)
    check_number("n", n, low=0, high=n_folds - 1, whole=True)
    rows = np.arange(len(data))
    if random_state is not None:
        check_seed(random_state)
        np.random.RandomState(random_state).shuffle(rows)
    test = np.array_split(np.arange(len(rows)), n_folds)[n]
    return Split(data.subset(np.delete(rows, test)), None, data.subset(rows[test]))


def _check_folds(data: Interactions, n_folds: int) -> None:
    if len(data) < 2:
        raise ValueError(f"folds need at least two rows, got {len(data)}")
    check_number("n_folds", n_folds, low=2, high=len(data), whole=True)


def contiguous_folds(data: Interactions, *, n_folds: int = 5) -> list[Split]:
    """Consecutive slices in file order.

    On MovieLens 100K these are the official folds u1 to u5: u1 tests the first 20,000
    rows. They are **not** random: u1 tests 459 of the 943 users only.
    """
    check_data("contiguous_folds", data)
    return k_fold(data, n_folds=n_folds, random_state=None)


def leave_last_out(data: Interactions, *, valid: bool = False) -> Split:
    """Test on each user's last row by time; ``valid=True`` also takes the one before.

    Ties in time are broken by file order: the later row is the later event. Users with
    fewer than two rows (three with ``valid``) stay in train entirely.
    """
    check_data("leave_last_out", data)
    if not isinstance(valid, (bool, np.bool_)):
        raise ValueError(f"valid must be True or False, got {valid!r}")
    order = data.timeline()
    counts = np.bincount(data.user, minlength=data.n_users)
    from_end = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(order))
    needed = 3 if valid else 2
    eligible = np.repeat(counts >= needed, counts)
    part = np.zeros(len(data), dtype=np.int64)
    part[order[eligible & (from_end == 0)]] = 2
    if valid:
        part[order[eligible & (from_end == 1)]] = 1
    return Split(
        data.subset(part == 0),
        data.subset(part == 1) if valid else None,
        data.subset(part == 2),
    )


def global_time(
    data: Interactions, *, ratio: float = 0.75, cut: int | None = None
) -> Split:
    """One moment for all: everything before ``cut`` trains, the rest tests.

    Without ``cut`` it is the time of the row in place ``int(ratio · n)`` of the sorted
    rows. Rows at the cut itself go to test, so ``max(train.time) < min(test.time)``.
    ``cut`` is a number on the clock of ``data.time`` (seconds, usually).
    """
    check_data("global_time", data)
    check_number("ratio", ratio, above=0, below=1)
    if cut is not None:
        check_number("cut", cut)
    order = data.chronological()
    time = np.asarray(data.time)  # there is one, or there were no order
    if len(order) == 0:
        raise ValueError("global_time needs at least two rows, got none")
    if cut is None:
        cut = int(time[order[min(int(ratio * len(data)), len(data) - 1)]])
    before = time < cut
    if before.all() or not before.any():
        raise ValueError(
            f"cut {cut} leaves one part empty; times run from {time[order[0]]} "
            f"to {time[order[-1]]}"
        )
    return Split(data.subset(before), None, data.subset(~before))


def warm_users(split: Split) -> np.ndarray:
    """Users (indices) who have rows in both train and test.

    Raises ``ValueError`` where the two parts number their users or items apart.
    """
    check_split("warm_users", split, "train", "test")
    check_same_ids(split.train, split.test)
    return np.intersect1d(split.train.user, split.test.user)


def cold_items(
    data: Interactions, *, fraction: float = 0.2, random_state: int = 42
) -> Split:
    """Hide **all** rows of a random ``fraction`` of the items that have rows."""
    check_data("cold_items", data)
    cold = _choose(data.item, fraction, random_state, "items")
    hidden = np.isin(data.item, cold)
    return Split(data.subset(~hidden), None, data.subset(hidden))


class NewUsers(NamedTuple):
    """Parts of :func:`new_users`; ``users`` are the indices of the new users."""

    train: Interactions
    history: Interactions
    test: Interactions
    users: np.ndarray


def new_users(
    data: Interactions,
    *,
    fraction: float = 0.2,
    n_known: int = 0,
    random_state: int = 42,
) -> NewUsers:
    """Hide a random ``fraction`` of the users, then reveal ``n_known`` rows of each.

    Returns
    -------
    NewUsers
        ``train``: all rows of the other users. ``history``: the revealed rows, a random
        choice per new user, to be given to ``score_history``. ``test``: their other
        rows. The revealed rows for a larger ``n_known`` include those for a smaller.
    """
    check_data("new_users", data)
    check_number("n_known", n_known, low=0, whole=True)
    chosen = _choose(data.user, fraction, random_state, "users")
    key = np.random.RandomState(random_state).rand(len(data))
    place = _place_in_group(data.user, key)
    hidden = np.isin(data.user, chosen)
    known = hidden & (place < n_known)
    return NewUsers(
        data.subset(~hidden), data.subset(known), data.subset(hidden & ~known), chosen
    )


def _stratified(
    data: Interactions,
    group: np.ndarray,
    n_groups: int,
    ratio: float,
    random_state: int,
) -> Split:
    check_number("ratio", ratio, above=0, below=1)
    check_seed(random_state)
    key = np.random.RandomState(random_state).rand(len(data))
    n_train = np.round(ratio * np.bincount(group, minlength=n_groups))
    train = _place_in_group(group, key) < n_train[group]
    return Split(data.subset(train), None, data.subset(~train))


def _place_in_group(group: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Position of each row within its group when the group is sorted by key."""
    order = np.lexsort((key, group))
    counts = np.bincount(group)
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    return place


def _choose(
    index: np.ndarray, fraction: float, random_state: int, noun: str
) -> np.ndarray:
    check_number("fraction", fraction, above=0, below=1)
    check_seed(random_state)
    present = np.unique(index)
    n = round(fraction * len(present))
    if not 0 < n < len(present):
        raise ValueError(
            f"fraction {fraction} of {len(present)} {noun} is {n}; need at least one "
            "hidden and one kept"
        )
    chosen = np.random.RandomState(random_state).permutation(present)[:n]
    return np.sort(chosen)
