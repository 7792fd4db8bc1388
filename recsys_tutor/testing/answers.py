"""Checks of what a fitted model says: scores, ratings, neighbours, reasons.

Each takes a :class:`~recsys_tutor.testing.cases.ModelCase` and raises an error if the
model breaks the rule that the first line of its docstring states.

Chapter: 03 Baselines (the contract).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.sparse import coo_array, csc_array, csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.data import Interactions
from recsys_tutor.testing.cases import (
    ModelCase,
    answers,
    assert_same,
    checkerboard,
    everyone,
    other,
    permuted,
    raises,
    scattered,
    single,
    small,
)

__all__ = [
    "an_explanation_adds_up",
    "an_item_twice_in_a_history_is_refused",
    "bad_indices_are_refused",
    "batch_equals_one_by_one",
    "checkerboard_diagonal_is_first",
    "empty_rows_and_columns_are_finite",
    "history_equals_training",
    "near_items_are_of_the_same_side",
    "predict_equals_score",
    "relabelling",
    "scores_have_shape_and_type",
    "time_matters_only_to_sequential_models",
    "unknown_ids_are_refused",
]


def scores_have_shape_and_type(case: ModelCase) -> None:
    """``score`` gives finite floats, (users, items), which are the caller's."""
    for data in (small(), other(), single()):
        model = case.fit(data)
        for users in (everyone(data), [0], [], np.array([1, 0, 1], dtype=np.uint8)):
            scores = model.score(users)
            assert isinstance(scores, np.ndarray)
            assert scores.shape == (len(users), data.n_items)
            assert scores.dtype.kind == "f", scores.dtype
            assert np.isfinite(scores).all()
    model = case.fit()
    scores = model.score([0])
    scores[:] = 0  # the caller may do what it wants with its copy
    assert_same(case, model, case.fit())


def predict_equals_score(case: ModelCase) -> None:
    """The rating of a pair is its score."""
    if not case.rating:
        return
    for data in (small(), other()):
        model = case.fit(data)
        u, i = np.indices(data.shape).reshape(2, -1)
        np.testing.assert_allclose(
            model.predict(u, i), model.score(everyone(data))[u, i], rtol=case.rtol
        )


def empty_rows_and_columns_are_finite(case: ModelCase) -> None:
    """Users and items without rows have finite scores."""
    holes = scattered(9, 5, 0.9, 2, empty_users=(0, 1, 2, 8), empty_items=(1, 2, 4))
    for data in (holes, single()):
        for part in answers(case, case.fit(data)):
            assert np.isfinite(part).all()
        lists = case.fit(data).recommend(everyone(data), 2).items
        assert (lists >= 0).all(), "users without rows get lists too"
        if case.history:
            empty = case.fit(data).score_history(csr_array((1, data.n_items)))
            assert np.isfinite(empty).all()


def batch_equals_one_by_one(case: ModelCase) -> None:
    """Users asked for together get what each of them gets alone."""
    data = small()
    model = case.fit(data)
    together = model.score(everyone(data))
    alone = np.concatenate([model.score([u]) for u in range(data.n_users)])
    np.testing.assert_allclose(alone, together, rtol=case.rtol)
    order = np.array([5, 0, 5, 10, 3, 3, 1])
    np.testing.assert_allclose(model.score(order), together[order], rtol=case.rtol)
    lists = model.recommend(order, 4).items
    for row, u in enumerate(order):
        np.testing.assert_array_equal(lists[row], model.recommend([u], 4).items[0])
    if case.rating:
        u, i = np.indices(data.shape).reshape(2, -1)
        both = model.predict(u, i)
        back = model.predict(u[::-1], i[::-1])[::-1]
        one = [model.predict([a], [b])[0] for a, b in zip(u, i, strict=True)]
        np.testing.assert_allclose(back, both, rtol=case.rtol)
        np.testing.assert_allclose(one, both, rtol=case.rtol)


def bad_indices_are_refused(case: ModelCase) -> None:
    """Indices out of range and arrays of another kind are refused."""
    data = small()
    model = case.fit(data)
    n_users, n_items = data.shape
    asks: list[tuple[str, int, Callable]] = [
        ("users", n_users, model.score),
        ("users", n_users, model.recommend),
        ("users", n_users, lambda u: model.predict(u, [0])),
        ("items", n_items, lambda i: model.predict([0], i)),
    ]
    for name, n, ask in asks:
        for wrong in (0, np.int64(1), [[0, 1]], [0.0], [True], ["0"], [None]):
            with raises(ValueError, match=f"{name} must be a 1-D array"):
                ask(wrong)
        for wrong in (-1, n, n + 7):
            expected = rf"{name}: index {wrong} is out of range for 0\.\.{n - 1}"
            with raises(IndexError, match=expected):
                ask(np.array([0, wrong]))
    if case.rating:
        with raises(ValueError, match="2 users but 1 items"):
            model.predict([0, 1], [0])
        assert model.predict([], []).shape == (0,)
    else:
        with raises(NotImplementedError, match="does not predict"):
            model.predict([0], [0])


def unknown_ids_are_refused(case: ModelCase) -> None:
    """The model keeps the ids; one that is unknown is refused."""
    model = case.fit()
    assert model.train_.user_ids.tolist() == small().user_ids.tolist()
    known = model.train_.user_ids[[4, 2]]
    assert model.train_.user_index(known).tolist() == [4, 2]
    assert model.score(model.train_.user_index(known)).shape == (2, model.n_items_)
    with raises(KeyError, match="unknown user ids: 'nobody'"):
        model.score(model.train_.user_index([known[0], "nobody"]))


def relabelling(case: ModelCase) -> None:
    """Other numbers for users and items, the same scores."""
    data = small()
    rng = np.random.default_rng(4)
    new_user, new_item = rng.permutation(data.n_users), rng.permutation(data.n_items)
    before = case.fit(data).score(everyone(data))
    after = case.fit(permuted(data, new_user, new_item)).score(everyone(data))
    np.testing.assert_allclose(
        after[np.ix_(new_user, new_item)], before, rtol=case.rtol, atol=1e-10
    )


def checkerboard_diagonal_is_first(case: ModelCase) -> None:
    """Of two tastes it learns which is whose: the withheld item is first."""
    data, withheld = checkerboard(case.rating)
    lists = case.fit(data).recommend(everyone(data), 1).items[:, 0]
    np.testing.assert_array_equal(lists, withheld)


def time_matters_only_to_sequential_models(case: ModelCase) -> None:
    """The times change the scores only if ``sequential`` says so."""
    data = small()
    time = np.asarray(data.time)
    swapped = Interactions(
        user=data.user,
        item=data.item,
        value=data.value,
        time=time.max() - time,
        user_ids=data.user_ids,
        item_ids=data.item_ids,
    )
    scores, turned = (case.fit(d).score(everyone(d)) for d in (data, swapped))
    assert np.array_equal(scores, turned) != case.sequential


def history_equals_training(case: ModelCase) -> None:
    """``score_history`` of a training row is ``score`` of its user."""
    data = small()
    model = case.fit(data)
    if not case.history:
        if type(model)._score_history is Recommender._score_history:
            with raises(NotImplementedError, match="not trained on"):
                model.score_history(data.csr)
            return
        assert np.isfinite(model.score_history(data.csr)).all()
    else:
        expected = model.score(everyone(data))
        for X in (data.csr, data.csr.toarray()):
            np.testing.assert_allclose(
                model.score_history(X), expected, rtol=max(case.rtol, 1e-9)
            )
        one = [model.score_history(data.csr[[u]])[0] for u in range(data.n_users)]
        np.testing.assert_allclose(one, expected, rtol=max(case.rtol, 1e-9))
    for wrong in (np.ones((2, data.n_items + 1)), np.ones(data.n_items)):
        with raises(ValueError, match="shape"):
            model.score_history(wrong)
    bad = np.ones((1, data.n_items))
    bad[0, 2] = np.nan
    with raises(ValueError, match="NaN"):
        model.score_history(bad)


def an_item_twice_in_a_history_is_refused(case: ModelCase) -> None:
    """A history that names an item twice is refused."""
    model = case.fit()
    if type(model)._score_history is Recommender._score_history:
        return
    value, item = np.array([4.0, 1.0, 5.0]), np.array([2, 4, 2])
    twice = csr_array((value, item, np.array([0, 3])), shape=(1, 7))
    pairs = coo_array((value, (np.zeros(3, int), item)), shape=(1, 7))
    columns = csc_array(
        (value[[0, 2, 1]], np.zeros(3, int), np.array([0, 0, 0, 2, 2, 3, 3, 3])),
        shape=(1, 7),
    )
    for X in (twice, pairs, columns):
        for ask in (model.score_history, model.recommend_history):
            with raises(ValueError, match="more than once"):
                ask(X)
    assert twice.nnz == 3 and twice.indices.tolist() == [2, 4, 2], "X is left alone"
    shuffled = csr_array((value[:2], np.array([4, 2]), np.array([0, 2])), shape=(1, 7))
    np.testing.assert_array_equal(
        model.score_history(shuffled), model.score_history(shuffled.toarray())
    )
    assert shuffled.indices.tolist() == [4, 2], "X is left alone"


def near_items_are_of_the_same_side(case: ModelCase) -> None:
    """``similar_items`` lists all others; the nearest are of the same taste."""
    data, _ = checkerboard(case.rating)
    model = case.fit(data)
    every = np.arange(data.n_items)
    if not case.similar:
        with raises(NotImplementedError, match="no vectors or weights"):
            model.similar_items(every)
        return
    lists = model.similar_items(every, data.n_items + 2)
    for item, items, scores in zip(every, *lists, strict=True):
        found = items[: data.n_items - 1]
        assert sorted([*found, item]) == every.tolist(), "all others, each once"
        assert (items[len(found) :] == -1).all()
        fall = np.diff(scores[: len(found)])
        assert (fall < 0).any() and (fall <= 0).all()
        assert (np.diff(found)[fall == 0] > 0).all(), "ties by index"
    sides = (lists.items[:, :3] - every[:, None]) % 2
    assert sides.mean() < 0.1, "the nearest three are of the item's own side"
    alone = [model.similar_items([i], 3).items[0] for i in every]
    np.testing.assert_array_equal(alone, lists.items[:, :3])
    with raises(IndexError, match="items: index 12"):
        model.similar_items([12])


def an_explanation_adds_up(case: ModelCase) -> None:
    """The contributions of ``explain`` and its rest are the score."""
    data = small()
    model = case.fit(data)
    if not case.explains:
        with raises(NotImplementedError, match="no sum over"):
            model.explain(0, 1)
        return
    scores = model.score(everyone(data))
    told = 0
    for u, i in np.ndindex(data.shape):
        table = model.explain(u, i, data.n_items)
        assert list(table) == ["item", "contribution"]
        mine = data.item[data.user == u]
        assert set(table["item"]) <= set(mine) and table["item"].is_unique
        total = table["contribution"].sum() + table.attrs["rest"]
        for value in (total, table.attrs["score"]):
            np.testing.assert_allclose(value, scores[u, i], rtol=1e-7, atol=1e-9)
        assert (np.diff(table["contribution"]) <= 0).all(), "the largest first"
        first = model.explain(u, i, 1)
        pd.testing.assert_frame_equal(first, table.head(1))
        told += len(table) > 1
    assert told, "nothing was explained"
    for wrong in ((-1, 0), (0, 7)):
        with raises(IndexError):
            model.explain(*wrong)
