"""Losses of a step, written out; what their minimisers are."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from recsys_tutor.sequence_losses import (
    binary,
    calibrated_power,
    powered_binary,
    sampled_softmax,
)
from recsys_tutor.sequential import _scores_of

P = np.array([0.5, 0.25, 0.15, 0.07, 0.03])


def scores(n=6, n_negatives=4):
    rng = np.random.default_rng(0)
    return 3 * rng.normal(size=n), 3 * rng.normal(size=(n, n_negatives))


def tensors(*arrays):
    return [torch.tensor(x) for x in arrays]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_sampled_softmax_by_loops():
    """Checks eq-sequence-loss."""
    yes, no = scores()
    losses = []
    for s, others in zip(yes, no, strict=True):
        total = np.exp(s) + sum(np.exp(t) for t in others)
        losses.append(-np.log(np.exp(s) / total))
    got = sampled_softmax(*tensors(yes, no)).item()
    assert got == pytest.approx(np.mean(losses), rel=1e-12)


def test_the_binary_loss_by_loops():
    """Checks eq-sequence-loss."""
    yes, no = scores()
    losses = []
    for s, others in zip(yes, no, strict=True):
        wrong = [-np.log(sigmoid(-t)) for t in others]
        losses.append(-np.log(sigmoid(s)) + sum(wrong) / len(wrong))
    got = binary(*tensors(yes, no)).item()
    assert got == pytest.approx(np.mean(losses), rel=1e-12)


def test_the_powered_loss_by_loops():
    """Checks eq-gbce."""
    yes, no = scores()
    losses = []
    for s, others in zip(yes, no, strict=True):
        wrong = [-np.log(sigmoid(-t)) for t in others]
        losses.append(-np.log(sigmoid(s) ** 0.3) + sum(wrong))
    got = powered_binary(*tensors(yes, no), 0.3).item()
    assert got == pytest.approx(np.mean(losses), rel=1e-12)
    one = no[:, :1]
    same = powered_binary(*tensors(yes, one), 1.0).item()
    assert same == pytest.approx(binary(*tensors(yes, one)).item(), rel=1e-12)


@pytest.mark.parametrize("loss", [sampled_softmax, binary])
def test_large_scores_stay_finite(loss):
    yes, no = tensors(np.array([800.0, -800.0]), np.array([[-800.0], [800.0]]))
    value = loss(yes, no).item()
    assert 700 < value < 1700


@pytest.mark.parametrize("t, power", [(1.0, 128 / 1681), (0.0, 1.0)])
def test_the_ends_of_the_calibration(t, power):
    """Checks eq-gbce."""
    assert calibrated_power(128, 1682, t) == pytest.approx(power, rel=1e-12)


def test_the_power_of_the_authors():
    """1,682 films, 128 negatives, t = 0.75: 1 - t (1 - α) = 0.3071."""
    assert calibrated_power(128, 1682) == pytest.approx(0.25 + 0.75 * 128 / 1681)
    assert calibrated_power(3, 1) == calibrated_power(3, 2), "one item: no 0 below"


def best(loss):
    return minimize(loss, np.zeros(5), options={"gtol": 1e-9}).x


@pytest.mark.parametrize("n_negatives", [1, 3])
@pytest.mark.parametrize("t", [0.0, 0.5, 1.0])
def test_what_the_power_undoes(n_negatives, t):
    """Negatives are the other four items alike; with t=1 the best σ(s) are p.

    Checks eq-gbce.
    """
    power = calibrated_power(n_negatives, 5, t)

    def expected(s):
        own = -power * np.log(sigmoid(s))
        each = -np.log(sigmoid(-s))
        wrong = [n_negatives * np.delete(each, i).mean() for i in range(5)]
        return P @ (own + wrong)

    found = sigmoid(best(expected))
    share = n_negatives / 4
    odds = power * P / (share * (1 - P))
    np.testing.assert_allclose(found, odds / (1 + odds), atol=1e-5)
    if t == 1:
        np.testing.assert_allclose(found, P, atol=1e-5)
    else:
        assert (found > P).all(), "overconfident"


def test_scores_of_a_few_and_of_many_items_are_the_same():
    """Looked up, or read off one product with the whole table."""
    rng = np.random.default_rng(0)
    h, E = tensors(rng.normal(size=(3, 4)), rng.normal(size=(40, 4)))
    for n in (1, 2, 3, 30):
        items = torch.tensor(rng.integers(1, 40, (3, n)))
        wanted = [[h[a] @ E[j] for j in row] for a, row in enumerate(items)]
        np.testing.assert_allclose(_scores_of(items, h, E), wanted, rtol=1e-12)
