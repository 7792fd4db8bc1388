"""The literal lists of a user: higher score first, then the lower index."""

import numpy as np
import oracles

from fuzz.core import differ


def lists(scores, excluded, k, items=None):
    """(items, scores) by a literal sort; only ``items`` where they are given."""
    out = (
        ~np.isin(np.arange(len(scores)), items)
        if items is not None
        else excluded & False
    )
    listed = oracles.ranked_list(list(scores), list(excluded | out), k)
    return listed, [scores[i] if i >= 0 else -np.inf for i in listed]


def same_lists(answer, want):
    if np.asarray(answer.items).dtype != np.int64:
        return f"items are {answer.items.dtype}"
    fault = differ("items", answer.items.tolist(), [w[0] for w in want])
    values = [[float(s) for s in w[1]] for w in want]
    return fault or differ("scores", answer.scores.tolist(), values, 1e-6)


def stored(matrix):
    cells = np.zeros(matrix.shape, dtype=bool)
    cells[
        np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices
    ] = 1
    return cells
