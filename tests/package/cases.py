"""The models of the package as cases of the contract.

A new model joins by one ``ModelCase`` in ``MODELS``.
"""

from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import csr_array

from recsys_tutor.autoencoders import MultVAE
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.bert4rec import BERT4Rec
from recsys_tutor.content import ContentBased, ContentRidge
from recsys_tutor.crosses import DCN
from recsys_tutor.deep_dot import DeepDot
from recsys_tutor.filters import GFCF
from recsys_tutor.graph import LightGCN
from recsys_tutor.hybrid import (
    Cascade,
    FeatureAugmented,
    RankFusion,
    Switching,
    Weighted,
)
from recsys_tutor.implicit_mf import BPR, ImplicitALS
from recsys_tutor.interest import DIN
from recsys_tutor.mf import BiasedMF, ExplicitALS, FunkSVD, SVDpp, TruncatedSVD
from recsys_tutor.neighbors import EASE, ItemKNN, RatingKNN, UserKNN
from recsys_tutor.neural import DotModel, NeuMF
from recsys_tutor.plsa import PLSA, GaussianPLSA
from recsys_tutor.sequential import GRU4Rec, SASRec
from recsys_tutor.slim import SLIM
from recsys_tutor.slope_one import SlopeOne
from recsys_tutor.testing.cases import ModelCase
from recsys_tutor.timed import TimedSASRec
from recsys_tutor.towers import DeepFM, TwoTower
from recsys_tutor.transitions import Transitions
from recsys_tutor.walks import RP3beta

torch.set_num_threads(1)  # threads that wait for each other slow small networks down

NO_VECTORS = (Random, Popularity, BiasModel, UserKNN, SlopeOne)
NO_VECTORS += (Weighted, RankFusion, Switching, Cascade)
SUMS = (ItemKNN, RatingKNN, EASE, ContentBased, ContentRidge, Transitions, TruncatedSVD)
SUMS += (RP3beta, SLIM, SlopeOne, GFCF)


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
    "same_result": {"device": "cpu:0"},
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
    "n_negatives": 0,
    "loss": "gbce",
    "dropout": 0.5,
}
SEQUENCE_INVALID = {
    **NETWORK_INVALID,
    "max_length": WRONG_COUNT,
    "n_negatives": (-1, 1.5, True, None),
    "loss": ("mse", None, 0),
    "dropout": WRONG_SHARE,
}
SMALL_SASREC = {
    "n_factors": 8,
    "n_blocks": 1,
    "max_length": 6,
    "n_negatives": 4,
    "n_epochs": 40,
    "learning_rate": 0.01,
    "dropout": 0.0,
}
SASREC_INVALID = {
    **SEQUENCE_INVALID,
    "n_blocks": WRONG_COUNT,
    "n_heads": (*WRONG_COUNT, 3),
}

_TOLD = [
    ModelCase(
        Random(),
        effects={"random_state": 1},
        exempt={
            "predict_equals_score": "reads the score as a quantile of the ratings",
            "relabelling": "scores are drawn by index, not learned",
            "checkerboard_diagonal_is_first": "learns nothing",
        },
        rating=True,
    ),
    ModelCase(
        Popularity(), history=True, exempt={"checkerboard_diagonal_is_first": SAME_LIST}
    ),
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
            "checkerboard_diagonal_is_first": SAME_LIST,
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
        effects={"n_neighbors": 1, "similarity": "llr", "alpha": 0.5, "shrink": 0.0},
        invalid={
            "n_neighbors": WRONG_COUNT,
            "similarity": ("pearson", None),
            "alpha": (-0.1, 1.1, np.nan, None),
            "shrink": WRONG_REG,
        },
        history=True,
    ),
    ModelCase(
        RP3beta(n_neighbors=4),
        effects={"n_neighbors": 1, "alpha": 1.2, "beta": 0.0},
        invalid={"n_neighbors": WRONG_COUNT, "alpha": WRONG_REG, "beta": WRONG_REG},
        history=True,
    ),
    ModelCase(
        GFCF(n_factors=2),
        effects={"n_factors": 1, "alpha": 2.0},
        invalid={"n_factors": WRONG_COUNT, "alpha": WRONG_REG},
        history=True,
    ),
    ModelCase(
        SlopeOne(),
        rating=True,
        history=True,
        exempt={
            "checkerboard_diagonal_is_first": "the mean differences are the same for "
            "everybody: opposite tastes cancel"
        },
    ),
    ModelCase(
        SLIM(reg=1.0, count_weight=0.5, l1=0.1, tolerance=1e-12),
        effects={**EASE_CASE["effects"], "half_life": 2.0, "l1": 0.9, "tolerance": 0.1},
        invalid={**EASE_CASE["invalid"], "l1": WRONG_REG, "tolerance": WRONG_POSITIVE},
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
        effects={
            **FACTORS_EFFECTS,
            "unobserved": 0.9,
            "reg": 0.1,
            "reg_exponent": 0.0,
        },
        invalid={
            **FACTORS_INVALID,
            "unobserved": WRONG_POSITIVE,
            "reg": WRONG_POSITIVE,
            "reg_exponent": (-0.1, 1.1, np.nan, None),
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
        DeepDot(
            n_factors=2, hidden=(4, 4), n_epochs=60, batch_size=64, learning_rate=0.1
        ),
        effects={**NETWORK_EFFECTS, "n_factors": 1, "init_scale": 0.5, "hidden": ()},
        invalid={
            **NETWORK_INVALID,
            "init_scale": WRONG_POSITIVE,
            "hidden": (*WRONG_SIZES, (3, 2)),
        },
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
        DCN(
            n_factors=4,
            hidden=(8,),
            n_negatives=2,
            dropout=0.0,
            n_epochs=40,
            batch_size=128,
            learning_rate=0.02,
        ),
        effects={**PAIRS_EFFECTS, **FIELDS_EFFECTS, "n_crosses": 1},
        invalid={**PAIRS_INVALID, **FIELDS_INVALID, "n_crosses": WRONG_COUNT},
        per_data=sparse_features,
        **NETWORK,
    ),
    ModelCase(
        DIN(
            n_factors=4,
            hidden=(8,),
            n_negatives=2,
            dropout=0.0,
            n_history=3,
            unit=4,
            n_epochs=40,
            batch_size=128,
            learning_rate=0.02,
        ),
        effects={
            **PAIRS_EFFECTS,
            **FIELDS_EFFECTS,
            "n_history": 2,
            "unit": 2,
            "attend": False,
        },
        invalid={
            **PAIRS_INVALID,
            **FIELDS_INVALID,
            "n_history": WRONG_COUNT,
            "unit": WRONG_COUNT,
            "attend": (1, None, "yes"),
        },
        per_data=sparse_features,
        sequential=True,
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
            n_factors=12,
            max_length=6,
            n_negatives=4,
            n_epochs=40,
            learning_rate=0.02,
            dropout=0.0,
        ),
        effects=SEQUENCE_EFFECTS,
        invalid=SEQUENCE_INVALID,
        sequential=True,
        **{**NETWORK, "exempt": DRAWN_START | FOLLOWS},
    ),
    ModelCase(
        SASRec(**SMALL_SASREC),
        effects={**SEQUENCE_EFFECTS, "n_blocks": 2, "n_heads": 4},
        invalid=SASREC_INVALID,
        sequential=True,
        **{**NETWORK, "exempt": DRAWN_START | FOLLOWS},
    ),
    ModelCase(
        BERT4Rec(  # a list of five: the place of the hidden item is trained, too
            **{**SMALL_SASREC, "max_length": 5, "n_epochs": 100, "learning_rate": 0.03}
        ),
        effects={**SEQUENCE_EFFECTS, "n_blocks": 2, "n_heads": 4, "mask_share": 0.9},
        invalid={
            **SASREC_INVALID,
            "max_length": (*WRONG_COUNT, 1),
            "mask_share": (*WRONG_POSITIVE, 1.1),
        },
        sequential=True,
        **NETWORK,
    ),
    ModelCase(
        TimedSASRec(**SMALL_SASREC),
        effects={
            **SEQUENCE_EFFECTS,
            "n_blocks": 2,
            "n_heads": 4,
            "asked": np.arange(11) * 1e5,
        },
        invalid={**SASREC_INVALID, "asked": ("abc", np.ones(2), np.full(11, np.nan))},
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


def with_answers(case):
    """The case with what the model can say of its items, by the lists above."""
    by_items = getattr(case.model, "by", "item") == "item"
    return replace(
        case,
        similar=by_items and not isinstance(case.model, NO_VECTORS),
        explains=by_items and isinstance(case.model, SUMS),
    )


MODELS = [with_answers(case) for case in _TOLD]


def name_of(case):
    return type(case.model).__name__
