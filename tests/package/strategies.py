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


#: Texts that a careless reader takes for one another, or for no id.
ID_TEXTS = st.one_of(
    st.sampled_from(
        [
            *("0", "-0", "+0", "00", "1", "01", "+1", "1.0", "1e0", "-1", "-7", "１"),
            *(
                "٣",
                "²",
                "1_0",
                "0x1",
                "a",
                "A",
                "é",
                "e\u0301",
                "true",
                "x y",
                "a\u00a0",
            ),
            *("nan", "NaN", "NULL", "null", "None", "<NA>", "\\N", "NA", "n/a", "nil"),
            *("9223372036854775807", "9223372036854775808", "-9223372036854775808"),
        ]
    ),
    st.integers(-3, 10**19).map(str),
    st.text("ab01-+.é", min_size=1, max_size=4),
)

#: Texts that are numbers, and texts that some reader takes for numbers.
NUMBER_TEXTS = st.one_of(
    st.sampled_from(
        [
            *(
                "4",
                "4.5",
                "4,5",
                "-0.5",
                "+3",
                ".5",
                "5.",
                "1e3",
                "1E-2",
                "1_000",
                "１",
            ),
            *(
                "٣",
                "0x10",
                "1e400",
                "inf",
                "-Infinity",
                "nan",
                "1,234",
                "12,345",
                "1 0",
            ),
            *("1.234,5", "1,234.5", "1e", "--1", "True", "½", "4,", ",5", "0,5", "x"),
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.integers(0, 999).map(lambda n: f"{n // 10},{n % 10}"),
)

#: Ids, and what is none.
WHOLE_OR_TEXT = st.one_of(
    st.integers(-3, 12),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(0, 12).map(str),
    st.text("aé\u0301A \0", max_size=3),
)
NO_IDS = st.one_of(
    st.sampled_from([None, True, False, 1.5, b"a", (1, 2), 2**63, -(2**63) - 1]),
    st.sampled_from([float("nan"), float("inf"), np.datetime64("2020-01-01"), np.nan]),
    st.dates(),
    st.frozensets(st.integers(0, 3), max_size=2),
    st.complex_numbers(),
)
