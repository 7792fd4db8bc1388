"""Baselines: chance, counts, ridge least squares, finite differences."""

import numpy as np
import oracles
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from recsys_tutor import splits
from recsys_tutor.baselines import (
    BiasModel,
    Popularity,
    Random,
    bias_half_step,
    bias_objective,
)
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate, evaluate_ratings
from recsys_tutor.metrics import rmse

# -- Random --------------------------------------------------------------------------


def test_random_hits_as_often_as_chance_says(ratings):
    """Expected precision and AUC of a random order, user by user."""
    train, _, test = splits.item_stratified(ratings)
    relevant = np.bincount(test.user, minlength=ratings.n_users)
    unseen = ratings.n_items - np.bincount(train.user, minlength=ratings.n_users)
    share = (relevant / unseen)[relevant > 0]
    # hypergeometric: the variance of the number of hits among ten draws
    spread = 10 * share * (1 - share) / 100
    frames = [evaluate(Random(random_state=s).fit(train), test) for s in range(3)]
    precision = np.mean([frame.precision.mean() for frame in frames])
    error = np.sqrt(spread.sum() / len(share) ** 2 / len(frames))
    assert abs(precision - share.mean()) < 3 * error
    assert np.mean([f.auc.mean() for f in frames]) == pytest.approx(0.5, abs=0.005)


def test_random_scores_are_uniform_and_independent():
    data = make_world(n_users=60, n_items=500, n_ratings=600).interactions
    model = Random(random_state=3).fit(data)
    scores = model.score(np.arange(60))
    assert scores.min() >= 0 and scores.max() < 1
    assert scores.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * scores.size))
    assert np.quantile(scores, [0.1, 0.9]) == pytest.approx([0.1, 0.9], abs=0.01)
    between = np.corrcoef(scores)[np.triu_indices(60, 1)]
    assert abs(between).max() < 5 / np.sqrt(500), "users have lists of their own"
    assert len(np.unique(scores)) == scores.size


def test_random_lists_do_not_depend_on_the_batch():
    model = Random().fit(toy().interactions)
    together = model.score([0, 1, 2, 3, 4])
    for u in range(5):
        np.testing.assert_array_equal(model.score([u])[0], together[u])
    np.testing.assert_array_equal(model.score([4, 0, 4]), together[[4, 0, 4]])
    assert (
        Random(random_state=1).fit(toy().interactions).score([0]) != together[0]
    ).all()


def test_random_predicts_a_rating_that_was_given():
    world = make_world(n_users=80, n_items=90, n_ratings=2000, stars=True)
    model = Random().fit(world.interactions)
    u, i = np.indices((80, 90)).reshape(2, -1)
    guess = model.predict(u, i)
    stars = np.arange(1, 6)
    shares = [[np.mean(x == s) for s in stars] for x in (guess, model.ratings_)]
    np.testing.assert_allclose(*shares, atol=4 * 0.5 / np.sqrt(len(guess)))
    assert sorted(world.interactions.value) == model.ratings_.tolist()
    quantile = model.score(np.arange(80))[u, i]
    expected = [model.ratings_[int(q * len(model.ratings_))] for q in quantile]
    np.testing.assert_array_equal(guess, expected)


# -- Popularity ----------------------------------------------------------------------


@given(strategies.interactions(min_rows=1))
def test_popularity_counts_rows_not_stars(data):
    model = Popularity().fit(data)
    counts = [data.item.tolist().count(i) for i in range(data.n_items)]
    scores = model.score(np.arange(data.n_users))
    assert scores.tolist() == [counts] * data.n_users
    assert model.counts_.dtype == np.float64
    assert model.score_history(csr_array((3, data.n_items))).tolist() == [counts] * 3


# -- the half step -------------------------------------------------------------------


def test_half_step_by_hand():
    """Checks eq-bias-step."""
    residual, index = np.array([1.0, 3.0, -2.0]), np.array([0, 0, 2])
    got = bias_half_step(residual, index, 4, 2.0)
    assert got.tolist() == [4 / (2 + 2), 0, -2 / (2 + 1), 0]
    assert bias_half_step(residual, index, 4, 0.0).tolist() == [2, 0, -2, 0]


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 3)), min_size=1),
    st.sampled_from([0.25, 1.0, 7.0]),
)
def test_half_step_is_the_numerical_minimiser(rows, reg):
    """Checks eq-bias-step."""
    residual, index = np.array(rows, dtype=float).T
    index = index.astype(int)

    def objective(b):
        return np.sum((residual - b[index]) ** 2) + reg * np.sum(b**2)

    best = minimize(objective, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    got = bias_half_step(residual, index, 4, reg)
    np.testing.assert_allclose(got, best.x, atol=1e-5)
    assert objective(got) <= best.fun + 1e-9


def test_objective_by_hand():
    """Checks eq-bias-objective."""
    value = bias_objective(
        np.array([4.0, 2.0]), np.array([3.0, 2.5]), np.array([1.0, -2.0]),
        np.array([3.0]), 0.5, 2.0,
    )  # fmt: skip
    assert value == (1 + 0.25) + 0.5 * (1 + 4) + 2 * 9


# -- BiasModel -----------------------------------------------------------------------


@settings(max_examples=30)
@given(
    strategies.interactions(min_rows=2),
    st.sampled_from([(1.0, 1.0), (5.0, 2.0), (0.5, 3.0)]),
)
def test_bias_model_is_ridge_least_squares(data, reg):
    """Checks eq-bias-rule."""
    assume(len(data))
    model = BiasModel(reg_u=reg[0], reg_i=reg[1], n_epochs=600).fit(data)
    b_u, b_i = oracles.ridge_biases(
        data.user, data.item, data.value, data.n_users, data.n_items, *reg
    )
    assert model.mu_ == pytest.approx(data.value.mean())
    np.testing.assert_allclose(model.b_u_, b_u, atol=1e-8)
    np.testing.assert_allclose(model.b_i_, b_i, atol=1e-8)


def biases_and_objective(model, data):
    """The objective as a function of all biases, written out again."""
    start = np.concatenate([model.b_u_, model.b_i_])

    def objective(b):
        b_u, b_i = b[: data.n_users], b[data.n_users :]
        error = data.value - data.value.mean() - b_u[data.user] - b_i[data.item]
        penalty = model.reg_u * b_u @ b_u + model.reg_i * b_i @ b_i
        return error @ error + penalty

    return start, objective


def test_the_gradient_vanishes_at_the_solution():
    data = toy().interactions
    model = BiasModel(reg_u=1.5, reg_i=0.7, n_epochs=500).fit(data)
    start, objective = biases_and_objective(model, data)
    step = 1e-4
    for axis in np.eye(len(start)):
        up, down = objective(start + step * axis), objective(start - step * axis)
        assert abs(up - down) / (2 * step) < 1e-7
        assert min(up, down) > objective(start)
    elsewhere = start + 0.1
    slope = objective(elsewhere + step) - objective(elsewhere - step)
    assert abs(slope) / (2 * step) > 1, "the differences can see a slope"


def test_the_loss_is_the_stated_objective():
    data = toy().interactions
    for n_epochs in (1, 4):
        model = BiasModel(reg_u=3.0, reg_i=0.5, n_epochs=n_epochs).fit(data)
        start, objective = biases_and_objective(model, data)
        assert model.history_[-1]["loss"] == pytest.approx(objective(start), rel=1e-12)
        prediction = model.predict(data.user, data.item)
        loss = bias_objective(data.value, prediction, model.b_u_, model.b_i_, 3.0, 0.5)
        assert loss == pytest.approx(objective(start), rel=1e-12)


def test_every_half_step_lowers_the_objective():
    data = make_world(n_users=40, n_items=30, n_ratings=500).interactions
    losses = []
    model = BiasModel(n_epochs=8)
    model.fit(data, callback=lambda m, epoch, logs: losses.append(logs["loss"]))
    assert len(losses) == 8 and (np.diff(losses) < 0).all()

    # the half steps inside an epoch: items, then users
    mean, b_u = data.value.mean(), np.zeros(data.n_users)
    values = []
    b_i = np.zeros(data.n_items)
    for _ in range(8):
        for side in ("items", "users"):
            if side == "items":
                rest = data.value - mean - b_u[data.user]
                b_i = bias_half_step(rest, data.item, data.n_items, model.reg_i)
            else:
                rest = data.value - mean - b_i[data.item]
                b_u = bias_half_step(rest, data.user, data.n_users, model.reg_u)
            guess = mean + b_u[data.user] + b_i[data.item]
            error = np.sum((data.value - guess) ** 2)
            values.append(error + model.reg_u * b_u @ b_u + model.reg_i * b_i @ b_i)
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(values[1::2], losses, rtol=1e-12)
    np.testing.assert_allclose(model.b_i_, b_i, rtol=1e-12)
    np.testing.assert_allclose(model.b_u_, b_u, rtol=1e-12)


def test_users_and_items_without_rows_stay_at_zero():
    data = toy().interactions
    part = data.subset((data.user != 1) & (data.item != 2))
    for reg in (0.0, 2.0):
        model = BiasModel(reg_u=reg, reg_i=reg).fit(part)
        assert model.b_u_[1] == 0 and model.b_i_[2] == 0
        assert model.predict([1], [2]).tolist() == [part.value.mean()]


def test_predictions_are_not_clipped():
    data = toy().interactions
    model = BiasModel(reg_u=0, reg_i=0, n_epochs=200).fit(data)
    assert model.score(np.arange(5)).max() > 5, "clipping belongs to the evaluation"


def test_recovery_of_the_biases_of_a_made_world():
    world = make_world(
        n_users=200, n_items=150, n_ratings=15_000, noise=0.3, skew=0.3, random_state=2
    )
    pure = world.mu + world.b_u[:, None] + world.b_i  # no factors: the model's class
    data = world.interactions
    rng = np.random.default_rng(0)
    value = pure[data.user, data.item] + 0.3 * rng.normal(size=len(data))
    data = data.from_frame(data.to_frame().assign(value=value))
    model = BiasModel(reg_u=1, reg_i=1, n_epochs=50).fit(data)
    for found, true, row in (
        (model.b_u_, world.b_u, data.user),
        (model.b_i_, world.b_i, data.item),
    ):
        present = np.unique(row)
        assert np.corrcoef(found[: len(true)], true[present])[0, 1] > 0.97
    train, _, test = splits.user_holdout(data)
    frame = evaluate_ratings(model.clone().fit(train), test, clip=None)
    assert rmse(frame.rating, frame.prediction) < 1.05 * 0.3, "little above the noise"


def test_new_users_get_the_bias_of_their_ratings():
    data = toy().interactions
    model = BiasModel().fit(data)
    x = np.array([[0, 0, 5.0, 0, 0, 3.0]])
    rest = [5 - model.mu_ - model.b_i_[2], 3 - model.mu_ - model.b_i_[5]]
    b_u = sum(rest) / (model.reg_u + 2)
    np.testing.assert_allclose(
        model.score_history(x)[0], model.mu_ + b_u + model.b_i_, rtol=1e-12
    )
    empty = model.score_history(np.zeros((1, 6)))[0]
    np.testing.assert_allclose(empty, model.mu_ + model.b_i_, rtol=1e-12)
