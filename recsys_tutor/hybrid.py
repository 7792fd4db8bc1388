"""Hybrids: models that combine models, or feed content into one.

A combination holds unfitted models, clones and fits them on the same training data, and
works on their scores. Weights are chosen on validation data by whoever builds it.

Chapter: 06 Hybrid recommenders.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from recsys_tutor.base import Recommender
from recsys_tutor.checks import check_feature_matrix
from recsys_tutor.data import Interactions
from recsys_tutor.neighbors import EASE, zero_diagonal_regression
from recsys_tutor.parameters import param
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

    def _models(self) -> list[Recommender]:
        raise NotImplementedError

    def _check_pair(self, *names: str) -> None:
        for name in names:
            model = getattr(self, name)
            if not _is_model(model):
                raise ValueError(f"{name} must be a Recommender object, got {model!r}")

    def _fit(self, train: Interactions) -> None:
        self.models_ = [model.clone().fit(train) for model in self._models()]

    def _score_users(self, users: np.ndarray) -> np.ndarray:
        parts = [model.score(users) for model in self.models_]
        return self._combine(parts, self.train_.csr[users])

    def _score_history(self, X: csr_array) -> np.ndarray:
        return self._combine([model.score_history(X) for model in self.models_], X)

    def _combine(self, parts: Sequence[np.ndarray], seen: csr_array) -> np.ndarray:
        raise NotImplementedError


def _is_model(model: Any) -> bool:
    return isinstance(model, Recommender)


def _check_weights(
    weights: ArrayLike | None, models: Sequence[Recommender]
) -> np.ndarray:
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


class _Several(_Combination):
    """Shared by those of any number of models, each with a weight."""

    models: Sequence[Recommender] = param("The parts, unfitted.")
    weights: Sequence[float] | None = param("Not negative; None: all 1.", default=None)

    def _models(self) -> list[Recommender]:
        return list(self.models)

    def _check(self) -> None:
        try:
            good = len(self.models) > 0 and all(map(_is_model, self.models))
        except TypeError:
            good = False
        if not good:
            raise ValueError(
                f"models must be one or more Recommender objects, got {self.models!r}"
            )
        _check_weights(self.weights, self.models)


class Weighted(_Several):
    """Weighted sum of normalised scores: ``s = sum_m w_m · z(s_m)``.

    Notes
    -----
    Cost: that of the parts. Source: Burke (2002). Chapter 06, eq-hybrid-weighted.
    """

    normalize: Literal["zscore", "minmax"] = param(
        "See :func:`normalize_scores`.", default="zscore"
    )

    def _combine(self, parts: Sequence[np.ndarray], seen: csr_array) -> np.ndarray:
        weights = _check_weights(self.weights, self.models)
        scaled = [normalize_scores(part, self.normalize) for part in parts]
        each = (w * part for w, part in zip(weights, scaled, strict=True))
        return sum(each, start=np.zeros(()))


class RankFusion(_Several):
    """Reciprocal rank fusion: ``s = sum_m w_m / (constant + rank_m)``.

    Ranks are taken among the items the user has not seen; seen items follow behind.

    Notes
    -----
    Source: Cormack, Clarke and Büttcher (2009). Chapter 06, eq-hybrid-rrf.
    """

    constant: float = param(
        "Large: the lists count nearly alike in all places; small: first places "
        "decide.",
        default=60.0,
        low=0,
    )

    def _combine(self, parts: Sequence[np.ndarray], seen: csr_array) -> np.ndarray:
        weights = _check_weights(self.weights, self.models)
        places = [ranks(mask_items(part, seen)) for part in parts]
        pairs = zip(weights, places, strict=True)
        each = (w / (self.constant + place) for w, place in pairs)
        return sum(each, start=np.zeros(()))


class Switching(_Combination):
    """One model for users with a short history, another for the rest."""

    few: Recommender = param("Unfitted; for users with few rows.")
    many: Recommender = param("Unfitted; for the others.")
    threshold: int = param(
        "Users with fewer than ``threshold`` training rows get ``few``.",
        default=10,
        low=0,
    )

    def _models(self) -> list[Recommender]:
        return [self.few, self.many]

    def _check(self) -> None:
        self._check_pair("few", "many")

    def _combine(self, parts: Sequence[np.ndarray], seen: csr_array) -> np.ndarray:
        short = np.diff(seen.indptr) < self.threshold
        return np.where(short[:, None], parts[0], parts[1])


class Cascade(_Combination):
    """A first model picks candidates, a second one orders them.

    The ``n_candidates`` best unseen items of ``first`` come first, ordered by
    ``second``; all other items follow in the order of ``first``. The scores returned
    are minus the places in that list.
    """

    first: Recommender = param("Unfitted; chooses the candidates.")
    second: Recommender = param("Unfitted; ranks them.")
    n_candidates: int = param("How many the first one chooses.", default=100, low=1)

    def _models(self) -> list[Recommender]:
        return [self.first, self.second]

    def _check(self) -> None:
        self._check_pair("first", "second")

    def _combine(self, parts: Sequence[np.ndarray], seen: csr_array) -> np.ndarray:
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

    Notes
    -----
    Source: Jeunen, Van Balen and Goethals (2020), "collective EASE". Chapter 06,
    eq-hybrid-augmented.
    """

    features: csr_array | np.ndarray = param("(n_items, d): rows ``x_i``.")
    content_weight: float = param(
        "Of the features' rows; 0 gives EASE.", default=30.0, low=0
    )

    def _weights(self, X: csr_array) -> np.ndarray:
        F = check_feature_matrix(self.features, X.shape[1])
        G = (X.T @ X).toarray()
        penalty = self.reg + self.count_weight * np.diag(G)
        G += self.content_weight * (F @ F.T).toarray()
        return zero_diagonal_regression(G, penalty)
