"""What follows what: literal loops over each user's list."""

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from recsys_tutor.data import Interactions
from recsys_tutor.transitions import (
    Transitions,
    recency_weights,
    transition_counts,
)

MARKOV = Transitions(window=1, recency=0.0, backward=0.0, damping=0.0)


def ordered(data):
    order = data.timeline()
    return data.user[order], data.item[order]


def lists_of(data):
    """Each user's items by time, ties by their place in the file."""
    lists = []
    for u in range(data.n_users):
        rows = [n for n in range(len(data)) if data.user[n] == u]
        rows.sort(key=lambda n: (data.time[n], n))
        lists.append([int(data.item[n]) for n in rows])
    return lists


def from_lists(lists, n_items):
    rows = [(u, i, t) for u, items in enumerate(lists) for t, i in enumerate(items)]
    user, item, time = zip(*rows, strict=True)
    ids = np.arange(len(lists)), np.arange(n_items)
    return Interactions(user, item, np.ones(len(rows)), time, *ids)


def test_times_are_needed():
    data = Interactions([0], [1], [1.0], None, [0], [0, 1])
    with pytest.raises(ValueError, match="carry no time"):
        Transitions().fit(data)


@given(
    strategies.interactions(min_rows=1),
    st.integers(1, 9),
    st.sampled_from([1.0, 0.5, 0.9]),
)
def test_counts_by_loops(data, window, decay):
    """Checks eq-transition-counts."""
    user, item = ordered(data)
    C = transition_counts(user, item, data.n_items, window=window, decay=decay)
    expected = oracles.transition_counts(lists_of(data), data.n_items, window, decay)
    assert C.shape == (data.n_items, data.n_items)
    np.testing.assert_allclose(C.toarray(), expected, rtol=1e-12)


def test_no_transition_leads_from_one_user_to_the_next():
    user, item = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    C = transition_counts(user, item, 4, window=9, decay=1.0).toarray()
    assert {tuple(x) for x in np.argwhere(C)} == {(0, 1), (2, 3)}


@given(strategies.interactions(min_rows=1), st.sampled_from([0.0, 0.5, 1.0]))
def test_recency_weights_by_loops(data, recency):
    user, item = ordered(data)
    W = recency_weights(user, item, data.shape, recency).toarray()
    expected = np.zeros(data.shape)
    for u, items in enumerate(lists_of(data)):
        for age, i in enumerate(reversed(items)):
            expected[u, i] = recency**age
    np.testing.assert_allclose(W, expected, rtol=1e-12)


@given(
    strategies.interactions(min_rows=1),
    st.tuples(
        st.integers(1, 5),
        st.sampled_from([0.5, 1.0]),
        st.sampled_from([0.0, 0.7, 1.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.sampled_from([0.0, 0.3, 1.0]),
    ),
)
def test_scores_by_loops(data, settings):
    """Checks eq-transition-score."""
    names = "window", "decay", "recency", "backward", "damping"
    model = Transitions(**dict(zip(names, settings, strict=True))).fit(data)
    got = model.score(np.arange(data.n_users))
    expected = oracles.transition_scores(lists_of(data), data.n_items, settings)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_the_markov_chain_by_hand():
    """0 is followed by 1 twice and by 2 once; once it is the last."""
    data = from_lists([[0, 1], [0, 1, 3], [0, 2], [3, 0]], 5)
    model = MARKOV.clone().fit(data)
    T = model.T_.toarray()
    np.testing.assert_allclose(T[0], [0, 2 / 4, 1 / 4, 0, 0])
    np.testing.assert_allclose(T[1], [0, 0, 0, 1 / 2, 0])
    assert not T[[2, 4]].any() and T[3, 0] == 1 / 2
    np.testing.assert_allclose(model.score([3])[0], T[0], err_msg="the last item's")
    assert model.recommend([3], 2).items[0].tolist() == [1, 2]


@given(strategies.interactions(min_rows=1))
def test_rows_of_the_markov_chain_are_shares(data):
    """What is missing to 1 is the share of an item's visits that ended a list."""
    T = MARKOV.clone().fit(data).T_.toarray()
    lists = lists_of(data)
    for i in range(data.n_items):
        visits = sum(items.count(i) for items in lists)
        last = sum(items[-1:] == [i] for items in lists)
        expected = (visits - last) / visits if visits else 0.0
        assert T[i].sum() == pytest.approx(expected, abs=1e-12)
    assert (T >= 0).all()


def test_forgetting_the_direction():
    data = from_lists([[0, 1, 2], [3, 1], [2, 3, 0]], 5)
    both = Transitions(backward=1.0, damping=1.0).fit(data)
    T = both.T_.toarray()
    np.testing.assert_allclose(T, T.T, rtol=1e-12)
    one = Transitions(backward=0.0, damping=1.0).fit(data).T_.toarray()
    np.testing.assert_allclose(T, one + one.T, rtol=1e-12)
    assert not np.allclose(one, one.T)


def test_a_cycle_is_learned():
    """Everybody goes round the circle; the next item is the one after the last."""
    rng = np.random.default_rng(0)
    starts, n_items = rng.integers(0, 12, 40), 12
    lists = [[(s + n) % n_items for n in range(5)] for s in starts]
    data = from_lists(lists, n_items)
    for model in (Transitions(), MARKOV.clone()):
        best = model.fit(data).recommend(np.arange(40), 1).items[:, 0]
        np.testing.assert_array_equal(best, (starts + 5) % n_items)
