"""Factorization of ratings: literal loops, scikit-surprise, autograd, ridge, SVD."""

from pathlib import Path

import numpy as np
import oracles
import pytest
import strategies
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from recsys_tutor import splits
from recsys_tutor.baselines import BiasModel
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate_ratings
from recsys_tutor.metrics import rmse
from recsys_tutor.mf import (
    BiasedMF,
    ExplicitALS,
    FunkSVD,
    SVDpp,
    TruncatedSVD,
    als_half_step,
    als_objective,
    sgd_epoch,
    sgd_objective,
    svdpp_epoch,
    svdpp_objective,
    svdpp_user_factors,
)
from recsys_tutor.study.results import Results

BOOK = Path(__file__).parents[2] / "book" / "results.json"
MU, RATE, REG, REG_Y = 3.1, 0.05, 0.07, 0.03


def rated(seed=0, n_users=7, n_items=5):
    """Rows (user, item, rating) sorted by user; an empty user and an empty item."""
    rng = np.random.default_rng(seed)
    mask = rng.random((n_users, n_items)) < 0.7
    mask[2], mask[:, 3] = False, False
    user, item = np.nonzero(mask)
    return user, item, rng.integers(1, 6, len(user)).astype(float)


def parameters(seed=1, n_users=7, n_items=5, n_factors=3):
    """b_u, b_i, P, Q, Y: no zeros, no two alike."""
    rng = np.random.default_rng(seed)
    shapes = (n_users,), (n_items,), (n_users, n_factors), (n_items, n_factors)
    return [rng.normal(0, 0.5, shape) for shape in (*shapes, shapes[-1])]


def copies(arrays):
    return [array.copy() for array in arrays]


def lists(arrays):
    return [array.tolist() for array in arrays]


def assert_close(ours, expected, **tolerance):
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, **(tolerance or {"rtol": 1e-12}))


def differences(function, array, step=1e-5):
    """Central differences of ``function()`` by every cell of ``array``, in place."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        up = function()
        array[place] = kept - step
        gradient[place] = (up - function()) / (2 * step)
        array[place] = kept
    return gradient


def interactions_of(user, item, value, shape):
    return Interactions(
        user=user,
        item=item,
        value=value,
        time=np.arange(len(user)),
        user_ids=np.arange(shape[0]),
        item_ids=np.arange(shape[1]),
    )


# -- truncated SVD -------------------------------------------------------------------


@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize("n_factors", [1, 3])
def test_truncated_svd_is_the_cut_svd_of_the_filled_matrix(fill, n_factors):
    user, item, value = rated()
    data = interactions_of(user, item, value, (7, 5))
    filled = np.zeros((7, 5))
    base = np.zeros(5)
    if fill == "mean":
        base[:] = value.mean()
        for i in set(item.tolist()):
            base[i] = value[item == i].mean()
    filled[user, item] = value - base[item]
    U, s, Vt = np.linalg.svd(filled, full_matrices=False)
    best = base + (U[:, :n_factors] * s[:n_factors]) @ Vt[:n_factors]
    model = TruncatedSVD(n_factors=n_factors, fill=fill).fit(data)
    np.testing.assert_allclose(model.score(np.arange(7)), best, atol=1e-10)
    np.testing.assert_allclose(model.singular_values_, s[:n_factors], rtol=1e-10)
    np.testing.assert_allclose(model.Q_.T @ model.Q_, np.eye(n_factors), atol=1e-10)
    np.testing.assert_allclose(
        np.linalg.norm(model.P_, axis=0), model.singular_values_, rtol=1e-10
    )


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_no_matrix_of_that_rank_is_nearer(seed, n_factors):
    """Eckart and Young: rivals get the best user factors for random item factors.

    Checks eq-mf-eckart-young.
    """
    user, item, value = rated()
    data = interactions_of(user, item, value, (7, 5))
    R = data.csr.toarray()
    model = TruncatedSVD(n_factors=n_factors).fit(data)
    error = np.linalg.norm(R - model.P_ @ model.Q_.T)
    singular = np.linalg.svd(R, compute_uv=False)
    assert error == pytest.approx(np.sqrt(np.sum(singular[n_factors:] ** 2)))
    Q = np.random.default_rng(seed).normal(size=(5, n_factors))
    P = np.linalg.lstsq(Q, R.T, rcond=None)[0].T
    assert np.linalg.norm(R - P @ Q.T) >= error - 1e-10


def test_too_many_factors_are_refused_with_the_limit():
    with pytest.raises(ValueError, match=r"n_factors.*4"):
        TruncatedSVD(n_factors=5).fit(toy().interactions)


# -- stochastic gradient descent -----------------------------------------------------


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("compiled", [True, False])
def test_sgd_epoch_equals_the_literal_loop(biased, compiled):
    """Checks eq-mf-sgd."""
    user, item, rating = rated()
    order = np.random.default_rng(3).permutation(len(user))[:-2]
    ours = parameters()[:4]
    plain = lists(ours)
    run = sgd_epoch if compiled else sgd_epoch.py_func
    rows = [(user[n], item[n], rating[n]) for n in order]
    for _ in range(3):
        total = run(user, item, rating, order, MU, *ours, RATE, REG, biased)
        expected = oracles.sgd_pass(rows, MU, *plain, RATE, REG, biased)
        assert total == pytest.approx(expected, rel=1e-12)
    assert_close(ours, plain)
    start = parameters()
    for n in (0, 1):
        assert np.array_equal(ours[n], start[n]) != biased


def test_one_step_is_the_gradient_of_the_stated_objective():
    """Torch differentiates the share of one rating, written anew from the text.

    Checks eq-mf-sgd, eq-mf-sgd-objective.
    """
    user, item, rating = rated()
    start = parameters()[:4]
    for n in (0, 4, len(user) - 1):
        b_u, b_i, P, Q = (torch.tensor(a, requires_grad=True) for a in start)
        u, i = int(user[n]), int(item[n])
        e = rating[n] - MU - b_u[u] - b_i[i] - P[u] @ Q[i]
        size = b_u[u] ** 2 + b_i[i] ** 2 + P[u] @ P[u] + Q[i] @ Q[i]
        loss = 0.5 * (e**2 + REG * size)
        loss.backward()
        one = slice(n, n + 1)
        stated = sgd_objective(user[one], item[one], rating[one], MU, *start, REG)
        assert stated == pytest.approx(loss.item(), rel=1e-12)
        ours = copies(start)
        sgd_epoch(user, item, rating, np.array([n]), MU, *ours, RATE, REG)
        for new, old, tensor in zip(ours, start, (b_u, b_i, P, Q), strict=True):
            np.testing.assert_allclose(new - old, -RATE * tensor.grad, atol=1e-14)


def test_sgd_objective_is_the_sum_of_its_shares():
    user, item, rating = rated()
    start = parameters()[:4]
    shares = [
        sgd_objective(user[[n]], item[[n]], rating[[n]], MU, *start, REG)
        for n in range(len(user))
    ]
    total = sgd_objective(user, item, rating, MU, *start, REG)
    assert total == pytest.approx(sum(shares), rel=1e-12)


def test_a_small_pass_follows_the_finite_differences():
    user, item, rating = rated()
    ours, start = parameters()[:4], parameters()[:4]
    small = 1e-7
    order = np.arange(len(user))[::-1].copy()
    sgd_epoch(user, item, rating, order, MU, *ours, small, REG)

    def objective():
        return sgd_objective(user, item, rating, MU, *start, REG)

    for n, new in enumerate(ours):
        gradient = differences(objective, start[n])
        np.testing.assert_allclose((new - start[n]) / small, -gradient, atol=1e-4)


@pytest.mark.parametrize("biased", [True, False])
def test_scikit_surprise_step_for_step(biased):
    """The same ratings in the same order from the same start, ten passes."""
    import pandas as pd
    from surprise import SVD, Dataset, Reader

    world = make_world(n_users=30, n_items=20, n_ratings=250, stars=True)
    frame = world.interactions.to_frame()[["user", "item", "value"]]
    theirs = Dataset.load_from_df(pd.DataFrame(frame), Reader(rating_scale=(1, 5)))
    trainset = theirs.build_full_trainset()
    peer = SVD(
        n_factors=6,
        n_epochs=10,
        lr_all=0.02,
        reg_all=0.05,
        biased=biased,
        random_state=11,
    ).fit(trainset)
    rng = np.random.RandomState(11)
    P = rng.normal(0, 0.1, (trainset.n_users, 6))
    Q = rng.normal(0, 0.1, (trainset.n_items, 6))
    b_u, b_i = np.zeros(trainset.n_users), np.zeros(trainset.n_items)
    user, item, rating = (np.array(c) for c in zip(*trainset.all_ratings()))
    mu = trainset.global_mean if biased else 0.0
    order = np.arange(len(user))
    for _ in range(10):
        sgd_epoch(user, item, rating, order, mu, b_u, b_i, P, Q, 0.02, 0.05, biased)
    expected = peer.bu, peer.bi, peer.pu, peer.qi
    assert_close((b_u, b_i, P, Q), expected, rtol=0, atol=1e-12)
    assert np.abs(P).max() > 0.1


@pytest.mark.parametrize("cls", [BiasedMF, FunkSVD])
def test_fit_is_the_stated_passes_in_a_new_order_each(cls):
    data = toy().interactions
    settings_ = {"n_factors": 2, "n_epochs": 4, "learning_rate": 0.03, "reg": 0.1}
    model = cls(**settings_, init_scale=0.2, random_state=5).fit(data)
    rng = np.random.default_rng(5)
    P, Q = rng.normal(0, 0.2, (5, 2)).tolist(), rng.normal(0, 0.2, (6, 2)).tolist()
    b_u, b_i = [0.0] * 5, [0.0] * 6
    biased = cls is BiasedMF
    mu = sum(data.value) / len(data) if biased else 0.0
    rows = list(zip(data.user, data.item, data.value, strict=True))
    losses = []
    for _ in range(4):
        chosen = [rows[n] for n in rng.permutation(len(rows))]
        oracles.sgd_pass(chosen, mu, b_u, b_i, P, Q, 0.03, 0.1, biased)
        no_y = np.zeros((6, 2)).tolist()
        losses.append(oracles.svdpp_objective(rows, mu, b_u, b_i, P, Q, no_y, 0.1, 0))
    assert_close((model.b_u_, model.b_i_, model.P_, model.Q_), (b_u, b_i, P, Q))
    np.testing.assert_allclose([r["loss"] for r in model.history_], losses, rtol=1e-12)
    expected = mu + np.array(b_u)[:, None] + b_i + np.array(P) @ np.array(Q).T
    np.testing.assert_allclose(model.score(np.arange(5)), expected, rtol=1e-12)


def test_unseen_users_and_items_keep_their_start():
    user, item, value = rated()
    data = interactions_of(user, item, value, (7, 5))
    model = BiasedMF(n_factors=3, n_epochs=3).fit(data)
    rng = np.random.default_rng(0)
    P, Q = rng.normal(0, 0.03, (7, 3)), rng.normal(0, 0.03, (5, 3))
    assert model.b_u_[2] == 0 and model.b_i_[3] == 0
    np.testing.assert_array_equal(model.P_[2], P[2])
    np.testing.assert_array_equal(model.Q_[3], Q[3])
    assert (model.P_[[0, 1, 3, 4, 5, 6]] != P[[0, 1, 3, 4, 5, 6]]).all()


# -- SVD++ ---------------------------------------------------------------------------


def shuffled_rows(user, item, rating, rng):
    """csr arrays with the entries of every row in random order."""
    order = np.lexsort((rng.random(len(user)), user))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=7))])
    return indptr, item[order], rating[order]


@pytest.mark.parametrize("compiled", [True, False])
def test_svdpp_epoch_equals_the_literal_loop(compiled):
    """Checks eq-mf-svdpp, eq-svdpp-visit."""
    rng = np.random.default_rng(4)
    indptr, item, rating = shuffled_rows(*rated(), rng)
    ours = parameters()
    plain = lists(ours)
    run = svdpp_epoch if compiled else svdpp_epoch.py_func
    for _ in range(3):
        users = rng.permutation(7)
        visits = []
        for u in users:
            row = slice(indptr[u], indptr[u + 1])
            visits.append((u, list(zip(item[row], rating[row], strict=True))))
        total = run(users, indptr, item, rating, MU, *ours, RATE, REG, REG_Y)
        expected = oracles.svdpp_pass(visits, MU, *plain, RATE, REG, REG_Y)
        assert total == pytest.approx(expected, rel=1e-12)
    assert_close(ours, plain)
    np.testing.assert_array_equal(ours[4][3], parameters()[4][3])  # nobody's item


def test_a_small_svdpp_pass_follows_the_finite_differences():
    """Of the share of one user, for all five kinds of parameters."""
    user, item, rating = rated()
    indptr, items, values = shuffled_rows(user, item, rating, np.random.default_rng(0))
    small = 1e-7
    for u in (0, 5):
        ours, start = parameters(), parameters()
        users = np.array([u])
        svdpp_epoch(users, indptr, items, values, MU, *ours, small, REG, REG_Y)
        rows = [(a, i, r) for a, i, r in zip(user, item, rating, strict=True) if a == u]
        for n, new in enumerate(ours):
            gradient = differences(
                lambda: oracles.svdpp_objective(rows, MU, *start, REG, REG_Y),  # noqa: B023
                start[n],
            )
            np.testing.assert_allclose((new - start[n]) / small, -gradient, atol=1e-4)


def test_the_svdpp_objective_by_loops():
    user, item, value = rated()
    R = interactions_of(user, item, value, (7, 5)).csr
    rng = np.random.default_rng(4)
    b_u, b_i = rng.normal(size=7), rng.normal(size=5)
    P, Q, Y = (rng.normal(size=(n, 3)) for n in (7, 5, 5))
    rows = list(zip(user, item, value, strict=True))
    for reg, reg_y in ((0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (0.3, 0.7)):
        state = 3.1, b_u, b_i, P, Q, Y, reg, reg_y
        expected = oracles.svdpp_objective(rows, *state)
        assert svdpp_objective(R, *state) == pytest.approx(expected, rel=1e-12)


def test_svdpp_records_its_objective_and_uses_training_items_only():
    """Checks eq-mf-svdpp, eq-svdpp-objective."""
    user, item, value = rated()
    train = np.arange(len(user)) % 4 != 1
    full = interactions_of(user, item, value, (7, 5))
    data = full.subset(train)
    model = SVDpp(n_factors=3, n_epochs=3, learning_rate=0.05, reg_y=0.2).fit(data)
    rows = list(zip(user[train], item[train], value[train], strict=True))
    state = model.mu_, model.b_u_, model.b_i_, model.P_, model.Q_, model.Y_
    expected = oracles.svdpp_objective(rows, *state, 0.1, 0.2)
    assert model.history_[-1]["loss"] == pytest.approx(expected, rel=1e-12)
    for u in range(7):
        own = [i for v, i, _ in rows if v == u]
        z = model.P_[u].copy()
        for j in own:
            z += model.Y_[j] / np.sqrt(len(own))
        np.testing.assert_allclose(model.Z_[u], z, rtol=1e-12, atol=1e-15)
        scores = model.mu_ + model.b_u_[u] + model.b_i_ + model.Q_ @ z
        np.testing.assert_allclose(model.score([u])[0], scores, rtol=1e-12)
    with_test = svdpp_user_factors(full.csr, model.P_, model.Y_)
    assert not np.allclose(model.Z_, with_test), "the held-out items would show"


def test_scikit_surprise_svdpp_where_a_user_has_one_rating():
    """Then holding the y_j for a user is no difference: five passes, step for step."""
    import pandas as pd
    from surprise import Dataset, Reader
    from surprise import SVDpp as PeerSVDpp

    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "user": np.arange(40),
            "item": rng.integers(0, 8, 40),
            "value": rng.integers(1, 6, 40).astype(float),
        }
    )
    theirs = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5)))
    trainset = theirs.build_full_trainset()
    peer = PeerSVDpp(n_factors=4, n_epochs=5, lr_all=0.05, reg_all=0.1, reg_yj=0.2,
                     random_state=11).fit(trainset)  # fmt: skip
    draw = np.random.RandomState(11)
    P = draw.normal(0, 0.1, (40, 4))
    Q = draw.normal(0, 0.1, (trainset.n_items, 4))
    Y = draw.normal(0, 0.1, (trainset.n_items, 4))
    b_u, b_i = np.zeros(40), np.zeros(trainset.n_items)
    user, item, rating = (np.array(c) for c in zip(*trainset.all_ratings()))
    assert user.tolist() == list(range(40))
    state = b_u, b_i, P, Q, Y
    start = Y.copy()
    for _ in range(5):
        mu = trainset.global_mean
        svdpp_epoch(
            user, np.arange(41), item, rating, mu, *state, 0.05, 0.1, 0.2
        )  # fmt: skip
    expected = peer.bu, peer.bi, peer.pu, peer.qi, peer.yj
    assert_close(state, expected, rtol=0, atol=1e-12)
    assert np.abs(Y - start).max() > 0.01


# -- alternating least squares -------------------------------------------------------


def test_a_half_step_is_ridge_regression_of_each_row():
    """Checks eq-als-step."""
    user, item, value = rated()
    R = csr_array((value - 3, (user, item)), shape=(7, 5))
    Q = parameters()[3]
    P = als_half_step(R, Q, 0.4)
    for u in range(7):
        own = item[user == u]
        if not len(own):
            np.testing.assert_array_equal(P[u], 0)
            continue
        ridge = Ridge(alpha=0.4, fit_intercept=False, solver="cholesky")
        expected = ridge.fit(Q[own], value[user == u] - 3).coef_
        np.testing.assert_allclose(P[u], expected, rtol=1e-9, atol=1e-12)


@given(
    strategies.interactions(min_rows=1),
    st.sampled_from([0.01, 1.0, 20.0]),
    st.integers(1, 3),
)
def test_the_objective_falls_with_every_half_step(data, reg, n_factors):
    """Checks eq-mf-objective."""
    R = csr_array((data.value - 3.0, (data.user, data.item)), shape=data.shape)
    Rt = R.T.tocsr()
    rng = np.random.default_rng(0)
    P = rng.normal(size=(data.n_users, n_factors))
    Q = rng.normal(size=(data.n_items, n_factors))
    last = als_objective(R, P, Q, reg)
    dense = sum((v - P[u] @ Q[i]) ** 2 for u, i, v in zip(*R.tocoo().coords, R.data))
    assert last == pytest.approx(dense + reg * (np.sum(P**2) + np.sum(Q**2)))
    for _ in range(3):
        P = als_half_step(R, Q, reg)
        middle = als_objective(R, P, Q, reg)
        assert middle <= last * (1 + 1e-9) + 1e-12
        Q = als_half_step(Rt, P, reg)
        last = als_objective(R, P, Q, reg)
        assert last <= middle * (1 + 1e-9) + 1e-12


def test_a_half_step_refuses_the_other_side_s_factors():
    user, item, value = rated()
    R = csr_array((value, (user, item)), shape=(7, 5))
    with pytest.raises(ValueError, match=r"5 rows.*one per column.*got 7"):
        als_half_step(R, parameters()[2], 0.4)


def test_explicit_als_factors_the_residuals():
    data = toy().interactions
    model = ExplicitALS(n_factors=2, n_epochs=3, reg=0.5, reg_u=1.0, reg_i=4.0)
    model.fit(data)
    bias = BiasModel(reg_u=1.0, reg_i=4.0).fit(data)
    base = bias.score(np.arange(5))
    residual = data.value - base[data.user, data.item]
    E = csr_array((residual, (data.user, data.item)), shape=data.shape)
    Q = np.random.default_rng(0).normal(0, 0.1, (6, 2))
    for _ in range(3):
        P = als_half_step(E, Q, 0.5)
        Q = als_half_step(E.T.tocsr(), P, 0.5)
    np.testing.assert_allclose(model.score(np.arange(5)), base + P @ Q.T, rtol=1e-9)
    loss = np.sum((residual - np.sum(P[data.user] * Q[data.item], axis=1)) ** 2)
    loss += 0.5 * (np.sum(P**2) + np.sum(Q**2))
    assert model.history_[-1]["loss"] == pytest.approx(loss, rel=1e-9)
    assert not np.allclose(P @ Q.T, 0, atol=1e-3)
    # a user from outside: the ridge regression on the final item factors
    folded = bias.score_history(data.csr)
    rows = data.csr.toarray()
    for u in range(5):
        own = np.flatnonzero(rows[u])
        target = rows[u, own] - folded[u, own]
        ridge = Ridge(alpha=0.5, fit_intercept=False).fit(Q[own], target)
        folded[u] += Q @ ridge.coef_
    np.testing.assert_allclose(model.score_history(data.csr), folded, rtol=1e-9)


# -- recovery and what the book promises ---------------------------------------------


def test_a_made_world_is_recovered():
    """30,000 ratings in 60,000 cells, noise 0.5: the oracle has RMSE 0.4976."""
    world = make_world(n_ratings=30_000, random_state=0)
    split = splits.k_fold(world.interactions)[0]
    truth = world.expected()[split.test.user, split.test.item]
    oracle = rmse(split.test.value, truth)
    bias = BiasModel().fit(split.train).predict(split.test.user, split.test.item)
    assert rmse(split.test.value, bias) > 2 * oracle
    steps = {"learning_rate": 0.02, "reg": 0.02, "init_scale": 0.1, "n_epochs": 100}
    for model, limit in (
        (BiasedMF(n_factors=3, **steps), 1.06),
        (SVDpp(n_factors=3, **steps), 1.06),
        (ExplicitALS(n_factors=3, reg=1.0, n_epochs=30), 1.15),
    ):
        predicted = model.fit(split.train).predict(split.test.user, split.test.item)
        assert oracle < rmse(split.test.value, predicted) < limit * oracle, model


@pytest.mark.parametrize("name, limit", [("MF, SGD", 0.912), ("SVD++", 0.905)])
def test_the_book_s_five_folds(name, limit):
    folds = Results.load(BOOK).scores("rating", "rmse")[name]
    assert len(folds) == 5 and folds.mean() <= limit


@pytest.mark.parametrize("model, limit", [(BiasedMF(), 0.912), (SVDpp(), 0.905)])
def test_first_fold_of_movielens(ratings, model, limit):
    fold = splits.k_fold(ratings)[0]
    frame = evaluate_ratings(model.clone().fit(fold.train), fold.test)
    assert rmse(frame.rating, frame.prediction) <= limit
