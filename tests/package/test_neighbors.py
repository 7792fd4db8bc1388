"""Neighbours: literal loops, scikit-surprise, implicit, three other ways to EASE."""

import time

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csc_array, csr_array
from scipy.stats import chi2_contingency
from threadpoolctl import threadpool_limits

from recsys_tutor import splits
from recsys_tutor.baselines import BiasModel
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.metrics import rmse
from recsys_tutor.neighbors import (
    EASE,
    ItemKNN,
    RatingKNN,
    UserKNN,
    asymmetric_cosine,
    bm25,
    co_counts,
    co_rated_cosine,
    ease_weights,
    jaccard,
    keep_neighbors,
    knn_average,
    log_likelihood_ratio,
    pearson,
    recency_weighted,
    shrink_similarity,
    zero_diagonal_regression,
)


def holes(seed=0, n_users=14, n_items=9):
    """Real-valued ratings: an empty column, a lone entry, a constant column, a 0."""
    rng = np.random.default_rng(seed)
    mask = rng.random((n_users, n_items)) < 0.5
    mask[:, 2] = False
    mask[:, 5] = np.arange(n_users) == 3
    mask[3:7, 7] = True
    values = rng.normal(3, 1, (n_users, n_items))
    values[:, 7] = 4.0
    user, item = np.nonzero(mask)
    value = values[user, item]
    value[4] = 0.0
    return csr_array((value, (user, item)), shape=mask.shape)


def binary(seed=0, n_users=12, n_items=8):
    """0/1 rows with an empty user and an empty item."""
    X = (np.random.default_rng(seed).random((n_users, n_items)) < 0.45).astype(float)
    X[4] = 0
    X[:, 6] = 0
    return X


def interactions_of(X):
    """All stored cells of a matrix, in order of rows; a minute apart."""
    X = csr_array(X)
    user = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return Interactions(
        user=user,
        item=X.indices,
        value=X.data,
        time=60 * np.arange(X.nnz),
        user_ids=np.arange(X.shape[0]),
        item_ids=np.arange(X.shape[1]),
    )


def off_diagonal(S):
    S = np.array(S)
    np.fill_diagonal(S, 0.0)
    return S


MATRICES = [holes(), holes(1, 6, 11), toy().interactions.csr, csr_array((3, 4))]


# -- similarities --------------------------------------------------------------------


@pytest.mark.parametrize("R", MATRICES)
def test_similarities_are_the_loops(R):
    """Checks eq-knn-cosine, eq-knn-pearson, eq-knn-asymmetric."""
    columns = oracles.stored_columns(R)
    for function, literal in (
        (co_counts, lambda x, y: float(len(oracles.common(x, y)))),
        (co_rated_cosine, oracles.co_rated_cosine),
        (pearson, oracles.pearson),
    ):
        got = function(R)
        assert got.shape == (R.shape[1],) * 2 and got.dtype == np.float64
        np.testing.assert_allclose(got, oracles.pairwise(columns, literal), atol=1e-12)
    for alpha in (0.0, 0.3, 0.5, 1.0):
        expected = oracles.pairwise(
            columns, lambda x, y, a=alpha: oracles.asymmetric_cosine(x, y, a)
        )
        got = asymmetric_cosine(R, alpha=alpha)
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("R", MATRICES)
def test_jaccard_counts_sets(R):
    """Checks eq-knn-jaccard."""
    sets = [
        set(column.indices) for column in (R.tocsc()[:, [i]] for i in range(R.shape[1]))
    ]
    got = jaccard(R)
    for j, a in enumerate(sets):
        for i, b in enumerate(sets):
            assert got[j, i] == (len(a & b) / len(a | b) if a | b else 0.0)


def test_log_likelihood_ratio_is_scipys_g_test():
    """Checks eq-knn-llr; a pair that meets less often than by chance gets 0."""
    X = binary(2, n_users=40)
    got = log_likelihood_ratio(csr_array(X))
    signs = set()
    for j in range(8):
        for i in range(8):
            x, y = X[:, j], X[:, i]
            table = [[(x * y).sum(), (x * (1 - y)).sum()],
                     [((1 - x) * y).sum(), ((1 - x) * (1 - y)).sum()]]  # fmt: skip
            above = table[0][0] * 40 > x.sum() * y.sum()
            signs.add(bool(above))
            expected = 0.0
            if above:
                options = {"lambda_": "log-likelihood", "correction": False}
                expected = chi2_contingency(table, **options).statistic
            assert got[j, i] == pytest.approx(expected, abs=1e-9)
    assert signs == {True, False}


def test_bm25_is_the_formula_of_the_words():
    """Checks eq-knn-bm25, cell by cell; counts other than 1 too."""
    X = binary(3) * np.random.default_rng(3).integers(1, 5, (12, 8))
    got = bm25(csr_array(X), k1=1.5, b=0.6).toarray()
    lengths = (X > 0).sum(axis=1)
    for u, i in np.ndindex(X.shape):
        n_i = (X[:, i] > 0).sum()
        idf = np.log(1 + (12 - n_i + 0.5) / (n_i + 0.5))
        slack = 1.5 * (0.4 + 0.6 * lengths[u] / lengths.mean())
        expected = idf * 2.5 * X[u, i] / (slack + X[u, i])
        assert got[u, i] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["jaccard", "llr", "bm25", "cosine"])
def test_item_knn_compares_by_the_similarity_it_is_told(name):
    data = interactions_of(binary(1))
    X = data.binarize().csr
    S = {"jaccard": jaccard, "llr": log_likelihood_ratio,
         "bm25": lambda X: asymmetric_cosine(bm25(X), alpha=0.3),
         "cosine": lambda X: asymmetric_cosine(X, alpha=0.3)}[name](X)  # fmt: skip
    S = keep_neighbors(shrink_similarity(S, co_counts(X), 2.0), 3)
    model = ItemKNN(similarity=name, alpha=0.3, shrink=2.0, n_neighbors=3).fit(data)
    np.testing.assert_allclose(model.score(np.arange(data.n_users)), X @ S, atol=1e-12)


def test_similarities_by_hand():
    """Alien and Blade Runner of the toy: shared by Ana (5, 5) and Ben (4, 5)."""
    R = toy().interactions.csr
    assert co_counts(R)[0, 1] == 2 and co_counts(R)[0, 0] == 3
    assert co_rated_cosine(R)[0, 1] == pytest.approx(45 / np.sqrt(41 * 50))
    assert pearson(R)[0, 1] == 0, "Blade Runner does not vary among the two"
    # Emma and Fargo: Ben (1, 2), Cleo (4, 2), Dan (3, 1)
    expected = (3 * 13 - 8 * 5) / np.sqrt((3 * 26 - 64) * (3 * 9 - 25))
    assert pearson(R)[4, 5] == pytest.approx(expected)
    X = toy().interactions.binarize().csr
    # three have Alien, all of them Fargo; five have Fargo
    assert asymmetric_cosine(X, alpha=1.0)[0, 5] == pytest.approx(3 / 3)
    assert asymmetric_cosine(X, alpha=1.0)[5, 0] == pytest.approx(3 / 5)
    assert asymmetric_cosine(X)[0, 5] == pytest.approx(3 / np.sqrt(15))


def test_similarities_leave_their_argument_alone_and_take_integers():
    R = toy().interactions.csr
    whole = csr_array(R.astype(np.int64))
    for function in (co_counts, co_rated_cosine, pearson, asymmetric_cosine):
        np.testing.assert_allclose(function(whole), function(R), rtol=1e-12)
    assert (whole != toy().interactions.csr).nnz == 0


@given(strategies.interactions())
def test_similarities_are_symmetric_bounded_and_zero_without_overlap(data):
    R = data.csr
    counts = co_counts(R)
    assert (counts == counts.T).all() and (counts <= np.diag(counts)).all()
    for S in (co_rated_cosine(R), pearson(R), asymmetric_cosine(R)):
        np.testing.assert_allclose(S, S.T, atol=1e-13)
        assert abs(S).max() <= 1 + 1e-12
        assert (S[counts == 0] == 0).all()
        one = np.isclose(np.diag(S), 1)
        assert (one | (np.diag(S) == 0)).all()
    assert (pearson(R)[counts == 1] == 0).all()
    assert (np.diag(co_rated_cosine(R))[np.diag(counts) > 0] > 0.99).all()


@settings(max_examples=40)
@given(strategies.interactions(min_rows=3), st.integers(0, 2**32))
def test_what_each_similarity_does_not_see(data, seed):
    """Pearson: shift and positive scale of a column. Cosines: positive scale only."""
    R, rng = data.csr, np.random.default_rng(seed)
    scale = rng.uniform(0.5, 3, data.n_items)
    shift = rng.uniform(-2, 2, data.n_items)

    def changed(scale, shift):
        value = R.data * scale[R.indices] + shift[R.indices]
        return csr_array((value, R.indices, R.indptr), shape=R.shape)

    none = np.zeros(data.n_items)
    np.testing.assert_allclose(pearson(changed(scale, shift)), pearson(R), atol=1e-10)
    sign = np.where(rng.random(data.n_items) < 0.5, -1.0, 1.0)
    for function in (pearson, co_rated_cosine, asymmetric_cosine):
        S = function(R)
        np.testing.assert_allclose(function(changed(scale, none)), S, atol=1e-10)
        turned = function(changed(scale * sign, none))
        np.testing.assert_allclose(turned, S * np.outer(sign, sign), atol=1e-10)


def test_the_cosine_of_ratings_sees_a_shift_and_the_adjusted_one_does_not():
    """A user who gives one star more everywhere: raw cosine moves, adjusted stays."""
    R = toy().interactions.csr
    generous = R.copy()
    generous.data[R.indptr[1] : R.indptr[2]] += 1.0
    assert abs(co_rated_cosine(generous) - co_rated_cosine(R)).max() > 1e-3
    for similarity, same in (("adjusted", True), ("cosine", False)):
        S, T = (
            RatingKNN(similarity=similarity, shrink=0.0).fit(interactions_of(X)).S_
            for X in (R, generous)
        )
        assert np.allclose(S, T, atol=1e-12) == same


def test_shrinking_is_a_factor_of_the_evidence():
    """Checks eq-knn-shrink."""
    S = np.array([[1.0, -0.5], [0.25, 0.75]])
    n = np.array([[1.0, 2.0], [0.0, 40.0]])
    expected = [[1 / 11, -0.5 * 2 / 12], [0, 0.75 * 40 / 50]]
    np.testing.assert_allclose(shrink_similarity(S, n, 10.0), expected, rtol=1e-15)
    np.testing.assert_array_equal(
        shrink_similarity(S, n, 0.0), [[1.0, -0.5], [0.0, 0.75]]
    )
    np.testing.assert_array_equal(S, [[1.0, -0.5], [0.25, 0.75]])
    evidence = np.arange(6.0)[None]
    grown = shrink_similarity(np.ones((1, 6)), evidence, 3.0)[0]
    assert grown.tolist() == [m / (m + 3) for m in range(6)]


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-2, 4), min_size=n, max_size=n), min_size=n, max_size=n
        )
    ),
    st.integers(1, 8),
)
def test_keep_neighbors_keeps_the_best_of_each_column(rows, k):
    S = np.array(rows, dtype=float)
    kept = keep_neighbors(S, k)
    assert S.tolist() == rows, "the argument is not changed"
    for i in range(len(S)):
        column = [0.0 if j == i else S[j, i] for j in range(len(S))]
        chosen = oracles.nearest(column, k)
        for j in range(len(S)):
            assert kept[j, i] == (S[j, i] if j in chosen else 0.0)


# -- scikit-surprise's similarities --------------------------------------------------


def surprise_rows(R):
    """The format of surprise.similarities: row -> [(column, value), ...]."""
    return {
        row: [
            (int(R.indices[p]), float(R.data[p]))
            for p in range(R.indptr[row], R.indptr[row + 1])
        ]
        for row in range(R.shape[0])
    }


@pytest.mark.parametrize("by", ["item", "user"])
def test_cosine_and_pearson_are_surprise_s(ratings, by):
    from surprise import similarities

    R = splits.k_fold(ratings)[0].train.csr
    R = csr_array(R[:300] if by == "item" else R.T)
    R.sort_indices()
    rows, n = surprise_rows(R), R.shape[1]
    for ours, theirs in (
        (co_rated_cosine(R), similarities.cosine(n, rows, 1)),
        (pearson(R), similarities.pearson(n, rows, 1)),
    ):
        np.testing.assert_allclose(off_diagonal(ours), off_diagonal(theirs), atol=1e-12)
        assert abs(off_diagonal(ours)).max() > 0.9


@pytest.mark.parametrize("by", ["item", "user"])
def test_the_residual_similarity_is_surprise_s_pearson_baseline(by):
    """Given the same baselines. They differ only for one shared row without shrinkage:

    scikit-surprise then wants two shared rows, our cosine of one number is ±1.
    """
    from surprise import similarities

    data = make_world(n_users=70, n_items=50, n_ratings=900, stars=True).interactions
    R = csr_array(data.csr if by == "item" else data.csr.T)
    R.sort_indices()
    bias = BiasModel().fit(data)
    b_x, b_y = (bias.b_i_, bias.b_u_) if by == "item" else (bias.b_u_, bias.b_i_)
    for shrink in (25.0, 2500.0, 0.0):
        theirs = off_diagonal(
            similarities.pearson_baseline(
                R.shape[1], surprise_rows(R), 1, bias.mu_, b_x, b_y, shrink
            )
        )
        ours = RatingKNN(by=by, shrink=shrink).fit(data).S_
        lone = off_diagonal(co_counts(R)) == 1
        assert lone.any() and (theirs[lone] == 0).all()
        np.testing.assert_allclose(ours[~lone], theirs[~lone], atol=1e-12)
        if shrink == 0:
            np.testing.assert_allclose(abs(ours[lone]), 1.0)
        else:
            assert (ours[lone] == 0).all()


# -- ItemKNN -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [(2, 0.8, 5.0), (1, 0.5, 0.0), (50, 1.0, 1.0), (3, 0.0, 2.5)]
)
@pytest.mark.parametrize("X", [binary(), binary(3, 7, 15)])
def test_item_knn_is_the_loops(X, settings):
    """Checks eq-knn-item."""
    n_neighbors, alpha, shrink = settings
    n = X.shape[1]
    columns = oracles.stored_columns(csr_array(X))
    S = np.zeros((n, n))
    for i in range(n):
        column = []
        for j in range(n):
            shared = len(oracles.common(columns[j], columns[i]))
            s = oracles.asymmetric_cosine(columns[j], columns[i], alpha)
            column.append(s * shared / (shared + shrink) if shared and j != i else 0.0)
        for j in oracles.nearest(np.round(column, 12), n_neighbors):
            S[j, i] = column[j]
    stars = csr_array(X * np.random.default_rng(1).integers(1, 6, X.shape))
    model = ItemKNN(n_neighbors=n_neighbors, alpha=alpha, shrink=shrink)
    model.fit(interactions_of(stars))
    np.testing.assert_allclose(model.S_, S, atol=1e-12)
    scores = [[sum(S[j, i] for j in range(n) if row[j]) for i in range(n)] for row in X]
    np.testing.assert_allclose(model.score(np.arange(len(X))), scores, atol=1e-12)
    new = np.random.default_rng(2).integers(0, 3, (4, n))
    expected = [[sum(S[j, i] for j in range(n) if x[j]) for i in range(n)] for x in new]
    np.testing.assert_allclose(model.score_history(new), expected, atol=1e-12)


@pytest.mark.filterwarnings("ignore:Method expects CSR input")
def test_cosine_item_knn_is_implicit_s(ratings):
    """implicit keeps the diagonal, which adds 1 to seen items and nothing elsewhere."""
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    train = splits.item_stratified(ratings).train
    X = csr_matrix(train.binarize().csr)
    X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    theirs = CosineRecommender(K=train.n_items, num_threads=1)
    theirs.fit(X, show_progress=False)
    model = ItemKNN(n_neighbors=train.n_items, alpha=0.5, shrink=0.0).fit(train)
    similarity = theirs.similarity.toarray()
    np.testing.assert_allclose(model.S_, off_diagonal(similarity), atol=1e-12)
    have = np.bincount(train.item, minlength=train.n_items) > 0
    np.testing.assert_allclose(np.diag(similarity), have, atol=1e-12)
    users = np.arange(0, train.n_users, 40)
    items, scores = theirs.recommend(users, X[users], N=20)
    ours = model.recommend(users, 20)
    np.testing.assert_allclose(ours.scores, scores, rtol=1e-9)
    np.testing.assert_allclose(  # their items have the scores they claim with us, too
        np.take_along_axis(model.score(users), items, axis=1), scores, rtol=1e-9
    )


# -- UserKNN -------------------------------------------------------------------------


def literal_user_scores(rows, others, n_items, k, shrink, itself):
    result = []
    for u, row in enumerate(rows):
        similarities = []
        for v, other in enumerate(others):
            shared = len(row & other)
            s = shared / np.sqrt(len(row) * len(other)) if shared else 0.0
            s *= shared / (shared + shrink) if shared else 0.0
            similarities.append(0.0 if itself and v == u else round(s, 12))
        chosen = oracles.nearest(similarities, k)
        result.append(
            [sum(similarities[v] for v in chosen if i in others[v])
             for i in range(n_items)]
        )  # fmt: skip
    return result


@settings(max_examples=60)
@given(
    strategies.interactions(min_rows=1),
    st.integers(1, 7),
    st.sampled_from([0.0, 0.5, 10.0]),
)
def test_user_knn_is_the_loops(data, k, shrink):
    """Checks eq-knn-user."""
    if not len(data):
        return
    sets = [set(data.item[data.user == u].tolist()) for u in range(data.n_users)]
    model = UserKNN(n_neighbors=k, shrink=shrink).fit(data)
    for itself, got in (
        (True, model.score(np.arange(data.n_users))),
        (False, model.score_history(data.csr)),  # meets its own row
    ):
        expected = literal_user_scores(sets, sets, data.n_items, k, shrink, itself)
        np.testing.assert_allclose(got, expected, atol=1e-10)


# -- the rating kernel ---------------------------------------------------------------


def kernel_arguments(seed, *, n_out=6, n_items=9, n_rows=7, ties=True):
    rng = np.random.default_rng(seed)
    S = rng.normal(size=(n_out, n_items))
    if ties:
        S = np.round(2 * S) / 2
    E = rng.normal(size=(n_rows, n_items)) * (rng.random((n_rows, n_items)) < 0.6)
    E[2] = 0
    C = csc_array(E)
    order = np.argsort(-S, axis=1, kind="stable")
    return E, (order, S, C.indptr, C.indices, C.data, n_rows)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_knn_average_is_a_sort_per_pair(seed, ties):
    """Checks eq-knn-rating."""
    E, arguments = kernel_arguments(seed, ties=ties)
    S = arguments[1]
    for k in (1, 2, 4, 9, 30):
        got = knn_average(*arguments, k)
        assert got.shape == (len(S), len(E))
        for c in range(len(S)):
            for n in range(len(E)):
                own = {j: E[n, j] for j in range(E.shape[1]) if E[n, j] != 0}
                expected = oracles.knn_rating(own, S[c], k)
                assert got[c, n] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 50])
def test_the_compiled_kernel_is_its_python_source(k):
    for seed in range(3):
        _, arguments = kernel_arguments(seed)
        np.testing.assert_allclose(
            knn_average(*arguments, k),
            knn_average.py_func(*arguments, k),
            rtol=1e-14,
            atol=1e-15,
        )


def test_knn_average_without_a_positive_neighbour_is_zero():
    order, S = np.array([[0, 1]]), np.array([[0.0, -1.0]])
    E = csc_array(np.array([[3.0, 4.0]]))
    got = knn_average(order, S, E.indptr, E.indices, E.data, 1, 5)
    assert got.tolist() == [[0.0]]


# -- RatingKNN -----------------------------------------------------------------------


def literal_rating_knn(data, by, k, similarity, shrink, center):
    """Similarities, and a function of them that gives all scores: a sort per pair.

    The bias model is tested elsewhere.
    """
    bias = BiasModel().fit(data)
    R = {(int(u), int(i)): r for u, i, r in zip(data.user, data.item, data.value)}

    def mean_of(side, n):
        own = [r for cell, r in R.items() if cell[side] == n]
        return sum(own) / len(own) if own else sum(R.values()) / len(R)

    mine, other = (1, 0) if by == "item" else (0, 1)  # the compared side in a cell
    means = [mean_of(mine, n) for n in range(data.shape[mine])]
    across = [mean_of(other, n) for n in range(data.shape[other])]

    def base(u, i):
        if center == "mean":
            return means[(u, i)[mine]]
        return bias.mu_ + bias.b_u_[u] + bias.b_i_[i]

    def compared(u, i):
        if similarity == "residual":
            return R[u, i] - (bias.mu_ + bias.b_u_[u] + bias.b_i_[i])
        return R[u, i] - (across[(u, i)[other]] if similarity == "adjusted" else 0.0)

    columns = [{} for _ in means]
    for u, i in R:
        columns[(u, i)[mine]][(u, i)[other]] = compared(u, i)
    function = oracles.pearson if similarity == "pearson" else oracles.co_rated_cosine
    S = np.zeros((len(means), len(means)))
    for a in range(len(means)):
        for b in range(len(means)):
            shared = len(oracles.common(columns[a], columns[b]))
            if a != b and shared:
                S[a, b] = function(columns[a], columns[b])
                S[a, b] *= (shared - 1) / (shared - 1 + shrink) if shrink else 1.0

    def score(u, i, S):
        row, target = (u, i)[other], (u, i)[mine]
        cells = [cell for cell in R if cell[other] == row]
        own = {cell[mine]: R[cell] - base(*cell) for cell in cells}
        return base(u, i) + oracles.knn_rating(own, S[target], k)

    def scores(S):
        users, items = range(data.n_users), range(data.n_items)
        return [[score(u, i, S) for i in items] for u in users]

    return S, scores


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize("similarity", ["residual", "pearson", "adjusted", "cosine"])
@pytest.mark.parametrize("center", ["bias", "mean"])
def test_rating_knn_is_the_loops(by, similarity, center):
    """Checks eq-knn-rating."""
    data = make_world(n_users=16, n_items=11, n_ratings=90, random_state=3).interactions
    kept = (data.user != 2) & (data.item != 4)  # a user and an item without rows
    data = data.subset(kept)
    for k, shrink in ((2, 4.0), (50, 1.0)):
        options = {"by": by, "similarity": similarity, "center": center}
        model = RatingKNN(n_neighbors=k, shrink=shrink, **options).fit(data)
        S, scores = literal_rating_knn(data, by, k, similarity, shrink, center)
        np.testing.assert_allclose(model.S_, S, atol=1e-10)
        got = model.score(np.arange(data.n_users))
        # two shared rows correlate by exactly 1: the lower index comes first
        np.testing.assert_allclose(got, scores(S.round(11)), atol=1e-9)
        u, i = data.user[::3], data.item[::-3][: len(data.user[::3])]
        u = u[: len(i)]
        np.testing.assert_allclose(model.predict(u, i), got[u, i], rtol=1e-12)


def test_unshrunk_similarities_are_kept_as_they_are():
    data = make_world(n_users=30, n_items=12, n_ratings=200).interactions
    model = RatingKNN(similarity="pearson", shrink=0.0).fit(data)
    np.testing.assert_allclose(model.S_, off_diagonal(pearson(data.csr)), atol=1e-14)


def test_predictions_of_many_users_are_those_of_few():
    """More users than one block of predictions holds."""
    data = make_world(n_users=1100, n_items=20, n_ratings=5000).interactions
    model = RatingKNN(n_neighbors=5, shrink=10.0).fit(data)
    users = np.random.default_rng(0).permutation(1100)
    items = users % 20
    together = model.predict(users, items)
    np.testing.assert_allclose(
        together, model.score(np.arange(1100))[users, items], rtol=1e-12
    )


# -- scikit-surprise's predictions ---------------------------------------------------


def surprise_trainset(train):
    import surprise

    frame = train.to_frame()[["user", "item", "value"]].assign(
        user=train.user, item=train.item
    )
    reader = surprise.Reader(rating_scale=(1, 5))
    return surprise.Dataset.load_from_df(frame, reader).build_full_trainset()


def surprise_predictions(algorithm, train, users, items):
    algorithm.fit(surprise_trainset(train))
    pairs = zip(users.tolist(), items.tolist(), strict=True)
    return np.array([algorithm.predict(u, i, clip=False).est for u, i in pairs])


BASELINES = {"method": "als", "n_epochs": 20, "reg_u": 5, "reg_i": 2}


def baseline_knn(by, k, shrink):
    import surprise

    sim = {"name": "pearson_baseline", "shrinkage": shrink, "user_based": by == "user"}
    return surprise.KNNBaseline(
        k=k, sim_options=sim, bsl_options=BASELINES, verbose=False
    )


@pytest.mark.parametrize("by", ["item", "user"])
def test_rating_knn_predicts_what_surprise_predicts(by):
    """Pairs not rated: theirs takes the k largest similarities and drops those <= 0.

    The positive ones among the k largest are the k largest positive ones, so both
    rules choose the same neighbours.
    """
    data = make_world(n_users=150, n_items=90, n_ratings=4000, stars=True).interactions
    train, _, test = splits.user_holdout(data)
    for k in (5, 50):
        theirs = surprise_predictions(
            baseline_knn(by, k, 100), train, test.user, test.item
        )
        model = RatingKNN(by=by, n_neighbors=k, shrink=100.0).fit(train)
        ours = model.predict(test.user, test.item)
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
        assert ours.std() > 0.3
        base = model.bias_.predict(test.user, test.item)
        assert abs(ours - base).max() > 0.1, "the neighbours have their say"


def test_rating_knn_predicts_what_surprise_predicts_on_movielens(ratings):
    fold = splits.k_fold(ratings)[0]
    users, items = fold.test.user[:1500], fold.test.item[:1500]
    theirs = surprise_predictions(
        baseline_knn("item", 50, 2500), fold.train, users, items
    )
    model = RatingKNN().fit(fold.train)
    np.testing.assert_allclose(model.predict(users, items), theirs, atol=1e-9)


def test_on_rated_pairs_surprise_counts_the_rating_itself():
    """There the item is its own neighbour, with similarity 1: a leak."""
    data = make_world(n_users=60, n_items=40, n_ratings=900, stars=True).interactions
    k, shrink = 5, 20.0
    theirs = surprise_predictions(
        baseline_knn("item", k, shrink), data, data.user, data.item
    )
    model = RatingKNN(n_neighbors=k, shrink=shrink).fit(data)
    ours = model.predict(data.user, data.item)
    assert np.mean((theirs - data.value) ** 2) < 0.5 * np.mean((ours - data.value) ** 2)
    S = model.S_ + np.eye(data.n_items)
    base = model.bias_.predict(data.user, data.item)
    cells = zip(data.user, data.item, data.value - base)
    own = [{} for _ in range(data.n_users)]
    for u, i, e in cells:
        own[u][i] = e
    leaking = [
        b + oracles.knn_rating(own[u], S[i], k)
        for u, i, b in zip(data.user, data.item, base)
    ]
    np.testing.assert_allclose(theirs, leaking, atol=1e-9)


@pytest.mark.parametrize("by", ["item", "user"])
@pytest.mark.parametrize("similarity", ["cosine", "pearson"])
def test_mean_centred_knn_is_surprise_s_knn_with_means(by, similarity):
    """With every neighbour taken: how ties are cut cannot matter."""
    import surprise

    data = make_world(n_users=50, n_items=40, n_ratings=900, stars=True).interactions
    train, _, test = splits.user_holdout(data)
    known = np.isin(test.item, train.item)  # else theirs refuses to predict
    test = test.subset(known)
    options = {"name": similarity, "user_based": by == "user"}
    algorithm = surprise.KNNWithMeans(k=1000, sim_options=options, verbose=False)
    theirs = surprise_predictions(algorithm, train, test.user, test.item)
    model = RatingKNN(
        by=by, similarity=similarity, shrink=0.0, center="mean", n_neighbors=1000
    ).fit(train)
    np.testing.assert_allclose(model.predict(test.user, test.item), theirs, atol=1e-9)


# -- EASE ----------------------------------------------------------------------------

PENALTIES = [(0.7, 0.0), (3.0, 2.0), (50.0, 0.25)]
BINARY = [binary(), binary(1, 5, 9), binary(2, 30, 7)]


def penalty_of(X, reg, count_weight):
    return np.array([reg + count_weight * sum(X[:, j]) for j in range(X.shape[1])])


@pytest.mark.parametrize("reg, count_weight", PENALTIES)
@pytest.mark.parametrize("X", BINARY)
def test_ease_is_three_other_computations(X, reg, count_weight):
    """The inverse, the Lagrangian's linear system, one ridge regression a column.

    Checks eq-ease-solution.
    """
    B = ease_weights(csr_array(X), reg, count_weight)
    penalty = penalty_of(X, reg, count_weight)
    P = np.linalg.inv(X.T @ X + np.diag(penalty))
    closed = np.array([-P[:, i] / P[i, i] for i in range(len(P))]).T
    np.testing.assert_allclose(B, off_diagonal(closed), atol=1e-12)
    by_multipliers, multipliers = oracles.ease_by_multipliers(X, penalty)
    np.testing.assert_allclose(B, by_multipliers, atol=1e-12)
    np.testing.assert_allclose(multipliers, 1 / np.diag(P) - penalty, atol=1e-9)
    np.testing.assert_allclose(B, oracles.ease_by_columns(X, penalty), atol=1e-9)
    assert (np.diag(B) == 0).all() and B.dtype == np.float64
    assert (B[:, X.sum(axis=0) == 0] == 0).all()


def ease_objective(X, B, penalty):
    return np.sum((X - X @ B) ** 2) + np.sum(penalty[:, None] * B**2)


@pytest.mark.parametrize("reg, count_weight", PENALTIES)
def test_nothing_beats_ease_at_its_objective(reg, count_weight):
    """Checks eq-ease-objective."""
    X = binary(5, 15, 7)
    penalty = penalty_of(X, reg, count_weight)
    B = ease_weights(csr_array(X), reg, count_weight)
    best, rng = ease_objective(X, B, penalty), np.random.default_rng(0)
    for size in (1e-3, 0.03, 1.0):
        for _ in range(50):
            other = B + off_diagonal(size * rng.normal(size=B.shape))
            assert ease_objective(X, other, penalty) > best
    free = ~np.eye(7, dtype=bool)

    def objective(b):
        other = np.zeros((7, 7))
        other[free] = b
        return ease_objective(X, other, penalty)

    found = minimize(objective, np.zeros(42), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(B[free], found.x, atol=1e-5)
    assert ease_objective(X, B + 1e-3 * np.eye(7), penalty) < best, (
        "but for the diagonal"
    )


def test_ease_by_hand():
    """Two items, three users: B[0, 1] = shared / (count of 0 + reg)."""
    X = np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    B = ease_weights(csr_array(X), 2.0)
    np.testing.assert_allclose(B, [[0, 2 / (3 + 2)], [2 / (3 + 2), 0]], rtol=1e-14)
    B = ease_weights(csr_array(np.vstack([X, [[1.0, 0.0]]])), 2.0, 0.5)
    np.testing.assert_allclose(
        B, [[0, 2 / (4 + 2 + 0.5 * 4)], [2 / (3 + 2 + 0.5 * 3), 0]], rtol=1e-14
    )


def test_ease_takes_whole_numbers_with_a_fractional_penalty():
    X = binary()
    whole = csr_array(X.astype(np.int64))
    np.testing.assert_allclose(
        ease_weights(whole, 0.4, 0.3), ease_weights(csr_array(X), 0.4, 0.3), rtol=1e-12
    )


def test_a_gram_matrix_without_an_inverse_is_said():
    with pytest.raises(np.linalg.LinAlgError):
        zero_diagonal_regression(np.ones((3, 3)), np.zeros(3))


def test_ease_scores_are_x_times_b_and_not_its_transpose():
    X = binary(7, 20, 9)
    penalty = penalty_of(X, 2.0, 1.0)
    B = oracles.ease_by_columns(X, penalty)
    stars = X * np.random.default_rng(0).integers(1, 6, X.shape)
    model = EASE(reg=2.0, count_weight=1.0).fit(interactions_of(stars))
    scores = model.score(np.arange(20))
    np.testing.assert_allclose(scores, X @ B, atol=1e-9)
    assert abs(scores - X @ B.T).max() > 0.05
    np.testing.assert_allclose(model.score_history(5 * X[:3]), X[:3] @ B, atol=1e-9)
    # one λ: B differs from its transpose by the scale of the columns
    B = ease_weights(csr_array(X), 2.0)
    P = np.linalg.inv(X.T @ X + 2.0 * np.eye(9))
    np.testing.assert_allclose(B * np.diag(P), (B * np.diag(P)).T, atol=1e-12)
    assert abs(B - B.T).max() > 0.01


@given(strategies.interactions(), st.sampled_from([0.5, 1.0, 3.0, 40.0]))
def test_recency_weights_are_the_loop(data, half_life):
    got = recency_weighted(data, half_life)
    expected = np.zeros(data.shape)
    for row in range(len(data)):
        later = sum(
            data.user[other] == data.user[row]
            and (data.time[other], other) > (data.time[row], row)
            for other in range(len(data))
        )
        expected[data.user[row], data.item[row]] = 2.0 ** (-later / half_life)
    np.testing.assert_allclose(got.toarray(), expected, rtol=1e-12)
    assert got.has_sorted_indices and got.nnz == len(data)


def test_ease_scores_from_a_fading_history_but_learns_from_a_plain_one():
    data = make_world(n_users=30, n_items=15, n_ratings=200).interactions
    plain, faded = EASE(reg=5.0).fit(data), EASE(reg=5.0, half_life=4.0).fit(data)
    np.testing.assert_array_equal(plain.B_, faded.B_)
    expected = recency_weighted(data, 4.0).toarray() @ plain.B_
    np.testing.assert_allclose(faded.score(np.arange(30)), expected, atol=1e-12)
    np.testing.assert_allclose(
        faded.score_history(data.csr), plain.score(np.arange(30)), atol=1e-12
    )
    slow = EASE(reg=5.0, half_life=1e9).fit(data)
    np.testing.assert_allclose(
        slow.score(np.arange(30)), plain.score(np.arange(30)), atol=1e-6
    )
    timeless = Interactions(
        user=data.user,
        item=data.item,
        value=data.value,
        time=None,
        user_ids=data.user_ids,
        item_ids=data.item_ids,
    )
    assert np.isfinite(EASE().fit(timeless).score([0])).all()
    with pytest.raises(ValueError, match="no time"):
        EASE(half_life=4.0).fit(timeless)


# -- recovery ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, weights",
    [
        (ItemKNN(n_neighbors=10), lambda m: m.S_),
        (EASE(reg=50.0), lambda m: m.B_),
        (RatingKNN(shrink=20.0), lambda m: m.S_),
    ],
    ids=["ItemKNN", "EASE", "RatingKNN"],
)
def test_neighbours_share_the_planted_topic(model, weights):
    """Four topics: by chance a quarter of an item's ten neighbours shares its topic."""
    world = make_world(content=1.0, skew=0.5, noise=0.3, random_state=1)
    W = weights(model.fit(world.interactions))
    topic = world.topic_of_item
    nearest = np.argsort(-off_diagonal(W), axis=0)[:10]  # of each column
    share = np.mean(topic[nearest] == topic)
    chance = 1 / 4
    assert share > 3 * chance, share


# -- MovieLens: what the models reach -------------------------------------------------


@pytest.fixture
def one_thread():
    """Linear algebra that does not fight with the other tests for the cores."""
    with threadpool_limits(1):
        yield


def test_check_values_of_the_ranking_task(ratings, one_thread):
    split = splits.item_stratified(ratings)

    def ndcg(model):
        return evaluate(model.fit(split.train), split.test).ndcg.mean()

    assert round(ndcg(EASE(reg=300.0, count_weight=0.0)), 4) == 0.4842
    assert ndcg(EASE()) >= 0.487
    assert ndcg(ItemKNN()) >= 0.45
    assert ndcg(UserKNN()) >= 0.44


def test_check_value_of_the_rating_task(ratings, one_thread):
    errors = []
    for fold in splits.k_fold(ratings):
        frame = evaluate_ratings(RatingKNN().fit(fold.train), fold.test)
        errors.append(rmse(frame.rating, frame.prediction))
    assert np.mean(errors) <= 0.914


@pytest.mark.parametrize(
    "model, limit",
    [
        (UserKNN(), 0.3),
        (ItemKNN(), 2 * 0.3),  # 0.2 s on an idle machine: little slack beside others
        (EASE(), 2 * 0.5),
        (RatingKNN(), 1.0),
        (RatingKNN(by="user"), 1.0),
    ],
    ids=["UserKNN", "ItemKNN", "EASE", "RatingKNN", "RatingKNN by user"],
)
def test_fitting_and_scoring_everybody_is_quick(ratings, one_thread, model, limit):
    """Seconds of one core, so that whatever else the machine does hardly counts."""
    train = splits.item_stratified(ratings).train
    users = np.arange(train.n_users)
    model.clone().fit(train.subset(np.arange(2000))).score(users)  # compile
    seconds = []
    for _ in range(3):
        started = time.process_time()
        model.fit(train).score(users)
        seconds.append(time.process_time() - started)
    print(f"{model!r}: {min(seconds):.3f} s of {limit} s")
    assert min(seconds) <= limit
