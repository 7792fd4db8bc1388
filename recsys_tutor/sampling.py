"""What a step of training looks at: batches, negatives, pieces of a sequence.

Chapters: 09 Implicit feedback (negatives), 14 Sequences (windows), 16 Training.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array
from scipy.stats.sampling import DiscreteAliasUrn

from recsys_tutor.kernels import is_stored

__all__ = ["minibatches", "sample_negatives", "windows"]


def minibatches(
    n: int, batch_size: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """``0 .. n - 1`` in random order, ``batch_size`` at a time, the last ones fewer."""
    order = rng.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def sample_negatives(
    rng: np.random.Generator,
    user: np.ndarray,
    X: csr_array,
    *,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """An item for each of ``user`` that the user does not have.

    Parameters
    ----------
    rng : numpy Generator
    user : (n,) int64
        Each must lack at least one item.
    X : (n_users, n_items) csr_array
        What users have.
    weights : (n_items,) > 0, optional
        Draw items in proportion to these; default: all alike.

    Returns
    -------
    (n,) int64

    Raises
    ------
    ValueError
        A user has all items; ``weights`` are not one positive number per item.

    Notes
    -----
    Rejection: draw for all, draw again for those that hit a positive. Weighted draws
    take O(1) each by the alias method. Expected cost O(n log n_ratings) per round.
    """
    n_items = X.shape[1]
    full = np.diff(X.indptr)[user] >= n_items
    if full.any():
        raise ValueError(
            f"user {user[full][0]} has all {n_items} items, so there is no negative to "
            "draw: leave such users out"
        )
    if weights is not None:
        weights = np.asarray(weights)
        if weights.shape != (n_items,) or not (weights > 0).all():
            raise ValueError(
                f"weights must be {n_items} positive numbers, one per item, got an "
                f"array of shape {weights.shape} with minimum {weights.min()}"
            )
        urn = DiscreteAliasUrn(weights / weights.sum(), random_state=rng)
    indptr, indices = X.indptr, X.sorted_indices().indices
    item = np.empty(len(user), dtype=np.int64)
    wrong = np.arange(len(user))
    while len(wrong):
        if weights is None:
            item[wrong] = rng.integers(0, n_items, len(wrong))
        else:
            item[wrong] = urn.rvs(len(wrong))
        wrong = wrong[is_stored(indptr, indices, user[wrong], item[wrong])]
    return item


def windows(items: np.ndarray, length: int, offset: int) -> list[np.ndarray]:
    """Cut a sequence into pieces of ``length + 1`` that share one item each.

    The first cut comes after ``offset`` steps (1 to ``length``); so each step from an
    item to the next lies in exactly one piece.
    """
    cuts = [0, *range(offset, len(items) - 1, length), len(items) - 1]
    pairs = zip(cuts[:-1], cuts[1:], strict=True)
    return [items[start : end + 1] for start, end in pairs if end > start]
