"""GF-CF: dense matrices and eigenvectors, a walk by hand, ties, items without users."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys_tutor.data import Interactions
from recsys_tutor.datasets import toy
from recsys_tutor.filters import GFCF, filter_weights


def history(seed=0, shape=(9, 7)):
    X = (np.random.default_rng(seed).random(shape) < 0.4).astype(float)
    X[4], X[:, 5] = 0, 0
    return X


def power(degree, exponent):
    """A diagonal matrix; a degree of 0 stays 0."""
    found = np.zeros(len(degree))
    found[degree > 0] = degree[degree > 0] ** exponent
    return np.diag(found)


def literal(X, k, alpha):
    """The formula of the paper, with an eigendecomposition of the items' side."""
    d_u, d_i = X.sum(axis=1), X.sum(axis=0)
    A = power(d_u, -0.5) @ X @ power(d_i, -0.5)
    values, vectors = np.linalg.eigh(A.T @ A)
    V = vectors[:, np.argsort(-values, kind="stable")[:k]]
    return A.T @ A + alpha * power(d_i, -0.5) @ V @ V.T @ power(d_i, 0.5)


@pytest.mark.parametrize("shape", [(9, 7), (6, 11)])
@pytest.mark.parametrize("k, alpha", [(1, 0.3), (3, 0.7), (2, 0.0)])
def test_weights_are_the_dense_formula(shape, k, alpha):
    """Checks eq-gcn-gfcf on more users than items and on fewer."""
    X = history(3, shape)
    W = filter_weights(csr_array(5 * X), k, alpha)  # values do not count
    np.testing.assert_allclose(W, literal(X, k, alpha), atol=1e-12)


@pytest.mark.parametrize("shape", [(9, 7), (6, 11)])
def test_a_direction_is_multiplied_by_its_square_and_by_alpha_if_it_is_first(shape):
    X, k, alpha = history(1, shape), 2, 0.4
    d_u, d_i = X.sum(axis=1), X.sum(axis=0)
    A = power(d_u, -0.5) @ X @ power(d_i, -0.5)
    _, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    ideal = filter_weights(csr_array(X), k, alpha) - A.T @ A
    even = power(d_i, 0.5) @ ideal @ power(d_i, -0.5)  # the degrees taken out
    for c, v in enumerate(Vt[sigma > 1e-6]):
        gain = sigma[c] ** 2 + (alpha if c < k else 0.0)
        np.testing.assert_allclose(v @ (A.T @ A + even), gain * v, atol=1e-12)


def test_without_the_ideal_part_it_is_two_steps_over_the_graph():
    X = history(2)
    W = filter_weights(csr_array(X), 3, 0.0)
    for j in range(7):
        for i in range(7):
            users = [v for v in range(9) if X[v, j] and X[v, i]]
            steps = sum(1 / X[v].sum() for v in users)
            counts = X[:, j].sum() * X[:, i].sum()
            assert W[j, i] == pytest.approx(
                steps / np.sqrt(counts) if users else 0.0, abs=1e-12
            )


def test_the_first_direction_is_popularity():
    """eq-gcn-limit: it is the roots of the counts, so its part is one list for all."""
    X = toy().interactions.binarize().csr
    first = filter_weights(X, 1, 1.0) - filter_weights(X, 1, 0.0)
    count = X.sum(axis=0)
    np.testing.assert_allclose(first, np.tile(count / count.sum(), (6, 1)), atol=1e-12)


@pytest.mark.parametrize("k", [7, 50])
def test_all_directions_pass_from_the_rank_on(k):
    X = history(4)
    whole = filter_weights(csr_array(X), k, 1.0) - filter_weights(csr_array(X), k, 0.0)
    has = X.any(axis=0)
    np.testing.assert_allclose(X @ whole, X, atol=1e-9)  # every row comes back
    assert np.linalg.matrix_rank(whole) <= has.sum() and not whole[~has].any()


def test_tied_directions_pass_together():
    """Three separate blocks, each with σ = 1: none of the three is preferred."""
    X = np.kron(np.eye(3), np.ones((2, 3)))
    for k in (1, 2, 3):
        W = filter_weights(csr_array(X), k, 1.0) - filter_weights(csr_array(X), k, 0.0)
        np.testing.assert_allclose(W, np.kron(np.eye(3), np.full((3, 3), 1 / 3)))


def test_the_model_adds_these_weights():
    data = toy().interactions
    model = GFCF(n_factors=2, alpha=0.7).fit(data)
    X = data.binarize().csr
    W = literal(X.toarray(), 2, 0.7)
    np.testing.assert_allclose(model.W_, W, atol=1e-12)
    np.testing.assert_allclose(model.score([0, 3]), X.toarray()[[0, 3]] @ W, atol=1e-12)


def test_items_and_users_without_anything_stay_finite():
    X = history(5)
    user, item = X.nonzero()
    data = Interactions(
        user=user,
        item=item,
        value=np.ones(len(user)),
        time=None,
        user_ids=np.arange(9),
        item_ids=np.arange(7),
    )
    scores = GFCF(n_factors=3).fit(data).score(np.arange(9))
    assert np.isfinite(scores).all()
    assert not scores[4].any() and not scores[:, 5].any()
