"""Checks of ranked lists and of their evaluation.

Each takes a :class:`~recsys_tutor.testing.cases.ModelCase` and raises an error if the
model breaks the rule that the first line of its docstring states.

Chapter: 03 Baselines (the contract).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from recsys_tutor import ranking
from recsys_tutor.base import Recommender
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.testing.cases import (
    ModelCase,
    assert_lists,
    everyone,
    permuted,
    raises,
    small,
)

__all__ = [
    "ids_in_ids_out",
    "large_questions_are_asked_in_parts",
    "new_users_get_lists",
    "only_a_test_part_of_the_same_ids_is_judged",
    "only_candidates_are_listed",
    "ratings_are_cut_to_the_range_of_the_training_ratings",
    "recommendations_are_sound",
]


def recommendations_are_sound(case: ModelCase) -> None:
    """``recommend`` lists the best items allowed: no repeat, ties by index, padded."""
    data = small()
    model, users = case.fit(data), everyone(data)
    scores, seen = model.score(users), data.csr.toarray() != 0
    for exclude, banned in _exclusions(seen):
        for k in (1, 3, data.n_items, data.n_items + 4):
            lists = model.recommend(users, k, exclude=exclude)
            assert lists.items.dtype == np.int64
            assert_lists(lists, scores, ~banned, k, case.rtol)
    default = model.recommend(users)
    assert default.items.shape == (len(users), 10), "k = 10 and seen items left out"
    np.testing.assert_array_equal(
        default.items, model.recommend(users, 10, exclude="seen").items
    )
    wrong: tuple[Any, ...] = (0, -1, 2.5)
    for size in wrong:
        with raises(ValueError, match="k must"):
            model.recommend(users, size)
    with raises(ValueError, match="exclude"):
        model.recommend(users, exclude="unseen")
    with raises(ValueError, match="shape"):
        model.recommend(users, exclude=csr_array(data.csr.T))
    with raises(TypeError, match="sparse"):
        model.recommend(users, exclude=seen)


def _exclusions(seen: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """Every kind of ``exclude`` with the cells that it bans."""
    ban = np.random.default_rng(3).random(seen.shape) < 0.4
    yield from (("seen", seen), (None, np.zeros_like(seen)))
    yield csr_array(ban.astype(float)), ban


def only_candidates_are_listed(case: ModelCase) -> None:
    """``items`` limits a list, whatever their order."""
    data = small()
    model, users = case.fit(data), everyone(data)
    scores, seen = model.score(users), data.csr.toarray() != 0
    for candidates in ([2], [6, 1, 4], [4, 4, 1], [], np.arange(7)):
        among = np.isin(np.arange(data.n_items), candidates)
        for exclude, banned in (("seen", seen), (None, np.zeros_like(seen))):
            for k in (1, 4):
                lists = model.recommend(users, k, exclude=exclude, items=candidates)
                assert_lists(lists, scores, among & ~banned, k, case.rtol)
    for wrong in ([7], [-1]):
        with raises(IndexError, match="items: index"):
            model.recommend(users, items=wrong)
    with raises(ValueError, match="items must be a 1-D array"):
        model.recommend(users, items=["102"])


def new_users_get_lists(case: ModelCase) -> None:
    """``recommend_history`` ranks the scores of ``score_history``."""
    data = small()
    model = case.fit(data)
    X = data.csr[[4, 3, 0]]
    if not case.history:
        if type(model)._score_history is Recommender._score_history:
            with raises(NotImplementedError, match="not trained on"):
                model.recommend_history(X)
        return
    scores, seen = model.score_history(X), X.toarray() != 0
    among = np.isin(np.arange(data.n_items), [1, 3, 6])
    for exclude, banned in _exclusions(seen):
        for items, allowed in ((None, ~banned), ([6, 3, 1], among & ~banned)):
            lists = model.recommend_history(X, 4, exclude=exclude, items=items)
            assert_lists(lists, scores, allowed, 4, max(case.rtol, 1e-9))
    dense = model.recommend_history(X.toarray(), 4)
    np.testing.assert_array_equal(dense.items, model.recommend_history(X, 4).items)
    with raises(ValueError, match="exclude has shape"):
        model.recommend_history(X, exclude=data.csr)


def ids_in_ids_out(case: ModelCase) -> None:
    """``recommend_ids`` is ``recommend`` as a table of ids."""
    data = small()
    model = case.fit(data)
    users = np.array([10, 2, 4])
    titles = [f"title {i}" for i in range(data.n_items)]
    for options, among in (({}, None), ({"items": data.item_ids[[5, 1]]}, [5, 1])):
        lists = model.recommend(users, 3, items=among)
        rows = [
            (data.user_ids[u], data.item_ids[i], titles[i], place, score)
            for u, items, best in zip(users, *lists, strict=True)
            for place, (i, score) in enumerate(zip(items, best, strict=True), 1)
            if i >= 0
        ]
        table = model.recommend_ids(data.user_ids[users], 3, titles=titles, **options)
        columns = ["user", "item", "title", "rank", "score"]
        expected = pd.DataFrame(rows, columns=columns)
        pd.testing.assert_frame_equal(table, expected, check_dtype=False)
        plain = model.recommend_ids(list(data.user_ids[users]), 3, **options)
        pd.testing.assert_frame_equal(plain, table.drop(columns="title"))
    with raises(KeyError, match="unknown user ids"):
        model.recommend_ids(["nobody"])
    with raises(KeyError, match="unknown item ids"):
        model.recommend_ids(data.user_ids[:1], items=[99])
    with raises(ValueError, match="titles must name all 7"):
        model.recommend_ids(data.user_ids[:1], titles=titles[:6])


def large_questions_are_asked_in_parts(case: ModelCase) -> None:
    """Many users are scored in parts, with the same lists."""
    data = small()
    model, users = case.fit(data), everyone(data)
    whole = model.recommend(users, 3)
    asked = []
    score = type(model)._score_users

    def recorded(self: Recommender, users: np.ndarray) -> np.ndarray:
        asked.append(len(users))
        return score(self, users)

    with (
        mock.patch.object(ranking, "CELLS_PER_BATCH", 2 * data.n_items),
        mock.patch.object(type(model), "_score_users", recorded),
    ):
        parts = model.recommend(users, 3)
        assert model.recommend([], 3).items.shape == (0, 3)
    assert max(asked) == 2 and sum(asked) == len(users)
    np.testing.assert_array_equal(parts.items, whole.items)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=case.rtol)


def only_a_test_part_of_the_same_ids_is_judged(case: ModelCase) -> None:
    """A test part that numbers other users or items is refused."""
    data = small()
    model = case.fit(data)
    assert len(evaluate(model, data, exclude=None)) == len(set(data.user))
    users, items = np.arange(data.n_users), np.arange(data.n_items)
    for new_user, new_item in ((users[::-1], items), (users, np.roll(items, 1))):
        other_ids = permuted(data, new_user, new_item)
        with raises(ValueError, match="do not number the same"):
            evaluate(model, other_ids, exclude=None)
        if case.rating:
            with raises(ValueError, match="do not number the same"):
                evaluate_ratings(model, other_ids)


def ratings_are_cut_to_the_range_of_the_training_ratings(case: ModelCase) -> None:
    """Predictions are cut to the training ratings' range."""
    if not case.rating:
        return
    data = small()
    scaled = replace(data, value=2 * data.value - 8)  # from -6 to 2
    frame = evaluate_ratings(case.fit(scaled), scaled)
    assert frame.attrs["clip"] == (-6, 2)
    raw = case.fit(scaled).predict(scaled.user, scaled.item)
    np.testing.assert_array_equal(frame.prediction, np.clip(raw, -6, 2))
