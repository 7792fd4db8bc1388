"""Content: scikit-learn's TF-IDF and ridge, loops, shares that add up."""

import numpy as np
import oracles
import pandas as pd
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from recsys_tutor import splits
from recsys_tutor.baselines import BiasModel
from recsys_tutor.content import ContentBased, ContentRidge, explain, similar_items
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate_ratings
from recsys_tutor.features import RICH_FIELDS, item_terms, tfidf
from recsys_tutor.hybrid import FeatureAugmented
from recsys_tutor.metrics import rmse

# -- similar items and explanations ---------------------------------------------------


def profiles(seed=0, n_items=9, n_terms=12):
    rng = np.random.default_rng(seed)
    counts = (rng.random((n_items, n_terms)) < 0.35).astype(float)
    counts[4] = 0
    return tfidf(csr_array(counts)), [f"t{t}" for t in range(n_terms)]


def test_similar_items_are_the_largest_dot_products():
    features, _ = profiles()
    F = features.toarray()
    asked = np.array([3, 0, 3, 4])
    for k in (1, 4, 8, 11):
        lists = similar_items(features, asked, k)
        for row, i in enumerate(asked):
            dots = [sum(a * b for a, b in zip(F[i], F[j])) for j in range(9)]
            order = oracles.ranked_list(
                np.round(dots, 12), [j == i for j in range(9)], k
            )
            assert lists.items[row].tolist() == order, "never the item itself"
            n = min(k, 8)
            np.testing.assert_allclose(
                lists.scores[row, :n], [dots[j] for j in order[:n]], atol=1e-12
            )
    for wrong in (-1, 9):
        with pytest.raises(IndexError, match=f"index {wrong} is out of range"):
            similar_items(features, [0, wrong])
        with pytest.raises(IndexError, match=f"index {wrong} is out of range"):
            explain(features, [0, 1], wrong, ["t"] * 12)
        with pytest.raises(IndexError, match=f"index {wrong} is out of range"):
            explain(features, [wrong, 1], 0, ["t"] * 12)


def test_an_explanation_is_the_score_taken_apart():
    features, terms = profiles(1)
    F = features.toarray()
    data = Interactions(
        user=[0, 0, 0, 0, 1],
        item=[1, 3, 6, 4, 2],
        value=[5.0, 3.0, 4.0, 1.0, 2.0],
        time=[0, 1, 2, 3, 4],
        user_ids=np.arange(2),
        item_ids=np.arange(9),
    )
    model = ContentBased(features=features).fit(data)
    liked = data.item[data.user == 0]
    asked = 0
    for item in range(9):
        score = model.score([0])[0, item]
        table = explain(features, liked, item, terms, n=20)
        assert list(table) == ["item", "share", "because"]
        if score == 0:
            assert table.empty
            continue
        asked += 1
        assert table.share.sum() == pytest.approx(1)
        assert (np.diff(table.share) <= 0).all()
        for found, share, because in table.itertuples(index=False):
            part = F[found] * F[item]
            # its dot product over the number of liked items is its part of the score
            assert part.sum() / len(liked) == pytest.approx(share * score)
            named = [terms.index(t) for t in because.split(", ")]
            assert set(named) == set(np.flatnonzero(part)), "the shared terms, all"
            assert (np.diff(part[named]) <= 1e-15).all(), "the heaviest first"
        assert set(table.item) == {j for j in liked if F[j] @ F[item] > 0}
        short = explain(features, liked, item, terms, n=2)
        pd.testing.assert_frame_equal(short[["item", "share"]], table[:2].iloc[:, :2])
        assert all(len(b.split(", ")) <= 2 for b in short.because)
    assert asked > 5
    assert explain(features, [], 0, terms).empty


# -- ContentBased --------------------------------------------------------------------


@settings(max_examples=50)
@given(
    strategies.interactions(min_rows=1),
    st.sampled_from(["count", "rating"]),
    st.integers(0, 100),
)
def test_content_based_is_the_loops(data, weighting, seed):
    """Checks eq-content-profile."""
    if not len(data):
        return
    F = np.random.default_rng(seed).normal(size=(data.n_items, 3)).round(3)
    F[0] = 0
    model = ContentBased(features=F, weighting=weighting).fit(data)
    got, folded = model.score(np.arange(data.n_users)), model.score_history(data.csr)
    for u in range(data.n_users):
        own = {int(i): r for v, i, r in zip(data.user, data.item, data.value) if v == u}
        profile = oracles.content_profile(own, F.tolist(), weighting)
        expected = [sum(p * f for p, f in zip(profile, row)) for row in F]
        np.testing.assert_allclose(got[u], expected, atol=1e-12)
        np.testing.assert_allclose(folded[u], expected, atol=1e-12)


def test_equal_ratings_say_nothing_whatever_the_rounding():
    """The mean of three times 0.1 is not 0.1, but there is no taste in that."""
    data = Interactions(
        user=[0, 0, 0],
        item=[0, 1, 2],
        value=[0.1, 0.1, 0.1],
        time=None,
        user_ids=[0],
        item_ids=np.arange(4),
    )
    assert np.mean(data.value) != 0.1
    model = ContentBased(features=np.eye(4), weighting="rating").fit(data)
    assert model.score([0]).tolist() == [[0.0] * 4]


def test_disliked_items_push_away():
    data = toy().interactions
    features = tfidf(item_terms(toy().items, ["genres"], min_count=1)[0])
    ben = data.user_index(["Ben"])
    scores = ContentBased(features=features, weighting="rating").fit(data).score(ben)[0]
    contact, dancing = data.item_index(["Contact", "Dirty Dancing"])
    assert scores[contact] > 0 > scores[dancing], "science fiction, not romance"
    plain = ContentBased(features=features).fit(data).score(ben)[0]
    assert (plain >= 0).all()


def test_other_users_do_not_matter():
    data = toy().interactions
    features = np.random.default_rng(0).random((6, 4))
    for weighting in ("count", "rating"):
        model = ContentBased(features=features, weighting=weighting)
        everybody = model.fit(data).score([3])
        alone = model.clone().fit(data.subset(data.user == 3)).score([3])
        np.testing.assert_allclose(alone, everybody, rtol=1e-12)


# -- ContentRidge --------------------------------------------------------------------


@pytest.mark.parametrize("reg", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("n_terms", [3, 40])
def test_the_dual_is_scikit_learn_s_primal_ridge(reg, n_terms):
    """Fewer features than ratings, and more (eq-content-ridge, eq-content-dual)."""
    data = make_world(n_users=25, n_items=30, n_ratings=300).interactions
    data = data.subset(data.user != 7)
    F = np.random.default_rng(1).normal(size=(30, n_terms))
    model = ContentRidge(features=F, reg=reg).fit(data)
    bias = BiasModel().fit(data)
    base = bias.score(np.arange(25))
    scores = model.score(np.arange(25))
    weights = model.X_ @ F
    for u in range(25):
        rows = data.user == u
        if not rows.any():
            np.testing.assert_allclose(scores[u], base[u], rtol=1e-12)
            continue
        residual = data.value[rows] - base[u, data.item[rows]]
        primal = Ridge(alpha=reg, fit_intercept=False, solver="cholesky")
        primal.fit(F[data.item[rows]], residual)
        np.testing.assert_allclose(weights[u], primal.coef_, atol=1e-9)
        np.testing.assert_allclose(scores[u], base[u] + F @ primal.coef_, atol=1e-9)
    np.testing.assert_allclose(model.score_history(data.csr), scores, atol=1e-9)
    np.testing.assert_allclose(
        model.predict(data.user, data.item), scores[data.user, data.item], rtol=1e-12
    )


def test_whole_numbers_as_features_are_real_numbers():
    """0/1 features in an integer or boolean array: the penalty is not rounded off."""
    data = make_world(n_users=20, n_items=15, n_ratings=150).interactions
    F = np.random.default_rng(0).random((15, 6)) < 0.5
    for dtype in (bool, np.int64, np.float32):
        for model in (
            ContentRidge(features=F.astype(float), reg=0.7),
            ContentBased(features=F.astype(float)),
            FeatureAugmented(features=F.astype(float), reg=0.7),
        ):
            expected = model.fit(data).score([0, 5])
            same = model.clone(features=F.astype(dtype)).fit(data)
            np.testing.assert_allclose(same.score([0, 5]), expected, rtol=1e-12)


def test_only_the_kernel_of_the_features_matters():
    """A rotation of the features changes no score."""
    data = make_world(n_users=20, n_items=15, n_ratings=150).interactions
    rng = np.random.default_rng(0)
    F, (rotation, _) = rng.normal(size=(15, 4)), np.linalg.qr(rng.normal(size=(4, 4)))
    a, b = (
        ContentRidge(features=X).fit(data).score(np.arange(20))
        for X in (F, F @ rotation)
    )
    np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize("make", [ContentBased, ContentRidge, FeatureAugmented])
def test_an_item_without_ratings_is_ranked_by_its_content(make):
    """Finite scores that differ between users; for others' bias they would not."""
    world = make_world(n_users=60, n_items=40, n_ratings=1200)
    data = world.interactions
    cold = 11
    model = make(features=world.features).fit(data.subset(data.item != cold))
    scores = model.score(np.arange(60))
    assert np.isfinite(scores).all()
    taste = scores[:, cold]
    if make is ContentRidge:
        taste = taste - model.bias_.score(np.arange(60))[:, cold]
    assert np.std(taste) > 1e-3
    if make is not ContentRidge:  # those who pick its topic get it higher
        of_topic = world.theta[:, world.topic_of_item[cold]]
        assert np.corrcoef(taste, of_topic)[0, 1] > 0.5


def test_content_ridge_finds_the_planted_weights():
    rng = np.random.default_rng(0)
    n_users, n_items, d = 60, 150, 5
    F = rng.normal(size=(n_items, d))
    W = rng.normal(size=(n_users, d))
    user, item = np.nonzero(rng.random((n_users, n_items)) < 0.6)
    value = 3 + np.sum(W[user] * F[item], axis=1) + 0.3 * rng.normal(size=len(user))
    data = Interactions(
        user=user,
        item=item,
        value=value,
        time=None,
        user_ids=np.arange(n_users),
        item_ids=np.arange(n_items),
    )
    train, _, test = splits.user_holdout(data)
    model = ContentRidge(features=F).fit(train)
    found = model.X_ @ F
    # what all users share sits in the item biases
    np.testing.assert_allclose(found, W - W.mean(axis=0), atol=0.45)
    for f in range(d):
        assert np.corrcoef(found[:, f], W[:, f])[0, 1] > 0.98
    frame = evaluate_ratings(model, test, clip=None)
    # the item biases come first and take each item's raters for everybody: their error
    # has variance d / raters, which the ridge regression cannot repair
    raters = len(train) / n_items
    reachable = np.sqrt(0.3**2 + d / raters)
    assert rmse(frame.rating, frame.prediction) < 1.2 * reachable
    bias = evaluate_ratings(BiasModel().fit(train), test, clip=None)
    assert rmse(bias.rating, bias.prediction) > 3 * reachable


def test_content_ridge_beats_its_bias_model_on_movielens(movielens):
    fold = splits.k_fold(movielens.interactions)[0]
    features = tfidf(item_terms(movielens.items, RICH_FIELDS)[0])
    with threadpool_limits(1):
        frame = evaluate_ratings(
            ContentRidge(features=features).fit(fold.train), fold.test
        )
    bias = evaluate_ratings(BiasModel().fit(fold.train), fold.test)
    ours, theirs = (rmse(f.rating, f.prediction) for f in (frame, bias))
    assert ours < theirs - 0.03
