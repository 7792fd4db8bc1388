"""Metrics: trec_eval, scikit-learn, SciPy and literal loops as oracles; invariants."""

import math
import warnings

import numpy as np
import oracles
import pytest
import pytrec_eval
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array
from sklearn.metrics import mean_absolute_error, mean_squared_error, roc_auc_score

from recsys_tutor import metrics
from recsys_tutor.base import mask_items, top_k

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
    """Three relevant items; hits in places 1 and 3 of 4."""
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
