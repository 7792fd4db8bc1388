"""Slope One: the example of its paper, and the sums written out."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys_tutor.data import Interactions
from recsys_tutor.slope_one import SlopeOne, item_differences


def ratings_of(R):
    """All cells above 0 as ratings."""
    R = np.asarray(R, float)
    user, item = np.nonzero(R)
    ids = {"user_ids": np.arange(R.shape[0]), "item_ids": np.arange(R.shape[1])}
    time = np.zeros(len(user), int)
    return Interactions(user=user, item=item, value=R[user, item], time=time, **ids)


def test_the_example_of_the_paper():
    """One user gives 1 and 1.5; who gives 2 to the first is promised 2.5."""
    data = ratings_of([[1.0, 1.5], [2.0, 0.0]])
    assert SlopeOne().fit(data).predict([1], [1])[0] == pytest.approx(2.5)


def literal(R, u, i):
    """The rule of the docstring over all items of u but i."""
    top = bottom = 0.0
    for j in np.flatnonzero(R[u]):
        both = (R[:, i] > 0) & (R[:, j] > 0)
        if j != i and both.any():
            difference = (R[both, i] - R[both, j]).mean()
            top += both.sum() * (R[u, j] + difference)
            bottom += both.sum()
    if bottom:
        return top / bottom
    return R[u][R[u] > 0].mean() if R[u].any() else R[R > 0].mean()


@pytest.mark.parametrize("seed", range(4))
def test_predictions_are_the_loops(seed):
    """Checks eq-slope-one, eq-slope-difference; sparse enough for all three cases."""
    rng = np.random.default_rng(seed)
    R = rng.integers(1, 6, (8, 7)) * (rng.random((8, 7)) < 0.35)
    R[3], R[:, 2], R[0, 4] = 0, 0, 5
    model = SlopeOne().fit(ratings_of(R))
    expected = [[literal(R, u, i) for i in range(7)] for u in range(8)]
    np.testing.assert_allclose(model.score(np.arange(8)), expected, atol=1e-10)
    D = item_differences(csr_array(R.astype(float)))
    np.testing.assert_array_equal(D, -D.T)


def test_a_user_who_is_kinder_to_all_is_predicted_kinder_by_as_much():
    R = np.array([[3, 4, 2, 0], [3, 4, 2, 5], [1, 2, 0, 4], [2, 3, 1, 0]])
    here = SlopeOne().fit(ratings_of(R)).score(np.arange(4))
    assert here[0, 3] - here[3, 3] == pytest.approx(1.0)
