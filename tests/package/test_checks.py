"""Checks of arguments: what they take, what they refuse, and how they say it."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsys_tutor import checks
from recsys_tutor.checks import (
    available_memory,
    check_feature_matrix,
    check_index,
    check_memory,
)


def test_features_are_checked():
    F = np.arange(6.0).reshape(3, 2)
    got = check_feature_matrix(F, 3)
    assert isinstance(got, csr_array) and got.dtype == np.float64
    np.testing.assert_array_equal(got.toarray(), F)
    with pytest.raises(
        ValueError, match=r"per item, shape \(4, d\), got shape \(3, 2\)"
    ):
        check_feature_matrix(F, 4)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        check_feature_matrix(F[:, 0], 3)
    with pytest.raises(ValueError, match=r"shape \(3, 2, 2\)"):
        check_feature_matrix(np.ones((3, 2, 2)), 3)
    for wrong in (None, "abc", [["a"], ["b"], ["c"]], [["1"], ["2"], ["3"]]):
        with pytest.raises(ValueError, match="features must be an array of numbers"):
            check_feature_matrix(wrong, 3)
    for value in (np.nan, np.inf):
        for wrong in (np.full((3, 1), value), csr_array(np.full((3, 1), value))):
            with pytest.raises(
                ValueError, match=f"features must be finite, got {value}"
            ):
                check_feature_matrix(wrong, 3)
    with pytest.raises(ValueError, match="genres must have one row per item, shape"):
        check_feature_matrix(csr_array((2, 2)), 3, "genres")


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr"])
def test_sparse_features_of_any_format_are_taken(kind):
    F = np.array([[0, 2], [1, 0], [0, 0]])
    got = check_feature_matrix(csr_array(F).asformat(kind), 3)
    assert isinstance(got, csr_array) and got.dtype == np.float64
    np.testing.assert_array_equal(got.toarray(), F)


def test_one_wrong_index_is_shown_as_a_list():
    with pytest.raises(ValueError, match=r"1-D array .*; for one index write \[7\]$"):
        check_index("users", 7, 9)
    with pytest.raises(ValueError, match=r"got shape \(1, 1\) and dtype int64$"):
        check_index("users", [[7]], 9)


def test_available_memory(monkeypatch):
    assert 2**20 < available_memory() < 2**50
    check_memory(available_memory() / 2, "nothing", "")
    with pytest.raises(MemoryError, match=r"^All, .* GiB are available\. Buy more$"):
        check_memory(available_memory() * 4, "All", "Buy more")
    monkeypatch.setattr(checks, "available_memory", lambda: None)
    check_memory(1e30, "a system that does not say", "")
