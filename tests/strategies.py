"""hypothesis strategies: rating data, ranked lists, pairs of rating vectors."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from recsys_tutor.data import Interactions


@st.composite
def interactions(draw, *, min_rows=0, max_users=6, max_items=7, last_time=4):
    """Distinct (user, item) cells in any order; times tie often; ids are not indices.

    Users without rows, items without rows, one user and one item all occur.
    """
    n_users = draw(st.integers(1, max_users))
    n_items = draw(st.integers(1, max_items))
    low = min(min_rows, n_users * n_items)
    cell = st.integers(0, n_users * n_items - 1)
    cells = np.array(
        draw(st.lists(cell, unique=True, min_size=low, max_size=n_users * n_items)),
        dtype=np.int64,
    )
    n = len(cells)
    value = draw(st.lists(st.integers(1, 5), min_size=n, max_size=n))
    time = draw(st.lists(st.integers(0, last_time), min_size=n, max_size=n))
    return Interactions(
        user=cells // n_items,
        item=cells % n_items,
        value=value,
        time=time,
        user_ids=[f"user {n_users - u}" for u in range(n_users)],
        item_ids=[1000 - 7 * i for i in range(n_items)],
    )


class Ranking(NamedTuple):
    """Scores and truths of some users. ``scores`` may tie unless asked otherwise."""

    scores: np.ndarray  # (B, n_items) float
    relevant: np.ndarray  # (B, n_items) bool
    excluded: np.ndarray  # (B, n_items) bool, disjoint from relevant
    k: int


@st.composite
def rankings(draw, *, distinct=False, max_users=4, max_items=9):
    B = draw(st.integers(1, max_users))
    n_items = draw(st.integers(1, max_items))
    shape = (B, n_items)
    cells = B * n_items
    if distinct:
        rows = [draw(st.permutations(range(n_items))) for _ in range(B)]
        scores = np.array(rows, dtype=float)
    else:
        values = st.lists(st.integers(-2, 3), min_size=cells, max_size=cells)
        scores = np.array(draw(values), dtype=float).reshape(shape)
    state = draw(st.lists(st.integers(0, 2), min_size=cells, max_size=cells))
    state = np.array(state).reshape(shape)
    k = draw(st.integers(1, max_items + 3))
    return Ranking(scores, state == 1, state == 2, k)


@st.composite
def hit_lists(draw, *, max_k=12):
    """(hits (B, k) bool, n_relevant (B,)): at least as many relevant as hits."""
    B, k = draw(st.integers(1, 4)), draw(st.integers(1, max_k))
    flat = draw(st.lists(st.booleans(), min_size=B * k, max_size=B * k))
    hits = np.array(flat).reshape(B, k)
    more = draw(st.lists(st.integers(0, 5), min_size=B, max_size=B))
    return hits, hits.sum(axis=1) + np.array(more)


@st.composite
def item_lists(draw, *, max_k=6, max_items=8):
    """(items (B, k) without repeats in a row, -1 padding on the right, n_items)."""
    n_items = draw(st.integers(1, max_items))
    B, k = draw(st.integers(1, 4)), draw(st.integers(1, max_k))
    items = np.full((B, k), -1)
    for b in range(B):
        row = draw(
            st.lists(st.integers(0, n_items - 1), unique=True, max_size=min(k, n_items))
        )
        items[b, : len(row)] = row
    return items, n_items


@st.composite
def rating_pairs(draw, *, max_size=20):
    """Two equally long, non-empty vectors of finite numbers."""
    n = draw(st.integers(1, max_size))
    number = st.integers(-800, 800).map(lambda eighths: eighths / 8)
    vector = st.lists(number, min_size=n, max_size=n)
    return np.array(draw(vector)), np.array(draw(vector))
