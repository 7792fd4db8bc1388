"""Hybrids: literal combinations, invariants, EASE on a stacked matrix, blind spots."""

import numpy as np
import oracles
import pytest
from evaluated import Fixed
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsys_tutor import splits
from recsys_tutor.base import NotFittedError
from recsys_tutor.baselines import Popularity
from recsys_tutor.content import ContentBased
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world
from recsys_tutor.evaluate import evaluate
from recsys_tutor.features import RICH_FIELDS, item_terms, tfidf
from recsys_tutor.hybrid import (
    Cascade,
    FeatureAugmented,
    RankFusion,
    Switching,
    Weighted,
    normalize_scores,
    ranks,
)
from recsys_tutor.neighbors import EASE, ItemKNN

N_USERS, N_ITEMS = 6, 9


@pytest.fixture(scope="module")
def data():
    """User ``u`` has ``u`` rows: nobody, one, two, ..."""
    user = np.repeat(np.arange(N_USERS), np.arange(N_USERS))
    rng = np.random.default_rng(0)
    item = np.concatenate([rng.permutation(N_ITEMS)[:u] for u in range(N_USERS)])
    return Interactions(
        user=user,
        item=item,
        value=np.ones(len(user)),
        time=np.arange(len(user)),
        user_ids=np.arange(N_USERS),
        item_ids=np.arange(N_ITEMS),
    )


def random_scores(seed, *, ties=False):
    scores = np.random.default_rng(seed).normal(size=(N_USERS, N_ITEMS))
    return np.round(scores) if ties else scores


def parts_of(n, *, ties=False):
    return [Fixed(scores=random_scores(seed, ties=ties)) for seed in range(n)]


EVERYBODY = np.arange(N_USERS)

# -- common scales -------------------------------------------------------------------

tables = st.tuples(st.integers(1, 4), st.integers(1, 7)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(-3, 3), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(tables)
def test_normalized_scores(rows):
    scores = np.array(rows, dtype=float)
    z, unit = normalize_scores(scores, "zscore"), normalize_scores(scores, "minmax")
    for row, a, b in zip(rows, z, unit):
        if min(row) == max(row):
            assert not a.any() and not b.any()
            continue
        mean = sum(row) / len(row)
        deviation = np.sqrt(sum((x - mean) ** 2 for x in row) / len(row))
        np.testing.assert_allclose(a, [(x - mean) / deviation for x in row], atol=1e-12)
        span = max(row) - min(row)
        np.testing.assert_allclose(b, [(x - min(row)) / span for x in row], atol=1e-12)
        assert b.min() == 0 and b.max() == 1
    assert scores.tolist() == rows


def test_a_constant_row_is_zero_whatever_the_rounding():
    row = np.full((1, 7), 0.1)
    assert row.mean() != 0.1, "the mean is off by a rounding error"
    for how in ("zscore", "minmax"):
        assert normalize_scores(row, how).tolist() == [[0.0] * 7]
        assert normalize_scores(1e9 + np.zeros((2, 3)), how).tolist() == [[0.0] * 3] * 2
    with pytest.raises(ValueError, match="'zscore' or 'minmax', got 'rank'"):
        normalize_scores(row, "rank")


@given(tables)
def test_ranks_are_those_of_scipy_and_the_loop(rows):
    got = ranks(np.array(rows, dtype=float))
    for row, places in zip(rows, got):
        assert places.tolist() == oracles.places(row)
        ordinal = stats.rankdata([-x for x in row], method="ordinal")
        assert places.tolist() == ordinal.tolist()


# -- Weighted ------------------------------------------------------------------------


@pytest.mark.parametrize("normalize", ["zscore", "minmax"])
def test_weighted_is_the_sum(data, normalize):
    """Checks eq-hybrid-weighted."""
    parts = parts_of(3)
    weights = (0.5, 2.0, 1.25)
    model = Weighted(models=parts, weights=weights, normalize=normalize).fit(data)
    expected = np.zeros((N_USERS, N_ITEMS))
    for part, w in zip(parts, weights):
        for u, row in enumerate(part.scores):
            low = row.mean() if normalize == "zscore" else row.min()
            size = row.std() if normalize == "zscore" else row.max() - row.min()
            expected[u] += w * (row - low) / size
    np.testing.assert_allclose(model.score(EVERYBODY), expected, atol=1e-12)
    plain = Weighted(models=parts, normalize=normalize).fit(data)
    ones = Weighted(models=parts, weights=np.ones(3), normalize=normalize).fit(data)
    np.testing.assert_array_equal(plain.score(EVERYBODY), ones.score(EVERYBODY))


@pytest.mark.parametrize("normalize", ["zscore", "minmax"])
def test_weighted_does_not_see_the_scale_of_its_parts(data, normalize):
    """Per user, scores may be stretched and shifted; the sum stays."""
    first, second = (part.scores for part in parts_of(2))
    rng = np.random.default_rng(9)
    stretched = rng.uniform(0.1, 50, (N_USERS, 1)) * second
    stretched += rng.normal(0, 30, (N_USERS, 1))
    a, b, reversed_ = (
        Weighted(
            models=[Fixed(scores=first), Fixed(scores=x)],
            weights=(1.0, 0.7),
            normalize=normalize,
        )
        .fit(data)
        .score(EVERYBODY)
        for x in (second, stretched, -second)
    )
    np.testing.assert_allclose(a, b, atol=1e-10)
    assert abs(a - reversed_).max() > 0.5


HYBRIDS_OF_TWO = [
    lambda first, second, on: Weighted(models=[first, second], weights=on),
    lambda first, second, on: Weighted(
        models=[first, second], weights=on, normalize="minmax"
    ),
    lambda first, second, on: RankFusion(models=[first, second], weights=on),
    lambda first, second, on: Switching(
        few=first, many=second, threshold=100 if on[0] else 0
    ),
]


@pytest.mark.parametrize("make", HYBRIDS_OF_TWO)
@pytest.mark.parametrize("on", [(1.0, 0.0), (0.0, 1.0)])
def test_all_weight_on_one_part_gives_its_lists(data, make, on):
    parts = parts_of(2)
    lists = make(*parts, on).fit(data).recommend(EVERYBODY, N_ITEMS).items
    chosen = parts[0] if on[0] else parts[1]
    alone = chosen.fit(data).recommend(EVERYBODY, N_ITEMS).items
    np.testing.assert_array_equal(lists, alone)
    other = parts[1] if on[0] else parts[0]
    assert (lists != other.fit(data).recommend(EVERYBODY, N_ITEMS).items).any()


# -- RankFusion ----------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("constant", [0.0, 1.0, 60.0])
def test_rank_fusion_is_the_loop(data, constant, ties):
    """Checks eq-hybrid-rrf."""
    parts = parts_of(3, ties=ties)
    for weights in (None, (0.5, 2.0, 0.0)):
        model = RankFusion(models=parts, weights=weights, constant=constant).fit(data)
        got = model.score(EVERYBODY)
        for u in range(N_USERS):
            seen = set(data.item[data.user == u].tolist())
            expected = oracles.reciprocal_rank_fusion(
                [p.scores[u].tolist() for p in parts],
                seen,
                weights or (1, 1, 1),
                constant,
            )
            np.testing.assert_allclose(got[u], expected, rtol=1e-12)


def test_rank_fusion_sees_the_order_only(data):
    parts = parts_of(2)
    bent = [Fixed(scores=np.exp(3 * parts[0].scores) - 5), parts[1]]
    a, b = (RankFusion(models=m).fit(data).score(EVERYBODY) for m in (parts, bent))
    np.testing.assert_array_equal(a, b)


def test_seen_items_do_not_take_places_in_the_fusion(data):
    """A part that puts what the user has first loses nothing by it."""
    parts = parts_of(2)
    have = data.csr.toarray() > 0
    showing_off = Fixed(scores=parts[0].scores + 100 * have)
    a, b = (
        RankFusion(models=[first, parts[1]]).fit(data).recommend(EVERYBODY, N_ITEMS)
        for first in (parts[0], showing_off)
    )
    np.testing.assert_array_equal(a.items, b.items)
    np.testing.assert_array_equal(a.scores, b.scores)


# -- Switching -----------------------------------------------------------------------


@pytest.mark.parametrize("threshold", range(N_USERS + 2))
def test_switching_at_the_threshold(data, threshold):
    """User ``u`` has ``u`` rows; fewer than the threshold means ``few``."""
    few, many = parts_of(2)
    model = Switching(few=few, many=many, threshold=threshold).fit(data)
    got = model.score(EVERYBODY)
    for u in range(N_USERS):
        chosen = few if u < threshold else many
        assert got[u].tolist() == chosen.scores[u].tolist()
    assert model.score([threshold % N_USERS, 0]).shape == (2, N_ITEMS)


def test_switching_counts_the_history_it_is_given():
    data = make_world(n_users=20, n_items=12, n_ratings=100).interactions
    model = Switching(few=Popularity(), many=EASE(reg=5.0), threshold=3).fit(data)
    X = np.zeros((2, 12))
    X[0, :2] = 1
    X[1, :3] = 1
    few, many = (part.score_history(X) for part in model.models_)
    np.testing.assert_array_equal(model.score_history(X), [few[0], many[1]])


# -- Cascade -------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_candidates", [1, 2, 4, 7, N_ITEMS, 50])
def test_cascade_is_the_list(data, n_candidates, ties):
    """With seen items left out, and with all: they come last."""
    first, second = parts_of(2, ties=ties)
    model = Cascade(first=first, second=second, n_candidates=n_candidates).fit(data)
    shown = model.recommend(EVERYBODY, N_ITEMS).items
    everything = model.recommend(EVERYBODY, N_ITEMS, exclude=None).items
    for u in range(N_USERS):
        seen = set(data.item[data.user == u].tolist())
        expected = oracles.cascade_list(
            first.scores[u], second.scores[u], seen, n_candidates
        )
        n = N_ITEMS - len(seen)
        assert shown[u, :n].tolist() == expected[:n]
        assert everything[u].tolist() == expected


def test_cascade_of_one_candidate_is_the_first_model_and_of_all_the_second(data):
    first, second = parts_of(2)
    for n_candidates, chosen in ((1, first), (N_ITEMS, second)):
        model = Cascade(first=first, second=second, n_candidates=n_candidates)
        np.testing.assert_array_equal(
            model.fit(data).recommend(EVERYBODY, N_ITEMS).items,
            chosen.fit(data).recommend(EVERYBODY, N_ITEMS).items,
        )


# -- FeatureAugmented ----------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.3, 4.0])
@pytest.mark.parametrize("reg, count_weight", [(2.0, 0.0), (0.6, 1.5)])
def test_augmented_ease_is_ease_on_the_stacked_matrix(weight, reg, count_weight):
    """Every feature is one more user; the penalty counts the real users only.

    Checks eq-hybrid-augmented.
    """
    rng = np.random.default_rng(3)
    X = (rng.random((14, 8)) < 0.4).astype(float)
    F = rng.normal(size=(8, 5))
    user, item = np.nonzero(X)
    train = Interactions(
        user=user,
        item=item,
        value=rng.integers(1, 6, len(user)),
        time=None,
        user_ids=np.arange(14),
        item_ids=np.arange(8),
    )
    options = {"reg": reg, "count_weight": count_weight}
    model = FeatureAugmented(features=F, content_weight=weight, **options).fit(train)
    penalty = reg + count_weight * X.sum(axis=0)
    stacked = np.vstack([X, np.sqrt(weight) * F.T])
    P = np.linalg.inv(stacked.T @ stacked + np.diag(penalty))
    dense = np.array([[0 if i == j else -P[j, i] / P[i, i] for i in range(8)]
                      for j in range(8)])  # fmt: skip
    np.testing.assert_allclose(model.B_, dense, atol=1e-10)
    np.testing.assert_allclose(
        model.B_, oracles.ease_by_columns(stacked, penalty), atol=1e-9
    )
    np.testing.assert_allclose(model.score(np.arange(14)), X @ dense, atol=1e-10)
    assert abs(X @ dense - X @ dense.T).max() > 1e-3


def test_augmented_ease_without_content_is_ease():
    data = make_world(n_users=40, n_items=25, n_ratings=500).interactions
    F = np.random.default_rng(0).normal(size=(25, 3))
    for options in ({}, {"reg": 3.0, "count_weight": 0.5, "half_life": 5.0}):
        plain = EASE(**options).fit(data)
        zero = FeatureAugmented(features=F, content_weight=0.0, **options).fit(data)
        np.testing.assert_allclose(zero.B_, plain.B_, atol=1e-12)
        np.testing.assert_allclose(
            zero.score(np.arange(40)), plain.score(np.arange(40)), atol=1e-12
        )
    more = FeatureAugmented(features=F, content_weight=50.0).fit(data)
    assert abs(more.B_ - EASE().fit(data).B_).max() > 0.01


# -- what all combinations do ----------------------------------------------------------

MAKERS = [
    lambda a, b: Weighted(models=(a, b)),
    lambda a, b: RankFusion(models=(a, b)),
    lambda a, b: Switching(few=a, many=b, threshold=3),
    lambda a, b: Cascade(first=a, second=b, n_candidates=3),
]


@pytest.mark.parametrize("make", MAKERS)
def test_the_parts_are_cloned_not_changed(make, data):
    unfitted, fitted = EASE(reg=2.0), ItemKNN().fit(data)
    other = make_world(n_users=7, n_items=5, n_ratings=20).interactions
    before = fitted.S_.copy()
    model = make(unfitted, fitted).fit(other)
    assert vars(unfitted).keys() == {"reg", "count_weight", "half_life"}
    with pytest.raises(NotFittedError):
        unfitted.score([0])
    assert fitted.train_ is data
    np.testing.assert_array_equal(fitted.S_, before)
    for part, given_ in zip(model.models_, (unfitted, fitted), strict=True):
        assert part is not given_ and part.train_ is other
        assert part.get_params() == given_.get_params()


@pytest.mark.parametrize("make", MAKERS)
def test_hybrids_of_hybrids_and_new_users(make):
    data = make_world(n_users=25, n_items=14, n_ratings=120).interactions
    inner = make(EASE(reg=3.0), ItemKNN(shrink=1.0))
    model = make(inner, Popularity()).fit(data)
    scores = model.score(np.arange(25))
    np.testing.assert_allclose(model.score_history(data.csr), scores, atol=1e-9)
    assert np.isfinite(model.score_history(csr_array((2, 14)))).all()


@pytest.mark.parametrize("make", [Weighted, RankFusion])
def test_wrong_models_and_weights_are_named(make, data):
    good = parts_of(2)
    for wrong in ((), None, [EASE], ["EASE", good[0]], good[0], iter(good)):
        with pytest.raises(ValueError, match="models must be one or more Recommender"):
            make(models=wrong).fit(data)
    for wrong in (
        (1.0,),
        (1.0, 2.0, 3.0),
        (-1.0, 2.0),
        (0.0, 0.0),
        (np.nan, 1.0),
        (np.inf, 1.0),
        ("a", "b"),
        ((1.0, 2.0), (3.0,)),
        2.0,
    ):
        with pytest.raises(ValueError, match="weights must be 2 numbers >= 0"):
            make(models=good, weights=wrong).fit(data)


def test_a_wrong_part_is_named(data):
    good, bad = Popularity(), EASE
    for model, name in (
        (Switching(few=bad, many=good), "few"),
        (Switching(few=good, many=bad), "many"),
        (Cascade(first=bad, second=good), "first"),
        (Cascade(first=good, second=bad), "second"),
    ):
        with pytest.raises(ValueError, match=f"^{name} must be a Recommender object"):
            model.fit(data)


def test_a_part_that_fails_leaves_the_hybrid_unfitted(data):
    model = Weighted(models=(Popularity(), EASE(reg=-1.0)))
    with pytest.raises(ValueError, match="reg must be"):
        model.fit(data)
    with pytest.raises(NotFittedError):
        model.score([0])


# -- made worlds and MovieLens ---------------------------------------------------------


def test_complementary_blind_spots():
    """A third of the items lose all their training rows.

    On those EASE is at chance and content is not; on the others content, which knows
    the topic only, is behind EASE. EASE with content does both.
    """
    world = make_world(
        n_users=400, n_items=240, n_ratings=8000, n_topics=6, random_state=4
    )
    data = world.interactions
    cold = np.random.default_rng(0).random(240) < 1 / 3
    train, _, test = splits.user_holdout(data)
    train = train.subset(~cold[train.item])
    models = {
        "ease": EASE(reg=50.0),
        "content": ContentBased(features=world.features),
        "both": FeatureAugmented(features=world.features, reg=50.0),
    }
    sides = {
        "cold": (data.subset(cold[data.item]), cold),
        "warm": (test.subset(~cold[test.item]), ~cold),
    }
    auc = {}
    for name, model in models.items():
        model.fit(train)
        for side, (part, items) in sides.items():  # ranked among each other only
            hidden = csr_array(train.csr.toarray() + np.where(items, 0.0, 1.0))
            auc[name, side] = evaluate(model, part, exclude=hidden).auc.mean()
    assert auc["ease", "cold"] == 0.5, "all cold items have the score 0"
    assert auc["content", "cold"] > 0.6
    assert auc["both", "cold"] > 0.6
    assert auc["ease", "warm"] > auc["content", "warm"] + 0.02
    assert auc["both", "warm"] > auc["content", "warm"] + 0.02


def test_check_value_ease_with_content(movielens):
    split = splits.item_stratified(movielens.interactions)
    features = tfidf(item_terms(movielens.items, RICH_FIELDS)[0])
    with threadpool_limits(1):
        model = FeatureAugmented(features=features).fit(split.train)
        assert evaluate(model, split.test).ndcg.mean() >= 0.490
