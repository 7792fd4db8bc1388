"""The toy and the made world: tables, probabilities, seeds, and the truth as oracle."""

import re

import numpy as np
import pytest
from scipy import stats

from recsys_tutor import datasets, splits
from recsys_tutor.base import Recommender
from recsys_tutor.baselines import Popularity
from recsys_tutor.datasets import make_world, toy, worlds
from recsys_tutor.evaluate import evaluate

# -- the toy -------------------------------------------------------------------------


def test_the_toy_is_the_table_of_its_docstring():
    data = toy().interactions
    names = ["Alien", "Blade Runner", "Contact", "Dirty Dancing", "Emma", "Fargo"]
    assert data.item_ids.tolist() == names
    R = data.csr.toarray()
    lines = re.findall(r"^ +(Ana|Ben|Cleo|Dan|Eva) +(.*) \| +(\d)$", toy.__doc__, re.M)
    assert [name for name, _, _ in lines] == data.user_ids.tolist()
    for u, (_, cells, mean) in enumerate(lines):
        written = [0 if cell == "." else int(cell) for cell in cells.split()]
        assert written == R[u].tolist()
        assert R[u].sum() / (R[u] > 0).sum() == int(mean)


def test_what_the_docstring_says_about_the_toy():
    data = toy().interactions
    assert data.shape == (5, 6) and len(data) == 18
    assert data.value.mean() == 3
    counts = np.bincount(data.item)
    means = np.bincount(data.item, weights=data.value) / counts
    fargo, contact = data.item_index(["Fargo", "Contact"])
    assert np.argmax(counts) == fargo and np.argmin(means) == fargo
    assert counts[contact] == 1 and np.argmax(means) == contact
    assert (np.sort(means)[1] > means[fargo]) and (np.sort(counts)[-2] < counts[fargo])


def test_the_toy_has_time_items_and_users():
    data = toy()
    assert data.interactions.time.tolist() == [60 * n for n in range(18)]
    assert data.items.title.tolist() == data.interactions.item_ids.tolist()
    assert data.users.name.tolist() == data.interactions.user_ids.tolist()
    assert all(isinstance(genres, tuple) for genres in data.items.genres)
    assert list(data.items) == ["title", "year", "genres"]
    assert list(data.users) == ["name", "age"]
    data.items.loc[0, "title"] = "changed"
    assert toy().items.title[0] == "Alien", "each call gives a fresh copy"


def test_the_loaders_offer_toy_and_world_too():
    assert datasets.toy is worlds.toy and datasets.make_world is worlds.make_world


# -- the world: shape and probabilities ----------------------------------------------


def test_shapes_and_probabilities():
    world = make_world(n_users=30, n_items=20, n_ratings=100, n_factors=2, n_topics=5)
    assert world.interactions.shape == (30, 20) and len(world.interactions) == 100
    assert world.features.shape == (20, 5) and world.phi.shape == (5, 20)
    assert world.P.shape == (30, 2) and world.Q.shape == (20, 2)
    assert world.theta.shape == (30, 5)
    assert world.b_u.shape == (30,) and world.b_i.shape == world.drift.shape == (20,)
    for rows in (world.theta, world.phi, world.choice):
        np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-12)
        assert (rows >= 0).all()
    for u in (0, 29):
        for i in (0, 19):
            mixture = sum(world.theta[u, z] * world.phi[z, i] for z in range(5))
            assert world.choice[u, i] == pytest.approx(mixture)


@pytest.mark.parametrize("shape", [(30, 20, 100), (7, 40, 95), (5, 4, 20), (1, 1, 1)])
def test_no_duplicates_and_equal_counts(shape):
    n_users, n_items, n_ratings = shape
    data = make_world(
        n_users=n_users, n_items=n_items, n_ratings=n_ratings, n_topics=1
    ).interactions
    cells = set(zip(data.user.tolist(), data.item.tolist(), strict=True))
    assert len(cells) == len(data) == n_ratings
    counts = np.bincount(data.user, minlength=n_users)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(data.user) < 0).any() or n_users == 1, "rows are shuffled"


def test_items_belong_to_topics_and_popularity_is_skewed():
    world = make_world(n_items=40, n_topics=4, skew=1.5)
    assert np.bincount(world.topic_of_item).tolist() == [10] * 4
    for z in range(4):
        own = world.topic_of_item == z
        assert np.argmax(world.features[own].mean(axis=0)) == z
        base = world.phi[z] / np.where(own, 1, 0.05)
        ratio = np.sort(base)[::-1] / base.max()
        np.testing.assert_allclose(ratio, np.arange(1.0, 41) ** -1.5, rtol=1e-9)
    flat = make_world(n_items=40, n_topics=4, skew=0)
    np.testing.assert_allclose(
        np.ptp(flat.phi[0][flat.topic_of_item == 0]), 0, atol=1e-15
    )


def test_picks_follow_the_stated_probabilities():
    """One pick per user: a chi-square test against p(i | u)."""
    world = make_world(n_users=6000, n_items=8, n_ratings=6000, n_topics=2)
    observed = np.bincount(world.interactions.item, minlength=8)
    expected = world.choice.sum(axis=0)
    assert stats.chisquare(observed, expected).pvalue > 1e-3
    assert stats.chisquare(observed, np.full(8, 750)).pvalue < 1e-9, "it could fail"


# -- the world: ratings --------------------------------------------------------------


@pytest.mark.parametrize("drift", [0.0, 2.0])
def test_residuals_are_the_stated_noise(drift):
    world = make_world(noise=0.4, drift=drift, random_state=1)
    data = world.interactions
    when = data.time / 10**6
    mean = np.array(
        [
            world.mu
            + world.b_u[u]
            + world.b_i[i]
            + (t - 0.5) * world.drift[i]
            + sum(world.P[u] * world.Q[i])
            for u, i, t in zip(data.user, data.item, when, strict=True)
        ]
    )
    residual = data.value - mean
    n = len(data)
    assert residual.std() == pytest.approx(0.4, abs=4 * 0.4 / np.sqrt(2 * n))
    assert abs(residual.mean()) < 4 * 0.4 / np.sqrt(n)
    assert stats.kstest(residual / 0.4, "norm").pvalue > 1e-3
    assert stats.kstest(when, "uniform").pvalue > 1e-3
    middle = world.expected()
    late = world.expected(1.0)
    np.testing.assert_allclose(late - middle, np.tile(world.drift / 2, (300, 1)))
    row, col = data.user[0], data.item[0]
    assert world.expected(when[0])[row, col] == pytest.approx(mean[0])
    if drift:
        assert (data.value - middle[data.user, data.item]).std() > 1.2 * 0.4
        assert world.drift.std() == pytest.approx(2, rel=0.2)
    else:
        assert (world.drift == 0).all()


def test_variances_of_the_truth():
    world = make_world(n_users=2000, n_items=2000, n_factors=8, n_topics=50)
    assert world.b_u.std() == pytest.approx(0.4, rel=0.06)
    assert world.b_i.std() == pytest.approx(0.5, rel=0.06)
    assert (world.P @ world.Q.T).var() == pytest.approx(1, rel=0.15)
    assert world.noise == 0.5 and world.mu == 3.5


@pytest.mark.parametrize("content", [0.0, 0.5, 1.0])
def test_content_is_the_share_of_factor_variance_from_topics(content):
    world = make_world(n_items=4000, n_topics=40, n_factors=6, content=content)
    within = np.mean([world.Q[world.topic_of_item == z].var(axis=0) for z in range(40)])
    assert within == pytest.approx(1 - content, abs=0.05)


def test_stars_are_whole_and_between_one_and_five():
    continuous, stars = (make_world(stars=s, random_state=4) for s in (False, True))
    raw, rounded = continuous.interactions.value, stars.interactions.value
    np.testing.assert_array_equal(rounded, np.clip(np.round(raw), 1, 5))
    assert set(rounded) == {1, 2, 3, 4, 5}


# -- the truth is a ceiling ----------------------------------------------------------


class Oracle(Recommender):
    def __init__(self, *, scores=None):
        self.scores = scores

    def _fit(self, train):
        pass

    def _score_users(self, users):
        return self.scores[users]


def test_the_oracle_beats_popularity():
    world = make_world(random_state=5)
    train, _, test = splits.item_stratified(world.interactions)
    oracle = evaluate(Oracle(scores=world.choice).fit(train), test).ndcg.mean()
    popular = evaluate(Popularity().fit(train), test).ndcg.mean()
    assert oracle > 1.2 * popular


# -- seeds and errors ----------------------------------------------------------------


def frame_of(world):
    return world.interactions.to_frame()


def test_seeds():
    one, same, other = (make_world(random_state=s) for s in (1, 1, 2))
    assert frame_of(one).equals(frame_of(same)) and (one.P == same.P).all()
    assert not frame_of(one).equals(frame_of(other))
    rng = np.random.default_rng(1)
    assert frame_of(make_world(random_state=rng)).equals(frame_of(one))
    assert not frame_of(make_world(random_state=rng)).equals(frame_of(one))
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_world(random_state=None)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_users", 0),
        ("n_items", 2.5),
        ("n_ratings", 300 * 200 + 1),
        ("n_ratings", 0),
        ("n_factors", 0),
        ("n_topics", 0),
        ("n_topics", 201),
        ("skew", -1),
        ("drift", -0.1),
        ("noise", np.nan),
        ("content", 1.5),
        ("content", -0.5),
    ],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        make_world(**{name: value})
