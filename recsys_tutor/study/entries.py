"""The models of the book: how each is made, its tasks, what is searched for it.

One registry, :data:`ENTRIES`. :mod:`recsys_tutor.study.leaderboard` measures its rows;
:data:`SPACES`, which :mod:`recsys_tutor.study.search` tries, are the rows with ranges.

Chapters: 17 Tuning, 18 Leaderboard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from scipy.stats import loguniform, uniform

from recsys_tutor.base import Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.content import ContentBased, ContentRidge
from recsys_tutor.data import Dataset
from recsys_tutor.features import RICH_FIELDS, item_terms, side_features, tfidf
from recsys_tutor.filters import GFCF
from recsys_tutor.hybrid import FeatureAugmented, Weighted
from recsys_tutor.implicit_mf import BPR, ImplicitALS
from recsys_tutor.mf import BiasedMF, ExplicitALS, SVDpp, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN, UserKNN
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.protocol import TASKS
from recsys_tutor.slim import SLIM
from recsys_tutor.slope_one import SlopeOne
from recsys_tutor.transitions import Transitions
from recsys_tutor.tuning import whole
from recsys_tutor.walks import RP3beta

__all__ = ["ENTRIES", "Entry", "Made", "SPACES", "Space"]


class Made:
    """A function that makes a model, once a Dataset is at hand.

    Parameters
    ----------
    kind : class, or its name with dots
        "neural.NeuMF" is imported when a model is made, so that torch is loaded only
        then.
    features : callable, optional
        ``features(dataset)`` gives parameters that are read off the data.
    parameters : the other parameters
    """

    def __init__(
        self,
        kind: type[Recommender] | str,
        features: Callable | None = None,
        /,
        **parameters: Any,
    ) -> None:
        self.kind, self.features, self.parameters = kind, features, parameters

    def __call__(self, dataset: Dataset) -> Recommender:
        return _class(self.kind)(**self.given(dataset))

    def given(self, dataset: Dataset) -> dict[str, Any]:
        """Its own parameters and those read off the data."""
        read = {} if self.features is None else self.features(dataset)
        return {**self.parameters, **read}


class Entry(NamedTuple):
    """A row of the registry: name, unfitted model, its tasks, what is searched.

    ``model`` may be a function that makes the model from the Dataset at hand.
    ``ranges``, if any, are those of a :class:`Space` scored by the first of the tasks,
    with ``n_trials``.
    """

    name: str
    model: Recommender | Callable
    tasks: Sequence[str]
    ranges: Mapping | None = None
    n_trials: int = 20


class Space(NamedTuple):
    """What to try for a model, and the task by which a trial is scored.

    ``model`` is a class; of a class of this package, its name with dots
    ("neural.NeuMF"); or a :class:`Made`, whose own parameters and features every trial
    shares. ``ranges`` maps a parameter to a frozen ``scipy.stats`` distribution, or to
    a list whose values are all as likely. A search makes ``n_trials`` at most.
    """

    task: str
    model: type[Recommender] | str | Made
    ranges: Mapping
    n_trials: int = 20

    def make(self, **parameters: Any) -> Recommender:
        """The model with these parameters; its module is imported only now."""
        return self.kind()(**{**self.shared(), **parameters})

    def shared(self) -> dict[str, Any]:
        """The parameters that all trials have; features must have been read."""
        if not isinstance(self.model, Made):
            return {}
        if self.model.features is not None:
            raise ValueError("features are read off a Dataset first: space.read(data)")
        return self.model.parameters

    def read(self, dataset: Dataset | None) -> Space:
        """The same space, with the features of this Dataset if its model has any."""
        model = self.model
        if not isinstance(model, Made) or model.features is None:
            return self
        if dataset is None:
            raise ValueError("its features need a Dataset, not Interactions alone")
        return self._replace(model=Made(model.kind, None, **model.given(dataset)))

    def kind(self) -> type[Recommender]:
        """The model's class."""
        model = self.model
        return _class(model.kind if isinstance(model, Made) else model)


def _class(kind: type[Recommender] | str) -> type[Recommender]:
    if not isinstance(kind, str):
        return kind
    module, _, name = kind.rpartition(".")
    return getattr(import_module(f"recsys_tutor.{module}"), name)


def film_terms(dataset: Dataset) -> dict:
    """TF-IDF of what the films say about themselves (chapter 5)."""
    return {"features": tfidf(item_terms(dataset.items, RICH_FIELDS)[0])}


EASE_CONTENT = Made(FeatureAugmented, film_terms)


def _ease_plus_content(dataset: Dataset) -> Weighted:
    parts = EASE(), Made(ContentBased, film_terms)(dataset)
    return Weighted(models=parts, weights=(1.0, 0.2))


def _ensemble(dataset: Dataset) -> Weighted:
    parts = EASE_CONTENT(dataset), ImplicitALS(), PLSA()
    return Weighted(models=parts, weights=(1.0, 1.0, 0.25))


ALL = tuple(TASKS)
LISTS = ("ranking", "sequence")


def _entry(
    name: str,
    model: Recommender | Callable,
    tasks: Sequence[str],
    *,
    n_trials: int = 20,
    **ranges: Any,
) -> Entry:
    return Entry(name, model, tasks, ranges or None, n_trials)


#: One space for the four models that join fields: every one of them tries the same
#: eight settings, because the draws begin with the same seed.
FIELDS = {
    "n_factors": whole(8, 32),
    "learning_rate": loguniform(1e-3, 1e-2),
    "weight_decay": loguniform(1e-7, 1e-4),
    "n_epochs": whole(4, 16),
}

MARKOV = Transitions(window=1, recency=0.0, backward=0.0, damping=0.0)

#: Every model of the book with the parameters its chapter chose on validation data; the
#: factorization machine's are the best of its search. DIN, the recurrent and the
#: attention network have no ranges: a trial of theirs takes minutes.
#:
#: :meta hide-value:
ENTRIES = (
    _entry("Random", Random(), ALL),
    _entry("Popularity", Popularity(), LISTS),
    _entry("Bias model", BiasModel(), ALL),
    _entry(
        "User-kNN",
        UserKNN(),
        LISTS,
        n_neighbors=whole(10, 400),
        shrink=loguniform(0.1, 100),
    ),
    _entry(
        "Item-kNN",
        ItemKNN(),
        LISTS,
        n_neighbors=whole(10, 400),
        alpha=uniform(0.3, 0.7),
        shrink=loguniform(0.1, 100),
    ),
    _entry("User-kNN, residuals", RatingKNN(by="user"), ("rating",)),
    _entry(
        "Item-kNN, residuals",
        RatingKNN(),
        ("rating",),
        n_neighbors=whole(5, 200),
        shrink=loguniform(10, 10_000),
    ),
    _entry("Slope One", SlopeOne(), ("rating",)),
    _entry(
        "RP3β",
        RP3beta(),
        LISTS,
        n_neighbors=whole(10, 400),
        alpha=uniform(0.3, 0.9),
        beta=uniform(0.0, 0.8),
    ),
    _entry("SLIM", SLIM(), LISTS, n_trials=8, l1=loguniform(1, 30)),
    _entry("EASE, one λ", EASE(count_weight=0.0), LISTS),
    _entry("EASE", EASE(), LISTS, reg=loguniform(10, 5000), count_weight=uniform(0, 5)),
    _entry("Content", Made(ContentBased, film_terms), LISTS),
    _entry("Content ridge", Made(ContentRidge, film_terms), ("rating",)),
    _entry("EASE + content", EASE_CONTENT, LISTS),
    _entry("EASE + content, summed", _ease_plus_content, LISTS),
    _entry(
        "MF, ALS",
        ExplicitALS(),
        ("rating",),
        n_factors=whole(2, 50),
        reg=loguniform(1, 50),
        n_epochs=whole(5, 30),
    ),
    _entry(
        "MF, SGD",
        BiasedMF(),
        ("rating", "ranking"),
        n_factors=whole(10, 200),
        learning_rate=loguniform(0.001, 0.05),
        reg=loguniform(0.01, 0.3),
        n_epochs=whole(10, 100),
    ),
    _entry("MF, SGD, 32 factors", BiasedMF(n_factors=32), ("rating",)),
    _entry(
        "SVD++",
        SVDpp(),
        ("rating",),
        n_factors=whole(10, 100),
        learning_rate=loguniform(0.001, 0.02),
        reg=loguniform(0.01, 0.3),
        reg_y=loguniform(0.001, 0.1),
        n_epochs=whole(10, 80),
    ),
    _entry("PureSVD", TruncatedSVD(), LISTS, n_factors=whole(2, 200)),
    _entry(
        "Implicit ALS",
        ImplicitALS(),
        LISTS,
        n_factors=whole(16, 128),
        unobserved=loguniform(0.1, 1),
        reg=loguniform(0.005, 0.05),
        n_epochs=whole(5, 20),
    ),
    _entry(
        "BPR",
        BPR(),
        LISTS,
        n_factors=whole(8, 256),
        learning_rate=loguniform(0.003, 0.1),
        reg=loguniform(0.001, 0.1),
        n_epochs=whole(20, 250),
    ),
    _entry(
        "Gibbs MF",
        BayesianFM(),
        ("rating",),
        n_factors=whole(4, 24),
        implicit=[False, True],
        n_epochs=whole(200, 400),
    ),
    _entry("Gibbs, implicit sets", BayesianFM(implicit=True), ("rating",)),
    _entry(
        "Gibbs, side features",
        Made(BayesianFM, side_features, implicit=True),
        ("rating",),
    ),
    _entry(
        "Gibbs, day",
        Made(BayesianFM, side_features, implicit=True, day=True),
        ("rating",),
    ),
    _entry(
        "Gibbs, day, ordinal",
        Made(BayesianFM, side_features, implicit=True, day=True, likelihood="ordinal"),
        ("rating",),
    ),
    _entry(
        "PLSA",
        PLSA(n_topics=12, n_epochs=200, beta=1.0),
        LISTS,
        n_topics=whole(4, 64),
        beta=uniform(0.65, 0.35),
        n_epochs=whole(20, 400),
    ),
    _entry("PLSA, tempered", PLSA(), LISTS),
    _entry(
        "Gaussian PLSA",
        GaussianPLSA(),
        ("rating",),
        n_topics=whole(2, 30),
        shrink=loguniform(1, 100),
        smoothing=loguniform(0.01, 3),
        n_epochs=whole(20, 250),
    ),
    _entry("Dot model (torch)", Made("neural.DotModel"), ("rating",)),
    _entry("Dot model + perceptron", Made("deep_dot.DeepDot"), ("rating",)),
    _entry(
        "NeuMF",
        Made("neural.NeuMF"),
        ("ranking",),
        n_factors=whole(8, 64),
        hidden=[(32, 16), (64, 32), (64, 32, 16), (128, 64, 32)],
        learning_rate=loguniform(3e-4, 1e-2),
        dropout=uniform(0, 0.5),
        n_negatives=[2, 4, 8],
        n_epochs=whole(3, 15),
    ),
    _entry(
        "FM",
        Made(
            "towers.DeepFM",
            side_features,
            hidden=(),
            n_factors=20,
            learning_rate=0.005,
            weight_decay=4e-6,
            n_epochs=11,
        ),
        ("ranking",),
        n_trials=8,
        **FIELDS,
    ),
    _entry(
        "DeepFM",
        Made("towers.DeepFM", side_features),
        ("ranking",),
        n_trials=8,
        **FIELDS,
    ),
    _entry(
        "DCN-v2", Made("crosses.DCN", side_features), ("ranking",), n_trials=8, **FIELDS
    ),
    _entry("DIN", Made("interest.DIN", side_features), ("ranking",)),
    _entry(
        "Two towers",
        Made("towers.TwoTower", side_features),
        ("ranking",),
        n_trials=8,
        n_factors=whole(8, 128),
        hidden=[(), (64,), (128,)],
        learning_rate=loguniform(3e-4, 1e-2),
        weight_decay=loguniform(1e-7, 1e-3),
        n_epochs=whole(4, 24),
    ),
    _entry(
        "Mult-VAE",
        Made("autoencoders.MultVAE"),
        LISTS,
        n_factors=whole(8, 128),
        hidden=whole(64, 600),
        beta=loguniform(0.05, 2),
        dropout=uniform(0.1, 0.7),
        learning_rate=loguniform(3e-4, 5e-3),
        n_epochs=whole(15, 120),
    ),
    _entry(
        "LightGCN",
        Made("graph.LightGCN"),
        LISTS,
        n_factors=whole(16, 128),
        n_layers=[1, 2, 3, 4],
        learning_rate=loguniform(3e-3, 3e-2),
        reg=loguniform(1e-4, 1e-1),
        n_epochs=whole(10, 120),
    ),
    _entry("GF-CF", GFCF(), LISTS, n_factors=whole(4, 256), alpha=loguniform(0.03, 10)),
    _entry("Ensemble", _ensemble, LISTS),
    _entry("Markov chain", MARKOV, ("sequence",)),
    _entry(
        "Transitions",
        Transitions(),
        ("sequence",),
        window=whole(1, 50),
        decay=uniform(0.5, 0.5),
        recency=uniform(0, 1),
        backward=uniform(0, 1),
        damping=uniform(0, 1),
    ),
    _entry("GRU4Rec", Made("sequential.GRU4Rec"), ("sequence",)),
    _entry("SASRec", Made("sequential.SASRec"), ("sequence",)),
)


def _spaces() -> dict[str, Space]:
    """A space for each entry with ranges, task by task."""
    found = {}
    for task in TASKS:
        for entry in ENTRIES:
            if entry.ranges is not None and entry.tasks[0] == task:
                model = entry.model
                assert isinstance(model, Made | Recommender), "a function has no class"
                kind = model if isinstance(model, Made) else type(model)
                found[entry.name] = Space(task, kind, entry.ranges, entry.n_trials)
    return found


#: What is searched for each model, by the name of its entry.
#:
#: :meta hide-value:
SPACES = _spaces()
