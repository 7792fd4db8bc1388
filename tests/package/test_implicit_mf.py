"""Factorization for ranking: dense least squares, implicit, torch, literal loops."""

import numpy as np
import oracles
import pytest
import strategies
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array, csr_matrix

from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.implicit_mf import (
    BPR,
    ImplicitALS,
    bpr_epoch,
    bpr_objective,
    implicit_als_objective,
    weighted_als_half_step,
)
from recsys_tutor.sampling import sample_negatives
from recsys_tutor.study.results import Results

RATE, REG = 0.05, 0.07


def entries(seed=0, shape=(7, 5), confidence=False):
    """0/1, or confidences; user 1 has everything, user 2 nothing, item 3 one user."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.5
    mask[2], mask[:, 3] = False, False
    mask[1] = True
    values = rng.uniform(0.5, 4, shape) if confidence else np.ones(shape)
    return csr_array(np.where(mask, values, 0.0))


def factors(seed=1, n_users=7, n_items=5, n_factors=3):
    """b, P, Q: no zeros, no two alike."""
    rng = np.random.default_rng(seed)
    shapes = (n_items,), (n_users, n_factors), (n_items, n_factors)
    return [rng.normal(0, 0.5, shape) for shape in shapes]


# -- weighted least squares ------------------------------------------------------------


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("unobserved", [0.01, 0.3, 2.0])
def test_a_half_step_is_dense_weighted_least_squares(confidence, unobserved):
    """Checks eq-ials-step, eq-ials-reg."""
    X, Q = entries(confidence=confidence), factors()[2]
    P = weighted_als_half_step(X, Q, unobserved, REG)
    expected = oracles.implicit_rows(X.toarray(), Q, unobserved, REG)
    np.testing.assert_allclose(P, expected, rtol=1e-9, atol=1e-13)
    np.testing.assert_array_equal(P[2], 0)
    assert np.abs(P[1]).min() > 0


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_the_exponent_scales_each_vector_s_own_penalty(exponent):
    """Row by row a ridge regression, whose penalty is written out here."""
    X, Q = entries(), factors()[2]
    P = weighted_als_half_step(X, Q, 0.3, REG, exponent)
    for u, row in enumerate(X.toarray()):
        penalty = REG * (np.count_nonzero(row) + 0.3 * len(row)) ** exponent
        left = (Q.T * (row + 0.3)) @ Q + penalty * np.eye(Q.shape[1])
        np.testing.assert_allclose(
            P[u], np.linalg.solve(left, Q.T @ row), rtol=1e-9, atol=1e-13
        )


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_no_step_from_a_half_step_lowers_the_objective(exponent):
    X, (_, P, Q) = entries(), factors()
    weights = 0.3, REG, exponent
    P = weighted_als_half_step(X, Q, *weights)
    lowest = implicit_als_objective(X, P, Q, *weights)
    rng = np.random.default_rng(0)
    for _ in range(20):
        moved = P + 1e-3 * rng.normal(size=P.shape)
        assert implicit_als_objective(X, moved, Q, *weights) > lowest
    Q = weighted_als_half_step(X.T.tocsr(), P, *weights)
    assert implicit_als_objective(X, P, Q, *weights) < lowest


def test_a_fit_and_a_history_use_the_exponent():
    data = toy().interactions
    model = ImplicitALS(n_factors=2, n_epochs=3, reg=0.2, reg_exponent=0.5).fit(data)
    X = data.binarize().csr
    P = weighted_als_half_step(X, model.Q_, 0.3, 0.2, 0.5)
    np.testing.assert_allclose(model.score_history(X), P @ model.Q_.T, rtol=1e-12)
    last = implicit_als_objective(X, model.P_, model.Q_, 0.3, 0.2, 0.5)
    assert model.history_[-1]["loss"] == pytest.approx(last, rel=1e-12)


def test_a_half_step_refuses_the_other_side_s_factors():
    with pytest.raises(ValueError, match=r"5 rows.*one per column.*got 7"):
        weighted_als_half_step(entries(), factors()[1], 0.3, REG)


@pytest.mark.parametrize("confidence", [False, True])
def test_the_objective_is_the_sum_over_all_cells(confidence):
    """Checks eq-ials-objective."""
    X, (_, P, Q) = entries(confidence=confidence), factors()
    for unobserved, reg in ((0.3, 0.0), (0.3, REG), (2.0, 1.5)):
        expected = oracles.implicit_objective(X.toarray(), P, Q, unobserved, reg)
        ours = implicit_als_objective(X, P, Q, unobserved, reg)
        assert ours == pytest.approx(expected, rel=1e-12)


@given(
    strategies.interactions(min_rows=1),
    st.sampled_from([0.01, 0.3, 2.0]),
    st.sampled_from([1e-3, 0.1, 3.0]),
    st.integers(1, 3),
)
def test_the_objective_falls_with_every_half_step(data, unobserved, reg, n_factors):
    """And no step from its result makes the brute-force sum smaller."""
    X = data.csr  # values 1 to 5 as confidences
    Xt, dense = X.T.tocsr(), X.toarray()
    rng = np.random.default_rng(0)
    P = rng.normal(size=(data.n_users, n_factors))
    Q = rng.normal(size=(data.n_items, n_factors))
    last = implicit_als_objective(X, P, Q, unobserved, reg)
    for _ in range(2):
        P = weighted_als_half_step(X, Q, unobserved, reg)
        middle = implicit_als_objective(X, P, Q, unobserved, reg)
        assert middle <= last * (1 + 1e-9)
        Q = weighted_als_half_step(Xt, P, unobserved, reg)
        last = implicit_als_objective(X, P, Q, unobserved, reg)
        assert last <= middle * (1 + 1e-9)
    moved = Q + 1e-3 * rng.normal(size=Q.shape)
    lowest = oracles.implicit_objective(dense, P, Q, unobserved, reg)
    assert oracles.implicit_objective(dense, P, moved, unobserved, reg) > lowest


@pytest.mark.parametrize("unobserved", [0.25, 1.0, 0.0625])
def test_the_implicit_library_takes_the_same_steps(unobserved):
    """One iteration of exact solves from the same start, in float64.

    The library wants confidences ``1 + alpha`` for entries and has one penalty for all
    rows, so every user has 4 of 6 items here and every item 8 of 12 users. Its target
    for an entry is 1 with all of the entry's weight: factors are ``1 + unobserved``
    times ours.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    user = np.repeat(np.arange(12), 4)
    item = np.array([3, 1, 0, 5, 2, 4])[(user + np.tile([0, 1, 2, 4], 12)) % 6]
    X = csr_array((np.ones(48), (user, item)))
    assert set(np.bincount(user)) == {4} and set(np.bincount(item)) == {8}
    alpha, penalty = 1 / unobserved, 0.75
    peer = AlternatingLeastSquares(
        factors=3, regularization=penalty, iterations=1, use_cg=False, num_threads=1,
        dtype=np.float64,
    )  # fmt: skip
    Q = factors(n_items=6)[2]
    peer.user_factors, peer.item_factors = np.zeros((12, 3)), Q.copy()
    peer.fit(csr_matrix(X * (1 + alpha)), show_progress=False)
    reg_u = penalty * unobserved / (4 + unobserved * 6)
    P = weighted_als_half_step(X, Q, unobserved, reg_u) * (1 + unobserved)
    np.testing.assert_allclose(peer.user_factors, P, rtol=1e-9, atol=1e-12)
    reg_i = penalty * unobserved / (8 + unobserved * 12)
    Q = weighted_als_half_step(X.T.tocsr(), P, unobserved, reg_i) * (1 + unobserved)
    np.testing.assert_allclose(peer.item_factors, Q, rtol=1e-9, atol=1e-12)
    assert np.abs(Q).min() > 1e-3


def test_fit_is_alternating_half_steps_on_zeros_and_ones():
    data = toy().interactions
    model = ImplicitALS(n_factors=2, n_epochs=3, unobserved=0.4, reg=0.05)
    model.fit(data)
    dense = (data.csr.toarray() > 0).astype(float)
    Q = np.random.default_rng(0).normal(0, 0.1 / np.sqrt(2), (data.n_items, 2))
    losses = []
    for _ in range(3):
        P = oracles.implicit_rows(dense, Q, 0.4, 0.05)
        Q = oracles.implicit_rows(dense.T, P, 0.4, 0.05)
        losses.append(oracles.implicit_objective(dense, P, Q, 0.4, 0.05))
    scores = model.score(np.arange(data.n_users))
    np.testing.assert_allclose(scores, P @ Q.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose([r["loss"] for r in model.history_], losses, rtol=1e-9)
    assert losses == sorted(losses, reverse=True) and np.abs(P @ Q.T).max() > 0.3


def test_a_user_from_outside_gets_the_factor_a_user_step_would_give():
    data = toy().interactions
    model = ImplicitALS(n_factors=2, n_epochs=4, unobserved=0.4, reg=0.05).fit(data)
    history = data.csr.copy()
    folded = model.score_history(history)
    dense = (history.toarray() > 0).astype(float)
    P = oracles.implicit_rows(dense, model.Q_, 0.4, 0.05)
    np.testing.assert_allclose(folded, P @ model.Q_.T, rtol=1e-9, atol=1e-12)
    assert not np.allclose(folded, model.score(np.arange(5)), rtol=1e-6)
    long = ImplicitALS(n_factors=2, n_epochs=3000, unobserved=0.4, reg=0.05).fit(data)
    at_rest = long.score_history(history)  # converged: a further step changes nothing
    np.testing.assert_allclose(at_rest, long.score(np.arange(5)), atol=1e-8)


def test_it_learns_the_two_groups_of_a_made_world():
    """Two groups of users and items; held-out cells of one's own group come first."""
    rng = np.random.default_rng(0)
    own = np.arange(40)[:, None] % 2 == np.arange(30) % 2
    taken = own & (rng.random(own.shape) < 0.6)
    user, item = np.nonzero(taken)
    data = Interactions(
        user, item, np.ones(len(user)), None, np.arange(40), np.arange(30)
    )
    scores = ImplicitALS(n_factors=2).fit(data).score(np.arange(40))
    for u in range(40):
        held, wrong = np.flatnonzero(own[u] & ~taken[u]), np.flatnonzero(~own[u])
        assert scores[u, held].min() > scores[u, wrong].max()


# -- Bayesian personalised ranking -----------------------------------------------------


def triples():
    """Users, items they have and lack, some of them several times."""
    X = entries()
    user = np.array([0, 3, 0, 6, 4, 3, 5, 0])
    rng = np.random.default_rng(2)
    positive = np.array([rng.choice(X[[u]].indices) for u in user])
    return user, positive, sample_negatives(rng, user, X)


@pytest.mark.parametrize("compiled", [True, False])
def test_bpr_epoch_equals_the_literal_loop(compiled):
    """Checks eq-bpr-step."""
    rows, ours = triples(), factors()
    plain = [array.tolist() for array in ours]
    run = bpr_epoch if compiled else bpr_epoch.py_func
    for _ in range(3):
        in_order = run(*rows, *ours, RATE, REG)
        assert in_order == oracles.bpr_pass(zip(*rows), *plain, RATE, REG)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_bpr_epoch_is_torch_s_sgd_on_the_stated_objective():
    """Batches of one; the loss is written anew, its derivative is torch's.

    Checks eq-bpr-step, eq-bpr-objective.
    """
    rows, ours = triples(), factors()
    b, P, Q = (torch.tensor(array, requires_grad=True) for array in factors())
    optimizer = torch.optim.SGD([b, P, Q], lr=RATE)
    in_order = 0
    for u, i, j in zip(*(row.tolist() for row in rows), strict=True):
        optimizer.zero_grad()
        x = b[i] + P[u] @ Q[i] - b[j] - P[u] @ Q[j]
        size = P[u] @ P[u] + Q[i] @ Q[i] + Q[j] @ Q[j] + b[i] ** 2 + b[j] ** 2
        loss = -torch.nn.functional.logsigmoid(x) + 0.5 * REG * size
        loss.backward()
        one = [np.array([index]) for index in (u, i, j)]
        state = [tensor.detach().numpy() for tensor in (b, P, Q)]
        assert bpr_objective(*one, *state, REG) == pytest.approx(loss.item(), rel=1e-12)
        optimizer.step()
        in_order += int(x > 0)
    assert bpr_epoch(*rows, *ours, RATE, REG) == in_order
    for a, tensor in zip(ours, (b, P, Q), strict=True):
        np.testing.assert_allclose(a, tensor.detach().numpy(), rtol=1e-12)


def test_a_small_pass_follows_the_finite_differences():
    rows, ours, start = triples(), factors(), factors()
    small, step = 1e-7, 1e-5
    bpr_epoch(*rows, *ours, small, REG)
    for new, array in zip(ours, start, strict=True):
        gradient = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            up = bpr_objective(*rows, *start, REG)
            array[place] = kept - step
            gradient[place] = (up - bpr_objective(*rows, *start, REG)) / (2 * step)
            array[place] = kept
        np.testing.assert_allclose((new - array) / small, -gradient, atol=1e-4)
        assert np.abs(gradient).max() > 0.1


def test_bpr_objective_is_the_literal_sum():
    """Checks eq-bpr-objective: loss and penalty of each triple, one after the other."""
    (b, P, Q), total = factors(), 0.0
    for u, i, j in zip(*triples(), strict=True):
        total -= np.log(oracles.sigmoid(b[i] - b[j] + P[u] @ (Q[i] - Q[j])))
        total += REG / 2 * (P[u] @ P[u] + Q[i] @ Q[i] + Q[j] @ Q[j])
        total += REG / 2 * (b[i] ** 2 + b[j] ** 2)
    assert bpr_objective(*triples(), b, P, Q, REG) == pytest.approx(total, rel=1e-12)


def test_bpr_objective_is_the_sum_of_its_shares_and_never_overflows():
    rows, state = triples(), factors()
    shares = [bpr_objective(*(r[[n]] for r in rows), *state, REG) for n in range(8)]
    assert bpr_objective(*rows, *state, REG) == pytest.approx(sum(shares), rel=1e-12)
    far = np.array([0.0, 5000.0]), np.zeros((1, 1)), np.zeros((2, 1))
    one, two = np.array([0]), np.array([1])
    assert bpr_objective(one, one, two, *far, 0.0) == pytest.approx(5000)
    assert bpr_objective(one, two, one, *far, 0.0) == 0


@pytest.mark.parametrize("popular_negatives", [0.0, 0.75])
def test_fit_is_the_stated_passes(popular_negatives):
    """New order, new negatives in each; a user who has all items is left out."""
    X = entries()
    user, item = X.tocoo().coords
    data = Interactions(
        user, item, np.full(len(user), 4.0), None, np.arange(7), np.arange(5)
    )
    steps = {"learning_rate": 0.1, "reg": 0.02, "init_scale": 0.2, "random_state": 3}
    model = BPR(n_factors=2, n_epochs=3, popular_negatives=popular_negatives, **steps)
    model.fit(data)
    rng = np.random.default_rng(3)
    state = [[0.0] * 5, rng.normal(0, 0.2, (7, 2)), rng.normal(0, 0.2, (5, 2))]
    state = [state[0], state[1].tolist(), state[2].tolist()]
    weights = None
    if popular_negatives:
        weights = np.array([max(1, n) ** 0.75 for n in np.bincount(item, minlength=5)])
    rows = [n for n in range(len(user)) if data.user[n] != 1]
    losses = []
    for _ in range(3):
        order = rng.permutation(rows)
        u, i = data.user[order], data.item[order]
        j = sample_negatives(rng, u, X, weights=weights)
        oracles.bpr_pass(zip(u, i, j), *state, 0.1, 0.02)
        losses.append(bpr_objective(u, i, j, *map(np.array, state), 0.02))
    for ours, plain in zip((model.b_, model.P_, model.Q_), state, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-10)
    np.testing.assert_allclose([r["loss"] for r in model.history_], losses, rtol=1e-10)
    b, P, Q = map(np.array, state)
    np.testing.assert_allclose(model.score(np.arange(7)), b + P @ Q.T, rtol=1e-10)


def test_bpr_puts_what_users_have_above_what_they_lack():
    """Mean AUC on the training data rises from a coin's to nearly 1."""
    data = make_world(n_users=60, n_items=40, n_ratings=600).interactions

    def auc(model):
        scores, X = model.score(np.arange(60)), data.csr.toarray() > 0
        rows = [(s, np.flatnonzero(x), np.flatnonzero(~x)) for s, x in zip(scores, X)]
        return np.mean([oracles.auc(*row) for row in rows if len(row[1])])

    steps = {"n_factors": 16, "learning_rate": 0.1, "reg": 0.002}
    start = BPR(n_epochs=1, **{**steps, "learning_rate": 1e-9}).fit(data)
    assert auc(start) == pytest.approx(0.5, abs=0.05)
    assert auc(BPR(n_epochs=150, **steps).fit(data)) > 0.98


# -- what the book promises ----------------------------------------------------------


@pytest.mark.parametrize("name, limit", [("Implicit ALS", 0.475), ("BPR", 0.445)])
def test_the_book_s_five_seeds(name, limit):
    seeds = Results.load().scores("ranking", "ndcg")[name]
    assert len(seeds) == 5 and seeds.mean() >= limit
