"""What is measured: each case prepares two runs of the same work, ours and a peer's.

A run is a function without arguments that does the work and returns its score, so that
a fast wrong answer shows. Preparation (loading, converting to the peer's format) is not
timed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from recsys_tutor import evaluate, metrics, splits
from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.datasets import load_movielens_100k
from recsys_tutor.neighbors import ItemKNN, RatingKNN


class Case(NamedTuple):
    """``prepare()`` returns ``(ours, peer)``."""

    name: str
    peer: str
    score: str
    prepare: Callable


def rating_fold():
    """The first of scikit-surprise's five folds, and the same in its own format."""
    import pandas as pd
    from surprise import Dataset, Reader

    data = load_movielens_100k(progress=False).interactions
    fold = splits.k_fold(data)[0]
    train = fold.train.to_frame()[["user", "item", "value"]]
    theirs = Dataset.load_from_df(pd.DataFrame(train), Reader(rating_scale=(1, 5)))
    pairs = fold.test.to_frame()[["user", "item", "value"]]
    rows = list(pairs.itertuples(index=False, name=None))
    return fold, theirs.build_full_trainset(), rows


def surprise_rmse(algorithm, trainset, rows) -> float:
    """Fit a scikit-surprise algorithm and its RMSE on the test rows."""
    predictions = algorithm.fit(trainset).test(rows)
    return metrics.rmse([p.r_ui for p in predictions], [p.est for p in predictions])


def our_rmse(model, fold) -> float:
    frame = evaluate.evaluate_ratings(model.fit(fold.train), fold.test)
    return metrics.rmse(frame.rating, frame.prediction)


def bias_model():
    from surprise import BaselineOnly

    fold, trainset, rows = rating_fold()
    options = {"method": "als", "n_epochs": 20, "reg_u": 5, "reg_i": 2}

    def peer():
        algorithm = BaselineOnly(bsl_options=options, verbose=False)
        return surprise_rmse(algorithm, trainset, rows)

    return lambda: our_rmse(BiasModel(), fold), peer


def ranking_metrics():
    """NDCG@10 of 943 lists over 1,682 items, from scores to the mean."""
    import pytrec_eval

    data = load_movielens_100k(progress=False).interactions
    split = splits.item_stratified(data)
    model = Popularity().fit(split.train)
    users = np.unique(split.test.user)
    names = [str(i) for i in range(data.n_items)]
    relevant = {
        str(u): {names[i]: 1 for i in split.test.csr[[u]].indices} for u in users
    }

    def peer():
        measure = pytrec_eval.RelevanceEvaluator(relevant, {"ndcg_cut.10"})
        lists = {}
        for u, scores in zip(users, model.score(users)):
            seen = set(split.train.csr[[u]].indices.tolist())
            row = enumerate(scores.tolist())
            # trec_eval breaks ties by name; a tiny slope makes them fall our way
            lists[str(u)] = {names[i]: s - i * 1e-6 for i, s in row if i not in seen}
        return np.mean([x["ndcg_cut_10"] for x in measure.evaluate(lists).values()])

    return lambda: evaluate.evaluate(model, split.test).ndcg.mean(), peer


def residual_knn(by):
    """Neighbours on the residuals of the bias model; both cut at k = 50."""
    from surprise import KNNBaseline

    fold, trainset, rows = rating_fold()
    similarity = {
        "name": "pearson_baseline",
        "shrinkage": 2500,
        "user_based": by == "user",
    }
    baselines = {"method": "als", "n_epochs": 20, "reg_u": 5, "reg_i": 2}

    def peer():
        algorithm = KNNBaseline(
            k=50, sim_options=similarity, bsl_options=baselines, verbose=False
        )
        return surprise_rmse(algorithm, trainset, rows)

    return lambda: our_rmse(RatingKNN(by=by), fold), peer


def cosine_item_knn():
    """Cosine of 0/1 columns, all neighbours: fit and the ten best unseen items of all.

    One thread each: ours are sparse products, which use one. The score is the mean of
    the ten scores of every list.
    """
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    data = load_movielens_100k(progress=False).interactions
    train = splits.item_stratified(data).train
    X = csr_matrix(train.binarize().csr)
    users = np.arange(train.n_users)

    def ours():
        model = ItemKNN(n_neighbors=train.n_items, alpha=0.5, shrink=0.0)
        return model.fit(train).recommend(users, 10).scores.mean()

    def peer():
        model = CosineRecommender(K=train.n_items, num_threads=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it makes a coo matrix and minds it
            model.fit(X, show_progress=False)
        return model.recommend(users, X[users], N=10)[1].mean()

    return ours, peer


CASES = (
    Case("Bias model, 20 passes", "scikit-surprise BaselineOnly", "RMSE", bias_model),
    Case("Ranking metrics, all users", "pytrec-eval", "NDCG@10", ranking_metrics),
    Case(
        "Residual item-kNN",
        "scikit-surprise KNNBaseline",
        "RMSE",
        partial(residual_knn, "item"),
    ),
    Case(
        "Residual user-kNN",
        "scikit-surprise KNNBaseline",
        "RMSE",
        partial(residual_knn, "user"),
    ),
    Case(
        "Cosine item-kNN, top 10",
        "implicit CosineRecommender",
        "mean score",
        cosine_item_knn,
    ),
)
