"""Every model on awkward data: finite scores, or an error that says what to do."""

import re
import time
import warnings

import numpy as np
import pytest
from cases import MODELS, name_of
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.stats import pearsonr

from recsys_tutor import checks
from recsys_tutor.base import FitDiverged
from recsys_tutor.content import ContentRidge
from recsys_tutor.data import Interactions
from recsys_tutor.hybrid import FeatureAugmented
from recsys_tutor.kernels import unit_scale
from recsys_tutor.mf import ExplicitALS, TruncatedSVD
from recsys_tutor.neighbors import (
    EASE,
    ItemKNN,
    RatingKNN,
    asymmetric_cosine,
    co_counts,
    co_rated_cosine,
    pearson,
)


def make(user, item, value, n_users, n_items):
    value = np.asarray(value, dtype=float)
    return Interactions(
        *(np.asarray(user), np.asarray(item), value, 10**9 + np.arange(len(value))),
        [f"u{n:02}" for n in range(n_users)],
        [100 + 3 * n for n in range(n_items)],
    )


rng = np.random.default_rng(0)
USER, ITEM = np.divmod(rng.permutation(48)[:26], 6)
STARS = rng.integers(1, 6, 26).astype(float)
FIRST = np.arange(26) == 3
AWKWARD = {
    "one user": make([0] * 4, [0, 1, 2, 4], [1, 2, 5, 3], 1, 6),
    "one item": make([0, 1, 2, 4], [0] * 4, [1, 2, 5, 3], 6, 1),
    "one row": make([1], [2], [3], 4, 5),
    "one cell": make([0], [0], [3], 1, 1),
    "each item once": make([0, 0, 1, 2], [0, 1, 2, 3], [5, 3, 4, 1], 4, 4),
    "full": make(*np.divmod(np.arange(12), 3), np.arange(12) % 5, 4, 3),
    **{
        name: make(USER, ITEM, value, 8, 6)
        for name, value in {
            "equal": np.full(26, 3.0),
            "zeros": np.zeros(26),
            "negative": -3 * STARS,
            "counts": np.where(FIRST, 1e6, STARS),
            "far": 1e11 + STARS,
            "one large": np.where(FIRST, 1e200, STARS),
            **{f"{size:g}": STARS * size for size in (1e11, 1e20, 1e38, 1e80, 1e160)},
            **{f"{size:g}": STARS * size for size in (1e200, 1e307, 1e-200, 1e-308)},
        }.items()
    },
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("case", MODELS, ids=name_of)
def test_awkward_data_gives_finite_scores_or_advice(case, name):
    data = AWKWARD[name]
    model = case.new(data)
    fewer = {"n_epochs": 6, "burn_in": 1}
    fewer = {k: v for k, v in fewer.items() if k in model.get_params()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model = model.clone(**fewer).fit(data)
        except FitDiverged as error:
            assert np.abs(data.value).max() >= 1e6, error
            return
        except np.linalg.LinAlgError as error:
            pytest.fail(f"a bare {error}")
        except ValueError as error:
            advice = "divide (them|the values) by a constant|must be less than the num"
            assert re.search(advice, str(error)), error
            return
        users = np.arange(data.n_users)
        assert np.isfinite(model.score(users)).all()
        if case.rating:
            assert np.isfinite(model.predict(data.user, data.item)).all()
        if case.history:
            assert np.isfinite(model.score_history(data.csr)).all()


# -- singular values -------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e11, 1e200, 1e299, 1e-200])
@pytest.mark.parametrize("fill", ["zero", "mean"])
@pytest.mark.parametrize("rank", [0, 1, 5])
def test_truncated_svd_is_the_dense_one(scale, fill, rank):
    """Of matrices with fewer singular values than factors, too, at any scale."""
    rng = np.random.default_rng(1)
    R = rng.normal(size=(9, rank)) @ rng.normal(size=(rank, 7))
    data = make(*np.divmod(np.arange(63), 7), R.ravel() * scale, 9, 7)
    model = TruncatedSVD(n_factors=3, fill=fill).fit(data)
    fills = R.mean(axis=0) if fill == "mean" else np.zeros(7)
    U, s, Vt = np.linalg.svd(R - fills)
    best = fills + U[:, :3] * s[:3] @ Vt[:3]
    np.testing.assert_allclose(model.score(np.arange(9)) / scale, best, atol=1e-12)
    np.testing.assert_allclose(model.singular_values_ / scale, s[:3], atol=1e-7)


def test_explicit_als_of_large_values_says_what_to_do():
    for scale in (1e20, 1e30, 1e60, 1e200):
        data = make(USER, ITEM, STARS * scale, 8, 6)
        try:
            scores = ExplicitALS(n_epochs=9).fit(data).score([0])
        except (FitDiverged, ValueError) as error:
            assert not isinstance(error, np.linalg.LinAlgError), error
        else:
            assert np.isfinite(scores).all()


# -- similarities ----------------------------------------------------------------------


@given(
    st.integers(0, 999),
    st.sampled_from([0.0, 1e4, -1e8, 1e11]),
    st.sampled_from([1.0, 1e-3, 1e90]),
)
def test_pearson_far_from_zero(seed, shift, scale):
    """scipy on the shared rows, whatever is added to the values or multiplied."""
    rng = np.random.default_rng(seed)
    near = rng.normal(size=(12, 5))
    mask = rng.random(near.shape) < 0.7
    values = (near + shift) * scale
    exact = values / scale - shift if shift else near  # as rounded when stored
    row, column = np.nonzero(mask)
    S = pearson(csr_array((values[mask], (row, column)), shape=values.shape))
    for i in range(5):
        for j in range(5):
            both = mask[:, i] & mask[:, j]
            if both.sum() < 3:
                continue
            expected = pearsonr(exact[both, i], exact[both, j]).statistic
            assert S[i, j] == pytest.approx(expected, abs=2e-3 if shift else 1e-9)


@pytest.mark.parametrize("value", [0.1, 1e8 + 0.1, 1e11, 1e-200])
def test_pearson_of_what_does_not_vary_is_zero(value):
    R = np.where(np.arange(12).reshape(4, 3) < 11, value, np.nan)
    row, column = np.nonzero(np.isfinite(R))
    S = pearson(csr_array((R[row, column], (row, column)), shape=R.shape))
    assert (S == 0).all()


@pytest.mark.parametrize("scale", [1e80, 1e200, 1e300, 1e-200])
@pytest.mark.parametrize("similarity", [pearson, co_rated_cosine])
def test_similarities_do_not_know_the_scale(similarity, scale):
    rng = np.random.default_rng(3)
    R = csr_array(np.where(rng.random((9, 5)) < 0.7, rng.normal(size=(9, 5)), 0))
    np.testing.assert_allclose(similarity(R * scale), similarity(R), rtol=1e-9)


@given(st.floats(-1e308, 1e308))
def test_unit_scale_is_a_power_of_two(value):
    scale = unit_scale(np.array([0.0, value]))
    assert np.frexp(scale)[0] == 0.5
    assert value == 0 or 0.25 <= abs(value / scale) <= 2


# -- memory ----------------------------------------------------------------------------


def wide(n_users, n_items, n=2000):
    rng = np.random.default_rng(4)
    cell = np.unique(
        np.stack([rng.integers(0, n_users, n), rng.integers(0, n_items, n)]), axis=1
    )
    value = rng.integers(1, 6, cell.shape[1]).astype(float)
    return Interactions(*cell, value, None, range(n_users), range(n_items))


@pytest.fixture
def eight_gib(monkeypatch):
    monkeypatch.setattr(checks, "available_memory", lambda: 8 * 2**30)


USERS, ITEMS = wide(60_000, 100), wide(100, 200_000)
ROW_PER_ITEM = csr_array((200_000, 2))


@pytest.mark.parametrize(
    ("model", "data", "advice"),
    [
        (RatingKNN(by="user"), USERS, "60,000 users.*by='item'"),
        (RatingKNN(by="item"), ITEMS, "200,000 items.*by='user'"),
        (ItemKNN(), ITEMS, "ItemKNN compares 200,000 items.*ImplicitALS"),
        (EASE(), ITEMS, "EASE.*200,000 x 200,000.*ImplicitALS.*at_least"),
        (FeatureAugmented(features=ROW_PER_ITEM), ITEMS, "FeatureAugmented.*at_least"),
        (ContentRidge(features=ROW_PER_ITEM), ITEMS, "ContentRidge.*ContentBased"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_square_matrices_are_refused_before_any_work(model, data, advice, eight_gib):
    start = time.process_time()
    with pytest.raises(MemoryError, match=f"{advice}") as caught:
        model.fit(data)
    assert time.process_time() - start < 1
    assert "GiB; 8.0 GiB are available" in str(caught.value)


@pytest.mark.parametrize(
    "similarity", [co_counts, asymmetric_cosine, co_rated_cosine, pearson]
)
def test_similarities_are_refused_before_any_work(similarity, eight_gib):
    with pytest.raises(MemoryError, match="200,000 x 200,000"):
        similarity(csr_array((5, 200_000)))


def test_what_fits_is_not_refused(eight_gib):
    assert RatingKNN(by="item").fit(USERS).score([0]).shape == (1, 100)
    assert EASE().fit(wide(50, 300)).score([0]).shape == (1, 300)
