"""Cases, small data and tools for the checks of the contract.

A :class:`ModelCase` says what may be asked of a model. The data are small enough for a
second of fitting, and never have as many users as items.

Chapter: 03 Baselines (the contract).
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions
from recsys_tutor.ranking import TopK

__all__ = [
    "ModelCase",
    "Stop",
    "answers",
    "assert_lists",
    "assert_same",
    "checkerboard",
    "everyone",
    "fingerprint",
    "frozen",
    "other",
    "permuted",
    "raises",
    "scattered",
    "single",
    "small",
]


@dataclass(frozen=True)
class ModelCase:
    """A model with small settings, and what may be asked of it.

    Parameters
    ----------
    model : unfitted Recommender, settings small enough for a second of fitting.
    effects : for *every* constructor parameter, a value that changes the result.
    same_result : or, for one that changes where or how fast, not what, another value.
    invalid : for every parameter (``random_state`` excepted), values that ``fit`` must
        refuse with a ``ValueError`` that names the parameter. Parameters for which no
        value is wrong have an empty tuple.
    rating : predicts ratings; ``predict`` equals ``score`` at the pairs.
    similar : has vectors or weights of items, so that ``similar_items`` answers.
    explains : the score is a sum over the user's items, so that ``explain`` answers.
    history : ``score_history`` of a user's training row equals ``score`` of the user.
    iterative : has epochs (give the case at least three), a history and a callback.
    diverges : parameters with which an iterative model's loss overflows.
    sequential : the order in time matters; otherwise it must not.
    per_data : ``per_data(train)`` gives the parameters that depend on the training data
        (item features, say, looked up by ``train.item_ids``).
    exempt : check name -> the reason why the check does not apply.
    rtol : tolerance for equal maths in another order (float32: 1e-4).
    """

    model: Recommender
    effects: dict = field(default_factory=dict)
    same_result: dict = field(default_factory=dict)
    invalid: dict = field(default_factory=dict)
    rating: bool = False
    similar: bool = False
    explains: bool = False
    history: bool = False
    iterative: bool = False
    diverges: dict | None = None
    sequential: bool = False
    per_data: Callable[[Interactions], dict] | None = None
    exempt: dict = field(default_factory=dict)
    rtol: float = 1e-9

    def new(self, data: Interactions | None = None, **changes: Any) -> Recommender:
        """An unfitted model for ``data`` (default: :func:`small`)."""
        data = small() if data is None else data
        needed = {} if self.per_data is None else self.per_data(data)
        return self.model.clone(**{**needed, **changes})

    def fit(self, data: Interactions | None = None, **changes: Any) -> Recommender:
        """A fitted one; a warning is an error."""
        data = small() if data is None else data
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return self.new(data, **changes).fit(data)

    def refit(self, model: Recommender, data: Interactions) -> Recommender:
        """The same object, fitted again."""
        vars(model).update({} if self.per_data is None else self.per_data(data))
        return model.fit(data)


class Stop(BaseException):
    """What a keyboard interrupt is: no ``Exception``."""


@contextmanager
def raises(
    kind: type[BaseException], match: str | None = None
) -> Iterator[SimpleNamespace]:
    """AssertionError unless the block raises ``kind`` with a message like ``match``.

    An exception of another kind goes on as it is. ``match`` is searched for as a
    regular expression; the exception is the ``value`` of what the block is given.
    """
    found = SimpleNamespace(value=None)
    try:
        yield found
    except kind as error:
        found.value = error
    else:
        raise AssertionError(f"expected {kind.__name__}, but nothing was raised")
    text = str(found.value)
    if match is not None and not re.search(match, text):
        raise AssertionError(
            f"expected {kind.__name__} with a message like {match!r}, got {text!r}"
        )


def _make(
    user: Any,
    item: Any,
    value: Any,
    time: Any,
    n_users: int,
    n_items: int,
) -> Interactions:
    return Interactions(
        user=user,
        item=item,
        value=value,
        time=time,
        user_ids=np.array([f"u{n_users - n:02d}" for n in range(n_users)]),
        item_ids=100 + 3 * np.arange(n_items),
    )


def scattered(
    n_users: int,
    n_items: int,
    share: float,
    seed: int,
    empty_users: Sequence[int] = (),
    empty_items: Sequence[int] = (),
) -> Interactions:
    """Random cells with ratings 1 to 5 in random order; some rows and columns empty."""
    rng = np.random.default_rng(seed)
    cells = np.argwhere(rng.random((n_users, n_items)) < share)
    kept = ~np.isin(cells[:, 0], empty_users) & ~np.isin(cells[:, 1], empty_items)
    cells = rng.permutation(cells[kept])
    value = rng.integers(1, 6, len(cells)).astype(float)
    time = rng.permutation(len(cells)) // 2  # ties
    return _make(cells[:, 0], cells[:, 1], value, time, n_users, n_items)


def small() -> Interactions:
    """11 users and 7 items, two of each without rows."""
    return scattered(11, 7, 0.6, seed=0, empty_users=(3, 10), empty_items=(0, 5))


def other() -> Interactions:
    """6 users and 13 items."""
    return scattered(6, 13, 0.7, seed=1)


def single() -> Interactions:
    """One row: user 1, item 2, of 3 and 5."""
    return _make([1], [2], [4.0], [0], 3, 5)


def permuted(
    data: Interactions, new_user: np.ndarray, new_item: np.ndarray
) -> Interactions:
    """The same rows with user ``u`` called ``new_user[u]`` and items likewise."""
    user_ids, item_ids = np.empty_like(data.user_ids), np.empty_like(data.item_ids)
    user_ids[new_user], item_ids[new_item] = data.user_ids, data.item_ids
    return Interactions(
        user=new_user[data.user],
        item=new_item[data.item],
        value=data.value,
        time=data.time,
        user_ids=user_ids,
        item_ids=item_ids,
    )


def checkerboard(rating: bool) -> tuple[Interactions, np.ndarray]:
    """Users like the items of their own parity; one such item per user is withheld.

    With ratings, liked items have 5 and the others 1, and one bad item is withheld as
    well. Items follow each other in a cycle that the withheld item would close.
    Returns the data and the withheld good item of each user.
    """
    n_users, n_items = 18, 12
    rows = []
    for u in range(n_users):
        held = u % n_items
        liked = [(held + 2 * step) % n_items for step in range(1, n_items // 2)]
        rows += [(u, i, 5.0, step) for step, i in enumerate(liked)]
        if rating:
            other = [i for i in range(n_items) if i % 2 != u % 2]
            other.remove((held + 1) % n_items)
            rows += [(u, i, 1.0, 50 + step) for step, i in enumerate(other)]
    user, item, value, time = zip(*rows, strict=True)
    data = _make(user, item, value, time, n_users, n_items)
    return data, np.arange(n_users) % n_items


def frozen(values: ArrayLike) -> np.ndarray:
    """An array that cannot be written to."""
    array = np.array(values)
    array.setflags(write=False)
    return array


def everyone(data: Interactions) -> np.ndarray:
    """The indices of all users."""
    return frozen(np.arange(data.n_users))


def fingerprint(data: Interactions) -> list[bytes]:
    """Digests of all arrays of the data, to see whether one was changed."""
    arrays = [data.user, data.item, data.value, data.time]
    arrays += [data.csr.data, data.csr.indices, data.csr.indptr]
    arrays += [np.asarray(data.user_ids, str), np.asarray(data.item_ids, str)]
    return [hashlib.sha256(np.ascontiguousarray(a).tobytes()).digest() for a in arrays]


def answers(case: ModelCase, model: Recommender) -> list[np.ndarray]:
    """All that a model says about its training users: scores and, if any, ratings."""
    users = np.arange(model.n_users_)
    parts = [model.score(users)]
    if case.rating:
        u, i = np.indices(parts[0].shape).reshape(2, -1)
        parts.append(model.predict(u, i))
    return parts


def assert_same(case: ModelCase, first: Recommender, second: Recommender) -> None:
    """Both models give the same scores and ratings."""
    for a, b in zip(answers(case, first), answers(case, second), strict=True):
        np.testing.assert_array_equal(a, b)


def _in_order(scores: np.ndarray, allowed: np.ndarray, k: int) -> list[int]:
    """Indices of the ``k`` best allowed entries: higher score, then lower index."""
    return sorted(np.flatnonzero(allowed).tolist(), key=lambda i: (-scores[i], i))[:k]


def assert_lists(
    lists: TopK, scores: np.ndarray, allowed: np.ndarray, k: int, rtol: float
) -> None:
    """Each list is the order of its scores, padded."""
    assert lists.items.shape == lists.scores.shape == (len(scores), k)
    for row, (items, best) in enumerate(zip(*lists, strict=True)):
        order = _in_order(scores[row], allowed[row], k)
        assert items.tolist() == order + [-1] * (k - len(order))
        np.testing.assert_allclose(best[: len(order)], scores[row, order], rtol=rtol)
        assert (best[len(order) :] == -np.inf).all()
