"""Ties that rounding breaks: another processor's last digits change no neighbour.

Each test computes twice, the second time with similarities that differ as they do
between processors, in the last digits, and expects the same neighbours.
"""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys_tutor import content, neighbors
from recsys_tutor.data import Interactions


def noisy(array, seed):
    """The array with every entry changed by a few units of its last digit."""
    steps = np.random.default_rng(seed).integers(-4, 5, array.shape)
    return array * (1 + steps * np.finfo(float).eps)


@pytest.fixture(scope="module")
def ratings():
    """60 users, 25 items, few ratings each: many similarities tie."""
    rng = np.random.default_rng(0)
    user, item = np.nonzero(rng.random((60, 25)) < 0.15)
    frame = {"user": user, "item": item, "value": rng.integers(1, 6, len(user))}
    ids = {"user_ids": np.arange(60), "item_ids": np.arange(25)}
    value = frame.pop("value").astype(float)
    return Interactions(**frame, value=value, time=None, **ids)


def test_the_data_have_ties_that_rounding_would_break(ratings):
    """Without the rule, the neighbours would be others."""
    X = ratings.binarize().csr
    S = neighbors.asymmetric_cosine(X)
    np.fill_diagonal(S, 0.0)

    def naive(S, k=5):
        return S >= np.sort(S, axis=0)[-k]

    assert (naive(noisy(S, 1)) != naive(noisy(S, 2))).any()


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_keep_neighbors(ratings, k):
    S = neighbors.asymmetric_cosine(ratings.binarize().csr)
    kept = [neighbors.keep_neighbors(noisy(S, seed), k) > 0 for seed in range(5)]
    assert all((other == kept[0]).all() for other in kept)
    assert ((kept[0].sum(axis=0) >= k) | (kept[0].sum(axis=0) == (S > 0).sum(0) - 1))[
        S.diagonal() > 0
    ].all()


def test_a_real_difference_is_no_tie():
    S = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5 + 1e-9], [0.5, 0.5, 0]])
    assert (neighbors.keep_neighbors(S, 1)[:, 2] > 0).tolist() == [False, True, False]


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_user_knn(ratings, k, monkeypatch):
    scores = []
    for seed in range(5):

        def shrunk(S, n, shrink, seed=seed):
            return noisy(S, seed)

        monkeypatch.setattr(neighbors, "shrink_similarity", shrunk)
        model = neighbors.UserKNN(n_neighbors=k).fit(ratings)
        scores.append(model.score(np.arange(60)))
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("by", ["user", "item"])
@pytest.mark.parametrize("k", [1, 3, 5])
def test_rating_knn(ratings, by, k, monkeypatch):
    """One shared row gives a similarity of ±1; a sum that cancels gives 0 or noise."""
    cosine, scores = neighbors.co_rated_cosine, []
    for seed in range(5):

        def similarity(R, seed=seed):
            S = noisy(cosine(R), seed)
            steps = np.random.default_rng(seed).integers(-4, 5, S.shape)
            return S + steps * 1e-17

        monkeypatch.setattr(neighbors, "co_rated_cosine", similarity)
        model = neighbors.RatingKNN(by=by, n_neighbors=k, shrink=0.0)
        scores.append(model.fit(ratings).score(np.arange(60)))
    for other in scores[1:]:
        np.testing.assert_allclose(other, scores[0], rtol=1e-9)


def test_explain():
    """Liked items and terms of equal parts stay in the order they are given."""
    terms = ["a", "b", "c", "d"]
    even = np.full((5, 4), 0.1)
    for seed in range(5):
        table = content.explain(csr_array(noisy(even, seed)), [3, 1, 2], 0, terms, n=3)
        assert table.item.tolist() == [3, 1, 2]
        assert table.because.tolist() == ["a, b, c"] * 3
