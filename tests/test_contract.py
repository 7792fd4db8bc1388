"""The contract of DESIGN §2.1, checked for every model of the package.

A new model joins by one ``ModelCase`` in ``MODELS``. The second half of the file breaks
a toy model in one way per check and proves that the check notices.
"""

import copy
import hashlib
import inspect
import pickle
import random
import re
import sys
import tempfile
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import coo_array, csc_array, csr_array

from recsys_tutor import ranking, saving
from recsys_tutor.autoencoders import MultVAE
from recsys_tutor.base import FitDiverged, NotFittedError, Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.checks import check_number
from recsys_tutor.content import ContentBased, ContentRidge
from recsys_tutor.data import Interactions
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.graph import LightGCN
from recsys_tutor.hybrid import (
    Cascade,
    FeatureAugmented,
    RankFusion,
    Switching,
    Weighted,
)
from recsys_tutor.implicit_mf import BPR, ImplicitALS
from recsys_tutor.mf import BiasedMF, ExplicitALS, FunkSVD, SVDpp, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN, UserKNN
from recsys_tutor.neural import DotModel, NeuMF
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.sequential import GRU4Rec, SASRec
from recsys_tutor.towers import DeepFM, TwoTower
from recsys_tutor.training import NetworkModel
from recsys_tutor.transitions import Transitions

torch.set_num_threads(1)  # threads that wait for each other slow small networks down


@dataclass(frozen=True)
class ModelCase:
    """A model with small settings, and what may be asked of it.

    Parameters
    ----------
    model : unfitted Recommender, settings small enough for a second of fitting.
    effects : for *every* constructor parameter, a value that changes the result; but
        those of ``SAME_RESULT``, which must not change it.
    invalid : for every parameter (``random_state`` excepted), values that ``fit`` must
        refuse with a ``ValueError`` that names the parameter. Parameters for which no
        value is wrong have an empty tuple.
    rating : predicts ratings; ``predict`` equals ``score`` at the pairs.
    history : ``score_history`` of a user's training row equals ``score`` of the user.
    iterative : has epochs (give the case at least three), a history and a callback.
    diverges : parameters with which an iterative model's loss overflows.
    sequential : the order in time matters; otherwise it must not.
    per_data : ``per_data(train)`` gives the parameters that depend on the training data
        (item features, say, looked up by ``train.item_ids``).
    exempt : check name -> the reason why the check does not apply.
    rtol : tolerance for equal maths in another order (float32: 1e-4).
    """

    model: Recommender
    effects: dict = field(default_factory=dict)
    invalid: dict = field(default_factory=dict)
    rating: bool = False
    history: bool = False
    iterative: bool = False
    diverges: dict | None = None
    sequential: bool = False
    per_data: Callable[[Interactions], dict] | None = None
    exempt: dict = field(default_factory=dict)
    rtol: float = 1e-9

    @property
    def near(self):
        """Has vectors or weights of items, so that items can be compared."""
        return not isinstance(self.model, NO_VECTORS) and self.by_items

    @property
    def why(self):
        """The score is a sum over the user's items."""
        return isinstance(self.model, SUMS) and self.by_items

    @property
    def by_items(self):
        return getattr(self.model, "by", "item") == "item"

    def new(self, data=None, **changes):
        """An unfitted model for ``data`` (default: :func:`small`)."""
        data = small() if data is None else data
        needed = {} if self.per_data is None else self.per_data(data)
        return self.model.clone(**{**needed, **changes})

    def fit(self, data=None, **changes):
        """A fitted one; a warning is an error."""
        data = small() if data is None else data
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return self.new(data, **changes).fit(data)

    def refit(self, model, data):
        """The same object, fitted again."""
        vars(model).update({} if self.per_data is None else self.per_data(data))
        return model.fit(data)


NO_VECTORS = (Random, Popularity, BiasModel, UserKNN)
NO_VECTORS += (Weighted, RankFusion, Switching, Cascade)
SUMS = (ItemKNN, RatingKNN, EASE, ContentBased, ContentRidge, Transitions, TruncatedSVD)


def item_features(data):
    """The side an item is on (see :func:`checkerboard`) and something of its own."""
    place = (np.asarray(data.item_ids) - 100) // 3
    own = np.random.default_rng(5).random((50, 4))[place]
    sides = 2.0 * (place[:, None] % 2 == [0, 1])
    return {"features": np.hstack([sides, own])}


def sparse_features(data):
    """Columns for users and items, by their ids: the models' ``*_features``."""
    user = np.array([int(str(name)[1:]) for name in data.user_ids])
    item = (np.asarray(data.item_ids) - 100) // 3
    return {
        "user_features": (csr_array(np.eye(3)[user % 3]),),
        "item_features": (csr_array(np.eye(2)[item % 2]),),
    }


WRONG_FEATURES = (None, "abc", np.ones(7), np.ones((6, 2)), np.full((7, 2), np.nan))
WRONG_MODELS = ((), (Popularity,), ("EASE",), None, EASE())
WRONG_MODEL = (None, EASE, "EASE", (EASE(),))
WRONG_WEIGHTS = ((1.0,), (1.0, -1.0), (0.0, 0.0), (1.0, np.nan), ("a", "b"), 1.0)
WRONG_COUNT = (0, -1, 2.5, True, None)
WRONG_REG = (-1.0, np.nan, "5", True)
WRONG_POSITIVE = (*WRONG_REG, 0.0)

RATING_KNN = {
    "effects": {
        "n_neighbors": 1,
        "similarity": "pearson",
        "shrink": 0.0,
        "center": "mean",
        "reg_u": 0.5,
        "reg_i": 9.0,
    },
    "invalid": {
        "by": ("items", None, 1),
        "n_neighbors": WRONG_COUNT,
        "similarity": ("jaccard", None),
        "shrink": WRONG_REG,
        "center": ("median", None),
        "reg_u": WRONG_REG,
        "reg_i": WRONG_REG,
    },
    "rating": True,
}
EASE_CASE = {
    "effects": {"reg": 9.0, "count_weight": 2.0},
    "invalid": {
        "reg": WRONG_POSITIVE,
        "count_weight": WRONG_REG,
        "half_life": (-1.0, 0.0, np.inf, "5"),
    },
}
PARTS = (EASE(reg=1.0), UserKNN(shrink=1.0))
NO_TIES = "breaks ties of its parts by index"

SAME_LIST = "scores every user's items alike, so a user's own taste cannot show"

DRAWN_START = {"relabelling": "starts at factors drawn in the order of the indices"}
EXACT_STEP = {"divergence": "each half step is the exact minimiser"}
FACTORS_EFFECTS = {"n_factors": 1, "n_epochs": 2, "init_scale": 0.5, "random_state": 1}
FACTORS_INVALID = {
    "n_factors": WRONG_COUNT,
    "n_epochs": WRONG_COUNT,
    "init_scale": WRONG_POSITIVE,
}
EM_STEP = {"divergence": "an EM step never raises the objective"}
GIBBS_STEP = {"divergence": "a draw has a normal law with a finite deviation"}
WRONG_SPARSE = (5, csr_array(np.eye(2)), (np.ones((11, 2)),), (csr_array((3, 2)),))
GIBBS = {
    "effects": {
        **FACTORS_EFFECTS,
        "n_epochs": 40,
        "burn_in": 3,
        "implicit": True,
        "user_features": (csr_array(np.eye(11)[:, :4]),),
        "item_features": [csr_array(np.eye(7)), csr_array(np.ones((7, 1)))],
        "day": True,
        "likelihood": "ordinal",
    },
    "invalid": {
        **FACTORS_INVALID,
        "burn_in": (-1, 2.5, True, None, 1000),
        "implicit": (1, None, "yes"),
        "user_features": WRONG_SPARSE,
        "item_features": WRONG_SPARSE,
        "day": (1, None, "yes"),
        "likelihood": ("probit", None, 1),
    },
    "rating": True,
    "iterative": True,
}
SGD = {
    "effects": {**FACTORS_EFFECTS, "learning_rate": 0.01, "reg": 0.5},
    "invalid": {**FACTORS_INVALID, "learning_rate": WRONG_POSITIVE, "reg": WRONG_REG},
    "iterative": True,
    "diverges": {"learning_rate": 1e6, "n_epochs": 50},
    "exempt": DRAWN_START,
}
WRONG_SHARE = (-0.1, 1.0, np.nan, "half", None, True)
WRONG_SIZES = (8, None, "8", (0,), (4, 2.5), (True,))
#: Parameters that change where or how fast, not what, and another value for them.
SAME_RESULT = {"device": "cpu:0"}
NETWORK_EFFECTS = {
    "n_epochs": 2,
    "batch_size": 5,
    "learning_rate": 0.001,
    "weight_decay": 0.5,
    "random_state": 1,
}
NETWORK_INVALID = {
    "n_factors": WRONG_COUNT,
    "n_epochs": WRONG_COUNT,
    "batch_size": WRONG_COUNT,
    "learning_rate": WRONG_POSITIVE,
    "weight_decay": WRONG_REG,
    "device": ("tpu", "cuda:99", "meta", "", None, 1.5),
}
#: Adam's steps have the length of the learning rate, whatever the gradient.
FOLLOWS = {
    "near_items_are_of_the_same_side": "an embedding says what follows an item; here "
    "each item has one follower of its own"
}
NETWORK = {
    "iterative": True,
    "diverges": {"learning_rate": 1e37, "n_epochs": 9},
    "exempt": DRAWN_START,
    "rtol": 1e-4,
}
PAIRS_EFFECTS = {
    **NETWORK_EFFECTS,
    "n_factors": 3,
    "hidden": (),
    "n_negatives": 1,
    "dropout": 0.5,
}
PAIRS_INVALID = {
    **NETWORK_INVALID,
    "hidden": WRONG_SIZES,
    "n_negatives": WRONG_COUNT,
    "dropout": WRONG_SHARE,
}
FIELDS_EFFECTS = {
    "user_features": (csr_array(np.eye(11)[:, :4]),),
    "item_features": [csr_array(np.eye(7)), csr_array(np.ones((7, 1)))],
}
FIELDS_INVALID = {
    "user_features": (*WRONG_SPARSE, csr_array(np.eye(11)), (csr_array((11, 0)),)),
    "item_features": (*WRONG_SPARSE, (csr_array(np.full((7, 1), np.nan)),)),
}
SEQUENCE_EFFECTS = {
    **NETWORK_EFFECTS,
    "n_factors": 4,
    "max_length": 2,
    "n_negatives": 1,
    "dropout": 0.5,
}
SEQUENCE_INVALID = {
    **NETWORK_INVALID,
    "max_length": WRONG_COUNT,
    "n_negatives": (-1, 1.5, True, None),
    "dropout": WRONG_SHARE,
}

MODELS = [
    ModelCase(
        Random(),
        effects={"random_state": 1},
        exempt={
            "predict_equals_score": "reads the score as a quantile of the ratings",
            "relabelling": "scores are drawn by index, not learned",
            "checkerboard": "learns nothing",
        },
        rating=True,
    ),
    ModelCase(Popularity(), history=True, exempt={"checkerboard": SAME_LIST}),
    ModelCase(
        BiasModel(n_epochs=3),
        effects={"reg_u": 0.5, "reg_i": 9.0, "n_epochs": 1},
        invalid={
            "reg_u": (-1.0, np.nan, "5", True),
            "reg_i": (-1.0, np.inf, None),
            "n_epochs": (0, -1, 2.5, True, None),
        },
        rating=True,
        history=True,
        iterative=True,
        exempt={
            "checkerboard": SAME_LIST,
            "divergence": "each half step is the exact minimiser",
        },
    ),
    ModelCase(
        UserKNN(n_neighbors=4, shrink=1.0),
        effects={"n_neighbors": 1, "shrink": 0.0},
        invalid={"n_neighbors": WRONG_COUNT, "shrink": WRONG_REG},
    ),
    ModelCase(
        ItemKNN(n_neighbors=4, shrink=1.0),
        effects={"n_neighbors": 1, "alpha": 0.5, "shrink": 0.0},
        invalid={
            "n_neighbors": WRONG_COUNT,
            "alpha": (-0.1, 1.1, np.nan, None),
            "shrink": WRONG_REG,
        },
        history=True,
    ),
    ModelCase(
        RatingKNN(n_neighbors=4, shrink=1.0),
        **{**RATING_KNN, "effects": {**RATING_KNN["effects"], "by": "user"}},
    ),
    ModelCase(
        RatingKNN(by="user", n_neighbors=4, shrink=1.0),
        **{**RATING_KNN, "effects": {**RATING_KNN["effects"], "by": "item"}},
    ),
    ModelCase(
        EASE(reg=1.0, count_weight=0.5),
        effects={**EASE_CASE["effects"], "half_life": 2.0},
        invalid=EASE_CASE["invalid"],
        history=True,
    ),
    ModelCase(
        EASE(reg=1.0, count_weight=0.5, half_life=5.0),
        effects={**EASE_CASE["effects"], "half_life": None},
        invalid=EASE_CASE["invalid"],
        sequential=True,
    ),
    ModelCase(
        ContentBased(features=None),
        effects={"features": np.eye(7), "weighting": "rating"},
        invalid={"features": WRONG_FEATURES, "weighting": ("stars", None)},
        history=True,
        per_data=item_features,
    ),
    ModelCase(
        ContentRidge(features=None),
        effects={"features": np.eye(7), "reg": 4.0, "reg_u": 0.5, "reg_i": 9.0},
        invalid={
            "features": WRONG_FEATURES,
            "reg": WRONG_POSITIVE,
            "reg_u": WRONG_REG,
            "reg_i": WRONG_REG,
        },
        rating=True,
        history=True,
        per_data=item_features,
    ),
    ModelCase(
        FeatureAugmented(features=None, content_weight=0.5, reg=1.0, count_weight=0.5),
        effects={
            **EASE_CASE["effects"],
            "half_life": 2.0,
            "features": np.eye(7) + 1,
            "content_weight": 0.0,
        },
        invalid={
            **EASE_CASE["invalid"],
            "features": WRONG_FEATURES,
            "content_weight": WRONG_REG,
        },
        history=True,
        per_data=item_features,
    ),
    ModelCase(
        TruncatedSVD(n_factors=2),
        effects={"n_factors": 1, "fill": "mean"},
        invalid={"n_factors": (*WRONG_COUNT, 7), "fill": ("median", None, 0)},
        rating=True,
        history=True,
    ),
    ModelCase(
        BiasedMF(n_factors=2, n_epochs=60, learning_rate=0.05, reg=0.02),
        rating=True,
        **SGD,
    ),
    ModelCase(
        FunkSVD(n_factors=3, n_epochs=60, learning_rate=0.05, reg=0.02),
        rating=True,
        **SGD,
    ),
    ModelCase(
        SVDpp(n_factors=2, n_epochs=60, learning_rate=0.05, reg=0.02),
        rating=True,
        **{
            **SGD,
            "effects": {**SGD["effects"], "reg_y": 0.5},
            "invalid": {**SGD["invalid"], "reg_y": WRONG_REG},
        },
    ),
    ModelCase(
        ExplicitALS(n_factors=2, n_epochs=5, reg=0.1),
        effects={**FACTORS_EFFECTS, "reg": 2.0, "reg_u": 0.5, "reg_i": 9.0},
        invalid={
            **FACTORS_INVALID,
            "reg": WRONG_POSITIVE,
            "reg_u": WRONG_REG,
            "reg_i": WRONG_REG,
        },
        rating=True,
        iterative=True,
        exempt={**DRAWN_START, **EXACT_STEP},
    ),
    ModelCase(
        ImplicitALS(n_factors=2, n_epochs=5),
        effects={**FACTORS_EFFECTS, "unobserved": 0.9, "reg": 0.1},
        invalid={
            **FACTORS_INVALID,
            "unobserved": WRONG_POSITIVE,
            "reg": WRONG_POSITIVE,
        },
        iterative=True,
        exempt={**DRAWN_START, **EXACT_STEP},
    ),
    ModelCase(
        BPR(n_factors=2, n_epochs=60, learning_rate=0.05, reg=0.02),
        **{
            **SGD,
            "effects": {**SGD["effects"], "popular_negatives": 1.0},
            "invalid": {**SGD["invalid"], "popular_negatives": WRONG_REG},
        },
    ),
    ModelCase(
        BayesianFM(n_factors=2, n_epochs=60, burn_in=1),
        exempt={**DRAWN_START, **GIBBS_STEP},
        **GIBBS,
    ),
    ModelCase(
        BayesianFM(
            n_factors=2,
            n_epochs=60,
            burn_in=1,
            implicit=True,
            day=True,
            likelihood="ordinal",
        ),
        per_data=sparse_features,
        exempt={**DRAWN_START, **GIBBS_STEP},
        **{
            **GIBBS,
            "effects": {
                **GIBBS["effects"],
                "implicit": False,
                "day": False,
                "likelihood": "gaussian",
            },
        },
    ),
    ModelCase(
        PLSA(n_topics=2, n_epochs=60),
        effects={"n_topics": 3, "n_epochs": 2, "beta": 1.0, "random_state": 1},
        invalid={
            "n_topics": WRONG_COUNT,
            "n_epochs": WRONG_COUNT,
            "beta": (*WRONG_POSITIVE, 1.01),
        },
        iterative=True,
        exempt={**DRAWN_START, **EM_STEP},
    ),
    ModelCase(
        GaussianPLSA(n_topics=2, n_epochs=60, shrink=1.0),
        effects={
            "n_topics": 3,
            "n_epochs": 2,
            "shrink": 5.0,
            "smoothing": 0.0,
            "reg_u": 0.5,
            "reg_i": 9.0,
            "init_scale": 0.9,
            "random_state": 1,
        },
        invalid={
            "n_topics": WRONG_COUNT,
            "n_epochs": WRONG_COUNT,
            "shrink": WRONG_REG,
            "smoothing": WRONG_REG,
            "reg_u": WRONG_REG,
            "reg_i": WRONG_REG,
            "init_scale": WRONG_POSITIVE,
        },
        rating=True,
        iterative=True,
        exempt={**DRAWN_START, **EM_STEP},
    ),
    ModelCase(
        DotModel(n_factors=2, n_epochs=60, batch_size=64, learning_rate=0.1),
        effects={**NETWORK_EFFECTS, "n_factors": 1, "init_scale": 0.5},
        invalid={**NETWORK_INVALID, "init_scale": WRONG_POSITIVE},
        rating=True,
        **NETWORK,
    ),
    ModelCase(
        NeuMF(
            n_factors=4,
            hidden=(8, 8),
            n_negatives=2,
            n_epochs=60,
            batch_size=128,
            learning_rate=0.02,
        ),
        effects=PAIRS_EFFECTS,
        invalid={**PAIRS_INVALID, "hidden": (*WRONG_SIZES, (3, 2))},
        **NETWORK,
    ),
    ModelCase(
        DeepFM(
            n_factors=4,
            hidden=(8,),
            n_negatives=2,
            dropout=0.0,
            n_epochs=40,
            batch_size=128,
            learning_rate=0.02,
        ),
        effects={**PAIRS_EFFECTS, **FIELDS_EFFECTS},
        invalid={**PAIRS_INVALID, **FIELDS_INVALID},
        per_data=sparse_features,
        **NETWORK,
    ),
    ModelCase(
        TwoTower(
            width=4,
            n_factors=4,
            hidden=(8,),
            n_epochs=40,
            batch_size=128,
            learning_rate=0.02,
        ),
        effects={
            **NETWORK_EFFECTS,
            **FIELDS_EFFECTS,
            "user_ids": False,
            "item_ids": False,
            "log_q": False,
            "width": 3,
            "n_factors": 3,
            "hidden": (),
            "dropout": 0.5,
        },
        invalid={
            **NETWORK_INVALID,
            **FIELDS_INVALID,
            "user_ids": (1, None, "yes"),
            "item_ids": (1, None, "yes"),
            "log_q": (1, None, "yes"),
            "width": WRONG_COUNT,
            "hidden": WRONG_SIZES,
            "dropout": WRONG_SHARE,
        },
        per_data=sparse_features,
        **NETWORK,
    ),
    ModelCase(
        Transitions(),
        effects={
            "window": 1,
            "decay": 0.5,
            "recency": 0.1,
            "backward": 0.0,
            "damping": 0.0,
        },
        invalid={
            "window": WRONG_COUNT,
            "decay": (*WRONG_POSITIVE, 1.1),
            "recency": (*WRONG_REG, 1.1),
            "backward": WRONG_REG,
            "damping": WRONG_REG,
        },
        sequential=True,
    ),
    ModelCase(
        GRU4Rec(
            n_factors=12, max_length=6, n_epochs=40, learning_rate=0.02, dropout=0.0
        ),
        effects=SEQUENCE_EFFECTS,
        invalid=SEQUENCE_INVALID,
        sequential=True,
        **{**NETWORK, "exempt": DRAWN_START | FOLLOWS},
    ),
    ModelCase(
        SASRec(
            n_factors=8,
            n_blocks=1,
            max_length=6,
            n_epochs=40,
            learning_rate=0.01,
            dropout=0.0,
        ),
        effects={**SEQUENCE_EFFECTS, "n_blocks": 2, "n_heads": 4},
        invalid={
            **SEQUENCE_INVALID,
            "n_blocks": WRONG_COUNT,
            "n_heads": (*WRONG_COUNT, 3),
        },
        sequential=True,
        **{**NETWORK, "exempt": DRAWN_START | FOLLOWS},
    ),
    ModelCase(
        MultVAE(
            hidden=8,
            n_factors=2,
            beta=0.1,
            anneal=3,
            n_epochs=40,
            learning_rate=0.01,
            dropout=0.0,
        ),
        effects={
            **NETWORK_EFFECTS,
            "hidden": 6,
            "n_factors": 3,
            "beta": 1.0,
            "anneal": 0,
            "dropout": 0.5,
            "averaging": 0.0,
        },
        invalid={
            **NETWORK_INVALID,
            "hidden": WRONG_COUNT,
            "beta": WRONG_REG,
            "anneal": (-1, 1.5, True, None),
            "dropout": WRONG_SHARE,
            "averaging": WRONG_SHARE,
        },
        history=True,
        **NETWORK,
    ),
    ModelCase(
        LightGCN(n_factors=4, n_epochs=60, batch_size=64, learning_rate=0.05),
        effects={
            **NETWORK_EFFECTS,
            "n_factors": 3,
            "n_layers": 1,
            "reg": 0.5,
            "init_scale": 0.5,
        },
        invalid={
            **NETWORK_INVALID,
            "n_layers": (-1, 1.5, True, None),
            "reg": WRONG_REG,
            "init_scale": WRONG_POSITIVE,
        },
        **NETWORK,
    ),
    ModelCase(
        Weighted(models=PARTS),
        effects={
            "models": PARTS[::-1] + (BiasModel(),),
            "weights": (1.0, 3.0),
            "normalize": "minmax",
        },
        invalid={
            "models": WRONG_MODELS,
            "weights": WRONG_WEIGHTS,
            "normalize": ("rank", None),
        },
    ),
    ModelCase(
        RankFusion(models=(EASE(reg=1.0), ItemKNN(shrink=1.0))),
        effects={"models": PARTS[:1], "weights": (1.0, 3.0), "constant": 0.0},
        invalid={
            "models": WRONG_MODELS,
            "weights": WRONG_WEIGHTS,
            "constant": WRONG_REG,
        },
        history=True,
        exempt={"relabelling": NO_TIES},
    ),
    ModelCase(
        Switching(few=BiasModel(), many=EASE(reg=1.0), threshold=4),
        effects={"few": Popularity(), "many": ItemKNN(), "threshold": 0},
        invalid={
            "few": WRONG_MODEL,
            "many": WRONG_MODEL,
            "threshold": (-1, 2.5, True, None),
        },
        history=True,
    ),
    ModelCase(
        Cascade(
            first=EASE(reg=1.0),
            second=Weighted(models=(EASE(reg=1.0), BiasModel())),
            n_candidates=2,
        ),
        effects={"first": Popularity(), "second": EASE(reg=1.0), "n_candidates": 1},
        invalid={
            "first": WRONG_MODEL,
            "second": WRONG_MODEL,
            "n_candidates": WRONG_COUNT,
        },
        history=True,
        exempt={"relabelling": NO_TIES},
    ),
]


ALL_PARAMETERS = set().union(*(case.model.get_params() for case in MODELS))


# -- data: n_users never equals n_items ---------------------------------------------


def make(user, item, value, time, n_users, n_items):
    return Interactions(
        user=user,
        item=item,
        value=value,
        time=time,
        user_ids=np.array([f"u{n_users - n:02d}" for n in range(n_users)]),
        item_ids=100 + 3 * np.arange(n_items),
    )


def scattered(n_users, n_items, share, seed, empty_users=(), empty_items=()):
    """Random cells with ratings 1 to 5 in random order; some rows and columns empty."""
    rng = np.random.default_rng(seed)
    cells = np.argwhere(rng.random((n_users, n_items)) < share)
    kept = ~np.isin(cells[:, 0], empty_users) & ~np.isin(cells[:, 1], empty_items)
    cells = rng.permutation(cells[kept])
    value = rng.integers(1, 6, len(cells)).astype(float)
    time = rng.permutation(len(cells)) // 2  # ties
    return make(cells[:, 0], cells[:, 1], value, time, n_users, n_items)


def small():
    return scattered(11, 7, 0.6, seed=0, empty_users=(3, 10), empty_items=(0, 5))


def other():
    return scattered(6, 13, 0.7, seed=1)


def single():
    return make([1], [2], [4.0], [0], 3, 5)


def permuted(data, new_user, new_item):
    """The same rows with user ``u`` called ``new_user[u]`` and items likewise."""
    user_ids, item_ids = np.empty_like(data.user_ids), np.empty_like(data.item_ids)
    user_ids[new_user], item_ids[new_item] = data.user_ids, data.item_ids
    return Interactions(
        user=new_user[data.user],
        item=new_item[data.item],
        value=data.value,
        time=data.time,
        user_ids=user_ids,
        item_ids=item_ids,
    )


def checkerboard(rating):
    """Users like the items of their own parity; one such item per user is withheld.

    With ratings, liked items have 5 and the others 1, and one bad item is withheld as
    well. Items follow each other in a cycle that the withheld item would close.
    Returns the data and the withheld good item of each user.
    """
    n_users, n_items = 18, 12
    rows = []
    for u in range(n_users):
        held = u % n_items
        liked = [(held + 2 * step) % n_items for step in range(1, n_items // 2)]
        rows += [(u, i, 5.0, step) for step, i in enumerate(liked)]
        if rating:
            other = [i for i in range(n_items) if i % 2 != u % 2]
            other.remove((held + 1) % n_items)
            rows += [(u, i, 1.0, 50 + step) for step, i in enumerate(other)]
    user, item, value, time = zip(*rows, strict=True)
    data = make(user, item, value, time, n_users, n_items)
    return data, np.arange(n_users) % n_items


def frozen(values):
    array = np.array(values)
    array.setflags(write=False)
    return array


def everyone(data):
    return frozen(np.arange(data.n_users))


def fingerprint(data):
    arrays = [data.user, data.item, data.value, data.time]
    arrays += [data.csr.data, data.csr.indices, data.csr.indptr]
    arrays += [np.asarray(data.user_ids, str), np.asarray(data.item_ids, str)]
    return [hashlib.sha256(np.ascontiguousarray(a).tobytes()).digest() for a in arrays]


def answers(case, model):
    """All that a model says about its training users: scores and, if any, ratings."""
    users = np.arange(model.n_users_)
    parts = [model.score(users)]
    if case.rating:
        u, i = np.indices(parts[0].shape).reshape(2, -1)
        parts.append(model.predict(u, i))
    return parts


def assert_same(case, first, second):
    for a, b in zip(answers(case, first), answers(case, second), strict=True):
        np.testing.assert_array_equal(a, b)


# -- the checks -----------------------------------------------------------------------

CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


@check
def constructor_only_stores(case):
    cls = type(case.model)
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    if cls.__init__ is object.__init__:
        parameters = []
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters), "keyword-only arguments"
    values = {p.name: object() for p in parameters}
    model = cls(**values)
    assert set(vars(model)) == set(values), "attributes are the arguments, no more"
    for name, value in values.items():
        assert getattr(model, name) is value, f"{name} is stored untouched"


@check
def repr_and_clone(case):
    model = case.new()
    params = model.get_params()
    written = ", ".join(f"{name}={value!r}" for name, value in params.items())
    assert repr(model) == f"{type(model).__name__}({written})"
    fitted = model.clone()
    fitted.fit(small())
    for name, value in params.items():
        assert getattr(fitted, name) is value, f"fit left {name} alone"
    copied = fitted.clone()
    assert type(copied) is type(model) and copied is not fitted
    assert set(vars(copied)) == set(params), "a clone is unfitted"
    assert all(getattr(copied, name) is value for name, value in params.items())
    for name, value in case.effects.items():
        changed = fitted.clone(**{name: value}).get_params()
        assert set(changed) == set(params)
        for other_name in params:
            expected = value if other_name == name else params[other_name]
            assert changed[other_name] is expected
        assert getattr(fitted, name) is params[name], "the original is untouched"


@check
def unfitted_is_said(case):
    model = case.new()
    for ask in (
        lambda: model.score([0]),
        lambda: model.recommend([0]),
        lambda: model.predict([0], [0]),
        lambda: model.score_history(np.ones((1, 7))),
    ):
        with pytest.raises(NotFittedError, match=type(model).__name__):
            ask()


@check
def wrong_input_is_refused(case):
    data = small()
    for wrong in (data.csr, data.to_frame(), None, [(0, 0, 1.0)]):
        with pytest.raises(TypeError, match="Interactions"):
            case.new().fit(wrong)
    with pytest.raises(ValueError, match="at least one"):
        case.new().fit(data.subset(np.zeros(len(data), bool)))


@check
def fit_twice_is_fit_once(case):
    once = case.new()
    assert once.fit(small()) is once, "fit returns self"
    twice = case.refit(case.fit(), small())
    assert_same(case, once, twice)
    assert len(once.history_) == len(twice.history_)


@check
def refit_on_another_shape(case):
    for first, second in ((small(), other()), (other(), small()), (small(), single())):
        model, fresh = case.refit(case.fit(first), second), case.fit(second)
        assert_same(case, model, fresh)
        assert set(vars(model)) == set(vars(fresh)), "nothing is left of the first fit"
        assert model.train_ is second
        assert (model.n_users_, model.n_items_) == second.shape


@check
def inputs_are_unchanged(case):
    data = small()
    before = fingerprint(data)
    model = case.fit(data)
    users = everyone(data)
    X, seen = data.csr.copy(), data.csr.copy()
    model.score(users), model.recommend(users, 3), model.recommend(users, exclude=seen)
    if case.rating:
        model.predict(users, frozen(users % data.n_items))
    if case.history:
        model.score_history(X)
    assert fingerprint(data) == before
    for matrix in (X, seen):
        assert (matrix != data.csr).nnz == 0


@check
def scores_have_shape_and_type(case):
    for data in (small(), other(), single()):
        model = case.fit(data)
        for users in (everyone(data), [0], [], np.array([1, 0, 1], dtype=np.uint8)):
            scores = model.score(users)
            assert isinstance(scores, np.ndarray)
            assert scores.shape == (len(users), data.n_items)
            assert scores.dtype.kind == "f", scores.dtype
            assert np.isfinite(scores).all()
    model = case.fit()
    scores = model.score([0])
    scores[:] = 0  # the caller may do what it wants with its copy
    assert_same(case, model, case.fit())


@check
def recommendations_are_sound(case):
    data = small()
    model, users = case.fit(data), everyone(small())
    scores, seen = model.score(users), data.csr.toarray() != 0
    ban = np.random.default_rng(3).random(data.shape) < 0.4
    for exclude, banned in (
        ("seen", seen),
        (None, np.zeros(data.shape, bool)),
        (csr_array(ban.astype(float)), ban),
    ):
        for k in (1, 3, data.n_items, data.n_items + 4):
            lists = model.recommend(users, k, exclude=exclude)
            assert lists.items.shape == lists.scores.shape == (len(users), k)
            assert lists.items.dtype == np.int64
            for u in users:
                n = min(k, data.n_items - banned[u].sum())
                order = sorted(
                    np.flatnonzero(~banned[u]), key=lambda i: (-scores[u, i], i)
                )
                assert lists.items[u, :n].tolist() == order[:n], "best first, no repeat"
                np.testing.assert_allclose(
                    lists.scores[u, :n], scores[u, order[:n]], rtol=case.rtol
                )
                assert (lists.items[u, n:] == -1).all(), "padding"
                assert (lists.scores[u, n:] == -np.inf).all()
    default = model.recommend(users)
    assert default.items.shape == (len(users), 10), "k = 10 and seen items left out"
    np.testing.assert_array_equal(
        default.items, model.recommend(users, 10, exclude="seen").items
    )
    for k in (0, -1, 2.5):
        with pytest.raises(ValueError, match="k must"):
            model.recommend(users, k)
    with pytest.raises(ValueError, match="exclude"):
        model.recommend(users, exclude="unseen")
    with pytest.raises(ValueError, match="shape"):
        model.recommend(users, exclude=csr_array(data.csr.T))
    with pytest.raises(TypeError, match="sparse"):
        model.recommend(users, exclude=seen)


@check
def batch_equals_one_by_one(case):
    data = small()
    model = case.fit(data)
    together = model.score(everyone(data))
    alone = np.concatenate([model.score([u]) for u in range(data.n_users)])
    np.testing.assert_allclose(alone, together, rtol=case.rtol)
    order = np.array([5, 0, 5, 10, 3, 3, 1])
    np.testing.assert_allclose(model.score(order), together[order], rtol=case.rtol)
    lists = model.recommend(order, 4).items
    for row, u in enumerate(order):
        np.testing.assert_array_equal(lists[row], model.recommend([u], 4).items[0])
    if case.rating:
        u, i = np.indices(data.shape).reshape(2, -1)
        both = model.predict(u, i)
        back = model.predict(u[::-1], i[::-1])[::-1]
        one = [model.predict([a], [b])[0] for a, b in zip(u, i, strict=True)]
        np.testing.assert_allclose(back, both, rtol=case.rtol)
        np.testing.assert_allclose(one, both, rtol=case.rtol)


@check
def bad_indices_are_refused(case):
    data = small()
    model = case.fit(data)
    n_users, n_items = data.shape
    asks = [
        ("users", n_users, model.score),
        ("users", n_users, model.recommend),
        ("users", n_users, lambda u: model.predict(u, [0])),
        ("items", n_items, lambda i: model.predict([0], i)),
    ]
    for name, n, ask in asks:
        for wrong in (0, np.int64(1), [[0, 1]], [0.0], [True], ["0"], [None]):
            with pytest.raises(ValueError, match=f"{name} must be a 1-D array"):
                ask(wrong)
        for wrong in (-1, n, n + 7):
            expected = rf"{name}: index {wrong} is out of range for 0\.\.{n - 1}"
            with pytest.raises(IndexError, match=expected):
                ask(np.array([0, wrong]))
    if case.rating:
        with pytest.raises(ValueError, match="2 users but 1 items"):
            model.predict([0, 1], [0])
        assert model.predict([], []).shape == (0,)
    else:
        with pytest.raises(NotImplementedError, match="does not predict"):
            model.predict([0], [0])


@check
def unknown_ids_are_refused(case):
    model = case.fit()
    assert model.train_.user_ids.tolist() == small().user_ids.tolist()
    known = model.train_.user_ids[[4, 2]]
    assert model.train_.user_index(known).tolist() == [4, 2]
    assert model.score(model.train_.user_index(known)).shape == (2, model.n_items_)
    with pytest.raises(KeyError, match="unknown user ids: 'nobody'"):
        model.score(model.train_.user_index([known[0], "nobody"]))


@check
def empty_rows_and_columns_are_finite(case):
    holes = scattered(9, 5, 0.9, 2, empty_users=(0, 1, 2, 8), empty_items=(1, 2, 4))
    for data in (holes, single()):
        for part in answers(case, case.fit(data)):
            assert np.isfinite(part).all()
        lists = case.fit(data).recommend(everyone(data), 2).items
        assert (lists >= 0).all(), "users without rows get lists too"
        if case.history:
            empty = case.fit(data).score_history(csr_array((1, data.n_items)))
            assert np.isfinite(empty).all()


def rng_states():
    states = [random.getstate(), pickle.dumps(np.random.get_state())]  # noqa: NPY002
    torch = sys.modules.get("torch")
    return states + ([] if torch is None else [torch.get_rng_state().tolist()])


@check
def seeds_and_global_generators(case):
    assert_same(case, case.fit(), case.fit())
    random.random(), np.random.random(3)  # noqa: NPY002 (away from a seed's start)
    before = rng_states()
    model = case.fit()
    answers(case, model), model.recommend([0, 1])
    assert rng_states() == before, "a global generator was used or seeded"
    if "random_state" not in case.model.get_params():
        return
    first, second = (case.fit(random_state=np.random.default_rng(7)) for _ in range(2))
    assert_same(case, first, second)
    assert_same(case, first, first)
    assert np.isfinite(case.fit(random_state=None).score([0])).all()
    assert any(
        (a != b).any()
        for a, b in zip(
            answers(case, case.fit(random_state=None)),
            answers(case, case.fit(random_state=None)),
            strict=True,
        )
    ), "None means fresh randomness"
    generator = np.random.default_rng(7)
    start = generator.bit_generator.state
    case.fit(random_state=generator)
    assert generator.bit_generator.state != start, "draws come from the generator"


@check
def pickle_round_trip(case):
    model = case.fit()
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_same(case, model, again)
        assert repr(again) == repr(model)
        lists = again.recommend([0, 5], 3)
        np.testing.assert_array_equal(lists.items, model.recommend([0, 5], 3).items)
    unfitted = pickle.loads(pickle.dumps(case.new()))
    assert_same(case, unfitted.fit(small()), model)


@check
def relabelling(case):
    data = small()
    rng = np.random.default_rng(4)
    new_user, new_item = rng.permutation(data.n_users), rng.permutation(data.n_items)
    before = case.fit(data).score(everyone(data))
    after = case.fit(permuted(data, new_user, new_item)).score(everyone(data))
    np.testing.assert_allclose(
        after[np.ix_(new_user, new_item)], before, rtol=case.rtol, atol=1e-10
    )


@check
def checkerboard_diagonal_is_first(case):
    data, withheld = checkerboard(case.rating)
    lists = case.fit(data).recommend(everyone(data), 1).items[:, 0]
    np.testing.assert_array_equal(lists, withheld)


@check
def every_parameter_changes_the_result(case):
    names = set(case.model.get_params())
    expected = names - set(SAME_RESULT)
    assert set(case.effects) == expected, "effects must name every parameter"
    base = case.fit()
    for name in names & set(SAME_RESULT):
        assert_same(case, base, case.fit(**{name: SAME_RESULT[name]}))
    for name, value in case.effects.items():
        assert value is not getattr(case.model, name)
        changed = case.fit(**{name: value})
        same = [
            np.array_equal(a, b)
            for a, b in zip(answers(case, base), answers(case, changed), strict=True)
        ]
        assert not all(same), f"{name}={value!r} changes nothing"


@check
def epochs_history_and_callback(case):
    calls = []

    def record(model, epoch, logs):
        calls.append((model, epoch, dict(logs)))

    model = case.new()
    model.fit(small(), callback=record)
    if not case.iterative:
        assert model.history_ == [] and calls == []
        return
    n = len(model.history_)
    assert n >= 3, "a case needs at least three epochs"
    assert [epoch for _, epoch, _ in calls] == list(range(1, n + 1))
    assert all(who is model for who, _, _ in calls)
    assert [logs for _, _, logs in calls] == model.history_
    assert [row["epoch"] for row in model.history_] == list(range(1, n + 1))
    assert all(type(row["loss"]) is float for row in model.history_)
    assert np.isfinite([row["loss"] for row in model.history_]).all()
    seconds = [row["seconds"] for row in model.history_]
    assert 0 <= seconds[0] and seconds == sorted(seconds)
    assert_same(case, model, case.fit())
    for true in (True, np.True_):
        stopped = case.new()
        stopped.fit(small(), callback=lambda m, epoch, logs: epoch == 2 and true)  # noqa: B023
        assert len(stopped.history_) == 2, "returning True stops"
        if "n_epochs" in case.model.get_params():
            assert_same(case, stopped, case.fit(n_epochs=2))
    asked = []

    def use(model, epoch, logs):  # what early stopping does; truthy is not True
        asked.append(model.score([0]).shape)
        return 1

    model = case.new()
    model.fit(small(), callback=use)
    assert len(model.history_) == n
    assert asked == [(1, 7)] * n


@check
def divergence(case):
    if not case.iterative:
        return
    assert case.diverges is not None, "name parameters that overflow, or exempt"
    model = case.new(**case.diverges)
    with np.errstate(all="ignore"):
        with pytest.raises(FitDiverged, match="after epoch") as info:
            model.fit(small())
    assert not np.isfinite(model.history_[-1]["loss"])
    advice = str(info.value).partition("Try ")[2]
    known = ALL_PARAMETERS & set(re.findall(r"\w+", advice))
    assert advice and known <= set(model.get_params()), "advice it can follow"
    with pytest.raises(NotFittedError):
        model.score([0])
    vars(model).update(case.new().get_params())
    assert_same(case, case.fit(), model.fit(small()))  # and it can be fitted again


@check
def invalid_arguments_are_refused(case):
    params = case.model.get_params()
    invalid = dict(case.invalid)
    if "random_state" in params:
        invalid.setdefault("random_state", ("seed", -1, 1.5, True))
    assert set(invalid) == set(params), "invalid must name every parameter"
    for name, values in invalid.items():
        for value in values:
            model = case.new(**{name: value})  # the constructor accepts it
            with pytest.raises(ValueError, match=rf"\b{name}\b"):
                model.fit(small())
            with pytest.raises(NotFittedError):
                model.score([0])


@check
def predict_equals_score(case):
    if not case.rating:
        return
    for data in (small(), other()):
        model = case.fit(data)
        u, i = np.indices(data.shape).reshape(2, -1)
        np.testing.assert_allclose(
            model.predict(u, i), model.score(everyone(data))[u, i], rtol=case.rtol
        )


@check
def history_equals_training(case):
    data = small()
    model = case.fit(data)
    if not case.history:
        if type(model)._score_history is Recommender._score_history:
            with pytest.raises(NotImplementedError, match="not trained on"):
                model.score_history(data.csr)
            return
        assert np.isfinite(model.score_history(data.csr)).all()
    else:
        expected = model.score(everyone(data))
        for X in (data.csr, data.csr.toarray()):
            np.testing.assert_allclose(
                model.score_history(X), expected, rtol=max(case.rtol, 1e-9)
            )
        one = [model.score_history(data.csr[[u]])[0] for u in range(data.n_users)]
        np.testing.assert_allclose(one, expected, rtol=max(case.rtol, 1e-9))
    for wrong in (np.ones((2, data.n_items + 1)), np.ones(data.n_items)):
        with pytest.raises(ValueError, match="shape"):
            model.score_history(wrong)
    bad = np.ones((1, data.n_items))
    bad[0, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.score_history(bad)


@check
def time_matters_only_to_sequential_models(case):
    data = small()
    swapped = Interactions(
        user=data.user,
        item=data.item,
        value=data.value,
        time=data.time.max() - data.time,
        user_ids=data.user_ids,
        item_ids=data.item_ids,
    )
    scores, turned = (case.fit(d).score(everyone(d)) for d in (data, swapped))
    assert np.array_equal(scores, turned) != case.sequential


def in_order(scores, allowed, k):
    """Indices of the ``k`` best allowed entries: higher score, then lower index."""
    return sorted(np.flatnonzero(allowed), key=lambda i: (-scores[i], i))[:k]


def assert_lists(lists, scores, allowed, k, rtol):
    """Each list is the order of its scores, padded."""
    assert lists.items.shape == lists.scores.shape == (len(scores), k)
    for row, (items, best) in enumerate(zip(*lists, strict=True)):
        order = in_order(scores[row], allowed[row], k)
        assert items.tolist() == order + [-1] * (k - len(order))
        np.testing.assert_allclose(best[: len(order)], scores[row, order], rtol=rtol)
        assert (best[len(order) :] == -np.inf).all()


@check
def only_candidates_are_listed(case):
    data = small()
    model, users = case.fit(data), everyone(data)
    scores, seen = model.score(users), data.csr.toarray() != 0
    for candidates in ([2], [6, 1, 4], [4, 4, 1], [], np.arange(7)):
        among = np.isin(np.arange(data.n_items), candidates)
        for exclude, banned in (("seen", seen), (None, np.zeros_like(seen))):
            for k in (1, 4):
                lists = model.recommend(users, k, exclude=exclude, items=candidates)
                assert_lists(lists, scores, among & ~banned, k, case.rtol)
    for wrong in ([7], [-1]):
        with pytest.raises(IndexError, match="items: index"):
            model.recommend(users, items=wrong)
    with pytest.raises(ValueError, match="items must be a 1-D array"):
        model.recommend(users, items=["102"])


@check
def ids_in_ids_out(case):
    data = small()
    model = case.fit(data)
    users = np.array([10, 2, 4])
    titles = [f"title {i}" for i in range(data.n_items)]
    for options, among in (({}, None), ({"items": data.item_ids[[5, 1]]}, [5, 1])):
        lists = model.recommend(users, 3, items=among)
        rows = [
            (data.user_ids[u], data.item_ids[i], titles[i], place, score)
            for u, items, best in zip(users, *lists, strict=True)
            for place, (i, score) in enumerate(zip(items, best, strict=True), 1)
            if i >= 0
        ]
        table = model.recommend_ids(data.user_ids[users], 3, titles=titles, **options)
        columns = ["user", "item", "title", "rank", "score"]
        expected = pd.DataFrame(rows, columns=columns)
        pd.testing.assert_frame_equal(table, expected, check_dtype=False)
        plain = model.recommend_ids(list(data.user_ids[users]), 3, **options)
        pd.testing.assert_frame_equal(plain, table.drop(columns="title"))
    with pytest.raises(KeyError, match="unknown user ids"):
        model.recommend_ids(["nobody"])
    with pytest.raises(KeyError, match="unknown item ids"):
        model.recommend_ids(data.user_ids[:1], items=[99])
    with pytest.raises(ValueError, match="titles must name all 7"):
        model.recommend_ids(data.user_ids[:1], titles=titles[:6])


@check
def new_users_get_lists(case):
    data = small()
    model = case.fit(data)
    X = data.csr[[4, 3, 0]]
    if not case.history:
        if type(model)._score_history is Recommender._score_history:
            with pytest.raises(NotImplementedError, match="not trained on"):
                model.recommend_history(X)
        return
    scores, seen = model.score_history(X), X.toarray() != 0
    ban = np.random.default_rng(3).random(X.shape) < 0.4
    among = np.isin(np.arange(data.n_items), [1, 3, 6])
    for exclude, banned in (
        ("seen", seen),
        (None, np.zeros_like(seen)),
        (csr_array(ban.astype(float)), ban),
    ):
        for items, allowed in ((None, ~banned), ([6, 3, 1], among & ~banned)):
            lists = model.recommend_history(X, 4, exclude=exclude, items=items)
            assert_lists(lists, scores, allowed, 4, max(case.rtol, 1e-9))
    dense = model.recommend_history(X.toarray(), 4)
    np.testing.assert_array_equal(dense.items, model.recommend_history(X, 4).items)
    with pytest.raises(ValueError, match="exclude has shape"):
        model.recommend_history(X, exclude=data.csr)


@check
def an_item_twice_in_a_history_is_refused(case):
    model = case.fit()
    if type(model)._score_history is Recommender._score_history:
        return
    value, item = np.array([4.0, 1.0, 5.0]), np.array([2, 4, 2])
    twice = csr_array((value, item, np.array([0, 3])), shape=(1, 7))
    pairs = coo_array((value, (np.zeros(3, int), item)), shape=(1, 7))
    columns = csc_array(
        (value[[0, 2, 1]], np.zeros(3, int), np.array([0, 0, 0, 2, 2, 3, 3, 3])),
        shape=(1, 7),
    )
    for X in (twice, pairs, columns):
        for ask in (model.score_history, model.recommend_history):
            with pytest.raises(ValueError, match="more than once"):
                ask(X)
    assert twice.nnz == 3 and twice.indices.tolist() == [2, 4, 2], "X is left alone"
    shuffled = csr_array((value[:2], np.array([4, 2]), np.array([0, 2])), shape=(1, 7))
    np.testing.assert_array_equal(
        model.score_history(shuffled), model.score_history(shuffled.toarray())
    )
    assert shuffled.indices.tolist() == [4, 2], "X is left alone"


@check
def near_items_are_of_the_same_side(case):
    data, _ = checkerboard(case.rating)
    model = case.fit(data)
    every = np.arange(data.n_items)
    if not case.near:
        with pytest.raises(NotImplementedError, match="no vectors or weights"):
            model.similar_items(every)
        return
    lists = model.similar_items(every, data.n_items + 2)
    for item, items, scores in zip(every, *lists, strict=True):
        found = items[: data.n_items - 1]
        assert sorted([*found, item]) == every.tolist(), "all others, each once"
        assert (items[len(found) :] == -1).all()
        fall = np.diff(scores[: len(found)])
        assert (fall < 0).any() and (fall <= 0).all()
        assert (np.diff(found)[fall == 0] > 0).all(), "ties by index"
    sides = (lists.items[:, :3] - every[:, None]) % 2
    assert sides.mean() < 0.1, "the nearest three are of the item's own side"
    alone = [model.similar_items([i], 3).items[0] for i in every]
    np.testing.assert_array_equal(alone, lists.items[:, :3])
    with pytest.raises(IndexError, match="items: index 12"):
        model.similar_items([12])


@check
def an_explanation_adds_up(case):
    data = small()
    model = case.fit(data)
    if not case.why:
        with pytest.raises(NotImplementedError, match="no sum over"):
            model.explain(0, 1)
        return
    scores = model.score(everyone(data))
    told = 0
    for u, i in np.ndindex(data.shape):
        table = model.explain(u, i, data.n_items)
        assert list(table) == ["item", "contribution"]
        mine = data.item[data.user == u]
        assert set(table["item"]) <= set(mine) and table["item"].is_unique
        total = table["contribution"].sum() + table.attrs["rest"]
        for value in (total, table.attrs["score"]):
            np.testing.assert_allclose(value, scores[u, i], rtol=1e-7, atol=1e-9)
        assert (np.diff(table["contribution"]) <= 0).all(), "the largest first"
        first = model.explain(u, i, 1)
        pd.testing.assert_frame_equal(first, table.head(1))
        told += len(table) > 1
    assert told, "nothing was explained"
    for wrong in ((-1, 0), (0, 7)):
        with pytest.raises(IndexError):
            model.explain(*wrong)


@check
def save_and_load(case):
    model = case.fit()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        model.save(path)
        assert [p.name for p in Path(folder).iterdir()] == ["model"]
        for door in (type(model), Recommender):
            again = door.load(path)
            assert type(again) is type(model) and repr(again) == repr(model)
            assert_same(case, again, model)
            np.testing.assert_array_equal(
                again.recommend([0, 5], 3).items, model.recommend([0, 5], 3).items
            )
        other_class = Popularity if type(model) is not Popularity else Random
        with pytest.raises(TypeError, match=type(model).__name__):
            other_class.load(path)
        with mock.patch.object(saving, "__version__", "9.9"):
            with pytest.raises(ValueError, match=r"0\.1\.0 .* 9\.9"):
                Recommender.load(path)
        head, _, body = path.read_bytes().partition(b"\n")
        for damaged in (body, head, head + b"\n" + body[:-1], b"", head[:40]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match="no model|damaged"):
                Recommender.load(path)
        with pytest.raises(NotFittedError):
            case.new().save(path)


class Stop(BaseException):
    """What a keyboard interrupt is: no ``Exception``."""


@check
def an_interrupted_fit_leaves_nothing(case):
    fit = type(case.model)._fit

    def half(self, train):
        fit(self, train)
        raise Stop

    model = case.fit()
    with mock.patch.object(type(model), "_fit", half), pytest.raises(Stop):
        model.fit(small())
    left = set(vars(model)) - {"history_"}
    assert left == set(model.get_params()), "what was learned is forgotten"
    for ask in (lambda: model.score([0]), lambda: model.recommend([0])):
        with pytest.raises(NotFittedError):
            ask()
    assert_same(case, model.fit(small()), case.fit())


@check
def large_questions_are_asked_in_parts(case):
    data = small()
    model, users = case.fit(data), everyone(data)
    whole = model.recommend(users, 3)
    asked = []
    score = type(model)._score_users

    def recorded(self, users):
        asked.append(len(users))
        return score(self, users)

    with (
        mock.patch.object(ranking, "CELLS_PER_BATCH", 2 * data.n_items),
        mock.patch.object(type(model), "_score_users", recorded),
    ):
        parts = model.recommend(users, 3)
        assert model.recommend([], 3).items.shape == (0, 3)
    assert max(asked) == 2 and sum(asked) == len(users)
    np.testing.assert_array_equal(parts.items, whole.items)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=case.rtol)


@check
def only_a_test_part_of_the_same_ids_is_judged(case):
    data = small()
    model = case.fit(data)
    assert len(evaluate(model, data, exclude=None)) == len(set(data.user))
    users, items = np.arange(data.n_users), np.arange(data.n_items)
    for new_user, new_item in ((users[::-1], items), (users, np.roll(items, 1))):
        other_ids = permuted(data, new_user, new_item)
        with pytest.raises(ValueError, match="do not number the same"):
            evaluate(model, other_ids, exclude=None)
        if case.rating:
            with pytest.raises(ValueError, match="do not number the same"):
                evaluate_ratings(model, other_ids)


@check
def ratings_are_cut_to_the_range_of_the_training_ratings(case):
    if not case.rating:
        return
    data = small()
    scaled = replace(data, value=2 * data.value - 8)  # from -6 to 2
    frame = evaluate_ratings(case.fit(scaled), scaled)
    assert frame.attrs["clip"] == (-6, 2)
    raw = case.fit(scaled).predict(scaled.user, scaled.item)
    np.testing.assert_array_equal(frame.prediction, np.clip(raw, -6, 2))


SHORT = {"checkerboard_diagonal_is_first": "checkerboard"}


def name_of(case):
    return type(case.model).__name__


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("case", MODELS, ids=name_of)
def test_contract(case, name):
    if SHORT.get(name, name) not in case.exempt:
        CHECKS[name](case)
    else:  # an exemption that is no longer needed must go
        with pytest.raises((AssertionError, TypeError, ValueError)):
            CHECKS[name](case)


def test_exemptions_name_checks_and_reasons():
    known = {SHORT.get(name, name) for name in CHECKS}
    for case in [*MODELS, GOOD]:
        assert set(case.exempt) <= known, name_of(case)
        assert all(len(reason) > 10 for reason in case.exempt.values())


def test_every_model_of_the_package_is_in_the_list():
    """Public concrete Recommenders of all modules, so that none is forgotten."""
    import importlib
    import pkgutil

    import recsys_tutor

    found = set()
    for module in pkgutil.iter_modules(recsys_tutor.__path__):
        namespace = importlib.import_module(f"recsys_tutor.{module.name}")
        for value in vars(namespace).values():
            if inspect.isclass(value) and issubclass(value, Recommender):
                concrete = value._fit is not Recommender._fit
                if issubclass(value, NetworkModel):
                    concrete = value._network is not NetworkModel._network
                if concrete and not value.__name__.startswith("_"):
                    found.add(value)
    missing = found - {type(case.model) for case in MODELS}
    assert not missing, f"add a ModelCase for {sorted(c.__name__ for c in missing)}"
    assert {Random, Popularity, BiasModel, NeuMF, SASRec} <= found


# -- the checks can fail: one broken model per check -------------------------------


class Good(Recommender):
    """Scores by co-occurrence, keeps the contract; has epochs and a seed."""

    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        self.shift = shift
        self.n_epochs = n_epochs
        self.random_state = random_state

    def _check(self):
        check_number("shift", self.shift)
        check_number("n_epochs", self.n_epochs, low=1, whole=True)

    def _fit(self, train):
        rng = np.random.default_rng(self.random_state)
        # liked minus disliked; the unrated count as neither
        self.X_ = self._signs(train.csr).toarray()
        self.weight_ = rng.uniform(1, 2)
        self.B_ = np.zeros((train.n_items, train.n_items))
        for _ in range(self.n_epochs):
            with np.errstate(over="ignore"):
                self.B_ = self.B_ / 2 + self.weight_ * (self.X_.T @ self.X_)
                loss = self.shift * self.shift + 1 / (1 + len(self.history_))
            if self._end_epoch(loss):
                break

    def _signs(self, X):
        X = csr_array(X, copy=True)
        X.data = np.sign(X.data - 2.5)
        return X

    def _score_users(self, users):
        return self.X_[users] @ self.B_ + self.shift

    def _predict(self, users, items):
        rows = self.X_[users][:, None, :] @ self.B_.T[items][:, :, None]
        return rows[:, 0, 0] + self.shift

    def _score_history(self, X):
        return self._signs(X).toarray() @ self.B_ + self.shift

    def _similarities(self, items):
        return self.B_[items]

    def _explain(self, user, item):
        liked = np.flatnonzero(self.X_[user])
        return liked, self.X_[user, liked] * self.B_[liked, item], self.shift


SUMS += (Good,)


def good_case(cls=Good, **changes):
    options = {
        "effects": {"shift": 1.0, "n_epochs": 4, "random_state": 1},
        "invalid": {"shift": (np.nan, "a"), "n_epochs": (0, 1.5)},
        "rating": True,
        "history": True,
        "iterative": True,
        "diverges": {"shift": 1e200},
    }
    return ModelCase(cls(), **{**options, **changes})


GOOD = good_case()


class WithFeatures(Good):
    """Adds a score per item that the constructor was given: data in an argument."""

    def __init__(self, *, extra=None, shift=0.5, n_epochs=3, random_state=0):
        self.extra = extra
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)

    def _fit(self, train):
        if len(self.extra) != train.n_items:
            raise ValueError(f"extra has {len(self.extra)} rows, not {train.n_items}")
        super()._fit(train)

    def _score_users(self, users):
        return super()._score_users(users) + self.extra

    def _predict(self, users, items):
        return super()._predict(users, items) + self.extra[items]

    def _score_history(self, X):
        return super()._score_history(X) + self.extra

    def _explain(self, user, item):
        items, parts, rest = super()._explain(user, item)
        return items, parts, rest + self.extra[item]


WITH_FEATURES = good_case(
    WithFeatures,
    effects={**GOOD.effects, "extra": np.ones(7)},
    invalid={**GOOD.invalid, "extra": (np.ones(6),)},
    per_data=lambda data: {"extra": 1e-3 * np.asarray(data.item_ids)},
)


class PositionalArguments(Good):
    def __init__(self, shift=0.5, *, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)


class ConvertsArguments(Good):
    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=[random_state])


class DerivesAttributes(Good):
    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)
        self.extra = 1


class ChangesItsArguments(Good):
    def _fit(self, train):
        super()._fit(train)
        self.shift = self.shift + 1


class CloneKeepsTheFit(Good):
    def clone(self, **changes):
        model = copy.copy(self)
        vars(model).update(changes)
        return model


class AnswersUnfitted(Good):
    def score(self, users):
        return np.zeros((len(users), 7))


class TakesAnything(Good):
    def fit(self, train, *, callback=None):
        good = isinstance(train, Interactions) and len(train)
        return super().fit(train if good else small(), callback=callback)


class FitReturnsNone(Good):
    def fit(self, train, *, callback=None):
        super().fit(train, callback=callback)


MEMORY = weakref.WeakKeyDictionary()  # what outlives a fit, per model


class Continues(Good):
    """The second fit starts from the first one's result."""

    def _fit(self, train):
        super()._fit(train)
        self.B_ = self.B_ + MEMORY.get(self, 0)
        MEMORY[self] = self.B_ if self.B_.shape == (7, 7) else 0


class CrashesOnNewShape(Good):
    def _fit(self, train):
        super()._fit(train)
        MEMORY[self] = MEMORY.get(self, np.zeros(train.shape)) + self.X_


class LeavesRemains(Good):
    def _fit(self, train):
        super()._fit(train)
        if MEMORY.setdefault(self, train.n_users) == 11:
            self.remains = 1


class WritesToItsInput(Good):
    def _fit(self, train):
        super()._fit(train)
        train.csr.data[0] += 1


class WritesToTheHistory(Good):
    def _score_history(self, X):
        scores = super()._score_history(X)
        X.data[:] = 0
        return scores


class SquareOnly(Good):
    """Takes the candidates from range(n_users)."""

    def _score_users(self, users):
        return super()._score_users(users)[:, : self.n_users_]


class IntegerScores(Good):
    def _score_users(self, users):
        return np.round(super()._score_users(users)).astype(int)


class GivesItsMemory(Good):
    def _score_users(self, users):
        if not hasattr(self, "cache_"):
            self.cache_ = super()._score_users(np.arange(self.n_users_))
        if len(users) == 1:
            return self.cache_[users[0] : users[0] + 1]
        return self.cache_[users]


class RecommendsSeen(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        exclude = None if isinstance(exclude, str) else exclude
        return super().recommend(users, k, exclude=exclude, items=items)


class LaterIndexFirst(Good):
    """Breaks ties the wrong way round."""

    def _score_users(self, users):
        return np.round(super()._score_users(users), -2)

    def recommend(self, users, k=10, *, exclude="seen", items=None):
        lists = super().recommend(users, k, exclude=exclude, items=items)
        for b in range(len(lists.items)):
            order = np.lexsort((-lists.items[b], -lists.scores[b]))
            lists.items[b] = lists.items[b][order]
        return lists


class ShortLists(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        k = min(k, self.n_items_)
        return super().recommend(users, k, exclude=exclude, items=items)


class DependsOnTheBatch(Good):
    def _score_users(self, users):
        scores = super()._score_users(users)
        return scores - scores.mean() if len(users) else scores


class LastUserForMinusOne(Good):
    def score(self, users):
        return self._score_users(np.asarray(users))


class ForgetsIds(Good):
    def _fit(self, train):
        super()._fit(train)
        ids = np.arange(train.n_users)
        self.train_ = Interactions(
            user=train.user,
            item=train.item,
            value=train.value,
            time=train.time,
            user_ids=ids,
            item_ids=train.item_ids,
        )


class DividesByTheCount(Good):
    def _score_users(self, users):
        counts = np.abs(self.X_[users]).sum(axis=1, keepdims=True)
        with np.errstate(all="ignore"):
            return super()._score_users(users) / counts

    def _check_scores(self, scores, n_rows):
        return scores


class UsesTheGlobalGenerator(Good):
    def _fit(self, train):
        super()._fit(train)
        np.random.random()  # noqa: NPY002


class SeedsTheGlobalGenerator(Good):
    def _fit(self, train):
        np.random.seed(0)  # noqa: NPY002
        super()._fit(train)


class IgnoresItsGenerator(Good):
    def _fit(self, train):
        kept, self.random_state = self.random_state, 0
        super()._fit(train)
        self.random_state = kept


class DrawsWhenScoring(Good):
    def _score_users(self, users):
        rng = np.random.default_rng()
        return super()._score_users(users) * rng.uniform(1, 2)


class Unpicklable(Good):
    def _fit(self, train):
        super()._fit(train)
        self.hook_ = lambda: None


class LosesItsScale(Good):
    def __getstate__(self):
        return {**vars(self), "shift": 0.0} if "B_" in vars(self) else vars(self)


class PrefersLowIndices(Good):
    def _score_users(self, users):
        return super()._score_users(users) - 0.1 * np.arange(self.n_items_)


class WrongSign(Good):
    """Recommends what a user's neighbours disliked."""

    def _score_users(self, users):
        return -super()._score_users(users)


class IgnoresAParameter(Good):
    def _score_users(self, users):
        return super()._score_users(users) - self.shift

    def _predict(self, users, items):
        return super()._predict(users, items) - self.shift


class NeverCallsBack(Good):
    def _end_epoch(self, loss, **logs):
        self._callback = None
        return super()._end_epoch(loss, **logs)


class NeverStops(Good):
    def _end_epoch(self, loss, **logs):
        super()._end_epoch(loss, **logs)
        return False


class StopsOnTruthy(Good):
    def _end_epoch(self, loss, **logs):
        callback, self._callback = self._callback, None
        super()._end_epoch(loss, **logs)
        last, self._callback = self.history_[-1], callback
        return bool(callback and callback(self, last["epoch"], last))


class KeepsNoHistory(Good):
    def _end_epoch(self, loss, **logs):
        stop = super()._end_epoch(loss, **logs)
        self.history_ = self.history_[-1:]
        return stop


class HidesDivergence(Good):
    def _end_epoch(self, loss, **logs):
        return super()._end_epoch(min(loss, 1e300), **logs)


class StaysFittedAfterDivergence(Good):
    def fit(self, train, *, callback=None):
        try:
            return super().fit(train, callback=callback)
        except FitDiverged:
            vars(self).update(vars(Good().fit(train)) | vars(self))
            raise


class ChecksNothing(Good):
    def _check(self):
        pass

    def _fit(self, train):
        kept, self.shift = self.shift, 0.5
        super()._fit(train)
        self.shift = kept


class ChecksInTheConstructor(Good):
    def __init__(self, *, shift=0.5, n_epochs=3, random_state=0):
        super().__init__(shift=shift, n_epochs=n_epochs, random_state=random_state)
        if isinstance(shift, (int, float)):
            check_number("shift", shift)


class BlamesAnotherParameter(Good):
    def _check(self):
        try:
            super()._check()
        except ValueError:
            raise ValueError("something is wrong") from None


class PredictsSomethingElse(Good):
    def _predict(self, users, items):
        return super()._predict(users, items) / self.weight_


class HistoryForgetsTheShift(Good):
    def _score_history(self, X):
        return super()._score_history(X) - self.shift


class UsesTime(Good):
    def _score_users(self, users):
        last = np.zeros(self.n_items_)
        np.maximum.at(last, self.train_.item, self.train_.time)
        return super()._score_users(users) + last


class IgnoresCandidates(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        return super().recommend(users, k, exclude=exclude)


class CandidatesInTheirOrder(Good):
    """Ties go to the candidate that was named first."""

    def _check_items(self, items):
        return None if items is None else np.asarray(items, dtype=np.int64)


class GivesIndicesForIds(Good):
    def recommend_ids(self, ids, k=10, **options):
        table = super().recommend_ids(ids, k, **options)
        return table.assign(item=self.train_.item_index(table["item"]))


class RecommendsWhatNewUsersHave(Good):
    def recommend_history(self, X, k=10, *, exclude="seen", items=None):
        exclude = None if isinstance(exclude, str) else exclude
        return super().recommend_history(X, k, exclude=exclude, items=items)


class AddsRepeats(Good):
    def score_history(self, X):
        return super().score_history(csr_array(X).toarray())

    def recommend_history(self, X, k=10, **options):
        return super().recommend_history(csr_array(X).toarray(), k, **options)


class SortsTheGivenHistory(Good):
    def score_history(self, X):
        if hasattr(X, "sort_indices"):
            X.sort_indices()
        return super().score_history(X)


class FarthestFirst(Good):
    def _similarities(self, items):
        return -self.B_[items]


class ListsItself(Good):
    def similar_items(self, items, k=10):
        items = np.asarray(items)
        return ranking.top_k(self.B_[items].astype(float), k)


class ExplainsHalf(Good):
    def _explain(self, user, item):
        items, parts, rest = super()._explain(user, item)
        return items[1:], parts[1:], rest


class ForgetsWhenSaved(Good):
    def save(self, path):
        kept, self.weight_ = self.B_, 0.0
        self.B_ = np.round(kept)
        super().save(path)
        self.B_ = kept


class LeavesATemporaryFile(Good):
    def save(self, path):
        super().save(path)
        Path(f"{path}.tmp").write_text("")


class AnswersAfterAnInterruption(Good):
    def fit(self, train, *, callback=None):
        try:
            return super().fit(train, callback=callback)
        except Stop:
            self.train_ = train
            raise


class AsksForAllAtOnce(Good):
    def recommend(self, users, k=10, *, exclude="seen", items=None):
        with mock.patch.object(ranking, "CELLS_PER_BATCH", 10**9):
            return super().recommend(users, k, exclude=exclude, items=items)


class ForgetsItsScale(Good):
    def _fit(self, train):
        super()._fit(train)
        self.train_ = train.binarize()


class BlamesItsLearningRate(Good):
    def _remedies(self):
        return "a smaller learning_rate"


BROKEN = [
    ("constructor_only_stores", good_case(PositionalArguments)),
    ("constructor_only_stores", good_case(ConvertsArguments)),
    ("constructor_only_stores", good_case(DerivesAttributes)),
    ("repr_and_clone", good_case(ChangesItsArguments)),
    ("repr_and_clone", good_case(CloneKeepsTheFit)),
    ("unfitted_is_said", good_case(AnswersUnfitted)),
    ("wrong_input_is_refused", good_case(TakesAnything)),
    ("fit_twice_is_fit_once", good_case(FitReturnsNone)),
    ("fit_twice_is_fit_once", good_case(Continues)),
    ("refit_on_another_shape", good_case(CrashesOnNewShape)),
    ("refit_on_another_shape", good_case(LeavesRemains)),
    ("inputs_are_unchanged", good_case(WritesToItsInput)),
    ("inputs_are_unchanged", good_case(WritesToTheHistory)),
    ("scores_have_shape_and_type", good_case(SquareOnly)),
    ("scores_have_shape_and_type", good_case(IntegerScores)),
    ("scores_have_shape_and_type", good_case(GivesItsMemory)),
    ("recommendations_are_sound", good_case(RecommendsSeen)),
    ("recommendations_are_sound", good_case(LaterIndexFirst)),
    ("recommendations_are_sound", good_case(ShortLists)),
    ("batch_equals_one_by_one", good_case(DependsOnTheBatch)),
    ("bad_indices_are_refused", good_case(LastUserForMinusOne)),
    ("unknown_ids_are_refused", good_case(ForgetsIds)),
    ("empty_rows_and_columns_are_finite", good_case(DividesByTheCount)),
    ("seeds_and_global_generators", good_case(UsesTheGlobalGenerator)),
    ("seeds_and_global_generators", good_case(SeedsTheGlobalGenerator)),
    ("seeds_and_global_generators", good_case(IgnoresItsGenerator)),
    ("seeds_and_global_generators", good_case(DrawsWhenScoring)),
    ("pickle_round_trip", good_case(Unpicklable)),
    ("pickle_round_trip", good_case(LosesItsScale)),
    ("relabelling", good_case(PrefersLowIndices)),
    ("checkerboard_diagonal_is_first", good_case(WrongSign)),
    ("every_parameter_changes_the_result", good_case(IgnoresAParameter)),
    ("every_parameter_changes_the_result", good_case(effects={"shift": 1.0})),
    ("epochs_history_and_callback", good_case(NeverCallsBack)),
    ("epochs_history_and_callback", good_case(NeverStops)),
    ("epochs_history_and_callback", good_case(StopsOnTruthy)),
    ("epochs_history_and_callback", good_case(KeepsNoHistory)),
    ("epochs_history_and_callback", good_case(iterative=False)),
    ("divergence", good_case(HidesDivergence)),
    ("divergence", good_case(StaysFittedAfterDivergence)),
    ("divergence", good_case(diverges=None)),
    ("invalid_arguments_are_refused", good_case(ChecksNothing)),
    ("invalid_arguments_are_refused", good_case(ChecksInTheConstructor)),
    ("invalid_arguments_are_refused", good_case(BlamesAnotherParameter)),
    ("invalid_arguments_are_refused", good_case(invalid={"shift": (np.nan,)})),
    ("predict_equals_score", good_case(PredictsSomethingElse)),
    ("history_equals_training", good_case(HistoryForgetsTheShift)),
    ("time_matters_only_to_sequential_models", good_case(UsesTime)),
    ("time_matters_only_to_sequential_models", good_case(sequential=True)),
    ("divergence", good_case(BlamesItsLearningRate)),
    ("only_a_test_part_of_the_same_ids_is_judged", good_case(ForgetsIds)),
    (
        "ratings_are_cut_to_the_range_of_the_training_ratings",
        good_case(ForgetsItsScale),
    ),
    ("only_candidates_are_listed", good_case(IgnoresCandidates)),
    ("only_candidates_are_listed", good_case(CandidatesInTheirOrder)),
    ("ids_in_ids_out", good_case(GivesIndicesForIds)),
    ("new_users_get_lists", good_case(RecommendsWhatNewUsersHave)),
    ("an_item_twice_in_a_history_is_refused", good_case(AddsRepeats)),
    ("an_item_twice_in_a_history_is_refused", good_case(SortsTheGivenHistory)),
    ("near_items_are_of_the_same_side", good_case(FarthestFirst)),
    ("near_items_are_of_the_same_side", good_case(ListsItself)),
    ("an_explanation_adds_up", good_case(ExplainsHalf)),
    ("save_and_load", good_case(ForgetsWhenSaved)),
    ("save_and_load", good_case(LeavesATemporaryFile)),
    ("an_interrupted_fit_leaves_nothing", good_case(AnswersAfterAnInterruption)),
    ("large_questions_are_asked_in_parts", good_case(AsksForAllAtOnce)),
]

#: A check fails by an assertion or because ``pytest.raises`` saw nothing raised. These
#: broken models fail by themselves, when the check asks for what they cannot do.
OWN_FAULTS = {
    CrashesOnNewShape: ValueError,
    SquareOnly: RuntimeError,
    Unpicklable: AttributeError,
    ChecksInTheConstructor: ValueError,
    ForgetsIds: (ValueError, AssertionError),
}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("case", [GOOD, WITH_FEATURES], ids=name_of)
def test_the_good_toys_pass(case, name):
    CHECKS[name](case)


@pytest.mark.parametrize(
    "name, case", BROKEN, ids=[f"{name}-{name_of(case)}" for name, case in BROKEN]
)
def test_a_broken_model_is_noticed(name, case):
    noticed = (AssertionError, pytest.fail.Exception)
    with pytest.raises(OWN_FAULTS.get(type(case.model), noticed)):
        CHECKS[name](case)


def test_every_check_has_a_broken_model():
    assert {name for name, _ in BROKEN} == set(CHECKS)
