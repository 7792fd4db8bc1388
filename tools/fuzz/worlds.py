"""Small random ratings."""

import numpy as np

from recsys_tutor.data import Interactions


def ratings(rng, *, rows=None, scale=None, ids="text", cells=None, least=1, time=None):
    """Distinct cells of a small matrix in any order; (data, list of cells)."""
    n_users, n_items = rng.randint(1, 6), rng.randint(1, 7)
    if cells is None:
        whole = [(u, i) for u in range(n_users) for i in range(n_items)]
        size = rng.randint(min(least, len(whole)), len(whole)) if rows is None else rows
        cells = rng.sample(whole, min(size, len(whole)))
    low, high = scale or rng.choice([(1, 5), (1, 5), (-10, 10), (0, 1), (0, 100)])
    value = [rng.randint(2 * low, 2 * high) / 2 for _ in cells]
    time = rng.random() < 0.85 if time is None else time
    times = [rng.randint(0, 4) for _ in cells] if time else None
    return make(cells, value, times, n_users, n_items, ids)


def make(cells, value, times, n_users, n_items, ids="text"):
    user_ids = [f"user {n_users - u}" for u in range(n_users)]
    if ids != "text":
        user_ids = [1000 - 7 * u for u in range(n_users)]
    return Interactions(
        np.array([u for u, _ in cells], dtype=np.int64),
        np.array([i for _, i in cells], dtype=np.int64),
        np.array(value, dtype=float),
        None if times is None else np.array(times, dtype=np.int64),
        user_ids,
        [50 + 3 * i for i in range(n_items)],
    )


def shown(data) -> str:
    """The rows, so that they can be typed again."""
    columns = [data.user.tolist(), data.item.tolist(), data.value.tolist()]
    columns.append(None if data.time is None else data.time.tolist())
    return f"{columns} of shape {data.shape}"


def rows_of(data):
    """Each row as a tuple of Python objects, in order, with ids."""
    times = [None] * len(data) if data.time is None else data.time.tolist()
    users = data.user_ids[data.user].tolist()
    items = data.item_ids[data.item].tolist()
    return list(zip(users, items, data.value.tolist(), times))
