"""Small data whose truth is known: the toy of five users and the made world.

:func:`toy` is small enough for a pencil; every chapter works its example on it.
:func:`make_world` draws as many users and items as wanted from a model that is written
down, so that a chapter can ask whether a method recovers the truth and how far it stays
below the oracle.

Chapters: 01 The recommendation problem (the toy), 07 Matrix factorization (the world).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recsys_tutor.checks import check_number
from recsys_tutor.data import Dataset, Interactions

__all__ = ["World", "make_world", "toy"]

#: (user, item, rating) in order of time, one row per minute.
_TOY_ROWS = [
    ("Ana", "Alien", 5),
    ("Ben", "Fargo", 2),
    ("Cleo", "Dirty Dancing", 5),
    ("Ana", "Fargo", 4),
    ("Dan", "Fargo", 1),
    ("Ben", "Blade Runner", 5),
    ("Cleo", "Fargo", 2),
    ("Dan", "Emma", 3),
    ("Ana", "Dirty Dancing", 2),
    ("Ben", "Alien", 4),
    ("Eva", "Fargo", 1),
    ("Cleo", "Emma", 4),
    ("Dan", "Alien", 1),
    ("Ben", "Emma", 1),
    ("Ana", "Blade Runner", 5),
    ("Dan", "Dirty Dancing", 3),
    ("Cleo", "Blade Runner", 1),
    ("Eva", "Contact", 5),
]

_TOY_ITEMS = pd.DataFrame(
    {
        "title": ["Alien", "Blade Runner", "Contact", "Dirty Dancing", "Emma", "Fargo"],
        "year": [1979, 1982, 1997, 1987, 1996, 1996],
        "genres": [
            ("Sci-Fi", "Horror"),
            ("Sci-Fi", "Thriller"),
            ("Sci-Fi", "Drama"),
            ("Romance", "Musical"),
            ("Romance", "Drama"),
            ("Crime", "Thriller"),
        ],
    }
)


def toy() -> Dataset:
    """Five users, six films, eighteen ratings: the pencil-and-paper data of the book.

    ::

              Alien  Blade Runner  Contact  Dirty Dancing  Emma  Fargo | mean
        Ana     5         5           .           2          .     4   |  4
        Ben     4         5           .           .          1     2   |  3
        Cleo    .         1           .           5          4     2   |  3
        Dan     1         .           .           3          3     1   |  2
        Eva     .         .           5           .          .     1   |  3

    The global mean is 3. *Fargo* has the most ratings and the lowest mean; *Contact*
    has one rating, the highest.

    Returns
    -------
    Dataset
        ``items`` has title, year and genres (a tuple), ``users`` has name and age.
    """
    frame = pd.DataFrame(_TOY_ROWS, columns=["user", "item", "value"])
    frame["time"] = 60 * np.arange(len(frame))
    users = pd.DataFrame(
        {"name": ["Ana", "Ben", "Cleo", "Dan", "Eva"], "age": [34, 27, 41, 56, 19]}
    )
    return Dataset(Interactions.from_frame(frame), _TOY_ITEMS.copy(), users)


@dataclass(frozen=True, eq=False)
class World:
    """A made data set and the truth behind it; see :func:`make_world`.

    Attributes
    ----------
    interactions : Interactions
    features : (n_items, n_topics) float64
        Content an observer can see: 1 for the item's topic, 0 elsewhere, with noise.
    mu : float
    b_u, b_i : (n_users,), (n_items,)
    P, Q : (n_users, n_factors), (n_items, n_factors)
    drift : (n_items,)
        Change of an item's expected rating from the first moment to the last.
    topic_of_item : (n_items,) int64
    theta : (n_users, n_topics)
        ``theta[u, z] = p(z | u)``; rows sum to 1.
    phi : (n_topics, n_items)
        ``phi[z, i] = p(i | z)``; rows sum to 1.
    noise : float
        Standard deviation of a rating around its expectation.
    """

    interactions: Interactions
    features: np.ndarray
    mu: float
    b_u: np.ndarray
    b_i: np.ndarray
    P: np.ndarray
    Q: np.ndarray
    drift: np.ndarray
    topic_of_item: np.ndarray
    theta: np.ndarray
    phi: np.ndarray
    noise: float

    @property
    def choice(self) -> np.ndarray:
        """(n_users, n_items) oracle for ranking: p(i | u) = sum_z p(z | u) p(i | z)."""
        return self.theta @ self.phi

    def expected(self, when: float = 0.5) -> np.ndarray:
        """(n_users, n_items) oracle for ratings at the moment ``when`` in [0, 1]."""
        bias = self.mu + self.b_u[:, None] + self.b_i + (when - 0.5) * self.drift
        return bias + self.P @ self.Q.T


def make_world(
    *,
    n_users: int = 300,
    n_items: int = 200,
    n_ratings: int = 12_000,
    n_factors: int = 3,
    n_topics: int = 4,
    skew: float = 0.8,
    drift: float = 0.0,
    noise: float = 0.5,
    content: float = 0.5,
    stars: bool = False,
    random_state: int | np.random.Generator | None = 0,
) -> World:
    """Draw users, items and ratings from a known model.

    1. Each item belongs to one topic and has popularity ``rank^-skew``. Topic ``z``
       shows its own items with probability proportional to their popularity and others'
       with a twentieth of it: ``phi[z, i] = p(i | z)``.
    2. Each user mixes the topics, ``theta[u] ~ Dirichlet(0.3)``, and picks distinct
       items with probability ``p(i | u) = sum_z theta[u, z] phi[z, i]``.
    3. Factors: the share ``content`` of an item's factor variance comes from its topic,
       the rest is its own; user factors are standard normal and scaled so that
       ``P @ Q.T`` has variance about 1.
    4. Rating = ``mu + b_u + b_i + drift_i · (t - ½) + p_u · q_i + noise · normal``,
       with ``t`` uniform on [0, 1]; ``stars=True`` rounds and clips it to 1..5.

    Parameters
    ----------
    n_ratings : int
        At most ``n_users * n_items``; every user gets nearly the same number.
    skew : float
        0 makes all items equally popular.
    drift, noise : float
        Standard deviations of the items' drift and of the ratings' noise.
    content : float in [0, 1]
    random_state : int, Generator or None

    Returns
    -------
    World
    """
    for name, size in {"n_users": n_users, "n_items": n_items}.items():
        check_number(name, size, low=1, whole=True)
    check_number("n_ratings", n_ratings, low=1, high=n_users * n_items, whole=True)
    check_number("n_factors", n_factors, low=1, whole=True)
    check_number("n_topics", n_topics, low=1, high=n_items, whole=True)
    for name, value in {"skew": skew, "drift": drift, "noise": noise}.items():
        check_number(name, value, low=0)
    check_number("content", content, low=0, high=1)
    rng = np.random.default_rng(random_state)
    topics = _draw_topics(rng, n_users, n_items, n_topics, skew)
    factors = _draw_factors(rng, topics, n_factors, content)
    truth: dict[str, Any] = {
        **topics,
        **factors,
        "drift": drift * rng.normal(size=n_items),
    }
    interactions = _draw_ratings(rng, truth, n_ratings, noise, stars)
    return World(interactions=interactions, noise=noise, **truth)


def _draw_topics(
    rng: np.random.Generator, n_users: int, n_items: int, n_topics: int, skew: float
) -> dict[str, np.ndarray]:
    """Which item has which topic, who picks what, and the content one can see."""
    topic_of_item = rng.permutation(np.arange(n_items) % n_topics)
    popularity = rng.permutation(np.arange(1, n_items + 1) ** -float(skew))
    own = topic_of_item == np.arange(n_topics)[:, None]  # (n_topics, n_items)
    phi = popularity * np.where(own, 1.0, 0.05)
    phi /= phi.sum(axis=1, keepdims=True)
    theta = rng.dirichlet(np.full(n_topics, 0.3), size=n_users)
    features = own.T + 0.1 * rng.normal(size=(n_items, n_topics))
    return {
        "topic_of_item": topic_of_item,
        "theta": theta,
        "phi": phi,
        "features": features,
    }


def _draw_factors(
    rng: np.random.Generator,
    topics: dict[str, np.ndarray],
    n_factors: int,
    content: float,
) -> dict[str, float | np.ndarray]:
    """The global mean, the biases and the factors; items share those of their topic."""
    topic_of_item = topics["topic_of_item"]
    n_users, n_topics = topics["theta"].shape
    n_items = len(topic_of_item)
    topic_factor = rng.normal(size=(n_topics, n_factors))
    Q = np.sqrt(content) * topic_factor[topic_of_item]
    Q += np.sqrt(1 - content) * rng.normal(size=(n_items, n_factors))
    P = rng.normal(size=(n_users, n_factors)) / np.sqrt(n_factors)
    b_u = 0.4 * rng.normal(size=n_users)
    b_i = 0.5 * rng.normal(size=n_items)
    return {"mu": 3.5, "b_u": b_u, "b_i": b_i, "P": P, "Q": Q}


def _draw_ratings(
    rng: np.random.Generator,
    truth: dict[str, Any],
    n_ratings: int,
    noise: float,
    stars: bool,
) -> Interactions:
    """Who rates what, when and how much, given the truth."""
    P, Q = truth["P"], truth["Q"]
    user, item = _draw_pairs(rng, truth["theta"] @ truth["phi"], n_ratings)
    t = rng.random(len(user))
    rating = truth["mu"] + truth["b_u"][user] + truth["b_i"][item]
    rating += (t - 0.5) * truth["drift"][item]
    rating += np.sum(P[user] * Q[item], axis=1) + noise * rng.normal(size=len(user))
    if stars:
        rating = np.clip(np.round(rating), 1, 5)
    return Interactions(
        user=user,
        item=item,
        value=rating,
        time=(t * 10**6).astype(np.int64),
        user_ids=np.arange(len(P)),
        item_ids=np.arange(len(Q)),
    )


def _draw_pairs(
    rng: np.random.Generator, choice: np.ndarray, n_ratings: int
) -> tuple[np.ndarray, np.ndarray]:
    """Distinct items per user (Gumbel keys: no replacement), counts nearly equal."""
    n_users, n_items = choice.shape
    counts = np.full(n_users, n_ratings // n_users)
    counts[rng.permutation(n_users)[: n_ratings % n_users]] += 1
    users, items = [], []
    for u in range(n_users):
        key = np.log(choice[u]) + rng.gumbel(size=n_items)
        users.append(np.full(counts[u], u))
        items.append(np.argsort(-key, kind="stable")[: counts[u]])
    user, item = np.concatenate(users), np.concatenate(items)
    order = rng.permutation(len(user))
    return user[order], item[order]
