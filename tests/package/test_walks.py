"""RP3beta: powers of the transition matrix, literal loops, a walk drawn by lot."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys_tutor.datasets import toy
from recsys_tutor.walks import RP3beta, walk_weights


def history(seed=0):
    X = (np.random.default_rng(seed).random((9, 7)) < 0.4).astype(float)
    X[4], X[:, 5] = 0, 0
    return X


def test_three_steps_on_the_graph_are_a_power_of_its_transitions():
    """Checks eq-walk: alpha = 1, beta = 0 are probabilities."""
    X = history()
    m, n = X.shape
    A = np.block([[np.zeros((m, m)), X], [X.T, np.zeros((n, n))]])
    degree = A.sum(axis=1, keepdims=True)
    T = np.divide(A, degree, out=np.zeros_like(A), where=degree > 0)
    P = walk_weights(csr_array(X))
    np.testing.assert_allclose(P, (T @ T)[m:, m:], atol=1e-12)
    np.testing.assert_allclose(P.sum(axis=1), X.any(axis=0), atol=1e-12)
    three = np.linalg.matrix_power(T, 3)[:m, m:]
    scores = X / np.maximum(X.sum(axis=1, keepdims=True), 1) @ P
    np.testing.assert_allclose(scores, three, atol=1e-12)


@pytest.mark.parametrize("alpha, beta", [(0.6, 0.4), (1.3, 0.0), (0.0, 1.0)])
def test_exponents_are_the_loops(alpha, beta):
    X = history(1)
    P = walk_weights(csr_array(5 * X), alpha=alpha, beta=beta)  # values do not count
    for j in range(7):
        for i in range(7):
            total = sum(
                (1 / X[:, j].sum() / X[v].sum()) ** alpha
                for v in range(9)
                if X[v, j] and X[v, i]
            )
            expected = total / max(X[:, i].sum(), 1) ** beta
            assert P[j, i] == pytest.approx(expected, abs=1e-12)


def test_walkers_arrive_where_the_formula_says():
    X, rng = history(2), np.random.default_rng(0)
    P = walk_weights(csr_array(X))
    ends = np.zeros(7)
    for _ in range(20_000):
        user = rng.choice(np.flatnonzero(X[:, 0]))
        ends[rng.choice(np.flatnonzero(X[user]))] += 1
    error = np.sqrt(P[0] * (1 - P[0]) / 20_000)
    assert (abs(ends / 20_000 - P[0]) <= 4 * error + 1e-12).all()


def test_the_model_adds_the_walks_it_keeps():
    data = toy().interactions
    model = RP3beta(n_neighbors=3, alpha=0.7, beta=0.3).fit(data)
    X = data.binarize().csr
    P = walk_weights(X, alpha=0.7, beta=0.3)
    np.fill_diagonal(P, 0.0)
    for i in range(data.n_items):
        kept = model.S_[:, i] > 0
        assert kept.sum() >= min(3, (P[:, i] > 0).sum())
        np.testing.assert_array_equal(model.S_[kept, i], P[kept, i])
        assert P[~kept, i].max(initial=0) < P[kept, i].min(initial=np.inf)
    np.testing.assert_allclose(
        model.score(np.arange(data.n_users)), (X @ model.S_), atol=1e-12
    )
