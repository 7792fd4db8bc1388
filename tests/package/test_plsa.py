"""Mixtures of topics: stored responsibilities, KL-NMF, concavity, planted topics."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment, minimize
from scipy.sparse import csr_array
from sklearn.decomposition._nmf import _multiplicative_update_w
from sklearn.mixture import GaussianMixture

from recsys_tutor import splits
from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate_ratings
from recsys_tutor.metrics import rmse
from recsys_tutor.plsa import (
    PLSA,
    GaussianPLSA,
    _expected_counts,
    _gaussian_counts,
    em_step,
    fold_in,
    free_energy,
    gaussian_em_step,
    log_likelihood,
)
from recsys_tutor.study.results import Results

BOOK = Path(__file__).parents[2] / "book" / "results.json"
BETAS = [1.0, 0.8, 0.3]


def counts(seed=0, shape=(7, 5), ones=False):
    """User 2 has nothing, item 3 nobody; values are counts."""
    rng = np.random.default_rng(seed)
    X = (rng.random(shape) < 0.6) * rng.integers(1, 4, shape)
    X[2], X[:, 3] = 0, 0
    X = (X > 0) if ones else X
    return csr_array(X.astype(float))


def mixture(seed=1, shape=(7, 5), n_topics=3):
    rng = np.random.default_rng(seed)
    theta = rng.dirichlet(np.ones(n_topics), shape[0])
    return theta, rng.dirichlet(np.ones(shape[1]), n_topics)


def sums_to_one(theta, phi):
    np.testing.assert_allclose(theta.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(phi.sum(axis=1), 1, rtol=1e-12)


# -- one step --------------------------------------------------------------------------


@pytest.mark.parametrize("beta", BETAS)
def test_a_step_is_the_one_with_stored_responsibilities(beta):
    """Checks eq-plsa-e, eq-plsa-m."""
    X, (theta, phi) = counts(), mixture()
    kept = theta.copy(), phi.copy()
    new_theta, new_phi = em_step(X, theta, phi, beta)
    slow_theta, slow_phi, q = oracles.plsa_step(X.toarray(), theta, phi, beta)
    np.testing.assert_allclose(new_theta, slow_theta, rtol=1e-12)
    np.testing.assert_allclose(new_phi, slow_phi, rtol=1e-12)
    np.testing.assert_allclose(q.sum(axis=2), X.toarray() > 0, rtol=1e-12)
    sums_to_one(new_theta, new_phi)
    np.testing.assert_allclose(new_theta[2], 1 / 3)
    np.testing.assert_array_equal(new_phi[:, 3], 0)
    for array, before in zip((theta, phi), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_the_free_energy_is_the_sum_over_the_entries():
    """Checks eq-plsa-likelihood, eq-plsa-tempered."""
    X, (theta, phi) = counts(), mixture()
    for beta in BETAS:
        expected = oracles.plsa_free_energy(X.toarray(), theta, phi, beta)
        assert free_energy(X, theta, phi, beta) == pytest.approx(expected, rel=1e-12)
    loops = -oracles.plsa_free_energy(X.toarray(), theta, phi)
    assert log_likelihood(X, theta, phi) == pytest.approx(loops, rel=1e-12)


def test_the_compiled_loops_are_their_python():
    X, (theta, phi) = counts(), mixture()
    row, column = X.tocoo().coords
    for kernel, arguments in (
        (_expected_counts, (X.indptr, X.indices, X.data, theta, phi.T.copy(), True)),
        (_gaussian_counts, (row, column, X.data - 2, np.log(theta), phi.T - 0.2, 0.7)),
    ):
        ours, theirs = kernel(*arguments), kernel.py_func(*arguments)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11)
            assert np.abs(a).max() > 0.1


@given(
    strategies.interactions(min_rows=1),
    st.sampled_from(BETAS),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_the_free_energy_never_rises(data, beta, n_topics, seed):
    X, (theta, phi) = data.csr, mixture(seed, data.shape, n_topics)
    dense = X.toarray()
    last = oracles.plsa_free_energy(dense, theta, phi, beta)
    for _ in range(4):
        theta, phi = em_step(X, theta, phi, beta)
        energy = oracles.plsa_free_energy(dense, theta, phi, beta)
        assert energy <= last + 1e-9 * (1 + abs(last))
        last = energy


def test_the_gap_to_the_bound_is_the_divergence_of_the_responsibilities():
    """ELBO with the old q at the new parameters: below the likelihood by the KL."""
    X, (theta, phi) = counts(), mixture()
    dense = X.toarray()
    _, _, q = oracles.plsa_step(dense, theta, phi)
    theta, phi = em_step(X, theta, phi)
    _, _, now = oracles.plsa_step(dense, theta, phi)
    bound = divergence = 0.0
    for u, i in zip(*np.nonzero(dense), strict=True):
        for z in range(3):
            share = dense[u, i] * q[u, i, z]
            bound += share * math.log(theta[u, z] * phi[z, i] / q[u, i, z])
            divergence += share * math.log(q[u, i, z] / now[u, i, z])
    assert divergence > 1e-3
    gap = log_likelihood(X, theta, phi) - bound
    assert gap == pytest.approx(divergence, rel=1e-9)


def test_the_user_step_is_kl_nmf_s_multiplicative_update():
    """scikit-learn's update of W with H = phi; rows scaled by their counts."""
    X, (theta, phi) = counts(), mixture()
    size = np.asarray(X.sum(axis=1))[:, None]
    W = size * theta
    W, *_ = _multiplicative_update_w(
        X, W, phi, beta_loss=1, l1_reg_W=0, l2_reg_W=0, gamma=1
    )
    new = em_step(X, theta, phi)[0]
    rated = size[:, 0] > 0
    np.testing.assert_allclose((size * new)[rated], W[rated], rtol=1e-9)
    assert np.abs(new - theta).max() > 0.05


def test_one_topic_is_popularity():
    data = toy().interactions
    model = PLSA(n_topics=1, n_epochs=1, beta=1.0).fit(data)
    popular = Popularity().fit(data).score([0])[0]
    np.testing.assert_allclose(
        model.score(np.arange(5)), np.tile(popular / popular.sum(), (5, 1)), rtol=1e-12
    )
    assert model.score_history(np.ones((1, 6)))[0] == pytest.approx(popular / 18)


def test_other_factors_are_refused():
    """Transposed, or of another matrix: no compiled loop may read beyond the end."""
    X, (theta, phi) = counts(), mixture()
    for wrong in (phi.T, phi[:, :4], phi[0]):
        for ask in (
            lambda phi: em_step(X, theta, phi),
            lambda phi: fold_in(X, phi),
            lambda phi: free_energy(X, theta, phi),
            lambda phi: log_likelihood(X, theta, phi),
        ):
            with pytest.raises(ValueError, match=r"phi must be \(n_topics, 5\).*got"):
                ask(wrong)


# -- folding in ------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1.0, 0.7])
def test_fold_in_finds_the_one_best_mixture(beta):
    """The free energy is convex in a row; scipy's minimum from several starts."""
    X, (_, phi) = counts(), mixture()
    theta = fold_in(X, phi, beta=beta, n_epochs=4000)
    rng = np.random.default_rng(3)
    for u in (0, 1, 4):
        row = X[[u]]

        def energy(a, row=row):
            a = np.maximum(a, 1e-12)
            a = a / a.sum()
            return oracles.plsa_free_energy(row.toarray(), a[None], phi, beta)

        for start in rng.dirichlet(np.ones(3), 2):
            best = minimize(energy, start, method="Nelder-Mead",
                            options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000},
                            bounds=[(0, 1)] * 3)  # fmt: skip
            assert energy(theta[u]) <= best.fun + 1e-8
        a, b = rng.dirichlet(np.ones(3), 2)
        assert energy((a + b) / 2) <= (energy(a) + energy(b)) / 2
    np.testing.assert_allclose(theta[2], 1 / 3)


@pytest.mark.parametrize("beta", [1.0, 0.7])
def test_a_converged_model_folds_its_training_rows_in_as_they_are(beta):
    data = toy().interactions
    model = PLSA(n_topics=2, n_epochs=3000, beta=beta).fit(data)
    ones = csr_array((data.csr.toarray() > 0).astype(float))
    theta = fold_in(ones, model.phi_, beta=beta, n_epochs=3000)
    np.testing.assert_allclose(theta, model.theta_, atol=1e-6)
    some = fold_in(ones, model.phi_, beta=beta, n_epochs=50) @ model.phi_
    np.testing.assert_allclose(model.score_history(data.csr), some, rtol=1e-12)


def test_unknown_items_leave_a_new_user_where_he_was():
    """An item that nobody took in training says nothing about a topic."""
    phi = mixture()[1].copy()
    phi[:, 3] = 0
    X = csr_array([[1.0, 0, 0, 0, 1], [1, 0, 0, 1, 1], [0, 0, 0, 2, 0]])
    theta = fold_in(X, phi)
    np.testing.assert_allclose(theta[0], theta[1], rtol=1e-12)
    np.testing.assert_allclose(theta[2], 1 / 3)


# -- the model -------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [1.0, 0.8])
def test_fit_is_the_stated_steps(beta):
    data = toy().interactions
    model = PLSA(n_topics=2, n_epochs=3, beta=beta, random_state=5).fit(data)
    rng = np.random.default_rng(5)
    theta, phi = rng.dirichlet(np.ones(2), 5), rng.dirichlet(np.ones(6), 2)
    dense = (data.csr.toarray() > 0).astype(float)
    losses = []
    for _ in range(3):
        theta, phi, _ = oracles.plsa_step(dense, theta, phi, beta)
        losses.append(oracles.plsa_free_energy(dense, theta, phi, beta))
    np.testing.assert_allclose(model.theta_, theta, rtol=1e-11)
    np.testing.assert_allclose(model.phi_, phi, rtol=1e-11)
    np.testing.assert_allclose([h["loss"] for h in model.history_], losses, rtol=1e-11)
    np.testing.assert_allclose(model.score(np.arange(5)), theta @ phi, rtol=1e-11)
    assert losses == sorted(losses, reverse=True)


def test_planted_topics_come_back_in_another_order():
    """Pairs drawn with repetition from a known mixture, 200,000 of them."""
    rng = np.random.default_rng(0)
    true_theta = rng.dirichlet(np.full(4, 0.3), 300)
    true_phi = rng.dirichlet(np.full(60, 0.3), 4)
    X = csr_array(rng.poisson(700 * true_theta @ true_phi).astype(float))
    theta, phi = mixture(2, X.shape, 4)
    for _ in range(400):
        theta, phi = em_step(X, theta, phi)
    overlap = np.minimum(true_phi[:, None, :], phi).sum(axis=2)  # 1 - total variation
    ours, theirs = linear_sum_assignment(-overlap)
    assert overlap[ours, theirs].min() > 0.97
    np.testing.assert_allclose(theta[:, theirs], true_theta[:, ours], atol=0.12)
    assert np.abs(theta[:, theirs] - true_theta).mean() < 0.015
    assert log_likelihood(X, theta, phi) > log_likelihood(X, true_theta, true_phi), (
        "fits more"
    )


def test_planted_topics_of_a_made_world():
    """Items of one topic get most of their weight from one row of phi."""
    world = make_world(n_ratings=12_000, random_state=0)
    model = PLSA(n_topics=4, n_epochs=200, beta=1.0).fit(world.interactions)
    mass = np.array(
        [model.phi_[:, world.topic_of_item == z].sum(axis=1) for z in range(4)]
    )
    ours, theirs = linear_sum_assignment(-mass)
    assert mass[ours, theirs].min() > 0.7
    close = np.corrcoef(model.theta_[:, theirs].ravel(), world.theta.ravel())[0, 1]
    assert close > 0.9


def test_no_responsibilities_are_stored():
    """A step needs a few copies of its arguments, not a number per entry and topic."""
    rng = np.random.default_rng(0)
    dense = rng.random((400, 500)) < 0.5
    X, (theta, phi) = csr_array(dense.astype(float)), mixture(0, dense.shape, 40)
    em_step(X, theta, phi, 0.9)
    all_of_them = 8 * X.nnz * 40
    tracemalloc.start()
    em_step(X, theta, phi, 0.9)
    free_energy(X, theta, phi, 0.9)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all_of_them > 30e6
    assert peak < 8 * 6 * X.nnz + 8 * 6 * (theta.size + phi.size) < 0.25 * all_of_them


# -- ratings ---------------------------------------------------------------------------


def rated():
    """(rows, theta, M): deviations of the toy's ratings and factors without zeros."""
    data = toy().interactions
    rows = list(zip(data.user, data.item, data.value - 3.2, strict=True))
    M = np.random.default_rng(3).normal(0, 0.8, (6, 3))
    return rows, mixture(2, (5, 6))[0], M


def columns(rows):
    return [np.array(column) for column in zip(*rows, strict=True)]


PENALTIES = [(0.0, 0.0), (2.0, 0.0), (0.0, 0.4), (3.0, 0.3)]


@pytest.mark.parametrize("shrink, smoothing", PENALTIES)
def test_a_gaussian_step_is_the_literal_one(shrink, smoothing):
    """Checks eq-plsa-gaussian, eq-plsa-gaussian-m."""
    rows, theta, M = rated()
    variance = 0.9
    for _ in range(3):
        expected = oracles.gaussian_plsa_step(
            rows, theta, M, variance, shrink, smoothing
        )
        value = oracles.gaussian_plsa_objective(
            rows, theta, M, variance, shrink, smoothing
        )
        *ours, objective = gaussian_em_step(
            *columns(rows), theta, M, variance, shrink=shrink, smoothing=smoothing
        )
        for a, b in zip(ours, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert objective == pytest.approx(value, rel=1e-10)
        theta, M, variance = ours
    assert abs(variance - 0.9) > 0.05


@given(
    strategies.interactions(min_rows=2),
    st.sampled_from(PENALTIES),
    st.integers(1, 3),
    st.integers(0, 99),
)
def test_the_gaussian_objective_never_falls(data, penalties, n_topics, seed):
    """By the literal objective, while the variance is above its floor."""
    value = data.value - 3 + np.random.default_rng(seed).normal(0, 0.3, len(data))
    rows = list(zip(data.user, data.item, value, strict=True))
    theta, _ = mixture(seed, data.shape, n_topics)
    M, variance = np.random.default_rng(seed).normal(size=(data.n_items, n_topics)), 1.0
    last = oracles.gaussian_plsa_objective(rows, theta, M, variance, *penalties)
    for _ in range(4):
        theta, M, variance, _ = gaussian_em_step(
            *columns(rows), theta, M, variance,
            shrink=penalties[0], smoothing=penalties[1],
        )  # fmt: skip
        if variance < 1e-6:
            return
        value = oracles.gaussian_plsa_objective(rows, theta, M, variance, *penalties)
        assert value >= last - 1e-9 * (1 + abs(last))
        last = value


def test_one_user_and_one_item_are_scikit_learn_s_mixture():
    """All values in one cell: a one-dimensional mixture with a tied variance."""
    rng = np.random.default_rng(0)
    value = np.concatenate([rng.normal(-1, 0.4, 60), rng.normal(1.5, 0.4, 40)])
    zero = np.zeros(100, int)
    theta, M, variance = np.array([[0.5, 0.5]]), np.array([[-0.5, 0.5]]), 1.0
    for _ in range(300):
        theta, M, variance, objective = gaussian_em_step(
            zero, zero, value, theta, M, variance
        )
    peer = GaussianMixture(
        2, covariance_type="tied", tol=1e-12, max_iter=2000, reg_covar=0,
        means_init=[[-0.5], [0.5]],
    ).fit(value[:, None])  # fmt: skip
    np.testing.assert_allclose(M[0], peer.means_[:, 0], rtol=1e-5)
    np.testing.assert_allclose(theta[0], peer.weights_, rtol=1e-5)
    assert variance == pytest.approx(peer.covariances_[0, 0], rel=1e-5)
    assert objective / 100 == pytest.approx(peer.score(value[:, None]), rel=1e-8)


def test_gaussian_fit_is_the_stated_steps_on_what_the_biases_leave():
    data = toy().interactions
    model = GaussianPLSA(
        n_topics=2, n_epochs=3, shrink=1.0, smoothing=0.2, reg_u=1.0, reg_i=3.0,
        init_scale=0.5, random_state=6,
    ).fit(data)  # fmt: skip
    base = BiasModel(reg_u=1.0, reg_i=3.0).fit(data).score(np.arange(5))
    value = data.value - base[data.user, data.item]
    rows = list(zip(data.user, data.item, value, strict=True))
    rng = np.random.default_rng(6)
    theta, M = rng.dirichlet([0.5, 0.5], 5), rng.normal(0, 0.5, (6, 2))
    variance, losses = value.var(), []
    for _ in range(3):
        losses.append(
            -oracles.gaussian_plsa_objective(rows, theta, M, variance, 1.0, 0.2)
        )
        theta, M, variance = oracles.gaussian_plsa_step(
            rows, theta, M, variance, 1.0, 0.2
        )
    np.testing.assert_allclose([h["loss"] for h in model.history_], losses, rtol=1e-9)
    scores = base + theta @ M.T
    np.testing.assert_allclose(model.score(np.arange(5)), scores, rtol=1e-9)
    np.testing.assert_allclose(
        model.predict(data.user, data.item), scores[data.user, data.item], rtol=1e-9
    )
    assert model.variance_ == pytest.approx(variance, rel=1e-9)
    assert np.abs(theta @ M.T).max() > 0.1


def test_types_of_raters_are_recovered():
    """Four types of pure users, noise 0.5. EM from a blurred truth stays near it.

    Random starts end in worse local optima; the lowest objective errs least.
    """
    rng = np.random.default_rng(1)
    kind, likes = rng.integers(0, 4, 200), rng.normal(0, 1, (80, 4))
    user, item = np.nonzero(rng.random((200, 80)) < 0.5)
    truth = 3 + likes[item, kind[user]]
    value = truth + rng.normal(0, 0.5, len(user))
    ids = np.arange(200), np.arange(80)
    held = rng.random(len(user)) < 0.2
    train = Interactions(user, item, value, None, *ids).subset(~held)
    pairs = user[held], item[held]
    oracle = rmse(value[held], truth[held])
    penalty = {"shrink": 1.0, "smoothing": 0.01}
    models = [
        GaussianPLSA(n_topics=4, n_epochs=100, random_state=seed, **penalty).fit(train)
        for seed in range(5)
    ]
    bias = models[0].bias_
    assert rmse(value[held], bias.predict(*pairs)) > 1.9 * oracle
    left = train.value - bias.predict(train.user, train.item)
    theta, M, variance = (
        0.6 * np.eye(4)[kind] + 0.1,
        likes + rng.normal(0, 0.5, (80, 4)),
        1,
    )
    for _ in range(100):
        theta, M, variance, best = gaussian_em_step(
            train.user, train.item, left, theta, M, float(variance), **penalty
        )
    guess = bias.predict(*pairs) + np.sum(theta[pairs[0]] * M[pairs[1]], axis=1)
    assert rmse(value[held], guess) < 1.1 * oracle
    assert math.sqrt(variance) == pytest.approx(0.5, rel=0.03)
    assert np.mean(theta.argmax(axis=1) == kind) == 1
    losses = [model.history_[-1]["loss"] for model in models]
    errors = [rmse(value[held], model.predict(*pairs)) for model in models]
    assert min(losses) > -best
    assert np.argmin(losses) == np.argmin(errors) and min(errors) < 1.2 * oracle


# -- what the book promises ------------------------------------------------------------


@pytest.mark.parametrize("name, limit", [("PLSA", 0.42), ("PLSA, tempered", 0.46)])
def test_the_book_s_five_seeds(name, limit):
    seeds = Results.load(BOOK).scores("ranking", "ndcg")[name]
    assert len(seeds) == 5 and seeds.mean() >= limit


def test_the_book_s_ratings():
    """Types of users beat the biases on every fold."""
    table = Results.load(BOOK).scores("rating", "rmse")
    assert len(table) == 5
    assert (table["Gaussian PLSA"] < table["Bias model"]).all()


def test_first_fold_of_movielens(ratings):
    """Below the biases, whose RMSE on this fold is 0.940."""
    fold = splits.k_fold(ratings)[0]
    frame = evaluate_ratings(GaussianPLSA(n_epochs=100).fit(fold.train), fold.test)
    assert rmse(frame.rating, frame.prediction) < 0.933
