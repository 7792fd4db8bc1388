"""A made world in which the last two items decide, and three ways to guess the next.

The question of :mod:`~recsys_tutor.study.growth`: from which size on does a network
pass counting, and does that depend on the size alone? So the world must hold

- something that counting learns from few users: each item has a few *followers* of its
  own, and a row of counts per item finds them;
- something that a row of counts per item cannot hold: the *kinds* of the last two items
  decide the kind of the next, by a table without any order in it;
- a structure that makes the second learnable without a row for each pair of items: 20
  kinds are 400 pairs of kinds, but 240 items are 57,600 pairs of items. Nobody is told
  the kinds;
- a switch: with ``pair=0`` the second part is chance, and nothing else changes;
- a truth that is written down, so that the best possible hit rate is known, and the
  best of those who see one item back.

All items are equally popular to begin with and no item comes twice, as on MovieLens.

Chapter: 15 Autoencoders and graphs (where is the border?).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.sparse import csr_array

from recsys_tutor.checks import check_number
from recsys_tutor.data import Interactions

__all__ = [
    "Chain",
    "count_pairs",
    "hit_rate",
    "interactions_of_walks",
    "network",
    "transitions",
]


class Chain:
    """A world of walks: what comes next, given the last two items.

    The next item is, with probability ``single``, one of the last item's followers;
    with probability ``pair`` an item of kind ``after_two[a, b]``, where ``a, b`` are
    the kinds of the last two; else any item. Within each part all are equally likely;
    items of the walk itself are left out, and the rest is scaled to sum to 1.

    Parameters
    ----------
    single, pair : float
        Their sum is at most 1.
    n_items, n_kinds, n_followers : int
        ``n_items`` is a multiple of ``n_kinds``.
    random_state : int
        Worlds that differ in ``single`` and ``pair`` only have the same tables.

    Attributes
    ----------
    kind : (n_items,) int64
    followers : (n_items, n_items) float64
        Rows sum to 1: each item's ``n_followers`` others, all alike.
    after_two : (n_kinds, n_kinds) int64
    """

    def __init__(
        self,
        *,
        single: float = 0.3,
        pair: float = 0.5,
        n_items: int = 240,
        n_kinds: int = 20,
        n_followers: int = 2,
        random_state: int = 0,
    ) -> None:
        check_number("n_kinds", n_kinds, low=1, whole=True)
        check_number("n_items", n_items, low=n_kinds, whole=True)
        check_number("n_followers", n_followers, low=1, high=n_items - 1, whole=True)
        check_number("single", single, low=0, high=1)
        check_number("pair", pair, low=0, high=1 - single)
        if n_items % n_kinds:
            raise ValueError(
                f"n_items must be a multiple of n_kinds, got {n_items} and {n_kinds}"
            )
        rng = np.random.default_rng(random_state)
        self.single, self.pair, self.random_state = single, pair, random_state
        self.kind = rng.permutation(np.arange(n_items) % n_kinds)
        key = rng.random((n_items, n_items))
        np.fill_diagonal(key, 2)  # nobody follows itself
        chosen = np.argsort(key, axis=1, kind="stable")[:, :n_followers]
        self.followers = np.zeros((n_items, n_items))
        np.put_along_axis(self.followers, chosen, 1 / n_followers, axis=1)
        self.after_two = rng.integers(n_kinds, size=(n_kinds, n_kinds))

    def chances(self, past: np.ndarray, *, back: int = 2) -> np.ndarray:
        """(B, n_items) probabilities of the next item after each row of ``past``.

        ``past`` is (B, L) items, oldest first, and a walk of less than two is followed
        by any item. ``back=1`` forgets the kind of the last item but one: the mean
        over all kinds. Cost O(B · n_items).
        """
        check_number("back", back, low=1, high=2, whole=True)
        past = np.asarray(past)
        n_items, n_kinds = len(self.kind), len(self.after_two)
        p = np.full((len(past), n_items), (1 - self.single - self.pair) / n_items)
        if past.shape[1] >= 2:
            a, b = self.kind[past[:, -2]], self.kind[past[:, -1]]
            wanted = np.eye(n_kinds)[self.after_two]  # (n_kinds, n_kinds, n_kinds)
            share = wanted[a, b] if back == 2 else wanted.mean(axis=0)[b]
            p += self.pair * n_kinds / n_items * share[:, self.kind]
            p += self.single * self.followers[past[:, -1]]
        np.put_along_axis(p, past, 0.0, axis=1)
        return p / p.sum(axis=1, keepdims=True)

    def walks(self, n_users: int, length: int = 12) -> np.ndarray:
        """(n_users, length) int64: a walk per user, from the world's own seed."""
        check_number("n_users", n_users, low=1, whole=True)
        check_number("length", length, low=1, high=len(self.kind), whole=True)
        rng = np.random.default_rng([self.random_state, n_users])
        past = np.zeros((n_users, 0), dtype=np.int64)
        for _ in range(length):
            below = self.chances(past).cumsum(axis=1)
            drawn = (below <= rng.random((n_users, 1))).sum(axis=1)
            past = np.column_stack([past, np.minimum(drawn, len(self.kind) - 1)])
        return past


def hit_rate(
    scores: np.ndarray, past: np.ndarray, following: np.ndarray, k: int = 10
) -> float:
    """Share of rows whose next item is among the ``k`` best that are not in the past.

    Higher score first, then lower index. ``scores`` (B, n_items), ``past`` (B, L),
    ``following`` (B,).
    """
    scores = np.array(scores, dtype=np.float64)
    np.put_along_axis(scores, past, -np.inf, axis=1)
    own = scores[np.arange(len(scores)), following][:, None]
    earlier = np.arange(scores.shape[1]) < following[:, None]
    before = (scores > own) | ((scores == own) & earlier)
    return float(np.mean(before.sum(axis=1) < k))


def interactions_of_walks(walks: np.ndarray, n_items: int) -> Interactions:
    """The walks as interactions; the time is the place in the walk."""
    user, time = np.indices(walks.shape).reshape(2, -1)
    ids = np.arange(len(walks)), np.arange(n_items)
    return Interactions(user, walks.ravel(), np.ones(len(user)), time, *ids)


def count_pairs(
    walks: np.ndarray, n_items: int, *, trust: float, trust_single: float
) -> np.ndarray:
    """Scores of the next item by counted pairs, backed off to counted singles.

    ``p(j | a, b) = (c_abj + trust · p(j | b)) / (c_ab + trust)`` with ``p(j | b) =
    (c_bj + trust_single · p(j)) / (c_b + trust_single)`` and ``p(j)`` the shares of the
    items, each counted once more. The smaller ``trust``, the sooner a pair's own counts
    decide; without counts of the pair, the last item does.

    Returns
    -------
    (n_users, n_items) float64 for the item after each walk.

    Notes
    -----
    Cost O(walks + n_items² + n_users · n_items).
    """
    a, b, j = (walks[:, s : walks.shape[1] - 2 + s].ravel() for s in range(3))
    ones = np.ones(len(j))
    pairs = csr_array((ones, (a * n_items + b, j)), shape=(n_items**2, n_items))
    first, then = walks[:, :-1].ravel(), walks[:, 1:].ravel()
    singles = np.zeros((n_items, n_items))
    np.add.at(singles, (first, then), 1)
    p = (np.bincount(walks.ravel(), minlength=n_items) + 1) / (walks.size + n_items)
    count = singles.sum(axis=1, keepdims=True)
    p_single = (singles + trust_single * p) / (count + trust_single)
    own = pairs[walks[:, -2] * n_items + walks[:, -1]].toarray()
    total = own.sum(axis=1, keepdims=True) + trust
    return (own + trust * p_single[walks[:, -1]]) / total


def transitions(walks: np.ndarray, n_items: int, setting: Mapping) -> np.ndarray:
    """Scores of :class:`~recsys_tutor.transitions.Transitions` after each walk."""
    from recsys_tutor.transitions import Transitions

    model = Transitions(backward=0, damping=0, **setting)
    model.fit(interactions_of_walks(walks, n_items))
    return model.score(np.arange(len(walks)))


def network(
    walks: np.ndarray,
    n_items: int,
    setting: Mapping,
    *,
    seed: int,
    callback: Callable | None = None,
) -> np.ndarray:
    """Scores of :class:`~recsys_tutor.sequential.GRU4Rec` after each walk."""
    from recsys_tutor.sequential import GRU4Rec

    fixed: dict = {"max_length": 4, "batch_size": 256, "learning_rate": 0.01}
    model = GRU4Rec(**fixed, random_state=seed, **setting)
    model.fit(interactions_of_walks(walks, n_items), callback=callback)
    return model.score(np.arange(len(walks)))
