"""SLIM: scikit-learn's elastic net, non-negative least squares, the conditions."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csr_array
from sklearn.linear_model import ElasticNet

from recsys_tutor.datasets import toy
from recsys_tutor.neighbors import ease_weights
from recsys_tutor.slim import SLIM, nonnegative_regression


def rows(seed=0, n_users=60, n_items=12):
    X = (np.random.default_rng(seed).random((n_users, n_items)) < 0.3).astype(float)
    X[:, 1] = X[:, 0] * (np.arange(n_users) % 3 > 0)  # a film that goes with another
    X[:, 11] = 0.0
    return X


def solved(X, penalty, l1):
    return nonnegative_regression(X.T @ X, penalty, l1, tolerance=1e-12, n_epochs=9999)


@pytest.mark.parametrize("reg, l1", [(1.0, 0.5), (4.0, 3.0)])
def test_each_column_is_scikit_learns_elastic_net(reg, l1):
    """Checks eq-slim-objective."""
    X = rows()
    n, B = len(X), solved(X, np.full(12, reg), l1)
    # |y - X w|² + 2 n a r |w|_1 + n a (1 - r) |w|²
    a = l1 / (2 * n) + reg / n
    net = ElasticNet(
        alpha=a, l1_ratio=l1 / (2 * n * a), positive=True, fit_intercept=False,
        tol=1e-14, max_iter=100_000,
    )  # fmt: skip
    for i in range(12):
        others = np.arange(12) != i
        net.fit(X[:, others], X[:, i])
        np.testing.assert_allclose(B[others, i], net.coef_, atol=1e-7)
    assert not np.diag(B).any() and B.any()


def test_without_l1_each_column_is_nonnegative_least_squares():
    """A penalty of a weight is one more row of the regression; each has its own."""
    X, penalty = rows(1), np.linspace(0.5, 6.0, 12)
    B = solved(X, penalty, 0.0)
    for i in range(12):
        others = np.arange(12) != i
        A = np.vstack([X[:, others], np.diag(np.sqrt(penalty[others]))])
        expected, _ = nnls(A, np.append(X[:, i], np.zeros(11)))
        np.testing.assert_allclose(B[others, i], expected, atol=1e-8)


def test_where_ease_is_not_negative_anyway_slim_is_ease():
    X = np.repeat(np.eye(3), 2, axis=1)[np.arange(30) % 3]  # three pairs of twins
    B = ease_weights(csr_array(X), 2.0)
    assert (B >= 0).all()
    np.testing.assert_allclose(solved(X, np.full(6, 2.0), 0.0), B, atol=1e-9)


def test_a_higher_price_leaves_fewer_weights():
    X = rows(2)
    counts = [(solved(X, np.ones(12), l1) > 0).sum() for l1 in (0.0, 2.0, 8.0, 1e4)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[2] > 0
    assert counts[-1] == 0


def test_the_model_is_these_weights_and_counts_set_the_penalty():
    data = toy().interactions
    model = SLIM(reg=2.0, count_weight=0.5, l1=0.3).fit(data)
    X = data.binarize().csr.toarray()
    penalty = 2.0 + 0.5 * X.sum(axis=0)
    expected = nonnegative_regression(X.T @ X, penalty, 0.3)
    np.testing.assert_array_equal(model.B_, expected)
    np.testing.assert_allclose(
        model.score(np.arange(data.n_users)), X @ expected, atol=1e-12
    )


def test_the_stop_is_near_the_minimum():
    """With the default stop no weight is off by more than a few tolerances."""
    X = rows(3, 300)
    penalty = np.full(12, 3.0)
    near = nonnegative_regression(X.T @ X, penalty, 1.0)
    assert abs(near - solved(X, penalty, 1.0)).max() < 1e-3
