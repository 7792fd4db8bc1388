"""The models of the leaderboard, with the parameters that their chapters chose.

Chapter: 18 Leaderboard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.content import ContentBased, ContentRidge
from recsys_tutor.features import RICH_FIELDS, item_terms, side_features, tfidf
from recsys_tutor.hybrid import FeatureAugmented, Weighted
from recsys_tutor.implicit_mf import BPR, ImplicitALS
from recsys_tutor.mf import BiasedMF, ExplicitALS, SVDpp, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN, UserKNN
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.transitions import Transitions

__all__ = ["ENTRIES", "Entry", "TASKS"]

#: The tasks by name; chapter 02 defines them.
TASKS = ("ranking", "rating", "sequence")


class Entry(NamedTuple):
    """A row of the leaderboard: name, unfitted model, the tasks it takes part in.

    ``model`` may be a function that makes the model from the Dataset at hand.
    """

    name: str
    model: Recommender | Callable
    tasks: Sequence[str]


def _features(data):
    return tfidf(item_terms(data.items, RICH_FIELDS)[0])


def _content(data):
    return ContentBased(features=_features(data))


def _content_ridge(data):
    return ContentRidge(features=_features(data))


def _ease_with_content(data):
    return FeatureAugmented(features=_features(data))


def _ease_plus_content(data):
    features = _features(data)
    parts = EASE(), ContentBased(features=features)
    return Weighted(models=parts, weights=(1.0, 0.2))


def _ensemble(data):
    parts = _ease_with_content(data), ImplicitALS(), PLSA()
    return Weighted(models=parts, weights=(1.0, 0.75, 0.25))


def _gibbs_side(data):
    return BayesianFM(implicit=True, **side_features(data))


def _gibbs_day(data):
    return BayesianFM(implicit=True, day=True, **side_features(data))


def _gibbs_ordinal(data):
    features = side_features(data)
    return BayesianFM(implicit=True, day=True, likelihood="ordinal", **features)


def _network(module, name, *, side=False, **parameters):
    """A function that makes the model, so that torch is loaded only when it runs."""

    def make(data):
        model = getattr(import_module(f"recsys_tutor.{module}"), name)
        return model(**parameters, **(side_features(data) if side else {}))

    return make


LISTS = ("ranking", "sequence")

MARKOV = Transitions(window=1, recency=0.0, backward=0.0, damping=0.0)

#: Every model of the book with the parameters its chapter chose on validation data.
#:
#: :meta hide-value:
ENTRIES = (
    Entry("Random", Random(), TASKS),
    Entry("Popularity", Popularity(), LISTS),
    Entry("Bias model", BiasModel(), TASKS),
    Entry("User-kNN", UserKNN(), LISTS),
    Entry("Item-kNN", ItemKNN(), LISTS),
    Entry("User-kNN, residuals", RatingKNN(by="user"), ("rating",)),
    Entry("Item-kNN, residuals", RatingKNN(), ("rating",)),
    Entry("EASE, one λ", EASE(count_weight=0.0), LISTS),
    Entry("EASE", EASE(), LISTS),
    Entry("Content", _content, LISTS),
    Entry("Content ridge", _content_ridge, ("rating",)),
    Entry("EASE + content", _ease_with_content, LISTS),
    Entry("EASE + content, summed", _ease_plus_content, LISTS),
    Entry("MF, ALS", ExplicitALS(), ("rating",)),
    Entry("MF, SGD", BiasedMF(), ("rating", "ranking")),
    Entry("SVD++", SVDpp(), ("rating",)),
    Entry("PureSVD", TruncatedSVD(), LISTS),
    Entry("Implicit ALS", ImplicitALS(), LISTS),
    Entry("BPR", BPR(), LISTS),
    Entry("Gibbs MF", BayesianFM(), ("rating",)),
    Entry("Gibbs, implicit sets", BayesianFM(implicit=True), ("rating",)),
    Entry("Gibbs, side features", _gibbs_side, ("rating",)),
    Entry("Gibbs, day", _gibbs_day, ("rating",)),
    Entry("Gibbs, day, ordinal", _gibbs_ordinal, ("rating",)),
    Entry("PLSA", PLSA(n_topics=12, n_epochs=200, beta=1.0), LISTS),
    Entry("PLSA, tempered", PLSA(), LISTS),
    Entry("Gaussian PLSA", GaussianPLSA(), ("rating",)),
    Entry("Dot model (torch)", _network("neural", "DotModel"), ("rating",)),
    Entry("NeuMF", _network("neural", "NeuMF"), ("ranking",)),
    Entry("FM", _network("towers", "DeepFM", side=True, hidden=()), ("ranking",)),
    Entry("DeepFM", _network("towers", "DeepFM", side=True), ("ranking",)),
    Entry("Two towers", _network("towers", "TwoTower", side=True), ("ranking",)),
    Entry("Mult-VAE", _network("autoencoders", "MultVAE"), LISTS),
    Entry("LightGCN", _network("graph", "LightGCN"), LISTS),
    Entry("Ensemble", _ensemble, LISTS),
    Entry("Markov chain", MARKOV, ("sequence",)),
    Entry("Transitions", Transitions(), ("sequence",)),
    Entry("GRU4Rec", _network("sequential", "GRU4Rec"), ("sequence",)),
    Entry("SASRec", _network("sequential", "SASRec"), ("sequence",)),
)
