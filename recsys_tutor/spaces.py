"""What is searched for each model: a range per parameter.

Chapter: 17 Tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import NamedTuple

import numpy as np
from scipy.stats import loguniform, uniform

from recsys_tutor.base import Recommender

__all__ = ["SPACES", "Space", "whole"]


def whole(low: int, high: int) -> list[int]:
    """Whole numbers from ``low`` to ``high``, about evenly spaced in the logarithm."""
    return sorted({int(round(x)) for x in np.geomspace(low, high, 40)})


class Space(NamedTuple):
    """What to try for a model of the package, and how a trial is scored.

    ``ranges`` maps a parameter to a frozen ``scipy.stats`` distribution, or to a list
    whose values are all as likely. ``task`` is "ranking", "rating" or "sequence".
    """

    task: str
    module: str
    model: str
    ranges: Mapping

    def make(self, **parameters) -> Recommender:
        """The model with these parameters; its module is imported only now."""
        return self.kind()(**parameters)

    def kind(self) -> type[Recommender]:
        """The model's class."""
        return getattr(import_module(f"recsys_tutor.{self.module}"), self.model)


#: What is searched for each model, in one place. The recurrent and the attention
#: network of chapter 14 are not here: twenty trials of either take half an hour.
#:
#: :meta hide-value:
SPACES = {
    "User-kNN": Space(
        "ranking",
        "neighbors",
        "UserKNN",
        {"n_neighbors": whole(10, 400), "shrink": loguniform(0.1, 100)},
    ),
    "Item-kNN": Space(
        "ranking",
        "neighbors",
        "ItemKNN",
        {
            "n_neighbors": whole(10, 400),
            "alpha": uniform(0.3, 0.7),
            "shrink": loguniform(0.1, 100),
        },
    ),
    "EASE": Space(
        "ranking",
        "neighbors",
        "EASE",
        {"reg": loguniform(10, 5000), "count_weight": uniform(0, 5)},
    ),
    "PureSVD": Space("ranking", "mf", "TruncatedSVD", {"n_factors": whole(2, 200)}),
    "Implicit ALS": Space(
        "ranking",
        "implicit_mf",
        "ImplicitALS",
        {
            "n_factors": whole(4, 64),
            "unobserved": loguniform(0.01, 3),
            "reg": loguniform(0.001, 0.1),
            "n_epochs": whole(3, 30),
        },
    ),
    "BPR": Space(
        "ranking",
        "implicit_mf",
        "BPR",
        {
            "n_factors": whole(8, 256),
            "learning_rate": loguniform(0.003, 0.1),
            "reg": loguniform(0.001, 0.1),
            "n_epochs": whole(20, 250),
        },
    ),
    "PLSA": Space(
        "ranking",
        "plsa",
        "PLSA",
        {
            "n_topics": whole(4, 64),
            "beta": uniform(0.65, 0.35),
            "n_epochs": whole(20, 400),
        },
    ),
    "NeuMF": Space(
        "ranking",
        "neural",
        "NeuMF",
        {
            "n_factors": whole(8, 64),
            "hidden": [(32, 16), (64, 32), (64, 32, 16), (128, 64, 32)],
            "learning_rate": loguniform(3e-4, 1e-2),
            "dropout": uniform(0, 0.5),
            "n_negatives": [2, 4, 8],
            "n_epochs": whole(3, 15),
        },
    ),
    "Two towers": Space(
        "ranking",
        "towers",
        "TwoTower",
        {
            "n_factors": whole(8, 128),
            "hidden": [(), (64,), (128,)],
            "learning_rate": loguniform(3e-4, 1e-2),
            "weight_decay": loguniform(1e-7, 1e-3),
            "n_epochs": whole(4, 24),
        },
    ),
    "Mult-VAE": Space(
        "ranking",
        "autoencoders",
        "MultVAE",
        {
            "n_factors": whole(8, 128),
            "hidden": whole(64, 600),
            "beta": loguniform(0.05, 2),
            "dropout": uniform(0.1, 0.7),
            "learning_rate": loguniform(3e-4, 5e-3),
            "n_epochs": whole(15, 120),
        },
    ),
    "LightGCN": Space(
        "ranking",
        "graph",
        "LightGCN",
        {
            "n_factors": whole(16, 128),
            "n_layers": [1, 2, 3, 4],
            "learning_rate": loguniform(3e-3, 3e-2),
            "reg": loguniform(1e-4, 1e-1),
            "n_epochs": whole(10, 120),
        },
    ),
    "Item-kNN, residuals": Space(
        "rating",
        "neighbors",
        "RatingKNN",
        {"n_neighbors": whole(5, 200), "shrink": loguniform(10, 10_000)},
    ),
    "MF, ALS": Space(
        "rating",
        "mf",
        "ExplicitALS",
        {
            "n_factors": whole(2, 50),
            "reg": loguniform(1, 50),
            "n_epochs": whole(5, 30),
        },
    ),
    "MF, SGD": Space(
        "rating",
        "mf",
        "BiasedMF",
        {
            "n_factors": whole(10, 200),
            "learning_rate": loguniform(0.001, 0.05),
            "reg": loguniform(0.01, 0.3),
            "n_epochs": whole(10, 100),
        },
    ),
    "SVD++": Space(
        "rating",
        "mf",
        "SVDpp",
        {
            "n_factors": whole(10, 100),
            "learning_rate": loguniform(0.001, 0.02),
            "reg": loguniform(0.01, 0.3),
            "reg_y": loguniform(0.001, 0.1),
            "n_epochs": whole(10, 80),
        },
    ),
    "Gaussian PLSA": Space(
        "rating",
        "plsa",
        "GaussianPLSA",
        {
            "n_topics": whole(2, 30),
            "shrink": loguniform(1, 100),
            "smoothing": loguniform(0.01, 3),
            "n_epochs": whole(20, 250),
        },
    ),
    "Gibbs MF": Space(
        "rating",
        "bayesian",
        "BayesianFM",
        {
            "n_factors": whole(4, 24),
            "implicit": [False, True],
            "n_epochs": whole(60, 250),
        },
    ),
    "Transitions": Space(
        "sequence",
        "transitions",
        "Transitions",
        {
            "window": whole(1, 50),
            "decay": uniform(0.5, 0.5),
            "recency": uniform(0, 1),
            "backward": uniform(0, 1),
            "damping": uniform(0, 1),
        },
    ),
}
