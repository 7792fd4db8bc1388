"""Metrics: trec_eval, scikit-learn, SciPy and literal loops as oracles; invariants."""

import math
import warnings

import numpy as np
import oracles
import pandas as pd
import pytest
import pytrec_eval
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array
from sklearn.metrics import (
    mean_absolute_error,
    mean_squared_error,
    ndcg_score,
    roc_auc_score,
)

from recsys_tutor import metrics
from recsys_tutor.ranking import mask_items, top_k

PER_LIST = ("precision", "recall", "ndcg", "ap", "mrr", "hit")


def sparse(mask):
    return csr_array(np.asarray(mask, dtype=float))


def all_metrics(hits, n_relevant):
    return {
        "precision": metrics.precision(hits),
        "recall": metrics.recall(hits, n_relevant),
        "ndcg": metrics.ndcg(hits, n_relevant),
        "ap": metrics.ap(hits, n_relevant),
        "mrr": metrics.mrr(hits),
        "hit": metrics.hit(hits),
    }


# -- by hand -------------------------------------------------------------------------


def test_by_hand():
    """Three relevant items; hits in places 1 and 3 of 4 (eq-evaluation-ndcg)."""
    hits, n = np.array([[1, 0, 1, 0]], dtype=bool), np.array([3])
    got = {name: value.tolist() for name, value in all_metrics(hits, n).items()}
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert got["precision"] == [2 / 4]
    assert got["recall"] == [2 / 3]
    assert got["ap"] == pytest.approx([(1 / 1 + 2 / 3) / 3])
    assert got["ndcg"] == pytest.approx([(1 + 1 / 2) / best])
    assert got["mrr"] == [1] and got["hit"] == [1]
    late = np.array([[0, 0, 1]], dtype=bool)
    assert metrics.mrr(late).tolist() == [1 / 3]
    assert metrics.ndcg(late, np.array([1])).tolist() == [0.5], "base 2, not e"


def test_ratings_by_hand():
    assert metrics.rmse([1, 2, 3], [1, 4, 7]) == math.sqrt((0 + 4 + 16) / 3)
    assert metrics.mae([1, 2, 3], [1, 4, 7]) == 2
    assert isinstance(metrics.rmse([1], [2]), float)


# -- hits ----------------------------------------------------------------------------


@given(strategies.item_lists(), st.data())
def test_hit_matrix_against_a_loop(lists, draw):
    items, n_items = lists
    cells = len(items) * n_items
    flat = draw.draw(st.lists(st.booleans(), min_size=cells, max_size=cells))
    relevant = np.array(flat).reshape(len(items), n_items)
    hits = metrics.hit_matrix(items, sparse(relevant))
    assert hits.dtype == bool
    for b in range(len(items)):
        expected = [bool(i >= 0 and relevant[b, i]) for i in items[b]]
        assert hits[b].tolist() == expected


def test_hit_matrix_padding_and_stored_zeros():
    relevant = csr_array((np.array([0.0, 1.0]), ([0, 1], [2, 2])), shape=(2, 3))
    items = np.array([[2, -1], [-1, -1]])  # -1 must not reach user 0's last item
    assert metrics.hit_matrix(items, relevant).tolist() == [[True, False], [False] * 2]
    with pytest.raises(ValueError, match="2 lists, 1 relevant rows"):
        metrics.hit_matrix(items, relevant[[0]])


# -- trec_eval -----------------------------------------------------------------------


@given(strategies.rankings(distinct=True, max_items=15))
def test_ranking_metrics_are_trec_eval_s(case):
    """Checks eq-evaluation-ndcg."""
    users = [b for b in range(len(case.scores)) if case.relevant[b].any()]
    users = [b for b in users if not case.excluded[b].all()]
    assume(users)
    scores, relevant = case.scores[users], case.relevant[users]
    masked = mask_items(scores, sparse(case.excluded[users]))
    items = top_k(masked, case.k).items
    hits = metrics.hit_matrix(items, sparse(relevant))
    ours = all_metrics(hits, relevant.sum(axis=1))

    k = case.k
    run = {
        str(b): {str(i): float(v) for i, v in enumerate(row) if np.isfinite(v)}
        for b, row in enumerate(masked)
    }
    qrel = {
        str(b): {str(i): 1 for i in np.flatnonzero(row)}
        for b, row in enumerate(relevant)
    }
    names = {
        "precision": f"P_{k}",
        "recall": f"recall_{k}",
        "ndcg": f"ndcg_cut_{k}",
        "ap": f"map_cut_{k}",
        "hit": f"success_{k}",
    }
    theirs = pytrec_eval.RelevanceEvaluator(qrel, set(names.values())).evaluate(run)
    # reciprocal rank has no cut-off: give trec_eval the first k items only
    cut = {
        str(b): {str(i): float(masked[b, i]) for i in row if i >= 0}
        for b, row in enumerate(items)
    }
    first = pytrec_eval.RelevanceEvaluator(qrel, {"recip_rank"}).evaluate(cut)
    for b in range(len(users)):
        for ours_name, name in names.items():
            assert ours[ours_name][b] == pytest.approx(theirs[str(b)][name], abs=1e-12)
        assert ours["mrr"][b] == pytest.approx(first[str(b)]["recip_rank"], abs=1e-12)


@given(strategies.rankings())
def test_ranking_metrics_against_loops_with_ties(case):
    n_relevant = case.relevant.sum(axis=1)
    masked = mask_items(case.scores, sparse(case.excluded))
    items = top_k(masked, case.k).items
    ours = all_metrics(metrics.hit_matrix(items, sparse(case.relevant)), n_relevant)
    for b in range(len(items)):
        if n_relevant[b]:
            expected = oracles.list_metrics(
                oracles.ranked_list(case.scores[b], case.excluded[b], case.k),
                set(np.flatnonzero(case.relevant[b]).tolist()),
                case.k,
            )
            for name in PER_LIST:
                assert ours[name][b] == pytest.approx(expected[name], abs=1e-12), name


# -- invariants ----------------------------------------------------------------------


@given(strategies.hit_lists())
def test_bounds_and_nan_rules(case):
    hits, n_relevant = case
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no division warning for users without items
        values = all_metrics(hits, n_relevant)
    for name, value in values.items():
        assert value.shape == (len(hits),) and value.dtype == np.float64
        divides = name in ("recall", "ndcg", "ap")
        undefined = (n_relevant == 0) & divides
        np.testing.assert_array_equal(np.isnan(value), undefined)
        inside = value[~undefined]
        assert ((inside >= 0) & (inside <= 1 + 1e-12)).all()
        assert (inside[~hits.any(axis=1)[~undefined]] == 0).all(), "no hit, 0"
        assert (inside[hits.any(axis=1)[~undefined]] > 0).all()


@given(st.integers(1, 12), st.integers(1, 20))
def test_a_perfect_list_is_one(k, n_relevant):
    hits = np.arange(k)[None] < n_relevant
    n = np.array([n_relevant])
    assert metrics.ndcg(hits, n) == pytest.approx([1])
    assert metrics.mrr(hits) == metrics.hit(hits) == [1]
    assert metrics.precision(hits) == pytest.approx([min(1, n_relevant / k)])
    full = pytest.approx([min(1, k / n_relevant)])
    assert metrics.recall(hits, n) == full and metrics.ap(hits, n) == full


@given(strategies.hit_lists(), st.data())
def test_moving_a_hit_up_never_lowers(case, draw):
    hits, n_relevant = case
    b = draw.draw(st.integers(0, len(hits) - 1))
    places = np.flatnonzero(hits[b] & (np.arange(hits.shape[1]) > 0))
    places = [p for p in places if not hits[b, p - 1]]
    assume(places)
    p = draw.draw(st.sampled_from(places))
    better = hits.copy()
    better[b, [p - 1, p]] = True, False
    before, after = all_metrics(hits, n_relevant), all_metrics(better, n_relevant)
    for name in PER_LIST:
        assert after[name][b] >= before[name][b] - 1e-15, name
    for name in ("ndcg", "ap"):
        assert after[name][b] > before[name][b], name


@given(strategies.rankings(), st.data())
def test_what_stands_beyond_k_does_not_matter(case, draw):
    n_relevant = case.relevant.sum(axis=1)
    k = min(case.k, case.scores.shape[1])
    order = np.argsort(-case.scores, axis=1, kind="stable")
    changed = case.scores.copy()
    for b, row in enumerate(order):
        if len(row) > k:
            tail = row[k:]
            changed[b, draw.draw(st.permutations(list(tail)))] = case.scores[
                b, tail
            ].min() - np.arange(len(tail))
    assume(case.scores.shape[1] >= 1)
    for name in PER_LIST:
        one, two = (
            all_metrics(
                metrics.hit_matrix(top_k(s, k).items, sparse(case.relevant)), n_relevant
            )[name]
            for s in (case.scores, changed)
        )
        np.testing.assert_array_equal(one, two)


@given(strategies.hit_lists(), st.randoms(use_true_random=False))
def test_users_do_not_see_each_other(case, shuffler):
    hits, n_relevant = case
    order = list(range(len(hits)))
    shuffler.shuffle(order)
    before = all_metrics(hits, n_relevant)
    after = all_metrics(hits[order], n_relevant[order])
    for name in PER_LIST:
        np.testing.assert_array_equal(after[name], before[name][order])


# -- AUC -----------------------------------------------------------------------------


@pytest.mark.parametrize("distinct", [True, False])
@settings(max_examples=40)
@given(data=st.data())
def test_auc_is_scikit_learn_s_and_mann_whitney_s(data, distinct):
    """Checks eq-evaluation-auc."""
    case = data.draw(strategies.rankings(distinct=distinct))
    value = metrics.auc(case.scores, sparse(case.relevant), sparse(case.excluded))
    for b in range(len(value)):
        kept = ~case.excluded[b]
        truth, score = case.relevant[b][kept], case.scores[b][kept]
        if truth.all() or not truth.any():
            assert np.isnan(value[b]), "no positive or no negative"
            continue
        expected = oracles.auc(score, np.flatnonzero(truth), np.flatnonzero(~truth))
        pairs = truth.sum() * (~truth).sum()
        statistic = stats.mannwhitneyu(score[truth], score[~truth]).statistic
        assert value[b] == pytest.approx(expected, abs=1e-12)
        assert value[b] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
        assert value[b] == pytest.approx(statistic / pairs, abs=1e-12)


def test_auc_excluded_positives_are_no_candidates():
    scores = np.array([[3, 2, 1, 0]])
    relevant = sparse([[1, 0, 0, 1]])
    # without the excluded item 0, the positive 3 loses to both others
    assert metrics.auc(scores, relevant, sparse([[1, 0, 0, 0]])).tolist() == [0]
    assert metrics.auc(scores, relevant).tolist() == [0.5]
    assert scores.tolist() == [[3, 2, 1, 0]], "the input is left alone"


# -- novelty, diversity, coverage, gini ----------------------------------------------


@given(strategies.item_lists(), st.data())
def test_novelty_against_a_loop(lists, draw):
    items, n_items = lists
    counts = draw.draw(st.lists(st.integers(0, 20), min_size=n_items, max_size=n_items))
    got = metrics.novelty(items, np.array(counts), 20)
    expected = [oracles.novelty(row, counts, 20) for row in items]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_novelty_in_bits():
    counts = np.array([8, 4, 1, 0])  # of 8 users: 0, 1, 3 bits; unseen counts as 1
    items = np.array([[0, 1], [2, 3], [1, -1], [-1, -1]])
    assert metrics.novelty(items, counts, 8).tolist() == [0.5, 3, 1, 0]


@given(strategies.item_lists(), st.data())
def test_diversity_against_a_loop(lists, draw):
    items, n_items = lists
    row = st.lists(st.integers(-1, 2), min_size=3, max_size=3)  # zero rows occur
    features = draw.draw(st.lists(row, min_size=n_items, max_size=n_items))
    got = metrics.diversity(items, np.array(features))
    expected = [oracles.diversity(row, features) for row in items]
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_diversity_by_hand():
    features = np.array([[1, 0], [2, 0], [0, 1], [0, 0]])
    items = np.array([[0, 1], [0, 2], [0, 3], [0, -1]])
    assert metrics.diversity(items, features).tolist() == [0, 1, 1, 0]


@given(strategies.item_lists())
def test_coverage_and_gini_against_loops(lists):
    items, n_items = lists
    counts = [int(np.sum(items == i)) for i in range(n_items)]
    shown = sum(count > 0 for count in counts)
    assert metrics.coverage(items, n_items) == shown / n_items
    if shown:
        expected = oracles.gini(counts)
        assert metrics.gini(items, n_items) == pytest.approx(expected, abs=1e-12)
    else:
        assert metrics.gini(items, n_items) == 0


def test_gini_extremes():
    assert metrics.gini(np.array([[0, 1], [2, 3]]), 4) == 0, "all equally"
    assert metrics.gini(np.array([[2], [2], [2]]), 4) == 0.75, "one item: 1 - 1/n"
    assert metrics.coverage(np.array([[2, -1]]), 4) == 0.25


# -- ratings -------------------------------------------------------------------------


@settings(max_examples=40)
@given(strategies.rating_pairs())
def test_errors_are_scikit_learn_s(pair):
    truth, guess = pair
    mse = mean_squared_error(truth, guess)
    assert metrics.rmse(truth, guess) == pytest.approx(math.sqrt(mse), rel=1e-12)
    mean = mean_absolute_error(truth, guess)
    assert metrics.mae(truth, guess) == pytest.approx(mean, rel=1e-12)
    assert metrics.rmse(truth, guess) >= metrics.mae(truth, guess) * (1 - 1e-12)
    assert metrics.rmse(truth, truth) == metrics.mae(truth, truth) == 0


@pytest.mark.parametrize("error", [metrics.rmse, metrics.mae])
def test_ratings_must_pair_up(error):
    for truth, guess in (([1, 2], [1]), ([], []), ([[1, 2]], [1, 2])):
        with pytest.raises(ValueError, match="one common, non-empty shape, got"):
            error(truth, guess)


@pytest.mark.parametrize("error", [metrics.rmse, metrics.mae])
def test_errors_of_huge_and_of_whole_numbers(error):
    assert error([1e200, 0], [0, 1e200]) == pytest.approx(1e200, rel=1e-12)
    assert error(np.array([5], dtype=np.uint8), np.array([6], dtype=np.uint8)) == 1
    assert error([1e-200], [0]) == (0 if error is metrics.rmse else 1e-200)


# -- graded NDCG -----------------------------------------------------------------------


def perfect(grades):
    """Every item, best grade first."""
    return np.argsort(-grades, axis=1, kind="stable")


@st.composite
def graded(draw, *, top=4):
    """(items (B, k), grades (B, n_items), k): lists of unequal length, some padding."""
    items, n_items = draw(strategies.item_lists())
    row = st.lists(st.integers(0, top), min_size=n_items, max_size=n_items)
    grades = np.array([draw(row) for _ in items], dtype=float)
    return items, grades, draw(st.integers(1, items.shape[1] + 2))


@pytest.mark.parametrize("gain", ["exp2", "linear"])
@given(graded())
def test_graded_ndcg_against_a_loop(gain, case):
    items, grades, k = case
    of = {"exp2": lambda g: 2**g - 1, "linear": lambda g: g}[gain]
    got = metrics.graded_ndcg(items, sparse(grades), k, gain=gain)
    expected = [
        oracles.graded_ndcg(row, g, k, of) for row, g in zip(items, grades, strict=True)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    inside = got[grades.any(axis=1)]
    assert np.isnan(got[~grades.any(axis=1)]).all()
    assert ((inside >= 0) & (inside <= 1)).all()
    width = metrics.graded_ndcg(items, sparse(grades), gain=gain)
    again = metrics.graded_ndcg(items, sparse(grades), items.shape[1], gain=gain)
    np.testing.assert_array_equal(width, again)
    best = metrics.graded_ndcg(perfect(grades), sparse(grades), k, gain=gain)
    np.testing.assert_allclose(best[grades.any(axis=1)], 1, rtol=1e-12)


@given(graded())
def test_linear_gains_are_trec_eval_s(case):
    _, grades, k = case
    users = np.flatnonzero(grades.any(axis=1))
    assume(len(users))
    n_items = grades.shape[1]
    items = np.tile(np.arange(n_items), (len(users), 1))
    qrel = {str(b): {str(i): int(g) for i, g in enumerate(grades[b])} for b in users}
    run = {str(b): {str(i): float(-i) for i in range(n_items)} for b in users}
    name = f"ndcg_cut_{k}"
    theirs = pytrec_eval.RelevanceEvaluator(qrel, {name}).evaluate(run)
    got = metrics.graded_ndcg(items, sparse(grades[users]), k, gain="linear")
    for b, value in zip(users, got, strict=True):
        assert value == pytest.approx(theirs[str(b)][name], abs=1e-12)


@given(graded())
def test_exponential_gains_are_scikit_learn_s(case):
    _, grades, k = case
    users = np.flatnonzero(grades.any(axis=1))
    assume(len(users) and grades.shape[1] > 1)
    scores = -np.arange(grades.shape[1])[None].astype(float)
    for b in users:
        got = metrics.graded_ndcg([np.argsort(-scores[0])], sparse(grades[[b]]), k)[0]
        truth = 2 ** grades[[b]] - 1
        assert got == pytest.approx(ndcg_score(truth, scores, k=k), abs=1e-12)


@given(strategies.item_lists(), st.data())
def test_graded_ndcg_of_zero_and_one_is_ndcg(lists, draw):
    items, n_items = lists
    cells = len(items) * n_items
    flat = draw.draw(st.lists(st.booleans(), min_size=cells, max_size=cells))
    relevant = sparse(np.array(flat).reshape(len(items), n_items))
    expected = metrics.ndcg(
        metrics.hit_matrix(items, relevant), np.diff(relevant.indptr)
    )
    for gain in ("exp2", "linear"):
        got = metrics.graded_ndcg(items, relevant, gain=gain)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_graded_ndcg_by_hand_and_of_huge_grades():
    grades = sparse([[3, 2, 0]])
    best, got = 7 + 3 / math.log2(3), 3 + 7 / math.log2(3)
    assert metrics.graded_ndcg([[1, 0]], grades) == pytest.approx([got / best])
    linear = (2 + 3 / math.log2(3)) / (3 + 2 / math.log2(3))
    assert metrics.graded_ndcg([[1, 0]], grades, gain="linear") == pytest.approx(linear)
    huge = sparse([[1e6, 1e6 - 1, 0]])  # gains 1 and 1/2, up to a factor 2^1e6
    expected = (1 / 2 + 1 / math.log2(3)) / (1 + 1 / 2 / math.log2(3))
    assert metrics.graded_ndcg([[1, 0]], huge) == pytest.approx([expected])
    tiny = sparse([[3e-9, 1e-9]])  # 2^g - 1 is linear here
    assert metrics.graded_ndcg([[1, 0]], tiny) == pytest.approx(
        metrics.graded_ndcg([[1, 0]], tiny, gain="linear"), rel=1e-8
    )
    zero = csr_array((np.array([0.0, 2.0]), ([0, 0], [0, 1])), shape=(1, 3))
    assert metrics.graded_ndcg([[1, 0]], zero).tolist() == [1], "a stored zero is none"
    assert np.isnan(metrics.graded_ndcg([[0]], csr_array((1, 3)))).all()


# -- fed by hand: equal arrays in another dress, and everything else refused -----------


@given(strategies.hit_lists(), st.sampled_from([int, float, np.uint8, object, list]))
def test_hits_and_counts_of_any_type_mean_the_same(case, kind):
    hits, n_relevant = case
    expected = all_metrics(hits, n_relevant)
    if kind is list:
        other = hits.tolist(), n_relevant.tolist()
    else:
        other = hits.astype(kind), n_relevant.astype(kind)
    for name, value in all_metrics(*other).items():
        np.testing.assert_array_equal(value, expected[name])


@given(strategies.hit_lists(), st.data())
def test_no_share_leaves_zero_to_one_whatever_is_given(case, draw):
    """Grades, negative or short counts: refused, or the value is a share or NaN."""
    hits, n_relevant = case
    wild = st.integers(-2, 4)
    cells = draw.draw(st.lists(wild, min_size=hits.size, max_size=hits.size))
    counts = draw.draw(st.lists(wild, min_size=len(hits), max_size=len(hits)))
    for h in (hits, np.array(cells).reshape(hits.shape)):
        for n in (n_relevant, np.array(counts)):
            fine = h.dtype == bool or np.isin(h, (0, 1)).all()
            counted = (n >= 0).all() and (n >= h.sum(axis=1)).all()
            for name in PER_LIST:
                function = getattr(metrics, name)
                two = name in ("recall", "ndcg", "ap")
                if fine and (counted or not two):
                    value = function(h, n) if two else function(h)
                    assert ((value >= 0) & (value <= 1 + 1e-12) | np.isnan(value)).all()
                else:
                    with pytest.raises(ValueError, match="hits|n_relevant"):
                        function(h, n) if two else function(h)


BAD_HITS = {
    "grades": ([[3, 2, 3, 0]], "graded_ndcg"),
    "halves": ([[0.5, 1]], "graded_ndcg"),
    "negative": ([[-1, 1]], "True or False"),
    "nan": ([[np.nan, 1]], "hits must be finite"),
    "text": ([["a", "b"]], "hits must be an array of numbers"),
    "digits as text": ([["1", "0"]], "hits must be an array of numbers"),
    "ragged": ([[True], [True, False]], "hits must be"),
    "one list": ([True, False], r"\(B, k\) array"),
    "no places": (np.zeros((2, 0), dtype=bool), "k >= 1"),
    "a number": (True, r"\(B, k\) array"),
    "none": (None, r"\(B, k\) array"),
    "sparse": (sparse([[1, 0]]), "hits must be"),
    "three axes": (np.zeros((1, 2, 2), dtype=bool), r"\(B, k\) array"),
    "masked": (np.ma.array([[1, 0]], mask=[[0, 1]]), "masked"),
}


@pytest.mark.parametrize("name", PER_LIST)
@pytest.mark.parametrize("case", BAD_HITS)
def test_every_metric_refuses_what_is_no_matrix_of_hits(name, case):
    hits, message = BAD_HITS[case]
    rest = [[9]] if name in ("recall", "ndcg", "ap") else []
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)(hits, *rest)


@pytest.mark.parametrize("name", ["recall", "ndcg", "ap"])
@pytest.mark.parametrize(
    "n_relevant",
    [
        *([1], [-1], [0], [2.5], [np.nan], [np.inf], ["2"], [None], [True], [1e300]),
        *([2, 2], [[2]], 2, None, [], [[2], [2, 3]], np.ma.array([2], mask=[1])),
    ],
    ids=repr,
)
def test_every_metric_refuses_counts_that_cannot_be(name, n_relevant):
    hits = np.array([[True, True, False]])  # two hits: 0 and 1 are too few
    with pytest.raises(ValueError, match="n_relevant"):
        getattr(metrics, name)(hits, n_relevant)


N = 4
TAKES_LISTS = {
    "hit_matrix": lambda items: metrics.hit_matrix(items, sparse(np.ones((1, N)))),
    "graded_ndcg": lambda items: metrics.graded_ndcg(items, sparse(np.ones((1, N)))),
    "novelty": lambda items: metrics.novelty(items, np.ones(N), 3),
    "diversity": lambda items: metrics.diversity(items, np.eye(N)),
}
TAKES_ITEMS = {
    **TAKES_LISTS,
    "coverage": lambda items: metrics.coverage(items, N),
    "gini": lambda items: metrics.gini(items, N),
}


@pytest.mark.parametrize("name", TAKES_ITEMS)
@settings(max_examples=40)
@given(items=st.lists(st.integers(-3, N + 3), min_size=1, max_size=6))
def test_items_outside_of_the_catalogue_or_twice_are_refused(name, items):
    listed = [i for i in items if i >= 0]
    outside = min(items) < -1 or max(items) >= N
    twice = name in TAKES_LISTS and len(set(listed)) < len(listed)
    if outside or twice:
        with pytest.raises(ValueError, match="outside of" if outside else "twice in"):
            TAKES_ITEMS[name](np.array([items]))
    else:
        value = TAKES_ITEMS[name]([items])  # a list will do
        np.testing.assert_array_equal(value, TAKES_ITEMS[name](np.array([items]) * 1.0))
        assert np.isfinite(value).all() and np.min(value) >= 0


@pytest.mark.parametrize("name", TAKES_ITEMS)
@pytest.mark.parametrize(
    "items",
    [[[0.5]], [[np.nan]], [["a"]], [[True]], [[None]], [[0], [1, 2]], [[2**63]]],
    ids=repr,
)
def test_items_that_are_no_indices_are_refused(name, items):
    with pytest.raises(ValueError, match="items"):
        TAKES_ITEMS[name](items)


@pytest.mark.parametrize("name", TAKES_LISTS)
def test_lists_have_two_axes_and_a_place(name):
    result = top_k(np.ones((1, N)), 2)
    for items in ([0, 1], np.zeros((1, 0), dtype=int), 0):
        with pytest.raises(ValueError, match=r"items must be lists, \(B, k\) with"):
            TAKES_LISTS[name](items)
    with pytest.raises(ValueError):  # the whole TopK, not its items
        TAKES_LISTS[name](result)
    assert len(TAKES_LISTS[name](result.items)) == 1


def test_nobody_and_nothing():
    none = np.zeros((0, 3), dtype=int)
    for value in all_metrics(none.astype(bool), np.zeros(0, int)).values():
        assert value.shape == (0,)
    assert metrics.hit_matrix(none, csr_array((0, 5))).shape == (0, 3)
    assert metrics.graded_ndcg(none, csr_array((0, 5))).shape == (0,)
    assert metrics.auc(np.zeros((0, 5)), csr_array((0, 5))).shape == (0,)
    assert metrics.novelty(none, np.ones(2), 2).shape == (0,)
    assert metrics.diversity(none, np.ones((2, 2))).shape == (0,)
    assert metrics.coverage(none, 2) == metrics.gini(none, 2) == 0


MATRIX = {
    "hit_matrix": lambda m: metrics.hit_matrix([[0], [1]], m),
    "graded_ndcg": lambda m: metrics.graded_ndcg([[0], [1]], m),
    "auc, relevant": lambda m: metrics.auc(np.eye(2, 3), m),
    "auc, excluded": lambda m: metrics.auc(np.eye(2, 3), sparse(np.eye(2, 3)), m),
}


@pytest.mark.parametrize("name", MATRIX)
def test_matrices_in_another_format_and_shape(name):
    mask = np.array([[0, 1, 0], [1, 0, 1]])
    expected = MATRIX[name](sparse(mask))
    np.testing.assert_array_equal(MATRIX[name](sparse(mask).tocsc()), expected)
    shuffled = csr_array(([1.0, 1, 1], [1, 2, 0], [0, 1, 3]), shape=(2, 3))
    before = shuffled.indices.tolist()
    np.testing.assert_array_equal(MATRIX[name](shuffled), expected)
    assert shuffled.indices.tolist() == before, "the input is left alone"
    for bad in (mask, "mask", sparse(mask[:1]), *([None] * ("excl" not in name))):
        with pytest.raises(ValueError):
            MATRIX[name](bad)
    if "auc" in name:
        with pytest.raises(ValueError, match=r"has shape \(2, 4\), expected \(2, 3\)"):
            MATRIX[name](csr_array((2, 4)))
    # a cell stored twice is one relevant item, but no grade
    twice = csr_array(([1.0, 1, 1, 1], [1, 1, 2, 0], [0, 2, 4]), shape=(2, 3))
    if name == "graded_ndcg":
        with pytest.raises(ValueError, match="1 cells twice"):
            MATRIX[name](twice)
    else:
        np.testing.assert_array_equal(MATRIX[name](twice), expected)


@pytest.mark.parametrize("grade", [-1, np.nan, np.inf])
def test_grades_are_finite_and_not_negative(grade):
    with pytest.raises(ValueError, match="grades must"):
        metrics.graded_ndcg([[0]], csr_array([[grade, 1.0]]))


@pytest.mark.parametrize("k", [0, -1, 1.5, "2", True])
def test_graded_ndcg_checks_k_and_gain(k):
    with pytest.raises(ValueError, match="k must be a whole number >= 1"):
        metrics.graded_ndcg([[0]], sparse([[1]]), k)
    with pytest.raises(ValueError, match="gain must be 'exp2' or 'linear', got 'exp'"):
        metrics.graded_ndcg([[0]], sparse([[1]]), gain="exp")


@pytest.mark.parametrize("excluded", [False, True])
@given(data=st.data())
def test_auc_compares_infinite_scores(excluded, data):
    """A masked score (-inf) of a candidate is the lowest, and ties with its like."""
    case = data.draw(strategies.rankings())
    scores = np.where(case.scores <= -1, -np.inf, case.scores)
    scores = np.where(scores == 3, np.inf, scores)
    banned = case.excluded if excluded else np.zeros_like(case.excluded)
    finite = np.clip(scores, -99, 99)
    relevant = sparse(case.relevant)
    got = metrics.auc(scores, relevant, sparse(banned))
    np.testing.assert_array_equal(got, metrics.auc(finite, relevant, sparse(banned)))
    with pytest.raises(ValueError, match="scores must be .* with 1 NaN"):
        metrics.auc(np.where(np.arange(scores.size) == 0, np.nan, scores.ravel())
                    .reshape(scores.shape), relevant)  # fmt: skip


@pytest.mark.parametrize(
    "scores", [[1.0, 2], [["a", "b"]], [[1], [1, 2]], None, [["1", "2"]]], ids=repr
)
def test_auc_refuses_what_is_no_matrix_of_scores(scores):
    with pytest.raises(ValueError, match="scores"):
        metrics.auc(scores, sparse([[1, 0]]))


@pytest.mark.parametrize(
    "counts, n_users, word",
    [
        ([1, 2], 0, "n_users"),
        ([1, 2], 1.5, "n_users"),
        ([1, 2], np.nan, "n_users"),
        ([1, 3], 2, "counts .* from 0 to n_users = 2"),
        ([-1, 1], 2, "counts"),
        ([np.nan, 1], 2, "counts"),
        ([[1, 1]], 2, "counts"),
        (["1", "1"], 2, "counts"),
        ([1], 2, "outside of the catalogue"),
        ([], 2, "one number per item"),
    ],
)
def test_novelty_checks_its_counts(counts, n_users, word):
    with pytest.raises(ValueError, match=word):
        metrics.novelty([[0, 1]], counts, n_users)


@pytest.mark.parametrize("n_items", [0, -1, 2.5, "3", None, True])
def test_the_catalogue_has_a_size(n_items):
    for metric in (metrics.coverage, metrics.gini):
        with pytest.raises(ValueError, match="n_items must be a whole number >= 1"):
            metric([[0]], n_items)


@given(strategies.item_lists(), st.data())
def test_diversity_of_sparse_scaled_and_huge_features(lists, draw):
    items, n_items = lists
    row = st.lists(st.integers(-1, 2), min_size=3, max_size=3)
    features = np.array(
        draw.draw(st.lists(row, min_size=n_items, max_size=n_items)), dtype=float
    )
    expected = metrics.diversity(items, features)
    for other in (csr_array(features), csr_array(features).tocoo(), features * 1e200):
        np.testing.assert_allclose(metrics.diversity(items, other), expected, atol=1e-9)


@pytest.mark.parametrize(
    "features",
    [
        *([1.0, 2], [[np.nan]], [[np.inf]], [["a"]], None, "ab", [[1], [1, 2]]),
        *(csr_array([[np.nan]]), np.ones((2, 2, 2)), [["1"]]),
    ],
    ids=lambda x: type(x).__name__,
)
def test_diversity_checks_its_features(features):
    with pytest.raises(ValueError, match="features must"):
        metrics.diversity([[0]], features)
    with pytest.raises(ValueError, match="outside of the catalogue"):
        metrics.diversity([[0, 2]], np.ones((2, 2)))


@pytest.mark.parametrize("error", [metrics.rmse, metrics.mae])
@pytest.mark.parametrize(
    "values",
    [[1, np.nan], [1, np.inf], ["1", "2"], [1, None], [1j, 2], [[1], [1, 2]], None]
    + [np.ma.array([1, 2], mask=[0, 1]), np.array(["2020-01-01"] * 2, dtype="M8[D]")],
    ids=repr,
)
def test_rating_errors_refuse_what_is_no_number(error, values):
    with pytest.raises(ValueError, match="rating"):
        error(values, [1, 2])
    with pytest.raises(ValueError, match="prediction"):
        error([1, 2], values)


@pytest.mark.parametrize("error", [metrics.rmse, metrics.mae])
def test_series_pair_up_by_their_index(error):
    a = pd.Series([1.0, 2, 3])
    shuffled = a.sort_values(ascending=False)
    assert error(a, a) == 0 and error(a, shuffled.to_numpy()) > 0
    with pytest.raises(ValueError, match="Series with different indices"):
        error(a, shuffled)
