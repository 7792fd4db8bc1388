"""Sampling: every row once, no negative is a positive, every step in one window."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array

from recsys_tutor.sampling import minibatches, sample_negatives, windows

# -- batches -----------------------------------------------------------------------


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 3))
def test_minibatches_hold_every_row_once(n, size, seed):
    parts = list(minibatches(n, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate([[], *parts]).tolist()) == list(range(n))
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    assert len(parts) == -(-n // size) and all(len(part) for part in parts)


def test_minibatches_come_in_another_order_each_time():
    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(minibatches(50, 7, rng))) for _ in range(2))
    assert (first != second).any() and (first != np.arange(50)).any()


# -- negatives ---------------------------------------------------------------------


def entries(seed=0, shape=(7, 5)):
    """0/1; user 1 has everything, user 2 nothing, item 3 one user."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.5
    mask[2], mask[:, 3] = False, False
    mask[1] = True
    return csr_array(mask.astype(float))


@given(strategies.interactions(min_rows=1), st.integers(0, 99), st.booleans())
def test_negatives_are_items_the_user_lacks(data, seed, weighted):
    X = data.csr
    lacking = np.flatnonzero(np.diff(X.indptr) < data.n_items)
    user = np.repeat(lacking, 20)
    weights = np.arange(1.0, data.n_items + 1) if weighted else None
    rng = np.random.default_rng(seed)
    drawn = sample_negatives(rng, user, X, weights=weights)
    cells = set(zip(data.user.tolist(), data.item.tolist(), strict=True))
    assert drawn.dtype == np.int64 and drawn.shape == user.shape
    assert not cells & set(zip(user.tolist(), drawn.tolist(), strict=True))
    assert ((drawn >= 0) & (drawn < data.n_items)).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_negatives_follow_their_distribution(weighted):
    """Chi-squared test for each of three users over what the user lacks."""
    X = entries(shape=(7, 12))
    weights = np.random.default_rng(8).uniform(0.2, 3, 12) if weighted else None
    users = [u for u in range(7) if 0 < X[[u]].nnz < 12][:3]
    rng = np.random.default_rng(5)
    drawn = sample_negatives(rng, np.repeat(users, 20_000), X, weights=weights)
    for n, u in enumerate(users):
        lacks = np.setdiff1d(np.arange(12), X[[u]].indices)
        share = np.ones(len(lacks)) if weights is None else weights[lacks]
        counts = np.bincount(drawn[n * 20_000 : (n + 1) * 20_000], minlength=12)
        assert counts.sum() == counts[lacks].sum()
        expected = 20_000 * share / share.sum()
        assert stats.chisquare(counts[lacks], expected).pvalue > 0.001
        if weighted:
            uniform = np.full(len(lacks), 20_000 / len(lacks))
            assert stats.chisquare(counts[lacks], uniform).pvalue < 1e-6


def test_unsorted_rows_are_searched_all_the_same():
    X = csr_array((np.ones(3), [3, 0, 2], [0, 3]), shape=(1, 4))
    drawn = sample_negatives(np.random.default_rng(0), np.zeros(50, int), X)
    assert set(drawn.tolist()) == {1}
    assert X.indices.tolist() == [3, 0, 2]


def test_what_cannot_be_drawn_is_refused():
    rng, X = np.random.default_rng(0), entries()
    with pytest.raises(ValueError, match="user 1 has all 5 items"):
        sample_negatives(rng, np.array([0, 1]), X)
    for weights in (np.array([1, 1, 0, 1, 1]), np.ones(4), np.full(5, np.nan)):
        with pytest.raises(ValueError, match="5 positive numbers, one per item"):
            sample_negatives(rng, np.array([0]), X, weights=weights)


# -- windows -----------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 9), max_size=30), st.integers(1, 8), st.integers(1, 8)
)  # fmt: skip
def test_every_step_is_in_exactly_one_window(items, length, offset):
    items, offset = np.array(items, dtype=np.int64), min(offset, length)
    places = np.arange(len(items))  # the pieces of the places are those of the items
    pieces = windows(places, length, offset)
    steps = [(int(a), int(b)) for p in pieces for a, b in zip(p[:-1], p[1:])]
    assert steps == [(n, n + 1) for n in range(len(items) - 1)]
    assert all(2 <= len(piece) <= length + 1 for piece in pieces)
    for piece, chosen in zip(pieces, windows(items, length, offset), strict=True):
        np.testing.assert_array_equal(chosen, items[piece])


def test_the_first_cut_comes_after_the_offset():
    assert [p.tolist() for p in windows(np.arange(8), 3, 2)] == [
        [0, 1, 2],
        [2, 3, 4, 5],
        [5, 6, 7],
    ]
