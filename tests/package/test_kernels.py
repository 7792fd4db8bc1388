"""The compiled loops against plain Python, and against themselves uncompiled."""

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_info, threadpool_limits

from recsys_tutor.kernels import (
    LONG,
    group_mean,
    is_stored,
    one_blas_thread,
    ones_like,
    pair_dots,
    ridge_rows,
    rows_of,
    solve_ridges,
)

BOTH = pytest.mark.parametrize("compiled", [True, False])


def version(kernel, compiled):
    return kernel if compiled else kernel.py_func


def sparse(seed=0, shape=(7, 5)):
    """Entries of any sign; an empty row, a full row and an empty column."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.5
    mask[1] = True
    mask[2], mask[:, 3] = False, False
    return csr_array(np.where(mask, rng.normal(size=shape), 0.0))


# -- dots of pairs -------------------------------------------------------------------


@BOTH
def test_pair_dots(compiled):
    rng = np.random.default_rng(1)
    P, Q = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    user, item = np.indices((7, 5)).reshape(2, -1)
    expected = [oracles.dot(P[u], Q[i]) for u, i in zip(user, item, strict=True)]
    dots = version(pair_dots, compiled)(P, Q, user, item)
    np.testing.assert_allclose(dots, expected, rtol=1e-12, atol=1e-15)
    assert version(pair_dots, compiled)(P, Q, user[:0], item[:0]).shape == (0,)


@pytest.mark.parametrize("n", [LONG - 1, LONG])
def test_a_long_loop_runs_in_parallel_and_gives_the_same(n):
    rng = np.random.default_rng(2)
    P, Q = rng.normal(size=(50, 8)), rng.normal(size=(40, 8))
    user, item = rng.integers(0, 50, n), rng.integers(0, 40, n)
    whole = pair_dots(P, Q, user, item)
    parts = [pair_dots(P, Q, user[at], item[at]) for at in np.split(np.arange(n), [9])]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


# -- membership ----------------------------------------------------------------------


@BOTH
@given(strategies.interactions())
def test_is_stored_asks_every_cell(compiled, data):
    X = data.csr
    user, item = np.indices(data.shape).reshape(2, -1)
    found = version(is_stored, compiled)(X.indptr, X.indices, user, item)
    cells = set(zip(data.user.tolist(), data.item.tolist(), strict=True))
    asked = zip(user.tolist(), item.tolist(), strict=True)
    assert found.dtype == bool and found.tolist() == [cell in cells for cell in asked]


def test_an_entry_of_value_zero_is_stored():
    X = csr_array((np.zeros(1), ([1], [2])), shape=(3, 4))
    cells = np.array([1, 1, 0]), np.array([2, 3, 2])
    assert is_stored(X.indptr, X.indices, *cells).tolist() == [True, False, False]


# -- weighted ridge regressions --------------------------------------------------------


@BOTH
def test_ridge_rows_are_weighted_ridge_regressions(compiled):
    """Each row by scikit-learn, another penalty and other weights for each."""
    rng = np.random.default_rng(3)
    R, Q = sparse(), rng.normal(size=(5, 3))
    weight, reg = rng.uniform(0.2, 3, R.nnz), rng.uniform(0.1, 2, 7)
    arrays = R.indptr, R.indices, weight, R.data, Q, np.zeros((3, 3)), reg
    P = version(ridge_rows, compiled)(*arrays)
    for u in range(7):
        row = slice(R.indptr[u], R.indptr[u + 1])
        if row.start == row.stop:
            np.testing.assert_array_equal(P[u], 0)
            continue
        ridge = Ridge(alpha=reg[u], fit_intercept=False, solver="cholesky")
        ridge.fit(Q[R.indices[row]], R.data[row], sample_weight=weight[row])
        np.testing.assert_allclose(P[u], ridge.coef_, rtol=1e-9, atol=1e-12)


@BOTH
def test_the_base_is_a_penalty_with_directions(compiled):
    """``base = B.T B`` is as many equations ``b · p = 0`` as B has rows."""
    rng = np.random.default_rng(4)
    R, Q, B = sparse(), rng.normal(size=(5, 3)), rng.normal(size=(2, 3))
    ones, reg = np.ones(R.nnz), np.full(7, 0.3)
    arrays = R.indptr, R.indices, ones, R.data, Q, B.T @ B, reg
    P = version(ridge_rows, compiled)(*arrays)
    for u in np.flatnonzero(np.diff(R.indptr)):
        own = R.indices[R.indptr[u] : R.indptr[u + 1]]
        A = np.vstack([Q[own], B, np.sqrt(0.3) * np.eye(3)])
        y = np.concatenate([R.data[R.indptr[u] : R.indptr[u + 1]], np.zeros(5)])
        expected = np.linalg.lstsq(A, y, rcond=None)[0]
        np.testing.assert_allclose(P[u], expected, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_ridge_rows_solve_their_normal_equations(seed, n_factors):
    """The residual of the linear system, for any weights and any number of factors."""
    rng = np.random.default_rng(seed)
    R, Q = sparse(seed), rng.normal(size=(5, n_factors))
    weight, reg = rng.exponential(1.0, R.nnz), rng.uniform(0.01, 5, 7)
    base = Q.T @ Q
    P = ridge_rows(R.indptr, R.indices, weight, R.data, Q, base, reg)
    dense = csr_array((weight, R.indices, R.indptr), shape=R.shape).toarray()
    for u in np.flatnonzero(np.diff(R.indptr)):
        A = base + Q.T @ np.diag(dense[u]) @ Q + reg[u] * np.eye(n_factors)
        right = Q.T @ (dense[u] * R.toarray()[u])
        np.testing.assert_allclose(A @ P[u], right, rtol=0, atol=1e-10)


def test_one_blas_thread_holds_inside_and_only_there():
    def threads():
        pools = threadpool_info()
        return [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"]

    with threadpool_limits(2, "blas"):  # whatever the environment says
        before = threads()
        assert set(before) == {2}
        with one_blas_thread():
            assert set(threads()) == {1}
            with one_blas_thread():
                assert set(threads()) == {1}
            assert set(threads()) == {1}
        assert threads() == before


@BOTH
def test_a_singular_ridge_is_nan_and_solve_ridges_says_so(compiled):
    """Factors so large that the penalty is lost in rounding: no exception in a loop."""
    R = csr_array(np.ones((300, 2)))
    Q = np.array([[1e20, 1e20], [1e20, 1e20]])
    arrays = R.indptr, R.indices, np.ones(R.nnz), R.data, Q, np.zeros((2, 2))
    P = version(ridge_rows, compiled)(*arrays, np.full(300, 1.0))
    assert np.isnan(P).all()
    with pytest.raises(ValueError, match="Try a larger reg"):
        solve_ridges(*arrays, np.full(300, 1.0))


@BOTH
def test_a_small_penalty_beside_a_good_matrix_is_no_singular_one(compiled):
    """Ten orders below rounding, but the entries alone determine the solution."""
    R, Q = csr_array([[3.0, 4.0]]), np.array([[1e3, 0.0], [0.0, 2e3]])
    arrays = R.indptr, R.indices, np.ones(2), R.data, Q, np.zeros((2, 2))
    P = version(ridge_rows, compiled)(*arrays, np.array([1e-20]))
    np.testing.assert_allclose(P, [[3e-3, 2e-3]], rtol=1e-12)


def test_rows_and_ones_of_a_sparse_matrix():
    dense = np.array([[0, 2.0, 0, 3], [0, 0, 0, 0], [5, 0, 0, 0]])
    X = csr_array(dense)
    X.data[1] = 0.0  # stored, so it counts
    assert rows_of(X).tolist() == [0, 0, 2]
    np.testing.assert_array_equal(ones_like(X).toarray(), dense > 0)
    assert X.data.tolist() == [2, 0, 5], "the matrix is left as it was"
    assert rows_of(csr_array((3, 2))).tolist() == []


def test_a_mean_per_group_by_loops():
    rng = np.random.default_rng(0)
    values, index = rng.normal(size=30), rng.integers(0, 5, 30)
    index[index == 3] = 2
    for empty in (0.0, -7.5):
        expected = [
            values[index == g].mean() if (index == g).any() else empty for g in range(6)
        ]
        got = group_mean(values, index, 6, empty=empty)
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        assert got[3] == got[5] == empty
