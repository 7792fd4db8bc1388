"""Dot products and perceptrons: gradients by hand, SGD in numpy, literal formulas."""

import math

import numpy as np
import oracles
import pytest
import torch
from torch.nn import functional as F

from recsys_tutor.baselines import BiasModel, Popularity
from recsys_tutor.data import Interactions
from recsys_tutor.datasets import make_world, toy
from recsys_tutor.evaluate import evaluate
from recsys_tutor.mf import sgd_epoch
from recsys_tutor.neural import DotModel, DotNetwork, NeuMF, NeuMFNetwork, mlp
from recsys_tutor.splits import item_stratified
from recsys_tutor.training import seeded

torch.set_num_threads(1)  # threads that wait for each other slow small networks down
USER, ITEM = torch.tensor([0, 2, 1, 2]), torch.tensor([4, 1, 4, 0])


def numpy_of(*tensors):
    arrays = [t.detach().numpy().astype(float).copy() for t in tensors]
    return arrays if len(arrays) > 1 else arrays[0]


def dot_network(seed=0, mean=3.5, biased=True):
    """3 users, 5 items; biases that are not zero, in float64."""
    with seeded(seed):
        network = DotNetwork(3, 5, 2, mean=mean, init_scale=0.7).double()
        if biased:
            torch.nn.init.normal_(network.b_u.weight)
            torch.nn.init.normal_(network.b_i.weight)
    return network


def parameters(network):
    tables = network.b_u, network.b_i, network.P, network.Q
    b_u, b_i, P, Q = numpy_of(*(t.weight for t in tables))
    return b_u[:, 0], b_i[:, 0], P, Q


# -- DotNetwork ----------------------------------------------------------------------


def test_the_dot_network_s_rule():
    """Checks eq-dot-rule."""
    network = dot_network()
    b_u, b_i, P, Q = parameters(network)
    for n, (u, i) in enumerate(zip(USER.tolist(), ITEM.tolist(), strict=True)):
        expected = 3.5 + b_u[u] + b_i[i] + oracles.dot(P[u], Q[i])
        assert network(USER, ITEM)[n].item() == pytest.approx(expected, rel=1e-12)


def test_the_dot_network_starts_at_the_mean_with_small_factors():
    with seeded(0):
        network = DotNetwork(400, 500, 20, mean=2.5, init_scale=0.03)
    b_u, b_i, P, Q = parameters(network)
    assert not b_u.any() and not b_i.any()
    for table in (P, Q):
        assert table.std() == pytest.approx(0.03, rel=0.03)
        assert abs(table.mean()) < 0.001


def test_gradients_are_those_by_hand():
    """Of the mean squared error: ``-2/B · e`` times the parameter's neighbour."""
    network = dot_network()
    rating = torch.tensor([5.0, 1.0, 3.0, 4.0], dtype=torch.float64)
    F.mse_loss(network(USER, ITEM), rating).backward()
    b_u, b_i, P, Q = parameters(network)
    grads = [np.zeros_like(a) for a in (b_u, b_i, P, Q)]
    for u, i, r in zip(USER.tolist(), ITEM.tolist(), rating.tolist(), strict=True):
        e = r - 3.5 - b_u[u] - b_i[i] - oracles.dot(P[u], Q[i])
        grads[0][u] -= 2 / 4 * e
        grads[1][i] -= 2 / 4 * e
        grads[2][u] -= 2 / 4 * e * Q[i]
        grads[3][i] -= 2 / 4 * e * P[u]
    tables = network.b_u, network.b_i, network.P, network.Q
    for table, expected in zip(tables, grads, strict=True):
        got = table.weight.grad.numpy().reshape(expected.shape)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-15)
    assert not grads[1][[2, 3]].any(), "items of no pair"


def test_a_step_of_sgd_is_the_step_of_matrix_factorization():
    """``½ e²`` there and ``e²`` here: half the rate, twice the penalty."""
    rate, reg = 0.1, 0.3
    network = dot_network()
    b_u, b_i, P, Q = parameters(network)
    one = [np.array([n]) for n in (2, 1)]
    args = (*one, np.array([4.0]), np.array([0]))
    sgd_epoch(*args, 3.5, b_u, b_i, P, Q, rate, reg)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate / 2, weight_decay=2 * reg)
    u, i = torch.tensor([2]), torch.tensor([1])
    rating = torch.tensor([4.0], dtype=torch.float64)
    before = numpy_of(network.P.weight)
    F.mse_loss(network(u, i), rating).backward()
    optimizer.step()
    stepped = parameters(network)
    for got, expected, row in zip(stepped, (b_u, b_i, P, Q), (2, 1, 2, 1), strict=True):
        np.testing.assert_allclose(got[row], expected[row], rtol=1e-12)
    assert np.abs(stepped[2][2] - before[2]).min() > 1e-3
    np.testing.assert_allclose(stepped[2][:2], before[:2] * (1 - rate * reg))


# -- DotModel ------------------------------------------------------------------------


def test_dot_model_starts_at_the_mean_and_predicts_what_it_scores():
    data = toy().interactions
    model = DotModel(n_factors=3, n_epochs=30, learning_rate=0.05).fit(data)
    assert model.network_.mean == pytest.approx(data.value.mean())
    scores = model.score(np.arange(data.n_users))
    assert scores.shape == data.shape and data.n_users != data.n_items
    b_u, b_i, P, Q = parameters(model.network_)
    expected = data.value.mean() + b_u[:, None] + b_i + P @ Q.T
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict([4, 0], [5, 2]), expected[[4, 0], [5, 2]], rtol=1e-5
    )


def test_the_loss_of_dot_model_is_the_mean_squared_error():
    """One batch: the first loss is that of the start, biases zero and factors small."""
    data = toy().interactions
    model = DotModel(n_epochs=1, batch_size=100, init_scale=1e-6).fit(data)
    assert model.history_[0]["loss"] == pytest.approx(data.value.var(), rel=1e-5)


def test_dot_model_finds_factors_that_the_biases_miss():
    world = make_world(n_users=120, n_items=60, n_ratings=5000, noise=0.2)
    split = item_stratified(world.interactions)
    train, test = split.train, split.test
    errors = {}
    for model in (
        BiasModel(),
        DotModel(n_factors=4, n_epochs=60, batch_size=256, learning_rate=0.01),
    ):
        guess = model.fit(train).predict(test.user, test.item)
        errors[type(model)] = np.sqrt(np.mean((test.value - guess) ** 2))
    assert errors[DotModel] < 0.6 * errors[BiasModel]
    assert errors[DotModel] > world.noise, "nobody predicts the noise"


# -- mlp and NeuMF -------------------------------------------------------------------


def test_mlp_by_loops():
    """Checks eq-mlp."""
    with seeded(1):
        network = mlp((3, 4, 2), dropout=0.9).eval()
        x = torch.randn(5, 3)
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == [(4, 3), (2, 4)]
    for row, got in zip(numpy_of(x), network(x).tolist(), strict=True):
        h = row
        for layer in layers:
            W, b = numpy_of(layer.weight, layer.bias)
            h = [max(oracles.dot(w, h) + c, 0.0) for w, c in zip(W, b, strict=True)]
        np.testing.assert_allclose(got, h, rtol=1e-5, atol=1e-7)
    assert len(mlp((5,))) == 0


def neumf(hidden=(6, 4, 2), seed=0):
    with seeded(seed):
        network = NeuMFNetwork(3, 5, 2, hidden, 0.0, init_scale=0.8)
    return network.eval()


def test_neumf_s_rule():
    """Checks eq-neumf-rule."""
    network = neumf()
    P, Q, P_mlp, Q_mlp = numpy_of(
        network.P.weight, network.Q.weight, network.P_mlp.weight, network.Q_mlp.weight
    )
    h = numpy_of(network.out.weight)[0]
    assert P_mlp.shape == (3, 3) and Q_mlp.shape == (5, 3) and h.shape == (4,)
    for u, i, got in zip(USER, ITEM, network(USER, ITEM).tolist(), strict=True):
        pair = torch.tensor([*P_mlp[u], *Q_mlp[i]], dtype=torch.float32)
        both = [*(P[u] * Q[i]), *network.mlp(pair).tolist()]
        expected = oracles.dot(h, both) + network.out.bias.item()
        assert got == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("hidden", [(), (6, 4)])
def test_neumf_without_a_say_of_the_perceptron_is_a_dot_product(hidden):
    network = neumf(hidden)
    with torch.no_grad():
        network.out.bias.zero_()
        network.out.weight.zero_()
        network.out.weight[0, :2] = 1.0
    P, Q = numpy_of(network.P.weight, network.Q.weight)
    expected = [oracles.dot(P[u], Q[i]) for u, i in zip(USER, ITEM, strict=True)]
    got = network(USER, ITEM).tolist()
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_the_loss_at_a_head_of_zeros_is_ln_2():
    network = neumf()
    torch.nn.init.zeros_(network.out.weight)
    torch.nn.init.zeros_(network.out.bias)
    labels = torch.tensor([1.0, 0.0, 0.0, 1.0])
    loss = NeuMF()._loss(network, USER, ITEM, labels)
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)


def test_the_loss_is_the_cross_entropy_of_the_pairs():
    """Checks eq-neumf-bce."""
    network, labels = neumf(), [1.0, 0.0, 0.0, 1.0]
    logits = network(USER, ITEM).tolist()
    shares = [oracles.sigmoid(x) for x in logits]
    expected = -sum(
        math.log(s if y else 1 - s) for s, y in zip(shares, labels, strict=True)
    )
    loss = NeuMF()._loss(network, USER, ITEM, torch.tensor(labels))
    assert loss.item() == pytest.approx(expected / 4, rel=1e-5)


def batches_of(model, data, rng):
    parts = list(model._batches(model._prepare(data, rng), rng))
    return [np.concatenate(column) for column in zip(*parts, strict=True)], parts


def test_negatives_are_items_that_the_user_lacks():
    """Users 0 to 3 of 4, items 0 to 8 of 9; user 1 has all items and gets none."""
    rng = np.random.default_rng(0)
    cells = np.argwhere(rng.random((4, 9)) < 0.6)
    full = np.column_stack([np.ones(9, int), np.arange(9)])
    cells = np.concatenate([cells[cells[:, 0] != 1], full])
    data = Interactions(
        cells[:, 0], cells[:, 1], np.full(len(cells), 2.0), None, np.arange(4),
        np.arange(9),
    )  # fmt: skip
    has = {tuple(cell) for cell in cells.tolist()}
    model = NeuMF(n_negatives=3, batch_size=10)
    first, parts = batches_of(model, data, rng)
    second, _ = batches_of(model, data, rng)
    assert all(len(part[0]) == 10 for part in parts[:-1])
    for user, item, label in (first, second):
        yes = {(u, i) for u, i, y in zip(user, item, label, strict=True) if y == 1}
        no = [(u, i) for u, i, y in zip(user, item, label, strict=True) if y == 0]
        assert yes == has and sum(label) == len(cells)
        assert not set(no) & has and len(no) == 3 * sum(u != 1 for u, _ in has)
        for u in (0, 2, 3):
            own = sum(v == u for v, _ in has)
            assert sum(v == u for v, _ in no) == 3 * own
        assert max(i for _, i in no) == 8, "candidates are all items, not all users"
    drawn = [sorted(zip(*part[:2], strict=True)) for part in (first, second)]
    assert drawn[0] != drawn[1], "negatives are drawn anew"


def test_scores_of_all_pairs_by_parts():
    """More users than a part holds, and not a multiple of it."""
    data = make_world(n_users=150, n_items=9, n_ratings=600).interactions
    model = NeuMF(n_factors=2, hidden=(4, 2), n_epochs=1, batch_size=512).fit(data)
    users = np.random.default_rng(0).permutation(150)
    scores = model.score(users)
    pairs = torch.from_numpy(np.repeat(users, 9)), torch.arange(9).repeat(150)
    expected = numpy_of(model.network_(*pairs)).reshape(150, 9)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("hidden", [(), (16, 8)])
def test_neumf_learns_more_than_popularity(hidden):
    world = make_world(n_users=150, n_items=60, n_ratings=3000, skew=0.3)
    split = item_stratified(world.interactions)
    train, test = split.train, split.test
    settings = {"n_factors": 8, "n_epochs": 12, "batch_size": 512}
    model = NeuMF(hidden=hidden, learning_rate=0.02, weight_decay=1e-5, **settings)
    ours = evaluate(model.fit(train), test).ndcg.mean()
    assert ours > 1.15 * evaluate(Popularity().fit(train), test).ndcg.mean()
