"""Comparison: scipy's intervals, tables by hand, nothing fitted in vain."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evaluated import (
    COLUMNS,
    METRICS,
    Fixed,
    Never,
    data_of,
    halves,
    literal_evaluation,
)
from scipy import stats

from recsys_tutor.baselines import BiasModel, Popularity, Random
from recsys_tutor.compare import (
    Interval,
    bootstrap,
    compare,
    compare_ratings,
    paired_bootstrap,
)
from recsys_tutor.data import Split
from recsys_tutor.datasets import toy
from recsys_tutor.evaluate import evaluate

# -- intervals ---------------------------------------------------------------------


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


# -- tables ------------------------------------------------------------------------


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


# -- what is asked for is checked before the first fit -----------------------------


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
