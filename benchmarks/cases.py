"""What is measured: each case prepares two runs of the same work, ours and a peer's.

A run is a function without arguments that does the work and returns its score, so that
a fast wrong answer shows. Where only training is to be timed it returns a function that
computes the score. Preparation (loading, converting to the peer's format) is not timed.
"""

from __future__ import annotations

import io
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from recsys_tutor import evaluate, metrics, splits
from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.bayesian import BayesianFM
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import load_movielens_100k
from recsys_tutor.implicit_mf import BPR, ImplicitALS
from recsys_tutor.kernels import pair_dots
from recsys_tutor.mf import BiasedMF, SVDpp, sgd_epoch
from recsys_tutor.neighbors import ItemKNN, RatingKNN
from recsys_tutor.plsa import PLSA, em_step, log_likelihood


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


def fit_surprise(algorithm, trainset, rows):
    """Fit only; the score is left for later."""
    algorithm.fit(trainset)

    def score():
        predictions = algorithm.test(rows)
        return metrics.rmse([p.r_ui for p in predictions], [p.est for p in predictions])

    return score


def fit_ours(model, fold):
    model.fit(fold.train)

    def score():
        frame = evaluate.evaluate_ratings(model, fold.test)
        return metrics.rmse(frame.rating, frame.prediction)

    return score


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


def sgd_settings():
    """The same 100 factors and 20 passes for everyone: enough work, not the best."""
    return {"n_factors": 100, "n_epochs": 20, "learning_rate": 0.007, "reg": 0.1}


def sgd_mf_surprise():
    from surprise import SVD

    fold, trainset, rows = rating_fold()
    size = {"n_factors": 100, "n_epochs": 20, "init_std_dev": 0.03}
    steps = {"lr_all": 0.007, "reg_all": 0.1, "random_state": 0}

    def ours():
        return fit_ours(BiasedMF(init_scale=0.03, **sgd_settings()), fold)

    return ours, lambda: fit_surprise(SVD(**size, **steps), trainset, rows)


def sgd_mf_cornac(same_work):
    """One thread each; the peer's factors are float32, ours float64.

    The peer visits the ratings in the order of the data and computes no objective; with
    ``same_work`` our passes do the same, else it is the whole of our ``fit``.
    """
    from cornac.data import Dataset
    from cornac.models import MF

    fold, _, _ = rating_fold()
    train, test = fold.train, fold.test
    rows = zip(train.user, train.item, train.value, strict=True)
    theirs = Dataset.build(list(rows))
    known = [
        n
        for n, (u, i) in enumerate(zip(test.user, test.item, strict=True))
        if u in theirs.uid_map and i in theirs.iid_map
    ]
    users = np.array([theirs.uid_map[u] for u in test.user[known]])
    items = np.array([theirs.iid_map[i] for i in test.item[known]])
    settings = {"learning_rate": 0.007, "lambda_reg": 0.1, "num_threads": 1}

    def peer():
        model = MF(k=100, max_iter=20, seed=0, verbose=False, **settings).fit(theirs)
        scores = np.einsum("nf,nf->n", model.u_factors[users], model.i_factors[items])
        scores += model.global_mean + model.u_biases[users] + model.i_biases[items]
        return lambda: metrics.rmse(test.value[known], np.clip(scores, 1, 5))

    def passes():
        rng, mu = np.random.default_rng(0), train.value.mean()
        b_u, b_i = np.zeros(train.n_users), np.zeros(train.n_items)
        P = rng.normal(0, 0.01, (train.n_users, 100))
        Q = rng.normal(0, 0.01, (train.n_items, 100))
        ratings = train.user, train.item, train.value, np.arange(len(train))
        for _ in range(20):
            sgd_epoch(*ratings, mu, b_u, b_i, P, Q, 0.007, 0.1)
        u, i = test.user[known], test.item[known]
        scores = mu + b_u[u] + b_i[i] + pair_dots(P, Q, u, i)
        return lambda: metrics.rmse(test.value[known], np.clip(scores, 1, 5))

    def fit():
        model = BiasedMF(init_scale=0.01, **sgd_settings()).fit(train)
        scores = model.predict(test.user[known], test.item[known])
        return lambda: metrics.rmse(test.value[known], np.clip(scores, 1, 5))

    return passes if same_work else fit, peer


def svdpp():
    """The peer moves the y_j of a user at every rating, ours once per user."""
    from surprise import SVDpp as PeerSVDpp

    fold, trainset, rows = rating_fold()
    size = {"n_factors": 20, "n_epochs": 5, "init_std_dev": 0.03}
    steps = {"lr_all": 0.005, "reg_all": 0.1, "random_state": 0}
    same = {"n_factors": 20, "n_epochs": 5, "learning_rate": 0.005, "reg": 0.1}

    def ours():
        return fit_ours(SVDpp(init_scale=0.03, reg_y=0.1, **same), fold)

    def peer():
        algorithm = PeerSVDpp(**size, **steps, cache_ratings=True)  # its faster way
        return fit_surprise(algorithm, trainset, rows)

    return ours, peer


def top_n_split(n_ratings=None):
    """MovieLens's main split, or made ratings with a popularity skew and no test."""
    if n_ratings is None:
        split = splits.item_stratified(load_movielens_100k(progress=False).interactions)
        return split.train, split.test
    return made_ratings(n_ratings), None


def made_ratings(n_ratings, seed=0) -> Interactions:
    """``n_ratings`` cells drawn with replacement, so a few fewer are left."""
    rng = np.random.default_rng(seed)
    n_users, n_items = n_ratings // 100, n_ratings // 500
    user = rng.integers(0, n_users, n_ratings)
    item = (n_items * rng.random(n_ratings) ** 2).astype(np.int64)
    cells = np.unique(user * n_items + item)
    user, item = np.divmod(cells, n_items)
    ids = np.arange(n_users), np.arange(n_items)
    return Interactions(user, item, np.ones(len(cells)), None, *ids)


def factors_score(P, Q, b, train, test) -> float:
    """NDCG@10 of ``P Q.T + b``; the mean score of a few cells when there is no test."""
    if test is None:
        return float(np.mean(P[:1000] @ Q[:1000].T + b[:1000]))
    model = BPR(n_factors=1, n_epochs=1).fit(train)
    model.P_, model.Q_, model.b_ = P, Q, b
    return evaluate.evaluate(model, test).ndcg.mean()


def implicit_als(n_factors, n_ratings=None):
    """Ten iterations, two threads, exact solves on both sides, BLAS on one thread.

    Confidences are matched. The peer has one penalty for all rows, here a size that
    suits it, and works in float32, ours in float64; so scores differ a little.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    train, test = top_n_split(n_ratings)
    n_epochs = 10 if n_ratings is None else 2
    weight = 0.3
    X = csr_matrix(train.csr.astype(np.float32))
    X.data[:] = 1 + 1 / weight  # it wants confidences with 1 for a missing cell
    zero = np.zeros(train.n_items)

    def ours():
        model = ImplicitALS(n_factors=n_factors, n_epochs=n_epochs, unobserved=weight)
        model.fit(train)
        return lambda: factors_score(model.P_, model.Q_, zero, train, test)

    def peer():
        with threadpool_limits(1, "blas"):  # as it recommends
            model = AlternatingLeastSquares(
                factors=n_factors,
                iterations=n_epochs,
                regularization=30.0,
                use_cg=False,
                num_threads=2,
                random_state=0,
            )
            model.fit(X, show_progress=False)
        factors = model.user_factors.astype(float), model.item_factors.astype(float)
        return lambda: factors_score(*factors, zero, train, test)

    return ours, peer


def bpr(num_threads, popular_negatives, n_ratings=None):
    """Fifty epochs of 128 factors and a bias.

    The peer draws negatives in proportion to popularity; one that the user has makes it
    skip the triple, a fourth of them, where ours is drawn again. Ours draws all items
    alike, its default, or as the peer does with ``popular_negatives=1.0``. The peer
    starts from smaller factors, in float32; its ``num_threads`` write to the same
    factors without locks, so two fits differ. Our steps run in one thread, in float64,
    and repeat exactly; the drawing and the objective of every epoch use two.
    """
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix

    train, test = top_n_split(n_ratings)
    n_epochs = 50 if n_ratings is None else 3
    X = csr_matrix(train.binarize().csr)
    same = {"learning_rate": 0.05, "random_state": 0}

    def ours():
        model = BPR(
            n_factors=128,
            n_epochs=n_epochs,
            reg=0.02,
            popular_negatives=popular_negatives,
            **same,
        ).fit(train)
        return lambda: factors_score(model.P_, model.Q_, model.b_, train, test)

    def peer():
        model = BayesianPersonalizedRanking(
            factors=128,
            iterations=n_epochs,
            regularization=0.02,
            num_threads=num_threads,
            **same,
        )
        model.fit(X, show_progress=False)
        P, Q = model.user_factors.astype(float), model.item_factors.astype(float)
        return lambda: factors_score(P, Q, np.zeros(len(Q)), train, test)

    return ours, peer


def gibbs_mf():
    """300 sweeps over users and items with biases, the draws kept; one thread each.

    The peer takes one row of two ones per rating, and draws by hyper-priors of the
    same kind: Gamma(½, ½) precisions, a group for users and one for items.
    """
    from scipy.sparse import csr_matrix

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        from myfm import MyFMGibbsRegressor

    data = load_movielens_100k(progress=False).interactions
    fold = splits.k_fold(data)[0]
    n_users, n_items = data.shape

    def design(part):
        columns = np.stack([part.user, n_users + part.item], axis=1).ravel()
        rows = np.repeat(np.arange(len(part)), 2)
        ones = np.ones(len(columns))
        return csr_matrix((ones, (rows, columns)), (len(part), n_users + n_items))

    train, test = design(fold.train), design(fold.test)

    def ours():
        return fit_ours(BayesianFM(n_factors=8, n_epochs=300, burn_in=20), fold)

    def peer():
        model = MyFMGibbsRegressor(rank=8, random_seed=0)
        shapes = [n_users, n_items]
        sweeps = {"n_iter": 300, "n_kept_samples": 280, "group_shapes": shapes}
        with redirect_stderr(io.StringIO()):  # its progress bar
            model.fit(train, fold.train.value, **sweeps)

        def score():
            guess = np.clip(model.predict(test), 1, 5)
            return metrics.rmse(fold.test.value, guess)

        return score

    return ours, peer


def plsa(same_work):
    """100 iterations, 20 topics, one thread each: the same likelihood, other names.

    The peer's multiplicative update of KL-NMF is the EM step up to the scale of the
    factors, but moves ``H`` after ``W`` where EM moves both at once. It computes no
    objective; with ``same_work`` neither do we, else it is the whole of our ``fit``.
    """
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    train, _ = top_n_split()
    X = train.binarize().csr
    theirs = csr_matrix(X)

    def per_entry(theta, phi):
        return log_likelihood(X, theta, phi) / X.sum()

    def steps():
        rng = np.random.default_rng(0)
        theta = rng.dirichlet(np.ones(20), train.n_users)
        phi = rng.dirichlet(np.ones(train.n_items), 20)
        for _ in range(100):
            theta, phi = em_step(X, theta, phi)
        return lambda: per_entry(theta, phi)

    def fit():
        model = PLSA(n_topics=20, n_epochs=100, beta=1.0).fit(train)
        return lambda: per_entry(model.theta_, model.phi_)

    def peer():
        model = NMF(
            n_components=20,
            init="random",
            solver="mu",
            beta_loss="kullback-leibler",
            max_iter=100,
            tol=0,
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            W = model.fit_transform(theirs)
        size = model.components_.sum(axis=1)
        A = W * size
        A /= A.sum(axis=1, keepdims=True)
        B = np.ascontiguousarray((model.components_ / size[:, None]).T)
        return lambda: per_entry(A, B)

    return steps if same_work else fit, peer


# -- networks: the peer's modules from its wheel --------------------------------------

#: What the wheel imports for logs and searches, and its models never call.
RECBOLE_LOGS = ("colorlog", "colorama", "texttable", "ray", "torch.utils.tensorboard")


def recbole_model(module, kind, config, data):
    """A RecBole 1.2.1 model from its wheel, with ``config``, for users and items + 1.

    The wheel pins old logging packages and asks for ray and tensorboard, so it is not
    in the ``[bench]`` extra: it is fetched without its dependencies (the data set comes
    from the same wheel) and read as it is. Only its ``nn.Module`` is used.
    """
    import sys
    import tempfile
    from importlib import import_module
    from pathlib import Path
    from unittest.mock import MagicMock

    from recsys_tutor.datasets.movielens_sources import download_wheel

    if "recbole" not in sys.modules:
        sys.path.append(str(download_wheel(Path(tempfile.mkdtemp()))))
        sys.modules.update({name: MagicMock() for name in RECBOLE_LOGS})
    fields = {"USER_ID_FIELD": "user", "ITEM_ID_FIELD": "item", "LABEL_FIELD": "label"}
    fields |= {"NEG_PREFIX": "neg_", "LIST_SUFFIX": "_list", "device": "cpu"}
    fields |= {"ITEM_LIST_LENGTH_FIELD": "length", "USER_INTER_NUM_FIELD": "count"}
    model = getattr(import_module(f"recbole.model.{module}"), kind)
    return model(defaultdict(lambda: None, fields | config), data)


class PeerData:
    """What a RecBole model asks of a data set: sizes and each user's items, from 1."""

    def __init__(self, train):
        self.sizes = {"user": train.n_users + 1, "item": train.n_items + 1}
        self.X = train.csr

    def num(self, field):
        return self.sizes[field]

    def inter_matrix(self, form):
        from scipy.sparse import coo_matrix

        X = self.X.tocoo()
        shape = self.sizes["user"], self.sizes["item"]
        return coo_matrix((X.data, (X.row + 1, X.col + 1)), shape)

    def history_item_matrix(self):
        import torch

        from recsys_tutor.sequential import pad

        rows = np.split(self.X.indices, self.X.indptr[1:-1])
        items = pad([[], *rows], max(map(len, rows)))
        return torch.from_numpy(items), torch.from_numpy(items > 0).float(), None


class PeerScores(Popularity):
    """A fitted model whose scores are given: so that both sides are measured alike."""

    def with_scores(self, scores):
        self.scores_ = np.asarray(scores, dtype=float)
        return self

    def _score_users(self, users):
        return self.scores_[users]


def network_epochs(ours, peer_parts, batches, scores, split, n_epochs=3):
    """``n_epochs`` of both, batches of the same size, on one torch thread.

    The peer's batches are tensors before the clock starts, so its data loaders and its
    drawing of negatives cost nothing; ours are made within each epoch.
    """
    import torch

    torch.set_num_threads(1)

    def score_of(model):
        return evaluate.evaluate(model, split.test).ndcg.mean()

    def run_ours():
        model = ours.clone(n_epochs=n_epochs).fit(split.train)
        return lambda: score_of(model)

    def run_peer():
        torch.manual_seed(0)
        model = recbole_model(*peer_parts, PeerData(split.train))
        optimizer = torch.optim.Adam(model.parameters(), lr=ours.learning_rate)
        for _ in range(n_epochs):
            model.train()
            for batch in batches:
                optimizer.zero_grad()
                model.calculate_loss(batch).backward()
                optimizer.step()

        def score():
            model.eval()
            with torch.no_grad():
                table = scores(model)
            return score_of(PeerScores().fit(split.train).with_scores(table))

        return score

    return run_ours, run_peer


def neumf():
    """Factors 32 and 32, layers 64-32-16, four negatives a pair, batches of 1,024."""
    import torch

    from recsys_tutor.neural import NeuMF
    from recsys_tutor.sampling import sample_negatives

    split = splits.item_stratified(load_movielens_100k(progress=False).interactions)
    train, rng = split.train, np.random.default_rng(0)
    repeated = np.repeat(train.user, 4)
    negative = sample_negatives(rng, repeated, train.csr)
    columns = {
        "user": np.append(train.user, repeated) + 1,
        "item": np.append(train.item, negative) + 1,
        "label": np.repeat([1.0, 0.0], [len(train), len(negative)]).astype("float32"),
    }
    order = rng.permutation(len(columns["user"]))
    parts = [order[a : a + 1024] for a in range(0, len(order), 1024)]
    batches = [{k: torch.from_numpy(c[p]) for k, c in columns.items()} for p in parts]
    config = {"mf_embedding_size": 32, "mlp_embedding_size": 32, "dropout_prob": 0.0}
    config |= {"mlp_hidden_size": [32, 16], "mf_train": True, "mlp_train": True}

    def scores(model):
        items = torch.arange(1, train.n_items + 1)
        users = torch.arange(1, train.n_users + 1).unsqueeze(1)
        return [model.forward(u.repeat(len(items)), items).tolist() for u in users]

    parts = "general_recommender.neumf", "NeuMF", config
    model = NeuMF(n_factors=32, hidden=(64, 32, 16), n_negatives=4, batch_size=1024)
    return network_epochs(model, parts, batches, scores, split)


def mult_vae():
    """One hidden layer of 200, 32 factors, batches of 64 users.

    The peer draws a hundredth of the noise that the model has, which takes as long, and
    scores with its last network; ours with a running mean, which lags after 20 epochs.
    """
    import torch

    from recsys_tutor.autoencoders import MultVAE

    split = splits.item_stratified(load_movielens_100k(progress=False).interactions)
    users = torch.from_numpy(np.unique(split.train.user) + 1)
    order = users[torch.randperm(len(users), generator=torch.Generator())]
    batches = [{"user": part} for part in order.split(64)]
    config = {"mlp_hidden_size": [200], "latent_dimension": 64, "dropout_prob": 0.5}
    config |= {"anneal_cap": 1.0, "total_anneal_steps": 300}

    def scores(model):
        everyone = torch.arange(1, split.train.n_users + 1)
        return model(model.get_rating_matrix(everyone))[0][:, 1:].numpy()

    parts = "general_recommender.multivae", "MultiVAE", config
    model = MultVAE(hidden=200, n_factors=32, batch_size=64, learning_rate=0.001)
    return network_epochs(model, parts, batches, scores, split, n_epochs=20)


def light_gcn():
    """64 factors, 2 steps on the graph, batches of 4,096 triples.

    Scipy has taken away the method by which the peer fills its matrix; it is put back.
    """
    import torch
    from scipy.sparse import dok_matrix

    from recsys_tutor.graph import LightGCN
    from recsys_tutor.sampling import sample_negatives

    split = splits.item_stratified(load_movielens_100k(progress=False).interactions)
    train, rng = split.train, np.random.default_rng(0)
    negative = sample_negatives(rng, train.user, train.csr)
    columns = {"user": train.user, "item": train.item, "neg_item": negative}
    order = rng.permutation(len(train))
    parts = [order[a : a + 4096] for a in range(0, len(order), 4096)]
    batches = [
        {k: torch.from_numpy(c[p] + 1) for k, c in columns.items()} for p in parts
    ]
    dok_matrix._update = lambda self, cells: self._dict.update(cells)
    config = {"embedding_size": 64, "n_layers": 2, "reg_weight": 0.001}
    config |= {"require_pow": True}

    def scores(model):
        P, Q = model.forward()
        return (P[1:] @ Q[1:].T).numpy()

    parts = "general_recommender.lightgcn", "LightGCN", config
    model = LightGCN(n_factors=64, n_layers=2, batch_size=4096, learning_rate=0.01)
    return network_epochs(model, parts, batches, scores, split, n_epochs=10)


def sequence_model(name):
    """200 users, 64 factors, 50 items of history, cross-entropy over all items.

    The peer takes each step to the next item as an example of its own, with up to 50
    items before it, 2,048 a batch as is its default; ours reads a piece of 51 items
    once and learns from all its steps, 64 pieces a batch. An epoch of both has the same
    steps as targets. Our GRU has 64 states and biases, the peer's 64 and a linear map.
    """
    import torch

    from recsys_tutor import sequential

    data = load_movielens_100k(progress=False).interactions
    split = splits.leave_last_out(data.subset(data.user < 200))
    train = split.train
    order = train.timeline()
    user, item = train.user[order], train.item[order]
    lists = np.split(item, np.searchsorted(user, np.arange(1, train.n_users)))
    steps = [(items, n) for items in lists for n in range(1, len(items))]
    before = [items[max(n - 50, 0) : n] for items, n in steps]
    target = np.concatenate([items[1:] for items in lists]) + 1

    def batch_of(sequences, target=None):
        made = {"item_list": torch.from_numpy(sequential.pad(sequences, 50))}
        made["length"] = torch.tensor([max(len(s), 1) for s in sequences])
        return made if target is None else {**made, "item": torch.from_numpy(target)}

    order = np.random.default_rng(0).permutation(len(target))
    parts = [order[a : a + 2048] for a in range(0, len(order), 2048)]
    batches = [batch_of([before[n] for n in part], target[part]) for part in parts]
    config = {"MAX_ITEM_LIST_LENGTH": 50, "loss_type": "CE", "hidden_size": 64}
    if name == "GRU4Rec":
        config |= {"embedding_size": 64, "num_layers": 1, "dropout_prob": 0.5}
    else:
        config |= {"n_layers": 2, "n_heads": 1, "inner_size": 64, "hidden_act": "relu"}
        config |= {"hidden_dropout_prob": 0.3, "attn_dropout_prob": 0.0}
        config |= {"layer_norm_eps": 1e-12, "initializer_range": 0.02}

    def scores(model):
        last = batch_of([items[-50:] for items in lists])
        return model.full_sort_predict({"item": None, **last})[:, 1:].numpy()

    parts = f"sequential_recommender.{name.lower()}", name, config
    ours = getattr(sequential, name)()
    return network_epochs(ours, parts, batches, scores, split, n_epochs=1)


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
    Case("SGD MF, f 100", "scikit-surprise SVD", "RMSE", sgd_mf_surprise),
    Case("SGD MF, f 100", "cornac MF", "RMSE", partial(sgd_mf_cornac, False)),
    Case("SGD passes only, f 100", "cornac MF", "RMSE", partial(sgd_mf_cornac, True)),
    Case("SVD++, f 20", "scikit-surprise SVDpp", "RMSE", svdpp),
    Case("Implicit ALS, f 16", "implicit", "NDCG@10", partial(implicit_als, 16)),
    Case("Implicit ALS, f 64", "implicit", "NDCG@10", partial(implicit_als, 64)),
    Case("BPR, f 128", "implicit, 1 thread", "NDCG@10", partial(bpr, 1, 0.0)),
    Case("BPR, f 128", "implicit, 2 threads", "NDCG@10", partial(bpr, 2, 0.0)),
    Case(
        "BPR, f 128, popular negatives",
        "implicit, 2 threads",
        "NDCG@10",
        partial(bpr, 2, 1.0),
    ),
    Case("300 Gibbs sweeps, rank 8", "myFM", "RMSE", gibbs_mf),
    Case(
        "PLSA, K 20, 100 iterations",
        "scikit-learn NMF, KL",
        "log-likelihood per entry",
        partial(plsa, False),
    ),
    Case(
        "PLSA EM steps only, K 20, 100 iterations",
        "scikit-learn NMF, KL",
        "log-likelihood per entry",
        partial(plsa, True),
    ),
    Case("NeuMF, 3 epochs", "RecBole NeuMF", "NDCG@10", neumf),
    Case("Mult-VAE, 20 epochs", "RecBole MultiVAE", "NDCG@10", mult_vae),
    Case("LightGCN, 10 epochs", "RecBole LightGCN", "NDCG@10", light_gcn),
    Case(
        "GRU4Rec, 200 users, 1 epoch",
        "RecBole GRU4Rec",
        "NDCG@10",
        partial(sequence_model, "GRU4Rec"),
    ),
    Case(
        "SASRec, 200 users, 1 epoch",
        "RecBole SASRec",
        "NDCG@10",
        partial(sequence_model, "SASRec"),
    ),
)

TEN_MILLION = 10_000_000
LARGE = (
    Case(
        "Implicit ALS, f 16, 10 M made ratings",
        "implicit",
        "mean score",
        partial(implicit_als, 16, TEN_MILLION),
    ),
    Case(
        "Implicit ALS, f 64, 10 M made ratings",
        "implicit",
        "mean score",
        partial(implicit_als, 64, TEN_MILLION),
    ),
    Case(
        "BPR, f 128, 10 M made ratings",
        "implicit, 2 threads",
        "mean score",
        partial(bpr, 2, 0.0, TEN_MILLION),
    ),
)
