"""Evaluation: hand counts, check values of the protocol, intervals, speed, memory."""

import math
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import oracles
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsys_tutor import parts, splits
from recsys_tutor.base import NotFittedError, Recommender
from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.compare import (
    Interval,
    bootstrap,
    compare,
    compare_ratings,
    paired_bootstrap,
)
from recsys_tutor.data import Dataset, Interactions, Split
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate, evaluate_ratings, summarize, title_lists
from recsys_tutor.metrics import rmse

METRICS = ["precision", "recall", "ndcg", "ap", "mrr", "hit"]
COLUMNS = [*METRICS, "auc", "novelty", "n_relevant"]


class Fixed(Recommender):
    """Scores given in the constructor: what is evaluated is known."""

    def __init__(self, *, scores=None):
        self.scores = scores

    def _fit(self, train):
        pass

    def _score_users(self, users):
        return np.asarray(self.scores, dtype=float)[users]

    def _predict(self, users, items):
        return np.asarray(self.scores, dtype=float)[users, items]


def data_of(cells, n_users, n_items, value=None):
    user, item = np.array(cells, dtype=int).reshape(-1, 2).T
    return Interactions(
        user=user,
        item=item,
        value=np.ones(len(user)) if value is None else value,
        time=np.arange(len(user)),
        user_ids=[f"u{n}" for n in range(n_users)],
        item_ids=[f"i{n}" for n in range(n_items)],
    )


@pytest.fixture(scope="module")
def main_split(ratings):
    return splits.item_stratified(ratings)


# -- against loops ------------------------------------------------------------------


def literal_evaluation(scores, train, test, k, excluded):
    """One dict per user with test rows, by plain loops."""
    counts = [0] * train.n_items
    for i in train.item.tolist():
        counts[i] += 1
    positives = {}
    for u, i in zip(test.user.tolist(), test.item.tolist(), strict=True):
        positives.setdefault(u, set()).add(i)
    result, shown = {}, [0] * train.n_items
    for u in sorted(positives):
        banned = [excluded[u, i] for i in range(train.n_items)]
        items = oracles.ranked_list(scores[u], banned, k)
        row = oracles.list_metrics(items, positives[u], k)
        good = [i for i in positives[u] if not banned[i]]
        bad = [
            i for i in range(train.n_items) if not banned[i] and i not in positives[u]
        ]
        row["auc"] = oracles.auc(scores[u], good, bad) if good and bad else math.nan
        row["novelty"] = oracles.novelty(items, counts, train.n_users)
        row["n_relevant"] = len(positives[u])
        result[u] = row
        for i in items:
            if i >= 0:
                shown[i] += 1
    return pd.DataFrame.from_dict(result, orient="index"), shown


@pytest.mark.parametrize("k", [1, 3, 10, 30])
@pytest.mark.parametrize("seed", range(3))
def test_evaluate_against_loops(k, seed):
    rng = np.random.default_rng(seed)
    n_users, n_items = 14, 9
    state = rng.integers(0, 4, (n_users, n_items))
    state[0] = 1  # saw everything: no recommendations
    state[1, :] = np.where(state[1] == 2, 0, state[1])  # nothing to find
    state[0, 0] = 2
    state[0, 1:] = 1
    train = data_of(np.argwhere(state == 1), n_users, n_items)
    test = data_of(np.argwhere(state == 2), n_users, n_items)
    scores = rng.integers(0, 5, (n_users, n_items))  # ties
    model = Fixed(scores=scores).fit(train)
    ban = rng.random((n_users, n_items)) < 0.3
    for exclude, banned in (
        ("seen", state == 1),
        (None, np.zeros_like(ban)),
        (csr_array(ban.astype(float)), ban),
    ):
        got = evaluate(model, test, k=k, exclude=exclude)
        expected, shown = literal_evaluation(scores, train, test, k, banned)
        assert list(got) == COLUMNS and got.index.name == "user"
        assert got.index.tolist() == expected.index.tolist()
        for name in COLUMNS:
            np.testing.assert_allclose(got[name], expected[name], atol=1e-12)
        assert got.attrs["k"] == k
        assert got.attrs["coverage"] == sum(n > 0 for n in shown) / n_items
        assert got.attrs["gini"] == pytest.approx(oracles.gini(shown), abs=1e-12)
        assert got.attrs["n_users_without_test"] == n_users - len(expected) >= 1
        means = summarize(got)
        assert list(means.index) == [*COLUMNS[:-1], "coverage", "gini"]
        for name in COLUMNS[:-1]:
            assert means[name] == pytest.approx(np.nanmean(expected[name]))
        assert means["gini"] == got.attrs["gini"]


def test_popularity_on_movielens_against_a_hand_count(main_split):
    train, _, test = main_split
    got = evaluate(Popularity().fit(train), test)
    counts = [0] * train.n_items
    seen = [set() for _ in range(train.n_users)]
    relevant = [set() for _ in range(train.n_users)]
    for u, i in zip(train.user.tolist(), train.item.tolist(), strict=True):
        counts[i] += 1
        seen[u].add(i)
    for u, i in zip(test.user.tolist(), test.item.tolist(), strict=True):
        relevant[u].add(i)
    by_count = sorted(range(train.n_items), key=lambda i: (-counts[i], i))
    assert got.index.tolist() == [u for u in range(train.n_users) if relevant[u]]
    for u in got.index:
        items = [i for i in by_count if i not in seen[u]][:10]
        expected = oracles.list_metrics(items, relevant[u], 10)
        for name in METRICS:
            assert got.loc[u, name] == pytest.approx(expected[name], abs=1e-12)


# -- check values of the protocol ----------------------------------------------------


def test_check_values_of_popularity(main_split):
    mean = summarize(evaluate(Popularity().fit(main_split.train), main_split.test))
    rounded = mean[["ndcg", "precision", "recall", "ap"]].round(4).tolist()
    assert rounded == [0.2524, 0.2287, 0.1132, 0.0560]


def test_check_value_of_ease(main_split):
    """A literal EASE reaches the published number: split, masks and NDCG agree."""
    model = oracles.LiteralEASE(reg=300.0).fit(main_split.train)
    assert round(evaluate(model, main_split.test).ndcg.mean(), 4) == 0.4842


def test_check_values_of_the_sequential_task(ratings):
    split = splits.leave_last_out(ratings)
    per_user = evaluate(Popularity().fit(split.train), split.test)
    assert len(per_user) == 943
    assert round(per_user.hit.mean(), 3) == 0.086
    # One relevant item: NDCG is 1 / log2(place + 1), recomputed here from the ranks.
    # It hangs on the order of equally popular films: lower index first, as in this
    # package, or higher index first; the hit rate does not.
    counts = np.bincount(split.train.item, minlength=ratings.n_items)
    seen = split.train.csr.toarray() != 0
    gains = {"lower first": [], "higher first": []}
    for u, i in zip(split.test.user, split.test.item, strict=True):
        free = ~seen[u]
        above = np.sum(counts[free] > counts[i])
        tied = np.flatnonzero(free & (counts == counts[i]))
        for order, before in (("lower", tied < i), ("higher", tied > i)):
            place = 1 + above + before.sum()
            gain = 1 / math.log2(place + 1) if place <= 10 else 0.0
            gains[f"{order} first"].append(gain)
    mean = {order: np.mean(gain) for order, gain in gains.items()}
    assert per_user.ndcg.mean() == pytest.approx(mean["lower first"], abs=1e-12)
    assert round(mean["lower first"], 4) == 0.0449
    assert round(mean["higher first"], 4) == 0.0439
    hits = {order: np.count_nonzero(gain) for order, gain in gains.items()}
    assert hits["lower first"] == hits["higher first"] == per_user.hit.sum()


def test_bias_model_in_five_folds(ratings):
    table = compare_ratings({"Bias": BiasModel()}, splits.k_fold(ratings))
    assert table.loc["Bias", "rmse"] <= 0.941
    assert table.loc["Bias", "mae"] < table.loc["Bias", "rmse"]


def test_bias_model_predicts_what_surprise_predicts(ratings):
    import surprise

    fold = splits.k_fold(ratings)[0]
    frame = pd.DataFrame(
        {"u": fold.train.user, "i": fold.train.item, "r": fold.train.value}
    )
    loaded = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5)))
    options = {"method": "als", "reg_u": 5, "reg_i": 2, "n_epochs": 20}
    theirs = surprise.BaselineOnly(bsl_options=options, verbose=False)
    theirs.fit(loaded.build_full_trainset())
    expected = [
        theirs.predict(u, i).est
        for u, i in zip(fold.test.user, fold.test.item, strict=True)
    ]
    model = BiasModel(reg_u=5, reg_i=2, n_epochs=20).fit(fold.train)
    ours = evaluate_ratings(model, fold.test)
    np.testing.assert_allclose(ours.prediction, expected, rtol=0, atol=1e-10)


# -- options and errors --------------------------------------------------------------


def test_users_without_test_rows_are_left_out_and_counted():
    train = data_of([(0, 0), (1, 1), (2, 2), (3, 0)], 4, 5)
    test = data_of([(2, 4), (0, 1)], 4, 5)
    got = evaluate(Popularity().fit(train), test, k=2)
    assert got.index.tolist() == [0, 2]
    assert got.attrs["n_users_without_test"] == 2


def test_users_without_recommendations_count_as_zero():
    cells = [(0, i) for i in range(3)] + [(1, 0)]
    test = data_of([(0, 1), (1, 2)], 2, 3)
    train = data_of(cells, 2, 3)
    model = Fixed(scores=np.array([[1, 2, 3], [1, 2, 3]])).fit(train)
    got = evaluate(model, test, k=1, exclude=train.csr)
    assert got.loc[0, [*METRICS, "novelty"]].tolist() == [0] * 7
    assert got.loc[1, METRICS].tolist() == [1] * 6
    assert summarize(got)[METRICS].tolist() == [0.5] * 6, "not dropped from the mean"


def test_threshold_chooses_what_is_relevant():
    train = data_of([(0, 0), (1, 0)], 2, 4)
    test = data_of([(0, 1), (0, 2), (1, 3)], 2, 4, value=[4, 3, 2])
    model = Fixed(scores=np.array([[0, 1, 2, 3]] * 2)).fit(train)
    assert evaluate(model, test).n_relevant.tolist() == [2, 1]
    liked = evaluate(model, test, threshold=4)
    assert liked.index.tolist() == [0] and liked.n_relevant.tolist() == [1]
    assert liked.mrr.tolist() == [1 / 3]
    assert liked.attrs["n_users_without_test"] == 1
    with pytest.raises(ValueError, match="no test row is relevant; lower the"):
        evaluate(model, test, threshold=4.5)


def test_item_features_add_diversity():
    train, test = data_of([(0, 0), (1, 1)], 2, 4), data_of([(0, 1), (1, 0)], 2, 4)
    features = np.array([[1, 0], [0, 1], [1, 1], [1, 0]])
    model = Fixed(scores=np.array([[4, 3, 2, 1]] * 2)).fit(train)
    got = evaluate(model, test, k=2, item_features=features)
    assert list(got) == [*COLUMNS[:-1], "diversity", "n_relevant"]
    expected = [oracles.diversity(items, features) for items in ([1, 2], [0, 2])]
    np.testing.assert_allclose(got.diversity, expected)
    assert "diversity" in summarize(got)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10**6])
def test_batches_change_nothing(batch_size):
    world = make_world(n_users=30, n_items=40, n_ratings=500, stars=True)
    train, _, test = splits.item_stratified(world.interactions)
    model = Random().fit(train)
    features = world.features
    once = evaluate(model, test, item_features=features)
    parts = evaluate(model, test, batch_size=batch_size, item_features=features)
    pd.testing.assert_frame_equal(once, parts, rtol=1e-12)
    assert once.attrs == parts.attrs


def test_errors_are_explained():
    data = toy().interactions
    model = Popularity().fit(data)
    other = replace(data, item_ids=[*data.item_ids, "Gattaca"])
    ratings = BiasModel().fit(data)
    for judge, fitted in ((evaluate, model), (evaluate_ratings, ratings)):
        with pytest.raises(
            ValueError, match=r"test has shape \(5, 7\) and train \(5, 6\)"
        ):
            judge(fitted, other)
        with pytest.raises(NotFittedError):
            judge(fitted.clone(), data)
    with pytest.raises(ValueError, match="no test row is relevant"):
        evaluate(model, data.subset([]))
    with pytest.raises(ValueError, match="batch_size must be"):
        evaluate(model, data, batch_size=0)
    with pytest.raises(ValueError, match="k must be"):
        evaluate(model, data, k=0)
    with pytest.raises(ValueError, match="exclude"):
        evaluate(model, data, exclude="all")
    with pytest.raises(NotImplementedError, match="does not predict ratings"):
        evaluate_ratings(model, data)


def test_ratings_are_clipped_and_pooled():
    train = data_of([(0, 0), (1, 1)], 2, 3, value=[1, 5])
    test = data_of([(0, 1), (0, 2), (1, 0)], 2, 3, value=[5, 1, 2])
    model = Fixed(scores=np.array([[3, 7, -2], [2.5, 3, 3]])).fit(train)
    got = evaluate_ratings(model, test)
    assert got.to_numpy().tolist() == [[0, 1, 5, 5], [0, 2, 1, 1], [1, 0, 2, 2.5]]
    assert list(got) == ["user", "item", "rating", "prediction"]
    # over all ratings at once: the mean over users would be 0.25
    assert rmse(got.rating, got.prediction) == math.sqrt(0.25 / 3)
    raw = evaluate_ratings(model, test, clip=None)
    assert raw.prediction.tolist() == [7, -2, 2.5]
    low = evaluate_ratings(model, test, clip=(2, 4))
    assert low.prediction.tolist() == [4, 2, 2.5]


class Clock(Fixed):
    """Predicts the hour of the rating; without it, midnight."""

    uses_time = True

    def _predict(self, users, items):
        return np.zeros(len(users))

    def _predict_at(self, users, items, time):
        return time / 3600


def test_ratings_with_their_own_times():
    train = data_of([(0, 0), (1, 1)], 2, 3, value=[1, 5])
    test = Interactions(
        [0, 0, 1], [1, 2, 0], [5.0, 1, 2], [7200, 3600, 36000],
        train.user_ids, train.item_ids,
    )  # fmt: skip
    model = Clock(scores=np.zeros((2, 3))).fit(train)
    told = evaluate_ratings(model, test, own_time=True, clip=None)
    assert told.prediction.tolist() == [2, 1, 10]
    assert told.rating.tolist() == [5, 1, 2]
    clipped = evaluate_ratings(model, test, own_time=True)
    assert clipped.prediction.tolist() == [2, 1, 5]
    untold = evaluate_ratings(model, test, clip=None)
    assert untold.prediction.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="Fixed .*does not use the time"):
        evaluate_ratings(Fixed(scores=np.zeros((2, 3))).fit(train), test, own_time=True)
    with pytest.raises(ValueError, match="needs the times of the test ratings"):
        evaluate_ratings(model, replace(test, time=None), own_time=True)


def test_title_lists():
    data = toy()
    model = Popularity().fit(data.interactions)
    # counts: Alien 3, Blade Runner 3, Contact 1, Dirty Dancing 3, Emma 3, Fargo 5
    table = title_lists(model, [4, 0], data.items.title, k=4)
    assert table["Eva"].tolist() == ["Alien", "Blade Runner", "Dirty Dancing", "Emma"]
    assert table["Ana"].tolist() == ["Emma", "Contact", "", ""]
    assert list(table) == ["Eva", "Ana"] and table.index.tolist() == [1, 2, 3, 4]
    assert table.index.name == "place"
    with pytest.raises(ValueError, match="got 5 titles for 6 items"):
        title_lists(model, [0], data.items.title[:5])


# -- intervals -----------------------------------------------------------------------


def test_bootstrap_covers_the_mean_of_normal_data():
    """About 95 of 100 intervals of a 95 % bootstrap hold the true mean."""
    rng = np.random.default_rng(0)
    n_trials, covered = 600, 0
    for trial in range(n_trials):
        x = rng.normal(3.0, 2.0, size=80)
        interval = bootstrap(x, n_boot=600, random_state=trial)
        covered += interval.low <= 3.0 <= interval.high
    # the percentile interval is a little short at n = 80; ±3 standard errors
    assert abs(covered / n_trials - 0.945) < 3 * math.sqrt(0.95 * 0.05 / n_trials)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_bootstrap_is_scipy_s_percentile_interval(level):
    x = np.random.default_rng(1).gamma(1.0, size=60)
    ours = bootstrap(x, n_boot=40_000, level=level)
    theirs = stats.bootstrap(
        (x,),
        np.mean,
        n_resamples=40_000,
        method="percentile",
        confidence_level=level,
        rng=np.random.default_rng(2),
    ).confidence_interval
    # standard error of a simulated 2.5 % quantile (the wider case), four of them
    density = stats.norm.pdf(stats.norm.ppf(0.025)) / (x.std() / math.sqrt(60))
    error = 4 * math.sqrt(2) * math.sqrt(0.025 * 0.975 / 40_000) / density
    assert ours.mean == x.mean()
    assert abs(ours.low - theirs.low) < error
    assert abs(ours.high - theirs.high) < error


def test_bootstrap_repeats_and_obeys_its_seed():
    x = np.arange(20.0)
    assert bootstrap(x) == bootstrap(x, random_state=0) != bootstrap(x, random_state=1)
    assert isinstance(bootstrap(x), Interval)
    wide, narrow = bootstrap(x, level=0.99), bootstrap(x, level=0.5)
    assert wide.low < narrow.low < x.mean() < narrow.high < wide.high
    assert bootstrap(np.full(9, 2.0)) == (2, 2, 2)


def test_bootstrap_in_blocks_has_the_same_distribution():
    x = np.random.default_rng(3).normal(size=10_000)  # 420 resamples per block
    interval = bootstrap(x, n_boot=1000)
    se = x.std() / 100
    assert interval.low == pytest.approx(x.mean() - 1.96 * se, abs=0.15 * se)
    assert interval.high == pytest.approx(x.mean() + 1.96 * se, abs=0.15 * se)


@pytest.mark.parametrize(
    "values",
    [[], [1, np.nan], [1, np.inf], [[1, 2]]],
    ids=["empty", "nan", "inf", "2d"],
)
def test_bootstrap_refuses(values):
    with pytest.raises(ValueError, match="finite, 1-D and not empty, got shape"):
        bootstrap(values)


@pytest.mark.parametrize(
    "options", [{"n_boot": 0}, {"n_boot": 1.5}, {"level": 1}, {"level": 0}]
)
def test_bootstrap_checks_its_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        bootstrap([1.0, 2.0], **options)


def test_paired_bootstrap_is_the_bootstrap_of_the_differences():
    rng = np.random.default_rng(4)
    level = rng.normal(0, 5, size=100)  # users differ much, models little
    a, b = level + 0.1 + rng.normal(0, 0.1, 100), level
    paired = paired_bootstrap(a, b)
    assert paired == bootstrap(a - b)
    options = {"level": 0.5, "n_boot": 100, "random_state": 3}
    assert paired_bootstrap(a, b, **options) == bootstrap(a - b, **options)
    assert paired.mean == pytest.approx(a.mean() - b.mean())
    assert paired.low > 0, "the pairing sees the difference"
    assert bootstrap(a).low < b.mean() < bootstrap(a).high, "without it nobody could"
    with pytest.raises(ValueError, match="a and b must pair up, got shapes"):
        paired_bootstrap(a, b[:-1])


# -- tables --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy_splits():
    """Two splits of the toy; in the second, one user has no test row."""
    data = toy().interactions
    first = np.isin(np.arange(len(data)), [8, 9, 11, 12])
    second = np.isin(np.arange(len(data)), [3, 9, 7])
    return [Split(data.subset(~m), None, data.subset(m)) for m in (first, second)]


def fixed_models():
    one = Fixed(scores=np.arange(30.0).reshape(5, 6) % 7)
    two = Fixed(scores=-(np.arange(30.0).reshape(5, 6) % 5))
    return {"one": one, "two": two}


def literal_means(model, split, k):
    banned = split.train.csr.toarray() != 0
    frame, _ = literal_evaluation(model.scores, split.train, split.test, k, banned)
    return frame


def test_compare_on_one_split_by_hand(toy_splits):
    split, models = toy_splits[0], fixed_models()
    table = compare(models, split, k=2)
    frames = {name: literal_means(model, split, 2) for name, model in models.items()}
    assert table.index.tolist() == ["one", "two"]
    tail = ["coverage", "gini", "±", "difference", "low", "high"]
    assert list(table) == [*COLUMNS[:-1], *tail]
    for name, frame in frames.items():
        for column in METRICS:
            assert table.loc[name, column] == pytest.approx(frame[column].mean())
        interval = bootstrap(frame.ndcg)
        half = (interval.high - interval.low) / 2
        assert table.loc[name, "±"] == pytest.approx(half)
        gap = bootstrap(frame.ndcg - frames["one"].ndcg)
        columns = ["difference", "low", "high"]
        assert table.loc[name, columns].tolist() == pytest.approx(list(gap))
    assert table.loc["one", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert table.loc["two", "difference"] != 0
    assert all(vars(m).keys() == {"scores"} for m in models.values()), "cloned"


def test_compare_on_two_splits_by_hand(toy_splits):
    models = fixed_models()
    table = compare(models, toy_splits, k=2, reference="two", by="recall", n_boot=500)
    pairs = {n: [literal_means(m, s, 2) for s in toy_splits] for n, m in models.items()}
    user = {
        name: pd.concat([f.recall for f in frames]).groupby(level=0).mean()
        for name, frames in pairs.items()
    }
    for name, frames in pairs.items():
        means = [frame.recall.mean() for frame in frames]
        assert table.loc[name, "recall"] == pytest.approx(np.mean(means))
        assert table.loc[name, "±"] == pytest.approx(np.std(means, ddof=1))
        gap = bootstrap((user[name] - user["two"]).to_numpy(), n_boot=500)
        columns = ["difference", "low", "high"]
        assert table.loc[name, columns].tolist() == pytest.approx(list(gap))
    assert table.loc["one", "±"] > 0


def test_compare_passes_options_on(toy_splits):
    models = {"one": fixed_models()["one"]}
    none = compare(models, toy_splits[0], exclude=None, threshold=4, k=1)
    frame = evaluate(
        models["one"].clone().fit(toy_splits[0].train),
        toy_splits[0].test,
        exclude=None,
        threshold=4,
        k=1,
    )
    assert none.loc["one", "precision"] == frame.precision.mean()
    with pytest.raises(KeyError, match=r"reference 'x' is not among \['one'\]"):
        compare(models, toy_splits, reference="x")
    with pytest.raises(ValueError, match="at least one model"):
        compare({}, toy_splits)


def test_compare_ratings_by_hand(toy_splits):
    models = fixed_models()
    table = compare_ratings(models, toy_splits, reference="two")
    errors = {}
    for name, model in models.items():
        for split in toy_splits:
            square = absolute = 0.0
            for u, i, r in zip(*[getattr(split.test, c) for c in ("user", "item")],
                               split.test.value, strict=True):  # fmt: skip
                guess = min(5.0, max(1.0, model.scores[u, i]))
                square += (r - guess) ** 2
                absolute += abs(r - guess)
            n = len(split.test)
            errors.setdefault(name, []).append((math.sqrt(square / n), absolute / n))
    for name in models:
        e, ref = np.array(errors[name]), np.array(errors["two"])
        expected = [
            *e.mean(axis=0),
            e[:, 0].std(ddof=1),
            (e - ref)[:, 0].mean(),
            (e - ref)[:, 0].std(ddof=1),
        ]
        assert table.loc[name].tolist() == pytest.approx(expected)
    assert list(table) == ["rmse", "mae", "±", "difference", "± difference"]
    single = compare_ratings(models, toy_splits[0])
    assert single.loc["one", "rmse"] == pytest.approx(errors["one"][0][0])
    wide = compare_ratings(models, toy_splits, clip=None)
    assert wide.loc["two", "rmse"] > table.loc["two", "rmse"]


# -- parts and arguments that do not belong together -----------------------------------


def halves(n_users=4, n_items=5, user_ids=None, item_ids=None, value=None):
    """A train and a test part of every other cell."""
    user, item = np.indices((n_users, n_items)).reshape(2, -1)
    value = 1 + (user + item) % 5 if value is None else np.resize(value, len(user))
    data = Interactions(
        user=user,
        item=item,
        value=value,
        time=None,
        user_ids=range(n_users) if user_ids is None else user_ids,
        item_ids=range(n_items) if item_ids is None else item_ids,
    )
    held = (user + item) % 2 == 1
    return Split(data.subset(~held), None, data.subset(held))


JUDGES = {
    "evaluate": lambda train, test: evaluate(Popularity().fit(train), test),
    "evaluate_ratings": lambda train, test: evaluate_ratings(
        BiasModel().fit(train), test
    ),
    "compare": lambda train, test: compare(
        {"a": Popularity()}, Split(train, None, test), n_boot=10
    ),
    "compare_ratings": lambda train, test: compare_ratings(
        {"a": BiasModel()}, Split(train, None, test)
    ),
    "warm_users": lambda train, test: splits.warm_users(Split(train, None, test)),
}
OTHER_IDS = {
    "another user": ("user", [0, 1, 7, 3], "user index 2 is 7 in test but 2 in train"),
    "other order": ("user", [1, 0, 2, 3], "user index 0 is 1 in test but 0 in train"),
    "text for numbers": ("item", list("01234"), "item index 0 is '0' in test but 0 in"),
}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("case", OTHER_IDS)
def test_parts_with_other_ids_are_refused(judge, case):
    axis, ids, message = OTHER_IDS[case]
    train, _, test = halves()
    JUDGES[judge](train, test)
    other = replace(test, **{f"{axis}_ids": np.array(ids)})
    with pytest.raises(ValueError, match=message) as info:
        JUDGES[judge](train, other)
    assert "Split one Interactions" in str(info.value)
    assert "from_frame(df, user_ids=train.user_ids" in str(info.value)


@pytest.mark.parametrize("judge", JUDGES)
def test_the_same_ids_in_another_dtype_are_the_same(judge):
    train, _, test = halves(user_ids=list("abcd"))
    text = test.user_ids.astype(object)
    JUDGES[judge](train, replace(test, user_ids=text))
    JUDGES[judge](train, replace(test, user_ids=test.user_ids.astype("U9")))
    for kind in (np.uint8, float):
        JUDGES[judge](train, replace(test, item_ids=test.item_ids.astype(kind)))
    mixed = np.array([1, "1", "a", 2], dtype=object)
    train, _, test = halves(user_ids=mixed)
    JUDGES[judge](train, test)
    with pytest.raises(ValueError, match="user index 0 is '1' in test but 1 in train"):
        JUDGES[judge](train, replace(test, user_ids=mixed[[1, 0, 2, 3]]))


def test_ids_of_a_large_catalogue_are_compared_quickly():
    """A million ids that are the same cost less than the sort of as many numbers."""
    ids, text = np.arange(10**6), np.arange(10**6).astype(str)
    one = halves(2, 2)
    for values in (ids, text):
        a, b = replace(one.train, item_ids=values), replace(one.test, item_ids=values)
        started = time.process_time()
        parts.check_same_ids(a, b)
        assert time.process_time() - started < 0.5


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    "what", [None, "csr", "frame", "Dataset", "array", "class", "text"]
)
def test_a_test_part_is_interactions(judge, what):
    train, _, test = halves()
    other = {
        "csr": test.csr,
        "frame": test.to_frame(),
        "Dataset": Dataset(test, pd.DataFrame(), pd.DataFrame()),
        "array": test.csr.toarray(),
        "class": Interactions,
        "text": "test",
    }.get(what)
    with pytest.raises(TypeError, match="test, got .*pass dataset.interactions"):
        JUDGES[judge](train, other)


def test_a_model_is_a_fitted_recommender():
    train, _, test = halves()
    calls = {
        "evaluate": lambda m: evaluate(m, test),
        "evaluate_ratings": lambda m: evaluate_ratings(m, test),
        "title_lists": lambda m: title_lists(m, [0], range(5)),
    }
    for name, call in calls.items():
        for model, kind in ((Popularity, "the class Popularity"), (None, "None")):
            with pytest.raises(TypeError, match=f"{name} expects .* got {kind}"):
                call(model)
        with pytest.raises(NotFittedError):
            call(Popularity())


def test_training_rows_in_the_test_part_are_refused_where_they_are_masked():
    train, _, test = halves()
    both = replace(test, user=np.append(test.user, train.user[:2]),
                   item=np.append(test.item, train.item[:2]),
                   value=np.append(test.value, [5, 1]))  # fmt: skip
    model = Popularity().fit(train)
    message = r"2 of 12 relevant test rows are training rows.*or pass\s+exclude=None"
    with pytest.raises(ValueError, match=message):
        evaluate(model, both)
    with pytest.raises(ValueError, match=message):
        compare({"a": model}, Split(train, None, both))
    with pytest.raises(ValueError, match="1 of 5 relevant test rows are"):
        evaluate(model, both, threshold=4)
    # training error is looked at on purpose; a matrix is taken at its word
    assert evaluate(model, both, exclude=None).n_relevant.sum() == 12
    assert evaluate(model, train, exclude=None).recall.mean() == 1
    assert evaluate(model, both, exclude=train.csr).n_relevant.sum() == 12
    zero = replace(train, value=np.zeros(len(train)))  # a stored 0 is a row as well
    with pytest.raises(ValueError, match="2 of 12 relevant"):
        evaluate(Popularity().fit(zero), both)
    assert len(evaluate_ratings(BiasModel().fit(train), train)) == len(train)


BAD_OPTIONS = {
    "k": [0, -1, 1.5, "10", None, True, np.nan, [10]],
    "threshold": ["3", np.nan, np.inf, [3], True],
    "batch_size": [0, -3, 2.5, "10", True],
    "item_features": [
        np.ones(5),
        np.ones((4, 2)),
        np.ones((6, 2)),
        np.full((5, 2), np.nan),
        np.full((5, 2), np.inf),
        csr_array(np.ones((4, 2))),
        csr_array(np.full((5, 2), np.nan)),
        [["a"]] * 5,
        [[1], [1, 2], [], [], []],
        "genres",
        np.ones((5, 2, 2)),
    ],
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options_are_checked_by_name_and_before_any_fit(name):
    split = halves()
    model = Popularity().fit(split.train)
    for value in BAD_OPTIONS[name]:
        with pytest.raises(ValueError, match=f"{name} must"):
            evaluate(model, split.test, **{name: value})
        with pytest.raises(ValueError, match=f"{name} must"):
            compare({"a": Never()}, split, **{name: value})


class Never(Recommender):
    """A model that no check may reach."""

    def _fit(self, train):
        raise AssertionError("fitted before the arguments were checked")


def test_sparse_features_are_taken():
    split = halves()
    model = Popularity().fit(split.train)
    features = np.eye(5)[:, :3] + 1
    dense = evaluate(model, split.test, item_features=features)
    one = evaluate(model, split.test, item_features=csr_array(features))
    pd.testing.assert_frame_equal(dense, one)
    table = compare({"a": model}, split, item_features=features, by="diversity")
    assert table["diversity"].item() == pytest.approx(dense.diversity.mean())


# -- the scale of the ratings ----------------------------------------------------------


@given(
    st.lists(st.integers(-40, 40), min_size=2, max_size=6, unique=True),
    st.sampled_from([0.25, 1, 100]),
)
def test_predictions_are_cut_to_the_range_of_the_training_values(levels, unit):
    scale = np.array(levels) * unit
    split = halves(value=scale)
    wild = np.linspace(-9000, 9000, 20).reshape(4, 5)
    model = Fixed(scores=wild).fit(split.train)
    low, high = split.train.value.min(), split.train.value.max()
    frame = evaluate_ratings(model, split.test)
    expected = [min(max(x, low), high) for x in wild[split.test.user, split.test.item]]
    assert frame.prediction.tolist() == expected
    assert frame.attrs["clip"] == (low, high)
    table = compare_ratings({"a": model, "b": BiasModel()}, split)
    assert table.loc["a", "rmse"] == pytest.approx(rmse(frame.rating, expected))
    assert table.attrs["clip"] == [(low, high)]
    raw = evaluate_ratings(model, split.test, clip=None)
    assert raw.attrs["clip"] is None and raw.prediction.min() < -4000


def test_every_fold_has_the_range_of_its_own_training_part():
    data = halves(value=np.arange(20.0)).train
    low, high = np.argmin(data.value), np.argmax(data.value)
    folds = [
        Split(data.subset(np.arange(len(data)) != n), None, data.subset([n]))
        for n in (low, high)
    ]
    models = {"up": Fixed(scores=np.full((4, 5), 99)), "bias": BiasModel()}
    table = compare_ratings(models, folds)
    ranges = [(f.train.value.min(), f.train.value.max()) for f in folds]
    assert table.attrs["clip"] == ranges and ranges[0] != ranges[1]
    errors = [r[1] - f.test.value[0] for r, f in zip(ranges, folds, strict=True)]
    assert table.loc["up", "mae"] == pytest.approx(np.mean(np.abs(errors)))


def test_movielens_is_clipped_to_one_and_five(ratings):
    fold = splits.contiguous_folds(ratings)[0]
    frame = evaluate_ratings(BiasModel().fit(fold.train), fold.test)
    assert frame.attrs["clip"] == (1, 5)


@pytest.mark.parametrize(
    "clip",
    [(5, 1), (1, 1), (np.nan, 5), (1, np.inf), (1,), (1, 2, 3), 5, "test", "15", True]
    + [("1", "5"), (None, 5), (True, 5)],
    ids=repr,
)
def test_a_range_is_two_rising_numbers(clip):
    split = halves()
    for call in (
        lambda: evaluate_ratings(BiasModel().fit(split.train), split.test, clip=clip),
        lambda: compare_ratings({"a": Never()}, split, clip=clip),
    ):
        with pytest.raises(ValueError, match="clip must be 'train', None or two"):
            call()
    model = BiasModel().fit(split.train)
    for fine in ([2, 4], (np.int64(2), np.float32(4)), np.array([2, 4])):
        frame = evaluate_ratings(model, split.test, clip=fine)
        assert frame.attrs["clip"] == (2, 4) and frame.prediction.between(2, 4).all()


# -- compare: what is asked for is checked before the first fit ------------------------


def test_compare_refuses_before_any_fit():
    split, never = halves(), {"a": Never()}
    names = r"by must be one of \['precision', .*'novelty'\], got "
    for by in ("unknown", "n_relevant", "coverage", "diversity", None, 3):
        with pytest.raises(ValueError, match=names):
            compare(never, split, by=by)
    with pytest.raises(TypeError, match="compare knows no option 'exlude'; evaluate"):
        compare(never, split, exlude=None)
    for columns in ("ndcg", ["ndgc"], ["ndcg", "ndcg"], ["difference"]):
        with pytest.raises(ValueError, match="columns must be a list of some of"):
            compare(never, split, columns=columns)
    for name, value in (("n_boot", 0), ("n_boot", "9"), ("random_state", -1)):
        with pytest.raises(ValueError, match=name):
            compare(never, split, **{name: value})
    for both in (compare, compare_ratings):
        for models, word in (
            ([Never()], "models as a dict of name -> model, got list"),
            (Never(), "models as a dict .* got Never"),
            ({"a": Never}, r"models\['a'\] must be a Recommender.* the class Never"),
            ({"a": None}, r"models\['a'\] must be a Recommender.* None"),
        ):
            with pytest.raises(TypeError, match=word):
                both(models, split)
        for wrong in (None, split.train, [split, split.train], "ab", [tuple(split)]):
            with pytest.raises(TypeError, match="expects a Split, got"):
                both(never, wrong)
        with pytest.raises(ValueError, match="needs at least one split"):
            both(never, [])
        with pytest.raises(KeyError, match="reference 'x' is not among"):
            both(never, split, reference="x")
        with pytest.raises(ValueError, match="no rows|no test row"):
            both(never, split._replace(test=split.test.subset([])))
        with pytest.raises(ValueError, match="number the same users"):
            other = replace(split.test, user_ids=list("abcd"))
            both(never, [split, split._replace(test=other)])


def test_compare_by_auc_leaves_out_users_without_one():
    """User 3 has no negative: all that he has not seen is relevant."""
    cells = np.indices((4, 5)).reshape(2, -1).T.tolist()
    train = [c for c in cells if sum(c) % 2 == 0]
    test = [c for c in cells if sum(c) % 2 and (c[0] == 3 or c[1] < 3)]
    split = Split(data_of(train, 4, 5), None, data_of(test, 4, 5))
    models = {"a": Popularity(), "b": Random(random_state=1)}
    table = compare(models, split, by="auc")
    frames = {n: evaluate(m.fit(split.train), split.test) for n, m in models.items()}
    aucs = {name: frame.auc.to_numpy() for name, frame in frames.items()}
    defined = ~np.isnan(aucs["a"])
    assert 0 < defined.sum() < len(defined)
    assert table.attrs["n_users"] == defined.sum()
    assert table.attrs["n_users_undefined"] == (~defined).sum()
    gap = paired_bootstrap(aucs["b"][defined], aucs["a"][defined])
    columns = ["difference", "low", "high"]
    assert table.loc["b", columns].tolist() == pytest.approx(list(gap))
    assert table.loc["b", "auc"] == pytest.approx(np.nanmean(aucs["b"]))
    assert compare(models, split).attrs["n_users_undefined"] == 0
    rest = data_of([c for c in cells if sum(c) % 2], 4, 5)
    hopeless = Split(split.train, None, rest)  # every candidate is relevant
    with pytest.raises(ValueError, match="by='auc': no user has this metric"):
        compare(models, hopeless, by="auc")


def test_compare_shows_the_columns_asked_for(toy_splits):
    models = fixed_models()
    whole = compare(models, toy_splits, k=2)
    tail = ["±", "difference", "low", "high"]
    assert "fit_seconds" not in whole
    some = compare(models, iter(toy_splits), k=2, columns=["gini", "recall"])
    assert list(some) == ["gini", "recall", *tail]
    pd.testing.assert_frame_equal(some, whole[list(some)])
    timed = compare(models, toy_splits, k=2, columns=("ndcg", "fit_seconds"))
    assert list(timed) == ["ndcg", "fit_seconds", *tail]
    assert (timed.fit_seconds > 0).all()
    assert list(compare(models, toy_splits, columns=[])) == tail


def test_a_bar_is_drawn_only_when_asked_for(toy_splits, capsys):
    models = fixed_models()
    quiet = [compare(models, toy_splits), compare_ratings(models, toy_splits)]
    assert capsys.readouterr() == ("", "")
    loud = [
        compare(models, toy_splits, progress=True),
        compare_ratings(models, toy_splits, progress=True),
    ]
    out, err = capsys.readouterr()
    assert out == "" and err.count("4/4") >= 2, "models x splits, on stderr"
    for a, b in zip(quiet, loud, strict=True):
        pd.testing.assert_frame_equal(a, b)


# -- small helpers ---------------------------------------------------------------------


def test_summarize_of_some_users_and_of_other_things():
    split = halves()
    per_user = evaluate(Popularity().fit(split.train), split.test, k=1)
    some = summarize(per_user[per_user.index < 2])
    assert some.ndcg == per_user.ndcg[:2].mean()
    assert some[["coverage", "gini"]].tolist() == [
        per_user.attrs["coverage"],
        per_user.attrs["gini"],
    ]
    for other in (None, per_user.ndcg, 3, split.test):
        with pytest.raises(TypeError, match="summarize expects the frame of evaluate"):
            summarize(other)
    lost = per_user.copy()
    lost.attrs = {}
    named = per_user.assign(name="Ana")
    for other in (pd.DataFrame(), lost, per_user.drop(columns="n_relevant"), named):
        with pytest.raises(ValueError, match="expects the frame of evaluate with its"):
            summarize(other)


def test_title_lists_checks_before_it_works():
    split = halves()
    model, titles = Popularity().fit(split.train), list("vwxyz")
    for k in (0, "3", 1.5):
        with pytest.raises(ValueError, match="k must be a whole number"):
            title_lists(model, [0], titles, k=k)
    for bad in (titles[:4], [*titles, "!"], []):
        with pytest.raises(ValueError, match=f"got {len(bad)} titles for 5 items"):
            title_lists(model, [0], bad)
    for bad in ("vwxyz", None, pd.DataFrame({"title": titles})):
        with pytest.raises(ValueError, match="titles must be one title per item"):
            title_lists(model, [0], bad)
    with pytest.raises(ValueError, match=r"users must be given once each.*\[1, 1\]"):
        title_lists(model, [1, 1], titles)
    with pytest.raises(IndexError, match=r"train.user_index\(ids\)"):
        title_lists(model, [4], titles)
    with pytest.raises(ValueError, match="users must be a 1-D array of integers"):
        title_lists(model, ["a"], titles)
    assert title_lists(model, [], titles).shape == (10, 0)
    wide = title_lists(model, pd.Series([1]), pd.Series(titles, index=list("54321")))
    assert list(wide[1][:2]) == ["v", "x"] and wide[1][9:].item() == "", "k > items"


@pytest.mark.parametrize("state", [-1, "0", 1.5, True, [1]])
def test_bootstrap_names_a_bad_seed(state):
    with pytest.raises(ValueError, match="random_state must be"):
        bootstrap([1.0, 2.0], random_state=state)


@pytest.mark.parametrize("values", [["1", "2"], [[1], [1, 2]], [1j], "ab", {}], ids=str)
def test_bootstrap_refuses_what_is_no_number(values):
    with pytest.raises(ValueError, match="values must"):
        bootstrap(values)
    with pytest.raises(ValueError, match="a must|a and b must"):
        paired_bootstrap(values, [1.0, 2.0])


def test_bootstrap_of_little():
    assert bootstrap([3.0]) == (3, 3, 3)
    assert bootstrap([True, False]).mean == 0.5
    generator = np.random.default_rng(0)
    assert bootstrap([1.0, 2, 5], random_state=generator) == bootstrap([1.0, 2, 5])
    with pytest.raises(ValueError, match="with 1 not finite; leave users without"):
        paired_bootstrap([1.0, np.nan], [1.0, 2.0])


def test_paired_series_have_the_same_users():
    a = pd.Series([1.0, 2, 3], index=[4, 5, 9])
    assert paired_bootstrap(a, a + 1) == (-1, -1, -1)
    with pytest.raises(ValueError, match="a and b are Series with different indices"):
        paired_bootstrap(a, a.sort_values(ascending=False))
    assert paired_bootstrap(a, a.sort_values(ascending=False).to_numpy()).mean == 0


# -- cost ----------------------------------------------------------------------------


class Timed(Recommender):
    """Random scores made beforehand; counts the seconds spent in the model."""

    def _fit(self, train):
        self.table_ = np.random.default_rng(0).random(train.shape)
        self.seconds_ = 0.0

    def score(self, users):
        started = time.process_time()
        scores = super().score(users)
        self.seconds_ += time.process_time() - started
        return scores

    def _score_users(self, users):
        return self.table_[users]


def test_full_ranking_of_movielens_takes_at_most_0_3_seconds(movielens, main_split):
    """943 x 1,682, ten metrics, one core, without the model's own time."""
    from recsys_tutor.features import genre_matrix

    model = Timed().fit(main_split.train)
    genres = genre_matrix(movielens.items)[0]
    spent = []
    with threadpool_limits(1):
        for _ in range(7):
            model.seconds_ = 0.0
            started = time.process_time()
            per_user = evaluate(model, main_split.test)
            spent.append(time.process_time() - started - model.seconds_)
    assert len(summarize(per_user)) == 10
    assert min(spent) <= 0.3, spent
    assert "diversity" in evaluate(model, main_split.test, item_features=genres)


MEMORY = """
import resource
import numpy as np
from recsys_tutor.baselines import Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.evaluate import evaluate

n_users, n_items, per_user = 60_000, 15_000, 20
rng = np.random.default_rng(0)
user = np.repeat(np.arange(n_users), per_user)
item = (rng.integers(0, 700, len(user)) + 750 * np.tile(np.arange(per_user), n_users))
data = Interactions(
    user=user, item=item, value=np.ones(len(user)), time=None,
    user_ids=np.arange(n_users), item_ids=np.arange(n_items),
)
held = np.arange(len(user)) % per_user == 0
train, test = data.subset(~held), data.subset(held)
few = test.subset(np.arange(len(test)) % 10 == 0)  # 6,000 users: eleven batches
result = evaluate(Popularity().fit(train), few)
print(len(result), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KB on Linux only")
def test_sixty_thousand_users_fit_into_two_gigabytes():
    """A tenth of them: eleven batches show the bound as well as a hundred.

    All 6,000 at once take 2.4 GB.
    """
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    n_users, megabytes = run.stdout.split()
    assert int(n_users) == 6000
    assert float(megabytes) < 2048
