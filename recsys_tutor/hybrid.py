"""Hybrids: models that combine models, or feed content into one.

A combination holds unfitted models, clones and fits them on the same training data, and
works on their scores. Weights are chosen on validation data by whoever builds it.

Chapter: 06 Hybrid recommenders.
"""

from __future__ import annotations

import numpy as np

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_number
from recsys_tutor.content import check_features
from recsys_tutor.neighbors import EASE, zero_diagonal_regression
from recsys_tutor.ranking import mask_items

__all__ = [
    "Cascade",
    "FeatureAugmented",
    "RankFusion",
    "Switching",
    "Weighted",
    "normalize_scores",
    "ranks",
]


def normalize_scores(scores: np.ndarray, how: str) -> np.ndarray:
    """Bring each user's scores to a common scale.

    Parameters
    ----------
    scores : (B, n_items) float
    how : {"zscore", "minmax"}
        Mean 0 and standard deviation 1; or from 0 to 1. Constant rows become 0.
    """
    if how == "zscore":
        low, size = (
            scores.mean(axis=1, keepdims=True),
            scores.std(axis=1, keepdims=True),
        )
    elif how == "minmax":
        low = scores.min(axis=1, keepdims=True)
        size = scores.max(axis=1, keepdims=True) - low
    else:
        raise ValueError(f"how must be 'zscore' or 'minmax', got {how!r}")
    flat = size <= 1e-12 * np.abs(scores).max(axis=1, keepdims=True)
    return np.where(flat, 0.0, (scores - low) / np.where(flat, 1.0, size))


def ranks(scores: np.ndarray) -> np.ndarray:
    """Place of each item in its row, 1 = best; ties by lower index. Shape kept."""
    order = np.argsort(-scores, axis=1, kind="stable")
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(1, scores.shape[1] + 1), axis=1)
    return places


class _Combination(Recommender):
    """Shared by all that hold models: fit clones, ask each for scores."""

    def _models(self):
        return list(self.models)

    def _check(self):
        try:
            good = len(self.models) > 0 and all(map(_is_model, self.models))
        except TypeError:
            good = False
        if not good:
            raise ValueError(
                f"models must be one or more Recommender objects, got {self.models!r}"
            )

    def _check_pair(self, *names):
        for name in names:
            model = getattr(self, name)
            if not _is_model(model):
                raise ValueError(f"{name} must be a Recommender object, got {model!r}")

    def _fit(self, train, callback):
        self.models_ = [model.clone().fit(train) for model in self._models()]

    def _score_users(self, users):
        parts = [model.score(users) for model in self.models_]
        return self._combine(parts, self.train_.csr[users])

    def _score_history(self, X):
        return self._combine([model.score_history(X) for model in self.models_], X)

    def _combine(self, parts, seen):
        raise NotImplementedError


def _is_model(model) -> bool:
    return isinstance(model, Recommender)


def _check_weights(weights, models):
    if weights is None:
        return np.ones(len(models))
    try:
        array = np.asarray(weights, dtype=float)
    except (TypeError, ValueError):
        array = np.empty(0)
    good = array.shape == (len(models),) and np.isfinite(array).all()
    if not good or (array < 0).any() or array.sum() == 0:
        raise ValueError(
            f"weights must be {len(models)} numbers >= 0, not all 0, got {weights!r}"
        )
    return array


class Weighted(_Combination):
    """Weighted sum of normalised scores: ``s = sum_m w_m · z(s_m)``.

    Parameters
    ----------
    models : sequence of unfitted Recommender
    weights : sequence of float, optional
        Not negative; default: all 1.
    normalize : {"zscore", "minmax"}
        See :func:`normalize_scores`.

    Notes
    -----
    Cost: that of the parts. Source: Burke (2002). Chapter 06, eq-hybrid-weighted.
    """

    def __init__(self, *, models, weights=None, normalize="zscore"):
        self.models = models
        self.weights = weights
        self.normalize = normalize

    def _check(self):
        super()._check()
        _check_weights(self.weights, self.models)
        if self.normalize not in ("zscore", "minmax"):
            raise ValueError(
                f"normalize must be 'zscore' or 'minmax', got {self.normalize!r}"
            )

    def _combine(self, parts, seen):
        weights = _check_weights(self.weights, self.models)
        scaled = [normalize_scores(part, self.normalize) for part in parts]
        return sum(w * part for w, part in zip(weights, scaled, strict=True))


class RankFusion(_Combination):
    """Reciprocal rank fusion: ``s = sum_m w_m / (constant + rank_m)``.

    Ranks are taken among the items the user has not seen; seen items follow behind.

    Parameters
    ----------
    models : sequence of unfitted Recommender
    weights : sequence of float, optional
    constant : float
        Large: the lists count nearly alike in all places; small: first places decide.

    Notes
    -----
    Source: Cormack, Clarke and Büttcher (2009). Chapter 06, eq-hybrid-rrf.
    """

    def __init__(self, *, models, weights=None, constant=60.0):
        self.models = models
        self.weights = weights
        self.constant = constant

    def _check(self):
        super()._check()
        _check_weights(self.weights, self.models)
        check_number("constant", self.constant, low=0)

    def _combine(self, parts, seen):
        weights = _check_weights(self.weights, self.models)
        places = [ranks(mask_items(part, seen)) for part in parts]
        return sum(
            w / (self.constant + place)
            for w, place in zip(weights, places, strict=True)
        )


class Switching(_Combination):
    """One model for users with a short history, another for the rest.

    Parameters
    ----------
    few, many : unfitted Recommender
    threshold : int
        Users with fewer than ``threshold`` training rows get ``few``.
    """

    def __init__(self, *, few, many, threshold=10):
        self.few = few
        self.many = many
        self.threshold = threshold

    def _models(self):
        return [self.few, self.many]

    def _check(self):
        self._check_pair("few", "many")
        check_number("threshold", self.threshold, low=0, whole=True)

    def _combine(self, parts, seen):
        short = np.diff(seen.indptr) < self.threshold
        return np.where(short[:, None], parts[0], parts[1])


class Cascade(_Combination):
    """A first model picks candidates, a second one orders them.

    The ``n_candidates`` best unseen items of ``first`` come first, ordered by
    ``second``; all other items follow in the order of ``first``. The scores returned
    are minus the places in that list.

    Parameters
    ----------
    first, second : unfitted Recommender
    n_candidates : int
    """

    def __init__(self, *, first, second, n_candidates=100):
        self.first = first
        self.second = second
        self.n_candidates = n_candidates

    def _models(self):
        return [self.first, self.second]

    def _check(self):
        self._check_pair("first", "second")
        check_number("n_candidates", self.n_candidates, low=1, whole=True)

    def _combine(self, parts, seen):
        masked = mask_items(parts[0], seen)
        place = ranks(masked)
        candidate = (place <= self.n_candidates) & (masked > -np.inf)
        within = ranks(np.where(candidate, parts[1], -np.inf))
        return -np.where(candidate, within, place).astype(float)


class FeatureAugmented(EASE):
    """EASE that must also reconstruct the items' features.

    Objective: ``|X - X B|² + content_weight · |F.T - F.T B|² + sum_j d_j |B[j]|²`` with
    ``B[i, i] = 0``: every feature is one more "user" who has the items that carry it.
    The Gram matrix becomes ``X.T X + content_weight · F F.T``, the rest is
    :func:`~recsys_tutor.neighbors.ease_weights`.

    Parameters
    ----------
    features : (n_items, d) csr_array or array
    content_weight : float
        0 gives EASE.
    reg, count_weight, half_life
        As in :class:`~recsys_tutor.neighbors.EASE`.

    Notes
    -----
    Source: Jeunen, Van Balen and Goethals (2020), "collective EASE". Chapter 06,
    eq-hybrid-augmented.
    """

    def __init__(
        self,
        *,
        features,
        content_weight=30.0,
        reg=300.0,
        count_weight=2.0,
        half_life=None,
    ):
        super().__init__(reg=reg, count_weight=count_weight, half_life=half_life)
        self.features = features
        self.content_weight = content_weight

    def _check(self):
        super()._check()
        check_number("content_weight", self.content_weight, low=0)

    def _weights(self, X):
        F = check_features(self.features, X.shape[1])
        G = (X.T @ X).toarray()
        penalty = self.reg + self.count_weight * np.diag(G)
        G += self.content_weight * (F @ F.T).toarray()
        return zero_diagonal_regression(G, penalty)
